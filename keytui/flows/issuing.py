"""Rotation by the provider: issue, store, verify, switch, retire, confirm. Taken up again from any state.

The journal is written before and after each step, so that whatever ends a process, a later one knows what the provider
may have done. A key is asked for under a random name that was noted before; an answer that was lost is looked for by
that name, and a key whose secret is lost is revoked before another one is asked for.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress

from keytui.errors import (
    ExpiryRequired,
    IssueUnknown,
    KeyNotFound,
    KeyRefused,
    KeytuiError,
    ProviderUnreachable,
    SecretDamaged,
    SecretMissing,
    StoreError,
    UsageError,
)
from keytui.flows import patience, remotes, retiring
from keytui.flows.issue_plan import LIVES_DAYS, admin_of
from keytui.flows.rotation import WORKING, Stage, live_check
from keytui.model import DAY, RemoteKey
from keytui.providers import issuers
from keytui.providers.remote import Home
from keytui.record import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keytui.flows.issue_plan import Plan
    from keytui.model import Key, Rotation, RotationState, Secret, Verdict, Version
    from keytui.providers.remote import Issuer, Remote
    from keytui.storage.keystore import Keystore

    Tell = Callable[[Stage], None]

STAGES = ("issued", "stored", "verified", "switched", "retiring", "done")
"""The stages of an issued rotation, in order."""

GIVEN_UP = ("planned", "issued", "stored", "verified", "clearing")
"""States in which a rotation can be given up: the old key is still the one in use."""

_TRIES = 2


class Outcome(NamedTuple):
    """How far a rotation got.

    Attributes:
        key: The key as it is now, or None when it was revoked and deleted.
        state: "retiring" while the old key still works, "done" after; "abandoned" when it was given up meanwhile, so
            that the key, and where it was to be revoked its twin at the provider, is as it was.
        retire_at: When the old key is revoked, while it is retiring.
        revoked: Whether the key that had to end was ended by this run, as far as `sentence` says.
        sentence: What became of that key, and how that is known, for the person; "" while nothing did.
    """

    key: Key | None
    state: RotationState
    retire_at: int | None
    revoked: bool
    sentence: str = ""


async def start(store: Keystore, plan: Plan, *, stage: Tell) -> Outcome:
    """Do what a plan says, up to the grace period, or to the end when it is over within a minute.

    Raises:
        UsageError: The person has to name a service account first.
        KeyRefused: The provider does not accept the admin key, or the new key never worked: it was revoked again.
        ProviderUnreachable: The provider did not answer; the sentence and the journal say how far it got.
        StoreError: The store cannot be used; a key that could not be stored was revoked again.
        KeytuiError: The key has another value by now than the plan was made for; nothing was done.
    """
    if plan.needs_consent:
        raise UsageError("The new key needs a service account to belong to.", "Name one: --to-service-account NAME")
    await asyncio.to_thread(store.refuse_if_changed, plan.version)
    if plan.ending is not None:
        await end_now(store, plan.ending.id, stage=lambda _stage: None, seen=plan.version)
    if plan.orphans:
        await remotes.revoke_all(store, plan.admin, plan.orphans, keep=plan.old)
    rotation = await asyncio.to_thread(_begin, store, plan)
    return await drive(store, rotation.id, stage=stage, fresh=True)


async def drive(store: Keystore, rotation_id: int, *, stage: Tell, fresh: bool = False, wait: bool = True) -> Outcome:
    """Go on with a rotation from wherever it is.

    Args:
        fresh: Nobody can have asked the provider for its key yet.
        wait: Wait for the end of a grace period that is over within a minute.

    Raises:
        StoreBusy: Another process drives it.
        KeyNotFound: It is gone.
        KeytuiError: As start().
    """
    lock = store.rotation_lock(rotation_id)
    lock.acquire()
    run = Run(store, rotation_id, stage, fresh=fresh, wait=wait)
    try:
        async with run.stack:
            return await run.go()
    except KeytuiError as error:
        with suppress(KeytuiError):
            await asyncio.to_thread(store.note_rotation, rotation_id, error.sentence)
        raise
    finally:
        lock.release(ended=ended(store, rotation_id))


async def end_now(store: Keystore, rotation_id: int, *, stage: Tell, seen: Version | None = None) -> Outcome:
    """End the grace period now: the retiring key is revoked and proven dead. Raises as drive().

    Args:
        seen: Only while this version is in use; KeytuiError else.
    """
    await asyncio.to_thread(store.hasten_rotation, rotation_id, seen=seen)
    return await drive(store, rotation_id, stage=stage)


class Run:
    """One process's work on one rotation.

    Attributes:
        stack: Holds the client of the admin key, opened when the provider is first asked.
        wait: Whether a short grace period is waited for.
        ended: What became of the key that had to end, once it has ended; "" before.
    """

    def __init__(
        self, store: Keystore, rotation_id: int, stage: Tell, *, fresh: bool = False, wait: bool = True
    ) -> None:
        self.wait = wait
        self.ended = ""
        self.store = store
        self.stack = AsyncExitStack()
        self.tell = stage
        self._id = rotation_id
        self._fresh = fresh
        self._issuer: Issuer | None = None
        self._secret: Secret | None = None
        self._steps: dict[str, Callable[[Rotation, Key], Awaitable[bool]]] = {
            "planned": self._issue,
            "issued": self._take_up,
            "stored": self._verify,
            "verified": self._verify,  # again: it may have been killed long ago, and the key ended or lost since
            "switched": self._retiring,
            "retiring": self._retire,
            "clearing": self.clear,
        }

    async def go(self) -> Outcome:
        """Take one step after the other until one says that it waits, or none is left."""
        while True:
            rotation = await self.row()
            if rotation is None or rotation.state not in self._steps:
                return await self._outcome(rotation)
            key = await asyncio.to_thread(self.store.key, rotation.key_id)
            if not await self._steps[rotation.state](rotation, key):
                return await self._outcome(await self.row())

    async def row(self) -> Rotation | None:
        """Return the journal's row, None once the key was deleted with it."""
        try:
            return await asyncio.to_thread(self.store.rotation, self._id)
        except KeyNotFound:
            return None

    async def issuer(self, rotation: Rotation, key: Key) -> Issuer:
        """Return the provider's issuer, opened with the rotation's admin key."""
        if self._issuer is None:
            admin = await asyncio.to_thread(admin_of, self.store, rotation, key)
            secret = await asyncio.to_thread(self.store.read, admin.id)
            opened = issuers.open_issuer(admin, secret, timeout_s=self.store.settings.check_seconds)
            self._issuer = await self.stack.enter_async_context(opened)
        return self._issuer

    async def _revoke_orphans(self, issuer: Issuer, rotation: Rotation) -> bool:
        """Revoke a key that was asked for and never arrived; whether there was one that is listed no more."""
        found = await issuer.find(rotation.remote_name)
        if not found:  # a new key can be missing from the list at first
            await asyncio.sleep(min(patience.PAUSE_S, self.store.settings.propagation_seconds))
            found = await issuer.find(rotation.remote_name)
        for remote in found:
            await remotes.end(issuer, remote, keep=await remotes.kept(self.store, rotation))
        # A provider can answer that it knows no such key, and go on listing it.
        return bool(found) and not await remotes.alive(issuer, rotation.remote_name)

    # --- planned → issued → stored

    async def _issue(self, rotation: Rotation, key: Key) -> bool:
        issuer = await self.issuer(rotation, key)
        self.tell(Stage("issued", "running", f"Asking {issuer.label} for a new key"))
        if not self._fresh:
            rotation = await self._look_for_lost(issuer, rotation)
        self._fresh = False
        issued = None
        for left in range(_TRIES - 1, -1, -1):
            try:
                issued = await self._ask(issuer, rotation)
                break
            except IssueUnknown:
                if not left:
                    raise
                self.tell(Stage("issued", "running", "No clear answer came: looking for the key by its name"))
                rotation = await self._look_for_lost(issuer, rotation)
            except (KeyRefused, ProviderUnreachable, ExpiryRequired):
                if not rotation.tried:  # no key can exist: nothing has to be taken up later
                    await asyncio.to_thread(self.store.abandon_rotation, self._id, settled=True)
                raise
        assert issued is not None  # noqa: S101 - the loop ends with a key or an error
        home = RemoteKey(
            issued.remote.id,
            issued.remote.project_id or rotation.project,
            issued.remote.account_id or rotation.account,
            issued.remote.expires_at,
        )
        self.tell(Stage("issued", "done", f"{issuer.label} issued a new key"))
        self.tell(Stage("stored", "running", "Storing it"))
        try:
            await asyncio.shield(asyncio.to_thread(self.store.keep_issued, self._id, issued.secret, home))
        except StoreError:
            await self._take_back(issuer, issued.remote)
            raise
        self._secret = issued.secret
        return True

    async def _ask(self, issuer: Issuer, rotation: Rotation) -> issuers.Issued:
        """Ask for a key; where a policy demands an end, for the longest life it grants."""
        home = Home(rotation.project, rotation.account, rotation.account_name)
        lives = [
            days * DAY for days in LIVES_DAYS if rotation.expires_in_s is None or days * DAY < rotation.expires_in_s
        ]
        expires_in_s = rotation.expires_in_s
        while True:
            try:
                return await issuer.issue(home, rotation.remote_name, expires_in_s=expires_in_s)
            except ExpiryRequired:
                if not lives:
                    raise
            expires_in_s = lives.pop(0)
            await asyncio.to_thread(self.store.demand_expiry, self._id, expires_in_s)

    async def _look_for_lost(self, issuer: Issuer, rotation: Rotation) -> Rotation:
        """Revoke a key whose answer never came, and name the next try; its secret cannot be had again."""
        sure = await self._revoke_orphans(issuer, rotation)
        return await asyncio.to_thread(self.store.plan_again, self._id, unsure=not sure)

    async def _take_back(self, issuer: Issuer, remote: Remote) -> None:
        """Revoke a key that could not be stored. Where that fails too, the journal knows it and a later run does it."""
        with suppress(KeytuiError):
            rotation = await asyncio.to_thread(self.store.rotation, self._id)
            sure = await remotes.end_new(issuer, remote, keep=await remotes.kept(self.store, rotation))
            await asyncio.to_thread(self.store.plan_again, self._id, unsure=not sure)
            if sure:
                await asyncio.to_thread(self.store.abandon_rotation, self._id, settled=True)

    async def _take_up(self, rotation: Rotation, key: Key) -> bool:
        """Go on after a process was killed between the provider's answer and the stored secret."""
        if await self._new_secret(rotation) is not None:
            await asyncio.to_thread(self.store.advance_rotation, self._id, "stored")
            return True
        await self._begin_again(rotation, key)
        return True

    async def _begin_again(self, rotation: Rotation, key: Key) -> None:
        """Revoke the new key, whose secret is lost."""
        issuer = await self.issuer(rotation, key)
        sure = await remotes.end_new(issuer, remotes.issued_by(rotation), keep=await remotes.kept(self.store, rotation))
        await asyncio.to_thread(self.store.plan_again, self._id, unsure=not sure)
        self._fresh = True

    # --- stored → verified → switched

    async def _verify(self, rotation: Rotation, key: Key) -> bool:
        secret = await self._new_secret(rotation)
        if secret is None:
            await self._begin_again(rotation, key)
            return True
        self.tell(Stage("stored", "done", "Stored and read back"))
        settings = self.store.settings
        verdict = await live_check(
            key, secret, timeout_s=settings.check_seconds, patience_s=settings.propagation_seconds, stage=self.tell
        )
        if verdict.word not in WORKING:
            await self._not_verified(rotation, key, verdict)
        await asyncio.to_thread(self.store.advance_rotation, self._id, "verified")
        self.tell(Stage("verified", "done", verdict.detail))
        await self._switch(key, verdict)
        return True

    async def _not_verified(self, rotation: Rotation, key: Key, verdict: Verdict) -> None:
        self.tell(Stage("verified", "failed", verdict.detail))
        if verdict.word == "invalid":
            issuer = await self.issuer(rotation, key)
            await retiring.clear(self, issuer, rotation)
            await asyncio.to_thread(self.store.abandon_rotation, self._id, settled=True)
            refused = KeyRefused(verdict, "The new key was revoked again. Try once more.")
            refused.sentence = f"“{key.name}” was not rotated: its new key was not accepted. The old one stays in use."
            raise refused
        error = KeyRefused(verdict) if verdict.word == "no_quota" else ProviderUnreachable(verdict)
        error.sentence = f"The new key of “{key.name}” is stored but not in use: {verdict.detail}"
        error.hint = "Go on later: keytui rotate --resume"
        raise error

    async def _switch(self, key: Key, verdict: Verdict) -> None:
        self.tell(Stage("switched", "running", "Switching to the new key"))
        await asyncio.to_thread(self.store.switch, self._id)
        if self._secret is not None:
            with suppress(KeytuiError):  # the switch has happened, whether or not its verdict can be noted
                await asyncio.to_thread(self.store.record_check, key.id, verdict, self._secret)
        self.tell(Stage("switched", "done", "The new key is in use"))

    # --- retiring → done

    async def _retiring(self, rotation: Rotation, key: Key) -> bool:
        return await retiring.enter(self, rotation, key)

    async def _retire(self, rotation: Rotation, key: Key) -> bool:
        return await retiring.finish(self, rotation, key)

    async def clear(self, rotation: Rotation, key: Key) -> bool:
        """Revoke what was issued for a rotation that was given up, and end it."""
        await retiring.clear(self, await self.issuer(rotation, key), rotation)
        await asyncio.to_thread(self.store.abandon_rotation, self._id, settled=True)
        return True

    async def _new_secret(self, rotation: Rotation) -> Secret | None:
        """Return the new key, or None when it was lost."""
        if self._secret is None and rotation.new_version is not None:
            with suppress(SecretMissing, SecretDamaged):
                self._secret = await asyncio.to_thread(self.store.read, rotation.key_id, rotation.new_version)
        return self._secret

    async def _outcome(self, rotation: Rotation | None) -> Outcome:
        revoked = bool(self.ended)
        if rotation is None:
            return Outcome(
                None, "done", None, revoked, self.ended or "Another keytui has ended and deleted it meanwhile."
            )
        key = await asyncio.to_thread(self.store.key, rotation.key_id)
        retire_at = rotation.retire_at if rotation.state in ("switched", "retiring") else None
        sentence = self.ended
        if rotation.state == "abandoned":
            what = "Its revocation" if rotation.kind == "revoked" else "Its rotation"
            sentence = f"{what} was given up: “{key.name}” is as it was, and not revoked."
        return Outcome(key, rotation.state, retire_at, revoked, sentence)


def _begin(store: Keystore, plan: Plan) -> Rotation:
    return store.plan_rotation(
        plan.key.id,
        admin_key_id=plan.admin.id,
        project=plan.home.project_id,
        account=plan.home.account_id,
        account_name=plan.home.account_name,
        grace_s=plan.grace_s,
        seen=remotes.seen(plan.version, plan.old),
    )


def ended(store: Keystore, rotation_id: int) -> bool:
    """Whether nobody drives a rotation any more, so that its lock's file can go."""
    try:
        return store.rotation(rotation_id).state in ("done", "abandoned")
    except KeytuiError as error:
        return isinstance(error, KeyNotFound)
