"""The one door to stored keys: what the index knows, the secrets, and every write, under the rules of one lock.

Safe to use from several threads. A read of the index opens no store of secrets and prompts nobody; a write that waits
for a keyring does not block it.
"""

from __future__ import annotations

import time

from keytui.errors import SecretDamaged, SecretMissing, StoreError, StoreLocked
from keytui.storage import rows
from keytui.storage.care import Care
from keytui.storage.core import Core
from keytui.storage.rotating import Rotating

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from keytui.model import (
        BackendName,
        Event,
        Key,
        KeyFields,
        Secret,
        StoreStatus,
        Verdict,
        Version,
    )
    from keytui.settings import Settings
    from keytui.storage.backends import Backend
    from keytui.storage.migrating import Migration, Moving
    from keytui.storage.restoring import Kept
    from keytui.storage.rows import Counts


class Keystore(Care, Rotating):
    """The store of keys; opens nothing until it is asked something.

    Args:
        settings: Settings in force.
        backends: Stores of secrets to use and no others, by name: for the demo and for tests. None for the real ones.
        clock: Returns seconds since the epoch.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        backends: Mapping[str, Backend] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._core = Core(settings, backends, clock)

    @property
    def settings(self) -> Settings:
        """Settings in force; replaced when a store is chosen."""
        return self._core.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._core.settings = settings

    def clock(self) -> float:
        """Return the time in seconds since the epoch, by the one clock of everything that is stored."""
        return self._core.clock()

    def close(self) -> None:
        """Close the index and forget the vault's identity."""
        self._core.close()

    # --- the index alone

    def keys(self, *, trash: bool = False, limit: int | None = None) -> list[Key]:
        """Return the keys in order of their names; with `trash` those in the trash instead."""
        return rows.keys(self._core.index, trash=trash, limit=limit)

    def counts(self) -> Counts:
        """Return how many keys each group holds."""
        return rows.counts(self._core.index, self._core.now())

    def key(self, key_id: int) -> Key:
        """Return one key, also from the trash; KeyNotFound when it is gone."""
        return rows.key(self._core.index, key_id)

    def find(self, name: str, *, trash: bool = False) -> Key:
        """Return the key of this name; with `trash` the one deleted last. KeyNotFound names close ones."""
        return rows.find(self._core.index, name, trash=trash)

    def versions(self, key_id: int) -> list[Version]:
        """Return a key's versions, newest first."""
        return rows.versions(self._core.index, key_id)

    def events(self, key_id: int | None = None, limit: int = 50) -> list[Event]:
        """Return what happened to one key, or to all, newest first."""
        return rows.events(self._core.index, key_id, limit)

    def undoable(self) -> Event | None:
        """Return the newest event that undo can take back, or None."""
        return rows.undoable(self._core.index)

    def same_secret(self, secret: Secret) -> Key | None:
        """Return a key that has or had this secret; None when there is none or it has fewer than 20 characters."""
        return rows.same_secret(self._core.index, secret)

    def data_version(self) -> int:
        """Return a number that changes with every write to the index, by whatever process."""
        return self._core.index.data_version()

    def status(self) -> StoreStatus:
        """Say which store is in use and whether it can be read: no probe, no prompt, no wait."""
        from keytui.storage import choosing

        return choosing.status(self._core)

    # --- secrets

    def read(self, key_id: int, version_id: int | None = None) -> Secret:
        """Return a key's secret, or that of another version of it. Opens a locked vault when nothing must be asked.

        Raises:
            KeyNotFound: The key or the version was deleted.
            StoreLocked: The store must be unlocked first.
            StoreUnavailable: The store cannot be reached.
            SecretMissing: The store holds nothing for this version; the list says so from now on.
            SecretDamaged: The store holds something else than was written.
        """
        core = self._core
        place = rows.place(core.index, key_id, version_id)
        try:
            secret = self._taken(place)
        except SecretMissing:
            place, before = rows.place(core.index, key_id, version_id), place
            if place.slot.id == before.slot.id:
                self._mark_missing(place, missing=True)
                raise
            secret = self._taken(place)  # it was moved or replaced meanwhile
        if place.missing:
            self._mark_missing(place, missing=False)
        # The vault's files carry their own proof; another store could give back something else.
        if place.backend != "vault" and place.fingerprint not in (None, rows.fingerprint(core.index, secret)):
            raise SecretDamaged(
                f"The store holds another secret for “{place.slot.name}” than was written.",
                "Add the key again, or rotate it.",
            )
        return secret

    # --- writing

    def add(self, fields: KeyFields, secret: Secret) -> Key:
        """Store a new key: its secret is written and read back before the key is there.

        Raises:
            NameTaken: Another key has this name.
            StoreUndecided: No store was chosen and the OS keyring cannot be used.
            StoreError: The store is locked, cannot be reached or refused; nothing was stored, or the row says
                "interrupted".
        """
        from keytui.storage import writing

        return writing.add(self._core, fields, secret)

    def restore(self, fields: KeyFields, created_at: int, values: Sequence[Kept]) -> Key:
        """Store a new key that was exported before, with its previous values; all of it or nothing.

        Args:
            fields: Its fields.
            created_at: When it was added where it was exported, in seconds since the epoch.
            values: Its values, oldest first; the last one is current.

        Raises:
            NameTaken: Another key has this name.
            StoreUndecided: No store was chosen and the OS keyring cannot be used.
            StoreError: As add().
        """
        from keytui.storage import restoring

        return restoring.restore(self._core, fields, created_at, values)

    def edit(self, key_id: int, fields: KeyFields, *, base: KeyFields | None = None) -> Key:
        """Replace a key's fields, its name included; with `base`, those that differ from it.

        Raises:
            KeyNotFound: It is gone.
            NameTaken: Another key has the name.
            InvalidInput: It would be sent elsewhere while its provider issues or ends a key for it.
        """
        from keytui.storage import writing

        return writing.edit(self._core, key_id, fields, base)

    def delete(self, key_id: int, *, now: bool = False) -> Key:
        """Move a key to the trash for `trash_days`; with `now` delete it and every version at once.

        Returns the key as it is now; after `now`, as it was.

        Raises:
            KeyNotFound: It is gone already.
            StoreError: With `now`: a secret could not be deleted, and the key is still there.
        """
        from keytui.storage import writing

        return writing.delete(self._core, key_id, now=now)

    def undo(self, event_id: int, *, as_name: str | None = None) -> Event:
        """Take an event back and return the event of that: deleted, rotated or edited.

        Args:
            event_id: Id of an undoable event; of one key's, the newest first.
            as_name: Name to give the key, where its old name was taken meanwhile.

        Raises:
            NameTaken: Another key has the name.
            NothingToUndo: It can no longer be taken back.
            UndoRefused: A later change stands on it, the previous version was purged, or an edit of the address would
                be taken back while the provider issues or ends a key for it.
        """
        from keytui.storage import undoing

        return undoing.undo(self._core, event_id, as_name)

    def record_check(self, key_id: int, verdict: Verdict, secret: Secret | None = None, base_url: str = "") -> None:
        """Note the verdict of a check. KeyNotFound when the key is gone.

        Args:
            key_id: The key.
            verdict: What the check said.
            secret: The value that was checked; nothing is noted when the key has another one by now.
            base_url: The address that was asked; nothing is noted when the key has another one by now.
        """
        from keytui.storage import writing

        writing.record_check(self._core, key_id, verdict, secret, base_url)

    def choose_model(self, key_id: int, model: str) -> None:
        """Remember which model test prompts ask; "" for the provider's preferred one. KeyNotFound when the key is gone.

        No event tells of it, and undoing an edit made before leaves it as it is now.
        """
        from keytui.storage import writing

        writing.choose_model(self._core, key_id, model)

    def purge(self) -> int:
        """Delete trash and previous versions whose time has come, where the store can be used without asking.

        Returns how many keys and versions are gone.
        """
        from keytui.storage import writing

        return writing.purge(self._core)

    def recover(self) -> list[str]:
        """Finish or undo what a killed process left unfinished; returns a sentence for each. Never prompts."""
        from keytui.storage import recovery

        return recovery.recover(self._core)

    # --- the store itself

    def decide(self) -> str:
        """Choose the store if none was, remember it, and return its name.

        The OS keyring when a probe of it succeeds; else, with KEYTUI_PASSPHRASE_FILE, a new vault.

        Raises:
            StoreUndecided: Neither; the sentence says what is wrong with the OS keyring.
        """
        from keytui.storage import choosing

        with self._core.lock:
            return choosing.decide(self._core)

    def set_up_vault(self, passphrase: Secret) -> None:
        """Create the vault, choose it, and leave it unlocked. Takes seconds: its key is derived in a child process.

        Raises:
            StoreRefused: There is one already, the folder cannot be written, or the machine is too busy for a
                protection that unlock() accepts.
        """
        from keytui.storage import choosing

        choosing.set_up_vault(self._core, passphrase)

    def to_move(self, target: BackendName) -> list[Moving]:
        """Return the keys, those in the trash last, that migrate() would move. Reads the index alone."""
        from keytui.storage import migrating

        return migrating.to_move(self._core, target)

    def migrate(self, target: BackendName, tell: Callable[[str], None]) -> Migration:
        """Move every version of every key to a store and choose it. Killed at any point, running it again goes on.

        Args:
            target: The store to move to.
            tell: Called with the name of each key that has been moved.

        Raises:
            StoreUndecided: The target is a vault that is not set up yet.
            StoreError: One of the stores cannot be used; nothing was moved.
        """
        from keytui.storage import migrating

        return migrating.migrate(self._core, target, tell)

    def unlock(self, passphrase: Secret) -> None:
        """Open the vault, then end what was interrupted while it was locked, where that is possible. Takes seconds.

        Raises:
            WrongPassphrase: It does not open the vault.
            StoreError: There is no vault, or its files are damaged.
        """
        from contextlib import suppress

        self._core.vault().unlock(passphrase)
        with suppress(StoreError):  # a full or read-only disk: the rows wait, and what is stored can be read
            self.recover()

    def change_passphrase(self, old: Secret, ask: Callable[[], Secret]) -> None:
        """Protect the vault with another passphrase and leave it open. Takes seconds; the secrets' files stay.

        Args:
            old: The passphrase so far.
            ask: Returns the new one; called once the old one has opened the vault.

        Raises:
            WrongPassphrase: The old one does not open the vault; nothing was changed.
            StoreError: There is no vault, it is damaged or cannot be written; the old passphrase still opens it.
        """
        from keytui.storage import passphrase_change

        passphrase_change.change(self._core, old, ask)

    def unlock_quietly(self) -> bool:
        """Open the vault from the kernel's cache, else with KEYTUI_PASSPHRASE_FILE; says whether it is open."""
        from keytui.storage import choosing

        try:
            choosing.unlock_quietly(self._core)
        except StoreError:
            return False
        return True

    def cache(self, minutes: int) -> bool:
        """Keep the open vault's identity in the Linux kernel's keyring for other commands; False where impossible."""
        from keytui.storage import choosing

        return choosing.cache(self._core, minutes)

    def lock(self) -> None:
        """Forget the vault's identity, here and in the kernel's keyring; nothing to do for other stores."""
        from keytui.storage import choosing

        choosing.lock(self._core)

    def _taken(self, place: rows.Place) -> Secret:
        backend = self._core.backend(place.backend)
        try:
            return backend.read(place.slot)
        except StoreLocked as error:
            if error.backend != "vault":
                raise
        from keytui.storage import choosing

        choosing.unlock_quietly(self._core)
        return backend.read(place.slot)

    def _mark_missing(self, place: rows.Place, *, missing: bool) -> None:
        try:
            with self._core.index.write() as transaction:
                values = (int(missing), place.version_id, place.slot.id)
                transaction.execute("UPDATE versions SET missing = ? WHERE id = ? AND slot = ?", values)
        except StoreError:
            pass  # the mark is for the list; the reader learns the truth either way
