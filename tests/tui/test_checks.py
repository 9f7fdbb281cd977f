"""Checks of several keys at once, and what Details tell of earlier ones. By keys alone, over real HTTP."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Static

from keytui.demo.handler import DemoHandler
from keytui.errors import StoreUnavailable
from keytui.model import Verdict
from keytui.tui import asking
from keytui.tui.asking import CHECKS_AT_ONCE
from tests.stores import fake_key
from tests.tui.conftest import Driver, World, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytui.model import Secret, VerdictWord


class Door:
    """Holds every request to the demo server until it is opened, and counts.

    Attributes:
        asked: The key of each request, masked by its last four characters.
        most: How many waited at a time.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.most = 0
        self._waiting = 0
        self._lock = threading.Lock()
        self._opened = threading.Event()
        answer = DemoHandler.do_GET

        def held(handler: DemoHandler) -> None:
            with self._lock:
                self.asked.append(str(handler.headers["Authorization"])[-4:])
                self._waiting += 1
                self.most = max(self.most, self._waiting)
            self._opened.wait()
            with self._lock:
                self._waiting -= 1
            answer(handler)

        monkeypatch.setattr(DemoHandler, "do_GET", held)

    def open(self) -> None:
        """Let all in, now and later."""
        self._opened.set()


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    made = Door(monkeypatch)
    yield made
    made.open()


async def _check_shown(app: Driver, text: str) -> None:
    """Check all keys that match a filter."""
    await app.press("slash", "ctrl+u")
    await app.type(text)
    await app.press("enter", "T")


async def test_two_runs_together_ask_for_eight_keys_at_a_time_and_each_key_once(world: World, door: Door) -> None:
    for number in range(14):
        world.add(f"{'left' if number < 8 else 'right'}-{number:02d}")
    async with opened(world) as app:
        await _check_shown(app, "left")
        await app.until(lambda: len(door.asked) == CHECKS_AT_ONCE)
        await _check_shown(app, "right")
        await app.sees("checked 0 of 14")
        await _check_shown(app, "")  # those that are being asked, or wait for it, are not asked twice
        await app.press("t", "T")
        assert app.text.count("checking") == 14 + 1  # the selected key's Details say it too
        door.open()
        await app.until(lambda: "Checked 14 keys. All of them work." in app.toasts)
        await app.quiet()
        assert door.most == CHECKS_AT_ONCE
        assert len(door.asked) == len(set(door.asked)) == 14


async def test_a_run_that_is_begun_right_after_the_last_was_stopped_is_a_whole_one(world: World, door: Door) -> None:
    for number in range(3):
        world.add(f"key-{number}")
    async with opened(world) as app:
        await app.press("T")
        await app.until(lambda: len(door.asked) == 3)
        await app.burst("escape", "T")
        await app.until(lambda: len(door.asked) == 6)
        assert app.text.count("checking") == 3 + 1
        door.open()
        await app.until(lambda: "Checked 3 keys. All of them work." in app.toasts)
        await app.quiet()
        assert "checking" not in app.text


@pytest.mark.parametrize("key", ["t", "T"])
async def test_a_run_that_was_stopped_before_anything_was_answered_says_so(world: World, door: Door, key: str) -> None:
    for number in range(2):
        world.add(f"key-{number}")
    async with opened(world) as app:
        await app.press(key)
        await app.until(lambda: door.asked)
        details = app.main.details
        assert details is not None
        assert "… checking" in str(details.query_one("#details-text", Static).content)
        await app.press("escape")
        await app.until(lambda: "Stopped. No verdict had come yet." in app.toasts)
        assert "not checked" in str(details.query_one("#details-text", Static).content)
        assert "checking" not in app.text


async def test_a_run_that_broke_is_not_called_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError

    monkeypatch.setattr(asking, "warm_up", broken)
    for number in range(2):
        world.add(f"key-{number}")
    async with opened(world) as app:
        await app.press("T")
        await app.until(lambda: "Could not check keys." in app.toasts)
        assert "Stopped" not in app.toasts


async def test_a_key_that_cannot_be_read_is_no_longer_called_checked_while_others_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.add("a-first")
    slow = fake_key()
    world.server.register(slow, "hang")
    world.add("slow", secret=slow)
    read = world.store.read

    def refused(key_id: int) -> Secret:
        if key_id == first.id:
            raise StoreUnavailable("The keyring does not answer.")
        return read(key_id)

    monkeypatch.setattr(world.store, "read", refused)
    async with opened(world) as app:
        await app.press("T")
        await app.until(lambda: "The keyring does not answer." in app.toasts)
        details = app.main.details
        assert details is not None
        await app.until(lambda: "not checked" in str(details.query_one("#details-text", Static).content))
        await app.sees("… checking")  # the other one, in the list


async def test_a_key_that_was_checked_can_be_checked_again_while_others_are_being_asked(
    world: World, size: tuple[int, int]
) -> None:
    secret = fake_key()
    key = world.add("a-first", secret=secret)
    for number in range(3):
        slow = fake_key()
        world.server.register(slow, "hang")
        world.add(f"slow-{number}", secret=slow)
    async with opened(world, size) as app:
        await app.press("T")
        await app.sees("checked 1 of 4")
        world.server.register(secret, "invalid")
        await app.press("t")
        await app.sees("✗ invalid")
        await app.sees("checked 1 of 4")
        assert world.store.key(key.id).verdict == "invalid"
        await app.press("escape")
        await app.until(lambda: "Checked 1 of 4 keys." in app.toasts)


def _checked(world: World, key_id: int, word: VerdictWord, hours_ago: int) -> None:
    at = int(world.clock()) - 3600 * hours_ago
    world.store.record_check(key_id, Verdict(word, f"It is {word}.", at))


async def test_details_tell_a_change_of_the_verdict_when_it_was_however_many_checks_ago(
    world: World, size: tuple[int, int]
) -> None:
    key = world.add()
    _checked(world, key.id, "invalid", 40)
    for hours in range(30, 0, -1):
        _checked(world, key.id, "valid", hours)
    _checked(world, key.id, "no_quota", 0)
    async with opened(world, size) as app:
        await app.press("3", "G")
        await app.sees("✗ invalid")
        changes = [line for line in app.text.splitlines() if "✓ valid" in line or "✗ invalid" in line]
        assert ["yesterday" in line for line in changes] == [True, True]
        assert "1 h ago" not in app.text
