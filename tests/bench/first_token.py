"""From Enter to the first token on screen: keytui in a pty against a raw script in a pty, same server, client warm.

`python -m tests.bench.first_token [RUNS]`. Both begin when Enter is written to the pty and end when the bytes of the
first token can be read from it; no terminal is emulated, and runs are interleaved. The script answers a line with
nothing but the request, on a connection it keeps open. In keytui's time are the key press, reading the secret from
the vault, a new connection, and drawing.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

ROUNDS = 20
_PATIENCE = 60.0


class Terminal:
    """A program in a pty of 120×40."""

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, environ)  # noqa: S606 - the program under measurement
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

    def until(self, mark: bytes) -> float:
        """Read until the mark; returns the moment of the read that held it."""
        seen, deadline = b"", time.perf_counter() + _PATIENCE
        while time.perf_counter() < deadline:
            if not select.select([self.fd], [], [], 0.05)[0]:
                continue
            data = os.read(self.fd, 65_536)
            now = time.perf_counter()
            if b"\x1b[6n" in data:
                os.write(self.fd, b"\x1b[1;1R")
            seen += data
            if mark in seen:
                return now
        raise TimeoutError(f"{mark!r} never came; the last bytes were {seen[-2000:]!r}")

    def settle(self) -> None:
        """Read what still comes until nothing has come for 0.3 s."""
        while select.select([self.fd], [], [], 0.3)[0]:
            os.read(self.fd, 65_536)

    def ask(self, enter: bytes) -> float:
        """Press Enter and return the milliseconds until the first token."""
        self.settle()
        start = time.perf_counter()
        os.write(self.fd, enter)
        return (self.until(b"Hello") - start) * 1000


def main() -> None:
    """Measure and print both medians and their difference."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    key = "sk-" + "demo-" + "0" * 24
    with tempfile.TemporaryDirectory() as home:
        server = subprocess.Popen(
            (sys.executable, "-m", "keytui.demo", "--port", "0"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            assert server.stdout is not None
            url = server.stdout.readline().decode().strip()
            environ = {**os.environ, "TERM": "xterm-256color", "KEYTUI_HOME": home, "KEYTUI_BACKEND": "vault"}
            environ |= {"BENCH_KEY": key, "KEYTUI_PASSPHRASE_FILE": f"{home}/passphrase", "KEYTUI_NO_CACHE": "1"}
            environ.pop("PYTHONDONTWRITEBYTECODE", None)
            Path(home, "passphrase").write_text("a passphrase for measuring\n", encoding="utf-8")
            Path(home, "passphrase").chmod(0o600)
            keytui = str(Path(sys.executable).with_name("keytui"))
            add = (keytui, "add", "bench", "--provider", "openai", "--base-url", url, "--model", "gpt-6-luna")
            subprocess.run((*add, "--stdin", "--no-check"), env=environ, input=key.encode(), check=True)
            raw = Terminal([sys.executable, "-m", "tests.bench.raw_terminal", url], environ)
            raw.until(b"READY-MARK")
            app = Terminal([keytui], environ)
            app.until(b"Test")
            app.settle()
            os.write(app.fd, b"p")
            times: dict[str, list[float]] = {"raw script": [], "keytui": []}
            for number in range(rounds + 2):
                took = {"raw script": raw.ask(b"\n"), "keytui": app.ask(b"\r")}
                if number >= 2:  # the first rounds open the vault and warm everything
                    for name, value in took.items():
                        times[name].append(value)
            for name, values in times.items():
                print(f"{name:11} median {statistics.median(values):6.1f} ms  ({min(values):.1f} to {max(values):.1f})")
            gap = statistics.median(times["keytui"]) - statistics.median(times["raw script"])
            print(f"difference  {gap:+.1f} ms over {rounds} interleaved runs")
            for terminal in (raw, app):
                os.kill(terminal.pid, 9)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
