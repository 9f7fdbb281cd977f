"""The words every floor shares: keys, versions, verdicts and the secret itself. Frozen, typed, no I/O.

Times are whole seconds since the Unix epoch, in UTC.
"""

from __future__ import annotations

from keytui.record import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, NoReturn

    KeyKind = Literal["api", "admin"]
    KeyState = Literal["active", "rotating", "trash", "missing", "interrupted"]
    VersionState = Literal["pending", "current", "previous", "trash"]
    VerdictWord = Literal["valid", "invalid", "restricted", "no_quota", "rate_limited", "unreachable", "unknown"]
    RotationState = Literal[
        "planned", "issued", "stored", "verified", "clearing", "switched", "retiring", "done", "abandoned"
    ]
    RotationKind = Literal["pasted", "issued", "revoked"]
    BackendName = Literal["os", "vault"]


DAY = 86_400
"""Seconds in a day."""

DUE_SOON = 14 * DAY
"""How long before its due date a key counts as due soon, in seconds."""

MASK_MINIMUM = 20
"""A secret shorter than this shows dots only and has no fingerprint: its ends would give too much away."""


class Secret:
    """A value that is never shown by accident: repr, str and format are masked, pickling and hashing are refused.

    Attributes are private; `reveal()` is the only way to the text. Python cannot wipe a str, so a Secret is
    short-lived by habit, not by force.
    """

    __slots__ = ("_text",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself. Every call site is a place a secret leaves through."""
        return self._text

    def masked(self) -> str:
        """Return the first 7 and last 4 characters, or dots alone when the secret has fewer than 20."""
        if len(self._text) < MASK_MINIMUM:
            return "•" * 8
        return f"{self._text[:7]}…{self._text[-4:]}"

    def __len__(self) -> int:
        return len(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        from hmac import compare_digest

        return compare_digest(self._text.encode(), other._text.encode())

    def __repr__(self) -> str:
        return "Secret(…)"

    def __str__(self) -> str:
        return "(secret)"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not pickled or copied")


class Key(NamedTuple):
    """A stored key as the list shows it: everything but the secret.

    Attributes:
        id: Row id in the index; what messages and workers carry instead of a secret.
        name: The name the person gave it, unique among keys that are not in the trash.
        kind: "api", or "admin" for a key that manages other keys.
        provider: Id in the catalog of providers ("openai", "custom", …).
        base_url: Where requests go, without a trailing slash.
        allow_http: Plain http beyond loopback was allowed by the person.
        env: Environment variable a program reads this key from.
        model: Model for test prompts, or "" for the provider's preferred one.
        tags: Free words, sorted.
        note: Free text.
        rotate_every_days: Rotation interval in days, or None.
        expires_at: When the provider ends the key, or None when not known.
        created_at: When the key was added here.
        rotated_at: When its current version was stored; the key's age counts from here.
        state: What the list says of it; see KeyState.
        backend: The store that holds the current version ("os" or "vault").
        masked: First 7 and last 4 characters, or dots.
        verdict: Word of the last check, or None when never checked.
        checked_at: When that check ended, or None.
        latency_ms: How long it took, or None.
        deleted_at: When it went to the trash, or None.
        purge_at: When the trash lets go of it, or None.
    """

    id: int
    name: str
    kind: KeyKind
    provider: str
    base_url: str
    allow_http: bool
    env: str
    model: str
    tags: tuple[str, ...]
    note: str
    rotate_every_days: int | None
    expires_at: int | None
    created_at: int
    rotated_at: int
    state: KeyState
    backend: BackendName
    masked: str
    verdict: VerdictWord | None
    checked_at: int | None
    latency_ms: int | None
    deleted_at: int | None
    purge_at: int | None

    @property
    def fields(self) -> KeyFields:
        """What a person can edit of it."""
        return KeyFields(**{field: getattr(self, field) for field in KeyFields._fields})

    @property
    def due_at(self) -> int | None:
        """When the key should be rotated: the earlier of its interval's end and its expiry, or None."""
        dates = [self.expires_at] if self.expires_at is not None else []
        if self.rotate_every_days is not None:
            dates.append(self.rotated_at + self.rotate_every_days * DAY)
        return min(dates) if dates else None

    def due(self, now: int) -> bool:
        """Whether the key is due within 14 days of `now`, or overdue."""
        return self.due_at is not None and self.due_at - now <= DUE_SOON

    @property
    def unhealthy(self) -> bool:
        """Whether the last check, or the store, says that the key does not work."""
        return self.verdict in ("invalid", "no_quota") or self.state in ("missing", "interrupted")


class KeyFields(NamedTuple):
    """What a person fills in about a key; see Key for each meaning. Validated by flows.keys.validate."""

    name: str
    provider: str
    base_url: str
    env: str
    kind: KeyKind = "api"
    allow_http: bool = False
    model: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    rotate_every_days: int | None = None
    expires_at: int | None = None


class Version(NamedTuple):
    """One value a key has or had. The slot is where its secret lies; a slot is written once.

    Attributes:
        purge_at: When a previous or trashed version is deleted, or None.
        remote_id: The provider's id of this key, or "" when not known; project and account go with it.
        expires_at: When the provider ends this key, or None when not known.
    """

    id: int
    key_id: int
    slot: str
    state: VersionState
    created_at: int
    masked: str
    backend: BackendName
    purge_at: int | None
    remote_id: str = ""
    remote_project: str = ""
    remote_account: str = ""
    expires_at: int | None = None

    @property
    def remote(self) -> RemoteKey:
        """Where the provider has this very key."""
        return RemoteKey(self.remote_id, self.remote_project, self.remote_account, self.expires_at)


class RemoteKey(NamedTuple):
    """What is known of a value at its provider; nothing in it is secret.

    Attributes:
        id: The provider's id of the key, or "" when not known.
        project: Id of its project there, or "".
        account: Id of the service account that owns it, or "".
        expires_at: When the provider ends it, or None when not known.
    """

    id: str = ""
    project: str = ""
    account: str = ""
    expires_at: int | None = None


class Seen(NamedTuple):
    """A value in use as it was looked up at its provider: what is begun on it is refused once that has changed.

    Attributes:
        version: The version that was in use.
        remote: What the provider knows it as, to be kept with it; None when that is not certain.
    """

    version: Version
    remote: RemoteKey | None


class Verdict(NamedTuple):
    """The answer of one check of one key.

    Attributes:
        word: What it means for the key.
        detail: One sentence of ours; never the provider's raw text.
        checked_at: When the answer came.
        latency_ms: Time from request to response headers, or None when none came.
        status: HTTP status, or None when none came.
        code: The provider's error code, cut to 60 plain characters, or None.
        request_id: The provider's id of the request, or None.
        models: How many models the key can list, or None when the probe does not list models.
        limits: What the rate limits leave, in our own words, or "" when the provider said nothing of them.
    """

    word: VerdictWord
    detail: str
    checked_at: int
    latency_ms: int | None = None
    status: int | None = None
    code: str | None = None
    request_id: str | None = None
    models: int | None = None
    limits: str = ""


class Rotation(NamedTuple):
    """A rotation's journal row.

    Attributes:
        kind: "pasted", "issued" by the provider, or "revoked": the key is ended at the provider and then deleted.
        state: How far it got; "clearing" when it was given up before its switch, and what its provider issued for it
            has yet to be revoked.
        new_version: Version id of the successor, once there is one; of a revocation, the other version of a rotation
            that it has taken over: what that one retired, or was issued.
        old_version: Version id that was current when it began.
        uid: Random part of the new remote key's name; journaled before the provider is asked for a key.
        remote_name: That name; found at the provider again when an answer was lost.
        tried: Names of earlier tries whose fate was not known, which are looked for once more at the end.
        admin_key_id: The admin key that does it, or None.
        project: Where the new key is made: project, service account ("" makes one), and the name of that account.
        remote_id: The new remote key, once it is known.
        expires_in_s: Life of the new key in seconds where the provider demands an end, or None.
        grace_s: How long the old key goes on working after the switch, in seconds.
        retire_at: When the retiring version is revoked, or None.
        retiring_version: The version to be revoked: after a switch the old one, after its undo the new one.
        note: Sentence of the last failure, or "".
    """

    id: int
    key_id: int
    kind: RotationKind
    state: RotationState
    new_version: int | None
    old_version: int
    started_at: int
    updated_at: int
    uid: str = ""
    remote_name: str = ""
    tried: tuple[str, ...] = ()
    admin_key_id: int | None = None
    project: str = ""
    account: str = ""
    account_name: str = ""
    remote_id: str = ""
    expires_in_s: int | None = None
    grace_s: int = 0
    retire_at: int | None = None
    retiring_version: int | None = None
    note: str = ""

    @property
    def other_version(self) -> int | None:
        """Of a revocation: the version that ends with the one in use. See `new_version`."""
        return self.new_version if self.kind == "revoked" else None

    @property
    def undone(self) -> bool:
        """Whether its switch was taken back: the old key is in use again, and the new one is to be revoked."""
        return self.retiring_version is not None and self.retiring_version == self.new_version


class Event(NamedTuple):
    """Something that happened to a key; never holds a secret.

    Attributes:
        type: "added", "edited", "deleted", "restored", "rotated", "checked", "undone", "moved", "purged",
            "recovered", "revoked" or "given up".
        detail: One sentence for the person.
        undoable: Whether `undo` can still take it back.
        readdresses: Whether taking it back changes where the key is sent.
    """

    id: int
    key_id: int | None
    name: str
    at: int
    type: str
    detail: str
    undoable: bool
    readdresses: bool = False


class StoreStatus(NamedTuple):
    """Which store is in use, and whether it can be read at this moment.

    Attributes:
        backend: "os", "vault", or None while none was chosen.
        state: "ready", "locked" (a passphrase opens it), "unset" (the first write decides) or "unavailable".
        label: What the header says: "OS keyring", "Vault", "Vault, locked", "No store yet", "Demo, in memory".
        reason: One sentence for a state other than "ready", else "".
    """

    backend: BackendName | None
    state: Literal["ready", "locked", "unset", "unavailable"]
    label: str
    reason: str = ""
