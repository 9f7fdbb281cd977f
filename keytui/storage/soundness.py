"""What must be true of every row of the index. A damaged file may be well-formed to SQLite and still say nonsense."""

from __future__ import annotations

import re
import sqlite3

from keytui.model import DAY
from keytui.record import NamedTuple
from keytui.storage import schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.storage.index import Index, Transaction

_TEXT = "typeof({0}) = 'text'"
_NUMBER = "typeof({0}) = 'integer' AND {0} >= 0"
_NUMBER_OR_NULL = "{0} IS NULL OR (typeof({0}) = 'integer' AND {0} >= 0)"
_FLAG = "typeof({0}) = 'integer' AND {0} IN (0, 1)"
_NOW = "CAST(strftime('%s', 'now') AS INTEGER)"
_WHOLE = "instr({0}, char(65533)) = 0"  # what stands for bytes that are no text
_ANY_NAME = "'recovered-' || hex(randomblob(4))"
_LABEL = f"""
    SELECT v.label FROM versions v WHERE v.id = keys.version_id AND typeof(v.label) = 'text' AND v.label <> ''
        AND {_WHOLE.format("v.label")} AND v.label NOT IN (SELECT other.name FROM keys other)
"""  # noqa: S608 - constants only
_SHOWN = "SELECT max(v.id) FROM versions v WHERE v.key_id = keys.id"


class Rule(NamedTuple):
    """What one column may hold.

    Attributes:
        valid: SQL condition; {0} is the column.
        otherwise: SQL of what to put there instead, or "" when the row means nothing without it.
    """

    table: str
    column: str
    valid: str
    otherwise: str


RULES: tuple[Rule, ...] = (
    Rule("keys", "name", f"typeof({{0}}) = 'text' AND {{0}} <> '' AND {_WHOLE}", f"coalesce(({_LABEL}), {_ANY_NAME})"),
    Rule("keys", "sort_name", _TEXT, "lower(name)"),
    Rule("keys", "kind", "{0} IN ('api', 'admin')", "'admin'"),  # the more careful of the two
    Rule("keys", "provider", _TEXT, "'custom'"),
    Rule("keys", "base_url", _TEXT, "''"),
    Rule("keys", "allow_http", _FLAG, "0"),
    Rule("keys", "env", _TEXT, "''"),
    Rule("keys", "model", _TEXT, "''"),
    Rule("keys", "tags", _TEXT, "''"),
    Rule("keys", "note", _TEXT, "''"),
    Rule("keys", "rotate_every_days", _NUMBER_OR_NULL, "NULL"),
    Rule("keys", "expires_at", _NUMBER_OR_NULL, "NULL"),
    Rule("keys", "created_at", _NUMBER, _NOW),
    Rule("keys", "unfinished", "{0} IN ('', 'add', 'delete')", "''"),
    Rule("keys", "interrupted", _FLAG, "0"),
    Rule("keys", "verdict", "{0} IS NULL OR (typeof({0}) = 'text' AND {0} NOT GLOB '*[^a-z_]*')", "NULL"),
    Rule("keys", "checked_at", _NUMBER_OR_NULL, "NULL"),
    Rule("keys", "latency_ms", _NUMBER_OR_NULL, "NULL"),
    Rule("keys", "deleted_at", _NUMBER_OR_NULL, "NULL"),
    Rule(
        "keys",
        "purge_at",
        f"({_NUMBER_OR_NULL}) AND ({{0}} IS NULL) = (deleted_at IS NULL)",
        f"deleted_at + {30 * DAY}",
    ),
    Rule("versions", "slot", "length({0}) = 32 AND typeof({0}) = 'text' AND {0} NOT GLOB '*[^0-9a-f]*'", ""),
    Rule("versions", "label", _TEXT, "''"),
    Rule("versions", "state", "{0} IN ('pending', 'current', 'previous', 'trash')", "'previous'"),
    Rule("versions", "created_at", _NUMBER, _NOW),
    Rule("versions", "masked", _TEXT, "''"),
    Rule("versions", "fingerprint", "{0} IS NULL OR (typeof({0}) = 'blob' AND length({0}) = 32)", "NULL"),
    Rule("versions", "backend", "{0} IN ('os', 'vault')", ""),
    Rule("versions", "missing", _FLAG, "0"),
    Rule("versions", "purge_at", _NUMBER_OR_NULL, "NULL"),
    Rule("versions", "remote_id", _TEXT, "''"),
    Rule("versions", "remote_project", _TEXT, "''"),
    Rule("versions", "remote_account", _TEXT, "''"),
    Rule("versions", "expires_at", _NUMBER_OR_NULL, "NULL"),
    Rule("versions", "key_id", "EXISTS (SELECT 1 FROM keys WHERE keys.id = {0})", ""),
    Rule("rotations", "state", "typeof({0}) = 'text' AND {0} <> '' AND {0} NOT GLOB '*[^a-z]*'", ""),
    Rule("rotations", "kind", "{0} IN ('pasted', 'issued', 'revoked')", ""),
    Rule("rotations", "new_version", _NUMBER_OR_NULL, ""),
    Rule("rotations", "old_version", _NUMBER, ""),
    Rule("rotations", "started_at", _NUMBER, ""),
    Rule("rotations", "updated_at", _NUMBER, ""),
    *(
        Rule("rotations", column, _TEXT, "''")
        for column in ("uid", "remote_name", "tried", "project", "account", "account_name", "remote_id", "note")
    ),
    Rule("rotations", "admin_key_id", _NUMBER_OR_NULL, "NULL"),
    Rule("rotations", "expires_in_s", _NUMBER_OR_NULL, "NULL"),
    Rule("rotations", "grace_s", _NUMBER, "0"),
    Rule("rotations", "retire_at", _NUMBER_OR_NULL, "NULL"),
    Rule("rotations", "retiring_version", _NUMBER_OR_NULL, "NULL"),
    Rule("rotations", "key_id", "EXISTS (SELECT 1 FROM keys WHERE keys.id = {0})", ""),
    Rule("checks", "word", _TEXT, ""),
    Rule("checks", "limits", _TEXT, "''"),
    Rule("checks", "key_id", "EXISTS (SELECT 1 FROM keys WHERE keys.id = {0})", ""),
    Rule("events", "name", _TEXT, ""),
    Rule("events", "at", _NUMBER, ""),
    Rule("events", "type", _TEXT, ""),
    Rule("events", "detail", _TEXT, ""),
    Rule("events", "undoable", _FLAG, "0"),
    Rule("events", "data", "{0} = '' OR json_valid({0})", "''"),
    Rule(
        "keys",
        "version_id",
        "EXISTS (SELECT 1 FROM versions v WHERE v.id = {0} AND v.key_id = keys.id)",
        f"coalesce(({_SHOWN} AND v.state = 'current'), ({_SHOWN}))",
    ),
)
"""In the order in which rows are put right: what refers to a row comes after it."""


_STRAYED = """
    UPDATE versions SET key_id = (SELECT k.id FROM keys k WHERE k.version_id = versions.id) WHERE
        (SELECT count(*) FROM keys k WHERE k.version_id = versions.id) = 1 AND id IN (SELECT k.version_id FROM keys k
        WHERE NOT EXISTS (SELECT 1 FROM versions own WHERE own.key_id = k.id))
"""
"""A key that has no version and names one: that version says by mistake that it belongs to another key."""


_NAMES = frozenset(re.findall(r"CREATE (?:TABLE|INDEX|UNIQUE INDEX) (\w+)", " ".join(schema.MIGRATIONS)))
"""The tables and indexes of this version; keep in mind what a later migration drops."""


def problems(index: Index) -> list[str]:
    """Return what is wrong with the index, SQLite's own findings first; [] when it is whole.

    Raises:
        StoreError: It cannot even be looked at.
    """
    # quick_check would not compare SQLite's own indexes with their tables, and a flipped bit may lie in one of them.
    found = [str(row[0]) for row in index.query("PRAGMA integrity_check(5)") if row[0] != "ok"]
    if found:
        return found
    if not index.query("SELECT 1 FROM meta WHERE name = 'fingerprint_key' AND length(value) = 32"):
        found.append("meta.fingerprint_key")
    for table in dict.fromkeys(rule.table for rule in RULES):
        index.query(f"SELECT * FROM {table}")  # noqa: S608 - bytes that are no text fail only when they are read
    tables = {row[0] for row in index.query("SELECT name FROM sqlite_master WHERE sql IS NOT NULL")}
    if not tables >= _NAMES:
        return sorted(_NAMES - tables)
    for rule in RULES:
        if index.query(f"SELECT 1 FROM {rule.table} WHERE {_broken(rule)} LIMIT 1"):  # noqa: S608 - constants only
            found.append(f"{rule.table}.{rule.column}")
    return found


def put_right(transaction: Transaction) -> None:
    """Change what cannot be true, and drop the rows that mean nothing: for an index that is being rebuilt."""
    transaction.execute(_STRAYED)
    for rule in RULES:
        where = _broken(rule)
        if not rule.otherwise:
            transaction.execute(f"DELETE FROM {rule.table} WHERE {where}")  # noqa: S608 - constants only
            continue
        try:
            transaction.execute(f"UPDATE {rule.table} SET {rule.column} = {rule.otherwise} WHERE {where}")  # noqa: S608 - constants only
        except sqlite3.IntegrityError:
            transaction.execute(f"DELETE FROM {rule.table} WHERE {where}")  # noqa: S608 - constants only


def _broken(rule: Rule) -> str:
    column = f"{rule.table}.{rule.column}"
    return f"NOT coalesce(({rule.valid.format(column)}), 0)"
