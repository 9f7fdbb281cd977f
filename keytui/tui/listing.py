"""Which keys the list shows, and in which order: group, filter and sorting over one snapshot of the index.

Everything here is in memory: at 10,000 keys a filter keystroke costs a few milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from keytui.tui import words

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from keytui.model import Event, Key, StoreStatus
    from keytui.storage.keystore import Keystore
    from keytui.storage.rows import Counts

    Sorting = Literal["name", "due", "health", "age"]

SORTINGS: tuple[Sorting, ...] = ("name", "due", "health", "age")
_NEVER = 1 << 62


class Group(NamedTuple):
    """What the Groups pane has chosen.

    Attributes:
        kind: "all", "due", "unhealthy", "rotating", "provider", "tag", "admin" or "trash".
        value: Provider id or tag, else "".
        label: What the pane calls it.
    """

    kind: str
    value: str
    label: str


ALL = Group("all", "", "All")


class Snapshot(NamedTuple):
    """What the app shows of the index at one moment, read in a thread.

    Attributes:
        haystacks: For each key id the folded text a filter looks into.
        version: Keystore.data_version() before reading; a change since then means another reading.
    """

    keys: list[Key]
    trash: list[Key]
    haystacks: dict[int, str]
    counts: Counts
    status: StoreStatus
    undoable: Event | None
    version: int


def take(store: Keystore) -> Snapshot:
    """Read everything the list needs. Opens no keyring.

    Raises:
        StoreError: The index cannot be read.
    """
    version = store.data_version()
    keys, trash = store.keys(), store.keys(trash=True)
    haystacks = {key.id: haystack(key) for key in (*keys, *trash)}
    return Snapshot(keys, trash, haystacks, store.counts(), store.status(), store.undoable(), version)


def haystack(key: Key) -> str:
    """Return the folded text that a filter is compared with."""
    return "\n".join((key.name, key.provider, *key.tags, key.env, key.note, key.masked)).casefold()


def _is(key: Key, needle: str, now: int) -> bool:
    """Whether a word of the key's state begins so; "valid" is not to find what is invalid."""
    return any(word.startswith(needle) for word in words.states(key, now))


class Listing:
    """The keys to show.

    Attributes:
        group: Chosen group.
        text: Filter; each word must occur somewhere.
        sorting: Order of the rows.
    """

    def __init__(self) -> None:
        self.group = ALL
        self.text = ""
        self.sorting: Sorting = "name"
        self._keys: list[Key] = []
        self._trash: list[Key] = []
        self._haystacks: dict[int, str] = {}

    def fill(self, keys: list[Key], trash: list[Key], haystacks: dict[int, str]) -> None:
        """Replace the keys by those of a newer snapshot."""
        self._keys, self._trash, self._haystacks = keys, trash, haystacks

    @property
    def keys(self) -> list[Key]:
        """Every key that is not in the trash."""
        return self._keys

    def replace(self, changed: Key) -> None:
        """Put one changed key in the place of its older self."""
        self._keys = [changed if key.id == changed.id else key for key in self._keys]

    def key(self, key_id: int | None) -> Key | None:
        """Return the key with this id, wherever it is."""
        return next((key for keys in (self._keys, self._trash) for key in keys if key.id == key_id), None)

    def in_group(self, now: int) -> list[Key]:
        """Return the keys of the chosen group, unfiltered."""
        kind, value, _ = self.group
        if kind == "all":
            return self._keys
        if kind == "trash":
            return self._trash
        tests: dict[str, Callable[[Key], bool]] = {
            "due": lambda key: key.due(now),
            "unhealthy": lambda key: key.unhealthy,
            "rotating": lambda key: key.state == "rotating",
            "provider": lambda key: key.provider == value,
            "tag": lambda key: value in key.tags,
            "admin": lambda key: key.kind == "admin",
        }
        return [key for key in self._keys if tests[kind](key)]

    def rows(self, now: int) -> list[Key]:
        """Return the keys to show, in order.

        Args:
            now: Seconds since the epoch; decides what is due.
        """
        keys = self.in_group(now)
        needles = self.text.casefold().split()
        if needles:
            look = self._haystacks
            words_too = {needle for needle in needles if any(word.startswith(needle) for word in words.STATES)}
            keys = [
                key
                for key in keys
                if all(
                    needle in look.get(key.id, "") or (needle in words_too and _is(key, needle, now))
                    for needle in needles
                )
            ]
        if self.sorting == "due":
            return sorted(keys, key=lambda key: key.due_at if key.due_at is not None else _NEVER)
        if self.sorting == "health":
            return sorted(keys, key=lambda key: words.SEVERITY.index(words.health(key).tone))
        if self.sorting == "age":
            return sorted(keys, key=lambda key: key.rotated_at)
        return keys
