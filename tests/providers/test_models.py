"""Which models of a list are offered for a prompt: their names are looked at word by word."""

from __future__ import annotations

import pytest

from keytui.providers import catalog, models


@pytest.mark.parametrize(
    "name",
    ["vanguard-chat", "mediocre-7b", "imagery/llama", "safeguarded", "audiophile", "Llama-3.1-8B-Instruct-Turbo"],
)
def test_a_name_that_only_holds_the_letters_of_such_a_word_chats(name: str) -> None:
    found = models.chatting(catalog.provider("openai"), ["gpt-6", name])
    assert set(found) == {"gpt-6", name}
    assert found.hidden == []


@pytest.mark.parametrize(
    "name",
    [
        "meta-llama/Llama-Guard-4-12B",
        "Qwen3Guard-Gen-8B",
        "mistral-ocr-latest",
        "tts-1-hd",
        "dall-e-3",
        "gpt-image-1",
        "imagen-4.0-generate-001",
        "text-embedding-3-small",
        "nomic-embed-text:latest",
        "snowflake-arctic-embed2",
        "bge_reranker_v2",
        "gpt-3.5-turbo-instruct",
        "granite3-guardian:2b",
        "davinci-002",
    ],
)
def test_a_model_that_does_not_chat_is_set_apart(name: str) -> None:
    found = models.chatting(catalog.provider("openai"), [name, "gpt-6"])
    assert found == ["gpt-6"]
    assert found.hidden == [name]


def test_when_no_name_looks_like_chat_nothing_is_set_apart() -> None:
    found = models.chatting(catalog.provider("openai"), ["nomic-embed-text"])
    assert found == ["nomic-embed-text"]
    assert found.hidden == []
