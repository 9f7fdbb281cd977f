"""How long an open app takes to show what another process changed: `python -m tests.bench.other_process [N]`.

The app runs in a pty on a home of 50 keys. Another process renames one; the time from its committed write to the read
that first holds the new name is printed, median and longest of N (20).
"""

from __future__ import annotations

import fcntl
import os
import pty
import random
import select
import statistics
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

_RENAME = """
import sys, time
from keytui import settings
from keytui.storage.keystore import Keystore
store = Keystore(settings.load())
key = store.keys(limit=1)[0]
store.edit(key.id, key.fields._replace(name=sys.argv[1]))
print(time.time())
"""
_PATIENCE = 30


def main() -> None:
    """Print the figures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as home:
        environ = os.environ | {"KEYTUI_HOME": home, "TERM": "xterm-256color"}
        subprocess.run((sys.executable, "-m", "tests.bench.make_home", home, "50"), env=environ, check=True)
        child, screen = pty.fork()
        if not child:
            os.execve(sys.executable, (sys.executable, "-P", "-m", "keytui"), environ)  # noqa: S606 - no shell is wanted
        fcntl.ioctl(screen, termios.TIOCSWINSZ, (40).to_bytes(2, "little") + (120).to_bytes(2, "little") + bytes(4))
        try:
            _seen(screen, b"50 keys")
            times = [_once(screen, f"aa-renamed-{number:03d}", environ) for number in range(count)]
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
    sys.stdout.write(
        f"median {statistics.median(times) * 1000:.0f} ms, longest {max(times) * 1000:.0f} ms of {count}\n"
    )


def _once(screen: int, name: str, environ: dict[str, str]) -> float:
    _drain(screen, random.uniform(0.2, 1.2))  # noqa: S311 - any moment between two looks of the app
    renamed = subprocess.Popen(
        (sys.executable, "-P", "-c", _RENAME, name), env=environ, stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    shown = _seen(screen, name.encode())
    said, _ = renamed.communicate()
    return shown - float(said)


def _seen(screen: int, text: bytes) -> float:
    """Wait for the text and return when it was read."""
    found = b""
    deadline = time.time() + _PATIENCE
    while text not in found:
        if time.time() > deadline:
            raise SystemExit(f"{text!r} never showed")
        if select.select([screen], [], [], 0.05)[0]:
            found = (found + os.read(screen, 65_536))[-200_000:]
    return time.time()


def _drain(screen: int, seconds: float) -> None:
    deadline = time.time() + seconds
    while (left := deadline - time.time()) > 0:
        if select.select([screen], [], [], left)[0]:
            os.read(screen, 65_536)


if __name__ == "__main__":
    main()
