"""Threads that never keep a program from ending: all of them are daemons.

The threads of concurrent.futures are waited for at exit, and by asyncio.run, without a deadline: a keyring that does
not answer kept a closed app alive for half a minute, a name server that does not answer a check that had ended. And
their number is limited: such calls would keep others from beginning.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_PARTING_SECONDS = 1.0

_IDLE_THREADS = 16
"""So many wait for a next call: two for each of eight checks. Starting one takes a millisecond of the event loop's."""
_IDLE_SECONDS = 30.0

P = ParamSpec("P")
T = TypeVar("T")


class _Room:
    """Where threads wait for their next call."""

    def __init__(self) -> None:
        self.seats = _IDLE_THREADS
        self.waiting: list[_Idler] = []


class _Idler:
    """A thread that does one call after another, and ends when none has come for a while.

    Args:
        room: Where it waits between calls, unless others enough do so.
    """

    def __init__(self, room: _Room) -> None:
        self._room = room
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True, name="keytui")

    def start(self, call: Callable[[], None]) -> None:
        """Do a first call."""
        self._calls.put(call)
        self._thread.start()

    def do(self, call: Callable[[], None]) -> None:
        """Do another call; for one that was taken from those that wait."""
        self._calls.put(call)

    def end(self) -> None:
        """End; for one that was taken from those that wait."""
        self._calls.put(None)
        self._thread.join(_PARTING_SECONDS)

    def _work(self) -> None:
        while (call := self._next()) is not None:
            call()
            del call  # and what it holds: a secret, perhaps
            if len(self._room.waiting) >= self._room.seats:
                return
            self._room.waiting.append(self)

    def _next(self) -> Callable[[], None] | None:
        try:
            return self._calls.get(timeout=_IDLE_SECONDS)
        except Empty:
            try:
                self._room.waiting.remove(self)
            except ValueError:  # somebody took it a moment ago, and its call is about to come
                return self._calls.get()
            return None


class Threads(ThreadPoolExecutor):
    """What asyncio runs blocking calls in; it accepts no executor of another class."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: set[Future[Any]] = set()
        self._ended = threading.Condition()
        self._room = _Room()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do a call at once, in a thread that has nothing to do or a new one."""
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
        try:
            idler = self._room.waiting.pop()
        except IndexError:
            _Idler(self._room).start(run)
        else:
            idler.do(run)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do nothing: whoever ends the app calls settle()."""

    def settle(self, seconds: float) -> bool:
        """Wait for the calls under way, at most so long, and end the threads; says whether all calls have ended."""
        until = time.monotonic() + seconds
        with self._ended:
            while self._calls:
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._ended.wait(left)
        self._room.seats = 0
        while self._room.waiting:
            self._room.waiting.pop().end()
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

    patience = _PARTING_SECONDS
    try:
        result = asyncio.run(with_threads())
        patience = 0
    finally:
        threads.settle(patience)
    return result
