"""The real command as processes of their own, on a vault that is open through the kernel's keyring."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from keytui import settings as settings_module
from keytui.storage.keystore import Keystore
from tests.stores import open_vault
from tests.terminal import plain_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keytui.model import Secret
    from keytui.settings import Settings

RUNNER = str(Path(__file__).with_name("runner.py"))


class Place(NamedTuple):
    """A keytui home whose vault is open, as `keytui unlock` leaves it.

    Attributes:
        environ: Variables for commands.
    """

    settings: Settings
    environ: dict[str, str]

    def start(self, *words: str, stdin: str = "", steps: int | None = None) -> subprocess.Popen[bytes]:
        """Start a command; with `steps` it reports the steps it reaches to that descriptor."""
        program: Sequence[str] = ("-m", "keytui") if steps is None else (RUNNER, str(steps))
        process = subprocess.Popen(
            (sys.executable, "-P", *program, *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environ,
            pass_fds=() if steps is None else (steps,),
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(stdin.encode())  # a key is shorter than a pipe
        process.stdin.close()
        process.stdin = None
        return process

    def run(self, *words: str, stdin: str = "") -> tuple[int, str]:
        """Run a command to its end; returns its exit code and what it said."""
        process = self.start(*words, stdin=stdin)
        _, said = process.communicate()
        return process.returncode, said.decode()

    def store(self) -> Keystore:
        """Open the store in this process."""
        return Keystore(self.settings)


def unlocked_place(folder: Path, passphrase: Secret | None = None) -> Place:
    """Make a home; its vault stays open for an hour, or until lock(). Skips where there is no kernel keyring.

    Args:
        folder: Where.
        passphrase: Protects the vault, which takes seconds; without one nothing opens it but the kernel's keyring.
    """
    settings = settings_module.load({"KEYTUI_HOME": str(folder), "KEYTUI_BACKEND": "vault"})
    if passphrase is None:
        cached = open_vault(settings)[0].cache(60)
    else:
        store = Keystore(settings)
        store.set_up_vault(passphrase)
        cached = store.cache(60)
        store.close()
    if not cached:
        pytest.skip("this system has no kernel keyring")
    environ = plain_environment(folder, KEYTUI_HOME=str(folder), KEYTUI_BACKEND="vault")
    environ.pop("KEYTUI_NO_CACHE", None)
    environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    return Place(settings, environ)


def slots_on_disk(settings: Settings) -> set[str]:
    """Names of the files that hold secrets."""
    return set(os.listdir(os.path.join(settings.vault_dir, "secrets")))
