"""Another process of the same user, which looks at everything /proc lets it: `python -P watcher.py`.

The first line on stdin is JSON: the secrets and a text that stands in the environment of every process of the flow.
Then a line with a process's number asks for a close look at it, answered by a line. It ends with its stdin.
"""

from __future__ import annotations

import json
import os
import re
import select
import sys

_MAP = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) rw")
_WANTED = ("environ", "mem", "maps")


class Watcher:
    """Looks at processes.

    Args:
        secrets: What nobody should find.
        marker: Stands in the environment of every process of the flow.
    """

    def __init__(self, secrets: list[str], marker: str) -> None:
        self.secrets = [secret.encode() for secret in secrets]
        self.marker = marker.encode()
        self.told: set[tuple[str, int, bytes]] = set()
        self._foreign: set[str] = {str(os.getpid()), str(os.getppid())}
        self._looks = 0

    def look(self) -> None:
        """Look at all processes of this user once."""
        self._looks += 1
        if self._looks % 10 == 0:  # one that was started as root may have become this user's
            self._foreign = {str(os.getpid()), str(os.getppid())}
        for number in os.listdir("/proc"):
            if not number.isdigit() or number in self._foreign:
                continue
            if _owner(number) != os.geteuid():
                self._foreign.add(number)
                continue
            words = _read(number, "cmdline") or b""
            variables = _read(number, "environ") or b""
            self.tell("argv", number, words)
            if self.marker in variables:
                self.tell("environ", number, variables)
                self.search_memory(number)

    def search_memory(self, number: str) -> None:
        """Tell of a secret in the memory of a process, where it may be read."""
        for secret in self.secrets:
            # Looked at twice: what was opened before the process closed itself stays open, and shows what came after.
            if secret in _memory(number) and secret in _memory(number):
                self.tell("others", number, b"memory holds " + secret)

    def tell(self, surface: str, number: str, data: bytes) -> None:
        """Write down what was seen, once."""
        seen = (surface, int(number), data)
        if data and seen not in self.told:
            self.told.add(seen)
            _say([surface, number, data.decode("utf-8", "replace")])

    def probe(self, number: str) -> None:
        """Try to open what holds secrets of one process; tell which were refused."""
        allowed = []
        for what in _WANTED:
            try:
                with open(f"/proc/{number}/{what}", "rb") as file:
                    if what != "mem":
                        file.read(1)
                allowed.append(what)
            except PermissionError:
                continue
        _say(["probed", number, " ".join(allowed)])


def _say(row: list[str]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def _owner(number: str) -> int:
    for line in (_read(number, "status") or b"").splitlines():
        if line.startswith(b"Uid:"):
            return int(line.split()[1])
    return -1


def _read(number: str, what: str) -> bytes | None:
    try:
        with open(f"/proc/{number}/{what}", "rb") as file:
            return file.read()
    except OSError:  # it has ended, or does not let us
        return None


def _memory(number: str) -> bytes:
    found = []
    try:
        with open(f"/proc/{number}/maps", "rb") as maps, open(f"/proc/{number}/mem", "rb", 0) as memory:
            for line in maps:
                area = _MAP.match(line)
                if area is not None:
                    start, end = (int(text, 16) for text in area.groups())
                    memory.seek(start)
                    found.append(memory.read(min(end - start, 64_000_000)))
    except (OSError, ValueError, OverflowError):  # refused, ended, or an area nobody can read
        pass
    return b"".join(found)


def main() -> int:
    """Look until stdin ends."""
    order = json.loads(sys.stdin.readline())
    watcher = Watcher(order["secrets"], order["marker"])
    _say(["watching", "", ""])
    while True:
        ready, _, _ = select.select([sys.stdin], [], [], 0.01)
        if ready:
            line = sys.stdin.readline()
            if not line:
                return 0
            watcher.probe(line.strip())
        watcher.look()


if __name__ == "__main__":
    sys.exit(main())
