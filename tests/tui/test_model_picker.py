"""The model picker: which row the cursor stands on, and what Enter then chooses."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from keytui.demo import answers
from keytui.demo.handler import DemoHandler
from keytui.tui.screens.model import ModelList, ModelScreen
from tests.tui.conftest import World, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.tui.conftest import Driver


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The demo server lists its models once this is set."""
    go_on = threading.Event()
    listing = DemoHandler._models

    def waited(self: DemoHandler, key: str, state: str, body: bytes) -> None:
        go_on.wait(30)
        listing(self, key, state, body)

    monkeypatch.setattr(DemoHandler, "_models", waited)
    yield go_on
    go_on.set()


async def picker(app: Driver) -> None:
    """Open the picker and wait for the list."""
    await app.press("m")
    await app.sees("in this key's list.")


async def waiting(app: Driver) -> None:
    """Open the picker, whose list is still to come, on the model in use."""
    await app.press("m")
    await app.until(lambda: isinstance(app.app.screen, ModelScreen))
    await app.until(lambda: under_cursor(app) == "gpt-6-terra now")


def under_cursor(app: Driver) -> str:
    """What the line of the list says that carries the cursor."""
    place = app.app.screen.query_one(ModelList).region
    lines = [line[place.x : place.right] for line in app.text.splitlines()[place.y : place.bottom]]
    return next((" ".join(line[1:].split()) for line in lines if line.startswith("▌")), "")


async def left(app: Driver) -> None:
    """Wait until the picker is closed and its choice stored."""
    await app.until(lambda: app.app.screen is app.main, "the main screen")
    await app.quiet()


async def test_enter_twice_chooses_once_and_the_app_goes_on(world: World) -> None:
    key = world.add()
    async with opened(world) as app:
        await picker(app)
        await app.type("terra")
        await app.burst("enter", "enter")
        await left(app)
        assert world.store.key(key.id).model == "gpt-6-terra"
        assert not app.app.return_code
        await app.press("question_mark")
        await app.sees("Keyboard shortcuts")


@pytest.mark.parametrize("model", ["gpt-6-terra", "gpt-4o-mini", "my-own-model"])
async def test_the_cursor_stands_on_the_model_in_use_and_enter_keeps_it(world: World, model: str) -> None:
    """Whether the key lists it or not."""
    key = world.add(model=model)
    async with opened(world) as app:
        await picker(app)
        assert app.app.screen.query_one(ModelList).chosen == model
        line = under_cursor(app)
        assert line.startswith(model)
        assert line.endswith("now")
        assert ("which is not in its list" in line) == (model == "my-own-model")
        await app.press("enter")
        await left(app)
        assert world.store.key(key.id).model == model


async def test_enter_keeps_the_model_in_use_before_the_list_has_come(world: World, slow: threading.Event) -> None:
    key = world.add(model="gpt-6-terra")
    async with opened(world) as app:
        await waiting(app)
        await app.press("enter")
        slow.set()
        await left(app)
        assert world.store.key(key.id).model == "gpt-6-terra"


async def test_a_model_that_was_chosen_can_be_left_to_keytui_again(world: World, slow: threading.Event) -> None:
    """The cursor stays where the person put it before the list came."""
    key = world.add(model="gpt-6-terra")
    async with opened(world) as app:
        await waiting(app)
        await app.press("up")
        slow.set()
        await app.sees("in this key's list.")
        assert under_cursor(app).startswith("A small model of its list")
        await app.press("enter")
        await left(app)
        assert world.store.key(key.id).model == ""


@pytest.mark.parametrize("typed", ["terra", "TERRA 6", "gpt-6"])
async def test_what_was_typed_before_the_list_came_finds_its_first_match(
    world: World, slow: threading.Event, typed: str
) -> None:
    """A name typed in full is its own first match, however many names it is a part of."""
    key = world.add()
    expected = "gpt-6" if typed == "gpt-6" else "gpt-6-terra"
    async with opened(world) as app:
        await app.press("m")
        await app.type(typed)
        await app.sees(f"Ask for “{typed}”")
        slow.set()
        await app.sees("in this key's list.")
        await app.until(lambda: under_cursor(app) == expected, expected)
        await app.press("enter")
        await left(app)
        assert world.store.key(key.id).model == expected


async def test_a_cursor_that_was_moved_stays_while_its_model_is_there(world: World) -> None:
    world.add()
    async with opened(world) as app:
        await picker(app)
        await app.type("gpt")
        await app.press("down")
        chosen = app.app.screen.query_one(ModelList).chosen
        assert chosen
        await app.type("-")
        assert app.app.screen.query_one(ModelList).chosen == chosen
        await app.press("ctrl+a", "ctrl+k")
        await app.type("terra")
        assert under_cursor(app) == "gpt-6-terra"


@pytest.fixture
def guards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo server lists these as well."""
    others = (*answers._OTHER_MODELS["openai"], "vanguard-chat", "my-guard-2")
    monkeypatch.setitem(answers._OTHER_MODELS, "openai", others)


@pytest.mark.usefixtures("guards")
async def test_a_model_that_is_not_for_chat_by_its_name_is_counted_and_offered_when_typed(world: World) -> None:
    """After those that are. vanguard-chat is none of them."""
    key = world.add()
    async with opened(world) as app:
        await picker(app)
        await app.sees("7 chat models of 11 in this key's list.")
        assert "my-guard-2" not in app.text
        await app.type("guard")
        assert under_cursor(app) == "vanguard-chat"
        await app.press("down")
        assert under_cursor(app) == "my-guard-2, by its name not for chat"
        await app.press("down")
        assert under_cursor(app) == "Ask for “guard”, which is not in its list"
        await app.press("up", "enter")
        await left(app)
        assert world.store.key(key.id).model == "my-guard-2"
        await picker(app)
        assert under_cursor(app) == "my-guard-2, by its name not for chat now"


@pytest.mark.usefixtures("guards")
async def test_no_listed_name_is_said_to_be_missing(world: World) -> None:
    world.add()
    async with opened(world) as app:
        await picker(app)
        await app.type("my-guard-2")
        assert under_cursor(app) == "my-guard-2, by its name not for chat"
        assert "not in its list" not in app.text
