"""Pane 3: what it shows stays right when the terminal changes its size. By keys alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tui.conftest import World, opened

if TYPE_CHECKING:
    from tests.tui.conftest import Driver

LONG = "a note that wraps in a narrow pane and does not in a wide one, as this one does, does it not, by any measure"


def _last_line(app: Driver) -> str:
    """The last line inside pane 3."""
    assert app.main.details is not None
    region = app.main.details.content_region
    return app.text.splitlines()[region.bottom - 1][region.x : region.right].strip()


async def test_the_last_line_is_the_end_also_after_the_pane_became_wider(world: World) -> None:
    world.add(note=LONG)
    async with opened(world, (120, 40)) as app:
        await app.press("t")
        await app.quiet()
        await app.resize(80, 24)
        await app.press("3", "G")
        await app.until(lambda: "Added." in _last_line(app), "the last event in the last line")
