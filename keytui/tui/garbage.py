"""When Python collects garbage in circles: where nobody waits for it.

Walking all that lives takes 20 to 70 ms, and Python begins it anywhere: in the middle of a frame, or in the thread that
lays out an answer, while the interface waits for both. Here the oldest generation is walked when nobody presses a key
and no job runs; while that lasts too long, at least between two things that the event loop does. The younger ones cost
1 to 5 ms and stay Python's. From Python 3.14 on the oldest too goes piece by piece: there nothing is done here.
"""

from __future__ import annotations

import asyncio
import gc
import sys

_OLDEST = 2
DUE = 10
"""Collections of the middle generation after which the oldest is due: Python's own number."""
OVERDUE = 15
"""The same for a busy app. Later there is more to free, which takes longer than the walk."""
_CEILING = 1000
"""After so many Python collects it by itself: for an event loop that no longer comes to it."""
_ASIDE_SECONDS = 0.005

_modules = 0


def begin() -> None:
    """Collect from now on, but for what lives already: that stays. Nothing is done where Python collects already."""
    if gc.isenabled():
        return
    gc.collect()
    _spare()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _CEILING)
    gc.enable()


def _spare() -> None:
    """Leave out of all collections what lives now."""
    global _modules  # noqa: PLW0603 - the collector too is one for the process
    gc.freeze()
    _modules = len(sys.modules)


async def collect(*, quiet: bool) -> None:
    """Collect where it is due; call it each second. Keys that were pressed and a frame that is due go first.

    Args:
        quiet: Nobody is waiting for anything, and no dialog is open. Then it is due too when modules were loaded. What
            they hold is left out of later collections, and so is what lives beside it: some hundred kilobytes, a dozen
            times at most.
    """
    if gc.get_threshold()[_OLDEST] != _CEILING:
        return
    grown = quiet and len(sys.modules) > _modules
    if grown or gc.get_count()[_OLDEST] >= (DUE if quiet else OVERDUE):
        await asyncio.sleep(_ASIDE_SECONDS)
        gc.collect()
        if grown:
            _spare()
