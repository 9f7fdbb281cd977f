"""Runs the real keytui and notes what outsiders never see: `python -P child.py ORDER WORDS…`.

What is noted goes to a folder outside keytui's own: every message and worker as `repr` shows it, notifications, log
records at DEBUG, Textual's own log, pictures, and the arguments and variables of every process started. On request it
breaks (`crash`) or leaks (`plant`), to prove that a leak would be found. Nothing installed knows of this module.
"""

# What is replaced here takes whatever the original takes, and does the same besides.
# mypy: disable-error-code="method-assign,assignment"
# ruff: noqa: ANN401

from __future__ import annotations

import asyncio
import base64
import contextlib
import ctypes
import gc
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keytui import cli, process
from keytui.model import Secret
from keytui.storage.keystore import Keystore
from keytui.storage.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events

    from keytui.tui.app import KeytuiApp

_LOUD = ("openai", "httpx", "httpx2", "httpcore", "httpcore2")
_PR_SET_DUMPABLE = 4


class Order:
    """What the test wants of this process.

    Attributes:
        folder: Where to write notes.
        secrets: The canaries, where one is to be leaked.
        identity: Opens the vault without deriving anything, or "".
        crash: A way to break at `?`, or "".
        plant: A surface to leak on, or "".
    """

    def __init__(self, path: str) -> None:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        os.unlink(path)
        self.folder: str = values["folder"]
        self.secrets: list[str] = values["secrets"]
        self.identity: str = values["identity"]
        self.crash: str = values["crash"]
        self.plant: str = values["plant"]
        self._descriptor = os.open(os.path.join(self.folder, "events"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def note(self, surface: str, label: str, text: str) -> None:
        """Write one thing down."""
        data = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()
        os.write(self._descriptor, (json.dumps([surface, label, data]) + "\n").encode())


def main(arguments: list[str]) -> int:
    """Note, break and leak as ordered, and run keytui."""
    if arguments[0].endswith("-leaky"):
        process.harden()  # this module holds the key before keytui does
    order = Order(arguments[0])
    _note_processes(order)
    _note_logs(order)
    if order.identity:
        _open_vaults(Secret(order.identity))
    if len(arguments) == 1:
        _prepare_app(order)
    elif order.crash:
        _crash_command()
    return cli.main(arguments[1:])


def _open_vaults(identity: Secret) -> None:
    made = Vault.__init__

    def open_at_once(self: Vault, settings: Any) -> None:
        made(self, settings)
        if self.exists():
            self.open_with(identity)

    Vault.__init__ = open_at_once


def _note_processes(order: Order) -> None:
    folders = tuple(os.environ[name] for name in ("HOME", "TMPDIR", "KEYTUI_HOME"))
    allowed = (*folders, order.folder, "/dev/", "/proc/self/")

    def noticed(event: str, details: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            program, words, _, environ = details
            order.note("argv", str(program), repr(words))
            order.note("environ", str(program), repr(dict(os.environ if environ is None else environ)))
        elif event == "open" and isinstance(details[0], str) and _writes(details[1], details[2]):
            path = os.path.abspath(details[0])
            if not path.startswith(allowed) and "/__pycache__/" not in path:
                order.note("elsewhere", "file", path)

    sys.addaudithook(noticed)


def _writes(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return any(sign in mode for sign in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _note_logs(order: Order) -> None:
    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            order.note("logs", record.name, f"{self.format(record)} {record.args!r}")

    logging.root.addHandler(Notes())
    logging.root.setLevel(logging.DEBUG)
    set_level = logging.Logger.setLevel

    def loud(self: logging.Logger, level: int | str) -> None:
        set_level(self, logging.DEBUG if self.name.startswith(_LOUD) else level)

    logging.Logger.setLevel = loud


def _prepare_app(order: Order) -> None:
    from textual import constants, events
    from textual.app import App
    from textual.message_pump import MessagePump
    from textual.worker import Worker

    from keytui.tui.screens.main import MainScreen

    # Textual logs the error of a worker with its text: one more reason why keytui refuses to run with TEXTUAL_LOG.
    if not order.crash:
        constants.LOG_FILE = os.path.join(order.folder, "textual.log")  # type: ignore[misc] # as TEXTUAL_LOG would
    seen: set[str] = set()
    post, notify, made, settled = MessagePump.post_message, App.notify, Worker.__init__, MainScreen.settled

    def note_once(surface: str, label: str, text: str) -> None:
        if text not in seen:
            seen.add(text)
            order.note(surface, label, text)

    def posted(self: MessagePump, message: Any) -> bool:
        if isinstance(message, events.Paste):
            _pastes.append(message)  # its text is the terminal's; it must be gone once the field has it
        else:
            note_once(
                "repr", type(message).__name__, f"{message!r} {vars(message) if hasattr(message, '__dict__') else ''}"
            )
        if isinstance(message, Worker.StateChanged):
            worker = message.worker
            note_once("repr", "worker", f"{worker!r} {worker.description!r} {worker.result!r} {worker.error!r}")
        return post(self, message)

    def noticed(self: App[Any], message: str, **options: Any) -> None:
        order.note("notifications", "notification", f"{message} {options!r}")
        notify(self, message, **options)

    def worked(self: Worker[Any], *arguments: Any, **options: Any) -> None:
        made(self, *arguments, **options)
        note_once("repr", "worker", f"{self!r} {self.description!r}")

    def ready(self: MainScreen) -> None:
        settled(self)
        app: Any = self.app
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, _shoot, app, order)
        loop.add_signal_handler(signal.SIGUSR2, _plant, app, order)
        order.note("ready", "", "")

    MessagePump.post_message = posted
    App.notify = noticed
    Worker.__init__ = worked
    MainScreen.settled = ready
    if order.crash:
        _crash_app(order)
    _plant_at_start(order)


_pastes: list[events.Paste] = []


def _shoot(app: KeytuiApp, order: Order) -> None:
    """Save a picture as Textual does when asked; what was pasted before has been taken by its field."""
    for paste in _pastes:
        order.note("repr", "Paste", f"{paste!r} {vars(paste)}")
    order.note("notifications", "held", repr(list(app._notifications)))
    path = app.save_screenshot(filename="picture.svg", path=order.folder)
    order.note("svg", "picture", Path(path).read_text(encoding="utf-8"))


# --- breaking


def _crash_app(order: Order) -> None:
    from keytui.tui.screens.main import MainScreen

    async def broken_task(secret: Secret) -> None:
        await asyncio.sleep(0)
        _fail(secret)

    def crash(self: MainScreen) -> None:
        held = Secret(order.secrets[0])
        app = self.app
        ways: dict[str, Callable[[], object]] = {
            "callback": lambda: app.call_later(_fail, held),
            "async worker": lambda: app.run_worker(broken_task(held), description="break"),
            "thread worker": lambda: app.run_worker(lambda: _fail(held), description="break", thread=True),
            "input handler": lambda: _fail(held),
            "loose task": lambda: _loose.append(asyncio.ensure_future(broken_task(held))),
            "loose thread": lambda: threading.Thread(target=_fail, args=(held,)).start(),
        }
        ways[order.crash]()
        if order.crash.startswith("loose"):
            app.set_timer(0.3, lambda: _let_go(order))

    MainScreen.do_help = crash


_loose: list[asyncio.Future[None]] = []


def _let_go(order: Order) -> None:
    """Drop the task: asyncio complains of an exception that nobody looked at."""
    _loose.clear()
    gc.collect()
    order.note("settled", "", "")


def _fail(secret: Secret) -> None:
    """Break with the key in a local and in the words of two exceptions."""
    text = secret.reveal()
    try:
        raise KeyError(text)
    except KeyError as error:
        raise ValueError(f"cannot use {text}") from error


def _crash_command() -> None:
    read = Keystore.read

    def broken(self: Keystore, *arguments: Any) -> Secret:
        secret = read(self, *arguments)
        _fail(secret)
        return secret

    Keystore.read = broken


# --- leaking


def _plant_at_start(order: Order) -> None:
    from textual.app import App

    from keytui.tui.app import KeytuiApp
    from keytui.tui.crash import CalmCrash

    if order.plant == "svg":
        KeytuiApp.export_screenshot = App.export_screenshot
    elif order.plant == "traceback":
        CalmCrash._fatal_error = App._fatal_error


def _plant(app: KeytuiApp, order: Order) -> None:
    """Leak on one surface."""
    from textual import constants
    from textual.notifications import Notification
    from textual.worker import Worker

    key = order.secrets[0]
    if order.plant == "terminal":
        app._driver.write(f"\x1b]0;{key}\x07")  # type: ignore[union-attr] # the window's title; it runs, so it has one
    elif order.plant == "files":
        _leave_in_a_free_page(os.path.join(os.environ["KEYTUI_HOME"], "index.db"), key)
    elif order.plant == "temporary file":
        with tempfile.NamedTemporaryFile("w", delete=False) as file:
            file.write(key[::-1] + base64.b64encode(key.encode()).decode())
    elif order.plant == "notifications":
        app._notifications.add(Notification(f"Copied {key}"))  # held; shown, it would be on the terminal too
    elif order.plant == "logs":
        logging.getLogger("httpx2").debug("headers: %r", {"authorization": f"Bearer {key}"})
    elif order.plant == "repr":
        constants.LOG_FILE = None  # type: ignore[misc] # there it would stand too
        Worker(app, lambda: None, description=f"copy({key!r})")
    elif order.plant == "argv":
        # Without keytui's variables it is no process of keytui, whose memory would count too.
        subprocess.run(("/bin/sh", "-c", "read line", key), stdin=subprocess.DEVNULL, env={}, check=False)
    elif order.plant == "environ":
        subprocess.run(("/bin/sh", "-c", "read line"), stdin=subprocess.DEVNULL, env={"CANARY": key}, check=False)
    elif order.plant == "others":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    order.note("planted", order.plant, "")


def _leave_in_a_free_page(path: str, key: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as index:
        index.execute("PRAGMA secure_delete = OFF")
        index.execute("CREATE TABLE planted (text)")
        index.execute("INSERT INTO planted VALUES (?)", (key,))
        index.execute("DROP TABLE planted")
        index.execute("PRAGMA wal_checkpoint(TRUNCATE)")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
