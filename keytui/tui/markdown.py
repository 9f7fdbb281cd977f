"""An answer's Markdown as lines of styled text.

Textual's own Markdown widget mounts a widget for each list item and lays all of them out again with every piece: an
answer of 20,000 characters stops the interface for longer than 50 ms. Here the text becomes lines in a thread, and
only those on screen are drawn. What has ended (a paragraph, a list) is not looked at again.

Nothing in an answer does anything: links are text with their address beside it, HTML is shown as it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from rich.cells import cell_len
from textual.content import Content
from textual.highlight import highlight

from keytui.tui import words
from keytui.tui.widgets.styles import STYLES

if TYPE_CHECKING:
    from collections.abc import Callable

_BULLETS = "•‣◦"
_CODE = "$text-warning"
_DIM = STYLES["dim"]
_HEADING = STYLES["mark"]
LEAST = 8
"""Cells that text gets however deep it is nested."""

_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


class Flow:
    """An answer that grows, laid out for one width.

    Args:
        width: Cells of a line.
    """

    def __init__(self, width: int) -> None:
        self.width = max(LEAST, width)
        self._done: list[Content] = []
        self._start = 0

    def lines(self, text: str) -> list[Content]:
        """Return the lines of the answer so far; `text` begins with what was passed before."""
        rest = text[self._start :]
        blocks = SyntaxTreeNode(_PARSER.parse(rest)).children
        if len(blocks) > 1:
            last = next(block.map[0] for block in reversed(blocks) if block.map)
            ended = [block for block in blocks if block.map and block.map[0] < last]
            for block in ended:
                self._append(self._done, block)
            self._start += sum(map(len, rest.splitlines(keepends=True)[:last]))
            blocks = blocks[len(ended) :]
        found = list(self._done)
        for block in blocks:
            self._append(found, block)
        return found

    def _append(self, lines: list[Content], block: SyntaxTreeNode) -> None:
        if lines:
            lines.append(Content())
        lines.extend(_block(block, self.width))


def _block(node: SyntaxTreeNode, width: int, depth: int = 0) -> list[Content]:
    """Return the lines of a block."""
    width = max(LEAST, width)
    draw = _BLOCKS.get(node.type)
    if draw is not None:
        return draw(node, width, depth)
    if node.type in ("paragraph", "inline", "heading"):
        return _wrap(_inline(node), width)
    return _blocks(node, width, depth)


def _blocks(node: SyntaxTreeNode, width: int, depth: int, *, loose: bool = True) -> list[Content]:
    lines: list[Content] = []
    for child in node.children:
        if lines and loose:
            lines.append(Content())
        lines.extend(_block(child, width, depth))
    return lines


def _heading(node: SyntaxTreeNode, width: int, depth: int) -> list[Content]:  # noqa: ARG001 - all blocks share one signature
    return _wrap(_inline(node).stylize(_HEADING), width)


def _rule(node: SyntaxTreeNode, width: int, depth: int) -> list[Content]:  # noqa: ARG001 - all blocks share one signature
    return [Content.styled("─" * width, _DIM)]


def _code(node: SyntaxTreeNode, width: int, depth: int) -> list[Content]:  # noqa: ARG001 - all blocks share one signature
    text = words.plain_lines(node.content.rstrip("\n"))
    language = words.plain(node.info).split()[:1]
    content = highlight(text, language=language[0]) if language else Content(text)
    bar = Content.styled("│ ", _DIM)
    return [bar + line for row in content.split("\n", allow_blank=True) for line in row.fold(width - 2) or [Content()]]


def _quote(node: SyntaxTreeNode, width: int, depth: int) -> list[Content]:
    bar = Content.styled("▎ ", _DIM)
    return [bar + line for line in _blocks(node, width - 2, depth)]


def _list(node: SyntaxTreeNode, width: int, depth: int) -> list[Content]:
    ordered = node.type == "ordered_list"
    first = node.attrs.get("start", 1)
    number = first if isinstance(first, int) else 1
    loose = any(not child.hidden for item in node.children for child in item.children if child.type == "paragraph")
    lines: list[Content] = []
    for index, item in enumerate(node.children):
        mark = f"{number + index}." if ordered else _BULLETS[depth % len(_BULLETS)]
        indent = len(mark) + 1
        if lines and loose:
            lines.append(Content())
        found = _blocks(item, width - indent, depth + 1, loose=loose) or [Content()]
        head, blank = Content.styled(f"{mark} ", _HEADING), Content(" " * indent)
        lines.extend((blank if row else head) + line for row, line in enumerate(found))
    return lines


def _table(node: SyntaxTreeNode, width: int, depth: int) -> list[Content]:  # noqa: ARG001 - all blocks share one signature
    """Return a table: its columns as wide as they need, the wide ones shortened together when they do not fit."""
    rows = [[_inline(cell) for cell in row.children] for part in node.children for row in part.children]
    count = max((len(row) for row in rows), default=0)
    if not count:
        return []
    widths = [max((row[n].cell_length for row in rows if n < len(row)), default=0) for n in range(count)]
    room = max(count * 3, width - 3 * (count - 1))
    while sum(widths) > room:
        most = max(widths)
        widths[widths.index(most)] = max(3, most - max(1, (sum(widths) - room) // count))
        if max(widths) <= 3:
            break
    lines: list[Content] = []
    for index, row in enumerate(rows):
        cells = [_wrap(cell, wide) for cell, wide in zip(row, widths, strict=False)]
        for level in range(max((len(cell) for cell in cells), default=0)):
            parts = [
                (cell[level] if level < len(cell) else Content()).pad_right(
                    max(0, wide - (cell[level].cell_length if level < len(cell) else 0))
                )
                for cell, wide in zip(cells, widths, strict=False)
            ]
            line = Content.styled(" │ ", _DIM).join(parts)
            lines.append(line.stylize("bold") if index == 0 else line)
        if index == 0:
            lines.append(Content.styled("─┼─".join("─" * wide for wide in widths), _DIM))
    return [line for full in lines for line in (full.fold(width) if full.cell_length > width else [full])]


_BLOCKS: dict[str, Callable[[SyntaxTreeNode, int, int], list[Content]]] = {
    "heading": _heading,
    "hr": _rule,
    "fence": _code,
    "code_block": _code,
    "blockquote": _quote,
    "bullet_list": _list,
    "ordered_list": _list,
    "table": _table,
}
_EMPHASIS = {"em": "italic", "strong": "bold", "s": "strike"}


def _inline(node: SyntaxTreeNode) -> Content:
    """Return running text with its emphasis."""
    return Content("").join(_inline_parts(node))


def _inline_parts(node: SyntaxTreeNode) -> list[Content]:
    parts: list[Content] = []
    for child in node.children:
        if child.type in ("softbreak", "hardbreak"):
            parts.append(Content("\n"))  # as it came: models do not fold lines, and a poem is one paragraph
        elif child.type == "code_inline":
            parts.append(Content.styled(words.plain(child.content), _CODE))
        elif child.type in _EMPHASIS:
            parts.append(_inline(child).stylize(_EMPHASIS[child.type]))
        elif child.type in ("link", "image"):
            parts.append(_link(child))
        elif child.children:
            parts.extend(_inline_parts(child))
        else:
            parts.append(Content(words.plain_lines(child.content)))
    return parts


def _link(node: SyntaxTreeNode) -> Content:
    """Return a link's text, and its address where that is not the text."""
    address = words.plain(str(node.attrs.get("href", node.attrs.get("src", ""))))
    text = _inline(node) or Content(words.plain(node.content if node.type == "image" else ""))
    if not address or text.plain == address:
        return (text or Content(address)).stylize("underline")
    return Content.assemble(text.stylize("underline"), (f" ({address})", _DIM))


def _wrap(content: Content, width: int) -> list[Content]:
    return content.wrap(width) if cell_len(content.plain) > width or "\n" in content.plain else [content]
