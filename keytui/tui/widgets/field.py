"""Small parts of a dialog: a labeled field with a line under it, a line of keys, a sign that work is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.style import Style
from textual.widgets import Static

from keytui.tui import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.timer import Timer
    from textual.widget import Widget

Tone = Literal["note", "warning", "error"]

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


class Field(Vertical):
    """A label, its control, and a line under it for what is wrong or worth knowing."""

    def __init__(self, label: str, control: Widget, *, unit: str = "", name: str | None = None) -> None:
        super().__init__(name=name, classes="field")
        self._label = label
        self.control = control
        self._unit = unit
        self.unit = Static(unit, classes="field-unit", markup=False)
        self._message = Message()

    def compose(self) -> ComposeResult:
        """Lay out label, control and message."""
        with Horizontal(classes="field-row"):
            yield Static(self._label, classes="field-label", markup=False)
            yield self.control
            if self._unit:
                yield self.unit
        yield self._message

    def on_descendant_focus(self) -> None:
        """Mark the field the person is in; `:focus-within` leaves the label of the field before marked."""
        self.add_class("-focused")

    def on_descendant_blur(self) -> None:
        """Unmark it."""
        self.remove_class("-focused")

    def say(self, text: str, tone: Tone = "note") -> None:
        """Show a sentence under the field, or nothing."""
        self.set_class(bool(text) and tone == "error", "-wrong")
        self._message.say(text, tone)

    @property
    def said(self) -> str:
        """The sentence under the field."""
        return self._message.text


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
