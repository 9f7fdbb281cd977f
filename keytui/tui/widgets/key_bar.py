"""The last line: what the keys do in the focused pane, six at most, and what is going on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from keytui.tui import actions
from keytui.tui.widgets.styles import STYLES

if TYPE_CHECKING:
    from textual import events

    from keytui.tui.actions import Context

_HELP = "help"
_ROOMY = 100


class KeyBar(Widget):
    """The line itself. A click on an entry does what its key does."""

    def __init__(self) -> None:
        super().__init__(id="key-bar")
        self._state: Context | None = None
        self._note = self._short_note = ""
        self._places: list[tuple[range, str]] = []

    def show(self, context: Context) -> None:
        """Show the keys of the focused pane; those that do nothing now are dim."""
        if context != self._state:
            self._state = context
            self.refresh()

    def note(self, text: str, short: str = "") -> None:
        """Show what is going on, beside the entry for help; "" for nothing.

        Args:
            short: The same for a narrow terminal.
        """
        if text != self._note:
            self._note, self._short_note = text, short or text
            self.refresh()

    def render(self) -> Content:
        """Fit the entries into the line, the first ones first."""
        if self._state is None:
            return Content()
        pane = self._state.pane
        help_ = actions.BY_ID[_HELP]
        all_keys = right = _entry(actions.bar_key(help_, pane), help_.label, dim=False)
        if self._note:
            note = self._note if self.size.width >= _ROOMY else self._short_note
            right = Content.assemble((note, STYLES["warn"]), "   ", all_keys)
        room = self.size.width - right.cell_length - 3
        left = Content(" ")
        self._places.clear()
        trash = self._state.key is not None and self._state.key.state == "trash"
        for action in actions.bar(pane, trash=trash):
            label = actions.bar_label(action, self._state)
            entry = _entry(actions.bar_key(action, pane), label, dim=actions.problem(action, self._state) is not None)
            if left.cell_length + entry.cell_length + 2 > room:
                break
            self._places.append((range(left.cell_length, left.cell_length + entry.cell_length), action.id))
            left = Content.assemble(left, entry, "  ")
        gap = max(1, self.size.width - left.cell_length - right.cell_length - 1)
        end = self.size.width - 1
        self._places.append((range(end - all_keys.cell_length, end), _HELP))
        return Content.assemble(left, " " * gap, right)

    async def on_click(self, event: events.Click) -> None:
        """Do what the entry under the mouse stands for."""
        for place, action_id in self._places:
            if event.x in place and actions.BY_ID[action_id].where == "main":
                await self.run_action(f"screen.run('{action_id}')")


def _entry(key: str, label: str, *, dim: bool) -> Content:
    """Return one entry: the key, and what it does."""
    return Content.assemble((key, STYLES["dim"] if dim else STYLES["key"]), (f" {label}", STYLES["dim"] if dim else ""))
