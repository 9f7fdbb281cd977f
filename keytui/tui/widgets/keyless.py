"""A line of text that is shown, and therefore takes no key: one pasted by mistake would be on screen, and sent."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, cast

from textual.widgets import Input

from keytui.providers import catalog

if TYPE_CHECKING:
    from textual import events

    from keytui.tui.reading import Reading

REFUSED = "This looks like a key. The field was emptied, and nothing was sent. Keys go into n New or r Rotate."
_REST_SECONDS = 1.0
"""A terminal may hand a paste over key by key: what follows a key within this time is the rest of it."""
_LINE_END = re.compile(r"\r\n|\r|\n")


class KeylessInput(Input):
    """Empties itself as soon as it holds something shaped like a key."""

    _refused_at = float("-inf")

    def validate_value(self, value: str) -> str:
        """Take the value, or nothing instead of a key; it is neither drawn nor told to anyone."""
        if catalog.looks_like_key(value):
            cast("Reading", self.app).say(REFUSED, severity="warning", timeout=8)
        elif not value or not self._refusing:
            return value
        self._refused_at = time.monotonic()
        return ""

    @property
    def _refusing(self) -> bool:
        return time.monotonic() - self._refused_at < _REST_SECONDS

    async def action_submit(self) -> None:
        """Do nothing for the Enter at the end of a key."""
        if not self._refusing:
            await super().action_submit()

    def _on_paste(self, event: events.Paste) -> None:
        """Insert all lines of a paste as one; Textual takes the first and drops the others.

        Terminals and tmux send CR at the end of each line.
        """
        event.prevent_default()
        event.stop()
        if text := " ".join(_LINE_END.split(event.text)).strip():
            self.replace(text, *self.selection)
