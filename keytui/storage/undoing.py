"""Taking an event back: a deletion, a switch to a new key, an edit."""

from __future__ import annotations

import sqlite3
import time

from keytui.errors import InvalidInput, NameTaken, NothingToUndo, UndoRefused
from keytui.model import KeyFields
from keytui.storage import issued, journal, recovery, rotations, rows, steps, writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from keytui.model import Event
    from keytui.storage.core import Core
    from keytui.storage.index import Transaction


def undo(core: Core, event_id: int, as_name: str | None) -> Event:
    """Take one event back; see Keystore.undo."""
    import json

    with core.lock:
        recovery.recover(core)
        found = core.index.query(
            "SELECT key_id, type, data FROM events WHERE id = ? AND undoable = 1 AND key_id IS NOT NULL", (event_id,)
        )
        if not found:
            raise NothingToUndo("This can no longer be taken back.")
        key_id, kind, data = found[0]
        key = rows.key(core.index, key_id)
        if core.index.query("SELECT 1 FROM events WHERE key_id = ? AND undoable = 1 AND id > ?", (key_id, event_id)):
            raise UndoRefused(f"“{key.name}” was changed again after that.", "Undo the later change first.")
        take_back = {"deleted": _restore, "rotated": _switch_back, "edited": _old_fields}[kind]
        name = as_name or key.name
        try:
            with core.index.write() as transaction:
                name, sentence = take_back(transaction, core, key_id, json.loads(data), as_name or "")
                transaction.execute("UPDATE events SET undoable = 0, data = '' WHERE id = ?", (event_id,))
                word = "restored" if kind == "deleted" else "undone"
                note = journal.note(transaction, key_id, name, word, sentence, at=core.now())
        except sqlite3.IntegrityError:
            raise NameTaken(name) from None
        steps.reached("undo.done")
        return next(event for event in rows.events(core.index, key_id, 1) if event.id == note)


def _restore(transaction: Transaction, core: Core, key_id: int, data: dict[str, Any], as_name: str) -> tuple[str, str]:
    del core
    name = as_name or transaction.execute("SELECT name FROM keys WHERE id = ?", (key_id,))[0][0]
    transaction.execute(
        "UPDATE keys SET deleted_at = NULL, purge_at = NULL, name = ?, sort_name = ? WHERE id = ?",
        (name, name.casefold(), key_id),
    )
    transaction.execute("UPDATE versions SET state = 'current', purge_at = NULL WHERE id = ?", (data["version"],))
    return name, "Restored from the trash."


def _switch_back(
    transaction: Transaction, core: Core, key_id: int, data: dict[str, Any], as_name: str
) -> tuple[str, str]:
    del as_name
    name, shown = transaction.execute("SELECT name, version_id FROM keys WHERE id = ?", (key_id,))[0]
    kept = transaction.execute("SELECT 1 FROM versions WHERE id = ? AND state = 'previous'", (data["old"],))
    if shown != data["new"] or not kept:
        raise UndoRefused(f"The previous key of “{name}” is no longer there.")
    sentence = "The key from before the rotation is current again."
    found = transaction.execute(
        "SELECT r.id, r.grace_s FROM rotations r JOIN versions v ON v.id = r.new_version"
        " WHERE r.key_id = ? AND r.kind = 'issued' AND r.new_version = ? AND v.remote_id <> ''",
        (key_id, shown),
    )
    unfinished = "SELECT 1 FROM rotations WHERE key_id = ? AND state NOT IN ('done', 'abandoned')"
    if transaction.execute(f"{unfinished} AND kind = 'revoked'", (key_id,)):
        raise UndoRefused(f"“{name}” is being revoked at its provider.", "Finish that first: keytui rotate --resume")
    others = f"{unfinished} AND new_version IS NOT ?"
    if found and transaction.execute(others, (key_id, shown)):
        raise UndoRefused(f"“{name}” is being rotated again.", "Finish that first: keytui rotate --resume")
    rotations.point(transaction, core, key_id, data["old"], expires_at=data["expires_at"])
    for rotation_id, grace_s in found:  # the same retirement the other way round: the new key is the one to go
        now = core.now()
        transaction.execute("UPDATE rotations SET state = 'switched', updated_at = ? WHERE id = ?", (now, rotation_id))
        rotations.retire(transaction, rotation_id, shown, rotations.end_of(grace_s, now))
        sentence += " The new one will be revoked at the provider."
    ends = transaction.execute("SELECT expires_at FROM versions WHERE id = ?", (data["old"],))[0][0]
    if ends is not None:  # a provider that was told an end does not forget it
        at = time.strftime("%Y-%m-%d %H:%M", time.localtime(ends))
        sentence += f" Its provider ends it on {at}: rotate it before."
    return name, sentence


def _old_fields(
    transaction: Transaction, core: Core, key_id: int, data: dict[str, Any], as_name: str
) -> tuple[str, str]:
    fields = KeyFields(**data["fields"] | {"tags": tuple(data["fields"]["tags"])})
    key = rows.key(core.index, key_id)
    # When the provider ends the key is no person's edit: what is known of it now stays.
    fields = fields._replace(name=as_name or fields.name, expires_at=key.expires_at)
    try:
        issued.refuse_to_move(core, key, fields)
    except InvalidInput as error:
        raise UndoRefused(error.sentence, error.hint) from None
    writing.write_fields(transaction, key_id, fields)
    return fields.name, "The edit was taken back."
