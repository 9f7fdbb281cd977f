from __future__ import annotations

import subprocess
import sys

import pytest

from keytui.model import Secret
from keytui.providers.catalog import PROVIDERS, looks_like_key, provider, recognize

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
        ("ollama", "local"),
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


@pytest.mark.parametrize("text", ["gh" + "p_" + _run(36), "AK" + "IA" + _run(16).upper(), "https://example.com/v1"])
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
        if each.checks_keys:
            assert each.base_url.startswith("https://")
            assert each.keys_page.startswith("https://")
            assert each.small_models


def test_unknown_provider_id_falls_back_to_custom() -> None:
    assert provider("from-a-later-version").id == "custom"


def test_catalog_is_cheap_to_import() -> None:
    code = "import sys; import keytui.providers.catalog; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"openai", "typing", "dataclasses", "enum", "pathlib", "logging", "asyncio", "json"}
