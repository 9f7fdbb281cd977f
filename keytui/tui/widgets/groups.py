"""Pane 1: groups of keys with their counts. Moving the cursor filters the list."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from keytui.tui import messages, words
from keytui.tui.listing import ALL, Group
from keytui.tui.widgets.key_list import provider_label
from keytui.tui.widgets.lines import CURSOR, LineList

if TYPE_CHECKING:
    from rich.segment import Segment

    from keytui.storage.rows import Counts


class _Row(NamedTuple):
    group: Group | None
    """None for a heading or an empty line."""
    label: str
    number: int
    tone: str = ""


def _rows(counts: Counts) -> list[_Row]:
    """Return the lines of the pane."""

    def row(kind: str, value: str, label: str, number: int, tone: str = "") -> _Row:
        return _Row(Group(kind, value, label), label, number, tone if number else "dim")

    rows = [
        row("all", "", "All", counts.total),
        row("due", "", "Due", counts.due, "warn"),
        row("unhealthy", "", "Unhealthy", counts.unhealthy, "bad"),
        row("rotating", "", "Rotating", counts.rotating, "busy"),
    ]
    for heading, kind, numbers in (("PROVIDERS", "provider", counts.providers), ("TAGS", "tag", counts.tags)):
        if numbers:
            labels = {value: provider_label(value) if kind == "provider" else value for value in numbers}
            ordered = sorted(numbers, key=lambda value: labels[value].casefold())
            rows += [_Row(None, "", 0), _Row(None, heading, 0)]
            rows += [row(kind, value, labels[value], numbers[value]) for value in ordered]
    rows.append(_Row(None, "", 0))
    rows.append(row("admin", "", "Admin", counts.admin))
    rows.append(row("trash", "", "Trash", counts.trash))
    return rows


class Groups(LineList):
    """The pane itself."""

    def __init__(self) -> None:
        super().__init__(id="groups")
        self.add_class("pane")
        self._rows: list[_Row] = []

    def set_counts(self, counts: Counts) -> None:
        """Show new counts, the cursor staying on its group, or going to All when the group is gone."""
        before, rows = self.group, _rows(counts)
        if rows == self._rows:
            return
        self._rows = rows
        places = {row.group: index for index, row in enumerate(self._rows) if row.group is not None}
        was, self.cursor = self.cursor, places.get(before, 0)
        self.rows_changed(follow=self.cursor != was)
        if self.group != before:
            self.pointed()

    @property
    def group(self) -> Group:
        """The group under the cursor."""
        row = self._rows[self.cursor] if self.cursor < len(self._rows) else None
        return row.group if row is not None and row.group is not None else ALL

    def row_count(self) -> int:
        """Return how many lines there are."""
        return len(self._rows)

    def selectable(self, index: int) -> bool:
        """Whether this line is a group, not a heading."""
        return self._rows[index].group is not None

    def pointed(self) -> None:
        """Tell which group the cursor stands on."""
        self.post_message(messages.GroupChosen(self.group))

    def row(self, index: int, width: int, *, selected: bool) -> list[Segment]:
        """Return one line: label left, count right."""
        row = self._rows[index]
        if row.group is None:
            return [self.segment(words.fit(f" {row.label}", width), "head")]
        number = f"{row.number:,}"
        label = words.fit(row.label, max(0, width - len(number) - 3))
        return [
            self.segment(CURSOR if selected else " ", "mark"),
            self.segment(f"{label} ", "" if row.number else "dim"),
            self.segment(f"{number} ", row.tone or "dim"),
        ]
