"""What is asked of servers that refuse something, and what is made of answers that are no stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from keytui.errors import ProviderUnreachable
from keytui.model import Secret
from keytui.providers import catalog, models, prompts
from keytui.providers.prompts import Summary
from tests.providers.conftest import SECRET, RawServer, http, make_key

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence

    from keytui.model import Key

PATIENCE = 10.0
MODEL = "gpt-6-luna"


class Scripted(RawServer):
    """Answers each connection with the next of several answers."""

    def __init__(self, answers: Sequence[bytes], pause: float) -> None:
        self._left = list(answers)
        self._pause = pause
        super().__init__(b"")

    def _send(self, connection: socket.socket) -> None:
        self._ended.wait(self._pause)
        connection.sendall(self._left.pop(0) if self._left else b"")

    def asked(self) -> list[dict[str, object]]:
        return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in self.received]


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    running: list[Scripted] = []

    def start(*answers: bytes, pause: float = 0) -> Scripted:
        running.append(Scripted(answers, pause))
        return running[-1]

    yield start
    for each in running:
        each.stop()


def _refused(message: str, status: str = "400 Bad Request") -> bytes:
    return http(status, json.dumps({"error": {"message": message}}).encode(), "Connection: close")


def _whole(text: str | None, finish: str = "stop", usage: object = None, *headers: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    body = {"model": MODEL, "choices": [choice], "usage": usage}
    return http("200 OK", json.dumps(body).encode(), "Connection: close", *headers)


def _sse(*events: object) -> bytes:
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + body


def _streamed(text: str = "Hi") -> bytes:
    return _sse({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]})


async def _ask(key: Key, system: str = "", model: str = "", timeout_s: float = PATIENCE) -> tuple[list[str], Summary]:
    stream = prompts.stream(key, SECRET, "Hello", system=system, model=model, timeout_s=timeout_s)
    parts = [part async for part in stream]
    summary = parts.pop()
    assert isinstance(summary, Summary)
    return [part.text for part in parts if isinstance(part, prompts.Delta)], summary


async def test_system_prompt_comes_before_the_prompt(scripted: Callable[..., Scripted]) -> None:
    running = scripted(_streamed())
    await _ask(make_key(running.url), "Be brief.", "other-model")
    (asked,) = running.asked()
    assert asked["model"] == "other-model"
    assert asked["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(
    "message", ["System role not supported", "Unsupported value: 'messages[0].role' does not support 'system' here."]
)
async def test_model_that_knows_no_system_prompt_gets_it_with_the_prompt(
    scripted: Callable[..., Scripted], message: str
) -> None:
    running = scripted(_refused(message), _streamed())
    texts, _summary = await _ask(make_key(running.url, model=MODEL), "Be brief.")
    assert texts == ["Hi"]
    assert running.asked()[1]["messages"] == [{"role": "user", "content": "Be brief.\n\nHello"}]


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("Your organization must be verified to stream this model.", "400 Bad Request"),
        ("Streaming is not supported.", "422 Unprocessable Entity"),
        ("stream=true is not implemented", "501 Not Implemented"),
    ],
)
async def test_server_that_refuses_streaming_is_asked_for_a_plain_answer(
    scripted: Callable[..., Scripted], message: str, status: str
) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    running = scripted(_refused(message, status), _whole("All at once", "stop", usage, "x-request-id: req_9"))
    texts, summary = await _ask(make_key(running.url, model=MODEL))
    assert texts == ["All at once"]
    first, second = running.asked()
    assert first["stream"] is True
    assert "stream" not in second
    assert "stream_options" not in second
    assert (summary.streamed, summary.tokens_per_s, summary.usage) == (False, None, usage)
    assert (summary.finish_reason, summary.request_id) == ("stop", "req_9")


@pytest.mark.parametrize("where", ["stream", "stream_options", "max_completion_tokens"])
async def test_refusal_that_names_the_place_is_understood(scripted: Callable[..., Scripted], where: str) -> None:
    detail = [{"type": "extra_forbidden", "loc": ["body", where], "msg": "Extra inputs are not permitted"}]
    refused = http("422 Unprocessable Entity", json.dumps({"detail": detail}).encode(), "Connection: close")
    running = scripted(refused, _whole("Hi"))
    texts, _summary = await _ask(make_key(running.url, model=MODEL))
    assert texts == ["Hi"]
    first, second = running.asked()
    assert where in first
    assert where not in second
    assert second.keys() & {"max_tokens", "max_completion_tokens"}  # only what was named is left out


async def test_last_try_after_a_refusal_of_nothing_by_name_asks_for_a_plain_answer(
    scripted: Callable[..., Scripted],
) -> None:
    running = scripted(_refused("no"), _refused("no"), _whole("Hi"))
    texts, _summary = await _ask(make_key(running.url, model=MODEL))
    assert texts == ["Hi"]
    assert ["stream" in each for each in running.asked()] == [True, True, False]
    assert running.asked()[2].keys() == {"model", "messages"}


async def test_tries_share_the_time_that_was_allowed(scripted: Callable[..., Scripted]) -> None:
    running = scripted(_refused("stream_options?"), _refused("max_tokens?"), _refused("no"), _streamed(), pause=0.3)
    with pytest.raises(ProviderUnreachable, match=r"did not answer within 0.5 s"):
        await _ask(make_key(running.url, model=MODEL), timeout_s=0.5)


async def test_choosing_a_model_takes_of_the_same_time(scripted: Callable[..., Scripted]) -> None:
    listed = http("200 OK", b'{"data":[{"id":"m"}]}', "Connection: close")
    running = scripted(listed, _streamed(), pause=0.3)
    with pytest.raises(ProviderUnreachable, match=r"did not answer within 0.5 s"):
        await _ask(make_key(running.url), timeout_s=0.5)


async def test_refused_streaming_is_not_read_out_of_another_word(scripted: Callable[..., Scripted]) -> None:
    running = scripted(_refused("upstream failed", "500 Internal Server Error"))
    with pytest.raises(ProviderUnreachable):
        await _ask(make_key(running.url, model=MODEL))
    assert len(running.received) == 1


async def test_plain_answer_to_a_request_for_a_stream_is_taken(scripted: Callable[..., Scripted]) -> None:
    texts, summary = await _ask(make_key(scripted(_whole("All at once")).url, model=MODEL))
    assert texts == ["All at once"]
    assert not summary.streamed


async def test_key_in_a_plain_answer_is_masked(scripted: Callable[..., Scripted]) -> None:
    texts, _summary = await _ask(make_key(scripted(_whole(f"You sent {SECRET.reveal()}.")).url, model=MODEL))
    assert texts == [f"You sent {SECRET.masked()}."]


async def test_error_with_status_200_is_a_failure(scripted: Callable[..., Scripted]) -> None:
    body = json.dumps({"error": {"code": "insufficient_quota", "message": SECRET.reveal()}}).encode()
    running = scripted(http("200 OK", body, "Connection: close"))
    with pytest.raises(Exception, match="no quota or credit left") as caught:
        await _ask(make_key(running.url, model=MODEL))
    assert SECRET.reveal()[:12] not in repr(caught.value)


@pytest.mark.parametrize(
    ("text", "finish", "said"),
    [
        ("Hi", "stop", ""),
        ("Hi", "length", "Ended at the limit of 1,024 tokens"),
        (None, "length", "went into reasoning"),
        (None, "stop", "no text"),
        ("Hi", "content_filter", "content filter"),
    ],
)
async def test_answer_that_ended_otherwise_says_how(
    scripted: Callable[..., Scripted], text: str | None, finish: str, said: str
) -> None:
    _texts, summary = await _ask(make_key(scripted(_whole(text, finish)).url, model=MODEL))
    assert said in summary.remark
    assert bool(said) == bool(summary.remark)
    assert summary.verdict.word == "valid"


def _counted(prompt: int, completion: int, total: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


@pytest.mark.parametrize(
    ("usage", "ours"),
    [
        (None, True),
        (_counted(3, 1_024, 1_027), True),
        (_counted(3, 1_020, 1_023), True),
        (_counted(3, 20, 1_027), True),  # reasoning is in the total alone
        (_counted(3, 64, 67), False),
        ({"completion_tokens": 64}, False),
    ],
)
async def test_limit_that_ended_an_answer_is_ours_only_if_it_was_reached(
    scripted: Callable[..., Scripted], usage: object, ours: bool
) -> None:
    _texts, summary = await _ask(make_key(scripted(_whole("Hi", "length", usage)).url, model=MODEL))
    own = "Ended at the model's or the server's own limit."
    assert summary.remark == ("Ended at the limit of 1,024 tokens of a test prompt." if ours else own)


@pytest.mark.parametrize("text", ["Hi", None])
async def test_limit_that_was_not_sent_ended_no_answer(scripted: Callable[..., Scripted], text: str | None) -> None:
    refused = _refused("Unknown parameters are max_tokens and max_completion_tokens")
    running = scripted(refused, refused, _whole(text, "length"))
    _texts, summary = await _ask(make_key(running.url, model=MODEL))
    assert not running.asked()[-1].keys() & {"max_tokens", "max_completion_tokens"}
    assert summary.remark.startswith("Ended at the model's or the server's own limit")
    assert ("before any answer" in summary.remark) == (text is None)


async def test_reasoning_counts_in_usage_and_is_not_text(scripted: Callable[..., Scripted]) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 8}}
    running = scripted(
        _sse(
            {"choices": [{"index": 0, "delta": {"reasoning_content": "Hmm"}, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {"content": [{"type": "thinking"}, {"type": "text", "text": "Hi"}]}}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage},
        )
    )
    texts, summary = await _ask(make_key(running.url, model=MODEL))
    assert texts == ["Hi"]
    assert summary.usage == {"prompt_tokens": 1, "completion_tokens": 9, "reasoning_tokens": 8}


async def test_answer_that_came_in_one_burst_has_no_speed(scripted: Callable[..., Scripted]) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 500, "total_tokens": 501}
    piece = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage}
    _texts, summary = await _ask(make_key(scripted(_sse(piece, piece, end)).url, model=MODEL))
    assert summary.usage == usage
    assert summary.tokens_per_s is None


async def test_what_a_server_does_not_know_is_not_called_a_wrong_address(scripted: Callable[..., Scripted]) -> None:
    body = json.dumps({"error": {"code": "no_fixture_match", "message": "No fixture matched"}}).encode()
    running = scripted(http("404 Not Found", body, "Connection: close"))
    with pytest.raises(ProviderUnreachable, match="Check the model and the base URL"):
        await _ask(make_key(running.url, model=MODEL))


async def test_refusal_of_a_model_is_its_answer(scripted: Callable[..., Scripted]) -> None:
    running = scripted(_sse({"choices": [{"index": 0, "delta": {"refusal": "I cannot."}, "finish_reason": "stop"}]}))
    texts, _summary = await _ask(make_key(running.url, model=MODEL))
    assert texts == ["I cannot."]


async def test_prompt_tells_what_the_rate_limits_leave(scripted: Callable[..., Scripted]) -> None:
    running = scripted(_whole("Hi", "stop", None, "x-ratelimit-remaining-requests: 7"))
    _texts, summary = await _ask(make_key(running.url, model=MODEL))
    assert summary.limits == "7 requests left"
    assert summary.verdict.limits == "7 requests left"


async def test_azure_asks_for_the_deployments_name(scripted: Callable[..., Scripted]) -> None:
    running = scripted()
    with pytest.raises(ProviderUnreachable, match="name one as the model"):
        await _ask(make_key(running.url, "azure"))
    assert not running.received


async def test_azure_prompt_carries_the_key_in_its_own_header(scripted: Callable[..., Scripted]) -> None:
    running = scripted(_streamed())
    await _ask(make_key(running.url, "azure"), model="my-deployment")
    head = running.received[0].lower()
    assert b"authorization" not in head
    assert b"\r\napi-key: " in head


def test_models_for_a_picker_are_small_ones_first_and_those_that_chat() -> None:
    openai = catalog.provider("openai")
    listed = [
        "gpt-6",
        "text-embedding-3-small",
        "gpt-4o-mini",
        "Babel",
        "gpt-6-luna",
        "whisper-1",
        "gpt-3.5-turbo-instruct",
        "gpt-6",
    ]
    assert models.chatting(openai, listed) == ["gpt-6-luna", "gpt-4o-mini", "Babel", "gpt-6"]
    assert models.chatting(openai, ["nomic-embed-text"]) == ["nomic-embed-text"]
    assert models.chatting(openai, []) == []


async def test_names_that_cannot_be_shown_are_left_out_of_the_models(scripted: Callable[..., Scripted]) -> None:
    names = ["good", "", "two\nlines", "\x1b[31mred", "x" * 300, f"echo-{SECRET.reveal()}"]
    body = json.dumps({"data": [{"id": name} for name in names]}).encode()
    running = scripted(http("200 OK", body, "Connection: close"))
    assert await prompts.models(make_key(running.url), SECRET, timeout_s=PATIENCE) == ["good"]


async def test_place_holder_for_a_key_hides_no_model(scripted: Callable[..., Scripted]) -> None:
    running = scripted(http("200 OK", b'{"data":[{"id":"lm-studio-community/llama"}]}', "Connection: close"))
    listed = await prompts.models(make_key(running.url, "lmstudio"), Secret("lm-studio"), timeout_s=PATIENCE)
    assert listed == ["lm-studio-community/llama"]


async def test_usage_in_every_piece_does_not_make_a_cut_answer_whole(scripted: Callable[..., Scripted]) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    piece = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}], "usage": usage}
    running = scripted(_sse(piece, piece))
    with pytest.raises(ProviderUnreachable, match="The answer was cut"):
        await _ask(make_key(running.url, model=MODEL))
