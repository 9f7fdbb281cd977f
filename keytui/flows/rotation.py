"""Rotation: the successor is stored, checked and only then switched to; until then the old key is untouched.

The pasted kind; `keytui.flows.issuing` has the other. Each step is journaled in the index by the keystore, so a killed
process leaves a rotation that the next start can finish or undo.
"""

from __future__ import annotations

import asyncio
import math
import shlex
from contextlib import suppress

from keytui.errors import (
    InvalidInput,
    KeyNotFound,
    KeyRefused,
    KeytuiError,
    ProviderUnreachable,
    SecretDamaged,
    SecretMissing,
    StoreUnavailable,
)
from keytui.flows import patience
from keytui.providers import checks
from keytui.record import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from keytui.model import Key, Secret, Verdict
    from keytui.storage.keystore import Keystore

    StageName = Literal["issued", "stored", "verified", "switched", "retiring", "done"]
    StageState = Literal["running", "done", "failed", "skipped"]

STAGES: tuple[StageName, ...] = ("stored", "verified", "switched")
"""The stages of a pasted rotation, in order."""

KEPT = ("stored", "verified")
"""States of a pasted rotation whose new key is stored and not in use."""

WORKING = frozenset(("valid", "restricted"))
"""Verdicts that prove that the provider accepts the key: it may replace one that works."""

NOT_YET = frozenset(("invalid", "rate_limited"))
"""Verdicts that a good key can get in its first seconds: it is asked about again for as long as a provider takes."""


class Stage(NamedTuple):
    """One step of a rotation as it happens.

    Attributes:
        sentence: What this state means, for the person.
        slow: It may last many seconds, so that a command says it too.
    """

    name: StageName
    state: StageState
    sentence: str
    slow: bool = False


class RotationOutcome(NamedTuple):
    """How a rotation ended.

    Attributes:
        key: The key as it is now.
        switched: Whether the new value is in use.
        rotation_id: The journal row while the new value is stored but not switched to, else None.
        verdict: What the check of the new value said, or None when it was not checked.
    """

    key: Key
    switched: bool
    rotation_id: int | None
    verdict: Verdict | None


async def rotate_pasted(
    store: Keystore,
    key_id: int,
    secret: Secret,
    *,
    check: bool = True,
    timeout_s: float,
    stage: Callable[[Stage], None],
) -> RotationOutcome:
    """Replace a key's value by a pasted one: store it, read it back, check it, switch.

    When the provider refuses the new value or cannot be asked, it stays stored, the old one stays in use, and the
    outcome names the rotation: `resume` tries again or switches unchecked, `discard` alone deletes it. Called again
    with the same value, it goes on with the one that is stored. Cancelled during the check, the value stays stored.

    Args:
        timeout_s: Seconds the check may take.
        stage: Called on the event loop at every change of a stage.

    Raises:
        InvalidInput: The pasted value is the one already in use.
        KeytuiError: Another new value of this key is stored and waits for its switch.
        StoreError: The store did not take the new value; the old one is untouched.
    """
    key = await asyncio.to_thread(store.key, key_id)
    stage(Stage("stored", "running", "Storing the new key"))
    if await asyncio.to_thread(_in_use, store, key_id, secret):
        raise InvalidInput("key", "This is the key already in use.", "Create a new key at the provider and paste that.")
    rotation_id = await asyncio.to_thread(_stored, store, key_id, secret)
    stage(Stage("stored", "done", "Stored and read back"))
    return await _finish(store, key, rotation_id, secret, check=check, timeout_s=timeout_s, stage=stage)


async def resume(
    store: Keystore, rotation_id: int, *, check: bool = True, timeout_s: float, stage: Callable[[Stage], None]
) -> RotationOutcome:
    """Go on with a rotation whose new value is stored: check it again, or switch unchecked.

    Raises:
        KeyNotFound: The rotation was finished or given up meanwhile.
        StoreError: The store cannot be read.
    """
    unfinished = await asyncio.to_thread(store.rotations)
    rotation = next((row for row in unfinished if row.id == rotation_id), None)
    if rotation is None:
        raise KeyNotFound("This rotation was finished or given up meanwhile.")
    key = await asyncio.to_thread(store.key, rotation.key_id)
    secret = await asyncio.to_thread(store.read, rotation.key_id, rotation.new_version)
    stage(Stage("stored", "done", "Stored and read back"))
    return await _finish(store, key, rotation_id, secret, check=check, timeout_s=timeout_s, stage=stage)


async def live_check(
    key: Key, secret: Secret, *, timeout_s: float, patience_s: float, stage: Callable[[Stage], None]
) -> Verdict:
    """Check a new key with its provider; a refusal is asked about again, for a key made just now may not be known yet.

    Args:
        key: Says where and what to ask.
        timeout_s: Seconds one request may take.
        patience_s: Seconds a refusal is asked about again.
        stage: Told that it is checked, and when it will last.
    """
    stage(Stage("verified", "running", "Checking the new key with a live request"))
    sentence = "Not accepted so far. A key made a moment ago can be unknown for a while: asking again for up to"

    def waits() -> None:
        stage(Stage("verified", "running", f"{sentence} {math.ceil(patience_s)} s", slow=True))

    return await patience.until_known(
        lambda: checks.check(key, secret, timeout_s=timeout_s),
        lambda verdict: verdict.word not in NOT_YET or verdict.status is None,  # without one nobody was asked
        patience_s,
        waits=waits,
    )


async def discard(store: Keystore, rotation_id: int) -> None:
    """Give up a rotation: the new value is deleted, the old one stays in use."""
    await asyncio.to_thread(store.abandon_rotation, rotation_id)


def not_switched(outcome: RotationOutcome) -> KeytuiError:
    """Return what tells why a pasted key was not switched to."""
    verdict = outcome.verdict
    if verdict is None:
        return KeytuiError(f"{outcome.key.name} was not rotated. The old key stays in use.")
    error = KeyRefused(verdict) if verdict.word in ("invalid", "no_quota") else ProviderUnreachable(verdict)
    error.sentence = f"{outcome.key.name} was not rotated and the old key stays in use: {verdict.detail}"
    error.hint = kept_hint(outcome.key.name)
    return error


def kept_hint(name: str) -> str:
    """Return what to do about a new key that is stored and not in use, for the command line."""
    return (
        "The new key is stored. Check it again: keytui rotate --resume. Give it up: keytui rotate"
        f" {shlex.quote(name)} --give-up. To switch to it unchecked, paste it again with --no-check."
    )


def _in_use(store: Keystore, key_id: int, secret: Secret) -> bool:
    try:
        return store.read(key_id) == secret
    except (SecretMissing, SecretDamaged, StoreUnavailable):
        return False  # a lost value may be put back by pasting it again


def _stored(store: Keystore, key_id: int, secret: Secret) -> int:
    """Store the new value, unless an earlier try has; return the rotation's id."""
    store.recover()
    earlier = next((row for row in store.rotations() if row.key_id == key_id), None)
    if earlier is not None and earlier.state in KEPT:
        try:
            if store.read(key_id, earlier.new_version) == secret:
                return earlier.id
        except SecretMissing:
            store.abandon_rotation(earlier.id)  # nothing is left of that try but its row
    return store.begin_rotation(key_id, secret).id


async def _finish(
    store: Keystore,
    key: Key,
    rotation_id: int,
    secret: Secret,
    *,
    check: bool,
    timeout_s: float,
    stage: Callable[[Stage], None],
) -> RotationOutcome:
    verdict: Verdict | None = None
    if check:
        patience_s = await asyncio.to_thread(_patience, store, rotation_id)
        verdict = await live_check(key, secret, timeout_s=timeout_s, patience_s=patience_s, stage=stage)
        if verdict.word not in WORKING:
            return await _not_verified(store, key, rotation_id, verdict, stage)
        await asyncio.to_thread(store.advance_rotation, rotation_id, "verified")
        stage(Stage("verified", "done", verdict.detail))
    else:
        stage(Stage("verified", "skipped", "Not checked, as asked"))
    stage(Stage("switched", "running", "Switching to the new key"))
    switched = await asyncio.to_thread(store.switch, rotation_id)
    if verdict is not None:
        with suppress(KeytuiError):  # the switch has happened, whether or not its verdict can be noted
            await asyncio.to_thread(store.record_check, key.id, verdict, secret, key.base_url)
            switched = await asyncio.to_thread(store.key, key.id)
    days = store.settings.keep_previous_days
    kept = f"is kept {days} day{'' if days == 1 else 's'}" if days else "is not kept"
    stage(Stage("switched", "done", f"In use now; the old key {kept}"))
    return RotationOutcome(switched, True, None, verdict)


async def _not_verified(
    store: Keystore, key: Key, rotation_id: int, verdict: Verdict, stage: Callable[[Stage], None]
) -> RotationOutcome:
    with suppress(KeytuiError):  # the new key stays stored, whether or not the reason can be noted
        await asyncio.to_thread(store.note_rotation, rotation_id, verdict.detail)
    stage(Stage("verified", "failed", verdict.detail))
    return RotationOutcome(key, False, rotation_id, verdict)


def _patience(store: Keystore, rotation_id: int) -> float:
    """Return for how many more seconds the provider may not know a key that was pasted when this rotation began."""
    whole = store.settings.propagation_seconds
    since = store.clock() - store.rotation(rotation_id).started_at
    return min(whole, max(0, whole + 1 - since))  # the journal drops the fraction of a second
