"""Pane 2: the keys, one line each, with the filter above them while it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from textual.containers import Vertical

from keytui.providers.catalog import PROVIDERS
from keytui.tui import messages, words
from keytui.tui.widgets.lines import CURSOR, LineList

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from rich.segment import Segment
    from textual.app import ComposeResult

    from keytui.model import Key
    from keytui.tui.listing import Sorting

GAP = 2


class Column(NamedTuple):
    """One column as it fits the present width."""

    id: str
    label: str
    width: int


_WIDTHS = {"provider": 10, "masked": 12, "age": 5, "due": 7, "health": 15}
_LABELS = {
    "name": "Name",
    "provider": "Provider",
    "masked": "Key",
    "age": "Age",
    "due": "Due",
    "health": "Health",
    "latency": "",
}
_ORDER = ("name", "provider", "masked", "age", "due", "health", "latency")
_DROPPED_FIRST = ("latency", "masked", "provider", "age", "due")
_LATENCY = 8
_NAME_LEAST, _NAME_MOST = 14, 40
_RIGHT = ("age", "latency")
_SORTED = {"name": "name", "due": "due", "health": "health", "age": "age"}


def columns(width: int, longest: int = 0, health: int = _WIDTHS["health"]) -> list[Column]:
    """Return the columns that fit into `width` cells; the least telling ones go first.

    Args:
        longest: Cells of the longest name.
        health: Cells that the health needs at most; what it leaves blank goes to names that are longer than theirs.
    """
    widths = {**_WIDTHS, "latency": _LATENCY}
    kept = list(_ORDER)

    def room_for_name() -> int:
        others = sum(widths[name] + GAP for name in kept if name != "name")
        return width - 2 - others  # one cell for the mark, one before the border

    for gone in _DROPPED_FIRST:
        if room_for_name() >= _NAME_LEAST:
            break
        kept.remove(gone)
    name_width = room_for_name()
    if longest > name_width:
        given = min(longest - name_width, max(0, widths["health"] - health))
        widths["health"] -= given
        name_width += given
    spare = max(0, name_width - max(_NAME_MOST, longest))
    name_width = max(1, name_width - spare)
    widths["provider"] += min(spare, 4)
    widths["health"] += min(max(0, spare - 4), 16)
    return [Column(name, _LABELS[name], name_width if name == "name" else widths[name]) for name in kept]


def _cell(text: str, column: Column) -> str:
    """Return text as wide as its column and the gap behind it."""
    return words.fit(text, column.width, right=column.id in _RIGHT) + " " * GAP


def provider_label(provider: str) -> str:
    """Return the name people know a provider by."""
    known = PROVIDERS.get(provider)
    return known.label if known is not None else provider


class KeyList(LineList):
    """The rows themselves. The cursor belongs to a key, not to a row number.

    Args:
        being_checked: Ids of the keys whose check runs; the owner changes it.

    Attributes:
        empty: Lines shown when there are no rows, each a list of (text, tone).
        sorting: Which column carries the mark of the order.
    """

    HEADER = 1

    def __init__(self, clock: Callable[[], float], being_checked: Container[int]) -> None:
        super().__init__(id="key-list")
        self._clock = clock
        self._being_checked = being_checked
        self._rows: Sequence[Key] = ()
        self._total = 0
        self._columns: list[Column] = []
        self._columns_width = -1
        self.empty: list[list[tuple[str, str]]] = []
        self.sorting: Sorting = "name"

    @property
    def key(self) -> Key | None:
        """The key under the cursor."""
        return self._rows[self.cursor] if 0 <= self.cursor < len(self._rows) else None

    @property
    def keys(self) -> Sequence[Key]:
        """The keys listed, in order."""
        return self._rows

    def set_keys(self, keys: Sequence[Key], *, select: int | None = None, total: int | None = None) -> None:
        """Show these keys, the cursor staying on its key, or on its row when the key is gone.

        Args:
            select: Id of the key the cursor goes to instead.
            total: Number of rows to make room for when more keys are still being read.
        """
        before = self.key
        wanted = select if select is not None else before.id if before is not None else None
        self._rows = keys
        self._columns_width = -1
        self._total = max(len(keys), total or 0)
        found = next((index for index, key in enumerate(keys) if key.id == wanted), None)
        was = self.cursor
        self.cursor = found if found is not None else max(0, min(self.cursor, len(keys) - 1))
        self.rows_changed(follow=self.cursor != was)
        if self.key != before:
            self.pointed()

    def row_count(self) -> int:
        """Return how many rows there are, those still being read included."""
        return self._total

    def selectable(self, index: int) -> bool:
        """Whether this row was read already."""
        return index < len(self._rows)

    def pointed(self) -> None:
        """Tell which key the cursor stands on."""
        self.post_message(messages.KeyPointed(self.key))

    def fitting(self, width: int) -> list[Column]:
        """Return the columns for a width."""
        if width != self._columns_width:
            names = [key.name for key in self._rows]
            # Over 10,000 names cell_len alone would cost 8 ms.
            longest = max((len(name) if name.isascii() else cell_len(name) for name in names), default=0)
            states = {(key.state, key.verdict, key.purge_at): key for key in self._rows}
            said = [words.CHECKING, *map(words.health, states.values())]
            health = max(cell_len(f"{found.sign} {found.word}") for found in said)
            self._columns, self._columns_width = columns(width, longest, health), width
        return self._columns

    def header(self, width: int) -> list[Segment]:
        """Return the names of the columns; the order is marked with an arrow."""
        if not self._total:
            return []
        segments = [self.segment(" ")]
        for column in self.fitting(width):
            arrow = " ↓" if _SORTED.get(column.id) == self.sorting and self.sorting != "name" else ""
            segments.append(self.segment(_cell(column.label + arrow, column), "head"))
        return segments

    def row(self, index: int, width: int, *, selected: bool) -> list[Segment]:
        """Return one key's line."""
        if index >= len(self._rows):
            return []
        key = self._rows[index]
        now = int(self._clock())
        due, due_tone = words.due(key, now)
        segments = [self.segment(CURSOR, "mark") if selected else self.segment(" ")]
        fitting = self.fitting(width)
        for column in fitting:
            if column.id == "health":
                segments += self._health(key, column.width, latency=fitting[-1].id == "latency")
            elif column.id == "name":
                segments.append(self.segment(_cell(key.name, column), "dim" if key.state == "trash" else ""))
            elif column.id == "provider":
                segments.append(self.segment(_cell(provider_label(key.provider), column), "dim"))
            elif column.id == "masked":
                segments.append(self.segment(_cell(key.masked, column), "dim"))
            elif column.id == "age":
                segments.append(self.segment(_cell(words.age(key.rotated_at, now), column), "dim"))
            elif column.id == "due":
                segments.append(self.segment(_cell(due, column), due_tone))
        return segments

    def _health(self, key: Key, width: int, *, latency: bool) -> list[Segment]:
        """Return the health, and behind it how old it is: at first how long the check took, soon how long ago it was.

        Both share the rest of the line.
        """
        found = words.CHECKING if key.id in self._being_checked else words.health(key)
        timed = ""
        if latency and key.checked_at is not None and found == words.said(key.verdict or "unknown"):
            timed = words.short_ago(key.checked_at, int(self._clock()))
            if timed == "now":
                timed = f"{key.latency_ms} ms" if key.latency_ms is not None else ""
        room = width if timed or not latency else width + GAP + _LATENCY
        segments = [self.segment(words.fit(found.fitting(room), room), found.tone)]
        if timed:
            segments.append(self.segment(words.fit(timed, GAP + _LATENCY, right=True), "dim"))
        return segments

    def blank(self, y: int, width: int) -> list[Segment]:
        """Return a line of the text that stands in an empty list."""
        line = y - self.HEADER
        if self._total or line < 0:
            return []
        room = max(0, width - 1)
        lines = [part for text in self.empty for part in _broken(text, room)]
        segments = [self.segment(" ")]
        for text, tone in lines[line] if line < len(lines) else ():
            cut = words.fit(text, min(room, cell_len(text)))
            room -= cell_len(cut)
            segments.append(self.segment(cut, tone))
        return segments


class KeysPane(Vertical):
    """The border around the list, and the filter's line when there is one."""

    def __init__(self, clock: Callable[[], float], being_checked: Container[int]) -> None:
        super().__init__(id="keys", classes="pane")
        self._list = KeyList(clock, being_checked)

    def compose(self) -> ComposeResult:
        """Hold the list; the filter is mounted when it is first used."""
        yield self._list


def _broken(line: list[tuple[str, str]], room: int) -> list[list[tuple[str, str]]]:
    """Return a line of an empty list as the lines that fit: a sentence may name a long path and is read to its end."""
    if len(line) != 1 or room < 1 or cell_len(line[0][0]) <= room:
        return [line]
    import textwrap

    return [[(part, line[0][1])] for part in textwrap.wrap(line[0][0], room)]
