"""What takes time: each job is a worker that reaches the store through `access` and tells the main screen by message.

Workers are given ids, never secrets; every one has a description without a value.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import TYPE_CHECKING, cast

from textual import work
from textual.worker import Worker, WorkerState

from keytui.errors import KeytuiError, NameTaken
from keytui.tui import garbage, messages
from keytui.tui.asking import Asking, warm_up
from keytui.tui.crash import place

if TYPE_CHECKING:
    from keytui.model import Event, Key
    from keytui.tui.screens.confirm import ConfirmScreen
    from keytui.tui.screens.main import MainScreen

_BROWSE = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"
_BROWSER_SECONDS = 10
_SWITCH_SECONDS = 0.0005
"""After which a thread that computes lets the interface go on. Python's own 5 ms count each time the loop reads or
writes: laying out a long answer beside it made stalls of 60 ms."""


class Jobs(Asking):
    """The part of the app that works in the background."""

    _deleted: int | None = None
    """Key that was moved to the trash here, and last: the person knows what undoing means."""

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Say that a job broke, by its description and the error's type alone."""
        if event.state is WorkerState.ERROR and event.worker.node is self:
            what = place(event.worker.error) if event.worker.error is not None else "unknown"
            self.say(f"Could not {event.worker.description}. An error in keytui itself: {what}.", severity="error")

    @work(description="tidy up", group="tidy", thread=True, exit_on_error=False)
    def tidy_up(self) -> None:
        """After the first paint: finish what a killed process left, empty the trash, load what is heavy."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        garbage.begin()
        try:
            sentences = self.store.recover()
            self.store.purge()
        except KeytuiError as error:
            self.call_from_thread(self.show_error, error)
        else:
            for sentence in sentences:
                self.tell(messages.Told(sentence))
            self.look_for_rotations()
        threading.Thread(target=warm_up, daemon=True, name="warm up").start()  # whoever quits need not wait for it

    def look_for_rotations(self) -> None:
        """Go on with rotations that a provider carries out and that wait for nothing; called in a thread."""
        raise NotImplementedError

    # --- secrets leaving

    @work(description="copy a key", exclusive=True, group="copy", exit_on_error=False)
    async def copy(self, key_id: int) -> None:
        """Copy a key to the clipboard and say what is certain about it."""
        from keytui.flows import clipboard
        from keytui.tui import access

        try:
            key = await access.call(self, self.store.key, key_id)
            secret = await access.call(self, self.store.read, key_id)
            osc52 = None if self.is_headless else self.write_to_terminal
            copied = await asyncio.to_thread(clipboard.copy, secret, self.settings, name=key.name, osc52=osc52)
        except KeytuiError as error:
            self.show_error(error)
        else:
            self.tell(messages.Copied(key.name, copied.sentence, copied.clears_at))

    def write_to_terminal(self, sequence: str) -> None:
        """Write a control sequence to the terminal between two frames; called from a thread.

        Not `App.copy_to_clipboard`: that keeps the text, and Ctrl+V would paste it into any field.
        """
        driver = self._driver
        if driver is not None:
            self.call_from_thread(driver.write, sequence)
            self.call_from_thread(driver.flush)

    @work(description="reveal a key", exclusive=True, group="reveal", exit_on_error=False)
    async def reveal(self, key_id: int) -> None:
        """Read a key in order to show it."""
        from keytui.tui import access

        try:
            secret = await access.call(self, self.store.read, key_id)
        except KeytuiError as error:
            self.show_error(error)
        else:
            # No message: what waits in a queue is not a place for a secret.
            cast("MainScreen", self.main).show_secret(key_id, secret)

    # --- changing the store

    @work(description="delete a key", group="write", exit_on_error=False)
    async def delete(self, key: Key, *, now: bool) -> None:
        """Move a key to the trash, or delete it at once; the person was asked before."""
        from keytui.tui import access

        try:
            await access.call(self, self.store.delete, key.id, now=now)
        except KeytuiError as error:
            self.show_error(error)
            self.load()
            return
        gone = now or self.settings.trash_days == 0
        self._deleted = None if gone else key.id
        self.tell(messages.Told(f"Deleted “{key.name}”." if gone else f"Moved “{key.name}” to the trash. u undoes it."))

    def undo(self, known: Event | None, selected: Key | None) -> None:
        """Take back the newest undoable event, one at a time: a second key press must not overtake the first.

        Args:
            known: What that event was when the index was last read. A question about it is asked at once, so that
                the next key, typed ahead, answers it and does nothing else.
            selected: The key under the cursor; one in the trash is brought back, whatever happened since.
        """
        if any(worker.group == "undo" and worker.is_running for worker in self.workers):
            self.say("One moment: a change is being taken back.", severity="warning")
        elif selected is not None and selected.state == "trash":
            self._bring_back(selected)
        elif known is not None and not self._writing() and self._needs_question(known, selected):

            def answered(yes: bool | None) -> None:
                if yes:
                    self._undo(selected, asked=known.id)

            self.push_screen(_undo_question(known), answered)
        else:
            self._undo(selected, asked=None)

    def _writing(self) -> list[Worker[object]]:
        return [worker for worker in self.workers if worker.group == "write" and worker.is_running]

    def _needs_question(self, event: Event, selected: Key | None) -> bool:
        """Whether a person who presses u now may not know what goes, or a key would be sent elsewhere."""
        if event.type == "deleted":
            return event.key_id != self._deleted
        return event.type == "rotated" or selected is None or event.key_id != selected.id or event.readdresses

    @work(description="undo", group="undo", exit_on_error=False)
    async def _undo(self, selected: Key | None, *, asked: int | None) -> None:
        """Take the newest event back; ask, unless this one was asked about or needs no question."""
        from keytui.tui import access

        try:
            for worker in self._writing():
                await worker.wait()  # what is being changed is what the person means
            event = await access.call(self, self.store.undoable)
            if event is None:
                self.say("There is nothing to undo.", severity="warning")
                return
            question = event.id != asked and (asked is not None or self._needs_question(event, selected))
            if question and not await self.push_screen_wait(_undo_question(event)):
                return
            await self._take_back(event)
        except KeytuiError as error:
            self.show_error(error)

    @work(description="bring a key back from the trash", group="undo", exit_on_error=False)
    async def _bring_back(self, key: Key) -> None:
        from keytui.tui import access

        try:
            events = await access.call(self, self.store.events, key.id)
            event = next((event for event in events if event.type == "deleted" and event.undoable), None)
            if event is None:
                self.say(f"“{key.name}” can no longer be brought back.", severity="warning")
            else:
                await self._take_back(event)
        except KeytuiError as error:
            self.show_error(error)

    async def _take_back(self, event: Event) -> None:
        """Take an event back, under another name when the key's own was taken meanwhile and the person agrees."""
        from keytui.flows.undoing import undo
        from keytui.tui import access
        from keytui.tui.screens.confirm import ConfirmScreen

        try:
            done = await access.call(self, undo, self.store, event)
        except NameTaken:
            name = await access.call(self, self._free_name, event)
            detail = f"Another key is called “{event.name}” by now. It can come back as “{name}”."
            question = ConfirmScreen("The name is taken", detail, "y", "Bring it back", danger=False)
            if not await self.push_screen_wait(question):
                return
            done = await access.call(self, undo, self.store, event, as_name=name)
        self._deleted = None
        self.clear_notifications()  # "u undoes it" is no longer true
        self.tell(messages.Told(f"Undone: {done.name}. {done.detail or event.detail}", select=event.key_id))

    def _free_name(self, event: Event) -> str:
        """Return a name like the event's that no key has."""
        taken = {key.name.casefold() for key in self.store.keys()}
        return next(name for n in range(2, len(taken) + 3) if (name := f"{event.name}-{n}").casefold() not in taken)

    @work(description="lock the store", group="write", exit_on_error=False)
    async def lock(self) -> None:
        """Lock the vault."""
        from keytui.tui import access

        try:
            await access.call(self, self.store.lock)
        except KeytuiError as error:
            self.show_error(error)
        else:
            self.tell(messages.Told("Locked. The passphrase is asked for when a key is needed."))

    # --- the browser

    @work(description="open a web page", group="browser", exit_on_error=False)
    async def open_page(self, address: str) -> None:
        """Open a page where there is a desktop, and say its address in any case."""
        desktop = sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
        handed = desktop and not self.is_headless and await asyncio.to_thread(hand_to_browser, address)
        told = "Handed to your browser" if handed else "Open this page in a browser"
        self.say(f"{told}: {address}", timeout=12)


def _undo_question(event: Event) -> ConfirmScreen:
    from keytui.tui.screens.confirm import ConfirmScreen

    question, detail = {
        "rotated": ("Undo the rotation", "goes back to the value it had before, which is checked first."),
        "deleted": ("Undo the deletion", "comes back from the trash."),
    }.get(event.type, ("Undo the edit", f"was edited: {event.detail} This is taken back."))
    return ConfirmScreen(question, f"“{event.name}” {detail}", "y", "Undo", danger=False)


def hand_to_browser(address: str) -> bool:
    """Start a browser; says whether one took the address. Whether it shows the page, nobody can tell.

    In a process of its own, away from this terminal: what a browser prints, or one for terminals draws, would land
    on the screen.
    """
    import subprocess

    try:
        helper = subprocess.run(
            (sys.executable, "-P", "-c", _BROWSE, address),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=_BROWSER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return helper.returncode == 0
