"""unlock and lock. The kernel's keyring and the derivation are stand-ins here; storage tests the real ones."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import pytest

from keytui.cli import asking
from keytui.errors import WrongPassphrase
from keytui.model import Secret
from keytui.storage import cache
from keytui.storage.keystore import Keystore
from keytui.storage.vault import Vault
from tests.stores import fake_key, fields, open_vault

if TYPE_CHECKING:
    from keytui.settings import Settings
    from tests.cli.conftest import Commands

RIGHT = "correct horse battery staple"


class Kernel:
    """A kernel keyring.

    Attributes:
        kept: What it keeps, for how many seconds.
        works: Whether it can be used here.
    """

    def __init__(self) -> None:
        self.kept: dict[str, tuple[Secret, int]] = {}
        self.works = True

    def put(self, name: str, secret: Secret, seconds: int) -> bool:
        """See cache.put."""
        self.kept |= {name: (secret, seconds)} if self.works else {}
        return self.works

    def get(self, name: str) -> Secret | None:
        """See cache.get."""
        return self.kept[name][0] if name in self.kept else None

    def drop(self, name: str) -> None:
        """See cache.drop."""
        self.kept.pop(name, None)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    stand_in = Kernel()
    for name in ("put", "get", "drop"):
        monkeypatch.setattr(cache, name, getattr(stand_in, name))
    return stand_in


@pytest.fixture
def secret(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Secret:
    """The key "work" in a locked vault whose passphrase is RIGHT."""
    monkeypatch.delenv("KEYTUI_NO_CACHE")
    monkeypatch.setenv("KEYTUI_BACKEND", "vault")
    vault, identity = open_vault(settings)
    key = fake_key()
    store = Keystore(settings._replace(backend="vault"), backends={"vault": vault})
    store.add(fields("work"), key)
    store.close()

    def unlock(self: Vault, passphrase: Secret, *, once: object = None) -> None:
        del once
        if passphrase != Secret(RIGHT):
            raise WrongPassphrase("The passphrase does not open the vault.")
        self.open_with(identity)

    monkeypatch.setattr(Vault, "unlock", unlock)
    return key


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A terminal where these lines are typed at hidden prompts."""
    lines: list[str] = []
    monkeypatch.setattr(asking, "has_terminal", lambda: True)
    monkeypatch.setattr(getpass, "getpass", lambda _question: lines.pop(0))
    return lines


def test_unlock_opens_the_vault_for_other_commands_until_lock(
    script: Commands, kernel: Kernel, secret: Secret, typed: list[str]
) -> None:
    typed.append(RIGHT)
    opened = script("unlock", "--for", "2h")
    assert (opened.code, opened.out) == (0, "")
    assert opened.err == "The vault is open for 120 minutes. Close it with: keytui lock\n"
    assert [seconds for _, seconds in kernel.kept.values()] == [7200]
    assert script("get", "work").out == secret.reveal() + "\n"
    assert script("lock").code == 0
    assert not kernel.kept


def test_unlock_takes_the_time_of_the_settings(
    script: Commands, kernel: Kernel, secret: Secret, typed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert secret
    monkeypatch.setenv("KEYTUI_UNLOCK_MINUTES", "1")
    typed.append(RIGHT)
    assert "open for 1 minute." in script("unlock").err
    assert [seconds for _, seconds in kernel.kept.values()] == [60]


def test_a_command_asks_again_after_a_wrong_passphrase(
    script: Commands, kernel: Kernel, secret: Secret, typed: list[str]
) -> None:
    assert not kernel.kept
    typed += ["wrong", RIGHT]
    assert script("get", "work") == (0, secret.reveal() + "\n", "The passphrase does not open the vault.\n")


def test_a_third_wrong_passphrase_is_4(script: Commands, kernel: Kernel, secret: Secret, typed: list[str]) -> None:
    assert secret
    typed += ["wrong", "wrong", "wrong", RIGHT]
    ran = script("unlock")
    assert (ran.code, ran.out, typed) == (4, "", [RIGHT])
    assert not kernel.kept


def test_a_command_alone_leaves_nothing_in_the_kernel(
    script: Commands, kernel: Kernel, secret: Secret, typed: list[str]
) -> None:
    assert secret
    typed.append(RIGHT)
    assert script("get", "work").code == 0
    assert not kernel.kept


def test_without_a_kernel_keyring_unlock_is_4(
    script: Commands, kernel: Kernel, secret: Secret, typed: list[str]
) -> None:
    assert secret
    kernel.works = False
    typed.append(RIGHT)
    ran = script("unlock")
    assert ran.code == 4
    assert "kernel keyring" in ran.err


def test_without_a_terminal_unlock_is_4(script: Commands, kernel: Kernel, secret: Secret) -> None:
    assert secret
    ran = script("unlock")
    assert (ran.code, ran.out) == (4, "")
    assert not kernel.kept


def test_locking_what_is_locked_or_not_there_is_fine(script: Commands, kernel: Kernel) -> None:
    ran = script("lock")
    assert (ran.code, ran.err) == (0, "There is no vault to lock.\n")
    assert not kernel.kept
