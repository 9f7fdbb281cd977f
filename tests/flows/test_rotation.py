"""Rotation by pasting: the old key stays in use until the provider accepted the new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keytui.demo.server import DemoServer
from keytui.errors import InvalidInput, KeytuiError, StoreRefused, UndoRefused, UsageError
from keytui.flows import keys, rotation, undoing
from keytui.model import KeyFields, Secret, Verdict
from keytui.storage.backends import MemoryBackend
from tests.stores import memory_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytui.model import Key
    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore

OLD = "sk-" + "proj-" + "old1" * 18
NEW = "sk-" + "proj-" + "new2" * 18


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer(delta_seconds=0) as running:
        yield running


@pytest.fixture
def store(settings: Settings) -> Keystore:
    return memory_store(settings._replace(propagation_seconds=1))


@pytest.fixture
def key(store: Keystore, server: DemoServer) -> Key:
    fields = KeyFields(name="work", provider="openai", base_url=server.url, env="OPENAI_API_KEY")
    return keys.add(store, fields, Secret(OLD))


async def _rotate(
    store: Keystore, key: Key, new: str, *, check: bool = True
) -> tuple[rotation.RotationOutcome, list[str]]:
    stages: list[rotation.Stage] = []
    outcome = await rotation.rotate_pasted(store, key.id, Secret(new), check=check, timeout_s=5, stage=stages.append)
    return outcome, [f"{stage.name} {stage.state}" for stage in stages if stage.state != "running"]


async def test_a_valid_key_is_switched_to_and_the_old_one_kept(store: Keystore, key: Key) -> None:
    outcome, stages = await _rotate(store, key, NEW)
    assert outcome.switched
    assert stages == ["stored done", "verified done", "switched done"]
    assert store.read(key.id) == Secret(NEW)
    previous = [version for version in store.versions(key.id) if version.state == "previous"]
    assert store.read(key.id, previous[0].id) == Secret(OLD)
    assert store.key(key.id).verdict == "valid"


async def test_a_refused_key_stays_stored_until_it_is_given_up(store: Keystore, key: Key, server: DemoServer) -> None:
    server.register(Secret(NEW), "invalid")
    outcome, stages = await _rotate(store, key, NEW)
    assert not outcome.switched
    assert stages[-1] == "verified failed"
    assert store.read(key.id) == Secret(OLD)
    (row,) = store.rotations()
    assert (row.id, row.state) == (outcome.rotation_id, "stored")
    assert "refused" in row.note or "accept" in row.note
    assert store.read(key.id, row.new_version) == Secret(NEW)
    assert store.key(key.id).state == "rotating"
    await rotation.discard(store, row.id)
    assert [version.state for version in store.versions(key.id)] == ["current"]


async def test_a_key_that_is_unknown_at_first_is_asked_about_again(
    store: Keystore, key: Key, server: DemoServer
) -> None:
    store.settings = store.settings._replace(propagation_seconds=30)
    server.register(Secret(NEW), "invalid")
    told: list[rotation.Stage] = []

    def stage(stage: rotation.Stage) -> None:
        told.append(stage)
        if stage.slow:
            server.register(Secret(NEW), "valid")

    outcome = await rotation.rotate_pasted(store, key.id, Secret(NEW), timeout_s=5, stage=stage)
    assert outcome.switched
    assert store.read(key.id) == Secret(NEW)
    (said,) = [stage.sentence for stage in told if stage.slow]
    assert "30 s" in said


async def test_a_key_pasted_long_ago_is_asked_about_once(settings: Settings, server: DemoServer) -> None:
    now = [1_800_000_000.0]
    store = memory_store(settings._replace(propagation_seconds=600), clock=lambda: now[0])
    key = keys.add(store, KeyFields("work", "openai", server.url, "OPENAI_API_KEY"), Secret(OLD))
    server.register(Secret(NEW), "invalid")
    row = store.begin_rotation(key.id, Secret(NEW))
    now[0] += 602
    outcome = await rotation.resume(store, row.id, timeout_s=5, stage=lambda _stage: None)
    assert not outcome.switched
    assert len(server.requests) == 1


async def test_an_unreachable_provider_keeps_the_new_key_for_another_try(
    store: Keystore, key: Key, server: DemoServer
) -> None:
    server.stop()
    outcome, _stages = await _rotate(store, key, NEW)
    assert not outcome.switched
    assert outcome.rotation_id is not None
    assert store.read(key.id) == Secret(OLD)
    unchecked = await rotation.resume(store, outcome.rotation_id, check=False, timeout_s=5, stage=lambda _stage: None)
    assert unchecked.switched
    assert store.read(key.id) == Secret(NEW)


async def test_giving_up_deletes_the_new_key_alone(store: Keystore, key: Key, server: DemoServer) -> None:
    server.stop()
    outcome, _stages = await _rotate(store, key, NEW)
    assert outcome.rotation_id is not None
    await rotation.discard(store, outcome.rotation_id)
    assert [version.state for version in store.versions(key.id)] == ["current"]
    assert store.rotations() == []
    assert store.read(key.id) == Secret(OLD)


async def test_pasting_the_key_in_use_is_refused(store: Keystore, key: Key) -> None:
    with pytest.raises(InvalidInput, match="already in use"):
        await _rotate(store, key, OLD)
    assert [version.state for version in store.versions(key.id)] == ["current"]


async def test_unchecked_means_no_request(store: Keystore, key: Key, server: DemoServer) -> None:
    outcome, stages = await _rotate(store, key, NEW, check=False)
    assert outcome.switched
    assert "verified skipped" in stages
    assert not server.requests


async def test_undo_puts_the_previous_key_back(store: Keystore, key: Key) -> None:
    await _rotate(store, key, NEW)
    event = store.undoable()
    assert event is not None
    await undoing.undo(store, event)
    assert store.read(key.id) == Secret(OLD)


async def test_undo_is_refused_when_the_previous_key_no_longer_works(
    store: Keystore, key: Key, server: DemoServer
) -> None:
    await _rotate(store, key, NEW)
    server.register(Secret(OLD), "invalid")
    event = store.undoable()
    assert event is not None
    with pytest.raises(UndoRefused, match="was not put back"):
        await undoing.undo(store, event)
    assert store.read(key.id) == Secret(NEW)


async def test_the_same_new_key_again_goes_on_with_the_stored_one(
    store: Keystore, key: Key, server: DemoServer
) -> None:
    server.register(Secret(NEW), "down")
    first, _stages = await _rotate(store, key, NEW)
    server.register(Secret(NEW), "valid")
    second, _stages = await _rotate(store, key, NEW)
    assert first.rotation_id is not None
    assert second.switched
    assert len(store.versions(key.id)) == 2
    assert store.rotations() == []


async def test_another_new_key_does_not_push_a_stored_one_out(store: Keystore, key: Key, server: DemoServer) -> None:
    server.register(Secret(NEW), "down")
    first, _stages = await _rotate(store, key, NEW)
    with pytest.raises(KeytuiError, match="already being rotated"):
        await _rotate(store, key, "sk-" + "proj-" + "more" * 18)
    assert [row.id for row in store.rotations()] == [first.rotation_id]


async def test_a_stored_new_key_that_was_lost_does_not_block_the_next(settings: Settings, server: DemoServer) -> None:
    memory = MemoryBackend()
    store = memory_store(settings, memory=memory)
    key = keys.add(store, KeyFields("work", "openai", server.url, "OPENAI_API_KEY"), Secret(OLD))
    server.register(Secret(NEW), "down")
    await _rotate(store, key, NEW)
    lost = next(version for version in store.versions(key.id) if version.state == "pending")
    del memory.secrets[lost.slot]
    outcome, _stages = await _rotate(store, key, "sk-" + "proj-" + "more" * 18)
    assert outcome.switched


async def test_the_key_in_use_is_known_when_another_key_has_the_same_value(
    store: Keystore, key: Key, server: DemoServer
) -> None:
    twin = keys.add(store, KeyFields("twin", "openai", server.url, "OPENAI_API_KEY"), Secret(OLD))
    with pytest.raises(InvalidInput, match="already in use"):
        await _rotate(store, twin, OLD)
    assert key.id != twin.id


async def test_a_switch_is_told_although_its_verdict_cannot_be_noted(
    store: Keystore, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreRefused("The disk is full.")

    monkeypatch.setattr(store, "record_check", full)
    outcome, stages = await _rotate(store, key, NEW)
    assert outcome.switched
    assert stages[-1] == "switched done"


async def test_undo_after_undo_checks_the_key_it_puts_back(store: Keystore, key: Key, server: DemoServer) -> None:
    await _rotate(store, key, NEW)
    await _rotate(store, key, "sk-" + "proj-" + "more" * 18)
    newest = store.undoable()
    assert newest is not None
    await undoing.undo(store, newest)
    before = store.undoable()
    assert before is not None
    server.register(Secret(OLD), "invalid")
    with pytest.raises(UndoRefused, match="was not put back"):
        await undoing.undo(store, before)
    assert store.read(key.id) == Secret(NEW)


async def test_undo_of_a_switch_puts_the_key_back_that_was_in_use_before_it(
    store: Keystore, key: Key, server: DemoServer
) -> None:
    await _rotate(store, key, NEW)
    third = "sk-" + "proj-" + "more" * 18
    server.register(Secret(third), "down")
    stored, _stages = await _rotate(store, key, third)
    switched = store.undoable()
    assert switched is not None
    await undoing.undo(store, switched)  # back to the old one while the third waits
    assert stored.rotation_id is not None
    await rotation.resume(store, stored.rotation_id, check=False, timeout_s=5, stage=lambda _stage: None)
    event = store.undoable()
    assert event is not None
    await undoing.undo(store, event)
    assert store.read(key.id) == Secret(OLD)


@pytest.mark.parametrize("name", ["two\nlines", "-dash", "x" * 101, "sk-" + "proj-" + "abcd1234" * 4])
async def test_a_restored_key_gets_no_name_that_add_would_refuse(store: Keystore, key: Key, name: str) -> None:
    store.delete(key.id)
    event = store.undoable()
    assert event is not None
    with pytest.raises(InvalidInput):
        await undoing.undo(store, event, as_name=name)
    assert [each.name for each in store.keys(trash=True)] == ["work"]


async def test_a_new_name_does_not_go_with_a_switch_that_is_undone(store: Keystore, key: Key) -> None:
    await _rotate(store, key, NEW)
    event = store.undoable()
    assert event is not None
    with pytest.raises(UsageError, match="deletion or an edit"):
        await undoing.undo(store, event, as_name="other")
    assert store.read(key.id) == Secret(NEW)


async def test_a_verdict_of_a_value_no_longer_in_use_is_not_noted(store: Keystore, key: Key) -> None:
    await _rotate(store, key, NEW)
    late = Verdict("invalid", "It was refused.", 0)
    store.record_check(key.id, late, Secret(OLD))
    assert store.key(key.id).verdict == "valid"
