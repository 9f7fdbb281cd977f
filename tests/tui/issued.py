"""A key that its provider issued, with the admin key that manages it, for the tests that drive the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keytui.demo.organization import DEFAULT_PROJECT
from keytui.flows import issue_plan, issuing, undoing
from keytui.model import RemoteKey, Secret

if TYPE_CHECKING:
    from keytui.model import Key
    from tests.tui.conftest import Driver, World

BOT = Secret("sk-" + "svcacct-" + "B0t" * 30)
MINE = Secret("sk-" + "proj-" + "M1ne" * 30)
ADMIN = Secret("sk-" + "admin-" + "Adm1n" * 20)


def add(world: World, *, known: bool = True, secret: Secret = BOT, account: str = "bot") -> tuple[Key, str]:
    """Store a key that the provider has, and the admin key that manages it."""
    key = world.add("bot", secret=secret)
    world.add("zadmin", secret=ADMIN, kind="admin", env="OPENAI_ADMIN_KEY")
    remote_id = world.server.admin.add_key(secret, "bot's first", account=account)
    if known:
        owner = world.server.admin.organization.keys[remote_id].account_id
        version = world.store.versions(key.id)[0]
        world.store.know_remote(version.id, RemoteKey(remote_id, DEFAULT_PROJECT, owner, None))
    return key, remote_id


def live(world: World) -> list[str]:
    return [each.id for each in world.server.admin.live()]


def in_use(world: World, key: Key) -> str:
    """Id at the provider of the key that is in use."""
    return world.server.admin.id_of(world.store.read(key.id)) or ""


def text(app: Driver) -> str:
    """What the screen shows, on one line."""
    return " ".join(app.text.replace("│", " ").split())  # the keys of a dialog are set with no-break spaces


async def sees(app: Driver, what: str) -> None:
    await app.until(lambda: what in text(app), what)


async def planned(app: Driver) -> None:
    assert app.selected == "bot"
    await app.press("r")
    await sees(app, "Ctrl+S")
    await app.quiet()  # the keys at the bottom may be drawn before the plan is laid out


async def rotated(world: World, key: Key) -> str:
    """Rotate a key, without the app, so that the old one goes on working; returns the new one's id."""
    await issuing.start(world.store, await issue_plan.plan(world.store, key.id), stage=lambda _stage: None)
    return in_use(world, key)


async def undone(world: World) -> None:
    """Take the last change back, without the app."""
    event = world.store.undoable()
    assert event is not None
    await undoing.undo(world.store, event)


def dialog(app: Driver) -> str:
    """What the topmost dialog says, on one line, without what lies behind it."""
    shown = app.app.screen.query_one(".dialog").region
    lines = app.text.splitlines()[shown.y : shown.bottom]
    return " ".join(" ".join(line.ljust(shown.right)[shown.x + 1 : shown.right - 1] for line in lines).split())


async def says(app: Driver, what: str) -> None:
    await app.until(lambda: what in dialog(app), what)
