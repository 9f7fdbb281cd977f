"""What a provider's headers say of its rate limits, as a few words of ours.

Names and forms of the headers are those of OpenAI (Groq, Azure OpenAI and others follow it) and of Anthropic. Only
numbers and times are taken from them, never text.
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = (
    ("x-ratelimit-limit-{}", "x-ratelimit-remaining-{}", "x-ratelimit-reset-{}"),
    ("anthropic-ratelimit-{}-limit", "anthropic-ratelimit-{}-remaining", "anthropic-ratelimit-{}-reset"),
)
_KINDS = ("requests", "tokens")
_NUMBER = re.compile(r"\d{1,12}")
_SPAN = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,6}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?")
_LONGEST = 10 * 86_400  # seconds; a reset further away is a date in another form


def read(headers: Mapping[str, str]) -> str:
    """Return "499 of 500 requests left, resets in 120 ms; 39,980 tokens left", or "" when nothing is said."""
    found = (_one(headers, kind, names) for kind in _KINDS for names in _NAMES)
    return "; ".join(each for each in found if each)


def _one(headers: Mapping[str, str], kind: str, names: tuple[str, str, str]) -> str:
    limit, remaining, reset = (headers.get(name.format(kind), "").strip() for name in names)
    if not _NUMBER.fullmatch(remaining):
        return ""
    whole = f" of {int(limit):,}" if _NUMBER.fullmatch(limit) else ""
    left, kind = f"{int(remaining):,}", kind.removesuffix("s") if int(remaining) == 1 and not whole else kind
    wait = _seconds(reset)
    return f"{left}{whole} {kind} left" + (f", resets in {_words(wait)}" if wait else "")


def _seconds(text: str) -> float | None:
    """Read "120ms", "6m0s", "7.66s", plain seconds, or a moment as in "2027-01-31T12:00:00Z"."""
    found = _SPAN.fullmatch(text) if text else None
    if found is not None:
        hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
        wait = hours * 3_600 + minutes * 60 + seconds + milliseconds / 1_000
    else:
        try:
            wait = float(text) if text.isascii() and len(text) < 12 else datetime.fromisoformat(text).timestamp()
        except (ValueError, OverflowError, OSError):
            return None
        if wait > _LONGEST:
            wait -= time.time()
    return wait if 0 < wait < _LONGEST else None


def _words(seconds: float) -> str:
    if seconds < 1:
        return f"{max(1, round(seconds * 1_000))} ms"
    if seconds < 120:
        return f"{round(seconds)} s"
    return f"{round(seconds / 60)} minutes" if seconds < 7_200 else f"{round(seconds / 3_600)} hours"
