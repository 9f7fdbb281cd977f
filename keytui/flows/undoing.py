"""Taking back the newest undoable event of the store."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from keytui.errors import KeytuiError, UndoRefused, UsageError
from keytui.flows import keys
from keytui.flows.rotation import WORKING
from keytui.providers import checks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.model import Event, Rotation
    from keytui.storage.keystore import Keystore


async def undo(store: Keystore, event: Event, *, as_name: str | None = None) -> Event:
    """Take an event back and return the event that says so.

    Undoing a rotation puts the previous value back in use; that value is checked first, because a provider may have
    ended it meanwhile.

    Args:
        event: What Keystore.undoable() named.
        as_name: Another name for a key that is brought back, when its own was taken meanwhile.

    Raises:
        InvalidInput: The other name cannot be stored.
        UsageError: A switch is undone, which renames nothing.
        UndoRefused: The previous value no longer works, or could not be checked.
        NothingToUndo: The event was undone or purged meanwhile.
        NameTaken: The key's name was taken meanwhile.
        StoreError: The store cannot be read, or another keytui is revoking the previous value.
    """
    if as_name is not None:
        if event.type == "rotated":
            raise UsageError("A new name goes with a deletion or an edit.", "Undo the rotation without one.")
        as_name = keys.clean_name(as_name)
    if event.type != "rotated" or event.key_id is None:
        return await asyncio.to_thread(store.undo, event.id, as_name=as_name)
    rotation = await asyncio.to_thread(_issued, store, event.key_id)
    if rotation is None:
        await _check_previous(store, event.key_id, event.id)
        return await asyncio.to_thread(store.undo, event.id)
    return await _undo_issued(store, event, rotation)


async def _undo_issued(store: Keystore, event: Event, rotation: Rotation) -> Event:
    """Take back a switch to an issued key, which from then on is the one that retires.

    The lock of the rotation is held: else the old key could be revoked between its check and the switch.
    """
    from keytui.flows import issuing

    assert event.key_id is not None  # noqa: S101 - see above
    if rotation.state == "switched":
        # Killed there, its provider may have been told the old key's end without that being noted here.
        await issuing.drive(store, rotation.id, stage=lambda _stage: None, wait=False)
    lock = store.rotation_lock(rotation.id)
    lock.acquire()
    try:
        await _check_previous(store, event.key_id, event.id)
        done = await asyncio.to_thread(store.undo, event.id)
    finally:
        lock.release()
    with suppress(KeytuiError):  # what the provider could not be told now waits for `rotate --resume`
        await issuing.drive(store, rotation.id, stage=lambda _stage: None, wait=False)
    return done


def _issued(store: Keystore, key_id: int) -> Rotation | None:
    """Return the rotation whose issued key is the one in use."""
    current = next((version.id for version in store.versions(key_id) if version.state == "current"), None)
    found = (row for row in store.rotations(unfinished=False) if row.key_id == key_id and row.kind == "issued")
    return next((row for row in found if row.new_version == current), None)


async def _check_previous(store: Keystore, key_id: int, event_id: int) -> None:
    key = await asyncio.to_thread(store.key, key_id)
    previous = await asyncio.to_thread(store.replaced_version, event_id)
    if previous is None:
        return  # the store itself says that it is no longer there
    margin = store.settings.propagation_seconds
    if previous.expires_at is not None and previous.expires_at - time.time() <= margin:
        # It may well answer now, and would be dead before anybody could do something about it.
        sentence = f"The previous value of “{key.name}” was not put back: its provider ends it within {margin} seconds."
        raise UndoRefused(sentence, "The value in use stays as it is.")
    secret = await asyncio.to_thread(store.read, key_id, previous.id)
    verdict = await checks.check(key, secret, timeout_s=store.settings.check_seconds)
    if verdict.word not in WORKING:
        sentence = f"The previous value of “{key.name}” was not put back: {verdict.detail}"
        raise UndoRefused(sentence, "The value in use stays as it is.")
