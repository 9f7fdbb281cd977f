"""The app never stands still for the index, and what it shows follows what other programs do."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

from keytui.errors import StoreUnavailable
from keytui.tui.screens import panes
from tests.tui.conftest import World, opened

if TYPE_CHECKING:
    import pytest

    from keytui.model import StoreStatus, Version


async def test_an_index_held_by_another_program_is_waited_for_without_standing_still(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add()
    world.store.close()
    monkeypatch.setattr(panes, "FIRST_SECONDS", 0.01)
    holder = sqlite3.connect(world.settings.index_path, isolation_level=None)
    holder.execute("PRAGMA locking_mode=EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    async with opened(world, wait=False) as app:
        await app.sees("Waiting for the list of keys.")
        await app.press("question_mark")
        await app.until(lambda: app.app.screen is not app.main)
        await app.press("escape")
        holder.close()
        await app.sees("openai-prod")


async def test_a_reading_that_breaks_says_so_and_not_that_it_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("sk-not-for-the-screen")

    monkeypatch.setattr(world.store, "counts", broken)
    async with opened(world, wait=False) as app:
        await app.sees("an error in keytui itself: ValueError")
        await app.quiet()
        assert "an error in keytui itself: ValueError" in app.text
        assert "Waiting" not in app.text
        assert "not-for-the-screen" not in app.text + app.toasts


async def test_moving_does_not_wait_for_the_history_of_a_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("alpha", "beta", "gamma"):
        world.add(name)
    go_on = threading.Event()
    versions = world.store.versions

    def slow(key_id: int) -> list[Version]:
        go_on.wait()
        return versions(key_id)

    async with opened(world) as app:
        monkeypatch.setattr(world.store, "versions", slow)
        await app.press("j", "j")
        assert "3 Details · gamma" in app.text
        assert "Added." not in app.text
        go_on.set()
        await app.sees("Added.")
        assert "3 Details · gamma" in app.text


async def test_a_history_that_cannot_be_read_leaves_the_rest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_key_id: int) -> list[Version]:
        raise StoreUnavailable("The disk went away.")

    world.add("alpha")
    world.add("beta")
    async with opened(world) as app:
        monkeypatch.setattr(world.store, "versions", broken)
        await app.press("j")
        await app.quiet()
        assert "3 Details · beta" in app.text
        assert "OPENAI_API_KEY" in app.text


async def test_the_top_bar_follows_the_state_of_the_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add()
    status = world.store.status()

    def locked() -> StoreStatus:
        return status._replace(state="locked", label="Vault, locked")

    async with opened(world) as app:
        monkeypatch.setattr(world.store, "status", locked)
        await app.tick()
        await app.sees("Vault, locked")


async def test_changes_that_come_while_reading_are_read_too(world: World) -> None:
    world.add("alpha")
    async with opened(world) as app:
        for name in ("beta", "gamma", "delta"):
            world.add(name)
            app.app.load()
        await app.sees("4 keys")
