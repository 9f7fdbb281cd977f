"""A rotation switches, and an undo puts back, only on proof that the provider accepts the key."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from keytui.errors import UndoRefused
from keytui.flows import keys, rotation, undoing
from keytui.model import KeyFields
from tests.stores import fake_key, memory_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore

UNPROVEN = {
    "a path that is not there": (404, b'{"message":"Cannot GET /v1/models","error":"Not Found","statusCode":404}'),
    "a firewall's page": (429, b"<html>Too many requests</html>"),
    "too many requests": (429, b'{"error":{"code":"rate_limit_exceeded","type":"requests","message":"Slow."}}'),
    "a firewall's text": (403, b"Permission denied by corporate firewall"),
    "a refusal that names an address": (
        401,
        b'{"error":{"code":"invalid_api_key","message":"Incorrect API key. Your IP address was logged."}}',
    ),
}
ACCEPTED = b'{"data":[{"id":"m"}]}'
RESTRICTED = b'{"error":{"type":"invalid_request_error","message":"Missing scopes: api.model.read"}}'


class Gate:
    """A server whose every answer is the one that is set."""

    def __init__(self) -> None:
        self.answer = (200, ACCEPTED)
        self.url = ""


@contextmanager
def _gate() -> Iterator[Gate]:
    gate = Gate()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = gate.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    gate.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield gate
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def gate() -> Iterator[Gate]:
    with _gate() as running:
        yield running


@pytest.fixture
def store(settings: Settings) -> Keystore:
    return memory_store(settings._replace(propagation_seconds=0))


@pytest.mark.parametrize("name", UNPROVEN)
async def test_a_pasted_key_is_not_switched_to_on_an_answer_that_proves_nothing(
    store: Keystore, gate: Gate, name: str
) -> None:
    gate.answer = UNPROVEN[name]
    old, new = fake_key(), fake_key()
    key = keys.add(store, KeyFields("work", "openai", gate.url, "OPENAI_API_KEY"), old)
    outcome = await rotation.rotate_pasted(store, key.id, new, timeout_s=20, stage=lambda _stage: None)
    assert not outcome.switched
    assert store.read(key.id) == old


async def test_a_restricted_key_that_the_provider_knows_is_switched_to(store: Keystore, gate: Gate) -> None:
    gate.answer = (401, RESTRICTED)
    new = fake_key()
    key = keys.add(store, KeyFields("work", "openai", gate.url, "OPENAI_API_KEY"), fake_key())
    outcome = await rotation.rotate_pasted(store, key.id, new, timeout_s=20, stage=lambda _stage: None)
    assert outcome.switched
    assert store.read(key.id) == new


@pytest.mark.parametrize("name", UNPROVEN)
async def test_undo_does_not_put_back_a_key_on_an_answer_that_proves_nothing(
    store: Keystore, gate: Gate, name: str
) -> None:
    new = fake_key()
    key = keys.add(store, KeyFields("work", "openai", gate.url, "OPENAI_API_KEY"), fake_key())
    await rotation.rotate_pasted(store, key.id, new, timeout_s=20, stage=lambda _stage: None)
    gate.answer = UNPROVEN[name]
    event = store.undoable()
    assert event is not None
    with pytest.raises(UndoRefused):
        await undoing.undo(store, event)
    assert store.read(key.id) == new
