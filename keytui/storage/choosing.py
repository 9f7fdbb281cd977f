"""Which store a secret goes to, and whether it can be used now. Decided once, at the first write, and remembered."""

from __future__ import annotations

from keytui import settings as settings_module
from keytui.errors import KeytuiError, StoreError, StoreLocked, StoreRefused, StoreUndecided
from keytui.model import StoreStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.model import BackendName, Secret
    from keytui.storage.backends import Backend
    from keytui.storage.core import Core

_OFFER = "Set up a vault protected by a passphrase: run `keytui` in a terminal, or set KEYTUI_PASSPHRASE_FILE."


def writable(core: Core) -> Backend:
    """Return the store new secrets go to, unlocked; decides first where nothing was chosen.

    Raises:
        StoreUndecided: Nothing was chosen and the OS keyring cannot be used, or the vault is not set up yet.
        StoreLocked: It is locked and nothing opens it quietly.
        StoreUnavailable: It cannot be reached.
    """
    name = core.settings.backend or decide(core)
    backend = core.backend(name)
    if name == "vault" and has_vault(core):
        vault = core.vault()
        if not vault.exists():
            _refuse_second_vault(core)
            if not core.settings.passphrase_file:
                raise StoreUndecided("The vault is not set up yet.", _OFFER)
            set_up_from_file(core)
        unlock_quietly(core)
    backend.ready()
    return backend


def deletable(core: Core, name: BackendName) -> None:
    """Raise StoreError when a slot of this store cannot be emptied now. A vault need not be unlocked for that."""
    if name != "vault" or not has_vault(core):
        core.backend(name).ready()


def decide(core: Core) -> BackendName:
    """Choose the store and remember it; see Keystore.decide."""
    if core.settings.backend is not None:
        return core.settings.backend
    if has_vault(core) and core.vault().exists():
        return remember(core, "vault")
    try:
        core.backend("os").probe()
    except StoreError as error:
        if core.settings.passphrase_file and has_vault(core):
            set_up_from_file(core)
            return "vault"
        raise StoreUndecided(error.sentence, _OFFER) from None
    return remember(core, "os")


def set_up_vault(core: Core, passphrase: Secret) -> None:
    """Create the vault and choose it; see Keystore.set_up_vault."""
    with core.lock:
        _refuse_second_vault(core)
        core.vault().set_up(passphrase)
        remember(core, "vault")


def unlock_quietly(core: Core) -> None:
    """Open the vault from the kernel's cache, else with KEYTUI_PASSPHRASE_FILE.

    Raises:
        StoreLocked: Neither opens it; says why the file did not.
    """
    vault = core.vault()
    with vault.opening:
        if not vault.locked or vault.unlock_from_cache():
            return
        if not core.settings.passphrase_file:
            raise vault.locked_error()
        from keytui.storage import passphrases

        try:
            path = core.settings.passphrase_file
            vault.unlock(passphrases.from_file(path), once=passphrases.stamp(path))
        except StoreError as error:
            raise StoreLocked("vault", f"The vault is locked. {error.sentence}", error.hint) from None


def unlock_from_cache(core: Core, name: BackendName) -> None:
    """Open the vault if the kernel's cache holds its identity; does nothing for other stores."""
    if name == "vault" and has_vault(core):
        core.vault().unlock_from_cache()


def cache(core: Core, minutes: int) -> bool:
    """Put the open vault's identity into the kernel's keyring; see Keystore.cache."""
    return has_vault(core) and core.vault().cache(minutes)


def lock(core: Core) -> None:
    """Forget the vault's identity; see Keystore.lock."""
    if has_vault(core):
        core.vault().lock()


def status(core: Core) -> StoreStatus:
    """Say which store is in use and whether it can be read; see Keystore.status."""
    name = core.settings.backend
    if name is None:
        if not has_vault(core) or not core.vault().exists():
            return StoreStatus(None, "unset", "No store yet", "The first key decides where keys are kept.")
        name = "vault"
    try:
        unlock_from_cache(core, name)
        return core.backend(name).state()
    except KeytuiError as error:
        return StoreStatus(name, "unavailable", "No store", error.sentence)


def has_vault(core: Core) -> bool:
    """Whether the store called "vault" is a real vault; the demo's and some tests' is not."""
    try:
        core.vault()
    except StoreError:
        return False
    return True


def set_up_from_file(core: Core) -> None:
    """Create the vault with KEYTUI_PASSPHRASE_FILE and choose it."""
    from keytui.storage import passphrases

    set_up_vault(core, passphrases.from_file(core.settings.passphrase_file))


def _refuse_second_vault(core: Core) -> None:
    """Raise StoreUnavailable when keys lie in a vault that is not there: a new one would stand where it comes back."""
    if not core.vault().exists() and core.index.query("SELECT 1 FROM versions WHERE backend = 'vault' LIMIT 1"):
        raise core.vault().locked_error()


def remember(core: Core, name: BackendName) -> BackendName:
    """Write into the settings where new secrets go.

    Raises:
        StoreRefused: The settings cannot be written.
    """
    try:
        core.settings = settings_module.remember_backend(core.settings, name)
    except OSError as error:
        path = core.settings.settings_path
        raise StoreRefused(f"{path} cannot be written: {error.strerror}.", "Check its permissions.") from None
    return name
