"""The flows that move many secrets, or what protects them, for the table of kills."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from keytui.errors import SecretMissing, StoreRefused, WrongPassphrase
from keytui.flows import backup
from keytui.flows.exported import Saved
from keytui.model import Secret
from keytui.storage.backends import MemoryBackend
from keytui.storage.keystore import Keystore
from keytui.storage.restoring import Kept
from keytui.storage.vault import Vault
from tests.faults.flows import ADDED, NEW, NEWER, OLD, PASSPHRASE, Flow, after, begin, have_old, no_vault, rotate
from tests.storage import cheap
from tests.stores import fields, open_vault

if TYPE_CHECKING:
    from keytui.settings import Settings
    from keytui.storage.backends import Slot
    from tests.faults.flows import Act

NEXT_PASSPHRASE = Secret("another four words here")


class FileKeyring(MemoryBackend):
    """An OS keyring that outlives the process: each slot is a file.

    Args:
        folder: Where; made when it is first written to.

    Attributes:
        room: How many more secrets it takes; None for any number.
    """

    def __init__(self, folder: str) -> None:
        super().__init__("os", "OS keyring")
        self._folder = folder
        self.room: int | None = None

    def write(self, slot: Slot, secret: Secret) -> None:
        """See Backend."""
        if self.room is not None:
            self.room -= 1
            if self.room < 0:
                raise StoreRefused("Full.")
        os.makedirs(self._folder, exist_ok=True)
        with open(self._path(slot), "x", encoding="ascii") as file:
            file.write(secret.reveal())

    def read(self, slot: Slot) -> Secret:
        """See Backend."""
        if not self.present(slot):
            raise SecretMissing("It is not there.")
        with open(self._path(slot), encoding="ascii") as file:
            return Secret(file.read())

    def present(self, slot: Slot) -> bool:
        """See Backend."""
        return os.path.exists(self._path(slot))

    def delete(self, slot: Slot) -> None:
        """See Backend."""
        if self.present(slot):
            os.remove(self._path(slot))

    def _path(self, slot: Slot) -> str:
        return os.path.join(self._folder, f"{slot.id}.age")


# --- migrate


def two_stores(settings: Settings) -> Secret:
    """Make an open vault, which is used, and return its identity."""
    return open_vault(settings)[1]


def reopen_both(settings: Settings, identity: Secret) -> Keystore:
    """Open a store on the vault, or on what settings.toml says, with an OS keyring beside it."""
    vault = Vault(settings)
    vault.open_with(identity)
    keyring = FileKeyring(os.path.join(settings.data_dir, "keyring"))
    chosen = settings._replace(backend=settings.backend or "vault")
    return Keystore(chosen, backends={"os": keyring, "vault": vault})


def to_os(store: Keystore) -> None:
    store.migrate("os", lambda _: None)


def to_vault(store: Keystore) -> None:
    store.migrate("vault", lambda _: None)


def some_to_os(number: int) -> Act:
    """Return a migration in which the OS keyring takes so many secrets and no more."""

    def do(store: Keystore) -> None:
        keyring = store._core.backend("os")
        assert isinstance(keyring, FileKeyring)
        keyring.room = number
        store.migrate("os", lambda _: None)

    return do


def another_in_the_trash(store: Keystore) -> None:
    store.delete(store.add(fields("gone"), NEWER).id)


# --- restore


_KEYS = (
    Saved(fields("first"), 1_700_000_000, (Kept(OLD, 1_600_000_000), Kept(NEW, 1_700_000_000))),
    Saved(fields("second"), 1_700_000_000, (Kept(ADDED, 1_700_000_000),)),
)


def restore(store: Keystore) -> None:
    for step in backup.plan(store, _KEYS):
        if step.name:
            backup.restore(store, step)


def restore_one(store: Keystore) -> None:
    backup.restore(store, backup.plan(store, _KEYS)[0])


# --- passphrase


def vault_by_passphrase(store: Keystore) -> None:
    with cheap.derivations():
        store.set_up_vault(PASSPHRASE)
    have_old(store)


def reopen_by_either(settings: Settings, passphrase: Secret) -> Keystore:
    """Open the vault with the passphrase or the one it is changed to: exactly one of them does it."""
    store = Keystore(settings._replace(backend="vault"), backends={"vault": Vault(settings)})
    if store.status().state == "unset":
        return store
    opened = 0
    with cheap.derivations():
        for one in (passphrase, NEXT_PASSPHRASE):
            try:
                store.unlock(one)
                opened += 1
            except WrongPassphrase:
                continue
    assert opened == 1
    return store


def change_passphrase(store: Keystore) -> None:
    """Change it from whichever of the two it is to the next one."""
    with cheap.derivations():
        try:
            store.change_passphrase(PASSPHRASE, lambda: NEXT_PASSPHRASE)
        except WrongPassphrase:
            store.change_passphrase(NEXT_PASSPHRASE, lambda: NEXT_PASSPHRASE)


def change_passphrase_and_add(store: Keystore) -> None:
    change_passphrase(store)
    store.add(fields("added"), ADDED)


MOVING: tuple[Flow, ...] = (
    Flow("migrate to the vault", to_vault, after(to_os), home=two_stores, opened=reopen_both),
    Flow(
        "migrate to the OS keyring",
        to_os,
        after(rotate, begin, another_in_the_trash),
        tuple(some_to_os(number) for number in (1, 2, 3)),
        home=two_stores,
        opened=reopen_both,
    ),
    Flow("restore", restore, have_old, (restore_one,)),
    Flow(
        "passphrase change and add",
        change_passphrase_and_add,
        vault_by_passphrase,
        home=no_vault,
        opened=reopen_by_either,
    ),
)
