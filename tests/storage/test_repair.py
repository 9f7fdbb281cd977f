from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from keytui.errors import IndexDamaged, IndexNewer, StoreError, StoreLocked
from keytui.storage import schema
from keytui.storage.backends import MemoryBackend
from tests.storage.helpers import Clock, rotated
from tests.storage.killing import killed_at, reopen
from tests.stores import fake_key, fields, memory_store, open_vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.model import Secret
    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore

NAMES = [f"key-{number}" for number in range(12)]


class Home:
    """A keytui home with a vault of some keys, whose index can be put back as it was."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.path = settings.index_path
        _, self.identity = open_vault(settings)
        self.secrets = {name: fake_key() for name in NAMES}
        store = self.open()
        for name, secret in self.secrets.items():
            store.add(fields(name, tags=("prod",), note="n" * 600), secret)
        store.close()
        with open(self.path, "rb") as file:
            self.bytes = file.read()

    def open(self) -> Keystore:
        return reopen(self.settings, self.identity)

    def put(self, content: bytes) -> None:
        """Replace the index by this."""
        for name in os.listdir(self.settings.data_dir):
            if name.startswith("index.db"):
                os.remove(os.path.join(self.settings.data_dir, name))
        with open(self.path, "wb") as file:
            file.write(content)
        os.chmod(self.path, 0o600)

    def values(self) -> dict[str, Secret]:
        store = self.open()
        found = {key.name: store.read(key.id) for key in store.keys()}
        store.close()
        return found

    def healed(self) -> None:
        """Repair, and find every secret by its name."""
        store = self.open()
        store.repair()
        bad = [f for f in store.examine() if f.level != "ok" and f.id != "work-factor"]
        store.close()
        assert self.values() == self.secrets
        assert bad == []


@pytest.fixture
def home(settings: Settings) -> Home:
    return Home(settings)


def emptied(home: Home) -> None:
    home.put(b"")


def cut(home: Home) -> None:
    home.put(home.bytes[: len(home.bytes) // 2])


def rubbish(home: Home) -> None:
    home.put(b"this was an index once " * 400)


def removed(home: Home) -> None:
    os.remove(home.path)


def folder(home: Home) -> None:
    os.remove(home.path)
    os.mkdir(home.path, mode=0o700)


BREAKS: tuple[Callable[[Home], None], ...] = (emptied, cut, rubbish, removed, folder)


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.__name__)
def test_a_broken_index_is_told_and_repaired_from_the_vault(home: Home, broken: Callable[[Home], None]) -> None:
    broken(home)
    store = home.open()
    with pytest.raises(IndexDamaged) as caught:
        store.keys()
    assert "keytui doctor --repair" in caught.value.hint
    (finding,) = (finding for finding in store.examine() if finding.id == "index")
    assert (finding.level, finding.fix) == ("error", "keytui doctor --repair")
    said = store.repair().sentences
    assert said[0].startswith("The index was rebuilt: 12 keys")
    assert home.values() == home.secrets
    kept = [name for name in os.listdir(home.settings.data_dir) if ".broken-" in name]
    assert bool(kept) is (broken is not removed)
    assert store.repair() == ((), ())


def test_what_can_be_read_of_a_broken_index_stays(home: Home) -> None:
    with closing(sqlite3.connect(home.path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_master WHERE name = 'checks'")
        connection.commit()
    store = home.open()
    assert store.repair().sentences[0].startswith("The index was rebuilt: 12 keys, 12 from the broken file.")
    assert store.find("key-3").tags == ("prod",)
    assert store.versions(store.find("key-3").id)
    assert home.values() == home.secrets


def test_an_index_that_a_newer_keytui_took_over_meanwhile_is_not_written(home: Home) -> None:
    """Two versions run side by side during an update; the older one has the file open already."""
    store = home.open()
    key = store.keys()[0]
    with closing(sqlite3.connect(home.path)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    with pytest.raises(IndexNewer, match="newer keytui"):
        store.edit(key.id, key.fields._replace(name="renamed"))
    with pytest.raises(IndexNewer, match="newer keytui"):
        store.keys()
    store.close()


def test_an_index_of_a_newer_keytui_is_never_repaired(home: Home) -> None:
    with closing(sqlite3.connect(home.path)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    with open(home.path, "rb") as file:
        before = file.read()
    store = home.open()
    with pytest.raises(IndexNewer, match="newer keytui"):
        store.repair()
    (finding,) = (finding for finding in store.examine() if finding.id == "index")
    assert (finding.level, finding.fix) == ("error", "")
    store.close()
    with open(home.path, "rb") as file:
        assert file.read() == before
    os.rename(home.path, f"{home.path}.away")
    home.healed()


def test_a_locked_vault_must_be_opened_before_anything_changes(home: Home) -> None:
    emptied(home)
    store = home.open()
    store.lock()
    with pytest.raises(StoreLocked):
        store.repair()
    assert os.path.getsize(home.path) == 0


def test_values_of_one_name_become_one_key_and_none_is_ever_purged(settings: Settings) -> None:
    _, identity = open_vault(settings)
    store, old, new = reopen(settings, identity), fake_key(), fake_key()
    clock = Clock()
    store._core.clock = clock
    key = store.add(fields(), old)
    clock.now += 100
    rotated(store, key, new)
    store.close()
    os.remove(settings.index_path)
    store = reopen(settings, identity)
    repaired = store.repair()
    key = store.find("openai-prod")
    assert repaired.adopted == (key.id,)
    assert (key.provider, key.base_url) == ("openai", "https://api.openai.com/v1")
    current, previous = sorted(store.versions(key.id), key=lambda version: version.state)
    assert (current.state, previous.state, previous.purge_at) == ("current", "previous", None)
    assert store.read(key.id) == new
    assert store.read(key.id, previous.id) == old
    assert (key.created_at, key.rotated_at) == (previous.created_at, current.created_at)


def test_a_secret_the_index_does_not_know_is_listed_under_a_name_of_its_own(home: Home) -> None:
    with closing(sqlite3.connect(home.path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM keys WHERE name = 'key-5'")
        connection.commit()
    store = home.open()
    (finding,) = (finding for finding in store.examine() if finding.level == "warning")
    assert finding == (
        "unknown-slot",
        "warning",
        "The vault holds 1 secret that the index does not know.",
        "keytui doctor --repair",
    )
    assert store.repair().sentences == ("A key named “key-5” was found in the vault and is listed as “recovered-1”.",)
    assert store.read(store.find("recovered-1").id) == home.secrets["key-5"]
    assert store.find("recovered-1").base_url == "https://api.openai.com/v1"


@pytest.mark.parametrize("column", ["slot", "label"])
def test_a_row_that_lost_its_way_to_its_secret_gets_it_back(home: Home, column: str) -> None:
    with closing(sqlite3.connect(home.path)) as connection:
        wrong = (
            f"UPDATE versions SET {column} = replace({column}, substr({column}, -1), 'f') || '' WHERE label = 'key-5'"  # noqa: S608 - one of two words
        )
        connection.execute(wrong)
        if column == "slot":
            connection.execute("UPDATE versions SET slot = substr(slot, 2) || '0' WHERE label = 'key-5'")
        connection.commit()
    store = home.open()
    with pytest.raises(StoreError):
        store.read(store.find("key-5").id)
    assert any(finding.level == "error" for finding in store.examine())
    store.repair()
    assert home.values() == home.secrets
    assert home.open().repair() == ((), ())


def test_a_row_without_its_secret_is_reported_and_never_dropped(home: Home) -> None:
    store = home.open()
    key = store.find("key-5")
    (version,) = store.versions(key.id)
    os.remove(os.path.join(home.settings.vault_dir, "secrets", f"{version.slot}.age"))
    said = ("secret-missing", "error", "The vault holds no secret for “key-5”. Add or rotate it.", "")
    assert said in store.examine()
    assert store.repair() == ((), ())
    assert store.find("key-5").name == "key-5"


def test_slots_of_another_home_are_adopted_only_when_asked_for(settings: Settings) -> None:
    memory = MemoryBackend()
    other = memory_store(settings._replace(data_dir=f"{settings.data_dir}-other"), memory=memory)
    secret = fake_key()
    other.add(fields("theirs"), secret)
    store = memory_store(settings, memory=memory)
    store.add(fields("mine"), fake_key())
    (finding,) = (finding for finding in store.examine() if finding.id == "unknown-slot-os")
    assert "Another keytui home of yours may own them" in finding.sentence
    assert store.repair() == ((), ())
    assert len(store.keys()) == 1
    (adopted,) = store.repair(adopt_os=True).adopted
    assert store.key(adopted).name == "recovered-1"
    assert store.read(adopted) == secret
    assert other.read(other.find("theirs").id) == secret


def test_a_broken_index_of_a_keyring_is_repaired_from_its_list(settings: Settings) -> None:
    memory = MemoryBackend()
    store = memory_store(settings, memory=memory)
    secrets = {name: fake_key() for name in NAMES}
    for name, secret in secrets.items():
        store.add(fields(name), secret)
    store.close()
    with open(settings.index_path, "wb") as file:
        file.write(b"rubbish" * 2_000)
    for name in ("wal", "shm"):
        if os.path.exists(f"{settings.index_path}-{name}"):
            os.remove(f"{settings.index_path}-{name}")
    store = memory_store(settings, memory=memory)
    store.repair(adopt_os=True)
    assert {key.name: store.read(key.id) for key in store.keys()} == secrets


@pytest.mark.parametrize("damage", ["DELETE FROM meta", "UPDATE meta SET value = X'00'"])
def test_without_the_key_of_its_fingerprints_a_keyring_is_read_all_the_same(settings: Settings, damage: str) -> None:
    memory, secret = MemoryBackend(), fake_key()
    store = memory_store(settings, memory=memory)
    store.add(fields("one"), secret)
    store.close()
    with closing(sqlite3.connect(settings.index_path)) as connection:
        connection.execute(damage)
        connection.commit()
    store = memory_store(settings, memory=memory)
    store.repair()
    assert {key.name: store.read(key.id) for key in store.keys()} == {"one": secret}


def test_a_damaged_byte_never_looks_like_a_deletion(home: Home) -> None:
    with closing(sqlite3.connect(home.path)) as connection:
        connection.execute("UPDATE keys SET purge_at = 0 WHERE name = 'key-1'")
        connection.execute("UPDATE keys SET unfinished = X'00' WHERE name = 'key-2'")
        connection.execute("UPDATE versions SET purge_at = 0 WHERE label = 'key-3'")
        connection.execute("UPDATE versions SET state = 'trasi' WHERE label = 'key-4'")
        connection.commit()
    store = home.open()
    store.purge()
    store.recover()
    store.close()
    home.healed()


# --- killed on the way


def repair(settings: Settings, identity: Secret) -> None:
    reopen(settings, identity).repair()


def test_a_repair_that_is_killed_goes_on(home: Home) -> None:
    steps_seen = set()
    for number in range(100):
        home.put(home.bytes[:-5_000])
        step = killed_at(number, repair, home.settings, home.identity)
        home.healed()
        if not step:
            break
        steps_seen.add(step)
    assert {"repair.built", "repair.built_whole", "repair.set_aside", "repair.in_place", "repair.merged"} <= steps_seen


# --- cut and flipped


def looked_at(home: Home) -> None:
    """Only our errors leave a store, whatever its index looks like."""
    store = home.open()
    for look in (store.keys, store.counts, store.undoable, lambda: store.read(store.find("key-3").id), store.examine):
        try:
            look()
        except StoreError:
            continue
    store.close()


def assert_healed(home: Home) -> None:
    store = home.open()
    try:
        store.repair()
    except IndexNewer:
        os.rename(home.path, f"{home.path}.away")
        store.repair()
    store.close()
    assert home.values() == home.secrets


CUTS = (1, 15, 16, 99, 100, 101, 4_095, 4_096, 4_097, 8_192, 12_000, 20_480, 30_000, 40_960)


@pytest.mark.parametrize("length", CUTS)
def test_an_index_cut_at_any_length_loses_no_secret(home: Home, length: int) -> None:
    home.put(home.bytes[:length])
    looked_at(home)
    assert_healed(home)
