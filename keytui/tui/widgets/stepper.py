"""The steps of something that takes a while, each with a sign, a word and what came of it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, NamedTuple

from textual.content import Content
from textual.widgets import Static

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIGNS = {"waiting": "○", "running": "◌", "done": "✓", "failed": "✗", "skipped": "–"}
_STYLES = {
    "waiting": "",
    "running": "$text-primary",
    "done": "$text-success",
    "failed": "$text-error",
    "skipped": "$text-warning",
}


class Step(NamedTuple):
    """One step.

    Attributes:
        id: What the flow calls it.
        word: Its name on screen.
        sentence: What it will do, or what came of it.
        state: "waiting", "running", "done", "failed" or "skipped".
    """

    id: str
    word: str
    sentence: str
    state: str = "waiting"


class Stepper(Static):
    """Draws the steps in their order. The text is never markup."""

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__(classes="stepper")
        self._plan = tuple(steps)
        self._steps = list(steps)

    def on_mount(self) -> None:
        """Draw the plan."""
        self._draw()

    def show(self, steps: Sequence[Step]) -> None:
        """Draw other steps, or the same ones as far as they are known to have got."""
        self._plan = tuple(steps)
        self.reset()

    def reset(self) -> None:
        """Back to the plan."""
        self._steps = list(self._plan)
        self._draw()

    def mark(self, step_id: str, state: str, sentence: str) -> None:
        """Note how far a step is."""
        self._steps = [
            step._replace(state=state, sentence=sentence) if step.id == step_id else step for step in self._steps
        ]
        self._draw()

    def on_resize(self) -> None:
        """Wrap the sentences to the new width."""
        self._draw()

    def _draw(self) -> None:
        width = max(len(step.word) for step in self._steps) + 2
        # A sentence that does not fit goes on below its own beginning, not below the sign.
        room = max(20, (self.content_size.width or 200) - width - 3)
        lines = []
        for step in self._steps:
            style = _STYLES[step.state]
            sign = Content.styled(f"{_SIGNS[step.state]}  ", style)
            word = Content.styled(step.word.ljust(width), "bold" if step.state == "running" else "")
            first, *more = textwrap.wrap(step.sentence, room) or [""]
            lines.append(sign + word + Content.styled(first, style))
            lines += [Content(" " * (width + 3)) + Content.styled(line, style) for line in more]
        self.update(Content("\n").join(lines))
