"""Pane 4: a test prompt to the selected key, its answer as it streams in, and the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from keytui.tui import actions, words
from keytui.tui.painting import entitle
from keytui.tui.widgets.answer import Answer
from keytui.tui.widgets.keyless import KeylessInput
from keytui.tui.widgets.styles import STYLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.widgets import Input

    from keytui.model import Key, Verdict
    from keytui.providers.prompts import Summary

PROMPT = "Say hello in one word"
"""What Enter sends while nothing is written."""

PROMPTS_KEPT = 100
WAIT_SECONDS = 0.05
"""When "waiting" is said. Drawing it at once would hold up the request it is about."""


def numbers(summary: Summary, width: int) -> str:
    """Return a summary as lines of this width: who answered, how fast, what it cost, how it ended."""
    parts = [summary.model]
    if summary.ttft_ms is not None:
        parts.append(f"{'first token' if summary.streamed else 'answer'} {summary.ttft_ms} ms")
    if summary.tokens_per_s is not None:
        parts.append(f"{summary.tokens_per_s:.0f} tokens/s")
    if summary.usage:
        parts.append(_usage(summary.usage))
    if summary.finish_reason:
        parts.append(f"ended: {summary.finish_reason}")
    parts += [summary.request_id or "", summary.limits]
    return words.flow([words.plain(part) for part in parts if part], width)


def _usage(usage: dict[str, int]) -> str:
    sent, answered = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if sent is not None and answered is not None:
        return f"{words.count(sent, 'token')} in, {answered:,} out"
    return f"{usage.get('total_tokens', sum(usage.values())):,} tokens"


class SystemInput(KeylessInput):
    """The system prompt's line. Enter goes on to the prompt, at once: what is typed right after it belongs there."""

    BINDINGS: ClassVar[list[BindingType]] = list(actions.at_once("enter", "leave"))

    def action_leave(self) -> None:
        """Go to the prompt."""
        self.screen.query_one(PromptPane).show_system(False)


class PromptPane(Vertical):
    """The pane itself. The prompts of this session are kept here, and nowhere else.

    Attributes:
        run: Number of the prompt whose answer is shown.
        answering: It is coming in.
    """

    BINDINGS: ClassVar[list[BindingType]] = list(actions.bindings("test"))

    def __init__(self) -> None:
        super().__init__(id="test", classes="pane")
        self._key: Key | None = None
        self._prompts: list[str] = []
        self._place = 0
        self._draft = ""
        self._model: tuple[str, str] | None = None
        self._asked: Key | None = None
        self._beside: int | None = None
        self.run = 0
        self.answering = False
        self.border_title = "4 Test"

    def compose(self) -> ComposeResult:
        """Lay out model, prompt, answer and numbers; the system prompt is there while it is used."""
        yield Static(id="model", markup=False)
        system = SystemInput(id="system", select_on_focus=False, placeholder="How it should answer")
        line = Horizontal(Static(Content.styled("System", STYLES["dim"])), system, id="system-line")
        line.display = False
        yield line
        yield KeylessInput(id="prompt", select_on_focus=False, placeholder=PROMPT)
        yield Answer()
        yield Static(id="numbers", markup=False)

    def on_mount(self) -> None:
        """Say what the pane is for."""
        self._explain()

    @property
    def field(self) -> Input:
        """The prompt's line."""
        return self.query_one("#prompt", KeylessInput)

    @property
    def system(self) -> Input:
        """The system prompt's line."""
        return self.query_one("#system", KeylessInput)

    @property
    def asked(self) -> int | None:
        """Id of the key whose answer is shown, or None."""
        return self._asked.id if self._asked is not None else None

    @property
    def other(self) -> Key | None:
        """The key that is answering while another one is selected, or None."""
        selected = self._key.id if self._key is not None else None
        return self._asked if self.answering and self.asked != selected else None

    # --- what is asked

    def sent(self, text: str) -> str:
        """Take what Enter was pressed on, and return what to send; it can be brought back from now on."""
        if not text.strip():
            return PROMPT
        if self._prompts[-1:] != [text]:
            self._prompts = [*self._prompts[1 - PROMPTS_KEPT :], text]
        self._place, self._draft = len(self._prompts) - 1, ""
        self.enter()
        return text

    def enter(self) -> None:
        """Make ready for typing: it replaces a prompt that was sent, and goes on with one that was not."""
        if 0 <= self._place < len(self._prompts) and self.field.value == self._prompts[self._place]:
            self.field.select_all()
        else:
            self.field.action_end()

    def action_run(self, action_id: str) -> None:
        """Do what a key means here: scroll the answer, bring a prompt back, ask for model or system prompt."""
        answer = self.query_one(Answer)
        if action_id == "scroll_down":
            answer.scroll_page_down(animate=False)
        elif action_id == "scroll_up":
            answer.scroll_page_up(animate=False)
        elif action_id in ("older_prompt", "newer_prompt"):
            self._bring_back(1 if action_id == "newer_prompt" else -1)
        elif action_id == "system":
            self.show_system(not self.system.has_focus)
        else:
            self.call_later(self.run_action, "screen.run('model')")

    def _bring_back(self, step: int) -> None:
        """Show the prompt before or after; what was being written comes after the last one."""
        here, written = self._place, self.field.value
        if here == len(self._prompts) or written != self._prompts[here]:
            here, self._draft = len(self._prompts), written
        place = here + step
        if not 0 <= place <= len(self._prompts) or not self.field.has_focus:
            return
        self._place = place
        self.field.value = self._prompts[place] if place < len(self._prompts) else self._draft
        self.field.action_end()

    def show_system(self, shown: bool) -> None:
        """Go to the system prompt; or back to the prompt, the line staying while it holds something."""
        line = self.query_one("#system-line")
        line.display = True
        self.screen.set_focus(self.system if shown else self.field)
        line.display = shown or bool(self.system.value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Keep the system prompt on screen where its last letters come after the focus has gone on."""
        if event.input.id == "system" and event.value:
            self.query_one("#system-line").display = True

    # --- what is shown

    def show(self, key: Key | None) -> None:
        """Follow the selected key. An answer of another key goes, unless it came in while this one was selected."""
        self._key = key
        if self.answering:
            return
        if key is None or key.id not in (self.asked, self._beside):
            self._asked = self._beside = None
            self._explain()
        self._title(key)

    def _title(self, key: Key | None) -> None:
        name = f" · {words.plain(key.name)}" if key is not None else ""
        entitle(self, f"4 Test{name}")
        if key is None:
            self._show_model(("", STYLES["dim"]))
        elif key.model:
            self._show_model((words.plain(key.model), ""))
        else:
            self._show_model((words.unnamed(key.provider) or "none yet, Ctrl+O names one", STYLES["dim"]))

    def _show_model(self, chosen: tuple[str, str]) -> None:
        if self._model == chosen:
            return  # each change lays the screen out anew
        for line in self.query("#model").results(Static):
            self._model = chosen
            line.update(Content.assemble(("Model  ", STYLES["dim"]), chosen, (" ▾", STYLES["mark"])))

    def on_click(self) -> None:
        """Choose the model where its name was clicked on."""
        if self.query_one("#model", Static).mouse_hover:
            self.action_run("model_here")

    def _explain(self) -> None:
        """Show what Enter would do."""
        if not self.is_mounted or not self.children:
            return
        sentence = "Enter sends the prompt with the selected key. A short answer costs a few tokens."
        self.query_one(Answer).say(Content.styled(sentence, STYLES["dim"]))
        self.query_one("#numbers", Static).update("")

    def start(self, key: Key, run: int) -> None:
        """Clear the pane for a new answer."""
        self.answering, self._asked, self._beside, self.run = True, key, None, run
        self._title(key)
        self.query_one(Answer).clear()
        self.set_timer(WAIT_SECONDS, self._wait, name="wait for the first token")

    def _wait(self) -> None:
        if self.answering and not self.query_one(Answer).text:
            self.query_one(Answer).say(Content.styled("Waiting for the first token…", STYLES["dim"]))
            self._empty_numbers()

    def _empty_numbers(self) -> None:
        # Not laid out anew, which takes 5 ms: their room is filled again when the answer ends.
        self.query_one("#numbers", Static).update("", layout=False)

    def add(self, text: str, spells: Callable[[str], bool]) -> None:
        """Add a piece of the answer."""
        answer = self.query_one(Answer)
        if not answer.text:
            self._empty_numbers()
        answer.add(text, spells)

    def end(self, summary: Summary | None, sentence: str, hint: str, verdict: Verdict | None = None) -> None:
        """Show the numbers, or why the answer ended without them; what has come stays."""
        other, self.answering = self.other, False
        answer = self.query_one(Answer)
        if summary is not None:
            note = Content.styled(numbers(summary, self.content_size.width), STYLES["dim"])
            if remark := words.plain(summary.remark):
                if answer.text:
                    note = Content.assemble((f"{remark}\n", STYLES["warn"]), note)
                else:
                    answer.say(Content.styled(remark, STYLES["warn"]))
        else:
            note = _failure(sentence, hint, verdict)
            if not answer.text:
                answer.say(note)
                note = Content()
        if other is not None and self._key is not None:
            self._beside = self._key.id
            note = Content.assemble((f"Answer of “{words.plain(other.name)}”  ", STYLES["warn"]), note)
        self.query_one("#numbers", Static).update(note)
        if self._key is not None:
            self.show(self._key)


def _failure(sentence: str, hint: str, verdict: Verdict | None) -> Content:
    """Return why there is no answer: the verdict, its sentence, what to do, and what a provider's support asks for."""
    parts = [(words.plain(sentence), STYLES["bad"])]
    if verdict is not None:
        said = words.said(verdict.word)
        parts.insert(0, (f"{said.sign} {said.word}  ", STYLES[said.tone]))
    if hint:
        parts.append((f" {words.plain(hint)}", STYLES["dim"]))
    if verdict is not None and (evidence := words.evidence(verdict)):
        parts.append((f"\n{evidence}", STYLES["dim"]))
    return Content.assemble(*parts)
