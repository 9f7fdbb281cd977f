"""Moving secrets to the other store: copied into a new slot, read back, flipped in one transaction, then deleted.

Two rows stand for a version while it moves: its own, which keeps its id and points to one slot at any time, and one
whose `purge_at` is 0, which recovery empties. First that second row holds the new slot, so a killed copy is emptied;
with the flip it takes the old slot, so that an old copy is known until it is gone.
"""

from __future__ import annotations

from keytui.errors import KeytuiError, SecretDamaged, StoreError, StoreLocked, StoreUnavailable, StoreUndecided
from keytui.record import NamedTuple
from keytui.storage import choosing, endings, journal, recovery, rows, slots, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.model import BackendName
    from keytui.storage.core import Core

_LABELS = {"os": "OS keyring", "vault": "vault"}
_TO_MOVE = """
    SELECT k.id, k.name, k.deleted_at IS NOT NULL, k.unfinished, group_concat(v.id) FROM keys k
    JOIN versions v ON v.key_id = k.id
    WHERE v.backend <> ? AND coalesce(v.purge_at, 1) <> 0 AND (k.unfinished = '' OR k.interrupted)
    GROUP BY k.id ORDER BY k.deleted_at IS NOT NULL, k.sort_name, k.id
"""
_LEFT = "SELECT count(*) FROM versions WHERE purge_at = 0 AND backend <> ?"
_VERSION = """
    SELECT v.created_at, v.masked, k.name, k.provider, k.base_url, k.version_id FROM versions v
    JOIN keys k ON k.id = v.key_id WHERE v.id = ? AND v.backend <> ? AND coalesce(v.purge_at, 1) <> 0
"""


class Moving(NamedTuple):
    """A key that has secrets in the other store.

    Attributes:
        versions: Ids of those versions, oldest first.
        interrupted: Adding or deleting it has not ended, so it cannot be moved yet.
    """

    key_id: int
    name: str
    in_trash: bool
    interrupted: bool
    versions: tuple[int, ...]


class Migration(NamedTuple):
    """How a migration ended.

    Attributes:
        moved: How many keys are wholly in the target now.
        failed: Name and sentence of each key that stays where it is.
        left: How many old copies could not be deleted yet; every later write tries again.
    """

    moved: int
    failed: tuple[tuple[str, str], ...]
    left: int


def to_move(core: Core, target: BackendName) -> list[Moving]:
    """Return the keys that have secrets elsewhere; see Keystore.to_move."""
    found = core.index.query(_TO_MOVE, (target,))
    return [
        Moving(key_id, name, bool(trash), bool(unfinished), tuple(sorted(map(int, ids.split(",")))))
        for key_id, name, trash, unfinished, ids in found
    ]


def migrate(core: Core, target: BackendName, tell: Callable[[str], None]) -> Migration:
    """Move every secret to the target; see Keystore.migrate."""
    _check(core, target)
    recovery.recover(core)
    failed: dict[int, tuple[str, str]] = {}
    moved, over = 0, ""
    # Until nothing is left: another process may add a key to the old store meanwhile.
    while batch := [moving for moving in to_move(core, target) if moving.key_id not in failed]:
        for moving in batch:
            sentence = over or _key(core, target, moving)
            if isinstance(sentence, KeytuiError):
                over = _gone(core, target)
                sentence = sentence.sentence
            if sentence:
                failed[moving.key_id] = (moving.name, sentence)
            else:
                moved += 1
                tell(moving.name)
    if not over:
        choosing.remember(core, target)
        steps.reached("migrate.chosen")
    return Migration(moved, tuple(failed.values()), core.index.query(_LEFT, (target,))[0][0])


def _check(core: Core, target: BackendName) -> None:
    """Raise StoreError unless both stores can be used now."""
    if target == "vault" and choosing.has_vault(core) and not core.vault().exists():
        if not core.settings.passphrase_file:
            raise StoreUndecided("There is no vault yet.", "Run this in a terminal, or set KEYTUI_PASSPHRASE_FILE.")
        choosing.set_up_from_file(core)
    if target == "os":
        core.backend("os").probe()
    if to_move(core, target):
        if choosing.has_vault(core):
            choosing.unlock_quietly(core)
        core.backend("vault").ready()
        core.backend("os").ready()


def _gone(core: Core, target: BackendName) -> str:
    """Return what is wrong when one of the stores no longer answers at all: the other keys need not be tried."""
    try:
        _check(core, target)
    except StoreError as error:
        return error.sentence
    return ""


def _key(core: Core, target: BackendName, moving: Moving) -> KeytuiError | str:
    if moving.interrupted:
        return "An earlier write to it was interrupted and could not be ended yet."
    sentence = ""
    for version_id in reversed(moving.versions):
        try:
            with core.lock:
                _version(core, target, moving.key_id, version_id)
        except (StoreLocked, StoreUnavailable) as error:
            return error
        except KeytuiError as error:  # this value alone; the key's others may move
            sentence = error.sentence
    return sentence


def _version(core: Core, target: BackendName, key_id: int, version_id: int) -> None:
    found = core.index.query(_VERSION, (version_id, target))
    if not found:
        return  # deleted or moved meanwhile
    created_at, masked, name, provider, base_url, shown = found[0]
    place = rows.place(core.index, key_id, version_id)
    source, new = core.backend(place.backend), slots.fresh(name, provider, base_url, created_at)
    secret = source.read(place.slot)
    if place.fingerprint not in (None, rows.fingerprint(core.index, secret)):
        raise SecretDamaged("The store holds something else than was written.")
    doomed = {"key_id": key_id, "state": "trash", "created_at": created_at, "masked": masked, "purge_at": 0}
    with core.index.write() as transaction:
        helper = transaction.insert("versions", **doomed, slot=new.id, label=new.name, backend=target)
    steps.reached("migrate.row_pending")
    try:
        slots.fill(core.backend(target), new, secret, "migrate")
    except StoreError as error:
        if not isinstance(error, StoreUnavailable):  # after a deadline the write may still arrive; recovery empties it
            _empty(core, key_id, helper)
        raise
    with core.index.write() as transaction:
        transaction.execute("DELETE FROM versions WHERE id = ?", (helper,))
        transaction.execute(
            "UPDATE versions SET slot = ?, label = ?, backend = ?, missing = 0 WHERE id = ?",
            (new.id, new.name, target, version_id),
        )
        helper = transaction.insert(
            "versions", **doomed, slot=place.slot.id, label=place.slot.name, backend=place.backend
        )
        if version_id == shown:
            detail = f"Moved from the {_LABELS[place.backend]} to the {_LABELS[target]}."
            journal.note(transaction, key_id, name, "moved", detail, at=core.now())
    steps.reached("migrate.flipped")
    _empty(core, key_id, helper)


def _empty(core: Core, key_id: int, version_id: int) -> None:
    """Empty a slot that is no longer needed; where the store refuses, recovery goes on with it at the next write."""
    try:
        place = rows.place(core.index, key_id, version_id)
        choosing.deletable(core, place.backend)
        endings.empty_version(core, place, "migrate")
    except StoreError:
        return
