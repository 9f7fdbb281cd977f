"""Where a key is sent stays the same while its provider is issuing or ending one: only there is a refusal a proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keytui.errors import InvalidInput, KeytuiError, UndoRefused
from keytui.flows import issue_plan, issuing, keys, revoking, undoing

if TYPE_CHECKING:
    from keytui.model import Key, KeyFields
    from tests.flows.issued import World


def moved(key: Key) -> KeyFields:
    return key.fields._replace(base_url="http://127.0.0.1:9/v1")


async def test_neither_the_key_nor_its_admin_key_moves_before_the_old_one_is_dead(world: World) -> None:
    await world.rotate(grace_s=3_600)
    (row,) = world.store.rotations()
    for key in (world.now(), world.admin):
        for fields in (moved(key), key.fields._replace(provider="custom")):
            with pytest.raises(InvalidInput) as raised:
                keys.edit(world.store, key.id, fields)
            assert issue_plan.until(row.retire_at or 0) in raised.value.sentence
            assert "--resume --now" in raised.value.hint
        assert world.store.key(key.id).fields == key.fields
    keys.edit(world.store, world.key.id, world.now().fields._replace(name="renamed", note="moves later"))
    await issuing.end_now(world.store, row.id, stage=world.told.append)
    for key in (world.store.key(world.key.id), world.admin):
        assert keys.edit(world.store, key.id, moved(key)).base_url == moved(key).base_url


async def test_an_edit_of_the_address_is_not_taken_back_meanwhile(world: World) -> None:
    there = world.server.url
    keys.edit(world.store, world.key.id, moved(world.key))
    keys.edit(world.store, world.key.id, world.now().fields._replace(base_url=there))
    event = world.store.undoable()
    assert event is not None
    world.store.plan_revocation(world.key.id, admin_key_id=world.admin.id)
    with pytest.raises(UndoRefused, match="being revoked"):
        await undoing.undo(world.store, event)
    assert world.now().base_url == there


async def test_nothing_begins_for_an_address_that_was_changed_since_the_plan(world: World) -> None:
    plan = await issue_plan.plan(world.store, world.key.id)
    revocation = await revoking.plan(world.store, world.key.id)
    keys.edit(world.store, world.key.id, moved(world.key))
    with pytest.raises(KeytuiError, match="changed meanwhile"):
        await issuing.start(world.store, plan, stage=world.told.append)
    with pytest.raises(KeytuiError, match="changed meanwhile"):
        await revoking.start(world.store, revocation, stage=world.told.append)
    assert world.live() == {world.old_id}
    assert world.store.rotations() == []
