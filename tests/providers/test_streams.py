"""What counts as a whole answer, as a sign of life, and as too much, whatever a server calls its stream."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING

import h11
import pytest

from keytui.errors import ProviderError, ProviderUnreachable
from keytui.providers import answers, checks, events, prompts
from keytui.providers.prompts import Delta, Summary
from tests.providers.conftest import SECRET, RawServer, http, make_key

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Iterator

PATIENCE = 10.0
SHORT = 0.3
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}


def head(kind: str = "Content-Type: text/event-stream\r\n") -> bytes:
    return f"HTTP/1.1 200 OK\r\nConnection: close\r\n{kind}\r\n".encode()


def event(data: object) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def piece(text: str, **more: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {"content": text}, **more}]}


async def ask(url: str, timeout_s: float = PATIENCE) -> tuple[str, Summary]:
    parts = [part async for part in prompts.stream(make_key(url, model="m"), SECRET, "Hello", timeout_s=timeout_s)]
    summary = parts.pop()
    assert isinstance(summary, Summary)
    return "".join(part.text for part in parts if isinstance(part, Delta)), summary


@pytest.mark.parametrize("reason", ["", "null", "None"])
async def test_reason_that_is_none_makes_no_cut_answer_whole(raw_server: Callable[..., RawServer], reason: str) -> None:
    running = raw_server(head() + event(piece("Hi", finish_reason=reason)) * 2)
    with pytest.raises(ProviderUnreachable, match="The answer was cut"):
        await ask(running.url)


async def test_server_that_names_no_reason_ends_with_done(raw_server: Callable[..., RawServer]) -> None:
    running = raw_server(head() + event(piece("Hi", finish_reason="")) * 2 + DONE)
    text, summary = await ask(running.url)
    assert (text, summary.finish_reason) == ("HiHi", None)


async def test_done_without_the_reason_that_was_to_come_is_a_cut(raw_server: Callable[..., RawServer]) -> None:
    running = raw_server(head() + event(piece("Hi", finish_reason=None)) + DONE)  # as gateways do that were cut off
    with pytest.raises(ProviderUnreachable, match="The answer was cut"):
        await ask(running.url)


async def test_usage_before_the_answer_is_not_its_end(raw_server: Callable[..., RawServer]) -> None:
    running = raw_server(head() + event({"choices": [], "usage": USAGE}) + event(piece("Hi", finish_reason=None)))
    with pytest.raises(ProviderUnreachable, match="The answer was cut"):
        await ask(running.url)


async def test_usage_alone_is_no_answer(raw_server: Callable[..., RawServer]) -> None:
    running = raw_server(head() + event({"choices": [], "usage": USAGE}))
    with pytest.raises(ProviderUnreachable, match="The answer was cut"):
        await ask(running.url)


async def test_plain_answer_without_a_reason_is_whole(raw_server: Callable[..., RawServer]) -> None:
    body = {"choices": [{"message": {"content": "Hi"}, "finish_reason": ""}]}
    text, _summary = await ask(raw_server(http("200 OK", json.dumps(body).encode(), "Connection: close")).url)
    assert text == "Hi"


@pytest.mark.parametrize("choice", [[], {}, {"text": "Hi"}, {"message": {}}, {"message": {"content": 1}}], ids=str)
async def test_choice_that_says_nothing_is_no_answer(raw_server: Callable[..., RawServer], choice: object) -> None:
    running = raw_server(http("200 OK", json.dumps({"choices": [choice]}).encode(), "Connection: close"))
    with pytest.raises(ProviderUnreachable, match="no API's answer"):
        await ask(running.url)


@pytest.mark.parametrize("choice", [[], {}, {"text": "Hi"}, 1], ids=str)
async def test_choices_without_a_piece_are_no_answer(raw_server: Callable[..., RawServer], choice: object) -> None:
    running = raw_server(head() + event({"choices": [choice]}) * 2 + event({"choices": [], "usage": USAGE}) + DONE)
    with pytest.raises(ProviderUnreachable, match="The answer was cut"):
        await ask(running.url)


async def test_long_plain_answer_says_that_it_was_ended(raw_server: Callable[..., RawServer]) -> None:
    body = {"choices": [{"message": {"content": "x" * 30_000}, "finish_reason": "stop"}]}
    text, summary = await ask(raw_server(http("200 OK", json.dumps(body).encode(), "Connection: close")).url)
    assert (len(text), summary.finish_reason) == (prompts.ANSWER_LIMIT, answers.TOO_LONG)


@pytest.mark.parametrize("last", [b"", event({"choices": [], "usage": USAGE})], ids=["reason", "usage"])
async def test_finished_answer_is_whole_though_the_connection_stays_open(
    raw_server: Callable[..., RawServer], last: bytes
) -> None:
    running = raw_server(head() + event(piece("Hi", finish_reason="stop")) + last, hold=True)
    text, summary = await ask(running.url, SHORT)
    assert (text, summary.finish_reason) == ("Hi", "stop")
    assert (summary.usage is not None) == bool(last)


async def test_finished_answer_is_whole_though_its_connection_breaks(raw_server: Callable[..., RawServer]) -> None:
    last = event(piece("Hi", finish_reason="stop"))
    running = raw_server(head("Transfer-Encoding: chunked\r\n") + b"%x\r\n%b\r\n" % (len(last), last))
    assert (await ask(running.url))[0] == "Hi"


class Ticking(RawServer):
    """Sends the first of several pieces, then the next one each 50 ms, the last for ever."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        super().__init__(b"")

    def _send(self, connection: socket.socket) -> None:
        connection.sendall(head() + self._pieces[0])
        for each in self._pieces[1:]:
            self._ended.wait(0.05)
            connection.sendall(each)
        while not self._ended.wait(0.05):
            connection.sendall(self._pieces[-1])


@pytest.fixture
def ticking() -> Iterator[Callable[..., Ticking]]:
    running: list[Ticking] = []

    def start(*pieces: bytes) -> Ticking:
        running.append(Ticking(*pieces))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.mark.parametrize(
    "delta", [{}, {"role": "assistant"}, {"content": ""}, {"content": None, "reasoning_content": ""}], ids=str
)
async def test_pieces_of_nothing_are_silence(ticking: Callable[..., Ticking], delta: dict[str, object]) -> None:
    running = ticking(event(piece("Hi")), event({"choices": [{"index": 0, "delta": delta}]}))
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ProviderUnreachable, match=r"The answer was cut: 127.0.0.1\S+ sent no more of it for 0.3 s"):
            await ask(running.url, SHORT)


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "Hm"},
        {"reasoning": "Hm"},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]},
    ],
    ids=["reasoning_content", "reasoning", "thinking"],
)
async def test_reasoning_is_no_silence(ticking: Callable[..., Ticking], delta: dict[str, object]) -> None:
    thought = event({"choices": [{"index": 0, "delta": delta}]})
    running = ticking(*[thought] * 10, event(piece("Hi", finish_reason="stop")) + DONE)
    text, _summary = await ask(running.url, SHORT)
    assert text == "Hi"


@pytest.mark.parametrize("kind", ["", "Content-Type: text/plain\r\n", "Content-Type: application/octet-stream\r\n"])
async def test_long_event_is_not_read_whatever_its_type(raw_server: Callable[..., RawServer], kind: str) -> None:
    running = raw_server(head(kind) + b"data: [" + b"1," * 300_000 + b"1]\n\n")
    with pytest.raises(ProviderError, match="no API's answer"):
        await ask(running.url)


async def test_stream_of_another_type_is_taken(raw_server: Callable[..., RawServer]) -> None:
    running = raw_server(head("Content-Type: text/plain\r\n") + event(piece("Hi", finish_reason="stop")) + DONE)
    assert (await ask(running.url))[0] == "Hi"


TYPES = ("", "text/plain", "application/json", "text/event-stream", "text/html")


@pytest.mark.parametrize("before", [b"", b"\n\n", b"\xef\xbb\xbf"], ids=["", "blank", "BOM"])
@pytest.mark.parametrize("kind", TYPES)
async def test_stream_and_whole_answer_are_told_apart_whatever_their_type(
    raw_server: Callable[..., RawServer], kind: str, before: bytes
) -> None:
    begun = head(f"Content-Type: {kind}\r\n" if kind else "") + before
    stream = begun + event(piece("He")) + event(piece("llo", finish_reason="stop")) + DONE
    text, summary = await ask(raw_server(stream).url)
    assert (text, summary.streamed) == ("Hello", True)
    body = {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}
    text, summary = await ask(raw_server(begun + json.dumps(body, indent=1).encode()).url)
    assert (text, summary.streamed) == ("Hello", False)


@pytest.mark.parametrize("kind", TYPES)
async def test_error_in_one_piece_is_read_whatever_its_type(raw_server: Callable[..., RawServer], kind: str) -> None:
    body = json.dumps({"error": {"code": "insufficient_quota", "message": "x"}}).encode()
    with pytest.raises(ProviderError, match="no quota or credit left"):
        await ask(raw_server(head(f"Content-Type: {kind}\r\n" if kind else "") + body).url)


@pytest.mark.parametrize("line", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
async def test_lines_may_end_in_every_way_and_come_in_any_parts(ticking: Callable[..., Ticking], line: bytes) -> None:
    first, second = json.dumps(piece("Hé")), json.dumps(piece("llo", finish_reason="stop"))
    stream = f": hi\n\nevent: x\ndata:{first[:13]}\ndata: {first[13:]}\n\n\ndata: {second}\n\ndata: [DONE]\n\n".encode()
    stream = stream.replace(b"\n", line)
    running = ticking(*[stream[at : at + 30] for at in range(0, len(stream), 30)], line)
    assert (await ask(running.url, 1.0))[0] == "Héllo"


HALVES = {
    "an emoji in two": (("Hi \ud83d", "\ude00 there"), "Hi \U0001f600 there"),
    "an emoji alone": (("\ud83d", "\ude00"), "\U0001f600"),
    "two emoji": (("\ud83d", "\ude00\ud83d", "\ude01"), "\U0001f600\U0001f601"),
    "a first half alone": (("Hi \ud83d", " there"), "Hi \ud83d there"),
    "a second half alone": (("Hi ", "\ude00 there"), "Hi \ude00 there"),
    "a first half at the end": (("Hi ", "\ud83d"), "Hi \ud83d"),
    "nothing between": (("Hi \ud83d", "", "\ude00"), "Hi \U0001f600"),
}


@pytest.mark.parametrize("name", HALVES)
async def test_character_that_was_cut_in_two_is_whole(raw_server: Callable[..., RawServer], name: str) -> None:
    parts, whole = HALVES[name]
    stream = b"".join(event(piece(each)) for each in parts) + event(piece("", finish_reason="stop")) + DONE
    assert (await ask(raw_server(head() + stream).url))[0] == whole


@pytest.mark.parametrize("count", [10**290, 10**13, -1, True], ids=["291 digits", "14 digits", "-1", "true"])
async def test_count_that_no_answer_can_have_is_left_out(raw_server: Callable[..., RawServer], count: int) -> None:
    usage = {**USAGE, "completion_tokens": count}
    stream = event(piece("Hi", finish_reason="stop")) + event({"choices": [], "usage": usage}) + DONE
    _text, summary = await ask(raw_server(head() + stream).url)
    assert summary.usage == {"prompt_tokens": 3, "total_tokens": 4}
    assert summary.tokens_per_s is None


def in_bytes(body: bytes) -> bytes:
    """Return a body as chunks of one byte."""
    return b"".join(b"1\r\n%c\r\n" % each for each in body) + b"0\r\n\r\n"


@pytest.mark.parametrize("line", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
async def test_stream_may_come_byte_by_byte(raw_server: Callable[..., RawServer], line: bytes) -> None:
    stream = (event(piece("He")) + b": k\n\n" + event(piece("llo", finish_reason="stop")) + DONE).replace(b"\n", line)
    running = raw_server(head("Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n") + in_bytes(stream))
    assert (await ask(running.url))[0] == "Hello"


async def turns_during(work: Coroutine[object, object, object]) -> int:
    """Return how often another task had its turn."""
    turns, over = 0, False

    async def count() -> None:
        nonlocal turns
        while not over:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    with suppress(ProviderError):
        await work
    over = True
    await counting
    return turns


BURSTS = {
    "comments": b": k\n\n" * 1_000,
    "events of nothing": event({"choices": []}) * 1_000,
    "letters": event(piece("x")) * 1_000,
    "a line in bytes": in_bytes(b":" * 2_000),
    "blanks in bytes": in_bytes(b"\n" * 2_000),
}


@pytest.mark.parametrize("name", BURSTS)
async def test_burst_lets_the_interface_live(
    raw_server: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(events, "TURN_SECONDS", 0)  # every line and every part gives the loop its turn
    chunked = "Transfer-Encoding: chunked\r\n" if "bytes" in name else ""
    running = raw_server(head(f"Content-Type: text/event-stream\r\n{chunked}") + BURSTS[name])
    assert await turns_during(ask(running.url)) > 1_000


@pytest.mark.parametrize("status", [b"200 OK", b"500 Oops"])
async def test_body_in_bytes_lets_the_interface_live(
    raw_server: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch, status: bytes
) -> None:
    monkeypatch.setattr(events, "TURN_SECONDS", 0)
    answer = head("Transfer-Encoding: chunked\r\n").replace(b"200 OK", status) + in_bytes(b"1" * 2_000)
    assert await turns_during(checks.check(make_key(raw_server(answer).url), SECRET, timeout_s=PATIENCE)) > 1_000


async def test_flood_of_answers_to_wait_for_lets_the_interface_live(
    raw_server: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, at_once = h11.Connection.next_event, [0]

    def count_and_read(connection: h11.Connection) -> object:
        asyncio.get_running_loop().call_soon(at_once.append, 0)  # the next turn counts anew
        at_once[-1] += 1
        return read(connection)

    monkeypatch.setattr(h11.Connection, "next_event", count_and_read)
    flood = b"HTTP/1.1 103\r\n\r\n" * 20_000
    await checks.check(make_key(raw_server(flood).url), SECRET, timeout_s=PATIENCE)
    assert 0 < max(at_once) < 1_000
