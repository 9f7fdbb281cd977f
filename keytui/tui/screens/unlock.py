"""Opening the vault with its passphrase, and setting one up where no OS keyring works.

The passphrase is derived in a child process by the store, called from a thread: the interface keeps moving.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widgets import Static

from keytui.errors import KeytuiError, StoreUndecided, WrongPassphrase
from keytui.storage import passphrases
from keytui.tui import access
from keytui.tui.screens.dialog import Dialog
from keytui.tui.widgets.field import Busy, Field, Hint
from keytui.tui.widgets.secret_input import SecretInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.types import CSSPathType

    from keytui.model import Secret
    from keytui.storage.keystore import Keystore


def _passphrase_input(id_: str) -> SecretInput:
    return SecretInput(show_length=False, paste_replaces=False, id=id_)


class UnlockScreen(Dialog[bool]):
    """Asks for the vault's passphrase; dismisses with whether the vault is open."""

    CSS_PATH: ClassVar[CSSPathType | None] = ["dialog.tcss", "unlock.tcss"]
    AUTO_FOCUS = "#passphrase"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "unlock", show=False)]
    HINTS: ClassVar[Sequence[Hint]] = (Hint("Enter", "Unlock", "unlock"), Hint("Esc", "Cancel", "cancel"))

    def __init__(self, store: Keystore) -> None:
        super().__init__("Unlock the vault")
        self._store = store
        self._deriving = False
        self._left = self._opened = False
        self._deciding = threading.Lock()

    def compose_body(self) -> ComposeResult:
        """Lay out the passphrase and what comes of it."""
        yield Field("Passphrase", _passphrase_input("passphrase"))
        yield Busy(id="busy")

    @on(SecretInput.Changed)
    def _typing(self, event: SecretInput.Changed) -> None:
        if event.length and not self._deriving:  # A field that was cleared keeps the sentence that says why.
            self.query_one(Busy).stop()

    @on(SecretInput.Submitted)
    def action_unlock(self) -> None:
        """Try the passphrase."""
        if self._deriving:
            return
        if not self.query_one(SecretInput).secret:
            self.query_one(Busy).stop("Type the passphrase of the vault.", "error")
            return
        self._deriving = True
        self.query_one(Busy).start("Unlocking the vault")
        self._unlock()

    @work(exclusive=True, group="unlock", description="unlock the vault")
    async def _unlock(self) -> None:
        field = self.query_one(SecretInput)
        try:
            await access.run(self.app, self._open, field.secret)
        except KeytuiError as error:
            self._deriving = False
            if isinstance(error, WrongPassphrase):
                field.clear()
            self.query_one(Busy).stop(_told(error), "error")
            field.focus()
        else:
            field.clear()
            self.dismiss(True)

    def _open(self, passphrase: Secret) -> None:
        """Open the vault, and lock it again when the person left meanwhile; runs in a thread."""
        self._store.unlock(passphrase)
        with self._deciding:
            self._opened = not self._left
        if self._left:
            self._store.lock()

    def action_cancel(self) -> None:
        """Leave the vault closed: a derivation under way cannot be stopped, but opens nothing any more."""
        with self._deciding:
            self._left = not self._opened
        if self._left:
            self.dismiss(False)


class SetUpScreen(Dialog[bool]):
    """Says why the OS keyring is not used and sets up a vault; dismisses with whether there is a store now.

    Args:
        reason: One sentence: why the OS keyring cannot be used.
    """

    CSS_PATH: ClassVar[CSSPathType | None] = ["dialog.tcss", "unlock.tcss"]
    AUTO_FOCUS = "#passphrase"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "create", show=False),
        Binding("ctrl+t", "retry", show=False),
    ]

    def __init__(self, store: Keystore, reason: str) -> None:
        super().__init__("Where your keys will be kept")
        self._store = store
        self._reason = reason
        self._busy = False
        self._chosen = store.settings.backend == "vault"
        create, retry = (
            Hint("Ctrl+S", "Create the vault", "create"),
            Hint("Ctrl+T", "Try the OS keyring again", "retry"),
        )
        cancel = Hint("Esc", "Cancel", "cancel")
        # Where the person chose the vault there is nothing to try again.
        self._hints = (create, cancel) if self._chosen else (create, retry, cancel)

    @property
    def unsaved(self) -> bool:
        """A typed passphrase is not worth a question; the key waiting behind this dialog asks for itself."""
        return False

    def on_mount(self) -> None:
        """Show what can be done."""
        self.show_keys(self._hints)

    def compose_body(self) -> ComposeResult:
        """Lay out the reason, what a vault is, and the passphrase twice."""
        kept = "Your keys will be kept in a vault" if self._chosen else "A vault keeps your keys instead"
        if not self._chosen:
            yield Static(self._reason, id="reason", classes="paragraph", markup=False)
        yield Static(
            f"{kept}: a folder of files encrypted with a passphrase of yours.", classes="paragraph", markup=False
        )
        yield Static(
            "A forgotten passphrase cannot be recovered by anyone. The keys would be lost here, "
            "and you would create new ones at your providers.",
            id="forgotten",
            classes="paragraph",
            markup=False,
        )
        yield Field("Passphrase", _passphrase_input("passphrase"), name="passphrase")
        yield Field("Once more", _passphrase_input("again"), name="again")
        yield Static(
            f"At least {passphrases.MINIMUM} characters. Four random words are easy to keep and hard to guess.",
            classes="advice",
            markup=False,
        )
        yield Busy(id="busy")

    @on(SecretInput.Changed)
    def _typing(self) -> None:
        for field in self.query(Field):
            field.say("")

    @on(SecretInput.Submitted, "#passphrase")
    def _next(self) -> None:
        self.query_one("#again").focus()

    @on(SecretInput.Submitted, "#again")
    def action_create(self) -> None:
        """Create the vault when both passphrases are the same and long enough."""
        if self._busy or not self._acceptable():
            return
        self._begin("Creating the vault; this takes a few seconds")
        self._create()

    def action_retry(self) -> None:
        """Probe the OS keyring again."""
        if not self._busy and not self._chosen:
            self._begin("Asking the OS keyring")
            self._retry()

    def action_cancel(self) -> None:
        """Leave without a store; not while one is being made, since it would come about all the same."""
        if not self._busy:
            self.dismiss(False)

    def _acceptable(self) -> bool:
        first, again = (self.query_one(f"#{name}", SecretInput) for name in ("passphrase", "again"))
        if problem := passphrases.problem(first.secret):
            return self._wrong(first, problem)
        if first.secret != again.secret:
            return self._wrong(again, "The two are not the same. Type it once more.")
        return True

    def _wrong(self, field: SecretInput, sentence: str) -> bool:
        for row in self.query(Field):
            row.say(sentence if row.control is field else "", "error")
        field.focus()
        return False

    def _begin(self, word: str) -> None:
        self._busy = True
        self.query_one(Busy).start(word)

    def _end(self, error: KeytuiError) -> None:
        self._busy = False
        self.query_one(Busy).stop(_told(error), "error")

    @work(exclusive=True, group="store", description="create the vault")
    async def _create(self) -> None:
        passphrase = self.query_one("#passphrase", SecretInput)
        try:
            await access.run(self.app, self._store.set_up_vault, passphrase.secret)
        except KeytuiError as error:
            self._end(error)
        else:
            self.dismiss(True)

    @work(exclusive=True, group="store", description="probe the OS keyring")
    async def _retry(self) -> None:
        try:
            await access.run(self.app, self._store.decide)
        except StoreUndecided as error:
            self.query_one("#reason", Static).update(error.sentence)
            self._busy = False
            self.query_one(Busy).stop("The OS keyring still does not work.", "warning")
        except KeytuiError as error:
            self._end(error)
        else:
            self.dismiss(True)


def _told(error: KeytuiError) -> str:
    return f"{error.sentence} {error.hint}".rstrip()
