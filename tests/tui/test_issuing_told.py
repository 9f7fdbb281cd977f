"""What the app says of rotations by the provider is so: after an undo, at failures, of what another process does."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from keytui.errors import StoreRefused
from keytui.flows import issue_plan
from keytui.model import Secret
from keytui.providers import client
from keytui.storage.keystore import Keystore
from tests.tui.conftest import opened
from tests.tui.issued import ADMIN, add, dialog, in_use, live, planned, rotated, says, undone

if TYPE_CHECKING:
    from keytui.model import Key
    from keytui.settings import Settings
    from tests.tui.conftest import World


pytestmark = pytest.mark.slow  # whole rotations by keys; test_issuing.py has the quick ones


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    client.warm_up()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings._replace(propagation_seconds=1)


# --- after an undo


async def test_after_an_undo_it_is_the_new_key_that_ends_and_the_screen_says_so(world: World) -> None:
    key, old = add(world)
    new = await rotated(world, key)
    await undone(world)
    async with opened(world) as app:
        await app.press("r")
        await says(app, "Ctrl+E End the new key now")
        for part in ("Undone", "The old key is in use again until", "when OpenAI ends it", "The new key works until"):
            assert part in dialog(app)
        for part in ("The new key is in use", "takes the switch back", "The old key is revoked"):
            assert part not in dialog(app)
        await app.press("ctrl+e")
        await says(app, "End the new key now?")
        await app.press("y")
        await says(app, "Done. The new key is gone for good. The old key is in use again until ")
        for part in ("OpenAI was told to revoke the new key", "The new key is refused"):
            assert part in dialog(app)
        assert live(world) == [old] == [in_use(world, key)] != [new]


async def test_end_of_an_undone_rotation_is_told_as_what_it_is(world: World) -> None:
    key, old = add(world)
    await rotated(world, key)
    await undone(world)
    world.store.hasten_rotation(world.store.rotations()[0].id)
    async with opened(world) as app:
        await app.until(lambda: app.toasts, "the end is told")
        assert app.toasts == "“bot” keeps its old key: its rotation was undone. The new key is revoked."
    assert live(world) == [old]


# --- what failed is tried again


def deletes(world: World) -> int:
    return sum(method == "DELETE" for method, _path in world.server.admin.calls)


async def test_retirement_that_failed_is_tried_again_with_a_growing_pause_and_told_once(world: World) -> None:
    key, old = add(world)
    await rotated(world, key)
    async with opened(world) as app:
        world.store.hasten_rotation(world.store.rotations()[0].id)
        world.server.admin.fault("error_500", "DELETE", times=2)
        tried, told = [], []
        for _minute in range(5):
            await app.tick(60)
            await app.quiet()
            tried.append(deletes(world))
            told.append(app.toasts)
            app.app.clear_notifications()
        assert tried == [1, 2, 2, 3, 3]
        assert told[0].startswith("The rotation of “bot” stopped: ")
        assert told[0].endswith("It is tried again by itself; r shows it.")
        assert told[1:] == ["", "", "“bot” is rotated. The old key is revoked.", ""]
    assert old not in live(world)


async def test_what_the_person_looks_at_or_gives_up_is_not_tried_behind_their_back(world: World) -> None:
    _key, old = add(world)
    async with opened(world) as app:
        await planned(app)
        world.server.admin.fault("drop_before", "POST", "/api_keys", times=2)
        await app.press("ctrl+s")
        await says(app, "Give it up")
        await app.tick(3_600)
        await app.quiet()
        await says(app, "Give it up")
        world.server.admin.fault("error_500", times=1)
        await app.press("ctrl+g")
        await says(app, "Give it up anyway")
        await app.press("escape")
        await app.tick(7_200)
        await app.quiet()
    assert live(world) == [old]


# --- no dead ends


def second_admin(world: World, name: str, state: str = "valid") -> Key:
    secret = Secret("sk-" + "admin-" + "Sec0nd" * 16)
    world.server.register(secret, state)
    return world.add(name, secret=secret, kind="admin", env="OPENAI_ADMIN_KEY")


async def test_which_of_several_admin_keys_revokes_is_chosen(world: World, size: tuple[int, int]) -> None:
    add(world)
    second_admin(world, "aadmin", "invalid")
    async with opened(world, size) as app:
        await app.press("j")
        assert app.selected == "bot"
        await app.press("d", "r")
        await says(app, "does not accept the admin key")
        assert "Enter Choose the admin key" in dialog(app)
        await app.press("enter", "down", "enter")
        await says(app, "Type it to agree")
        assert "Admin key zadmin" in dialog(app)
        await app.type("bot")
        await app.press("ctrl+s")
        await says(app, "Revoked at OpenAI, and proven: the key is refused there.")
    assert live(world) == []


async def test_which_of_several_admin_keys_rotates_is_chosen(world: World, size: tuple[int, int]) -> None:
    key, old = add(world)
    second = second_admin(world, "zzadmin")
    async with opened(world, size) as app:
        await planned(app)
        assert "Admin key zadmin" in dialog(app)
        await app.press("shift+tab", "enter", "down", "enter")
        await says(app, "Admin key zzadmin")
        await says(app, "Ctrl+S")
        await app.press("ctrl+s")
        await says(app, "End the old key now")
    assert world.store.rotations()[0].admin_key_id == second.id
    assert live(world) == [old, in_use(world, key)]


async def test_another_account_is_named_where_the_keys_own_is_gone(world: World) -> None:
    key, _old = add(world)
    organization = world.server.admin.organization
    organization.delete_account(next(iter(organization.accounts)))
    async with opened(world) as app:
        await planned(app)
        await app.press("ctrl+s")
        await says(app, "✗ Issue OpenAI knows no such service account or project.")
        await app.press("ctrl+r")
        await says(app, "Ctrl+S Start")
        assert "keytui-bot" in dialog(app)
        await app.press("ctrl+s")
        await says(app, "The new key is in use")
    [account] = organization.accounts.values()
    assert account.name == "keytui-bot"
    assert live(world) == [in_use(world, key)]


async def test_old_key_that_is_gone_is_told_as_the_command_tells_it(world: World) -> None:
    key, old = add(world)
    world.server.admin.organization.keys[old].deleted = True
    plan = await issue_plan.plan(world.store, key.id)
    async with opened(world) as app:
        await planned(app)
        assert plan.sentences[-1] in dialog(app)
        assert "Old key's id" not in dialog(app)
        assert "not revoked" not in dialog(app)


# --- the stage is the one where it stands


async def test_revocation_is_shown_as_one_under_r(world: World) -> None:
    key, old = add(world)
    world.store.plan_revocation(key.id, admin_key_id=world.store.find("zadmin").id)
    world.server.admin.fault("error_500", "DELETE", times=9)
    async with opened(world) as app:
        assert app.toasts.startswith("The revocation of “bot” stopped: ")
        await app.press("r")
        await says(app, "Ctrl+R Try again")
        assert "Revoke bot" in dialog(app)
        assert "✗ Revoke" in dialog(app)
        for part in ("Issue", "Switch", "earlier", "Interrupted"):
            assert part not in dialog(app)
        await app.press("ctrl+g")
        await says(app, "Give it up anyway")
        assert "✗ Revoke" in dialog(app)
        assert "Issue" not in dialog(app)
        assert live(world) == [old]
        world.server.admin.clear_faults()
        await app.press("ctrl+r")
        await says(app, "Done. Revoked at OpenAI, and proven: the key is refused there.")
    assert live(world) == []


async def test_what_another_process_does_is_told_as_that_until_it_has_ended(world: World) -> None:
    key, _old = add(world)
    await rotated(world, key)
    [row] = world.store.rotations()
    lock = world.store.rotation_lock(row.id)
    lock.acquire()
    world.store.hasten_rotation(row.id)
    async with opened(world) as app:
        await app.press("r")
        await says(app, "Another keytui is working on this rotation")
        assert "◌ Retire" in dialog(app)
        for part in ("Interrupted", "✗", "Try again", "Give it up"):
            assert part not in dialog(app)
        await app.tick(60)  # the app looks for grace periods that are over, and finds this one taken
        await app.quiet()
        world.store.end_retirement(row.id, "Revoked.")
        await says(app, "Another keytui has finished it. The new key is in use.")
        lock.release(ended=True)


async def test_failure_is_marked_at_the_stage_where_it_is(world: World) -> None:
    key, _old = add(world)
    await rotated(world, key)
    world.store.hasten_rotation(world.store.rotations()[0].id)
    world.server.admin.fault("error_500", "DELETE", times=2)
    async with opened(world) as app:
        await app.press("r")
        await says(app, "✗ Retire")
        assert "The new key is in use. The old one still works, or is not proven dead." in dialog(app)
        await app.press("ctrl+r")
        await app.until(lambda: deletes(world) == 2)
        await says(app, "✗ Retire")
        assert dialog(app).count("✗") == 1
        world.server.register(ADMIN, "invalid")
        await app.press("ctrl+g")
        await says(app, "Give it up anyway")
        assert "✗ Retire" in dialog(app)
        assert dialog(app).count("✗") == 1


async def test_key_that_cannot_be_stored_fails_at_that_stage_and_is_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, old = add(world)

    def refuse(*_arguments: object) -> NoReturn:
        raise StoreRefused("The disk is full.", "Make room.")

    monkeypatch.setattr(Keystore, "keep_issued", refuse)
    async with opened(world) as app:
        await planned(app)
        await app.press("ctrl+s")
        await says(app, "✗ Store The disk is full. Make room.")
        assert "✓ Issue" in dialog(app)
        assert "The old key is in use, and nothing is left of the new one." in dialog(app)
    assert live(world) == [old] == [in_use(world, key)]


async def test_revocation_that_is_not_proven_fails_at_its_proof(world: World) -> None:
    key, old = add(world)
    await rotated(world, key)
    world.store.hasten_rotation(world.store.rotations()[0].id)
    world.server.admin.revocation_lag = 999
    async with opened(world) as app:
        await app.press("r")
        await says(app, "Ctrl+R Try again")
        await app.press("ctrl+r")
        await says(app, "✗ Confirm")
        assert "✓ Retire" in dialog(app)
        assert "keytui tries again by itself" in dialog(app)
    assert old not in live(world)


async def test_what_can_be_done_is_offered_where_the_provider_was_not_told_the_old_keys_end(world: World) -> None:
    key, old = add(world)
    async with opened(world) as app:
        await planned(app)
        world.server.admin.fault("error_500", "POST", f"/api_keys/{old}", times=9)
        await app.press("ctrl+s")
        await says(app, "✗ Retire")
        assert "u in the list takes the switch back" in dialog(app)
        assert "Give it up" not in dialog(app)
        world.server.admin.clear_faults()
        await app.press("ctrl+e", "y")
        await says(app, "Done.")
    assert live(world) == [in_use(world, key)] != [old]
