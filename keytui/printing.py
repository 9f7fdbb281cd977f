"""Text as a terminal may get it: nothing in it is obeyed, and nothing has a width that terminals disagree on."""

from __future__ import annotations

_HARMLESS = frozenset("\u00a0\u1680\u202f\u205f\u3000\u200c") | {chr(code) for code in range(0x2000, 0x200B)}
"""Spaces of every width, as in French and Japanese, and what keeps letters of Persian apart; `str.isprintable` refuses
them all."""

_LEFT_OUT = frozenset("\u00ad\u200d")
"""A soft hyphen, and what joins emoji: terminals disagree on the width of the whole, and agree on that of its parts."""


def printable(text: str, *, keep: str = "") -> str:
    """Return text that moves no cursor and changes no color: what cannot be printed becomes "�".

    Args:
        text: Any text.
        keep: Control characters to leave as they are, such as line ends.
    """
    if text.isprintable():
        return text
    kept = _HARMLESS.union(keep)
    return "".join(char if char.isprintable() or char in kept else "\ufffd" for char in text if char not in _LEFT_OUT)
