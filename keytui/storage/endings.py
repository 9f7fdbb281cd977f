"""How a write ends: a pending key becomes current, a slot is emptied, a row is dropped."""

from __future__ import annotations

from keytui.errors import StoreError, StoreUnavailable
from keytui.storage import choosing, journal, rows, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.model import Key
    from keytui.storage.core import Core
    from keytui.storage.index import Transaction


def finish_add(core: Core, key_id: int, name: str, *, kind: str = "added", detail: str = "Added.") -> None:
    """Make the pending version of a new key its current one."""
    with core.index.write() as transaction:
        transaction.execute("UPDATE keys SET unfinished = '', interrupted = 0 WHERE id = ?", (key_id,))
        transaction.execute(
            "UPDATE versions SET state = 'current' WHERE id = (SELECT version_id FROM keys WHERE id = ?)", (key_id,)
        )
        journal.note(transaction, key_id, name, kind, detail, at=core.now())


def drop(core: Core, key_id: int, *, name: str = "", kind: str = "", detail: str = "") -> None:
    """Drop a key's rows; its slots are already empty. With a kind, note an event that tells of it."""
    with core.index.write() as transaction:
        journal.forget(transaction, key_id)
        transaction.execute("DELETE FROM keys WHERE id = ?", (key_id,))
        if kind:
            journal.note(transaction, None, name, kind, detail, at=core.now())


def erase(core: Core, key: Key, flow: str, *, kind: str = "deleted", detail: str = "Deleted for good.") -> None:
    """Empty every slot of a key, then drop its rows. Killed at any point, recovery goes on with it.

    Raises:
        StoreError: A slot could not be emptied; the key is as before, less the versions already gone.
    """
    for place in rows.places(core.index, key.id):
        choosing.deletable(core, place.backend)
    with core.index.write() as transaction:
        transaction.execute("UPDATE keys SET unfinished = 'delete' WHERE id = ?", (key.id,))
        # Where the store refuses halfway, the key stays, and must not be switched to a value that has gone.
        transaction.execute(
            "UPDATE rotations SET state = 'abandoned', updated_at = ?"
            " WHERE key_id = ? AND state <> 'done' AND kind = 'pasted'",
            (core.now(), key.id),
        )
    steps.reached(f"{flow}.marked")
    try:
        empty_slots(core, key.id, flow)
    except StoreError as error:
        # After a deadline the slot may still be emptied later: only recovery can tell.
        lasting = isinstance(error, StoreUnavailable)
        with core.index.write() as transaction:
            transaction.execute(
                "UPDATE keys SET unfinished = ?, interrupted = ? WHERE id = ?",
                ("delete" if lasting else "", int(lasting), key.id),
            )
        raise
    drop(core, key.id, name=key.name, kind=kind, detail=detail)
    steps.reached(f"{flow}.dropped")


def empty_slots(core: Core, key_id: int, flow: str) -> None:
    """Empty the slots of a key marked as being deleted, the shown version's last."""
    *others, shown = rows.places(core.index, key_id)
    for place in others:
        empty_version(core, place, flow)
    core.backend(shown.backend).delete(shown.slot)
    steps.reached(f"{flow}.slot_deleted")


def empty_version(core: Core, place: rows.Place, flow: str) -> None:
    """Empty one version's slot, then drop its row."""
    core.backend(place.backend).delete(place.slot)
    steps.reached(f"{flow}.slot_deleted")
    with core.index.write() as transaction:
        _forget_value(transaction, place.version_id)
        transaction.execute("DELETE FROM versions WHERE id = ?", (place.version_id,))
    steps.reached(f"{flow}.version_dropped")


def mark_purged(core: Core, version_id: int) -> None:
    """Let go of a version before its slot is emptied: undo no longer offers it, and recovery goes on with it."""
    with core.index.write() as transaction:
        let_go(transaction, version_id)
    steps.reached("purge.marked")


def let_go(transaction: Transaction, version_id: int) -> None:
    """Mark a version whose slot is to be emptied next, by this process or by recovery."""
    transaction.execute("UPDATE versions SET state = 'trash', purge_at = 0 WHERE id = ?", (version_id,))
    _forget_value(transaction, version_id)


def _forget_value(transaction: Transaction, version_id: int) -> None:
    """Let undo no longer offer the switch that replaced this version. Taken back, an event has no data and no JSON."""
    transaction.execute(
        "UPDATE events SET undoable = 0 WHERE type = 'rotated' AND json_extract(nullif(data, ''), '$.old') = ?"
        " AND key_id = (SELECT key_id FROM versions WHERE id = ?)",
        (version_id, version_id),
    )


def empty_abandoned(core: Core, key_id: int, version_id: int, flow: str) -> None:
    """Delete the new version of an abandoned rotation.

    Raises:
        StoreError: The store is locked or refused; the row stays for the next recovery.
    """
    place = rows.place(core.index, key_id, version_id)
    choosing.deletable(core, place.backend)
    empty_version(core, place, flow)
