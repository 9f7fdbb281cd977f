"""Copy a key: through a tool that can be read back, or through the terminal (OSC 52), and say which it was.

"Copied" is said only after the clipboard was read back. A detached helper then clears it, if it still holds the key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import subprocess
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from keytui import process
from keytui.errors import ClipboardFailed
from keytui.flows import clipboard_tools

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keytui.flows.clipboard_tools import Tool
    from keytui.model import Secret
    from keytui.settings import Settings

READY = b"ready\n"
"""What the clearing helper answers once it has taken over."""

_READ_BACK_SECONDS = 1.0  # xsel answers before its child owns the clipboard
_HELPER_SECONDS = 5.0  # a Python start on a busy machine
_SCREEN_PIECE = 500  # screen drops longer control strings (768 bytes in its 4.x)
_UNCONFIRMED = "Sent to the terminal, not confirmed. keytui cannot clear it: copy something else afterwards."
_INSTALL = "Install xclip, xsel or wl-clipboard and run keytui in a desktop session, or set clipboard to osc52."


class Copied(NamedTuple):
    """How a key left.

    Attributes:
        route: "xclip", "xsel", "wl-copy", "pyperclip" or "osc52".
        confirmed: The clipboard was read back and holds the key.
        sentence: What to tell the person.
        clears_at: When the helper clears it (seconds since the epoch), or None when nobody will.
    """

    route: str
    confirmed: bool
    sentence: str
    clears_at: float | None


def copy(secret: Secret, settings: Settings, *, name: str = "", osc52: Callable[[str], None] | None = None) -> Copied:
    """Copy a secret by the route the settings and the session ask for. Takes up to some seconds: call it in a thread.

    Over SSH the terminal comes first, because a clipboard of the remote machine is the wrong one.

    Args:
        secret: What to copy.
        settings: `clipboard` and `clipboard_seconds` are used.
        name: The key's name, for the sentence.
        osc52: Writes a control sequence to the terminal; None where there is no terminal to write to.

    Raises:
        ClipboardFailed: Nothing was copied; says why and what would help.
    """
    environ = os.environ
    tools = clipboard_tools.native_tools(environ) if settings.clipboard != "osc52" else []
    remote = settings.clipboard == "auto" and bool(environ.get("SSH_TTY") or environ.get("SSH_CONNECTION"))
    by_terminal = osc52 if settings.clipboard != "native" else None
    problem: ClipboardFailed | None = None
    if remote and by_terminal is not None:
        try:
            return _by_terminal(secret, by_terminal, environ)
        except ClipboardFailed as error:
            problem, by_terminal = error, None
    for tool in tools:
        copied = _by_tool(tool, secret, settings.clipboard_seconds, name)
        if copied is not None:
            return copied
    if by_terminal is not None:
        return _by_terminal(secret, by_terminal, environ)
    if problem is not None:
        raise problem
    if tools:
        names = " and ".join(tool.name for tool in tools)
        raise ClipboardFailed(
            f"The copy is not confirmed: {names} did not give the key back.", "Check DISPLAY, then try again."
        )
    if settings.clipboard == "osc52":
        raise ClipboardFailed("Nothing was copied: there is no terminal to send it to.", "Set clipboard to auto.")
    raise ClipboardFailed("Nothing was copied: no clipboard was found here.", _INSTALL)


def osc52_sequence(secret: Secret, environ: Mapping[str, str]) -> str:
    """Return the control sequence that asks the terminal to copy, wrapped for tmux and screen.

    It ends in BEL, not ST: inside screen's wrapping an ST would end the wrapping.
    """
    plain = f"\x1b]52;c;{base64.b64encode(secret.reveal().encode()).decode()}\x07"
    if environ.get("TMUX"):
        return "\x1bPtmux;" + plain.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if environ.get("STY"):
        pieces = (plain[start : start + _SCREEN_PIECE] for start in range(0, len(plain), _SCREEN_PIECE))
        return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
    return plain


def digest(key: bytes, text: str) -> str:
    """Return the keyed digest by which the helper knows the secret without holding it."""
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _by_terminal(secret: Secret, osc52: Callable[[str], None], environ: Mapping[str, str]) -> Copied:
    if environ.get("TMUX") and _tmux_drops_sequences():
        raise ClipboardFailed(
            "Nothing was copied: tmux keeps programs from the terminal's clipboard.",
            "Allow it with: tmux set -g allow-passthrough on",
        )
    try:
        osc52(osc52_sequence(secret, environ))
    except OSError:
        raise ClipboardFailed("Nothing was copied: the terminal cannot be written to.") from None
    return Copied("osc52", confirmed=False, sentence=_UNCONFIRMED, clears_at=None)


def _tmux_drops_sequences() -> bool:
    """Whether tmux says so. Before 3.3 the option does not exist, the command fails and sequences pass."""
    try:
        answer = subprocess.run(
            ("tmux", "show-options", "-Av", "allow-passthrough"),  # noqa: S607 - the person's own tmux
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=clipboard_tools.TOOL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and answer.stdout.strip() == b"off"


def _by_tool(tool: Tool, secret: Secret, seconds: int, name: str) -> Copied | None:
    """Copy by one tool; None when it failed or did not give the key back."""
    helper = _Helper() if seconds else None  # its start overlaps with the tool's
    if not tool.write(secret):
        if helper is not None:
            helper.dismiss()
        return None
    confirmed = _reads_back(tool, secret)
    armed = helper is not None and helper.arm(tool, secret, seconds)
    if not confirmed:
        return None
    copied = f"Copied {name}." if name else "Copied."
    if helper is None:
        return Copied(tool.name, True, f"{copied} It is not cleared: clipboard_seconds is 0.", None)
    if not armed:
        return Copied(tool.name, True, f"{copied} It will not be cleared: copy something else afterwards.", None)
    return Copied(tool.name, True, f"{copied} Clears in {seconds} s.", time.time() + seconds)


def _reads_back(tool: Tool, secret: Secret) -> bool:
    until = time.monotonic() + _READ_BACK_SECONDS
    while True:
        held = tool.read()
        if held is not None and held == secret:
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(0.02)


class _Helper:
    """The detached process that clears the clipboard, also after this one has ended."""

    _armed: _Helper | None = None
    _guard = threading.Lock()

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None
        try:
            self._child = subprocess.Popen(
                process.helper_command("keytui.flows.clear_clipboard"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                creationflags=getattr(subprocess, "DETACHED_PROCESS", 0),
            )
        except OSError:
            self._child = None

    def arm(self, tool: Tool, secret: Secret, seconds: int) -> bool:
        """Give it the tool, the delay and a keyed digest; whether it answered that it has taken over.

        An earlier helper of this process is let go: its timer would clear the same key too early.
        """
        child = self._child
        if child is None or child.stdin is None or child.stdout is None:
            return False
        key = secrets.token_bytes(32)
        order = {"tool": tool.name, "seconds": seconds, "key": key.hex(), "digest": digest(key, secret.reveal())}
        answers: list[bytes] = []
        reader = threading.Thread(target=lambda: answers.append(child.stdout.readline()), daemon=True)  # type: ignore[union-attr] # checked above
        try:
            child.stdin.write(json.dumps(order).encode())
            child.stdin.close()
        except OSError:
            self.dismiss()
            return False
        reader.start()
        reader.join(_HELPER_SECONDS)
        if answers != [READY]:
            self.dismiss()
            return False
        child.stdout.close()
        with _Helper._guard:
            earlier, _Helper._armed = _Helper._armed, self
        if earlier is not None:
            earlier.dismiss()
        return True

    def dismiss(self) -> None:
        """End it without clearing anything."""
        child, self._child = self._child, None
        if child is None:
            return
        child.terminate()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                # A pipe whose other end is gone cannot flush.
                try:
                    stream.close()
                except OSError:
                    continue
        try:
            child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            child.kill()
