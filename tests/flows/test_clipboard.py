"""Copying a key, for real: an X server of our own, xclip and xsel, and the helper that clears."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keytui.errors import ClipboardFailed
from keytui.flows import clipboard, clipboard_tools
from keytui.model import Secret
from tests.display import x_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytui.flows.clipboard_tools import Tool
    from keytui.settings import Settings

SECRET = "sk-" + "proj-" + "Cl1pb0ardCl1pb0ardCl1pb0ard" + "x4Qa"
OTHER = "sk-" + "proj-" + "0therKey0therKey0therKey" + "9f2c"
PATIENCE = 20.0


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with x_server() as name:
        yield name


both_tools = pytest.mark.parametrize("tool", ["xclip", "xsel"], indirect=True)


@pytest.fixture
def tool(
    request: pytest.FixtureRequest, display: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Tool]:
    """One tool on that server, alone in PATH: xclip unless the test names another."""
    name = str(getattr(request, "param", "xclip"))
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / name).symlink_to(program)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("DISPLAY", display)
    tools = clipboard_tools.native_tools(os.environ)
    assert [found.name for found in tools] == [name]
    yield tools[0]
    if clipboard._Helper._armed is not None:
        clipboard._Helper._armed.dismiss()


def held_by(tool: Tool) -> str | None:
    held = tool.read()
    return held.reveal() if held is not None else None


def emptied(tool: Tool) -> bool:
    """Whether the clipboard gets empty in time; each look is a run of the tool, so this does not spin."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if not held_by(tool):
            return True
    return False


def helper_ended() -> bool:
    """Wait for the helper of the newest copy to end."""
    helper = clipboard._Helper._armed
    assert helper is not None
    assert helper._child is not None
    helper._child.wait(PATIENCE)
    return True


@both_tools
def test_a_copy_is_read_back_and_named(tool: Tool, settings: Settings) -> None:
    before = time.time()
    copied = clipboard.copy(Secret(SECRET), settings, name="openai-prod")
    assert held_by(tool) == SECRET
    assert (copied.route, copied.confirmed) == (tool.name, True)
    assert copied.sentence == "Copied openai-prod. Clears in 30 s."
    assert copied.clears_at is not None
    assert copied.clears_at >= before + 30


@both_tools
def test_an_untouched_copy_is_cleared(tool: Tool, settings: Settings) -> None:
    clipboard.copy(Secret(SECRET), settings._replace(clipboard_seconds=1))
    assert emptied(tool)


@both_tools
def test_what_was_copied_meanwhile_is_left_alone(tool: Tool, settings: Settings) -> None:
    clipboard.copy(Secret(SECRET), settings._replace(clipboard_seconds=1))
    tool.write(Secret("a line of the person's own"))
    assert helper_ended()
    assert held_by(tool) == "a line of the person's own"


def test_a_copy_with_a_newline_added_by_a_manager_is_cleared(tool: Tool, settings: Settings) -> None:
    clipboard.copy(Secret(SECRET), settings._replace(clipboard_seconds=1))
    tool.write(Secret(SECRET + "\n"))
    assert emptied(tool)


def test_a_second_copy_of_the_same_key_starts_its_time_anew(tool: Tool, settings: Settings) -> None:
    clipboard.copy(Secret(SECRET), settings._replace(clipboard_seconds=30))
    first = clipboard._Helper._armed
    assert first is not None
    child = first._child
    assert child is not None
    clipboard.copy(Secret(SECRET), settings._replace(clipboard_seconds=1))
    assert child.wait(PATIENCE) in (-signal.SIGTERM, -signal.SIGKILL)  # killed where whoever runs this ignores SIGTERM
    assert emptied(tool)


def test_zero_seconds_never_clears_and_says_so(tool: Tool, settings: Settings) -> None:
    copied = clipboard.copy(Secret(SECRET), settings._replace(clipboard_seconds=0), name="work")
    assert copied.sentence == "Copied work. It is not cleared: clipboard_seconds is 0."
    assert copied.clears_at is None
    assert held_by(tool) == SECRET


def test_the_copy_is_cleared_after_the_process_was_killed(tool: Tool, machine: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from keytui import settings\n"
        "from keytui.flows import clipboard\n"
        "from keytui.model import Secret\n"
        "clipboard.copy(Secret(sys.stdin.read()), settings.load()._replace(clipboard_seconds=1))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    # Output is captured: a child of the tool that kept our stdout open would make this wait for ever.
    done = subprocess.run(
        (sys.executable, "-c", program), input=SECRET.encode(), capture_output=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert held_by(tool) in (SECRET, "", None)
    assert emptied(tool)
    assert machine.is_dir()


def test_neither_helper_nor_tool_has_the_secret_in_its_arguments_or_environment(tool: Tool, settings: Settings) -> None:
    clipboard.copy(Secret(SECRET), settings)
    seen = 0
    for process in Path("/proc").glob("[0-9]*"):
        for what in ("cmdline", "environ"):
            try:
                text = (process / what).read_bytes()
            except OSError:
                continue
            seen += tool.name.encode() in text or b"clear_clipboard" in text
            assert SECRET.encode() not in text
    assert seen


def test_the_helper_that_cannot_start_is_admitted(
    tool: Tool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    copied = clipboard.copy(Secret(SECRET), settings, name="work")
    assert copied.sentence == "Copied work. It will not be cleared: copy something else afterwards."
    assert copied.clears_at is None
    assert held_by(tool) == SECRET


@both_tools
def test_a_dead_display_falls_back_to_the_terminal(
    tool: Tool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":4321")
    sent: list[str] = []
    copied = clipboard.copy(Secret(SECRET), settings, name="work", osc52=sent.append)
    assert (copied.route, copied.confirmed, copied.clears_at) == ("osc52", False, None)
    assert copied.sentence == (
        "Sent to the terminal, not confirmed. keytui cannot clear it: copy something else afterwards."
    )
    assert len(sent) == 1
    assert tool.name


def test_a_dead_display_alone_is_a_failure(tool: Tool, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":4321")
    with pytest.raises(ClipboardFailed, match=f"not confirmed: {tool.name} did not give") as failed:
        clipboard.copy(Secret(SECRET), settings)
    assert SECRET not in repr(failed.value.__context__)


def test_over_ssh_the_terminal_is_preferred(tool: Tool, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")
    tool.write(Secret("before"))
    sent: list[str] = []
    assert clipboard.copy(Secret(OTHER), settings, osc52=sent.append).route == "osc52"
    assert held_by(tool) == "before"
    assert clipboard.copy(Secret(OTHER), settings._replace(clipboard="native"), osc52=sent.append).route == tool.name


def test_the_osc52_setting_leaves_the_tools_alone(tool: Tool, settings: Settings) -> None:
    tool.write(Secret("before"))
    sent: list[str] = []
    assert clipboard.copy(Secret(SECRET), settings._replace(clipboard="osc52"), osc52=sent.append).route == "osc52"
    assert held_by(tool) == "before"


def test_nothing_to_copy_with_says_what_to_install(settings: Settings) -> None:
    with pytest.raises(ClipboardFailed) as failed:
        clipboard.copy(Secret(SECRET), settings)
    assert failed.value.sentence == "Nothing was copied: no clipboard was found here."
    assert "xclip" in failed.value.hint


def test_the_osc52_setting_without_a_terminal_fails(settings: Settings) -> None:
    with pytest.raises(ClipboardFailed, match="no terminal"):
        clipboard.copy(Secret(SECRET), settings._replace(clipboard="osc52"))


def test_the_plain_sequence_carries_the_key_in_base64() -> None:
    payload = base64.b64encode(SECRET.encode()).decode()
    assert clipboard.osc52_sequence(Secret(SECRET), {}) == f"\x1b]52;c;{payload}\x07"


def test_tmux_gets_its_wrapping_with_doubled_escapes() -> None:
    payload = base64.b64encode(SECRET.encode()).decode()
    wrapped = clipboard.osc52_sequence(Secret(SECRET), {"TMUX": "/tmp/tmux-0/default,1,0"})
    assert wrapped == f"\x1bPtmux;\x1b\x1b]52;c;{payload}\x07\x1b\\"


def test_screen_gets_its_wrapping_in_pieces_it_can_hold() -> None:
    long = "k" * 3000
    wrapped = clipboard.osc52_sequence(Secret(long), {"STY": "1.pts"})
    pieces = wrapped.split("\x1b\\")[:-1]
    assert all(piece.startswith("\x1bP") and len(piece) <= 768 for piece in pieces)
    joined = "".join(piece.removeprefix("\x1bP") for piece in pieces)
    assert joined == f"\x1b]52;c;{base64.b64encode(long.encode()).decode()}\x07"


def test_a_tmux_that_drops_the_sequence_is_named_with_the_cure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    server = ("tmux", "-S", str(tmp_path / "s"), "-f", "/dev/null")
    # Without SHELL tmux takes the user's login shell, and that of an account such as nobody ends at once.
    monkeypatch.setenv("SHELL", "/bin/sh")
    start = subprocess.run(
        (*server, "new-session", "-d", "-x", "20", "-y", "5", "cat"), capture_output=True, check=False
    )
    assert not start.returncode, start.stderr
    try:
        monkeypatch.setenv("TMUX", f"{tmp_path / 's'},1,0")
        sent: list[str] = []
        with pytest.raises(ClipboardFailed) as failed:
            clipboard.copy(Secret(SECRET), settings, osc52=sent.append)
        assert "allow-passthrough on" in failed.value.hint
        assert not sent
        subprocess.run((*server, "set", "-g", "allow-passthrough", "on"), check=True)
        assert clipboard.copy(Secret(SECRET), settings, osc52=sent.append).route == "osc52"
    finally:
        subprocess.run((*server, "kill-server"), capture_output=True, check=False)


def script(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def fake_wayland(folder: Path, monkeypatch: pytest.MonkeyPatch, *, usage: str) -> None:
    """Stand-ins for wl-copy and wl-paste that keep the text in a file and note how they were called."""
    copy = f'[ "$1" = --help ] && echo "{usage}" && exit\necho "$@ $TMPDIR" >> {folder}/calls\ncat > {folder}/kept'
    script(folder, "wl-copy", copy)
    script(folder, "wl-paste", f"cat {folder}/kept")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_wl_copy_marks_the_key_sensitive_where_it_can(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "wayland"
    fake_wayland(folder, monkeypatch, usage="--type --sensitive")
    copied = clipboard.copy(Secret(SECRET), settings._replace(clipboard_seconds=0))
    assert (copied.route, copied.confirmed) == ("wl-copy", True)
    assert (folder / "calls").read_text() == f"--type text/plain --sensitive {folder}\n"


def test_an_older_wl_copy_is_not_given_the_flag(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "wayland"
    fake_wayland(folder, monkeypatch, usage="--type")
    assert clipboard.copy(Secret(SECRET), settings._replace(clipboard_seconds=0)).confirmed
    assert (folder / "calls").read_text() == f"--type text/plain {folder}\n"


def test_a_tool_that_hangs_is_given_up(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    script(folder, "xclip", "exec sleep 60")
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("DISPLAY", ":4321")
    monkeypatch.setattr(clipboard_tools, "TOOL_SECONDS", 0.1)
    sent: list[str] = []
    assert clipboard.copy(Secret(SECRET), settings, osc52=sent.append).route == "osc52"
