"""When a provider ends a key is known here as soon as it was read, and stays known."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from keytui.errors import ExpiryRequired, KeyUnclear
from keytui.flows import issue_plan, issuing, keys, revoking, undoing
from keytui.model import DAY
from tests.flows.issued import World
from tests.stores import fake_key, fields, memory_store

if TYPE_CHECKING:
    from keytui.settings import Settings

SOON = int(time.time()) + 5 * DAY


def ends(world: World, remote_id: str, at: int = SOON) -> None:
    """Let the provider end a key at a time."""
    world.server.admin.organization.keys[remote_id].expires_at = at


async def test_taking_an_edit_back_keeps_when_the_provider_ends_the_key(world: World) -> None:
    keys.edit(world.store, world.key.id, world.now().fields._replace(note="hello"))
    edited = world.store.undoable()
    assert edited is not None
    world.server.admin.require_expiry = 100 * DAY
    await world.rotate()
    end = world.now().expires_at
    assert end is not None
    await undoing.undo(world.store, edited)
    assert (world.now().note, world.now().expires_at, world.now().due_at) == ("", end, end)


@pytest.mark.parametrize("plan", [issue_plan.plan, revoking.plan], ids=["rotation", "revocation"])
async def test_a_plan_that_reads_the_provider_s_end_makes_the_key_due(world: World, plan: object) -> None:
    ends(world, world.old_id)
    assert world.store.counts().due == 0
    await plan(world.store, world.key.id)  # type: ignore[operator] # either of the two
    assert world.now().due_at == SOON
    assert world.store.counts().due == 1


async def test_the_earlier_of_the_interval_and_the_provider_s_end_counts(world: World) -> None:
    keys.edit(world.store, world.key.id, world.now().fields._replace(rotate_every_days=2))
    ends(world, world.old_id)
    await issue_plan.plan(world.store, world.key.id)
    assert world.now().expires_at == SOON
    assert world.now().due_at == world.now().rotated_at + 2 * DAY


async def test_every_key_whose_id_is_known_gets_its_end_from_the_same_look(world: World) -> None:
    secret = fake_key("sk-" + "svcacct-")
    twin = world.store.add(fields("twin", provider="openai", base_url=world.server.url), secret)
    remote_id = world.server.admin.add_key(secret, "twin's", account="other")
    world.know(remote_id, twin)
    ends(world, remote_id)
    await issue_plan.plan(world.store, world.key.id)
    assert (world.store.key(twin.id).expires_at, world.now().expires_at) == (SOON, None)


@pytest.mark.parametrize("provider", ["openai", "openrouter"])
async def test_a_policy_that_wants_a_shorter_life_gets_the_longest_it_grants(settings: Settings, provider: str) -> None:
    with World(memory_store(settings), provider=provider) as world:
        world.server.admin.require_expiry = 100 * DAY
        await world.rotate()
        end = world.now().expires_at
        assert end is not None
        assert abs(end - time.time() - 90 * DAY) < 60
        assert world.live() == {world.current_id()}


@pytest.mark.parametrize("provider", ["openai", "openrouter"])
async def test_a_policy_that_grants_no_life_is_told_with_something_to_do(settings: Settings, provider: str) -> None:
    with World(memory_store(settings), provider=provider) as world:
        world.server.admin.require_expiry = 60
        with pytest.raises(ExpiryRequired) as raised:
            await world.rotate()
        assert "paste it" in raised.value.hint
        assert world.store.rotations() == []
        assert world.live() == {world.old_id}


async def test_of_a_key_that_is_only_likely_nothing_is_kept(settings: Settings) -> None:
    with World(memory_store(settings), known=False) as world:
        ends(world, world.old_id)
        plan = await issue_plan.plan(world.store, world.key.id)
        assert [each.id for each in plan.likely] == [world.old_id]
        with pytest.raises(KeyUnclear):
            await revoking.plan(world.store, world.key.id)
        assert world.now().expires_at is None
        assert world.store.versions(world.key.id)[0].remote_id == ""


async def test_a_list_without_ends_takes_none_away(world: World) -> None:
    (version,) = world.store.versions(world.key.id)
    world.store.know_remote(version.id, version.remote._replace(expires_at=SOON))
    await issue_plan.plan(world.store, world.key.id)
    assert world.now().expires_at == SOON


async def test_a_plan_is_made_although_nothing_can_be_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from keytui.errors import StoreBusy

    def busy(*_: object) -> None:
        raise StoreBusy("Another keytui writes.")

    monkeypatch.setattr(world.store, "know_ends", busy)
    ends(world, world.old_id)
    plan = await issue_plan.plan(world.store, world.key.id)
    assert plan.old is not None


async def test_beginning_a_rotation_does_not_forget_an_end_that_the_list_left_out(world: World) -> None:
    (version,) = world.store.versions(world.key.id)
    world.store.know_remote(version.id, version.remote._replace(expires_at=SOON))
    plan = await issue_plan.plan(world.store, world.key.id)
    issuing._begin(world.store, plan)
    assert [each.expires_at for each in world.store.versions(world.key.id)] == [SOON]
