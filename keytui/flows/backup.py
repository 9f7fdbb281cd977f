"""Exporting every key into one age file, and restoring keys from it.

The file is an age file to a passphrase; anyone opens it with the standard age tool. Inside is JSON: the fields of each
key, its current value and its previous ones. Keys in the trash, events and verdicts are not part of it.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

from keytui.errors import KeyNotFound, KeytuiError, SecretDamaged, SecretMissing, UsageError
from keytui.flows.exported import FORMAT, VERSION
from keytui.model import Secret
from keytui.record import NamedTuple
from keytui.storage import derive, files, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from keytui.flows.exported import Saved
    from keytui.model import Key, RemoteKey
    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore


class Collected(NamedTuple):
    """What an export holds.

    Attributes:
        text: The JSON.
        keys: How many keys are in it.
        left_out: Name and sentence of each key or previous value that cannot be read.
    """

    text: Secret
    keys: int
    left_out: tuple[tuple[str, str], ...]


class Planned(NamedTuple):
    """What restoring does about one key of the file.

    Attributes:
        saved: The key as it is in the file.
        name: The name it gets, or "" when it is skipped.
        note: Why it is skipped or gets another name, else "".
    """

    saved: Saved
    name: str
    note: str


def check_path(settings: Settings, path: str) -> None:
    """Refuse a place where an export cannot go.

    Raises:
        UsageError: A file is there, the folder is missing, or it is keytui's own.
    """
    if os.path.lexists(path):
        raise UsageError(f"{path} exists already, and no file is overwritten.", "Choose another name.")
    folder = os.path.realpath(os.path.dirname(os.path.abspath(path)))
    if not os.path.isdir(folder):
        raise UsageError(f"There is no folder {folder}.", "Create it first.")
    for own in (settings.data_dir, settings.config_dir):
        root = os.path.realpath(own)
        if os.path.commonpath((root, folder)) == root:
            raise UsageError(f"{path} lies inside keytui's own folder.", "Keep a copy elsewhere, best on another disk.")


def collect(store: Keystore, now: int) -> Collected:
    """Read every key that is not in the trash, with its current and previous values.

    Args:
        store: Where from.
        now: Seconds since the epoch, noted in the file.

    Raises:
        StoreLocked: The store must be unlocked first.
        StoreUnavailable: It cannot be reached.
    """
    exported: list[dict[str, object]] = []
    left_out: list[tuple[str, str]] = []
    for key in store.keys():
        if key.state == "interrupted":
            left_out.append((key.name, "Adding or deleting it was interrupted."))
            continue
        try:
            exported.append(_written(store, key, left_out))
        except KeyNotFound:
            continue  # deleted meanwhile
        except (SecretMissing, SecretDamaged) as error:
            left_out.append((key.name, error.sentence))
    whole = {"format": FORMAT, "v": VERSION, "exported_at": _iso(now), "keys": exported}
    return Collected(Secret(json.dumps(whole, ensure_ascii=False, indent=1) + "\n"), len(exported), tuple(left_out))


def write(path: str, text: Secret, passphrase: Secret) -> None:
    """Seal the text with a passphrase and write it to a new file; it is read back, opened and compared.

    Raises:
        StoreError: It could not be written, or is not what it should be; then no file is left.
    """
    path = os.path.abspath(path)
    sealed = derive.seal(text, passphrase)
    steps.reached("export.sealed")
    files.write(path, sealed, exclusive=True)
    steps.reached("export.written")
    try:
        problem = _problem(path, text, passphrase)
    except BaseException:  # Ctrl+C: what was not read back is not left behind as if it had been
        files.remove(path)
        raise
    if problem:
        files.remove(path)
        raise SecretDamaged(f"{path} could not be read back, so it was removed. {problem}", "Try again.")
    steps.reached("export.read_back")


def _problem(path: str, text: Secret, passphrase: Secret) -> str:
    """Say what is wrong with an export that was just written; "" when it opens and holds the text."""
    try:
        with open(path, "rb") as file:
            opened = derive.unseal(file.read(), passphrase)
    except OSError as error:
        return f"{error.strerror}."
    except KeytuiError as error:
        return error.sentence
    return "" if opened == text else "It holds something else than was written."


def plan(store: Keystore, keys: Sequence[Saved]) -> list[Planned]:
    """Decide for each key of a file: skipped where it is here already, under a new name where its name is taken.

    Reads the values of keys that have the same name. Changes nothing.

    Raises:
        StoreLocked: The store must be unlocked first.
        StoreUnavailable: It cannot be reached.
    """
    here = {key.name: key for key in store.keys()}
    coming: dict[str, Saved] = {}
    planned = []
    for saved in keys:
        wanted, value, number = saved.fields.name, saved.values[-1].secret, 1
        name, same = wanted, False
        while name in here or name in coming:
            twin = coming.get(name)
            same = _has(store, here[name], value) if twin is None else twin.values[-1].secret == value
            if same:
                break
            number += 1
            name = f"{wanted}-{number}"
        if same:
            planned.append(Planned(saved, "", f"“{name}” with the same key is here already."))
            continue
        coming[name] = saved
        planned.append(Planned(saved, name, "" if name == wanted else f"“{wanted}” is here already with another key."))
    return planned


def restore(store: Keystore, planned: Planned) -> Key:
    """Store one planned key, whole or not at all.

    Raises:
        NameTaken: Another keytui took its name meanwhile.
        StoreUndecided: No store was chosen and the OS keyring cannot be used.
        StoreError: The store is locked, cannot be reached or refused.
    """
    saved = planned.saved
    return store.restore(saved.fields._replace(name=planned.name), saved.created_at, saved.values)


def _written(store: Keystore, key: Key, left_out: list[tuple[str, str]]) -> dict[str, object]:

    values = []
    for version in reversed(store.versions(key.id)):
        if version.state not in ("current", "previous"):
            continue
        try:
            secret = store.read(key.id, version.id)
        except (SecretMissing, SecretDamaged) as error:
            if version.state == "current":
                raise
            left_out.append((f"A previous value of {key.name}", error.sentence))
            continue
        created_at = _iso(version.created_at)
        value = {"state": version.state, "created_at": created_at, "secret": secret.reveal()}
        values.append(value | ({"remote": _remote(version.remote)} if version.remote_id else {}))
    fields = key.fields._asdict()
    fields["expires_at"] = None if key.expires_at is None else _iso(key.expires_at)
    return fields | {"tags": list(key.tags), "created_at": _iso(key.created_at), "versions": values}


def _remote(remote: RemoteKey) -> dict[str, object]:
    end = None if remote.expires_at is None else _iso(remote.expires_at)
    return remote._asdict() | {"expires_at": end}


def _has(store: Keystore, key: Key, wanted: Secret) -> bool:
    """Whether a key has this value, now or among its previous ones. The store is asked: the index may be wrong."""
    for version in store.versions(key.id):
        try:
            if store.read(key.id, version.id) == wanted:
                return True
        except (SecretMissing, SecretDamaged, KeyNotFound):
            continue
    return False


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
