"""Every key by heading, from the registry, with the reason where it does nothing now."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from keytui.tui import actions
from keytui.tui.screens.modal import Modal
from keytui.tui.widgets.styles import STYLES

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from keytui.tui.actions import Action, Context

KEYS, LABEL = 15, 14


class HelpScreen(Modal[None]):
    """The panel over the main screen.

    Args:
        context: What decided which actions could be done when help was asked for.
    """

    CSS_PATH: ClassVar = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q,ctrl+c", "close", show=False),
        Binding("j,down", "scroll('down')", show=False),
        Binding("k,up", "scroll('up')", show=False),
        Binding("pagedown,space", "scroll('page_down')", show=False),
        Binding("pageup", "scroll('page_up')", show=False),
        Binding("g,home", "scroll('home')", show=False),
        Binding("G,end", "scroll('end')", show=False),
    ]

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._state = context

    def compose(self) -> ComposeResult:
        """Lay out one text that scrolls."""
        with VerticalScroll(id="help", classes="pane") as panel:
            panel.border_title = "Keyboard shortcuts"
            panel.border_subtitle = "Esc closes · j k scroll"
            yield Static(id="help-text", markup=False)

    def on_resize(self) -> None:
        """Wrap for the new width."""
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        panel = self.query_one("#help", VerticalScroll)
        width = panel.scrollable_content_region.width
        self.query_one("#help-text", Static).update(help_text(self._state, width))

    def action_scroll(self, where: str) -> None:
        """Scroll the panel."""
        getattr(self.query_one("#help", VerticalScroll), f"scroll_{where}")(animate=False)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss()


def help_text(context: Context, width: int) -> Content:
    """Return all keys, wrapped to `width` cells."""
    rows: list[Content] = []
    for heading, found in actions.groups().items():
        if rows:
            rows.append(Content())
        rows.append(Content.styled(heading.upper(), STYLES["head"]))
        for action in found:
            rows += _rows(action, context, max(20, width - KEYS - LABEL))
    return Content("\n").join(rows)


def _rows(action: Action, context: Context, room: int) -> list[Content]:
    """Return one action's lines: its keys and name, then what it does, and why it does not do it now."""
    problem = actions.problem(action, context)
    help_line = action.help
    if action.id == "undo" and context.undoable is not None:
        help_line = f"{help_line} Now, “{context.undoable.name}”: {context.undoable.detail or context.undoable.type}"
    texts = [(line, "" if problem is None else "dim") for line in Content(help_line).wrap(room)]
    if problem is not None:
        texts += [(line, "warn") for line in Content(f"Not now: {problem}").wrap(room)]
    rows = []
    for index, (line, tone) in enumerate(texts):
        key, label = (actions.key_names(action), action.label) if index == 0 else ("", "")
        rows.append(
            Content.assemble(
                (key.ljust(KEYS), STYLES["key" if problem is None else "dim"]),
                (label.ljust(LABEL), STYLES["strong" if problem is None else "dim"]),
                (line.plain, STYLES[tone]),
            )
        )
    return rows
