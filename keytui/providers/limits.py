"""What a provider's headers say of its rate limits, as a few words of ours.

Names and forms of the headers are those of OpenAI (Groq, Azure OpenAI and others follow it), Anthropic, OpenRouter,
Mistral (old and new) and Cerebras. Only numbers and times are taken from them, never text.
"""

from __future__ import annotations

import math
import re
import time
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORMS = (
    ("requests", "x-ratelimit-{}-requests", ""),
    ("requests", "anthropic-ratelimit-requests-{}", ""),
    ("requests", "x-ratelimit-{}-req-minute", "this minute"),
    ("requests", "x-ratelimit-{}-requests-day", "today"),
    ("requests", "x-ratelimit-{}", ""),
    ("tokens", "x-ratelimit-{}-tokens", ""),
    ("tokens", "anthropic-ratelimit-tokens-{}", ""),
    ("tokens", "x-ratelimit-{}-tokens-minute", "this minute"),
    ("tokens", "x-ratelimitbysize-{}-minute", "this minute"),
)
"""What is counted, the headers for its limit, remaining and reset, and in which window; one of each kind is told."""

_NUMBER = re.compile(r"\d{1,12}")
_SPAN = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,6}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?")
_AMOUNT = re.compile(r"\d{1,14}(?:\.\d{1,9})?")
_MILLISECONDS = 100_000_000_000  # the year 5138 in seconds: a moment after it is one in milliseconds (OpenRouter)
_LONGEST = 10 * 86_400  # seconds; a reset further away is a date in another form


def read(headers: Mapping[str, str]) -> str:
    """Return "499 of 500 requests left, resets in 120 ms; 39,980 tokens left", or "" when nothing is said."""
    found: dict[str, str] = {}
    for kind, names, window in _FORMS:
        if kind not in found and (said := _one(headers, kind, names, window)):
            found[kind] = said
    return "; ".join(found.values())


def retry_after(headers: Mapping[str, str]) -> int | None:
    """Return the whole seconds after which a server wants to be asked again, or None when it names no sensible time.

    Known forms: milliseconds in a header of their own (OpenAI, Azure OpenAI), seconds, also broken ones, and an HTTP
    date.
    """
    from email.utils import parsedate_to_datetime

    exact, plain = headers.get("retry-after-ms", "").strip(), headers.get("retry-after", "").strip()
    if _AMOUNT.fullmatch(exact):
        wait = float(exact) / 1_000
    elif _AMOUNT.fullmatch(plain):
        wait = float(plain)
    else:
        try:
            wait = parsedate_to_datetime(plain).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError, OSError):
            return None
    return math.ceil(wait) if 0 < wait < _LONGEST else None


def _one(headers: Mapping[str, str], kind: str, names: str, window: str) -> str:
    limit, remaining, reset = (headers.get(names.format(part), "").strip() for part in ("limit", "remaining", "reset"))
    if not _NUMBER.fullmatch(remaining):
        return ""
    whole = f" of {int(limit):,}" if _NUMBER.fullmatch(limit) else ""
    left, kind = f"{int(remaining):,}", kind.removesuffix("s") if int(remaining) == 1 and not whole else kind
    wait = _seconds(reset)
    said = f"{left}{whole} {kind} left {window}".rstrip()
    return said + (f", resets in {words(wait)}" if wait else "")


def _seconds(text: str) -> float | None:
    """Read "120ms", "6m0s", "7.66s", plain seconds, or a moment: "2027-01-31T12:00:00Z", or in milliseconds."""
    found = _SPAN.fullmatch(text) if text else None
    if found is not None:
        hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
        wait = hours * 3_600 + minutes * 60 + seconds + milliseconds / 1_000
    else:
        try:
            wait = float(text) if _AMOUNT.fullmatch(text) else datetime.fromisoformat(text).timestamp()
        except (ValueError, OverflowError, OSError):
            return None
        if wait > _MILLISECONDS:
            wait /= 1_000
        if wait > _LONGEST:
            wait -= time.time()
    return wait if 0 < wait < _LONGEST else None


def words(seconds: float) -> str:
    """Return a time to wait for a sentence: "120 ms", "20 s", "6 minutes" or "3 hours"."""
    if seconds < 1:
        return f"{max(1, round(seconds * 1_000))} ms"
    if seconds < 120:
        return f"{round(seconds)} s"
    return f"{round(seconds / 60)} minutes" if seconds < 7_200 else f"{round(seconds / 3_600)} hours"
