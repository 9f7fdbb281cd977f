"""Making an index again from what is left: its own readable rows, the vault's files, and slots a keyring can list.

Nothing is deleted: the broken file is kept aside, and no slot is emptied. Runs under the store lock; killed at any
point, the next repair goes on.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from keytui.errors import IndexDamaged, IndexNewer, StoreError
from keytui.model import Secret
from keytui.record import NamedTuple
from keytui.storage import adoption, choosing, files, home, index, recovery, salvage, soundness, steps
from keytui.storage.adoption import Merged
from keytui.storage.index import Index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.storage.adoption import Find
    from keytui.storage.core import Core
    from keytui.storage.vault import Vault

_PARTS = ("", "-wal", "-shm")


class Repaired(NamedTuple):
    """What a repair did.

    Attributes:
        sentences: One for each change, for the person.
        adopted: Ids of the keys that were made for slots nobody knew.
    """

    sentences: tuple[str, ...]
    adopted: tuple[int, ...]


def trouble(core: Core) -> IndexDamaged | None:
    """Return what makes the index unusable, or None.

    Raises:
        IndexNewer: A newer keytui wrote it.
        StoreError: It cannot be looked at, for want of a permission.
    """
    try:
        found = soundness.problems(core.index)
    except IndexNewer:
        raise
    except IndexDamaged as error:
        return error
    return index.damaged(core.index.path) if found else None


def vault_of(core: Core) -> Vault | None:
    """Return the vault, whether it exists on disk or not; None in a demo without one."""
    try:
        return core.vault()
    except StoreError:
        return None


def repair(core: Core, *, adopt_os: bool) -> Repaired:
    """Rebuild a broken index, adopt slots it does not know, and end what was interrupted; see Keystore.repair."""
    with core.lock:
        finds, unreadable = _finds(core, adopt_os=adopt_os)
        sentences = [*_closed(core), *_tidied(core)]
        broken = trouble(core)
        merged = adoption.merge(core, core.index, finds, by_name=False) if broken is None else _rebuild(core, finds)
        sentences += merged.sentences
        steps.reached("repair.merged")
        if unreadable:
            sentences.append(f"{_files(unreadable)} in the vault cannot be opened and stayed as they are.")
        return Repaired((*sentences, *recovery.recover(core)), merged.adopted)


def _finds(core: Core, *, adopt_os: bool) -> tuple[list[Find], int]:
    """Open the vault's files, and where wanted list the OS keyring's slots; also says how many files did not open.

    Raises:
        StoreLocked: The vault holds secrets and must be opened first.
        StoreUnavailable: Its folder cannot be looked into.
    """
    finds: list[Find] = []
    unreadable = 0
    vault = vault_of(core)
    slots = vault.listed() if vault is not None else None
    if vault is not None and slots:
        choosing.unlock_quietly(core)
        for listed in slots:
            try:
                finds.append(adoption.Find("vault", *vault.inside(listed.id)))
            except StoreError:
                unreadable += 1
    return finds + (_os_finds(core) if adopt_os else []), unreadable


def _os_finds(core: Core) -> list[Find]:
    try:
        backend = core.backend("os")
        listed = backend.listed() or []
    except StoreError:  # locked, or none here: doctor says so
        return []
    known = adoption.known_slots(core)
    finds = []
    for slot in listed:
        if slot.id not in known:
            try:
                finds.append(adoption.Find("os", slot, backend.read(slot)))
            except StoreError:
                finds.append(adoption.Find("os", slot, Secret("")))
    return finds


def _rebuild(core: Core, finds: list[Find]) -> Merged:
    path = core.index.path
    built, temporary = f"{path}.rebuilt", f"{path}.{os.urandom(4).hex()}.tmp"
    fresh = Index(temporary, core.lock)
    try:
        with fresh.write() as transaction:
            salvaged = salvage.copy(path, transaction)
        merged = adoption.merge(core, fresh, finds, by_name=True)
        total = fresh.query("SELECT count(*) FROM keys")[0][0]
    finally:
        fresh.close()
    steps.reached("repair.built")
    files.move(temporary, built)
    steps.reached("repair.built_whole")
    core.index.close()
    kept = _set_aside(path)
    files.move(built, path)
    steps.reached("repair.in_place")
    said = f"The index was rebuilt: {total} key{'' if total == 1 else 's'}"
    said += f", {salvaged} from the broken file" if salvaged else ""
    said += f". The broken file is kept as {kept}." if kept else "."
    return Merged((said,), merged.adopted)


def _set_aside(path: str) -> str:
    """Rename the broken index and what belongs to it; return its new name, or "" when there was none."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    target, number = f"{path}.broken-{stamp}", 1
    while any(os.path.lexists(target + part) for part in _PARTS):
        number += 1
        target = f"{path}.broken-{stamp}-{number}"
    kept = ""
    for part in _PARTS:
        if os.path.lexists(path + part):
            files.move(path + part, target + part)
            steps.reached("repair.set_aside")
            kept = kept or os.path.basename(target + part)
    return kept


def _closed(core: Core) -> list[str]:
    """Close folders and files to other users."""
    changed = 0
    for path, mode in home.too_open(core.settings):
        with suppress(OSError):  # another user's: doctor goes on saying so
            os.chmod(path, mode)
            changed += 1
    return [f"{_files(changed)} can be read by you alone again."] if changed else []


def _tidied(core: Core) -> list[str]:
    """Go on with a repair that was killed between its last two steps, and remove temporary files of killed writes."""
    path = core.index.path
    sentences = []
    if os.path.isfile(f"{path}.rebuilt") and not os.path.lexists(path):
        _set_aside(path)
        files.move(f"{path}.rebuilt", path)
        sentences.append("A repair that had been interrupted was finished.")
    left = home.leftovers(core.settings)
    for name in left:
        files.remove(name)
    return [*sentences, f"{_files(len(left))} of a killed write {_were(len(left))} removed."] if left else sentences


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _files(number: int) -> str:
    return f"{number} file{'' if number == 1 else 's'}"
