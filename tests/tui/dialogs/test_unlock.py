from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

import pytest

from keytui.errors import StoreRefused, StoreUndecided, WrongPassphrase
from keytui.model import Secret
from keytui.storage.keystore import Keystore
from keytui.tui.screens.unlock import SetUpScreen, UnlockScreen
from tests.tui.dialogs.host import SIZES, bottom, paste, said, showing, shown, until

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from keytui.settings import Settings

REASON = "No OS keyring answers on this machine."


class Vault:
    """Plays the part of a store that knows one passphrase; derives for as long as a test wants."""

    def __init__(self, settings: Settings, *, works: bool = True) -> None:
        self.settings = settings
        self.works = works
        self.given: list[str] = []
        self.locked = False
        self.may_end = threading.Event()
        self.may_end.set()

    def unlock(self, passphrase: Secret) -> None:
        self.given.append(passphrase.reveal())
        assert self.may_end.wait(10)
        if passphrase != Secret("open sesame"):
            raise WrongPassphrase("This passphrase does not open the vault.", "Type it again.")

    def lock(self) -> None:
        self.locked = True

    def set_up_vault(self, passphrase: Secret) -> None:
        self.given.append(passphrase.reveal())
        assert self.may_end.wait(10)
        if not self.works:
            raise StoreRefused("The folder cannot be written.", "Check its permissions.")

    def decide(self) -> str:
        if not self.works:
            raise StoreUndecided("It still does not answer.")
        return "os"


async def twice(pilot: Pilot[object], passphrase: str) -> None:
    await paste(pilot, passphrase)
    await pilot.press("tab")
    await paste(pilot, passphrase)


@pytest.fixture
def vault(settings: Settings) -> Vault:
    return Vault(settings)


def as_store(vault: Vault) -> Keystore:
    return cast("Keystore", vault)


@pytest.mark.parametrize("size", SIZES)
async def test_the_right_passphrase_unlocks(size: tuple[int, int], vault: Vault) -> None:
    async with showing(UnlockScreen(as_store(vault)), as_store(vault), size=size) as (pilot, host):
        assert "Enter Unlock" in shown(host)
        await paste(pilot, "open sesame")
        await pilot.press("enter" if size[0] == 80 else "ctrl+s")
        await until(pilot, lambda: host.results == [True])
        assert vault.given == ["open sesame"]


async def test_a_wrong_passphrase_is_said_and_can_be_typed_again(vault: Vault) -> None:
    async with showing(UnlockScreen(as_store(vault)), as_store(vault)) as (pilot, host):
        await paste(pilot, "sesame")
        await pilot.press("enter")
        await until(pilot, lambda: "does not open the vault" in bottom(host))
        await paste(pilot, "open sesame")
        await pilot.press("enter")
        await until(pilot, lambda: host.results == [True])


async def test_an_empty_passphrase_is_not_tried(vault: Vault) -> None:
    async with showing(UnlockScreen(as_store(vault)), as_store(vault)) as (pilot, host):
        await pilot.press("enter")
        assert "Type the passphrase" in bottom(host)
        assert vault.given == []


async def test_the_screen_moves_while_the_passphrase_is_derived(vault: Vault) -> None:
    vault.may_end.clear()
    async with showing(UnlockScreen(as_store(vault)), as_store(vault)) as (pilot, host):
        await paste(pilot, "open sesame")
        await pilot.press("enter", "enter")
        first = bottom(host)
        assert "Unlocking the vault" in first
        await until(pilot, lambda: bottom(host) != first)
        vault.may_end.set()
        await until(pilot, lambda: host.results == [True])
        assert len(vault.given) == 1


async def test_unlocking_can_be_left(vault: Vault) -> None:
    async with showing(UnlockScreen(as_store(vault)), as_store(vault)) as (pilot, host):
        await pilot.press("o", "ctrl+c")
        await until(pilot, lambda: host.results == [False])


async def test_a_vault_left_while_it_was_being_opened_is_locked_again(vault: Vault) -> None:
    vault.may_end.clear()
    async with showing(UnlockScreen(as_store(vault)), as_store(vault)) as (pilot, host):
        await paste(pilot, "open sesame")
        await pilot.press("enter")
        await until(pilot, lambda: bool(vault.given))
        await pilot.press("escape")
        await until(pilot, lambda: host.results == [False])
        assert not vault.locked
        vault.may_end.set()
        await until(pilot, lambda: vault.locked)


@pytest.mark.parametrize("size", SIZES)
async def test_setting_up_says_why_and_what_a_forgotten_passphrase_means(size: tuple[int, int], vault: Vault) -> None:
    async with showing(SetUpScreen(as_store(vault), REASON), as_store(vault), size=size) as (pilot, host):
        text = " ".join(shown(host).replace("│", " ").split())
        assert REASON in text
        assert "cannot be recovered by anyone" in text
        assert "Ctrl+S Create the vault" in text
        assert "Ctrl+T Try the OS keyring again" in text
        await twice(pilot, "long enough")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: host.results == [True])
        assert vault.given == ["long enough"]


async def test_a_bad_new_passphrase_is_told_beside_it(vault: Vault) -> None:
    cases = [
        ("", "", "passphrase", "at least 8"),
        ("short", "short", "passphrase", "at least 8"),
        (" " * 9, " " * 9, "passphrase", "more than spaces"),
        ("long enough", "long enouhg", "again", "not the same"),
    ]
    async with showing(SetUpScreen(as_store(vault), REASON), as_store(vault)) as (pilot, host):
        for first, again, field, sentence in cases:
            for name, text in (("passphrase", first), ("again", again)):
                host.screen.query_one(f"#{name}").focus()
                await pilot.press("end", "ctrl+u")
                await paste(pilot, text)
            await pilot.press("enter")
            assert sentence in said(host, field)
        assert vault.given == []
        await pilot.press("x")
        assert said(host, "again") == ""


async def test_a_vault_that_cannot_be_made_keeps_what_was_typed(vault: Vault) -> None:
    vault.works = False
    async with showing(SetUpScreen(as_store(vault), REASON), as_store(vault)) as (pilot, host):
        await paste(pilot, "long enough\n")
        await pilot.press("enter")
        await paste(pilot, "long enough")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "cannot be written" in bottom(host))
        vault.works = True
        await pilot.press("ctrl+s")
        await until(pilot, lambda: host.results == [True])


async def test_leaving_waits_for_a_vault_under_construction(vault: Vault) -> None:
    vault.may_end.clear()
    async with showing(SetUpScreen(as_store(vault), REASON), as_store(vault)) as (pilot, host):
        await twice(pilot, "long enough")
        await pilot.press("ctrl+s", "escape")
        assert host.results == []
        vault.may_end.set()
        await until(pilot, lambda: host.results == [True])


async def test_the_os_keyring_can_be_tried_again(vault: Vault) -> None:
    vault.works = False
    async with showing(SetUpScreen(as_store(vault), REASON), as_store(vault)) as (pilot, host):
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "still does not work" in bottom(host))
        assert "It still does not answer." in shown(host)
        vault.works = True
        await pilot.press("ctrl+t")
        await until(pilot, lambda: host.results == [True])


async def test_a_chosen_vault_offers_no_keyring(vault: Vault) -> None:
    vault.settings = vault.settings._replace(backend="vault")
    async with showing(SetUpScreen(as_store(vault), REASON), as_store(vault)) as (pilot, host):
        assert "keyring again" not in shown(host)
        await pilot.press("ctrl+t", "escape")
        await until(pilot, lambda: host.results == [False])


@pytest.mark.slow
async def test_a_real_vault_is_set_up_and_unlocked(settings: Settings) -> None:
    store = Keystore(settings)
    async with showing(SetUpScreen(store, REASON), store) as (pilot, host):
        await twice(pilot, "correct horse")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: host.results == [True])
    assert store.status().state == "ready"
    store.lock()
    async with showing(UnlockScreen(store), store) as (pilot, host):
        await pilot.press(*"correct horse", "enter")
        await until(pilot, lambda: host.results == [True])
    assert store.status().state == "ready"
    store.close()
