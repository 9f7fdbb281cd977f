"""The vault is locked after a while without a key press."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keytui.tui import idle
from tests.stores import fake_key, fields, unlocked_vault_store
from tests.tui.conftest import World, opened

if TYPE_CHECKING:
    from keytui.settings import Settings

SENTENCE = "The vault was locked after 5 minutes without a key press."


@pytest.fixture
def vault(world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose store is an open vault, and whose clock is looked at all the time."""
    monkeypatch.setattr(idle, "LOOK_SECONDS", 0.02)
    world.settings = settings._replace(idle_lock_minutes=5, reveal_seconds=3_600)
    world.store = unlocked_vault_store(world.settings, clock=world.clock)
    world.store.add(fields("work"), fake_key())
    return world


async def test_after_the_time_the_vault_is_locked_and_why_is_said(vault: World) -> None:
    async with opened(vault) as app:
        await app.press("v")
        await app.sees("hides in")
        vault.clock.moved += 5 * 60 + 1
        await app.until(lambda: SENTENCE in app.toasts)
        await app.until(lambda: "hides in" not in app.text)
        await app.until(lambda: "Vault, locked" in app.text.splitlines()[0], "the header says it")
        assert vault.store.status().state == "locked"
        await app.sees("work")


async def test_a_key_press_in_time_starts_the_count_anew(vault: World) -> None:
    async with opened(vault) as app:
        for _ in range(3):
            vault.clock.moved += 4 * 60
            await app.press("j")
        assert vault.store.status().state == "ready"


async def test_the_key_that_ends_a_long_sleep_finds_the_vault_locked(
    vault: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "LOOK_SECONDS", 3_600.0)
    async with opened(vault) as app:
        await app.press("j")
        vault.clock.moved += 8 * 3_600
        await app.press("v")
        await app.sees("Unlock the vault")


async def test_without_the_setting_it_stays_open(vault: World) -> None:
    vault.settings = vault.settings._replace(idle_lock_minutes=0)
    async with opened(vault) as app:
        vault.clock.moved += 8 * 3_600
        await app.press("j")
        assert vault.store.status().state == "ready"
