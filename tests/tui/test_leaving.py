"""Quitting waits for what matters, and for nothing for ever."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING

from keytui.threads import Threads
from tests.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HANGING = """
import os, sys, threading
import keytui.tui
from keytui.model import Secret
from keytui.settings import load
from keytui.storage.backends import MemoryBackend
from keytui.storage.keystore import Keystore
from tests.stores import fake_key, fields

class Hanging(MemoryBackend):
    def read(self, slot):
        if hanging:
            os.write(1, b"hanging")
            threading.Event().wait()
        return super().read(slot)

hanging = False
settings = load({"KEYTUI_HOME": sys.argv[1], "KEYTUI_NO_CACHE": "1"})
store = Keystore(settings, backends={"os": Hanging()})
store.add(fields("work"), fake_key())
hanging = True
keytui.tui._PARTING_SECONDS = 0.1
sys.exit(keytui.tui.launch(store, settings))
"""


def test_quitting_does_not_wait_for_a_keyring_that_hangs(tmp_path: Path) -> None:
    with Terminal([sys.executable, "-c", HANGING, str(tmp_path)], {"PYTHONPATH": ":".join(sys.path)}) as terminal:
        terminal.wait_for("work", "3 Details")
        terminal.type("v")
        terminal.wait_for_output(b"hanging")
        terminal.type("q")
        assert terminal.wait_for_exit() == 0


def test_threads_are_waited_for_until_a_deadline() -> None:
    threads, go_on = Threads(), threading.Event()
    call = threads.submit(go_on.wait)
    assert not threads.settle(0.01)
    go_on.set()
    assert threads.settle(10)
    assert call.result() is True


def test_what_a_call_raises_reaches_the_caller() -> None:
    threads = Threads()
    call = threads.submit(int, "x")
    assert isinstance(call.exception(10), ValueError)
    assert threads.settle(10)


def until(happened: Callable[[], object]) -> None:
    """Let other threads go on until something holds."""
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        os.sched_yield()


def test_a_thread_that_has_nothing_to_do_takes_the_next_call() -> None:
    """Starting one for each call holds up the interface while keys are checked."""
    threads = Threads()
    idents = set()
    for _ in range(20):
        idents.add(threads.submit(threading.get_ident).result(10))
        until(lambda: threads._room.waiting)  # the result comes a moment before the thread sits down again
    assert len(idents) == 1
    assert threads.settle(10)


def test_calls_that_hang_keep_no_other_from_beginning() -> None:
    threads, go_on = Threads(), threading.Event()
    hanging = [threads.submit(go_on.wait) for _ in range(40)]
    assert threads.submit(int, "7").result(10) == 7
    go_on.set()
    assert all(call.result(10) for call in hanging)
    assert threads.settle(10)


def test_no_thread_is_left_when_all_calls_have_ended() -> None:
    threads = Threads()
    before = threading.active_count()
    all_there = threading.Barrier(30)
    for call in [threads.submit(all_there.wait) for _ in range(30)]:
        call.result(10)
    assert threads.settle(10)
    until(lambda: threading.active_count() <= before)


def test_a_thread_that_waits_holds_nothing_of_its_last_call() -> None:
    """What a call was given may be a secret."""

    class Given:
        pass

    threads, given = Threads(), Given()
    seen = weakref.ref(given)
    threads.submit(id, given).result(10)
    del given
    until(lambda: threads._room.waiting)
    gc.collect()
    assert seen() is None
    assert threads.settle(10)
