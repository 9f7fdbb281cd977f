from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keytui.errors import KeytuiError, NothingToUndo
from keytui.model import DAY
from tests.storage.helpers import newest, rotated, verdict
from tests.stores import fake_key, fields

if TYPE_CHECKING:
    from keytui.storage.backends import MemoryBackend
    from keytui.storage.keystore import Keystore
    from tests.storage.helpers import Clock


def test_a_rotation_leaves_the_old_secret_in_use_until_it_switches(store: Keystore) -> None:
    old, new = fake_key(), fake_key()
    key = store.add(fields(), old)
    rotation = store.begin_rotation(key.id, new)
    assert (rotation.state, store.key(key.id).state) == ("stored", "rotating")
    assert store.read(key.id) == old
    assert rotation.new_version is not None
    assert store.read(key.id, rotation.new_version) == new
    switched = store.switch(rotation.id)
    assert (switched.state, switched.masked) == ("active", new.masked())
    assert store.read(key.id) == new
    assert store.read(key.id, rotation.old_version) == old
    assert store.rotations() == []
    assert [version.state for version in store.versions(key.id)] == ["current", "previous"]


def test_a_switch_forgets_what_was_said_of_the_old_secret(timed: Keystore, clock: Clock) -> None:
    key = timed.add(fields(expires_at=int(clock.now) + DAY), fake_key())
    timed.record_check(key.id, verdict("invalid"))
    clock.now += 100
    switched = rotated(timed, key, fake_key())
    assert (switched.verdict, switched.checked_at, switched.expires_at) == (None, None, None)
    assert switched.rotated_at == int(clock.now)


def test_an_abandoned_rotation_leaves_no_trace_but_the_journal(timed: Keystore, memory: MemoryBackend) -> None:
    old = fake_key()
    key = timed.add(fields(), old)
    timed.abandon_rotation(timed.begin_rotation(key.id, fake_key()).id)
    assert timed.keys() == [key]
    assert list(memory.secrets.values()) == [old]
    assert [rotation.state for rotation in timed.rotations(unfinished=False)] == ["abandoned"]


def test_a_second_rotation_of_the_same_key_is_refused(store: Keystore) -> None:
    key = store.add(fields(), fake_key())
    store.begin_rotation(key.id, fake_key())
    with pytest.raises(KeytuiError, match="already being rotated"):
        store.begin_rotation(key.id, fake_key())
    assert len(store.versions(key.id)) == 2


def test_an_ended_rotation_does_not_go_on(store: Keystore) -> None:
    key = store.add(fields(), fake_key())
    rotation = store.begin_rotation(key.id, fake_key())
    store.abandon_rotation(rotation.id)
    for call in (store.switch, store.abandon_rotation, lambda ended: store.advance_rotation(ended, "verified")):
        with pytest.raises(KeytuiError, match="already ended"):
            call(rotation.id)


def test_a_switch_can_be_taken_back_and_the_new_secret_is_kept(store: Keystore) -> None:
    old, new = fake_key(), fake_key()
    key = store.add(fields(), old)
    rotated(store, key, new)
    store.undo(newest(store).id)
    assert store.read(key.id) == old
    assert [store.read(key.id, version.id) for version in store.versions(key.id)] == [new, old]
    assert store.undoable() is None


def test_previous_versions_go_after_their_days_and_undo_with_them(
    timed: Keystore, clock: Clock, memory: MemoryBackend
) -> None:
    key = timed.add(fields(), fake_key())
    new = fake_key()
    rotated(timed, key, new)
    clock.now += 30 * DAY
    assert timed.purge() == 1
    assert list(memory.secrets.values()) == [new]
    assert timed.undoable() is None


def test_a_value_that_a_taken_back_rotation_left_goes_after_its_days(
    timed: Keystore, clock: Clock, memory: MemoryBackend
) -> None:
    old = fake_key()
    key = timed.add(fields(), old)
    rotated(timed, key, fake_key())
    timed.undo(newest(timed).id)
    clock.now += 30 * DAY
    assert timed.purge() == 1
    assert list(memory.secrets.values()) == [old]


def test_an_event_is_taken_back_once(store: Keystore) -> None:
    key = store.add(fields(), fake_key())
    store.delete(key.id)
    event = newest(store)
    store.undo(event.id)
    with pytest.raises(NothingToUndo):
        store.undo(event.id)
