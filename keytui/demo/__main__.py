"""`python -m keytui.demo`: the demo server alone, for trying keytui or another client against it."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from typing import TYPE_CHECKING

from keytui.demo import server as demo_server

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl+C or SIGTERM; return the exit code (1 when the port is taken)."""
    parser = argparse.ArgumentParser(
        prog="python -m keytui.demo",
        description=demo_server.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=_port, default=8484, help="port on 127.0.0.1, 0 for a free one (default: 8484)")
    parser.add_argument(
        "--delta-seconds",
        type=float,
        default=0.03,
        metavar="F",
        help="pause between two streamed pieces, in seconds (default: 0.03)",
    )
    chosen = parser.parse_args(arguments)
    try:
        server = demo_server.DemoServer(chosen.port, delta_seconds=chosen.delta_seconds)
    except OSError as error:
        sys.stderr.write(f"Port {chosen.port} cannot be used: {error.strerror}. Choose another with --port.\n")
        return 1
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stderr.write("Serving until Ctrl+C. Try a key such as sk-demo-0000000000000000.\n")
        ended.wait()
    return 0


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError("must be between 0 and 65535")
    return number


if __name__ == "__main__":
    sys.exit(main())
