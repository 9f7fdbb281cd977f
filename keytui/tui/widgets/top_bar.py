"""The first line: where the keys are, and how they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from keytui.tui import words
from keytui.tui.widgets.styles import STYLES

if TYPE_CHECKING:
    from keytui.model import StoreStatus
    from keytui.storage.rows import Counts


class TopBar(Widget):
    """The line itself."""

    def __init__(self, *, demo: bool) -> None:
        super().__init__(id="top-bar")
        self._demo = demo
        self._parts: list[Content] = []
        self._shown: list[tuple[str, str]] | None = None

    def show(self, status: StoreStatus | None, counts: Counts | None) -> None:
        """Show the store and the numbers."""
        parts: list[tuple[str, str]] = []
        if status is not None:
            locked = status.state in ("locked", "unavailable")
            parts.append((words.plain(status.label), STYLES["warn" if locked else ""]))
        if counts is not None:
            due, unhealthy = STYLES["warn" if counts.due else "dim"], STYLES["bad" if counts.unhealthy else "dim"]
            parts.append((words.count(counts.total, "key"), STYLES[""]))
            parts.append((f"{counts.due:,} due", due))
            parts.append((f"{counts.unhealthy:,} unhealthy", unhealthy))
        if parts != self._shown:
            self._shown = parts
            self._parts = [Content.styled(*part) for part in parts]
            self.refresh()

    def render(self) -> Content:
        """Put the name left and the rest right."""
        left = Content.assemble((" keytui", "$primary bold"))
        if self._demo:
            left = Content.assemble(left, "  ", (" DEMO ", "$background on $warning bold"))
        dot = Content.styled(" · ", STYLES["dim"])
        parts = list(self._parts)
        while parts and left.cell_length + dot.join(parts).cell_length + 3 > self.size.width:
            parts.pop(0)
        right = dot.join(parts)
        sentence = "  sample keys, nothing is kept"
        if self._demo and left.cell_length + len(sentence) + right.cell_length + 4 <= self.size.width:
            left = Content.assemble(left, (sentence, STYLES["dim"]))
        gap = max(1, self.size.width - left.cell_length - right.cell_length - 1)
        return Content.assemble(left, " " * gap, right)
