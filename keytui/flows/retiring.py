"""The end of a key at its provider: told when to end, revoked after its grace period, proven dead by a request."""

from __future__ import annotations

import asyncio
import time

from keytui.errors import KeyRefused, KeytuiError, ProviderUnreachable, SecretDamaged, SecretMissing
from keytui.flows import patience, remotes
from keytui.flows.issue_plan import lasting, until
from keytui.flows.rotation import WORKING, Stage
from keytui.flows.standing import ending
from keytui.providers import checks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.flows.issuing import Run
    from keytui.model import Key, Rotation, Version
    from keytui.providers.remote import Issuer

WAITED_S = 60
"""A grace period with no more than this many seconds left is waited for."""


async def enter(run: Run, rotation: Rotation, key: Key) -> bool:
    """Tell the provider when the retiring key ends; without one that is known, end the rotation."""
    retiring = await _version(run, rotation)
    if retiring is None:
        await _sweep_again(run, rotation, key)
        sentence = "The old key was not revoked: which key at the provider it is is not certain."
        await asyncio.to_thread(run.store.end_rotation, rotation.id)
        run.tell(Stage("retiring", "skipped", sentence))
        return True
    issuer = await run.issuer(rotation, key)
    left = (rotation.retire_at or 0) - _now()
    if left > 0 and issuer.can_expire and _ends_later(retiring, rotation):
        sentence = f"Telling {issuer.label} to end the {ending(rotation)} in {lasting(left)}; this cannot be taken back"
        run.tell(Stage("retiring", "running", sentence))
        try:
            ends = await issuer.expire(remotes.of_version(retiring), left)
        except ProviderUnreachable as error:
            if error.verdict.status not in remotes.REFUSED:
                raise
            # It refuses an end of its own: the key is revoked after its grace period as elsewhere.
        else:
            await asyncio.to_thread(run.store.know_remote, retiring.id, retiring.remote._replace(expires_at=ends))
    await asyncio.to_thread(run.store.advance_rotation, rotation.id, "retiring")
    return True


async def finish(run: Run, rotation: Rotation, key: Key) -> bool:
    """Wait for a short grace period, then revoke the retiring key and prove that it is dead; False while it waits.

    Raises:
        KeytuiError: It could not be revoked, or still answers. It stays in the journal.
    """
    retiring = await _version(run, rotation)
    if retiring is None:  # a damaged index: nothing is left to revoke
        await asyncio.to_thread(run.store.end_rotation, rotation.id)
        return True
    which = ending(rotation)
    left = (rotation.retire_at or 0) - time.time()
    if left > (WAITED_S if run.wait else 0):
        run.tell(Stage("retiring", "running", f"The {which} works until {until(rotation.retire_at or 0)}"))
        return False
    if left > 0:
        run.tell(Stage("retiring", "running", f"The {which} works for another {round(left)} s"))
        await asyncio.sleep(left)
    issuer = await run.issuer(rotation, key)
    run.tell(Stage("retiring", "running", f"Revoking the {which}"))
    await _revoke(run, issuer, rotation, retiring)
    run.tell(Stage("retiring", "done", f"{issuer.label} has revoked the {which}"))
    run.tell(Stage("done", "running", f"Waiting until the {which} is refused"))
    await _prove(run, issuer, key, retiring, which)
    await sweep(run, issuer, rotation, keep=await asyncio.to_thread(_ids_in_use, run, rotation))
    sentence = f"Revoked at {issuer.label}, and proven: the key is refused there."
    await asyncio.to_thread(run.store.end_retirement, rotation.id, sentence)
    run.tell(Stage("done", "done", f"The {which} is refused, and its value is deleted here"))
    return True


async def sweep(run: Run, issuer: Issuer, rotation: Rotation, *, keep: tuple[str, ...]) -> None:
    """Revoke keys of earlier tries whose answers never came and that no list showed then.

    A request that was given up may still be carried out, and a list may lag: the look lasts as long as providers take.
    """
    if not rotation.tried:
        return
    run.tell(Stage("done", "running", "Making sure that an earlier try left no key behind"))
    names, revoked = set(rotation.tried), set[str]()
    deadline = time.monotonic() + run.store.settings.propagation_seconds
    while names:
        for name in sorted(names):
            found = [remote for remote in await remotes.alive(issuer, name) if remote.id not in keep]
            for remote in found:
                await remotes.end(issuer, remote, keep=keep)
            if found:
                revoked.add(name)
            elif name in revoked:  # no longer listed
                names.discard(name)
        if time.monotonic() > deadline:
            return
        await asyncio.sleep(min(patience.PAUSE_S, 1.0))


def _ends_later(retiring: Version, rotation: Rotation) -> bool:
    """Whether the retiring key outlives its grace period if nobody revokes it; an earlier end of its own stays."""
    return retiring.expires_at is None or retiring.expires_at > (rotation.retire_at or 0) + 1


async def _version(run: Run, rotation: Rotation) -> Version | None:
    versions = await asyncio.to_thread(run.store.versions, rotation.key_id)
    found = next((version for version in versions if version.id == rotation.retiring_version), None)
    return found if found is not None and found.remote_id else None


async def _revoke(run: Run, issuer: Issuer, rotation: Rotation, retiring: Version) -> None:
    keep = await asyncio.to_thread(_ids_in_use, run, rotation)
    try:
        await remotes.end(issuer, remotes.of_version(retiring), keep=keep)
    except KeyRefused:
        # Nothing was done, so there is nothing to go on with: unless an earlier run, which was killed, has done it.
        if rotation.kind == "revoked" and await _works(run, rotation, retiring):
            await asyncio.to_thread(run.store.abandon_rotation, rotation.id, settled=True)
        raise


async def _works(run: Run, rotation: Rotation, retiring: Version) -> bool:
    key = await asyncio.to_thread(run.store.key, rotation.key_id)
    try:
        secret = await asyncio.to_thread(run.store.read, key.id, retiring.id)
    except (SecretMissing, SecretDamaged):
        return False
    return (await checks.check(key, secret, timeout_s=run.store.settings.check_seconds)).word in WORKING


async def _prove(run: Run, issuer: Issuer, key: Key, retiring: Version, which: str) -> None:
    settings = run.store.settings
    try:
        secret = await asyncio.to_thread(run.store.read, key.id, retiring.id)
    except (SecretMissing, SecretDamaged):
        if any(remote.id == retiring.remote_id for remote in await issuer.list_keys()):
            raise KeytuiError(f"{issuer.label} still lists the key.", "Go on later: keytui rotate --resume") from None
        return
    verdict = await patience.until_known(
        lambda: checks.check(key, secret, timeout_s=settings.check_seconds),
        lambda verdict: verdict.word == "invalid",
        settings.propagation_seconds,
    )
    if verdict.word != "invalid":
        sentence = f"{issuer.label} was told to revoke the {which} of “{key.name}”, but it is not proven dead:"
        error = ProviderUnreachable(verdict, "Look again later: keytui rotate --resume")
        error.sentence = f"{sentence} {verdict.detail}"
        raise error


async def _sweep_again(run: Run, rotation: Rotation, key: Key) -> None:
    if rotation.tried:
        issuer = await run.issuer(rotation, key)
        await sweep(run, issuer, rotation, keep=await asyncio.to_thread(_ids_in_use, run, rotation))


def _ids_in_use(run: Run, rotation: Rotation) -> tuple[str, ...]:
    """Return the remote ids of the versions that go on living: all but the retiring one."""
    versions = run.store.versions(rotation.key_id)
    return tuple(each.remote_id for each in versions if each.remote_id and each.id != rotation.retiring_version)


def _now() -> int:
    return int(time.time())
