"""When Python collects garbage in circles: where nobody waits for it, and a little at a time.

Walking all that lives takes 20 to 70 ms, and Python begins it anywhere: in the middle of a frame, or in the thread that
lays out an answer, while the interface waits for both. Here the oldest generation is walked when nobody presses a key
and no job runs, and what is alive then is left out of later walks: these look only at what came since. While somebody
works, it is walked at least between two things that the event loop does. The younger ones cost 1 to 5 ms and stay
Python's. From Python 3.14 on the oldest too goes piece by piece: there nothing is done here.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_OLDEST = 2
DUE = 2
"""Collections of the middle generation after which the oldest is due. A dialog that was opened takes 1 or 2."""
OVERDUE = 3
"""The same while somebody works. Later there is more to free, and that takes longer than the walk."""
FULL_AFTER = 100_000
"""Objects that were left out since all was walked, until it is walked again. Of these, some 10 megabytes, most may have
died: a dialog that asked a store or a server is held by asyncio until the deadline of that call would have passed."""
_CEILING = 1000
"""After so many Python collects it by itself: for an event loop that no longer comes to it."""
_ASIDE_SECONDS = 0.005

_modules = _left_out = 0


def begin() -> None:
    """Collect from now on, but for what lives already: that stays. Nothing is done where Python collects already."""
    if gc.isenabled():
        return
    _collect_and_leave_out(everything=True)
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _CEILING)
    gc.enable()


def _collect_and_leave_out(*, everything: bool) -> None:
    """Leave out of later collections what lives now; with `everything`, walk what was left out before too."""
    global _modules, _left_out  # noqa: PLW0603 - the collector too is one for the process
    if everything:
        gc.unfreeze()
        _left_out = 0
    gc.collect()
    if not everything:  # gc.get_freeze_count() would go through all that was left out: 12 ms for 190,000
        _left_out += len(gc.get_objects())
    gc.freeze()
    _modules = len(sys.modules)


async def collect(quiet: Callable[[], bool], *, away: bool = False) -> None:
    """Collect where it is due; call it each second. Keys that were pressed and a frame that is due go first.

    Args:
        quiet: Tells whether nobody is waiting for anything, and no dialog is open. Then it is due too when modules were
            loaded; what is due then can wait when a key comes.
        away: Nobody seems to be there. Then all may be walked, which takes 0.1 to 0.3 s.
    """
    if gc.get_threshold()[_OLDEST] != _CEILING:
        return
    pause, count = quiet(), gc.get_count()[_OLDEST]
    full = away and pause and _left_out >= FULL_AFTER
    grown = pause and len(sys.modules) > _modules
    if not (full or grown or count >= (DUE if pause else OVERDUE)):
        return
    await asyncio.sleep(_ASIDE_SECONDS)
    if pause and not quiet():
        return
    if pause:
        _collect_and_leave_out(everything=full)
    else:
        gc.collect()
