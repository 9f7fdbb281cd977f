"""Reading the index for the screen: always in a thread, since another program may hold the file."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import work

from keytui.errors import KeytuiError
from keytui.threads import Threads
from keytui.tui import listing, messages, words
from keytui.tui.crash import CalmCrash, own
from keytui.tui.facts import Facts

if TYPE_CHECKING:
    from textual.message import Message
    from textual.notifications import SeverityLevel
    from textual.screen import Screen

    from keytui.model import Key, StoreStatus
    from keytui.storage.keystore import Keystore

EVENTS_READ = 12


class Reading(CalmCrash):
    """The part of the app that knows the index, and how news reaches the main screen.

    Attributes:
        threads: What blocks runs in these, off the event loop.
        wanted: Key the cursor goes to as soon as it is listed.
    """

    store: Keystore

    def __init__(self) -> None:
        super().__init__()
        self.threads = Threads()
        self.wanted: int | None = None
        self._reading = self._stale = self._looking = False

    def on_load(self) -> None:
        """Have what asyncio and Textual run in threads run in ours."""
        asyncio.get_running_loop().set_default_executor(self.threads)

    @property
    def main(self) -> Screen[None]:
        """The main screen, whatever lies over it."""
        return self.screen_stack[0]

    def tell(self, message: Message) -> None:
        """Post a message to the main screen; safe from a thread, ignored while the app ends."""
        if self.is_running and self.screen_stack:
            self.main.post_message(message)

    def show_error(self, error: KeytuiError) -> None:
        """Show an error of ours as a notification."""
        from keytui.tui import access

        access.show_error(self, error)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Notify, unless the same stands on screen already."""
        if all(shown.message != message for shown in self._notifications):  # there is no public way to see them
            super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    def say(self, sentence: str, *, severity: SeverityLevel = "information", timeout: float = 4) -> None:
        """Notify with text that is never markup."""
        text = words.plain_lines(sentence)
        self.notify(text, severity=severity, timeout=timeout, markup=False)

    def load(self, select: int | None = None) -> None:
        """Read the index and show it; while it is being read, once more afterwards.

        Args:
            select: Key the cursor goes to, by this reading or the first later one that lists it.
        """
        if select is not None:
            self.wanted = select
        self._stale = True
        if not self._reading:
            self._reading = True
            self._read()

    @work(description="read the list", group="load", exit_on_error=False)
    async def _read(self) -> None:
        try:
            while self._stale:
                self._stale = False
                try:
                    snapshot = await asyncio.to_thread(listing.take, self.store)
                except Exception as error:
                    told = error if isinstance(error, KeytuiError) else own(error)
                    self.tell(messages.LoadFailed(told.sentence, told.hint))
                else:
                    self.tell(messages.Loaded(snapshot))
        finally:
            self._reading = False

    def look(self, version: int, status: StoreStatus | None) -> None:
        """Read the index again if it, or the state of the store, is no longer what it was.

        Args:
            version: Keystore.data_version() of what is shown.
            status: The state that is shown.
        """
        if not self._looking:
            self._looking = True
            self._look(version, status)

    @work(description="look for changes", group="look", exit_on_error=False)
    async def _look(self, version: int, status: StoreStatus | None) -> None:
        try:
            changed = await asyncio.to_thread(self._changed, version, status)
        finally:
            self._looking = False
        if changed:
            self.load()

    def _changed(self, version: int, status: StoreStatus | None) -> bool:
        try:
            return self.store.data_version() != version or self.store.status() != status
        except KeytuiError:
            return True

    @work(description="read the history of a key", exclusive=True, group="facts", exit_on_error=False)
    async def read_facts(self, known: Facts) -> None:
        """Read versions and events of a key for Details."""
        facts = await asyncio.to_thread(self._facts, known)
        self.tell(messages.FactsRead(facts))

    def _facts(self, known: Facts) -> Facts:
        key: Key = known.key
        try:
            return known._replace(
                versions=self.store.versions(key.id),
                events=self.store.events(key.id, EVENTS_READ),
                checks=self.store.checks(key.id),
                rotation=next((row for row in self.store.rotations() if row.key_id == key.id), None),
            )
        except KeytuiError:
            return known
