from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from keytui.model import Secret
from keytui.storage import cache
from keytui.storage.keystore import Keystore
from keytui.storage.vault import Vault
from tests.stores import fake_key, fields, open_vault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytui.settings import Settings


@pytest.fixture
def name() -> Iterator[str]:
    """A name in this user's kernel keyring that nothing else uses."""
    made = f"keytui-test:{os.urandom(8).hex()}"
    if not cache.put(made, Secret("probe"), 5):
        pytest.skip("the kernel's keyring cannot be used here")
    cache.drop(made)
    yield made
    cache.drop(made)


@pytest.fixture
def cached(settings: Settings, name: str) -> Iterator[tuple[Settings, Secret]]:
    """Settings that use the cache, with a vault of their own, and its identity; nothing of it stays behind."""
    assert name
    using = settings._replace(use_cache=True, backend="vault")
    vault, identity = open_vault(using)
    yield using, identity
    vault.lock()


def opened(settings: Settings, identity: Secret | None = None) -> Keystore:
    """A store whose vault is open with this identity, or closed."""
    vault = Vault(settings)
    if identity is not None:
        vault.open_with(identity)
    return Keystore(settings, backends={"vault": vault})


def test_what_was_put_is_found_by_another_process_until_it_is_dropped(name: str) -> None:
    assert cache.get(name) is None
    assert cache.put(name, Secret("AGE-SECRET"), 60)
    code = f"from keytui.storage import cache; print(cache.get({name!r}).reveal())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "AGE-SECRET\n"
    cache.drop(name)
    assert cache.get(name) is None


def test_what_is_put_again_replaces_the_first(name: str) -> None:
    cache.put(name, Secret("first"), 60)
    cache.put(name, Secret("second"), 60)
    kept = cache.get(name)
    assert kept is not None
    assert kept.reveal() == "second"


def test_a_system_without_these_calls_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_CALLS", {})
    assert cache.put("keytui-test:none", Secret("x"), 5) is False
    assert cache.get("keytui-test:none") is None
    cache.drop("keytui-test:none")


def test_an_unlocked_vault_serves_later_commands_until_it_is_locked(cached: tuple[Settings, Secret]) -> None:
    settings, identity = cached
    first, secret = opened(settings, identity), fake_key()
    key = first.add(fields(), secret)
    assert first.cache(1) is True
    assert opened(settings).read(key.id) == secret
    assert opened(settings).status().state == "ready"
    first.lock()
    assert opened(settings).unlock_quietly() is False


def test_without_the_cache_nothing_is_read_from_it_or_put_into_it(cached: tuple[Settings, Secret]) -> None:
    settings, identity = cached
    assert opened(settings, identity).cache(1) is True
    without = settings._replace(use_cache=False)
    assert opened(without).unlock_quietly() is False
    assert opened(without, identity).cache(1) is False


def test_a_locked_vault_is_not_cached(cached: tuple[Settings, Secret]) -> None:
    assert opened(cached[0]).cache(1) is False
