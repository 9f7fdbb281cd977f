"""The journal of rotations: a new version is stored beside the current one, and takes its place in one transaction."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from keytui.errors import KeytuiError, StoreError, StoreUnavailable
from keytui.model import DAY
from keytui.storage import choosing, endings, issued, journal, recovery, rows, slots, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.model import Key, Rotation, RotationState, Secret
    from keytui.storage.core import Core
    from keytui.storage.index import Transaction


_ORDER: tuple[RotationState, ...] = (
    "planned",
    "issued",
    "stored",
    "verified",
    "switched",
    "retiring",
    "clearing",
    "done",
)


def begin(core: Core, key_id: int, secret: Secret) -> Rotation:
    """Store the successor of a key's secret; see Keystore.begin_rotation."""
    with core.lock:
        backend = choosing.writable(core)
        recovery.recover(core)
        key = rows.key(core.index, key_id)
        if key.state in ("trash", "interrupted"):
            raise KeytuiError(f"“{key.name}” cannot be rotated in this state.", "Restore it first.")
        now = core.now()
        slot = slots.fresh(key.name, key.provider, key.base_url, now)
        times = {"started_at": now, "updated_at": now}
        try:
            with core.index.write() as transaction:
                old = transaction.execute("SELECT version_id FROM keys WHERE id = ?", (key_id,))[0][0]
                new = slots.pend(transaction, core, backend.name, slot, secret, key_id=key_id)
                rotation_id = transaction.insert(
                    "rotations",
                    key_id=key_id,
                    kind="pasted",
                    state="planned",
                    new_version=new,
                    old_version=old,
                    **times,
                )
        except sqlite3.IntegrityError:
            hint = "Finish or abandon that rotation first."
            raise KeytuiError(f"“{key.name}” is already being rotated.", hint) from None
        steps.reached("rotate.row_pending")
        try:
            slots.fill(backend, slot, secret, "rotate")
        except StoreError as error:
            if not isinstance(error, StoreUnavailable):  # after a deadline the write may still arrive
                with suppress(StoreError):  # the first error is the one to tell; recovery finds the row
                    abandon(core, rotation_id)
            raise
        return advance(core, rotation_id, "stored")


def advance(core: Core, rotation_id: int, state: RotationState) -> Rotation:
    """Note how far a rotation got; see Keystore.advance_rotation."""
    with core.lock:
        rotation = _unfinished(core, rotation_id)
        if _ORDER.index(state) < _ORDER.index(rotation.state):
            raise KeytuiError("This rotation has got further than that.", "Look at it again.")
        return issued.set_state(core, rotation_id, state)


def switch(core: Core, rotation_id: int) -> Key:
    """Make the new version current and the old one previous, in one transaction; see Keystore.switch."""
    with core.lock:
        recovery.recover(core)
        rotation = _unfinished(core, rotation_id)
        if rotation.state not in ("stored", "verified"):
            raise KeytuiError("This rotation is not ready to switch.", "Its new key is not stored yet.")
        key = rows.key(core.index, rotation.key_id)
        now = core.now()
        with core.index.write() as transaction:
            # Not the journal's old version: an undo may have changed the current one since this began.
            old = transaction.execute("SELECT version_id FROM keys WHERE id = ?", (key.id,))[0][0]
            state = "done" if rotation.kind == "pasted" else "switched"
            transaction.execute(
                "UPDATE rotations SET state = ?, note = '', updated_at = ? WHERE id = ?", (state, now, rotation_id)
            )
            if rotation.kind == "issued":
                retire(transaction, rotation_id, old, end_of(rotation.grace_s, now))
            undo = {"old": old, "new": rotation.new_version, "expires_at": key.expires_at}
            point(transaction, core, key.id, rotation.new_version, expires_at=None)
            journal.note(transaction, key.id, key.name, "rotated", "Rotated to a new key.", at=now, undo=undo)
        steps.reached("rotate.switched")
        return rows.key(core.index, key.id)


def abandon(core: Core, rotation_id: int, *, settled: bool = False) -> None:
    """Give a rotation up and delete its new version; see Keystore.abandon_rotation."""
    with core.lock:
        rotation = _unfinished(core, rotation_id)
        if rotation.kind != "pasted" and not settled:
            hint = "Go on with it: keytui rotate --resume"
            raise KeytuiError("The provider issued the new key of this rotation and still knows it.", hint)
        if rotation.state in ("switched", "retiring") and rotation.kind != "revoked":
            raise KeytuiError("This rotation has already switched to the new key.", "Undo the switch instead.")
        with core.index.write() as transaction:
            transaction.execute(
                "UPDATE rotations SET state = 'abandoned', updated_at = ? WHERE id = ?", (core.now(), rotation_id)
            )
        steps.reached("abandon.marked")
        _empty_pending(core, rotation)


def clear(core: Core, rotation_id: int) -> Rotation:
    """Note that what was issued is to be revoked, and nothing else; see Keystore.clear_rotation."""
    with core.lock:
        rotation = _unfinished(core, rotation_id)
        if rotation.kind != "issued" or rotation.state in issued.RETIRING:
            raise KeytuiError("This rotation can no longer be given up.", "Look at it again.")
        return issued.set_state(core, rotation_id, "clearing")


def leave(core: Core, rotation_id: int, sentence: str) -> None:
    """End a rotation although its provider still has a key of it; see Keystore.leave_rotation."""
    with core.lock:
        rotation = _unfinished(core, rotation_id)
        key = rows.key(core.index, rotation.key_id)
        switched = rotation.kind == "issued" and rotation.state in issued.RETIRING
        with core.index.write() as transaction:
            transaction.execute(
                "UPDATE rotations SET state = ?, note = '', updated_at = ? WHERE id = ?",
                ("done" if switched else "abandoned", core.now(), rotation_id),
            )
            journal.note(transaction, key.id, key.name, "given up", sentence, at=core.now())
        steps.reached("abandon.marked")
        _empty_pending(core, rotation)


def _empty_pending(core: Core, rotation: Rotation) -> None:
    """Delete the new version of a rotation that was given up, unless it is or was in use."""
    pending = "SELECT 1 FROM versions WHERE id = ? AND state = 'pending'"
    if rotation.new_version is not None and core.index.query(pending, (rotation.new_version,)):
        with suppress(StoreError):  # locked: the key is untouched, and recovery empties the slot later
            endings.empty_abandoned(core, rotation.key_id, rotation.new_version, "abandon")


def end_of(grace_s: int, now: int) -> int:
    """Return when a grace period that begins now is over; in whole seconds, and never shorter than was promised."""
    return now + grace_s + 1 if grace_s else now


def retire(transaction: Transaction, rotation_id: int, version_id: int, at: int) -> None:
    """Note which version an issued rotation retires, and when; none where its remote key is not known."""
    transaction.execute(
        "UPDATE rotations SET retire_at = ?,"
        " retiring_version = (SELECT id FROM versions WHERE id = ? AND remote_id <> '') WHERE id = ?",
        (at, version_id, rotation_id),
    )


def point(transaction: Transaction, core: Core, key_id: int, version_id: int | None, *, expires_at: int | None) -> None:
    """Make a version the current one and the one before it previous. What a check said was of the other secret."""
    keep_until = core.now() + core.settings.keep_previous_days * DAY
    transaction.execute(
        "UPDATE versions SET state = 'previous', purge_at = ? WHERE id = (SELECT version_id FROM keys WHERE id = ?)",
        (keep_until, key_id),
    )
    transaction.execute("UPDATE versions SET state = 'current', purge_at = NULL WHERE id = ?", (version_id,))
    transaction.execute(
        "UPDATE keys SET version_id = :version, verdict = NULL, checked_at = NULL, latency_ms = NULL,"
        " expires_at = coalesce((SELECT expires_at FROM versions WHERE id = :version), :expires) WHERE id = :key",
        {"version": version_id, "expires": expires_at, "key": key_id},
    )


def _unfinished(core: Core, rotation_id: int) -> Rotation:
    rotation = rows.rotation(core.index, rotation_id)
    if rotation.state in ("done", "abandoned"):
        raise KeytuiError("This rotation has already ended.", "Start a new one.")
    return rotation
