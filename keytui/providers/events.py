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
"""How long a body is read before the event loop has its turn."""

DONE = b"[DONE]"
"""The data of the event after the last one."""


class Turns:
    """Gives the event loop its turn: what has come already is read without one."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    async def give(self) -> None:
        """Let others run where it is time."""
        if time.monotonic() - self._last > TURN_SECONDS:
            await asyncio.sleep(0)
            self._last = time.monotonic()


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
    rest, size = bytearray(), 0
    turns = Turns()
    try:
        async with aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                halved = rest.endswith(b"\r")
                rest += chunk
                if not halved and b"\n" not in chunk and b"\r" not in chunk:
                    lines = []  # nothing to split: a line may come in 100,000 parts
                else:
                    lines = bytes(rest).splitlines(keepends=True)
                    # A lone CR may be the half of a line's end.
                    rest = bytearray(lines.pop() if lines and not lines[-1].endswith(b"\n") else b"")
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
                    await turns.give()
                if len(rest) > LONGEST:
                    raise AnswerTooLong("event too long")
    finally:
        await response.aclose()
    if data and not rest:  # its last line is whole, only the blank one after it is missing
        yield b"\n".join(data)
