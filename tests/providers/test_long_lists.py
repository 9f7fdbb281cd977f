"""Lists of models, and headers, that are longer than any provider's: read beside the event loop, or not at all."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from keytui.errors import ProviderUnreachable
from keytui.providers import checks, models, prompts
from tests.providers.conftest import SECRET, RawServer, http, make_key

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 10.0


async def test_many_headers_are_not_taken_apart(raw_server: Callable[..., RawServer]) -> None:
    many = "a:\r\n" * 8_000
    running = raw_server(f"HTTP/1.1 200 OK\r\n{many}\r\n".encode() + b'{"data":[]}')
    verdict = await checks.check(make_key(running.url), SECRET, timeout_s=PATIENCE)
    assert "very long headers" in verdict.detail


async def test_eight_thousand_bytes_of_headers_are_read(raw_server: Callable[..., RawServer]) -> None:
    policy = "Content-Security-Policy: " + "https://example.com " * 400
    running = raw_server(f"HTTP/1.1 200 OK\r\nConnection: close\r\n{policy}\r\n\r\n".encode() + b'{"data":[]}')
    assert (await checks.check(make_key(running.url), SECRET, timeout_s=PATIENCE)).word == "valid"


@pytest.mark.parametrize(
    ("listed", "word"),
    [
        ({"data": [{"id": f"m{each}"} for each in range(1_000)]}, "valid"),
        ({"data": [{"id": f"m{each}"} for each in range(74_000)]}, "unknown"),
        ({"data": [], **{f"k{each}": 1 for each in range(100_000)}}, "unknown"),
    ],
    ids=["a long list", "a list without end", "keys without end"],
)
async def test_list_that_takes_long_to_parse_is_no_list(
    raw_server: Callable[..., RawServer], listed: object, word: str
) -> None:
    running = raw_server(http("200 OK", json.dumps(listed).encode(), "Connection: close"))
    assert (await checks.check(make_key(running.url, "openai"), SECRET, timeout_s=PATIENCE)).word == word


async def test_numbers_of_thousands_of_digits_are_not_worked_out(raw_server: Callable[..., RawServer]) -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)  # Python refuses longer ones then
    try:
        body = b'{"data":[],"size":' + b"9" * 4_300 + b"}"
        running = raw_server(http("200 OK", body, "Connection: close"))
        assert (await checks.check(make_key(running.url, "openai"), SECRET, timeout_s=PATIENCE)).word == "valid"
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize("asked", ["a picker", "a prompt"])
async def test_models_are_sorted_beside_the_event_loop(
    raw_server: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    chats, threads = models._chats, set[int]()

    def noted(name: str) -> bool:
        threads.add(threading.get_ident())
        return chats(name)

    monkeypatch.setattr(models, "_chats", noted)
    key = make_key(raw_server(http("200 OK", b'{"data":[{"id":"a"}]}', "Connection: close")).url, "custom")
    with contextlib.suppress(ProviderUnreachable):  # it answers no prompt
        if asked == "a picker":
            await prompts.models(key, SECRET, timeout_s=PATIENCE)
        else:
            [part async for part in prompts.stream(key, SECRET, "Hello", timeout_s=PATIENCE)]
    assert threads
    assert threading.get_ident() not in threads
