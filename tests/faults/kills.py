"""Kills each flow at each of its steps and looks at what the next start makes of it.

`python -m tests.faults.kills` prints the table of flows, steps and outcomes.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from keytui import settings as settings_module
from keytui.storage.keystore import Keystore
from tests.faults.flows import FLOWS, nothing
from tests.faults.moving import MOVING
from tests.storage.killing import killed_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytui.model import Secret
    from keytui.settings import Settings
    from tests.faults.flows import Act, Flow


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        step: Where it was killed; "(end)" when it came to its end.
        result: "old", "new" or "between": which of the allowed states the store was in after recovery.
    """

    flow: str
    step: str
    result: str


def kills(flow: Flow, folder: str) -> Iterator[Row]:
    """Kill a flow at each of its steps, each time in a home of its own below `folder`.

    Raises:
        AssertionError: Something was lost, left over, or half done.
    """
    allowed = _allowed(flow, folder)
    number = 0
    while True:
        home = _Home(flow, folder)
        step = killed_at(number, home.alone, flow.run)
        home.look_at_names(allowed)
        yield Row(flow.name, step or "(end)", home.recovered(allowed))
        if not step:
            return
        number += 1


def kills_while_recovering(flow: Flow, folder: str) -> Iterator[Row]:
    """Kill a flow at each of its steps, then the recovery at each of its own."""
    allowed = _allowed(flow, folder)
    first = second = 0
    while True:
        home = _Home(flow, folder)
        step = killed_at(first, home.alone, flow.run)
        if not step:
            return
        again = killed_at(second, home.alone, Keystore.recover)
        home.look_at_names(allowed)
        yield Row(flow.name, f"{step}, {again or '(end)'}", home.recovered(allowed))
        first, second = (first, second + 1) if again else (first + 1, 0)


def picture(store: Keystore) -> object:
    """Everything a person can see in a store, the secrets included."""
    keys = [
        (
            key.name,
            key.state,
            key.note,
            key.tags,
            store.read(key.id),
            [(version.state, version.backend, store.read(key.id, version.id)) for version in store.versions(key.id)],
        )
        for key in store.keys() + store.keys(trash=True)
    ]
    event = store.undoable()
    return store.status().state, keys, [row.state for row in store.rotations()], event.type if event else None


class _Home:
    def __init__(self, flow: Flow, folder: str) -> None:
        self._flow = flow
        path = tempfile.mkdtemp(dir=folder)
        self.settings: Settings = settings_module.load({"KEYTUI_HOME": path, "KEYTUI_NO_CACHE": "1"})
        self._key: Secret = flow.home(self.settings)
        self.alone(flow.prepare)

    def alone(self, act: Act) -> None:
        """Do something in a store opened for it, as a process of its own would."""
        store = self.open()
        act(store)
        store.close()

    def open(self) -> Keystore:
        return self._flow.opened(settings_module.load({"KEYTUI_HOME": self.settings.data_dir} | _NO_CACHE), self._key)

    def look_at_names(self, allowed: dict[str, object]) -> None:
        """Look at the list as another process does before anything is recovered."""
        store = Keystore(self.settings)
        names = [key.name for key in store.keys()]
        store.close()
        shown = [[key[0] for key in _keys(seen) if key[1] != "trash"] for seen in allowed.values()]
        assert names in shown, f"a half state is in the list: {names}"

    def recovered(self, allowed: dict[str, object]) -> str:
        """Recover, and say which of the allowed pictures that gave."""
        store = self.open()
        store.recover()
        seen = picture(store)
        results = [result for result, known in allowed.items() if known == seen]
        assert results, f"neither old nor new: {seen}"
        self._nothing_orphaned()
        before = self._dump()
        assert store.recover() == []
        assert self._dump() == before, "a second recovery changed something"
        if results[0] == "old" and "new" not in results:
            self._flow.run(store)  # nothing stands in the way of doing it again
            assert picture(store) == allowed["new"]
            self._nothing_orphaned()
        store.close()
        return results[0].partition(" ")[0]

    def _nothing_orphaned(self) -> None:
        """Every file is one the index or the vault's format knows."""
        known = {"identity.age", "recipient.txt", "index.db", "index.db-wal", "index.db-shm", "settings.toml"}
        known |= {os.path.basename(self.settings.lock_path)}
        known |= {f"{slot}.age" for (slot,) in self._rows("SELECT slot FROM versions")}
        found = {name for _, _, names in os.walk(self.settings.data_dir) for name in names}
        assert found <= known, f"left over: {sorted(found - known)}"

    def _dump(self) -> object:
        files = sorted(name for _, _, names in os.walk(self.settings.vault_dir) for name in names)
        return (
            files,
            self._rows("SELECT * FROM keys"),
            self._rows("SELECT * FROM events"),
            [
                self._rows(f"SELECT * FROM {table}")  # noqa: S608 - constants
                for table in ("versions", "rotations")
            ],
        )

    def _rows(self, sql: str) -> list[tuple[object, ...]]:
        if not os.path.exists(self.settings.index_path):
            return []
        connection = sqlite3.connect(self.settings.index_path)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()


_NO_CACHE = {"KEYTUI_NO_CACHE": "1"}


def _allowed(flow: Flow, folder: str) -> dict[str, object]:
    acts = {"old": nothing, "new": flow.run} | {f"between {n}": act for n, act in enumerate(flow.between)}
    pictures = {}
    for result, act in acts.items():
        home = _Home(flow, folder)
        home.alone(act)
        store = home.open()
        pictures[result] = picture(store)
        store.close()
    return pictures


def _keys(seen: object) -> list[tuple[str, str]]:
    assert isinstance(seen, tuple)
    keys: list[tuple[str, str]] = seen[1]
    return keys


def main() -> None:
    """Print the table."""
    total = 0
    for flow in (*FLOWS, *MOVING):
        with tempfile.TemporaryDirectory() as folder:
            for row in kills(flow, folder):
                total += 1
                sys.stdout.write(f"{row.flow:30} {row.step:28} {row.result}\n")
    sys.stdout.write(f"{total} rows, 0 losses\n")


if __name__ == "__main__":
    main()
