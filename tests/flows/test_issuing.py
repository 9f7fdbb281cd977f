"""A rotation by the provider, against the demo server over HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from keytui.errors import (
    KeyRefused,
    KeytuiError,
    LeftBehind,
    ProviderUnreachable,
    StoreBusy,
    StoreRefused,
    UndoRefused,
    UsageError,
)
from keytui.flows import giving_up, issue_plan, issuing, revoking, undoing
from keytui.model import RemoteKey
from keytui.providers import checks
from tests.flows.issued import ACCOUNT, World
from tests.stores import fake_key, memory_store

if TYPE_CHECKING:
    from keytui.settings import Settings


async def word(world: World) -> str:
    key = world.now()
    return (await checks.check(key, world.store.read(key.id), timeout_s=20)).word


async def test_a_key_goes_to_its_successor_and_the_old_one_is_dead(world: World) -> None:
    outcome = await world.rotate()
    assert (outcome.state, outcome.revoked) == ("done", True)
    assert world.live() == {world.current_id()} != {world.old_id}
    assert await word(world) == "valid"
    assert (await checks.check(world.now(), world.old, timeout_s=20)).word == "invalid"
    assert [version.state for version in world.store.versions(world.key.id)] == ["current"]
    assert [stage for stage in world.stages() if stage[1] == "done"] == [
        (name, "done") for name in ("issued", "stored", "verified", "switched", "retiring", "done")
    ]


async def test_the_new_key_belongs_to_the_same_account_and_carries_the_rotations_name(world: World) -> None:
    before = world.server.admin.live()[0]
    await world.rotate()
    (after,) = world.server.admin.live()
    assert (after.project_id, after.account_id) == (before.project_id, before.account_id)
    assert after.name == world.store.rotations(unfinished=False)[0].remote_name


async def test_in_its_grace_period_the_old_key_works_and_its_end_is_told_to_the_provider(world: World) -> None:
    outcome = await world.rotate(grace_s=3_600)
    assert outcome.state == "retiring"
    assert outcome.retire_at is not None
    assert world.live() == {world.current_id(), world.old_id}
    old = next(live for live in world.server.admin.live() if live.id == world.old_id)
    assert old.expires_at is not None
    assert abs(old.expires_at - outcome.retire_at) <= 2
    await world.resume()
    assert world.live() == {world.current_id(), world.old_id}
    await issuing.end_now(world.store, world.store.rotations()[0].id, stage=world.told.append)
    assert world.live() == {world.current_id()}
    assert world.store.rotations() == []


async def test_a_key_that_would_end_some_day_is_told_the_end_of_its_grace_period_too(world: World) -> None:
    (version,) = world.store.versions(world.key.id)
    world.store.know_remote(version.id, version.remote._replace(expires_at=int(time.time()) + 365 * 86_400))
    outcome = await world.rotate(grace_s=3_600)
    assert outcome.retire_at is not None
    old = next(live for live in world.server.admin.live() if live.id == world.old_id)
    assert old.expires_at is not None
    assert abs(old.expires_at - outcome.retire_at) <= 2


async def test_a_key_with_a_stored_successor_is_not_revoked(world: World) -> None:
    world.store.begin_rotation(world.key.id, fake_key())
    with pytest.raises(KeytuiError, match="is stored and not in use yet"):
        await revoking.plan(world.store, world.key.id)
    assert len(world.store.rotations()) == 1
    assert world.old_id in world.live()


async def test_the_next_rotation_ends_the_grace_period_of_the_last(world: World) -> None:
    await world.rotate(grace_s=3_600)
    second = world.current_id()
    plan = await issue_plan.plan(world.store, world.key.id, grace_s=3_600)
    assert "revoked first" in plan.sentences[0]
    await issuing.start(world.store, plan, stage=world.told.append)
    assert world.live() == {world.current_id(), second}


async def test_a_key_that_is_only_likely_is_not_revoked(settings: Settings) -> None:
    with World(memory_store(settings), known=False) as world:
        plan = await issue_plan.plan(world.store, world.key.id)
        assert (plan.old, [remote.id for remote in plan.likely]) == (None, [world.old_id])
        assert plan.guessed
        assert f"that of {world.old_id}" in " ".join(plan.sentences)
        assert "only likely" in " ".join(plan.sentences)
        outcome = await issuing.start(world.store, plan, stage=world.told.append)
        assert (outcome.state, outcome.revoked) == ("done", False)
        assert world.live() == {world.current_id(), world.old_id}
        assert ("retiring", "skipped") in world.stages()


async def test_a_key_whose_id_was_named_is_revoked(settings: Settings) -> None:
    with World(memory_store(settings), known=False) as world:
        await world.rotate(old_key_id=world.old_id)
        assert world.live() == {world.current_id()}


async def test_a_persons_key_becomes_an_accounts_only_with_consent(settings: Settings) -> None:
    with World(memory_store(settings), known=False) as world:
        mine = fake_key("sk-" + "proj-")
        person = world.server.admin.add_key(mine, "by hand")
        world.store.switch(world.store.begin_rotation(world.key.id, mine).id)
        plan = await issue_plan.plan(world.store, world.key.id, old_key_id=person)
        assert plan.needs_consent
        with pytest.raises(UsageError):
            await issuing.start(world.store, plan, stage=world.told.append)
        assert world.live() == {world.old_id, person}
        await world.rotate(old_key_id=person, to_account="new robot")
        (new,) = (live for live in world.server.admin.live() if live.id == world.current_id())
        assert new.account_id
        assert person not in world.live()


async def test_a_policy_that_demands_an_end_gets_the_longest_it_grants(world: World) -> None:
    world.server.admin.require_expiry = 100 * 86_400
    await world.rotate()
    (live,) = world.server.admin.live()
    assert live.expires_at is not None
    assert world.now().expires_at == live.expires_at
    assert world.now().due_at == live.expires_at


async def test_a_new_key_that_is_unknown_at_first_is_waited_for(world: World) -> None:
    world.server.admin.activation_lag = 3
    await world.rotate()
    assert world.live() == {world.current_id()}


async def test_a_new_key_that_never_works_is_revoked_and_the_old_one_stays(world: World) -> None:
    world.server.admin.activation_lag = 10_000
    world.store.settings = world.store.settings._replace(propagation_seconds=1)
    with pytest.raises(KeyRefused) as raised:
        await world.rotate()
    assert "The old one stays in use" in raised.value.sentence
    assert world.live() == {world.old_id} == {world.current_id()}
    assert world.store.rotations() == []


async def test_a_key_that_cannot_be_stored_is_revoked_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreRefused("The disk is full.")

    plan = await issue_plan.plan(world.store, world.key.id, grace_s=0)
    monkeypatch.setattr(world.store, "keep_issued", full)
    with pytest.raises(StoreRefused):
        await issuing.start(world.store, plan, stage=world.told.append)
    assert world.live() == {world.old_id}
    assert world.store.rotations() == []


async def test_a_second_process_is_refused_while_one_drives(world: World) -> None:
    await world.rotate(grace_s=3_600)
    (row,) = world.store.rotations()
    lock = world.store.rotation_lock(row.id)
    lock.acquire()
    with pytest.raises(StoreBusy, match="Another keytui"):
        await issuing.drive(world.store, row.id, stage=world.told.append)
    lock.release()
    await issuing.end_now(world.store, row.id, stage=world.told.append)
    assert world.live() == {world.current_id()}


async def test_undo_puts_the_old_key_back_and_the_new_one_retires(world: World) -> None:
    await world.rotate(grace_s=3_600)
    new = world.current_id()
    event = world.store.undoable()
    assert event is not None
    done = await undoing.undo(world.store, event)
    assert "revoked" in done.detail
    assert "rotate it before" in done.detail
    assert world.current_id() == world.old_id
    (row,) = world.store.rotations()
    assert row.state == "retiring"
    assert world.now().expires_at is not None  # its provider was told its end, which cannot be taken back
    await issuing.end_now(world.store, row.id, stage=world.told.append)
    assert world.live() == {world.old_id}
    assert new != world.old_id


async def test_undo_does_not_go_back_to_a_key_that_is_about_to_end(world: World) -> None:
    await world.rotate(grace_s=3_600)
    (row,) = world.store.rotations()
    retiring_one = next(each for each in world.store.versions(world.key.id) if each.id == row.retiring_version)
    world.store.know_remote(retiring_one.id, retiring_one.remote._replace(expires_at=int(time.time()) + 2))
    event = world.store.undoable()
    assert event is not None
    with pytest.raises(UndoRefused, match="ends it"):
        await undoing.undo(world.store, event)
    assert world.current_id() != world.old_id


async def test_undo_is_refused_when_the_old_key_no_longer_works(world: World) -> None:
    await world.rotate(grace_s=3_600)
    world.server.admin.organization.keys[world.old_id].deleted = True
    event = world.store.undoable()
    assert event is not None
    with pytest.raises(UndoRefused):
        await undoing.undo(world.store, event)
    assert world.current_id() != world.old_id


async def test_a_rotation_that_has_not_switched_can_be_given_up(world: World) -> None:
    world.server.admin.activation_lag = 10_000
    plan = await issue_plan.plan(world.store, world.key.id)
    world.store.settings = world.store.settings._replace(propagation_seconds=1)
    rotation = issuing._begin(world.store, plan)
    world.server.admin.fault("drop_after", "POST", "api_keys", times=2)
    with pytest.raises(ProviderUnreachable):
        await issuing.drive(world.store, rotation.id, stage=world.told.append, fresh=True)
    await giving_up.abandon(world.store, rotation.id)
    assert world.live() == {world.old_id}
    assert world.store.rotations() == []


async def test_what_a_dead_admin_key_cannot_revoke_is_named_and_can_be_left(world: World) -> None:
    world.server.admin.fault("error_500", "POST", "api_keys", times=2)
    with pytest.raises(ProviderUnreachable):
        await world.rotate()
    (row,) = world.store.rotations()
    world.server.register(world.store.read(world.admin.id), "invalid")
    with pytest.raises(LeftBehind) as raised:
        await giving_up.abandon(world.store, row.id)
    left = raised.value
    assert isinstance(left.cause, KeyRefused)
    assert row.remote_name in left.sentence
    assert "https://" in left.sentence
    assert f"keytui rotate {world.admin.name}" in left.hint
    assert [each.id for each in world.store.rotations()] == [row.id]
    await giving_up.leave(world.store, left)
    assert world.store.rotations() == []
    assert world.current_id() == world.old_id
    assert row.remote_name in world.store.events(world.key.id)[0].detail
    world.store.delete(world.admin.id)  # nothing needs it any more


async def test_a_new_key_left_behind_is_revoked_by_the_next_rotation(world: World) -> None:
    plan = await issue_plan.plan(world.store, world.key.id, grace_s=0)
    rotation = issuing._begin(world.store, plan)
    new = fake_key()
    left_id = world.server.admin.add_key(new, rotation.remote_name, account=ACCOUNT)
    world.store.keep_issued(rotation.id, new, RemoteKey(left_id, plan.home.project_id, plan.home.account_id))
    admin = world.store.read(world.admin.id)
    world.server.register(admin, "invalid")
    with pytest.raises(LeftBehind, match=left_id) as raised:
        await giving_up.abandon(world.store, rotation.id)
    await giving_up.leave(world.store, raised.value)
    assert [version.state for version in world.store.versions(world.key.id)] == ["current"]
    assert world.live() == {world.old_id, left_id}
    world.server.register(admin, "valid")
    await world.rotate()
    assert world.live() == {world.current_id()}


async def test_an_old_key_that_no_admin_key_can_end_is_named_and_can_be_left(world: World) -> None:
    await world.rotate(grace_s=3_600)
    (row,) = world.store.rotations()
    with pytest.raises(KeytuiError, match="no longer be given up"):
        await giving_up.abandon(world.store, row.id)
    world.server.register(world.store.read(world.admin.id), "invalid")
    with pytest.raises(LeftBehind, match=world.old_id) as raised:
        await giving_up.abandon(world.store, row.id)
    current = world.current_id()
    await giving_up.leave(world.store, raised.value)
    assert world.store.rotations() == []
    assert world.current_id() == current != world.old_id
    assert [version.state for version in world.store.versions(world.key.id)] == ["current", "previous"]
    with pytest.raises(KeytuiError, match="got further"):
        await giving_up.leave(world.store, raised.value)


async def test_an_end_that_was_tried_and_failed_can_be_left(world: World) -> None:
    world.server.admin.fault("error_500", "DELETE", times=1)
    with pytest.raises(ProviderUnreachable):
        await world.rotate()
    (row,) = world.store.rotations()
    with pytest.raises(LeftBehind, match=world.old_id) as raised:
        await giving_up.abandon(world.store, row.id)
    await giving_up.leave(world.store, raised.value)
    assert world.store.rotations() == []
    assert world.old_id in world.live()


async def test_a_revocation_that_no_admin_key_can_carry_out_is_given_up(world: World) -> None:
    plan = await revoking.plan(world.store, world.key.id)
    rotation = revoking._begin(world.store, plan)
    world.server.register(world.store.read(world.admin.id), "invalid")
    with pytest.raises(LeftBehind, match=world.old_id) as raised:
        await giving_up.abandon(world.store, rotation.id)
    await giving_up.leave(world.store, raised.value)
    assert world.store.rotations() == []
    assert world.store.read(world.key.id) == world.old


async def test_deleting_a_key_cannot_forget_what_its_provider_issued(world: World) -> None:
    await world.rotate(grace_s=3_600)
    with pytest.raises(KeytuiError, match="being rotated"):
        world.store.delete(world.key.id, now=True)
    world.store.delete(world.key.id)
    (row,) = world.store.rotations()
    await issuing.end_now(world.store, row.id, stage=world.told.append)
    assert len(world.live()) == 1


async def test_the_admin_key_cannot_be_deleted_while_an_old_key_waits_for_it(world: World) -> None:
    await world.rotate(grace_s=3_600)
    with pytest.raises(KeytuiError, match=world.key.name):
        world.store.delete(world.admin.id)
    await issuing.end_now(world.store, world.store.rotations()[0].id, stage=world.told.append)
    world.store.delete(world.admin.id)


async def test_a_previous_value_is_kept_until_it_is_proven_dead(world: World) -> None:
    world.store.settings = world.store.settings._replace(keep_previous_days=0)
    await world.rotate(grace_s=3_600)
    world.store.purge()
    (row,) = world.store.rotations()
    await issuing.end_now(world.store, row.id, stage=world.told.append)
    assert len(world.store.versions(world.key.id)) == 1


async def test_a_key_that_a_lagging_list_hid_is_revoked_by_the_next_rotation(world: World) -> None:
    world.store.settings = world.store.settings._replace(propagation_seconds=1)
    world.server.admin.list_lag = 50
    world.server.admin.fault("drop_after", "POST", "api_keys")
    await world.rotate()
    lost = world.live() - {world.current_id()}
    assert len(lost) == 1
    for key in world.server.admin.organization.keys.values():
        key.unlisted = 0
    world.server.admin.list_lag = 0
    await world.rotate()
    assert world.live() == {world.current_id()}


async def test_an_orphan_the_provider_says_it_does_not_know_is_not_forgotten(world: World) -> None:
    world.server.admin.fault("drop_after", "POST", "api_keys")
    world.server.admin.fault("not_found", "DELETE", "api_keys")
    await world.rotate()
    assert world.live() == {world.current_id()}


async def test_a_revocation_that_may_have_been_done_is_not_forgotten_when_its_admin_key_is_refused(
    world: World,
) -> None:
    admin = world.store.read(world.admin.id)
    plan = await revoking.plan(world.store, world.key.id)
    world.server.admin.fault("drop_after", "DELETE", "api_keys")
    with pytest.raises(ProviderUnreachable):
        await revoking.start(world.store, plan, stage=world.told.append)
    world.server.register(admin, "invalid")
    with pytest.raises(KeyRefused):
        await world.resume()
    assert [row.kind for row in world.store.rotations()] == ["revoked"]
    world.server.register(admin, "valid")
    await world.resume()
    assert (world.live(), world.store.rotations()) == (set(), [])
