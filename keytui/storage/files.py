"""Writing a file so that it is whole or absent, on disk before the call returns, and private."""

from __future__ import annotations

import errno
import os

from keytui.errors import StoreRefused
from keytui.storage import steps


def write(path: str, content: bytes, *, exclusive: bool = False) -> None:
    """Write a file through a temporary one beside it: fsync, put in place, fsync of the folder. Mode 0600.

    Args:
        path: Where it goes.
        content: What it holds; never a secret in clear.
        exclusive: Refuse to replace an existing file.

    Raises:
        StoreRefused: The disk is full, the folder cannot be written, or the file exists.
    """
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            steps.reached("file.temporary_written")
            if exclusive:
                _link(temporary, path)
            else:
                os.replace(temporary, path)
            steps.reached("file.in_place")
        finally:
            if os.path.lexists(temporary):
                os.unlink(temporary)
        _sync_folder(os.path.dirname(path))
    except FileExistsError:
        raise StoreRefused(f"{path} exists already.", "Another keytui made it; try again.") from None
    except OSError as error:
        raise _refused(path, error) from None


def remove(path: str) -> None:
    """Remove a file, now and after a power cut; a missing one is fine.

    Raises:
        StoreRefused: It cannot be removed.
    """
    try:
        os.unlink(path)
        _sync_folder(os.path.dirname(path))
    except FileNotFoundError:
        return
    except OSError as error:
        raise _refused(path, error) from None


def move(path: str, target: str) -> None:
    """Move a finished file, or a folder, to another name in the same folder, now and after a power cut.

    Raises:
        StoreRefused: The folder cannot be written.
    """
    try:
        os.replace(path, target)
        _sync_folder(os.path.dirname(target))
    except OSError as error:
        raise _refused(target, error) from None


def leftovers(folder: str) -> list[str]:
    """Return the temporary files in a folder. Under the store lock no write runs, so they are a killed one's."""
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".tmp")]
    except OSError:
        return []


def _link(temporary: str, path: str) -> None:
    try:
        os.link(temporary, path)  # unlike replace, fails where the name is taken
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.replace(temporary, path)


def _sync_folder(path: str) -> None:
    if os.name != "posix":
        return  # Windows cannot open a folder
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(path: str, error: OSError) -> StoreRefused:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreRefused(f"The disk of {path} is full.", "Free some space; nothing that was stored is lost.")
    return StoreRefused(f"{path} cannot be written: {error.strerror}.", "Check the permissions of its folder.")
