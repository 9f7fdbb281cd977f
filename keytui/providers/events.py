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
    from collections.abc import AsyncGenerator, AsyncIterator

LONGEST = 128_000
"""The most bytes of one event: json reads them, of whatever structure, in a few ms. Real ones have below 4 kB, but a
gateway may send a whole answer as one."""

TURN_SECONDS = 0.005
"""How long a body is read before the event loop has its turn."""

_BOM = b"\xef\xbb\xbf"
_FIELDS = b"deir:"  # data, event, id, retry, a comment
_JSON = b'{["'

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


async def begin(chunks: AsyncIterator[bytes]) -> bytes:
    """Read a body as far as its first characters that are not blank, and return them without the blanks."""
    head = b""
    async for chunk in chunks:
        head = (head + chunk).lstrip()
        if head and head not in (_BOM[:1], _BOM[:2]):
            break
    return head.removeprefix(_BOM).lstrip()


def is_stream(head: bytes, kind: str) -> bool:
    """Whether a body is a stream of events, and not an answer in one piece, by how it begins.

    Args:
        head: The characters: more is not always there yet.
        kind: Content type, which is asked where they do not tell.
    """
    first = head[:1]
    if first and (first in _FIELDS or first in _JSON):
        return first in _FIELDS
    return "json" not in kind and "html" not in kind


async def read(chunks: AsyncIterator[bytes], head: bytes = b"") -> AsyncGenerator[bytes]:
    """Yield the data of each event of a body.

    Args:
        chunks: The body.
        head: What was read of it before.

    Raises:
        AnswerTooLong: An event has more than LONGEST bytes.
        httpx2.HTTPError: The connection failed.
    """
    from keytui.providers.sdk import AnswerTooLong

    data: list[bytes] = []
    rest, size = bytearray(), 0
    turns = Turns()
    async with aclosing(_joined(head, chunks)) as parts:
        async for chunk in parts:
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
    if data and not rest:  # its last line is whole, only the blank one after it is missing
        yield b"\n".join(data)


async def _joined(head: bytes, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    yield head
    async for chunk in chunks:
        yield chunk
