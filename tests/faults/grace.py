"""A client that goes on reading its key through keytui while the key is rotated, again and again.

`python -m tests.faults.grace 50` prints the figures. The client is a process of its own: every 50 ms it reads the key
with `Keystore.read`, which is what `keytui get` does after its start, and sends a request with it.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from keytui import settings as settings_module
from keytui.model import Secret
from tests.faults.issued import ISSUE
from tests.faults.places import OPENAI, Place
from tests.faults.zygote import IDENTITY, Zygote, environment
from tests.flows.issued import word_of
from tests.storage.killing import reopen

PERIOD_S = 0.05
WITHIN_S = 0.1


class Seen(NamedTuple):
    """What happened.

    Attributes:
        rotations: How many there were.
        reads: How many times the client read the key and used it within 100 ms.
        late: How many times it took longer, on a busy machine; these count nowhere else.
        refused: How many of the reads were answered with anything but 200.
        values: How many different keys the client used.
        dead: How many of the old keys are refused in the end.
        live: How many keys the server knows as alive in the end.
        slowest_ms: The longest time from a read to the answer, among those within 100 ms.
    """

    rotations: int
    reads: int
    late: int
    refused: int
    values: int
    dead: int
    live: int
    slowest_ms: float


def run(rotations: int, folder: str, *, grace: str = "2s") -> Seen:
    """Rotate so many times, one after the other, while the client works."""
    with Zygote() as zygote, Place(zygote, folder) as place:
        olds: list[Secret] = []
        with _client(place) as client:
            for _ in range(rotations):
                store = place.store()
                olds.append(store.read(store.find(OPENAI.name).id))
                store.close()
                ended = place.run(*ISSUE, "--grace", grace)
                assert ended.code == 0, ended.said
            assert client.stdin is not None
            client.stdin.close()
            client.stdin = None
            told, _ = client.communicate(timeout=60)
        found = json.loads(told)
        store = place.store()
        key = store.find(OPENAI.name)
        dead = sum(word_of(key, old) == "invalid" for old in olds)
        store.close()
        return Seen(rotations, **found, dead=dead, live=len(place.server.admin.live()))


def _client(place: Place) -> subprocess.Popen[bytes]:
    environ = dict(os.environ) | environment(place.folder, place.identity)
    environ |= {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        (sys.executable, "-P", str(Path(__file__)), "--client", place.server.url),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environ,
    )


def _work(url: str) -> None:
    """Read and use the key until standard input ends, then tell what was answered."""
    settings = settings_module.load()
    identity = Secret(os.environ[IDENTITY])
    store = reopen(settings, identity)
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    reads = late = refused = 0
    values: set[str] = set()
    slowest = 0.0
    while not select.select([sys.stdin], [], [], PERIOD_S)[0]:
        started = time.perf_counter()
        secret = store.read(store.find(OPENAI.name).id)
        connection.request("GET", f"{parts.path}/models", headers={"Authorization": f"Bearer {secret.reveal()}"})
        response = connection.getresponse()
        response.read()
        took = time.perf_counter() - started
        values.add(secret.masked())
        if took > WITHIN_S:
            late += 1
            continue
        reads += 1
        slowest = max(slowest, took)
        refused += response.status != 200
    found = {"reads": reads, "late": late, "refused": refused, "values": len(values), "slowest_ms": 1000 * slowest}
    sys.stdout.write(json.dumps(found))


def main() -> None:
    """Print the figures."""
    if sys.argv[1:2] == ["--client"]:
        return _work(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        seen = run(int(sys.argv[1]) if len(sys.argv) > 1 else 50, folder)
    sys.stdout.write(
        f"{seen.rotations} rotations with a grace of 2 s: {seen.reads} reads used within {1000 * WITHIN_S:.0f} ms"
        f" (slowest {seen.slowest_ms:.0f} ms, {seen.late} later ones not counted), {seen.refused} refused,"
        f" {seen.values} values seen; {seen.dead} of {seen.rotations} old keys answer 401, {seen.live} alive\n"
    )
    return None


if __name__ == "__main__":
    main()
