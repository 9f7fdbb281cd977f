"""Adding, editing, deleting and checking keys. Each holds the store lock, except the note of a check."""

from __future__ import annotations

import sqlite3

from keytui.errors import KeyNotFound, NameTaken, StoreError, StoreUnavailable
from keytui.model import DAY
from keytui.storage import choosing, endings, issued, journal, recovery, rows, slots, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.model import Key, KeyFields, Secret, Verdict
    from keytui.storage.backends import Backend, Slot
    from keytui.storage.core import Core
    from keytui.storage.index import Transaction

_ADDRESS = frozenset(("kind", "provider", "base_url", "allow_http"))
_FIELDS = (
    "name = :name, sort_name = :sort_name, kind = :kind, provider = :provider, base_url = :base_url,"
    " allow_http = :allow_http, env = :env, model = :model, tags = :tags, note = :note,"
    " rotate_every_days = :rotate_every_days, expires_at = :expires_at"
)
_AT_PROVIDER = "FROM rotations WHERE kind <> 'pasted' AND state NOT IN ('done', 'abandoned')"
"""Their keys and retiring versions stay: proving that a remote key is dead takes its secret."""
# A verdict is one about an address; nobody has asked another one yet.
_VERDICT = ", ".join(
    f"{column} = iif(base_url = :base_url AND provider = :provider, {column}, NULL)"
    for column in ("verdict", "checked_at", "latency_ms")
)


def columns(fields: KeyFields) -> dict[str, object]:
    """Return the fields as the columns of the table keys."""
    values: dict[str, object] = fields._asdict()
    tags = rows.TAG_SEPARATOR.join(sorted(set(fields.tags)))
    return values | {"sort_name": fields.name.casefold(), "tags": tags, "allow_http": int(fields.allow_http)}


def add(core: Core, fields: KeyFields, secret: Secret) -> Key:
    """Store a new key; see Keystore.add."""
    with core.lock:
        backend = choosing.writable(core)
        recovery.recover(core)
        now = core.now()
        slot = slots.fresh(fields.name, fields.provider, fields.base_url, now)
        try:
            with core.index.write() as transaction:
                key_id = transaction.insert("keys", **columns(fields), created_at=now, unfinished="add")
                version_id = slots.pend(transaction, core, backend.name, slot, secret, key_id=key_id)
                transaction.execute("UPDATE keys SET version_id = ? WHERE id = ?", (version_id, key_id))
        except sqlite3.IntegrityError:
            raise NameTaken(fields.name) from None
        steps.reached("add.row_pending")
        try:
            slots.fill(backend, slot, secret, "add")
        except StoreError as error:
            _take_back(core, backend, slot, key_id, error)
            raise
        endings.finish_add(core, key_id, fields.name)
        steps.reached("add.current")
        return rows.key(core.index, key_id)


def edit(core: Core, key_id: int, fields: KeyFields, base: KeyFields | None) -> Key:
    """Replace a key's fields; see Keystore.edit."""
    with core.lock:
        recovery.recover(core)
        old = rows.key(core.index, key_id)
        if base is not None:
            fields = _merged(old.fields, base, fields)
        detail = _changes(old, fields)
        if not detail:
            return old
        issued.refuse_to_move(core, old, fields)
        undo = {"fields": old.fields._asdict()}
        try:
            with core.index.write() as transaction:
                write_fields(transaction, key_id, fields)
                journal.note(transaction, key_id, fields.name, "edited", detail, at=core.now(), undo=undo)
        except sqlite3.IntegrityError:
            raise NameTaken(fields.name) from None
        steps.reached("edit.saved")
        return rows.key(core.index, key_id)


def _merged(stored: KeyFields, base: KeyFields, fields: KeyFields) -> KeyFields:
    """Return the stored fields with what changed since `base`: what another process changed meanwhile stays."""
    changed = {field for field in fields._fields if getattr(fields, field) != getattr(base, field)}
    if changed & _ADDRESS:  # where a key is sent is one thing, and was looked at as a whole
        changed |= _ADDRESS
    return stored._replace(**{field: getattr(fields, field) for field in changed})


def write_fields(transaction: Transaction, key_id: int, fields: KeyFields) -> None:
    """Overwrite a key's fields.

    Raises:
        sqlite3.IntegrityError: Another key has the name.
    """
    statement = f"UPDATE keys SET {_FIELDS}, {_VERDICT} WHERE id = :id"  # noqa: S608 - constants
    transaction.execute(statement, columns(fields) | {"id": key_id})


def delete(core: Core, key_id: int, *, now: bool) -> Key:
    """Move a key to the trash, or delete it at once; see Keystore.delete."""
    with core.lock:
        recovery.recover(core)
        key = rows.key(core.index, key_id)
        if now:
            issued.refuse_while_issued(core, key, for_good=True)
            deleted = core.now()
            endings.erase(core, key, "delete")
            return key._replace(state="trash", deleted_at=deleted, purge_at=deleted)
        if key.deleted_at is None:
            issued.refuse_while_issued(core, key, for_good=False)
            _trash(core, key)
            steps.reached("delete.trashed")
        return rows.key(core.index, key_id)


def purge(core: Core) -> int:
    """Delete what the trash and the previous versions no longer keep; see Keystore.purge."""
    due = "SELECT 1 FROM versions WHERE purge_at <= :now UNION ALL SELECT 1 FROM keys WHERE purge_at <= :now LIMIT 1"
    moment = {"now": core.now()}
    if not core.index.query(due, moment):
        return 0
    purged = 0
    with core.lock:
        recovery.recover(core)
        sql = "SELECT id FROM keys WHERE purge_at <= :now AND deleted_at IS NOT NULL"
        for (key_id,) in core.index.query(f"{sql} AND id NOT IN (SELECT key_id {_AT_PROVIDER})", moment):
            try:
                endings.erase(
                    core, rows.key(core.index, key_id), "purge", kind="purged", detail="Left the trash for good."
                )
                purged += 1
            except (StoreError, KeyNotFound):
                continue  # the store is locked or gone: the next purge tries again
        sql = "SELECT key_id, id FROM versions v WHERE purge_at <= :now AND state IN ('previous', 'trash')"
        sql += " AND id NOT IN (SELECT version_id FROM keys)"
        sql += f" AND NOT EXISTS (SELECT 1 {_AT_PROVIDER} AND v.id IN (retiring_version, new_version))"
        for key_id, version_id in core.index.query(sql, moment):
            purged += _purge_version(core, key_id, version_id)
    return purged


def record_check(core: Core, key_id: int, verdict: Verdict, secret: Secret | None, base_url: str) -> None:
    """Note the verdict of a check; an event only when it says something new. See Keystore.record_check."""
    checked = None if secret is None else rows.fingerprint(core.index, secret)
    with core.index.write() as transaction:
        found = transaction.execute(
            "SELECT k.name, k.verdict, v.id, v.fingerprint, k.base_url"
            " FROM keys k JOIN versions v ON v.id = k.version_id WHERE k.id = ?",
            (key_id,),
        )
        if not found:
            raise KeyNotFound("This key is no longer there.")
        name, before, version_id, current, address = found[0]
        if checked is not None and current is not None and checked != current:
            return
        if base_url not in ("", address):
            return
        journal.note_check(transaction, key_id, version_id, verdict)
        transaction.execute(
            "UPDATE keys SET verdict = ?, checked_at = ?, latency_ms = ? WHERE id = ?",
            (verdict.word, verdict.checked_at, verdict.latency_ms, key_id),
        )
        if verdict.word != before:
            journal.note(transaction, key_id, name, "checked", verdict.detail, at=core.now())
    steps.reached("check.recorded")


def choose_model(core: Core, key_id: int, model: str) -> None:
    """Remember a key's model without an event; see Keystore.choose_model."""
    with core.index.write() as transaction:
        if not transaction.execute("SELECT 1 FROM keys WHERE id = ?", (key_id,)):
            raise KeyNotFound("This key is no longer there.")
        transaction.execute("UPDATE keys SET model = ? WHERE id = ?", (model, key_id))
        transaction.execute(
            "UPDATE events SET data = json_set(data, '$.fields.model', ?)"
            " WHERE key_id = ? AND type = 'edited' AND undoable = 1",
            (model, key_id),
        )


def _trash(core: Core, key: Key) -> None:
    now = core.now()
    days = core.settings.trash_days
    purge_at = now + days * DAY
    with core.index.write() as transaction:
        shown = transaction.execute("SELECT version_id FROM keys WHERE id = ?", (key.id,))[0][0]
        transaction.execute(
            "UPDATE keys SET deleted_at = ?, purge_at = ?, unfinished = '', interrupted = 0 WHERE id = ?",
            (now, purge_at, key.id),
        )
        transaction.execute(
            "UPDATE versions SET state = 'trash', purge_at = ? WHERE key_id = ? AND state IN ('current', 'pending')",
            (purge_at, key.id),
        )
        transaction.execute(
            "UPDATE rotations SET state = 'abandoned', updated_at = ?"
            " WHERE key_id = ? AND state <> 'done' AND kind = 'pasted'",
            (now, key.id),
        )
        kept = f"Moved to the trash for {days} day{'' if days == 1 else 's'}." if days else "Moved to the trash."
        journal.note(transaction, key.id, key.name, "deleted", kept, at=now, undo={"version": shown})


def _purge_version(core: Core, key_id: int, version_id: int) -> int:
    try:
        place = rows.place(core.index, key_id, version_id)
        choosing.deletable(core, place.backend)
        endings.mark_purged(core, version_id)
        endings.empty_version(core, place, "purge")
    except (StoreError, KeyNotFound):
        return 0
    return 1


def _take_back(core: Core, backend: Backend, slot: Slot, key_id: int, error: StoreError) -> None:
    """Undo a failed add; where that cannot be known, leave the row for recovery, visible as interrupted."""
    try:
        if not isinstance(error, StoreUnavailable):  # after a deadline the write may still arrive
            backend.delete(slot)
            endings.drop(core, key_id)
            return
    except StoreError:
        pass
    try:
        with core.index.write() as transaction:
            transaction.execute("UPDATE keys SET interrupted = 1 WHERE id = ?", (key_id,))
    except StoreError:
        pass  # a full disk: the row stays as it is, and recovery finds it


def _changes(old: Key, new: KeyFields) -> str:
    sentences = []
    if new.name != old.name:
        sentences.append(f"Renamed from “{old.name}” to “{new.name}”.")
    if new.base_url != old.base_url:
        sentences.append(f"Requests now go to {new.base_url} instead of {old.base_url}.")
    before = old.fields._replace(tags=tuple(sorted(set(old.tags))))
    after = new._replace(tags=tuple(sorted(set(new.tags))))
    others = [
        _LABELS[field]
        for field in before._fields
        if field not in ("name", "base_url") and getattr(before, field) != getattr(after, field)
    ]
    if others:
        sentences.append(f"Changed: {', '.join(others)}.")
    return " ".join(sentences)


_LABELS = {
    "provider": "provider",
    "env": "variable",
    "kind": "kind",
    "allow_http": "plain http",
    "model": "model",
    "tags": "tags",
    "note": "note",
    "rotate_every_days": "rotation interval",
    "expires_at": "expiry",
}
