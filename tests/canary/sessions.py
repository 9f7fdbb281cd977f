"""The flows of the table: what a person does with a key, in the app and by commands."""

from __future__ import annotations

import os
import termios
from contextlib import contextmanager
from typing import TYPE_CHECKING

from keytui.demo.server import DemoServer
from keytui.model import Secret
from tests import secret_service
from tests.canary.stage import Stage, canary

if TYPE_CHECKING:
    from pathlib import Path

    from tests.canary.evidence import Table
    from tests.terminal import Terminal

PASSPHRASE = "wolke-7 ahorn blitz 19"
CRASHES = ("callback", "async worker", "thread worker", "input handler")
LOOSE = ("loose task", "loose thread")
"""Errors that nobody catches and that end nothing: Python would print them."""


class Tale:
    """What became of a session: the table's rows, and what was looked through by surface."""

    def __init__(self, table: Table, seen: dict[str, set[str]]) -> None:
        self.table = table
        self.seen = seen


def life_of_a_key(*, vault: bool = True, folder: Path | None = None) -> Tale:
    """Every flow of the app, one after another, on a new store: a vault whose passphrase is typed, or gnome-keyring.

    Args:
        folder: Where to keep the bus, for gnome-keyring.
    """
    if vault:
        return _life({}, vault=True)
    assert folder is not None
    secret_service.need()
    with contextmanager(secret_service.running)(folder) as service:
        return _life({"DBUS_SESSION_BUS_ADDRESS": service.address}, vault=False)


def _life(environ: dict[str, str], *, vault: bool) -> Tale:
    first, second, new = canary("1st"), canary("2nd"), canary("new")
    backend = "vault" if vault else "os"
    suffix = "" if vault else ", gnome-keyring"
    with (
        DemoServer(delta_seconds=0.005) as server,
        Stage(first, second, new, PASSPHRASE, environ=environ, as_root=not vault) as stage,
    ):
        with stage.open(backend=backend) as terminal:
            stage.ready(terminal)
            terminal.wait_for("No keys yet", "n New")
            stage.begin(f"typed{suffix}", terminal)
            _fill_in(terminal, server, "typed-key", first, typed=True)
            stage.picture(terminal)

            stage.begin(f"stored{suffix}", terminal)
            terminal.type("\x13")
            if vault:
                terminal.wait_for("Once more")
                terminal.type(f"{PASSPHRASE}\t{PASSPHRASE}\x13")
            terminal.wait_for("1 key", "valid", gone=["New key"])
            assert stage.probe(terminal.pid) == ""

            stage.begin(f"pasted{suffix}", terminal)
            _fill_in(terminal, server, "pasted-key", second, typed=False)
            stage.picture(terminal)
            terminal.type("\x13")
            terminal.wait_for("2 keys", gone=["New key"])

            stage.begin(f"checked{suffix}", terminal)
            _select(terminal, "typed-key")
            terminal.type("T")
            terminal.wait_for("Checked 2 keys. All of them work.")

            stage.begin(f"prompted with{suffix}", terminal)
            terminal.type("p")
            terminal.wait_for("Enter Send")
            terminal.type("Say hello in one word\r")
            terminal.wait_for("first token", "ended: stop")
            stage.picture(terminal)
            terminal.type("\x1b")
            terminal.wait_for("n New")

            stage.begin(f"copied{suffix}", terminal)
            terminal.type("2y")
            terminal.wait_for_output(rb"\x1b\]52;")
            terminal.wait_for("not confirmed")
            stage.end(terminal)
            assert stage.copies == [first]

            stage.begin(f"revealed{suffix}", terminal)
            reveal(stage, terminal, first)

            stage.begin(f"rotated{suffix}", terminal)
            _rotate(terminal, new)
            stage.picture(terminal)
            terminal.type("q")
            assert terminal.wait_for_exit() == 0
            stage.end(terminal)
        return Tale(stage.table, stage.seen)


def _fill_in(terminal: Terminal, server: DemoServer, name: str, key: str, *, typed: bool) -> None:
    terminal.type("n")
    terminal.wait_for("New key")
    # The address first, so that none is proposed: past Name and Provider into Base URL, and back to Key.
    terminal.type(f"\t\t\t{server.url}\x1b[Z\x1b[Z\x1b[Z")
    terminal.wait_for(server.url)
    if typed:
        for character in key:
            terminal.type(character)
    else:
        terminal.paste(key)
    terminal.wait_for(f"{len(key)} characters")
    terminal.type("\t")
    terminal.wait_for("Name            openai")
    terminal.type("\x15")  # Ctrl+U: in place of the proposed one, once that is gone
    terminal.wait_for("New key", gone=["Name            openai"])
    terminal.type(name)
    terminal.wait_for(f"Name            {name} ", server.url)


def _select(terminal: Terminal, name: str) -> None:
    terminal.type("2G")
    terminal.wait_for(f"3 Details · {name}")


def reveal(stage: Stage, terminal: Terminal, key: str) -> None:
    """Show the key, have a picture taken while it is shown, and note all but what was asked to be shown."""
    start = len(terminal.output)
    terminal.type("v")
    terminal.wait_for("hides in", key[:20])
    stage.picture(terminal)
    if "hides in" in terminal.screen():  # a picture hides it
        terminal.type("\x1b")
    terminal.wait_for("…", gone=["hides in"])
    end = len(terminal.output)
    # All is drawn anew, twice.
    terminal.resize(100, 30)
    terminal.wait_for("1 Groups · 4 Test")
    terminal.resize(120, 40)
    terminal.wait_for("╭─ 1 Groups", "╭─ 4 Test")
    stage.end(terminal, hidden=(start, end))


def _rotate(terminal: Terminal, new: str) -> None:
    terminal.type("2r")
    terminal.wait_for("Paste the new key here")
    terminal.paste(new)
    terminal.wait_for(f"{len(new)} characters")
    terminal.type("\x13")
    terminal.wait_for("Done.", "Switch")
    terminal.type("\x1b")
    terminal.wait_for(f"…{new[-4:]}", gone=["Done."])


def commands() -> Tale:
    """The same by commands, in pipes; the export's passphrase is typed."""
    first, new = canary("1st"), canary("new")
    with DemoServer(delta_seconds=0) as server, Stage(first, new, PASSPHRASE) as stage:
        stage.stored("other", Secret(canary("other")), server)
        stage.begin("stored (command)")
        assert stage.run("add", "work", "--stdin", "--base-url", server.url, stdin=f"{first}\n").returncode == 0
        stage.begin("checked (command)")
        assert stage.run("test", "work", "--json").returncode == 0
        stage.begin("prompted with (command)")
        assert stage.run("test", "work", "--prompt", "Say hello in one word").returncode == 0
        stage.begin("refused (command)")
        assert stage.run("add", "again", "--stdin", stdin=f"{first} {first}\n").returncode == 2
        stage.begin("rotated (command)")
        assert stage.run("rotate", "work", "--stdin", stdin=f"{new}\n").returncode == 0
        stage.begin("exported (command)")
        with stage.open("export", os.path.join(stage.home, "keys.age")) as terminal:
            for _ in range(2):
                terminal.wait_for_output(rb"(?s)(empty cancels|The same again)[^:]*: \Z")
                terminal.type(f"{PASSPHRASE}\r")
                terminal.output += b"\x00"  # so that the next question is waited for
            assert terminal.wait_for_exit() == 0
            assert "2 keys written" in terminal.screen().replace("\n", "")
            stage.end(terminal)
        stage.begin("crashed on: command")
        assert stage.run("get", "work", crash="command").returncode == 1
        stage.end()
        return Tale(stage.table, stage.seen)


def issued() -> Tale:
    """The provider makes the new key, which nobody has seen before, and ends the old one."""
    old, admin = canary("old").replace("proj", "svcacct"), canary("adm").replace("proj", "admin")
    with DemoServer(delta_seconds=0, slow_seconds=0) as server, Stage(old, admin) as stage:
        stage.environ["KEYTUI_PROPAGATION_SECONDS"] = "5"
        stage.stored("work", Secret(old), server)
        stage.stored("boss", Secret(admin), server, "admin")
        old_id = server.admin.add_key(Secret(old), "by hand", account="robot")
        stage.begin("issued (command)")
        ran = stage.run("rotate", "work", "--issue", "--old-key-id", old_id, "--now", "-y")
        assert ran.returncode == 0, ran.stderr
        stage.secrets.append(stage.asked("get", "work"))
        stage.end()
        return Tale(stage.table, stage.seen)


def crash(way: str) -> Tale:
    """The app breaks with the key in hand; the terminal is as before, and the store is safe."""
    key = canary("key")
    with DemoServer(delta_seconds=0) as server, Stage(key) as stage:
        stage.stored("work", Secret(key), server)
        stage.begin(f"crashed on: {way}")
        with stage.open(crash=way) as terminal:
            stage.ready(terminal)
            before = termios.tcgetattr(terminal.process.child_fd)
            assert not before[3] & termios.ECHO  # the app has it
            terminal.type("?")
            assert terminal.wait_for_exit() == 1
            after = termios.tcgetattr(terminal.process.child_fd)
            assert after[3] & termios.ECHO
            assert after[3] & termios.ICANON
            for sequence in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l", b"\x1b[?2004l"):
                assert terminal.output.rindex(sequence) > terminal.output.rindex(b"\x1b[?1049h")
            said = terminal.screen()
            assert "keytui stopped because of an error in itself: ValueError at" in said
            assert said.count("Traceback") == 0
            stage.end(terminal)
        assert stage.run("get", "work").stdout == f"{key}\n".encode()
        return Tale(stage.table, stage.seen)


def loose(way: str) -> Tale:
    """Something fails of which nobody hears; the app goes on."""
    key = canary("key")
    with DemoServer(delta_seconds=0) as server, Stage(key) as stage:
        stage.stored("work", Secret(key), server)
        stage.begin(f"crashed on: {way}")
        with stage.open(crash=way) as terminal:
            stage.ready(terminal)
            terminal.wait_for("work", "n New")
            terminal.type("?")
            stage.settle(terminal)
            terminal.type("q")
            assert terminal.wait_for_exit() == 0
            stage.end(terminal)
        return Tale(stage.table, stage.seen)


def short(plant: str) -> Tale:
    """Open the app, copy and reveal a key, and leak on one surface on the way; "" leaks nowhere."""
    key = canary("key")
    with DemoServer(delta_seconds=0) as server, Stage(key) as stage:
        stage.stored("work", Secret(key), server)
        crash_at = "callback" if plant == "traceback" else ""
        with stage.open(plant=plant, crash=crash_at) as terminal:
            stage.ready(terminal)
            terminal.wait_for("work", "4 Test")
            stage.begin("copied", terminal)
            terminal.type("2y")
            terminal.wait_for_output(rb"\x1b\]52;")
            terminal.wait_for("not confirmed")
            stage.begin("revealed", terminal)
            if plant:
                stage.plant(terminal)
            if plant == "terminal":
                terminal.wait_for_output(rb"\x1b\]0;")
            stage.probe(terminal.pid)
            reveal(stage, terminal, key)
            stage.begin("left", terminal)
            terminal.type("?" if crash_at else "q")
            assert terminal.wait_for_exit() == (1 if crash_at else 0)
            stage.end(terminal)
        return Tale(stage.table, stage.seen)


def whole(folder: Path | None) -> Tale:
    """Every flow there is; with a folder for the bus also on gnome-keyring."""
    tales = [life_of_a_key(), commands(), issued(), *map(crash, CRASHES), *map(loose, LOOSE)]
    if folder is not None:
        tales.append(life_of_a_key(vault=False, folder=folder))
    seen: dict[str, set[str]] = {}
    for tale in tales:
        for surface, kinds in tale.seen.items():
            seen.setdefault(surface, set()).update(kinds)
    return Tale({flow: row for tale in tales for flow, row in tale.table.items()}, seen)
