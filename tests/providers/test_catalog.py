from __future__ import annotations

import subprocess
import sys

import pytest

from keytui.model import Secret
from keytui.providers.catalog import (
    PROVIDERS,
    by_address,
    completed,
    lead_to,
    looks_like_key,
    provider,
    recognize,
)

MARK = "T3Blbk" + "FJ"
SK = "sk" + "-"


def _run(length: int) -> str:
    return ("aB3dE5fG7hJ9" * 20)[:length]


OPENAI_LEGACY = SK + _run(20) + MARK + _run(20)
OPENAI_PROJECT = SK + "proj-" + _run(74) + MARK + _run(74)
OPENAI_SERVICE = SK + "svcacct-" + _run(58) + MARK + _run(58)
OPENAI_ADMIN = SK + "admin-" + _run(58) + MARK + _run(58)
OPENROUTER = SK + "or-v1-" + "0a1b2c3d" * 8
ANTHROPIC = SK + "ant-api03-" + _run(93) + "AA"
ANTHROPIC_ADMIN = SK + "ant-admin01-" + _run(93) + "AA"


@pytest.mark.parametrize(
    ("text", "expected", "kind"),
    [
        (OPENAI_LEGACY, "openai", "api"),
        (OPENAI_PROJECT, "openai", "api"),
        (OPENAI_SERVICE, "openai", "api"),
        (OPENAI_ADMIN, "openai", "admin"),
        (OPENROUTER, "openrouter", "api"),
        (ANTHROPIC, "anthropic", "api"),
        (ANTHROPIC_ADMIN, "anthropic", "admin"),
        ("AI" + "za" + _run(35), "gemini", "api"),
        ("A" + "Q." + _run(38), "gemini", "api"),
        ("gs" + "k_" + _run(52), "groq", "api"),
        ("xa" + "i-" + _run(80), "xai", "api"),
        ("xa" + "i-token-" + _run(80), "xai", "admin"),
    ],
)
def test_key_of_known_shape_is_recognized_without_a_warning(text: str, expected: str, kind: str) -> None:
    guess = recognize(Secret(text))
    assert (guess.provider, guess.kind, guess.sure, guess.note) == (expected, kind, True, "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SK + _run(32).lower(), "deepseek"),
        (SK + _run(45), "openai"),
        (_run(32), "mistral"),
        ("pp" + "lx-" + _run(48), "custom"),
        (_run(64), "custom"),
        (SK + "0a1b2c3d" * 4, "deepseek"),
        (SK + _run(22), "custom"),
        ("0a1b2c3d" * 4, "azure"),
        (_run(52) + "JQQ" + "J99" + _run(26), "azure"),
        ("ollama", "ollama"),
        ("lm-studio", "lmstudio"),
        ("EMPTY", "vllm"),
        (SK + "no-key-required", "llamacpp"),
        ("secret", "local"),
    ],
)
def test_ambiguous_shape_is_guessed_and_said_to_be_unsure(text: str, expected: str) -> None:
    guess = recognize(Secret(text))
    assert guess.provider == expected
    assert not guess.sure
    assert guess.note.endswith((".", "?"))


@pytest.mark.parametrize("text", [OPENAI_PROJECT[:30], OPENROUTER + "0", OPENROUTER[:-1], OPENAI_PROJECT[:-1] + "!"])
def test_odd_shape_is_recognized_with_a_warning(text: str) -> None:
    guess = recognize(Secret(text))
    assert guess.sure
    assert guess.note


@pytest.mark.parametrize(
    "text",
    [
        "gh" + "p_" + _run(36),
        "AK" + "IA" + _run(16).upper(),
        SK + "ant-oat01-" + _run(93) + "AA",
        "https://example.com/v1",
    ],
)
def test_something_else_is_called_by_its_name(text: str) -> None:
    assert "This looks like" in recognize(Secret(text)).note


@pytest.mark.parametrize(
    "text",
    [
        f"my key is {OPENAI_PROJECT}, keep it",
        f"OPENAI_API_KEY={OPENAI_LEGACY}",
        f"«{OPENROUTER}»",
        "gs" + "k_" + _run(52),
    ],
)
def test_key_inside_free_text_is_noticed(text: str) -> None:
    assert looks_like_key(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "production, billing",
        "sk-learn-pipelines-for-the-search-team",
        "https://platform.openai.com/settings/organization/api-keys",
        "rotate on 2027-01-31 with the team",
        "123e4567-e89b-12d3-a456-426614174000",
    ],
)
def test_ordinary_text_is_not_taken_for_a_key(text: str) -> None:
    assert not looks_like_key(text)


def test_every_provider_is_declared_whole() -> None:
    for each in PROVIDERS.values():
        assert not each.base_url.endswith("/")
        assert each.env
        assert each.base_url or each.example
        if each.checks_keys:
            assert (each.base_url or each.example).startswith("https://")
            assert each.keys_page.startswith("https://")
            assert each.status_page.startswith("https://")
            assert each.small_models or each.model_hint


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("https://team.openai.azure.com/openai/v1", "azure"),
        ("https://api.x.ai/v1", "xai"),
        ("http://localhost:11434/v1", "ollama"),
        ("http://127.0.0.1:1234/v1", "lmstudio"),
        ("http://[::1]:8000/v1", "vllm"),
        ("http://localhost:8080", "llamacpp"),
        ("http://localhost:9999/v1", None),
        ("http://10.0.0.5:11434/v1", None),
        ("https://api.openai.com.example.com/v1", None),
        ("https://openai.azure.com.example.com", None),
        ("https://evilapi.openai.com/v1", None),
    ],
)
def test_provider_is_known_by_its_address(address: str, expected: str | None) -> None:
    found = by_address(address)
    assert (found.id if found else None) == expected


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ("https://api.openai.com", "https://api.openai.com/v1"),
        ("https://team.openai.azure.com/", "https://team.openai.azure.com/openai/v1"),
        ("http://localhost:11434", "http://localhost:11434/v1"),
        ("https://llm.example.com", "https://llm.example.com"),
        ("https://api.openai.com/v2", "https://api.openai.com/v2"),
    ],
)
def test_known_host_alone_is_completed_with_its_path(given: str, whole: str) -> None:
    assert completed(given) == whole


def test_demo_address_is_nobodys_and_own_addresses_come_back() -> None:
    lead_to("http://127.0.0.1:8484/v1")
    try:
        assert {each.base_url for each in PROVIDERS.values()} == {"http://127.0.0.1:8484/v1"}
        assert by_address("http://127.0.0.1:8484/v1") is None
        found = by_address("https://api.openai.com/v1")
        assert found is not None
        assert found.id == "openai"
    finally:
        lead_to(None)
    assert provider("openai").base_url == "https://api.openai.com/v1"
    assert provider("custom").base_url == ""


def test_unknown_provider_id_falls_back_to_custom() -> None:
    assert provider("from-a-later-version").id == "custom"


def test_catalog_is_cheap_to_import() -> None:
    code = "import sys; import keytui.providers.catalog; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"openai", "typing", "dataclasses", "enum", "pathlib", "logging", "asyncio", "json"}
