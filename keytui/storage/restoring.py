"""Storing a key that was exported before: its previous values first, its current one last, then all at once."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from keytui.errors import NameTaken, StoreError, StoreUnavailable
from keytui.model import DAY
from keytui.record import NamedTuple
from keytui.storage import choosing, endings, recovery, rows, slots, steps, writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from keytui.model import Key, KeyFields, RemoteKey, Secret
    from keytui.storage.core import Core


class Kept(NamedTuple):
    """One value of a key.

    Attributes:
        created_at: When it was stored where it was exported, in seconds since the epoch.
        remote: What is known of it at its provider.
    """

    secret: Secret
    created_at: int
    remote: RemoteKey = slots.NOT_KNOWN


def restore(core: Core, fields: KeyFields, created_at: int, values: Sequence[Kept]) -> Key:
    """Store a new key with its previous values; see Keystore.restore."""
    with core.lock:
        backend = choosing.writable(core)
        recovery.recover(core)
        filled = [slots.fresh(fields.name, fields.provider, fields.base_url, kept.created_at) for kept in values]
        keep_until = core.now() + core.settings.keep_previous_days * DAY
        try:
            with core.index.write() as transaction:
                columns = writing.columns(fields)
                key_id = transaction.insert("keys", **columns, created_at=created_at, unfinished="add")
                ids = [
                    slots.pend(transaction, core, backend.name, slot, kept.secret, key_id=key_id, remote=kept.remote)
                    for slot, kept in zip(filled, values, strict=True)
                ]
                transaction.execute(
                    "UPDATE versions SET state = 'previous', purge_at = ? WHERE key_id = ? AND id <> ?",
                    (keep_until, key_id, ids[-1]),
                )
                transaction.execute("UPDATE keys SET version_id = ? WHERE id = ?", (ids[-1], key_id))
        except sqlite3.IntegrityError:
            raise NameTaken(fields.name) from None
        steps.reached("restore.rows_pending")
        try:
            # The current one last: once it is there, recovery finishes the key, and until then it takes all of it back.
            for slot, kept in zip(filled, values, strict=True):
                slots.fill(backend, slot, kept.secret, "restore")
        except StoreError as error:
            _take_back(core, key_id, error)
            raise
        endings.finish_add(core, key_id, fields.name, kind="restored", detail="Restored from an exported file.")
        steps.reached("restore.current")
        return rows.key(core.index, key_id)


def _take_back(core: Core, key_id: int, error: StoreError) -> None:
    """Undo a failed restore; where that cannot be known, leave the row for recovery, visible as interrupted."""
    with suppress(StoreError):
        if not isinstance(error, StoreUnavailable):  # after a deadline the write may still arrive
            endings.empty_slots(core, key_id, "restore")
            endings.drop(core, key_id)
            return
    # A full disk: the row stays as it is, and recovery finds it.
    with suppress(StoreError), core.index.write() as transaction:
        transaction.execute("UPDATE keys SET interrupted = 1 WHERE id = ?", (key_id,))
