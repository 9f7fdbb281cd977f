"""The journal of rotations whose new key comes from the provider, and of keys that are ended there.

Nothing here talks to a provider: each call notes what the flow is about to do or has done, so that a killed flow can be
taken up again from the row alone.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress

from keytui.errors import InvalidInput, KeyNotFound, KeytuiError, StoreError
from keytui.storage import choosing, endings, journal, recovery, rows, slots, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keytui.model import Key, KeyFields, RemoteKey, Rotation, Secret, Seen, Version
    from keytui.storage.core import Core
    from keytui.storage.index import Row, Transaction, Values

RETIRING = ("switched", "retiring")
"""States in which the new key is in use and the old one is waiting for its end."""

_NAME_LIMIT = 40
_ADDRESS = ("kind", "provider", "base_url")
_ELSEWHERE = (
    "SELECT 1 FROM keys a, keys k WHERE a.id = ? AND k.id = ?"
    " AND (a.provider <> k.provider OR a.base_url <> k.base_url)"
)
_BUSY = "Go on with it: keytui rotate --resume"


def plan(
    core: Core,
    key_id: int,
    *,
    admin_key_id: int,
    project: str,
    account: str,
    account_name: str,
    grace_s: int,
    seen: Seen | None,
) -> Rotation:
    """Note a rotation before its provider is asked for a key; see Keystore.plan_rotation."""
    with core.lock:
        choosing.writable(core)  # what the provider shows once must find an open store
        recovery.recover(core)
        key = rows.key(core.index, key_id)
        uid = _uid()
        home = {"project": project, "account": account, "account_name": account_name}
        names = {"uid": uid, "remote_name": remote_name(key.name, uid)}
        begun = {"grace_s": grace_s, **names, **home}
        rotation_id = _begin(core, key, "issued", "planned", admin_key_id, seen=seen, earlier=None, **begun)
        steps.reached("issue.planned")
        return rows.rotation(core.index, rotation_id)


def plan_revocation(
    core: Core, key_id: int, *, admin_key_id: int, seen: Seen | None, instead_of: int | None
) -> Rotation:
    """Note that a key will be ended at its provider; see Keystore.plan_revocation."""
    with core.lock:
        recovery.recover(core)
        key = rows.key(core.index, key_id)
        shown = rows.place(core.index, key_id, None).version_id
        values: dict[str, object] = {"retiring_version": shown, "retire_at": core.now()}
        unfinished = (row for row in rows.rotations(core.index, unfinished=True) if row.kind == "issued")
        earlier = next((row for row in unfinished if (row.id, row.key_id) == (instead_of, key_id)), None)
        if earlier is not None:
            values |= _taken_over(earlier)
        rotation_id = _begin(core, key, "revoked", "retiring", admin_key_id, seen=seen, earlier=earlier, **values)
        steps.reached("revoke.planned")
        return rows.rotation(core.index, rotation_id)


def keep(core: Core, rotation_id: int, secret: Secret, remote: RemoteKey) -> Rotation:
    """Store the key the provider issued, beside the current one; see Keystore.keep_issued."""
    with core.lock:
        backend = choosing.writable(core)
        rotation = rows.rotation(core.index, rotation_id)
        key = rows.key(core.index, rotation.key_id)
        slot = slots.fresh(key.name, key.provider, key.base_url, core.now())
        with core.index.write() as transaction:
            new = slots.pend(transaction, core, backend.name, slot, secret, key_id=key.id, remote=remote)
            transaction.execute(
                "UPDATE rotations SET state = 'issued', new_version = ?, remote_id = ?, note = '', updated_at = ?"
                " WHERE id = ?",
                (new, remote.id, core.now(), rotation_id),
            )
        steps.reached("issue.row_pending")
        slots.fill(backend, slot, secret, "issue")
        return set_state(core, rotation_id, "stored")


def plan_again(core: Core, rotation_id: int, *, unsure: bool) -> Rotation:
    """Let go of the key that was issued and give the next try a name of its own; see Keystore.plan_again."""
    with core.lock:
        rotation = rows.rotation(core.index, rotation_id)
        key = rows.key(core.index, rotation.key_id)
        uid = _uid()
        tried = (*rotation.tried, rotation.remote_name) if unsure else rotation.tried
        with core.index.write() as transaction:
            transaction.execute(
                "UPDATE rotations SET state = 'planned', new_version = NULL, remote_id = '', uid = ?, remote_name = ?,"
                " tried = ?, updated_at = ? WHERE id = ?",
                (uid, remote_name(key.name, uid), rows.TAG_SEPARATOR.join(tried), core.now(), rotation_id),
            )
            transaction.execute(
                "UPDATE versions SET state = 'trash', purge_at = 0 WHERE id = ?", (rotation.new_version,)
            )
        steps.reached("issue.planned_again")
        _empty(core, key.id, rotation.new_version)
        return rows.rotation(core.index, rotation_id)


def set_state(core: Core, rotation_id: int, state: str) -> Rotation:
    """Note how far a rotation got; its last failure is no longer true."""
    with core.index.write() as transaction:
        transaction.execute(
            "UPDATE rotations SET state = ?, note = '', updated_at = ? WHERE id = ?", (state, core.now(), rotation_id)
        )
    steps.reached(f"rotate.{state}")
    return rows.rotation(core.index, rotation_id)


def note(core: Core, rotation_id: int, sentence: str) -> None:
    """Note why a rotation did not go on; see Keystore.note_rotation."""
    with core.lock, core.index.write() as transaction:
        transaction.execute(
            "UPDATE rotations SET note = ?, updated_at = ? WHERE id = ?", (sentence, core.now(), rotation_id)
        )


def demand_expiry(core: Core, rotation_id: int, seconds: int) -> Rotation:
    """Note that the new key gets an end, because the provider demands one; see Keystore.demand_expiry."""
    with core.lock, core.index.write() as transaction:
        transaction.execute("UPDATE rotations SET expires_in_s = ? WHERE id = ?", (seconds, rotation_id))
    return rows.rotation(core.index, rotation_id)


def hasten(core: Core, rotation_id: int, seen: Version | None) -> Rotation:
    """End the grace period now; see Keystore.hasten_rotation."""
    with core.lock:
        with core.index.write() as transaction:
            if seen is not None:
                refuse_if_changed(transaction.execute, seen)
            transaction.execute(
                "UPDATE rotations SET retire_at = min(retire_at, ?) WHERE id = ? AND retire_at IS NOT NULL",
                (core.now(), rotation_id),
            )
            transaction.execute(  # one that has switched needs it still: its undo begins a grace period of its own
                "UPDATE rotations SET grace_s = 0 WHERE id = ? AND state NOT IN ('switched', 'retiring')",
                (rotation_id,),
            )
        return rows.rotation(core.index, rotation_id)


def know_remote(core: Core, version_id: int, remote: RemoteKey) -> None:
    """Note what the provider knows a version as; see Keystore.know_remote."""
    with core.lock, core.index.write() as transaction:
        _know(transaction, version_id, remote)


def know_ends(core: Core, provider: str, base_url: str, ends: Mapping[str, int]) -> None:
    """Note when values in use end at their provider; see Keystore.know_ends."""
    found = core.index.query(
        "SELECT v.id, v.remote_id, v.expires_at, k.expires_at FROM keys k JOIN versions v ON v.id = k.version_id"
        " WHERE v.remote_id <> '' AND k.provider = ? AND k.base_url = ?",
        (provider, base_url),
    )
    news = [(ends[known], id_, known) for id_, known, *kept in found if known in ends and kept != [ends[known]] * 2]
    if not news:
        return
    with core.lock, core.index.write() as transaction:
        for end, version_id, known in news:
            transaction.execute(
                "UPDATE versions SET expires_at = ? WHERE id = ? AND remote_id = ?", (end, version_id, known)
            )
            transaction.execute("UPDATE keys SET expires_at = ? WHERE version_id = ?", (end, version_id))


def _know(transaction: Transaction, version_id: int, remote: RemoteKey) -> None:
    transaction.execute(
        # A list can leave the end out, and no provider takes one back.
        "UPDATE versions SET expires_at = iif(remote_id = :id, coalesce(:expires_at, expires_at), :expires_at),"
        " remote_id = :id, remote_project = :project, remote_account = :account WHERE id = :version",
        remote._asdict() | {"version": version_id},
    )
    transaction.execute(
        "UPDATE keys SET expires_at = ? WHERE version_id = ? AND ? IS NOT NULL",
        (remote.expires_at, version_id, remote.expires_at),
    )


def refuse_if_changed(
    ask: Callable[[str, Values], list[Row]], version: Version, remote: RemoteKey | None = None
) -> None:
    """Raise KeytuiError when a key has another value by now than the one that was looked up at its provider.

    Args:
        ask: Runs a statement, inside the write that depends on it.
        version: What was in use then.
        remote: What the provider was found to know it as; known as another key by now, it is refused as well.
    """
    known = ("", version.remote_id, version.remote_id if remote is None else remote.id)
    found = ask(
        "SELECT k.version_id = ? AND v.remote_id IN (?, ?, ?), k.name"
        " FROM keys k JOIN versions v ON v.id = k.version_id WHERE k.id = ?",
        (version.id, *known, version.key_id),
    )
    if not found:
        raise KeyNotFound("This key is no longer there.")
    if not found[0][0]:
        raise KeytuiError(f"“{found[0][1]}” was changed meanwhile.", "Nothing was done. Look again.")


def retired(core: Core, rotation_id: int, sentence: str) -> None:
    """End a rotation whose retiring key is proven dead; see Keystore.end_retirement."""
    with core.lock:
        rotation = rows.rotation(core.index, rotation_id)
        key = rows.key(core.index, rotation.key_id)
        if rotation.kind == "revoked":
            endings.erase(core, key, "revoke", kind="revoked", detail=sentence)
            return
        with core.index.write() as transaction:
            transaction.execute(
                "UPDATE rotations SET state = 'done', note = '', updated_at = ? WHERE id = ?", (core.now(), rotation_id)
            )
            if rotation.retiring_version is not None:
                endings.let_go(transaction, rotation.retiring_version)
            journal.note(transaction, key.id, key.name, "revoked", sentence, at=core.now())
        steps.reached("rotate.done")
        _empty(core, key.id, rotation.retiring_version)


def end(core: Core, rotation_id: int) -> None:
    """End a rotation that leaves its old key alone; see Keystore.end_rotation."""
    with core.lock:
        set_state(core, rotation_id, "done")


def refuse_while_issued(core: Core, key: Key, *, for_good: bool) -> None:
    """Raise KeytuiError when deleting a key would leave a key at its provider that nobody ends, or nobody can.

    Args:
        for_good: The row goes, and with it the journal; in the trash an old key's retirement goes on.
    """
    found = core.index.query(
        "SELECT kind, state FROM rotations"
        " WHERE key_id = ? AND kind <> 'pasted' AND state NOT IN ('done', 'abandoned')",
        (key.id,),
    )
    for kind, state in found:
        if kind == "revoked":
            raise KeytuiError(f"“{key.name}” is being revoked at its provider.", _BUSY)
        if for_good or state not in RETIRING:
            raise KeytuiError(f"“{key.name}” is being rotated at its provider.", _BUSY)
    needed = core.index.query(
        "SELECT k.name FROM rotations r JOIN keys k ON k.id = r.key_id"
        " WHERE r.admin_key_id = ? AND r.state NOT IN ('done', 'abandoned')",
        (key.id,),
    )
    if needed:
        raise KeytuiError(f"“{key.name}” is needed to finish the rotation of “{needed[0][0]}”.", _BUSY)


def refuse_to_move(core: Core, key: Key, fields: KeyFields) -> None:
    """Raise InvalidInput when a key would be sent elsewhere while its provider issues or ends one, or needs it to.

    Elsewhere a value would be shown to somebody else, unasked, and a refusal there is no proof that it is dead.
    """
    changed = next((name for name in _ADDRESS if getattr(key, name) != getattr(fields, name)), "")
    if not changed:
        return
    found = core.index.query(
        "SELECT r.kind, r.state, r.retire_at, k.id, k.name FROM rotations r JOIN keys k ON k.id = r.key_id"
        " WHERE ? IN (r.key_id, r.admin_key_id) AND r.kind <> 'pasted' AND r.state NOT IN ('done', 'abandoned')"
        " ORDER BY r.key_id <> ?",
        (key.id, key.id),
    )
    for kind, state, retire_at, key_id, name in found:
        doing = "revoked" if kind == "revoked" else "rotated"
        by = f" by “{key.name}”" if key_id != key.id else ""
        sentence = f"“{name}” is being {doing} at its provider{by}: kind, provider and base URL can be changed after"
        if kind == "issued" and state in RETIRING and retire_at is not None and retire_at > core.now():
            at = time.strftime("%Y-%m-%d %H:%M", time.localtime(retire_at))
            sentence += f" the old key's end, {at}."
            raise InvalidInput(changed, sentence, "To end it now: r and Ctrl+E, or keytui rotate --resume --now")
        raise InvalidInput(changed, f"{sentence} that.", f"{_BUSY}, or r in the app.")


def remote_name(name: str, uid: str) -> str:
    """Return the name a new key gets at its provider: plain ASCII, and by its end ours."""
    plain = "".join(character if " " < character < "\x7f" else "-" for character in name[:_NAME_LIMIT])
    return f"keytui:{plain}:{uid}"


def _taken_over(earlier: Rotation) -> dict[str, object]:
    """Return the part of a revocation's row that ends what an unfinished rotation of its key retires, or was issued."""
    tried = rows.TAG_SEPARATOR.join(earlier.tried)
    if earlier.state in RETIRING:
        return {"new_version": earlier.retiring_version, "tried": tried}
    names = {"uid": earlier.uid, "remote_name": earlier.remote_name, "remote_id": earlier.remote_id}
    home = {"project": earlier.project, "account": earlier.account, "account_name": earlier.account_name}
    return {"new_version": earlier.new_version, "tried": tried, **names, **home}


def _end_taken_over(transaction: Transaction, earlier: Rotation, now: int) -> None:
    """End the row that a revocation takes over: from here on its own row tells what is left at the provider."""
    state = "done" if earlier.state in RETIRING else "abandoned"
    new = earlier.new_version if state == "done" else None
    transaction.execute(
        "UPDATE rotations SET state = ?, new_version = ?, note = '', updated_at = ? WHERE id = ?",
        (state, new, now, earlier.id),
    )


def _begin(
    core: Core,
    key: Key,
    kind: str,
    state: str,
    admin_key_id: int,
    *,
    seen: Seen | None,
    earlier: Rotation | None,
    **values: object,
) -> int:
    """Write the row and what the provider knows the version in use as: both, or nothing where that has changed."""
    if key.state in ("trash", "interrupted"):
        raise KeytuiError(f"“{key.name}” cannot be changed in this state.", "Restore it first.")
    now = core.now()
    old = rows.place(core.index, key.id, None).version_id
    row = {"key_id": key.id, "kind": kind, "state": state, "old_version": old, "started_at": now, "updated_at": now}
    try:
        with core.index.write() as transaction:
            if transaction.execute(_ELSEWHERE, (admin_key_id, key.id)):
                raise KeytuiError(
                    f"The address of “{key.name}” was changed meanwhile.", "Nothing was done. Look again."
                )
            if seen is not None:
                refuse_if_changed(transaction.execute, *seen)
                if seen.remote is not None:
                    _know(transaction, old, seen.remote)
            if earlier is not None:
                _end_taken_over(transaction, earlier, now)
            return transaction.insert("rotations", **row, admin_key_id=admin_key_id, **values)
    except sqlite3.IntegrityError:
        raise KeytuiError(f"“{key.name}” is already being rotated.", _BUSY) from None


def _empty(core: Core, key_id: int, version_id: int | None) -> None:
    """Empty a slot that was let go of. Locked: recovery does it later."""
    if version_id is None:
        return
    with suppress(StoreError):
        place = rows.place(core.index, key_id, version_id)
        choosing.deletable(core, place.backend)
        endings.empty_version(core, place, "retire")


def _uid() -> str:
    return os.urandom(5).hex()
