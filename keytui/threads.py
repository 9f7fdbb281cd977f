"""Threads that never keep a program from ending: one for each call, all of them daemons.

The threads of concurrent.futures are waited for at exit, and by asyncio.run, without a deadline: a keyring that does
not answer kept a closed app alive for half a minute, a name server that does not answer a check that had ended.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_PARTING_SECONDS = 1.0

P = ParamSpec("P")
T = TypeVar("T")


class Threads(ThreadPoolExecutor):
    """What asyncio runs blocking calls in; it accepts no executor of another class."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: set[Future[Any]] = set()
        self._ended = threading.Condition()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start a thread for one call."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                if future.set_running_or_notify_cancel():
                    try:
                        result = fn(*args, **kwargs)
                    except BaseException as error:
                        future.set_exception(error)
                    else:
                        future.set_result(result)
            finally:
                with self._ended:
                    self._calls.discard(future)
                    self._ended.notify_all()

        with self._ended:
            self._calls.add(future)
        threading.Thread(target=run, daemon=True, name="keytui").start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do nothing: whoever ends the app calls settle()."""

    def settle(self, seconds: float) -> bool:
        """Wait for the calls under way, at most so long; says whether all have ended."""
        until = time.monotonic() + seconds
        with self._ended:
            while self._calls:
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._ended.wait(left)
        return True


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do what asyncio.run does, and return though a call in a thread goes on that nobody waits for any more.

    When it is interrupted, calls under way have a second to end: one may be writing.

    Raises:
        Exception: What the work raises.
    """
    import asyncio

    threads = Threads()

    async def with_threads() -> T:
        asyncio.get_running_loop().set_default_executor(threads)
        return await work

    try:
        return asyncio.run(with_threads())
    except BaseException:
        threads.settle(_PARTING_SECONDS)
        raise
