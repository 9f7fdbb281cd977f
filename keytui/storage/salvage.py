"""Reading what can still be read of a damaged index, row by row, and putting it into a new one."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from urllib.parse import quote

from keytui.storage import soundness
from keytui.storage.index import FAILURES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from keytui.storage.index import Row, Transaction

_TABLES = ("keys", "versions", "rotations", "events", "checks")
_WAYS = ("mode=ro", "immutable=1")
"""How the file is opened: with the writes of its -wal, else without. Neither changes it."""


def copy(path: str, transaction: Transaction) -> int:
    """Copy the rows that can be read and make sense, and return how many keys that are.

    Args:
        path: The damaged index; anything at all may be there, or nothing.
        transaction: A write to a new, empty index.
    """
    if not os.path.isfile(path):
        return 0
    for way in _WAYS:
        with suppress(*FAILURES), closing(_connected(path, way)) as connection:
            whole = _copy_meta(connection, transaction)
            transaction.execute("PRAGMA defer_foreign_keys=ON")
            for table in _TABLES:
                _copy_table(connection, transaction, table)
            if not whole:  # they were made with a key that is lost; what is compared with them would look damaged
                transaction.execute("UPDATE versions SET fingerprint = NULL")
            break
    soundness.put_right(transaction)
    _settle(transaction)
    return int(transaction.execute("SELECT count(*) FROM keys")[0][0])


def _connected(path: str, way: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(path)}?{way}", uri=True)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    try:
        connection.execute("PRAGMA writable_schema=ON")  # lets SQLite pass over a table it can make nothing of
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except FAILURES:
        connection.close()
        raise
    return connection


def _copy_meta(connection: sqlite3.Connection, transaction: Transaction) -> bool:
    """Copy the key of the fingerprints; says whether it was there."""
    with suppress(*FAILURES):
        for (value,) in connection.execute("SELECT value FROM meta WHERE name = 'fingerprint_key'"):
            if isinstance(value, bytes) and len(value) == 32:
                transaction.execute("UPDATE meta SET value = ? WHERE name = 'fingerprint_key'", (value,))
                return True
    return False


def _copy_table(connection: sqlite3.Connection, transaction: Transaction, table: str) -> None:
    wanted = [row[1] for row in transaction.execute(f"PRAGMA table_info({table})")]
    columns: list[str] = []
    with suppress(*FAILURES):
        there = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        columns = [column for column in wanted if column in there]
    if "id" not in columns:
        return
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    found: dict[object, Row] = {}
    position = columns.index("id")
    for order in ("", " DESC"):  # a damaged page ends a walk; the other direction reaches what lies behind it
        with suppress(*FAILURES):
            for row in connection.execute(f"SELECT {names} FROM {table} NOT INDEXED ORDER BY id{order}"):  # noqa: S608 - names of the schema
                found.setdefault(row[position], row)
    if table == "keys":
        found = _told_apart(found, columns)
    for row in found.values():
        with suppress(sqlite3.IntegrityError, OverflowError):
            transaction.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", row)  # noqa: S608 - names of the schema


def _told_apart(found: Mapping[object, Row], columns: list[str]) -> dict[object, Row]:
    """Mark every key whose name another has as well: one of them is damaged, and each gets its secret's label back."""
    if "name" not in columns or "deleted_at" not in columns:
        return dict(found)
    name, deleted = columns.index("name"), columns.index("deleted_at")
    names = [row[name] for row in found.values() if row[deleted] is None]
    twice = {one for one in names if names.count(one) > 1} if len(set(names)) < len(names) else set()
    return {
        key: (*row[:name], f"{row[name]}\ufffd{key}", *row[name + 1 :]) if row[name] in twice else row
        for key, row in found.items()
    }


def _settle(transaction: Transaction) -> None:
    """Let go of keys without any version, and of the promises of a rotation whose row is lost."""
    transaction.execute("DELETE FROM keys WHERE id NOT IN (SELECT key_id FROM versions)")
    transaction.execute(
        "UPDATE versions SET state = 'previous', purge_at = NULL WHERE state = 'pending'"
        " AND id NOT IN (SELECT new_version FROM rotations WHERE new_version IS NOT NULL)"
        " AND id NOT IN (SELECT version_id FROM keys)"
    )
    transaction.execute(
        "DELETE FROM rotations WHERE new_version IS NOT NULL AND new_version NOT IN (SELECT id FROM versions)"
    )
    transaction.execute(
        "UPDATE events SET undoable = 0, data = '' WHERE undoable = 1 AND key_id NOT IN (SELECT id FROM keys)"
    )
