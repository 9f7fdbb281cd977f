"""One block of Markdown, parsed by markdown-it, as lines of styled text.

Nothing in it does anything: links are text with their address beside it, HTML is shown as it came.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt
from rich.cells import cell_len
from textual.content import Content
from textual.highlight import HighlightTheme, highlight

from keytui.tui import words
from keytui.tui.widgets.styles import STYLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from markdown_it.token import Token

_BULLETS = "•‣◦"
_CODE = "$text-warning"
_DIM = STYLES["dim"]
_HEADING = STYLES["mark"]
LEAST = 8
"""Cells that text gets however deep it is nested."""

_TURN_SECONDS = 0.0001
_TOKENS = 25

_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


class _InTurns(dict[Any, str]):
    """Textual's colors of code. It looks up each token here, in the thread that lays out, which rests now and then.

    Else it leaves the event loop every other 5 ms (`sys.getswitchinterval`), and a frame takes twice as long.
    """

    _looked_up = 0

    def get(self, token: Any, default: Any = None) -> Any:  # noqa: ANN401 - as in dict
        """Return the style of a token."""
        self._looked_up += 1
        if self._looked_up % _TOKENS == 0:
            time.sleep(_TURN_SECONDS)
        return super().get(token, default)


class _Colors(HighlightTheme):
    STYLES = _InTurns(HighlightTheme.STYLES)


class Node:
    """A piece of Markdown and what is in it.

    markdown-it has a tree of its own, whose nodes know their parents: it is garbage in circles, and collecting that of
    a long list stops the interface for 50 ms.

    Attributes:
        type: Name of markdown-it's rule, without "_open".
        token: What was found.
        children: The pieces in it, in order.
    """

    __slots__ = ("children", "token", "type")

    def __init__(self, token: Token, children: list[Node]) -> None:
        self.type = token.type.removesuffix("_open")
        self.token = token
        self.children = children

    @property
    def lines(self) -> tuple[int, int]:
        """First line of the text it was found on, and the first that is no longer its own."""
        first, end = self.token.map or (0, 0)
        return first, end


def parse(text: str) -> list[Node]:
    """Return the blocks of a text."""
    return list(_nested(iter(_PARSER.parse(text))))


def _nested(tokens: Iterator[Token]) -> Iterator[Node]:
    """Yield what the tokens up to the end of the block they are in stand for."""
    for token in tokens:
        if token.nesting < 0:
            return
        if token.nesting > 0:
            yield Node(token, list(_nested(tokens)))
        else:
            yield Node(token, list(_nested(iter(token.children))) if token.children else [])


def drawn(node: Node, width: int, depth: int = 0) -> list[Content]:
    """Return the lines of a block."""
    width = max(LEAST, width)
    draw = _BLOCKS.get(node.type)
    if draw is not None:
        return draw(node, width, depth)
    if node.type in ("paragraph", "inline", "heading"):
        return _wrap(_inline(node), width)
    return _blocks(node, width, depth)


def _blocks(node: Node, width: int, depth: int, *, loose: bool = True) -> list[Content]:
    lines: list[Content] = []
    for child in node.children:
        if lines and loose:
            lines.append(Content())
        lines.extend(drawn(child, width, depth))
    return lines


def _heading(node: Node, width: int, depth: int) -> list[Content]:  # noqa: ARG001 - all blocks share one signature
    return _wrap(_inline(node).stylize(_HEADING), width)


def _rule(node: Node, width: int, depth: int) -> list[Content]:  # noqa: ARG001 - all blocks share one signature
    return [Content.styled("─" * width, _DIM)]


def _code(node: Node, width: int, depth: int) -> list[Content]:  # noqa: ARG001 - all blocks share one signature
    return code(node.token.content.rstrip("\n"), node.token.info, width)


def code(text: str, info: str, width: int) -> list[Content]:
    """Return the lines of code.

    Args:
        text: The code.
        info: What stands behind its fence: the language first.
        width: Cells of a line.
    """
    text, language = words.plain_lines(text), words.plain(info).split()[:1]
    content = highlight(text, language=language[0], theme=_Colors) if language else Content(text)
    bar, rows = Content.styled("│ ", _DIM), content.split("\n", allow_blank=True)
    rows += [Content()] * (text.count("\n") + 1 - len(rows))  # `highlight` drops a blank line at the end
    return [bar + line for row in rows for line in row.fold(width - 2) or [Content()]]


def _quote(node: Node, width: int, depth: int) -> list[Content]:
    bar = Content.styled("▎ ", _DIM)
    return [bar + line for line in _blocks(node, width - 2, depth)]


def _list(node: Node, width: int, depth: int) -> list[Content]:
    return items(node, width, number=first_number(node), loose=is_loose(node), depth=depth)


def first_number(node: Node) -> int:
    """Return the number a list begins with; 1 where it has none."""
    first = node.token.attrs.get("start", 1)
    return first if isinstance(first, int) else 1


def is_loose(node: Node) -> bool:
    """Whether blank lines stand between what a list holds."""
    return any(not child.token.hidden for item in node.children for child in item.children if child.type == "paragraph")


def items(node: Node, width: int, *, number: int, loose: bool, begun: bool = False, depth: int = 0) -> list[Content]:
    """Return the lines of a list's items.

    Args:
        node: The list.
        width: Cells of a line.
        number: Number of its first item, where it is an ordered one.
        loose: Blank lines stand between them.
        begun: Others stand before them.
        depth: How many lists it lies in.
    """
    lines: list[Content] = []
    for index, item in enumerate(node.children):
        mark = f"{number + index}." if node.type == "ordered_list" else _BULLETS[depth % len(_BULLETS)]
        indent = len(mark) + 1
        if (lines or begun) and loose:
            lines.append(Content())
        found = _blocks(item, width - indent, depth + 1, loose=loose) or [Content()]
        head, blank = Content.styled(f"{mark} ", _HEADING), Content(" " * indent)
        lines.extend((blank if row else head) + line for row, line in enumerate(found))
    return lines


def _table(node: Node, width: int, depth: int) -> list[Content]:  # noqa: ARG001 - all blocks share one signature
    rows = cells(node)
    return table(rows, fitting(widest(rows), width), width)


def cells(node: Node) -> list[list[Content]]:
    """Return what stands in the cells of a table, row by row, its head first."""
    return [[_inline(cell) for cell in row.children] for part in node.children for row in part.children]


def widest(rows: list[list[Content]], known: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Return how wide each column would like to be, and at least what is known of other rows."""
    found = list(known)
    for row in rows:
        found += [0] * (len(row) - len(found))
        for place, cell in enumerate(row):
            found[place] = max(found[place], cell.cell_length)
    return tuple(found)


def fitting(wanted: tuple[int, ...], width: int) -> tuple[int, ...]:
    """Return the widths of columns that fit a line: the wide ones are shortened together."""
    widths, count = list(wanted), len(wanted)
    room = max(count * 3, width - 3 * (count - 1))
    while sum(widths) > room:
        most = max(widths)
        widths[widths.index(most)] = max(3, most - max(1, (sum(widths) - room) // count))
        if max(widths) <= 3:
            break
    return tuple(widths)


def table(rows: list[list[Content]], widths: tuple[int, ...], width: int, *, begun: bool = False) -> list[Content]:
    """Return the lines of a table's rows.

    Args:
        rows: Its cells.
        widths: Cells each column has.
        width: Cells of a line.
        begun: Its head is not among the rows.
    """
    lines: list[Content] = []
    for index, row in enumerate(rows):
        parts = [_wrap(cell, wide) for cell, wide in zip(row, widths, strict=False)]
        for level in range(max((len(part) for part in parts), default=0)):
            line = Content.styled(" │ ", _DIM).join(_padded(parts, level, widths))
            lines.append(line if begun or index else line.stylize("bold"))
        if parts and not begun and index == 0:
            lines.append(Content.styled("─┼─".join("─" * wide for wide in widths), _DIM))
    return [line for full in lines for line in (full.fold(width) if full.cell_length > width else [full])]


def _padded(parts: list[list[Content]], level: int, widths: tuple[int, ...]) -> list[Content]:
    """Return one line of a row's cells, each as wide as its column."""
    texts = [part[level] if level < len(part) else Content() for part in parts]
    return [text.pad_right(max(0, wide - text.cell_length)) for text, wide in zip(texts, widths, strict=False)]


_BLOCKS: dict[str, Callable[[Node, int, int], list[Content]]] = {
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


def _inline(node: Node) -> Content:
    """Return running text with its emphasis."""
    return Content("").join(_inline_parts(node))


def _inline_parts(node: Node) -> list[Content]:
    parts: list[Content] = []
    for child in node.children:
        if child.type in ("softbreak", "hardbreak"):
            parts.append(Content("\n"))  # as it came: models do not fold lines, and a poem is one paragraph
        elif child.type == "code_inline":
            parts.append(Content.styled(words.plain(child.token.content), _CODE))
        elif child.type in _EMPHASIS:
            parts.append(_inline(child).stylize(_EMPHASIS[child.type]))
        elif child.type in ("link", "image"):
            parts.append(_link(child))
        elif child.children:
            parts.extend(_inline_parts(child))
        else:
            parts.append(Content(words.plain_lines(child.token.content)))
    return parts


def _link(node: Node) -> Content:
    """Return a link's text, and its address where that is not the text."""
    address = words.plain(str(node.token.attrs.get("href", node.token.attrs.get("src", ""))))
    text = _inline(node) or Content(words.plain(node.token.content if node.type == "image" else ""))
    if not address or text.plain == address:
        return (text or Content(address)).stylize("underline")
    return Content.assemble(text.stylize("underline"), (f" ({address})", _DIM))


def _wrap(content: Content, width: int) -> list[Content]:
    return content.wrap(width) if cell_len(content.plain) > width or "\n" in content.plain else [content]
