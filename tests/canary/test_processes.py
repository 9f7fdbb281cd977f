"""What other processes of the same user can see of keytui's, and what keytui can still open itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from keytui import process
from keytui.demo.server import DemoServer
from keytui.model import Secret
from tests.canary.stage import Stage, canary, unprivileged
from tests.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 30.0
pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's"), pytest.mark.slow]


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A store with one key, and another process of the same user that looks on."""
    if unprivileged() is None:
        pytest.skip("nobody cannot run this Python; the tests as an unprivileged user see to it")
    key = canary()
    with DemoServer(delta_seconds=0) as server, Stage(key) as made:
        made.stored("work", Secret(key), server)
        yield made


def until_refused(stage: Stage, number: int) -> None:
    """Wait until nothing of a process can be opened any more: it closes itself as soon as Python has started."""
    deadline = time.monotonic() + PATIENCE
    while stage.probe(number):
        assert time.monotonic() < deadline, "the process never closed itself"


def test_a_process_that_does_nothing_about_it_is_open(stage: Stage) -> None:
    with subprocess.Popen(stage.program("import sys; sys.stdin.read()"), stdin=subprocess.PIPE) as child:
        deadline = time.monotonic() + PATIENCE
        while "environ" not in stage.probe(child.pid).split():  # setpriv comes first
            assert time.monotonic() < deadline, "the process was never open"
        assert child.stdin is not None
        child.stdin.close()


@pytest.mark.parametrize("module", ["keytui.storage.derive", "keytui.flows.clear_clipboard"])
def test_a_helper_closes_itself_before_it_is_told_a_secret(stage: Stage, module: str) -> None:
    command = stage.program("", *process.helper_command(module)[1:], "protect")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        until_refused(stage, child.pid)  # it waits for its order meanwhile
        child.kill()


def test_the_app_and_a_command_are_closed(stage: Stage) -> None:
    with stage.open() as terminal:
        stage.ready(terminal)
        assert stage.probe(terminal.pid) == ""
    stage.lock()
    with stage.open("get", "work") as terminal:
        terminal.wait_for("Passphrase of the vault:")
        assert stage.probe(terminal.pid) == ""


def fed(stage: Stage, text: str, *words: str) -> list[str]:
    """Return a command whose descriptors 0 and 3 are a pipe that holds the text, made by the same user."""
    command = stage.command(*words)
    prefix, python = command[: command.index("-P") - 1], command[command.index("-P") - 1 :]
    shell = shutil.which("sh") or "sh"
    return [*prefix, shell, "-c", f'printf "%s\\n" "{text}" | "$@" 3<&0', "sh", *python]


@pytest.mark.parametrize("path", ["/dev/fd/3", "/proc/self/fd/3", "/dev/stdin"])
def test_a_file_named_by_descriptor_is_read(stage: Stage, path: str) -> None:
    environ = {**stage.environ, "KEYTUI_BACKEND": "vault"}
    with Terminal(fed(stage, "this is no export", "restore", path), environ) as terminal:
        code = terminal.wait_for_exit()
        assert "no file that a passphrase opens" in " ".join(terminal.screen().split())
        assert code == 4


@pytest.mark.parametrize("path", ["/dev/fd/3", "/proc/self/fd/3", "/dev/stdin"])
def test_a_passphrase_is_read_from_an_inherited_descriptor(stage: Stage, path: str) -> None:
    stage.lock()
    environ = {**stage.environ, "KEYTUI_BACKEND": "vault", "KEYTUI_PASSPHRASE_FILE": path}
    command = fed(stage, "correct horse battery staple", "get", "work")
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, env=environ, capture_output=True, text=True, check=False)
    # This vault's identity is no file of age, which is found out only with the passphrase in hand.
    assert "identity.age in the vault is not what was written" in ran.stderr
    assert ran.returncode == 4
