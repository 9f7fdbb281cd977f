"""A demo server in a process of its own, so that it does not share a measured process's time."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from keytui.demo.server import DemoServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def demo_server(slow_seconds: float = 0.2, delta_seconds: float = 0.03) -> Iterator[str]:
    """Run it and yield its base URL; a key with "slow" in it is answered after `slow_seconds`."""
    command = [sys.executable, "-m", "tests.bench.serving", str(slow_seconds), str(delta_seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.terminate()


def main() -> None:
    """Serve until standard input ends."""
    slow, delta = float(sys.argv[1]), float(sys.argv[2])
    with DemoServer(slow_seconds=slow, delta_seconds=delta) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
