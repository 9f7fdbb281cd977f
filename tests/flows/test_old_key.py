"""Which key at the provider is ended: what the person names is held against what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keytui.errors import KeyUnclear, UsageError
from keytui.flows import issue_plan, revoking
from keytui.model import RemoteKey, Secret
from tests.flows.issued import ACCOUNT, World
from tests.stores import fake_key, fields, memory_store

if TYPE_CHECKING:
    from keytui.settings import Settings


async def refused(world: World, named: str) -> str:
    """The sentence with which both a rotation and a revocation refuse the named id; nothing ends at the provider."""
    before = world.live()
    sentences = set()
    for plan in (issue_plan.plan, revoking.plan):
        with pytest.raises(UsageError) as raised:
            await plan(world.store, world.key.id, old_key_id=named)
        sentences.add(raised.value.sentence)
    assert world.live() == before
    (sentence,) = sentences
    return sentence


async def test_no_other_id_is_taken_where_the_keys_own_is_known(settings: Settings) -> None:
    with World(memory_store(settings)) as world:
        other = world.server.admin.add_key(fake_key("sk-" + "svcacct-"), "another team's", account="other")
        assert world.old_id in await refused(world, other)


async def test_an_id_whose_shown_value_is_another_ones_is_refused(settings: Settings) -> None:
    with World(memory_store(settings), known=False) as world:
        other = world.server.admin.add_key(fake_key("sk-" + "svcacct-"), "another team's", account="other")
        assert "another team's" in await refused(world, other)
        assert (await issue_plan.plan(world.store, world.key.id, old_key_id=world.old_id)).old is not None


def looking_like(secret: Secret) -> Secret:
    """Another value of which the provider shows the same."""
    text = secret.reveal()
    return Secret(text[:8] + fake_key("").reveal() + text[-4:])


async def test_an_id_that_another_stored_key_has_is_refused(settings: Settings) -> None:
    with World(memory_store(settings), known=False) as world:
        twin = looking_like(world.old)
        theirs = world.store.add(fields("twin", provider="openai", base_url=world.server.url), twin)
        remote_id = world.server.admin.add_key(twin, "shown like ours", account="other")
        world.know(remote_id, theirs)
        assert "“twin”" in await refused(world, remote_id)


async def test_a_key_stored_twice_may_be_named(settings: Settings) -> None:
    with World(memory_store(settings), known=False) as world:
        same = world.store.add(fields("same", provider="openai", base_url=world.server.url), world.old)
        world.know(world.old_id, same)
        assert (await revoking.plan(world.store, world.key.id, old_key_id=world.old_id)).old.id == world.old_id


async def test_where_the_known_key_is_gone_only_one_that_looks_like_it_is_taken(settings: Settings) -> None:
    with World(memory_store(settings)) as world:
        again = world.server.admin.add_key(looking_like(world.old), "made anew", account="robot")
        other = world.server.admin.add_key(fake_key("sk-" + "svcacct-"), "another team's", account="other")
        world.server.admin.organization.keys[world.old_id].deleted = True
        await refused(world, other)
        assert (await revoking.plan(world.store, world.key.id, old_key_id=again)).old.id == again
        with pytest.raises(KeyUnclear, match=world.old_id):
            await revoking.plan(world.store, world.key.id)
        assert world.old_id in " ".join((await issue_plan.plan(world.store, world.key.id)).sentences)


async def test_an_account_that_is_known_or_named_is_not_called_likely(settings: Settings) -> None:
    with World(memory_store(settings)) as world:
        plan = await issue_plan.plan(world.store, world.key.id)
        assert not plan.guessed
        assert "likely" not in " ".join(plan.sentences)
        (version,) = world.store.versions(world.key.id)
        world.store.know_remote(version.id, RemoteKey())
        assert (await issue_plan.plan(world.store, world.key.id)).guessed
        assert not (await issue_plan.plan(world.store, world.key.id, to_account=ACCOUNT)).guessed
