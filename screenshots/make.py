"""Draws the screenshots from the demo: `python screenshots/make.py [FOLDER]`, into this folder by default.

The clock is frozen, the time zone is UTC and the server answers at once, so that two runs show the same. What is left
of real time (the latency of a prompt) is written as it came.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from textual import events

from keytui import settings
from keytui.demo import samples
from keytui.storage.backends import MemoryBackend
from keytui.storage.keystore import Keystore
from keytui.tui.app import KeytuiApp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.pilot import Pilot

    Steps = Callable[["Pilot[None]"], Awaitable[None]]

NOW = 1_796_040_000
"""When the screenshots are taken: 2026-11-30 12:00 UTC, in seconds since the epoch."""

PORT = 18_484
"""Port that the addresses show. The server takes any free one of as many digits, and its number is replaced."""

LARGE = (120, 40)
SMALL = (80, 24)
_PATIENCE = 20.0


async def main_screen(pilot: Pilot[None]) -> None:
    """The list, with the cursor on a key that has a history."""
    await _until(pilot, "openai-prod", "3 Details · claude")
    for _ in range(20):
        if "3 Details · openai-prod" in _seen(pilot):
            break
        await pilot.press("j")
        await pilot.pause()
    await _until(pilot, "3 Details · openai-prod")


async def new(pilot: Pilot[None]) -> None:
    """A pasted key and what it says about itself."""
    await main_screen(pilot)
    await pilot.press("n")
    await _until(pilot, "Paste it here")
    await _paste(pilot, "sk-" + "proj-" + "pasted0" * 22)
    await _until(pilot, "characters", "http://127.0.0.1:")


async def rotate(pilot: Pilot[None]) -> None:
    """The plan of a rotation by the provider."""
    await _until(pilot, "openai-bot", "3 Details · claude")
    for _ in range(20):
        if "3 Details · openai-bot" in _seen(pilot):
            break
        await pilot.press("j")
        await pilot.pause()
    await _until(pilot, "3 Details · openai-bot")
    await pilot.press("r")
    await _until(pilot, "Issued by", "support-bot", "told this end")


async def rotate_pasted(pilot: Pilot[None]) -> None:
    """A rotation to a pasted key that went through."""
    await main_screen(pilot)
    await pilot.press("r")
    await _until(pilot, "told this end", "Ctrl+N")
    await pilot.press("ctrl+n")
    await _until(pilot, "Paste the new key here")
    await _paste(pilot, "sk-" + "proj-" + "a1b2c3d" * 22 + "9f2c")
    await _until(pilot, "characters")
    await pilot.press("ctrl+s")
    await _until(pilot, "Done.", "2 due")  # the list behind has taken notice


async def delete(pilot: Pilot[None]) -> None:
    """The question before a key goes to the trash."""
    await main_screen(pilot)
    await pilot.press("d")
    await _until(pilot, "Cancel", "Revoke it")


async def prompt(pilot: Pilot[None]) -> None:
    """A streamed answer with its numbers."""
    await main_screen(pilot)
    await pilot.press("p")
    await _until(pilot, "Enter Send")
    await pilot.press("ctrl+u")
    await _paste(pilot, "What is an API key?")
    await pilot.press("enter")
    await _until(pilot, "first token")


async def show_help(pilot: Pilot[None]) -> None:
    """Every key."""
    await main_screen(pilot)
    await pilot.press("question_mark")
    await _until(pilot, "Undo")


async def first_start(pilot: Pilot[None]) -> None:
    """The first start."""
    await _until(pilot, "No keys yet")


async def unlock(pilot: Pilot[None]) -> None:
    """The passphrase of the vault."""
    from keytui.tui.screens.unlock import UnlockScreen

    await main_screen(pilot)
    app = pilot.app
    assert isinstance(app, KeytuiApp)  # noqa: S101 - for the type checker
    app.push_screen(UnlockScreen(app.store))
    await _until(pilot, "Passphrase")


SHOTS: dict[str, tuple[tuple[int, int], Steps]] = {
    "main-120x40": (LARGE, main_screen),
    "main-80x24": (SMALL, main_screen),
    "new": (LARGE, new),
    "rotate": (LARGE, rotate),
    "rotate-pasted": (LARGE, rotate_pasted),
    "delete": (SMALL, delete),
    "prompt": (LARGE, prompt),
    "help": (LARGE, show_help),
    "empty": (SMALL, first_start),
    "unlock": (SMALL, unlock),
}
"""Every screenshot: its size in cells and the steps to it."""


async def take(name: str) -> str:
    """Return one screenshot as SVG."""
    with mock.patch("time.time", return_value=float(NOW)):  # a check's own time, too
        return await _taken(*SHOTS[name], empty=name == "empty")


async def _taken(size: tuple[int, int], steps: Steps, *, empty: bool) -> str:
    if empty:
        with tempfile.TemporaryDirectory(prefix="keytui-") as folder:
            values = settings.load({"KEYTUI_HOME": folder})
            return await _shoot(Keystore(values, backends={"os": MemoryBackend()}), values, size, steps, demo=False)
    demo = _open_demo()
    try:
        svg = await _shoot(demo.store, demo.settings, size, steps, demo=True)
    finally:
        demo.close()
    return svg.replace(f":{demo.server.port}", f":{PORT}")


def _open_demo() -> samples.Demo:
    """Open the demo on a port that nobody has: two of these may run at once."""
    while True:
        demo = samples.open_demo(clock=lambda: NOW, port=0, delta_seconds=0)
        if len(str(demo.server.port)) == len(str(PORT)):
            demo.store.settings = demo.settings._replace(grace_hours=24)  # as it is outside the demo
            return demo
        demo.close()


async def _shoot(store: Keystore, values: settings.Settings, size: tuple[int, int], steps: Steps, *, demo: bool) -> str:
    app = KeytuiApp(store, values, demo=demo, clock=lambda: NOW)
    async with app.run_test(size=size) as pilot:
        await steps(pilot)
        await _quiet(pilot)
        svg = app.export_screenshot(title="keytui")
    return _settled(svg)


def _settled(svg: str) -> str:
    """Take out what differs between two runs and what would be fetched from elsewhere."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"terminal-\d+", "terminal", svg)


def shown(svg: str) -> str:
    """Return the text of a screenshot, without the numbers of real time, for comparing two."""
    text = "\n".join(re.findall(r"<text[^>]*>(.*?)</text>", svg))
    text = re.sub(r"&#160;|[─│╭╮╰╯·]", " ", text)  # the dots between numbers: where a line ends there is none
    text = re.sub(r"\d+ tokens/s", "", " ".join(text.split()))  # a speed that could not be measured is not shown
    return " ".join(re.sub(r"\d+ ms", "N ms", text).split())


def _seen(pilot: Pilot[None]) -> str:
    svg = pilot.app.export_screenshot().replace("&#160;", " ")
    return "".join(re.findall(r"<text[^>]*>(.*?)</text>", svg))


async def _until(pilot: Pilot[None], *texts: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        seen = _seen(pilot)
        if all(text in seen for text in texts):
            await pilot.pause()
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"never on screen: {texts}; there was {seen}")
        await pilot.pause(0.02)


async def _quiet(pilot: Pilot[None]) -> None:
    """Wait until no job runs and what they told is drawn."""
    deadline = time.monotonic() + _PATIENCE
    while any(not worker.is_finished for worker in pilot.app.workers) and time.monotonic() < deadline:
        await pilot.pause(0.02)
    await pilot.pause()


async def _paste(pilot: Pilot[None], text: str) -> None:
    focused = pilot.app.focused
    assert focused is not None  # noqa: S101 - for the type checker
    focused.post_message(events.Paste(text))
    await pilot.pause()


async def _all(folder: Path) -> None:
    for name in SHOTS:
        (folder / f"{name}.svg").write_text(await take(name), encoding="utf-8")
        print(folder / f"{name}.svg")  # noqa: T201 - a script says what it wrote


def main() -> None:
    """Draw every screenshot."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_all(folder))


if __name__ == "__main__":
    main()
