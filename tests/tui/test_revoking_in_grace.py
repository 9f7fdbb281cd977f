"""Revoking a leaked key whose last rotation has not ended, by keys alone, against the demo server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tui.conftest import opened
from tests.tui.issued import add, live, planned, sees

if TYPE_CHECKING:
    from keytui.settings import Settings
    from tests.tui.conftest import Driver, World


pytestmark = pytest.mark.slow  # whole rotations by keys


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings._replace(propagation_seconds=1)


async def rotated(app: Driver) -> None:
    """Rotate with a grace period and leave the screen."""
    await planned(app)
    await app.press("ctrl+s")
    await sees(app, "End the old key now")
    await app.press("enter")


async def agreed(app: Driver) -> None:
    await app.press("d", "r")
    await sees(app, "Type it to agree")
    await app.type("bot")
    await app.press("ctrl+s")


async def test_trying_again_after_a_failure_revokes_the_key_and_the_one_before_it(world: World) -> None:
    add(world)
    async with opened(world) as app:
        await rotated(app)
        world.server.admin.fault("error_500", "DELETE", times=1)
        await agreed(app)
        await sees(app, "keytui tries again")
        await app.press("ctrl+r")
        await sees(app, "Revoked at OpenAI, and proven: the key is refused there.")
    assert live(world) == []


async def test_the_next_start_revokes_the_key_and_the_one_before_it(world: World) -> None:
    add(world)
    async with opened(world) as app:
        await rotated(app)
        world.server.admin.fault("error_500", "DELETE", times=1)
        await agreed(app)
        await sees(app, "keytui tries again")
        await app.press("escape")
    async with opened(world) as app:
        await app.until(lambda: app.toasts, "the end is told")
        assert "Revoked at OpenAI, and proven: the key is refused there. It is deleted here." in app.toasts
    assert live(world) == []


async def test_while_another_keytui_drives_the_rotation_trying_again_looks_again(world: World) -> None:
    add(world)
    async with opened(world) as app:
        await rotated(app)
        lock = world.store.rotation_lock(world.store.rotations()[0].id)
        lock.acquire()
        await agreed(app)
        await sees(app, "The key is where it")
        lock.release()
        await app.press("ctrl+r")
        await sees(app, "Type it to agree")
    assert len(live(world)) == 2
