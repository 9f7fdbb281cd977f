"""The lock of one rotation: one process drives it at a time, and the kernel frees it when that one dies."""

from __future__ import annotations

import os
from contextlib import suppress

from keytui.errors import StoreBusy, StoreRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from filelock import FileLock


class RotationLock:
    """Held by the one process that drives a rotation, while it does; another is refused at once.

    Not for a `with`: a flow takes it in one thread and lets go of it in another.

    Args:
        path: Path of its file, beside the store lock's.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._file: FileLock | None = None

    def acquire(self) -> None:
        """Take it.

        Raises:
            StoreBusy: Another keytui, or another part of this one, drives this rotation.
            StoreRefused: Its file cannot be made.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.path, mode=0o600, thread_local=False, fallback_to_soft=False)
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            sentence = "Another keytui is working on this rotation."
            raise StoreBusy(sentence, "Wait until it has finished, then look again.") from None
        except OSError as error:
            sentence = f"{self.path} cannot be locked: {error.strerror}."
            raise StoreRefused(sentence, "Check the permissions of its folder.") from None
        self._file = lock

    def release(self, *, ended: bool = False) -> None:
        """Let go of it. With `ended` its file goes too: nobody drives a rotation that has ended."""
        if self._file is None:
            return
        if ended:
            with suppress(OSError):  # Windows: it is open; a few bytes stay
                os.unlink(self.path)
        self._file.release()
        self._file = None
