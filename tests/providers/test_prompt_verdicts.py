"""What an error answer to a prompt means for its key: every row of what OpenAI says, and the words of the others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from keytui.errors import KeyRefused, ProviderError
from keytui.providers import prompts
from tests.providers.conftest import SECRET, RawServer, http, make_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.demo.server import DemoServer
    from keytui.model import Key

PATIENCE = 10.0
MODEL = "gpt-6-luna"
NO_MODEL = "this model does not exist or is not open to it. Choose another model."
NO_CREDIT = "no quota or credit left. Add credit"
_SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
_PIECE: dict[str, object] = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}


class Told(NamedTuple):
    """An error answer and what it means.

    Attributes:
        status: Status line.
        body: Its JSON.
        provider: Whose key was sent.
        word: The verdict.
        part: A part of the sentence.
    """

    status: str
    body: object
    provider: str
    word: str
    part: str


async def _failure(key: Key) -> tuple[str, ProviderError]:
    text = ""
    stream = prompts.stream(key, SECRET, "Hello", timeout_s=PATIENCE)
    while True:
        try:
            part = await anext(stream)
        except ProviderError as error:
            return text, error
        assert isinstance(part, prompts.Delta)
        text += part.text


def _error(message: str, code: object = None, kind: str = "invalid_request_error") -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("state", "word", "status", "code", "said"),
    [
        ("invalid", "invalid", 401, "invalid_api_key", "wrong, revoked or expired"),
        ("mismatched_organization", "restricted", 401, "mismatched_organization", "another organization or project"),
        ("mismatched_project", "restricted", 401, "mismatched_project", "another organization or project"),
        ("no_organization", "invalid", 401, "no_organization", "no organization any more"),
        ("no_scopes", "restricted", 403, None, "restricted: it may not do this"),
        ("no_response_scope", "restricted", 401, None, "restricted: it may not do this"),
        ("ip_allowlist", "restricted", 401, "ip_not_authorized", "certain IP addresses only"),
        ("ip_allowlist_403", "restricted", 403, None, "certain IP addresses only"),
        ("region", "unknown", 403, "unsupported_country_region_territory", "did not look at the key"),
        ("deactivated", "invalid", 401, "account_deactivated", "is deactivated"),
        ("model_not_found", "valid", 404, "model_not_found", NO_MODEL),
        ("rate_limited", "rate_limited", 429, "rate_limit_exceeded", "Try again in 20 s."),
        ("slow_down", "rate_limited", 429, "slow_down", "Try again in 5 s."),
        ("no_quota", "no_quota", 429, "insufficient_quota", NO_CREDIT),
        ("credit_balance_exhausted", "no_quota", 429, "credit_balance_exhausted", "prepaid credit is used up"),
        ("organization_spend_limit_exceeded", "no_quota", 429, "organization_spend_limit_exceeded", "organization's"),
        ("project_spend_limit_exceeded", "no_quota", 429, "project_spend_limit_exceeded", "project's spending limit"),
        ("organization_usage_limit_exceeded", "no_quota", 429, "organization_usage_limit_exceeded", "organization's"),
        ("payment", "no_quota", 402, None, NO_CREDIT),
        ("error_500", "unknown", 500, None, "has a problem of its own (HTTP 500)"),
        ("error_502", "unknown", 502, None, "has a problem of its own (HTTP 502)"),
        ("down", "unknown", 503, "server_is_overloaded", "Try again in 30 s."),
    ],
)
async def test_every_refusal_of_a_prompt_gets_its_verdict_and_is_sent_once(
    server: DemoServer, state: str, word: str, *, status: int, code: str | None, said: str
) -> None:
    server.register(SECRET, state)
    text, error = await _failure(make_key(server.url, model=MODEL))
    assert text == ""
    assert (error.verdict.word, error.verdict.status, error.verdict.code) == (word, status, code)
    assert said in error.sentence
    assert isinstance(error, KeyRefused) == (word in ("invalid", "no_quota"))
    assert error.verdict.request_id == "req_demo_000001"
    assert list(server.requests) == [("POST", "/v1/chat/completions")]


OUT_OF_MONEY = (
    Told(
        "400 Bad Request",
        {"type": "error", **_error("Your credit balance is too low to access the Anthropic API.")},
        "anthropic",
        "no_quota",
        NO_CREDIT,
    ),
    Told(
        "400 Bad Request",
        _error("You have reached your specified API usage limits. You will regain access on 2027-01-01."),
        "anthropic",
        "no_quota",
        NO_CREDIT,
    ),
    Told(
        "429 Too Many Requests",
        {
            "type": "error",
            "error": {
                "type": "rate_limit_error",
                "message": "x",
                "details": {"error_code": "enforced_spend_limit_reached"},
            },
        },
        "anthropic",
        "no_quota",
        NO_CREDIT,
    ),
    Told(
        "429 Too Many Requests",
        {
            "code": "Some resource has been exhausted",
            "error": "Your team x has either used all available credits or reached its monthly spending limit.",
        },
        "xai",
        "no_quota",
        NO_CREDIT,
    ),
    Told(
        "403 Forbidden",
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Your newly created team doesn't have any credits or licenses yet.",
        },
        "xai",
        "no_quota",
        NO_CREDIT,
    ),
    Told(
        "403 Forbidden",
        {
            "code": "The caller does not have permission",
            "error": "You have run out of credits or need a Grok subscription.",
        },
        "xai",
        "no_quota",
        NO_CREDIT,
    ),
    Told(
        "429 Too Many Requests",
        [{"error": {"code": 429, "message": "Your prepayment credits are depleted.", "status": "RESOURCE_EXHAUSTED"}}],
        "gemini",
        "no_quota",
        NO_CREDIT,
    ),
    Told("400 Bad Request", _error("Blocked.", "blocked_api_access"), "groq", "no_quota", NO_CREDIT),
    Told("400 Bad Request", _error("Your spend limit has been reached."), "groq", "no_quota", "a spending limit"),
    Told(
        "402 Payment Required", _error("Insufficient Balance", "invalid_request_error"), "deepseek", "no_quota", "Add"
    ),
)

UNKNOWN_MODELS = (
    Told("403 Forbidden", _error("No access.", "model_not_found"), "openai", "valid", NO_MODEL),
    Told("404 Not Found", _error("Gone.", "model_not_found"), "openai", "valid", NO_MODEL),
    Told("400 Bad Request", _error("The model `x` does not exist", "model_not_found"), "openai", "valid", NO_MODEL),
    Told(
        "404 Not Found",
        {"type": "error", "error": {"type": "not_found_error", "message": "model: claude-x"}},
        "anthropic",
        "valid",
        NO_MODEL,
    ),
    Told(
        "404 Not Found",
        [{"error": {"code": 404, "message": "models/x is not found for API version v1main", "status": "NOT_FOUND"}}],
        "gemini",
        "valid",
        NO_MODEL,
    ),
    Told(
        "404 Not Found",
        _error("The API deployment for this resource does not exist.", "DeploymentNotFound"),
        "azure",
        "valid",
        NO_MODEL,
    ),
    Told("400 Bad Request", _error("Model Not Exist", "invalid_request_error"), "deepseek", "valid", NO_MODEL),
    Told(
        "400 Bad Request",
        {"error": {"message": "x is not a valid model ID", "code": 400}},
        "openrouter",
        "valid",
        NO_MODEL,
    ),
    Told(
        "400 Bad Request",
        {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"},
        "mistral",
        "valid",
        NO_MODEL,
    ),
    Told("400 Bad Request", _error("No.", "invalid_model"), "mistral", "valid", NO_MODEL),
    Told(
        "400 Bad Request",
        _error("The model `x` has been decommissioned and is no longer supported.", "model_decommissioned"),
        "groq",
        "valid",
        NO_MODEL,
    ),
    Told(
        "404 Not Found",
        {
            "code": "Some requested entity was not found",
            "error": "The model x does not exist or your team y has no access.",
        },
        "xai",
        "valid",
        NO_MODEL,
    ),
    Told(
        "400 Bad Request",
        _error("/chat/completions: Invalid model name passed in model=x. Call `/v1/models` to view available models."),
        "custom",
        "unknown",
        "has no such model and did not say whether the key works",
    ),
)

OTHERS = (
    Told(
        "400 Bad Request",
        _error("Organization has been restricted. Please reach out to support.", "organization_restricted"),
        "groq",
        "invalid",
        "organization of this key is restricted by the provider",
    ),
    Told("408 Request Timeout", _error("Timed out"), "openai", "unreachable", "gave up waiting for the request"),
    Told(
        "429 Too Many Requests",
        [{"error": {"code": 429, "message": "You exceeded your current quota.", "status": "RESOURCE_EXHAUSTED"}}],
        "gemini",
        "rate_limited",  # which it says of its limits a minute, too
        "did not say whether the key works",
    ),
)


@pytest.mark.parametrize(
    "told", [*OUT_OF_MONEY, *UNKNOWN_MODELS, *OTHERS], ids=lambda told: f"{told.provider} {str(told.body)[:70]}"
)
async def test_what_each_provider_says_is_understood_and_the_prompt_is_sent_once(
    raw_server: Callable[..., RawServer], told: Told
) -> None:
    running = raw_server(http(told.status, json.dumps(told.body).encode(), "Connection: close"))
    _text, error = await _failure(make_key(running.url, told.provider, model="x"))
    assert error.verdict.word == told.word
    assert told.part in error.sentence
    assert error.sentence.endswith((".", "?"))
    assert isinstance(error, KeyRefused) == (told.word in ("invalid", "no_quota"))
    assert len(running.received) == 1


async def test_region_that_gemini_does_not_serve_is_said(raw_server: Callable[..., RawServer]) -> None:
    message = "User location is not supported for the API use."
    body = [{"error": {"code": 400, "message": message, "status": "FAILED_PRECONDITION"}}]
    running = raw_server(http("400 Bad Request", json.dumps(body).encode(), "Connection: close"))
    _text, error = await _failure(make_key(running.url, "gemini", model="x"))
    assert error.verdict.word == "unknown"
    assert "does not serve this country or region" in error.sentence


UNDER_200 = (
    (_error("Incorrect API key provided", "invalid_api_key"), "invalid", "does not accept the key"),
    ({"error": {"code": 401, "message": "No auth credentials found"}}, "invalid", "does not accept the key"),
    ({"error": {"code": 402, "message": "Insufficient credits"}}, "no_quota", NO_CREDIT),
    ({"error": {"code": 429, "message": "Rate limit exceeded"}}, "rate_limited", "got too many requests"),
    ({"error": {"code": 502, "message": "Provider returned error"}}, "unknown", "a problem of its own (error 502)"),
    ({"error": {"code": 404, "message": "model 'x' not found"}}, "valid", NO_MODEL),
    (_error("The model `x` does not exist", "model_not_found"), "valid", NO_MODEL),
    (_error("The server had an error.", None, "server_error"), "unknown", "reported an error instead of an answer"),
    ({"error": "Something broke"}, "unknown", "reported an error instead of an answer"),
)


@pytest.mark.parametrize("streamed", [True, False], ids=["first event", "JSON"])
@pytest.mark.parametrize(("body", "word", "said"), UNDER_200)
async def test_error_that_comes_with_http_200_is_judged_by_what_it_says(
    raw_server: Callable[..., RawServer], body: object, word: str, said: str, *, streamed: bool
) -> None:
    plain = json.dumps(body).encode()
    running = raw_server(_SSE + b"data: " + plain + b"\n\n" if streamed else http("200 OK", plain, "Connection: close"))
    text, error = await _failure(make_key(running.url, "openrouter", model="x"))
    assert (text, error.verdict.word) == ("", word)
    assert said in error.sentence
    assert "in the middle" not in error.sentence
    assert isinstance(error, KeyRefused) == (word in ("invalid", "no_quota"))


@pytest.mark.parametrize(
    ("body", "word", "said"),
    [
        ({"error": {"code": 502, "message": "Provider disconnected"}}, "unknown", "in the middle of the answer"),
        ({"error": {"message": "x", "type": "server_error", "code": None}}, "unknown", "in the middle of the answer"),
        ({"error": {"code": 402, "message": "Insufficient credits"}}, "no_quota", NO_CREDIT),
        ({"error": {"code": 429, "message": "Rate limit exceeded"}}, "rate_limited", "too many requests"),
    ],
)
async def test_error_after_the_answer_began_is_in_its_middle_unless_it_says_more(
    raw_server: Callable[..., RawServer], body: object, word: str, said: str
) -> None:
    events = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in (_PIECE, body))
    text, error = await _failure(make_key(raw_server(_SSE + events).url, "openrouter", model="x"))
    assert (text, error.verdict.word) == ("Hi", word)
    assert said in error.sentence


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        (("request-id: req_011CSHo",), "req_011CSHo"),
        (("request-id: req_2", "x-request-id: req_1"), "req_1"),
        ((f"x-request-id: {SECRET.reveal()}", "request-id: req_3"), "req_3"),
    ],
)
async def test_request_id_of_a_refused_prompt_is_kept_under_either_name(
    raw_server: Callable[..., RawServer], headers: tuple[str, ...], request_id: str
) -> None:
    running = raw_server(http("401 Unauthorized", b'{"error":{"message":"no","type":"x"}}', *headers))
    _text, error = await _failure(make_key(running.url, "anthropic", model="x"))
    assert error.verdict.request_id == request_id


async def test_request_id_of_an_answered_prompt_is_kept_under_anthropics_name(
    raw_server: Callable[..., RawServer],
) -> None:
    body = {"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}
    running = raw_server(http("200 OK", json.dumps(body).encode(), "request-id: req_011CSHo", "Connection: close"))
    key = make_key(running.url, "anthropic", model="x")
    *_pieces, summary = [part async for part in prompts.stream(key, SECRET, "Hello", timeout_s=PATIENCE)]
    assert isinstance(summary, prompts.Summary)
    assert summary.request_id == "req_011CSHo"


async def test_request_id_of_an_error_inside_a_stream_is_kept(raw_server: Callable[..., RawServer]) -> None:
    body = json.dumps({"error": {"code": 502, "message": "Provider returned error"}}).encode()
    head = _SSE.replace(b"\r\n\r\n", b"\r\nx-request-id: req_1\r\n\r\n")
    _text, error = await _failure(make_key(raw_server(head + b"data: " + body + b"\n\n").url, "openrouter", model="x"))
    assert (error.verdict.request_id, error.verdict.status) == ("req_1", 502)
