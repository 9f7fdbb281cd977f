"""What an error answer proves of a key: only the provider's own error object says that it is good, or is not."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from keytui.providers import asking, mapping


class Said(NamedTuple):
    """An error answer and what it means.

    Attributes:
        status: HTTP status.
        body: JSON, or the bytes as they come.
        word: The verdict.
        part: A part of the sentence.
        asked: A model was asked.
        checks: The provider looks at keys.
    """

    status: int
    body: object
    word: str
    part: str = ""
    asked: bool = False
    checks: bool = True


_NO_MODEL = {"error": {"message": "The model `x` does not exist", "type": "invalid_request_error", "code": None}}
_RESPONSES = {
    "error": {
        "message": "This model is only supported in v1/responses and not in v1/chat/completions.",
        "type": "invalid_request_error",
        "param": "model",
        "code": None,
    }
}
_COMPLETIONS = {
    "error": {
        "message": "This is not a chat model and thus not supported in the v1/chat/completions endpoint. "
        "Did you mean to use v1/completions?",
        "type": "invalid_request_error",
        "param": "model",
        "code": None,
    }
}
_IP_LOGGED = "Incorrect API key provided: sk-x. Your IP address is not authorized to try others."
_SCOPES = "You have insufficient permissions for this operation. Missing scopes: api.model.read."

SAID = (
    # A probe asks for no model, so nothing that is not found is one.
    Said(
        404, {"message": "Cannot GET /v1/models", "error": "Not Found", "statusCode": 404}, "unknown", "Check the base"
    ),
    Said(404, {"detail": "Path /v1/models not found"}, "unknown", "Check the base URL"),
    Said(404, {"detail": "The requested URL /api/models does not exist"}, "unknown", "Check the base URL"),
    Said(404, {"error": {"message": 'model "x" not found'}}, "unknown", "Check the base URL"),
    Said(404, {"error": {"code": "model_not_found", "message": "No such model."}}, "unknown", "Check the model"),
    Said(404, {"message": "Cannot POST /v1/models/model", "error": "Not Found"}, "unknown", "base URL", asked=True),
    Said(404, b"model page not found", "unknown", "base URL", asked=True),
    Said(404, {"error": "model 'x' not found"}, "unknown", "Choose another model", asked=True),
    Said(404, _NO_MODEL, "valid", "Choose another model", asked=True),
    Said(404, {"object": "error", "message": "The model `x` does not exist.", "code": 404}, "valid", asked=True),
    Said(404, _NO_MODEL, "unknown", "Choose another model", asked=True, checks=False),
    Said(403, {"error": {"code": "model_not_found", "message": "No access."}}, "valid", "Choose another", asked=True),
    Said(403, {"error": {"message": "Project `p` does not have access to model `x`"}}, "valid", asked=True),
    # Too many requests: of whom, only an API can say.
    Said(429, b"<html>Too many requests. Cloudflare</html>", "unknown", "HTTP 429"),
    Said(429, b"", "unknown", "HTTP 429"),
    Said(429, b"slow down", "unknown", "HTTP 429"),
    Said(429, {"detail": "slow"}, "rate_limited", "did not say whether the key works"),
    Said(
        429, {"error": {"code": "rate_limit_exceeded", "message": "x", "type": "tokens"}}, "rate_limited", "works, but"
    ),
    Said(429, {"error": {"code": "slow_down", "message": "x"}}, "rate_limited", "The key works"),
    Said(429, {"type": "error", "error": {"type": "rate_limit_error"}}, "rate_limited", "The key works"),
    Said(429, [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}], "rate_limited", "did not say"),
    Said(402, b"<html>Pay for the hotel's network</html>", "unknown", "HTTP 402"),
    Said(402, b"", "unknown", "HTTP 402"),
    Said(402, {"error": {"message": "Insufficient credits", "code": 402}}, "no_quota", "Add credit"),
    # Forbidden: what a firewall says is no word on the key.
    Said(403, b"Permission denied by corporate firewall", "unknown", "forbids"),
    Said(403, {"message": "You do not have permission to access this resource"}, "unknown", "forbids"),
    Said(403, {"error": {"message": "You have no permission to see this page"}}, "unknown", "forbids"),
    Said(403, {"error": {"message": "Your IP address was blocked by our firewall"}}, "unknown", "IP address"),
    Said(401, {"error": {"message": "Unauthorized client IP: 1.2.3.4"}}, "unknown", "IP address"),
    Said(403, {"error": {"message": "x", "code": "ip_restricted"}}, "unknown", "IP address"),
    Said(403, {"error": {"message": "Use of third-party IP is not permitted by our policy."}}, "unknown", "forbids"),
    Said(403, b"Missing scopes: your IP address is not authorized", "unknown", "forbids"),
    Said(403, {"type": "error", "error": {"type": "permission_error", "message": "x"}}, "restricted", "is known"),
    Said(403, {"error": {"code": 403, "message": "x", "status": "PERMISSION_DENIED"}}, "restricted", "is known"),
    Said(
        403,
        {"error": {"message": "Method doesn't allow unregistered callers.", "status": "PERMISSION_DENIED"}},
        "unknown",
        "forbids",
    ),
    Said(403, {"error": {"message": "It has been suspended.", "status": "PERMISSION_DENIED"}}, "unknown", "forbids"),
    Said(403, {"error": {"message": _SCOPES, "type": "invalid_request_error"}}, "restricted", "restricted"),
    Said(401, {"error": {"message": _SCOPES, "type": "invalid_request_error"}}, "restricted", "restricted"),
    Said(403, {"error": {"message": "IP not authorized.", "type": "request_forbidden"}}, "restricted", "IP addresses"),
    Said(401, {"error": {"code": "ip_not_authorized", "message": "x"}}, "restricted", "IP addresses"),
    Said(401, {"error": {"message": "Your IP address 192.0.2.7 is not authorized."}}, "restricted", "IP addresses"),
    Said(401, {"error": {"message": "IP (2001:db8::7) not in the allowlist"}}, "restricted", "IP addresses"),
    Said(401, {"error": {"message": "IP address: '1.2.3.4/32' has not been allowed"}}, "restricted", "IP addresses"),
    Said(403, {"error": {"message": "IP 1.2.3.4 is not in its allow-list"}}, "restricted", "IP addresses"),
    Said(403, {"error": {"message": "Client IP not in allowlist"}}, "restricted", "IP addresses"),
    Said(403, {"error": {"message": "Client IP not in allowlist"}}, "unknown", "this IP address", checks=False),
    # A key that is refused is refused, whatever else the sentence says.
    Said(401, {"error": {"code": "invalid_api_key", "message": _IP_LOGGED}}, "invalid", "does not accept"),
    Said(403, {"error": {"type": "x", "message": _IP_LOGGED}}, "invalid", "does not accept"),
    Said(401, {"error": {"code": "api_key_revoked", "message": _SCOPES}}, "invalid", "does not accept"),
    Said(401, b"Unauthorized", "unknown", "HTTP 401"),
    Said(401, {"detail": "Unauthorized"}, "invalid", "does not accept"),
    Said(401, b"", "unknown", "HTTP 401"),
    Said(401, b"Blocked by the proxy of this company", "unknown", "HTTP 401"),
    # A limit that is exceeded is not always one of money.
    Said(400, {"error": {"message": "Context length limit exceeded"}}, "unknown", "says nothing about the key"),
    Said(400, {"error": {"message": "max_tokens limit exceeded for this model (512)"}}, "unknown"),
    Said(403, {"error": {"message": "Request size limit exceeded"}}, "unknown", "forbids"),
    Said(403, {"error": {"message": "API key rate limit exceeded"}}, "unknown", "forbids"),
    Said(403, {"error": {"message": "Key limit exceeded (monthly limit).", "code": 403}}, "no_quota", "spending limit"),
    Said(403, b"Key limit exceeded", "unknown", "forbids"),
    # Money: read from an error object before its status, and not out of a key that is refused or only too fast.
    Said(400, {"error": {"message": "Your credit balance is too low to access"}}, "no_quota", "Add credit"),
    Said(400, {"message": "Your credit balance is too low to access"}, "unknown", "Check the base URL"),
    Said(400, b"Your credit balance is too low to access", "unknown", "Check the base URL"),
    Said(403, {"code": "no permission", "error": "You have run out of credits."}, "no_quota", "Add credit"),
    Said(429, {"error": {"message": "You reached your spending limit."}}, "no_quota", "spending limit is reached"),
    Said(429, {"error": {"message": "API key limit exceeded"}}, "rate_limited", "did not say"),
    Said(
        429,
        {"error": {"code": "rate_limit_exceeded", "message": "Have any credits? They raise this limit."}},
        "rate_limited",
        "works, but",
    ),
    Said(401, {"error": {"code": "invalid_api_key", "message": "You have run out of credits."}}, "invalid"),
    Said(401, {"error": {"message": "Incorrect API key. Do you have any credits?"}}, "invalid"),
    # A region, an organization, a request that came too slowly.
    Said(400, {"error": {"message": "User location is not supported for the API use."}}, "unknown", "region"),
    Said(400, {"message": "User location is not supported"}, "unknown", "Check the base URL"),
    Said(400, {"error": {"code": "organization_restricted", "message": "x"}}, "invalid", "organization of this key"),
    Said(408, b"", "unreachable", "gave up waiting"),
    # Words that count in an API's own error object only: anyone can write them into a page or a plain text.
    Said(401, b"Missing scopes: api.model.read", "unknown", "HTTP 401"),
    Said(401, {"error": _SCOPES}, "invalid", "does not accept"),
    # A model that is not there, where one was asked for and the words are close enough.
    Said(400, {"error": {"message": "Model Not Exist"}}, "unknown", "Check the base URL"),
    Said(400, {"error": {"message": "Model not found: x"}}, "valid", "Choose another", asked=True),
    Said(400, {"error": {"message": "Invalid model"}}, "valid", "Choose another", asked=True),
    Said(400, {"error": {"message": "This model takes no system role; field not found"}}, "unknown", asked=True),
    Said(400, {"error": {"message": "Invalid model parameters: max_tokens"}}, "unknown", "base URL", asked=True),
    Said(404, {"error": {"type": "not_found_error", "message": "model: x"}}, "valid", "Choose another", asked=True),
    Said(404, {"error": {"type": "not_found_error", "message": "Not found"}}, "unknown", "base URL", asked=True),
    Said(404, {"detail": "Path v1/models/x is not found"}, "unknown", "base URL", asked=True),
    Said(401, {"error": {"code": "invalid_api_key", "message": "model x not found"}}, "invalid", asked=True),
    # A model that answers elsewhere.
    Said(404, _RESPONSES, "valid", "this model does not chat. Choose another model.", asked=True),
    Said(404, _COMPLETIONS, "valid", "this model does not chat. Choose another model.", asked=True),
    Said(404, _COMPLETIONS, "unknown", "this model does not chat. Choose another model.", asked=True, checks=False),
    Said(404, _COMPLETIONS, "unknown", "no such address"),
    Said(404, {"error": {"message": "No route for POST /v1/chat/completions"}}, "unknown", "no such address", True),
    Said(404, b"This is not a chat model", "unknown", "no such address", asked=True),
)


@pytest.mark.parametrize("said", SAID, ids=lambda said: f"{said.status} {str(said.body)[:60]}")
def test_a_word_on_the_key_is_read_from_the_providers_own_error_object_alone(said: Said) -> None:
    body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
    answer = mapping.read_answer(said.status, {}, body)
    word, detail = mapping.judge(answer, "llm.example.com", asked_model=said.asked, checks_keys=said.checks)
    assert word == said.word
    assert said.part in detail
    assert detail.endswith((".", "?"))


@pytest.mark.parametrize("message", ["Context length limit exceeded", "max_tokens limit exceeded for this model (512)"])
def test_a_prompt_whose_limit_is_refused_is_asked_with_less(message: str) -> None:
    answer = mapping.read_answer(400, {}, json.dumps({"error": {"message": message}}).encode())
    fewer = asking.less(asking.Request("m", "Hi", "", {"max_tokens": 1_024}), answer, {"max_tokens"})
    assert fewer is not None
    assert fewer.extra != {"max_tokens": 1_024}


_LONG = (
    (404, "model "),
    (404, "model gpt-4o-mini-2024-07-18, "),
    (404, "(models/"),
    (400, "role "),
    (400, "system "),
    (403, "key "),
    (429, "reached "),
)


@pytest.mark.parametrize(("status", "repeated"), _LONG)
def test_of_a_long_error_only_the_beginning_is_searched(status: int, repeated: str) -> None:
    body = {"error": {"message": repeated * 4_000, "details": [{"reason": repeated * 9}] * 100}}
    answer = mapping.read_answer(status, {}, json.dumps(body).encode())
    assert repeated in answer.text
    assert len(answer.text) <= 4_000


@pytest.mark.parametrize("repeated", ["model ", "role ", "system "])
def test_signs_that_may_stand_apart_are_found_in_one_pass(repeated: str) -> None:
    # A pattern that begins again at each of these words would take hours.
    answer = mapping.Answer(404, text=repeated * 100_000)
    assert mapping.judge(answer, "llm.example.com", asked_model=True)[0] == "unknown"
    assert asking.less(asking.Request("m", "Hi", "Be brief.", {}, streamed=False), answer, set()) is None


def test_reason_after_a_long_message_is_still_read() -> None:
    body = {"error": {"code": 400, "message": "x" * 90_000, "details": [{"reason": "API_KEY_INVALID"}]}}
    answer = mapping.read_answer(400, {}, json.dumps(body).encode())
    assert mapping.judge(answer, "llm.example.com")[0] == "invalid"


@pytest.mark.parametrize(
    ("message", "merged"),
    [
        ("System messages are not supported", True),
        ("This template has no system role", True),
        ("Role must be user, not system", True),
        ("The system is overloaded", False),
        ("Wrong role", False),
    ],
)
def test_system_prompt_is_merged_only_where_it_is_refused(message: str, merged: bool) -> None:
    answer = mapping.read_answer(500, {}, json.dumps({"error": {"message": message}}).encode())
    fewer = asking.less(asking.Request("m", "Hi", "Be brief.", {}, streamed=False), answer, set())
    assert (fewer is not None and fewer.merged) == merged
