"""Keeping a key, and every part of it that is worth anything, out of what a server sends.

A run is a number of characters that stand in the key in the same order, in capitals or not: servers cut keys short
when they quote them, and some write what they quote in small letters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from keytui.providers import catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keytui.model import Secret

RUN = 12
"""Characters of the shortest run that is masked in a text. What says whose key it is ("sk-proj-") and the parts of the
masked form are shorter and stay readable; of 20 characters, the fewest that show any, 11 leave 9 unknown; no word of an
answer is so long and stands in a key by chance."""

_SHORTEST = 8  # shorter keys are place-holders such as "none", and their letters occur in any text
_SUSPICIOUS = 4  # characters of the key's middle at the end of a piece that are held back; 3 occur in any text
_BETWEEN = re.compile(r"[^A-Za-z0-9_-]+")
_SMALL = {letter: letter + 32 for letter in range(ord("A"), ord("Z") + 1)}


class _Runs:
    """Finds the runs of a key.

    Args:
        secret: The key.
        shortest: Characters of the shortest run to find.
    """

    def __init__(self, secret: Secret, shortest: int) -> None:
        self.key = _folded(secret.reveal())
        self.length = min(shortest, len(self.key))
        self._runs = {self.key[at : at + self.length] for at in range(len(self.key) - self.length + 1)}
        # Wherever a run begins, one of its halves or what lies between begins at a multiple of its half.
        self._half = max(1, self.length // 2)
        self._halves = {self.key[at : at + self._half] for at in range(len(self.key) - self._half + 1)}

    def find(self, folded: str) -> Iterator[tuple[int, int]]:
        """Yield where each run begins and ends; those that overlap count as one."""
        half, length = self._half, self.length
        if not any(folded[at : at + half] in self._halves for at in range(0, len(folded) - half + 1, half)):
            return
        begin = end = -1
        for at in range(len(folded) - length + 1):
            if folded[at : at + length] in self._runs:
                if at >= end:
                    if end > 0:
                        yield begin, end
                    begin = at
                end = at + length
        if end > 0:
            yield begin, end

    def begun(self, folded: str) -> int:
        """Return how many characters at a text's end may be the beginning of a run."""
        for count in range(min(self.length - 1, len(folded)), 0, -1):
            last = folded[-count:]
            if self.key.startswith(last) or (count >= _SUSPICIOUS and last in self.key):
                return count
        return 0


class Scrubber:
    """Replaces a key and runs of it inside text that comes in pieces, holding back what may be the beginning of one.

    Of a run that begins in the key's middle and comes in small pieces, up to 3 characters are shown before the mask.
    """

    def __init__(self, secret: Secret) -> None:
        self._runs = _Runs(secret, RUN) if _hidden(secret) else None
        self._mask = secret.masked()
        self._begin()

    def _begin(self) -> None:
        self._before = ""  # the end of what is decided, folded
        self._held = ""
        self._masked = False  # whether what is decided ends with a mask

    def feed(self, text: str) -> str:
        """Take a piece and return what can be shown of it and of what was held back."""
        if self._runs is None:
            return text
        text = self._held + text
        folded = self._before + _folded(text)
        decided = past = len(self._before)
        shown: list[str] = []
        for begin, end in self._runs.find(folded):
            if end <= decided:
                continue
            shown.append(text[decided - past : max(0, begin - past)])
            if begin > decided or not self._masked:
                shown.append(self._mask)
            decided, self._masked = end, True
        until = max(decided, len(folded) - self._runs.begun(folded))
        if until > decided:
            shown.append(text[decided - past : until - past])
            self._masked = False
        self._held = text[until - past :]
        self._before = folded[max(0, until - self._runs.length + 1) : until]
        return "".join(shown)

    def end(self) -> str:
        """Return what is still held back: it is too short to hide."""
        held = self._held
        self._begin()
        return held

    def whole(self, text: str) -> str:
        """Replace the key and runs of it in a text that is complete and stands alone."""
        state = self._before, self._held, self._masked
        self._begin()
        shown = self.feed(text) + self.end()
        self._before, self._held, self._masked = state
        return shown

    def finds(self, text: str) -> bool:
        """Whether a text that is complete has anything to replace."""
        return self._runs is not None and any(True for _run in self._runs.find(_folded(text)))


def quotes(text: str, secret: Secret, shortest: int) -> bool:
    """Whether a word of a server, such as a code, has a run of so many characters of a key, or all of a shorter key."""
    return bool(secret) and any(True for _run in _Runs(secret, shortest).find(_folded(text)))


def spells(secret: Secret) -> Callable[[str], bool]:
    """Return what tells whether a text spells out a run of a key, whatever stands between its characters.

    For text as it is drawn: what draws it may put together what the server sent apart. Nothing of the key is kept.
    """
    key = _letters(secret.reveal()) if _hidden(secret) else ""
    length = min(RUN, len(key))
    half = max(1, length // 2)
    runs, halves = _hashes(key, length), _hashes(key, half)

    def found(text: str) -> bool:
        letters = _letters(text)
        # As in _Runs: wherever a run begins, something of it begins at a multiple of its half.
        if not any(hash(letters[at : at + half]) in halves for at in range(0, len(letters) - half + 1, half)):
            return False
        return not runs.isdisjoint(_hashes(letters, length))

    return found


def _hashes(text: str, length: int) -> frozenset[int]:
    """Return the hash of each run of so many characters."""
    return frozenset(hash(text[at : at + length]) for at in range(len(text) - length + 1)) if length else frozenset()


def _letters(text: str) -> str:
    return _BETWEEN.sub("", text).lower()


def _hidden(secret: Secret) -> bool:
    return len(secret) >= _SHORTEST and secret.reveal().lower() not in _place_holders()


def _folded(text: str) -> str:
    """Return a text in small letters, as long as it was: other alphabets stay as they are."""
    return text.lower() if text.isascii() else text.translate(_SMALL)


def _place_holders() -> frozenset[str]:
    """Return what providers tell people to write where no key is needed: no secret, and often a part of their names."""
    return frozenset(text for each in catalog.PROVIDERS.values() for text in each.placeholders)
