"""test and rotate against a real HTTP server, with the real openai client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from keytui import model
from keytui.cli import drawing
from keytui.demo import handler
from keytui.errors import StoreRefused
from keytui.providers import checks, limits, prompts
from keytui.storage import writing
from tests.leaks import leaks

if TYPE_CHECKING:
    from keytui.demo.server import DemoServer
    from tests.cli.conftest import Commands

FIRST = "sk-" + "proj-" + "F1rstKey" * 15 + "x4Qa"
SECOND = "sk-" + "proj-" + "Sec0ndKy" * 15 + "9f2c"
THIRD = "sk-" + "proj-" + "Th1rdKey" * 15 + "77aa"


def add(keytui: Commands, server: DemoServer, name: str, secret: str, state: str = "valid") -> None:
    server.register(model.Secret(secret), state)
    ran = keytui("add", name, "--stdin", "--no-check", "--base-url", server.url, stdin=secret)
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("state", "word", "code"),
    [
        ("valid", "valid", 0),
        ("restricted", "restricted", 0),
        ("invalid", "invalid", 5),
        ("no_quota", "no_quota", 5),
        ("rate_limited", "rate_limited", 6),
    ],
)
def test_a_verdict_and_its_code(keytui: Commands, server: DemoServer, state: str, word: str, code: int) -> None:
    add(keytui, server, "work", FIRST, state)
    ran = keytui("test", "work", "--json")
    (row,) = json.loads(ran.out)
    assert (ran.code, row["name"], row["verdict"]) == (code, "work", word)
    assert json.loads(keytui("show", "work", "--json").out)["verdict"] == word


@pytest.mark.parametrize("columns", [80, 40, 200])
def test_on_a_terminal_no_sentence_is_cut(
    keytui: Commands, server: DemoServer, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    add(keytui, server, "work", FIRST, "no_quota")
    monkeypatch.setattr(drawing, "screen_columns", lambda: columns)
    said = keytui("test", "work").out
    lines = said.splitlines()
    assert max(map(len, lines)) <= columns
    assert lines[0].startswith("work  no quota")
    words = " ".join(said.split())
    assert "Add credit or raise the limit at the provider." in words
    assert "HTTP 429 · insufficient_quota · req" in words


def test_a_verdict_as_json(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "work", FIRST)
    (row,) = json.loads(keytui("test", "work", "--json").out)
    assert list(row) == [
        *("name", "verdict", "detail", "latency_ms", "status", "code", "request_id", "models", "checked_at", "limits")
    ]
    assert row["limits"] is None
    assert row["status"] == 200
    assert isinstance(row["latency_ms"], int)
    assert row["models"] > 0
    assert row["code"] is None
    assert row["checked_at"].endswith("Z")


def test_several_keys_in_the_order_they_were_named_and_5_before_6(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "limited", FIRST, "rate_limited")
    add(keytui, server, "dead", SECOND, "invalid")
    add(keytui, server, "live", THIRD)
    ran = keytui("test", "limited", "live", "dead", "live")
    assert ran.code == 5
    assert [line.split()[0] for line in ran.out.splitlines()] == ["limited", "live", "dead"]
    assert "rate limited" in ran.out
    assert " ms " in ran.out


def test_all_means_every_key_outside_the_trash(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "gone", FIRST, "invalid")
    add(keytui, server, "live", SECOND)
    keytui("delete", "gone", "-y")
    ran = keytui("test", "--all", "--json")
    assert (ran.code, [row["name"] for row in json.loads(ran.out)]) == (0, ["live"])


def test_all_of_none(keytui: Commands) -> None:
    assert keytui("test", "--all", "--json") == (0, "[]\n", "There are no keys to test.\n")


def test_a_key_whose_secret_is_missing_has_its_row_and_the_rest_is_tested(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "gone", FIRST)
    keytui.memory.secrets.clear()
    add(keytui, server, "live", SECOND)
    ran = keytui("test", "--all", "--json")
    gone, live = json.loads(ran.out)
    assert (ran.code, gone["verdict"], live["verdict"]) == (4, None, "valid")
    assert gone["detail"]
    assert gone["checked_at"] is None


def test_a_server_that_is_not_there_is_6(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "work", FIRST)
    server.stop()
    ran = keytui("test", "work", "--json")
    assert (ran.code, json.loads(ran.out)[0]["verdict"]) == (6, "unreachable")


def test_a_prompt_streams_to_stdout_and_its_numbers_to_stderr(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "work", FIRST)
    ran = keytui("test", "work", "--prompt", "Say hello")
    assert ran.code == 0
    assert ran.out.startswith("Hello")
    assert ran.out.endswith("\n")
    assert "first token after" in ran.err
    assert ("POST", "/v1/chat/completions") in server.requests


def test_a_prompt_from_standard_input_as_json(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "work", FIRST)
    ran = keytui("test", "work", "--prompt", "-", "--model", "gpt-4o-mini", "--json", stdin="Say hello")
    (row,) = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert list(row)[-6:] == ["answer", "model", "ttft_ms", "tokens_per_s", "usage", "finish_reason"]
    assert (row["verdict"], row["finish_reason"]) == ("valid", "stop")
    assert row["answer"].startswith("Hello")
    assert row["usage"]["total_tokens"] > 0


def test_limits_and_an_answer_that_was_ended_are_told(
    keytui: Commands, server: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(keytui, server, "work", FIRST)
    monkeypatch.setattr(limits, "read", lambda _headers: "7 requests left")
    assert keytui("test", "work").out.rstrip().endswith("7 requests left.")
    for asked in ((), ("--prompt", "Say hello")):
        (row,) = json.loads(keytui("test", "work", "--json", *asked).out)
        assert row["limits"] == "7 requests left"
    monkeypatch.setattr(prompts, "ANSWER_LIMIT", 10)
    ran = keytui("test", "work", "--prompt", "Say hello")
    assert ran.out == "Hello from\n"
    assert "7 requests left\n" in ran.err
    assert ran.err.endswith("Only the first 10 characters are shown.\n")


def test_a_model_that_is_not_there_is_6_and_leaves_the_key_valid(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "work", FIRST)
    ran = keytui("test", "work", "--prompt", "Say hello", "--model", "tiny")
    assert (ran.code, ran.out) == (6, "")
    assert json.loads(keytui("show", "work", "--json").out)["verdict"] == "valid"


def test_an_answer_that_proves_nothing_of_the_key_is_6_and_says_so(
    keytui: Commands, server: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unproven(*_asked: object) -> bool:
        return False

    add(keytui, server, "work", FIRST)
    monkeypatch.setattr(checks, "proves_key", unproven)
    ran = keytui("test", "work", "--prompt", "Say hello in one word")
    assert (ran.code, ran.out) == (6, "Hello.\n")
    assert "looks at the key is not known" in ran.err
    assert json.loads(keytui("show", "work", "--json").out)["verdict"] is None


def test_a_cut_answer_is_6_and_shows_what_came(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "work", FIRST, "cut")
    ran = keytui("test", "work", "--prompt", "Say hello")
    assert ran.code == 6
    assert ran.out.startswith("Hello")
    assert ran.err.startswith("keytui: The answer was cut: 127.0.0.1")
    assert json.loads(keytui("show", "work", "--json").out)["verdict"] is None


def test_a_prompt_with_a_refused_key_is_5(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "work", FIRST, "no_quota")
    ran = keytui("test", "work", "--prompt", "Say hello", "--json")
    (row,) = json.loads(ran.out)
    assert (ran.code, row["verdict"], row["answer"], row["model"]) == (5, "no_quota", None, None)


def test_a_rotation_checks_the_new_key_and_switches(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "work", FIRST)
    server.register(model.Secret(SECOND), "valid")
    ran = keytui("rotate", "work", "--stdin", stdin=SECOND)
    assert (ran.code, ran.out) == (0, "")
    assert not leaks(ran.err.encode(), SECOND)
    assert keytui("get", "work").out == SECOND + "\n"
    states = [version["state"] for version in json.loads(keytui("show", "work", "--json").out)["versions"]]
    assert states == ["current", "previous"]


def test_a_rotation_is_undone_when_the_old_key_still_works(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "work", FIRST)
    assert keytui("rotate", "work", "--stdin", "--no-check", stdin=SECOND).code == 0
    assert keytui("undo", "-y").code == 0
    assert keytui("get", "work").out == FIRST + "\n"


def test_a_rotation_whose_old_key_is_dead_is_not_undone(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "work", FIRST, "invalid")
    assert keytui("rotate", "work", "--stdin", "--no-check", stdin=SECOND).code == 0
    assert keytui("undo", "-y").code == 1
    assert keytui("get", "work").out == SECOND + "\n"


def test_a_refused_new_key_is_asked_about_again_and_stays_stored(
    keytui: Commands, server: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYTUI_PROPAGATION_SECONDS", "1")
    add(keytui, server, "work", FIRST)
    server.register(model.Secret(SECOND), "invalid")
    ran = keytui("rotate", "work", "--stdin", stdin=SECOND)
    assert ran.code == 5
    assert "asking again for up to 1 s" in ran.err
    assert "the old key stays in use" in ran.err
    assert "keytui rotate --resume" in ran.err
    assert keytui("get", "work").out == FIRST + "\n"
    shown = json.loads(keytui("show", "work", "--json").out)
    assert (shown["state"], shown["rotation"]["state"]) == ("rotating", "stored")
    assert shown["rotation"]["note"]
    server.register(model.Secret(SECOND), "valid")
    assert keytui("rotate", "--resume", "-y").code == 0
    assert keytui("get", "work").out == SECOND + "\n"


def test_a_new_key_whose_check_is_interrupted_stays_stored(
    keytui: Commands, server: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    add(keytui, server, "work", FIRST)
    with monkeypatch.context() as patch:
        patch.setattr(checks, "check", interrupted)
        ran = keytui("rotate", "work", "--stdin", stdin=SECOND)
    assert ran.code == 130
    assert "The new key is stored." in ran.err
    assert keytui("get", "work").out == FIRST + "\n"
    assert keytui("rotate", "--resume", "-y").code == 0
    assert keytui("get", "work").out == SECOND + "\n"


def test_a_new_key_that_could_not_be_checked_is_kept_and_the_same_command_goes_on(
    keytui: Commands, server: DemoServer
) -> None:
    add(keytui, server, "work", FIRST)
    server.register(model.Secret(SECOND), "rate_limited")
    server.register(model.Secret(THIRD), "no_quota")
    ran = keytui("rotate", "work", "--stdin", stdin=THIRD)
    assert ran.code == 5
    assert "The new key is stored." in ran.err
    assert keytui("get", "work").out == FIRST + "\n"
    another = keytui("rotate", "work", "--stdin", stdin=SECOND)
    assert another.code == 8
    assert keytui("rotate", "work", "--stdin", "--no-check", stdin=THIRD).code == 0
    assert keytui("get", "work").out == THIRD + "\n"


def test_rotating_to_the_same_key_is_refused(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "work", FIRST)
    ran = keytui("rotate", "work", "--stdin", stdin=FIRST)
    assert (ran.code, ran.out) == (2, "")
    assert "already in use" in ran.err


def test_yes_gives_another_stored_new_key_up(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "work", FIRST)
    server.register(model.Secret(THIRD), "no_quota")
    assert keytui("rotate", "work", "--stdin", stdin=THIRD).code == 5
    asked = keytui("rotate", "work", "--stdin", stdin=SECOND)
    assert asked.code == 8
    assert "add -y." in asked.err
    assert keytui("rotate", "work", "--stdin", "-y", stdin=SECOND).code == 0
    assert keytui("get", "work").out == SECOND + "\n"
    assert len(keytui.memory.secrets) == 2


def test_a_stored_new_key_that_was_lost_does_not_stop_the_next(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "work", FIRST)
    server.register(model.Secret(THIRD), "no_quota")
    slots = set(keytui.memory.secrets)
    keytui("rotate", "work", "--stdin", stdin=THIRD)
    (lost,) = set(keytui.memory.secrets) - slots
    del keytui.memory.secrets[lost]
    assert keytui("rotate", "work", "--stdin", stdin=SECOND).code == 0
    assert keytui("get", "work").out == SECOND + "\n"


@pytest.fixture
def no_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that takes no verdict, as on a full disk."""

    def refuse(*_: object) -> None:
        raise StoreRefused("The disk is full.", "Free some space.")

    monkeypatch.setattr(writing, "record_check", refuse)


@pytest.mark.usefixtures("no_notes")
def test_a_verdict_that_cannot_be_noted_is_told_all_the_same(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "work", FIRST)
    ran = keytui("test", "work")
    assert (ran.code, ran.out.split()[1]) == (0, "valid")
    assert ran.err == "The verdict of work was not noted: The disk is full.\n"
    assert json.loads(keytui("test", "work", "--json").out)[0]["verdict"] == "valid"


@pytest.mark.usefixtures("no_notes")
def test_an_answer_whose_verdict_cannot_be_noted_is_whole(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "work", FIRST)
    ran = keytui("test", "work", "--prompt", "Say hello in one word", "--json")
    assert ran.code == 0
    assert json.loads(ran.out)[0]["answer"] == "Hello."


@pytest.mark.usefixtures("no_notes")
def test_a_key_of_a_shape_that_several_share_is_shown_to_nobody(
    keytui: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "check", lambda *_arguments, **_options: pytest.fail("a server was asked"))
    ran = keytui("add", "guessed", "--stdin", stdin="sk-" + "a1b2c3d4" * 6)
    assert ran.code == 0
    assert "Not checked: it is not sure that this is a key of OpenAI. If it is: keytui test guessed" in ran.err


def test_add_is_done_although_the_verdict_cannot_be_noted(keytui: Commands, server: DemoServer) -> None:
    server.register(model.Secret(FIRST), "valid")
    ran = keytui("add", "work", "--stdin", "--base-url", server.url, stdin=FIRST)
    assert ran.code == 0
    assert "Checked: valid." in ran.err


@pytest.mark.parametrize("prompt", [b"\xff\xfe", b"a\xed\xa0\x80b"])
def test_a_prompt_that_is_no_text_is_2_and_not_sent(keytui: Commands, server: DemoServer, prompt: bytes) -> None:
    add(keytui, server, "work", FIRST)
    ran = keytui("test", "work", "--prompt", "-", stdin=prompt)
    assert (ran.code, ran.out) == (2, "")
    assert "is not text" in ran.err
    assert not server.requests


def test_a_prompt_that_is_too_long_is_2_and_not_cut(keytui: Commands, server: DemoServer) -> None:
    add(keytui, server, "work", FIRST)
    ran = keytui("test", "work", "--prompt", "-", stdin="x" * 100_001)
    assert (ran.code, "at most 100,000" in ran.err) == (2, True)


def test_half_a_character_in_an_answer_is_printed_as_a_sign(
    keytui: Commands, server: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "pieces_for", lambda _prompt: ("odd ", "\ud800", " end"))
    add(keytui, server, "work", FIRST)
    ran = keytui("test", "work", "--prompt", "hello")
    assert (ran.code, ran.out) == (0, "odd ? end\n")


@pytest.mark.parametrize(("days", "said"), [("0", "The old key is not kept."), ("1", "keytui undo")])
def test_undo_is_offered_only_where_the_old_key_is_kept(
    keytui: Commands, server: DemoServer, monkeypatch: pytest.MonkeyPatch, days: str, said: str
) -> None:
    monkeypatch.setenv("KEYTUI_KEEP_PREVIOUS_DAYS", days)
    add(keytui, server, "work", FIRST)
    ran = keytui("rotate", "work", "--stdin", "--no-check", stdin=SECOND)
    assert (ran.code, said in ran.err) == (0, True)
    assert ("keytui undo" in ran.err) == (days == "1")
