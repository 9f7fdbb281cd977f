"""Servers that do what no API should: each gets a verdict and a sentence, for a check and for a prompt."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

from keytui.errors import ProviderError
from keytui.model import Verdict
from keytui.providers import checks, prompts, sdk
from tests.providers.conftest import SECRET, RawServer, http, make_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 20.0
SHORT = 0.4
_SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
_PIECE = b'data: {"model":"m","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
_KEY = SECRET.reveal()


class Bad(NamedTuple):
    """A server that misbehaves.

    Attributes:
        answer: Bytes it sends.
        word: The verdict for a check and a prompt.
        said: Part of the sentence.
        repeat: How often it sends them.
        hold: Keeps the connection open afterwards.
        drip: Sends one byte at a time, slowly, until the other side goes away.
        seconds: The time-out.
    """

    answer: bytes
    word: str
    said: str
    repeat: int = 1
    hold: bool = False
    drip: bool = False
    seconds: float = PATIENCE


_PAGE = http("200 OK", b"<!doctype html><title>Sign in</title>").replace(b"application/json", b"text/html")
SERVERS = {
    "a web page with 200": Bad(_PAGE, "unknown", "no API's answer"),
    "a web page with 403": Bad(http("403 Forbidden", b"<html>Blocked</html>"), "unknown", "web page"),
    "a web page with 502": Bad(http("502 Bad Gateway", b"<html>nginx</html>"), "unknown", "problem of its own"),
    "a redirect to itself": Bad(http("307 Temporary Redirect", b"", "Location: /v1"), "unknown", "sends us elsewhere"),
    "slow headers": Bad(b"HTTP/1.1 200 OK\r\nX-Slow: ", "unreachable", "did not answer", drip=True, seconds=SHORT),
    "headers that stop": Bad(b"HTTP/1.1 200 OK\r\n", "unreachable", "did not answer", hold=True, seconds=SHORT),
    "silence": Bad(b"", "unreachable", "did not answer", hold=True, seconds=SHORT),
    "no answer": Bad(b"", "unreachable", "closed the connection"),
    "another protocol": Bad(b"SSH-2.0-OpenSSH_9.2\r\n", "unreachable", "closed the connection"),
    "lines of another protocol": Bad(b"220 mail.example.com ESMTP\r\n\r\n", "unknown", "is not HTTP"),
    "half an answer": Bad(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "unreachable", "closed the connection"),
    "bytes that are no text": Bad(http("200 OK", b'{"data":[{"id":"\xff\xfe"}]}'), "unknown", "no API's answer"),
    "fifty megabytes": Bad(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50000000\r\n\r\n" + b" " * 1_000_000,
        "unknown",
        "no API's answer",
        repeat=50,
    ),
    "fifty megabytes of an error": Bad(
        b"HTTP/1.1 500 Oops\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 1_000_000,
        "unknown",
        "no API's answer",
        repeat=50,
    ),
    "a long error": Bad(http("500 Oops", b"[" + b"1," * 300_000 + b"1]"), "unknown", "no API's answer"),
    "a million numbers": Bad(http("200 OK", b'{"data":[' + b"1," * 1_000_000 + b"1]}"), "unknown", "no API's answer"),
    "a compressed answer": Bad(http("200 OK", b"zip", "Content-Encoding: gzip"), "unknown", "no API's answer"),
    "deep nesting": Bad(http("200 OK", b"[" * 100_000), "unknown", "no API's answer"),
    "an error that is a text": Bad(http("401 Unauthorized", b'{"error":"no such key"}'), "invalid", "not accept"),
    "an error in a list": Bad(
        http("400 Bad Request", b'[{"error":{"message":"API key not valid.","status":"X"}}]'), "invalid", "not accept"
    ),
    "an error in detail": Bad(http("429 Too Many", b'{"detail":"slow"}'), "rate_limited", "too many requests"),
    "an error that is a number": Bad(http("418 Teapot", b"42"), "unknown", "HTTP 418"),
    "an error that repeats the key": Bad(
        http("401 Unauthorized", json.dumps({"error": {"message": _KEY, "code": _KEY, "type": _KEY}}).encode()),
        "invalid",
        "not accept",
    ),
    "a page that repeats the key": Bad(http("500 Oops", _KEY.encode(), f"x-request-id: {_KEY}"), "unknown", "HTTP 500"),
    "headers that repeat the key": Bad(
        http("403 Forbidden", b"{}", f"x-request-id: {_KEY}", f"retry-after: {_KEY}"), "unknown", "forbids"
    ),
}


class Dripping(RawServer):
    """Sends a byte now and then, for ever."""

    def _send(self, connection: socket.socket) -> None:
        super()._send(connection)
        while not self._ended.wait(0.05):
            connection.sendall(b"x")


@contextmanager
def _running(bad: Bad) -> Iterator[RawServer]:
    running = (Dripping if bad.drip else RawServer)(bad.answer, repeat=bad.repeat, hold=bad.hold)
    try:
        yield running
    finally:
        running.stop()


async def _checked(url: str, seconds: float) -> Verdict:
    return await checks.check(make_key(url), SECRET, timeout_s=seconds)


async def _prompted(url: str, seconds: float) -> Verdict:
    text = ""
    failure: ProviderError | None = None
    try:
        async for part in prompts.stream(make_key(url, model="m"), SECRET, "Hello", timeout_s=seconds):
            text += part.text if isinstance(part, prompts.Delta) else repr(part)
    except ProviderError as error:
        failure = error
    assert failure is not None
    assert _KEY[:12] not in text
    assert _KEY[:12] not in f"{failure.sentence}{failure.hint}{failure!r}"
    return failure.verdict


WAYS = {"check": _checked, "prompt": _prompted}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SERVERS)
async def test_bad_server_gets_a_verdict_and_a_sentence(name: str, way: str) -> None:
    bad = SERVERS[name]
    with _running(bad) as running:
        verdict = await WAYS[way](running.url, bad.seconds)
    assert verdict.word == bad.word
    assert bad.said in verdict.detail
    assert verdict.detail.endswith((".", "?"))
    assert _KEY[:12] not in repr(verdict)


STREAMS = {
    "stops and stays open": Bad(_SSE + _PIECE, "unreachable", "sent no more of it for", hold=True, seconds=SHORT),
    "stops and closes": Bad(_SSE + _PIECE, "unknown", "stopped before its end"),
    "is no text": Bad(_SSE + _PIECE + b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n', "unknown", "understand"),
    "is endless": Bad(_SSE + b"data: " + b"x" * 1_000_000, "unknown", "no API's answer", repeat=50),
    "has a long event": Bad(_SSE + b"data: [" + b"1," * 300_000 + b"1]\n\n", "unknown", "no API's answer"),
    "has a long event in lines": Bad(_SSE + b"data: 1\r\n" * 60_000, "unknown", "no API's answer"),
    "is a list": Bad(_SSE + b"data: [1, 2]\n\n", "unknown", "stopped before its end"),
    "is a page": Bad(_SSE + b"<html>sign in</html>\n\n", "unknown", "without sending any of it"),
    "drips without a line": Bad(_SSE, "unreachable", "did not answer", drip=True, seconds=SHORT),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_bad_stream_gets_a_verdict_and_a_sentence(name: str) -> None:
    bad = STREAMS[name]
    with _running(bad) as running:
        verdict = await _prompted(running.url, bad.seconds)
    assert verdict.word == bad.word
    assert bad.said in verdict.detail
    assert verdict.detail.endswith((".", "?"))


@pytest.mark.parametrize("way", WAYS)
async def test_closed_port_is_said(way: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    verdict = await WAYS[way](f"http://127.0.0.1:{port}/v1", PATIENCE)
    assert verdict.word == "unreachable"
    assert "Nothing listens" in verdict.detail


@pytest.mark.parametrize("way", WAYS)
async def test_name_that_nobody_has_is_said(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    verdict = await WAYS[way]("https://llm.invalid/v1", PATIENCE)
    assert verdict.word == "unreachable"
    assert "llm.invalid was not found" in verdict.detail


CERTIFICATES = {
    "made by itself": ("localhost", 1, False, "Nobody known here vouches for"),
    "for another host": ("elsewhere.example.com", 1, True, "belongs to another host"),
    "that has expired": ("localhost", -1, True, "has expired"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CERTIFICATES)
async def test_certificate_that_proves_nothing_keeps_the_key_here(
    name: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cryptography")
    host, days, trusted, said = CERTIFICATES[name]
    files = _certificate(tmp_path, host, days)
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]) if trusted else str(_certificate(tmp_path / "other", "x", 1)[0]))
    sdk.ssl_context.cache_clear()
    try:
        with _tls_server(files) as port:
            verdict = await WAYS[way](f"https://localhost:{port}/v1", PATIENCE)
    finally:
        sdk.ssl_context.cache_clear()
    assert verdict.word == "unreachable"
    assert said in verdict.detail
    assert "the key was not sent" in verdict.detail


@contextmanager
def _tls_server(files: tuple[Path, Path]) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(1)
            except OSError:
                connection.close()  # the client hung up, as it should

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def _certificate(folder: Path, host: str, days: int) -> tuple[Path, Path]:
    """Write a certificate that vouches for itself, and its key; a negative number of days makes it expired."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder.mkdir(exist_ok=True)
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    alternatives = x509.SubjectAlternativeName([x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.9"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - datetime.timedelta(days=30))
        .not_valid_after(ends)
        .add_extension(alternatives, critical=False)
        .sign(private, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files = folder / "certificate.pem", folder / "private.pem"
    for file, content in zip(files, (certificate.public_bytes(pem), secret), strict=True):
        file.write_bytes(content)
    return files
