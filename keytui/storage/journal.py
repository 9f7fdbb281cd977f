"""Events: what happened, for the person, and what undo needs to take it back; and checks. Bounded; never a secret."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from keytui.model import Verdict
    from keytui.storage.index import Transaction

EVENTS_KEPT = 5_000
"""How many events the index keeps; the oldest go first. A deletion or a rotation stays while it can be undone."""

CHECKS_KEPT = 20
"""How many checks of one key the index keeps, and of how many changes of its verdict the check that brought it."""

_PRUNE_CHECKS = """
DELETE FROM checks WHERE key_id = :key
AND id NOT IN (SELECT id FROM checks WHERE key_id = :key ORDER BY id DESC LIMIT :kept)
AND id NOT IN (
    SELECT id FROM (SELECT id, word <> lag(word, 1, '') OVER (ORDER BY id) AS changed FROM checks WHERE key_id = :key)
    WHERE changed ORDER BY id DESC LIMIT :kept
)
"""


def note(
    transaction: Transaction,
    key_id: int | None,
    name: str,
    kind: str,
    detail: str,
    *,
    at: int,
    undo: dict[str, Any] | None = None,
) -> int:
    """Write an event and return its id.

    Args:
        transaction: The write this event tells of.
        key_id: The key, or None when it is gone.
        name: The key's name at that time.
        kind: One of the types of model.Event.
        detail: One sentence for the person.
        at: When, in seconds since the epoch.
        undo: What undo needs; None when it cannot be taken back.
    """
    import json

    data = "" if undo is None else json.dumps(undo)
    undoable = int(undo is not None)
    event = transaction.insert(
        "events", key_id=key_id, name=name, at=at, type=kind, detail=detail, undoable=undoable, data=data
    )
    transaction.execute(
        "DELETE FROM events WHERE id <= ? AND NOT (undoable AND type IN ('deleted', 'rotated'))", (event - EVENTS_KEPT,)
    )
    return event


def note_check(transaction: Transaction, key_id: int, version_id: int, verdict: Verdict) -> None:
    """Write a check and let go of old ones, but for those that tell since when a key has, or had, a verdict."""
    transaction.insert("checks", key_id=key_id, version_id=version_id, **verdict._asdict())
    transaction.execute(_PRUNE_CHECKS, {"key": key_id, "kept": CHECKS_KEPT})


def forget(transaction: Transaction, key_id: int) -> None:
    """Let go of a key whose rows are about to be dropped: its events stay as history, undo no longer knows them."""
    transaction.execute("UPDATE events SET undoable = 0, key_id = NULL, data = '' WHERE key_id = ?", (key_id,))
