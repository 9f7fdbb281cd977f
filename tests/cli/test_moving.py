"""passphrase, migrate, export and restore. The derivations are stand-ins here; storage and flows test the real ones."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

import pytest

from keytui.cli import asking
from keytui.model import Secret
from keytui.storage import keystore
from keytui.storage.backends import MemoryBackend
from keytui.storage.vault import Vault
from tests.storage import cheap
from tests.stores import fake_key, fields

if TYPE_CHECKING:
    from pathlib import Path

    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore
    from tests.cli.conftest import Commands

RIGHT, NEW = "correct horse battery staple", "another four words here"


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    cheap.use(monkeypatch)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A terminal where these lines are typed at hidden prompts."""
    lines: list[str] = []
    monkeypatch.setattr(asking, "has_terminal", lambda: True)
    monkeypatch.setattr(getpass, "getpass", lambda _question: lines.pop(0))
    return lines


def opened(settings: Settings, memory: MemoryBackend) -> Keystore:
    """The store a test looks into."""
    return keystore.Keystore(settings, backends={"os": memory, "vault": Vault(settings)})


@pytest.fixture
def both(script: Commands, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Commands on an OS keyring in memory and the real vault."""
    monkeypatch.setattr(keystore, "Keystore", _both(script.memory))
    return script


def _both(memory: MemoryBackend) -> type[Keystore]:
    real = keystore.Keystore

    class Both(real):  # type: ignore[misc,valid-type] # the class as it is before it is replaced
        def __init__(self, settings: Settings) -> None:
            super().__init__(settings, backends={"os": memory, "vault": Vault(settings)})

    return Both


@pytest.fixture
def vault(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Secret:
    """The key "work" in a locked vault whose passphrase is RIGHT."""
    monkeypatch.setenv("KEYTUI_BACKEND", "vault")
    store = opened(settings._replace(backend="vault"), MemoryBackend())
    store.set_up_vault(Secret(RIGHT))
    key = fake_key()
    store.add(fields("work"), key)
    store.close()
    return key


# --- passphrase


def test_the_passphrase_is_changed(script: Commands, vault: Secret, typed: list[str]) -> None:
    typed += ["wrong", RIGHT, "short", NEW, "other", NEW, NEW]
    ran = script("passphrase")
    assert (ran.code, ran.out, typed) == (0, "", [])
    assert "Copies of identity.age made before still open with the old one." in ran.err
    typed.append(NEW)
    assert script("get", "work").out == vault.reveal() + "\n"


def test_three_wrong_passphrases_are_4_and_no_new_one_is_asked_for(
    script: Commands, vault: Secret, typed: list[str]
) -> None:
    assert vault
    typed += ["wrong", "wrong", "wrong", NEW]
    assert script("passphrase").code == 4
    assert typed == [NEW]


def test_an_empty_new_passphrase_is_8(script: Commands, vault: Secret, typed: list[str]) -> None:
    assert vault
    typed += [RIGHT, ""]
    ran = script("passphrase")
    assert (ran.code, ran.err) == (8, "keytui: The passphrase was not changed.\n")


def test_the_passphrase_file_gives_the_old_one(
    script: Commands, vault: Secret, typed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert vault
    path = tmp_path / "passphrase"
    path.write_text(RIGHT)
    path.chmod(0o600)
    monkeypatch.setenv("KEYTUI_PASSPHRASE_FILE", str(path))
    typed += [NEW, NEW]
    ran = script("passphrase")
    assert (ran.code, typed) == (0, [])
    assert "still holds the old one" in ran.err
    typed += [NEW, NEW]
    assert script("passphrase").code == 4


def test_without_a_terminal_the_passphrase_stays(
    script: Commands, vault: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert vault
    ran = script("passphrase")
    assert (ran.code, "terminal" in ran.err) == (4, True)
    monkeypatch.setenv("KEYTUI_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    ran = script("passphrase")
    assert (ran.code, "terminal" in ran.err) == (8, True)


def test_without_a_vault_there_is_no_passphrase(script: Commands, typed: list[str]) -> None:
    assert script("passphrase").code == 2
    assert typed == []


# --- migrate


def test_keys_move_to_a_vault_that_is_set_up_for_it_and_back(both: Commands, typed: list[str]) -> None:
    secret = fake_key()
    for name in ("one", "two"):
        assert both("add", name, "--stdin", "--no-check", stdin=secret.reveal()).code == 0
    both("delete", "two", "-y")
    ran = both("migrate", "--to", "vault", "--dry-run")
    assert (ran.code, ran.out, ran.err) == (
        0,
        "one: 1 secret\ntwo: 1 secret, in the trash\n",
        "2 keys would move to the vault.\n",
    )
    assert len(both.memory.secrets) == 2
    typed += [NEW, NEW]
    ran = both("migrate", "--to", "vault")
    assert (ran.code, ran.out, both.memory.secrets) == (0, "", {})
    assert ran.err.endswith("one is moved.\ntwo is moved.\nAll keys are in the vault, and new ones go there.\n")
    typed += [NEW]
    assert both("get", "one").out == secret.reveal() + "\n"
    typed += [NEW]
    assert both("migrate", "--to", "os").code == 0
    assert both("get", "one").out == secret.reveal() + "\n"
    assert both("migrate", "--to", "os").err == "All keys are in the OS keyring, and new ones go there.\n"


def test_a_key_that_cannot_move_is_named_and_4(both: Commands, typed: list[str]) -> None:
    both("add", "one", "--stdin", "--no-check", stdin=fake_key().reveal())
    both("add", "two", "--stdin", "--no-check", stdin=fake_key().reveal())
    both.memory.secrets.pop(next(iter(both.memory.secrets)))
    typed += [NEW, NEW]
    ran = both("migrate", "--to", "vault")
    assert ran.code == 4
    assert "one was not moved: The store holds no secret for “one”." in ran.err
    assert "1 moved, 1 stay" in ran.err


def test_a_variable_that_says_otherwise_is_told(
    both: Commands, typed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYTUI_BACKEND", "os")
    both("add", "one", "--stdin", "--no-check", stdin=fake_key().reveal())
    typed += [NEW, NEW]
    said = both("migrate", "--to", "vault").err
    assert "KEYTUI_BACKEND still says os" in said
    assert "new ones go there" not in said


def test_a_vault_is_not_set_up_without_anybody_to_ask(both: Commands) -> None:
    both("add", "one", "--stdin", "--no-check", stdin=fake_key().reveal())
    ran = both("migrate", "--to", "vault")
    assert (ran.code, "KEYTUI_PASSPHRASE_FILE" in ran.err) == (4, True)
    assert len(both.memory.secrets) == 1


# --- export and restore


def test_keys_travel_in_a_file_to_another_home(
    keytui: Commands, typed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, path = fake_key(), str(tmp_path / "keys.age")
    keytui("add", "work", "--stdin", "--no-check", "--tag", "prod", stdin=secret.reveal())
    typed += [NEW, NEW]
    ran = keytui("export", path)
    assert (ran.code, ran.out) == (0, "")
    assert f"1 key written to {path}, and read back." in ran.err
    assert secret.reveal() not in ran.err
    monkeypatch.setenv("KEYTUI_HOME", str(tmp_path / "elsewhere"))
    typed += ["wrong", NEW]
    ran = keytui("restore", path, "--dry-run")
    assert (ran.code, ran.out) == (0, "work  https://api.openai.com/v1\n")
    assert keytui("list", "--names").out == ""
    typed += [NEW]
    ran = keytui("restore", path)
    assert ran.err == "work is restored.\n1 key restored. None was checked: keytui test --all\n"
    assert keytui("get", "work").out == secret.reveal() + "\n"
    typed += [NEW]
    assert keytui("restore", path).err.startswith("Skipped: “work” with the same key is here already.\n")
    assert keytui("list", "--names").out == "work\n"


def test_an_export_overwrites_nothing_and_stays_out_of_keytuis_home(
    keytui: Commands, typed: list[str], settings: Settings, tmp_path: Path
) -> None:
    keytui("add", "work", "--stdin", "--no-check", stdin=fake_key().reveal())
    (tmp_path / "there").write_text("mine")
    assert keytui("export", str(tmp_path / "there")).code == 2
    assert keytui("export", os.path.join(settings.data_dir, "keys.age")).code == 2
    assert ((tmp_path / "there").read_text(), typed) == ("mine", [])


def test_without_keys_there_is_nothing_to_export(keytui: Commands, typed: list[str], tmp_path: Path) -> None:
    assert keytui("export", str(tmp_path / "keys.age")).code == 1
    assert typed == []


def test_an_export_without_a_terminal_is_8_whatever_the_passphrase_file_says(
    keytui: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keytui("add", "work", "--stdin", "--no-check", stdin=fake_key().reveal())
    monkeypatch.setenv("KEYTUI_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    (tmp_path / "passphrase").write_text(RIGHT)
    (tmp_path / "other.age").write_bytes(cheap.seal(Secret("{}"), Secret(RIGHT)))
    assert keytui("export", str(tmp_path / "keys.age")).code == 8
    assert not (tmp_path / "keys.age").exists()
    assert keytui("restore", str(tmp_path / "other.age")).code == 8


@pytest.mark.parametrize("content", [b"", b"mine", bytes(range(256))])
def test_a_foreign_file_is_4(keytui: Commands, typed: list[str], tmp_path: Path, content: bytes) -> None:
    (tmp_path / "foreign").write_bytes(content)
    ran = keytui("restore", str(tmp_path / "foreign"))
    assert (ran.code, "keytui export" in ran.err, typed) == (4, True, [])


def test_a_file_that_is_not_there_is_2(keytui: Commands, typed: list[str], tmp_path: Path) -> None:
    ran = keytui("restore", str(tmp_path / "none"))
    assert (ran.code, "cannot be read" in ran.err, typed) == (2, True, [])


def test_a_key_that_cannot_be_exported_is_named_and_4(keytui: Commands, typed: list[str], tmp_path: Path) -> None:
    for name in ("one", "two"):
        keytui("add", name, "--stdin", "--no-check", stdin=fake_key().reveal())
    keytui.memory.secrets.pop(next(iter(keytui.memory.secrets)))
    typed += [NEW, NEW]
    ran = keytui("export", str(tmp_path / "keys.age"))
    assert (ran.code, "one is not in the export" in ran.err, "1 key written" in ran.err) == (4, True, True)


def test_a_key_that_cannot_be_restored_is_named_and_the_others_are(
    keytui: Commands, typed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.age"
    for name in ("one", "two"):
        keytui("add", name, "--stdin", "--no-check", stdin=fake_key().reveal())
    typed += [NEW, NEW]
    keytui("export", str(path))
    path.write_bytes(path.read_bytes().replace(b'"kind": "api"', b'"kind": "root"', 1))
    monkeypatch.setenv("KEYTUI_HOME", str(tmp_path / "elsewhere"))
    typed += [NEW]
    ran = keytui("restore", str(path))
    assert ran.code == 4
    assert "one cannot be restored: Its kind is neither api nor admin." in ran.err
    assert keytui("list", "--names").out == "two\n"
