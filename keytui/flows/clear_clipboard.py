"""`python -P -m keytui.flows.clear_clipboard`: the detached helper that clears a copied key.

Its order comes on stdin as JSON: the tool's name, the delay in seconds, an HMAC key and a digest. It never gets the
secret: it reads the clipboard when the time has come, and clears it only when the digest is the same.
"""

from __future__ import annotations

import hmac
import json
import os
import sys
import time

from keytui import process
from keytui.flows import clipboard, clipboard_tools

_SLICE = 2.0  # seconds; a sleep does not see that the machine was suspended, the clock does
_ATTEMPTS = 3


def main() -> int:
    """Wait, compare, clear."""
    process.harden()
    order = json.loads(sys.stdin.buffer.read() or b"null")
    tool = clipboard_tools.tool_named(order["tool"], os.environ) if order else None
    if tool is None:
        return 1
    sys.stdout.buffer.write(clipboard.READY)
    sys.stdout.buffer.flush()
    _let_go()
    _wait(order["seconds"])
    key = bytes.fromhex(order["key"])
    for _ in range(_ATTEMPTS):
        held = tool.read()
        if held is None:
            time.sleep(_SLICE)
            continue
        text = held.reveal()
        # Some managers add a newline to what they keep.
        ours = any(
            hmac.compare_digest(clipboard.digest(key, t), order["digest"]) for t in (text, text.removesuffix("\n"))
        )
        if not ours or tool.clear():
            return 0
    return 1


def _let_go() -> None:
    """Hold nothing of the process that started us: no pipe, no terminal, no folder."""
    os.chdir(os.sep)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _wait(seconds: float) -> None:
    """Wait on a clock that also runs while the machine is suspended, where there is one."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC) if hasattr(time, "CLOCK_MONOTONIC") else None
    now = time.monotonic if clock is None else lambda: time.clock_gettime(clock)
    end = now() + seconds
    while (left := end - now()) > 0:
        time.sleep(min(left, _SLICE))


if __name__ == "__main__":
    sys.exit(main())
