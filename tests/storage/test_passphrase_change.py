from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from keytui.errors import NotConfirmed, SecretDamaged, StoreRefused, StoreUnavailable, WrongPassphrase
from keytui.model import Secret
from keytui.storage import derive, steps
from keytui.storage.keystore import Keystore
from keytui.storage.vault import Vault
from tests.storage import cheap
from tests.stores import fake_key, fields

if TYPE_CHECKING:
    from keytui.model import Key
    from keytui.settings import Settings

OLD, NEW = Secret("correct horse battery staple"), Secret("another four words here")
SECRET = fake_key()


@pytest.fixture(autouse=True)
def _derivations(monkeypatch: pytest.MonkeyPatch) -> None:
    cheap.use(monkeypatch)


def fresh(settings: Settings) -> Keystore:
    """The store as a new process opens it: locked."""
    return Keystore(settings._replace(backend="vault"), backends={"vault": Vault(settings)})


@pytest.fixture
def key(settings: Settings) -> Key:
    """A key in a vault whose passphrase is OLD."""
    store = fresh(settings)
    store.set_up_vault(OLD)
    return store.add(fields(), SECRET)


def new() -> Secret:
    return NEW


def identity_file(settings: Settings) -> bytes:
    with open(os.path.join(settings.vault_dir, "identity.age"), "rb") as file:
        return file.read()


def test_the_new_passphrase_opens_the_vault_and_the_old_one_no_longer(settings: Settings, key: Key) -> None:
    fresh(settings).change_passphrase(OLD, new)
    store = fresh(settings)
    with pytest.raises(WrongPassphrase):
        store.unlock(OLD)
    store.unlock(NEW)
    assert store.read(key.id) == SECRET
    assert OLD.reveal().encode() not in identity_file(settings)


def test_the_files_of_secrets_stay_as_they_are(settings: Settings, key: Key) -> None:
    path = os.path.join(settings.vault_dir, "secrets", f"{fresh(settings).versions(key.id)[0].slot}.age")
    before = os.stat(path)
    fresh(settings).change_passphrase(OLD, new)
    after = os.stat(path)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert sorted(os.listdir(settings.vault_dir)) == ["identity.age", "recipient.txt", "secrets"]


def test_with_a_wrong_old_passphrase_nobody_is_asked_for_a_new_one(settings: Settings, key: Key) -> None:
    assert key
    before = identity_file(settings)

    def never() -> Secret:
        raise AssertionError("asked")

    with pytest.raises(WrongPassphrase):
        fresh(settings).change_passphrase(NEW, never)
    assert identity_file(settings) == before


def test_declining_the_new_one_changes_nothing(settings: Settings, key: Key) -> None:
    assert key
    before = identity_file(settings)

    def declined() -> Secret:
        raise NotConfirmed("No.")

    with pytest.raises(NotConfirmed):
        fresh(settings).change_passphrase(OLD, declined)
    assert identity_file(settings) == before


def test_what_does_not_open_again_is_not_put_in_place(
    settings: Settings, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert key
    before = identity_file(settings)
    monkeypatch.setattr(derive, "unseal", lambda *_: Secret("something else"))
    with pytest.raises(SecretDamaged, match="did not open"):
        fresh(settings).change_passphrase(OLD, new)
    assert identity_file(settings) == before


def test_what_is_protected_too_weakly_to_be_opened_is_not_put_in_place(
    settings: Settings, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert key
    before = identity_file(settings)
    sealed = derive.seal(SECRET, NEW).replace(b"c2FsdA 18", b"c2FsdA 14")
    monkeypatch.setattr(derive, "seal", lambda *_: sealed)
    with pytest.raises(StoreRefused, match="too busy"):
        fresh(settings).change_passphrase(OLD, new)
    assert identity_file(settings) == before


def test_of_two_changes_at_once_the_later_one_is_refused(settings: Settings, key: Key) -> None:
    assert key

    def meanwhile() -> Secret:
        fresh(settings).change_passphrase(OLD, new)
        return Secret("a third passphrase")

    with pytest.raises(StoreRefused, match="just changed"):
        fresh(settings).change_passphrase(OLD, meanwhile)
    fresh(settings).unlock(NEW)


def test_a_failed_write_leaves_the_old_passphrase_and_no_file(
    settings: Settings, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert key

    def full(name: str) -> None:
        if name == "passphrase.written":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(steps, "reached", full)
    with pytest.raises(OSError, match="No space"):
        fresh(settings).change_passphrase(OLD, new)
    fresh(settings).unlock(OLD)
    assert sorted(os.listdir(settings.vault_dir)) == ["identity.age", "recipient.txt", "secrets"]


def test_without_a_vault_it_says_so(settings: Settings) -> None:
    with pytest.raises(StoreUnavailable, match="no vault"):
        fresh(settings).change_passphrase(OLD, new)
