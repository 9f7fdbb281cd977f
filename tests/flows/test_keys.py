"""Cleaning a pasted key, proposing fields, refusing what cannot be stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keytui.errors import InvalidInput
from keytui.flows import keys
from keytui.model import KeyFields, Secret
from tests.stores import memory_store

if TYPE_CHECKING:
    from keytui.settings import Settings

FIELDS = KeyFields(name="work", provider="openai", base_url="https://api.openai.com/v1", env="OPENAI_API_KEY")
PROJECT_KEY = "sk-" + "proj-" + "Ab1" * 24 + "T3Blbk" + "FJ" + "Cd2" * 24


def test_white_space_around_a_pasted_key_is_dropped() -> None:
    assert keys.clean_secret(f"  {PROJECT_KEY}\r\n").reveal() == PROJECT_KEY


@pytest.mark.parametrize(
    "line",
    [
        "OPENAI_API_KEY={key}",
        'OPENAI_API_KEY="{key}"\n',
        "export OPENAI_API_KEY='{key}';",
        "  OPENAI_API_KEY = {key}",
        '"{key}"',
        "'{key}'",
    ],
)
def test_of_a_line_out_of_an_env_file_the_value_is_taken(line: str) -> None:
    assert keys.clean_secret(line.format(key=PROJECT_KEY)).reveal() == PROJECT_KEY


@pytest.mark.parametrize("text", ["YWJjZGVmZ2hpamtsbW5vcA==", "abc=", "a=b", "token:abc=12345678"])
def test_a_key_that_holds_an_equals_sign_is_left_whole(text: str) -> None:
    assert keys.clean_secret(text).reveal() == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("sk-one\nsk-two", "line break"),
        ("sk-one two", "space"),
        ("sk-ключ-" + "a" * 30, "ASCII"),
        ("sk-\x1b[31m" + "a" * 30, "control"),
        ("a" * 10_000, "10,000 characters"),
    ],
)
def test_what_no_provider_issues_is_refused_without_quoting_it(text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as caught:
        keys.clean_secret(text)
    assert caught.value.field == "key"
    shown = caught.value.sentence + caught.value.hint
    assert not text.strip() or text.strip()[:12] not in shown


def test_a_pasted_key_fills_in_the_rest(settings: Settings) -> None:
    proposal = keys.propose(memory_store(settings), Secret(PROJECT_KEY))
    assert (proposal.fields.provider, proposal.fields.name, proposal.fields.env) == (
        "openai",
        "openai",
        "OPENAI_API_KEY",
    )
    assert proposal.sure
    assert proposal.warnings == ()


def test_a_proposed_name_is_free_and_a_duplicate_is_named(settings: Settings) -> None:
    store = memory_store(settings)
    keys.add(store, FIELDS._replace(name="openai"), Secret(PROJECT_KEY))
    proposal = keys.propose(store, Secret(PROJECT_KEY))
    assert proposal.fields.name == "openai-2"
    assert any("“openai”" in warning for warning in proposal.warnings)


def test_an_admin_key_is_recognized_and_said(settings: Settings) -> None:
    proposal = keys.propose(memory_store(settings), Secret(PROJECT_KEY.replace("proj", "admin")))
    assert proposal.fields.kind == "admin"
    assert any("admin key" in warning for warning in proposal.warnings)


@pytest.mark.parametrize("name", ["a/b/c", "[red]prod[/red]", "🔑 work", "ключ", "x" * 100])
def test_unusual_names_are_kept_as_they_are(settings: Settings, name: str) -> None:
    assert keys.add(memory_store(settings), FIELDS._replace(name=name), Secret(PROJECT_KEY)).name == name


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 200),
        ("name", "-n"),
        ("name", "a\x1b[31mb"),
        ("name", "a\u202eb"),
        ("name", PROJECT_KEY),
        ("provider", "nobody"),
        ("base_url", "api.openai.com/v1"),
        ("base_url", "https://user:word@api.openai.com/v1"),
        ("base_url", "https://api.openai.com/v1?key=1"),
        ("base_url", "https://[::1"),
        ("base_url", "ftp://api.openai.com"),
        ("base_url", "http://llm.example.com/v1"),
        ("base_url", f"https://llm.example.com/{PROJECT_KEY}"),
        ("env", "MY-KEY"),
        ("model", PROJECT_KEY),
        ("tags", (PROJECT_KEY,)),
        ("note", f"the old one was {PROJECT_KEY}"),
        ("rotate_every_days", 0),
    ],
)
def test_a_field_that_cannot_be_stored_is_named(field: str, value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        keys.validate(FIELDS._replace(**{field: value}))  # type: ignore[arg-type] # each case names a field and its kind
    assert caught.value.field == field
    assert PROJECT_KEY not in caught.value.sentence + caught.value.hint


def test_an_admin_key_goes_to_no_foreign_host() -> None:
    with pytest.raises(InvalidInput) as caught:
        keys.validate(FIELDS._replace(kind="admin", base_url="https://proxy.example.com/v1"))
    assert caught.value.field == "base_url"


def test_fields_are_stored_tidied() -> None:
    fields = keys.validate(FIELDS._replace(name=" work ", base_url="https://x.example/v1/", tags=("b", "a ", "b", "")))
    assert (fields.name, fields.base_url, fields.tags) == ("work", "https://x.example/v1", ("a", "b"))


@pytest.mark.parametrize(
    ("base_url", "moves"),
    [
        ("https://gateway.example.com/v2", True),  # another path of the same host
        ("http://127.0.0.1:8080/v1", True),  # this machine
        ("https://gateway.example.com:8443/v1", False),
        ("https://elsewhere.example.com/v1", False),
    ],
)
def test_an_admin_key_stays_at_its_address(settings: Settings, base_url: str, moves: bool) -> None:
    store = memory_store(settings)
    there = FIELDS._replace(provider="custom", kind="admin", base_url="https://gateway.example.com/v1")
    key = keys.add(store, there, Secret(PROJECT_KEY))
    if moves:
        assert keys.edit(store, key.id, there._replace(base_url=base_url)).base_url == base_url
        return
    for kind in ("admin", "api"):
        with pytest.raises(InvalidInput, match="stays at the address") as refused:
            keys.edit(store, key.id, there._replace(base_url=base_url, kind="admin" if kind == "admin" else "api"))
        assert refused.value.field == "base_url"
    assert store.key(key.id).base_url == there.base_url
