"""What several storage tests share: a clock that stands, verdicts, a rotation in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keytui.model import Verdict

if TYPE_CHECKING:
    from keytui.model import Event, Key, Secret, VerdictWord
    from keytui.storage.keystore import Keystore


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def verdict(word: VerdictWord, detail: str = "Checked.") -> Verdict:
    return Verdict(word, detail, checked_at=1_800_000_000, latency_ms=212)


def rotated(store: Keystore, key: Key, secret: Secret) -> Key:
    """The key after a rotation to this secret."""
    rotation = store.begin_rotation(key.id, secret)
    store.advance_rotation(rotation.id, "verified")
    return store.switch(rotation.id)


def newest(store: Keystore) -> Event:
    """The event `u` would take back."""
    event = store.undoable()
    assert event is not None
    return event
