"""A field for a secret: dots on screen, no value in any message, nothing to copy.

Textual's own Input(password=True) carries its value in Changed, Submitted and Blurred, copies it in clear with
Ctrl+C, and logs the text of a Paste (measured with textual 8.2.8), so this is a widget of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Offset
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from keytui.model import Secret

if TYPE_CHECKING:
    from textual.geometry import Size


class SecretInput(Widget, can_focus=True):
    """One line of hidden text.

    The text lives in a Secret, not in a reactive: watchers, messages and `repr` never see it.

    Args:
        placeholder: Dim text while the field is empty.
        show_length: Whether the number of characters stands at the right; it tells a whole paste from half of one.
        paste_replaces: Whether a paste takes the place of what is there, as for a key, which is pasted whole, or goes
            in at the cursor, as for a passphrase.
    """

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,ctrl+left", "move(-1)", show=False),
        Binding("right,ctrl+right", "move(1)", show=False),
        Binding("home,ctrl+a", "home", show=False),
        Binding("end,ctrl+e", "end", show=False),
        Binding("backspace", "delete_left", show=False),
        Binding("delete,ctrl+d", "delete_right", show=False),
        # No hint about word boundaries: a word to the left is all to the left.
        Binding("ctrl+u,ctrl+w,super+backspace,ctrl+backspace,alt+backspace", "delete_left_all", show=False),
        Binding("ctrl+k", "delete_right_all", show=False),
        Binding("enter", "submit", show=False),
        Binding("ctrl+v,super+v", "paste", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "secret-input--cursor",
        "secret-input--dim",
    }
    DEFAULT_CSS = """
    SecretInput {
        height: 1;
        width: 1fr;
        padding: 0 1;
        pointer: text;
        & > .secret-input--cursor { background: $input-cursor-background; color: $input-cursor-foreground; }
        & > .secret-input--dim { color: $text-muted; }
    }
    """

    _length: reactive[int] = reactive(0)
    _cursor: reactive[int] = reactive(0)

    class _About(Message):
        def __init__(self, field: SecretInput) -> None:
            super().__init__()
            self.field = field

        @property
        def control(self) -> SecretInput:
            """The field this is about."""
            return self.field

    class Changed(_About):
        """The text changed.

        Attributes:
            length: Characters now in the field.
            pasted: Whether a paste changed it.
        """

        def __init__(self, field: SecretInput, length: int, *, pasted: bool) -> None:
            super().__init__(field)
            self.length = length
            self.pasted = pasted

    class Submitted(_About):
        """Enter was pressed."""

    class Blurred(_About):
        """The field lost the focus."""

    def __init__(
        self,
        placeholder: str = "",
        *,
        show_length: bool = True,
        paste_replaces: bool = True,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._placeholder = placeholder
        self._show_length = show_length
        self._paste_replaces = paste_replaces
        self._held = Secret("")

    @property
    def secret(self) -> Secret:
        """What the field holds, left where it is."""
        return self._held

    def take(self) -> Secret:
        """Hand the text over and empty the field."""
        held = self._held
        self.clear()
        return held

    def clear(self) -> None:
        """Empty the field."""
        self._hold("", 0)

    def on_unmount(self) -> None:
        """Let go of the text with the dialog."""
        self._held = Secret("")

    async def on_event(self, event: events.Event) -> None:
        """Take what is typed and pasted before Textual logs the event with its text."""
        if self.disabled or not isinstance(event, (events.Key, events.Paste)):
            await super().on_event(event)
        elif isinstance(event, events.Paste):
            event.stop()
            text, event.text = event.text, ""
            self._paste(text)
        elif event.is_printable and event.character is not None:
            event.stop()
            self._insert(event.character)
        else:
            await super().on_event(event)

    def check_consume_key(self, key: str, character: str | None) -> bool:  # noqa: ARG002 - Textual's signature
        """Tell Textual that printable keys are typed here, not bindings of a screen."""
        return character is not None and character.isprintable()

    def on_focus(self) -> None:
        """Show the cursor."""
        self.refresh()
        self._place_cursor()

    def watch__cursor(self) -> None:
        """Take the terminal's own cursor along."""
        if self.has_focus:
            self._place_cursor()

    def on_blur(self) -> None:
        """Say that the field was left."""
        self.refresh()
        self.post_message(self.Blurred(self))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's
        """One line, whatever it holds."""
        return 1

    def render(self) -> Content:
        """Draw dots, the cursor and the length."""
        width = self.content_size.width
        dim = self.get_visual_style("secret-input--dim")
        cursor = self.get_visual_style("secret-input--cursor")
        if not self._length:
            hint = Content.styled(self._placeholder or " ", dim)
            return hint.stylize(cursor, 0, 1) if self.has_focus else hint
        count = f"{self._length:,} characters" if self._show_length and width >= 40 else ""
        room = max(1, width - len(count) - (3 if count else 0))
        first = max(0, self._cursor - room + 1)
        dots = Content("•" * min(self._length - first, room)).pad_right(max(0, room - (self._length - first)))
        if self.has_focus:
            at = self._cursor - first
            dots = dots.stylize(cursor, at, at + 1)
        return dots + Content("   ") + Content.styled(count, dim) if count else dots

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self._cursor = min(self._length, max(0, self._cursor + by))

    def action_home(self) -> None:
        """Move the cursor to the start."""
        self._cursor = 0

    def action_end(self) -> None:
        """Move the cursor to the end."""
        self._cursor = self._length

    def action_delete_left(self) -> None:
        """Delete the character before the cursor."""
        self._splice(max(0, self._cursor - 1), self._cursor)

    def action_delete_right(self) -> None:
        """Delete the character under the cursor."""
        self._splice(self._cursor, self._cursor + 1)

    def action_delete_left_all(self) -> None:
        """Delete all before the cursor."""
        self._splice(0, self._cursor)

    def action_delete_right_all(self) -> None:
        """Delete all from the cursor on."""
        self._splice(self._cursor, self._length)

    def action_submit(self) -> None:
        """Say that Enter was pressed."""
        self.post_message(self.Submitted(self))

    def action_paste(self) -> None:
        """Paste what was cut or copied inside the app; the terminal's own paste arrives as an event instead."""
        if self.app.clipboard:
            self._paste(self.app.clipboard)
        else:
            self.notify("Use your terminal's paste, often Ctrl+Shift+V or the middle mouse button.", markup=False)

    def _place_cursor(self) -> None:
        """Put the terminal's cursor here, where input methods and screen readers look for it."""
        column = min(self._cursor, max(0, self.content_size.width - 1))
        self.app.cursor_position = self.content_region.offset + Offset(column, 0)

    def _insert(self, text: str) -> None:
        at = self._cursor
        held = self._held.reveal()
        self._hold(held[:at] + text + held[at:], at + len(text))

    def _paste(self, text: str) -> None:
        """Put in pasted text whole: of a line break inside the person is told, instead of half a key kept."""
        text = text.strip() if self._paste_replaces else text.strip("\r\n")
        if not text:
            return
        at = 0 if self._paste_replaces else self._cursor
        held = "" if self._paste_replaces else self._held.reveal()
        self._hold(held[:at] + text + held[at:], at + len(text), pasted=True)

    def _splice(self, start: int, end: int) -> None:
        held = self._held.reveal()
        if start < min(end, len(held)):
            self._hold(held[:start] + held[end:], start)

    def _hold(self, text: str, cursor: int, *, pasted: bool = False) -> None:
        self._held = Secret(text)
        self._length = len(text)
        self._cursor = cursor
        self.refresh()
        self.post_message(self.Changed(self, len(text), pasted=pasted))
