"""Rotating a key by pasting its successor: stored, checked with the provider, and only then switched to."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, cast

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widgets import Static

from keytui.errors import InvalidInput, KeytuiError
from keytui.flows import keys, rotation
from keytui.model import DAY
from keytui.providers import catalog
from keytui.tui import access
from keytui.tui.screens.confirm import Choice, ChoiceScreen, ConfirmScreen
from keytui.tui.screens.dialog import Dialog
from keytui.tui.widgets.field import Busy, Field, Hint
from keytui.tui.widgets.secret_input import SecretInput
from keytui.tui.widgets.stepper import Step, Stepper

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.types import CSSPathType

    from keytui.model import Key, Rotation
    from keytui.storage.keystore import Keystore
    from keytui.tui.widgets.field import Tone

    Phase = Literal["input", "working", "waiting", "done"]


class _OpensPages(Protocol):
    def open_page(self, address: str) -> object:
        """Open a page in the browser, or say its address."""


class RotateScreen(Dialog[bool]):
    """Rotates a key and dismisses with whether the new value is in use.

    A rotation of this key that was left before the switch is taken up again.

    Args:
        key: The key to rotate.
        clock: Seconds since the epoch; tests and screenshots freeze it.
    """

    CSS_PATH: ClassVar[CSSPathType | None] = ["dialog.tcss", "rotate.tcss"]
    AUTO_FOCUS = "#key"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "start", show=False),
        Binding("ctrl+r", "again", show=False),
        Binding("ctrl+u", "unchecked", show=False),
        Binding("ctrl+g", "give_up", show=False),
        Binding("ctrl+o", "page", show=False),
        Binding("enter", "close", show=False),
    ]

    def __init__(self, store: Keystore, key: Key, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(f"Rotate {key.name}")
        self._store = store
        self._key = key
        self._clock = clock
        provider = catalog.PROVIDERS.get(key.provider)
        self._provider = provider.label if provider else key.provider
        self._page = ""
        if provider is not None:
            self._page = (key.kind == "admin" and provider.admin_keys_page) or provider.keys_page
        self._phase: Phase = "input"
        self._rotation_id: int | None = None
        self._refused = False
        self._checking = False

    # --- layout

    def compose_body(self) -> ComposeResult:
        """Lay out the value in use, the field for its successor, and the three steps."""
        yield Field("In use now", Static(self._fact(self._key), id="in-use", classes="fact", markup=False))
        yield Field("New key", SecretInput("Paste the new key here", id="key"), name="key")
        days = self._store.settings.keep_previous_days
        kept = f"is kept {days} day{'s' * (days != 1)}" if days else "is not kept"
        yield Stepper(
            (
                Step("stored", "Store", "The new key is stored and read back"),
                Step("verified", "Check", f"{self._provider} is asked whether it works"),
                Step("switched", "Switch", f"The new key is used; the old one {kept}"),
            )
        )
        yield Busy(id="busy")

    def _fact(self, key: Key) -> str:
        days = max(0, int(self._clock()) - key.rotated_at) // DAY
        age = "stored today" if days == 0 else f"{days} day{'s' * (days != 1)} old"
        return f"{key.masked}  {self._provider}, {age}"

    def on_mount(self) -> None:
        """Look for a rotation that was left before the switch."""
        self._enter("input")
        self._take_up()

    def _enter(self, phase: Phase) -> None:
        """Show what can be done now."""
        self._phase = phase
        self._checking = False
        page = Hint("Ctrl+O", f"Open {self._provider}'s keys page", "page")
        pages = (page,) if self._page else ()
        field = self.query_one("#key", SecretInput)
        field.disabled = phase != "input"
        self._row.display = phase in ("input", "working")
        if phase == "input":
            self.show_keys((Hint("Ctrl+S", "Start", "start"), *pages, Hint("Esc", "Cancel", "cancel")))
            field.focus()
        elif phase == "working":
            self.show_keys((Hint("…", "The old key stays in use until the new one is known to work"),))
        elif phase == "waiting":
            again = Hint("Ctrl+R", "Check again", "again")
            unchecked = Hint("Ctrl+U", "Use unchecked", "unchecked", danger=True)
            give_up = Hint("Ctrl+G", "Give up", "give_up", danger=True)
            self.show_keys((again, unchecked, give_up, Hint("Esc", "Leave", "cancel")))
        else:
            self.show_keys((Hint("Enter", "Close", "close"), *pages))

    # --- what the person does

    @on(SecretInput.Changed)
    def _changed(self, event: SecretInput.Changed) -> None:
        self._row.say(self._doubt() if event.length else "", "warning")
        if self._phase == "input":  # what was said and done was about another value
            self.query_one(Stepper).reset()
            self.query_one(Busy).stop()

    def _doubt(self) -> str:
        """Return a sentence when the new key has the sure shape of something else than the one in use, else ""."""
        guess = catalog.recognize(self.query_one("#key", SecretInput).secret)
        if not guess.sure:
            return ""
        if guess.provider != self._key.provider:
            label = catalog.PROVIDERS[guess.provider].label
            return f"This looks like a key of {label}; the one in use is of {self._provider}."
        if guess.kind != self._key.kind:
            kinds = {"api": "an API key", "admin": "an admin key"}
            return f"This looks like {kinds[guess.kind]}; the one in use is {kinds[self._key.kind]}."
        return ""

    @on(SecretInput.Submitted)
    def action_start(self) -> None:
        """Store, check and switch to the pasted key; Enter in its field does the same."""
        if self._phase != "input":
            return
        try:
            keys.clean_secret(self.query_one("#key", SecretInput).secret.reveal())
        except InvalidInput as error:
            self._row.say(_told(error), "error")
            return
        self._rotate(check=True)

    def action_again(self) -> None:
        """Check the stored new key once more, and switch when it works."""
        if self._phase == "waiting":
            self._rotate(check=True)

    def action_unchecked(self) -> None:
        """Switch to the stored new key without knowing whether it works, after a question."""
        if self._phase == "waiting":
            self._ask_unchecked()

    def action_give_up(self) -> None:
        """Delete the stored new key, after a question."""
        if self._phase == "waiting":
            self._ask_give_up()

    def action_page(self) -> None:
        """Open the provider's page where keys are made and deleted."""
        if self._page:
            cast("_OpensPages", self.app).open_page(self._page)

    def action_close(self) -> None:
        """Close when done; Enter does nothing before."""
        if self._phase == "done":
            self.dismiss(True)

    @property
    def unsaved(self) -> bool:
        """Whether a new key is in the field, or stored and not switched to."""
        return self._phase in ("working", "waiting") or bool(self.query_one("#key", SecretInput).secret)

    def action_cancel(self) -> None:
        """Leave; with a new key in hand, after a question. While it is checked: stop, and keep it stored."""
        if self._phase == "working":
            if self._checking:
                self._stop()
        elif self._phase == "done":
            self.dismiss(True)
        elif self.unsaved:
            self._ask_leave()
        else:
            self.dismiss(False)

    # --- the rotation

    @property
    def _row(self) -> Field:
        return next(row for row in self.query(Field) if row.name == "key")

    def _stage(self, stage: rotation.Stage) -> None:
        self.query_one(Stepper).mark(stage.name, stage.state, stage.sentence)
        self._checking = stage.name == "verified" and stage.state == "running"
        if self._checking:
            self.show_keys((Hint("Esc", "Stop; the new key stays stored", "cancel"),))
        elif stage.state == "running":
            self.show_keys(())

    @work(exclusive=True, group="rotate", description="rotate a key")
    async def _rotate(self, *, check: bool) -> None:
        field = self.query_one("#key", SecretInput)
        busy = self.query_one(Busy)
        self._row.say("")
        self.query_one(Stepper).reset()
        self._enter("working")
        busy.start("Rotating")
        timeout_s = self._store.settings.check_seconds
        try:
            if self._rotation_id is None:
                secret = keys.clean_secret(field.secret.reveal())
                outcome = await access.call(
                    self.app,
                    rotation.rotate_pasted,
                    self._store,
                    self._key.id,
                    secret,
                    check=check,
                    timeout_s=timeout_s,
                    stage=self._stage,
                )
            else:
                outcome = await access.call(
                    self.app,
                    rotation.resume,
                    self._store,
                    self._rotation_id,
                    check=check,
                    timeout_s=timeout_s,
                    stage=self._stage,
                )
        except KeytuiError as error:
            busy.stop()
            await self._failed(error)
        else:
            busy.stop()
            self._ended(outcome)

    def _ended(self, outcome: rotation.RotationOutcome) -> None:
        self._rotation_id = outcome.rotation_id
        busy = self.query_one(Busy)
        if outcome.switched:
            self.query_one("#key", SecretInput).clear()
            self.query_one("#in-use", Static).update(self._fact(outcome.key))
            busy.stop(f"Done. {self._provider} still accepts the old key until you delete it there.")
            self._enter("done")
        else:
            self.query_one("#key", SecretInput).clear()
            self._refused = outcome.verdict is not None and outcome.verdict.word == "invalid"
            why = f"{self._provider} refused it" if self._refused else "it is not known to work"
            busy.stop(f"The new key is stored but not in use: {why}. The old key is in use.", "warning")
            self._enter("waiting")

    async def _failed(self, error: KeytuiError, tone: Tone = "error") -> None:
        """Say what went wrong, and go on from what is stored."""
        self._refused = False
        self.query_one(Stepper).reset()
        row = None
        with suppress(KeytuiError):  # The index cannot be read either: the first error is the one to tell.
            row = await access.run(self.app, self._unfinished)
        field = self.query_one("#key", SecretInput)
        if row is None or (row.state == "planned" and field.secret):  # what is not known to be stored stays here
            self._rotation_id = None
            self._enter("input")
            self._row.say(_told(error), "error")
            return
        field.clear()
        self._wait(row, _told(error), tone, "Stored and read back")

    def _wait(self, row: Rotation, sentence: str, tone: Tone, stored: str) -> None:
        """Offer to go on with a rotation that was begun, or to give it up."""
        self._rotation_id = row.id
        if row.state != "planned":
            self.query_one(Stepper).mark("stored", "done", stored)
        self.query_one(Busy).stop(sentence, tone)
        self._enter("waiting")

    def _unfinished(self) -> Rotation | None:
        """Return this key's rotation that was begun and has not switched; what recovery can end is ended before."""
        self._store.recover()
        for row in self._store.rotations():
            if row.key_id == self._key.id and row.kind == "pasted" and row.state in ("planned", "stored", "verified"):
                return row
        return None

    @work(exclusive=True, group="rotate", description="look for an unfinished rotation")
    async def _take_up(self) -> None:
        try:
            row = await access.run(self.app, self._unfinished)
        except KeytuiError as error:
            self._row.say(_told(error), "error")
            return
        if row is not None:
            known = f"A new key was stored earlier and is not in use yet. {row.note}".rstrip()
            unknown = "A rotation was interrupted. Whether its new key is stored is not known."
            self._wait(row, unknown if row.state == "planned" else known, "warning", "Stored earlier")

    @work(exclusive=True, group="rotate", description="stop checking a new key")
    async def _stop(self) -> None:
        """Go back to what is stored; that this worker begins has cancelled the one that checks."""
        stopped = KeytuiError("Stopped. The new key is stored but not in use; the old key is in use.")
        await self._failed(stopped, "warning")

    @work(exclusive=True, group="ask", description="ask before switching unchecked")
    async def _ask_unchecked(self) -> None:
        known = (
            f"{self._provider} refused the new key" if self._refused else "It is not known whether the new key works"
        )
        detail = f"{known}. If it does not work, programs that read this key fail until you undo the rotation."
        if await self.app.push_screen_wait(ConfirmScreen("Use it unchecked?", detail, "y", "Use it")):
            self._rotate(check=False)

    @work(exclusive=True, group="ask", description="ask before leaving a rotation")
    async def _ask_leave(self) -> None:
        if self._phase != "waiting":
            detail = "The new key in the field is not stored yet, and your provider may not show it again."
            question = ConfirmScreen("Discard the new key?", detail, "y", "Discard", cancel_label="Go back")
            if await self.app.push_screen_wait(question):
                self.dismiss(False)
            return
        detail = "The new key is not in use. Keep it, and r goes on from here; or delete it."
        choices = (Choice("k", "Keep it", danger=False), Choice("y", "Delete it"))
        answer = await self.app.push_screen_wait(
            ChoiceScreen("Leave this rotation?", detail, choices, cancel_label="Back")
        )
        if answer == "y" and (self._rotation_id is None or not await self._discarded(self._rotation_id)):
            return
        if answer:
            self.dismiss(False)

    @work(exclusive=True, group="ask", description="ask before giving a rotation up")
    async def _ask_give_up(self) -> None:
        detail = (
            f"It is deleted here at once, not moved to the trash, and {self._provider} may not show it again. "
            "The old key stays in use."
        )
        question = ConfirmScreen("Give the new key up?", detail, "y", "Delete it")
        if not await self.app.push_screen_wait(question) or self._rotation_id is None:
            return
        if await self._discarded(self._rotation_id):
            self._rotation_id = None
            self.query_one(Stepper).reset()
            self.query_one(Busy).stop("The new key is deleted here. The old key is in use; you can paste another.")
            self._enter("input")

    async def _discarded(self, rotation_id: int) -> bool:
        try:
            await access.call(self.app, rotation.discard, self._store, rotation_id)
        except KeytuiError as error:
            self.query_one(Busy).stop(_told(error), "error")
            return False
        return True


def _told(error: KeytuiError) -> str:
    return f"{error.sentence} {error.hint}".rstrip()
