"""Reading what `keytui export` wrote: every field is checked before anything of it is stored."""

from __future__ import annotations

import json
from datetime import datetime

from keytui.errors import InvalidInput, SecretDamaged
from keytui.flows import keys
from keytui.model import KeyFields, RemoteKey, Secret
from keytui.record import NamedTuple
from keytui.storage.restoring import Kept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FORMAT = "keytui export"
VERSION = 1
"""Version of the JSON; a newer one is refused."""

_HINT = "Use a file that `keytui export` wrote."
_MOST_VALUES = 1_000
_REMOTE = ("id", "project", "account")
_TEXTS = ("name", "provider", "base_url", "env", "model", "note")


class Saved(NamedTuple):
    """A key of the file that can be stored.

    Attributes:
        created_at: When it was added, in seconds since the epoch.
        values: Its values, oldest first; the last one is current.
    """

    fields: KeyFields
    created_at: int
    values: tuple[Kept, ...]


class Unfit(NamedTuple):
    """A key of the file that cannot be stored.

    Attributes:
        label: Its name, or its number in the file when the name is what is wrong.
        sentence: What is wrong with it.
    """

    label: str
    sentence: str


def parse(text: Secret, now: int) -> tuple[list[Saved], list[Unfit]]:
    """Take an export apart.

    Args:
        text: The JSON inside the age file.
        now: Seconds since the epoch; what claims to be from later is from now.

    Raises:
        SecretDamaged: It is no export, or a newer keytui wrote it.
    """
    try:
        whole = json.loads(text.reveal())
    except (ValueError, RecursionError):
        whole = None  # the error carries the text, so it goes no further
    if not isinstance(whole, dict) or whole.get("format") != FORMAT or not isinstance(whole.get("keys"), list):
        raise SecretDamaged("This file opens, but it is not an export of keytui.", _HINT)
    if whole.get("v") != VERSION:
        raise SecretDamaged("This export was written by a newer keytui.", "Update keytui and try again.")
    fit: list[Saved] = []
    unfit: list[Unfit] = []
    for number, entry in enumerate(whole["keys"], 1):
        try:
            fit.append(_saved(entry, now))
        except InvalidInput as error:
            unfit.append(Unfit(_label(entry, number), error.sentence))
    return fit, unfit


def _saved(entry: object, now: int) -> Saved:
    if not isinstance(entry, dict):
        raise InvalidInput("name", "It is not a key's entry.")
    values = _values(entry.get("versions"), now)
    return Saved(keys.validate(_fields(entry)), _moment(entry.get("created_at"), "created_at", now), values)


def _fields(entry: Mapping[str, Any]) -> KeyFields:
    for name in _TEXTS:
        if not isinstance(entry.get(name), str):
            raise InvalidInput(name, f"Its {name} is not text.")
    if entry.get("kind") not in ("api", "admin"):
        raise InvalidInput("kind", "Its kind is neither api nor admin.")
    if not isinstance(entry.get("allow_http"), bool):
        raise InvalidInput("allow_http", "Its allow_http is neither true nor false.")
    tags, days = entry.get("tags"), entry.get("rotate_every_days")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidInput("tags", "Its tags are not a list of words.")
    if days is not None and (not isinstance(days, int) or isinstance(days, bool)):
        raise InvalidInput("rotate_every_days", "Its rotation interval is not a number of days.")
    expires = entry.get("expires_at")
    return KeyFields(
        **{name: entry[name] for name in (*_TEXTS, "kind", "allow_http")},
        tags=tuple(tags),
        rotate_every_days=days,
        expires_at=None if expires is None else _moment(expires, "expires_at"),
    )


def _values(versions: object, now: int) -> tuple[Kept, ...]:
    if not isinstance(versions, list) or not all(isinstance(version, dict) for version in versions):
        raise InvalidInput("key", "It has no list of values.")
    states = [version.get("state") for version in versions]
    if states.count("current") != 1 or set(states) - {"current", "previous"} or len(states) > _MOST_VALUES:
        raise InvalidInput("key", "It does not have exactly one current value.")
    # The current one last; it is not always the newest, since a rotation can be undone.
    ordered = sorted(versions, key=lambda version: version["state"] == "current")
    return tuple(
        Kept(
            _secret(version.get("secret")),
            _moment(version.get("created_at"), "created_at", now),
            _remote(version.get("remote")),
        )
        for version in ordered
    )


def _remote(found: object) -> RemoteKey:
    """Return what the file knows of a value at its provider; exports before 0.2 say nothing of it."""
    if found is None:
        return RemoteKey()
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in _REMOTE):
        raise InvalidInput("key", "What it says of the key at its provider is not text.")
    end = found.get("expires_at")
    expires_at = None if end is None else _moment(end, "expires_at")
    return RemoteKey(found["id"], found["project"], found["account"], expires_at)


def _secret(text: object) -> Secret:
    if not isinstance(text, str):
        raise InvalidInput("key", "One of its values is not text.")
    return keys.clean_secret(text)


def _moment(text: object, name: str, latest: int | None = None) -> int:
    """Return the seconds since the epoch of an ISO 8601 time in UTC."""
    try:
        seconds = int(datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%S%z").timestamp())
    except ValueError:
        raise InvalidInput(name, f"Its {name} is not a time such as 2026-11-23T12:00:00Z.") from None
    if seconds < 0:
        raise InvalidInput(name, f"Its {name} lies before 1970.")
    return seconds if latest is None else min(seconds, latest)


def _label(entry: object, number: int) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    try:
        return keys.clean_name(name) if isinstance(name, str) else f"Key {number}"
    except InvalidInput:
        return f"Key {number}"
