"""How long the event loop stands still: `python -m tests.bench.stalls`.

A task wakes up every millisecond and notes how late it was, while openai is imported in its thread, while fifty keys
are checked, while prompts stream, and while servers send far too much.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from keytui.errors import ProviderError
from keytui.model import Secret
from keytui.providers import checks, client, prompts
from tests.bench.serving import demo_server
from tests.providers.conftest import RawServer, make_key

if TYPE_CHECKING:
    from collections.abc import Coroutine

_SECRET = Secret("sk-" + "bench-" + "0a1b2c3d" * 4)
_HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: "


async def _watched(name: str, work: Coroutine[object, object, object]) -> None:
    longest = 0.0
    over = False

    async def watch() -> None:
        nonlocal longest
        while not over:
            asleep = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - asleep - 0.001)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.05)
    longest = 0.0
    with suppress(ProviderError):
        await work
    over = True
    await watching
    sys.stdout.write(f"{name:<42} longest stall {longest * 1000:6.1f} ms\n")


async def _check_many(url: str) -> None:
    gate = asyncio.Semaphore(8)

    async def one() -> None:
        async with gate:
            await checks.check(make_key(url), _SECRET, timeout_s=20)

    await asyncio.gather(*(one() for _ in range(50)))


async def _prompt(url: str) -> None:
    async for _part in prompts.stream(make_key(url, model="gpt-6-luna"), _SECRET, "Hello", timeout_s=20):
        pass


def _hostile_streams() -> dict[str, bytes]:
    """Answers that are hard to parse, below every limit on bytes or above it."""
    events, text, none = (b"text/event-stream\r\n\r\n", b"text/plain\r\n\r\n", b"x/y\r\n\r\n")
    whole = {"choices": [{"message": {"content": "x" * 3_900_000}, "finish_reason": "stop"}]}
    return {
        "a long event called plain text": text + b"data: [" + b"1," * 1_900_000 + b"1]\n\n",
        "a nested event of no type": none + b"data: [" + b"[]," * 1_200_000 + b"1]\n\n",
        "a long event in 400,000 lines": none + b"data: 1\n" * 400_000 + b"\n",
        "an event of 60,000 numbers": events + b"data: [" + b"1," * 60_000 + b"1]\n\n",
        "an event of 9,000 choices": events + b'data: {"choices":[' + b'{"delta":{}},' * 9_000 + b'{"delta":{}}]}\n\n',
        "700,000 comments": events + b": k\n\n" * 700_000,
        "160,000 events of nothing": events + b'data: {"choices":[]}\n\n' * 160_000,
        "40,000 events of a letter": events + b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n' * 40_000,
        "a whole answer of 4 MB": b"application/json\r\n\r\n" + json.dumps(whole).encode(),
        "a whole answer of 70,000 lists": b'application/json\r\n\r\n{"choices":[' + b"[]," * 70_000 + b"1]}",
    }


async def _all(url: str) -> None:
    await _watched("openai imported and warmed", asyncio.to_thread(client.warm_up))
    await _watched("50 checks, 8 at a time", _check_many(url))
    await _watched("a prompt", _prompt(url))
    listed = json.dumps({"data": [{"id": f"maker/model-{n}", "about": "x" * 2_000} for n in range(1_900)]}).encode()
    numbers = b'{"data":[' + b"1," * 1_900_000 + b"1]}"
    short = json.dumps({"data": [{"id": f"m{n}"} for n in range(74_000)]}).encode()
    many = json.dumps({"data": [{"id": f"m{n}"} for n in range(37_000)]}).encode()
    long_names = json.dumps({"data": [{"id": f"maker/{n}-" + "model-" * 30} for n in range(5_000)]}).encode()
    lines = b"application/json\n" + b"a:\n" * 5_000 + b"\n{}"
    digits = b'{"data":[' + b",".join([b"9" * 4_300] * 900) + b"]}"
    names = json.dumps({f"k{n}": 1 for n in range(149_000)}).encode()
    big = {
        "check: 5,000 header lines": (lines, 1, False),
        "prompt: 5,000 header lines": (lines, 1, True),
        "check: 74,000 models": (b"application/json\r\n\r\n" + short, 1, False),
        "check: a list of models of 4 MB": (b"application/json\r\n\r\n" + listed, 1, False),
        "check: 900 numbers of 4,300 digits": (b"application/json\r\n\r\n" + digits, 1, False),
        "check: 149,000 names": (b"application/json\r\n\r\n" + names, 1, False),
        "check: 4 MB of numbers": (b"application/json\r\n\r\n" + numbers, 1, False),
        "check: 50 MB": (b"application/json\r\n\r\n" + b" " * 1_000_000, 50, False),
        "prompt: 4 MB of JSON": (b"application/json\r\n\r\n" + listed, 1, True),
        "prompt: one event of 4 MB": (b"text/event-stream\r\n\r\ndata: " + numbers + b"\n\n", 1, True),
        "prompt: an endless line": (b"text/event-stream\r\n\r\ndata: " + b"x" * 1_000_000, 50, True),
        **{f"prompt: {name}": (answer, 1, True) for name, answer in _hostile_streams().items()},
    }
    for name, (answer, repeat, prompted) in big.items():
        server = RawServer(_HEAD + answer, repeat=repeat)
        checked = checks.check(make_key(server.url), _SECRET, timeout_s=20)
        if prompted:
            checked.close()
        await _watched(name, _prompt(server.url) if prompted else checked)
        server.stop()
    for name, answer in {"37,000 short names": many, "5,000 long names": long_names}.items():
        server = RawServer(_HEAD + b"application/json\r\n\r\n" + answer)
        await _watched(f"models to choose: {name}", prompts.models(make_key(server.url), _SECRET, timeout_s=20))
        server.stop()


def main() -> None:
    """Measure and print."""
    with demo_server(delta_seconds=0.005) as url:
        asyncio.run(_all(url))


if __name__ == "__main__":
    main()
