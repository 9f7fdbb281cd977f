"""The index's tables, as a list of migrations: one entry a `user_version`, each run once and in order."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
    INSERT INTO meta VALUES ('fingerprint_key', randomblob(32));

    -- unfinished: '' or the write that has not ended ('add', 'delete'); such a row is shown once recovery found it
    -- (interrupted = 1) and could not end it. version_id: the version the list shows.
    CREATE TABLE keys (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        sort_name TEXT NOT NULL,
        kind TEXT NOT NULL,
        provider TEXT NOT NULL,
        base_url TEXT NOT NULL,
        allow_http INTEGER NOT NULL,
        env TEXT NOT NULL,
        model TEXT NOT NULL,
        tags TEXT NOT NULL,
        note TEXT NOT NULL,
        rotate_every_days INTEGER,
        expires_at INTEGER,
        created_at INTEGER NOT NULL,
        version_id INTEGER,
        unfinished TEXT NOT NULL DEFAULT '',
        interrupted INTEGER NOT NULL DEFAULT 0,
        verdict TEXT,
        checked_at INTEGER,
        latency_ms INTEGER,
        deleted_at INTEGER,
        purge_at INTEGER
    );
    CREATE UNIQUE INDEX keys_name ON keys (name) WHERE deleted_at IS NULL;
    CREATE INDEX keys_order ON keys (sort_name, id);
    CREATE INDEX keys_unfinished ON keys (id) WHERE unfinished <> '';
    CREATE INDEX keys_trash ON keys (deleted_at) WHERE deleted_at IS NOT NULL;

    -- label: the key's name when the slot was written, which the slot carries for good
    CREATE TABLE versions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key_id INTEGER NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
        slot TEXT NOT NULL UNIQUE,
        label TEXT NOT NULL,
        state TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        masked TEXT NOT NULL,
        fingerprint BLOB,
        backend TEXT NOT NULL,
        missing INTEGER NOT NULL DEFAULT 0,
        purge_at INTEGER
    );
    CREATE INDEX versions_key ON versions (key_id);
    CREATE INDEX versions_fingerprint ON versions (fingerprint) WHERE fingerprint IS NOT NULL;
    CREATE INDEX versions_pending ON versions (id) WHERE state = 'pending';
    CREATE INDEX versions_purge ON versions (purge_at) WHERE purge_at IS NOT NULL;

    CREATE TABLE rotations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key_id INTEGER NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        new_version INTEGER,
        old_version INTEGER NOT NULL,
        started_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    );
    CREATE INDEX rotations_key ON rotations (key_id);
    CREATE UNIQUE INDEX rotations_unfinished ON rotations (key_id) WHERE state NOT IN ('done', 'abandoned');

    CREATE TABLE checks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key_id INTEGER NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
        version_id INTEGER,
        word TEXT NOT NULL,
        detail TEXT NOT NULL,
        checked_at INTEGER NOT NULL,
        latency_ms INTEGER,
        status INTEGER,
        code TEXT,
        request_id TEXT,
        models INTEGER
    );
    CREATE INDEX checks_key ON checks (key_id, id);

    -- data: JSON that undo needs, never a secret
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key_id INTEGER,
        name TEXT NOT NULL,
        at INTEGER NOT NULL,
        type TEXT NOT NULL,
        detail TEXT NOT NULL,
        undoable INTEGER NOT NULL DEFAULT 0,
        data TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX events_key ON events (key_id, id);
    CREATE INDEX events_undoable ON events (id) WHERE undoable = 1;
    """,
    """
    -- remote_*, expires_at: what the provider knows this very value as, and when it ends it there
    ALTER TABLE versions ADD COLUMN remote_id TEXT NOT NULL DEFAULT '';
    ALTER TABLE versions ADD COLUMN remote_project TEXT NOT NULL DEFAULT '';
    ALTER TABLE versions ADD COLUMN remote_account TEXT NOT NULL DEFAULT '';
    ALTER TABLE versions ADD COLUMN expires_at INTEGER;

    -- see model.Rotation; tried: names, one a line
    ALTER TABLE rotations ADD COLUMN uid TEXT NOT NULL DEFAULT '';
    ALTER TABLE rotations ADD COLUMN remote_name TEXT NOT NULL DEFAULT '';
    ALTER TABLE rotations ADD COLUMN tried TEXT NOT NULL DEFAULT '';
    ALTER TABLE rotations ADD COLUMN admin_key_id INTEGER;
    ALTER TABLE rotations ADD COLUMN project TEXT NOT NULL DEFAULT '';
    ALTER TABLE rotations ADD COLUMN account TEXT NOT NULL DEFAULT '';
    ALTER TABLE rotations ADD COLUMN account_name TEXT NOT NULL DEFAULT '';
    ALTER TABLE rotations ADD COLUMN remote_id TEXT NOT NULL DEFAULT '';
    ALTER TABLE rotations ADD COLUMN expires_in_s INTEGER;
    ALTER TABLE rotations ADD COLUMN grace_s INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE rotations ADD COLUMN retire_at INTEGER;
    ALTER TABLE rotations ADD COLUMN retiring_version INTEGER;
    ALTER TABLE rotations ADD COLUMN note TEXT NOT NULL DEFAULT '';
    """,
    "ALTER TABLE checks ADD COLUMN limits TEXT NOT NULL DEFAULT '';",
)

VERSION = len(MIGRATIONS)
"""The `user_version` this keytui writes; a newer one is refused."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring an index up to `VERSION`, each migration whole or not at all.

    Raises:
        sqlite3.Error: One failed; those before it stay.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    for number, migration in enumerate(MIGRATIONS[version:], version + 1):
        try:
            connection.executescript(f"BEGIN IMMEDIATE; {migration}; PRAGMA user_version = {number}; COMMIT;")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
