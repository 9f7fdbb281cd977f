"""`T` in the app over fifty keys whose server, a process of its own, answers after 200 ms each: seven rounds of 0.2 s.

`python -m tests.bench.check_all`. Headless, 120×40; from the key press to "Checked 50 keys".
"""

from __future__ import annotations

import asyncio
import tempfile
from typing import cast

from keytui import settings as settings_module
from keytui.demo.server import DemoServer
from keytui.model import Secret
from tests.bench.app_flows import KEYS, _check_all, _measured
from tests.bench.serving import demo_server
from tests.tui.conftest import World, opened


class _Elsewhere:
    """What World needs of a server."""

    def __init__(self, url: str) -> None:
        self.url = url


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as home, demo_server() as url:
        values = settings_module.load({"KEYTUI_HOME": home, "KEYTUI_NO_CACHE": "1"})
        world = World(values, cast("DemoServer", _Elsewhere(url)))
        for number in range(KEYS):
            world.add(f"key-{number:02d}", secret=Secret("sk-" + "slow-" + f"{number:04d}" * 6))
        async with opened(world) as app:
            await asyncio.sleep(2)
            for _ in range(5):
                took, text = await _measured(lambda: _check_all(app))
                print(f"T over {KEYS} keys: {took:.2f} s, {took / 1.4:.2f} × 1.4 s; {text}")
                app.app.clear_notifications()
        world.store.close()


if __name__ == "__main__":
    asyncio.run(main())
