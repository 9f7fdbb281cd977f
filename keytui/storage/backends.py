"""What a store of secrets must be able to do, and one that lives in memory."""

from __future__ import annotations

from keytui.errors import SecretMissing, StoreLocked
from keytui.model import Secret, StoreStatus
from keytui.record import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from keytui.model import BackendName

    class Backend(Protocol):
        """A store of secrets. A slot is written once and never overwritten.

        Every method raises only StoreError and its children; none puts a secret into one.
        """

        @property
        def name(self) -> BackendName:
            """What the index calls this store."""

        def state(self) -> StoreStatus:
            """Say whether it can be read at this moment, without a probe, a prompt or a wait."""

        def ready(self) -> None:
            """Raise StoreLocked or StoreUnavailable when a write cannot succeed now; never prompts."""

        def probe(self) -> None:
            """Write, read back and delete something; raise StoreError when any of it fails. Never prompts."""

        def write(self, slot: Slot, secret: Secret) -> None:
            """Put the secret into its slot."""

        def read(self, slot: Slot) -> Secret:
            """Return the secret of a slot; SecretMissing when there is none, SecretDamaged when it is not it."""

        def present(self, slot: Slot) -> bool:
            """Whether anything lies in the slot; may answer while locked, else raises StoreLocked."""

        def delete(self, slot: Slot) -> None:
            """Empty the slot; an empty one is fine."""

        def listed(self) -> list[Slot] | None:
            """Return every slot of a keytui that holds something, opening none; None where the store cannot list.

            Names and times are "" and 0 where only opening a slot would tell them. Never prompts.
            """


class Slot(NamedTuple):
    """Where one secret lies.

    Attributes:
        id: 32 random hex digits.
        name: The key's name when the slot was written; it stays when the key is renamed.
        provider: Id of the key's provider, kept with the secret so that the index can be rebuilt; "" for reading.
        base_url: Address of the provider, kept likewise.
        created_at: When the slot was made, in seconds since the epoch.
    """

    id: str
    name: str
    provider: str = ""
    base_url: str = ""
    created_at: int = 0


class MemoryBackend:
    """A store that ends with the process: for the demo and for tests.

    Args:
        name: What the index calls it.
        label: What the header says.

    Attributes:
        locked: Set it to play a locked OS keyring.
        secrets: What lies in which slot.
    """

    def __init__(self, name: BackendName = "os", label: str = "Demo, in memory") -> None:
        self.name: BackendName = name
        self.label = label
        self.locked = False
        self.secrets: dict[str, Secret] = {}
        self._slots: dict[str, Slot] = {}

    def state(self) -> StoreStatus:
        """See Backend."""
        if self.locked:
            return StoreStatus(self.name, "locked", f"{self.label}, locked", "The store is locked.")
        return StoreStatus(self.name, "ready", self.label)

    def ready(self) -> None:
        """See Backend."""
        if self.locked:
            raise StoreLocked(self.name, "The store is locked.", "Unlock it and try again.")

    def probe(self) -> None:
        """See Backend."""
        self.ready()

    def write(self, slot: Slot, secret: Secret) -> None:
        """See Backend."""
        self.ready()
        self.secrets[slot.id] = secret
        self._slots[slot.id] = slot

    def read(self, slot: Slot) -> Secret:
        """See Backend."""
        self.ready()
        if slot.id not in self.secrets:
            raise SecretMissing(f"The store holds no secret for “{slot.name}”.")
        return self.secrets[slot.id]

    def present(self, slot: Slot) -> bool:
        """See Backend."""
        self.ready()
        return slot.id in self.secrets

    def delete(self, slot: Slot) -> None:
        """See Backend."""
        self.ready()
        self.secrets.pop(slot.id, None)

    def listed(self) -> list[Slot] | None:
        """See Backend."""
        self.ready()
        return [self._slots.get(slot, Slot(slot, "")) for slot in self.secrets]
