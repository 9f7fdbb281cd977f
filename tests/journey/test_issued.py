"""A key's successor issued by its provider, by keys alone, in a real terminal, against a server of the test's own."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from keytui.demo import samples
from keytui.demo.server import DemoServer
from keytui.model import Secret
from tests import leaks
from tests.stores import fake_key
from tests.terminal import Terminal, plain_environment

if TYPE_CHECKING:
    from pathlib import Path

KEYTUI = (sys.executable, "-P", "-m", "keytui")
PASSPHRASE = "wolke-7 ahorn blitz 19"
DAY = 86_400


class Clock:
    """The server's clock, which the test moves."""

    def __init__(self) -> None:
        self.moved = 0.0

    def __call__(self) -> float:
        return time.time() + self.moved


def commands(machine: Path, *arguments: str, value: str = "") -> str:
    passphrase = machine / "passphrase"
    if not passphrase.exists():
        with open(os.open(passphrase, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(PASSPHRASE)
    environ = plain_environment(machine, KEYTUI_PASSPHRASE_FILE=str(passphrase))
    done = subprocess.run(
        [*KEYTUI, *arguments], env=environ, input=value, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(port: int, secret: Secret) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {secret.reveal()}"})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize(("columns", "rows"), [(120, 40), (80, 24)])
def test_r_and_ctrl_s_bring_a_new_key_into_use_and_the_old_one_ends(machine: Path, columns: int, rows: int) -> None:
    clock = Clock()
    old, admin = fake_key("sk-" + "svcacct-"), fake_key("sk-" + "admin-")
    with DemoServer(clock=clock) as server:
        old_id = server.admin.add_key(old, "bot", account="bot")
        where = ("--provider", "openai", "--base-url", server.url, "--stdin", "--no-check")
        commands(machine, "add", "bot", *where, value=old.reveal())
        commands(machine, "add", "zadmin", "--kind", "admin", *where, value=admin.reveal())
        environ = plain_environment(machine)
        with Terminal(KEYTUI, environ, columns=columns, rows=rows) as terminal:
            terminal.wait_for("2 keys", "n New")
            terminal.type("r")
            terminal.wait_for("Passphrase")
            terminal.type(f"{PASSPHRASE}\r")
            terminal.wait_for("Old key's id", "Ctrl+S", old_id)  # likely only: the person names it
            terminal.type(old_id)
            terminal.type("\x13")
            terminal.wait_for("more hours after the switch", "Ctrl+S", old_id)
            terminal.type("\x13")
            terminal.wait_for("The new key is in use.", "Enter")
            assert [answers(server.port, old), len(server.admin.live())] == [200, 2]
            clock.moved = DAY + 60  # the provider itself ends the old key, whether or not keytui runs
            assert answers(server.port, old) == 401
            terminal.type("\r")
            terminal.wait_for("n New", gone=["Ctrl+E"])
            terminal.type("q")
            assert terminal.wait_for_exit() == 0
        new = Secret(commands(machine, "get", "bot").strip())
        assert answers(server.port, new) == 200
        assert [each.id for each in server.admin.live()] == [server.admin.id_of(new)]
    shown = terminal.output
    assert [leaks.leaks(shown, secret.reveal()) for secret in (old, new, admin)] == [[], [], []]
    assert leaks.files_with(machine, [secret.reveal() for secret in (old, new, admin)]) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["openai-bot", "router"])
def test_in_the_demo_r_and_ctrl_s_are_all_it_takes(machine: Path, name: str) -> None:
    old = samples.secret_of(name)
    with Terminal((*KEYTUI, "--demo"), plain_environment(machine)) as terminal:
        select(terminal, name)
        found = re.search(r"127\.0\.0\.1:(\d+)", terminal.wait_for("127.0.0.1:"))
        assert found is not None
        port = int(found[1])
        assert answers(port, old) != 401
        terminal.type("r")
        terminal.wait_for("Ctrl+S", "revoked", f"{name}")
        terminal.type("\x13")
        terminal.wait_for("Done. The new key is in use", "The old key is refused")
        assert answers(port, old) == 401
        terminal.type("\r")
        terminal.wait_for("n New", gone=["Done."])
        terminal.type("q")
        assert terminal.wait_for_exit() == 0


@pytest.mark.slow
def test_ending_the_old_key_now_in_the_demo(machine: Path) -> None:
    with Terminal((*KEYTUI, "--demo"), plain_environment(machine)) as terminal:
        select(terminal, "openai-bot")
        terminal.type("r")
        terminal.wait_for("Ctrl+S", "support-bot")
        terminal.type("\x7f24\x13")  # hours instead of none
        terminal.wait_for("The new key is in use.")
        terminal.type("\x05")
        terminal.wait_for("End the old key now?")
        terminal.type("y")
        terminal.wait_for("Done.", "The old key is refused")
        terminal.type("\r")
        terminal.wait_for("n New", gone=["Done."])
        terminal.type("q")
        assert terminal.wait_for_exit() == 0


def select(terminal: Terminal, name: str) -> None:
    terminal.wait_for("openai-bot", "3 Details")
    terminal.type("/")
    terminal.wait_for("Filter:")
    terminal.type(f"{name}\r")
    terminal.wait_for(f"3 Details · {name}")
