"""After `y` and SIGKILL of the app, for real: an X server of our own, xclip and xsel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keytui.demo.server import DemoServer
from keytui.model import Secret
from tests.canary import evidence
from tests.canary.stage import Stage, canary
from tests.display import x_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.terminal import Terminal

SECONDS = 8
"""Long enough for a busy machine to look at the clipboard in time."""

LOOK = 2.0  # seconds until a tool that does not answer is asked again
PATIENCE = 30.0
OTHER = "a line of the person's own"
READ = {"xclip": ("xclip", "-selection", "clipboard", "-out"), "xsel": ("xsel", "--clipboard", "--output")}
WRITE = {
    "xclip": ("xclip", "-selection", "clipboard", "-in"),
    "xsel": ("xsel", "--clipboard", "--input", "--logfile", os.devnull),
}


@pytest.fixture
def display() -> Iterator[str]:
    with x_server() as name:
        yield name


class Clipboard:
    """One tool on one display, alone in PATH."""

    def __init__(self, tool: str, display: str, folder: Path) -> None:
        program = shutil.which(tool)
        if program is None:
            pytest.skip(f"{tool} is not installed")
        (folder / tool).symlink_to(program)
        folder.chmod(0o755)  # the app may run as another user
        self.tool = tool
        self.environ = {"DISPLAY": display, "PATH": str(folder), "HOME": str(folder)}

    def read(self) -> str | None:
        """Return the text, or None without an answer: xsel waits for good for an owner that ends while it is asked."""
        out, no = subprocess.PIPE, subprocess.DEVNULL
        try:
            ran = subprocess.run(READ[self.tool], env=self.environ, stdout=out, stderr=no, check=False, timeout=LOOK)
        except subprocess.TimeoutExpired:
            return None
        return ran.stdout.decode()

    def write(self, text: str) -> None:
        quiet = subprocess.DEVNULL
        subprocess.run(WRITE[self.tool], env=self.environ, input=text.encode(), stdout=quiet, stderr=quiet, check=True)
        self.until(text)  # xsel answers before its child owns the clipboard

    def until(self, text: str) -> float:
        """Wait until the clipboard holds the text; return when. Each look runs the tool, so this does not spin."""
        deadline = time.monotonic() + PATIENCE
        while self.read() != text:
            assert time.monotonic() < deadline, f"the clipboard never held {text!r}"
        return time.monotonic()


@pytest.fixture(params=["xclip", "xsel"])
def clipboard(request: pytest.FixtureRequest, display: str) -> Iterator[Clipboard]:
    with tempfile.TemporaryDirectory() as folder:
        yield Clipboard(request.param, display, Path(folder))


def helpers() -> set[int]:
    """Process ids of clearing helpers, whoever started them."""
    found = set()
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if name.isdigit() and b"keytui.flows.clear_clipboard" in file.read():
                    found.add(int(name))
        except OSError:
            continue
    return found


def copied_and_killed(stage: Stage, clipboard: Clipboard, key: str) -> tuple[float, set[int]]:
    """Copy the key in the app and kill that; return when it was copied, and the helper left behind."""
    before = helpers()
    terminal: Terminal
    with stage.open() as terminal:
        stage.ready(terminal)
        terminal.wait_for("work", "4 Test")
        stage.begin("copied", terminal)
        terminal.type("2y")
        terminal.wait_for("Copied work. Clears in", "clears in")
        at = time.monotonic()
        assert clipboard.read() == key
        os.kill(terminal.pid, signal.SIGKILL)
        assert terminal.wait_for_exit() == 128 + signal.SIGKILL
        stage.end(terminal)
    # The tool itself holds what was asked to be copied, in its memory; no argument, variable or file does.
    assert [cell for cell in evidence.red(stage.table) if cell[1] != "others"] == []
    assert {"argv", "environ"} <= {surface for surface, kinds in stage.seen.items() if kinds}
    return at, helpers() - before


def environment(clipboard: Clipboard, seconds: int) -> dict[str, str]:
    return {
        "DISPLAY": clipboard.environ["DISPLAY"],
        "PATH": clipboard.environ["PATH"],
        "KEYTUI_CLIPBOARD_SECONDS": str(seconds),
    }


@pytest.mark.slow
def test_an_untouched_clipboard_is_empty_at_the_set_time(clipboard: Clipboard) -> None:
    key = canary()
    with DemoServer(delta_seconds=0) as server, Stage(key, environ=environment(clipboard, SECONDS)) as stage:
        stage.stored("work", Secret(key), server)
        at, _ = copied_and_killed(stage, clipboard, key)
        killed = time.monotonic() - at
        took = clipboard.until("") - at
    evidence.publish(
        f"clipboard-{clipboard.tool}",
        f"{clipboard.tool}: set to {SECONDS} s; app killed {killed:.2f} s after the copy, empty after {took:.2f} s",
    )


@pytest.mark.slow
def test_what_the_person_copied_since_is_left_alone(clipboard: Clipboard) -> None:
    key = canary()
    with DemoServer(delta_seconds=0) as server, Stage(key, environ=environment(clipboard, SECONDS)) as stage:
        stage.stored("work", Secret(key), server)
        _, helper = copied_and_killed(stage, clipboard, key)
        assert helper, "the helper went with the app"
        clipboard.write(OTHER)
        deadline = time.monotonic() + PATIENCE
        while helper & helpers():
            assert time.monotonic() < deadline, "the helper never ended"
            assert clipboard.read() == OTHER
        assert clipboard.read() == OTHER
