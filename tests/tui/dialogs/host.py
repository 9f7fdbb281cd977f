"""A small app that shows one dialog, and the ways tests drive it."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from textual import events
from textual.app import App
from textual.widgets import Static

from keytui.tui.crash import CalmCrash
from keytui.tui.widgets.field import Busy, Field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from textual.app import ComposeResult
    from textual.message import Message
    from textual.pilot import Pilot
    from textual.screen import Screen

    from keytui.storage.keystore import Keystore

SIZES = [(80, 24), pytest.param((120, 40), marks=pytest.mark.slow)]  # the larger one in CI alone


class Host(CalmCrash):
    """Stands in for the app: has a store, opens pages, and shows a dialog over a line of text."""

    def __init__(self, store: Keystore | None = None) -> None:
        super().__init__()
        self._store = store
        self.pages: list[str] = []
        self.results: list[object] = []

    @property
    def store(self) -> Keystore:
        assert self._store is not None
        return self._store

    def compose(self) -> ComposeResult:
        yield Static("behind")

    def open_page(self, address: str) -> None:
        self.pages.append(address)


@asynccontextmanager
async def showing(
    screen: Screen[Any],
    store: Keystore | None = None,
    *,
    size: tuple[int, int] = (80, 24),
    hook: Callable[[Message], None] | None = None,
) -> AsyncIterator[tuple[Pilot[Any], Host]]:
    """Run the host with the dialog on top; what it is dismissed with goes to `host.results`."""
    host = Host(store)
    async with host.run_test(size=size, notifications=True, message_hook=hook) as pilot:
        host.push_screen(screen, host.results.append)
        await until(pilot, lambda: host.screen is screen)
        await pilot.pause()
        yield pilot, host


async def until(pilot: Pilot[Any], condition: Callable[[], bool]) -> None:
    """Let the app run until the condition holds; fails after 30 s."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"what was waited for did not happen\n{shown(pilot.app)}"
        await pilot.pause(0.005)
    await pilot.pause()


async def shows(pilot: Pilot[Any], kind: type[Screen[Any]]) -> None:
    """Wait for a screen of this kind on top."""
    await until(pilot, lambda: isinstance(pilot.app.screen, kind))


async def paste(pilot: Pilot[Any], text: str) -> None:
    """Paste as a terminal does."""
    pilot.app.post_message(events.Paste(text))
    await pilot.pause()


def shown(app: App[Any]) -> str:
    """What stands on the screen, line by line."""
    width = app.size.width
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text[:width].rstrip().replace("\N{NO-BREAK SPACE}", " ") for strip in strips)


def said(app: App[Any], field: str) -> str:
    """The sentence under a field of the dialog on top."""
    return next(row.said for row in app.screen.query(Field) if row.name == field)


def bottom(app: App[Any]) -> str:
    """The sentence at the bottom of the dialog on top."""
    return app.screen.query_one(Busy).text
