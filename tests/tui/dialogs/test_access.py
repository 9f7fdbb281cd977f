from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from keytui.errors import NotConfirmed, StoreLocked, StoreRefused, StoreUnavailable, StoreUndecided
from keytui.model import Secret
from keytui.tui import access
from keytui.tui.screens.confirm import ConfirmScreen
from keytui.tui.screens.unlock import SetUpScreen, UnlockScreen
from tests.tui.dialogs.host import Host, paste, shown, shows, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.worker import Worker

    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore


class Store:
    """Plays a store that is closed until it was opened."""

    def __init__(self, settings: Settings, closed: Exception | None = None) -> None:
        self.settings = settings
        self.closed = closed
        self.calls = 0

    def unlock(self, _passphrase: Secret) -> None:
        self.closed = None

    set_up_vault = unlock

    def name(self, prefix: str, *, suffix: str = "") -> str:
        self.calls += 1
        if self.closed is not None:
            raise self.closed
        return f"{prefix}key{suffix}"

    async def name_later(self, prefix: str) -> str:
        await asyncio.sleep(0)
        return self.name(prefix)


def host_of(store: Store) -> Host:
    return Host(cast("Keystore", store))


def start(host: Host, fn: Callable[..., Any], *args: object, **kwargs: object) -> Worker[Any]:
    return host.run_worker(access.call(host, fn, *args, **kwargs), description="test", exit_on_error=False)


async def test_an_open_store_answers(settings: Settings) -> None:
    store = Store(settings)
    host = host_of(store)
    async with host.run_test():
        assert await start(host, store.name, "a ", suffix="!").wait() == "a key!"
        assert await start(host, store.name_later, "a ").wait() == "a key"


async def test_a_locked_vault_is_unlocked_and_asked_again(settings: Settings) -> None:
    store = Store(settings, StoreLocked("vault", "The vault is locked."))
    host = host_of(store)
    async with host.run_test() as pilot:
        worker = start(host, store.name, "a ")
        await shows(pilot, UnlockScreen)
        await pilot.press(*"open", "enter")
        assert await worker.wait() == "a key"
        assert store.calls == 2


async def test_no_store_yet_is_set_up_and_asked_again(settings: Settings) -> None:
    store = Store(settings, StoreUndecided("There is no session bus."))
    host = host_of(store)
    async with host.run_test() as pilot:
        worker = start(host, store.name, "a ")
        await shows(pilot, SetUpScreen)
        assert "There is no session bus." in shown(host)
        await paste(pilot, "long enough")
        await pilot.press("tab")
        await paste(pilot, "long enough")
        await pilot.press("enter")
        assert await worker.wait() == "a key"


async def test_a_locked_keyring_can_be_tried_again(settings: Settings) -> None:
    store = Store(settings, StoreLocked("os", "The OS keyring is locked.", "Unlock your login keyring."))
    host = host_of(store)
    async with host.run_test() as pilot:
        worker = start(host, store.name, "a ")
        await shows(pilot, ConfirmScreen)
        assert "Unlock your login keyring." in shown(host)
        store.closed = None
        await pilot.press("y")
        assert await worker.wait() == "a key"


@pytest.mark.parametrize(
    "error",
    [StoreLocked("vault", "Locked."), StoreLocked("os", "Locked."), StoreUndecided("None.")],
    ids=["vault", "os", "undecided"],
)
async def test_cancelling_is_not_confirmed(error: Exception, settings: Settings) -> None:
    store = Store(settings, error)
    host = host_of(store)
    async with host.run_test() as pilot:
        worker = start(host, store.name, "a ")
        await until(pilot, lambda: len(host.screen_stack) == 2)
        await pilot.press("escape")
        await until(pilot, lambda: worker.is_finished)
        assert isinstance(worker.error, NotConfirmed)
        assert store.calls == 1


async def test_two_workers_ask_once(settings: Settings) -> None:
    store = Store(settings, StoreLocked("vault", "The vault is locked."))
    host = host_of(store)
    async with host.run_test() as pilot:
        workers = [start(host, store.name, "a "), start(host, store.name, "b ")]
        await until(pilot, lambda: store.calls == 2)
        await shows(pilot, UnlockScreen)
        assert len(host.screen_stack) == 2
        await pilot.press(*"open", "enter")
        assert [await worker.wait() for worker in workers] == ["a key", "b key"]


async def test_a_store_that_never_answers_is_given_up(settings: Settings) -> None:
    store = Store(settings._replace(keyring_seconds=0, lock_seconds=0))
    host = host_of(store)
    async with host.run_test() as pilot:
        worker = start(host, store.name, "a ")
        await until(pilot, lambda: worker.is_finished)
        assert isinstance(worker.error, StoreUnavailable)


async def test_an_error_is_shown_with_its_hint_and_without_markup(settings: Settings) -> None:
    host = host_of(Store(settings))
    async with host.run_test(notifications=True) as pilot:
        access.show_error(host, StoreRefused("“[red]x[/red]” was refused.", "Free some space."))
        await until(pilot, lambda: "Free some space." in shown(host))
        assert "“[red]x[/red]” was refused." in shown(host)


async def test_a_question_goes_with_the_worker_that_asked(settings: Settings) -> None:
    store = Store(settings, StoreLocked("vault", "The vault is locked."))
    host = host_of(store)
    async with host.run_test() as pilot:
        worker = start(host, store.name, "a ")
        await shows(pilot, UnlockScreen)
        worker.cancel()
        await until(pilot, lambda: len(host.screen_stack) == 1)
