"""The folder everything lies in: who may read it, what was left in it, and on what kind of disk it is."""

from __future__ import annotations

import os
import shlex
import stat

from keytui.storage import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.settings import Settings
    from keytui.storage.doctor import Finding

_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "9p", "fuse.sshfs", "fuse.rclone", "fuse.s3fs")
_SYNCED = ("dropbox", "onedrive", "google drive", "googledrive", "icloud drive", "mobile documents", "nextcloud")


def findings(settings: Settings) -> list[Finding]:
    """Return what there is to say about the folders; see doctor.examine."""
    from keytui.storage.doctor import Finding

    if not os.path.lexists(settings.data_dir):
        return [Finding("home", "ok", f"{settings.data_dir} is not there yet: the first key makes it.")]
    found = [Finding("home", "ok", f"Everything lies in {settings.data_dir}.")]
    loose = too_open(settings)
    for wanted in (0o700, 0o600):
        paths = [path for path, mode in loose if mode == wanted]
        if paths:
            shown = " ".join(shlex.quote(path) for path in paths[:20])
            kind = "folder" if wanted == 0o700 else "file"
            sentence = f"Other users may look into {len(paths)} {kind}{'' if len(paths) == 1 else 's'} of keytui."
            found.append(Finding("permissions", "error", sentence, f"chmod {wanted:o} {shown}"))
    foreign = [path for path in _paths(settings) if _is_foreign(path)]
    if foreign:
        fix = f"chown -R {os.geteuid()} {shlex.quote(settings.data_dir)}"
        found.append(Finding("owner", "error", f"{foreign[0]} belongs to another user.", fix))
    if not loose and not foreign:
        found.append(Finding("permissions", "ok", "Only you may look into it."))
    left = leftovers(settings)
    if left:
        sentence = f"A write that was killed left {len(left)} temporary file{'' if len(left) == 1 else 's'}."
        found.append(Finding("leftovers", "warning", sentence, "keytui doctor --repair"))
    return found + _disk(settings.data_dir)


def too_open(settings: Settings) -> list[tuple[str, int]]:
    """Return the folders and files others may look into, each with the mode it should have. POSIX only."""
    if os.name != "posix":
        return []
    loose = []
    for path in _paths(settings):
        try:
            status = os.lstat(path)
        except OSError:
            continue
        if stat.S_ISLNK(status.st_mode) or not status.st_mode & 0o077:
            continue
        loose.append((path, 0o700 if stat.S_ISDIR(status.st_mode) else 0o600))
    return loose


def leftovers(settings: Settings) -> list[str]:
    """Return what killed writes left. While another keytui writes, its temporary file is among them."""
    secrets = os.path.join(settings.vault_dir, "secrets")
    return [*scraps(settings.data_dir), *files.leftovers(settings.vault_dir), *files.leftovers(secrets)]


def scraps(folder: str) -> list[str]:
    """Return the temporary files of a killed write in the data folder, with SQLite's parts of them."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [
        os.path.join(folder, name)
        for name in names
        if name.startswith("index.db.") and (".tmp" in name or name == "index.db.rebuilt")
    ]


def _paths(settings: Settings) -> list[str]:
    """Return the folders and files keytui made. The configuration folder is the person's own, its file is ours."""
    paths = [settings.data_dir]
    for folder in (settings.data_dir, settings.vault_dir, os.path.join(settings.vault_dir, "secrets")):
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        ours = ("index.db", "store.lock", "settings.toml") if folder == settings.data_dir else ("",)
        paths += [os.path.join(folder, name) for name in names if name.startswith(ours) or name == "vault"]
    return paths


def _is_foreign(path: str) -> bool:
    try:
        return hasattr(os, "geteuid") and os.lstat(path).st_uid != os.geteuid()
    except OSError:
        return False


def _disk(folder: str) -> list[Finding]:
    from keytui.storage.doctor import Finding

    kind = _file_system(folder)
    if kind in _NETWORK:
        sentence = f"{folder} is on a network disk ({kind}), where SQLite may lose writes of several machines at once."
        return [Finding("network-disk", "warning", f"{sentence} Set KEYTUI_HOME to a folder on this machine.")]
    parts = {part.lower() for part in os.path.realpath(folder).split(os.sep)}
    named = [name for name in _SYNCED if any(part == name or part.startswith(f"{name} -") for part in parts)]
    if named:
        sentence = f"{folder} is synchronized ({named[0]}), which may copy the index while it is written."
        return [Finding("synced-folder", "warning", f"{sentence} Set KEYTUI_HOME to another folder.")]
    return []


def _file_system(folder: str) -> str:
    """Return the type of the file system a folder is on, from Linux's table of mounts; "" elsewhere."""
    real, best, kind = os.path.realpath(folder), "", ""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
            lines = [line.split(" ") for line in file]
    except OSError:
        return ""
    for words in lines:
        point = words[1].replace("\\040", " ")
        if len(point) >= len(best) and os.path.join(real, "").startswith(os.path.join(point, "")):
            best, kind = point, words[2]
    return kind
