from __future__ import annotations

import asyncio
import logging
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from keytui.model import Secret
from keytui.providers import checks, client, sdk
from tests.providers.conftest import SECRET, http, make_key

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from keytui.demo.server import DemoServer
    from tests.providers.conftest import RawServer

PATIENCE = 10.0


@pytest.mark.parametrize(
    ("state", "word", "status", "code", "said"),
    [
        ("valid", "valid", 200, None, "can list"),
        ("invalid", "invalid", 401, "invalid_api_key", "wrong, revoked or expired. Make another one there."),
        ("mismatched_organization", "restricted", 401, "mismatched_organization", "another organization or project"),
        ("mismatched_project", "restricted", 401, "mismatched_project", "another organization or project"),
        ("no_organization", "invalid", 401, "no_organization", "no organization any more"),
        ("restricted", "restricted", 401, None, "restricted: it may not do this. Its permissions"),
        ("no_scopes", "restricted", 403, None, "restricted: it may not do this. Its permissions"),
        ("no_response_scope", "restricted", 401, None, "restricted: it may not do this. Its permissions"),
        ("ip_allowlist", "restricted", 401, "ip_not_authorized", "Add it at the provider."),
        ("ip_allowlist_403", "restricted", 403, None, "Add it at the provider."),
        ("region", "unknown", 403, "unsupported_country_region_territory", "did not look at the key"),
        ("deactivated", "invalid", 401, "account_deactivated", "Write to the provider."),
        ("model_not_found", "valid", 200, None, "can list"),
        ("rate_limited", "rate_limited", 429, "rate_limit_exceeded", "Try again in 20 s."),
        ("slow_down", "rate_limited", 429, "slow_down", "Try again in 5 s."),
        ("no_quota", "no_quota", 429, "insufficient_quota", "Add credit"),
        ("credit_balance_exhausted", "no_quota", 429, "credit_balance_exhausted", "prepaid credit is used up. Add"),
        ("organization_spend_limit_exceeded", "no_quota", 429, "organization_spend_limit_exceeded", "raise the limit"),
        ("project_spend_limit_exceeded", "no_quota", 429, "project_spend_limit_exceeded", "project's spending limit"),
        ("organization_usage_limit_exceeded", "no_quota", 429, "organization_usage_limit_exceeded", "raise the limit"),
        ("payment", "no_quota", 402, None, "Add credit"),
        ("error_500", "unknown", 500, None, "Try again in a moment."),
        ("error_502", "unknown", 502, None, "Try again in a moment."),
        ("down", "unknown", 503, "server_is_overloaded", "Try again in 30 s."),
        ("html", "unknown", 200, None, "Check the base URL."),
        ("wrong_shape", "unknown", 200, None, "Check the base URL."),
        ("slow", "valid", 200, None, "can list"),
        ("drop", "unreachable", None, None, "Try again in a moment."),
    ],
)
async def test_every_kind_of_answer_gets_its_verdict_its_evidence_and_what_to_do(
    server: DemoServer, state: str, word: str, *, status: int | None, code: str | None, said: str
) -> None:
    server.register(SECRET, state)
    verdict = await checks.check(make_key(server.url), SECRET, timeout_s=PATIENCE)
    assert (verdict.word, verdict.status, verdict.code) == (word, status, code)
    assert said in verdict.detail
    assert verdict.detail.endswith((".", "?"))
    assert (verdict.request_id is None) == (verdict.latency_ms is None) == (status is None)
    assert SECRET.reveal()[:12] not in repr(verdict)


async def test_valid_verdict_holds_its_evidence(server: DemoServer) -> None:
    verdict = await checks.check(make_key(server.url), SECRET, timeout_s=PATIENCE)
    assert verdict.models
    assert f"{verdict.models} models" in verdict.detail
    assert verdict.latency_ms is not None
    assert verdict.request_id == "req_demo_000001"


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (http("400 Bad Request", b'[{"error":{"code":400,"message":"API key not valid.","status":"X"}}]'), "invalid"),
        (http("400 Bad Request", b'{"code":"bad","error":"Incorrect API key provided: xa***"}'), "invalid"),
        (http("401 Unauthorized", b'{"detail":"Unauthorized"}'), "invalid"),
        (http("200 OK", b'{"error":{"code":"invalid_api_key","message":"Incorrect API key provided"}}'), "invalid"),
        (http("200 OK", b'{"error":{"code":402,"message":"Insufficient credits"}}'), "no_quota"),
        (http("200 OK", b'{"error":{"code":null,"message":"Oops"}}'), "unknown"),
        (http("200 OK", b'{"error":null,"data":[]}'), "valid"),
        (http("400 Bad Request", b'{"error":{"message":"Your credit balance is too low to access"}}'), "no_quota"),
        (http("408 Request Timeout", b""), "unreachable"),
        (http("401 Unauthorized", b""), "unknown"),
        (http("401 Unauthorized", b"<html>Proxy login</html>"), "unknown"),
        (http("403 Forbidden", b"<html>Blocked</html>"), "unknown"),
        (http("403 Forbidden", b'{"error":{"message":"Key limit exceeded","code":403}}'), "no_quota"),
        (http("403 Forbidden", b'{"error":"no"}'), "unknown"),
        (http("404 Not Found", b'{"error":"nothing here"}'), "unknown"),
        (http("407 Proxy Authentication Required", b""), "unreachable"),
        (http("418 I'm a teapot", b"[]"), "unknown"),
        (http("500 Internal Server Error", b'"boom"'), "unknown"),
        (http("200 OK", b'{"data":[{"id":1}]}'), "unknown"),
        (http("200 OK", b'{"data":null,"object":"list"}'), "valid"),
        (http("200 OK", b'[{"id":"a"},{"id":"b"}]'), "valid"),
        (http("200 OK", b"\xff\xfe\x00"), "unknown"),
        (http("200 OK", b"[" * 100_000), "unknown"),
        (http("200 OK", b"", "Content-Encoding: gzip"), "unknown"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "unreachable"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "unreachable"),
        (b"", "unreachable"),
    ],
)
async def test_odd_answers_get_a_verdict_and_a_sentence(
    raw_server: Callable[..., RawServer], answer: bytes, word: str
) -> None:
    verdict = await checks.check(make_key(raw_server(answer).url), SECRET, timeout_s=PATIENCE)
    assert verdict.word == word
    assert verdict.detail.endswith((".", "?"))


async def test_endless_answer_is_not_read_to_its_end(raw_server: Callable[..., RawServer]) -> None:
    running = raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b" " * 1_000_000, repeat=50)
    verdict = await checks.check(make_key(running.url), SECRET, timeout_s=PATIENCE)
    assert verdict.word == "unknown"


@pytest.mark.parametrize("state", ["hang", "valid"])
async def test_server_that_does_not_answer_in_time_is_unreachable(
    server: DemoServer, raw_server: Callable[..., RawServer], state: str
) -> None:
    server.register(SECRET, "hang")
    url = server.url if state == "hang" else raw_server(b"HTTP/1.1 200 OK\r\nContent-Le", hold=True).url
    verdict = await checks.check(make_key(url), SECRET, timeout_s=0.1)
    assert verdict.word == "unreachable"
    assert "0.1 s" in verdict.detail


async def test_closed_port_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    verdict = await checks.check(make_key(f"http://127.0.0.1:{port}/v1"), SECRET, timeout_s=PATIENCE)
    assert verdict.word == "unreachable"
    assert "Nothing listens" in verdict.detail


async def test_unknown_name_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    verdict = await checks.check(make_key("https://llm.invalid/v1"), SECRET, timeout_s=PATIENCE)
    assert verdict.word == "unreachable"
    assert "llm.invalid was not found" in verdict.detail


async def test_https_to_a_plain_server_is_unreachable(server: DemoServer) -> None:
    url = server.url.replace("http://", "https://")
    verdict = await checks.check(make_key(url), SECRET, timeout_s=PATIENCE)
    assert verdict.word == "unreachable"
    assert "https" in verdict.detail


async def test_redirect_does_not_carry_the_key(raw_server: Callable[..., RawServer]) -> None:
    target = raw_server(http("200 OK", b'{"data":[]}'))
    running = raw_server(http("302 Found", b"", f"Location: {target.url}/models"))
    verdict = await checks.check(make_key(running.url), SECRET, timeout_s=PATIENCE)
    assert verdict.word == "unknown"
    assert verdict.status == 302
    assert target.received == []


async def test_environment_changes_nothing(
    raw_server: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = raw_server(http("200 OK", b'{"data":[]}'))
    running = raw_server(http("200 OK", b'{"data":[]}'))
    origin = f"http://127.0.0.1:{elsewhere.port}"
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, origin)
    monkeypatch.setenv("OPENAI_BASE_URL", elsewhere.url)
    monkeypatch.setenv("OPENAI_API_KEY", "planted-key")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "planted-admin")
    monkeypatch.setenv("OPENAI_ORG_ID", "planted-org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "planted-project")
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", "planted-webhook")
    planted = "Authorization: Bearer planted-bearer\nX-Planted: planted-header\nuser-agent: planted-agent"
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", planted)
    for kind in ("api", "admin"):
        key = make_key(running.url, kind="admin" if kind == "admin" else "api")
        assert (await checks.check(key, SECRET, timeout_s=PATIENCE)).word == "valid"
    assert elsewhere.received == []
    for request in running.received:
        assert b"planted" not in request
        assert f"authorization: bearer {SECRET.reveal()}".lower().encode() in request.lower()


async def test_anthropic_key_travels_in_its_own_header_alone(raw_server: Callable[..., RawServer]) -> None:
    running = raw_server(http("200 OK", b'{"data":[]}'))
    await checks.check(make_key(running.url, "anthropic"), SECRET, timeout_s=PATIENCE)
    request = running.received[0].lower()
    assert b"authorization" not in request
    assert b"x-api-key: " in request
    assert b"anthropic-version: " in request


async def test_unusable_proxy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "ftp://127.0.0.1:1")
    verdict = await checks.check(make_key("https://llm.invalid/v1"), SECRET, timeout_s=PATIENCE)
    assert verdict.word == "unreachable"
    assert "proxy" in verdict.detail.lower()


@pytest.mark.parametrize("text", ["key with spaces inside", "line\nbreak-0000000000000", "schlüssel-000000000000"])
async def test_key_that_no_header_can_hold_is_not_sent(
    server: DemoServer, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    verdict = await checks.check(make_key(server.url), Secret(text), timeout_s=PATIENCE)
    assert verdict.word == "invalid"
    assert not server.requests
    assert text not in caplog.text


async def test_key_is_not_sent_where_its_address_forbids_it() -> None:
    verdict = await checks.check(make_key("http://llm.example.com/v1"), SECRET, timeout_s=PATIENCE)
    assert verdict.word == "unknown"
    assert "not sent" in verdict.detail


async def test_code_and_request_id_that_repeat_the_key_are_dropped(raw_server: Callable[..., RawServer]) -> None:
    secret = Secret("sk-lower-" + "abcdefgh12345678" * 2)
    piece = secret.reveal()[4:20]
    body = f'{{"error":{{"code":"{piece}","message":"{secret.reveal()}"}}}}'.encode()
    running = raw_server(http("401 Unauthorized", body, f"x-request-id: {secret.reveal()}"))
    verdict = await checks.check(make_key(running.url), secret, timeout_s=PATIENCE)
    assert verdict.word == "invalid"
    assert verdict.code is None
    assert verdict.request_id is None
    assert piece not in repr(verdict)


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        (("request-id: req_011CSHo",), "req_011CSHo"),
        (("request-id: req_2", "x-request-id: req_1"), "req_1"),
        (("request-id: two words",), None),
        ((), None),
    ],
)
async def test_request_id_is_read_under_openais_name_and_anthropics(
    raw_server: Callable[..., RawServer], headers: tuple[str, ...], request_id: str | None
) -> None:
    running = raw_server(http("401 Unauthorized", b'{"error":{"message":"no"}}', *headers))
    verdict = await checks.check(make_key(running.url, "anthropic"), SECRET, timeout_s=PATIENCE)
    assert verdict.request_id == request_id


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (("retry-after: 20",), "Try again in 20 s."),
        (("retry-after: 12.5",), "Try again in 13 s."),
        (("retry-after: 20000",), "Try again in 6 hours."),
        (("retry-after-ms: 1500", "retry-after: 60"), "Try again in 2 s."),
        (("retry-after-ms: soon", "retry-after: 60"), "Try again in 60 s."),
        (("retry-after: Wed, 21 Oct 2015 07:28:00 GMT",), "Try again in a moment."),
        (("retry-after: Wed, 21 Oct 2099 07:28:00 GMT",), "Try again in a moment."),
        (("retry-after: 0",), "Try again in a moment."),
        (("retry-after: -5",), "Try again in a moment."),
        (("retry-after: nan",), "Try again in a moment."),
        ((f"retry-after: {'9' * 400}",), "Try again in a moment."),
    ],
)
async def test_time_to_wait_is_read_in_every_form_it_has(
    raw_server: Callable[..., RawServer], headers: tuple[str, ...], said: str
) -> None:
    running = raw_server(http("429 Too Many Requests", b'{"error":{"code":"slow_down"}}', *headers))
    verdict = await checks.check(make_key(running.url), SECRET, timeout_s=PATIENCE)
    assert verdict.word == "rate_limited"
    assert verdict.detail.endswith(said)


async def test_time_to_wait_can_be_a_date(raw_server: Callable[..., RawServer]) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=5), usegmt=True)
    running = raw_server(http("429 Too Many Requests", b'{"error":{"code":"slow_down"}}', f"retry-after: {date}"))
    verdict = await checks.check(make_key(running.url), SECRET, timeout_s=PATIENCE)
    assert verdict.detail.endswith("Try again in 5 hours.")


async def test_nothing_is_logged_even_when_logging_everything(
    server: DemoServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await checks.check(make_key(server.url), SECRET, timeout_s=PATIENCE)
    assert not [record for record in caplog.records if record.name.startswith(("openai", "httpx", "httpcore"))]


async def test_check_can_be_cancelled(server: DemoServer, arrivals: threading.Event) -> None:
    server.register(SECRET, "hang")
    task = asyncio.create_task(checks.check(make_key(server.url), SECRET, timeout_s=PATIENCE))
    await asyncio.to_thread(arrivals.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_warming_up_twice_at_once_is_harmless(server: DemoServer) -> None:
    await asyncio.gather(asyncio.to_thread(client.warm_up), asyncio.to_thread(client.warm_up))
    assert (await checks.check(make_key(server.url), SECRET, timeout_s=PATIENCE)).word == "valid"


async def test_certificates_that_cannot_be_read_are_told(server: DemoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sdk.ssl_context.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    try:
        client.warm_up()
        verdict = await checks.check(make_key(server.url), SECRET, timeout_s=PATIENCE)
    finally:
        monkeypatch.delenv("SSL_CERT_FILE")
        sdk.ssl_context.cache_clear()
    assert verdict.word == "unreachable"
    assert "SSL_CERT_FILE" in verdict.detail
    assert not server.requests
