"""Providers that do what no API should, as servers on this machine: what the app and the command say of each."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.providers.conftest import SECRET, RawServer, _whole_request, http
from tests.providers.test_bad_servers import _certificate, _tls_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from keytui.model import VerdictWord

KEY = SECRET.reveal()
SECONDS = 1
"""The time-out to set for checks and prompts: silence is waited for."""


class Said(NamedTuple):
    """What is to be said of a key.

    Attributes:
        sentence: A part of it.
        code: Exit code of the command.
    """

    word: VerdictWord
    sentence: str
    code: int = 6


class Bad(NamedTuple):
    """A provider that misbehaves.

    Attributes:
        check: What is said of a check.
        prompt: What is said of a prompt.
        answer: Bytes it sends to each request.
        repeat: How often it sends them.
        hold: Keeps the connection open afterwards.
        drip: Sends a byte now and then afterwards.
        place: Where it is, unless it is such a server: "elsewhere", "own certificate", "no name" or "closed".
    """

    check: Said
    prompt: Said
    answer: bytes = b""
    repeat: int = 1
    hold: bool = False
    drip: bool = False
    place: str = ""


def events(*deltas: str) -> bytes:
    """Return a stream of these pieces of an answer, without its end."""
    pieces = (json.dumps({"choices": [{"index": 0, "delta": {"content": delta}}]}).encode() for delta in deltas)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    return head + b"".join(b"data: " + piece + b"\n\n" for piece in pieces)


def _both(word: VerdictWord, sentence: str, code: int = 6) -> tuple[Said, Said]:
    return Said(word, sentence, code), Said(word, sentence, code)


_NO_API = Said("unknown", "no API's answer")
_CUT = Said("unknown", "stopped before its end")
_ECHO = json.dumps({"error": {"message": f"No such key: {KEY}", "code": KEY, "type": KEY}}).encode()
_LONG = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50000000\r\n\r\n" + b" " * 1_000_000

BAD = {
    "a web page": Bad(
        *_both("unknown", "no API's answer"),
        http("200 OK", b"<!doctype html><title>Sign in</title>").replace(b"application/json", b"text/html"),
    ),
    "a redirect loop": Bad(*_both("unknown", "sends us elsewhere"), place="elsewhere"),
    "a certificate of its own": Bad(*_both("unreachable", "Nobody known here vouches for"), place="own certificate"),
    "a name nobody has": Bad(*_both("unreachable", "llm.invalid"), place="no name"),
    "a closed port": Bad(*_both("unreachable", "Nothing listens"), place="closed"),
    "slow headers": Bad(*_both("unreachable", "did not answer"), b"HTTP/1.1 200 OK\r\nX-Slow: ", drip=True),
    "an answer that stops": Bad(
        Said("unreachable", "did not answer"), Said("unreachable", "sent no more of it for"), events("Hi"), hold=True
    ),
    "an answer that is no text": Bad(_NO_API, Said("unknown", "understand"), events("Hi", "H?").replace(b"?", b"\xff")),
    "fifty megabytes": Bad(_NO_API, _NO_API, _LONG, repeat=50),
    "an error of another shape": Bad(
        *_both("invalid", "not accept", 5),
        http("400 Bad Request", b'[{"error":{"message":"API key not valid.","status":"X"}}]'),
    ),
    "an error that repeats the key": Bad(*_both("invalid", "not accept", 5), http("401 Unauthorized", _ECHO)),
    "a stream that repeats the key": Bad(_NO_API, _CUT, events("Your key: ", KEY[:20], KEY[20:], ".")),
}


def each_bad(*quick: str) -> pytest.MarkDecorator:
    """Run a test with each of BAD as `name`; all but these are slow."""
    slow = pytest.mark.slow
    return pytest.mark.parametrize("name", [name if name in quick else pytest.param(name, marks=slow) for name in BAD])


class Server(RawServer):
    """Answers all who come at the same time; the answer may be set after the start."""

    def __init__(self, answer: bytes = b"", *, repeat: int = 1, hold: bool = False, drip: bool = False) -> None:
        self.answer, self._drip = answer, drip
        super().__init__(b"", repeat=repeat, hold=hold)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=(connection,), daemon=True).start()

    def _serve_one(self, connection: socket.socket) -> None:
        with connection:
            try:
                self.received.append(_whole_request(connection))
                self._answer = self.answer
                self._send(connection)
                while self._drip and not self._ended.wait(0.05):
                    connection.sendall(b"x")
            except OSError:
                pass  # the client went away


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Stop a server in the end."""
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def provider(name: str, folder: Path) -> Iterator[str]:
    """Run one of BAD and give its base URL.

    Args:
        name: Which.
        folder: Where a certificate is put.
    """
    bad = BAD[name]
    with ExitStack() as stack:
        if bad.place == "own certificate":
            pytest.importorskip("cryptography")
            port = stack.enter_context(_tls_server(_certificate(folder, "localhost", 1)))
            yield f"https://localhost:{port}/v1"
        elif bad.place == "no name":
            yield "https://llm.invalid/v1"
        elif bad.place == "closed":
            with socket.create_server(("127.0.0.1", 0)) as taken:
                port = taken.getsockname()[1]
            yield f"http://127.0.0.1:{port}/v1"
        else:
            server = Server(bad.answer, repeat=bad.repeat, hold=bad.hold, drip=bad.drip)
            other = Server()
            for each, port in ((server, other.port), (other, server.port)):
                stack.enter_context(serving(each))
                if bad.place == "elsewhere":
                    each.answer = http("307 Temporary Redirect", b"", f"Location: http://localhost:{port}/v1/models")
            yield server.url
            assert not other.received, "the key went elsewhere"
