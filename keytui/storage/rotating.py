"""The part of the keystore that keeps the journal of rotations."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from keytui.model import Key, RemoteKey, Rotation, RotationState, Secret, Seen, Version
    from keytui.storage.core import Core
    from keytui.storage.rotation_lock import RotationLock


class Rotating:
    """Base of Keystore."""

    _core: Core

    def rotations(self, *, unfinished: bool = True) -> list[Rotation]:
        """Return the rotations that have not ended, or all, newest first."""
        from keytui.storage import rows

        return rows.rotations(self._core.index, unfinished=unfinished)

    def rotation(self, rotation_id: int) -> Rotation:
        """Return one rotation; KeyNotFound when it is gone."""
        from keytui.storage import rows

        return rows.rotation(self._core.index, rotation_id)

    def replaced_version(self, event_id: int) -> Version | None:
        """Return the version that undoing this rotation makes current again; None when it was purged."""
        from keytui.storage import rows

        return rows.replaced_version(self._core.index, event_id)

    def versions_there(self, key_id: int) -> list[Version]:
        """Return the values of every key of one key's provider and base URL whose ids there are known."""
        from keytui.storage import rows

        return rows.versions_there(self._core.index, key_id)

    def rotation_lock(self, rotation_id: int) -> RotationLock:
        """Return the lock to hold while driving a rotation: one process drives it at a time."""
        from keytui.storage.rotation_lock import RotationLock

        return RotationLock(f"{self._core.settings.lock_path}.{rotation_id}")

    # --- pasted

    def begin_rotation(self, key_id: int, secret: Secret) -> Rotation:
        """Store the successor of a key's secret beside it; nothing uses it before switch().

        Raises:
            KeytuiError: The key is being rotated already, or is in the trash.
            StoreError: As add(); the key is untouched.
        """
        from keytui.storage import rotations

        return rotations.begin(self._core, key_id, secret)

    def advance_rotation(self, rotation_id: int, state: RotationState) -> Rotation:
        """Note how far a rotation got. KeytuiError when it has ended."""
        from keytui.storage import rotations

        return rotations.advance(self._core, rotation_id, state)

    def switch(self, rotation_id: int) -> Key:
        """Make the new version current; the old one is kept for `keep_previous_days`. Undoable.

        The last verdict and the expiry, which were the old secret's, are cleared. Of an issued rotation the old
        version is retiring from now on, if its remote key is known.

        Raises:
            KeytuiError: The new version is not stored, or the rotation has ended.
        """
        from keytui.storage import rotations

        return rotations.switch(self._core, rotation_id)

    def abandon_rotation(self, rotation_id: int, *, settled: bool = False) -> None:
        """Give a rotation up: the new version is deleted, the key is untouched.

        Args:
            settled: Nothing of an issued rotation is left at the provider; without it, such a one is refused.
        """
        from keytui.storage import rotations

        rotations.abandon(self._core, rotation_id, settled=settled)

    def clear_rotation(self, rotation_id: int) -> Rotation:
        """Note that an issued rotation is given up before its switch: what was issued for it is to be revoked.

        Raises:
            KeytuiError: It has switched, or has ended.
        """
        from keytui.storage import rotations

        return rotations.clear(self._core, rotation_id)

    def leave_rotation(self, rotation_id: int, sentence: str) -> None:
        """Give an issued rotation or a revocation up although its provider still has a key of it.

        Before the switch the new version is deleted; after it, the new one stays in use. Nothing is asked to end.

        Args:
            sentence: What lives on and where, for the key's history.
        """
        from keytui.storage import rotations

        rotations.leave(self._core, rotation_id, sentence)

    # --- issued by the provider

    def plan_rotation(
        self,
        key_id: int,
        *,
        admin_key_id: int,
        project: str,
        account: str,
        account_name: str,
        grace_s: int,
        seen: Seen | None = None,
    ) -> Rotation:
        """Note a rotation, with the random name its new remote key will have, before the provider is asked.

        Args:
            admin_key_id: The admin key that does it.
            project: Where the new key is made.
            account: The service account it is made for; "" makes a new one called `account_name`.
            grace_s: Seconds the old key goes on working after the switch.
            seen: What was looked up at the provider; None for whichever version is in use.

        Raises:
            KeytuiError: The key is being rotated already, is in the trash, or has another value than `seen` by now.
            StoreError: The store could not take a new secret now.
        """
        from keytui.storage import issued

        return issued.plan(
            self._core,
            key_id,
            admin_key_id=admin_key_id,
            project=project,
            account=account,
            account_name=account_name,
            grace_s=grace_s,
            seen=seen,
        )

    def keep_issued(self, rotation_id: int, secret: Secret, remote: RemoteKey) -> Rotation:
        """Note the new remote key and store its secret; it is read back before this returns.

        Raises:
            StoreError: It is not stored. The row knows the remote key, which is to be revoked.
        """
        from keytui.storage import issued

        return issued.keep(self._core, rotation_id, secret, remote)

    def plan_again(self, rotation_id: int, *, unsure: bool) -> Rotation:
        """Let go of the key that was issued, and give the next try a new name.

        Args:
            unsure: Whether a key of the old name exists is not known; the name is kept, to look again at the end.
        """
        from keytui.storage import issued

        return issued.plan_again(self._core, rotation_id, unsure=unsure)

    def plan_revocation(
        self, key_id: int, *, admin_key_id: int, seen: Seen | None = None, instead_of: int | None = None
    ) -> Rotation:
        """Note that a key will be ended at its provider and then deleted here. As plan_rotation().

        Args:
            instead_of: An issued rotation of the key that has not ended, and that nobody drives. In the same moment it
                ends, and what it was issued or retires is to be ended by this row as well.
        """
        from keytui.storage import issued

        return issued.plan_revocation(self._core, key_id, admin_key_id=admin_key_id, seen=seen, instead_of=instead_of)

    def refuse_if_changed(self, seen: Version) -> None:
        """Raise KeytuiError when a key has another value by now than this version, or that is known as another key."""
        from keytui.storage import issued

        issued.refuse_if_changed(self._core.index.query, seen)

    def demand_expiry(self, rotation_id: int, seconds: int) -> Rotation:
        """Note that the new key is to live for so many seconds, because the provider demands an end."""
        from keytui.storage import issued

        return issued.demand_expiry(self._core, rotation_id, seconds)

    def note_rotation(self, rotation_id: int, sentence: str) -> None:
        """Note why a rotation did not go on; the next state that is reached clears it."""
        from keytui.storage import issued

        issued.note(self._core, rotation_id, sentence)

    def hasten_rotation(self, rotation_id: int, *, seen: Version | None = None) -> Rotation:
        """End the grace period of a rotation now, or let it have none once it has switched.

        Args:
            seen: Only while this version is in use; KeytuiError else.
        """
        from keytui.storage import issued

        return issued.hasten(self._core, rotation_id, seen)

    def know_remote(self, version_id: int, remote: RemoteKey) -> None:
        """Note what the provider knows a version as, and when it ends it."""
        from keytui.storage import issued

        issued.know_remote(self._core, version_id, remote)

    def know_ends(self, provider: str, base_url: str, ends: Mapping[str, int]) -> None:
        """Note when a provider ends keys, for the values in use that are known by their ids there.

        Args:
            provider: Id of the provider, as its keys have it.
            base_url: The same.
            ends: Seconds since the epoch by the provider's id of a key.
        """
        from keytui.storage import issued

        issued.know_ends(self._core, provider, base_url, ends)

    def holder(self, version_id: int, remote_id: str) -> str | None:
        """Return the name of a key of which another value than this version's is known as this id; None for none."""
        from keytui.storage import rows

        return rows.holder(self._core.index, version_id, remote_id)

    def end_retirement(self, rotation_id: int, sentence: str) -> None:
        """End a rotation whose retiring key was proven dead: its value is deleted at once; a revoked key wholly.

        Args:
            sentence: What was proven, for the key's history.
        """
        from keytui.storage import issued

        issued.retired(self._core, rotation_id, sentence)

    def end_rotation(self, rotation_id: int) -> None:
        """End a rotation that leaves its old key alone."""
        from keytui.storage import issued

        issued.end(self._core, rotation_id)
