"""Where a key goes only with its service account, no other key that is known here goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keytui.flows import revoking
from tests.flows.issued import ACCOUNT
from tests.stores import fake_key, fields

if TYPE_CHECKING:
    from tests.flows.issued import World


@pytest.fixture
def twin(world: World) -> str:
    """Id of another stored key of the same service account, which no list shows; keys are not deleted alone."""
    secret = fake_key("sk-" + "svcacct-")
    stored = world.store.add(fields("twin", provider="openai", base_url=world.server.url), secret)
    remote_id = world.server.admin.add_key(secret, "twin's", account=ACCOUNT)
    world.know(remote_id, stored)
    world.server.admin.organization.keys[remote_id].unlisted = 1_000
    world.server.admin.deletes_keys = False
    return remote_id


async def test_revoking_a_key_leaves_another_stored_one_of_its_account_alone(world: World, twin: str) -> None:
    plan = await revoking.plan(world.store, world.key.id)
    await revoking.start(world.store, plan, stage=world.told.append)
    assert world.live() == {twin}


async def test_a_rotation_leaves_another_stored_key_of_its_account_alone(world: World, twin: str) -> None:
    world.server.admin.list_lag = 1_000
    await world.rotate()
    assert world.live() == {twin, world.current_id()}


async def test_an_orphan_s_end_leaves_another_stored_key_of_its_account_alone(world: World, twin: str) -> None:
    world.server.admin.fault("drop_after", "POST", "api_keys")
    await world.rotate()
    assert world.live() == {twin, world.current_id()}
