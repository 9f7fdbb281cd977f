"""The app when others change the store, and when the keyring never answers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from keytui.storage.keystore import Keystore
from keytui.storage.os_keyring import OsKeyring
from tests.terminal import plain_environment
from tests.tui.conftest import World, opened

if TYPE_CHECKING:
    from keytui.storage.backends import Slot


async def test_what_another_process_does_shows_by_itself_and_the_cursor_stays(world: World) -> None:
    for name in ("alpha", "beta", "gamma"):
        world.add(name)
    home = world.settings.data_dir
    environ = plain_environment(home, KEYTUI_HOME=home, PYTHONPATH=os.pathsep.join(sys.path))

    async def keytui(*words: str) -> None:
        command = (sys.executable, "-P", "-m", "keytui", *words)
        await asyncio.to_thread(subprocess.run, command, env=environ, check=True, capture_output=True)

    async with opened(world) as app:
        await app.press("j")
        assert app.selected == "beta"
        await keytui("delete", "alpha", "-y")
        await app.until(lambda: [key.name for key in app.main.keys.keys] == ["beta", "gamma"])
        assert app.selected == "beta"
        await keytui("undo", "-y")
        await app.until(lambda: [key.name for key in app.main.keys.keys] == ["alpha", "beta", "gamma"])
        assert app.selected == "beta"


@pytest.mark.slow  # waits for a time-out
async def test_a_prompt_that_never_answers_leaves_the_app_usable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("alpha", "beta"):
        world.add(name)
    never = threading.Event()
    keyring = OsKeyring(1)

    def read(_slot: Slot) -> None:
        never.wait()

    monkeypatch.setattr(keyring, "_read", read)
    world.store.close()
    world.settings = world.settings._replace(backend="os", keyring_seconds=1)
    world.store = Keystore(world.settings, backends={"os": keyring}, clock=world.clock)
    async with opened(world) as app:
        await app.press("t")
        await app.sees("checking")
        await app.press("j")
        assert app.selected == "beta"
        await app.until(lambda: "The OS keyring did not answer within 1 s." in app.toasts)
        await app.press("k")
        assert app.selected == "alpha"
        await app.press("d")
        await app.sees("Delete")
        await app.press("escape")
        never.set()
