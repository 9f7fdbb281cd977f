"""Revoking a leaked key now, also while a rotation of it has not ended: the wish is journaled before anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keytui.errors import KeyRefused, KeytuiError, LeftBehind, ProviderUnreachable, StoreBusy, UndoRefused
from keytui.flows import giving_up, issue_plan, issuing, revoking, undoing
from tests.flows.issued import ACCOUNT
from tests.flows.killing import killed_at, stopped_at
from tests.stores import fake_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flows.issued import World

    Before = Callable[[World], Awaitable[None]]


async def lost_answer(world: World) -> None:
    """Rotate until the answers with the new keys are lost."""
    world.server.admin.fault("drop_after", "POST", "api_keys", times=2)
    with pytest.raises(ProviderUnreachable):
        await world.rotate()


async def in_grace(world: World) -> None:
    await world.rotate(grace_s=3_600)


async def undone(world: World) -> None:
    await world.rotate(grace_s=3_600)
    event = world.store.undoable()
    assert event is not None
    await undoing.undo(world.store, event)


async def switched(world: World) -> None:
    await stopped_at(world, "rotate.switched")


async def stored(world: World) -> None:
    await stopped_at(world, "rotate.stored")


async def value_lost(world: World) -> None:
    await stopped_at(world, "issue.row_pending")


async def revoke(world: World) -> issuing.Outcome:
    plan = await revoking.plan(world.store, world.key.id)
    return await revoking.start(world.store, plan, stage=world.told.append)


BEFORE = [in_grace, undone, switched, stored, value_lost, lost_answer]


@pytest.mark.parametrize("before", BEFORE)
async def test_a_failure_leaves_the_wish_in_the_journal_and_resuming_ends_every_key(
    world: World, before: Before
) -> None:
    await before(world)
    world.server.admin.fault("error_500", "DELETE", times=1)
    with pytest.raises(ProviderUnreachable):
        await revoke(world)
    assert [row.kind for row in world.store.rotations()] == ["revoked"]
    await world.resume()
    assert world.live() == set()
    assert world.store.rotations() == []
    assert [key.name for key in world.store.keys()] == [world.admin.name]


@pytest.mark.parametrize("before", BEFORE)
async def test_killed_right_after_it_was_agreed_it_revokes_everything_at_the_next_start(
    world: World, before: Before
) -> None:
    await before(world)
    with killed_at("revoke.planned"):
        await revoke(world)
    world.store.recover()
    await world.resume()
    assert world.live() == set()
    assert [key.name for key in world.store.keys()] == [world.admin.name]


async def test_the_leaked_key_is_the_first_to_go(world: World) -> None:
    await in_grace(world)
    leaked = world.current_id()
    world.server.admin.calls.clear()
    await revoke(world)
    deleted = [path.rpartition("/")[2] for method, path in world.server.admin.calls if method == "DELETE"]
    assert deleted == [leaked, world.old_id]


async def test_nothing_begins_while_another_process_drives_the_rotation(world: World) -> None:
    await in_grace(world)
    (row,) = world.store.rotations()
    plan = await revoking.plan(world.store, world.key.id)
    lock = world.store.rotation_lock(row.id)
    lock.acquire()
    with pytest.raises(StoreBusy):
        await revoking.start(world.store, plan, stage=world.told.append)
    lock.release()
    assert world.store.rotations() == [row]


@pytest.mark.parametrize("pasted", [False, True], ids=["issued", "pasted"])
async def test_a_switch_is_not_undone_while_its_key_is_being_revoked(world: World, pasted: bool) -> None:
    if pasted:
        secret = fake_key("sk-" + "svcacct-")
        world.server.admin.add_key(secret, "pasted", account=ACCOUNT)
        world.store.switch(world.store.begin_rotation(world.key.id, secret).id)
        world.know(world.current_id())
    else:
        await in_grace(world)
    event = world.store.undoable()
    assert event is not None
    world.server.admin.fault("error_500", "DELETE", times=1)
    with pytest.raises(ProviderUnreachable):
        await revoke(world)
    with pytest.raises(UndoRefused, match="being revoked"):
        await undoing.undo(world.store, event)


async def test_a_refused_admin_key_forgets_neither_the_old_key_nor_the_wish(world: World) -> None:
    await in_grace(world)
    plan = await revoking.plan(world.store, world.key.id)
    admin = world.store.read(world.admin.id)
    world.server.register(admin, "invalid")
    with pytest.raises(KeyRefused):
        await revoking.start(world.store, plan, stage=world.told.append)
    world.server.register(admin, "valid")
    await world.resume()
    assert world.live() == set()


@pytest.mark.parametrize(("before", "states"), [(in_grace, ["current", "previous"]), (stored, ["current"])])
async def test_given_up_every_key_that_lives_on_is_named_and_no_value_in_use_is_lost(
    world: World, before: Before, states: list[str]
) -> None:
    await before(world)
    (earlier,) = world.store.rotations()
    world.server.admin.fault("error_500", "DELETE", times=1)
    with pytest.raises(ProviderUnreachable):
        await revoke(world)
    (row,) = world.store.rotations()
    with pytest.raises(LeftBehind) as raised:
        await giving_up.abandon(world.store, row.id)
    for name in (world.current_id(), world.old_id if before is in_grace else earlier.remote_name):
        assert name in raised.value.sentence
    await giving_up.leave(world.store, raised.value)
    assert world.store.rotations() == []
    assert [version.state for version in world.store.versions(world.key.id)] == states
    for version in world.store.versions(world.key.id):
        world.store.read(world.key.id, version.id)


async def test_a_rotation_after_it_was_given_up_finds_what_was_left(world: World) -> None:
    await stored(world)
    world.server.admin.fault("error_500", "DELETE", times=1)
    with pytest.raises(ProviderUnreachable):
        await revoke(world)
    with pytest.raises(LeftBehind) as raised:
        await giving_up.abandon(world.store, world.store.rotations()[0].id)
    await giving_up.leave(world.store, raised.value)
    assert len((await issue_plan.plan(world.store, world.key.id)).orphans) == 1
    await world.rotate()
    assert world.live() == {world.current_id()}


async def test_what_was_given_up_meanwhile_is_not_called_revoked(world: World) -> None:
    world.server.admin.fault("error_500", "DELETE", times=1)
    with pytest.raises(ProviderUnreachable):
        await revoke(world)
    plan = await revoking.plan(world.store, world.key.id)
    world.store.leave_rotation(world.store.rotations()[0].id, "Given up elsewhere.")
    outcome = await revoking.start(world.store, plan, stage=world.told.append)
    assert (outcome.state, outcome.revoked, outcome.key) == ("abandoned", False, world.now())
    assert "given up" in outcome.sentence
    assert world.live() == {world.old_id}


async def test_a_stored_successor_that_was_pasted_is_not_deleted_with_it(world: World) -> None:
    world.store.begin_rotation(world.key.id, fake_key())
    with pytest.raises(KeytuiError, match="stored and not in use"):
        await revoking.plan(world.store, world.key.id)
