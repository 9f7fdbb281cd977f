"""A plan that was made for a value which is no longer the one in use: nothing is done, here or at the provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keytui.errors import KeytuiError
from keytui.flows import issue_plan, issuing, revoking, undoing
from tests.flows.issued import ACCOUNT
from tests.stores import fake_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flows.issued import World

    Start = Callable[[], Awaitable[object]]


def paste(world: World) -> str:
    """Switch to a value that the provider made on its page, as another keytui does; returns its remote id."""
    pasted = fake_key("sk-" + "svcacct-")
    remote_id = world.server.admin.add_key(pasted, "pasted meanwhile", account=ACCOUNT)
    world.store.switch(world.store.begin_rotation(world.key.id, pasted).id)
    return remote_id


async def refused(world: World, start: Start) -> None:
    """A stale plan is started: it is refused, and nothing has changed here or at the provider."""
    before = (world.live(), world.store.versions(world.key.id), world.store.rotations(unfinished=False))
    with pytest.raises(KeytuiError, match="changed meanwhile") as raised:
        await start()
    assert "Look again" in raised.value.hint
    assert (world.live(), world.store.versions(world.key.id), world.store.rotations(unfinished=False)) == before


async def rotation(world: World) -> Start:
    plan = await issue_plan.plan(world.store, world.key.id, grace_s=0)
    return lambda: issuing.start(world.store, plan, stage=world.told.append)


async def revocation(world: World) -> Start:
    plan = await revoking.plan(world.store, world.key.id)
    return lambda: revoking.start(world.store, plan, stage=world.told.append)


@pytest.mark.parametrize("planned", [rotation, revocation])
async def test_a_value_was_pasted_meanwhile(world: World, planned: Callable[[World], Awaitable[Start]]) -> None:
    start = await planned(world)
    pasted = paste(world)
    await refused(world, start)
    assert pasted == world.current_id()
    current = next(each for each in world.store.versions(world.key.id) if each.state == "current")
    assert current.remote_id == ""


@pytest.mark.parametrize("planned", [rotation, revocation])
@pytest.mark.parametrize("grace_s", [0, 3_600])
async def test_it_was_rotated_meanwhile(
    world: World, planned: Callable[[World], Awaitable[Start]], grace_s: int
) -> None:
    start = await planned(world)
    await world.rotate(grace_s=grace_s)
    await refused(world, start)


async def test_a_key_in_use_survives_a_stale_plan_and_an_undo_after_it(world: World) -> None:
    start = await rotation(world)
    await world.rotate(grace_s=3_600)
    await refused(world, start)
    event = world.store.undoable()
    assert event is not None
    await undoing.undo(world.store, event)
    await issuing.end_now(world.store, world.store.rotations()[0].id, stage=world.told.append)
    assert world.live() == {world.old_id} == {world.current_id()}
    assert (await word_now(world)) == "valid"


async def word_now(world: World) -> str:
    from keytui.providers import checks

    return (await checks.check(world.now(), world.store.read(world.key.id), timeout_s=20)).word


@pytest.mark.parametrize("planned", [rotation, revocation])
async def test_a_switch_was_undone_meanwhile(world: World, planned: Callable[[World], Awaitable[Start]]) -> None:
    await world.rotate(grace_s=3_600)
    start = await planned(world)
    event = world.store.undoable()
    assert event is not None
    await undoing.undo(world.store, event)
    await refused(world, start)


@pytest.mark.parametrize("planned", [rotation, revocation])
async def test_the_value_became_known_as_another_key_meanwhile(
    world: World, planned: Callable[[World], Awaitable[Start]]
) -> None:
    start = await planned(world)
    other = world.server.admin.add_key(fake_key("sk-" + "svcacct-"), "another", account=ACCOUNT)
    world.know(other)
    await refused(world, start)
