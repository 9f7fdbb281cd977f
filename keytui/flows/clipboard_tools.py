"""The clipboards of this machine, each by its own tool, with a deadline and nothing of a secret in argv.

pyperclip alone is not enough on Linux: with a dead display its copy returns normally, its children keep our stdout
open (a pipe behind keytui would never end), and it waits without limit (measured with pyperclip 1.11).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from keytui.model import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TOOL_SECONDS = 3.0
"""How long one call of a tool may take; wl-copy is known to hang where no window has the focus."""

_PROBE_SECONDS = 1.0
_Answer = TypeVar("_Answer")
_MEMORY_FOLDER = "/dev/shm"  # noqa: S108 - wl-copy makes a private folder of its own in it


class Tool(Protocol):
    """One way to a clipboard."""

    @property
    def name(self) -> str:
        """What the helper process and a message call it."""

    def write(self, secret: Secret) -> bool:
        """Put the secret into the clipboard; whether the tool said that it worked."""

    def read(self) -> Secret | None:
        """Return what the clipboard holds, or None when it cannot be read or holds no text."""

    def clear(self) -> bool:
        """Empty the clipboard; whether the tool said that it worked."""


class CommandTool(NamedTuple):
    """A command-line tool.

    Attributes:
        name: Its program's name.
        writer: Command that takes the text on stdin.
        reader: Command that prints the text.
        cleaner: Command that empties the clipboard, or () where writing nothing does.
        probe: Flag to add to the writer when the writer's `--help` names it, or "".
        folder: Value of TMPDIR for the writer, or "".
    """

    name: str
    writer: tuple[str, ...]
    reader: tuple[str, ...]
    cleaner: tuple[str, ...] = ()
    probe: str = ""
    folder: str = ""

    def write(self, secret: Secret) -> bool:
        """Put the secret into the clipboard; whether the tool said that it worked."""
        command = self.writer
        if self.probe and self.probe.encode() in (
            _run((self.writer[0], "--help"), wanted=True, seconds=_PROBE_SECONDS) or b""
        ):
            command = (*command, self.probe)
        return _run(command, given=secret, folder=self.folder) is not None

    def read(self) -> Secret | None:
        """Return what the clipboard holds, or None when it cannot be read or holds no text."""
        text = _run(self.reader, wanted=True)
        return None if text is None else Secret(text.decode("utf-8", "surrogateescape"))

    def clear(self) -> bool:
        """Empty the clipboard; whether the tool said that it worked."""
        return _run(self.cleaner or self.writer) is not None


class PyperclipTool:
    """The clipboard of macOS, Windows and WSL, through pyperclip, which has no deadline of its own."""

    name = "pyperclip"

    def write(self, secret: Secret) -> bool:
        """Put the secret into the clipboard; whether pyperclip said that it worked."""
        return _in_time(lambda: _pyperclip_write(secret.reveal())) is not None

    def read(self) -> Secret | None:
        """Return what the clipboard holds, or None when it cannot be read."""
        return _in_time(_pyperclip_read)

    def clear(self) -> bool:
        """Empty the clipboard; whether pyperclip said that it worked."""
        return _in_time(lambda: _pyperclip_write("")) is not None


def native_tools(environ: Mapping[str, str]) -> list[Tool]:
    """Return the tools that can work in this environment, best first."""
    if sys.platform != "linux" and not sys.platform.startswith(("freebsd", "openbsd", "netbsd")):
        return [PyperclipTool()]
    tools: list[Tool] = [PyperclipTool()] if _is_wsl() else []
    candidates: list[CommandTool] = []
    if environ.get("WAYLAND_DISPLAY"):
        candidates.append(_wl_copy(environ))
    if environ.get("DISPLAY"):
        candidates += [_XCLIP, _XSEL]
    path = environ.get("PATH")
    tools += [tool for tool in candidates if all(shutil.which(c[0], path=path) for c in (tool.writer, tool.reader))]
    return tools


def tool_named(name: str, environ: Mapping[str, str]) -> Tool | None:
    """Return the tool of this name if it can work in this environment."""
    return next((tool for tool in native_tools(environ) if tool.name == name), None)


_XCLIP = CommandTool(
    name="xclip",
    writer=("xclip", "-selection", "clipboard", "-in"),
    reader=("xclip", "-selection", "clipboard", "-out"),
)
_XSEL = CommandTool(
    name="xsel",
    # Detached, xsel otherwise opens a log file in the person's cache folder.
    writer=("xsel", "--clipboard", "--input", "--logfile", os.devnull),
    reader=("xsel", "--clipboard", "--output", "--selectionTimeout", "1000"),
    cleaner=("xsel", "--clipboard", "--clear", "--logfile", os.devnull),
)


def _wl_copy(environ: Mapping[str, str]) -> CommandTool:
    """wl-copy keeps its input in a file below TMPDIR (wl-clipboard's src/util/files.c), so that must be memory.

    A named type also saves it from running xdg-mime on that file.
    """
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    folder = next((place for place in (runtime, _MEMORY_FOLDER) if place and os.path.isdir(place)), "")
    return CommandTool(
        name="wl-copy",
        writer=("wl-copy", "--type", "text/plain"),
        reader=("wl-paste", "--no-newline"),
        cleaner=("wl-copy", "--clear"),
        probe="--sensitive",
        folder=folder,
    )


def _run(
    command: Sequence[str],
    *,
    given: Secret | None = None,
    wanted: bool = False,
    folder: str = "",
    seconds: float | None = None,
) -> bytes | None:
    """Run a tool in a session of its own; return its output, or None when it failed or took too long.

    Only a tool whose output is wanted gets a pipe: xclip, xsel and wl-copy leave a child behind that would hold it.
    """
    try:
        done = subprocess.run(
            command,
            input=given.reveal().encode() if given else b"",
            stdout=subprocess.PIPE if wanted else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=seconds or TOOL_SECONDS,
            check=False,
            start_new_session=True,
            env={**os.environ, "TMPDIR": folder} if folder else None,
        )
    except (OSError, subprocess.TimeoutExpired):
        # Dropped whole: a TimeoutExpired carries what was read so far.
        return None
    return (done.stdout or b"") if done.returncode == 0 else None


def _is_wsl() -> bool:
    try:
        with open("/proc/version", encoding="utf-8", errors="replace") as file:
            return "microsoft" in file.read().lower()
    except OSError:
        return False


def _pyperclip_write(text: str) -> bool:
    import pyperclip

    pyperclip.copy(text)
    return True


def _pyperclip_read() -> Secret:
    import pyperclip

    return Secret(pyperclip.paste())


def _in_time(work: Callable[[], _Answer]) -> _Answer | None:
    """Run `work` in a thread; return its answer, or None when it raised or took longer than TOOL_SECONDS."""
    answers: list[_Answer] = []

    def attempt() -> None:
        # Whatever pyperclip raises means the same, and its text is not ours to show.
        with contextlib.suppress(Exception):
            answers.append(work())

    thread = threading.Thread(target=attempt, name="clipboard", daemon=True)
    thread.start()
    thread.join(TOOL_SECONDS)
    return answers[0] if answers else None
