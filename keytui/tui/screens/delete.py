"""Deleting a key: says what goes, from where, and until when it can be taken back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual.widgets import Static

from keytui.model import DAY
from keytui.providers.catalog import PROVIDERS
from keytui.tui.screens.confirm import Choice, ChoiceScreen
from keytui.tui.widgets.field import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.types import CSSPathType

    from keytui.model import Key

_STORES = {"os": "OS keyring", "vault": "Vault"}


class DeleteScreen(ChoiceScreen):
    """Asks whether a key may go; dismisses with "y" for yes, "r" for revoking it at its provider as well, or "".

    Args:
        key: The key, in the trash or not.
        trash_days: Days the trash keeps it.
        now: Delete at once instead; this cannot be taken back.
        revocable: An admin key can revoke it at its provider.
        clock: Seconds since the epoch; tests and screenshots freeze it.
    """

    CSS_PATH: ClassVar[CSSPathType | None] = ["dialog.tcss", "confirm.tcss", "delete.tcss"]

    def __init__(
        self,
        key: Key,
        trash_days: int,
        now: bool = False,
        *,
        revocable: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        at_once = now or trash_days == 0
        detail = _consequence(trash_days, at_once, clock(), revocable=revocable)
        choices = [Choice("y", "Delete now" if at_once else "Delete")]
        if revocable:
            choices.append(Choice("r", "Revoke it"))
        super().__init__("Delete this key now" if at_once else "Delete this key", detail, choices)
        self._key = key
        self._at_once = at_once

    def compose_body(self) -> ComposeResult:
        """Lay out which key it is, then what deleting means."""
        key = self._key
        provider = PROVIDERS[key.provider].label if key.provider in PROVIDERS else key.provider
        rows = [("Name", key.name), ("Provider", provider), ("Key", key.masked), ("Stored in", self._stored_in())]
        for label, value in rows:
            yield Static(label, classes="fact-label", markup=False)
            yield Static(value, classes="fact", markup=False)
        message = Message(self._detail)
        message.set_class(self._at_once, "-error")
        yield message

    def _stored_in(self) -> str:
        """Name the store; the demo keeps everything in memory, whatever its index says."""
        return "memory, for the demo" if getattr(self.app, "demo", False) else _STORES[self._key.backend]


def _consequence(trash_days: int, at_once: bool, now: float, *, revocable: bool) -> str:
    how = "press r to revoke it there" if revocable else "revoke it there if it leaked"
    remains = f"The provider still accepts the key: {how}."
    if at_once:
        return f"Every stored version goes at once. This cannot be undone. {remains}"
    until = time.strftime("%A %Y-%m-%d %H:%M", time.localtime(now + trash_days * DAY))
    return f"It stays in the trash until {until}; press u to bring it back. {remains}"
