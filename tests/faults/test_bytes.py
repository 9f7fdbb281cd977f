"""One byte changed, or the end missing: the original secret or a store error, and nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from keytui import settings as settings_module
from keytui.errors import StoreError
from keytui.model import Secret
from keytui.storage import derive
from keytui.storage.keystore import Keystore
from tests.faults.flows import PASSPHRASE
from tests.stores import fake_key, fields, unlocked_vault_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytui.settings import Settings

OTHERS = 6
"""Flips of identity.age that are noticed only after the key was derived, which takes seconds each."""


def changed(content: bytes) -> Iterator[bytes]:
    """The content with each byte changed in its lowest bit, in its highest, and in all; then each beginning of it."""
    for place, byte in enumerate(content):
        for mask in (0x01, 0x80, 0xFF):
            yield content[:place] + bytes([byte ^ mask]) + content[place + 1 :]
    for length in range(len(content)):
        yield content[:length]


def outcome(store: Keystore, key_id: int) -> Secret | None:
    """The secret, or None for a store error; anything else is a failure of the test."""
    try:
        return store.read(key_id)
    except StoreError:
        return None


@pytest.mark.slow
def test_a_changed_secret_file_is_an_error_or_the_secret(settings: Settings) -> None:
    store, secret = unlocked_vault_store(settings), fake_key()
    key = store.add(fields(), secret)
    path = os.path.join(settings.vault_dir, "secrets", f"{store.versions(key.id)[0].slot}.age")
    with open(path, "rb") as file:
        content = file.read()
    seen = 0
    for other in changed(content):
        with open(path, "wb") as file:
            file.write(other)
        assert outcome(store, key.id) in (None, secret)
        seen += 1
    assert seen == 4 * len(content)
    with open(path, "wb") as file:
        file.write(content)
    assert store.read(key.id) == secret


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Secret]:
    """A vault whose identity is protected by PASSPHRASE, and the secret in it."""
    home = str(tmp_path_factory.mktemp("bytes"))
    settings = settings_module.load({"KEYTUI_HOME": home, "KEYTUI_NO_CACHE": "1", "KEYTUI_BACKEND": "vault"})
    store, secret = Keystore(settings), fake_key()
    store.set_up_vault(PASSPHRASE)
    store.add(fields(), secret)
    store.close()
    return settings, secret


def opened(settings: Settings) -> Secret | None:
    """The secret of the only key, in a store opened by passphrase; None for a store error."""
    store = Keystore(settings)
    try:
        store.unlock(PASSPHRASE)
    except StoreError:
        return None
    finally:
        key = store.keys()[0]
    return outcome(store, key.id)


def derives(content: bytes) -> bool:
    """Whether opening this gets as far as deriving a key."""
    factor = derive.work_factor(content)
    return factor is not None and derive.WEAKEST <= factor <= derive.STRONG + 2


@pytest.mark.slow
def test_a_changed_identity_is_an_error_or_opens_the_vault(real: tuple[Settings, Secret]) -> None:
    settings, secret = real
    path = os.path.join(settings.vault_dir, "identity.age")
    with open(path, "rb") as file:
        content = file.read()
    flips = [content[:n] + bytes([byte ^ 1]) + content[n + 1 :] for n, byte in enumerate(content)]
    cuts = [content[:length] for length in range(0, len(content), 8)]
    cheap = [other for other in (*flips, *cuts) if not derives(other)]
    costly = [other for other in flips if derives(other)]
    assert len(cheap) > 30
    for other in (*cheap, *costly[:: len(costly) // OTHERS][:OTHERS]):
        with open(path, "wb") as file:
            file.write(other)
        assert opened(settings) in (None, secret)
    with open(path, "wb") as file:
        file.write(content)
    assert opened(settings) == secret
