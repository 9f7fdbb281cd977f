"""Ending what a killed process began. Runs under the store lock, so an unfinished row is no living process's."""

from __future__ import annotations

import os
from contextlib import suppress

from keytui.errors import StoreBusy, StoreError
from keytui.storage import choosing, endings, files, rows, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.storage.core import Core

_PENDING = (
    "SELECT r.id, r.key_id, r.state, v.id, k.name FROM versions v JOIN rotations r ON r.new_version = v.id"
    " JOIN keys k ON k.id = r.key_id WHERE v.state = 'pending' AND r.state IN ('planned', 'abandoned')"
)
# Two marks each: one damaged byte of the index must not look like a deletion that was begun.
_PURGED = "SELECT key_id, id FROM versions WHERE purge_at = 0 AND state = 'trash'"
_UNFINISHED = "SELECT id, name, unfinished FROM keys WHERE unfinished IN ('add', 'delete')"


def recover(core: Core) -> list[str]:
    """Finish or undo unfinished writes and return a sentence for each; see Keystore.recover."""
    vault = core.settings.vault_dir
    if not any(core.index.query(sql) for sql in (_UNFINISHED, _PENDING, _PURGED)) and not files.leftovers(vault):
        return []
    try:
        with core.lock:
            _sweep(vault, os.path.join(vault, "secrets"))
            sentences = [*_keys(core), *_rotations(core)]
            _purged(core)
            return sentences
    except StoreBusy:
        return []  # a living process writes; the rows may be its own


def _sweep(*folders: str) -> None:
    """Remove what a killed write left beside its file: it may be a second name of a secret's file, or half of one."""
    for path in (path for folder in folders for path in files.leftovers(folder)):
        with suppress(StoreError):  # read-only: it stays until it can be removed
            files.remove(path)
            steps.reached("recover.swept")


def _keys(core: Core) -> list[str]:
    sentences = []
    for key_id, name, unfinished in core.index.query(_UNFINISHED):
        try:
            sentence = _added(core, key_id, name) if unfinished == "add" else _deleted(core, key_id, name)
        except StoreError:
            sentence = ""
        if sentence:
            sentences.append(sentence)
        else:
            _show(core, key_id)
        steps.reached("recover.key")
    return sentences


def _added(core: Core, key_id: int, name: str) -> str:
    place = rows.place(core.index, key_id, None)
    found = _found(core, place)
    if found is None:
        return ""
    if found:
        sentence = f"Finished adding “{name}”, which had been interrupted."
        endings.finish_add(core, key_id, name, kind="recovered", detail=sentence)
        return sentence
    endings.empty_slots(core, key_id, "recover")  # a restored key's previous values are written before its own
    sentence = f"Adding “{name}” had been interrupted before its key was stored. Add it again."
    endings.drop(core, key_id, name=name, kind="recovered", detail=sentence)
    return sentence


def _deleted(core: Core, key_id: int, name: str) -> str:
    for place in rows.places(core.index, key_id):
        choosing.deletable(core, place.backend)
    endings.empty_slots(core, key_id, "recover")
    sentence = f"Finished deleting “{name}”, which had been interrupted."
    endings.drop(core, key_id, name=name, kind="recovered", detail=sentence)
    return sentence


def _rotations(core: Core) -> list[str]:
    sentences = []
    for rotation_id, key_id, before, version_id, name in core.index.query(_PENDING):
        try:
            state = before
            if before == "planned":
                state = _planned(core, rotation_id, rows.place(core.index, key_id, version_id))
            if state == "stored":
                sentences.append(f"The new key of “{name}” is stored; its rotation can go on.")
            if state == "abandoned":
                endings.empty_abandoned(core, key_id, version_id, "recover")
                sentences.append(f"The interrupted rotation of “{name}” was taken back; its key is unchanged.")
        except StoreError:
            continue  # locked: it stays in the journal, and the key keeps saying that it is rotating
        steps.reached("recover.rotation")
    return sentences


def _purged(core: Core) -> None:
    """Finish purging versions whose slots may be empty already; nobody has to be told."""
    for key_id, version_id in core.index.query(_PURGED):
        with suppress(StoreError):  # locked: it waits
            place = rows.place(core.index, key_id, version_id)
            choosing.deletable(core, place.backend)
            endings.empty_version(core, place, "recover")


def _planned(core: Core, rotation_id: int, place: rows.Place) -> str:
    found = _found(core, place)
    if found is None:
        return "planned"
    state = "stored" if found else "abandoned"
    with core.index.write() as transaction:
        transaction.execute(
            "UPDATE rotations SET state = ?, updated_at = ? WHERE id = ?", (state, core.now(), rotation_id)
        )
    return state


def _found(core: Core, place: rows.Place) -> bool | None:
    """Whether the slot holds what was meant; None when it holds something else. Short secrets cannot be compared."""
    backend = core.backend(place.backend)
    choosing.unlock_from_cache(core, place.backend)
    if not backend.present(place.slot):
        return False
    backend.ready()
    secret = backend.read(place.slot)
    if place.fingerprint is None or rows.fingerprint(core.index, secret) == place.fingerprint:
        return True
    return None


def _show(core: Core, key_id: int) -> None:
    with core.index.write() as transaction:
        transaction.execute("UPDATE keys SET interrupted = 1 WHERE id = ? AND interrupted = 0", (key_id,))
