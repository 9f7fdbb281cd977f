"""What a command works with: the settings, the store, and the person at the terminal, if there is one."""

from __future__ import annotations

import os
import sys

from keytui.errors import KeytuiError, StoreLocked, StoreUndecided

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO, TypeVar

    from keytui.model import Key, Secret, Verdict
    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore

    Answer = TypeVar("Answer")


class Session:
    """One run of one command.

    Attributes:
        settings: As they were loaded.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._store: Keystore | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        if self._store is not None:
            self._store.close()

    @property
    def store(self) -> Keystore:
        """The keystore, opened at its first use."""
        if self._store is None:
            from keytui.storage.keystore import Keystore

            self._store = Keystore(self.settings)
        return self._store

    def unlocked(self, work: Callable[[], Answer]) -> Answer:
        """Do what reads or writes a secret; ask for the vault's passphrase when it is locked, then do it again.

        Raises:
            StoreLocked: Still locked, or nobody to ask.
        """
        try:
            return work()
        except StoreLocked as locked:
            if locked.backend != "vault":
                raise
            from keytui.cli import asking

            asking.unlock(self.store, locked)
        return work()

    def storing(self, work: Callable[[], Answer]) -> Answer:
        """Do what writes a secret; offer a vault when no store could be chosen, then do it again.

        Raises:
            StoreUndecided: Nobody to ask; the hint names KEYTUI_PASSPHRASE_FILE.
        """
        try:
            return self.unlocked(work)
        except StoreUndecided as undecided:
            from keytui.cli import asking

            asking.set_up_vault(self.store, undecided)
        return self.unlocked(work)

    def note(self, key: Key, verdict: Verdict, secret: Secret) -> None:
        """Remember what a check of this value said; that it cannot be remembered is told and changes nothing else."""
        try:
            self.store.record_check(key.id, verdict, secret, key.base_url)
        except KeytuiError as error:
            say(f"The verdict of {key.name} was not noted: {error.sentence}")

    def tidy(self) -> None:
        """After a write: let go of trash and previous versions whose time has come. A failure waits for next time."""
        try:
            self.store.purge()
        except KeytuiError:
            return


def say(text: str) -> None:
    """Tell the person something; data alone goes to stdout. That nobody can read it ends no command."""
    from keytui.printing import printable

    try:
        sys.stderr.write(printable(text) + "\n")
    except OSError:  # a full disk, a reader that has gone
        give_up(sys.stderr)


def give_up(stream: TextIO) -> None:
    """Discard what a stream still holds: python would try to write it at exit, complain and change the exit code."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except OSError:  # it has no descriptor of its own
        return
