from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from keytui.demo.answers import PIECES
from keytui.errors import KeyRefused, ProviderError, ProviderUnreachable
from keytui.model import Secret
from keytui.providers import answers, prompts
from keytui.providers.prompts import Delta, Summary
from tests.providers.conftest import SECRET, http, make_key

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from keytui.demo.server import DemoServer
    from keytui.model import Key
    from tests.providers.conftest import RawServer

PATIENCE = 10.0
MODEL = "gpt-6-luna"
CHAT = ("POST", "/v1/chat/completions")


async def _ask(
    key: Key, secret: Secret = SECRET, text: str = "Hello", timeout_s: float = PATIENCE
) -> tuple[str, Summary]:
    parts = [part async for part in prompts.stream(key, secret, text, timeout_s=timeout_s)]
    summary = parts.pop()
    assert isinstance(summary, Summary)
    assert all(isinstance(part, Delta) and part.text for part in parts)
    return "".join(part.text for part in parts if isinstance(part, Delta)), summary


async def _failure(key: Key, secret: Secret = SECRET, timeout_s: float = PATIENCE) -> tuple[str, ProviderError]:
    text = ""
    answer = prompts.stream(key, secret, "Hello", timeout_s=timeout_s)
    failure: ProviderError | None = None
    while failure is None:
        try:
            part = await anext(answer)
        except ProviderError as error:
            failure = error
        else:
            assert isinstance(part, Delta)
            text += part.text
    assert failure.sentence == failure.verdict.detail
    assert failure.__cause__ is None
    assert failure.__context__ is None  # a traceback shows nothing of the request
    return text, failure


def _sse(*events: object) -> bytes:
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + body


def _chunk(text: str | None, finish: str | None = None) -> dict[str, object]:
    return {"model": MODEL, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


async def test_answer_streams_and_ends_with_its_numbers(server: DemoServer) -> None:
    server.delta_seconds = 0.01
    text, summary = await _ask(make_key(server.url, model=MODEL))
    assert text == "".join(PIECES)
    assert summary.model == MODEL
    assert summary.ttft_ms is not None
    assert summary.tokens_per_s is not None
    assert summary.usage == {"prompt_tokens": 1, "completion_tokens": len(PIECES), "total_tokens": len(PIECES) + 1}
    assert summary.finish_reason == "stop"
    assert summary.request_id == "req_demo_000001"


async def test_one_word_is_answered_with_one_word(server: DemoServer) -> None:
    text, _summary = await _ask(make_key(server.url, model=MODEL), text="Say hello in one word")
    assert text == "Hello."


async def test_model_is_a_small_one_of_the_keys_own_list(server: DemoServer) -> None:
    _text, summary = await _ask(make_key(server.url))
    assert summary.model == MODEL
    assert list(server.requests) == [("GET", "/v1/models"), CHAT]


async def test_model_of_a_key_that_may_not_list_is_the_providers(server: DemoServer) -> None:
    server.register(SECRET, "restricted")
    _text, summary = await _ask(make_key(server.url))
    assert summary.model == MODEL


async def test_without_a_preferred_model_the_first_that_chats_is_taken(raw_server: Callable[..., RawServer]) -> None:
    listed = http("200 OK", b'{"data":[{"id":"nomic-embed-text"},{"id":"llama"}]}', "Connection: close")
    running = raw_server(listed)
    await _failure(make_key(running.url, "local"))
    assert b'"model":"llama"' in running.received[1]


async def test_no_model_at_all_asks_for_one(raw_server: Callable[..., RawServer]) -> None:
    running = raw_server(http("200 OK", b'{"data":[]}'))
    _text, error = await _failure(make_key(running.url, "local"))
    assert "name one" in error.sentence


async def test_models_are_listed(server: DemoServer) -> None:
    assert MODEL in await prompts.models(make_key(server.url), SECRET, timeout_s=PATIENCE)


async def test_models_of_a_refused_key_are_not_listed(server: DemoServer) -> None:
    server.register(SECRET, "invalid")
    with pytest.raises(KeyRefused) as caught:
        await prompts.models(make_key(server.url), SECRET, timeout_s=PATIENCE)
    assert caught.value.verdict.word == "invalid"


@pytest.mark.parametrize(
    ("state", "refused", "word"),
    [
        ("invalid", True, "invalid"),
        ("no_quota", True, "no_quota"),
        ("no_credit", True, "no_quota"),
        ("rate_limited", False, "rate_limited"),
        ("no_scopes", False, "restricted"),
        ("region", False, "unknown"),
        ("model_not_found", False, "valid"),
        ("down", False, "unknown"),
        ("drop", False, "unreachable"),
        ("html", False, "unknown"),
        ("wrong_shape", False, "unknown"),
    ],
)
async def test_refusal_carries_its_verdict(server: DemoServer, state: str, refused: bool, word: str) -> None:
    server.register(SECRET, state)
    text, error = await _failure(make_key(server.url, model=MODEL))
    assert text == ""
    assert isinstance(error, KeyRefused if refused else ProviderUnreachable)
    assert error.verdict.word == word


@pytest.mark.parametrize(
    ("state", "some", "sentence"),
    [
        ("cut", True, "The answer was cut: 127.0.0.1"),
        ("cut_first", False, "closed the connection before it had answered"),
        ("empty", False, "without sending any of it"),
        ("unfinished", True, "was cut"),
        ("stream_error", True, "in the middle"),
        ("broken_stream", True, "does not understand"),
    ],
)
async def test_stream_without_its_end_is_a_failure(server: DemoServer, state: str, some: bool, sentence: str) -> None:
    server.register(SECRET, state)
    text, error = await _failure(make_key(server.url, model=MODEL))
    assert bool(text) == some
    assert "".join(PIECES).startswith(text)
    assert sentence in error.sentence
    assert isinstance(error, ProviderUnreachable)


async def test_silence_is_a_cut(server: DemoServer) -> None:
    server.register(SECRET, "silent")
    text, error = await _failure(make_key(server.url, model=MODEL), timeout_s=0.3)
    assert text.startswith("Hello from")
    assert error.verdict.word == "unreachable"
    assert error.sentence.startswith("The answer was cut: 127.0.0.1")
    assert "sent no more of it for 0.3 s" in error.sentence


async def test_stream_of_keep_alives_alone_is_a_cut(raw_server: Callable[..., RawServer]) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    running = raw_server(head + b": still here\n\n" * 50, hold=True)
    _text, error = await _failure(make_key(running.url, model=MODEL), timeout_s=0.2)
    assert error.verdict.word == "unreachable"


async def test_null_choices_are_skipped(server: DemoServer) -> None:
    server.register(SECRET, "null_choices")
    text, _summary = await _ask(make_key(server.url, model=MODEL))
    assert text == "".join(PIECES)


@pytest.mark.parametrize(
    ("state", "calls", "has_usage"),
    [
        ("no_stream_options", 2, False),
        ("no_max_tokens", 2, True),
        ("no_max_completion_tokens", 2, True),
        ("strict", 2, False),
    ],
)
async def test_server_that_refuses_a_parameter_is_asked_without_it(
    server: DemoServer, state: str, calls: int, has_usage: bool
) -> None:
    server.register(SECRET, state)
    provider = "openai" if state == "no_max_completion_tokens" else "groq"
    text, summary = await _ask(make_key(server.url, provider, model=MODEL))
    assert text == "".join(PIECES)
    assert (summary.usage is not None) == has_usage
    assert list(server.requests) == [CHAT] * calls


async def test_bad_request_that_is_not_about_a_parameter_is_repeated_twice_only(
    raw_server: Callable[..., RawServer],
) -> None:
    running = raw_server(http("400 Bad Request", b'{"error":{"message":"no"}}', "Connection: close"))
    _text, error = await _failure(make_key(running.url, model=MODEL))
    assert error.verdict.word == "unknown"
    assert len(running.received) == 3  # with the bare minimum, then without streaming


async def test_key_in_the_answer_is_masked(server: DemoServer) -> None:
    server.register(SECRET, "echo")
    text, _summary = await _ask(make_key(server.url, model=MODEL))
    assert text == f"You sent {SECRET.masked()}."


async def test_beginning_of_the_key_is_shown_when_other_text_follows(raw_server: Callable[..., RawServer]) -> None:
    running = raw_server(_sse(_chunk("A key begins with sk"), _chunk("-proj."), _chunk("s", "stop")))
    text, _summary = await _ask(make_key(running.url, model=MODEL))
    assert text == "A key begins with sk-proj.s"


async def test_endless_answer_is_ended(raw_server: Callable[..., RawServer]) -> None:
    running = raw_server(_sse(*[_chunk("x" * 3_000)] * 20))
    text, summary = await _ask(make_key(running.url, model=MODEL))
    assert len(text) == prompts.ANSWER_LIMIT
    assert summary.finish_reason == answers.TOO_LONG


async def test_text_that_cannot_be_decoded_is_a_failure(raw_server: Callable[..., RawServer]) -> None:
    running = raw_server(_sse(_chunk("Caf~"), _chunk("", "stop")).replace(b"~", b"\xff"))
    _text, error = await _failure(make_key(running.url, model=MODEL))
    assert error.verdict.word == "unknown"


async def test_closing_the_stream_cancels_the_request(server: DemoServer) -> None:
    server.register(SECRET, "silent")
    answer = prompts.stream(make_key(server.url, model=MODEL), SECRET, "Hello", timeout_s=PATIENCE)
    assert isinstance(await anext(answer), Delta)
    await answer.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(answer)


async def test_cancelling_the_task_ends_the_stream(server: DemoServer, arrivals: threading.Event) -> None:
    server.register(SECRET, "hang")
    task = asyncio.create_task(_ask(make_key(server.url, model=MODEL)))
    await asyncio.to_thread(arrivals.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_prompt_is_not_sent_with_a_key_no_header_can_hold(server: DemoServer) -> None:
    _text, error = await _failure(make_key(server.url, model=MODEL), Secret("two words"))
    assert isinstance(error, KeyRefused)
    assert not server.requests


async def test_prompt_is_not_sent_where_the_address_forbids_it() -> None:
    _text, error = await _failure(make_key("http://llm.example.com/v1", model=MODEL))
    assert "not sent" in error.sentence
