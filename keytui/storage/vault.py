"""The vault: secrets as age files, for machines without an OS keyring. Anyone opens them with the standard age tool.

    vault/identity.age         an X25519 identity, protected by a passphrase (age's scrypt)
    vault/recipient.txt        its public half
    vault/secrets/<slot>.age   one secret, encrypted to it

age has no sender authentication, so a file says itself which slot and name it belongs to, and that is checked.
"""

from __future__ import annotations

import _thread
import os

from keytui.errors import SecretDamaged, SecretMissing, StoreLocked, StoreRefused, StoreUnavailable, WrongPassphrase
from keytui.model import Secret, StoreStatus
from keytui.storage import steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrage import x25519

    from keytui.model import BackendName
    from keytui.settings import Settings
    from keytui.storage.backends import Slot

FORMAT = 1
"""Version of the file inside the encryption."""

_LOCKED_HINT = "Run `keytui unlock`, or set KEYTUI_PASSPHRASE_FILE."


class Vault:
    """The age vault of one keytui home. See backends.Backend for what it does as a store.

    Args:
        settings: Where it lies, and whether the kernel's keyring may be used.

    Attributes:
        opening: Held by whoever opens it with what it need not ask for: that takes seconds, and once is enough.
    """

    name: BackendName = "vault"

    def __init__(self, settings: Settings) -> None:
        self._dir = settings.vault_dir
        self._use_cache = settings.use_cache
        self._identity: x25519.Identity | None = None
        self._tried: object = None
        self.opening = _thread.allocate_lock()  # Reading a key loads no `threading`.

    @property
    def locked(self) -> bool:
        """Whether this process does not hold the identity."""
        return self._identity is None

    def exists(self) -> bool:
        """Whether it was set up; a folder that may not be looked into counts as a vault."""
        return _there(self._path("identity.age")) is not False

    def locked_error(self) -> StoreLocked | StoreUnavailable:
        """Return the error that says what stands between here and a secret."""
        if not self.exists():
            hint = "Restore it from a backup: only its identity.age opens its secrets. To start over, delete its keys."
            return StoreUnavailable(f"There is no vault in {self._dir}.", hint)
        return StoreLocked("vault", "The vault is locked.", _LOCKED_HINT)

    # --- opening and closing

    def set_up(self, passphrase: Secret) -> None:
        """Create identity and recipient, and hold the identity. Takes seconds.

        Raises:
            StoreRefused: There is a vault already, or the folder cannot be written.
        """
        from keytui.storage import derive, files

        if self.exists():
            raise StoreRefused(f"There is a vault in {self._dir} already.", "Unlock it instead.")
        if os.path.isdir(self._path("secrets")) and os.listdir(self._path("secrets")):
            hint = "Restore identity.age from a backup, or move the folder away to start over."
            raise StoreRefused(f"{self._dir} holds secrets, but its identity.age is missing.", hint)
        identity_text, protected = derive.protect(passphrase)
        self._make_folders()
        identity = _identity(identity_text)
        files.write(self._path("recipient.txt"), f"{identity.to_public()}\n".encode())
        steps.reached("vault.recipient_written")
        # Last, since a vault exists from here on; never over another one.
        files.write(self._path("identity.age"), protected, exclusive=True)
        steps.reached("vault.identity_written")
        self._identity = identity

    def unlock(self, passphrase: Secret, *, once: object = None) -> None:
        """Open the identity and hold it in this process. Takes seconds.

        Args:
            passphrase: The passphrase.
            once: Where it comes from; what failed once from there is not tried again until it changes.

        Raises:
            WrongPassphrase: It does not open the identity.
            SecretDamaged: identity.age or recipient.txt is not what was written.
            StoreRefused: The protection is too weak or too costly to open.
            StoreUnavailable: There is no vault.
        """
        from keytui.storage import derive

        if not self.exists():
            raise self.locked_error()
        if once is not None and once == self._tried:
            raise WrongPassphrase("The passphrase does not open the vault.", "Check it and try again.")
        try:
            self.open_with(derive.unlock(self._path("identity.age"), passphrase))
        except WrongPassphrase:
            self._tried = once
            raise

    def open_with(self, identity_text: Secret) -> None:
        """Hold this identity, after comparing it with recipient.txt.

        Raises:
            SecretDamaged: It is not this vault's.
        """
        identity = _identity(identity_text)
        if self._recipient() != str(identity.to_public()):
            hint = "Restore both files from a backup; do not add keys before."
            raise SecretDamaged("recipient.txt does not belong to identity.age in the vault.", hint)
        self._identity = identity

    def unlock_from_cache(self) -> bool:
        """Take the identity from the kernel's keyring; says whether the vault is open."""
        if self._identity is None and self._use_cache and self.exists():
            from keytui.storage import cache

            text = cache.get(self._cache_name())
            if text is not None:
                self.open_with(text)
        return self._identity is not None

    def cache(self, minutes: int) -> bool:
        """Put the identity into the kernel's keyring; False when locked or impossible."""
        if self._identity is None or not self._use_cache:
            return False
        from keytui.storage import cache

        return cache.put(self._cache_name(), Secret(str(self._identity)), minutes * 60)

    def lock(self) -> None:
        """Forget the identity here and in the kernel's keyring."""
        self.forget()
        if self.exists():
            from keytui.storage import cache

            cache.drop(self._cache_name())

    def forget(self) -> None:
        """Forget the identity in this process alone."""
        self._identity = None

    # --- as a store, see backends.Backend

    def state(self) -> StoreStatus:
        """See Backend."""
        if self._identity is not None:
            return StoreStatus("vault", "ready", "Vault")
        if not self.exists():
            return StoreStatus("vault", "unset", "No vault yet", "The vault is not set up yet.")
        return StoreStatus("vault", "locked", "Vault, locked", "The vault is locked.")

    def ready(self) -> None:
        """See Backend."""
        if self._identity is None:
            raise self.locked_error()

    def probe(self) -> None:
        """See Backend."""
        self.ready()

    def write(self, slot: Slot, secret: Secret) -> None:
        """See Backend."""
        import json

        import pyrage

        from keytui.storage import files

        self.ready()
        assert self._identity is not None  # noqa: S101 - ready() has just said so
        plain = {
            "v": FORMAT,
            "slot": slot.id,
            "name": slot.name,
            "provider": slot.provider,
            "base_url": slot.base_url,
            "created_at": slot.created_at,
            "secret": secret.reveal(),
        }
        text = json.dumps(plain, ensure_ascii=False).encode()
        self._make_folders()
        files.write(self._slot(slot), pyrage.encrypt(text, [self._identity.to_public()]), exclusive=True)

    def read(self, slot: Slot) -> Secret:
        """See Backend."""
        version, kept_slot, name, secret = _fields(self._opened(slot))
        if (version, kept_slot, name) != (FORMAT, slot.id, slot.name) or not isinstance(secret, str):
            raise _damaged(slot)
        return Secret(secret)

    def present(self, slot: Slot) -> bool:
        """See Backend."""
        if not self.exists():
            raise self.locked_error()
        found = _there(self._slot(slot))
        if found is None:
            raise StoreUnavailable(f"{self._slot(slot)} cannot be read.", "Check the permissions of its folder.")
        return found

    def delete(self, slot: Slot) -> None:
        """See Backend."""
        from keytui.storage import files

        files.remove(self._slot(slot))

    def listed(self) -> list[Slot] | None:
        """See Backend. A file's name tells its slot, and no more."""
        from keytui.storage.backends import Slot

        folder = self._path("secrets")
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreUnavailable(f"{folder} cannot be read: {error.strerror}.", "Check its permissions.") from None
        return [Slot(name.removesuffix(".age"), "") for name in sorted(names) if name.endswith(".age")]

    def inside(self, slot_id: str) -> tuple[Slot, Secret]:
        """Open a slot's file without knowing its name, and return what it says of itself, with the secret.

        Raises:
            StoreLocked: The vault is locked.
            StoreUnavailable: The file cannot be read.
            SecretMissing: It is not there.
            SecretDamaged: It is not what was written, or belongs to another slot.
        """
        import json

        from keytui.storage.backends import Slot

        slot = Slot(slot_id, slot_id)
        try:
            plain = json.loads(self._opened(slot))
            found = Slot(plain["slot"], plain["name"], plain["provider"], plain["base_url"], plain["created_at"])
            secret, version = plain["secret"], plain["v"]
        except (ValueError, KeyError, TypeError):
            raise _damaged(slot) from None
        texts = (*found[:4], secret)
        if not all(isinstance(text, str) for text in texts) or not isinstance(found.created_at, int):
            raise _damaged(slot)
        if (version, found.id) != (FORMAT, slot_id):
            raise _damaged(slot)
        return found, Secret(secret)

    def _path(self, name: str) -> str:
        return os.path.join(self._dir, name)

    def _slot(self, slot: Slot) -> str:
        return os.path.join(self._dir, "secrets", f"{slot.id}.age")

    def _opened(self, slot: Slot) -> bytes:
        import pyrage

        if self._identity is None:
            raise self.locked_error()
        try:
            with open(self._slot(slot), "rb") as file:
                sealed = file.read()
        except FileNotFoundError:
            hint = "Restore vault/secrets from a backup, or add the key again."
            raise SecretMissing(f"The vault holds no secret for “{slot.name}”.", hint) from None
        except OSError as error:
            raise StoreUnavailable(f"{self._slot(slot)} cannot be read: {error.strerror}.") from None
        try:
            return pyrage.decrypt(sealed, [self._identity])
        except pyrage.DecryptError:
            raise _damaged(slot) from None

    def _make_folders(self) -> None:
        try:
            os.makedirs(os.path.dirname(self._dir), mode=0o700, exist_ok=True)
            for folder in (self._dir, self._path("secrets")):
                os.makedirs(folder, mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreRefused(f"{self._dir} cannot be created: {error.strerror}.", "Check its permissions.") from None

    def _recipient(self) -> str:
        try:
            with open(self._path("recipient.txt"), encoding="ascii") as file:
                return file.read().strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def _cache_name(self) -> str:
        return f"keytui:{self._recipient()}"


def _there(path: str) -> bool | None:
    """Whether a file exists; None when that cannot be known."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    return True


def _identity(text: Secret) -> x25519.Identity:
    from pyrage import IdentityError, x25519

    try:
        return x25519.Identity.from_str(text.reveal())
    except IdentityError:
        raise SecretDamaged("The vault's identity is not an age identity.", "Restore it from a backup.") from None


def _fields(plain: bytes) -> tuple[object, object, object, object]:
    """Take a slot's file apart with SQLite's JSON: the json module costs 8 ms, more than all else in a read."""
    import sqlite3

    try:
        connection = sqlite3.connect(":memory:")
        names = ("v", "slot", "name", "secret")
        extracts = ", ".join(f"json_extract(?1, '$.{name}')" for name in names)
        row = connection.execute(f"SELECT {extracts}", (plain.decode(),)).fetchone()
    except (sqlite3.Error, UnicodeDecodeError):
        return None, None, None, None
    connection.close()
    return row[0], row[1], row[2], row[3]


def _damaged(slot: Slot) -> SecretDamaged:
    return SecretDamaged(
        f"The vault's file for “{slot.name}” is not what was written.",
        "Restore it from a backup, or add the key again.",
    )
