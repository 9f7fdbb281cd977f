"""How text reaches a terminal: nothing raw, aligned, cut to the width, colored only where asked for."""

from __future__ import annotations

import os
import sys

from keytui.printing import printable
from keytui.record import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_COLORS = {"good": "32", "bad": "31", "fair": "33", "head": "1", "dim": "2"}
_NO_WIDTH = "\ufe0f\u200c"  # a part of emoji, and what keeps letters of Persian apart
_GAP = "  "


class Cell(NamedTuple):
    """One cell of a table.

    Attributes:
        color: "good", "bad", "fair", "head", "dim" or "" for none.
    """

    text: str
    color: str = ""


def width(text: str) -> int:
    """Return how many columns a terminal takes for the text."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(character) or character in _NO_WIDTH else 1 + (east_asian_width(character) in "WF")
        for character in text
    )


def cut(text: str, columns: int) -> str:
    """Cut the text to this many columns, with an ellipsis where something is missing."""
    if width(text) <= columns:
        return text
    kept = ""
    for character in text:
        if width(kept + character) > columns - 1:
            break
        kept += character
    return kept + "…" if columns > 0 else ""


def folded(text: str, columns: int) -> list[str]:
    """Return the text as lines of at most this many columns, broken between words where there are some."""
    lines: list[str] = []
    for word in printable(text).split():
        if lines and width(lines[-1]) + 1 + width(word) <= columns:
            lines[-1] += f" {word}"
            continue
        lines.append("")
        for character in word:
            if lines[-1] and width(lines[-1] + character) > columns:
                lines.append("")
            lines[-1] += character
    return lines


def table(rows: Iterable[Sequence[Cell]], *, columns: int | None, colored: bool) -> str:
    """Return the rows as aligned lines.

    Args:
        rows: Cells; every row has the same number.
        columns: Width of the terminal, or None for as wide as it gets.
        colored: Whether colors are used.
    """
    cleaned = [[Cell(printable(cell.text), cell.color) for cell in row] for row in rows]
    widths = [max(map(width, texts)) for texts in zip(*([cell.text for cell in row] for row in cleaned), strict=True)]
    return "".join(_line(row, widths, columns, colored) + "\n" for row in cleaned)


def screen_columns() -> int | None:
    """Return the width of the terminal stdout is, or None when it is none."""
    if not sys.stdout.isatty():
        return None
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except OSError:
        return 80


def wants_color() -> bool:
    """Whether stdout is a terminal that may be colored (see no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _line(row: Sequence[Cell], widths: Sequence[int], columns: int | None, colored: bool) -> str:
    parts = []
    left = columns if columns is not None else sum(widths) + len(_GAP) * len(widths)
    for cell, wanted in zip(row, widths, strict=True):
        text = cut(cell.text, left)
        padding = " " * min(wanted - width(text), max(left - width(text), 0))
        parts.append((f"\x1b[{_COLORS[cell.color]}m{text}\x1b[0m" if colored and cell.color else text) + padding)
        left -= wanted + len(_GAP)
        if left <= 0:
            break
    return _GAP.join(parts).rstrip()
