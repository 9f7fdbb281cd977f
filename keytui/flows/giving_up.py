"""Giving up what a provider was asked to do: a rotation before its switch, or the end of a key that nobody can end.

What the provider has of it is revoked first. Where that cannot be done, for the admin key is refused or gone, the
person is told exactly what goes on living there, and may give it up all the same.
"""

from __future__ import annotations

import asyncio
import shlex

from keytui.errors import (
    KeyNotFound,
    KeyRefused,
    KeytuiError,
    LeftBehind,
    ProviderUnreachable,
    SecretDamaged,
    SecretMissing,
    UsageError,
)
from keytui.flows.issue_plan import until
from keytui.flows.issuing import GIVEN_UP, Run, ended
from keytui.providers import catalog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.flows.rotation import Stage
    from keytui.model import Key, Rotation
    from keytui.storage.keystore import Keystore

_STUCK = (KeyRefused, ProviderUnreachable, UsageError, SecretMissing, SecretDamaged)
"""What keeps a key at its provider from being revoked: nobody can be asked, or there is no admin key to ask with."""


async def abandon(store: Keystore, rotation_id: int, *, stage: Callable[[Stage], None] = lambda _stage: None) -> None:
    """Give up a rotation that has not switched: what the provider issued for it is revoked, the old key stays.

    Interrupted, going on with it revokes and ends it. Where an answer was lost, the look for a key of it lasts as long
    as a provider takes to list one.

    Args:
        stage: Told what it is at.

    Raises:
        LeftBehind: A key at the provider cannot be ended; the sentence says which. `leave` gives it up anyway.
        KeytuiError: It has switched and can be ended or undone, or it has ended already.
        StoreError: The store cannot be used, or another process drives it.
    """
    lock = store.rotation_lock(rotation_id)
    lock.acquire()
    run = Run(store, rotation_id, stage)
    try:
        async with run.stack:
            await _abandon(run)
    finally:
        lock.release(ended=ended(store, rotation_id))


async def leave(store: Keystore, left: LeftBehind) -> None:
    """Give up a rotation although its provider still has a key of it; the key's history says which.

    Raises:
        KeytuiError: The rotation has got further since that was said.
        StoreError: The store cannot be used, or another process drives it.
    """
    lock = store.rotation_lock(left.rotation_id)
    lock.acquire()
    try:
        rotation = await asyncio.to_thread(store.rotation, left.rotation_id)
        if rotation.state != left.state:
            raise KeytuiError("This rotation has got further meanwhile.", "Look at it again.")
        await asyncio.to_thread(store.leave_rotation, left.rotation_id, f"Rotation given up. {left.sentence}")
    finally:
        lock.release(ended=ended(store, left.rotation_id))


async def _abandon(run: Run) -> None:
    rotation = await run.row()
    if rotation is None or rotation.kind == "pasted" or rotation.state in ("done", "abandoned"):
        raise KeytuiError("This rotation has ended meanwhile.", "Look at it again.")
    key = await asyncio.to_thread(run.store.key, rotation.key_id)
    before = rotation.kind == "issued" and rotation.state in GIVEN_UP
    try:
        if before:
            rotation = await asyncio.to_thread(run.store.clear_rotation, rotation.id)
            await run.clear(rotation, key)
            return
        await (await run.issuer(rotation, key)).list_keys()  # who can list can end it
    except _STUCK as cause:
        raise await asyncio.to_thread(_left, run.store, rotation, key, cause) from None
    if rotation.note and (rotation.retire_at or 0) <= run.store.clock():  # it was tried, and did not work
        raise await asyncio.to_thread(_left, run.store, rotation, key, KeytuiError(rotation.note))
    hint = "Go on with it" if rotation.kind == "revoked" else "Undo the switch, or let it end"
    raise KeytuiError("This rotation can no longer be given up.", f"{hint}: keytui rotate --resume")


def _left(store: Keystore, rotation: Rotation, key: Key, cause: KeytuiError) -> LeftBehind:
    """Say what the provider still has, or may have, and what the person can do about it."""
    provider = catalog.provider(key.provider)
    label = provider.label
    place = f", project {rotation.project}" if rotation.project else ""
    others, versions = [*rotation.tried], store.versions(key.id)
    if rotation.kind == "issued" and rotation.state in GIVEN_UP:
        named = f"“{rotation.remote_name}”"
        if rotation.remote_id:
            what = f"{label} still has the new key {rotation.remote_id} ({named}{place}); it works until it is revoked."
        else:
            what = f"{label} may have a key named {named}{place}, whose value never arrived."
        after = "A later rotation with a working admin key finds it by its name and revokes it."
    else:
        version = next((one for one in versions if one.id == rotation.retiring_version), None)
        remote_id, ends = (version.remote_id, version.expires_at) if version is not None else ("", None)
        place = f" (project {version.remote_project})" if version is not None and version.remote_project else ""
        end = until(ends) if ends is not None else "it is revoked"
        if rotation.kind == "revoked":
            others += [rotation.remote_name] * bool(rotation.remote_name)
            others += [one.remote_id for one in versions if one.id == rotation.other_version and one.state != "pending"]
            what = f"{label} still has the key {remote_id}{place}, or is not proven to have ended it."
            after = "It stays stored here."
        else:
            which = "new" if rotation.undone else "replaced"
            what = f"{label} still has the {which} key {remote_id}{place}; it works until {end}."
            after = "The key in use stays."
    if others:
        what += f" It may also have {', '.join(f'“{name}”' for name in others)}."
    by_hand = f"Revoke it by hand: {provider.keys_page}" if provider.keys_page else "Revoke it by hand there."
    return LeftBehind(f"{what} {after} {by_hand}", rotation.id, rotation.state, cause, _way_on(store, rotation, cause))


def _way_on(store: Keystore, rotation: Rotation, cause: KeytuiError) -> str:
    if not isinstance(cause, KeyRefused):
        return ""
    try:
        admin = store.key(rotation.admin_key_id or 0)
    except KeyNotFound:
        return ""
    return f"To have it revoked, paste a working admin key first: keytui rotate {shlex.quote(admin.name)}"
