"""What is where in a rotation by the provider, in the person's words: which key is in use, and which one ends.

Undoing a switch turns the retirement round: from then on it is the new key that ends.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.model import Rotation

_BEFORE = {
    "planned": "A new one that may exist is looked for and revoked before another is made.",
    "issued": "The value of a new one was lost: it is revoked before another is made.",
    "stored": "The new one is stored and not yet known to work.",
    "verified": "The new one is stored and works.",
    "clearing": "The rotation was given up; what was issued for it is yet to be revoked.",
}
"""What is known of the new key while the old one is in use, by the journal's state."""

_AFTER = {
    "switched": "still works.",
    "retiring": "still works, or is not proven dead.",
    "done": "has ended.",
}


def ending(row: Rotation) -> str:
    """Name the key that ends with a rotation: "old key", "new key" after an undo, "key" where it is revoked itself."""
    if row.kind == "revoked":
        return "key"
    return "new key" if row.undone else "old key"


def in_use(*, undone: bool) -> str:
    """Say which key is in use once a rotation has switched, without a full stop."""
    return "The old key is in use again" if undone else "The new key is in use"


def nothing_left(*, revoking: bool) -> str:
    """Say what state everything is in where the journal has nothing left of a rotation, or of a revocation."""
    if revoking:
        return "The key is as it was, and stays stored here."
    return "The old key is in use, and nothing is left of the new one."


def standing(row: Rotation) -> str:
    """Say what state everything is in."""
    if row.state == "abandoned":
        return "The key in use stays, and its history says what is left at the provider."
    if row.kind == "revoked":
        return "The key is being revoked and then deleted here; it may be refused already."
    if row.state in _BEFORE:
        return f"The old key is in use. {_BEFORE[row.state]}"
    other = "new" if row.undone else "old"
    if row.state == "done" and row.retiring_version is None:
        return f"{in_use(undone=row.undone)}. The {other} one was not revoked: delete it on the provider's page."
    return f"{in_use(undone=row.undone)}. The {other} one {_AFTER[row.state]}"


def still_works(row: Rotation) -> str:
    """Say which other key works while a rotation's retirement lasts, without a full stop."""
    if row.undone:
        return "The new key of the last rotation, which was undone, still works"
    return "The key from before the last rotation still works"
