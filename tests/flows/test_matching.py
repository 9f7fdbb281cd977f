"""Which remote key a stored one is, and which admin key manages it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keytui.errors import KeyNotFound, UsageError
from keytui.flows import matching
from keytui.model import KeyFields, Secret
from keytui.providers.issuers import Remote
from keytui.settings import load
from keytui.storage.backends import MemoryBackend
from keytui.storage.keystore import Keystore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from keytui.model import KeyKind

TEXT = "sk-" + "proj-" + "Ab3" * 30 + "9f2c"
KEY = Secret(TEXT)


@pytest.mark.parametrize(
    "redacted", ["sk-...9f2c", "sk-proj-...9f2c", "sk-proj-****9f2c", "sk-pr…9f2c", "sk-p***********f2c"]
)
def test_redacted_value_of_every_known_shape_is_likely(redacted: str) -> None:
    found = matching.match(KEY, "", 0, [Remote("key_1", redacted=redacted)])
    assert (found.certain, [each.id for each in found.likely]) == (None, ["key_1"])


@pytest.mark.parametrize(
    "redacted", ["", "9f2c", "sk-proj-...", "sk-...2c", "sk-svc...9f2c", "sk-...9f2d", TEXT, f"{TEXT}...9f2c"]
)
def test_value_that_does_not_fit_is_not_proposed(redacted: str) -> None:
    assert matching.match(KEY, "", 0, [Remote("key_1", redacted=redacted)]) == (None, ())


def test_known_id_is_certain_and_no_other_is_proposed_beside_it() -> None:
    remotes = [Remote("key_1", redacted="sk-...9f2c"), Remote("key_2", redacted="sk-...0000")]
    assert matching.match(KEY, "key_2", 0, remotes) == (remotes[1], ())
    assert matching.match(KEY, "key_3", 0, remotes) == (None, ())


def test_owner_of_the_shapes_kind_and_the_nearest_creation_come_first() -> None:
    remotes = [
        Remote("bot", redacted="sk-...9f2c", created_at=1_000, owner="service_account"),
        Remote("far", redacted="sk-...9f2c", created_at=90_000, owner="user"),
        Remote("unknown", redacted="sk-...9f2c", owner="user"),
        Remote("near", redacted="sk-...9f2c", created_at=1_100, owner="user"),
    ]
    found = matching.match(KEY, "", 1_000, remotes).likely
    assert [each.id for each in found] == ["near", "far", "unknown", "bot"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Keystore]:
    opened = Keystore(load({"KEYTUI_HOME": str(tmp_path)}, backend="os"), backends={"os": MemoryBackend()})
    yield opened
    opened.close()


def add(
    store: Keystore, name: str, kind: KeyKind = "api", provider: str = "openai", url: str = "http://127.0.0.1:1"
) -> None:
    value = f"sk-{kind}-{name}-" + "0" * 20
    store.add(KeyFields(name=name, provider=provider, base_url=url, env="X", kind=kind), Secret(value))


def test_only_admin_key_of_the_same_provider_and_address_manages(store: Keystore) -> None:
    add(store, "mine")
    add(store, "router", "admin", "openrouter")
    add(store, "elsewhere", "admin", url="http://127.0.0.1:2")
    assert matching.admin_for(store, store.find("mine")) is None
    add(store, "boss", "admin")
    found = matching.admin_for(store, store.find("mine"))
    assert found is not None
    assert found.name == "boss"
    assert matching.admin_for(store, found) is None


def test_several_admin_keys_are_named_and_one_is_taken_by_its_name(store: Keystore) -> None:
    for name in ("boss", "chief"):
        add(store, name, "admin")
    add(store, "mine")
    with pytest.raises(UsageError, match="boss, chief"):
        matching.admin_for(store, store.find("mine"))
    found = matching.admin_for(store, store.find("mine"), "chief")
    assert found is not None
    assert found.name == "chief"
    for wrong, error in (("mine", UsageError), ("nobody", KeyNotFound)):
        with pytest.raises(error):
            matching.admin_for(store, store.find("mine"), wrong)


def test_provider_without_an_issuer_has_no_admin_key(store: Keystore) -> None:
    add(store, "claude", provider="anthropic")
    add(store, "boss", "admin", "anthropic")
    assert matching.admin_for(store, store.find("claude")) is None
