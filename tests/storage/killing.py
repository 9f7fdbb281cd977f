"""Runs a flow in a child process that is killed at one of its steps, as by a power cut."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from keytui.storage import steps
from keytui.storage.keystore import Keystore
from keytui.storage.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.model import Secret
    from keytui.settings import Settings


def reopen(settings: Settings, identity: Secret) -> Keystore:
    """Open a store on the vault of `settings`, as a new process would."""
    vault = Vault(settings)
    vault.open_with(identity)
    return Keystore(settings._replace(backend="vault"), backends={"vault": vault})


def killed_at(number: int, flow: Callable[..., object], *arguments: object) -> str:
    """Run `flow(*arguments)` in a child process and kill it when it reaches its step of this number, from 0.

    Returns:
        The step's name, or "" when the flow came to its end before.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            seen = 0

            def reached(name: str) -> None:
                nonlocal seen
                if seen == number:
                    os.write(writer, name.encode())
                    os.kill(os.getpid(), signal.SIGKILL)
                seen += 1

            steps.reached = reached
            flow(*arguments)
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as file:
        name = file.read()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) if name else os.waitstatus_to_exitcode(status) == 0
    return name
