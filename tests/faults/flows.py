"""Every flow that writes, for the tests that kill it at each of its steps. A new flow gets a row in FLOWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

from pyrage import x25519

from keytui.errors import StoreUnavailable, WrongPassphrase
from keytui.model import RemoteKey, Secret
from keytui.storage import derive
from keytui.storage.backends import MemoryBackend
from keytui.storage.keystore import Keystore
from keytui.storage.vault import Vault
from tests.storage.killing import reopen
from tests.stores import fake_key, fields, open_vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.model import Key, Rotation
    from keytui.settings import Settings

    Act = Callable[[Keystore], object]

OLD, NEW, ADDED, NEWER = (fake_key() for _ in range(4))
PASSPHRASE = Secret("correct horse battery staple")
IDENTITY = Secret(str(x25519.Identity.generate()))


def nothing(_store: Keystore) -> None:
    """Do nothing."""


def vault_home(settings: Settings) -> Secret:
    """Make an open vault, and return its identity."""
    return open_vault(settings)[1]


class Flow(NamedTuple):
    """A flow that writes.

    Attributes:
        name: What the table calls it.
        run: The flow; it is killed at each of its steps.
        prepare: What happens before, and is not killed.
        between: Parts of `run` that end well by themselves: their outcome may remain after a kill, too.
        home: Makes the store on disk and returns what `opened` needs.
        opened: Opens that store as a new process would.
    """

    name: str
    run: Act
    prepare: Act = nothing
    between: tuple[Act, ...] = ()
    home: Callable[[Settings], Secret] = vault_home
    opened: Callable[[Settings, Secret], Keystore] = reopen


def one(store: Keystore, name: str = "old") -> Key:
    """The key of this name, in the list or in the trash."""
    (key,) = (key for key in store.keys() + store.keys(trash=True) if key.name == name)
    return key


def have_old(store: Keystore) -> None:
    store.add(fields("old"), OLD)


def add(store: Keystore) -> None:
    store.add(fields("added"), ADDED)


def edit(store: Keystore) -> None:
    store.edit(one(store).id, fields("old", note="changed", tags=("one", "two")))


def rename(store: Keystore) -> None:
    store.edit(one(store).id, fields("renamed"))


def begin(store: Keystore) -> Rotation:
    return store.begin_rotation(one(store).id, NEW)


def verify(store: Keystore) -> None:
    store.advance_rotation(store.rotations()[0].id, "verified")


def begin_and_verify(store: Keystore) -> None:
    begin(store)
    verify(store)


def switch(store: Keystore) -> None:
    store.switch(store.rotations()[0].id)


def rotate(store: Keystore) -> None:
    begin_and_verify(store)
    switch(store)


def abandon(store: Keystore) -> None:
    store.abandon_rotation(store.rotations()[0].id)


def issue(store: Keystore) -> None:
    """An issued rotation up to its grace period, without a provider: tests.faults.issued has the whole of it."""
    key = one(store)
    store.know_remote(store.versions(key.id)[0].id, RemoteKey("key_old", "proj", "robot"))
    row = store.plan_rotation(key.id, admin_key_id=0, project="proj", account="robot", account_name="", grace_s=3_600)
    store.keep_issued(row.id, NEW, RemoteKey("key_new", "proj", "robot"))
    store.advance_rotation(row.id, "verified")
    store.switch(row.id)
    store.advance_rotation(row.id, "retiring")


def retire(store: Keystore) -> None:
    store.end_retirement(store.rotations()[0].id, "Proven.")


def plan_revocation(store: Keystore) -> None:
    store.plan_revocation(one(store).id, admin_key_id=0)


def trash(store: Keystore) -> None:
    store.delete(one(store).id)


def delete_now(store: Keystore) -> None:
    store.delete(one(store).id, now=True)


def undo(store: Keystore) -> None:
    event = store.undoable()
    assert event is not None
    store.undo(event.id)


def undo_as(store: Keystore) -> None:
    event = store.undoable()
    assert event is not None
    store.undo(event.id, as_name="back")


def trash_due(store: Keystore) -> None:
    """A key in the trash that had two values, all of it due."""
    store.settings = store.settings._replace(trash_days=0, keep_previous_days=0)
    rotate(store)
    trash(store)


def previous_due(store: Keystore) -> None:
    store.settings = store.settings._replace(keep_previous_days=0)
    rotate(store)


def purge(store: Keystore) -> None:
    assert store.purge()


def after(*acts: Act) -> Act:
    """Return an act that has the key "old" stored, then does these."""

    def do(store: Keystore) -> None:
        for act in (have_old, *acts):
            act(store)

    return do


# --- setting up a vault, with derivations that cost nothing


def _protect(passphrase: Secret) -> tuple[Secret, bytes]:
    return IDENTITY, b"sealed with " + passphrase.reveal().encode()


def _unlock(path: str, passphrase: Secret) -> Secret:
    with open(path, "rb") as file:
        if file.read() != _protect(passphrase)[1]:
            raise WrongPassphrase("The passphrase does not open the vault.")
    return IDENTITY


class NoKeyring(MemoryBackend):
    """An OS keyring that fails its probe."""

    def probe(self) -> None:
        """See Backend."""
        raise StoreUnavailable("No OS keyring answers here.")


def no_vault(settings: Settings) -> Secret:
    """Leave the home empty."""
    del settings
    return PASSPHRASE


def reopen_by_passphrase(settings: Settings, passphrase: Secret) -> Keystore:
    """Open a store that may not have chosen its place yet, and its vault if there is one."""
    store = Keystore(settings, backends={"os": NoKeyring(), "vault": Vault(settings)})
    if store.status().state != "unset":
        with mock.patch.object(derive, "unlock", _unlock):
            store.unlock(passphrase)
    return store


def set_up(store: Keystore) -> None:
    with mock.patch.object(derive, "protect", _protect):
        store.set_up_vault(PASSPHRASE)


def set_up_and_add(store: Keystore) -> None:
    set_up(store)
    add(store)


FLOWS: tuple[Flow, ...] = (
    Flow("add", add, have_old),
    Flow("edit", edit, have_old),
    Flow("rename", rename, have_old),
    Flow("rotate", rotate, have_old, (begin, begin_and_verify)),
    Flow("rotation switch", switch, after(begin_and_verify)),
    Flow("rotation abandon", abandon, after(begin)),
    Flow("delete", trash, have_old),
    Flow("delete while rotating", trash, after(begin)),
    Flow("delete now", delete_now, have_old),
    Flow("delete now, two values", delete_now, after(rotate)),
    Flow("delete now, from trash", delete_now, after(trash)),
    Flow("undo a deletion", undo, after(trash)),
    Flow("undo a deletion, new name", undo_as, after(trash)),
    Flow("undo a rotation", undo, after(rotate)),
    Flow("end a retirement", retire, after(issue)),
    Flow("undo an issued rotation", undo, after(issue)),
    Flow("delete what was revoked", retire, after(plan_revocation)),
    Flow("undo an edit", undo, after(rename)),
    Flow("purge the trash", purge, after(trash_due)),
    Flow("purge previous values", purge, after(previous_due)),
    Flow("vault set-up", set_up, home=no_vault, opened=reopen_by_passphrase),
    Flow("vault set-up and add", set_up_and_add, between=(set_up,), home=no_vault, opened=reopen_by_passphrase),
)
