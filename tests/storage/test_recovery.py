from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keytui.errors import KeytuiError, StoreError, StoreLocked
from keytui.model import Secret
from keytui.storage import steps
from keytui.storage.backends import MemoryBackend, Slot
from tests.stores import fake_key, fields, memory_store

if TYPE_CHECKING:
    from keytui.model import Key
    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore

OLD, NEW, ADDED = (fake_key() for _ in range(3))


def add(store: Keystore) -> None:
    store.add(fields("added"), ADDED)


def stop_at(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Play a kill in this process: an exception nothing catches."""

    def reached(name: str) -> None:
        if name == step:
            raise KeyboardInterrupt

    monkeypatch.setattr(steps, "reached", reached)


def interrupted_add(settings: Settings, monkeypatch: pytest.MonkeyPatch, step: str) -> tuple[Keystore, MemoryBackend]:
    memory = MemoryBackend()
    store = memory_store(settings, memory=memory)
    with monkeypatch.context() as patch:
        stop_at(patch, step)
        with pytest.raises(KeyboardInterrupt):
            add(store)
    return store, memory


def only(store: Keystore) -> Key:
    (key,) = store.keys()
    return key


def test_a_row_of_a_living_process_is_not_in_the_list(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = interrupted_add(settings, monkeypatch, "add.slot_written")
    assert store.keys() == []
    assert store.counts().total == 0


def test_recovery_finishes_an_add_whose_secret_arrived(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = interrupted_add(settings, monkeypatch, "add.slot_written")
    assert store.recover() == ["Finished adding “added”, which had been interrupted."]
    assert store.read(only(store).id) == ADDED


def test_recovery_takes_an_add_back_whose_secret_never_arrived(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = interrupted_add(settings, monkeypatch, "add.row_pending")
    (sentence,) = store.recover()
    assert "Add it again" in sentence
    assert store.keys() == []
    assert store.events()[0].type == "recovered"


def test_a_short_secret_without_fingerprint_is_finished_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = memory_store(settings)
    with monkeypatch.context() as patch:
        stop_at(patch, "add.slot_written")
        with pytest.raises(KeyboardInterrupt):
            store.add(fields("short"), Secret("0123456789"))
    store.recover()
    assert store.read(only(store).id).reveal() == "0123456789"


def test_with_a_locked_store_the_row_says_interrupted_until_it_is_unlocked(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, memory = interrupted_add(settings, monkeypatch, "add.slot_written")
    memory.locked = True
    assert store.recover() == []
    assert only(store).state == "interrupted"
    assert store.counts().unhealthy == 1
    memory.locked = False
    store.recover()
    assert only(store).state == "active"


def test_the_next_write_recovers_first(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = interrupted_add(settings, monkeypatch, "add.read_back")
    store.add(fields("other"), fake_key())
    assert [key.name for key in store.keys()] == ["added", "other"]


def test_a_slot_that_holds_something_else_is_kept_and_shown(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, memory = interrupted_add(settings, monkeypatch, "add.slot_written")
    (place,) = memory.secrets
    memory.secrets[place] = fake_key()
    store.recover()
    assert only(store).state == "interrupted"
    assert place in memory.secrets


def test_a_deletion_interrupted_under_a_locked_store_is_shown_and_ended_later(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = MemoryBackend()
    store = memory_store(settings, memory=memory)
    key = store.add(fields(), OLD)
    with monkeypatch.context() as patch:
        stop_at(patch, "delete.marked")
        with pytest.raises(KeyboardInterrupt):
            store.delete(key.id, now=True)
    memory.locked = True
    store.recover()
    assert only(store).state == "interrupted"
    memory.locked = False
    (sentence,) = store.recover()
    assert "Finished deleting" in sentence
    assert memory.secrets == {}


def test_an_interrupted_rotation_leaves_the_key_in_use(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = MemoryBackend()
    store = memory_store(settings, memory=memory)
    key = store.add(fields(), OLD)
    with monkeypatch.context() as patch:
        stop_at(patch, "rotate.row_pending")
        with pytest.raises(KeyboardInterrupt):
            store.begin_rotation(key.id, NEW)
    memory.locked = True
    assert store.recover() == []
    assert store.key(key.id).state == "rotating"
    memory.locked = False
    (sentence,) = store.recover()
    assert "taken back" in sentence
    assert store.key(key.id).state == "active"
    assert store.read(key.id) == OLD


class Failing(MemoryBackend):
    """Refuses to write or to delete, or keeps something else, as told."""

    error: StoreError | None = None
    garble = False
    kept = ""

    def delete(self, slot: Slot) -> None:
        if slot.id == self.kept:
            raise StoreError("No.")
        super().delete(slot)

    def write(self, slot: Slot, secret: Secret) -> None:
        if self.error is not None:
            raise self.error
        super().write(slot, Secret("something else") if self.garble else secret)


def test_a_store_that_refuses_leaves_no_row(settings: Settings) -> None:
    memory = Failing()
    memory.error = StoreError("No.")
    store = memory_store(settings, memory=memory)
    with pytest.raises(StoreError):
        add(store)
    memory.error = None
    add(store)
    assert store.read(only(store).id) == ADDED


def test_a_store_that_keeps_something_else_is_caught_by_reading_back(settings: Settings) -> None:
    memory = Failing()
    memory.garble = True
    store = memory_store(settings, memory=memory)
    with pytest.raises(StoreError, match="something else"):
        add(store)
    assert store.keys() == []
    assert memory.secrets == {}


def test_a_deletion_refused_halfway_leaves_a_key_that_works(settings: Settings) -> None:
    memory = Failing()
    store = memory_store(settings, memory=memory)
    key = store.add(fields(), OLD)
    rotation = store.begin_rotation(key.id, NEW)
    memory.kept = store.versions(key.id)[-1].slot
    with pytest.raises(StoreError):
        store.delete(key.id, now=True)
    with pytest.raises(KeytuiError, match="already ended"):
        store.switch(rotation.id)
    assert only(store).state == "active"
    assert store.read(key.id) == OLD


def test_after_a_deadline_the_row_waits_for_what_may_still_arrive(settings: Settings) -> None:
    from keytui.errors import StoreUnavailable

    memory = Failing()
    memory.error = StoreUnavailable("No answer.")
    store = memory_store(settings, memory=memory)
    with pytest.raises(StoreUnavailable):
        add(store)
    key = only(store)
    assert key.state == "interrupted"
    memory.secrets[store.versions(key.id)[0].slot] = ADDED
    store.recover()
    assert store.read(key.id) == ADDED


def test_deleting_now_under_a_locked_store_changes_nothing(settings: Settings) -> None:
    memory = MemoryBackend()
    store = memory_store(settings, memory=memory)
    key = store.add(fields(), OLD)
    memory.locked = True
    with pytest.raises(StoreLocked):
        store.delete(key.id, now=True)
    assert store.key(key.id).state == "active"
