"""What an answered prompt proves of a key: nothing, where anyone is answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from typing import TYPE_CHECKING

import pytest

from keytui.providers import client, prompts
from tests.providers.conftest import SECRET, RawServer, http, make_key

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

PATIENCE = 20.0
_CHOICE = {"message": {"content": "Hello"}, "finish_reason": "stop"}
_ANSWER = http("200 OK", json.dumps({"choices": [_CHOICE]}).encode(), "Connection: close", "Set-Cookie: session=good")


class _Door(RawServer):
    """Answers prompts that come with a key; those without one get `bare`, or with None no answer.

    Args:
        bare: What is sent to those without a key.
        empty: What is sent to an empty prompt with a key.
        listed: What is sent to those without a key who ask for the models, or None for `bare`.
    """

    def __init__(self, bare: bytes | None, empty: bytes, listed: bytes | None) -> None:
        self._bare, self._empty, self._listed = bare, empty, listed
        self.knocked = threading.Event()
        super().__init__(b"")

    def _send(self, connection: socket.socket) -> None:
        if b"\r\nauthorization:" in self.received[-1].lower():
            connection.sendall(self._empty if self.received[-1].endswith(b"\r\n\r\n{}") else _ANSWER)
        elif self._listed is not None and self.received[-1].startswith(b"GET "):
            connection.sendall(self._listed)
        elif self._bare is None:
            self.knocked.set()
            self._ended.wait()
        else:
            connection.sendall(self._bare)


@contextlib.contextmanager
def _door(bare: bytes | None, empty: bytes = _ANSWER, listed: bytes | None = None) -> Iterator[_Door]:
    running = _Door(bare, empty, listed)
    try:
        yield running
    finally:
        running.stop()


async def _summary(url: str, provider: str = "custom") -> prompts.Summary:
    key = make_key(url, provider, model="m")._replace(allow_http=True)
    parts = [part async for part in prompts.stream(key, SECRET, "Hello", timeout_s=PATIENCE)]
    assert isinstance(parts[-1], prompts.Summary)
    return parts[-1]


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of these tests lie elsewhere, as far as keytui knows."""
    monkeypatch.setattr(client, "is_loopback", lambda _host: False)


_NO_PROMPT = b'{"error":{"message":"no messages"}}'


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize("provider", ["custom", "openai", "openrouter"])
async def test_answer_of_a_server_that_refuses_strangers_proves_the_key(provider: str) -> None:
    with _door(http("401 Unauthorized", b"{}", "Connection: close")) as running:
        summary = await _summary(running.url, provider)
    assert (summary.verdict.word, summary.remark) == ("valid", "")
    _prompt, bare = running.received
    assert b"authorization" not in bare.lower()
    assert bare.endswith(b"\r\n\r\n{}")


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize(("kept", "word"), [("400 Bad Request", "valid"), ("403 Forbidden", "unknown")])
async def test_answer_that_is_forbidden_to_strangers_proves_the_key_if_the_key_changes_that(
    kept: str, word: str
) -> None:
    with _door(
        http("403 Forbidden", b"{}", "Connection: close"), http(kept, _NO_PROMPT, "Connection: close")
    ) as running:
        assert (await _summary(running.url)).verdict.word == word


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize("status", ["400 Bad Request", "429 Too Many Requests", "500 Oops"])
async def test_answer_of_a_server_that_reads_an_empty_prompt_first_is_proved_by_its_list(status: str) -> None:
    no = http("401 Unauthorized", b"{}", "Connection: close")
    with _door(http(status, _NO_PROMPT, "Connection: close"), listed=no) as running:
        assert (await _summary(running.url)).verdict.word == "valid"
    assert running.received[-1].startswith(b"GET /v1/models ")
    assert b"authorization" not in running.received[-1].lower()


@pytest.mark.usefixtures("away")
async def test_proof_carries_the_key_where_the_prompt_did() -> None:
    no, empty = (http(each, _NO_PROMPT, "Connection: close") for each in ("403 Forbidden", "400 Bad Request"))
    with _door(no, empty) as running:
        assert (await _summary(running.url, "anthropic")).verdict.word == "valid"


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize("provider", ["custom", "openai", "openrouter"])
@pytest.mark.parametrize(
    "bare",
    [_ANSWER, http("400 Bad Request", _NO_PROMPT, "Connection: close"), None],
    ids=["answers", "reads first", "is silent"],
)
async def test_answer_of_a_server_elsewhere_that_anyone_may_get_leaves_the_key_unknown(
    bare: bytes | None, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keytui.providers.checks._KNOCK_SECONDS", 0.2)
    with _door(bare) as running:
        summary = await _summary(running.url, provider)
    assert summary.verdict.word == "unknown"
    assert "looks at the key is not known" in summary.verdict.detail
    assert "looks at the key is not known" in summary.remark


@pytest.mark.usefixtures("away")
async def test_cookie_that_came_with_the_key_does_not_stand_for_it() -> None:
    with _door(_ANSWER) as running:
        await _summary(running.url)
    assert b"session=good" not in running.received[-1]


@pytest.mark.usefixtures("away")
async def test_answer_that_is_whole_stays_so_when_its_proof_is_stopped() -> None:
    with _door(None) as running:
        key = make_key(running.url, "custom", model="m")._replace(allow_http=True)
        parts: list[object] = []

        async def ask() -> None:
            async for part in prompts.stream(key, SECRET, "Hello", timeout_s=PATIENCE):
                parts.append(part)

        asking = asyncio.create_task(ask())
        assert await asyncio.to_thread(running.knocked.wait, PATIENCE)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert isinstance(parts[-1], prompts.Summary)


def test_answer_at_the_limit_proves_no_more() -> None:
    summary = prompts.Summary("m", 1, None, None, "length", None, limit=1_024, proven=False)
    assert "limit of 1,024 tokens" in summary.remark
    assert "looks at the key is not known" in summary.remark


@pytest.mark.parametrize(("provider", "here"), [("ollama", False), ("custom", True), ("openai", True)])
async def test_answer_of_ones_own_server_is_believed(
    provider: str, here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "is_loopback", lambda _host: here)
    with _door(_ANSWER) as running:
        assert (await _summary(running.url, provider)).verdict.word == "valid"
    assert len(running.received) == 1
