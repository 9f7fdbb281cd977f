"""add, list, show, get, delete and undo, as a script uses them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from keytui import model
from tests.leaks import leaks

if TYPE_CHECKING:
    from keytui.demo.server import DemoServer
    from tests.cli.conftest import Commands, Ran

FIRST = "sk-" + "proj-" + "F1rstKey" * 15 + "x4Qa"
SECOND = "sk-" + "proj-" + "Sec0ndKy" * 15 + "9f2c"
ADMIN = "sk-" + "admin-" + "Adm1nKey" * 15 + "77aa"


def add(keytui: Commands, name: str, secret: str = FIRST, *more: str) -> Ran:
    ran = keytui("add", name, "--stdin", "--no-check", *more, stdin=secret + "\n")
    assert ran.code == 0, ran.err
    return ran


def test_a_key_from_a_pipe_is_stored_and_printed_by_get(keytui: Commands) -> None:
    ran = add(keytui, "work")
    assert ran.out == ""
    assert ran.err == f"Stored work (OpenAI, {model.Secret(FIRST).masked()}) in the OS keyring.\n"
    assert keytui("get", "work") == (0, FIRST + "\n", "")


def test_get_without_a_newline(keytui: Commands) -> None:
    add(keytui, "work")
    assert keytui("get", "work", "-n").out == FIRST


def test_get_takes_options_that_need_the_parser(keytui: Commands) -> None:
    add(keytui, "work")
    assert keytui("get", "--", "work").out == FIRST + "\n"


def test_an_admin_key_is_printed_only_when_asked_for_as_one(keytui: Commands) -> None:
    add(keytui, "boss", ADMIN)
    refused = keytui("get", "boss")
    assert (refused.code, refused.out) == (2, "")
    assert "--admin" in refused.err
    assert keytui("get", "boss", "--admin").out == ADMIN + "\n"


def test_a_key_from_a_variable(keytui: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLD_KEY", FIRST)
    assert keytui("add", "work", "--from-env", "OLD_KEY", "--no-check").code == 0
    assert keytui("get", "work").out == FIRST + "\n"


def test_a_variable_that_is_not_set(keytui: Commands) -> None:
    ran = keytui("add", "work", "--from-env", "OLD_KEY", "--no-check")
    assert (ran.code, ran.err) == (2, "keytui: The variable OLD_KEY is not set. Export it first, or use --stdin.\n")


def test_every_field_of_add_is_stored(keytui: Commands) -> None:
    more = (
        *("--kind", "api", "--provider", "custom", "--base-url", "https://llm.example.com/v1/", "--env", "LLM_KEY"),
        *("--model", "tiny", "--tag", "prod", "--tag", "billing", "--rotate-every", "90d", "--note", "of the team"),
    )
    add(keytui, "work", FIRST, *more)
    shown = json.loads(keytui("show", "work", "--json").out)
    assert (
        shown.items()
        >= {
            "kind": "api",
            "provider": "custom",
            "base_url": "https://llm.example.com/v1",
            "env": "LLM_KEY",
            "model": "tiny",
            "tags": ["billing", "prod"],
            "rotate_every_days": 90,
            "note": "of the team",
        }.items()
    )


def test_a_named_provider_brings_its_own_address_and_variable(keytui: Commands) -> None:
    add(keytui, "work", FIRST, "--provider", "mistral")
    shown = json.loads(keytui("show", "work", "--json").out)
    assert (shown["provider"], shown["base_url"], shown["env"]) == (
        "mistral",
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
    )


def test_plain_http_to_another_machine_has_to_be_allowed(keytui: Commands) -> None:
    arguments = ("add", "lan", "--stdin", "--no-check", "--provider", "custom", "--base-url", "http://lan.example/v1")
    assert keytui(*arguments, stdin=FIRST).code == 2
    assert keytui(*arguments, "--allow-http", stdin=FIRST).code == 0


@pytest.mark.parametrize(
    ("what", "stdin"),
    [
        ("empty", "\n"),
        ("line break", f"{FIRST}\n{SECOND}\n"),
        ("space", f"{FIRST} {SECOND}"),
        ("ASCII", "sk-" + "schlüssel" * 4),
        ("not text", b"\xff\xfe\x00"),
        ("characters long", "k" * 10_000),
    ],
)
def test_what_is_not_a_key_is_refused_without_quoting_it(keytui: Commands, what: str, stdin: str | bytes) -> None:
    ran = keytui("add", "work", "--stdin", "--no-check", stdin=stdin)
    assert (ran.code, ran.out) == (2, "")
    assert what in ran.err
    assert not leaks(ran.err.encode(), FIRST)
    assert keytui("list", "--names").out == ""


@pytest.mark.parametrize("name", ["", "-dash", "esc\x1b[31mape", "n" * 200])
def test_a_name_that_cannot_be_stored(keytui: Commands, name: str) -> None:
    ran = keytui("add", "--stdin", "--no-check", "--", name, stdin=FIRST)
    assert ran.code == 2
    assert "\x1b" not in ran.err


@pytest.mark.parametrize("name", ["team/prod", "[red]", "🔑 key", "two words"])
def test_unusual_names_are_fine(keytui: Commands, name: str) -> None:
    add(keytui, name)
    assert keytui("get", name).out == FIRST + "\n"
    assert keytui("list", "--names").out == f"{name}\n"


def test_a_taken_name(keytui: Commands) -> None:
    add(keytui, "work")
    ran = keytui("add", "work", "--stdin", "--no-check", stdin=SECOND)
    assert (ran.code, ran.err) == (1, "keytui: A key named “work” already exists. Choose another name.\n")
    assert keytui("get", "work").out == FIRST + "\n"


def test_the_same_key_again_is_stored_with_a_warning(keytui: Commands) -> None:
    add(keytui, "work")
    assert "already stored as “work”" in add(keytui, "again").err


def test_without_a_terminal_add_needs_a_source(keytui: Commands) -> None:
    ran = keytui("add", "work", stdin=FIRST)
    assert (ran.code, ran.err) == (
        2,
        "keytui: There is no terminal to ask for the key on. Pipe it in and add --stdin.\n",
    )


def test_add_is_done_once_stored_whatever_the_provider_says(keytui: Commands, server: DemoServer) -> None:
    server.register(model.Secret(FIRST), "invalid")
    ran = keytui("add", "work", "--stdin", "--base-url", server.url, stdin=FIRST)
    assert (ran.code, ran.out) == (0, "")
    assert "Checked: invalid. " in ran.err
    assert json.loads(keytui("list", "--json").out)[0]["verdict"] == "invalid"


def test_list_as_json(keytui: Commands) -> None:
    add(keytui, "work", FIRST, "--rotate-every", "30d")
    (key,) = json.loads(keytui("list", "--json").out)
    assert list(key) == [
        *("name", "kind", "provider", "base_url", "env", "model", "tags", "note", "masked", "state", "backend"),
        *("created_at", "rotated_at", "rotate_every_days", "expires_at", "due_at", "verdict", "checked_at"),
    ]
    assert (key["kind"], key["state"], key["backend"], key["tags"]) == ("api", "active", "os", [])
    assert [key[absent] for absent in ("model", "note", "expires_at", "verdict", "checked_at")] == [None] * 5
    assert key["created_at"].endswith("Z")
    assert len(key["due_at"]) == len("2026-11-23T15:04:05Z")


def test_an_empty_list(keytui: Commands) -> None:
    assert keytui("list", "--json").out == "[]\n"
    assert keytui("ls") == (0, "", "There are no keys yet. Store one: keytui add NAME\n")


def test_list_filters(keytui: Commands) -> None:
    add(keytui, "prod", FIRST, "--tag", "prod")
    add(keytui, "due", SECOND, "--rotate-every", "1d")
    add(keytui, "boss", ADMIN, "--provider", "openrouter")
    assert keytui("list", "--names", "--tag", "prod").out == "prod\n"
    assert keytui("list", "--names", "--due").out == "due\n"
    assert keytui("list", "--names", "--provider", "OpenRouter").out == "boss\n"
    assert keytui("list", "--names", "--tag", "none").out == ""


def test_the_table_is_aligned_and_plain_in_a_pipe(keytui: Commands) -> None:
    add(keytui, "鍵")
    add(keytui, "a-longer-name", SECOND)
    heading, *rows = keytui("list").out.splitlines()
    assert heading.startswith("NAME           PROVIDER  KEY")
    assert rows[0].startswith("a-longer-name  OpenAI    sk-proj")
    assert rows[1].startswith("鍵             OpenAI    sk-proj")
    assert all(row.endswith("not checked") for row in rows)


def test_listing_opens_no_store(keytui: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    add(keytui, "work")

    def refused(*_: object) -> model.Secret:
        raise AssertionError("the store was read")

    monkeypatch.setattr(keytui.memory, "read", refused)
    for command in (("list",), ("list", "--json"), ("show", "work"), ("show", "work", "--json")):
        ran = keytui(*command)
        assert ran.code == 0
        assert not leaks(ran.out.encode(), FIRST)


def test_show_names_versions_and_events(keytui: Commands) -> None:
    add(keytui, "work", FIRST, "--note", "of the team")
    shown = json.loads(keytui("show", "work", "--json").out)
    (version,) = shown["versions"]
    assert list(version) == ["id", "state", "created_at", "masked", "remote_id", "expires_at"]
    assert version["state"] == "current"
    assert [event["type"] for event in shown["events"]] == ["added"]
    plain = keytui("show", "work").out
    assert "of the team" in plain
    assert model.Secret(FIRST).masked() in plain


@pytest.mark.parametrize("command", [("get",), ("show",), ("delete", "-y"), ("test",), ("rotate", "--stdin")])
def test_an_unknown_name_is_3_and_names_a_close_one(keytui: Commands, command: tuple[str, ...]) -> None:
    add(keytui, "work")
    ran = keytui(*command, "wrk", stdin=SECOND)
    assert (ran.code, ran.out) == (3, "")
    assert "wrk" in ran.err
    assert "work" in ran.err


@pytest.mark.parametrize("command", [("get",), ("show",), ("delete",), ("test",), ("add", "--stdin")])
def test_a_key_given_as_a_name_is_warned_of_and_not_repeated(keytui: Commands, command: tuple[str, ...]) -> None:
    ran = keytui(*command, FIRST, stdin=SECOND)
    assert ran.code in (2, 3)
    assert "looks like a key" in ran.err
    assert not leaks(ran.err.encode() + ran.out.encode(), FIRST)


def test_delete_and_undo(keytui: Commands) -> None:
    add(keytui, "work")
    deleted = keytui("delete", "work", "-y")
    assert deleted.code == 0
    assert "keytui undo" in deleted.err
    assert keytui("get", "work").code == 3
    assert keytui("list", "--names", "--trash").out == "work\n"
    assert "KEPT UNTIL" in keytui("list", "--trash").out
    assert keytui("undo", "-y").code == 0
    assert keytui("get", "work").out == FIRST + "\n"


def test_delete_now_leaves_nothing(keytui: Commands) -> None:
    add(keytui, "work")
    assert keytui("rm", "work", "--now", "-y").code == 0
    assert keytui("list", "--names", "--trash").out == ""
    assert keytui.memory.secrets == {}


def test_delete_now_also_empties_the_trash_of_a_key(keytui: Commands) -> None:
    add(keytui, "work")
    keytui("delete", "work", "-y")
    assert keytui("delete", "work", "--now", "-y").code == 0
    assert keytui.memory.secrets == {}


@pytest.mark.parametrize("command", [("delete", "work"), ("delete", "work", "--now")])
def test_without_a_terminal_nothing_is_deleted_unasked(keytui: Commands, command: tuple[str, ...]) -> None:
    add(keytui, "work")
    ran = keytui(*command, stdin="y\n")
    assert ran.code == 8
    assert "work" in ran.err
    assert ran.err.endswith("There is no terminal to ask on. To say yes, add -y.\n")
    assert keytui("get", "work").out == FIRST + "\n"


def test_undo_without_a_terminal_needs_yes(keytui: Commands) -> None:
    add(keytui, "work")
    keytui("delete", "work", "-y")
    assert keytui("undo").code == 8
    assert keytui("get", "work").code == 3


def test_nothing_to_undo(keytui: Commands) -> None:
    assert keytui("undo", "-y") == (1, "", "keytui: There is nothing to undo.\n")


def test_undo_of_a_deletion_whose_name_was_taken(keytui: Commands) -> None:
    add(keytui, "work")
    keytui("delete", "work", "-y")
    add(keytui, "work", SECOND)
    taken = keytui("undo", "-y")
    assert taken.code == 1
    assert "keytui undo --as NEW" in taken.err
    assert keytui("undo", "--as", "old-work", "-y").code == 0
    assert keytui("get", "old-work").out == FIRST + "\n"


def test_a_missing_secret_is_4(keytui: Commands) -> None:
    add(keytui, "work")
    keytui.memory.secrets.clear()
    ran = keytui("get", "work")
    assert (ran.code, ran.out) == (4, "")
    assert "secret missing" in keytui("list").out


def test_a_locked_os_keyring_is_4_and_nobody_is_asked_for_a_passphrase(keytui: Commands) -> None:
    add(keytui, "work")
    keytui.memory.locked = True
    ran = keytui("get", "work")
    assert (ran.code, ran.out) == (4, "")
    assert "locked" in ran.err


def test_an_unforeseen_failure_shows_where_and_nothing_else(keytui: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    add(keytui, "work")

    def broken(*_: object) -> model.Secret:
        raise ValueError(f"the value was {FIRST}")

    monkeypatch.setattr(keytui.memory, "read", broken)
    ran = keytui("get", "work")
    assert (ran.code, ran.out) == (1, "")
    assert "ValueError at keytui.storage" in ran.err
    assert "Traceback" not in ran.err
    assert not leaks(ran.err.encode(), FIRST)


def test_ctrl_c_is_130(keytui: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    add(keytui, "work")

    def interrupted(*_: object) -> model.Secret:
        raise KeyboardInterrupt

    monkeypatch.setattr(keytui.memory, "read", interrupted)
    assert keytui("get", "work") == (130, "", "")


def test_deleting_without_a_trash_offers_no_way_back(keytui: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYTUI_TRASH_DAYS", "0")
    add(keytui, "work")
    ran = keytui("delete", "work", "-y")
    assert (ran.code, "keytui undo" in ran.err) == (0, False)
    assert "is deleted" in ran.err
    assert not keytui.memory.secrets


def test_a_name_is_found_in_the_other_form_of_its_letters(keytui: Commands) -> None:
    add(keytui, "cle\u0301")
    assert keytui("get", "cle\u0301").out == FIRST + "\n"
    assert keytui("get", "cl\u00e9").out == FIRST + "\n"


@pytest.mark.parametrize("name", ["\u200b", "\u2060\ufeff", "\u0301"])
def test_a_name_nobody_could_see_is_refused(keytui: Commands, name: str) -> None:
    ran = keytui("add", name, "--stdin", "--no-check", stdin=FIRST)
    assert (ran.code, "no visible character" in ran.err) == (2, True)
