"""Keeping a key out of text that a server sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keytui.model import Secret


class Scrubber:
    """Replaces a key inside text that comes in pieces, holding back what may be its beginning."""

    _SHORTEST = 8  # shorter ones are place-holders such as "none", and their letters occur in any text

    def __init__(self, secret: Secret) -> None:
        self._secret = secret if len(secret) >= self._SHORTEST else None
        self._held = ""

    def feed(self, text: str) -> str:
        """Take a piece and return what can be shown of it and of what was held back."""
        if self._secret is None:
            return text
        key = self._secret.reveal()
        text = (self._held + text).replace(key, self._secret.masked())
        hold = next((n for n in range(min(len(key) - 1, len(text)), 0, -1) if key.startswith(text[-n:])), 0)
        self._held = text[len(text) - hold :]
        return text[: len(text) - hold]

    def end(self) -> str:
        """Return what is still held back; a long beginning of the key counts as the key."""
        held, self._held = self._held, ""
        if self._secret is not None and len(held) > self._SHORTEST:
            return self._secret.masked()
        return held

    def whole(self, text: str) -> str:
        """Replace the key in a text that is complete."""
        return text if self._secret is None else text.replace(self._secret.reveal(), self._secret.masked())
