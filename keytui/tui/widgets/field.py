"""Small parts of a dialog: a labeled field with a line under it, a line of keys, a sign that work is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from textual.content import Content
from textual.style import Style
from textual.widget import Widget
from textual.widgets import Static

from keytui.tui import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.geometry import Size
    from textual.timer import Timer

Tone = Literal["note", "warning", "error"]

_TONES: dict[Tone, str] = {"note": "$text-muted", "warning": "$text-warning", "error": "$text-error"}
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Message(Static):
    """A line of text that is there only while it says something. Its text is never markup."""

    def __init__(self, text: str = "", *, id: str | None = None) -> None:
        super().__init__(words.plain_lines(text), id=id, classes="message", markup=False)
        self.display = bool(text)

    def say(self, text: str, tone: Tone = "note") -> None:
        """Show the text, or nothing when it is empty."""
        self.set_class(tone == "error", "-error")
        self.set_class(tone == "warning", "-warning")
        self.update(words.plain_lines(text))
        self.display = bool(text)

    @property
    def text(self) -> str:
        """What is shown."""
        return str(self.content) if self.display else ""


class Field(Widget):
    """A label, its control, and a line under it for what is wrong or worth knowing.

    Only the control is a widget: what stands around it is drawn. A form has nine fields, and each widget costs it a
    millisecond to open.

    Args:
        label: Stands before the control, in the room its left margin leaves.
        control: What the person fills in.
        unit: Stands behind a control that has a width of its own.
        name: How the dialog finds the field.
    """

    def __init__(self, label: str, control: Widget, *, unit: str = "", name: str | None = None) -> None:
        super().__init__(control.add_class("field-control", update=False), name=name, classes="field")
        self.control = control
        self._label = label
        self._unit = unit
        self._text = ""
        self._tone: Tone = "note"

    def on_descendant_focus(self) -> None:
        """Mark the field the person is in."""
        self.refresh()

    def on_descendant_blur(self) -> None:
        """Unmark it, unless another part of it has the focus: a list that was open, and closes, tells it late."""
        self.refresh()

    def say(self, text: str, tone: Tone = "note") -> None:
        """Show a sentence under the field, or nothing."""
        text = words.plain_lines(text)
        if (text, tone) != (self._text, self._tone):
            self._text, self._tone = text, tone
            self.refresh(layout=True)

    def show_unit(self, unit: str) -> None:
        """Replace what stands behind the control."""
        if unit != self._unit:
            self._unit = unit
            self.refresh()

    @property
    def said(self) -> str:
        """The sentence under the field."""
        return self._text

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's
        """Return the lines of the control, which is one, and of the sentence."""
        return 1 + len(self._sentence(width))

    def render(self) -> Content:
        """Draw the label, the unit and the sentence; the control lies over it."""
        width = self.size.width
        before = self._label.ljust(self.control.styles.margin.left)
        behind = f"{'':{self.control.outer_size.width}} {self._unit}" if self._unit else ""
        head = Content.assemble((before, self._label_style), (behind, "$text-muted")).truncate(width)
        return Content("\n").join([head, *(line.stylize(_TONES[self._tone]) for line in self._sentence(width))])

    @property
    def _label_style(self) -> str:
        focused = self.screen.focused
        weight = "bold " if focused is not None and self in focused.ancestors else ""
        if self._text and self._tone == "error":
            return f"{weight}$text-error"
        return f"{weight}$text-primary" if weight else "$text-muted"

    def _sentence(self, width: int) -> list[Content]:
        """Return the lines of the sentence, under the text of the control; a narrow dialog has no room before them."""
        if not self._text:
            return []
        room = 0 if self.screen.has_class("-narrow") else self.control.styles.margin.left + 1
        return [Content(" " * room) + line for line in Content(self._text).wrap(max(1, width - room))]


class Hint(NamedTuple):
    """One entry of a line of keys.

    Attributes:
        key: What the person presses, as it is shown ("Ctrl+S").
        label: What it does.
        action: Action of the screen a click runs, or "".
        danger: Whether it is drawn as something that cannot be taken lightly.
    """

    key: str
    label: str
    action: str = ""
    danger: bool = False


class KeyLine(Static):
    """The keys of a dialog, at its bottom; each can be clicked."""

    def __init__(self, hints: Sequence[Hint] = ()) -> None:
        super().__init__(classes="key-line")
        self.show(hints)

    def show(self, hints: Sequence[Hint]) -> None:
        """Replace the keys."""
        parts = []
        for hint in hints:
            style = "bold $text-error" if hint.danger else "bold $text-primary"
            # An entry does not break: the spaces inside it are no-break spaces.
            part = Content(f"{hint.key} {hint.label}".replace(" ", "\N{NO-BREAK SPACE}"))
            part = part.stylize(style, 0, len(hint.key) + 1)
            # Not "@click": Textual would draw each entry as a link, and in the link's color.
            parts.append(part.stylize(Style.from_meta({"action": hint.action})) if hint.action else part)
        self.update(Content("   ").join(parts))

    async def on_click(self, event: events.Click) -> None:
        """Do what was clicked on."""
        action = event.style.meta.get("action")
        if action:
            event.stop()
            await self.run_action(f"screen.{action}")


class Busy(Message):
    """A sign that moves while something is under way, with a word beside it."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._timer: Timer | None = None
        self._frame = 0
        self._word = ""

    def start(self, word: str) -> None:
        """Begin, or change the word."""
        self._word = word
        self._draw()
        if self._timer is None:
            self._timer = self.set_interval(0.1, self._draw)

    def stop(self, text: str = "", tone: Tone = "note") -> None:
        """End, leaving a sentence or nothing."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self.say(text, tone)

    def _draw(self) -> None:
        self._frame = (self._frame + 1) % len(_FRAMES)
        self.say(f"{_FRAMES[self._frame]} {self._word}")
