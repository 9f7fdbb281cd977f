from __future__ import annotations

import json
import os
import shutil
import stat
from typing import TYPE_CHECKING, Any

import pytest

from keytui.errors import SecretDamaged, StoreError, StoreLocked, StoreRefused, UsageError, WrongPassphrase
from keytui.flows import backup, exported
from keytui.model import Secret
from keytui.storage import derive, steps
from keytui.storage.backends import MemoryBackend, Slot
from tests.storage import cheap
from tests.storage.helpers import newest, rotated
from tests.stores import fake_key, fields, memory_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore

PASSPHRASE = Secret("correct horse battery staple")
NOW = 1_800_000_000
OLD, CURRENT = fake_key(), fake_key()


@pytest.fixture
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    cheap.use(monkeypatch)


@pytest.fixture
def memory() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture
def store(settings: Settings, memory: MemoryBackend) -> Keystore:
    """Two keys, one with a previous value, and one in the trash."""
    made = memory_store(settings, memory=memory, clock=lambda: NOW - 1_000)
    whole = fields("one", tags=("b", "a"), note="two\nlines ü", rotate_every_days=90, expires_at=NOW + 5)
    rotated(made, made.add(whole, OLD), CURRENT)
    made.add(fields("two", base_url="https://llm.example.com/v1", provider="custom"), Secret("short"))
    made.delete(made.add(fields("gone"), fake_key()).id)
    return made


@pytest.fixture
def other(settings: Settings, tmp_path: Path) -> Keystore:
    """An empty store elsewhere."""
    home = str(tmp_path / "other")
    return memory_store(settings._replace(data_dir=home, config_dir=home), clock=lambda: NOW)


def saved(store: Keystore) -> list[exported.Saved]:
    """What reading back an export of the store gives."""
    fit, unfit = exported.parse(backup.collect(store, NOW).text, NOW)
    assert unfit == []
    return fit


def restored(store: Keystore, keys: list[exported.Saved]) -> list[str]:
    """Restore keys; the names they got."""
    return [backup.restore(store, step).name for step in backup.plan(store, keys) if step.name]


def changed(store: Keystore, change: Callable[[dict[str, Any]], object]) -> Secret:
    """An export of the store whose JSON was changed."""
    whole = json.loads(backup.collect(store, NOW).text.reveal())
    change(whole)
    return Secret(json.dumps(whole))


# --- into an empty store


def test_every_field_and_value_comes_back(store: Keystore, other: Keystore) -> None:
    assert restored(other, saved(store)) == ["one", "two"]
    for name in ("one", "two"):
        before, after = store.find(name), other.find(name)
        assert after._replace(id=0, expires_at=None) == before._replace(id=0, expires_at=None)
        assert after.expires_at == before.expires_at
        values = [
            [(version.state, version.created_at, where.read(key.id, version.id)) for version in where.versions(key.id)]
            for where, key in ((store, before), (other, after))
        ]
        assert values[0] == values[1]
    assert other.keys(trash=True) == []


def test_previous_values_are_kept_as_long_as_after_a_rotation(store: Keystore, other: Keystore) -> None:
    restored(other, saved(store))
    kept = [version.purge_at for version in other.versions(other.find("one").id) if version.state == "previous"]
    assert kept == [NOW + 30 * 86_400]


def test_the_current_value_is_current_also_when_it_is_not_the_newest(store: Keystore, other: Keystore) -> None:
    store.undo(newest(store).id)
    store.undo(store.events(store.find("one").id)[0].id)
    assert store.read(store.find("one").id) == OLD
    restored(other, saved(store))
    assert other.read(other.find("one").id) == OLD


# --- beside keys that are there


def test_a_key_that_is_there_with_the_same_secret_is_skipped(store: Keystore) -> None:
    before = store.keys()
    assert restored(store, saved(store)) == []
    assert store.keys() == before


def test_a_taken_name_gets_a_number_and_the_key_there_stays(store: Keystore, other: Keystore) -> None:
    secret = fake_key()
    there = other.add(fields("one", base_url="https://elsewhere.example.com/v1"), secret)
    assert restored(other, saved(store)) == ["one-2", "two"]
    assert other.find("one") == there
    assert other.read(there.id) == secret
    assert other.read(other.find("one-2").id) == CURRENT


def test_restoring_twice_changes_nothing_the_second_time(store: Keystore, other: Keystore) -> None:
    other.add(fields("one"), fake_key())
    restored(other, saved(store))
    assert restored(other, saved(store)) == []


def test_a_value_that_was_rotated_away_meanwhile_is_there(store: Keystore) -> None:
    keys = saved(store)
    rotated(store, store.find("one"), fake_key())
    assert restored(store, keys) == []


def test_a_key_whose_secret_is_gone_does_not_count_as_there(store: Keystore, memory: MemoryBackend) -> None:
    keys = saved(store)
    memory.secrets.clear()
    assert restored(store, keys) == ["one-2", "two-2"]
    assert store.read(store.find("one-2").id) == CURRENT


def test_two_keys_of_one_name_in_the_file_both_come_back(store: Keystore, other: Keystore) -> None:
    one, two = saved(store)
    same_name = two._replace(fields=two.fields._replace(name="one"))
    assert restored(other, [one, same_name, one]) == ["one", "one-2"]


# --- what cannot be exported


def test_a_key_that_cannot_be_read_is_named_and_the_others_are_exported(store: Keystore, memory: MemoryBackend) -> None:
    one = store.find("one")
    memory.secrets.pop(store.versions(one.id)[1].slot)
    memory.secrets.pop(store.versions(store.find("two").id)[0].slot)
    collected = backup.collect(store, NOW)
    assert [name for name, _ in collected.left_out] == ["A previous value of one", "two"]
    assert collected.keys == 1


def test_a_locked_store_is_told_and_nothing_is_left_out(store: Keystore, memory: MemoryBackend) -> None:
    memory.locked = True
    with pytest.raises(StoreLocked):
        backup.collect(store, NOW)


# --- what cannot be restored


@pytest.mark.parametrize("text", ["", "[]", "{}", "nothing", '{"format": "keytui export"}', "[" * 100_000])
def test_a_foreign_text_is_refused(text: str) -> None:
    with pytest.raises(SecretDamaged, match="not an export"):
        exported.parse(Secret(text), NOW)


def test_an_export_of_a_newer_keytui_is_refused(store: Keystore) -> None:
    with pytest.raises(SecretDamaged, match="newer"):
        exported.parse(changed(store, lambda whole: whole.update(v=2)), NOW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 5),
        ("name", "-x"),
        ("name", "tab\there"),
        pytest.param("name", CURRENT.reveal(), id="name-key"),
        ("provider", "nobody"),
        ("base_url", "ftp://example.com"),
        ("base_url", "http://example.com/v1"),
        ("base_url", None),
        ("allow_http", "yes"),
        ("kind", "root"),
        ("env", "A-B"),
        ("tags", "a"),
        ("tags", [1]),
        pytest.param("note", CURRENT.reveal(), id="note-key"),
        ("rotate_every_days", True),
        ("rotate_every_days", 99_999),
        ("expires_at", 5),
        ("expires_at", "1960-01-01T00:00:00Z"),
        ("created_at", None),
        ("versions", []),
        ("versions", [{"state": "current", "created_at": "2026-01-01T00:00:00Z", "secret": "a b"}]),
        ("versions", [{"state": "current", "created_at": "2026-01-01T00:00:00Z", "secret": 1}]),
        ("versions", [{"state": "trash", "created_at": "2026-01-01T00:00:00Z", "secret": "abc"}]),
        ("versions", [{"state": [], "created_at": "2026-01-01T00:00:00Z", "secret": "abc"}]),
    ],
)
def test_a_key_with_a_wrong_field_is_named_and_not_restored(store: Keystore, field: str, value: object) -> None:
    text = changed(store, lambda whole: whole["keys"][0].update({field: value}))
    fit, unfit = exported.parse(text, NOW)
    assert [key.fields.name for key in fit] == ["two"]
    ((label, sentence),) = unfit
    assert label == ("Key 1" if field == "name" else "one")
    assert CURRENT.reveal() not in sentence


@pytest.mark.parametrize("entry", [None, [], "key", 5])
def test_an_entry_that_is_no_key_is_counted(store: Keystore, entry: object) -> None:
    fit, unfit = exported.parse(changed(store, lambda whole: whole["keys"].append(entry)), NOW)
    assert (len(fit), [label for label, _ in unfit]) == (2, ["Key 3"])


def test_a_time_to_come_counts_as_now(store: Keystore) -> None:
    text = changed(store, lambda whole: whole["keys"][0].update(created_at="2999-01-01T00:00:00Z"))
    assert exported.parse(text, NOW)[0][0].created_at == NOW


class Full(MemoryBackend):
    """A store that takes so many secrets and no more."""

    room = 1

    def write(self, slot: Slot, secret: Secret) -> None:
        """See Backend."""
        if len(self.secrets) >= self.room:
            raise StoreRefused("Full.")
        super().write(slot, secret)


def test_a_key_that_does_not_fit_leaves_nothing(store: Keystore, settings: Settings, tmp_path: Path) -> None:
    full, home = Full(), str(tmp_path / "full")
    target = memory_store(settings._replace(data_dir=home, config_dir=home), memory=full)
    with pytest.raises(StoreError, match="Full"):
        restored(target, saved(store)[:1])
    assert (target.keys(), full.secrets) == ([], {})
    full.room = 2
    assert restored(target, saved(store)[:1]) == ["one"]


# --- the file


@pytest.mark.usefixtures("_cheap")
def test_the_file_is_private_and_opens_again(store: Keystore, tmp_path: Path) -> None:
    path, text = tmp_path / "keys.age", backup.collect(store, NOW).text
    backup.write(str(path), text, PASSPHRASE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert derive.unseal(path.read_bytes(), PASSPHRASE) == text
    with pytest.raises(StoreRefused):
        backup.write(str(path), text, PASSPHRASE)
    assert os.listdir(tmp_path / "home") == ["keytui"]


@pytest.mark.usefixtures("_cheap")
@pytest.mark.parametrize("found", ["another", "wrong"])
def test_a_file_that_does_not_open_again_is_removed(
    store: Keystore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    def unseal(_sealed: bytes, _passphrase: Secret) -> Secret:
        if found == "wrong":
            raise WrongPassphrase("No.")
        return Secret("another text")

    monkeypatch.setattr(derive, "unseal", unseal)
    with pytest.raises(SecretDamaged, match="removed"):
        backup.write(str(tmp_path / "keys.age"), backup.collect(store, NOW).text, PASSPHRASE)
    assert not (tmp_path / "keys.age").exists()


@pytest.mark.usefixtures("_cheap")
def test_interrupted_while_reading_back_no_file_is_left(
    store: Keystore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unseal(_sealed: bytes, _passphrase: Secret) -> Secret:
        raise KeyboardInterrupt

    monkeypatch.setattr(derive, "unseal", unseal)
    with pytest.raises(KeyboardInterrupt):
        backup.write(str(tmp_path / "keys.age"), backup.collect(store, NOW).text, PASSPHRASE)
    assert not (tmp_path / "keys.age").exists()


@pytest.mark.usefixtures("_cheap")
def test_killed_at_any_step_there_is_a_whole_file_or_none(store: Keystore, tmp_path: Path) -> None:
    from tests.storage.killing import killed_at

    text = backup.collect(store, NOW).text
    number, name, reached = 0, "first", []
    while name:
        folder = tmp_path / str(number)
        folder.mkdir()
        name = killed_at(number, backup.write, str(folder / "keys.age"), text, PASSPHRASE)
        for path in folder.glob("keys.age"):
            assert derive.unseal(path.read_bytes(), PASSPHRASE) == text
        assert all(text.reveal().encode() in path.read_bytes() for path in folder.iterdir())  # whole, never half
        reached.append(name)
        number += 1
    assert "export.written" in reached


def test_a_place_that_exists_or_is_keytuis_own_is_refused(settings: Settings, tmp_path: Path) -> None:
    os.makedirs(settings.vault_dir)
    (tmp_path / "there").write_text("")
    os.symlink(tmp_path / "nowhere", tmp_path / "link")
    os.symlink(settings.data_dir, tmp_path / "way")
    for path in (
        tmp_path / "there",
        tmp_path / "link",
        tmp_path / "none" / "keys.age",
        f"{settings.data_dir}/keys.age",
        f"{settings.vault_dir}/keys.age",
        tmp_path / "way" / "keys.age",
    ):
        with pytest.raises(UsageError):
            backup.check_path(settings, str(path))
    backup.check_path(settings, str(tmp_path / "keys.age"))


def test_steps_of_restoring_are_named(store: Keystore, other: Keystore, monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[str] = []
    monkeypatch.setattr(steps, "reached", reached.append)
    restored(other, saved(store)[:1])
    assert [name for name in reached if name.startswith("restore.")] == [
        "restore.rows_pending",
        "restore.slot_written",
        "restore.read_back",
        "restore.slot_written",
        "restore.read_back",
        "restore.current",
    ]


# --- the real thing: one derivation to write it, one to open it again, one by age itself


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("age") is None, reason="age is not installed")
def test_the_age_tool_alone_opens_an_export(store: Keystore, tmp_path: Path) -> None:
    import pexpect

    backup.write(str(tmp_path / "keys.age"), backup.collect(store, NOW).text, PASSPHRASE)
    age = pexpect.spawn("age", ["-d", "keys.age"], cwd=str(tmp_path), encoding="utf-8", timeout=60)
    age.expect("assphrase")
    age.sendline(PASSPHRASE.reveal())
    age.expect(pexpect.EOF)
    assert f'"secret": "{CURRENT.reveal()}"' in (age.before or "")
    assert f'"secret": "{OLD.reveal()}"' in (age.before or "")
