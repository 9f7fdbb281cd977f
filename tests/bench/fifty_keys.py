"""Fifty keys whose server answers after 200 ms each, eight at a time: `python -m tests.bench.fifty_keys`.

Seven rounds of 0.2 s are 1.4 s. Printed: the flow that the app and the command share, and the command in a process of
its own, from its first line to its end: importing openai is in it.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time

from keytui import settings as settings_module
from keytui.model import KeyFields, Secret
from keytui.storage.keystore import Keystore
from tests.bench.serving import demo_server
from tests.stores import memory_store

_KEYS, _AT_ONCE = 50, 8
_IN_PROCESS = """
import sys, time
from keytui import cli
from tests.bench import fifty_keys
fifty_keys.on_memory(sys.argv[1])
started = time.perf_counter()
code = cli.main(["test", "--all"])
sys.stderr.write(f"{time.perf_counter() - started:.2f} s, exit code {code}\\n")
"""


def _secret(number: int) -> Secret:
    return Secret("sk-" + "slow-" + f"{number:04d}" * 6)


def _fill(store: Keystore, base_url: str) -> None:
    for number in range(_KEYS):
        store.add(KeyFields(f"key-{number:02d}", "openai", base_url, "OPENAI_API_KEY"), _secret(number))


def on_memory(base_url: str) -> None:
    """Let this process's commands use a store in memory with fifty keys."""
    from keytui import settings
    from keytui.storage import keystore

    store = memory_store(settings.load({"KEYTUI_HOME": os.environ["KEYTUI_HOME"], "KEYTUI_NO_CACHE": "1"}))
    _fill(store, base_url)
    keystore.Keystore = lambda _settings: store  # type: ignore[misc, assignment] # this process ends with the command


async def _flow(store: Keystore) -> float:
    from keytui.flows.checking import check_and_record
    from keytui.providers import client

    await asyncio.to_thread(client.warm_up)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> None:
        async with gate:
            key = keys[number]
            secret = await asyncio.to_thread(store.read, key.id)
            await check_and_record(store, key, secret, timeout_s=20)

    keys = store.keys()
    started = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(_KEYS)))
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    with demo_server() as base_url, tempfile.TemporaryDirectory() as home:
        store = memory_store(settings_module.load({"KEYTUI_HOME": f"{home}/flow", "KEYTUI_NO_CACHE": "1"}))
        _fill(store, base_url)
        took = sorted(asyncio.run(_flow(store)) for _ in range(3))
        sys.stdout.write(f"flow, client warm: {took[1]:.2f} s (1.3 × 1.4 s = 1.82 s)\n")
        store.close()
        for number in range(3):
            environment = {**os.environ, "KEYTUI_HOME": f"{home}/command-{number}"}
            command = [sys.executable, "-c", _IN_PROCESS, base_url]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            sys.stdout.write(f"command, importing openai included: {done.stderr.splitlines()[-1]}\n")


if __name__ == "__main__":
    main()
