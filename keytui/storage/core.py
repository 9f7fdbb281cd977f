"""What every storage module works on: settings, index, lock, clock and the stores of secrets."""

from __future__ import annotations

from _thread import allocate_lock

from keytui.errors import StoreUnavailable
from keytui.storage.index import Index
from keytui.storage.locking import StoreLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keytui.model import BackendName
    from keytui.settings import Settings
    from keytui.storage.backends import Backend
    from keytui.storage.vault import Vault


class Core:
    """The parts behind one Keystore.

    Args:
        settings: Settings in force.
        backends: The stores to use and no others; None for the real ones, made when first needed.
        clock: Returns seconds since the epoch.
    """

    def __init__(self, settings: Settings, backends: Mapping[str, Backend] | None, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.lock = StoreLock(settings.lock_path, settings.lock_seconds)
        self.index = Index(settings.index_path, self.lock, settings.vault_dir)
        self.clock = clock
        self._given = backends is not None
        self._backends: dict[str, Backend] = dict(backends or {})
        self._guard = allocate_lock()

    def now(self) -> int:
        """Return the current time in whole seconds since the epoch."""
        return int(self.clock())

    def backend(self, name: BackendName) -> Backend:
        """Return the store of this name.

        Raises:
            StoreUnavailable: Only other stores were given.
        """
        with self._guard:
            if name not in self._backends:
                if self._given:
                    raise StoreUnavailable("This store is not part of the demo.")
                self._backends[name] = self._real(name)
            return self._backends[name]

    def vault(self) -> Vault:
        """Return the vault, whether it exists on disk or not."""
        from keytui.storage.vault import Vault

        vault = self.backend("vault")
        if not isinstance(vault, Vault):
            raise StoreUnavailable("This store has no passphrase.")
        return vault

    def close(self) -> None:
        """Close the index and let the vault forget its identity."""
        self.index.close()
        for backend in self._backends.values():
            forget = getattr(backend, "forget", None)
            if forget is not None:
                forget()

    def _real(self, name: BackendName) -> Backend:
        if name == "vault":
            from keytui.storage.vault import Vault

            return Vault(self.settings)
        from keytui.storage.os_keyring import OsKeyring

        return OsKeyring(self.settings.keyring_seconds)
