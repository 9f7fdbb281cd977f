"""What the screen says when a store is not as it was left, and that the app stays usable.

A keyring that never answers is in test_faults.py, an index held by another program in test_reading.py.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
from pyrage import x25519

from keytui.errors import WrongPassphrase
from keytui.model import Secret
from keytui.storage import derive
from keytui.storage.keystore import Keystore
from keytui.storage.os_keyring import OsKeyring
from keytui.tui.widgets.field import Busy, Field
from keytui.tui.widgets.secret_input import SecretInput
from tests import secret_service as services
from tests.stores import fake_key, open_vault
from tests.tui.conftest import World, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.tui.conftest import Driver

pytestmark = pytest.mark.slow  # a store and an app each

NAMES = ("one", "two")
DAMAGED = ("The vault's file for “one” is not what was written.", "Restore it from a backup, or add the key again.")


class Vault(NamedTuple):
    """A world whose store is a vault on disk with the keys "one" and "two"; nothing is open."""

    world: World
    identity: Secret
    patch: pytest.MonkeyPatch

    @property
    def folder(self) -> str:
        return self.world.settings.vault_dir

    def secret(self, name: str) -> str:
        """Path of a key's secret."""
        store = self.world.store
        return os.path.join(self.folder, "secrets", f"{store.versions(store.find(name).id)[0].slot}.age")

    def changed(self, name: str, change: Callable[[bytearray], None]) -> None:
        """Change the bytes of a key's secret."""
        with open(self.secret(name), "r+b") as file:
            content = bytearray(file.read())
            change(content)
            file.seek(0)
            file.truncate()
            file.write(content)

    def unlocks(self, answer: Callable[[], Secret]) -> None:
        """Lock it; a passphrase then leads to this answer, which a derivation would take seconds for."""
        self.world.store.lock()
        self.patch.setattr(derive, "unlock", lambda _path, _passphrase: answer())


@pytest.fixture
def vault(world: World, monkeypatch: pytest.MonkeyPatch) -> Vault:
    world.settings = world.settings._replace(backend="vault")
    backend, identity = open_vault(world.settings)
    world.store.close()
    world.store = Keystore(world.settings, backends={"vault": backend}, clock=world.clock)
    for name in NAMES:
        world.add(name)
    return Vault(world, identity, monkeypatch)


async def usable(app: Driver, *, keys: bool = True) -> None:
    """Whatever was said before: the cursor moves, help opens, q quits."""
    await app.press_until("escape", lambda: app.app.screen is app.main, "the main screen")
    if keys:
        await app.press("2", "g", "j")
        assert app.selected == "two"
    await app.press("question_mark")
    await app.until(lambda: app.app.screen is not app.main, "help")
    await app.press("escape")
    await app.until(lambda: app.app.screen is app.main, "back from help")
    await app.press("q")
    await app.until(lambda: not app.app.is_running, "quitting")
    assert app.app.return_code == 0


async def says(app: Driver, *texts: str) -> None:
    """Wait until all of it is on screen, in a notification, or said in a dialog; lines may be broken anywhere."""

    def plain(text: str) -> str:
        return "".join(character for character in text if not character.isspace() and character not in "│┃▌▎▊")

    def said() -> str:
        screen = app.app.screen  # a dialog lies over the panes, whose text stands between its lines
        pane = app.main.keys.region  # so does that of the panes beside the list
        parts = [line[pane.x : pane.right] for line in app.text.splitlines()[pane.y : pane.bottom]]
        parts += [row.said for row in screen.query(Field)] + [row.text for row in screen.query(Busy)]
        return plain("".join((app.text, app.toasts, *parts)))

    await app.until(lambda: all(plain(text) in said() for text in texts), " / ".join(texts))


# --- the vault: v reads a secret


def gone(vault: Vault) -> None:
    shutil.rmtree(vault.folder)
    vault.world.store.lock()


def truncated(vault: Vault) -> None:
    vault.changed("one", lambda content: content.__delitem__(slice(100, None)))


def bit_flipped(vault: Vault) -> None:
    vault.changed("one", lambda content: content.__setitem__(-1, content[-1] ^ 1))


def swapped(vault: Vault) -> None:
    one, two = map(vault.secret, NAMES)
    for path, target in ((one, f"{one}.other"), (two, one), (f"{one}.other", two)):
        os.rename(path, target)


def secret_gone(vault: Vault) -> None:
    os.remove(vault.secret("one"))


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (gone, ("There is no vault in", "Restore it from a backup")),
        (truncated, DAMAGED),
        (bit_flipped, DAMAGED),
        (swapped, DAMAGED),
        (secret_gone, ("The vault holds no secret for “one”.", "Restore vault/secrets from a backup")),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_vault_that_is_not_as_it_was_left(
    vault: Vault, fault: Callable[[Vault], None], told: tuple[str, ...]
) -> None:
    fault(vault)
    async with opened(vault.world) as app:
        await app.press("v")
        await says(app, *told)
        await usable(app)


def wrong_passphrase(vault: Vault) -> None:
    def refuse() -> Secret:
        raise WrongPassphrase("The passphrase does not open the vault.", "Check it and try again.")

    vault.unlocks(refuse)


def recipient_replaced(vault: Vault) -> None:
    with open(os.path.join(vault.folder, "recipient.txt"), "w", encoding="ascii") as file:
        file.write(str(x25519.Identity.generate().to_public()))
    vault.unlocks(lambda: vault.identity)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (wrong_passphrase, ("The passphrase does not open the vault.", "Check it and try again.")),
        (recipient_replaced, ("recipient.txt does not belong to identity.age in the vault.",)),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_locked_vault_that_does_not_open(
    vault: Vault, fault: Callable[[Vault], None], told: tuple[str, ...]
) -> None:
    fault(vault)
    async with opened(vault.world) as app:
        await app.press("v")
        await says(app, "Unlock the vault")
        await app.type("a passphrase")
        await app.press("enter")
        await says(app, *told)
        await app.press("escape")
        await says(app, "Nothing was changed: the store stayed closed.")
        await usable(app)


def shown_first(vault: Vault) -> str:
    """What stands in the first line when "one" is revealed, and in no masked form."""
    store = vault.world.store
    return store.read(store.find("one").id).reveal()[:20]


async def test_a_locked_vault_is_opened_when_a_key_is_needed(vault: Vault) -> None:
    vault.unlocks(lambda: vault.identity)
    async with opened(vault.world) as app:
        await says(app, "Vault, locked")
        await app.press("v")
        await says(app, "Unlock the vault")
        await app.type("a passphrase")
        await app.press("enter")
        await app.until(lambda: app.app.screen is app.main, "the dialog closes")
        await says(app, shown_first(vault))
        await usable(app)


# --- disks


async def test_a_full_disk_keeps_the_pasted_key_in_its_field(vault: Vault) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    new = fake_key()
    async with opened(vault.world) as app:
        await app.press("r")
        await app.until(lambda: app.app.screen is not app.main)
        await app.type(new.reveal())
        with vault.patch.context() as patch:
            patch.setattr("keytui.storage.files.os.fsync", full)
            await app.press("ctrl+s")
            await says(app, "The disk of", "is full. Free some space; nothing that was stored is lost.")
        assert app.app.screen.query_one(SecretInput).secret == new
        await app.press("ctrl+s")
        await says(app, "still accepts the old key")
        await app.press("enter")
        await usable(app)


@pytest.mark.skipif(os.geteuid() == 0, reason="this user writes where it may not")
async def test_a_folder_that_cannot_be_written_is_read(vault: Vault) -> None:
    folder, new = os.path.join(vault.folder, "secrets"), fake_key()
    os.chmod(folder, 0o500)
    try:
        async with opened(vault.world) as app:
            await app.press("v")
            await says(app, shown_first(vault))
            await app.press("r")
            await app.until(lambda: app.app.screen is not app.main)
            await app.type(new.reveal())
            await app.press("ctrl+s")
            await says(app, "cannot be written: Permission denied. Check the permissions of its folder.")
            assert app.app.screen.query_one(SecretInput).secret == new
            await app.press("escape")
            await says(app, "Discard the new key?")
            await app.press("y")
            await app.until(lambda: app.app.screen is app.main)
            await usable(app)
    finally:
        os.chmod(folder, 0o700)


# --- the OS keyring


@contextmanager
def locked(folder: Path, world: World, patch: pytest.MonkeyPatch) -> Iterator[None]:
    with contextmanager(services.running)(folder) as service:
        patch.setenv("DBUS_SESSION_BUS_ADDRESS", service.address)
        for name in NAMES:
            world.add(name)
        services.lock(service.address)
        yield


@contextmanager
def killed(folder: Path, world: World, patch: pytest.MonkeyPatch) -> Iterator[None]:
    with contextmanager(services.running)(folder) as service:
        patch.setenv("DBUS_SESSION_BUS_ADDRESS", service.address)
        for name in NAMES:
            world.add(name)
        assert service.daemon is not None
        service.daemon.kill()
        service.daemon.wait()
        yield


@contextmanager
def bus_gone(folder: Path, world: World, patch: pytest.MonkeyPatch) -> Iterator[None]:
    with contextmanager(services.running)(folder) as service:
        patch.setenv("DBUS_SESSION_BUS_ADDRESS", service.address)
        for name in NAMES:
            world.add(name)
    yield


ABSENT = ("No OS keyring answers here.", "On a machine without one, use a vault: KEYTUI_BACKEND=vault.")


@pytest.mark.secret_service
@pytest.mark.parametrize(
    ("state", "told"),
    [
        (locked, ("The OS keyring is locked.", "Unlock it (log in, or open your keyring manager) and try again.")),
        (killed, ABSENT),
        (bus_gone, ABSENT),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_keyring_that_cannot_be_used(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: Callable[[Path, World, pytest.MonkeyPatch], AbstractContextManager[None]],
    told: tuple[str, ...],
) -> None:
    services.need()
    world.settings = world.settings._replace(backend="os")
    world.store.close()
    world.store = Keystore(world.settings, backends={"os": OsKeyring(30)}, clock=world.clock)
    with state(tmp_path / "bus", world, monkeypatch):
        async with opened(world) as app:
            await app.press("v")
            await says(app, *told)
            await usable(app)


# --- the index


def cut(path: str) -> None:
    with open(path, "r+b") as file:
        file.truncate(5_000)


def flipped(path: str) -> None:
    with open(path, "r+b") as file:
        file.seek(4)
        file.write(b"\xff" * 200)


def newer(path: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.commit()
    connection.close()


def missing(path: str) -> None:
    os.remove(path)


REPAIR = "keytui doctor --repair"


@pytest.mark.parametrize("when", ["before", "while open"])
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (cut, ("is not a readable index.", REPAIR)),
        (flipped, ("is not a readable index.", REPAIR)),
        (newer, ("a newer keytui", "Update")),
        (missing, (REPAIR,)),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_an_index_that_cannot_be_read(
    vault: Vault, fault: Callable[[str], None], told: tuple[str, ...], when: str
) -> None:
    world = vault.world
    path = world.settings.index_path

    def breaks() -> None:
        world.store.close()
        fault(path)

    if when == "before":
        breaks()
    async with opened(world) as app:
        if when == "while open":
            assert app.selected == "one"
            breaks()
            await app.tick()
        await says(app, *told)
        await usable(app, keys=False)
