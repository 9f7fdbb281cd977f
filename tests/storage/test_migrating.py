from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from keytui.errors import StoreError, StoreLocked, StoreRefused, StoreUnavailable, StoreUndecided
from keytui.storage.backends import MemoryBackend, Slot
from keytui.storage.keystore import Keystore
from keytui.storage.os_keyring import OsKeyring
from keytui.storage.vault import Vault
from tests.storage.helpers import newest, rotated
from tests.stores import fake_key, fields, open_vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.model import Secret
    from keytui.settings import Settings

OLD, CURRENT, TRASHED = fake_key(), fake_key(), fake_key()


class Keyring(MemoryBackend):
    """An OS keyring in memory that fails as told.

    Attributes:
        refuses: What to raise for a slot of this key name, by method.
    """

    def __init__(self) -> None:
        super().__init__("os", "OS keyring")
        self.refuses: dict[tuple[str, str], StoreError] = {}

    def read(self, slot: Slot) -> Secret:
        """See Backend."""
        self._refuse("read", slot)
        return super().read(slot)

    def delete(self, slot: Slot) -> None:
        """See Backend."""
        self._refuse("delete", slot)
        super().delete(slot)

    def write(self, slot: Slot, secret: Secret) -> None:
        """See Backend."""
        self._refuse("write", slot)
        super().write(slot, secret)

    def _refuse(self, what: str, slot: Slot) -> None:
        if (what, slot.name) in self.refuses:
            raise self.refuses[what, slot.name]


@pytest.fixture
def keyring() -> Keyring:
    return Keyring()


@pytest.fixture
def store(settings: Settings, keyring: Keyring) -> Keystore:
    """Three keys in the OS keyring, one with a previous value and one in the trash; an open vault beside it."""
    vault, _ = open_vault(settings)
    made = Keystore(settings._replace(backend="os"), backends={"os": keyring, "vault": vault})
    rotated(made, made.add(fields("one"), OLD), CURRENT)
    made.add(fields("two"), fake_key())
    made.delete(made.add(fields("gone"), TRASHED).id)
    return made


def moved(store: Keystore, target: str = "vault") -> list[str]:
    """The names of the keys that a migration moved; it must end well."""
    names: list[str] = []
    done = store.migrate("os" if target == "os" else "vault", names.append)
    assert (done.failed, done.left, done.moved) == ((), 0, len(names))
    return names


def files(settings: Settings) -> set[str]:
    return set(os.listdir(os.path.join(settings.vault_dir, "secrets")))


def test_every_version_moves_and_reads_as_before(store: Keystore, settings: Settings, keyring: Keyring) -> None:
    assert moved(store) == ["one", "two", "gone"]
    one, gone = store.find("one"), store.find("gone", trash=True)
    assert one.backend == "vault"
    assert [store.read(one.id, version.id) for version in store.versions(one.id)] == [CURRENT, OLD]
    assert store.read(gone.id) == TRASHED
    assert keyring.secrets == {}
    assert len(files(settings)) == 4
    assert store.to_move("vault") == []


def test_and_back(store: Keystore, settings: Settings, keyring: Keyring) -> None:
    moved(store)
    moved(store, "os")
    assert files(settings) == set()
    assert len(keyring.secrets) == 4
    assert store.read(store.find("one").id) == CURRENT


def test_a_value_that_moves_while_it_is_read_is_read_where_it_is_now(
    store: Keystore, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = store.find("one")
    read = keyring.read

    def late(slot: Slot) -> Secret:
        monkeypatch.setattr(keyring, "read", read)
        moved(store)
        return read(slot)

    monkeypatch.setattr(keyring, "read", late)
    assert store.read(key.id) == CURRENT
    assert store.key(key.id).state == "active"


def test_new_keys_go_to_the_target_from_then_on(store: Keystore, settings: Settings) -> None:
    moved(store)
    assert store.settings.backend == "vault"
    assert store.add(fields("next"), fake_key()).backend == "vault"
    with open(settings.settings_path, encoding="utf-8") as file:
        assert 'backend = "vault"' in file.read()


def test_ages_states_and_undo_are_as_before(store: Keystore) -> None:
    one = store.find("one")
    before = [version._replace(slot="", backend="os") for version in store.versions(one.id)]
    moved(store)
    assert [version._replace(slot="", backend="os") for version in store.versions(one.id)] == before
    assert store.find("one") == one._replace(backend="vault")
    store.undo(newest(store).id)
    assert store.find("gone").backend == "vault"
    store.undo(newest(store).id)
    assert store.read(one.id) == OLD


def test_history_says_where_to(store: Keystore) -> None:
    moved(store)
    event = store.events(store.find("two").id)[0]
    assert (event.type, event.detail) == ("moved", "Moved from the OS keyring to the vault.")


def test_a_rotation_in_between_goes_on(store: Keystore) -> None:
    successor = fake_key()
    rotation = store.begin_rotation(store.find("two").id, successor)
    moved(store)
    store.switch(rotation.id)
    assert store.read(store.find("two").id) == successor


def test_what_would_move_is_told_without_opening_a_store(store: Keystore, keyring: Keyring) -> None:
    keyring.locked = True
    listed = [(moving.name, len(moving.versions), moving.in_trash) for moving in store.to_move("vault")]
    assert listed == [("one", 2, False), ("two", 1, False), ("gone", 1, True)]
    assert store.to_move("os") == []


def test_a_key_that_cannot_be_read_stays_and_the_others_move(store: Keystore, keyring: Keyring) -> None:
    slot = store.versions(store.find("two").id)[0].slot
    kept = keyring.secrets.pop(slot)
    names: list[str] = []
    done = store.migrate("vault", names.append)
    assert names == ["one", "gone"]
    assert [name for name, _ in done.failed] == ["two"]
    keyring.secrets[slot] = kept
    assert moved(store) == ["two"]
    assert store.read(store.find("two").id) == kept


def test_a_secret_that_is_not_what_was_written_stays(store: Keystore, keyring: Keyring) -> None:
    keyring.secrets[store.versions(store.find("two").id)[0].slot] = fake_key()
    ((name, sentence),) = store.migrate("vault", lambda _: None).failed
    assert (name, "something else" in sentence) == ("two", True)
    assert store.find("two").backend == "os"


def test_a_target_that_refuses_one_key_keeps_nothing_of_it(
    store: Keystore, keyring: Keyring, settings: Settings
) -> None:
    moved(store)
    keyring.refuses["write", "two"] = StoreRefused("Too long.")
    done = store.migrate("os", lambda _: None)
    assert done.failed == (("two", "Too long."),)
    assert store.find("two").backend == "vault"
    assert len(files(settings)) == 1
    assert len(keyring.secrets) == 3


def test_a_copy_that_arrives_after_its_deadline_is_emptied_later(
    store: Keystore, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved(store)
    write, late = keyring.write, []

    def slow(slot: Slot, secret: Secret) -> None:
        late.append((slot, secret))
        raise StoreUnavailable("The OS keyring did not answer within 1 s.")

    monkeypatch.setattr(keyring, "write", slow)
    store.migrate("os", lambda _: None)
    monkeypatch.setattr(keyring, "write", write)
    write(*late[0])
    copies = set(keyring.secrets)
    store.add(fields("next"), fake_key())
    assert copies
    assert not copies & set(keyring.secrets)


def test_an_old_copy_that_cannot_be_deleted_is_known_until_it_is(store: Keystore, keyring: Keyring) -> None:
    keyring.refuses["delete", "two"] = StoreRefused("No.")
    done = store.migrate("vault", lambda _: None)
    assert (done.failed, done.left) == ((), 1)
    two = store.find("two")
    assert (two.backend, len(store.versions(two.id)), len(keyring.secrets)) == ("vault", 1, 1)
    keyring.refuses.clear()
    store.add(fields("next"), fake_key())
    assert keyring.secrets == {}


def test_deleting_a_key_deletes_its_old_copy_too(store: Keystore, keyring: Keyring) -> None:
    keyring.refuses["delete", "two"] = StoreRefused("No.")
    store.migrate("vault", lambda _: None)
    keyring.refuses.clear()
    store.delete(store.find("two").id, now=True)
    assert keyring.secrets == {}


def test_a_store_that_dies_on_the_way_ends_it_at_once(
    store: Keystore, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def dead(slot: Slot) -> Secret:
        tries.append(slot.name)
        keyring.locked = True
        raise StoreUnavailable("The OS keyring did not answer.")

    monkeypatch.setattr(keyring, "read", dead)
    done = store.migrate("vault", lambda _: None)
    assert (len(tries), [name for name, _ in done.failed]) == (1, ["one", "two", "gone"])
    assert store.settings.backend == "os"


@pytest.mark.parametrize("close", [lambda keyring, _: setattr(keyring, "locked", True), lambda _, store: store.lock()])
def test_with_a_locked_store_nothing_moves(
    store: Keystore, keyring: Keyring, close: Callable[[Keyring, Keystore], object]
) -> None:
    close(keyring, store)
    with pytest.raises(StoreLocked):
        store.migrate("vault", lambda _: None)
    assert store.find("one").backend == "os"
    assert store.settings.backend == "os"


def test_without_a_vault_it_asks_for_one(settings: Settings, keyring: Keyring) -> None:
    store = Keystore(settings._replace(backend="os"), backends={"os": keyring, "vault": Vault(settings)})
    store.add(fields(), fake_key())
    with pytest.raises(StoreUndecided, match="no vault"):
        store.migrate("vault", lambda _: None)


@pytest.mark.secret_service
@pytest.mark.usefixtures("secret_service")
def test_to_a_real_keyring_and_back(settings: Settings) -> None:
    _, identity = open_vault(settings)
    vault = Vault(settings)
    vault.open_with(identity)
    keyring = OsKeyring(10)
    store = Keystore(settings._replace(backend="vault"), backends={"os": keyring, "vault": vault})
    key = rotated(store, store.add(fields("one"), OLD), CURRENT)
    store.edit(key.id, fields("a new name"))
    moved(store, "os")
    slots = [Slot(version.slot, "a new name") for version in store.versions(key.id)]
    assert [keyring.read(slot) for slot in slots] == [CURRENT, OLD]
    assert store.read(key.id) == CURRENT
    moved(store)
    assert not any(keyring.present(slot) for slot in slots)
    assert store.read(key.id) == CURRENT
