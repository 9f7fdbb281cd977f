"""First token: keytui's prompts against openai.AsyncOpenAI as it comes, same server, both warm, taking turns.

`python -m tests.bench.raw_prompt [BASE_URL]`; without an address a demo server runs in a process of its own. With
`--raw` as the first word the comparator alone runs and prints a line as soon as its first token is there.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

from keytui.model import Secret
from keytui.providers import client, prompts
from tests.bench.serving import demo_server
from tests.providers.conftest import make_key

_ROUNDS = 20
_MODEL = "gpt-6-luna"
_SECRET = "sk-" + "bench-" + "0a1b2c3d" * 4


async def _raw(base_url: str, *, show: bool = False) -> float:
    import openai

    async with openai.AsyncOpenAI(api_key=_SECRET, base_url=base_url) as raw:
        started = time.perf_counter()
        stream = await raw.chat.completions.create(
            model=_MODEL, messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                took = time.perf_counter() - started
                if show:
                    sys.stdout.write(f"{text}\n")
                    sys.stdout.flush()
                return took * 1000
    raise RuntimeError("no token came")


async def _ours(base_url: str) -> float:
    started = time.perf_counter()
    stream = prompts.stream(make_key(base_url, model=_MODEL), Secret(_SECRET), "Hello", timeout_s=20)
    try:
        async for part in stream:
            if isinstance(part, prompts.Delta):
                return (time.perf_counter() - started) * 1000
    finally:
        await stream.aclose()
    raise RuntimeError("no token came")


async def _measure(base_url: str) -> None:
    await asyncio.to_thread(client.warm_up)
    await _raw(base_url)
    await _ours(base_url)
    raw, ours = [], []
    for _ in range(_ROUNDS):
        raw.append(await _raw(base_url))
        ours.append(await _ours(base_url))
    sys.stdout.write(
        f"first token, median of {_ROUNDS}: AsyncOpenAI {statistics.median(raw):.1f} ms, "
        f"keytui {statistics.median(ours):.1f} ms, difference {statistics.median(ours) - statistics.median(raw):+.1f}\n"
    )


def main() -> None:
    """Measure and print."""
    words = sys.argv[1:]
    alone = words[:1] == ["--raw"]
    given = words[1:] if alone else words
    with demo_server() as own:
        base_url = given[0] if given else own
        asyncio.run(_raw(base_url, show=True) if alone else _measure(base_url))


if __name__ == "__main__":
    main()
