"""What a killed process, a dead network or a closed laptop left: which rotations can go on, and going on with one."""

from __future__ import annotations

import asyncio

from keytui.errors import StoreBusy, StoreError
from keytui.flows import issuing, rotation
from keytui.flows.issue_plan import until
from keytui.flows.standing import ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.model import Rotation
    from keytui.storage.keystore import Keystore


def waiting(store: Keystore, now: int) -> list[Rotation]:
    """Return the rotations that can go on at this moment, oldest first; reads the index alone.

    Not among them: an old key whose grace period lasts, and a pasted key that its own screen asks about.
    """
    rows = [row for row in store.rotations() if row.kind != "pasted"]
    return [row for row in reversed(rows) if not in_grace(row, now)]


def in_grace(row: Rotation, now: int) -> bool:
    """Whether nothing is left to do but to wait for the end of the old key's grace period."""
    return row.state == "retiring" and row.retire_at is not None and row.retire_at > now


def is_driven(store: Keystore, row: Rotation) -> bool:
    """Whether a process drives a rotation at this moment."""
    lock = store.rotation_lock(row.id)
    try:
        lock.acquire()
    except StoreBusy:
        return True
    except StoreError:
        return False
    lock.release()
    return False


def next_step(store: Keystore, row: Rotation, *, due: bool) -> str:
    """Say what going on with a rotation does, for the person.

    Args:
        due: It goes on now, and waits for no grace period.
    """
    name = store.key(row.key_id).name
    if row.kind == "pasted":
        return f"{name}: the stored new key is checked, then switched to."
    if row.kind == "revoked":
        return f"{name}: it is revoked at its provider, and deleted here once it is refused."
    if row.state in ("switched", "retiring"):
        when = "now" if due or not row.retire_at else f"at {until(row.retire_at)}"
        return f"{name}: the {ending(row)} is revoked {when}."
    if row.state == "clearing":
        return f"{name}: its rotation was given up; what was issued for it is revoked."
    return f"{name}: the rotation goes on, up to the switch to its new key."


async def go_on(
    store: Keystore, row: Rotation, *, stage: Callable[[rotation.Stage], None], wait: bool = True
) -> issuing.Outcome:
    """Go on with a rotation of any kind. What it raises says why it could not, and is noted in the journal.

    Args:
        wait: Wait for the end of a grace period that is over within a minute.

    Raises:
        KeytuiError: See issuing.drive().
    """
    if row.kind != "pasted":
        return await issuing.drive(store, row.id, stage=stage, wait=wait)
    seconds = store.settings.check_seconds
    outcome = await rotation.resume(store, row.id, timeout_s=seconds, stage=stage)
    if not outcome.switched:
        raise rotation.not_switched(outcome)
    key = await asyncio.to_thread(store.key, row.key_id)
    return issuing.Outcome(key, "done", None, revoked=False)
