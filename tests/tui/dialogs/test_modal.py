"""What lies behind a dialog: the screen below as it is now, dimmed as Textual dims it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from textual.renderables.background_screen import BackgroundScreen
from textual.widgets import Static

from keytui.tui.palette import Palette
from keytui.tui.screens.confirm import ConfirmScreen
from keytui.tui.screens.modal import Backdrop
from tests.tui.dialogs.host import Host, showing, shown, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from rich.segment import Segment
    from textual.pilot import Pilot
    from textual.screen import Screen
    from textual.strip import Strip

TERMINALS = [(40, 15), (80, 24), (120, 40)]


def _question() -> ConfirmScreen:
    return ConfirmScreen("Delete it?", "It is gone then.", "y", "Delete")


def _colors(strip: Iterable[Segment]) -> list[tuple[str, str, str]]:
    """Return character, foreground and background, cell by cell."""
    found = []
    for text, style, _ in strip:
        assert style is not None
        found += [(character, str(style.color), str(style.bgcolor)) for character in text]
    return found


def _top(host: Host, index: int = -1) -> list[tuple[str, str, str]]:
    """Return the first line of a screen; the dialog on top leaves it free."""
    return _colors(host.screen_stack[index]._compositor.render_strips()[0])


def _write(host: Host, text: str) -> None:
    host.screen_stack[0].query_one(Static).update(text)


async def test_the_screen_below_is_dimmed_as_textual_dims_it() -> None:
    """The same colors; Textual's own way is slower."""
    async with showing(_question()) as (_, host):
        below = host.screen_stack[0]._compositor.render_strips()[0]
        assert _top(host) == _colors(BackgroundScreen.process_segments(below, host.screen.styles.background))
        assert _top(host) != _top(host, 0)


async def test_news_below_are_seen() -> None:
    """Checks go on behind a dialog."""
    async with showing(_question()) as (pilot, host):
        _write(host, "answered")
        await until(pilot, lambda: "answered" in shown(host) and "behind" not in shown(host))


@asynccontextmanager
async def _two() -> AsyncIterator[tuple[Pilot[Any], Host]]:
    async with showing(_question()) as (pilot, host):
        host.push_screen(_question())
        await until(pilot, lambda: len(host.screen_stack) == 3)
        yield pilot, host


async def test_news_below_two_dialogs_are_seen() -> None:
    """Textual tells the dialog on top alone."""
    async with _two() as (pilot, host):
        _write(host, "answered")
        await until(pilot, lambda: "answered" in shown(host) and "behind" not in shown(host))
        _write(host, "and again")
        await pilot.pause()
        await pilot.press("escape")
        await until(pilot, lambda: "and again" in shown(host) and "answered" not in shown(host))


async def test_two_dialogs_take_another_size_and_theme() -> None:
    """Nothing of what lay below the lower one is left."""
    async with _two() as (pilot, host):
        before = _top(host)
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: len(_top(host)) == 120 and _top(host)[-1][2] == _top(host)[0][2])
        assert "behind" in shown(host)
        host.theme = "textual-light"
        await until(pilot, lambda: _top(host)[0][2] != before[0][2])
        below = host.screen_stack[0]._compositor.render_strips()[0]
        color = host.screen.styles.background
        twice = BackgroundScreen.process_segments(list(BackgroundScreen.process_segments(below, color)), color)
        await until(pilot, lambda: _top(host) == _colors(twice))


async def test_the_screen_below_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn each time that the dialog changes makes each key late."""
    lines: list[Strip] = []
    dimmed = Backdrop._dimmed

    def note(self: Backdrop, strip: Strip) -> Strip:
        lines.append(strip)
        return dimmed(self, strip)

    monkeypatch.setattr(Backdrop, "_dimmed", note)
    async with showing(_question()) as (pilot, host):
        await pilot.press("tab")
        host.screen.refresh()
        await pilot.pause()
        assert len(lines) == host.size.height


async def test_another_theme_is_seen() -> None:
    """The color of dimming is the theme's."""
    async with showing(_question()) as (pilot, host):
        before = _top(host)
        host.theme = "textual-light"
        await until(pilot, lambda: _top(host)[0][2] != before[0][2])


@pytest.mark.parametrize("kind", [_question, Palette], ids=["question", "palette"])
async def test_another_size_is_taken(kind: Callable[[], Screen[Any]]) -> None:
    """A terminal that grows or shrinks leaves no part undrawn, and the dialog stays within it."""

    def drawn(size: tuple[int, int]) -> bool:
        lines = [strip.cell_length for strip in host.screen._compositor.render_strips()]
        below = kind is Palette or "behind" in shown(host)  # the palette's field lies over it
        return host.screen.size == size and lines == [size[0]] * size[1] and below

    async with showing(kind()) as (pilot, host):
        for size in TERMINALS:
            await pilot.resize_terminal(*size)
            await until(pilot, lambda size=size: drawn(size))  # type: ignore[misc]
