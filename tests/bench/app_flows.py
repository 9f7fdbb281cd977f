"""The app under work: how long `T` takes over 50 keys, and the longest stall of its event loop in each flow.

`python -m tests.bench.app_flows`. Headless; the server runs in this process and answers checks after 200 ms, so the
figures hold its work too.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable

from keytui import settings as settings_module
from keytui.demo import handler
from keytui.demo.server import DemoServer
from tests.stores import fake_key
from tests.tui.conftest import Driver, World, opened

KEYS = 50
LENGTH = 20_000
ANSWERS = {
    "prose": "Some words with **weight** and `code`.\n\n",
    "a list": "- a point with **weight** and `code`\n",
    "code": "    return {'a': 1}  # and why\n",
    "a table": "| cell of this row | another cell |\n",
}
_STEP = 0.001


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


async def _prompt(app: Driver) -> None:
    test = app.main.test
    assert test is not None
    await app.press("enter")
    while test.asked is None or test.answering:  # noqa: ASYNC110 - a measurement
        await asyncio.sleep(0.02)
    await app.quiet()
    test._asked = None


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as home, DemoServer(delta_seconds=0.0005, slow_seconds=0.2) as server:
        world = World(settings_module.load({"KEYTUI_HOME": home, "KEYTUI_NO_CACHE": "1"}), server)
        for number in range(KEYS):
            secret = fake_key()
            server.register(secret, "slow")
            world.add(f"key-{number:02d}", secret=secret)
        fast = fake_key()
        world.add("a-fast-one", secret=fast)
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
            await app.press("escape", "g", "4")
            for name, line in ANSWERS.items():
                head = {"code": "```python\n", "a table": "| a | b |\n|---|---|\n"}.get(name, "")
                text = (head + line * (LENGTH // len(line)))[: LENGTH - 1]
                pieces = tuple(text[at : at + 12] for at in range(0, len(text), 12))
                handler.__dict__["pieces_for"] = lambda _prompt, pieces=pieces: pieces
                took, stall = await _measured(lambda: _prompt(app))
                print(f"{LENGTH:,} characters of {name:8} {took:5.2f} s  {stall}")
    world.store.close()


if __name__ == "__main__":
    asyncio.run(main())
