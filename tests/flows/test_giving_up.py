"""Giving up what was issued and never used: nothing of it is left at the provider, or it is said what may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keytui.errors import KeyRefused, LeftBehind, ProviderUnreachable, StoreRefused
from keytui.flows import giving_up, issue_plan, issuing, resuming
from keytui.model import RemoteKey
from keytui.providers import issuers
from tests.flows.killing import stopped_at

if TYPE_CHECKING:
    from tests.flows.issued import World


pytestmark = pytest.mark.slow  # most wait until a provider knows


async def given_up(world: World) -> None:
    (row,) = world.store.rotations()
    await giving_up.abandon(world.store, row.id)
    for key in world.server.admin.organization.keys.values():
        key.unlisted = 0
    assert world.store.rotations() == []


async def test_a_list_that_is_behind_hides_nothing_of_a_lost_answer(world: World) -> None:
    world.server.admin.list_lag = 4
    world.server.admin.fault("drop_after", "POST", "api_keys", times=2)
    with pytest.raises(ProviderUnreachable):
        await world.rotate()
    await given_up(world)
    assert world.live() == {world.old_id}


async def test_killed_as_the_answer_was_lost_and_given_up(world: World) -> None:
    plan = await issue_plan.plan(world.store, world.key.id)
    row = issuing._begin(world.store, plan)
    world.server.admin.list_lag = 3
    admin = world.store.read(world.admin.id)
    async with issuers.open_issuer(world.admin, admin, timeout_s=5) as issuer:
        await issuer.issue(plan.home, row.remote_name, expires_in_s=None)
    await given_up(world)
    assert world.live() == {world.old_id}


async def test_a_key_that_the_provider_says_it_does_not_know_yet_is_revoked_all_the_same(world: World) -> None:
    await stopped_at(world, "rotate.stored")
    world.server.admin.fault("not_found", "DELETE", "api_keys")
    await given_up(world)
    assert world.live() == {world.old_id}


async def test_a_key_that_stays_listed_is_named_and_the_journal_keeps_it(world: World) -> None:
    await stopped_at(world, "rotate.stored")
    world.server.admin.fault("not_found", "DELETE", "api_keys", times=10_000)
    (row,) = world.store.rotations()
    with pytest.raises(LeftBehind, match=row.remote_id):
        await giving_up.abandon(world.store, row.id)
    assert [each.id for each in world.store.rotations()] == [row.id]


async def test_a_look_that_lasts_is_told(world: World) -> None:
    world.server.admin.fault("error_500", "POST", "api_keys", times=2)
    with pytest.raises(ProviderUnreachable):
        await world.rotate()
    world.told.clear()
    await giving_up.abandon(world.store, world.store.rotations()[0].id, stage=world.told.append)
    assert any(stage.slow for stage in world.told)


async def test_a_key_that_could_not_be_stored_is_not_forgotten_when_the_provider_says_it_knows_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_rotation: int, _secret: object, _remote: RemoteKey) -> None:
        raise StoreRefused("The disk is full.")

    plan = await issue_plan.plan(world.store, world.key.id, grace_s=0)
    world.server.admin.fault("not_found", "DELETE", "api_keys")
    with monkeypatch.context() as patch:
        patch.setattr(world.store, "keep_issued", full)
        with pytest.raises(StoreRefused):
            await issuing.start(world.store, plan, stage=world.told.append)
    (row,) = world.store.rotations()
    assert {live.name for live in world.server.admin.live()} & set(row.tried)
    await world.resume()
    assert world.live() == {world.current_id()}


async def test_a_new_key_that_never_works_is_revoked_even_when_the_provider_first_says_it_knows_none(
    world: World,
) -> None:
    world.server.admin.activation_lag = 10_000
    world.store.settings = world.store.settings._replace(propagation_seconds=1)
    world.server.admin.fault("not_found", "DELETE", "api_keys")
    with pytest.raises(KeyRefused):
        await world.rotate()
    assert world.live() == {world.old_id}
    assert world.store.rotations() == []


async def test_giving_up_that_was_interrupted_goes_on_as_that(world: World) -> None:
    await stopped_at(world, "rotate.stored")
    world.server.admin.fault("drop_after", "DELETE", "api_keys")
    with pytest.raises(LeftBehind):
        await giving_up.abandon(world.store, world.store.rotations()[0].id)
    assert "given up" in resuming.next_step(world.store, world.store.rotations()[0], due=True)
    await world.resume()
    assert world.store.rotations() == []
    assert world.live() == {world.old_id} == {world.current_id()}
