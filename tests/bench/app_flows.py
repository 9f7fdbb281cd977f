"""The app under work: how long `T` takes over 50 keys, and the longest stall of its event loop in each flow.

`python -m tests.bench.app_flows`, or with `brief` behind it, without the dialogs. Headless; the server answers checks
after 200 ms. Garbage is collected as in the app.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable

from keytui import settings as settings_module
from keytui.demo.server import DemoServer
from keytui.model import Secret
from tests.bench.serving import LENGTH, LONG, demo_server
from tests.tui.conftest import Driver, World, opened

KEYS = 50
_STEP = 0.001
_READING_SECONDS = 4


class Stalls:
    """Looks each millisecond how late the event loop comes back, and how much of that the loop itself worked."""

    def __init__(self) -> None:
        self.worst = self.work = 0.0

    async def watch(self) -> None:
        """Measure until cancelled."""
        while True:
            before, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(_STEP)
            self.worst = max(self.worst, time.perf_counter() - before - _STEP)
            self.work = max(self.work, time.thread_time() - worked)


async def _measured(flow: Callable[[], Awaitable[None]]) -> tuple[float, str]:
    """Return seconds and a text; on a busy machine the loop's own work says more than the stall on the clock."""
    stalls, started, worked = Stalls(), time.perf_counter(), time.process_time()
    watching = asyncio.create_task(stalls.watch())
    await flow()
    took = time.perf_counter() - started
    watching.cancel()
    text = f"longest stall {stalls.worst * 1000:5.1f} ms, of it work of the loop at most {stalls.work * 1000:5.1f} ms"
    return took, f"{text}; {time.process_time() - worked:.2f} s of processor"


async def _check_all(app: Driver) -> None:
    pressing = asyncio.create_task(app.press("T"))  # it returns only when the app is idle, or after 2 s
    while f"Checked {KEYS} keys." not in app.toasts:  # noqa: ASYNC110 - a measurement
        await asyncio.sleep(0.005)
    pressing.cancel()


WALKS = {
    "moving": ("j", "j", "down", "pagedown", "G", "g", "1", "j", "k", "2", "tab", "shift+tab", "s", "s", "s", "s"),
    "filtering": ("slash", "k", "e", "y", "minus", "1", "backspace", "escape", "escape"),
    "help": ("question_mark", "j", "pagedown", "escape"),
    "the palette": ("ctrl+p", "r", "o", "t", "escape"),
    "the model's list": ("m", "j", "escape"),
    "adding": ("n", "tab", "tab", "escape"),
    "editing": ("e", "tab", "tab", "escape"),
    "rotating": ("R", "tab", "escape"),
    "deleting": ("d", "y", "u"),
    "revealing": ("v", "escape"),
}


async def _walk(app: Driver, keys: tuple[str, ...]) -> None:
    for key in keys:
        await app.press(key)
    await app.quiet()


async def _prompt(app: Driver) -> None:
    test = app.main.test
    assert test is not None
    await app.press("enter")
    while test.asked is None or test.answering:  # noqa: ASYNC110 - a measurement
        await asyncio.sleep(0.02)
    await app.quiet()
    test._asked = None
    await app.press("ctrl+u")


async def _prompts(app: Driver) -> None:
    await app.press("escape", "escape", "g", "4")
    for name in LONG:
        await app.type(name)
        took, stall = await _measured(lambda: _prompt(app))
        print(f"{LENGTH:,} characters of {name:8} {took:5.2f} s  {stall}")


async def _flows(world: World) -> None:
    async with opened(world) as app:
        took, stall = await _measured(lambda: asyncio.sleep(3))
        print(f"warming up        {stall}")
        await app.press("slash")
        await app.type("key-")
        await app.press("enter")
        for _ in range(3):
            took, stall = await _measured(lambda: _check_all(app))
            print(f"T over {KEYS} keys    {took:5.2f} s  {stall}")
            app.app.clear_notifications()
        await _prompts(app)
        if "brief" in sys.argv:
            return
        await app.press("escape", "escape")
        for name, keys in WALKS.items():
            for _ in range(2):
                took, stall = await _measured(lambda keys=keys: _walk(app, keys))  # type: ignore[misc]
                print(f"{name:17} {took:5.2f} s  {stall}")
        await asyncio.sleep(_READING_SECONDS)
        await _prompts(app)


def main() -> None:
    """Measure and print."""
    gc.disable()  # as `keytui.tui.main` does until the first paint
    with tempfile.TemporaryDirectory() as home, demo_server(delta_seconds=0.0005) as url, DemoServer() as unused:
        world = World(settings_module.load({"KEYTUI_HOME": home, "KEYTUI_NO_CACHE": "1"}), unused)
        for number in range(KEYS):
            world.add(f"key-{number:02d}", secret=Secret("sk-slow-" + f"{number:04d}" * 6), base_url=url)
        world.add("a-fast-one", base_url=url)
        asyncio.run(_flows(world))
        world.store.close()


if __name__ == "__main__":
    main()
