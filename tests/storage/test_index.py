from __future__ import annotations

import os
import resource
import signal
import sqlite3
import stat
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from keytui.errors import IndexDamaged, KeytuiError, StoreBusy, StoreError, StoreRefused
from keytui.model import RemoteKey
from keytui.storage import files, schema
from keytui.storage import index as index_module
from keytui.storage.backends import MemoryBackend, Slot
from tests.storage.killing import reopen
from tests.stores import fake_key, fields, memory_store, open_vault, unlocked_vault_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.model import Secret
    from keytui.settings import Settings


def in_child(work: Callable[[], None]) -> int:
    """Run in a forked process and return its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def modes(folder: str) -> dict[str, int]:
    found = {}
    for parent, *names in os.walk(folder):
        for name in names[0] + names[1]:
            path = os.path.join(parent, name)
            found[os.path.relpath(path, folder)] = stat.S_IMODE(os.stat(path).st_mode)
    return found


@pytest.fixture
def permissions(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where this user may write anything, as root usually may."""
    folder = tmp_path_factory.mktemp("closed")
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user writes where it may not")


# --- privacy


def test_everything_written_is_private_whatever_the_umask(settings: Settings) -> None:
    before = os.umask(0)
    try:
        store = unlocked_vault_store(settings)
        store.add(fields(), fake_key())
    finally:
        os.umask(before)
    found = modes(settings.data_dir)
    assert {"index.db", "index.db-wal", "index.db-shm", "vault", "store.lock"} <= set(found)
    assert {mode for name, mode in found.items() if name not in ("vault", "vault/secrets")} == {0o600}
    assert found["vault"] == found["vault/secrets"] == 0o700


def test_the_data_folder_is_private_whatever_the_umask(settings: Settings) -> None:
    before = os.umask(0)
    try:
        memory_store(settings).add(fields(), fake_key())
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(settings.data_dir).st_mode) == 0o700
    assert set(modes(settings.data_dir).values()) == {0o600}


# --- versions of the file


def test_an_index_of_a_newer_keytui_is_left_alone(settings: Settings) -> None:
    store = memory_store(settings)
    store.add(fields(), fake_key())
    store.close()
    with closing(sqlite3.connect(settings.index_path)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    newer = memory_store(settings)
    for call in (newer.keys, lambda: newer.add(fields("x"), fake_key())):
        with pytest.raises(IndexDamaged, match="newer keytui"):
            call()


def test_an_older_index_is_migrated_when_it_is_opened(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store = memory_store(settings)
    store.add(fields(), fake_key())
    store.close()
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "ALTER TABLE keys ADD COLUMN later TEXT;"))
    monkeypatch.setattr(schema, "VERSION", len(schema.MIGRATIONS))
    assert len(memory_store(settings).keys()) == 1
    with closing(sqlite3.connect(settings.index_path)) as connection:
        assert connection.execute("SELECT later FROM keys").fetchall() == [(None,)]


def test_an_index_from_before_issued_rotations_keeps_its_keys_and_can_issue(settings: Settings) -> None:
    secret, memory, slot = fake_key(), MemoryBackend(), Slot("ab" * 16, "old")
    memory.write(slot, secret)
    os.makedirs(settings.data_dir, mode=0o700)
    with closing(sqlite3.connect(settings.index_path)) as connection:
        connection.executescript(schema.MIGRATIONS[0])
        connection.execute(
            "INSERT INTO keys (id, name, sort_name, kind, provider, base_url, allow_http, env, model, tags, note,"
            " created_at, version_id) VALUES (1, 'old', 'old', 'api', 'openai', '', 0, '', '', '', '', 1, 1)"
        )
        connection.execute(
            "INSERT INTO versions (id, key_id, slot, label, state, created_at, masked, backend)"
            " VALUES (1, 1, ?, 'old', 'current', 1, '', ?)",
            (slot.id, memory.name),
        )
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    store = memory_store(settings, memory=memory)
    assert store.read(1) == secret
    row = store.plan_rotation(1, admin_key_id=1, project="p", account="robot", account_name="", grace_s=60)
    assert store.keep_issued(row.id, fake_key(), RemoteKey("key_1", "proj", "robot")).state == "stored"


def test_a_migration_that_fails_leaves_the_index_as_it_was(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store = memory_store(settings)
    store.add(fields(), fake_key())
    store.close()
    with monkeypatch.context() as patch:
        broken = "ALTER TABLE keys ADD COLUMN later TEXT; SELECT * FROM nowhere;"
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
        patch.setattr(schema, "VERSION", len(schema.MIGRATIONS))
        with pytest.raises(StoreError):
            memory_store(settings).keys()
    assert len(memory_store(settings).keys()) == 1


def test_an_emptied_file_is_told_and_not_taken_for_an_empty_store(settings: Settings) -> None:
    os.makedirs(settings.data_dir)
    with open(settings.index_path, "wb"):
        pass
    store = memory_store(settings)
    for call in (store.keys, lambda: store.add(fields(), fake_key())):
        with pytest.raises(IndexDamaged, match="not a readable index") as caught:
            call()
        assert "keytui doctor --repair" in caught.value.hint


def test_the_index_appears_whole_or_not_at_all(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_path: str, _target: str) -> None:
        raise StoreRefused("The disk is full.")

    store = memory_store(settings)
    with monkeypatch.context() as patch:
        patch.setattr(files, "move", fail)
        with pytest.raises(StoreRefused):
            store.add(fields(), fake_key())
    assert [name for name in os.listdir(settings.data_dir) if name.startswith("index")] == []
    store.add(fields(), fake_key())
    assert len(store.keys()) == 1


def test_an_index_that_is_missing_beside_secrets_is_told(settings: Settings) -> None:
    store = unlocked_vault_store(settings)
    store.add(fields(), fake_key())
    store.close()
    os.remove(settings.index_path)
    for call in (store.keys, store.counts, store.purge, lambda: store.delete(1)):
        with pytest.raises(IndexDamaged, match="is missing, but there were keys in it"):
            call()


def test_an_open_store_writes_to_the_index_that_is_there_now(settings: Settings) -> None:
    store = memory_store(settings)
    store.add(fields("first"), fake_key())
    os.rename(settings.index_path, f"{settings.index_path}.away")
    for name in ("wal", "shm"):
        os.rename(f"{settings.index_path}-{name}", f"{settings.index_path}.away-{name}")
    store.add(fields("second"), fake_key())
    assert [key.name for key in memory_store(settings).keys()] == ["second"]


def test_the_number_of_the_data_changes_when_another_file_is_put_in_place(settings: Settings) -> None:
    store = memory_store(settings)
    store.add(fields("first"), fake_key())
    seen = [store.data_version()]
    os.rename(settings.index_path, f"{settings.index_path}.away")
    seen.append(store.data_version())
    for name in ("wal", "shm"):
        os.rename(f"{settings.index_path}-{name}", f"{settings.index_path}.away-{name}")
    memory_store(settings).add(fields("second"), fake_key())
    seen.append(store.data_version())
    assert store.data_version() == seen[-1]
    assert len(set(seen)) == 3


def test_a_file_that_is_no_index_is_told(settings: Settings) -> None:
    os.makedirs(settings.data_dir)
    with open(settings.index_path, "wb") as file:
        file.write(b"not a database, but long enough to look at" * 100)
    store = memory_store(settings)
    for call in (store.keys, store.counts, store.data_version, lambda: store.add(fields(), fake_key())):
        with pytest.raises(IndexDamaged, match="not a readable index"):
            call()


# --- faults of the disk


@pytest.mark.parametrize("room", range(0, 120_000, 12_000))
def test_a_full_disk_is_told_and_loses_nothing(settings: Settings, room: int) -> None:
    _, identity = open_vault(settings)
    store = reopen(settings, identity)
    secrets = {"first": fake_key(), **{f"key-{number}": fake_key() for number in range(5)}}
    store.add(fields("first"), secrets["first"])
    store.close()

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        full = reopen(settings, identity)
        full.keys()
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        for name in list(secrets)[1:]:
            try:
                full.add(fields(name, note="n" * 20_000), secrets[name])
            except StoreRefused:
                assert full.keys()
                return
        raise AssertionError("nothing was full")

    assert in_child(fill) == 0
    after = reopen(settings, identity)
    after.recover()
    assert after.find("first")
    for key in after.keys():
        assert after.read(key.id) == secrets[key.name]
    assert len(os.listdir(os.path.join(settings.vault_dir, "secrets"))) == len(after.keys())


@pytest.mark.usefixtures("permissions")
def test_a_folder_that_cannot_be_written_is_read_and_refuses_writes(settings: Settings) -> None:
    secret = fake_key()
    _, identity = open_vault(settings)
    store = reopen(settings, identity)
    key = store.add(fields(), secret)
    store.close()
    store = reopen(settings, identity)
    for name, mode in ((settings.index_path, 0o400), (settings.data_dir, 0o500)):
        os.chmod(name, mode)
    try:
        assert store.keys() == [key]
        assert store.read(key.id) == secret
        assert store.data_version() == store.data_version()
        with pytest.raises(StoreRefused, match="cannot be"):
            store.delete(key.id)
    finally:
        store.close()
        os.chmod(settings.data_dir, 0o700)


@pytest.mark.usefixtures("permissions")
def test_a_home_that_cannot_be_created_is_told(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("closed")
    folder.chmod(0o500)
    inside = str(folder / "keytui")
    store = memory_store(settings._replace(data_dir=inside, config_dir=inside))
    assert store.keys() == []
    with pytest.raises(StoreRefused, match="cannot be"):
        store.add(fields(), fake_key())


def test_a_home_that_is_a_file_is_told(settings: Settings) -> None:
    with open(settings.data_dir, "w", encoding="ascii"):
        pass
    with pytest.raises(StoreRefused, match="cannot be"):
        memory_store(settings).add(fields(), fake_key())


def test_an_index_below_a_file_is_told_and_not_taken_for_an_empty_one(settings: Settings) -> None:
    with open(settings.data_dir, "w", encoding="ascii"):
        pass
    with pytest.raises(StoreRefused, match="cannot be read"):
        memory_store(settings).keys()


@pytest.mark.usefixtures("permissions")
def test_a_folder_that_may_not_be_entered_is_told_and_not_taken_for_an_empty_one(settings: Settings) -> None:
    store = memory_store(settings)
    store.add(fields(), fake_key())
    store.close()
    os.chmod(settings.data_dir, 0)
    try:
        for read in (store.keys, store.counts, store.data_version):
            with pytest.raises(StoreRefused, match="cannot be read"):
                read()
    finally:
        os.chmod(settings.data_dir, 0o700)


@pytest.mark.usefixtures("permissions")
def test_a_vault_that_may_not_be_looked_into_is_told_where_the_index_is_missing(settings: Settings) -> None:
    open_vault(settings)
    secrets = os.path.join(settings.vault_dir, "secrets")
    os.chmod(secrets, 0)
    try:
        with pytest.raises(StoreRefused, match="secrets cannot be read"):
            memory_store(settings).keys()
    finally:
        os.chmod(secrets, 0o700)


# --- several at once


def test_an_index_held_by_another_program_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "_BUSY_SECONDS", 0.05)
    store = memory_store(settings)
    key = store.add(fields(), fake_key())
    with closing(sqlite3.connect(settings.index_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="Another program"):
            memory_store(settings).delete(key.id)


def test_a_store_another_process_writes_to_is_told_with_its_number(settings: Settings) -> None:
    store = memory_store(settings)
    store.add(fields(), fake_key())
    waiting = memory_store(settings._replace(lock_seconds=0))

    def write() -> None:
        with pytest.raises(StoreBusy, match=f"process {os.getppid()}"):
            waiting.add(fields("x"), fake_key())

    with store._core.lock:
        assert in_child(write) == 0


def test_a_killed_holder_frees_the_store(settings: Settings) -> None:
    store = memory_store(settings)
    store.add(fields(), fake_key())

    def hold() -> None:
        memory_store(settings)._core.lock.__enter__()
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(hold) == -signal.SIGKILL
    store.add(fields("next"), fake_key())


class Waiting(MemoryBackend):
    """Waits in a write, as for a prompt, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go = threading.Event(), threading.Event()

    def write(self, slot: Slot, secret: Secret) -> None:
        self.entered.set()
        self.go.wait(10)
        super().write(slot, secret)


def test_a_write_that_waits_for_its_store_holds_no_reader_up(settings: Settings) -> None:
    memory = Waiting()
    store = memory_store(settings, memory=memory)
    memory.go.set()
    store.add(fields("first"), fake_key())
    memory.go.clear()
    memory.entered.clear()
    writer = threading.Thread(target=store.add, args=(fields("second"), fake_key()))
    writer.start()
    memory.entered.wait(10)
    assert [key.name for key in store.keys()] == ["first"]
    assert store.counts().total == 1
    memory.go.set()
    writer.join()
    assert [key.name for key in store.keys()] == ["first", "second"]


def test_several_processes_add_at_once_and_nothing_is_lost(settings: Settings) -> None:
    _, identity = open_vault(settings)
    children = []
    for worker in range(4):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                store = reopen(settings, identity)
                for number in range(5):
                    store.add(fields(f"key-{worker}-{number}"), fake_key())
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
    store = reopen(settings, identity)
    assert len(store.keys()) == 20
    assert len({store.read(key.id).reveal() for key in store.keys()}) == 20


def test_several_threads_use_one_store(settings: Settings) -> None:
    store = unlocked_vault_store(settings)
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for number in range(4):
                secret = fake_key()
                key = store.add(fields(f"key-{worker}-{number}"), secret)
                assert store.read(key.id) == secret
                assert store.keys()
                store.delete(key.id)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.keys(trash=True)) == 16


def test_only_our_errors_leave_a_store_whose_index_vanishes(settings: Settings) -> None:
    store = memory_store(settings)
    key = store.add(fields(), fake_key())
    store.close()
    os.remove(settings.index_path)
    with pytest.raises(KeytuiError):
        store.read(key.id)
    assert store.keys() == []


# --- closing


def test_closing_while_other_threads_read_and_write_ends_no_process(settings: Settings) -> None:
    store = memory_store(settings)
    store.add(fields(), fake_key())
    index = store._core.index

    def use() -> None:
        for number in range(20):
            with suppress(StoreError):  # closed under it
                if number % 10:
                    index.query("SELECT a.* FROM sqlite_master a, sqlite_master b")
                else:
                    with index.write() as transaction:
                        transaction.execute("UPDATE keys SET note = note")

    def work() -> None:
        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            index.close()
        for thread in threads:
            thread.join()

    assert in_child(work) == 0


def test_a_write_that_was_begun_is_committed_though_another_thread_closes(settings: Settings) -> None:
    store = memory_store(settings)
    key = store.add(fields(), fake_key())
    with store._core.index.write() as transaction:
        transaction.execute("UPDATE keys SET note = 'kept'")
        closer = threading.Thread(target=store._core.index.close)
        closer.start()
        closer.join()
    assert store.key(key.id).note == "kept"
