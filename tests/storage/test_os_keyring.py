from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from keytui.errors import (
    SecretDamaged,
    SecretMissing,
    StoreLocked,
    StoreRefused,
    StoreUnavailable,
    StoreUndecided,
)
from keytui.model import Secret
from keytui.storage.backends import Slot
from keytui.storage.keystore import Keystore
from keytui.storage.os_keyring import WINDOWS_LIMIT, OsKeyring
from tests import secret_service as services
from tests.storage.killing import killed_at
from tests.stores import fake_key, fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytui.settings import Settings
    from tests.secret_service import SecretService


def slot(number: int = 1) -> Slot:
    return Slot(f"{number:032x}", "openai-prod")


@pytest.fixture
def locked(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretService]:
    """A gnome-keyring whose keyring is there and locked."""
    services.need()
    for service in services.running(tmp_path_factory.mktemp("locked")):
        services.lock(service.address)
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", service.address)
        yield service


@pytest.mark.secret_service
@pytest.mark.usefixtures("secret_service")
def test_a_secret_comes_back_as_it_was_written() -> None:
    keyring, secret = OsKeyring(10), fake_key()
    keyring.write(slot(1), secret)
    assert keyring.read(slot(1)) == secret
    assert keyring.state().label == "OS keyring"


@pytest.mark.secret_service
@pytest.mark.usefixtures("secret_service")
def test_keyring_itself_finds_what_was_written() -> None:
    import keyring

    secret = fake_key()
    OsKeyring(10).write(slot(2), secret)
    assert keyring.get_password(f"keytui:{slot(2).id}", "openai-prod") == secret.reveal()


@pytest.mark.secret_service
@pytest.mark.usefixtures("secret_service")
def test_deleting_leaves_nothing_and_may_be_repeated() -> None:
    keyring = OsKeyring(10)
    keyring.write(slot(3), fake_key())
    keyring.delete(slot(3))
    keyring.delete(slot(3))
    assert not keyring.present(slot(3))
    with pytest.raises(SecretMissing):
        keyring.read(slot(3))


@pytest.mark.secret_service
@pytest.mark.usefixtures("secret_service")
def test_keyrings_own_configuration_does_not_redirect_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("KEYRING_PROPERTY_SCHEME", "KeePassXC")
    keyring, secret = OsKeyring(10), fake_key()
    keyring.write(slot(4), secret)
    assert keyring.read(slot(4)) == secret


@pytest.mark.secret_service
@pytest.mark.usefixtures("secret_service")
def test_the_first_key_chooses_a_working_keyring_and_remembers_it(settings: Settings) -> None:
    store, secret = Keystore(settings), fake_key()
    key = store.add(fields(), secret)
    assert key.backend == "os"
    assert store.settings.backend == "os"
    assert store.read(key.id) == secret
    store.delete(key.id, now=True)
    with open(settings.settings_path, encoding="utf-8") as file:
        assert 'backend = "os"' in file.read()


@pytest.mark.secret_service
@pytest.mark.usefixtures("secret_service")
def test_the_probe_leaves_nothing_behind(secret_service: SecretService) -> None:
    import secretstorage
    from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-untyped] # it has no stubs

    with open_dbus_connection(secret_service.address) as bus:
        before = len(list(secretstorage.Collection(bus).get_all_items()))
        OsKeyring(10).probe()
        assert len(list(secretstorage.Collection(bus).get_all_items())) == before


@pytest.mark.secret_service
@pytest.mark.usefixtures("secret_service")
def test_what_another_program_put_into_a_slot_is_not_taken_for_the_key(settings: Settings) -> None:
    store = Keystore(settings._replace(backend="os"))
    key = store.add(fields(), fake_key())
    place = Slot(store.versions(key.id)[0].slot, key.name)
    OsKeyring(10).write(place, fake_key())
    with pytest.raises(SecretDamaged):
        store.read(key.id)


@pytest.mark.secret_service
@pytest.mark.usefixtures("secret_service")
@pytest.mark.parametrize("step", ["add.row_pending", "add.slot_written", "add.read_back"])
def test_an_add_killed_on_a_real_keyring_is_ended_by_the_next_start(settings: Settings, step: str) -> None:
    own, secret = settings._replace(backend="os"), fake_key()
    steps = ["add.row_pending", "add.slot_written", "add.read_back"]
    assert killed_at(steps.index(step), Keystore(own).add, fields(), secret) == step
    store = Keystore(own)
    store.recover()
    keys = store.keys()
    assert [store.read(key.id) for key in keys] == ([] if step == "add.row_pending" else [secret])
    for key in keys:
        store.delete(key.id, now=True)


@pytest.mark.secret_service
@pytest.mark.usefixtures("locked")
def test_a_locked_keyring_says_so_at_once_where_nobody_can_be_asked() -> None:
    keyring = OsKeyring(10)
    for call in (keyring.ready, keyring.probe, lambda: keyring.read(slot()), lambda: keyring.delete(slot())):
        with pytest.raises(StoreLocked, match="OS keyring is locked"):
            call()
    assert keyring.state().state == "locked"


@pytest.mark.secret_service
@pytest.mark.usefixtures("locked")
def test_a_locked_keyring_is_no_reason_to_write_elsewhere(settings: Settings) -> None:
    store = Keystore(settings._replace(backend="os"))
    with pytest.raises(StoreLocked) as caught:
        store.add(fields(), fake_key())
    assert caught.value.backend == "os"
    assert store.keys() == []


@pytest.mark.secret_service
@pytest.mark.usefixtures("empty_bus")
def test_a_bus_without_a_keyring_leads_to_the_offer_of_a_vault(settings: Settings) -> None:
    with pytest.raises(StoreUndecided, match="No OS keyring answers here") as caught:
        Keystore(settings).add(fields(), fake_key())
    assert "vault" in caught.value.hint


def test_without_a_bus_the_store_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match="No OS keyring answers here"):
        OsKeyring(10).probe()


def test_a_call_that_never_returns_ends_at_our_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    keyring = OsKeyring(0.05)
    monkeypatch.setattr(keyring, "_read", lambda _: never.wait())
    with pytest.raises(StoreUnavailable, match="did not answer within"):
        keyring.read(slot())
    never.set()


def test_an_unforeseen_error_tells_its_kind_and_not_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = fake_key()

    def fail(_slot: Slot, given: Secret) -> None:
        raise RuntimeError(given.reveal())

    keyring = OsKeyring(10)
    monkeypatch.setattr(keyring, "_write", fail)
    with pytest.raises(StoreRefused, match="RuntimeError") as caught:
        keyring.write(slot(), secret)
    assert secret.reveal() not in repr(caught.value) + caught.value.hint
    assert caught.value.__cause__ is None


def test_what_windows_cannot_hold_is_refused_before_it_is_tried() -> None:
    with pytest.raises(StoreRefused, match="at most 1280"):
        OsKeyring(10, "win32").write(slot(), Secret("x" * (WINDOWS_LIMIT + 1)))


def test_a_system_without_a_known_keyring_says_so() -> None:
    with pytest.raises(StoreUnavailable, match="knows no OS keyring"):
        OsKeyring(10, "aix").write(slot(), fake_key())
