"""The Linux kernel's keyring of this user: memory only, ends by itself, read by this user's processes alone.

It is spoken to by system call, since keyctl(1) and libkeyutils are often not installed. Every failure means "no
cache": containers often forbid these calls.
"""

from __future__ import annotations

import os
import sys

from keytui.model import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes

# add_key and keyctl, from the kernel's system call tables.
_CALLS = {"x86_64": (248, 250), "aarch64": (217, 219), "riscv64": (217, 219)}

# From linux/keyctl.h.
_PROCESS_KEYRING, _USER_KEYRING = -2, -4
_REVOKE, _SETPERM, _LINK, _UNLINK, _SEARCH, _READ, _SET_TIMEOUT = 3, 5, 8, 9, 10, 11, 15
# The possessor may do anything; a process of the same user may view, read and search (keyctl_setperm(3)).
_PERMISSIONS = 0x3F0B0000
_TYPE = b"user"
_LARGEST = 4096


def get(name: str) -> Secret | None:
    """Return what is kept under this name, or None."""
    kernel = _Kernel.here()
    found = kernel.search(name) if kernel else -1
    if kernel is None or found < 0:
        return None
    import ctypes

    buffer = ctypes.create_string_buffer(_LARGEST)
    size = kernel.control(_READ, found, buffer, _LARGEST)
    if not 0 < size <= _LARGEST:
        return None
    return Secret(buffer.raw[:size].decode("ascii", "replace"))


def put(name: str, secret: Secret, seconds: int) -> bool:
    """Keep a secret for so many seconds; says whether the kernel took it."""
    kernel = _Kernel.here()
    if kernel is None:
        return False
    payload = secret.reveal().encode()
    key = kernel.add(name, payload)
    if key < 0:
        return False
    if kernel.control(_SETPERM, key, _PERMISSIONS) < 0 or kernel.control(_SET_TIMEOUT, key, seconds) < 0:
        kernel.remove(key)  # nothing stays longer than was asked
        return False
    return True


def drop(name: str) -> None:
    """Let go of what is kept under this name."""
    kernel = _Kernel.here()
    found = kernel.search(name) if kernel else -1
    if kernel is not None and found >= 0:
        kernel.remove(found)


class _Kernel:
    def __init__(self, library: ctypes.CDLL, calls: tuple[int, int]) -> None:
        self._call = library.syscall
        self._add, self._keyctl = calls
        # Reading needs possession; in a session whose keyring has no link to the user's, this gives it.
        self.control(_LINK, _USER_KEYRING, _PROCESS_KEYRING)

    @staticmethod
    def here() -> _Kernel | None:
        calls = _CALLS.get(os.uname().machine) if sys.platform == "linux" and sys.maxsize > 2**32 else None
        if calls is None:
            return None
        try:
            import ctypes

            library = ctypes.CDLL(None)
            library.syscall.restype = ctypes.c_long
        except (ImportError, OSError, AttributeError):
            return None
        return _Kernel(library, calls)

    def control(self, operation: int, *arguments: object) -> int:
        import ctypes

        plain = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
        return int(self._call(ctypes.c_long(self._keyctl), ctypes.c_long(operation), *plain))

    def search(self, name: str) -> int:
        return self.control(_SEARCH, _USER_KEYRING, _TYPE, name.encode(), 0)

    def add(self, name: str, payload: bytes) -> int:
        import ctypes

        size, ring = ctypes.c_size_t(len(payload)), ctypes.c_long(_USER_KEYRING)
        return int(self._call(ctypes.c_long(self._add), _TYPE, name.encode(), payload, size, ring))

    def remove(self, key: int) -> None:
        self.control(_REVOKE, key)
        self.control(_UNLINK, key, _USER_KEYRING)
