"""Finding keytui's secrets again in a real gnome-keyring."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from keytui.errors import StoreLocked
from keytui.storage.backends import Slot
from keytui.storage.keystore import Keystore
from keytui.storage.os_keyring import OsKeyring
from tests import secret_service as services
from tests.stores import fake_key, fields

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from keytui.settings import Settings

pytestmark = pytest.mark.secret_service


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A gnome-keyring of the test's own, that no other test fills."""
    services.need()
    for service in services.running(tmp_path / "service"):
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", service.address)
        yield service.address


def test_only_our_own_slots_are_listed(address: str) -> None:
    import keyring.backends.SecretService

    assert address
    ours, theirs = OsKeyring(10), keyring.backends.SecretService.Keyring()  # type: ignore[no-untyped-call] # not annotated
    ours.write(Slot("a" * 32, "openai-prod"), fake_key())
    theirs.set_password("another program", "me", "secret")  # type: ignore[no-untyped-call] # as above
    theirs.set_password("keytui:probe-1", "keytui probe", "secret")  # type: ignore[no-untyped-call] # as above
    (listed,) = ours.listed() or []
    assert (listed.id, listed.name, listed.created_at > 1_600_000_000) == ("a" * 32, "openai-prod", True)


def test_a_locked_keyring_lists_nothing_and_says_so(address: str) -> None:
    ours = OsKeyring(10)
    ours.write(Slot("a" * 32, "openai-prod"), fake_key())
    services.lock(address)
    with pytest.raises(StoreLocked):
        ours.listed()


def test_a_lost_index_is_made_again_from_the_keyring(address: str, settings: Settings) -> None:
    secrets = {f"key-{number}": fake_key() for number in range(3)}
    settings = settings._replace(backend="os", backend_source="settings.toml")
    store = Keystore(settings)
    for name, secret in secrets.items():
        store.add(fields(name), secret)
    store.close()
    os.truncate(settings.index_path, 0)
    store = Keystore(settings)
    (finding,) = (finding for finding in store.examine() if finding.id == "unknown-slot-os")
    assert finding.sentence.startswith("The OS keyring holds 3 secrets that this index does not know.")
    store.repair(adopt_os=True)
    assert {key.name: store.read(key.id) for key in store.keys()} == secrets
    assert [finding for finding in store.examine() if finding.level != "ok"] == []
    services.lock(address)
    bad = [finding for finding in store.examine() if finding.level != "ok"]
    assert [(finding.id, finding.level) for finding in bad] == [("os-keyring-locked", "warning")]
    assert bad[0].sentence == (
        "The OS keyring is locked. Unlock it (log in, or open your keyring manager) and try again."
    )


def test_a_secret_the_keyring_lost_is_found_without_reading_any(
    address: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert address
    settings = settings._replace(backend="os")
    store = Keystore(settings)
    store.add(fields("kept"), fake_key())
    gone = store.add(fields("gone"), fake_key())
    (version,) = store.versions(gone.id)
    OsKeyring(10).delete(Slot(version.slot, "gone"))
    monkeypatch.setattr(OsKeyring, "read", lambda *_: pytest.fail("doctor read a secret"))
    bad = [finding for finding in store.examine() if finding.level != "ok"]
    assert bad == [("secret-missing", "error", "The OS keyring holds no secret for “gone”. Add or rotate it.", "")]
