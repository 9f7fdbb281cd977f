"""The stages of a rotation by the provider and of a revocation, as their screens show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keytui.flows import issuing
from keytui.flows.standing import ending, in_use
from keytui.tui.widgets.stepper import Step

if TYPE_CHECKING:
    from collections.abc import Container

    from keytui.model import Rotation

_BEHIND = {"issued": 1, "stored": 2, "verified": 3, "switched": 4, "retiring": 4, "done": 6}
"""How many stages are behind a rotation in this state."""


def rotation(label: str) -> tuple[Step, ...]:
    """Return the stages of a rotation that has not begun.

    Args:
        label: The provider's name.
    """
    return (
        Step("issued", "Issue", f"{label} makes a second key"),
        Step("stored", "Store", "It is stored and read back"),
        Step("verified", "Check", "A live request shows that it works"),
        Step("switched", "Switch", "It is used from now on"),
        Step("retiring", "Retire", "The old key is revoked when its time is over"),
        Step("done", "Confirm", "The old key answers 401"),
    )


def revocation(label: str) -> tuple[Step, ...]:
    """Return the stages of a revocation."""
    return (
        Step("retiring", "Revoke", f"{label} deletes the key"),
        Step("done", "Confirm", "It answers 401; then it is deleted here as well"),
    )


def giving_up(label: str) -> tuple[Step, ...]:
    """Return the stages of giving up a rotation before its switch."""
    return (
        Step("retiring", "Revoke", f"{label} deletes what it issued"),
        Step("done", "Confirm", "It is no longer listed; the old key stays in use"),
    )


def of(row: Rotation, label: str) -> tuple[Step, ...]:
    """Return the stages of a rotation or a revocation that has begun, with those that are behind it."""
    if row.kind == "revoked":
        return revocation(label)
    if row.state == "clearing":
        return giving_up(label)
    behind = issuing.STAGES[: _BEHIND.get(row.state, 0)]
    steps = {step.id: step for step in rotation(label)}
    for name in behind:
        steps[name] = steps[name]._replace(state="done", sentence="Done earlier")
    if row.undone:
        steps["switched"] = steps["switched"]._replace(state="skipped", sentence=f"Undone. {in_use(undone=True)}")
    which = f"The {ending(row)}"
    steps["retiring"] = steps["retiring"]._replace(sentence=f"{which} is revoked when its time is over")
    steps["done"] = steps["done"]._replace(sentence=f"{which} answers 401")
    return tuple(steps.values())


def at(row: Rotation | None, told: Container[str], *, revoking: bool) -> str:
    """Return the stage at which a rotation stands, or at which it ended where the journal has nothing left of it.

    Args:
        told: Names of the stages that a run has got to.
        revoking: It is a revocation.
    """
    if "done" in told or row is None:
        first = "retiring" if revoking else "issued"
        return next((name for name in reversed(issuing.STAGES) if name in told), first)
    return "retiring" if revoking or row.state == "clearing" else issuing.STAGES[_BEHIND.get(row.state, 0)]
