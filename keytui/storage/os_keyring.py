"""The OS keyring: the Secret Service on Linux, the Keychain on macOS, the Credential Manager on Windows.

Writing and deleting go through the platform's class of `keyring`, made by name: never through keyring's own choice,
which may be a chain of stores, a plug-in, plain text or nothing at all. On Linux reading goes through secretstorage,
keyring's own dependency, on the same items: keyring.get_password loads every backend first (205 ms against 70).

A call may wait for a person's answer to a prompt, or for ever. So each runs in a thread with a deadline, and whatever
it raises becomes one of our errors.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import closing
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from keytui.errors import SecretDamaged, SecretMissing, StoreError, StoreLocked, StoreRefused, StoreUnavailable
from keytui.model import Secret, StoreStatus
from keytui.storage.backends import Slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from jeepney.io.blocking import DBusConnection  # type: ignore[import-untyped] # it has no stubs
    from keyring.backend import KeyringBackend
    from secretstorage import Collection

    from keytui.model import BackendName

T = TypeVar("T")

WINDOWS_LIMIT = 1_280
"""UTF-16 units in one Windows credential: CredentialBlob holds 2,560 bytes (keyring issue 540)."""

INIT_TRIES = 3
"""How often a call is tried when the service hands out a collection that is just going away (1 write in 160)."""

_ACCOUNT = 60
_PREFIX = "keytui:"
_SLOT = re.compile("[0-9a-f]{32}")
_APPLICATION = "Python keyring library"  # keyring.backends.SecretService.Keyring.appid, on every item it writes
_CLASSES = {
    "linux": ("keyring.backends.SecretService", "Keyring"),
    "darwin": ("keyring.backends.macOS", "Keyring"),
    "win32": ("keyring.backends.Windows", "WinVaultKeyring"),
}
_UNLOCK_HINT = "Unlock it (log in, or open your keyring manager) and try again."
_VAULT_HINT = "On a machine without one, use a vault: KEYTUI_BACKEND=vault."


class OsKeyring:
    """The OS keyring as a store; see backends.Backend.

    Args:
        seconds: Deadline of one call.
        platform: sys.platform's word for the system.
    """

    name: BackendName = "os"

    def __init__(self, seconds: float, platform: str = sys.platform) -> None:
        self._seconds = seconds
        self._platform = "linux" if platform.startswith(("linux", "freebsd", "openbsd")) else platform
        self._trouble: StoreError | None = None

    def state(self) -> StoreStatus:
        """See Backend. Without a call it can only tell how the last one ended."""
        if self._trouble is None:
            return StoreStatus("os", "ready", "OS keyring")
        if isinstance(self._trouble, StoreLocked):
            return StoreStatus("os", "locked", "OS keyring, locked", self._trouble.sentence)
        return StoreStatus("os", "unavailable", "OS keyring, unavailable", self._trouble.sentence)

    def ready(self) -> None:
        """See Backend."""
        if self._platform == "linux":
            self._run(_check_unlocked)

    def probe(self) -> None:
        """See Backend."""
        self.ready()
        slot, secret = Slot(f"probe-{os.urandom(8).hex()}", "keytui probe"), Secret(os.urandom(16).hex())
        try:
            self.write(slot, secret)
            if self.read(slot) != secret:
                raise SecretDamaged("The OS keyring gave back something else than was written.")
        finally:
            self.delete(slot)

    def write(self, slot: Slot, secret: Secret) -> None:
        """See Backend."""
        if self._platform == "win32" and len(secret.reveal().encode("utf-16-le")) // 2 > WINDOWS_LIMIT:
            hint = "Keep it in a vault: KEYTUI_BACKEND=vault."
            raise StoreRefused(f"The OS keyring takes at most {WINDOWS_LIMIT} characters; this is longer.", hint)
        self._run(lambda: self._write(slot, secret))

    def read(self, slot: Slot) -> Secret:
        """See Backend."""
        text = self._run(lambda: self._read(slot))
        if text is None:
            hint = "Add the key again, or rotate it."
            raise SecretMissing(f"The OS keyring holds no secret for “{slot.name}”.", hint)
        return Secret(text)

    def present(self, slot: Slot) -> bool:
        """See Backend."""
        self.ready()
        return self._run(lambda: self._read(slot)) is not None

    def delete(self, slot: Slot) -> None:
        """See Backend."""
        self._run(lambda: self._delete(slot))

    def listed(self) -> list[Slot] | None:
        """See Backend. Keychain and Credential Manager have no list that could be read without prompts."""
        if self._platform != "linux":
            return None
        return self._run(_list_secret_service)

    # --- what runs in the thread

    def _write(self, slot: Slot, secret: Secret) -> None:
        if self._platform == "linux":
            _unlock_if_asked(self._seconds)
        for left in reversed(range(INIT_TRIES)):
            try:
                self._keyring().set_password(_service(slot), _account(slot), secret.reveal())
                return
            except Exception as error:
                if not left or "InitError" not in _names(error):
                    raise

    def _read(self, slot: Slot) -> str | None:
        if self._platform == "linux":
            return _read_secret_service(slot, self._seconds)
        return self._keyring().get_password(_service(slot), _account(slot))

    def _delete(self, slot: Slot) -> None:
        if self._platform == "linux":
            _unlock_if_asked(self._seconds)
        try:
            self._keyring().delete_password(_service(slot), _account(slot))
        except Exception as error:
            # "No such password" has no class of its own; what is still there was not deleted.
            if "PasswordDeleteError" not in _names(error) or self._read(slot) is not None:
                raise

    def _keyring(self) -> KeyringBackend:
        from importlib import import_module

        if self._platform not in _CLASSES:
            raise StoreUnavailable("keytui knows no OS keyring of this system.", _VAULT_HINT)
        module, name = _CLASSES[self._platform]
        keyring = getattr(import_module(module), name)()
        # keyring sets any attribute from KEYRING_PROPERTY_* variables; another scheme would hide what we wrote.
        vars(keyring).clear()
        return keyring  # type: ignore[no-any-return] # found by name

    def _run(self, work: Callable[[], T]) -> T:
        """Run one call in a thread, wait for it until the deadline, and turn what it raises into our errors."""
        outcome: Queue[tuple[T, None] | tuple[None, BaseException]] = Queue()

        def run() -> None:
            try:
                outcome.put((work(), None))
            except BaseException as error:  # whatever it is, the waiting side tells it
                outcome.put((None, error))

        # A daemon: a call that never returns must not keep the process from ending.
        Thread(target=run, name="OS keyring", daemon=True).start()
        try:
            answer, error = outcome.get(timeout=self._seconds)
        except Empty:
            hint = "Look for a prompt of your keyring, or log in again."
            answer, error = None, StoreUnavailable(f"The OS keyring did not answer within {self._seconds:g} s.", hint)
        if error is None:
            self._trouble = None
            return answer  # type: ignore[return-value] # without an error it is the work's own
        if not isinstance(error, Exception):
            raise error
        told = _mapped(error)
        if isinstance(told, StoreLocked | StoreUnavailable):
            self._trouble = told
        raise told from None


_LOCKED = frozenset({"KeyringLocked", "LockedException", "PromptDismissedException"})
_ABSENT = frozenset({"NoKeyringError", "SecretServiceNotAvailableException", "OSError", "KeyError", "ImportError"})
_FAILED = frozenset({"InitError", "SecretStorageException", "DBusErrorResponse"})


def _names(error: BaseException) -> frozenset[str]:
    """Return the names of the error's class and its bases: the classes themselves may not be importable here."""
    return frozenset(kind.__name__ for kind in type(error).__mro__)


def _mapped(error: Exception) -> StoreError:
    """Turn any error of keyring, secretstorage, D-Bus or the platform into one of ours, without its text."""
    if isinstance(error, StoreError):
        return error
    names = _names(error)
    if names & _LOCKED:
        return _locked()
    if names & _ABSENT:
        return StoreUnavailable("No OS keyring answers here.", _VAULT_HINT)
    if names & _FAILED:
        return StoreUnavailable(f"The OS keyring failed ({type(error).__name__}).", _VAULT_HINT)
    return StoreRefused(f"The OS keyring refused ({type(error).__name__}).", _VAULT_HINT)


def _locked() -> StoreLocked:
    return StoreLocked("os", "The OS keyring is locked.", _UNLOCK_HINT)


def _service(slot: Slot) -> str:
    return f"{_PREFIX}{slot.id}"


def _account(slot: Slot) -> str:
    return slot.name[:_ACCOUNT]


def _check_unlocked() -> None:
    """Raise unless the default collection is there and unlocked; asking so never prompts."""
    import secretstorage

    with closing(secretstorage.dbus_init()) as bus:
        if _collection(bus).is_locked():
            raise _locked()


def _unlock_if_asked(seconds: float) -> None:
    """Let the person unlock a locked collection in a session with a display; without one, say at once it is locked."""
    import secretstorage

    with closing(secretstorage.dbus_init()) as bus:
        _unlock(_collection(bus), seconds)


def _read_secret_service(slot: Slot, seconds: float) -> str | None:
    import secretstorage

    with closing(secretstorage.dbus_init()) as bus:
        collection = _collection(bus)
        _unlock(collection, seconds)
        # The attributes keyring's class writes, and no others.
        for item in collection.search_items({"service": _service(slot), "username": _account(slot)}):
            return item.get_secret().decode()
    return None


def _list_secret_service() -> list[Slot]:
    """Find keytui's items by their attributes alone; a locked collection shows only digests of them (gnome-keyring)."""
    import secretstorage

    found = []
    with closing(secretstorage.dbus_init()) as bus:
        collection = _collection(bus)
        if collection.is_locked():
            raise _locked()
        for item in collection.search_items({"application": _APPLICATION}):
            attributes = item.get_attributes()
            service = attributes.get("service", "")
            if service.startswith(_PREFIX) and _SLOT.fullmatch(service[len(_PREFIX) :]):
                slot = service[len(_PREFIX) :]
                found.append(Slot(slot, attributes.get("username", ""), created_at=int(item.get_created())))
    return found


def _collection(bus: DBusConnection) -> Collection:
    """Return the default collection. Unlike secretstorage's own function, never create one, which prompts."""
    import secretstorage

    for _ in range(INIT_TRIES):
        try:
            return secretstorage.Collection(bus)
        except secretstorage.ItemNotFoundException:
            continue  # none, or the service is just putting another in its place
    hint = "Log in to a desktop session once, or use a vault: KEYTUI_BACKEND=vault."
    raise StoreUnavailable("The OS keyring has no default collection yet.", hint)


def _unlock(collection: Collection, seconds: float) -> None:
    if not collection.is_locked():
        return
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        collection.unlock(timeout=seconds)
    if collection.is_locked():
        raise _locked()
