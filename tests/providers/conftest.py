"""A demo server, keys that point at it, and a raw server for answers that no real provider gives."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from keytui.demo.server import DemoServer
from keytui.model import Key, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keytui.model import KeyKind

SECRET = Secret("sk-" + "proj-" + "Ab3dEf6hIj9kLm2nOp5q" * 3)


def make_key(base_url: str, provider: str = "openai", kind: KeyKind = "api", model: str = "") -> Key:
    return Key(
        id=1,
        name="tested",
        kind=kind,
        provider=provider,
        base_url=base_url,
        allow_http=False,
        env="OPENAI_API_KEY",
        model=model,
        tags=(),
        note="",
        rotate_every_days=None,
        expires_at=None,
        created_at=0,
        rotated_at=0,
        state="active",
        backend="vault",
        masked="",
        verdict=None,
        checked_at=None,
        latency_ms=None,
        deleted_at=None,
        purge_at=None,
    )


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer(delta_seconds=0, slow_seconds=0) as running:
        yield running


@pytest.fixture
def arrivals(server: DemoServer, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set as soon as the server has received a request."""
    arrived = threading.Event()
    note = server.note_request

    def note_and_tell(method: str, path: str) -> str:
        arrived.set()
        return note(method, path)

    monkeypatch.setattr(server, "note_request", note_and_tell)
    return arrived


class RawServer:
    """Sends fixed bytes to whoever connects and keeps what was received."""

    def __init__(self, answer: bytes, *, repeat: int = 1, hold: bool = False) -> None:
        self.received: list[bytes] = []
        self._answer, self._repeat, self._hold = answer, repeat, hold
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.received.append(_whole_request(connection))
                    self._send(connection)
                except OSError:
                    pass  # the client went away, as some tests want

    def _send(self, connection: socket.socket) -> None:
        for _ in range(self._repeat):
            connection.sendall(self._answer)
        if self._hold:
            self._ended.wait()

    def stop(self) -> None:
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def raw_server() -> Iterator[Callable[..., RawServer]]:
    running: list[RawServer] = []

    def start(answer: bytes, *, repeat: int = 1, hold: bool = False) -> RawServer:
        running.append(RawServer(answer, repeat=repeat, hold=hold))
        return running[-1]

    yield start
    for each in running:
        each.stop()


def _whole_request(connection: socket.socket) -> bytes:
    request = b""
    while part := connection.recv(65_536):
        request += part
        head, blank, body = request.partition(b"\r\n\r\n")
        lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if blank and len(body) >= sum(lengths):
            break
    return request


def http(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers, "", ""]
    return "\r\n".join(lines).encode() + body
