"""Stores for every room's tests: in memory, or a vault that is open without deriving anything from a passphrase."""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING

from pyrage import x25519

from keytui.model import KeyFields, Secret
from keytui.storage.backends import MemoryBackend
from keytui.storage.keystore import Keystore
from keytui.storage.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.settings import Settings

_numbers = itertools.count(1)


def memory_store(
    settings: Settings, *, memory: MemoryBackend | None = None, clock: Callable[[], float] = time.time
) -> Keystore:
    """A store whose secrets live in memory and whose choice of store is made."""
    backend = MemoryBackend() if memory is None else memory
    return Keystore(settings._replace(backend=backend.name), backends={backend.name: backend}, clock=clock)


def open_vault(settings: Settings) -> tuple[Vault, Secret]:
    """A vault on disk, unlocked, and its identity for `Vault.open_with`. No passphrase opens its identity.age."""
    identity = x25519.Identity.generate()
    os.makedirs(settings.data_dir, mode=0o700, exist_ok=True)
    for folder in (settings.vault_dir, os.path.join(settings.vault_dir, "secrets")):
        os.mkdir(folder, mode=0o700)
    for name, text in (("recipient.txt", f"{identity.to_public()}\n"), ("identity.age", "not made from a passphrase")):
        descriptor = os.open(os.path.join(settings.vault_dir, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
    vault = Vault(settings)
    vault.open_with(Secret(str(identity)))
    return vault, Secret(str(identity))


def unlocked_vault_store(settings: Settings, *, clock: Callable[[], float] = time.time) -> Keystore:
    """A store on a real vault that is unlocked already; `lock()` locks it for good, but for `Vault.open_with`."""
    vault, _ = open_vault(settings)
    return Keystore(settings._replace(backend="vault"), backends={"vault": vault}, clock=clock)


def fake_key(prefix: str = "sk-" + "proj-") -> Secret:
    """A key-shaped secret like no other; built at run time, so that no file holds a key's shape."""
    return Secret(f"{prefix}{next(_numbers):04d}{os.urandom(18).hex()}")


def fields(name: str = "openai-prod", **changes: object) -> KeyFields:
    """Fields of a key as a person might fill them in."""
    plain = KeyFields(name=name, provider="openai", base_url="https://api.openai.com/v1", env="OPENAI_API_KEY")
    return plain._replace(**changes)  # type: ignore[arg-type] # each test names fields of KeyFields
