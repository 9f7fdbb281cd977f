"""Two open apps and ten commands at once on one store."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.faults.commands import slots_on_disk, unlocked_place
from tests.stores import fake_key, fields
from tests.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.commands import Place

KEYTUI = (sys.executable, "-P", "-m", "keytui")


@pytest.mark.slow
def test_two_apps_and_ten_commands_at_once_lose_nothing_and_show_everything(machine: Path) -> None:
    place = unlocked_place(machine)
    try:
        _work(place)
    finally:
        place.store().lock()


def _work(place: Place) -> None:
    old = {name: fake_key() for name in ("left", "right", *(f"old-{number}" for number in range(5)))}
    store = place.store()
    for name, secret in old.items():
        store.add(fields(name), secret)
    store.close()
    new = {f"{kind}-{number}": fake_key() for kind in ("new", "old") for number in range(5)}
    with Terminal(KEYTUI, place.environ) as left, Terminal(KEYTUI, place.environ, columns=80, rows=24) as right:
        for app, name in ((left, "left"), (right, "right")):
            app.wait_for("7 keys", "n New")
            app.type(f"/{name}\r")
            app.wait_for(f"▌{name}", gone=["old-1"])
            app.type("\x1b")  # the filter goes, the cursor stays on its key
            app.wait_for(f"▌{name}", "3 Details")
        running = [
            place.start(*_words(name), "--stdin", "--no-check", stdin=secret.reveal()) for name, secret in new.items()
        ]
        for app in (left, right):
            app.type("d")
            app.wait_for("Delete this key")
            app.type("y")
        for process in running:
            _, said = process.communicate(timeout=60)
            assert process.returncode == 0, said
            assert b"database" not in said
        for app in (left, right):
            app.wait_for("10 keys", "new-4", gone=["left ", "right "])
            app.type("q")
            assert app.wait_for_exit() == 0
    store = place.store()
    assert {key.name: store.read(key.id).reveal() for key in store.keys()} == {
        name: secret.reveal() for name, secret in new.items()
    }
    assert sorted(key.name for key in store.keys(trash=True)) == ["left", "right"]
    keys = store.keys() + store.keys(trash=True)
    assert slots_on_disk(place.settings) == {f"{v.slot}.age" for key in keys for v in store.versions(key.id)}
    assert store.recover() == []
    store.close()


def _words(name: str) -> tuple[str, str]:
    return ("add" if name.startswith("new") else "rotate", name)
