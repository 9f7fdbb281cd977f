"""Filling and emptying slots by the commit protocol: written once, read back and compared."""

from __future__ import annotations

import os

from keytui.errors import SecretDamaged
from keytui.model import RemoteKey
from keytui.storage import rows, steps
from keytui.storage.backends import Slot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.model import BackendName, Secret
    from keytui.storage.backends import Backend
    from keytui.storage.core import Core
    from keytui.storage.index import Transaction


def fresh(name: str, provider: str, base_url: str, now: int) -> Slot:
    """Return a slot nobody ever used."""
    return Slot(os.urandom(16).hex(), name, provider, base_url, now)


NOT_KNOWN = RemoteKey()
"""Of most values nobody knows what their provider calls them."""


def pend(
    transaction: Transaction,
    core: Core,
    backend: BackendName,
    slot: Slot,
    secret: Secret,
    *,
    key_id: int,
    remote: RemoteKey = NOT_KNOWN,
) -> int:
    """Insert the pending version row of a slot about to be filled, and return its id."""
    return transaction.insert(
        "versions",
        key_id=key_id,
        slot=slot.id,
        label=slot.name,
        state="pending",
        created_at=slot.created_at,
        masked=secret.masked(),
        fingerprint=rows.fingerprint(core.index, secret),
        backend=backend,
        remote_id=remote.id,
        remote_project=remote.project,
        remote_account=remote.account,
        expires_at=remote.expires_at,
    )


def fill(backend: Backend, slot: Slot, secret: Secret, flow: str) -> None:
    """Write the secret, read it back and compare.

    Raises:
        StoreError: The store refused it, or gave back something else.
    """
    backend.write(slot, secret)
    steps.reached(f"{flow}.slot_written")
    if backend.read(slot) != secret:
        raise SecretDamaged("The store gave back something else than was written.", "Nothing was changed.")
    steps.reached(f"{flow}.read_back")
