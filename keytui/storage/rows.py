"""Reading the index: SQL rows become the model's records. Opens no store and prompts nobody."""

from __future__ import annotations

from keytui.errors import KeyNotFound
from keytui.model import DAY, DUE_SOON, MASK_MINIMUM, Event, Key, Rotation, Verdict, Version
from keytui.record import NamedTuple
from keytui.storage.backends import Slot
from keytui.storage.index import damaged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.model import BackendName, Secret
    from keytui.storage.index import Index, Row

TAG_SEPARATOR = "\n"

_WORD, _NUMBER, _MAYBE_WORD, _MAYBE_NUMBER = (str,), (int,), (str, type(None)), (int, type(None))
_KINDS = (
    *(_NUMBER, _WORD, _WORD, _WORD, _WORD, _NUMBER, _WORD, _WORD, _WORD, _WORD),
    *(_MAYBE_NUMBER, _MAYBE_NUMBER, _NUMBER, _NUMBER, _WORD, _WORD, _WORD),
    *(_MAYBE_WORD, _MAYBE_NUMBER, _MAYBE_NUMBER, _MAYBE_NUMBER, _MAYBE_NUMBER),
)
"""What sort of value each column of _KEY holds."""
_seen: set[tuple[type, ...]] = set()

_ROTATING = "SELECT 1 FROM rotations r WHERE r.key_id = k.id AND r.state NOT IN ('done', 'abandoned')"
_VISIBLE = "(k.unfinished = '' OR k.interrupted)"
_KEY = f"""
    SELECT k.id, k.name, k.kind, k.provider, k.base_url, k.allow_http, k.env, k.model, k.tags, k.note,
        k.rotate_every_days, k.expires_at, k.created_at, coalesce(v.created_at, k.created_at),
        CASE WHEN k.deleted_at IS NOT NULL THEN 'trash' WHEN k.unfinished <> '' THEN 'interrupted'
            WHEN v.missing THEN 'missing' WHEN EXISTS ({_ROTATING}) THEN 'rotating' ELSE 'active' END,
        v.backend, v.masked, k.verdict, k.checked_at, k.latency_ms, k.deleted_at, k.purge_at
    FROM keys k JOIN versions v ON v.id = k.version_id
    WHERE {_VISIBLE}
"""  # noqa: S608 - constants only
_VERSION = """
    SELECT id, key_id, slot, state, created_at, masked, backend, purge_at, remote_id, remote_project, remote_account,
        expires_at FROM versions
"""
# Only while undo can take it back has an edit the fields from before it; a damaged file may hold no JSON there.
_READDRESSES = (
    "CASE WHEN type = 'edited' AND undoable = 1 AND json_valid(data) THEN EXISTS (SELECT 1 FROM keys k"
    " WHERE k.id = key_id AND k.base_url <> json_extract(data, '$.fields.base_url')) ELSE 0 END"
)
_EVENT = f"SELECT id, key_id, name, at, type, detail, undoable, {_READDRESSES} FROM events"  # noqa: S608 - constants
_UNDOABLE = f"""
    {_EVENT} WHERE undoable = 1 AND (type = 'deleted' OR key_id IN (SELECT id FROM keys WHERE deleted_at IS NULL))
    ORDER BY id DESC LIMIT 1
"""  # noqa: S608 - constants only
_PLACE = "SELECT v.id, v.backend, v.slot, v.label, v.fingerprint, v.missing FROM keys k JOIN versions v"
_SAME = f"""
    {_KEY} AND k.id IN (SELECT key_id FROM versions WHERE fingerprint = ?)
    ORDER BY k.deleted_at IS NOT NULL, k.id LIMIT 1
"""  # noqa: S608 - constants only
_ROTATION = """
    SELECT id, key_id, kind, state, new_version, old_version, started_at, updated_at, uid, remote_name, tried,
        admin_key_id, project, account, account_name, remote_id, expires_in_s, grace_s, retire_at, retiring_version,
        note FROM rotations
"""
_COUNTS = f"""
    SELECT count(*),
        coalesce(sum(due IS NOT NULL AND due - :now <= {DUE_SOON}), 0),
        coalesce(sum(verdict IN ('invalid', 'no_quota') OR unfinished <> '' OR missing), 0),
        coalesce(sum(rotating), 0), coalesce(sum(kind = 'admin'), 0)
    FROM (
        SELECT k.verdict, k.unfinished, k.kind, v.missing, EXISTS ({_ROTATING}) AS rotating,
            min(coalesce(k.expires_at, v.created_at + k.rotate_every_days * {DAY}),
                coalesce(v.created_at + k.rotate_every_days * {DAY}, k.expires_at)) AS due
        FROM keys k JOIN versions v ON v.id = k.version_id
        WHERE (k.unfinished = '' OR k.interrupted) AND k.deleted_at IS NULL
    )
"""  # noqa: S608 - constants only
_SHOWN = "(unfinished = '' OR interrupted) AND deleted_at IS NULL"


class Counts(NamedTuple):
    """How many keys are in each group; keys in the trash count in `trash` alone.

    Attributes:
        due: Due within 14 days, or overdue.
        unhealthy: The last check, or the store, says that they do not work.
        providers: Number of keys by provider id.
        tags: Number of keys by tag.
    """

    total: int
    due: int
    unhealthy: int
    rotating: int
    admin: int
    trash: int
    providers: dict[str, int]
    tags: dict[str, int]


class Place(NamedTuple):
    """Where one version's secret lies, and what the index knows of it."""

    version_id: int
    backend: BackendName
    slot: Slot
    fingerprint: bytes | None
    missing: bool


def keys(index: Index, *, trash: bool, limit: int | None) -> list[Key]:
    """Return the keys in order of their names, or those in the trash."""
    where = "k.deleted_at IS NOT NULL" if trash else "k.deleted_at IS NULL"
    sql = f"{_KEY} AND {where} ORDER BY k.sort_name, k.id LIMIT ?"
    return [_key(index, row) for row in index.query(sql, (-1 if limit is None else limit,))]


def key(index: Index, key_id: int) -> Key:
    """Return one key, also from the trash.

    Raises:
        KeyNotFound: It was deleted.
    """
    rows = index.query(f"{_KEY} AND k.id = ?", (key_id,))
    if not rows:
        raise KeyNotFound("This key is no longer there.")
    return _key(index, rows[0])


def find(index: Index, name: str, *, trash: bool) -> Key:
    """Return the key of this name; in the trash, the one deleted last.

    Raises:
        KeyNotFound: With names that are close as its hint.
    """
    if not name.isascii():
        from unicodedata import normalize

        name = normalize("NFC", name)  # as it was stored; some keyboards and file systems give the other form
    where = "k.deleted_at IS NOT NULL" if trash else "k.deleted_at IS NULL"
    rows = index.query(f"{_KEY} AND {where} AND k.name = ? ORDER BY k.deleted_at DESC, k.id DESC LIMIT 1", (name,))
    if rows:
        return _key(index, rows[0])
    raise KeyNotFound(f"There is no key named “{name}”{' in the trash' if trash else ''}.", _close(index, name, where))


def counts(index: Index, now: int) -> Counts:
    """Return how many keys each group holds."""
    total, due, unhealthy, rotating, admin = index.query(_COUNTS, {"now": now})[0]
    trash = index.query(f"SELECT count(*) FROM keys k WHERE {_VISIBLE} AND deleted_at IS NOT NULL")[0][0]  # noqa: S608 - a constant
    providers = index.query(f"SELECT provider, count(*) FROM keys WHERE {_SHOWN} GROUP BY provider ORDER BY provider")  # noqa: S608 - a constant
    tags: dict[str, int] = {}
    for joined, number in index.query(f"SELECT tags, count(*) FROM keys WHERE {_SHOWN} GROUP BY tags"):  # noqa: S608 - a constant
        for tag in joined.split(TAG_SEPARATOR) if joined else ():
            tags[tag] = tags.get(tag, 0) + number
    return Counts(total, due, unhealthy, rotating, admin, trash, dict(providers), dict(sorted(tags.items())))


def versions(index: Index, key_id: int) -> list[Version]:
    """Return a key's versions, newest first; not what is only known until its slot is emptied."""
    where = "WHERE key_id = ? AND (purge_at IS NULL OR purge_at > 0)"
    return [Version(*row) for row in index.query(f"{_VERSION} {where} ORDER BY id DESC", (key_id,))]


def versions_there(index: Index, key_id: int) -> list[Version]:
    """Return the values of every key of one key's provider and base URL whose ids there are known."""
    same = "k.provider = one.provider AND k.base_url = one.base_url"
    keys = f"SELECT k.id FROM keys k JOIN keys one ON {same} WHERE one.id = ?"  # noqa: S608 - constants only
    where = f"WHERE remote_id <> '' AND (purge_at IS NULL OR purge_at > 0) AND key_id IN ({keys})"
    return [Version(*row) for row in index.query(f"{_VERSION} {where} ORDER BY id DESC", (key_id,))]


def replaced_version(index: Index, event_id: int) -> Version | None:
    """Return the version a rotation's event took out of use, while undo can still put it back."""
    old = "SELECT json_extract(data, '$.old') FROM events WHERE id = ? AND type = 'rotated' AND undoable = 1"
    found = index.query(f"{_VERSION} WHERE id = ({old})", (event_id,))
    return Version(*found[0]) if found else None


def events(index: Index, key_id: int | None, limit: int) -> list[Event]:
    """Return what happened to one key or to all, newest first."""
    where = "" if key_id is None else "WHERE key_id = :key"
    rows = index.query(f"{_EVENT} {where} ORDER BY id DESC LIMIT :limit", {"key": key_id, "limit": limit})
    return [_event(row) for row in rows]


def checks(index: Index, key_id: int) -> list[Verdict]:
    """Return the verdicts kept of one key, newest first."""
    columns = ", ".join(Verdict._fields)
    rows = index.query(f"SELECT {columns} FROM checks WHERE key_id = ? ORDER BY id DESC", (key_id,))  # noqa: S608 - names of fields
    return [Verdict(*row) for row in rows]


def undoable(index: Index) -> Event | None:
    """Return the newest event that undo can take back: while a key is in the trash, of its events the deletion."""
    rows = index.query(_UNDOABLE)
    return _event(rows[0]) if rows else None


def rotations(index: Index, *, unfinished: bool) -> list[Rotation]:
    """Return the rotations, newest first."""
    where = "WHERE state NOT IN ('done', 'abandoned')" if unfinished else ""
    return [_rotation(row) for row in index.query(f"{_ROTATION} {where} ORDER BY id DESC")]


def rotation(index: Index, rotation_id: int) -> Rotation:
    """Return one rotation.

    Raises:
        KeyNotFound: There is none of this id.
    """
    rows = index.query(f"{_ROTATION} WHERE id = ?", (rotation_id,))
    if not rows:
        raise KeyNotFound("This rotation is no longer there.")
    return _rotation(rows[0])


def places(index: Index, key_id: int) -> list[Place]:
    """Return where every version of a key lies, the shown one last."""
    rows = index.query(f"{_PLACE} ON v.key_id = k.id WHERE k.id = ? ORDER BY v.id = k.version_id, v.id", (key_id,))
    return [_place(row) for row in rows]


def place(index: Index, key_id: int, version_id: int | None) -> Place:
    """Return where one version of a key lies, by default the current one.

    Raises:
        KeyNotFound: The key or the version was deleted.
    """
    sql = f"{_PLACE} ON v.key_id = k.id AND v.id = coalesce(?, k.version_id) WHERE k.id = ?"
    rows = index.query(sql, (version_id, key_id))
    if not rows:
        raise KeyNotFound("This key is no longer there.")
    return _place(rows[0])


def fingerprint(index: Index, secret: Secret) -> bytes | None:
    """Return the keyed fingerprint of a secret; None below 20 characters, where guessing would be cheap."""
    rows = index.query("SELECT value FROM meta WHERE name = 'fingerprint_key'")
    if len(secret) < MASK_MINIMUM or not rows:
        return None
    import hmac

    return hmac.digest(rows[0][0], secret.reveal().encode(), "sha256")


def same_secret(index: Index, secret: Secret) -> Key | None:
    """Return a key that has or had this secret, one in the list before one in the trash."""
    digest = fingerprint(index, secret)
    if digest is None:
        return None
    rows = index.query(_SAME, (digest,))
    return _key(index, rows[0]) if rows else None


def holder(index: Index, version_id: int, remote_id: str) -> str | None:
    """Return the name of a key another value of which is known as this id at the same provider, None when none is.

    A value that is stored twice is no other value.
    """
    sql = (
        "SELECT k.name FROM versions own JOIN keys mine ON mine.id = own.key_id JOIN versions v ON v.remote_id = ?"
        " JOIN keys k ON k.id = v.key_id WHERE own.id = ? AND v.id <> own.id"
        " AND k.provider = mine.provider AND k.base_url = mine.base_url"
        " AND coalesce(v.fingerprint <> own.fingerprint, 1) LIMIT 1"
    )
    found = index.query(sql, (remote_id, version_id))
    return found[0][0] if found else None


def _key(index: Index, row: Row) -> Key:
    kinds = tuple(map(type, row))
    if kinds not in _seen:
        # A damaged file may hold a number where a text belongs, or bytes where a time does.
        if not all(kind in allowed for kind, allowed in zip(kinds, _KINDS, strict=True)):
            raise damaged(index.path)
        _seen.add(kinds)
    tags = tuple(row[8].split(TAG_SEPARATOR)) if row[8] else ()
    return Key._make((*row[:5], bool(row[5]), *row[6:8], tags, *row[9:]))


def _rotation(row: Row) -> Rotation:
    tried = tuple(row[10].split(TAG_SEPARATOR)) if row[10] else ()
    return Rotation._make((*row[:10], tried, *row[11:]))


def _event(row: Row) -> Event:
    return Event._make((*row[:6], bool(row[6]), bool(row[7])))


def _place(row: Row) -> Place:
    return Place(row[0], row[1], Slot(row[2], row[3]), row[4], bool(row[5]))


def _close(index: Index, name: str, where: str) -> str:
    from difflib import get_close_matches

    sql = f"SELECT k.name FROM keys k WHERE {where} AND {_VISIBLE}"  # noqa: S608 - constants only
    names = {row[0].casefold(): row[0] for row in index.query(sql)}
    close = [names[match] for match in get_close_matches(name.casefold(), names, n=3, cutoff=0.7)]
    if close:
        return "Did you mean " + " or ".join(f"“{match}”" for match in close) + "?"
    return "`keytui list` shows the names."
