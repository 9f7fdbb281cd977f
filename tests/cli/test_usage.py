"""Help, unknown words, and options that do not go together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

import keytui as package
from keytui.cli import drawing, parsing, registry, rendering
from keytui.cli.drawing import Cell
from tests.leaks import leaks

if TYPE_CHECKING:
    from tests.cli.conftest import Commands

KEY = "sk-" + "proj-" + "Arg0mentArg0mentArg0ment" + "x4Qa"


def test_version(keytui: Commands) -> None:
    assert keytui("--version") == (0, f"keytui {package.__version__}\n", "")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_every_command_with_its_sentence(keytui: Commands, flag: str) -> None:
    ran = keytui(flag)
    assert (ran.code, ran.err) == (0, "")
    for command in registry.COMMANDS:
        assert f"  {command.name}" in ran.out
        assert command.sentence in ran.out


@pytest.mark.parametrize("command", registry.COMMANDS, ids=lambda command: str(command.name))
def test_every_command_has_help_that_fits_a_terminal(
    keytui: Commands, command: registry.Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ran = keytui(command.name, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"usage: keytui {command.name}")
    assert command.sentence in ran.out
    assert all(len(line) <= 80 for line in ran.out.splitlines())


def test_a_typo_names_the_command_that_was_meant(keytui: Commands) -> None:
    assert keytui("roate") == (2, "", "keytui: There is no command roate. Did you mean rotate?\n")


def test_an_unknown_command(keytui: Commands) -> None:
    assert keytui("zzz") == (2, "", "keytui: There is no command zzz. List them with: keytui --help\n")


def test_a_key_as_a_command_is_not_repeated(keytui: Commands) -> None:
    ran = keytui(KEY)
    assert ran.code == 2
    assert not leaks(ran.err.encode(), KEY)


@pytest.mark.parametrize(
    "words",
    [
        ("add", "work", KEY),
        ("add", "work", f"--stdin={KEY}"),
        ("add", "work", f"--key={KEY}"),
        ("add", "work", "--kind", KEY),
        ("add", "work", "--rotate-every", KEY),
        ("add", "work", "--from-env", KEY),
        ("add", "work", f"--from-env={KEY}"),
        ("add", "work", "--stdin", "--env", "gsk_" + "Gr0qKey1" * 6),
        ("add", "work", "--provider", KEY),
        ("rotate", "work", KEY),
        ("get", "work", KEY),
        ("list", KEY),
        ("unlock", "--for", KEY),
        (f"--{KEY}",),
        ("--backend", KEY, "list"),
    ],
)
def test_a_key_anywhere_on_the_command_line_is_refused_and_not_repeated(
    keytui: Commands, words: tuple[str, ...]
) -> None:
    ran = keytui(*words)
    assert ran.code == 2
    assert not leaks(ran.err.encode() + ran.out.encode(), KEY)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add",), "The following arguments are required: NAME."),
        (("add", "a", "--kind", "x"), "Argument --kind: one of api, admin is expected."),
        (("add", "a", "--stdin", "--from-env", "B"), "Argument --from-env: not allowed with argument --stdin."),
        (("add", "a", "--rotate-every", "90"), "Argument --rotate-every: a duration is a number and a unit"),
        (("add", "a", "--rotate-every", "36h"), "Argument --rotate-every: an interval is a number of days or weeks"),
        (("add", "a", "--bogus"), "There is no option --bogus. See: keytui add --help"),
        (("add", "a", "--std"), "There is no option --std."),
        (("get", "a", "b"), "There is an argument too many."),
        (("list", "--backend", "vault"), "--backend goes before the command."),
        (("--backend", "tape", "list"), "--backend takes os or vault."),
        (("--backend",), "--backend takes os or vault."),
        (("--bogus",), "There is no option --bogus."),
        (("--demo", "list"), "--demo opens the app on sample keys and takes nothing else."),
        (("test",), "Name the keys to test, or use --all."),
        (("test", "a", "--all"), "Name the keys to test, or use --all."),
        (("test", "a", "--model", "m"), "--model goes with --prompt."),
        (("test", "a", "--prompt", " "), "The prompt is empty."),
        (("unlock", "--for", "0m"), "Argument --for: a duration is a number and a unit"),
        (("unlock", "--for", "999999w"), "Argument --for: at most 30 days"),
        (("unlock",), "KEYTUI_NO_CACHE is set"),
        ((), "The app needs a terminal."),
        (("--demo",), "The app needs a terminal."),
    ],
)
def test_what_does_not_go_together_is_2(keytui: Commands, words: tuple[str, ...], said: str) -> None:
    ran = keytui(*words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.startswith("keytui: ")
    assert ran.err.count("\n") == 1


def test_unlock_without_a_vault(keytui: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEYTUI_NO_CACHE")
    ran = keytui("unlock")
    assert ran.code == 2
    assert "no vault to unlock" in ran.err


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TEXTUAL_LOG", "log"),
        ("TEXTUAL_DEBUG", "1"),
        ("TEXTUAL_DRIVER", "x:Y"),
        ("TEXTUAL_SCREENSHOT", "1"),
        ("TEXTUAL_PRESS", "v,y"),
        ("TEXTUAL", "debug,devtools"),
    ],
)
def test_the_app_refuses_to_run_where_textual_records_what_is_typed(
    keytui: Commands, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    ran = keytui()
    assert ran.code == 2
    assert ran.err == (
        f"keytui: {variable} would let Textual record what you type, or type in your place. Unset {variable} first.\n"
    )


def test_a_bad_setting_is_named(keytui: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYTUI_TRASH_DAYS", "soon")
    ran = keytui("list")
    assert ran.code == 2
    assert "KEYTUI_TRASH_DAYS must be a whole number." in ran.err


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("24H", 86_400), ("2w", 1_209_600)])
def test_durations(text: str, seconds: int) -> None:
    assert parsing.duration(text) == seconds


def test_times_are_utc_whatever_the_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    assert rendering.utc(1_800_000_000) == "2027-01-15T08:00:00Z"
    monkeypatch.undo()
    time.tzset()


def test_a_table_is_cut_to_the_terminal() -> None:
    rows = [(Cell("鍵" * 10), Cell("second", "good"))]
    assert drawing.table(rows, columns=10, colored=True) == "鍵鍵鍵鍵…\n"
    assert drawing.table(rows, columns=None, colored=True) == f"{'鍵' * 10}  \x1b[32msecond\x1b[0m\n"


def test_nothing_a_terminal_obeys_is_drawn() -> None:
    rows = [(Cell("a\x1b[2Jb\u202ec\r\n"),)]
    assert drawing.table(rows, columns=None, colored=False) == "a\ufffd[2Jb\ufffdc\ufffd\ufffd\n"


def test_json_escapes_what_a_terminal_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    rendering.print_json({"name": "a\x1b\x9b31m\u202e é"})
    assert capsys.readouterr().out == '{\n  "name": "a\\u001b\\u009b31m\\u202e é"\n}\n'
