"""What an answered prompt proves of a key: nothing, where anyone is answered."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from keytui.providers import client, prompts
from tests.providers.conftest import SECRET, RawServer, http, make_key

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

PATIENCE = 20.0
_CHOICE = {"message": {"content": "Hello"}, "finish_reason": "stop"}
_ANSWER = http("200 OK", json.dumps({"choices": [_CHOICE]}).encode(), "Connection: close")


class _Door(RawServer):
    """Answers prompts that come with a key; those without one get `bare`, or with None no answer."""

    def __init__(self, bare: bytes | None) -> None:
        self._bare = bare
        super().__init__(b"")

    def _send(self, connection: socket.socket) -> None:
        if b"\r\nauthorization:" in self.received[-1].lower():
            connection.sendall(_ANSWER)
        elif self._bare is None:
            self._ended.wait()
        else:
            connection.sendall(self._bare)


@contextlib.contextmanager
def _door(bare: bytes | None) -> Iterator[_Door]:
    running = _Door(bare)
    try:
        yield running
    finally:
        running.stop()


async def _summary(url: str, provider: str = "custom") -> prompts.Summary:
    key = make_key(url, provider, model="m")._replace(allow_http=True)
    parts = [part async for part in prompts.stream(key, SECRET, "Hello", timeout_s=PATIENCE)]
    assert isinstance(parts[-1], prompts.Summary)
    return parts[-1]


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_answer_of_a_server_that_refuses_strangers_proves_the_key(
    status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "is_loopback", lambda _host: False)
    with _door(http(status, b"{}", "Connection: close")) as running:
        summary = await _summary(running.url)
    assert (summary.verdict.word, summary.remark) == ("valid", "")
    _prompt, bare = running.received
    assert b"authorization" not in bare.lower()
    assert bare.endswith(b"\r\n\r\n{}")


@pytest.mark.parametrize(
    "bare",
    [_ANSWER, http("400 Bad Request", b'{"error":{"message":"no messages"}}', "Connection: close"), None],
    ids=["answers", "reads first", "is silent"],
)
async def test_answer_of_a_server_elsewhere_that_anyone_may_get_leaves_the_key_unknown(
    bare: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "is_loopback", lambda _host: False)
    monkeypatch.setattr("keytui.providers.checks._KNOCK_SECONDS", 0.2)
    with _door(bare) as running:
        summary = await _summary(running.url)
    assert summary.verdict.word == "unknown"
    assert "looks at the key is not known" in summary.verdict.detail
    assert "looks at the key is not known" in summary.remark


@pytest.mark.parametrize(("provider", "away"), [("openai", True), ("ollama", True), ("custom", False)])
async def test_answer_of_a_provider_or_of_ones_own_server_is_believed(
    provider: str, away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "is_loopback", lambda _host: not away)
    with _door(_ANSWER) as running:
        assert (await _summary(running.url, provider)).verdict.word == "valid"
    assert len(running.received) == 1
