"""What each provider is asked, and what its answer says of the key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from keytui.flows import keys
from keytui.model import KeyFields, Secret
from keytui.providers import catalog, checks, client, prompts
from keytui.providers.declared import Provider
from tests.providers.conftest import SECRET, RawServer, http, make_key

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from keytui.demo.server import DemoServer

PATIENCE = 10.0


@pytest.mark.parametrize(
    ("provider", "kind", "path"),
    [
        ("openai", "api", "/v1/models"),
        ("openai", "admin", "/v1/organization/projects"),
        ("openrouter", "api", "/v1/key"),
        ("openrouter", "admin", "/v1/keys"),
        ("anthropic", "api", "/v1/models"),
        ("anthropic", "admin", "/v1/organizations/api_keys"),
        ("xai", "api", "/v1/api-key"),
        ("deepseek", "api", "/user/balance"),
        ("groq", "api", "/v1/models"),
        ("azure", "api", "/v1/models"),
    ],
)
async def test_each_provider_is_asked_its_own_way(server: DemoServer, provider: str, kind: str, path: str) -> None:
    key = make_key(server.url, provider, "admin" if kind == "admin" else "api")
    verdict = await checks.check(key, SECRET, timeout_s=PATIENCE)
    assert verdict.word == "valid"
    assert list(server.requests) == [("GET", path)]


@pytest.mark.parametrize("provider", ["custom", "ollama"])
async def test_server_that_asks_for_a_key_proves_the_key(server: DemoServer, provider: str) -> None:
    verdict = await checks.check(make_key(server.url, provider), SECRET, timeout_s=PATIENCE)
    assert verdict.word == "valid"
    assert verdict.detail.startswith("The key works")
    assert list(server.requests) == [("GET", "/v1/models")] * 2


async def test_server_that_answers_anyone_proves_nothing_and_says_so(raw_server: Callable[..., RawServer]) -> None:
    running = raw_server(http("200 OK", b'{"data":[{"id":"a"}]}', "Connection: close"))
    verdict = await checks.check(make_key(running.url, "ollama"), SECRET, timeout_s=PATIENCE)
    assert (verdict.word, verdict.models) == ("valid", 1)
    assert "without a key too" in verdict.detail
    with_key, without_key = running.received
    assert SECRET.reveal().encode() in with_key
    assert b"authorization" not in without_key.lower()


async def test_list_open_to_anyone_elsewhere_leaves_the_key_unknown(
    raw_server: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = raw_server(http("200 OK", b'{"data":[{"id":"a"}]}', "Connection: close"))
    monkeypatch.setattr(client, "is_loopback", lambda _host: False)
    key = make_key(running.url, "custom")._replace(allow_http=True)
    verdict = await checks.check(key, SECRET, timeout_s=PATIENCE)
    assert verdict.word == "unknown"
    assert "to anyone" in verdict.detail


class _Moody(RawServer):
    """Lists its models to a key, and fails without one."""

    def _send(self, connection: socket.socket) -> None:
        with_key = b"authorization:" in self.received[-1].lower()
        status, body = ("200 OK", b'{"data":[{"id":"a"}]}') if with_key else ("500 Oops", b"{}")
        connection.sendall(http(status, body, "Connection: close"))


async def test_list_elsewhere_that_cannot_be_compared_leaves_the_key_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "is_loopback", lambda _host: False)
    running = _Moody(b"")
    try:
        key = make_key(running.url, "custom")._replace(allow_http=True)
        verdict = await checks.check(key, SECRET, timeout_s=PATIENCE)
    finally:
        running.stop()
    assert verdict.word == "unknown"
    assert "is not known" in verdict.detail


@pytest.mark.parametrize("provider", ["openrouter", "xai", "deepseek"])
async def test_gateway_without_the_providers_own_path_is_asked_for_models(
    raw_server: Callable[..., RawServer], provider: str
) -> None:
    missing = raw_server(http("404 Not Found", b'{"error":"nothing here"}', "Connection: close"))
    verdict = await checks.check(make_key(missing.url, provider), SECRET, timeout_s=PATIENCE)
    assert verdict.word == "unknown"
    assert b"GET /v1/models" in missing.received[1]


@pytest.mark.parametrize(
    ("provider", "body", "word", "said"),
    [
        ("openrouter", {"data": {"label": "x", "usage": 1, "limit_remaining": 0}}, "no_quota", "spending limit"),
        ("openrouter", {"data": {"label": "x", "usage": 1, "limit_remaining": 2.5}}, "valid", "2.50 dollars"),
        ("xai", {"api_key_id": "x", "api_key_disabled": True}, "invalid", "disabled or blocked"),
        ("xai", {"api_key_id": "x", "team_blocked": True}, "invalid", "team"),
        ("xai", {"api_key_id": "x", "acls": ["api-key:model:grok-mini"]}, "restricted", "some models"),
        ("xai", {"hello": 1}, "unknown", "no API's answer"),
        ("deepseek", {"is_available": False}, "no_quota", "balance is used up"),
        (
            "deepseek",
            {"is_available": True, "balance_infos": [{"currency": "CNY", "total_balance": "110.00"}]},
            "valid",
            "110.00 CNY",
        ),
        ("deepseek", {"is_available": True, "balance_infos": [{"currency": "<b>", "total_balance": "1"}]}, "valid", ""),
        ("deepseek", {"data": []}, "unknown", "no API's answer"),
    ],
)
async def test_own_probe_of_a_provider_says_more_than_a_list(
    raw_server: Callable[..., RawServer], provider: str, body: object, word: str, said: str
) -> None:
    running = raw_server(http("200 OK", json.dumps(body).encode()))
    verdict = await checks.check(make_key(running.url, provider), SECRET, timeout_s=PATIENCE)
    assert verdict.word == word
    assert said in verdict.detail
    assert "<b>" not in verdict.detail


async def test_azure_key_travels_in_its_own_header_alone(raw_server: Callable[..., RawServer]) -> None:
    running = raw_server(http("200 OK", b'{"data":[]}'))
    await checks.check(make_key(running.url, "azure"), SECRET, timeout_s=PATIENCE)
    request = running.received[0].lower()
    assert b"authorization" not in request
    assert b"\r\napi-key: " in request


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (
            (
                "x-ratelimit-limit-requests: 500",
                "x-ratelimit-remaining-requests: 499",
                "x-ratelimit-reset-requests: 120ms",
                "x-ratelimit-remaining-tokens: 39980",
                "x-ratelimit-reset-tokens: 6m0s",
            ),
            "499 of 500 requests left, resets in 120 ms; 39,980 tokens left, resets in 6 minutes",
        ),
        (("x-ratelimit-remaining-requests: 0", "x-ratelimit-reset-requests: 7.66s"), "0 requests left, resets in 8 s"),
        (
            ("anthropic-ratelimit-requests-limit: 50", "anthropic-ratelimit-requests-remaining: 49"),
            "49 of 50 requests left",
        ),
        (("x-ratelimit-remaining-requests: 1", "x-ratelimit-reset-requests: soon"), "1 request left"),
        (("x-ratelimit-remaining-requests: <b>many</b>",), ""),
        ((), ""),
    ],
)
async def test_what_the_rate_limits_leave_is_said_in_our_words(
    raw_server: Callable[..., RawServer], headers: tuple[str, ...], said: str
) -> None:
    running = raw_server(http("200 OK", b'{"data":[]}', *headers))
    verdict = await checks.check(make_key(running.url), SECRET, timeout_s=PATIENCE)
    assert verdict.limits == said


async def test_one_more_provider_is_one_declaration(server: DemoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    acme = Provider(
        id="acme",
        label="Acme",
        base_url=server.url,
        env="ACME_API_KEY",
        prefixes=("ac" + "me_",),
        lengths=(("ac" + "me_", 30, 60),),
        keys_page="https://acme.example.com/keys",
        small_models=("gpt-6-luna",),
        key_header="x-api-key",
        key_header_everywhere=True,
    )
    monkeypatch.setitem(catalog.PROVIDERS, "acme", acme)
    secret = Secret("ac" + "me_" + "s3cret" * 6)
    server.register(secret, "valid")
    guess = catalog.recognize(secret)
    assert (guess.provider, guess.sure, guess.note) == ("acme", True, "")
    assert catalog.recognize(Secret("ac" + "me_short")).note
    assert catalog.looks_like_key(f"a note with {secret.reveal()}")
    fields = keys.validate(KeyFields("work", "acme", "", "ACME_API_KEY"))
    assert fields.base_url == server.url
    verdict = await checks.check(make_key(server.url, "acme"), secret, timeout_s=PATIENCE)
    assert verdict.word == "valid"
    parts = [part async for part in prompts.stream(make_key(server.url, "acme"), secret, "Hi", timeout_s=PATIENCE)]
    assert isinstance(parts[-1], prompts.Summary)
    assert parts[-1].model == "gpt-6-luna"


def test_custom_key_at_a_known_host_is_asked_that_providers_way() -> None:
    key = make_key("https://openrouter.ai/api/v1", "custom")
    assert checks.probe_of(key)[1] == "openrouter_key"
