"""Garbage in circles goes, but only where the app says so."""

from __future__ import annotations

import gc
import sys
import weakref
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from keytui.tui import garbage
from tests.tui.conftest import World, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Circle:
    """Something that only a collection frees."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture
def resting() -> Iterator[None]:
    """Let no garbage be collected, as before the first paint, and put everything back afterwards."""
    threshold = gc.get_threshold()
    if not threshold[2]:
        pytest.skip("this Python collects the oldest generation piece by piece")
    gc.disable()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)
    gc.enable()


def _yes() -> bool:
    return True


def _no() -> bool:
    return False


def _age(collections: int) -> None:
    for _ in range(collections):
        gc.collect(1)


def _left() -> weakref.ref[Circle]:
    """Return a circle of the oldest generation that nobody holds any more."""
    circle = Circle()
    _age(1)
    return weakref.ref(circle)


@pytest.mark.usefixtures("resting")
async def test_what_grew_old_is_freed_when_it_is_due() -> None:
    """A long session does not fill the memory."""
    garbage.begin()
    seen = _left()
    _age(garbage.DUE + 1)
    assert seen() is not None
    await garbage.collect(_yes)
    assert seen() is None


@pytest.mark.usefixtures("resting")
async def test_while_somebody_works_it_waits_longer() -> None:
    """What could be freed in a pause is left a little longer while a prompt streams."""
    garbage.begin()
    seen = _left()
    _age(garbage.DUE - 1)
    await garbage.collect(_no)
    assert seen() is not None
    _age(garbage.OVERDUE - garbage.DUE)
    await garbage.collect(_no)
    assert seen() is None


@pytest.mark.usefixtures("resting")
async def test_a_key_that_comes_at_the_last_moment_is_not_held_up() -> None:
    """It would wait 40 ms."""
    garbage.begin()
    seen, answers = _left(), iter([True, False])
    _age(garbage.DUE + 1)
    await garbage.collect(lambda: next(answers))
    assert seen() is not None


@pytest.mark.usefixtures("resting")
async def test_nothing_old_is_walked_before_it_is_due() -> None:
    """Each look costs the interface 25 ms."""
    garbage.begin()
    seen = _left()
    await garbage.collect(_yes)
    assert seen() is not None


@pytest.mark.usefixtures("resting")
async def test_what_modules_hold_is_left_out_once_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules of a dialog that was opened once must not make each later look longer."""
    garbage.begin()
    kept = Circle()
    monkeypatch.setitem(sys.modules, "loaded_since", ModuleType("loaded_since"))
    seen = _left()
    await garbage.collect(_no)
    assert any(each is kept for each in gc.get_objects())
    await garbage.collect(_yes)
    assert all(each is not kept for each in gc.get_objects())
    assert seen() is None


@pytest.mark.usefixtures("resting")
async def test_what_was_left_out_and_died_is_freed_when_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session of days does not fill the memory either."""
    monkeypatch.setattr(garbage, "FULL_AFTER", 1_000)
    garbage.begin()
    circle = Circle()
    seen = weakref.ref(circle)
    many = [Circle() for _ in range(1_000)]
    _age(garbage.DUE + 1)
    await garbage.collect(_yes)
    del circle, many
    _age(garbage.DUE + 1)
    await garbage.collect(_yes)
    assert seen() is not None
    await garbage.collect(_yes, away=True)
    assert seen() is None


@pytest.mark.usefixtures("resting")
async def test_what_was_just_walked_whole_is_not_walked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each whole walk holds up whoever comes back by 0.1 to 0.3 s."""
    monkeypatch.setattr(garbage, "FULL_AFTER", 1_000)
    garbage.begin()
    many = [Circle() for _ in range(1_000)]
    _age(garbage.DUE + 1)
    await garbage.collect(_yes)
    await garbage.collect(_yes, away=True)
    many.append(Circle())
    _age(garbage.DUE + 1)
    await garbage.collect(_yes)
    seen = weakref.ref(many.pop())
    await garbage.collect(_yes, away=True)
    assert seen() is not None


async def test_where_python_collects_already_it_goes_on_doing_so() -> None:
    """The app inside another program leaves its settings alone."""
    before, kept = gc.get_threshold(), Circle()
    garbage.begin()
    await garbage.collect(_yes)
    assert gc.get_threshold() == before
    assert any(each is kept for each in gc.get_objects())


async def test_an_open_dialog_is_not_kept_for_good(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out of collections stays: the app calls it quiet only while no dialog is open."""
    told: list[bool] = []

    async def note(quiet: Callable[[], bool], *, away: bool) -> None:  # noqa: ARG001 - the function's own signature
        told.append(quiet())

    monkeypatch.setattr(garbage, "collect", note)
    world.add()
    async with opened(world) as app:
        await app.press("question_mark")
        await app.quiet()
        world.clock.moved += 10
        await app.app._use_pause()
        assert told[-1] is False
        await app.press("escape")
        await app.quiet()
        world.clock.moved += 10
        await app.app._use_pause()
        assert told[-1] is True
