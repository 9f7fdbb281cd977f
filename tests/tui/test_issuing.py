"""Rotating and revoking by the provider, by keys alone, against the demo server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from keytui.demo.organization import DEFAULT_PROJECT
from keytui.flows import issuing
from keytui.model import Secret
from keytui.providers import client
from keytui.storage.keystore import Keystore
from keytui.tui.screens.issue import IssueScreen
from keytui.tui.screens.rotate import RotateScreen
from tests.tui.conftest import opened
from tests.tui.issued import ADMIN, BOT, MINE, add, in_use, live, planned, sees, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.flows.issue_plan import Plan
    from keytui.flows.rotation import Stage
    from keytui.settings import Settings
    from tests.tui.conftest import World


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    client.warm_up()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings._replace(propagation_seconds=1)


async def test_one_key_press_issues_and_another_ends_the_old_key(world: World, size: tuple[int, int]) -> None:
    key, old = add(world)
    async with opened(world, size) as app:
        await planned(app)
        for part in ("Issued by", "zadmin", "Account", old, "cannot be", "Issue", "Confirm", "Paste one instead"):
            assert part in text(app)
        assert world.server.admin.organization.keys[old].expires_at is None
        await app.press("ctrl+s")
        await sees(app, "End the old key now")
        assert text(app).count("✓") >= 4
        new = in_use(world, key)
        assert live(world) == [old, new]
        assert world.server.admin.organization.keys[old].expires_at is not None
        await app.press("ctrl+e", "y")
        await sees(app, "Done.")
        assert live(world) == [new] == [in_use(world, key)]
        await app.press("enter")
        if size[0] >= 120:  # Details is high enough to show it
            await sees(app, f"At OpenAI {new}")
    assert world.store.rotations() == []


@pytest.mark.slow
async def test_key_of_a_person_is_succeeded_by_a_service_accounts_once_agreed(world: World) -> None:
    key, old = add(world, secret=MINE, account="")
    async with opened(world) as app:
        await planned(app)
        for part in ("belongs to a person", "keytui-bot", "agrees"):
            assert part in text(app)
        await app.press("ctrl+s")
        await sees(app, "End the old key now")
    [account] = world.server.admin.organization.accounts.values()
    assert account.name == "keytui-bot"
    assert live(world) == [old, in_use(world, key)]


async def test_key_that_is_not_certain_is_not_revoked_unless_its_id_is_given(world: World) -> None:
    key, old = add(world, known=False)
    async with opened(world) as app:
        await planned(app)
        assert "Likely" in text(app)
        await app.type("key_other")
        await app.press("ctrl+s")
        await sees(app, "no key with this id")
        assert len(live(world)) == 1
        for _ in "key_other":
            await app.press("backspace")
        await app.press("ctrl+s")
        await sees(app, "was not revoked")
        assert live(world) == [old, in_use(world, key)]


@pytest.mark.slow
async def test_likely_key_is_retired_once_its_id_is_given(world: World) -> None:
    key, old = add(world, known=False)
    async with opened(world) as app:
        await planned(app)
        await app.type(old)
        await app.press("ctrl+s")
        await sees(app, "more hours after the switch")
        await app.press("backspace", "backspace", "0", "ctrl+s")
        await sees(app, "Done.")
        assert live(world) == [in_use(world, key)] != [old]


@pytest.mark.slow
async def test_pasting_is_one_key_away(world: World) -> None:
    add(world)
    async with opened(world) as app:
        await planned(app)
        await app.press("ctrl+n")
        await app.until(lambda: isinstance(app.app.screen, RotateScreen))
        await app.press("escape")
        assert len(live(world)) == 1


@pytest.mark.slow
async def test_what_is_no_number_of_hours_is_refused(world: World) -> None:
    add(world)
    async with opened(world) as app:
        await planned(app)
        await app.press("x", "ctrl+s")
        await sees(app, "Give whole hours")
        assert len(live(world)) == 1


async def test_failure_says_where_it_stopped_and_what_to_press_and_goes_on(world: World) -> None:
    key, old = add(world)
    async with opened(world) as app:
        await planned(app)
        world.server.admin.fault("drop_after", "POST", "/api_keys", times=2)
        await app.press("ctrl+s")
        await sees(app, "Try again")
        assert "✗ Issue" in text(app)
        assert "The old key is in use." in text(app)
        assert in_use(world, key) == old
        await app.press("ctrl+r")
        await sees(app, "End the old key now")
        assert live(world) == [old, in_use(world, key)]


@pytest.mark.slow
async def test_rotation_that_stopped_can_be_given_up(world: World) -> None:
    key, old = add(world)
    async with opened(world) as app:
        await planned(app)
        world.server.admin.fault("drop_after", "POST", "/api_keys", times=2)
        await app.press("ctrl+s")
        await sees(app, "Give it up")
        await app.press("ctrl+g")
        await sees(app, "Given up.")
    assert live(world) == [old] == [in_use(world, key)]
    assert world.store.rotations() == []


async def test_rotation_whose_admin_key_died_is_given_up_once_it_is_said_what_lives_on(world: World) -> None:
    key, old = add(world)
    async with opened(world) as app:
        await planned(app)
        world.server.admin.fault("drop_after", "POST", "/api_keys", times=2)
        await app.press("ctrl+s")
        await sees(app, "Give it up")
        world.server.register(ADMIN, "invalid")
        await app.press("ctrl+g")
        await sees(app, "Give it up anyway")
        assert "may have a key named" in text(app)
        await app.press("ctrl+g")
        await sees(app, "Give it up anyway?")
        await app.press("enter")
        assert len(world.store.rotations()) == 1
        await app.press("ctrl+g", "y")
        await sees(app, "Given up.")
    assert in_use(world, key) == old
    assert world.store.rotations() == []


@pytest.mark.slow
async def test_admin_key_that_is_refused_leaves_everything_and_says_so(world: World) -> None:
    add(world)
    world.server.register(ADMIN, "invalid")
    async with opened(world) as app:
        await app.press("r")
        await sees(app, "Nothing was changed.")
        assert "does not accept the admin key" in text(app)
        world.server.register(ADMIN, "valid")
        await app.press("ctrl+r")
        await sees(app, "Ctrl+S")


@pytest.mark.slow
async def test_left_rotation_runs_on_and_is_shown_again(world: World) -> None:
    key, old = add(world)
    async with opened(world) as app:
        await planned(app)
        world.server.admin.fault("delay", "POST", "/api_keys", seconds=1)
        await app.press("ctrl+s")
        await sees(app, "Leave it running")
        await app.press("escape")
        assert not isinstance(app.app.screen, IssueScreen)
        await app.until(lambda: app.main.key is not None and app.main.key.state == "rotating", "rotating")
        await app.press("r")
        await sees(app, "End the old key now")
        await app.press("escape", "r")
        await sees(app, "End the old key now")  # from the journal alone
        assert live(world) == [old, in_use(world, key)]


async def test_end_of_a_rotation_is_no_revocation(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    key, old = add(world)
    held, start = asyncio.Event(), issuing.start

    async def slow(store: Keystore, plan: Plan, *, stage: Callable[[Stage], None]) -> issuing.Outcome:
        await held.wait()
        return await start(store, plan, stage=stage)

    monkeypatch.setattr(issuing, "start", slow)
    async with opened(world) as app:
        await planned(app)
        await app.press("ctrl+s", "escape", "d", "r")
        await sees(app, "is being rotated right now. Nothing was revoked.")
        held.set()
        await app.until(lambda: not app.app.runs[key.id].running, "the rotation's end")
        await app.press("j")  # whatever the end has brought is on screen, and no hidden field takes what is typed
        assert "Revoked" not in text(app)
        await app.press("ctrl+r")
        await sees(app, "Type it to agree")
    assert live(world) == [old, in_use(world, key)]


async def test_what_a_killed_process_left_is_finished_at_the_next_start(world: World) -> None:
    key, old = add(world)
    admin = world.store.find("zadmin")
    owner = world.server.admin.live()[0].account_id
    world.store.plan_rotation(
        key.id, admin_key_id=admin.id, project=DEFAULT_PROJECT, account=owner, account_name="bot", grace_s=0
    )
    async with opened(world) as app:
        await app.until(lambda: app.toasts, "the end is told")
        assert "is rotated" in app.toasts
    assert live(world) == [in_use(world, key)] != [old]


@pytest.mark.slow
async def test_start_with_a_locked_store_asks_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from keytui.errors import StoreLocked

    key, _old = add(world)
    admin = world.store.find("zadmin")
    world.store.plan_rotation(
        key.id, admin_key_id=admin.id, project=DEFAULT_PROJECT, account="x", account_name="", grace_s=0
    )

    def locked(*_arguments: object) -> Secret:
        raise StoreLocked("os", "The OS keyring is locked.")

    monkeypatch.setattr(Keystore, "read", locked)
    async with opened(world) as app:
        await app.until(lambda: app.main.key is not None and app.main.key.state == "rotating")
        await app.quiet()
        assert app.app.screen is app.main
        assert not app.app.runs
        assert app.toasts == ""


async def test_leaked_key_is_revoked_once_its_name_is_typed(world: World, size: tuple[int, int]) -> None:
    _key, old = add(world)
    async with opened(world, size) as app:
        await app.press("d", "r")
        await sees(app, "Type it to agree")
        assert old in text(app)
        await app.press("ctrl+s")
        await sees(app, "Type bot to revoke it.")
        assert live(world) == [old]
        await app.type("bot")
        await app.press("ctrl+s")
        await sees(app, "Revoked at OpenAI, and proven: the key is refused there.")
        assert live(world) == []
        await app.press("enter")
        await app.until(lambda: app.selected == "zadmin")
    assert [each.name for each in world.store.keys()] == ["zadmin"]


@pytest.mark.slow
async def test_revocation_that_fails_leaves_the_key(world: World) -> None:
    key, _old = add(world)
    async with opened(world) as app:
        await app.press("d", "r")
        await sees(app, "Type it to agree")
        world.server.admin.fault("error_500", "DELETE", times=9)
        await app.type("bot")
        await app.press("ctrl+s")
        await sees(app, "Not proven revoked")
        assert world.store.read(key.id) == BOT
        world.server.admin.clear_faults()
        await app.press("ctrl+r")
        await sees(app, "Revoked at OpenAI, and proven: the key is refused there.")
    assert live(world) == []
