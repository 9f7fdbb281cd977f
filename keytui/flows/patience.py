"""Asking a provider again until it has caught up: it may not know a new key yet, or a revoked one may still work."""

from __future__ import annotations

import asyncio
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keytui.model import Verdict

PAUSE_S = 2.0
"""The longest pause between two questions to a provider that has not caught up yet."""

_FIRST_PAUSE_S = 0.1


async def until_known(
    ask: Callable[[], Awaitable[Verdict]],
    known: Callable[[Verdict], bool],
    seconds: float,
    *,
    waits: Callable[[], None] | None = None,
) -> Verdict:
    """Ask again and again, with growing pauses, until the answer is the one waited for, or time is up.

    Args:
        seconds: How long to go on; at 0 it is asked once.
        waits: Called once, when the first answer was another one and it will be asked again.
    """
    deadline = time.monotonic() + seconds
    pause = _FIRST_PAUSE_S
    while True:
        verdict = await ask()
        if known(verdict) or time.monotonic() + pause > deadline:
            return verdict
        if waits is not None:
            waits()
            waits = None
        await asyncio.sleep(pause)
        pause = min(pause * 2, PAUSE_S)
