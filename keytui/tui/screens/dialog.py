"""What every dialog has: a frame with a title, a body that scrolls when the terminal is small, a line of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content

from keytui.tui.screens.modal import Modal, Result
from keytui.tui.widgets.field import Hint, KeyLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.types import CSSPathType


class Dialog(Modal[Result]):
    """Base of the dialogs.

    Ctrl+C does what Esc does: it leaves the dialog, after a question when something would be lost. In a text field
    with a selection Ctrl+C copies, as everywhere in Textual; a SecretInput has nothing to copy.
    """

    CSS_PATH: ClassVar[CSSPathType | None] = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+c", "cancel", show=False),
        # With priority the focus moves before the next key is dealt out. Otherwise what is typed right after Tab, on a
        # slow line or a busy machine, lands in the field before it: a passphrase in the wrong place.
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-wide")]  # noqa: RUF012 - Textual declares it so
    VERTICAL_BREAKPOINTS = [(0, "-short"), (16, "-tall")]  # noqa: RUF012 - Textual declares it so
    HINTS: ClassVar[Sequence[Hint]] = ()

    def __init__(self, title: str) -> None:
        super().__init__()
        self._heading = title

    def compose(self) -> ComposeResult:
        """Lay out the frame around the body of the subclass."""
        self._measure()
        with Vertical(classes="dialog") as frame:
            frame.border_title = Content(self._heading)
            with VerticalScroll(classes="dialog-body", can_focus=False):
                yield from self.compose_body()
            yield from self.compose_foot()

    def _measure(self) -> None:
        """Take the classes of the terminal's size before anything is styled; Textual styles all again when it does."""
        size = self.app.size
        for room, breakpoints in ((size.width, self.HORIZONTAL_BREAKPOINTS), (size.height, self.VERTICAL_BREAKPOINTS)):
            fitting = max((least, name) for least, name in breakpoints if least <= room)
            self.update_classes({name: (least, name) == fitting for least, name in breakpoints}, update=False)

    def compose_body(self) -> ComposeResult:
        """Lay out what the dialog is about."""
        raise NotImplementedError

    def compose_foot(self) -> ComposeResult:
        """Lay out the keys of the dialog."""
        yield KeyLine(self.HINTS)

    def show_title(self, title: str) -> None:
        """Replace the title."""
        self.query_one(".dialog").border_title = Content(title)

    def show_keys(self, hints: Sequence[Hint]) -> None:
        """Replace the line of keys."""
        self.query_one(KeyLine).show(hints)

    @property
    def unsaved(self) -> bool:
        """Whether leaving now would lose what the person typed."""
        return False

    def action_cancel(self) -> None:
        """Leave without doing anything."""
        self.dismiss()
