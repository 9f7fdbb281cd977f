"""What a script without keytui does: on each line of input, one prompt, printed as it streams. Client warm.

`python -m tests.bench.raw_terminal BASE_URL`, with the key in BENCH_KEY.
"""

from __future__ import annotations

import asyncio
import os
import sys

from openai import AsyncOpenAI


async def main() -> None:
    """Answer each line of input with one streamed prompt."""
    client = AsyncOpenAI(api_key=os.environ["BENCH_KEY"], base_url=sys.argv[1], max_retries=0)
    await client.models.list()
    print("READY-MARK", flush=True)
    for _ in iter(sys.stdin.readline, ""):
        stream = await client.chat.completions.create(
            model="gpt-6-luna",
            messages=[{"role": "user", "content": "Say hello in one word"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                print(chunk.choices[0].delta.content, end="", flush=True)
        print("\nEND-MARK", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
