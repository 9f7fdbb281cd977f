"""Which modules are loaded when: the promise of a fast start, and of no foreign module near a secret."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from keytui.cli import registry
from keytui.storage.keystore import Keystore
from tests.stores import fake_key, fields, open_vault
from tests.terminal import plain_environment

if TYPE_CHECKING:
    from pathlib import Path

    from keytui.settings import Settings

HEAVY = frozenset(
    (
        *("typing", "dataclasses", "enum", "pathlib", "logging", "tomllib", "secrets", "subprocess", "tempfile"),
        *("platformdirs", "filelock", "asyncio", "concurrent.futures", "argparse", "re", "json", "shutil"),
        *("keyring", "secretstorage", "openai", "httpx", "textual", "rich", "pyperclip", "shtab"),
    )
)
"""What `keytui get` has no time for (see facts of each in the modules that avoid them)."""

FOREIGN = frozenset(("keyring", "secretstorage", "openai", "httpx", "textual", "rich", "pyperclip", "shtab"))

_REPORT = "\nimport sys\nsys.stderr.write('\\n' + ' '.join(sorted(sys.modules)))"


def loaded_by(program: str, home: Path, **more: str) -> frozenset[str]:
    """Return the modules a program loads beyond those of an empty one, in an interpreter of its own."""

    def modules(text: str) -> set[str]:
        environ = {**plain_environment(home), **more}
        command = (sys.executable, "-c", text + _REPORT)
        ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        return set(ran.stderr.splitlines()[-1].split())

    return frozenset(modules(program) - modules(""))


def command(*words: str) -> str:
    return f"from keytui.cli import main\nassert main({list(words)!r}) == 0"


def test_the_command_line_alone_loads_next_to_nothing(machine: Path) -> None:
    loaded = loaded_by("import keytui.cli", machine)
    assert not loaded & (HEAVY | {"sqlite3", "keytui.storage.keystore"})
    assert {name for name in loaded if name.startswith("keytui")} == {"keytui", "keytui.cli", "keytui.errors"}


def test_get_from_an_open_vault(machine: Path, settings: Settings) -> None:
    vault, identity = open_vault(settings)
    store = Keystore(settings._replace(backend="vault"), backends={"vault": vault})
    secret = fake_key()
    store.add(fields("work"), secret)
    store.close()
    # The identity comes as if from the kernel's keyring, which containers often forbid.
    program = (
        "import os\n"
        "from keytui.storage import vault\n"
        "from keytui.model import Secret\n"
        "def opened(self):\n"
        "    self.open_with(Secret(os.environ['KEYTUI_TEST_IDENTITY']))\n"
        "    return True\n"
        "vault.Vault.unlock_from_cache = opened\n"
    ) + command("get", "work")
    loaded = loaded_by(program, machine, KEYTUI_BACKEND="vault", KEYTUI_TEST_IDENTITY=identity.reveal())
    assert "keytui.storage.vault" in loaded
    # The vault's files are JSON, and json imports re.
    assert not loaded & (HEAVY - {"json", "re"})


@pytest.mark.parametrize("words", [("list",), ("list", "--json"), ("list", "--names"), ("--help",), ("--version",)])
def test_what_needs_no_secret_loads_no_store_and_no_provider(machine: Path, words: tuple[str, ...]) -> None:
    loaded = loaded_by(command(*words), machine)
    assert not loaded & FOREIGN
    assert not loaded & {"typing", "dataclasses", "pathlib", "logging", "asyncio", "subprocess", "pyrage"}
    assert not {name for name in loaded if name.startswith(("keytui.tui", "keytui.demo", "keytui.flows"))}


@pytest.mark.parametrize("name", [command.name for command in registry.COMMANDS])
def test_the_help_of_a_command_loads_nothing_foreign(machine: Path, name: str) -> None:
    loaded = loaded_by(command(name, "--help"), machine)
    assert not loaded & FOREIGN
    assert not {module for module in loaded if module.startswith("keytui.tui")}


def test_adding_a_key_unchecked_loads_no_client(machine: Path) -> None:
    program = (
        "import io, sys\n"
        "from keytui.storage import backends, keystore\n"
        "real, memory = keystore.Keystore, backends.MemoryBackend()\n"
        "keystore.Keystore = lambda settings: real(settings, backends={'os': memory})\n"
        f"sys.stdin = io.TextIOWrapper(io.BytesIO({fake_key().reveal()!r}.encode()))\n"
    ) + command("add", "work", "--stdin", "--no-check")
    assert not loaded_by(program, machine) & (FOREIGN - {"shtab"})
