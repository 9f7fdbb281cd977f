"""Looking the store over: what is wrong, why, and the command that puts it right. Changes nothing, never prompts."""

from __future__ import annotations

import os
import shlex

from keytui.errors import IndexNewer, SecretDamaged, StoreError, StoreLocked
from keytui.record import NamedTuple
from keytui.storage import adoption, choosing, derive, home, repair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from keytui.model import BackendName
    from keytui.storage.core import Core
    from keytui.storage.vault import Vault

    Level = Literal["ok", "warning", "error"]

REPAIR = "keytui doctor --repair"
_SHOWN = 5
_STORES = {"os": "the OS keyring", "vault": "the vault"}


class Finding(NamedTuple):
    """One thing doctor found.

    Attributes:
        id: A word that stays, for scripts.
        sentence: What is so; ends with a full stop and never holds a secret.
        fix: The command that puts it right, or "".
    """

    id: str
    level: Level
    sentence: str
    fix: str = ""


def examine(core: Core) -> list[Finding]:
    """Return what there is to say about the store; see Keystore.examine."""
    findings = [*home.findings(core.settings), *_index(core), *_store(core), *_vault(core)]
    if all(finding.id != "index" or finding.level == "ok" for finding in findings):
        return [*findings, *_unfinished(core), *_secrets(core)]
    return [*findings, *_strangers(core, set(), used=True)]


# --- the index


def _index(core: Core) -> list[Finding]:
    path = core.index.path
    try:
        broken = repair.trouble(core)
    except IndexNewer as error:
        return [Finding("index", "error", f"{error.sentence} Update keytui.")]
    except StoreError as error:
        shut = next((name for name in (core.settings.data_dir, path) if not os.access(name, os.R_OK | os.W_OK)), "")
        fix = f"chmod u+rwX {shlex.quote(shut)}" if shut and os.path.lexists(shut) else ""
        return [Finding("index", "error", error.sentence if fix else f"{error.sentence} {error.hint}".strip(), fix)]
    if broken is not None:
        return [Finding("index", "error", f"{broken.sentence} No secret is in it, so none is lost.", REPAIR)]
    if not os.path.exists(path):
        return [Finding("index", "ok", "There is no index yet: the first key makes one.")]
    number = core.index.query("SELECT count(*) FROM keys")[0][0]
    found = [Finding("index", "ok", f"The index is whole: {number} key{'' if number == 1 else 's'}.")]
    kept = sorted(name for name in os.listdir(core.settings.data_dir) if name.startswith("index.db.broken-"))
    if kept:
        sentence = f"A broken index is kept as {kept[0]}. Remove it once every key is there."
        found.append(Finding("broken-index-kept", "ok", sentence))
    return found


def _unfinished(core: Core) -> list[Finding]:
    rows = core.index.query("SELECT name FROM keys WHERE unfinished <> '' ORDER BY sort_name")
    rows += core.index.query(
        "SELECT DISTINCT k.name FROM keys k JOIN rotations r ON r.key_id = k.id JOIN versions v ON v.id = r.new_version"
        " WHERE v.state = 'pending' AND r.state IN ('planned', 'abandoned')"
    )
    found = []
    if rows:
        sentence = f"A change was interrupted: {_names(row[0] for row in rows)}."
        found.append(Finding("unfinished", "warning", sentence, REPAIR))
    waiting = core.index.query(
        "SELECT DISTINCT k.name FROM keys k JOIN rotations r ON r.key_id = k.id WHERE r.kind <> 'pasted'"
        " AND r.state NOT IN ('done', 'abandoned') AND (r.state <> 'retiring' OR r.retire_at <= ?)",
        (core.now(),),
    )
    if waiting:
        sentence = f"A rotation by the provider waits to go on: {_names(row[0] for row in waiting)}."
        found.append(Finding("rotations", "warning", sentence, "keytui rotate --resume"))
    return found


# --- which store


def _store(core: Core) -> list[Finding]:
    name, source = core.settings.backend, core.settings.backend_source
    vault = repair.vault_of(core)
    if name is None and vault is not None and vault.exists():
        name, source = "vault", "the vault is there"
    if name is None:
        found = [Finding("store", "ok", "No store was chosen yet: the first key decides.")]
    else:
        found = [Finding("store", "ok", f"New keys go to {_STORES[name]} ({source or 'given'}).")]
    found += _os_keyring(core, used=name == "os" or bool(_rows_in(core, "os")))
    if vault is not None and not vault.exists() and name != "vault" and not vault.listed():
        found.append(Finding("vault", "ok", "There is no vault: keytui offers one where no OS keyring works."))
    return found


def _os_keyring(core: Core, *, used: bool) -> list[Finding]:
    try:
        core.backend("os").ready()
    except StoreLocked as error:
        level: Level = "warning" if used else "ok"
        return [Finding("os-keyring-locked", level, f"{error.sentence} {error.hint}".strip())]
    except StoreError as error:
        return [Finding("os-keyring", "error" if used else "ok", error.sentence)]
    return [Finding("os-keyring", "ok", "The OS keyring answers and is unlocked.")]


# --- the vault


def _vault(core: Core) -> list[Finding]:
    vault = repair.vault_of(core)
    if vault is None:
        return []
    try:
        listed = vault.listed()
    except StoreError as error:
        return [Finding("vault", "error", f"{error.sentence} {error.hint}".strip())]
    if not vault.exists():
        if listed or _rows_in(core, "vault"):
            gone = vault.locked_error()
            return [Finding("vault", "error", f"{gone.sentence} {gone.hint}")]
        return []
    return [*_work_factor(core), *_opened(core, vault)]


def _work_factor(core: Core) -> list[Finding]:
    path = os.path.join(core.settings.vault_dir, "identity.age")
    try:
        with open(path, "rb") as file:
            factor = derive.work_factor(file.read())
    except OSError as error:
        return [Finding("work-factor", "error", f"{path} cannot be read: {error.strerror}.")]
    if factor is None:
        return [Finding("work-factor", "error", "identity.age is not what was written. Restore it from a backup.")]
    said = f"The vault's passphrase is protected by a work factor of 2^{factor}"
    if factor < derive.WEAKEST:
        return [Finding("work-factor", "error", f"{said}, which is too weak to be opened. Restore it from a backup.")]
    if factor < derive.STRONG:
        return [Finding("work-factor", "warning", f"{said}; 2^{derive.STRONG} is wanted.", "keytui passphrase")]
    return [Finding("work-factor", "ok", f"{said}.")]


def _opened(core: Core, vault: Vault) -> list[Finding]:
    recipient = os.path.join(core.settings.vault_dir, "recipient.txt")
    try:
        with open(recipient, encoding="ascii") as file:
            public = file.read().strip()
    except (OSError, ValueError):
        public = ""
    if not public.startswith("age1"):
        return [Finding("recipient", "error", "recipient.txt of the vault cannot be read. Restore it from a backup.")]
    try:
        choosing.unlock_quietly(core)
    except SecretDamaged as error:
        return [Finding("recipient", "error", f"{error.sentence} {error.hint}")]
    except StoreLocked as error:
        if error.sentence != "The vault is locked.":  # KEYTUI_PASSPHRASE_FILE is set, and did not open it
            return [Finding("vault-locked", "error", error.sentence)]
        return [Finding("vault-locked", "ok", "The vault is locked: its files were not looked into.", "keytui unlock")]
    except StoreError as error:
        return [Finding("vault", "error", f"{error.sentence} {error.hint}".strip())]
    return _files(core, vault)


def _files(core: Core, vault: Vault) -> list[Finding]:
    """Open every file of an open vault: a secret that is damaged is better known before it is needed."""
    named = {row[0]: row[1:] for row in _rows_in(core, "vault")}
    listed = vault.listed() or []
    broken, strange = [], 0
    for slot in listed:
        try:
            kept, _ = vault.inside(slot.id)
        except StoreError:
            broken.append(named[slot.id][0] if slot.id in named else slot.id)
            continue
        strange += slot.id in named and kept.name != named[slot.id][1]
    found = [Finding("vault", "ok", f"The vault is open, and {len(listed) - len(broken)} of its files can be read.")]
    if broken:
        sentence = f"A file of the vault is not what was written: {_names(broken)}. Restore it from a backup."
        found.append(Finding("secret-damaged", "error", sentence))
    if strange:
        found.append(Finding("index", "error", "The index names secrets otherwise than their files do.", REPAIR))
    return found


# --- secrets and slots


def _secrets(core: Core) -> list[Finding]:
    """Compare the index with what the stores list; no secret is read for it."""
    found: list[Finding] = []
    known = adoption.known_slots(core)
    for name in ("vault", "os"):
        rows = _rows_in(core, name)
        listed = _listed(core, name)
        if listed is None:
            if rows and name == "os" and core.backend(name).state().state == "ready":
                sentence = "This system's keyring cannot be listed: a secret that is missing shows when it is read."
                found.append(Finding("not-listed", "ok", sentence))
            continue
        missing = [key for slot, key, _, unfinished in rows if slot not in listed and not unfinished]
        if missing:
            sentence = f"{_capital(_STORES[name])} holds no secret for {_names(missing)}. Add or rotate it."
            found.append(Finding("secret-missing", "error", sentence))
    if not found and known:
        found.append(Finding("secrets", "ok", "Every key that could be looked for has its secret."))
    unknown = len((_listed(core, "vault") or set()) - known)
    if unknown:
        sentence = f"The vault holds {_secrets_of(unknown)} that the index does not know."
        found.append(Finding("unknown-slot", "warning", sentence, REPAIR))
    return found + _strangers(core, known, used=core.settings.backend == "os" or bool(_rows_in(core, "os")))


def _strangers(core: Core, known: set[str], *, used: bool) -> list[Finding]:
    number = len((_listed(core, "os") or set()) - known)
    if not number:
        return []
    sentence = (
        f"The OS keyring holds {_secrets_of(number)} that this index does not know. Another keytui home of yours may"
        " own them: deleting one here would delete it there."
    )
    return [Finding("unknown-slot-os", "warning" if used else "ok", sentence, f"{REPAIR} -y")]


def _listed(core: Core, name: BackendName) -> set[str] | None:
    try:
        listed = core.backend(name).listed()
    except StoreError:  # locked or absent, which was said already
        return None
    return None if listed is None else {slot.id for slot in listed}


def _secrets_of(number: int) -> str:
    return f"{number} secret{'' if number == 1 else 's'}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _rows_in(core: Core, name: BackendName) -> list[tuple[str, str, str, str]]:
    """Return slot, key name, label and unfinished write of every version in a store; none while the index is broken."""
    sql = (
        "SELECT v.slot, k.name, v.label, k.unfinished FROM versions v JOIN keys k ON k.id = v.key_id"
        " WHERE v.backend = ? AND v.state <> 'pending' AND coalesce(v.purge_at, 1) <> 0 ORDER BY k.sort_name"
    )
    try:
        rows = core.index.query(sql, (name,))
    except StoreError:
        return []
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def _names(names: object) -> str:
    distinct = list(dict.fromkeys(names))  # type: ignore[call-overload] # any iterable of str
    shown = ", ".join(f"“{name}”" for name in distinct[:_SHOWN])
    return shown + (f" and {len(distinct) - _SHOWN} more" if len(distinct) > _SHOWN else "")
