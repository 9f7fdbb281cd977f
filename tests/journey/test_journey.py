"""The whole main job by keys alone, in a real terminal, against a real server: on the vault and on gnome-keyring."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from keytui.demo.server import DemoServer
from tests import leaks, secret_service
from tests.stores import fake_key
from tests.terminal import Terminal, plain_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZES = [(120, 40), pytest.param(80, 24, marks=pytest.mark.slow)]
PASSPHRASE = "wolke-7 ahorn blitz 19"
KEYTUI = (sys.executable, "-P", "-m", "keytui")


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer(delta_seconds=0.01) as running:
        yield running


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_the_main_job_on_the_vault(machine: Path, server: DemoServer, columns: int, rows: int) -> None:
    environ = plain_environment(machine)
    with Terminal(KEYTUI, environ, columns=columns, rows=rows) as terminal:
        secrets = _main_job(terminal, server, vault=True)
    _nothing_leaked(terminal, machine, secrets)
    assert sorted(os.listdir(machine / "keytui" / "vault")) == ["identity.age", "recipient.txt", "secrets"]


@pytest.mark.slow
@pytest.mark.secret_service
@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_the_main_job_on_gnome_keyring(
    machine: Path, tmp_path: Path, server: DemoServer, columns: int, rows: int
) -> None:
    secret_service.need()
    with contextmanager(secret_service.running)(tmp_path / "bus") as service:
        environ = plain_environment(machine, DBUS_SESSION_BUS_ADDRESS=service.address)
        with Terminal(KEYTUI, environ, columns=columns, rows=rows) as terminal:
            secrets = _main_job(terminal, server, vault=False)
    _nothing_leaked(terminal, machine, secrets)
    assert not (machine / "keytui" / "vault").exists()


def _main_job(terminal: Terminal, server: DemoServer, *, vault: bool) -> list[str]:
    old, new = (fake_key().reveal() for _ in range(2))
    terminal.wait_for("No keys yet", "n New")

    terminal.type("n")
    terminal.wait_for("New key")
    # In one go, as over a slow line: past Name and Provider into Base URL, and back to Key.
    terminal.type(f"\t\t\t{server.url}\x1b[Z\x1b[Z\x1b[Z")
    terminal.wait_for(server.url)
    terminal.paste(old)
    terminal.wait_for(f"{len(old)} characters", "OpenAI")
    terminal.type("\x13")  # Ctrl+S
    if vault:
        terminal.wait_for("Once more")
        terminal.type(f"{PASSPHRASE}\t{PASSPHRASE}\x13")
    terminal.wait_for("1 key", "valid", gone=["New key"])

    terminal.type("p")
    terminal.wait_for("Say hello in one word", "Enter Send")
    terminal.type("\r")
    terminal.wait_for("first token", "ended: stop")
    terminal.type("\x1b")
    terminal.wait_for("n New")

    terminal.type("y")
    terminal.wait_for_output(rb"\x1b\]52;")
    terminal.wait_for("not confirmed")

    terminal.type("r")
    terminal.wait_for("Paste the new key here")
    terminal.paste(new)
    terminal.wait_for(f"{len(new)} characters")
    terminal.type("\x13")
    terminal.wait_for("Done.", "Switch")
    terminal.type("\x1b")
    terminal.wait_for(f"…{new[-4:]}", "valid", gone=["Done."])

    terminal.type("d")
    terminal.wait_for("Delete", "Cancel")
    terminal.type("y")
    terminal.wait_for("0 keys")
    terminal.type("u")
    terminal.wait_for("1 key ", f"…{new[-4:]}")
    terminal.type("q")
    assert terminal.wait_for_exit() == 0
    return [old, new]


def _nothing_leaked(terminal: Terminal, home: Path, secrets: list[str]) -> None:
    shown, copies = leaks.without_copies(terminal.output)
    assert copies == [secrets[0]]
    searched = [*secrets, PASSPHRASE]
    assert [leaks.leaks(shown, secret) for secret in searched] == [[]] * len(searched)
    files = list(leaks.files_below(home))
    assert any(path.endswith("index.db") for path in files)
    assert leaks.files_with(home, searched) == []
