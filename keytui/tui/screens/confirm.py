"""A question before something that cannot be taken lightly. Cancel is focused, and Enter never says yes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button, Static

from keytui.tui.screens.dialog import Dialog
from keytui.tui.screens.modal import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.types import CSSPathType


ANSWERS = ("y", "k", "r")
"""Keys that answer a question."""


class Choice(NamedTuple):
    """An answer other than Cancel.

    Attributes:
        key: The key that gives it, one of ANSWERS.
        label: What it does.
        danger: Whether it is drawn as something that cannot be taken lightly.
    """

    key: str
    label: str
    danger: bool = True


class Question(Dialog[Result]):
    """Base of the questions.

    The answers are drawn as buttons and can be clicked, but only Cancel takes the focus: Enter, hammered or not,
    leaves everything as it is.
    """

    CSS_PATH: ClassVar[CSSPathType | None] = ["dialog.tcss", "confirm.tcss"]
    AUTO_FOCUS = "#cancel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n,q", "cancel", show=False),
        # Bindings, not on_key: a key typed ahead, before this screen was drawn, still reaches its binding.
        *(Binding(key, f"answer('{key}')", show=False) for key in ANSWERS),
    ]

    def __init__(self, question: str, detail: str, choices: Sequence[Choice], *, cancel_label: str = "Cancel") -> None:
        super().__init__(question)
        self._detail = detail
        self._choices = tuple(choices)
        self._cancel_label = cancel_label

    def compose_body(self) -> ComposeResult:
        """Lay out the detail and the answers."""
        yield Static(self._detail, classes="paragraph", markup=False)

    def compose_foot(self) -> ComposeResult:
        """Lay out the answers, each with its key."""
        with Horizontal(classes="answers"):
            yield Button(f"{self._cancel_label}  Esc", id="cancel", compact=True)
            for choice in self._choices:
                button = Button(f"{choice.label}  {choice.key}", id=f"answer-{choice.key}", compact=True)
                button.can_focus = False
                button.set_class(choice.danger, "-danger")
                yield button

    def result(self, key: str) -> Result:
        """Turn an answer's key, or "" for Cancel, into what the screen dismisses with."""
        raise NotImplementedError

    def action_answer(self, key: str) -> None:
        """Answer with a choice's key."""
        if any(choice.key == key for choice in self._choices):
            self.dismiss(self.result(key))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer with a click, or with Enter on Cancel."""
        event.stop()
        chosen = event.button.id or ""
        self.dismiss(self.result(chosen.removeprefix("answer-") if chosen != "cancel" else ""))

    def action_cancel(self) -> None:
        """Leave everything as it is."""
        self.dismiss(self.result(""))


class ChoiceScreen(Question[str]):
    """Asks for one of several answers and dismisses with its key, or "" for Cancel."""

    def result(self, key: str) -> str:
        """The key itself."""
        return key


class ConfirmScreen(Question[bool]):
    """Asks a yes-or-no question and dismisses with the answer.

    Args:
        question: The dialog's title.
        detail: What will happen, and what cannot be undone.
        yes_key: The character that says yes.
        yes_label: What yes does.
        danger: Whether yes is drawn as something that cannot be taken lightly.
    """

    def __init__(
        self,
        question: str,
        detail: str,
        yes_key: str = "y",
        yes_label: str = "Yes",
        *,
        cancel_label: str = "Cancel",
        danger: bool = True,
    ) -> None:
        super().__init__(question, detail, (Choice(yes_key, yes_label, danger),), cancel_label=cancel_label)

    def result(self, key: str) -> bool:
        """Whether an answer was given at all."""
        return bool(key)
