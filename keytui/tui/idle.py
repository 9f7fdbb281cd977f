"""What is done when nobody has touched the app for a while: dialogs are loaded, garbage collected, the vault locked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from textual import events

from keytui.errors import KeytuiError
from keytui.tui import garbage, messages
from keytui.tui.issuing import Issuing

if TYPE_CHECKING:
    from textual.events import Event

    from keytui.tui.screens.main import MainScreen

LOOK_SECONDS = 5.0
"""How often the time is looked at. It is the clock on the wall, which goes on while a laptop sleeps."""

_MINUTE = 60
_PAUSE_SECONDS = 2
"""Without a key press, after which the next one is not expected at once."""


class IdleLock(Issuing):
    """The part of the app that locks the vault after `idle_lock_minutes` without a key press or the mouse."""

    _touched_at = 0.0
    _loaded = False
    _seen_idle = False

    def on_mount(self) -> None:
        """Begin to count."""
        self._touched_at = self.clock()
        self.set_interval(1, self._use_pause, name="load dialogs and collect garbage")
        if self.settings.idle_lock_minutes:
            self.set_interval(LOOK_SECONDS, self.lock_when_idle, name="idle lock")

    async def on_event(self, event: Event) -> None:
        """Notice that somebody is there; after too long a pause, lock before the key does anything.

        Esc takes the notifications away, whatever else it does.
        """
        if isinstance(event, events.Key) and event.key == "escape":
            self.clear_notifications()
        if isinstance(event, events.InputEvent | events.Paste):
            self.lock_when_idle()
            self._touched_at = self.clock()
            self._seen_idle = False
        await super().on_event(event)

    async def _use_pause(self) -> None:
        await garbage.collect(self._quiet, away=self.clock() - self._touched_at >= _MINUTE)
        if not self._loaded and self._quiet():
            self._loaded = True
            await asyncio.to_thread(_load_dialogs)

    def _quiet(self) -> bool:
        working = len(self.screen_stack) > 1 or any(not worker.is_finished for worker in self.workers)
        return self.clock() - self._touched_at >= _PAUSE_SECONDS and not working

    def lock_when_idle(self) -> None:
        """Lock the vault if nobody has touched the app for long enough.

        On the event loop, so that the key that ends the pause finds it locked: no passphrase is derived, no index read.
        """
        minutes = self.settings.idle_lock_minutes
        if not minutes or self._seen_idle or self.clock() - self._touched_at < minutes * _MINUTE:
            return
        self._seen_idle = True
        try:
            status = self.store.status()
            if status.backend != "vault" or status.state != "ready":
                return
            self.store.lock()
            cast("MainScreen", self.main).hide_secret()
        except KeytuiError as error:
            self.show_error(error)
            return
        unit = "minute" if minutes == 1 else "minutes"
        self.tell(messages.Told(f"The vault was locked after {minutes} {unit} without a key press."))


def _load_dialogs() -> None:
    """Import what opens over the main screen. For the form alone that takes 15 to 40 ms."""
    from keytui.tui import palette  # noqa: F401
    from keytui.tui.screens import delete, form, help, issue, model, revoke, rotate, unlock  # noqa: F401
