"""A demo server in a process of its own, so that it does not share a measured process's time."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from keytui.demo import handler
from keytui.demo.answers import pieces_for
from keytui.demo.server import DemoServer

if TYPE_CHECKING:
    from collections.abc import Iterator


LENGTH = 20_000
LONG = {
    "prose": ("", "Some words with **weight** and `code`.\n\n"),
    "a list": ("", "- a point with **weight** and `code`\n"),
    "code": ("```python\n", "    return {'a': 1}  # and why\n"),
    "a table": ("| a | b |\n|---|---|\n", "| cell of this row | another cell |\n"),
}
"""What answers of `LENGTH` characters begin with and consist of, by their prompts."""


@contextmanager
def demo_server(slow_seconds: float = 0.2, delta_seconds: float = 0.03) -> Iterator[str]:
    """Run it and yield its base URL; a key with "slow" in it is answered after `slow_seconds`."""
    command = [sys.executable, "-m", "tests.bench.serving", str(slow_seconds), str(delta_seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.terminate()


def _pieces(prompt: str) -> tuple[str, ...]:
    if prompt not in LONG:
        return pieces_for(prompt)
    head, line = LONG[prompt]
    text = (head + line * (LENGTH // len(line)))[: LENGTH - 1]
    return tuple(text[at : at + 12] for at in range(0, len(text), 12))


def main() -> None:
    """Serve until standard input ends."""
    slow, delta = float(sys.argv[1]), float(sys.argv[2])
    handler.__dict__["pieces_for"] = _pieces
    with DemoServer(slow_seconds=slow, delta_seconds=delta) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
