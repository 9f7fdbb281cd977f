"""Pane 4 while an answer is coming in: another prompt, and another key under the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.stores import fake_key
from tests.tui.conftest import Driver, World, opened

if TYPE_CHECKING:
    from keytui.model import Key

CHAT = ("POST", "/v1/chat/completions")


def _silent(world: World, name: str) -> Key:
    """A key whose answers stop in the middle and do not end."""
    secret = fake_key()
    world.server.register(secret, "silent")
    return world.add(name, secret=secret)


def _asked(world: World) -> int:
    return list(world.server.requests).count(CHAT)


def _running(app: Driver) -> int:
    return sum(worker.group == "prompt" and not worker.is_finished for worker in app.app.workers)


async def test_a_second_prompt_goes_on_when_the_first_one_is_stopped_by_it(world: World) -> None:
    _silent(world, "slow")
    async with opened(world) as app:
        await app.press("4")
        await app.type("tell me more")
        await app.press("enter")
        await app.sees("Your key")
        await app.press("enter")
        await app.until(lambda: _asked(world) == 2 and _running(app) == 1)
        await app.sees("Your key")
        pane = app.main.test
        assert pane is not None
        assert pane.answering
        assert "Stopped." not in app.text
        await app.sees("Esc Stop")
        await app.press("escape")
        await app.sees("Stopped.")
        assert app.app.focused is app.main.query_one("#prompt")


async def test_no_other_key_than_the_one_shown_is_asked_and_its_answer_stays(world: World) -> None:
    _silent(world, "aaa")
    other = world.add("bbb")
    async with opened(world) as app:
        await app.press("4")
        await app.type("tell me more")
        await app.press("enter")
        await app.sees("Your key")
        await app.press_until("tab", lambda: app.app.focused is app.main.keys, "the list's focus")
        await app.press("j", "4")
        assert app.selected == "bbb"
        assert "4 Test · aaa" in app.text
        await app.press("enter")
        assert "“aaa” is still answering. Esc stops it." in app.toasts
        assert _asked(world) == 1
        await app.press("escape")
        await app.sees("Stopped.")
        await app.sees("4 Test · bbb")
        await app.quiet()
        assert "Answer of “aaa”" in app.text
        assert "Your key" in app.text
        await app.press("enter")
        await app.until(lambda: world.store.checks(other.id))
        await app.quiet()
        assert _asked(world) == 2
        assert "Answer of “aaa”" not in app.text
