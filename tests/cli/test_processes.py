"""keytui as a process of its own: in pipes, without a terminal, and in a real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.leaks import leaks
from tests.stores import fake_key, fields, unlocked_vault_store
from tests.terminal import Terminal, plain_environment

if TYPE_CHECKING:
    from keytui.model import Secret
    from keytui.settings import Settings

KEYTUI = (sys.executable, "-m", "keytui")
PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def environ(machine: Path) -> dict[str, str]:
    """Variables of a process with an empty home and no desktop."""
    return plain_environment(machine, KEYTUI_BACKEND="vault")


@pytest.fixture
def locked(settings: Settings) -> Secret:
    """A key named "work" in a vault that this test alone could open; returns the key."""
    secret = fake_key()
    store = unlocked_vault_store(settings)
    store.add(fields("work"), secret)
    store.close()
    return secret


def script(environ: dict[str, str], *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run keytui without a terminal, as cron does."""
    return subprocess.run(
        (*KEYTUI, *words),
        input=stdin,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )


def test_a_locked_vault_without_a_terminal_is_4_with_a_way_out(environ: dict[str, str], locked: Secret) -> None:
    ran = script(environ, "get", "work")
    assert (ran.returncode, ran.stdout) == (4, "")
    assert ran.stderr.startswith("keytui: The vault is locked.")
    assert "KEYTUI_PASSPHRASE_FILE" in ran.stderr
    assert not leaks(ran.stderr.encode(), locked.reveal())


def test_a_locked_vault_still_lists_and_deletes(environ: dict[str, str], locked: Secret) -> None:
    assert locked
    assert script(environ, "list", "--names").stdout == "work\n"
    assert script(environ, "delete", "work", "-y").returncode == 0
    assert script(environ, "list", "--names").stdout == ""
    assert script(environ, "undo", "-y").returncode == 0
    assert script(environ, "list", "--names").stdout == "work\n"


def test_no_store_and_no_terminal_is_4_and_names_the_passphrase_file(environ: dict[str, str]) -> None:
    del environ["KEYTUI_BACKEND"]
    ran = script(environ, "add", "work", "--stdin", "--no-check", stdin=fake_key().reveal())
    assert ran.returncode == 4
    assert "KEYTUI_PASSPHRASE_FILE" in ran.stderr
    assert script(environ, "list", "--json").stdout == "[]\n"


def test_a_vault_set_up_and_opened_by_a_passphrase_file(environ: dict[str, str], machine: Path) -> None:
    file = machine / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    file.chmod(0o600)
    del environ["KEYTUI_BACKEND"]
    environ["KEYTUI_PASSPHRASE_FILE"] = str(file)
    secret = fake_key()
    added = script(environ, "add", "work", "--stdin", "--no-check", stdin=secret.reveal())
    assert added.returncode == 0, added.stderr
    assert script(environ, "get", "work", "-n").stdout == secret.reveal()
    assert json.loads(script(environ, "list", "--json").stdout)[0]["backend"] == "vault"
    for path in (machine / "keytui").rglob("*"):
        assert os.stat(path).st_mode & 0o077 == 0, path


def test_a_reader_that_goes_away_is_no_complaint(environ: dict[str, str], settings: Settings) -> None:
    store = unlocked_vault_store(settings)
    for number in range(250):
        store.add(fields(f"key-{number}"), fake_key())
    store.close()
    command = (*KEYTUI, "list", "--json")
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"[\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1


@pytest.mark.parametrize("words", [("list", "--json"), ("--help",)])
def test_output_that_cannot_be_written_is_1_with_the_reason(environ: dict[str, str], words: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        ran = subprocess.run((*KEYTUI, *words), env=environ, stdout=full, stderr=subprocess.PIPE, check=False)
    assert ran.returncode == 1
    assert ran.stderr.startswith(b"keytui: No space left on device (OSError at keytui.cli")
    assert ran.stderr.count(b"\n") == 1


def test_closed_output_is_no_failure(environ: dict[str, str]) -> None:
    ran = subprocess.run(("sh", "-c", 'exec "$@" >&- 2>&-', "sh", *KEYTUI, "list", "--json"), env=environ, check=False)
    assert ran.returncode == 0


def test_a_terminal_that_knows_ascii_only(environ: dict[str, str], locked: Secret) -> None:
    environ |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ran = script(environ, "list")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert locked.masked().replace("…", "\\u2026") in ran.stdout
    unknown = script(environ, "get", "schlüssel")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "not text in this terminal's encoding" in unknown.stderr


@pytest.mark.slow  # waits for a time-out
@pytest.mark.parametrize("more", [(), ("--prompt", "Hello")], ids=["check", "prompt"])
def test_a_name_that_is_looked_up_for_ever_holds_up_no_test(environ: dict[str, str], more: tuple[str, ...]) -> None:
    # A process, since the interpreter waits for threads at its end; a second of each case is the time-out.
    program = (
        "import os, socket, sys, threading\n"
        "from keytui.cli import main\n"
        "from keytui.cli.session import Session\n"
        "from keytui.settings import load\n"
        "from keytui.storage.backends import MemoryBackend\n"
        "from keytui.storage.keystore import Keystore\n"
        "from tests.stores import fake_key, fields\n"
        "store = Keystore(load(), backends={'os': MemoryBackend()})\n"
        "store.add(fields('work'), fake_key())\n"
        "Session.store = store\n"
        "socket.getaddrinfo = lambda *_, **__: threading.Event().wait()\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    environ |= {
        "KEYTUI_BACKEND": "os",
        "PYTHONPATH": ":".join(sys.path),
        "KEYTUI_CHECK_SECONDS": "1",
        "KEYTUI_PROMPT_SECONDS": "1",
    }
    command = (sys.executable, "-c", program, "test", "work", *more)
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=20, check=False)
    assert ran.returncode == 6
    assert "did not answer within 1 s" in ran.stdout + ran.stderr


def test_the_command_hardens_itself_before_it_reads_a_secret(environ: dict[str, str], machine: Path) -> None:
    program = (
        "import os, resource, sys\n"
        "from keytui import cli, settings\n"
        "def load(**_):\n"
        "    mask = os.umask(0)\n"
        "    print(resource.getrlimit(resource.RLIMIT_CORE)[0], oct(mask))\n"
        "    sys.exit(0)\n"
        "settings.load = load\n"
        "cli.main(['get', 'work'])\n"
    )
    ran = subprocess.run(
        (sys.executable, "-c", program), env=environ, cwd=machine, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "0 0o77\n"


def test_deleting_asks_for_a_y_on_a_terminal(environ: dict[str, str], locked: Secret) -> None:
    assert locked
    for answer, code, names in (("n", 8, "work\n"), ("", 8, "work\n"), ("y", 0, "")):
        with Terminal((*KEYTUI, "delete", "work"), environ) as terminal:
            terminal.wait_for("Delete work? It stays in the trash for 1 day. [y/N]")
            terminal.type(f"{answer}\r")
            assert terminal.wait_for_exit() == code
        assert script(environ, "list", "--names").stdout == names
    with Terminal((*KEYTUI, "undo"), environ) as terminal:
        terminal.wait_for("Undo this? work: Moved to the trash")
        terminal.type("y\r")
        assert terminal.wait_for_exit() == 0
    assert script(environ, "list", "--names").stdout == "work\n"


def test_ctrl_c_at_a_hidden_prompt_is_130_without_a_traceback(environ: dict[str, str], locked: Secret) -> None:
    assert locked
    with Terminal((*KEYTUI, "get", "work"), environ) as terminal:
        terminal.wait_for("Passphrase of the vault:")
        terminal.type("\x03")
        assert terminal.wait_for_exit() == 130
        assert b"Traceback" not in terminal.output


def test_a_key_pasted_at_the_prompt_of_add_is_not_shown_and_a_bad_one_not_stored(environ: dict[str, str]) -> None:
    bad = fake_key().reveal() + " " + fake_key().reveal()
    with Terminal((*KEYTUI, "add", "work", "--no-check"), environ) as terminal:
        terminal.wait_for("Key for work:")
        terminal.type(f"{bad}\r")
        assert terminal.wait_for_exit() == 2
        assert "The key has a space inside." in terminal.screen()
        assert not leaks(terminal.output, bad)


def test_a_first_key_on_a_machine_without_a_keyring(environ: dict[str, str]) -> None:
    del environ["KEYTUI_BACKEND"]
    secret = fake_key().reveal()
    with Terminal((*KEYTUI, "add", "work", "--no-check"), environ) as terminal:
        terminal.wait_for("Key for work:")
        terminal.type(f"{secret}\r")
        terminal.wait_for("Passphrase for a new vault")
        terminal.type(f"{PASSPHRASE}\r")
        terminal.wait_for("The same again:")
        terminal.type("another\r")
        terminal.wait_for("The two are not the same.")
        terminal.type(f"{PASSPHRASE}\r")
        terminal.wait_for_output(rb"(?s)The same again:.*The same again:")
        terminal.type(f"{PASSPHRASE}\r")
        assert terminal.wait_for_exit() == 0
        assert "in the vault." in terminal.screen()
        assert not leaks(terminal.output, secret)
        assert not leaks(terminal.output, PASSPHRASE)
    with Terminal((*KEYTUI, "get", "work"), environ) as terminal:
        terminal.wait_for("Passphrase of the vault:")
        terminal.type(f"{PASSPHRASE}\r")
        assert terminal.wait_for_exit() == 0
        assert secret in terminal.screen().replace("\n", "")


@pytest.mark.parametrize("columns", [40, 120])
def test_a_list_on_a_terminal_fits_it_and_is_colored(environ: dict[str, str], locked: Secret, columns: int) -> None:
    assert locked
    with Terminal((*KEYTUI, "list"), environ, columns=columns, rows=10) as terminal:
        assert terminal.wait_for_exit() == 0
        assert b"\x1b[1mNAME\x1b[0m" in terminal.output
        lines = [line for line in terminal.screen().splitlines() if line]
        assert len(lines) == 2
    with Terminal((*KEYTUI, "list"), {**environ, "NO_COLOR": "1"}, columns=columns, rows=10) as terminal:
        assert terminal.wait_for_exit() == 0
        assert b"\x1b" not in terminal.output


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("add", "a", "--stdin"), 2),
        ((), 2),
        (("delete", "work"), 8),
        (("get", "work"), 4),
        (("test", "work", "--prompt", "-"), 2),
    ],
)
def test_closed_input_is_nobody_to_ask(
    environ: dict[str, str], locked: Secret, words: tuple[str, ...], code: int
) -> None:
    command = ("sh", "-c", 'exec "$@" <&-', "sh", *KEYTUI, *words)
    ran = subprocess.run(command, env=environ, capture_output=True, check=False, start_new_session=True)
    assert (ran.returncode, ran.stdout) == (code, b"")
    assert b"unforeseen" not in ran.stderr
    assert locked


def test_error_output_that_cannot_be_written_changes_no_exit_code(environ: dict[str, str]) -> None:
    with open("/dev/full", "wb") as full:
        ran = subprocess.run((*KEYTUI, "get", "nobody"), env=environ, stderr=full, check=False)
    assert ran.returncode == 3


def test_bytes_typed_at_a_prompt_that_are_no_text(environ: dict[str, str]) -> None:
    with Terminal((*KEYTUI, "add", "work", "--no-check"), environ) as terminal:
        terminal.wait_for("Key for work:")
        terminal.process.send(b"\xff\xfe\r")
        assert terminal.wait_for_exit() == 2
        assert "is not text" in terminal.screen()
