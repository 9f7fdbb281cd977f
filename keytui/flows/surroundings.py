"""What doctor says of everything around the store: versions, clipboard, terminal. Reads no secret."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING

from keytui.flows import clipboard_tools
from keytui.storage.doctor import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keytui.settings import Settings

_PACKAGES = ("keytui", "textual", "keyring", "openai", "pyrage", "secretstorage")
_PASSES_OSC52 = ("kitty", "wezterm", "alacritty", "foot", "ghostty", "windows terminal", "iterm.app", "contour")
_SMALLEST = (60, 20)
_ROOMY = (80, 24)


def versions() -> dict[str, str]:
    """Return the version of keytui and of what it stands on, by name; what is not installed is left out."""
    import sqlite3

    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {**found, "python": sys.version.partition(" ")[0], "sqlite": sqlite3.sqlite_version, "os": sys.platform}


def findings(settings: Settings, environ: Mapping[str, str], size: tuple[int, int] | None) -> list[Finding]:
    """Return what there is to say about clipboard and terminal.

    Args:
        settings: `clipboard` is used.
        environ: The process's variables.
        size: Columns and lines of the terminal, or None without one.
    """
    return [_clipboard(settings, environ, terminal=size is not None), _terminal(environ, size)]


def _clipboard(settings: Settings, environ: Mapping[str, str], *, terminal: bool) -> Finding:
    tools = [tool.name for tool in clipboard_tools.native_tools(environ)] if settings.clipboard != "osc52" else []
    remote = settings.clipboard == "auto" and bool(environ.get("SSH_TTY") or environ.get("SSH_CONNECTION"))
    if tools and not remote:
        return Finding("clipboard", "ok", f"A key is copied with {tools[0]}, read back and cleared.")
    if settings.clipboard == "native":
        sentence = "No clipboard tool works here: install xclip, xsel or wl-clipboard, or set clipboard to auto."
        return Finding("clipboard", "warning", sentence)
    if not terminal:
        return Finding("clipboard", "ok", "There is neither a clipboard tool nor a terminal to copy a key with here.")
    likely = "is known to take it" if _passes_osc52(environ) else "may or may not take it"
    sentence = f"A key is sent to the terminal (OSC 52), which {likely}; that cannot be confirmed or cleared."
    return Finding("clipboard", "ok", sentence)


def _passes_osc52(environ: Mapping[str, str]) -> bool:
    named = f"{environ.get('TERM_PROGRAM', '')} {environ.get('TERM', '')}".lower()
    if environ.get("WT_SESSION"):
        named += " windows terminal"
    return any(name in named for name in _PASSES_OSC52)


def _terminal(environ: Mapping[str, str], size: tuple[int, int] | None) -> Finding:
    if size is None:
        return Finding("terminal", "ok", "There is no terminal here; the app needs one, commands do not.")
    inside = "tmux" if environ.get("TMUX") else "screen" if environ.get("STY") else ""
    parts = [environ.get("TERM") or "unknown", _colors(environ), f"{size[0]}×{size[1]}"]
    said = f"Terminal: {', '.join(parts)}{f', inside {inside}' if inside else ''}."
    if size[0] < _SMALLEST[0] or size[1] < _SMALLEST[1]:
        return Finding("terminal", "warning", f"{said} The app needs {_SMALLEST[0]}×{_SMALLEST[1]}.")
    if environ.get("TERM", "") in ("", "dumb"):
        return Finding("terminal", "warning", f"{said} The app needs a terminal that can draw.")
    if size[0] < _ROOMY[0] or size[1] < _ROOMY[1]:
        said += f" From {_ROOMY[0]}×{_ROOMY[1]} the app shows more."
    return Finding("terminal", "ok", said)


def _colors(environ: Mapping[str, str]) -> str:
    if environ.get("NO_COLOR"):
        return "no color (NO_COLOR)"
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or environ.get("WT_SESSION"):
        return "16 million colors"
    return "256 colors" if "256" in environ.get("TERM", "") else "16 colors"
