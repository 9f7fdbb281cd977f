"""Revoking a key now: ended at its provider, proven dead by a request, and only then deleted here."""

from __future__ import annotations

import asyncio

from keytui.errors import KeytuiError
from keytui.flows import issuing, remotes
from keytui.flows.issue_plan import look, named, unclear
from keytui.record import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.flows.rotation import Stage
    from keytui.model import Key, Rotation, Version
    from keytui.providers.remote import Remote
    from keytui.storage.keystore import Keystore


class Plan(NamedTuple):
    """What a revocation would do; `start` does it.

    Attributes:
        version: The value in use that it was made for; for another one it is refused.
        admin: The admin key that does it.
        label: The provider's name.
        old: The key at the provider.
        earlier: A rotation of this key that has not ended; what it issued or retires is revoked as well.
        sentences: All of this for the person, one line each.
    """

    key: Key
    version: Version
    admin: Key
    label: str
    old: Remote
    earlier: Rotation | None
    sentences: tuple[str, ...]


async def plan(store: Keystore, key_id: int, *, admin: str = "", old_key_id: str = "") -> Plan:
    """Find the key at its provider.

    Args:
        admin: Name of the admin key to use; "" for the only one of the key's provider and address.
        old_key_id: Id of this key at its provider, where keytui cannot know it for certain.

    Raises:
        KeytuiError: A pasted successor is stored and not in use: it would be deleted with the key, and live on there.
        KeyUnclear: Which key at the provider it is cannot be known for certain.
        UsageError: No admin key fits, or `old_key_id` is known to be another key's.
        KeyRefused: The provider does not accept the admin key.
        ProviderUnreachable: The provider cannot be asked.
        StoreError: The store cannot be read.
    """
    key = await asyncio.to_thread(store.key, key_id)
    found = await look(store, key, admin=admin, old_key_id=old_key_id)
    if found.old is None:
        raise unclear(found, "so nothing was revoked")
    rotations = await asyncio.to_thread(store.rotations)
    earlier = next((row for row in rotations if row.key_id == key.id), None)
    if earlier is not None and earlier.kind == "pasted":
        sentence = (
            f"A new key of “{key.name}” is stored and not in use yet; it would be deleted too. Nothing was revoked."
        )
        raise KeytuiError(sentence, "Rotate to it or give it up first.")
    sentences = [f"{found.label} revokes {named(found.old)}, asked by the admin key “{found.admin.name}”."]
    if earlier is not None and earlier.kind == "issued":
        sentences.append("The other key of its unfinished rotation is revoked as well.")
    sentences.append("Programs that use it fail from then on. Once it is refused, it is deleted here for good.")
    return Plan(key, found.current, found.admin, found.label, found.old, earlier, tuple(sentences))


async def start(store: Keystore, plan: Plan, *, stage: Callable[[Stage], None]) -> issuing.Outcome:
    """Revoke the key, prove that it is dead, delete it. Where the provider fails, it stays as it is.

    An unfinished rotation of the key ends with it: its row and the wish to revoke change places in one moment, so that
    whatever fails or is killed after that, going on ends every key of it.

    Raises:
        KeyRefused: The provider does not accept the admin key; nothing was changed there.
        ProviderUnreachable: It is not proven dead; the journal knows, and `rotate --resume` goes on.
        StoreError: The store cannot be used, or another process drives the earlier rotation.
        KeytuiError: The key has another value by now than the plan was made for; nothing was done.
    """
    earlier = plan.earlier
    if earlier is not None and earlier.kind == "revoked":
        return await issuing.drive(store, earlier.id, stage=stage)
    if earlier is None:
        rotation = await asyncio.to_thread(_begin, store, plan)
    else:
        lock = store.rotation_lock(earlier.id)
        lock.acquire()
        try:
            rotation = await asyncio.to_thread(_begin, store, plan)
        finally:
            lock.release(ended=issuing.ended(store, earlier.id))
    return await issuing.drive(store, rotation.id, stage=stage)


def _begin(store: Keystore, plan: Plan) -> Rotation:
    return store.plan_revocation(
        plan.key.id,
        admin_key_id=plan.admin.id,
        seen=remotes.seen(plan.version, plan.old),
        instead_of=None if plan.earlier is None else plan.earlier.id,
    )
