"""How a key's state is said on screen: signs, words, ages and dates. No colors here, only tones.

A tone is a word that a widget turns into a color of the theme: "ok", "bad", "warn", "dim", "busy" or "" for plain.
Health is always a sign and a word, so that it is never said by color alone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len, set_cell_size

from keytui.model import DAY, DUE_SOON
from keytui.printing import printable
from keytui.providers import catalog

if TYPE_CHECKING:
    from keytui.model import Key, Verdict, VerdictWord

HOUR = 3600
MINUTE = 60
STALE = 7 * DAY
"""A good verdict older than this is worth another check."""


class Health(NamedTuple):
    """What the list says about a key.

    Attributes:
        sign: One cell wide, or "".
        word: The whole statement, for Details.
        tone: See the module.
        shorter: The same for narrower columns, the longest first.
    """

    sign: str
    word: str
    tone: str
    shorter: tuple[str, ...] = ()

    def fitting(self, width: int) -> str:
        """Return sign and word, in the longest form that fits, else the shortest."""
        forms = [f"{self.sign} {word}".lstrip() for word in (self.word, *self.shorter)]
        return next((form for form in forms if cell_len(form) <= width), forms[-1])


_VERDICTS: dict[str, Health] = {
    "valid": Health("✓", "valid", "ok"),
    "invalid": Health("✗", "invalid", "bad"),
    "restricted": Health("◐", "restricted", "warn"),
    "no_quota": Health("$", "no quota", "bad"),
    "rate_limited": Health("◷", "rate limited", "warn"),
    "unreachable": Health("⚠", "unreachable", "warn"),
    "unknown": Health("?", "unknown", "warn"),
}
_UNCHECKED = Health("·", "not checked", "dim")
_MISSING = Health("✗", "secret missing", "bad")
_ROTATING = Health("↻", "rotating", "busy")
_INTERRUPTED = Health("⚠", "interrupted, unlock to finish", "warn", ("interrupted",))
CHECKING = Health("…", "checking", "busy")
"""What a row says while its check runs."""

SEVERITY = ("bad", "warn", "busy", "dim", "ok")
"""Tones, the most urgent first; the order of a list sorted by health."""


def health(key: Key) -> Health:
    """Return what to say about a key: what the store says goes before what the last check said."""
    if key.state == "trash":
        if key.purge_at is None:
            return Health("", "deleted", "dim")
        until = time.strftime("%a %H:%M", time.localtime(key.purge_at))
        if key.deleted_at is None or key.purge_at - key.deleted_at > 6 * DAY:
            until = date(key.purge_at)
        kept = f"deleted, kept until {moment(key.purge_at)}"
        return Health("", kept, "dim", (f"kept until {until}", f"until {until}"))
    if key.state == "missing":
        return _MISSING
    if key.state == "interrupted":
        return _INTERRUPTED
    if key.state == "rotating":
        return _rotating(key)
    return _VERDICTS[key.verdict] if key.verdict is not None else _UNCHECKED


def _rotating(key: Key) -> Health:
    """What is wrong with the value in use is said during a rotation too: a grace period lasts a day and longer."""
    found = _VERDICTS[key.verdict] if key.verdict is not None else _ROTATING
    if found.tone in ("ok", "busy"):
        return _ROTATING
    return Health(found.sign, f"{found.word}, rotating", found.tone, (found.word,))


def said(word: VerdictWord) -> Health:
    """Return what to say about a verdict."""
    return _VERDICTS.get(word, _VERDICTS["unknown"])


_NEXT: dict[str, str] = {
    "invalid": "r gives it a new value, o opens the provider's page of keys.",
    "restricted": "p shows whether it may answer prompts.",
    "no_quota": "O opens the provider's page of usage; t checks again once it is paid.",
    "rate_limited": "Wait a little, then press t.",
    "unreachable": "Look at the address and the network, then press t.",
    "unknown": "Look at the address with e, or try a prompt with p.",
}


def next_step(key: Key, now: int) -> str:
    """Return what a person can do about a key's health, or ""."""
    if key.state == "rotating" and key.verdict in ("invalid", "no_quota"):
        return "r shows how far its rotation is, o opens the provider's page of keys."
    if key.state != "active":
        return ""
    if key.verdict is None or key.checked_at is None:
        return "t asks the provider whether it works, at no cost."
    if key.verdict == "valid" and now - key.checked_at > STALE:
        return "t checks again: this one is old."
    return _NEXT.get(key.verdict, "")


def unnamed(provider: str) -> str:
    """Return which model prompts ask while none is chosen for a key, or "" where the provider wants it named."""
    known = catalog.provider(provider)
    if known.model_hint:
        return ""
    return "a small model of its list" if known.small_models else "the first model of its list"


def evidence(verdict: Verdict) -> str:
    """Return what a check or a prompt got to see, in the order a provider's support asks for it."""
    parts = [f"HTTP {verdict.status}" if verdict.status is not None else "", verdict.code or ""]
    parts.append(count(verdict.models, "model") if verdict.models is not None else "")
    parts += [verdict.limits, verdict.request_id or ""]
    return " · ".join(plain(part) for part in parts if part)


def age(since: int, now: int) -> str:
    """Return an age for a column: "today" or whole days, as "84d"."""
    days = max(0, now - since) // DAY
    return "today" if days == 0 else f"{days}d"


def due(key: Key, now: int) -> tuple[str, str]:
    """Return when a key is due, for a column, and the tone of it."""
    at = key.due_at
    if at is None or key.state == "trash":
        return "–", "dim"
    if key.expires_at is not None and key.expires_at < now:
        return "expired", "bad"
    if at < now:
        return "overdue", "bad"
    left = at - now
    text = "today" if left < DAY else f"in {-(-left // DAY)}d"  # rounded up: age and days left add to the interval
    return text, "warn" if left <= DUE_SOON else ""


def _plain_words(found: Health) -> list[str]:
    return found.word.replace(",", " ").split()


STATES = frozenset(
    word
    for found in (*_VERDICTS.values(), _UNCHECKED, _MISSING, _ROTATING, _INTERRUPTED)
    for word in _plain_words(found)
) | {"deleted", "due", "overdue", "expired"}
"""Every word of `states`, but for those of a date."""


def states(key: Key, now: int) -> list[str]:
    """Return the words a filter finds a key by that are no text of its own: its health, and whether it is due."""
    found = _plain_words(health(key))
    if key.state != "trash" and key.due(now):
        found += ["due", due(key, now)[0]]
    return found


def ago(at: int, now: int) -> str:
    """Return how long ago something was, in words."""
    seconds = max(0, now - at)
    if seconds < MINUTE:
        return "just now"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min ago"
    if seconds < DAY:
        return f"{seconds // HOUR} h ago"
    days = seconds // DAY
    return "yesterday" if days == 1 else f"{days} days ago"


def short_ago(at: int, now: int) -> str:
    """Return how long ago something was, for a column: "now", "5 min ago", "3 h ago", "12 d ago"."""
    seconds = max(0, now - at)
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit:
            return f"{min(seconds // unit, 999)} {name} ago"
    return "now"


def date(at: int) -> str:
    """Return a local date, as "2026-08-31"."""
    return time.strftime("%Y-%m-%d", time.localtime(at))


def moment(at: int) -> str:
    """Return a local date and time, as "2026-08-31 14:02"."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def plain(text: str) -> str:
    """Return text of one line that does nothing to a terminal but stand there."""
    return printable(text)


def plain_lines(text: str) -> str:
    """Return text of several lines that does no more to a terminal than `plain` text; tabs become spaces.

    Textual passes control characters on to the terminal: an answer could hold a sequence that fills the clipboard.
    """
    return printable(text.replace("\r\n", "\n").expandtabs(4), keep="\n")


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Cut or pad text to exactly `width` terminal cells; wide characters and emoji count as the terminal counts."""
    if width <= 0:
        return ""
    text = plain(text)
    cells = cell_len(text)
    if cells > width:
        return set_cell_size(text, width - 1) + "…"
    padding = " " * (width - cells)
    return padding + text if right else text + padding


def flow(parts: list[str], width: int) -> str:
    """Put parts behind each other, with dots between, and into the next line what does not fit into `width` cells."""
    lines: list[str] = []
    for part in parts:
        if lines and cell_len(longer := f"{lines[-1]} · {part}") <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return "\n".join(lines)


def count(number: int, noun: str) -> str:
    """Return "1 key", "2 keys"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
