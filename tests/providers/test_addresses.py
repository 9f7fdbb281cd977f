from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keytui.model import Secret
from keytui.providers import client

if TYPE_CHECKING:
    from keytui.model import KeyKind


def _problem(url: str, *, allow_http: bool = False, kind: KeyKind = "api", provider: str = "openai") -> str | None:
    return client.address_problem(url, allow_http=allow_http, kind=kind, provider=provider)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "https://llm.example.com",
        "http://127.0.0.1:8484/v1",
        "http://localhost:11434/v1",
        "http://[::1]:1234/v1",
    ],
)
def test_key_may_go_to_https_and_to_this_machine(url: str) -> None:
    assert _problem(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://llm.example.com/v1",
        "http://192.168.1.10:8000/v1",
        "http://127.0.0.1.example.com/v1",
        "http://localhost.example.com/v1",
        "ftp://example.com",
        "api.openai.com/v1",
        "https://",
        "https://user:word@example.com/v1",
        "https://example.com:port/v1",
        "https://[::1/v1",
    ],
)
def test_key_stays_here_and_a_sentence_says_why(url: str) -> None:
    problem = _problem(url)
    assert problem is not None
    assert problem.endswith(".")
    assert "word" not in problem.replace("password", "")


def test_plain_http_goes_out_when_allowed() -> None:
    assert _problem("http://192.168.1.10:8000/v1", allow_http=True) is None


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "https://eu.api.openai.com/v1", "http://127.0.0.1:1/v1"])
def test_admin_key_goes_to_its_provider_and_to_this_machine(url: str) -> None:
    assert _problem(url, kind="admin") is None


@pytest.mark.parametrize("url", ["https://gateway.example.com/v1", "https://evilapi.openai.com.example.com/v1"])
def test_admin_key_goes_nowhere_else(url: str) -> None:
    assert _problem(url, kind="admin") is not None


def test_admin_key_of_a_custom_provider_goes_to_its_own_address() -> None:
    assert _problem("https://gateway.example.com/v1", kind="admin", provider="custom") is None


@pytest.mark.parametrize("text", ["", "two words", "line\nbreak", "naïve-key", "tab\t", "nul\0", "x" * 5_000])
def test_what_cannot_stand_in_a_header_is_refused(text: str) -> None:
    assert client.unsendable(Secret(text))
