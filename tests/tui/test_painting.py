"""How the screen is drawn: the same as ever, with less."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
from rich.segment import Segment
from textual._compositor import Compositor
from textual.cache import FIFOCache
from textual.content import Content
from textual.strip import Strip

from keytui.tui.painting import entitle, keep_no_pieces
from keytui.tui.screens.modal import DrawnOnce
from keytui.tui.widgets.key_bar import KeyBar
from tests.tui.conftest import World, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType
    from textual.screen import Screen


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep no pieces until the test ends, and collect no garbage."""
    monkeypatch.setattr("textual.strip.FIFOCache", FIFOCache)
    keep_no_pieces()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("kept")
def test_a_line_of_the_screen_is_one_object_and_its_text() -> None:
    """With Textual's own caches it is ten: each collection of garbage would walk them."""
    before = len(gc.get_objects())
    lines = [Strip([Segment("keytui")]) for _ in range(1000)]
    assert len(gc.get_objects()) - before <= 3 * len(lines) + 100


@pytest.mark.usefixtures("kept")
def test_a_line_is_cut_twice_in_the_same_way() -> None:
    """Nothing is kept, so nothing can be stale."""
    line = Strip([Segment("key"), Segment("tui")])
    assert [line.crop(1, 4).text for _ in range(2)] == ["eyt", "eyt"]
    assert [[piece.text for piece in line.divide([2, 6])] for _ in range(2)] == [["ke", "ytui"]] * 2
    assert [line.adjust_cell_length(8).text for _ in range(2)] == ["keytui  "] * 2


async def test_moving_the_focus_does_not_draw_everything_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two panes change, and the keys at the bottom: the screen behind them does not."""
    drawn: list[int] = []
    render = DrawnOnce.render_line

    def note(screen: DrawnOnce[object], y: int) -> Strip:
        drawn.append(y)
        return render(screen, y)

    world.add()
    async with opened(world) as app:
        await app.quiet()
        monkeypatch.setattr(DrawnOnce, "render_line", note)
        await app.press("1", "2")
        await app.quiet()
        assert not drawn
        assert app.main.pane == "keys"


async def test_a_new_layout_is_drawn_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where all of the screen must be drawn, as when a dialog has closed."""
    drawn: list[object] = []
    render = Compositor.render_update

    def note(compositor: Compositor, *, screen_stack: list[Screen[object]]) -> RenderableType | None:
        update = render(compositor, screen_stack=screen_stack)
        drawn.extend([] if update is None else [update])
        return update

    world.add()
    async with opened(world) as app:
        await app.quiet()
        monkeypatch.setattr(Compositor, "render_update", note)
        with app.app.batch_update():
            app.main.refresh()
            app.main.query_one(KeyBar).refresh(layout=True)
            await app.quiet()
        await app.quiet()
        assert len(drawn) == 1


async def test_the_border_is_written_once(world: World) -> None:
    """The same text again draws nothing; brackets are text."""
    world.add("[red]")
    async with opened(world) as app:
        await app.quiet()
        pane = app.main.query_one("#keys")
        for title in ("a [b]c[/b]", "[link='x']d"):
            entitle(pane, title, title)
            assert pane.border_title == Content(title).markup
            await app.sees(f"─ {title} ─")
            await app.quiet()
            entitle(pane, title, title)
            assert not pane._repaint_required
        entitle(pane, subtitle="")
        assert not pane.border_subtitle
