"""Server-sent events of an answer, one by one, whatever a server calls what it sends.

The SDK's reader builds models of every event, of any size, on the event loop: 9,000 choices in 120 kB held it for
0.5 s, a burst of small events gave it no turn, and [DONE] is swallowed. Its client sends the requests, this reads.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import httpx2

LONGEST = 128_000
"""The most bytes of one event: json reads them, of whatever structure, in a few ms. Real ones have below 4 kB, but a
gateway may send a whole answer as one."""

TURN_SECONDS = 0.005
"""How long lines are read before the event loop has its turn."""

DONE = b"[DONE]"
"""The data of the event after the last one."""


async def read(response: httpx2.Response) -> AsyncGenerator[bytes]:
    """Yield the data of each event of an answer whose body was not read yet.

    Args:
        response: The answer. It is closed at the end.

    Raises:
        AnswerTooLong: An event has more than LONGEST bytes.
        httpx2.HTTPError: The connection failed.
    """
    from keytui.providers.sdk import AnswerTooLong

    data: list[bytes] = []
    rest, size = b"", 0
    turn = time.monotonic()
    try:
        async with aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                lines = (rest + chunk).splitlines(keepends=True)
                # A lone CR may be the half of a line's end.
                rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
                for line in lines:
                    content = line.rstrip(b"\r\n")
                    if content.startswith(b"data:"):
                        data.append(content[5:].removeprefix(b" "))
                        size += len(line)
                        if size > LONGEST:
                            raise AnswerTooLong("event too long")
                    elif not content and data:
                        yield b"\n".join(data)
                        data, size = [], 0
                    if time.monotonic() - turn > TURN_SECONDS:
                        await asyncio.sleep(0)
                        turn = time.monotonic()
                if len(rest) > LONGEST:
                    raise AnswerTooLong("event too long")
    finally:
        await response.aclose()
    if data and not rest:  # its last line is whole, only the blank one after it is missing
        yield b"\n".join(data)
