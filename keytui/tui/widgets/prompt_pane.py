"""Pane 4: a test prompt to the selected key, its answer as it streams in, and the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from keytui.tui import actions, words
from keytui.tui.widgets.styles import STYLES

if TYPE_CHECKING:
    from typing import ClassVar

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.timer import Timer

    from keytui.model import Key
    from keytui.providers.prompts import Summary

PROMPT = "Say hello in one word"
PAINT_SECONDS = 0.05
"""Pieces that arrive within this time are painted together: each repaint costs milliseconds."""


def numbers(summary: Summary) -> str:
    """Return a summary as one line."""
    parts = [summary.model]
    if summary.ttft_ms is not None:
        parts.append(f"first token {summary.ttft_ms} ms")
    if summary.tokens_per_s is not None:
        parts.append(f"{summary.tokens_per_s:.0f} tokens/s")
    if summary.usage:
        counts = {name.removesuffix("_tokens"): value for name, value in summary.usage.items()}
        total = counts.get("total", sum(counts.values()))
        parts.append(f"{total:,} tokens")
    if summary.finish_reason not in (None, "", "stop"):
        parts.append(f"ended: {summary.finish_reason}")
    return " · ".join(words.plain(part) for part in parts if part)


class PromptInput(Input):
    """The prompt's line; keys that scroll reach the answer."""

    BINDINGS: ClassVar[list[BindingType]] = list(actions.bindings("test"))

    def action_run(self, action_id: str) -> None:
        """Scroll the answer."""
        answer = self.screen.query_one("#answer", VerticalScroll)
        if action_id == "scroll_down":
            answer.scroll_page_down(animate=False)
        else:
            answer.scroll_page_up(animate=False)


class PromptPane(Vertical):
    """The pane itself."""

    def __init__(self) -> None:
        super().__init__(id="test", classes="pane")
        self._key: Key | None = None
        self._text = ""
        self._paint: Timer | None = None
        self.asked: int | None = None
        self.answering = False
        self.border_title = "4 Test"

    def compose(self) -> ComposeResult:
        """Lay out prompt, answer and numbers."""
        yield PromptInput(PROMPT, id="prompt", select_on_focus=False, placeholder="Write a prompt")
        with VerticalScroll(id="answer", can_focus=False):
            yield Static(id="answer-text", markup=False)
        yield Static(id="numbers", markup=False)

    def on_mount(self) -> None:
        """Say what the pane is for."""
        self._explain()

    @property
    def field(self) -> Input:
        """The prompt's line."""
        return self.query_one("#prompt", Input)

    def show(self, key: Key | None) -> None:
        """Follow the selected key; an answer of another key is cleared once it is over."""
        self._key = key
        if self.answering:
            return
        if key is None or key.id != self.asked:
            self.asked = None
            self._explain()
        self._title(key)

    def _title(self, key: Key | None) -> None:
        name = f" · {words.plain(key.name)}" if key is not None else ""
        self.border_title = Content(f"4 Test{name}")

    def _explain(self) -> None:
        """Show what Enter would do."""
        self._text = ""
        if not self.is_mounted or not self.children:
            return
        self.query_one("#answer-text", Static).update(
            Content.styled(
                "Enter sends the prompt with the selected key. A short answer costs a few tokens.", STYLES["dim"]
            )
        )
        self.query_one("#numbers", Static).update("")

    def start(self, key: Key) -> None:
        """Clear the pane for a new answer."""
        self.answering, self.asked, self._text = True, key.id, ""
        self._title(key)
        self.query_one("#answer-text", Static).update(Content.styled("Waiting for the first token…", STYLES["dim"]))
        self.query_one("#numbers", Static).update(Content.styled("Esc stops the answer", STYLES["dim"]))

    def add(self, text: str) -> None:
        """Add a piece of the answer; it is painted within 50 ms."""
        self._text += text
        if self._paint is None:
            self._paint = self.set_timer(PAINT_SECONDS, self._draw, name="paint the answer")

    def _draw(self) -> None:
        self._paint = None
        answer = self.query_one("#answer", VerticalScroll)
        at_end = answer.max_scroll_y - answer.scroll_y <= 1
        self.query_one("#answer-text", Static).update(Content(words.plain_lines(self._text)))
        if at_end:  # not anchor(): it pushes an answer shorter than the pane to its bottom
            answer.scroll_end(animate=False)

    def end(self, summary: Summary | None, sentence: str, hint: str) -> None:
        """Show the numbers, or why the answer ended without them."""
        self.answering = False
        if self._paint is not None:
            self._paint.stop()
        if self._text:
            self._draw()
        answer = self.query_one("#answer-text", Static)
        if summary is not None:
            note = Content.styled(numbers(summary), STYLES["dim"])
            if not self._text:
                answer.update(Content.styled("The answer holds no text.", STYLES["dim"]))
        else:
            note = Content.assemble((words.plain(sentence), STYLES["bad"]), (f" {hint}" if hint else "", STYLES["dim"]))
            if not self._text:
                answer.update(note)
                note = Content()
        self.query_one("#numbers", Static).update(note)
