"""Pane 4: model, system prompt, earlier prompts, and what is done with an answer. By keys alone, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from textual.app import App
from textual.highlight import HighlightTheme, highlight
from textual.widgets import Input

from keytui.demo.handler import DemoHandler
from keytui.model import Secret
from keytui.providers.prompts import Summary
from keytui.tui import blocks, messages
from keytui.tui.screens.model import ModelScreen
from keytui.tui.widgets.answer import Answer
from keytui.tui.widgets.keyless import REFUSED
from tests.stores import fake_key, fields
from tests.tui.conftest import Driver, World, no_key, opened

if TYPE_CHECKING:
    from pathlib import Path

    from textual._compositor import CompositorUpdate
    from textual.content import Content
    from textual.screen import Screen


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What the demo server was asked, as JSON."""
    bodies: list[dict[str, object]] = []
    chat = DemoHandler._chat

    def noted(self: DemoHandler, key: str, state: str, body: bytes) -> None:
        bodies.append(json.loads(body))
        chat(self, key, state, body)

    monkeypatch.setattr(DemoHandler, "_chat", noted)
    return bodies


async def ended(app: Driver) -> None:
    """Wait until an answer has ended and is laid out."""
    await app.until(lambda: app.main.test is not None and app.main.test.asked and not app.main.test.answering)
    await app.quiet()


def said(body: dict[str, object]) -> list[tuple[str, str]]:
    messages = body["messages"]
    assert isinstance(messages, list)
    return [(each["role"], each["content"]) for each in messages]


async def test_a_prompt_is_sent_with_the_system_prompt(
    world: World, asked: list[dict[str, object]], size: tuple[int, int]
) -> None:
    world.add()
    async with opened(world, size) as app:
        await app.press("4", "ctrl+s")
        await app.burst(*"Be brief.", "enter", *"Who are you?", "enter")
        await ended(app)
        assert said(asked[0]) == [("system", "Be brief."), ("user", "Who are you?")]
        for part in ("Be brief.", "this machine", "first token", "ended: stop", "req_demo_"):
            await app.sees(part)
        await app.press("ctrl+s", "escape")
        assert app.app.focused is app.main.query_one("#prompt")


@pytest.mark.parametrize("pressed", [("p", "ctrl+s"), ("p",), ()])
async def test_what_is_typed_right_after_ctrl_s_is_the_system_prompt_and_is_named_so(
    world: World, asked: list[dict[str, object]], pressed: tuple[str, ...]
) -> None:
    """However far the app has got when the rest is typed."""
    world.add()
    async with opened(world, (80, 24)) as app:
        await app.press(*pressed)
        rest = ("p", "ctrl+s")[len(pressed) :]
        await app.burst(*rest, *"Be brief, no nonsense.", "enter", *"Who are you?", "enter")
        await ended(app)
        assert said(asked[0]) == [("system", "Be brief, no nonsense."), ("user", "Who are you?")]
        assert [line for line in app.text.splitlines() if "System" in line and "no nonsense." in line]


async def test_pane_4_names_the_keys_that_do_something_while_typing(world: World, size: tuple[int, int]) -> None:
    world.add()
    async with opened(world, size) as app:
        await app.press("4")
        bar = app.text.splitlines()[-1]
        assert "Enter Send" in bar
        assert "Esc Back" in bar
        assert "F1 Help" in bar
        await app.press("question_mark")
        assert "?" in app.main.query_one("#prompt", Input).value
        await app.press("f1")
        await app.sees("Keyboard shortcuts")
        await app.press("f1")
        await app.until(lambda: app.app.screen is app.main)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
async def test_the_lines_of_a_paste_become_one(world: World, end: str) -> None:
    """A bracketed paste has CR at the end of its lines in many terminals."""
    world.add()
    async with opened(world) as app:
        await app.press("4")
        prompt = app.main.query_one("#prompt", Input)
        await app.burst(paste=f"line one{end}line two{end}")
        await app.until(lambda: prompt.value == "line one line two")


async def test_all_numbers_of_an_answer_are_shown(world: World, size: tuple[int, int]) -> None:
    key = world.add()
    request = "req_" + "0123456789abcdef" * 2
    limits = "9,999 of 10,000 requests left, resets in 9 s; 199,999,000 of 200,000,000 tokens left"
    async with opened(world, size) as app:
        await app.press("4")
        app.app.tell(messages.PromptStarted(key.id))
        app.app.tell(messages.PromptText("word " * 400, spells=no_key))
        summary = Summary(
            model="gpt-5-nano-2025-08-07",
            ttft_ms=512,
            tokens_per_s=41.0,
            usage={"prompt_tokens": 12, "completion_tokens": 340, "total_tokens": 352},
            finish_reason="stop",
            request_id=request,
            limits=limits,
        )
        app.app.tell(messages.PromptEnded(summary))
        for part in (request, "12 tokens in, 340 out", "tokens left"):
            await app.sees(part)


async def test_nothing_written_sends_the_prompt_that_is_proposed(world: World, asked: list[dict[str, object]]) -> None:
    world.add()
    async with opened(world) as app:
        await app.press("4", "enter")
        await ended(app)
        assert said(asked[0]) == [("user", "Say hello in one word")]


async def test_earlier_prompts_come_back(world: World, asked: list[dict[str, object]], size: tuple[int, int]) -> None:
    world.add()
    async with opened(world, size) as app:
        await app.press("4")
        for text in ("first question", "second question"):
            await app.type(text)  # takes the place of what was sent
            await app.press("enter")
            await ended(app)
        await app.type("a draft")
        await app.press("up", "up")
        assert "first question" in app.text
        await app.press("down", "down")
        assert "a draft" in app.text
        await app.press("up", "up", "up", "enter")
        await ended(app)
        assert [said(body)[-1][1] for body in asked] == ["first question", "second question", "first question"]


async def test_no_prompt_is_written_to_disk(world: World, tmp_path: Path) -> None:
    world.add()
    async with opened(world) as app:
        await app.press("4")
        await app.type("xyzzy-prompt")
        await app.press("enter")
        await ended(app)
    folder = world.settings.index_path.rpartition("/")[0]
    assert folder.startswith(str(tmp_path))

    def everything() -> bytes:
        from pathlib import Path

        return b"".join(path.read_bytes() for path in Path(folder).rglob("*") if path.is_file())

    assert b"xyzzy-prompt" not in await asyncio.to_thread(everything)


@pytest.mark.parametrize("how", ["pasted", "typed", "pasted with Enter behind"])
@pytest.mark.parametrize("field", ["prompt", "system", "filter"])
async def test_a_key_in_a_field_that_is_shown_is_taken_away(
    world: World, asked: list[dict[str, object]], how: str, field: str
) -> None:
    from textual import events

    world.add()
    key = fake_key().reveal()
    async with opened(world) as app:
        await app.press("slash" if field == "filter" else "4", *(("ctrl+s",) if field == "system" else ()))
        if how == "pasted":
            assert app.app.focused is not None
            app.app.focused.post_message(events.Paste(f"{key}\n"))
            await app.press("right")
        else:
            await app.burst(*key, *(("enter",) if how.endswith("behind") else ()))
        await app.until(lambda: REFUSED in app.toasts)
        assert key[:20] not in app.text
        assert key[-12:] not in app.text
        assert key not in app.toasts
        await app.quiet()
        assert not asked


async def test_the_model_is_chosen_from_the_keys_own_list(
    world: World, asked: list[dict[str, object]], size: tuple[int, int]
) -> None:
    key = world.add()
    world.store.edit(key.id, fields(key.name, base_url=key.base_url, note="edited before"))
    async with opened(world, size) as app:
        await app.press("m")
        await app.sees("in this key's list.")
        await app.type("terra")
        await app.press("enter")
        await app.until(lambda: "ask gpt-6-terra." in app.toasts)
        assert world.store.key(key.id).model == "gpt-6-terra"
        await app.press("4", "enter")
        await app.sees("gpt-6-terra ▾")
        await ended(app)
        assert asked[0]["model"] == "gpt-6-terra"
        event = world.store.undoable()
        assert event is not None  # the edit from before: choosing a model is none
        world.store.undo(event.id)
        assert (world.store.key(key.id).note, world.store.key(key.id).model) == ("", "gpt-6-terra")


async def test_the_model_can_be_chosen_from_within_the_pane_and_left_to_keytui(world: World) -> None:
    key = world.add(model="gpt-6")
    async with opened(world) as app:
        await app.press("4")
        await app.sees("gpt-6 ▾")
        await app.press("ctrl+o")
        await app.sees("gpt-6-terra")
        await app.press("up", "pageup", "enter")
        await app.sees("a small model of its list ▾")
        assert world.store.key(key.id).model == ""
        assert world.store.undoable() is None


async def test_a_key_that_lists_no_models_takes_a_typed_one(world: World, size: tuple[int, int]) -> None:
    key = world.add(secret=Secret("sk-demo-" + "restricted-0000"))
    async with opened(world, size) as app:
        await app.press("m")
        await app.sees("but restricted:")
        await app.type("my-own-model")
        await app.sees("Ask for “my-own-model”")
        await app.press("enter")
        await app.until(lambda: world.store.key(key.id).model == "my-own-model")


async def test_a_model_that_the_key_does_not_list_is_called_so(world: World) -> None:
    world.add()
    async with opened(world) as app:
        await app.press("m")
        await app.sees("in this key's list.")
        await app.type("terrra")
        await app.sees("Ask for “terrra”, which is not in its list")


@pytest.mark.parametrize(
    ("provider", "asked"),
    [
        ("openai", "a small model of its list"),
        ("custom", "the first model of its list"),
        ("azure", "none yet, Ctrl+O names one"),
    ],
)
async def test_what_is_asked_while_no_model_is_chosen_is_told_by_provider(
    world: World, provider: str, asked: str
) -> None:
    world.add(provider=provider)
    async with opened(world) as app:
        await app.press("4")
        await app.sees(f"{asked} ▾")
        await app.press("ctrl+o")
        await app.sees("this key's list.")
        listed = f"{asked[:1].upper()}{asked[1:]}, chosen for each prompt"
        assert (listed in app.text) == (provider != "azure")


async def test_leaving_the_picker_changes_nothing(world: World) -> None:
    key = world.add(model="gpt-6")
    async with opened(world) as app:
        await app.press("m")
        await app.until(lambda: isinstance(app.app.screen, ModelScreen))
        await app.press("down", "escape")
        await app.until(lambda: app.app.screen is app.main)
        assert world.store.key(key.id).model == "gpt-6"


@pytest.mark.parametrize(
    ("word", "sentence"),
    [("cut", "The answer was cut"), ("empty", "without sending any of it"), ("silent", "Stopped.")],
)
async def test_an_answer_that_does_not_end_well_says_so_and_stays(world: World, word: str, sentence: str) -> None:
    secret = fake_key()
    world.server.register(secret, word)
    world.add(secret=secret)
    async with opened(world) as app:
        await app.press("4")
        await app.type("tell me more")
        await app.press("enter")
        if word == "silent":
            await app.sees("Your key")
            await app.press("escape")
        await app.sees(sentence)
        await app.quiet()
        assert ("Hello from the demo server." in app.text) == (word != "empty")


async def test_an_answer_is_laid_out_as_markdown_and_scrolls(world: World, size: tuple[int, int]) -> None:
    key = world.add()
    async with opened(world, size) as app:
        await app.press("4")
        app.app.tell(messages.PromptStarted(key.id))
        for piece in ("# Title\n\nSome **bo", "ld** text\n\n", *(f"- point {number}\n" for number in range(60))):
            app.app.tell(messages.PromptText(piece, spells=no_key))
        app.app.tell(messages.PromptEnded(None, "Stopped."))
        await app.sees("• point 59")
        assert "Title" not in app.text
        await app.press_until("pageup", lambda: "Title" in app.text, "Title")
        assert "Some bold text" in app.text
        await app.resize(100, 40)
        await app.until(lambda: all(len(line) <= 100 for line in app.text.splitlines()), "the new width")


async def test_a_new_answer_takes_the_place_of_one_that_is_being_laid_out(world: World) -> None:
    key = world.add()
    async with opened(world) as app:
        await app.press("4")
        for text in ("old " * 500, "new"):
            app.app.tell(messages.PromptStarted(key.id))
            app.app.tell(messages.PromptText(text, spells=no_key))
        app.app.tell(messages.PromptEnded(None, "Stopped."))
        await app.sees("new")
        await app.quiet()
        assert "old old" not in app.text
        assert app.main.query_one(Answer).text == "new"


async def test_the_first_piece_is_drawn_at_once_and_not_with_the_next_frame(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def note(app: App[Any], _screen: Screen[Any], update: CompositorUpdate) -> None:
        drawn.append(update.render_segments(app.console))  # what a terminal would get

    world.add()
    async with opened(world) as app:
        await app.press("4")
        answer = app.main.query_one(Answer)
        monkeypatch.setattr(App, "_display", note)
        answer.add("Hello", no_key)
        assert len(drawn) == 1
        assert "Hello" in drawn[0]
        answer.add(" there", no_key)
        assert len(drawn) == 1
        monkeypatch.undo()
        await app.sees("Hello there")


async def test_code_is_highlighted_away_from_the_event_loop_from_its_first_piece_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[threading.Thread] = set()

    def note(code: str, *, language: str, theme: type[HighlightTheme]) -> Content:
        threads.add(threading.current_thread())
        return highlight(code, language=language, theme=theme)

    monkeypatch.setattr(blocks, "highlight", note)
    world.add()
    async with opened(world) as app:
        await app.press("4")
        answer = app.main.query_one(Answer)
        for piece in ("```python\n", "return 'what was asked'\n", "```\n"):
            answer.add(piece, no_key)
        await app.sees("│ return 'what was asked'")
    assert threads
    assert threading.main_thread() not in threads
