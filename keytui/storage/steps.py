"""Named moments of a write, for tests that kill the process at each of them."""

from __future__ import annotations


def reached(name: str) -> None:
    """Do nothing. A test runner replaces this function; nothing installed reads a variable that injects faults.

    Args:
        name: The step just finished, "flow.step", such as "add.slot_written".
    """
