"""What was killed goes on later, when the world may have changed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from keytui.errors import KeyRefused
from keytui.flows import issuing
from keytui.storage import rows
from tests.flows.killing import killed_at, stopped_at

if TYPE_CHECKING:
    from tests.flows.issued import World


pytestmark = pytest.mark.slow  # most wait until a provider knows


def lose(world: World, version_id: int | None) -> None:
    """Let the store lose the value of a version."""
    core = world.store._core
    place = rows.place(core.index, world.key.id, version_id)
    core.backend(place.backend).delete(place.slot)


async def test_a_new_key_whose_value_was_lost_after_its_check_is_not_switched_to(world: World) -> None:
    await stopped_at(world, "rotate.verified")
    (row,) = world.store.rotations()
    lose(world, row.new_version)
    await world.resume()
    assert world.live() == {world.old_id, world.current_id()}
    assert row.remote_id not in world.live()


async def test_a_new_key_that_its_provider_ended_after_its_check_is_not_switched_to(world: World) -> None:
    await stopped_at(world, "rotate.verified")
    (row,) = world.store.rotations()
    world.server.admin.organization.keys[row.remote_id].deleted = True
    world.store.settings = world.store.settings._replace(propagation_seconds=1)
    with pytest.raises(KeyRefused) as raised:
        await world.resume()
    assert "The old one stays in use" in raised.value.sentence
    assert world.live() == {world.old_id} == {world.current_id()}
    assert world.store.rotations() == []


async def test_going_on_with_no_grace_is_meant_for_what_has_not_switched_too(world: World) -> None:
    with killed_at("issue.planned"):
        await world.rotate(grace_s=3_600)
    (row,) = world.store.rotations()
    world.store.hasten_rotation(row.id)
    await world.resume()
    assert world.live() == {world.current_id()} != {world.old_id}
    assert world.store.rotations() == []


async def test_an_undone_switch_keeps_its_grace_after_it_was_hastened(world: World) -> None:
    await world.rotate(grace_s=3_600)
    (row,) = world.store.rotations()
    world.store.hasten_rotation(row.id)
    event = world.store.undoable()
    assert event is not None
    world.store.undo(event.id)
    (row,) = world.store.rotations()
    assert (row.retire_at or 0) > time.time() + 3_000


async def test_an_old_key_whose_value_was_lost_is_not_called_refused(world: World) -> None:
    await world.rotate(grace_s=3_600)
    (row,) = world.store.rotations()
    lose(world, row.retiring_version)
    outcome = await issuing.end_now(world.store, row.id, stage=world.told.append)
    assert (outcome.state, outcome.revoked) == ("done", True)
    event = world.store.events(world.key.id)[0]
    for said in (outcome.sentence, event.detail):
        assert "no longer listed" in said
        assert "refused" not in said
    assert "refused" not in " ".join(stage.sentence for stage in world.told if stage.state == "done")
    assert world.live() == {world.current_id()}


async def test_a_refusal_that_was_seen_is_said(world: World) -> None:
    outcome = await world.rotate()
    assert outcome.sentence == world.store.events(world.key.id)[0].detail
    assert "refused" in outcome.sentence


@pytest.mark.parametrize("expired", [True, False], ids=["by then", "told to"])
async def test_a_key_that_its_provider_ended_and_still_lists_counts_as_ended(world: World, expired: bool) -> None:
    world.server.admin.deletes_keys = False
    await world.rotate(grace_s=3_600)
    (row,) = world.store.rotations()
    lose(world, row.retiring_version)
    if expired:
        world.server.admin.organization.keys[world.old_id].expires_at = int(time.time()) - 1
    outcome = await issuing.end_now(world.store, row.id, stage=world.told.append)
    assert outcome.state == "done"
    assert world.live() == {world.current_id()}
