"""Changing the vault's passphrase: identity.age is sealed anew, the files of secrets stay as they are."""

from __future__ import annotations

import os

from keytui.errors import SecretDamaged, StoreRefused, StoreUnavailable
from keytui.model import Secret
from keytui.storage import derive, files, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.storage.core import Core


def change(core: Core, old: Secret, ask: Callable[[], Secret]) -> None:
    """Protect the vault's identity with another passphrase; see Keystore.change_passphrase.

    The lock is held for the exchange of the file alone: derivations take seconds.
    """
    vault = core.vault()
    if not vault.exists():
        raise vault.locked_error()
    path = os.path.join(core.settings.vault_dir, "identity.age")
    before = _read(path)
    identity = derive.unlock(path, old)
    vault.open_with(identity)  # compares it with recipient.txt
    steps.reached("passphrase.opened")
    new = ask()
    recipient = _read(os.path.join(core.settings.vault_dir, "recipient.txt")).decode().strip()
    text = Secret(f"# public key: {recipient}\n{identity.reveal()}\n")
    sealed = derive.seal(text, new)
    derive.check_protection(sealed)
    if derive.unseal(sealed, new) != text:
        raise SecretDamaged("The new passphrase did not open what it closed.", "Nothing was changed. Try again.")
    steps.reached("passphrase.sealed")
    with core.lock:
        if _read(path) != before:
            raise StoreRefused("Another keytui has just changed the passphrase.", "Nothing was changed here.")
        _exchange(path, sealed)


def _exchange(path: str, sealed: bytes) -> None:
    # The ending is the one recovery removes after a kill.
    temporary = f"{path}.{os.getpid()}.new.tmp"
    try:
        files.write(temporary, sealed)
        steps.reached("passphrase.written")
        if _read(temporary) != sealed:
            raise SecretDamaged("The disk gave back something else than was written.", "The old passphrase is kept.")
        steps.reached("passphrase.read_back")
        files.move(temporary, path)
        steps.reached("passphrase.replaced")
    finally:
        files.remove(temporary)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from None
