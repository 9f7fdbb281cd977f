"""The index: one SQLite file that knows every key and no secret.

WAL and synchronous FULL, so that a committed row survives a power cut and a reader never waits for a writer;
secure_delete, so that what was deleted is gone from the file. One connection per thread. Nothing of sqlite3's own
errors leaves this module.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from _thread import RLock, _local, allocate_lock  # threading and weakref cost milliseconds at start
from _weakref import ref

from keytui.errors import IndexDamaged, IndexNewer, StoreBusy, StoreRefused, StoreUnavailable
from keytui.storage import schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from keytui.errors import StoreError
    from keytui.storage.locking import StoreLock

    Row = tuple[Any, ...]
    Values = Sequence[object] | Mapping[str, object]

FAILURES = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged file makes sqlite3 raise; the second, when the message of the first repeats bytes that are no text."""

_BUSY_SECONDS = 10.0
_PERMISSIONS = "Check the permissions of the file and its folder, and the free space."
_REPAIR = "No secret is in it, so none is lost. Rebuild it with: keytui doctor --repair"
_NO_PLACE = ("SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY")
_PRAGMAS = ("PRAGMA foreign_keys=ON", "PRAGMA secure_delete=ON", "PRAGMA synchronous=FULL")


class Index:
    """The index file, opened when it is first needed.

    A missing file reads as empty and is not created by reading; what lies beside it may say that there was one.

    Args:
        path: Path of index.db.
        lock: The store lock, held while the file is created or migrated.
        vault_dir: Folder of the vault, whose secrets need an index; "" for none.
    """

    def __init__(self, path: str, lock: StoreLock, vault_dir: str = "") -> None:
        self.path = path
        self._lock = lock
        self._vault_dir = vault_dir
        self._threads = _local()
        self._guard = allocate_lock()
        self._open: list[ref[_Held]] = []
        self._monitor: sqlite3.Connection | None = None
        self._monitored: tuple[int, int] | None = None
        self._files = 0
        self._empty: sqlite3.Connection | None = None

    def query(self, sql: str, values: Values = ()) -> list[Row]:
        """Return all rows of a SELECT.

        Raises:
            IndexDamaged: The file is not an index, is missing beside a vault's secrets, or a newer keytui wrote it.
            StoreBusy: Another program held the file for ten seconds.
            StoreRefused: The file or its folder cannot be read.
        """
        try:
            held = self._reader()
            if held is None:
                with self._guard:
                    return self._nothing().execute(sql, values).fetchall()
            with held as connection:
                return connection.execute(sql, values).fetchall()
        except FAILURES as error:
            raise _mapped(error, self.path) from None

    def write(self) -> Transaction:
        """Return a transaction to use in a `with`; creates or migrates the index first, under the store lock.

        Raises:
            StoreError: As query(); also when the index cannot be created.
        """
        return Transaction(self)

    def begin(self) -> tuple[_Held, sqlite3.Connection]:
        """Return this thread's connection, in use from now on, creating or migrating the file first."""
        try:
            held = self._reader()
            if held is None:
                with self._lock:
                    held = self._reader() or self._create()
            if held.file is None:
                raise StoreRefused(f"{self.path} cannot be written.", _PERMISSIONS)
            return held, held.__enter__()
        except FAILURES as error:
            raise _mapped(error, self.path) from None

    def data_version(self) -> int:
        """Return a number that changes whenever a committed write changed the index, or another one took its place."""
        with self._guard:
            try:
                found = _there(self.path)
                if found != self._monitored:  # another file was put in its place
                    if self._monitor is not None:
                        self._monitor.close()
                    self._monitor, self._monitored = None, found
                    self._files += 1
                if self._monitor is None:
                    if found is None:
                        return self._files << 32
                    monitor, lasting = _opened(self.path)
                    if not lasting:
                        monitor.close()
                        return self._files << 32
                    self._monitor = monitor
                # A connection that never writes sees the writes of all others, this process's included.
                return self._files << 32 | int(self._monitor.execute("PRAGMA data_version").fetchone()[0])
            except FAILURES as error:
                raise _mapped(error, self.path) from None

    def close(self) -> None:
        """Close every connection of every thread; one that is in use, as soon as it no longer is."""
        with self._guard:
            for held in (reference() for reference in self._open):
                if held is not None:
                    held.close()
            self._open.clear()
            for connection in (self._monitor, self._empty):
                if connection is not None:
                    connection.close()
            self._monitor = self._empty = self._monitored = None
        self._threads = _local()

    def _reader(self) -> _Held | None:
        found = _there(self.path)
        held: _Held | None = getattr(self._threads, "held", None)
        if held is not None and held.file == found:
            with held as connection:
                _version(connection, self.path)  # a newer keytui may have migrated the file meanwhile
            return held
        if found is None:
            if lost(self.path, self._vault_dir):
                raise IndexDamaged(f"{self.path} is missing, but there were keys in it.", _REPAIR)
            return None
        return self._connect(found)

    def _connect(self, found: tuple[int, int]) -> _Held:
        connection, lasting = _opened(self.path)
        held = _Held(connection, found if lasting else None)
        version = _version(connection, self.path)
        if version < 1:  # a file is put in place whole, so this one was damaged afterwards
            raise damaged(self.path)
        if version < schema.VERSION:
            with self._lock:
                schema.migrate(connection)
        self._threads.held = held
        with self._guard:
            self._open = [other for other in self._open if other() is not None]
            self._open.append(ref(held))
        return held

    def _create(self) -> _Held:
        """Create the file, whole or not at all, and open it. The lock is held."""
        from keytui.storage import files

        temporary = f"{self.path}.{os.getpid()}.tmp"
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            # SQLite gives -wal and -shm the mode of the file itself, which it would create as 0644.
            os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
        except OSError as error:
            raise StoreRefused(f"{self.path} cannot be created: {error.strerror}.", _PERMISSIONS) from None
        for left in files.leftovers(os.path.dirname(self.path)):
            if left != temporary and left.startswith(f"{self.path}."):
                files.remove(left)  # its maker was killed before it could put it in place
        try:
            connection, _ = _opened(temporary)
            try:
                schema.migrate(connection)
                connection.execute("PRAGMA journal_mode=WAL")
            finally:
                connection.close()
            files.move(temporary, self.path)
        finally:
            for name in (temporary, f"{temporary}-journal", f"{temporary}-wal", f"{temporary}-shm"):
                if os.path.lexists(name):
                    os.unlink(name)
        found = _there(self.path)
        if found is None:
            raise damaged(self.path)
        return self._connect(found)

    def _nothing(self) -> sqlite3.Connection:
        if self._empty is None:
            self._empty = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            schema.migrate(self._empty)
        return self._empty


class Transaction:
    """One write to the index: committed when the `with` ends well, rolled back when it does not."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def __enter__(self) -> Transaction:
        self._held, self._connection = self._index.begin()
        try:
            self.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._held.__exit__()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.execute("COMMIT")
        finally:
            self._rollback()
            self._held.__exit__()

    def execute(self, sql: str, values: Values = ()) -> list[Row]:
        """Run one statement and return its rows."""
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.IntegrityError:
            raise  # a rule of the schema, for the caller who knows which one it may break
        except FAILURES as error:
            raise _mapped(error, self._index.path) from None

    def insert(self, table: str, **values: object) -> int:
        """Insert one row and return its id. Table and column names come from the code, never from a person."""
        columns = ", ".join(values)
        marks = ", ".join("?" * len(values))
        statement = f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - see docstring
        self.execute(statement, tuple(values.values()))
        return int(self.execute("SELECT last_insert_rowid()")[0][0])

    def _rollback(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # the first error is the one to tell; SQLite rolls back by itself when the file is opened again


class _Held:
    """A thread's connection, closed with the thread, and the file it was opened on; None to open again.

    sqlite3 crashes the process when one thread closes what another one is executing on, so the connection is used in
    a `with`, and closing it meanwhile is left to whoever uses it.
    """

    def __init__(self, connection: sqlite3.Connection, file: tuple[int, int] | None) -> None:
        self.file = file  # another one may be put in its place: what is written to the old one would be lost
        self._connection = connection
        self._used = RLock()  # a thread may read while it writes
        self._ended = False

    def __enter__(self) -> sqlite3.Connection:
        self._used.acquire()
        if self._ended:
            self._used.release()
            raise sqlite3.ProgrammingError
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._used.release()
        if self._ended:
            self.close()

    def close(self) -> None:
        """Close now, or when the one who uses it is ready; it cannot be used again."""
        self._ended = True
        if self._used.acquire(blocking=False):
            self._connection.close()
            self._used.release()

    def __del__(self) -> None:
        self._connection.close()


def lost(path: str, vault_dir: str) -> bool:
    """Whether an index that is not there has been there: the vault holds secrets, or a part of it was left behind."""
    secrets = os.path.join(vault_dir, "secrets")
    if vault_dir and any(name.endswith(".age") for name in _names(secrets)):
        return True
    folder, name = os.path.split(path)
    return any(other.startswith((f"{name}-wal", f"{name}.broken-")) for other in _names(folder))


def _names(folder: str) -> list[str]:
    """Return what lies in a folder, [] when there is none; that it cannot be known is an error."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreRefused(f"{folder} cannot be read: {error.strerror}.", _PERMISSIONS) from None


def damaged(path: str) -> IndexDamaged:
    """Return the error for a file that is not what was written."""
    return IndexDamaged(f"{path} is not a readable index.", _REPAIR)


def _there(path: str) -> tuple[int, int] | None:
    """Return which file it is, None when there is none; that it cannot be known is an error and not an empty store."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreRefused(f"{path} cannot be read: {error.strerror}.", _PERMISSIONS) from None
    if not stat.S_ISREG(status.st_mode):
        raise damaged(path)
    return status.st_dev, status.st_ino


def _opened(path: str) -> tuple[sqlite3.Connection, bool]:
    """Return a connection, and whether it may be kept: one that sees no later change is good for one reading."""
    try:
        return _connected(path), True
    except sqlite3.OperationalError as error:
        # A folder that cannot be written, and a full disk, have no place for -shm; without a -wal the file alone
        # holds everything.
        if not getattr(error, "sqlite_errorname", "").startswith(_NO_PLACE) or _holds_something(f"{path}-wal"):
            raise
    from urllib.parse import quote

    return _connected(f"file:{quote(path)}?immutable=1", uri=True), False


def _holds_something(path: str) -> bool:
    try:
        return os.path.getsize(path) > 0
    except FileNotFoundError:
        return False


def _connected(path: str, *, uri: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=uri)
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except FAILURES:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection, path: str) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > schema.VERSION:
        hint = "Update keytui, or move the file away and run: keytui doctor --repair"
        raise IndexNewer(f"{path} was written by a newer keytui.", hint)
    return version


def _mapped(error: sqlite3.Error | UnicodeDecodeError, path: str) -> StoreError:
    if isinstance(error, sqlite3.ProgrammingError):
        return StoreUnavailable("The store was closed.", "Start keytui again.")
    name = getattr(error, "sqlite_errorname", "") or ""
    for prefixes, kind, sentence, hint in _TOLD:
        if name.startswith(prefixes):
            return kind(sentence.format(path=path), hint)
    return damaged(path)


_TOLD: tuple[tuple[tuple[str, ...], type[StoreError], str, str], ...] = (
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED"),
        StoreBusy,
        "Another program holds {path}.",
        "Try again when it has finished.",
    ),
    (
        ("SQLITE_FULL",),
        StoreRefused,
        "The disk of {path} is full.",
        "Free some space; nothing that was stored is lost.",
    ),
    (("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH"), StoreRefused, "{path} cannot be written.", _PERMISSIONS),
    (("SQLITE_CANTOPEN",), StoreRefused, "{path} cannot be opened.", _PERMISSIONS),
    (("SQLITE_IOERR",), StoreRefused, "{path} cannot be read or written.", "Check the disk and the free space on it."),
)
"""SQLite's names of what went wrong, and what a person is told."""
