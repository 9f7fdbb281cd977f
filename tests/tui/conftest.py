"""Drives the app as a person does: keys in, screen out. The provider is the demo server, the store is in memory."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from textual import _wait, events
from textual.keys import _character_to_key
from textual.worker import WorkerCancelled, WorkerState

from keytui.demo.server import DemoServer
from keytui.tui.app import KeytuiApp
from tests.stores import fake_key, fields, memory_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from textual.app import App
    from textual.pilot import Pilot

    from keytui.model import Key, Secret
    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore
    from keytui.tui.screens.main import MainScreen

SIZES = ((80, 24), pytest.param((120, 40), marks=pytest.mark.slow))  # the larger one in CI alone
PATIENCE = 30.0
"""Seconds after which a test gives up on what it waits for."""


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.moved = 0.0

    def __call__(self) -> float:
        return time.time() + self.moved


async def idle(app: App[Any]) -> None:
    """Wait until no job runs.

    Not `workers.wait_for_complete()`: it raises when a newer job of the same kind takes the place of one it waits for.
    """
    async with asyncio.timeout(PATIENCE):
        while running := [worker for worker in app.workers if not worker.is_finished]:
            for worker in running:
                if worker.state is WorkerState.PENDING:
                    await asyncio.sleep(0)  # its task is about to start
                    continue
                with suppress(WorkerCancelled):
                    await worker.wait()


def no_key(_text: str) -> bool:
    """Say of a text that it spells out no key."""
    return False


async def burst(pilot: Pilot[Any], *keys: str, paste: str = "") -> None:
    """Press keys, and paste, so fast that all wait before the first is handled.

    Args:
        keys: Each a character or Textual's name.
        paste: What is pasted after them, or "".
    """
    driver = pilot.app._driver
    assert driver is not None
    sent: list[events.Event] = [
        events.Key(_character_to_key(key), key) if len(key) == 1 else events.Key(key, None) for key in keys
    ]
    for event in [*sent, events.Paste(paste)] if paste else sent:
        event.set_sender(pilot.app)
        driver.send_message(event)
    await pilot.pause()


class World:
    """A store, a provider and a clock, before the app is opened."""

    def __init__(self, settings: Settings, server: DemoServer) -> None:
        self.clock = Clock()
        self.settings = settings
        self.server = server
        self.store: Keystore = memory_store(settings, clock=self.clock)

    def add(self, name: str = "openai-prod", *, secret: Secret | None = None, **changes: object) -> Key:
        """Store a key whose provider is the demo server."""
        told = fields(name, **{"base_url": self.server.url, **changes})
        return self.store.add(told, secret if secret is not None else fake_key())


class Driver:
    """An open app."""

    def __init__(self, app: KeytuiApp, pilot: Pilot[None], world: World) -> None:
        self.app = app
        self.world = world
        self._pilot = pilot

    @property
    def main(self) -> MainScreen:
        """The main screen, also while a dialog lies over it."""
        from keytui.tui.screens.main import MainScreen

        screen = self.app.main
        assert isinstance(screen, MainScreen)
        return screen

    async def press(self, *keys: str) -> None:
        """Press keys, and let what follows at once happen."""
        await self._pilot.press(*keys)
        self.app.screen._on_timer_update()  # as Pilot.pause does: paint now, not at the next frame

    async def burst(self, *keys: str, paste: str = "") -> None:
        """Press keys, and paste, so fast that all wait before the first is handled."""
        await burst(self._pilot, *keys, paste=paste)

    async def type(self, text: str) -> None:
        """Type text into the focused field, as fast as a paste."""
        await self.burst(*text)

    async def resize(self, width: int, height: int) -> None:
        """Resize the terminal."""
        await self._pilot.resize_terminal(width, height)
        await self._pilot.pause()

    async def until(self, happened: Callable[[], object], what: str = "") -> None:
        """Keep the app going until something holds."""
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, f"never happened: {what}\n{self.text}"
            await self._pilot.pause()

    async def press_until(self, key: str, happened: Callable[[], object], what: str = "") -> None:
        """Press a key again and again until something holds."""
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline, f"never happened by {key}: {what}\n{self.text}"
            await self.press(key)

    async def sees(self, text: str) -> None:
        """Wait until a text is on screen."""
        await self.until(lambda: text in self.text, text)

    async def quiet(self) -> None:
        """Wait until no job runs."""
        await idle(self.app)
        await self._pilot.pause()

    async def tick(self, seconds: float = 0) -> None:
        """Move the clock and let the app notice."""
        self.world.clock.moved += seconds
        self.main.tick()
        await self._pilot.pause()

    @property
    def text(self) -> str:
        """What the screen shows."""
        strips = self.app.screen._compositor.render_strips()  # what a terminal would get; there is no public way
        return "\n".join(strip.text.rstrip() for strip in strips)

    @property
    def toasts(self) -> str:
        """What notifications say."""
        return "\n".join(notification.message for notification in self.app._notifications)

    @property
    def selected(self) -> str:
        """Name of the key under the cursor, or ""."""
        key = self.main.key
        return key.name if key is not None else ""


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Pilot look every 2 ms, not every 20, whether the app is idle: each key it presses looks three times."""
    monkeypatch.setattr(_wait, "SLEEP_GRANULARITY", 0.002)
    monkeypatch.setattr(_wait, "SLEEP_IDLE", 0.001)


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer(delta_seconds=0) as running:
        yield running


@pytest.fixture
def world(settings: Settings, server: DemoServer) -> Iterator[World]:
    made = World(settings, server)
    yield made
    made.store.close()


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    """Both sizes that are promised."""
    chosen: tuple[int, int] = request.param
    return chosen


@asynccontextmanager
async def opened(
    world: World, size: tuple[int, int] = (120, 40), *, demo: bool = False, wait: bool = True
) -> AsyncIterator[Driver]:
    """Open the app, and wait until its panes are there and its jobs done, unless `wait` is False."""
    app = KeytuiApp(world.store, world.settings, demo=demo, clock=world.clock)
    async with app.run_test(size=size) as pilot:
        driver = Driver(app, pilot, world)
        await driver.until(lambda: driver.main.test is not None and driver.main.details is not None, "panes")
        if wait:
            await driver.quiet()
        yield driver
        app.workers.cancel_all()
