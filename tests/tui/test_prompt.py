"""Pane 4: model, system prompt, earlier prompts, and what is done with an answer. By keys alone, over real HTTP."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from textual.app import App
from textual.highlight import highlight
from textual.widgets import Input

from keytui.demo.handler import DemoHandler
from keytui.model import Secret
from keytui.providers.prompts import Summary
from keytui.tui import blocks, messages
from keytui.tui.markdown import Flow
from keytui.tui.screens.model import ModelScreen
from keytui.tui.widgets.answer import Answer
from keytui.tui.widgets.keyless import REFUSED
from tests.stores import fake_key, fields
from tests.tui.conftest import Driver, World, opened

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


async def test_all_numbers_of_an_answer_are_shown(world: World, size: tuple[int, int]) -> None:
    key = world.add()
    request = "req_" + "0123456789abcdef" * 2
    limits = "9,999 of 10,000 requests left, resets in 9 s; 199,999,000 of 200,000,000 tokens left"
    async with opened(world, size) as app:
        await app.press("4")
        app.app.tell(messages.PromptStarted(key.id))
        app.app.tell(messages.PromptText("word " * 400))
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
            app.app.tell(messages.PromptText(piece))
        app.app.tell(messages.PromptEnded(None, "Stopped."))
        await app.sees("• point 59")
        assert "Title" not in app.text
        while "Title" not in app.text:
            await app.press("pageup")
        assert "Some bold text" in app.text
        await app.resize(100, 40)
        await app.until(lambda: all(len(line) <= 100 for line in app.text.splitlines()), "the new width")


async def test_a_new_answer_takes_the_place_of_one_that_is_being_laid_out(world: World) -> None:
    key = world.add()
    async with opened(world) as app:
        await app.press("4")
        for text in ("old " * 500, "new"):
            app.app.tell(messages.PromptStarted(key.id))
            app.app.tell(messages.PromptText(text))
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
        answer.add("Hello")
        assert len(drawn) == 1
        assert "Hello" in drawn[0]
        answer.add(" there")
        assert len(drawn) == 1
        monkeypatch.undo()
        await app.sees("Hello there")


async def test_code_is_highlighted_away_from_the_event_loop_from_its_first_piece_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[threading.Thread] = set()

    def note(code: str, *, language: str) -> Content:
        threads.add(threading.current_thread())
        return highlight(code, language=language)

    monkeypatch.setattr(blocks, "highlight", note)
    world.add()
    async with opened(world) as app:
        await app.press("4")
        answer = app.main.query_one(Answer)
        for piece in ("```python\n", "return 'what was asked'\n", "```\n"):
            answer.add(piece)
        await app.sees("│ return 'what was asked'")
    assert threads
    assert threading.main_thread() not in threads


def shown(text: str, width: int = 40) -> list[str]:
    """The lines of an answer, laid out piece by piece; and as a whole, which must be the same."""
    flow, lines = Flow(width), []
    for end in range(1, len(text) + 1):
        lines = [line.plain.rstrip() for line in flow.lines(text[:end])]
    assert lines == [line.plain.rstrip() for line in Flow(width).lines(text)]
    return lines


def test_markdown_becomes_lines() -> None:
    text = "# Head\n\none\ntwo `x`\n\n1. a\n2. b\n   - c\n\n> said\n\n```python\nx = 1\n\ny = 2\n```\n\n---\n"
    expected = ["Head", "", "one", "two x", "", "1. a", "2. b", "   ‣ c", "", "▎ said", "", "│ x = 1", "│", "│ y = 2"]
    assert shown(text) == [*expected, "", "─" * 40]


@pytest.mark.parametrize(
    "text",
    [
        "- a **b**\n- c\n\n- d\n\n  more\n- e\n",
        "9. a\n10. b\n    - c\n11. d\n\ntext\n",
        "1. a\n** lazy\n* b\n- c\n",
        "| a | b |\n|---|---|\n| 1 | `2` |\n| a wider cell | 3 |\n| 4 |\n\n- after\n\n| c |\n|---|\n| d |\n",
    ],
)
def test_lists_and_tables_grow_as_if_they_had_come_whole(text: str) -> None:
    assert shown("before\n\n" + text)
    assert shown(text + "\nafter")


def test_laying_out_leaves_nothing_to_the_garbage_collector() -> None:
    gc.collect()
    Flow(60).lines("- a **b** `c`\n" * 50 + "\n| a |\n|---|\n" + "| b |\n" * 50 + "\n> c\n")
    assert gc.collect() < 200


def test_a_table_fits_its_width() -> None:
    lines = shown("| name | what it is |\n|---|---|\n| a | " + "long text " * 9 + "|\n", 30)
    assert all(len(line) <= 30 for line in lines)
    assert lines[0].startswith("name │ what it is")
    assert sum("long" in line for line in lines) > 1


def test_nothing_in_an_answer_does_anything() -> None:
    text = "[a](https://e.example/x) <b>html</b> [red]no markup[/red] &#27;[31m ![p](http://e.example/i.png)"
    lines = Flow(200).lines(text)
    assert [line.plain for line in lines] == [
        "a (https://e.example/x) <b>html</b> [red]no markup[/red] �[31m p (http://e.example/i.png)"
    ]
    assert all(isinstance(span.style, str) and "@" not in span.style for line in lines for span in line.spans)


@pytest.mark.parametrize("text", ["[" * 3_000, "*a " * 1_500, "`a" * 2_000, ">" * 3_000, "- " * 1_500, "|" * 3_000])
def test_odd_markdown_is_laid_out(text: str) -> None:
    assert all(line.cell_length <= 60 for line in Flow(60).lines(text))
