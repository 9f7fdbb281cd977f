"""A keytui in a real terminal that is watched from all sides while flows run in it."""

from __future__ import annotations

import base64
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from keytui import settings as settings_module
from tests import leaks
from tests.canary.evidence import SURFACES, Evidence, Table
from tests.stores import fields, open_vault
from tests.terminal import PATIENCE, Terminal, plain_environment

if TYPE_CHECKING:
    from types import TracebackType

    from keytui.demo.server import DemoServer
    from keytui.model import Key, Secret

NOBODY = 65_534
_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
_LEFT = b"\x1b[?1049l"
_ODD = '+/"\\<&%'
"""Characters that URLs, JSON and SVG write in other ways."""


def canary(name: str = "") -> str:
    """Return a key unlike any other."""
    middle = os.urandom(12).hex()
    return f"sk-proj-{name}{os.urandom(10).hex()}{_ODD}{middle}"


@functools.cache
def unprivileged() -> tuple[str, ...] | None:
    """Return the beginning of a command that runs Python as a user without rights, or None where that cannot be.

    Root may look into every process, so as root everything runs as nobody. Where nobody cannot reach this Python, the
    system's own of the same version takes its place.
    """
    if os.geteuid() != 0:
        return (sys.executable,)
    prefix = (
        shutil.which("setpriv") or "",
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        "--inh-caps=-all",
    )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not prefix[0]:
        return None
    program = (
        "import keytui.cli, keytui.storage.vault, textual, pyrage, subprocess, sys\n"
        "subprocess.run((sys.executable, '-c', ''), check=True)\n"  # setpriv itself can start what its child cannot
        "print(sys.version_info[:2])"
    )
    for python in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        ran = subprocess.run(
            (*prefix, python, "-P", "-c", program), env=_python_path(), capture_output=True, text=True, check=False
        )
        if ran.returncode == 0 and ran.stdout.strip() == str(sys.version_info[:2]):
            return (*prefix, python)
    return None


def _python_path() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(_ROOT), *(path for path in sys.path if path)])}


class Stage:
    """A machine of its own: home, temporary folder and keytui's home, and one who watches its processes.

    Args:
        secrets: What is searched for.
        environ: More variables.
        as_root: Where the tests run as root, let everything run as root, as root's own session bus demands.

    Attributes:
        environ: Variables of every process started here.
        table: What leaked, by flow and surface, of the flows that have ended.
        seen: What kinds of things were looked through, by surface.
        watched: Whether another process of the same user looks on; not where all run as root.
    """

    def __init__(self, *secrets: str, environ: dict[str, str] | None = None, as_root: bool = False) -> None:
        self.secrets = list(secrets)
        self.table: Table = {}
        self.seen: dict[str, set[str]] = {surface: set() for surface in SURFACES}
        python = (sys.executable,) if as_root else unprivileged()
        self.watched = python is not None and not (as_root and os.geteuid() == 0)
        self._python = python or (sys.executable,)
        self._base = Path(tempfile.mkdtemp(prefix="keytui-canary-"))
        self._base.chmod(0o755)
        self.machine, self.notes = self._base / "machine", self._base / "notes"
        self.home, self.temporary = self.machine / "home", self.machine / "tmp"
        for folder in (self.machine, self.home, self.temporary, self.notes):
            folder.mkdir()
        self.environ = {
            **plain_environment(self.home),
            **_python_path(),
            "KEYTUI_HOME": str(self.machine / "keytui"),
            "TMPDIR": str(self.temporary),
            "OPENAI_LOG": "debug",
            "KEYTUI_REVEAL_SECONDS": "60",  # a busy machine takes its time for a picture
            **(environ or {}),
        }
        self.settings = settings_module.load({**self.environ, "KEYTUI_BACKEND": "vault"})
        self._identity = ""
        self._flow = ""
        self._evidence = Evidence()
        self._orders = 0
        self._told: list[list[str]] = []
        self._read = 0
        self.copies: list[str] = []
        self._arrived = threading.Condition()

    def __enter__(self) -> Stage:
        self._own()
        self._watcher = subprocess.Popen(
            (*self._python, "-P", str(_HERE / "watcher.py")),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_python_path(),
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        self._tell_watcher(json.dumps({"secrets": self.secrets, "marker": str(self.machine)}))
        self._wait_for_watcher("watching")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._watcher.stdin is not None
        self._watcher.stdin.close()
        self._watcher.wait(PATIENCE)
        shutil.rmtree(self._base, ignore_errors=True)

    # --- before a flow

    def stored(self, name: str, secret: Secret, server: DemoServer, kind: str = "api") -> Key:
        """Store a key in a vault that every process started from now on finds open."""
        from keytui.model import Secret as SecretType
        from keytui.storage.keystore import Keystore
        from keytui.storage.vault import Vault

        if not self._identity:
            _, identity = open_vault(self.settings)
            self._identity = identity.reveal()
        vault = Vault(self.settings)
        vault.open_with(SecretType(self._identity))
        store = Keystore(self.settings._replace(backend="vault"), backends={"vault": vault})
        key = store.add(fields(name, base_url=server.url, kind=kind), secret)
        store.close()
        self._own()
        return key

    def lock(self) -> None:
        """Let processes started from now on find the vault locked."""
        self._identity = ""

    def program(self, text: str, *words: str) -> list[str]:
        """Return the command that runs a line of Python, or other words for Python, as the user of this stage."""
        environ = [f"{name}={value}" for name, value in self.environ.items()]
        env = shutil.which("env") or "env"
        return [*self._python[:-1], env, "-i", *environ, self._python[-1], *(words or ("-P", "-c", text))]

    def command(self, *words: str, crash: str = "", plant: str = "") -> list[str]:
        """Return the command that runs keytui here."""
        self._orders += 1
        leaky = bool(crash or plant)
        path = self.notes / f"order-{self._orders}{'-leaky' if leaky else ''}"
        order = {
            "folder": str(self.notes),
            "secrets": self.secrets if leaky else [],
            "identity": self._identity,
            "crash": crash,
            "plant": plant,
        }
        path.write_text(json.dumps(order), encoding="utf-8")
        self._own()
        return [*self._python, "-P", str(_HERE / "child.py"), str(path), *words]

    def open(self, *words: str, crash: str = "", plant: str = "", backend: str = "vault") -> Terminal:
        """Start keytui in a terminal."""
        environ = {**self.environ, "KEYTUI_BACKEND": backend, "HOME": str(self.home)}
        return Terminal(self.command(*words, crash=crash, plant=plant), environ)

    def run(self, *words: str, stdin: str = "", crash: str = "") -> subprocess.CompletedProcess[bytes]:
        """Run a command in pipes; what it writes is evidence of the flow."""
        environ = {**self.environ, "KEYTUI_BACKEND": "vault"}
        ran = subprocess.run(
            self.command(*words, crash=crash),
            input=stdin.encode(),
            env=environ,
            capture_output=True,
            start_new_session=True,
            timeout=PATIENCE * 2,
            check=False,
        )
        self._evidence.add("terminal", "stdout", ran.stdout)
        self._evidence.add("traceback", "stderr", ran.stderr)
        return ran

    def asked(self, *words: str) -> str:
        """Run a command that hands a key over, as was asked; its output is no evidence."""
        environ = {**self.environ, "KEYTUI_BACKEND": "vault"}
        ran = subprocess.run(self.command(*words), env=environ, stdout=subprocess.PIPE, check=True)
        return ran.stdout.decode().strip()

    # --- flows

    def begin(self, flow: str, terminal: Terminal | None = None) -> None:
        """End the flow before, and note from now on for this one."""
        self.end(terminal)
        self._flow = flow

    def end(self, terminal: Terminal | None = None, *, hidden: tuple[int, int] = (0, 0)) -> None:
        """Gather what the flow left. Called between two flows of one terminal, and when its program has ended.

        Args:
            hidden: The part of the terminal's output in which the key was asked to be shown, from and to.
        """
        if terminal is not None:
            self._gather_output(terminal, hidden)
        if not self._flow:
            return
        self._gather_notes()
        for path in leaks.files_below(self.machine):
            self._evidence.add("files", path, path.encode() + b"\n" + Path(path).read_bytes())
        with self._arrived:
            told, self._told = self._told, []
        for surface, number, text in told:
            self._evidence.add(surface, f"process {number}", text.encode())
        row = {surface: self._evidence.leaks(surface, self.secrets) for surface in SURFACES}
        if not self.watched:
            del row["others"]
        self.table[self._flow] = row
        for surface in SURFACES:
            self.seen[surface] |= self._evidence.sources(surface)
        self._flow, self._evidence = "", Evidence()

    def _gather_output(self, terminal: Terminal, hidden: tuple[int, int]) -> None:
        start = getattr(terminal, "gathered", 0)
        shown = terminal.screen()
        data = terminal.output[start:]
        terminal.gathered = start + len(data)  # type: ignore[attr-defined] # how far this stage has read
        if hidden[1]:
            first, last = (position - start for position in hidden)
            self._evidence.add("terminal", "after the reveal", data[last:])
            data = data[:first]
        data, self.copies = leaks.without_copies(data)
        before, left, after = data.rpartition(_LEFT)
        self._evidence.add("terminal", "output", before if left else data)
        # Once the app has left, the screen shows what it left behind.
        self._evidence.add("traceback" if left else "terminal", "screen", shown.encode())
        if left:
            self._evidence.add("traceback", "after the app", after)

    def _gather_notes(self) -> None:
        for surface, label, text in self._notes():
            if surface in SURFACES:
                self._evidence.add(surface, label, text)
            elif surface == "elsewhere":
                raise AssertionError(f"a file was written outside the known folders: {text.decode()}")
        log = self.notes / "textual.log"
        if log.exists():
            self._evidence.add("logs", "Textual's own", log.read_bytes())

    def _notes(self) -> list[tuple[str, str, bytes]]:
        """Return what the processes have noted since this was called last."""
        path = self.notes / "events"
        data = path.read_bytes() if path.exists() else b""
        new = data[self._read :]
        self._read = len(data)
        return [(s, label, base64.b64decode(text)) for s, label, text in map(json.loads, new.splitlines())]

    # --- in a flow

    def noted(self, surface: str) -> int:
        """Return how many things of a surface were noted so far."""
        path = self.notes / "events"
        data = path.read_bytes() if path.exists() else b""
        return sum(json.loads(line)[0] == surface for line in data.splitlines() if line.endswith(b"]"))

    def ready(self, terminal: Terminal, before: int = 0) -> None:
        """Wait until the app can be asked for pictures and leaks."""
        self._until(terminal, "ready", before)

    def picture(self, terminal: Terminal) -> None:
        """Have the app save a picture of its screen."""
        self._ask(terminal, signal.SIGUSR1, "svg")

    def settle(self, terminal: Terminal) -> None:
        """Wait until what was broken has been dropped."""
        self._until(terminal, "settled", 0)

    def plant(self, terminal: Terminal) -> None:
        """Have the app leak as its order says."""
        self._ask(terminal, signal.SIGUSR2, "planted")

    def _ask(self, terminal: Terminal, number: signal.Signals, surface: str) -> None:
        before = self.noted(surface)
        os.kill(terminal.pid, number)
        self._until(terminal, surface, before)

    def _until(self, terminal: Terminal, surface: str, before: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.noted(surface) <= before:
            assert time.monotonic() < deadline, f"never noted: {surface}\n{terminal.screen()}"
            terminal._read(0.01)

    def probe(self, number: int) -> str:
        """Have the other process of this user open a process's environ, mem and maps; return which it could."""
        if not self.watched:
            return ""
        self._tell_watcher(str(number))
        allowed = self._wait_for_watcher("probed", str(number))
        if allowed:
            self._evidence.add("others", allowed, "".join(self.secrets).encode())
        else:
            self._evidence.add("others", "refused", b"")
        return allowed

    # --- the watcher

    def _tell_watcher(self, line: str) -> None:
        assert self._watcher.stdin is not None
        self._watcher.stdin.write(line + "\n")
        self._watcher.stdin.flush()

    def _listen(self) -> None:
        assert self._watcher.stdout is not None
        for line in self._watcher.stdout:
            with self._arrived:
                self._told.append(json.loads(line))
                self._arrived.notify_all()

    def _wait_for_watcher(self, word: str, number: str = "") -> str:
        def answer() -> list[str] | None:
            return next((row for row in self._told if row[:2] == [word, number]), None)

        with self._arrived:
            assert self._arrived.wait_for(lambda: answer() is not None, PATIENCE), "the watcher does not answer"
            row = answer()
            assert row is not None
            self._told.remove(row)
            return row[2]

    def _own(self) -> None:
        """Give everything to the user the processes run as."""
        if os.geteuid() != 0 or not self.watched:
            return
        for parent, folders, names in os.walk(self._base):
            for name in (".", *folders, *names):
                os.chown(os.path.join(parent, name), NOBODY, NOBODY, follow_symlinks=False)
