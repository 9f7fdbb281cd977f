"""The passphrase a script hands over in a file, KEYTUI_PASSPHRASE_FILE, and what a new one must be like."""

from __future__ import annotations

import os
import stat

from keytui.errors import StoreRefused
from keytui.model import Secret

MINIMUM = 8
"""Fewest characters of a new passphrase. Each guess costs about a second, which does not help against a guess that is
tried among the first thousand."""

_LIMIT = 65_536


def problem(passphrase: Secret) -> str:
    """Say why a new passphrase is no good; "" when it is."""
    if len(passphrase) < MINIMUM:
        return f"Use at least {MINIMUM} characters; four random words are easy to keep and hard to guess."
    return "" if passphrase.reveal().strip() else "Use more than spaces."


def from_file(path: str) -> Secret:
    """Read a passphrase; one trailing newline is dropped.

    A regular file must be the user's own and closed to others. A pipe, such as /dev/fd/3, may be anything.

    Raises:
        StoreRefused: It cannot be read, is readable by others, is empty, or is not UTF-8 text.
    """
    path = os.path.expanduser(path)
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode):
                _check_owner(path, status)
            text = file.read(_LIMIT + 1).decode()
    except UnicodeDecodeError:
        raise StoreRefused(f"The passphrase in {path} is not UTF-8 text.", _HINT) from None
    except OSError as error:
        raise StoreRefused(f"The passphrase file {path} cannot be read: {error.strerror}.", _HINT) from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or len(text) > _LIMIT:
        raise StoreRefused(f"The passphrase file {path} is {'empty' if not text else 'too long'}.", _HINT)
    return Secret(text)


def stamp(path: str) -> object:
    """Return something that changes when the file does, so that a wrong passphrase is not derived twice."""
    try:
        status = os.stat(os.path.expanduser(path))
    except OSError:
        return None
    return path, status.st_ino, status.st_size, status.st_mtime_ns


_HINT = "Correct KEYTUI_PASSPHRASE_FILE, or unset it to be asked."


def _check_owner(path: str, status: os.stat_result) -> None:
    if not hasattr(os, "geteuid"):
        return  # Windows: the folder's own rules apply
    if status.st_uid != os.geteuid():
        raise StoreRefused(f"The passphrase file {path} belongs to another user.", _HINT)
    if status.st_mode & 0o077:
        raise StoreRefused(f"Others can read the passphrase file {path}.", f"Run: chmod 600 {path}")
