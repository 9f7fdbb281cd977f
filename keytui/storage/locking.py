"""The store lock: one writer at a time, across threads and processes, freed by the kernel when its holder dies."""

from __future__ import annotations

import os
from _thread import RLock

from keytui.errors import StoreBusy, StoreRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from filelock import FileLock


class StoreLock:
    """A lock to use in a `with`; the same thread may enter it again.

    Args:
        path: Path of the lock's file, which stays when the lock is released.
        seconds: How long to wait for another thread or process.
    """

    def __init__(self, path: str, seconds: float) -> None:
        self.path = path
        self.seconds = seconds
        self._threads = RLock()
        self._depth = 0
        self._file: FileLock | None = None

    def __enter__(self) -> StoreLock:
        if not self._threads.acquire(timeout=self.seconds):
            raise StoreBusy("keytui is still writing something else.", "Try again in a moment.")
        try:
            if self._depth == 0:
                self._acquire_file()
            self._depth += 1
        except BaseException:
            self._threads.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._depth -= 1
        try:
            if self._depth == 0 and self._file is not None:
                self._file.release()
        finally:
            self._threads.release()

    def _acquire_file(self) -> None:
        from filelock import FileLock, Timeout

        try:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            if self._file is None:
                # A soft lock would outlive a killed holder.
                self._file = FileLock(self.path, mode=0o600, thread_local=False, fallback_to_soft=False)
            self._file.acquire(timeout=self.seconds)
            self._sign()
        except Timeout:
            hint = "Close it, or try again when it has finished."
            raise StoreBusy(f"Another keytui{self._holder()} is writing to the store.", hint) from None
        except OSError as error:
            raise StoreRefused(
                f"{self.path} cannot be locked: {error.strerror}.", "Check the permissions of its folder."
            ) from None

    def _sign(self) -> None:
        try:
            with open(self.path, "w", encoding="ascii") as file:
                file.write(str(os.getpid()))
        except OSError:
            pass  # who holds the lock is only a courtesy; a full disk must not stop a reader of the journal

    def _holder(self) -> str:
        try:
            with open(self.path, encoding="ascii") as file:
                return f" (process {int(file.read())})"
        except (OSError, ValueError):
            return ""
