"""A store as plain dictionaries, and a store in memory that fails when told: for the model test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keytui.errors import StoreError, StoreUnavailable
from keytui.storage.backends import MemoryBackend

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.model import Secret
    from keytui.storage.backends import Slot
    from keytui.storage.keystore import Keystore


class Faulty(MemoryBackend):
    """A store in memory one of whose next calls fails as told.

    Attributes:
        calls: How many calls come before the one that fails; None for no fault.
        error: What that call raises.
        late: Whether it does what was asked nevertheless.
    """

    calls: int | None = None
    error: StoreError = StoreUnavailable("No answer.")
    late = False

    def write(self, slot: Slot, secret: Secret) -> None:
        """See Backend."""
        self._call(lambda: super(Faulty, self).write(slot, secret))
        super().write(slot, secret)

    def read(self, slot: Slot) -> Secret:
        """See Backend."""
        self._call()
        return super().read(slot)

    def present(self, slot: Slot) -> bool:
        """See Backend."""
        self._call()
        return super().present(slot)

    def delete(self, slot: Slot) -> None:
        """See Backend."""
        self._call(lambda: super(Faulty, self).delete(slot))
        super().delete(slot)

    def _call(self, effect: Callable[[], None] | None = None) -> None:
        if self.calls is None:
            return
        self.calls -= 1
        if self.calls < 0:
            self.calls = None
            if self.late and effect is not None:
                effect()
            raise self.error


@dataclass
class Kept:
    """One key as the dictionary knows it; times are when it is purged."""

    name: str
    note: str
    value: str
    previous: dict[str, float] = field(default_factory=dict)
    coming: str | None = None
    trash: float | None = None


@dataclass
class Model:
    """A store without storage.

    Attributes:
        keys: By a number of the test's own.
        undo: What can be taken back, oldest first: number, kind, and what was there before.
    """

    keys: dict[int, Kept] = field(default_factory=dict)
    undo: list[tuple[int, str, tuple[str, str] | None]] = field(default_factory=list)

    def taken(self, name: str, number: int | None = None) -> bool:
        return any(key.name == name and key.trash is None for each, key in self.keys.items() if each != number)

    def top(self) -> int | None:
        """Index of what undo takes back."""
        found = [n for n, (key, kind, _) in enumerate(self.undo) if kind == "deleted" or self.keys[key].trash is None]
        return found[-1] if found else None

    def drop(self, number: int) -> None:
        del self.keys[number]
        self.undo = [entry for entry in self.undo if entry[0] != number]

    def drop_previous(self, number: int, value: str) -> None:
        del self.keys[number].previous[value]
        self.undo = [
            entry
            for entry in self.undo
            if not (entry[0] == number and entry[1] == "rotated" and entry[2] is not None and entry[2][0] == value)
        ]

    def picture(self) -> object:
        keys = [
            (key.name, key.note, key.trash is not None, key.value, frozenset(key.previous), key.coming)
            for key in self.keys.values()
        ]
        top = self.top()
        last = None if top is None else (self.keys[self.undo[top][0]].name, self.undo[top][1])
        return sorted(keys, key=lambda key: (key[0], key[3])), last


def picture(store: Keystore) -> object:
    """The same of the real store."""
    keys = []
    coming = {row.key_id: store.read(row.key_id, row.new_version).reveal() for row in store.rotations()}
    for key in store.keys() + store.keys(trash=True):
        assert key.state in ("active", "rotating", "trash"), key
        previous = [store.read(key.id, each.id).reveal() for each in store.versions(key.id) if each.state == "previous"]
        trash = key.deleted_at is not None
        keys.append((key.name, key.note, trash, store.read(key.id).reveal(), frozenset(previous), coming.get(key.id)))
    event = store.undoable()
    last = None
    if event is not None and event.key_id is not None:
        last = (store.key(event.key_id).name, event.type)
    return sorted(keys, key=lambda key: (key[0], key[3])), last
