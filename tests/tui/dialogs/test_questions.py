from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from keytui.model import DAY
from keytui.tui.screens.confirm import Choice, ChoiceScreen, ConfirmScreen
from keytui.tui.screens.delete import DeleteScreen
from tests.stores import fake_key, fields, memory_store
from tests.tui.dialogs.host import SIZES, Host, showing, shown, until

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from keytui.model import Key
    from keytui.settings import Settings

NOON = 1_800_000_000


def question() -> ConfirmScreen:
    return ConfirmScreen("Really?", "It cannot be [red]undone[/red].", "y", "Do it")


async def answered(pilot: Pilot[object], host: Host) -> object:
    await until(pilot, lambda: bool(host.results))
    return host.results[0]


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (("y",), True),
        (("enter",), False),
        (("ctrl+c",), False),
        (("tab", "tab", "enter"), False),
    ],
)
async def test_only_the_key_of_yes_says_yes(keys: tuple[str, ...], answer: bool) -> None:
    async with showing(question()) as (pilot, host):
        await pilot.press(*keys)
        assert await answered(pilot, host) is answer


async def test_a_click_on_yes_says_yes() -> None:
    async with showing(question()) as (pilot, host):
        await pilot.click("#answer-y")
        assert await answered(pilot, host) is True


@pytest.mark.parametrize("size", SIZES)
async def test_a_question_shows_its_keys_and_no_markup(size: tuple[int, int]) -> None:
    async with showing(question(), size=size) as (_pilot, host):
        text = shown(host)
        assert "It cannot be [red]undone[/red]." in text
        assert "Cancel  Esc" in text
        assert "Do it  y" in text


async def test_a_choice_is_named_by_its_key() -> None:
    screen = ChoiceScreen("What now?", "Keep or delete.", [Choice("k", "Keep"), Choice("x", "Delete")])
    async with showing(screen) as (pilot, host):
        await pilot.press("k")
        assert await answered(pilot, host) == "k"


@pytest.fixture
def key(settings: Settings) -> Key:
    store = memory_store(settings)
    added = store.add(fields("[red]work[/red]"), fake_key())
    store.close()
    return added


@pytest.mark.parametrize("size", SIZES)
async def test_deleting_says_what_goes_and_until_when_it_is_kept(size: tuple[int, int], key: Key) -> None:
    screen = DeleteScreen(key, 2, clock=lambda: float(NOON))
    async with showing(screen, size=size) as (_pilot, host):
        text = " ".join(shown(host).replace("│", " ").split())
        assert "[red]work[/red]" in text
        assert "OpenAI" in text
        assert key.masked[-4:] in text
        assert "OS keyring" in text
        assert time.strftime("%Y-%m-%d %H:%M", time.localtime(NOON + 2 * DAY)) in text


async def test_deleting_now_says_that_it_cannot_be_undone(key: Key) -> None:
    async with showing(DeleteScreen(key, 1, now=True)) as (pilot, host):
        assert "cannot be undone" in " ".join(shown(host).replace("│", " ").split())
        await pilot.press("y")
        assert await answered(pilot, host) == "y"


async def test_a_trash_of_no_days_says_that_it_cannot_be_undone(key: Key) -> None:
    async with showing(DeleteScreen(key, 0)) as (_pilot, host):
        assert "cannot be undone" in " ".join(shown(host).replace("│", " ").split())


@pytest.mark.parametrize("pressed", ["enter", "escape"])
async def test_enter_and_leaving_never_delete(pressed: str, key: Key) -> None:
    async with showing(DeleteScreen(key, 1)) as (pilot, host):
        await pilot.press(pressed)
        assert await answered(pilot, host) == ""


@pytest.mark.parametrize(("revocable", "answer"), [(True, "r"), (False, "")])
async def test_revoking_is_offered_where_an_admin_key_can(revocable: bool, answer: str, key: Key) -> None:
    async with showing(DeleteScreen(key, 1, revocable=revocable)) as (pilot, host):
        assert ("Revoke it  r" in shown(host)) is revocable
        await pilot.press("r", "escape")
        assert await answered(pilot, host) == answer
