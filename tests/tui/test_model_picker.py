"""The model picker: which row the cursor stands on, and what Enter then chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tui.conftest import World, opened

if TYPE_CHECKING:
    from tests.tui.conftest import Driver


async def picker(app: Driver) -> None:
    """Open the picker and wait for the list."""
    await app.press("m")
    await app.sees("in this key's list.")


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
