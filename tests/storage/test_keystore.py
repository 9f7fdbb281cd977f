from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from keytui.errors import KeyNotFound, NameTaken, SecretMissing, StoreLocked, UndoRefused
from keytui.model import DAY, Secret
from keytui.storage.backends import MemoryBackend
from tests.storage.helpers import newest, rotated, verdict
from tests.stores import fake_key, fields, memory_store

if TYPE_CHECKING:
    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore
    from tests.storage.helpers import Clock


# --- adding and reading


def test_an_empty_store_answers_and_creates_nothing(settings: Settings) -> None:
    store = memory_store(settings)
    assert store.keys() == []
    assert store.keys(trash=True) == []
    assert store.counts().total == 0
    assert store.events() == []
    assert store.rotations() == []
    assert store.undoable() is None
    assert store.recover() == []
    assert store.purge() == 0
    assert store.same_secret(fake_key()) is None
    assert store.data_version() == 0
    assert not os.path.exists(settings.data_dir)


def test_an_added_key_is_listed_and_its_secret_comes_back(store: Keystore) -> None:
    secret = fake_key()
    wanted = fields(tags=("prod", "billing"), note="for the site", rotate_every_days=90, model="m", allow_http=True)
    key = store.add(wanted, secret)
    assert store.keys() == [key]
    assert store.read(key.id) == secret
    assert (key.name, key.tags, key.note, key.rotate_every_days) == (
        "openai-prod",
        ("billing", "prod"),
        "for the site",
        90,
    )
    assert key.allow_http is True
    assert key.state == "active"
    assert key.masked == secret.masked()
    assert [event.type for event in store.events(key.id)] == ["added"]


def test_a_taken_name_is_refused_and_nothing_is_stored(store: Keystore) -> None:
    store.add(fields(), fake_key())
    with pytest.raises(NameTaken, match="openai-prod"):
        store.add(fields(), fake_key())
    assert len(store.keys()) == 1


def test_a_name_in_the_trash_is_free(store: Keystore) -> None:
    store.delete(store.add(fields(), fake_key()).id)
    store.add(fields(), fake_key())
    assert len(store.keys()) == len(store.keys(trash=True)) == 1


@pytest.mark.parametrize("name", ["a/b\\c", "[red]x[/red]", "🔑 émoji", "n" * 200, "it's; DROP TABLE keys", "%s {0}"])
def test_odd_names_are_kept_as_they_are(store: Keystore, name: str) -> None:
    secret = fake_key()
    key = store.add(fields(name), secret)
    assert store.find(name) == key
    assert store.read(key.id) == secret


def test_a_ten_kilobyte_secret_comes_back(store: Keystore) -> None:
    secret = Secret("k" * 10_000)
    assert store.read(store.add(fields(), secret).id) == secret


def test_a_secret_of_any_character_comes_back(store: Keystore) -> None:
    secret = Secret('quote" back\\slash tab\t é 🔑 \u2028 {}')
    assert store.read(store.add(fields(), secret).id) == secret


def test_keys_come_in_the_order_of_their_names(store: Keystore) -> None:
    for name in ("beta", "Alpha", "äther", "alpha2"):
        store.add(fields(name), fake_key())
    assert [key.name for key in store.keys()] == ["Alpha", "alpha2", "beta", "äther"]
    assert [key.name for key in store.keys(limit=2)] == ["Alpha", "alpha2"]


def test_an_unknown_name_is_told_with_close_ones(store: Keystore) -> None:
    store.add(fields("openai-prod"), fake_key())
    with pytest.raises(KeyNotFound, match="opnai-prod") as caught:
        store.find("opnai-prod")
    assert "openai-prod" in caught.value.hint


def test_the_same_secret_is_recognized_by_its_fingerprint(store: Keystore) -> None:
    secret, short = fake_key(), Secret("short-one")
    key = store.add(fields("long"), secret)
    store.add(fields("short"), short)
    assert store.same_secret(Secret(secret.reveal())) == key
    assert store.same_secret(fake_key()) is None
    assert store.same_secret(short) is None


def test_a_missing_secret_is_said_and_stays_in_the_list(timed: Keystore, memory: MemoryBackend) -> None:
    secret = fake_key()
    key = timed.add(fields(), secret)
    (slot,) = memory.secrets
    kept = memory.secrets.pop(slot)
    with pytest.raises(SecretMissing):
        timed.read(key.id)
    assert timed.key(key.id).state == "missing"
    memory.secrets[slot] = kept
    assert timed.read(key.id) == secret
    assert timed.key(key.id).state == "active"


def test_drawing_the_list_asks_no_store(timed: Keystore, memory: MemoryBackend) -> None:
    key = timed.add(fields(), fake_key())
    memory.locked = True
    assert [one.name for one in timed.keys()] == ["openai-prod"]
    assert timed.counts().total == 1
    with pytest.raises(StoreLocked):
        timed.read(key.id)


def test_a_store_without_a_passphrase_has_nothing_to_lock(timed: Keystore) -> None:
    timed.lock()
    assert timed.cache(1) is False
    assert timed.unlock_quietly() is False
    assert timed.status().state == "ready"


# --- counts, checks, due


def test_counts_say_what_each_group_holds(timed: Keystore, clock: Clock) -> None:
    plain = timed.add(fields("plain", tags=("prod",)), fake_key())
    timed.add(fields("due", rotate_every_days=10, tags=("prod", "team")), fake_key())
    timed.add(fields("expiring", expires_at=int(clock.now) + 13 * DAY, provider="openrouter"), fake_key())
    timed.add(fields("later", rotate_every_days=90, expires_at=int(clock.now) + 80 * DAY), fake_key())
    timed.add(fields("admin", kind="admin"), fake_key())
    bad = timed.add(fields("bad"), fake_key())
    gone = timed.add(fields("gone", tags=("prod",)), fake_key())
    timed.record_check(bad.id, verdict("no_quota"))
    timed.begin_rotation(plain.id, fake_key())
    timed.delete(gone.id)
    counts = timed.counts()
    assert counts[:6] == (6, 2, 1, 1, 1, 1)
    assert counts.providers == {"openai": 5, "openrouter": 1}
    assert counts.tags == {"prod": 2, "team": 1}
    now = int(clock.now)
    assert counts.due == sum(key.due(now) for key in timed.keys())
    assert counts.unhealthy == sum(key.unhealthy for key in timed.keys())


def test_a_check_is_in_the_list_and_an_event_when_it_says_something_new(store: Keystore) -> None:
    key = store.add(fields(), fake_key())
    for word in ("valid", "valid", "invalid"):
        store.record_check(key.id, verdict(word, f"It is {word}."))
    checked = store.key(key.id)
    assert (checked.verdict, checked.latency_ms, checked.unhealthy) == ("invalid", 212, True)
    assert [event.detail for event in store.events() if event.type == "checked"] == ["It is invalid.", "It is valid."]


def test_a_check_of_a_key_that_is_gone_is_told(store: Keystore) -> None:
    with pytest.raises(KeyNotFound):
        store.record_check(99, verdict("valid"))


# --- editing


def test_an_edit_is_listed_and_can_be_taken_back(store: Keystore) -> None:
    key = store.add(fields(), fake_key())
    edited = store.edit(key.id, fields("renamed", base_url="https://proxy.example/v1", tags=("x",)))
    assert store.find("renamed") == edited
    detail = newest(store).detail
    assert "Renamed from “openai-prod” to “renamed”." in detail
    assert "Requests now go to https://proxy.example/v1 instead of https://api.openai.com/v1." in detail
    store.undo(newest(store).id)
    assert store.find("openai-prod") == key


@pytest.mark.parametrize(
    ("changed", "moves"), [({"base_url": "https://proxy.example/v1"}, True), ({"note": "x"}, False)]
)
def test_an_edit_says_whether_taking_it_back_moves_the_key(
    store: Keystore, changed: dict[str, object], moves: bool
) -> None:
    key = store.add(fields("Requests now go to one"), fake_key())
    store.edit(key.id, key.fields._replace(**changed))  # type: ignore[arg-type] # each case names fields of KeyFields
    assert newest(store).readdresses == moves
    store.undo(newest(store).id)
    assert [event.readdresses for event in store.events()] == [False] * 3


def test_two_who_edit_one_key_at_once_both_have_their_effect(store: Keystore) -> None:
    seen = fields("key", tags=("one",))
    key = store.add(seen, fake_key())
    store.edit(key.id, seen._replace(note="from one"), base=seen)
    store.edit(key.id, seen._replace(tags=("two",)), base=seen)
    edited = store.key(key.id)
    assert (edited.note, edited.tags) == ("from one", ("two",))


def test_where_a_key_is_sent_is_never_put_together_of_two_edits(store: Keystore) -> None:
    seen = fields("key", base_url="http://localhost/v1", allow_http=True)
    key = store.add(seen, fake_key())
    store.edit(key.id, seen._replace(base_url="http://another.example/v1"), base=seen)
    store.edit(key.id, seen._replace(allow_http=False), base=seen)
    edited = store.key(key.id)
    assert (edited.base_url, edited.allow_http) == ("http://localhost/v1", False)


def test_an_edit_that_changes_nothing_is_no_event(store: Keystore) -> None:
    key = store.add(fields(), fake_key())
    store.edit(key.id, fields())
    assert store.undoable() is None


def test_renaming_to_a_taken_name_is_refused(store: Keystore) -> None:
    store.add(fields("one"), fake_key())
    two = store.add(fields("two"), fake_key())
    with pytest.raises(NameTaken):
        store.edit(two.id, fields("one"))
    assert store.key(two.id) == two


def test_a_renamed_key_is_still_read(store: Keystore) -> None:
    secret = fake_key()
    key = store.add(fields(), secret)
    store.edit(key.id, fields("other"))
    assert store.read(key.id) == secret


def test_edits_are_taken_back_newest_first(store: Keystore) -> None:
    key = store.add(fields("a"), fake_key())
    store.edit(key.id, fields("b"))
    first = newest(store)
    store.edit(key.id, fields("c"))
    with pytest.raises(UndoRefused, match="changed again"):
        store.undo(first.id)
    store.undo(newest(store).id)
    store.undo(newest(store).id)
    assert store.key(key.id).name == "a"
    assert store.undoable() is None


# --- deleting, the trash, purging


def test_a_deleted_key_lies_in_the_trash_and_comes_back(store: Keystore) -> None:
    secret = fake_key()
    key = store.add(fields(), secret)
    deleted = store.delete(key.id)
    assert (deleted.state, store.keys(), store.counts().trash) == ("trash", [], 1)
    assert store.find("openai-prod", trash=True) == deleted
    assert store.read(key.id) == secret
    event = store.undo(newest(store).id)
    assert event.type == "restored"
    assert store.keys() == [key]
    assert store.undoable() is None


def test_a_name_taken_meanwhile_asks_for_another(store: Keystore) -> None:
    key = store.add(fields(), fake_key())
    store.delete(key.id)
    store.add(fields(), fake_key())
    with pytest.raises(NameTaken):
        store.undo(newest(store).id)
    store.undo(newest(store).id, as_name="openai-old")
    assert store.key(key.id).name == "openai-old"


def test_the_trash_lets_go_after_its_days(timed: Keystore, clock: Clock, memory: MemoryBackend) -> None:
    key = timed.add(fields(), fake_key())
    assert timed.delete(key.id).purge_at == int(clock.now) + DAY
    clock.now += DAY - 1
    assert timed.purge() == 0
    clock.now += 1
    assert timed.purge() == 1
    assert timed.keys(trash=True) == []
    assert memory.secrets == {}
    with pytest.raises(KeyNotFound):
        timed.key(key.id)
    assert timed.undoable() is None


def test_a_locked_store_keeps_its_trash_until_it_is_unlocked(
    timed: Keystore, clock: Clock, memory: MemoryBackend
) -> None:
    timed.delete(timed.add(fields(), fake_key()).id)
    clock.now += 2 * DAY
    memory.locked = True
    assert timed.purge() == 0
    assert len(timed.keys(trash=True)) == 1
    memory.locked = False
    assert timed.purge() == 1


def test_deleting_now_takes_every_version_and_cannot_be_undone(timed: Keystore, memory: MemoryBackend) -> None:
    key = timed.add(fields(), fake_key())
    rotated(timed, key, fake_key())
    timed.delete(key.id, now=True)
    assert (timed.keys(), timed.keys(trash=True), memory.secrets) == ([], [], {})
    assert timed.undoable() is None
    assert timed.events()[0].detail == "Deleted for good."


def test_a_key_in_the_trash_can_be_deleted_now(timed: Keystore, memory: MemoryBackend) -> None:
    key = timed.add(fields(), fake_key())
    timed.delete(key.id)
    timed.delete(key.id, now=True)
    assert timed.keys(trash=True) == []
    assert memory.secrets == {}


def test_deleting_a_rotating_key_ends_the_rotation_and_keeps_both_secrets(
    timed: Keystore, memory: MemoryBackend
) -> None:
    old = fake_key()
    key = timed.add(fields(), old)
    timed.begin_rotation(key.id, fake_key())
    timed.delete(key.id)
    assert timed.rotations() == []
    assert len(memory.secrets) == 2
    timed.undo(newest(timed).id)
    assert timed.read(key.id) == old
    assert timed.key(key.id).state == "active"


# --- the journal of events


def test_events_are_bounded(timed: Keystore, monkeypatch: pytest.MonkeyPatch) -> None:
    from keytui.storage import journal

    monkeypatch.setattr(journal, "EVENTS_KEPT", 3)
    for number in range(5):
        timed.add(fields(f"key-{number}"), fake_key())
    assert [event.name for event in timed.events()] == ["key-4", "key-3", "key-2"]


def test_what_the_trash_and_a_rotation_need_is_not_pushed_out_of_the_events(
    timed: Keystore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keytui.storage import journal

    monkeypatch.setattr(journal, "EVENTS_KEPT", 3)
    before, gone = fake_key(), fake_key()
    key = timed.add(fields("rotated"), before)
    rotated(timed, key, fake_key())
    timed.delete(timed.add(fields("gone"), gone).id)
    for number in range(5):
        timed.add(fields(f"key-{number}"), fake_key())
    timed.undo(newest(timed).id)
    assert timed.read(timed.find("gone").id) == gone
    timed.undo(newest(timed).id)
    assert timed.read(key.id) == before
    timed.add(fields("next"), fake_key())
    assert len(timed.events()) == 3


def test_any_write_of_any_process_changes_the_data_version(settings: Settings) -> None:
    memory = MemoryBackend()
    one, two = memory_store(settings, memory=memory), memory_store(settings, memory=memory)
    one.add(fields("one"), fake_key())
    seen = {one.data_version(), one.data_version()}
    assert len(seen) == 1
    one.add(fields("two"), fake_key())
    seen.add(one.data_version())
    two.add(fields("three"), fake_key())
    seen.add(one.data_version())
    assert len(seen) == 3


def test_a_verdict_of_another_address_is_not_kept(store: Keystore) -> None:
    key = store.add(fields(), fake_key())
    store.record_check(key.id, verdict("valid"))
    assert store.edit(key.id, fields("renamed")).verdict == "valid"
    moved = store.edit(key.id, fields("renamed", base_url="https://proxy.example/v1"))
    assert (moved.verdict, moved.checked_at, moved.latency_ms) == (None, None, None)


def test_a_verdict_that_comes_after_the_address_changed_is_not_kept(store: Keystore) -> None:
    secret = fake_key()
    key = store.add(fields(), secret)
    moved = store.edit(key.id, fields(base_url="https://proxy.example/v1"))
    store.record_check(key.id, verdict("valid"), secret, key.base_url)
    assert store.key(key.id).verdict is None
    store.record_check(key.id, verdict("valid"), secret, moved.base_url)
    assert store.key(key.id).verdict == "valid"
