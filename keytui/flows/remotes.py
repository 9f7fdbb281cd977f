"""Small things about keys at their provider: what a version is there, what a rotation made there, revoking some."""

from __future__ import annotations

import asyncio
import time

from keytui.errors import ProviderUnreachable
from keytui.flows.issue_plan import named
from keytui.model import RemoteKey, Seen, Verdict
from keytui.providers import issuers
from keytui.providers.remote import Remote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from keytui.model import Key, Rotation, Version
    from keytui.providers.remote import Issuer
    from keytui.storage.keystore import Keystore

REFUSED = (400, 404, 409, 422)
"""Statuses by which a provider refuses what is asked of it."""

_AT_ONCE_S = 2


def seen(version: Version, remote: Remote | None) -> Seen:
    """Return a value in use together with the key at its provider that it was found to be, if that is certain."""
    known = None
    if remote is not None:
        known = RemoteKey(remote.id, remote.project_id, remote.account_id, remote.expires_at)
    return Seen(version, known)


def issued_by(rotation: Rotation) -> Remote:
    """Return the key that a rotation's provider issued, as far as the journal knows it."""
    return Remote(
        rotation.remote_id, name=rotation.remote_name, project_id=rotation.project, account_id=rotation.account
    )


def of_version(version: Version) -> Remote:
    """Return what a version is at its provider."""
    return Remote(
        version.remote_id,
        project_id=version.remote_project,
        account_id=version.remote_account,
        expires_at=version.expires_at,
    )


async def kept(store: Keystore, rotation: Rotation) -> tuple[Remote, ...]:
    """Return the keys there that no revocation of a rotation may take along: all known ones but those that end with it.

    They are of other stored keys, too: several can belong to one service account.
    """
    known = await asyncio.to_thread(store.versions_there, rotation.key_id)
    switched = rotation.state in ("switched", "retiring")
    ending = (rotation.retiring_version, rotation.other_version) if switched else (rotation.new_version,)
    gone = {version.remote_id for version in known if version.id in ending}
    return tuple(of_version(version) for version in known if version.remote_id not in gone)


async def end(issuer: Issuer, remote: Remote, *, keep: tuple[Remote, ...]) -> bool:
    """Revoke a key; one that cannot be deleted, for its account owns others too, is told to end at once instead.

    Returns whether the provider did either; False when it knows no such key.

    Args:
        keep: Keys that no revocation may take along.

    Raises:
        KeyRefused: The admin key is not accepted.
        ProviderUnreachable: The provider did neither.
    """
    try:
        return await issuer.revoke(remote, keep=keep)
    except ProviderUnreachable as error:
        if error.verdict.status not in REFUSED or not issuer.can_expire:
            raise
        await issuer.expire(remote, 1)
        return True


async def end_new(issuer: Issuer, remote: Remote, *, keep: tuple[Remote, ...]) -> bool:
    """Revoke a key that was issued a moment ago; whether the provider did, and no longer lists it.

    That it knows no such key proves nothing of a new one: it may be behind.
    """
    return await end(issuer, remote, keep=keep) and not await alive(issuer, remote.name)


async def alive(issuer: Issuer, name: str) -> list[Remote]:
    """Return the keys of a name that the provider lists, without those that were told to end at once."""
    soon = time.time() + _AT_ONCE_S
    return [each for each in await issuer.find(name) if each.expires_at is None or each.expires_at > soon]


def still_there(issuer: Issuer, found: Sequence[Remote]) -> ProviderUnreachable:
    """Return the error for keys that the provider lists although it was told to delete them."""
    names = ", ".join(named(remote) for remote in found)
    verdict = Verdict(
        "unknown", f"{issuer.label} still lists a key that it was told to delete: {names}.", int(time.time())
    )
    return ProviderUnreachable(verdict, "Go on later: keytui rotate --resume")


async def revoke_all(store: Keystore, admin: Key, found: Sequence[Remote], *, keep: Remote | None) -> None:
    """Revoke keys there, but never take along the one to keep."""
    secret = await asyncio.to_thread(store.read, admin.id)
    known = await asyncio.to_thread(store.versions_there, admin.id)
    others = (*map(of_version, known), *(() if keep is None else (keep,)))
    async with issuers.open_issuer(admin, secret, timeout_s=store.settings.check_seconds) as issuer:
        for remote in found:
            await end(issuer, remote, keep=others)
