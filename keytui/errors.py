"""One family of errors: a sentence for the person, a hint what to do next, an exit code.

No text here ever holds a secret. Exit codes are DESIGN §7's and are never renumbered.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

    from keytui.model import RotationState, Verdict

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NO_KEY = 3
EXIT_STORE = 4
EXIT_REFUSED = 5
EXIT_UNREACHABLE = 6
EXIT_DUE = 7
EXIT_NOT_CONFIRMED = 8
EXIT_INTERRUPTED = 130


class KeytuiError(Exception):
    """Base of everything keytui raises on purpose.

    Attributes:
        sentence: What happened, for the person; ends with a full stop.
        hint: What to do next, or "".
    """

    exit_code: ClassVar[int] = EXIT_FAILED

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint


class UsageError(KeytuiError):
    """The command line asked for something that does not exist or does not go together."""

    exit_code = EXIT_USAGE


class InvalidInput(UsageError):
    """A field holds something that cannot be stored.

    Attributes:
        field: Name of the field in KeyFields, or "key" for the secret.
    """

    def __init__(self, field: str, sentence: str, hint: str = "") -> None:
        super().__init__(sentence, hint)
        self.field = field


class NameTaken(InvalidInput):
    """Another key already has this name."""

    exit_code = EXIT_FAILED

    def __init__(self, name: str) -> None:
        super().__init__("name", f"A key named “{name}” already exists.", "Choose another name.")


class KeyUnclear(UsageError):
    """Which of the provider's keys a stored one is cannot be known; the person has to name its id.

    Attributes:
        candidates: Keys there that it may be, each as its id with its name and what is shown of its value.
    """

    def __init__(self, sentence: str, candidates: tuple[str, ...]) -> None:
        shown = f" Keys there: {', '.join(candidates)}." if candidates else ""
        super().__init__(f"{sentence}{shown}", "Name it: --old-key-id ID")
        self.candidates = candidates


class KeyNotFound(KeytuiError):
    """No key has this name."""

    exit_code = EXIT_NO_KEY


class NothingToUndo(KeytuiError):
    """No event of this store can be taken back."""


class UndoRefused(KeytuiError):
    """Taking the event back would break something; the sentence says what."""


class StoreError(KeytuiError):
    """The store of secrets did not do what was asked."""

    exit_code = EXIT_STORE


class StoreLocked(StoreError):
    """The store is there and locked.

    Attributes:
        backend: "os" or "vault"; only a vault is unlocked by keytui itself.
    """

    def __init__(self, backend: str, sentence: str, hint: str = "") -> None:
        super().__init__(sentence, hint)
        self.backend = backend


class WrongPassphrase(StoreError):
    """The passphrase does not open the vault."""


class StoreUndecided(StoreError):
    """No store was chosen yet and the OS keyring failed its probe: the person is asked about a vault.

    The sentence says why the OS keyring cannot be used.
    """


class StoreUnavailable(StoreError):
    """The store cannot be reached: no service, no folder, a deadline passed."""


class StoreRefused(StoreError):
    """The store was reached and said no: too long, read-only, disk full, not permitted."""


class StoreBusy(StoreError):
    """Another keytui held the store lock for longer than the deadline."""


class IndexDamaged(StoreError):
    """index.db cannot be read, or is missing although there were keys in it."""


class IndexNewer(IndexDamaged):
    """index.db comes from a newer keytui. It is left alone."""


class SecretMissing(StoreError):
    """The index knows the key; its store holds no secret for it."""


class SecretDamaged(StoreError):
    """A secret was found and is not what was written."""


class ProviderError(KeytuiError):
    """A request with a key failed.

    Attributes:
        verdict: What the failure says about the key.
    """

    def __init__(self, verdict: Verdict, hint: str = "") -> None:
        super().__init__(verdict.detail, hint)
        self.verdict = verdict


class KeyRefused(ProviderError):
    """The provider refused the key: invalid or out of quota."""

    exit_code = EXIT_REFUSED


class ProviderUnreachable(ProviderError):
    """The provider could not be reached, limited the rate, answered something unknown or cut the stream."""

    exit_code = EXIT_UNREACHABLE


class IssueUnknown(ProviderUnreachable):
    """A key may or may not have been created: the connection ended between the request and its answer.

    Nobody repeats the request before the key was looked for by its name.
    """


class ExpiryRequired(ProviderError):
    """A policy of the organization wants new keys to expire, or sooner than was asked for."""

    exit_code = EXIT_REFUSED


class LeftBehind(KeytuiError):
    """A rotation cannot be given up without leaving a key at its provider; the sentence says which, and where it is.

    Attributes:
        rotation_id: The rotation.
        state: How far it had got when this was said.
        cause: Why the provider was not made to end that key.
    """

    def __init__(self, sentence: str, rotation_id: int, state: RotationState, cause: KeytuiError, hint: str) -> None:
        super().__init__(sentence, hint)
        self.rotation_id = rotation_id
        self.state = state
        self.cause = cause


class NotConfirmed(KeytuiError):
    """The person declined, or there was nobody to ask."""

    exit_code = EXIT_NOT_CONFIRMED


class ClipboardFailed(KeytuiError):
    """No clipboard is known to hold the key; the sentence says whether one may."""
