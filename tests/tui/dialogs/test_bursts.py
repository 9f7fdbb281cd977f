"""Keys pressed so fast that all are read before the first is handled: a dialog is left once, and by its first answer.

A dialog that is left twice takes the screen below with it, and the app when there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from textual.widgets import Static

from keytui.tui.actions import Context
from keytui.tui.palette import Palette
from keytui.tui.screens.confirm import Choice, ChoiceScreen, ConfirmScreen
from keytui.tui.screens.form import FormScreen
from keytui.tui.screens.help import HelpScreen
from keytui.tui.screens.modal import Modal
from keytui.tui.screens.model import ModelScreen
from keytui.tui.screens.rotate import RotateScreen
from keytui.tui.screens.unlock import SetUpScreen, UnlockScreen
from tests.stores import fake_key, fields, memory_store
from tests.tui.conftest import burst
from tests.tui.dialogs.host import Host, showing, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.screen import Screen

    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore

pytestmark = pytest.mark.slow


class Below(Modal[None]):
    """Takes no key at all."""

    def compose(self) -> ComposeResult:
        yield Static("below")


def help_screen(_store: Keystore) -> HelpScreen:
    return HelpScreen(Context("keys", None, 0, None, None))


def question(_store: Keystore | None = None) -> ConfirmScreen:
    return ConfirmScreen("Delete it?", "It is gone then.", "y", "Delete")


@pytest.mark.parametrize(
    ("make", "keys", "results"),
    [
        (question, ("y", "y"), [True]),
        (question, ("y", "n"), [True]),
        (question, ("enter", "enter"), [False]),
        (question, ("escape", "escape"), [False]),
        (lambda _: ChoiceScreen("Which?", "", [Choice("k", "Keep"), Choice("y", "Delete")]), ("k", "y"), ["k"]),
        (help_screen, ("escape", "escape"), [None]),
        (help_screen, ("question_mark", "question_mark"), [None]),
        (FormScreen, ("escape", "escape"), [None]),
        (lambda store: RotateScreen(store, store.keys()[0]), ("escape", "escape"), [False]),
        (UnlockScreen, ("escape", "escape"), [False]),
        (lambda store: SetUpScreen(store, "No keyring."), ("escape", "escape"), [False]),
        (lambda store: ModelScreen(store.keys()[0]), ("escape", "escape"), [None]),
        (lambda store: ModelScreen(store.keys()[0]), ("enter", "enter"), [""]),
        (lambda _: Palette(), ("escape", "escape"), [None]),
    ],
)
async def test_a_dialog_is_left_once(
    settings: Settings, make: Callable[[Keystore], Screen[Any]], keys: tuple[str, ...], results: list[object]
) -> None:
    """The screen below stays, and the app goes on."""
    store = memory_store(settings)
    store.add(fields("first"), fake_key())
    async with showing(Below(), store) as (pilot, host):
        answers: list[object] = []
        host.push_screen(make(store), answers.append)
        await until(pilot, lambda: len(host.screen_stack) == 3)
        await burst(pilot, *keys)
        await until(pilot, lambda: bool(answers))
        assert answers == results
        assert len(host.screen_stack) == 2
        assert not host.results
        assert not host.return_code
    store.close()


async def test_the_app_goes_on() -> None:
    """With nothing but the main screen below."""
    async with showing(question()) as (pilot, host):
        await burst(pilot, "y", "y", "y")
        await until(pilot, lambda: bool(host.results))
        assert (host.results, len(host.screen_stack), host.return_code) == ([True], 1, None)
        host.push_screen(question(), host.results.append)
        await until(pilot, lambda: len(host.screen_stack) == 2)
        await burst(pilot, "n", "y")
        await until(pilot, lambda: len(host.results) == 2)
        assert (host.results, len(host.screen_stack), host.return_code) == ([True, False], 1, None)


async def test_a_dialog_that_is_left_below_another_goes_when_that_one_has_gone() -> None:
    """A job that ends, for instance, while the person is asked something. The first answer counts."""
    below = question()
    async with showing(below) as (pilot, host):
        upper: list[object] = []
        host.push_screen(question(), upper.append)
        await until(pilot, lambda: len(host.screen_stack) == 3)
        below.dismiss(True)
        below.dismiss(False)
        await pilot.pause()
        assert (len(host.screen_stack), upper, host.results) == (3, [], [])
        await burst(pilot, "n", "n")
        await until(pilot, lambda: bool(host.results))
        assert (len(host.screen_stack), upper, host.results) == (1, [False], [True])


async def test_leaving_can_be_waited_for() -> None:
    """Also by one who comes too late."""
    asked = question()
    async with showing(asked) as (_, host):
        await asked.dismiss(True)
        await asked.dismiss(False)
        assert isinstance(host, Host)
        assert (host.results, len(host.screen_stack)) == ([True], 1)
