"""Slots that hold a secret and are not in the index: given back to the row they belong to, or a key of their own."""

from __future__ import annotations

from keytui.record import NamedTuple
from keytui.storage import journal, rows, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from keytui.model import BackendName, Secret
    from keytui.storage.backends import Slot
    from keytui.storage.core import Core
    from keytui.storage.index import Index, Transaction

_PLACES = {"os": "the OS keyring", "vault": "the vault"}


class Find(NamedTuple):
    """A slot that holds a secret.

    Attributes:
        secret: What lies in it; empty when it could not be read.
    """

    backend: BackendName
    slot: Slot
    secret: Secret


class Merged(NamedTuple):
    """What became of the finds.

    Attributes:
        sentences: One for each change.
        adopted: Ids of the new keys.
    """

    sentences: tuple[str, ...]
    adopted: tuple[int, ...]


def known_slots(core: Core) -> set[str]:
    """Return the slots in the index; none while it cannot be read."""
    from keytui.errors import StoreError

    try:
        return {row[0] for row in core.index.query("SELECT slot FROM versions")}
    except StoreError:
        return set()


def merge(core: Core, index: Index, finds: Sequence[Find], *, by_name: bool) -> Merged:
    """Bring the index and the slots together, in one transaction.

    Args:
        core: For the time.
        index: The index to change.
        finds: Every slot of the vault; of other stores those to adopt.
        by_name: Slots of one name make one key of that name, the newest its current value; else each slot makes a
            key `recovered-<n>`. A name that is taken is never given to a find.
    """
    if not finds:
        return Merged((), ())
    sentences: list[str] = []
    adopted: list[int] = []
    with index.write() as transaction:
        known = {row[0]: row[1:] for row in transaction.execute("SELECT slot, id, label FROM versions")}
        unknown = []
        for find in finds:
            if find.slot.id not in known:
                unknown.append(find)
            elif find.backend == "vault" and known[find.slot.id][1] != find.slot.name:
                _relabel(transaction, index, known[find.slot.id][0], find)
                sentences.append(f"“{find.slot.name}” can be read again.")
        present = {find.slot.id for find in finds}
        for find in list(unknown):
            if _given_back(transaction, index, find, present):
                unknown.remove(find)
                sentences.append(f"“{find.slot.name}” was given its secret back.")
        for name, group in _groups(transaction, unknown, by_name=by_name):
            adopted.append(_adopt(transaction, core, index, name, group))
            sentences.append(_told(name, group))
    steps.reached("adopt.done")
    return Merged(tuple(sentences), tuple(adopted))


def _relabel(transaction: Transaction, index: Index, version_id: int, find: Find) -> None:
    transaction.execute(
        "UPDATE versions SET label = ?, fingerprint = ?, masked = ?, backend = ?, missing = 0 WHERE id = ?",
        (find.slot.name, rows.fingerprint(index, find.secret), find.secret.masked(), find.backend, version_id),
    )


def _given_back(transaction: Transaction, index: Index, find: Find, present: set[str]) -> bool:
    """Give a slot back to the row that holds its secret's fingerprint and whose own slot holds nothing."""
    fingerprint = rows.fingerprint(index, find.secret)
    if find.backend != "vault" or fingerprint is None:
        return False
    sql = "SELECT id, slot FROM versions WHERE backend = 'vault' AND fingerprint = ? AND created_at = ?"
    lonely = [row[0] for row in transaction.execute(sql, (fingerprint, find.slot.created_at)) if row[1] not in present]
    if len(lonely) != 1:
        return False
    transaction.execute("UPDATE versions SET slot = ? WHERE id = ?", (find.slot.id, lonely[0]))
    _relabel(transaction, index, lonely[0], find)
    return True


def _groups(transaction: Transaction, finds: Sequence[Find], *, by_name: bool) -> list[tuple[str, list[Find]]]:
    """Return names nobody has yet, each with the slots that make its key, the newest last."""
    taken = {row[0] for row in transaction.execute("SELECT name FROM keys WHERE deleted_at IS NULL")}
    named: dict[str, list[Find]] = {}
    nameless = []
    for find in sorted(finds, key=lambda find: (find.slot.created_at, find.slot.id)):
        if by_name and find.slot.name and find.slot.name not in taken:
            named.setdefault(find.slot.name, []).append(find)
        else:
            nameless.append(find)
    taken |= set(named)
    groups = list(named.items())
    number = 0
    for find in nameless:
        number += 1
        while f"recovered-{number}" in taken:
            number += 1
        groups.append((f"recovered-{number}", [find]))
    return groups


def _adopt(transaction: Transaction, core: Core, index: Index, name: str, group: Sequence[Find]) -> int:
    """Make one key of these slots, the last one current. The others are kept until the person deletes the key."""
    newest = group[-1].slot
    key_id = transaction.insert(
        "keys",
        name=name,
        sort_name=name.casefold(),
        kind="api",
        provider=newest.provider or "custom",
        base_url=newest.base_url,
        allow_http=0,
        env="",
        model="",
        tags="",
        note="",
        created_at=min(find.slot.created_at for find in group) or core.now(),
    )
    version_id = 0
    for find in group:
        version_id = transaction.insert(
            "versions",
            key_id=key_id,
            slot=find.slot.id,
            label=find.slot.name,
            state="current" if find is group[-1] else "previous",
            created_at=find.slot.created_at or core.now(),
            masked=find.secret.masked(),
            fingerprint=rows.fingerprint(index, find.secret),
            backend=find.backend,
        )
    transaction.execute("UPDATE keys SET version_id = ? WHERE id = ?", (version_id, key_id))
    journal.note(transaction, key_id, name, "recovered", _told(name, group), at=core.now())
    return key_id


def _told(name: str, group: Sequence[Find]) -> str:
    slot, place = group[-1].slot, _PLACES[group[-1].backend]
    if slot.name == name:
        return f"“{name}” was found again in {place}."
    return f"A key named “{slot.name}” was found in {place} and is listed as “{name}”."
