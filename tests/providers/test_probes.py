"""What each provider is asked, and what its answer says of the key."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from keytui.flows import keys
from keytui.model import KeyFields, Secret
from keytui.providers import catalog, checks, client, probes, prompts
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
    """A third request has joined the two for the list: one without a key where prompts go.

    An open list alone was taken for a server that needs no key, and so a wrong one was called valid where the list is
    open and the rest is guarded, as in llama.cpp. This server takes prompts from anyone as well.
    """
    running = raw_server(http("200 OK", b'{"data":[{"id":"a"}]}', "Connection: close"))
    verdict = await checks.check(make_key(running.url, "ollama"), SECRET, timeout_s=PATIENCE)
    assert (verdict.word, verdict.models) == ("valid", 1)
    assert "without a key too" in verdict.detail
    with_key, without_key, prompt = running.received
    assert SECRET.reveal().encode() in with_key
    assert b"authorization" not in without_key.lower() + prompt.lower()
    assert prompt.startswith(b"POST /v1/chat/completions ")
    assert prompt.endswith(b"\r\n\r\n{}")


async def test_list_open_to_anyone_elsewhere_leaves_the_key_unknown(
    raw_server: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = raw_server(http("200 OK", b'{"data":[{"id":"a"}]}', "Connection: close"))
    monkeypatch.setattr(client, "is_loopback", lambda _host: False)
    key = make_key(running.url, "custom")._replace(allow_http=True)
    verdict = await checks.check(key, SECRET, timeout_s=PATIENCE)
    assert verdict.word == "unknown"
    assert "to anyone" in verdict.detail


class _Guarded(RawServer):
    """Lists its models to anyone and wants a key for prompts, as llama.cpp did until the middle of 2026.

    Args:
        bare: Status line for a prompt without a key.
        kept: Status line and body for one with the key, or None for silence.
    """

    def __init__(self, bare: str, kept: tuple[str, bytes] | None) -> None:
        self._bare, self._kept = bare, kept
        super().__init__(b"")

    def _send(self, connection: socket.socket) -> None:
        request = self.received[-1]
        if request.startswith(b"GET "):
            connection.sendall(http("200 OK", b'{"object":"list","data":[{"id":"m"}]}', "Connection: close"))
        elif b"\r\nauthorization:" not in request.lower():
            connection.sendall(http(self._bare, b'{"error":{"code":401,"message":"no key"}}', "Connection: close"))
        elif self._kept is None:
            self._ended.wait()
        else:
            connection.sendall(http(*self._kept, "Connection: close", "x-request-id: req_knock"))


_REFUSED = b'{"error":{"code":401,"message":"Invalid API Key","type":"authentication_error"}}'


@pytest.mark.parametrize("away", [False, True], ids=["here", "elsewhere"])
@pytest.mark.parametrize(
    ("bare", "kept", "word", "said"),
    [
        ("401 Unauthorized", ("401 Unauthorized", _REFUSED), "invalid", "takes no prompts with this key"),
        ("401 Unauthorized", ("401 Unauthorized", b"Unauthorized"), "invalid", "takes no prompts with this key"),
        ("403 Forbidden", ("401 Unauthorized", b""), "invalid", "takes no prompts with this key"),
        (
            "401 Unauthorized",
            ("400 Bad Request", b'{"error":{"message":"no messages"}}'),
            "valid",
            "The key works: the",
        ),
        ("403 Forbidden", ("422 Unprocessable Entity", b'{"detail":[]}'), "valid", "takes no prompts without it"),
        (
            "401 Unauthorized",
            ("404 Not Found", b'{"error":{"message":"model not found"}}'),
            "valid",
            "It lists 1 model.",
        ),
        ("401 Unauthorized", ("500 Oops", b'{"error":{"message":"no messages"}}'), "valid", "The key works: the"),
        ("401 Unauthorized", ("200 OK", b'{"error":{"code":401,"message":"no"}}'), "invalid", "with this key"),
        ("403 Forbidden", ("403 Forbidden", b"{}"), "unknown", "forbids this (HTTP 403)"),
        (
            "401 Unauthorized",
            ("403 Forbidden", b'{"error":{"message":"x","type":"permission_error"}}'),
            "restricted",
            "",
        ),
        (
            "401 Unauthorized",
            ("402 Payment", b'{"error":{"message":"Insufficient credits"}}'),
            "no_quota",
            "Add credit",
        ),
        ("401 Unauthorized", ("429 Slow", b'{"error":{"message":"slow","code":"slow_down"}}'), "rate_limited", ""),
        ("401 Unauthorized", ("502 Bad Gateway", b"<html>nginx</html>"), "unknown", "a problem of its own"),
    ],
)
async def test_open_list_before_guarded_prompts_is_no_proof_and_prompts_are(
    bare: str, kept: tuple[str, bytes], word: str, said: str, *, away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if away:
        monkeypatch.setattr(client, "is_loopback", lambda _host: False)
    running = _Guarded(bare, kept)
    try:
        key = make_key(running.url, "custom" if away else "llamacpp")._replace(allow_http=True)
        verdict = await checks.check(key, SECRET, timeout_s=PATIENCE)
    finally:
        running.stop()
    assert verdict.word == word
    assert said in verdict.detail
    assert verdict.detail.endswith((".", "?"))
    assert verdict.request_id == (None if word == "valid" else "req_knock")
    assert verdict.status == (200 if word == "valid" else int(kept[0][:3]))
    assert [request.partition(b" HTTP")[0] for request in running.received] == [
        *[b"GET /v1/models"] * 2,
        *[b"POST /v1/chat/completions"] * 2,
    ]
    assert all(request.endswith(b"\r\n\r\n{}") for request in running.received[2:])


async def test_server_that_does_not_answer_a_prompt_with_the_key_proves_nothing() -> None:
    running = _Guarded("401 Unauthorized", None)
    try:
        verdict = await checks.check(make_key(running.url, "llamacpp"), SECRET, timeout_s=1)
    finally:
        running.stop()
    assert (verdict.word, verdict.status) == ("unknown", 200)
    assert "did not say whether this one is right" in verdict.detail


async def test_prompts_that_are_not_to_be_asked_for_leave_an_open_list_what_it_was() -> None:
    running = _Guarded("404 Not Found", ("401 Unauthorized", b""))
    try:
        verdict = await checks.check(make_key(running.url, "llamacpp"), SECRET, timeout_s=PATIENCE)
    finally:
        running.stop()
    assert verdict.word == "valid"
    assert "without a key too" in verdict.detail


@pytest.mark.parametrize(("provider", "kind"), [("openrouter", "api"), ("custom", "admin")])
async def test_nothing_is_sent_where_prompts_go_for_a_provider_with_its_own_probe_or_an_admin_key(
    provider: str, kind: str
) -> None:
    class NoKeyPath(_Guarded):
        def _send(self, connection: socket.socket) -> None:
            if self.received[-1].startswith(b"GET /v1/key "):
                connection.sendall(http("404 Not Found", b"{}", "Connection: close"))
            else:
                super()._send(connection)

    running = NoKeyPath("401 Unauthorized", ("401 Unauthorized", b""))
    try:
        key = make_key(running.url, provider, "admin" if kind == "admin" else "api")
        verdict = await checks.check(key, SECRET, timeout_s=PATIENCE)
    finally:
        running.stop()
    assert verdict.word == "valid"
    assert not [request for request in running.received if request.startswith(b"POST")]


class _Tarpit(RawServer):
    """Answers a key and keeps strangers waiting."""

    def _send(self, connection: socket.socket) -> None:
        if b"\r\nauthorization:" in self.received[-1].lower():
            connection.sendall(http("200 OK", b'{"data":[{"id":"a"}]}', "Connection: close"))
        else:
            self._ended.wait()


@pytest.mark.parametrize(("provider", "word"), [("vllm", "valid"), ("custom", "unknown")])
async def test_server_that_keeps_strangers_waiting_has_answered_the_key(
    provider: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "is_loopback", lambda _host: provider == "vllm")
    running = _Tarpit(b"")
    try:
        key = make_key(running.url, provider)._replace(allow_http=True)
        verdict = await checks.check(key, SECRET, timeout_s=1)
    finally:
        running.stop()
    assert (verdict.word, verdict.status, verdict.models) == (word, 200, 1)
    assert "did not answer" not in verdict.detail


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


@pytest.mark.parametrize(
    "own",
    [
        http("401 Unauthorized", b'{"error":{"message":"no route"}}', "Connection: close"),
        http("403 Forbidden", b"{}", "Connection: close"),
        http("200 OK", b"<p>", "Connection: close"),
    ],
    ids=["401", "403", "a page"],
)
@pytest.mark.parametrize("provider", ["openrouter", "xai", "deepseek"])
async def test_gateway_elsewhere_that_does_not_know_the_providers_own_path_is_asked_for_models(
    provider: str, own: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "is_loopback", lambda _host: False)
    running = _Common(own)
    try:
        key = make_key(running.url, provider)._replace(allow_http=True)
        verdict = await checks.check(key, SECRET, timeout_s=PATIENCE)
    finally:
        running.stop()
    assert (verdict.word, verdict.models) == ("valid", 1)


class _Common(RawServer):
    """Knows /v1/models, which wants a key, and answers `other` to all else."""

    def __init__(self, other: bytes) -> None:
        self._other = other
        super().__init__(b"")

    def _send(self, connection: socket.socket) -> None:
        request = self.received[-1]
        if not request.startswith(b"GET /v1/models "):
            connection.sendall(self._other)
        elif b"authorization:" in request.lower():
            connection.sendall(http("200 OK", b'{"data":[{"id":"a"}]}', "Connection: close"))
        else:
            connection.sendall(http("401 Unauthorized", b"{}", "Connection: close"))


class _Blocked(RawServer):
    """Lists its models to anyone and refuses every prompt."""

    def __init__(self, refused: bytes) -> None:
        self._refused = refused
        super().__init__(b"")

    def _send(self, connection: socket.socket) -> None:
        listed = http("200 OK", b'{"data":[{"id":"m"}]}', "Connection: close")
        connection.sendall(listed if self.received[-1].startswith(b"GET ") else self._refused)


async def test_wrong_key_that_is_refused_in_the_words_for_none_is_invalid() -> None:
    running = _Blocked(http("401 Unauthorized", b"Unauthorized", "Connection: close"))
    try:
        verdict = await checks.check(make_key(running.url, "llamacpp"), SECRET, timeout_s=PATIENCE)
    finally:
        running.stop()
    assert (verdict.word, verdict.status) == ("invalid", 401)


async def test_prompts_refused_with_the_key_as_without_leave_it_unknown() -> None:
    refused = b'{"error":{"code":"ip_not_allowed","message":"no"}}'
    running = _Blocked(http("403 Forbidden", refused, "Connection: close"))
    try:
        verdict = await checks.check(make_key(running.url, "llamacpp"), SECRET, timeout_s=PATIENCE)
    finally:
        running.stop()
    assert (verdict.word, verdict.status) == ("unknown", 403)
    assert "as it does without one" in verdict.detail


class _Gateway(RawServer):
    """Answers probes that come with a key as the provider does; those without one get `bare`."""

    def __init__(self, body: object, bare: bytes) -> None:
        self._body, self._bare = json.dumps(body).encode(), bare
        super().__init__(b"")

    def _send(self, connection: socket.socket) -> None:
        with_key = any(name in self.received[-1].lower() for name in (b"authorization:", b"x-api-key:"))
        connection.sendall(http("200 OK", self._body, "Connection: close") if with_key else self._bare)


_LIST = {"data": [{"id": "a"}]}


@pytest.mark.parametrize(
    ("provider", "body", "bare", "word"),
    [
        ("openai", _LIST, "401 Unauthorized", "valid"),
        ("openai", _LIST, "200 OK", "unknown"),
        ("anthropic", _LIST, "401 Unauthorized", "valid"),
        ("anthropic", _LIST, "200 OK", "unknown"),
        ("openrouter", {"data": {"usage": 1}}, "401 Unauthorized", "valid"),
        ("openrouter", {"data": {"usage": 1}}, "200 OK", "unknown"),
        ("deepseek", {"is_available": False}, "200 OK", "no_quota"),
    ],
)
async def test_server_elsewhere_proves_a_key_of_any_provider_only_if_it_refuses_strangers(
    provider: str, body: object, bare: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "is_loopback", lambda _host: False)
    running = _Gateway(body, http(bare, json.dumps(body).encode(), "Connection: close"))
    try:
        key = make_key(running.url, provider)._replace(allow_http=True)
        verdict = await checks.check(key, SECRET, timeout_s=PATIENCE)
    finally:
        running.stop()
    assert verdict.word == word
    assert SECRET.reveal().encode() not in running.received[-1] or word == "no_quota"


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
        *(
            ("openrouter", {"data": {"label": "x", "usage": 1, "limit_remaining": left}}, "valid", "The key works.")
            for left in (float("nan"), float("inf"), -float("inf"), 10**400)
        ),
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
        # OpenRouter, whose moments are in milliseconds: this one is over.
        (
            ("x-ratelimit-limit: 20", "x-ratelimit-remaining: 0", "x-ratelimit-reset: 1741305600000"),
            "0 of 20 requests left",
        ),
        (
            ("x-ratelimit-limit: 20", "x-ratelimit-remaining: 3", "x-ratelimit-reset: 30"),
            "3 of 20 requests left, resets in 30 s",
        ),
        (
            (
                "x-ratelimit-limit-req-minute: 720",
                "x-ratelimit-remaining-req-minute: 717",
                "x-ratelimit-limit-tokens-minute: 5000000",
                "x-ratelimit-remaining-tokens-minute: 4999911",
                "x-ratelimit-tokens-query-cost: 52",
            ),
            "717 of 720 requests left this minute; 4,999,911 of 5,000,000 tokens left this minute",
        ),
        (
            (
                "x-ratelimitbysize-limit-minute: 500000",
                "x-ratelimitbysize-remaining-minute: 499900",
                "x-ratelimitbysize-remaining-month: 999999",
            ),
            "499,900 of 500,000 tokens left this minute",
        ),
        (
            ("x-ratelimit-remaining-requests-day: 14399", "x-ratelimit-reset-requests-day: 33011.38"),
            "14,399 requests left today, resets in 9 hours",
        ),
        ((), ""),
    ],
)
async def test_what_the_rate_limits_leave_is_said_in_our_words(
    raw_server: Callable[..., RawServer], headers: tuple[str, ...], said: str
) -> None:
    running = raw_server(http("200 OK", b'{"data":[]}', *headers))
    verdict = await checks.check(make_key(running.url), SECRET, timeout_s=PATIENCE)
    assert verdict.limits == said


async def test_moment_in_milliseconds_is_a_time_to_wait(raw_server: Callable[..., RawServer]) -> None:
    moment = round((time.time() + 3 * 3_600) * 1_000)
    running = raw_server(http("200 OK", b'{"data":[]}', "x-ratelimit-remaining: 0", f"x-ratelimit-reset: {moment}"))
    verdict = await checks.check(make_key(running.url), SECRET, timeout_s=PATIENCE)
    assert verdict.limits == "0 requests left, resets in 3 hours"


@pytest.mark.parametrize(("more", "said"), [(False, "can list 20 models"), (True, "can list at least 20 models")])
async def test_page_of_models_is_not_called_the_whole_list(
    raw_server: Callable[..., RawServer], *, more: bool, said: str
) -> None:
    body = {"data": [{"id": f"claude-{n}"} for n in range(20)], "has_more": more, "last_id": "claude-19"}
    running = raw_server(http("200 OK", json.dumps(body).encode()))
    verdict = await checks.check(make_key(running.url, "anthropic"), SECRET, timeout_s=PATIENCE)
    assert said in verdict.detail
    assert verdict.models == (None if more else 20)
    assert running.received[0].startswith(b"GET /v1/models?limit=1000 ")


async def test_picker_of_models_asks_for_as_many_as_the_provider_sends(raw_server: Callable[..., RawServer]) -> None:
    running = raw_server(http("200 OK", b'{"data":[{"id":"claude-haiku-5-5"}]}'))
    await prompts.models(make_key(running.url, "anthropic"), SECRET, timeout_s=PATIENCE)
    assert running.received[0].startswith(b"GET /v1/models?limit=1000 ")


async def test_management_key_of_xai_is_asked_about_beside_the_models(raw_server: Callable[..., RawServer]) -> None:
    running = raw_server(http("200 OK", b'{"apiKeyId":"k","teamId":"t","scope":"SCOPE_TEAM","name":"x"}'))
    verdict = await checks.check(make_key(running.url, "xai", "admin"), SECRET, timeout_s=PATIENCE)
    assert (verdict.word, verdict.detail) == ("valid", "The management key works.")
    assert running.received[0].startswith(b"GET /auth/management-keys/validation ")


@pytest.mark.parametrize(
    ("base_url", "address"),
    [
        ("https://api.x.ai/v1", "https://management-api.x.ai/auth/management-keys/validation"),
        ("http://127.0.0.1:8484/v1", "http://127.0.0.1:8484/auth/management-keys/validation"),
        ("https://api.x.ai.example.com/v1", "https://api.x.ai.example.com/auth/management-keys/validation"),
    ],
)
def test_management_key_of_xai_goes_to_the_host_that_knows_it(base_url: str, address: str) -> None:
    assert probes.QUESTIONS["xai_management_key"].address(base_url) == address


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
