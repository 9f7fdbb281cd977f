"""An answer's Markdown as lines of styled text.

Textual's own Markdown widget mounts a widget for each list item and lays all of them out again with every piece: an
answer of 20,000 characters stops the interface for longer than 50 ms. Here the text becomes lines in a thread, and
only those on screen are drawn. What has ended (a paragraph, the items of a list but its last one, the rows of a table,
most of a long piece of code) is not looked at again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from keytui.tui import blocks

if TYPE_CHECKING:
    from keytui.tui.blocks import Node

LEAST = blocks.LEAST
CODE_LINES = 40
"""Lines of code that are highlighted together while more are still to come."""


class Flow:
    """An answer that grows, laid out for one width.

    Args:
        width: Cells of a line.
    """

    def __init__(self, width: int) -> None:
        self.width = max(LEAST, width)
        self._done: list[Content] = []
        self._start = 0
        self._open: _List | _Table | _Code | None = None

    def lines(self, text: str) -> list[Content]:
        """Return the lines of the answer so far; `text` begins with what was passed before."""
        head = self._open.head if self._open is not None else ""
        source = head + text[self._start :]
        parsed = blocks.parse(source)
        if self._open is not None and not (parsed and self._open.goes_on(parsed[0])):
            self._start, self._open = self._open.begin, None  # what was kept of it is wrong by now
            return self.lines(text)
        # What begins on a line that has not ended may still become a part of what is before it.
        maybe = parsed.pop() if len(parsed) > 1 and parsed[-1].lines[0] == source.count("\n") else None
        for block in parsed[:-1]:
            self._put(self._done, block, source)
            self._open = None
        found, kept = list(self._done), 0
        for block in parsed[-1:]:
            if block.type in _GROWING and self._open is None:
                begin = self._start + _offset(source, block.lines[0]) - len(head)
                self._open = _GROWING[block.type](self.width, begin)
            kept = self._put(found, block, source)
        if maybe is not None:
            found += [Content(), *blocks.drawn(maybe, self.width)]
        self._start += max(0, _offset(source, kept) - len(head))
        return found

    def _put(self, lines: list[Content], block: Node, source: str) -> int:
        """Add the lines of a block, and return the line of the source on which its unfinished part begins."""
        if lines:
            lines.append(Content())
        if self._open is None:
            lines.extend(blocks.drawn(block, self.width))
            return block.lines[0]
        drawn, kept = self._open.drawn(block, source)
        lines.extend(drawn)
        return kept


class _List:
    """A list that grows.

    Args:
        width: Cells of a line.
        begin: Where in the answer it begins.

    Attributes:
        head: What is put before its rest for parsing: nothing.
    """

    head = ""

    def __init__(self, width: int, begin: int) -> None:
        self.begin = begin
        self._width = width
        self._loose = False
        self._number = 0
        self._lines: list[Content] = []

    def goes_on(self, block: Node) -> bool:
        """Whether the block is the rest of this list, and changes nothing before it."""
        return block.type in ("bullet_list", "ordered_list") and (self._loose or not blocks.is_loose(block))

    def drawn(self, block: Node, source: str) -> tuple[list[Content], int]:
        """Return the lines of the whole list, given its rest, and the line on which its unfinished part begins."""
        if not self._lines:
            self._loose, self._number = blocks.is_loose(block), blocks.first_number(block)
        items = block.children
        unsure = 2 if len(items) > 1 and items[-1].lines[0] == source.count("\n") else 1
        ended, rest = items[:-unsure], items[-unsure:]
        self._lines += self._items(block, ended)
        self._number += len(ended)
        return self._lines + self._items(block, rest), rest[0].lines[0]

    def _items(self, block: Node, items: list[Node]) -> list[Content]:
        block.children = items
        return blocks.items(block, self._width, number=self._number, loose=self._loose, begun=bool(self._lines))


class _Table:
    """A table that grows.

    Args:
        width: Cells of a line.
        begin: Where in the answer it begins.

    Attributes:
        head: What is put before its rest for parsing: its first two lines, once rows have ended.
    """

    def __init__(self, width: int, begin: int) -> None:
        self.begin = begin
        self.head = ""
        self._width = width
        self._rows: list[list[Content]] = []
        self._wanted: tuple[int, ...] = ()
        self._widths: tuple[int, ...] = ()
        self._lines: list[Content] = []

    def goes_on(self, block: Node) -> bool:
        """Whether the block is the rest of this table."""
        return block.type == "table"

    def drawn(self, block: Node, source: str) -> tuple[list[Content], int]:
        """Return the lines of the whole table, given its rest, and the line on which its last row begins."""
        fresh = blocks.cells(block)[1 if self._rows else 0 :]
        widths = blocks.fitting(blocks.widest(fresh, self._wanted), self._width)
        if widths != self._widths:
            self._widths = widths
            self._lines = self._drawn([], self._rows)
        ended, last = fresh[:-1], fresh[-1:]
        self._lines += self._drawn(self._rows, ended)
        if ended and not self._rows:
            first = block.lines[0]
            self.head = source[_offset(source, first) : _offset(source, first + 2)]
        self._rows += ended
        self._wanted = blocks.widest(ended, self._wanted)
        return self._lines + self._drawn(self._rows, last), _last_row(block)

    def _drawn(self, before: list[list[Content]], rows: list[list[Content]]) -> list[Content]:
        return blocks.table(rows, self._widths, self._width, begun=bool(before))


def _last_row(table: Node) -> int:
    """Return the line of a table's last row, or its own while it has none below its head."""
    return table.lines[0] if len(table.children) < 2 else table.children[-1].children[-1].lines[0]


class _Code:
    """Fenced code that grows.

    It is highlighted piece by piece: as a whole, each time a token comes, it takes so long that the interface waits. A
    piece does not know of a string that began before it, so the code is highlighted once more when its fence closes.

    Args:
        width: Cells of a line.
        begin: Where in the answer it begins.

    Attributes:
        head: What is put before its rest for parsing: its fence, once a piece has ended.
    """

    def __init__(self, width: int, begin: int) -> None:
        self.begin = begin
        self.head = ""
        self._width = width
        self._text = ""
        self._lines: list[Content] = []
        self._whole: tuple[str, list[Content]] | None = None

    def goes_on(self, block: Node) -> bool:
        """Whether the block is the rest of this code."""
        return block.type == "fence"

    def drawn(self, block: Node, source: str) -> tuple[list[Content], int]:
        """Return the lines of all the code, given its rest, and the line on which its unfinished part begins."""
        first, end = block.lines
        rest, ended = block.token.content, 0
        if source.split("\n")[end - 1].strip().startswith(block.token.markup) and end - 1 > first:
            return self._all(self._text + rest, block.token.info), first + (1 if self.head else 0)
        lines = rest.split("\n")
        while len(lines) - ended > 2 * CODE_LINES:
            piece = "\n".join(lines[ended : ended + CODE_LINES])
            self._text += piece + "\n"
            self._lines += blocks.code(piece, block.token.info, self._width)
            ended += CODE_LINES
        if ended and not self.head:
            self.head = source[_offset(source, first) : _offset(source, first + 1)]
        unfinished = blocks.code("\n".join(lines[ended:]).rstrip("\n"), block.token.info, self._width)
        return self._lines + unfinished, first + (1 + ended if self.head else 0)

    def _all(self, text: str, info: str) -> list[Content]:
        if self._whole is None or self._whole[0] != text:
            self._whole = text, blocks.code(text.rstrip("\n"), info, self._width)
        return self._whole[1]


_GROWING: dict[str, type[_List | _Table | _Code]] = {
    "bullet_list": _List,
    "ordered_list": _List,
    "table": _Table,
    "fence": _Code,
}


def _offset(text: str, line: int) -> int:
    """Return where a line of a text begins; markdown-it counts from 0, and a line feed alone ends one."""
    place = 0
    for _ in range(line):
        place = text.find("\n", place) + 1
        if not place:
            return len(text)
    return place
