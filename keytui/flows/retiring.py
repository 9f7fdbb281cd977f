"""The end of a key at its provider: told when to end, revoked after its grace period, proven dead by a request."""

from __future__ import annotations

import asyncio
import time

from keytui.errors import KeyRefused, ProviderUnreachable, SecretDamaged, SecretMissing
from keytui.flows import patience, remotes
from keytui.flows.issue_plan import lasting, until
from keytui.flows.rotation import WORKING, Stage
from keytui.flows.standing import ending
from keytui.providers import checks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from keytui.flows.issuing import Run
    from keytui.model import Key, Rotation, Version
    from keytui.providers.remote import Issuer

WAITED_S = 60
"""A grace period with no more than this many seconds left is waited for."""


async def enter(run: Run, rotation: Rotation, key: Key) -> bool:
    """Tell the provider when the retiring key ends; without one that is known, end the rotation."""
    retiring = next(iter(await _going(run, rotation)), None)
    if retiring is None:
        if rotation.tried:
            await sweep(run, await run.issuer(rotation, key), rotation, rotation.tried)
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

    Of a key that is revoked as a whole, what a rotation of it had retired or issued is revoked as well.

    Raises:
        KeytuiError: It could not be revoked, or still answers. It stays in the journal.
    """
    going = await _going(run, rotation)
    if not going:  # a damaged index: nothing is left to revoke
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
    for version in going:
        await _revoke(run, issuer, rotation, version)
    run.tell(Stage("retiring", "done", f"{issuer.label} was told to revoke the {which}"))
    run.tell(Stage("done", "running", f"Waiting until the {which} is refused"))
    refused = [await _prove(run, issuer, key, version, which) for version in going]
    if rotation.kind == "revoked":
        await clear(run, issuer, rotation)
    else:
        await sweep(run, issuer, rotation, rotation.tried)
    sentence = f"Revoked at {issuer.label}, and proven: the key is refused there."
    end = f"The {which} is refused, and its value is deleted here"
    if not all(refused):
        lost = "its value was lost here, so that it could not be tried"
        sentence = f"Revoked at {issuer.label}: the key is no longer listed there; {lost}."
        end = f"The {which} is no longer listed there; {lost}"
    await asyncio.to_thread(run.store.end_retirement, rotation.id, sentence)
    run.ended = sentence
    run.tell(Stage("done", "done", end))
    return True


async def clear(run: Run, issuer: Issuer, rotation: Rotation) -> None:
    """Revoke what a rotation was issued and never took into use, whether or not its value ever arrived.

    Raises:
        KeyRefused: The admin key is not accepted.
        ProviderUnreachable: A key of it lives on, or may.
    """
    names, keep = set(rotation.tried), await remotes.kept(run.store, rotation)
    known = rotation.remote_id and await remotes.end_new(issuer, remotes.issued_by(rotation), keep=keep)
    if rotation.remote_name and not known:
        names.add(rotation.remote_name)
    await sweep(run, issuer, rotation, names)


async def sweep(run: Run, issuer: Issuer, rotation: Rotation, names: Iterable[str]) -> None:
    """Revoke keys of earlier tries whose answers never came and that no list showed then.

    A request that was given up may still be carried out, and a list may lag: the look lasts as long as providers take.

    Raises:
        KeyRefused: The admin key is not accepted.
        ProviderUnreachable: A key is still listed, although the provider says that it knows none.
    """
    names, revoked = set(names), set[str]()
    keep = await remotes.kept(run.store, rotation)
    known = {remote.id for remote in keep}
    if names:
        run.tell(Stage("done", "running", "Making sure that an earlier try left no key behind", slow=True))
    deadline = time.monotonic() + run.store.settings.propagation_seconds
    while names:
        denied = []
        for name in sorted(names):
            found = [remote for remote in await remotes.alive(issuer, name) if remote.id not in known]
            denied += [remote for remote in found if not await remotes.end(issuer, remote, keep=keep)]
            if found:
                revoked.add(name)
            elif name in revoked:  # no longer listed
                names.discard(name)
        if time.monotonic() > deadline:
            if denied:
                raise remotes.still_there(issuer, denied)
            return
        await asyncio.sleep(min(patience.PAUSE_S, 1.0))


def _ends_later(retiring: Version, rotation: Rotation) -> bool:
    """Whether the retiring key outlives its grace period if nobody revokes it; an earlier end of its own stays."""
    return retiring.expires_at is None or retiring.expires_at > (rotation.retire_at or 0) + 1


async def _going(run: Run, rotation: Rotation) -> list[Version]:
    """Return the versions that end, as far as the provider's ids of them are known; the most urgent first."""
    versions = await asyncio.to_thread(run.store.versions, rotation.key_id)
    wanted = (rotation.retiring_version, rotation.other_version)
    found = (version for id_ in wanted for version in versions if version.id == id_)
    return [version for version in found if version.remote_id and version.state != "pending"]


async def _revoke(run: Run, issuer: Issuer, rotation: Rotation, retiring: Version) -> None:
    try:
        await remotes.end(issuer, remotes.of_version(retiring), keep=await remotes.kept(run.store, rotation))
    except KeyRefused:
        # Nothing was done, so there is nothing to go on with: unless an earlier run, which was killed, has done it.
        alone = rotation.kind == "revoked" and not (rotation.other_version or rotation.remote_name or rotation.tried)
        if alone and await _works(run, rotation, retiring):
            await asyncio.to_thread(run.store.abandon_rotation, rotation.id, settled=True)
        raise


async def _works(run: Run, rotation: Rotation, retiring: Version) -> bool:
    key = await asyncio.to_thread(run.store.key, rotation.key_id)
    try:
        secret = await asyncio.to_thread(run.store.read, key.id, retiring.id)
    except (SecretMissing, SecretDamaged):
        return False
    return (await checks.check(key, secret, timeout_s=run.store.settings.check_seconds)).word in WORKING


async def _prove(run: Run, issuer: Issuer, key: Key, retiring: Version, which: str) -> bool:
    """Wait until a key is refused; without its value, which is lost here, until it is listed no more, or as expired.

    Returns whether it was refused.

    Raises:
        ProviderUnreachable: Neither, within the time that a provider takes.
    """
    settings = run.store.settings
    try:
        secret = await asyncio.to_thread(run.store.read, key.id, retiring.id)
    except (SecretMissing, SecretDamaged):
        await _unlisted(issuer, retiring.remote_id, settings.propagation_seconds)
        return False
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
    return True


async def _unlisted(issuer: Issuer, remote_id: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        found = (remote for remote in await issuer.list_keys() if remote.id == remote_id)
        living = [each for each in found if each.expires_at is None or each.expires_at > time.time()]
        if not living:
            return
        if time.monotonic() > deadline:
            raise remotes.still_there(issuer, living)
        await asyncio.sleep(min(patience.PAUSE_S, 1.0))


def _now() -> int:
    return int(time.time())
