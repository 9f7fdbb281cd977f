from __future__ import annotations

import json
import os
import re
import shutil
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pyrage
import pytest

from keytui.errors import (
    SecretDamaged,
    SecretMissing,
    StoreLocked,
    StoreRefused,
    StoreUnavailable,
    StoreUndecided,
    WrongPassphrase,
)
from keytui.model import Secret
from keytui.storage import derive, recovery, steps
from keytui.storage.backends import MemoryBackend, Slot
from keytui.storage.keystore import Keystore
from keytui.storage.vault import Vault
from tests.storage.killing import killed_at
from tests.stores import fake_key, fields, open_vault, unlocked_vault_store
from tests.terminal import default_signals

if TYPE_CHECKING:
    from keytui.settings import Settings

PASSPHRASE = Secret("correct horse battery staple")
ROTATED = tuple(fake_key() for _ in range(3))


class NoKeyring(MemoryBackend):
    """An OS keyring that fails its probe."""

    def probe(self) -> None:
        raise StoreUnavailable("No OS keyring answers here.")


def undecided(settings: Settings) -> Keystore:
    """A store that has chosen nothing yet, on a machine without an OS keyring."""
    return Keystore(settings, backends={"os": NoKeyring(), "vault": Vault(settings)})


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the derivations, which take seconds each, and note which were asked for."""
    asked: list[str] = []
    identity = Secret(str(pyrage.x25519.Identity.generate()))

    def protect(passphrase: Secret) -> tuple[Secret, bytes]:
        asked.append("protect")
        return identity, b"sealed with " + passphrase.reveal().encode()

    def unlock(path: str, passphrase: Secret) -> Secret:
        asked.append("unlock")
        with open(path, "rb") as file:
            if file.read() != b"sealed with " + passphrase.reveal().encode():
                raise WrongPassphrase("The passphrase does not open the vault.")
        return identity

    monkeypatch.setattr(derive, "protect", protect)
    monkeypatch.setattr(derive, "unlock", unlock)
    return asked


def slot_file(settings: Settings) -> str:
    (name,) = os.listdir(os.path.join(settings.vault_dir, "secrets"))
    return os.path.join(settings.vault_dir, "secrets", name)


# --- the real thing: three derivations here, one by age itself


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Secret]:
    """A home whose vault was made from PASSPHRASE, and a secret in it; beside it "rotated", which had several."""
    from keytui import settings as settings_module

    home = str(tmp_path_factory.mktemp("real"))
    store = undecided(settings_module.load({"KEYTUI_HOME": home, "KEYTUI_NO_CACHE": "1"}))
    store.set_up_vault(PASSPHRASE)
    secret = fake_key()
    assert store.read(store.add(fields(), secret).id) == secret
    rotated = store.add(fields("rotated"), ROTATED[0])
    for successor in ROTATED[1:]:
        store.switch(store.begin_rotation(rotated.id, successor).id)
    store.close()
    return home, secret


def test_a_passphrase_opens_what_it_made_and_another_does_not(real: tuple[str, Secret]) -> None:
    from keytui import settings as settings_module

    home, secret = real
    store = Keystore(settings_module.load({"KEYTUI_HOME": home, "KEYTUI_NO_CACHE": "1"}))
    assert (store.status().state, store.status().label) == ("locked", "Vault, locked")
    with pytest.raises(StoreLocked) as caught:
        store.read(store.find("openai-prod").id)
    assert caught.value.backend == "vault"
    with pytest.raises(WrongPassphrase):
        store.unlock(Secret(PASSPHRASE.reveal() + " "))
    store.unlock(PASSPHRASE)
    assert store.status().state == "ready"
    assert store.read(store.find("openai-prod").id) == secret
    store.lock()
    assert store.status().state == "locked"


def test_the_identity_is_protected_strongly_enough(real: tuple[str, Secret]) -> None:
    path = os.path.join(real[0], "vault", "identity.age")
    with open(path, "rb") as file:
        factor = derive.work_factor(file.read())
    assert factor is not None
    assert factor >= derive.WEAKEST
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def readme_recovery() -> tuple[str, str]:
    """The README's way to read a vault without keytui: its commands, and the one that asks for the passphrase once."""
    readme = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    section = readme.partition("Without keytui, the standard `age` tool reads it.")[2].partition("\n## ")[0]
    (commands,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    (once,) = re.findall(r"To type it once, `([^`]+)`", section)
    assert "use `-i identity.txt`" in section
    return commands, once


def typed(commands: str, home: Path, passphrases: int) -> str:
    """Type commands into a shell in a terminal, then the passphrase as often as age asks; return what is shown."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb"}
    shell = pexpect.spawn(
        *("sh", ["-eu", "-c", commands]), env=environ, encoding="utf-8", timeout=60, preexec_fn=default_signals
    )
    shown = ""
    for _ in range(passphrases):
        shell.expect("assphrase")
        shown += shell.before or ""
        shell.sendline(PASSPHRASE.reveal())
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 0, shell.before
    return shown + (shell.before or "")


@pytest.mark.slow  # a passphrase for every file
@pytest.mark.skipif(shutil.which("age") is None, reason="age is not installed")
def test_the_age_tool_alone_recovers_every_secret_of_a_copied_vault(real: tuple[str, Secret], tmp_path: Path) -> None:
    from keytui import settings as settings_module

    store = Keystore(settings_module.load({"KEYTUI_HOME": real[0], "KEYTUI_NO_CACHE": "1"}))
    labels = {v.slot: key.name for key in store.keys() for v in store.versions(key.id)}
    store.close()
    original, copy = os.path.join(real[0], "vault"), tmp_path / ".local/share/keytui/vault"
    shutil.copytree(original, copy)
    os.rename(original, f"{original}.gone")
    try:
        commands, once = readme_recovery()
        assert "secret" not in typed(f"cd {copy}; umask 077; {once}", tmp_path, 1)
        every = recovered(typed(commands.replace("-i identity.age", "-i identity.txt"), tmp_path, 0))
        # Word for word, with one file alone: age derives the passphrase again for each, which takes a second.
        for slot in list(labels)[1:]:
            os.remove(copy / "secrets" / f"{slot}.age")
        (single,) = recovered(typed(commands, tmp_path, 1))
    finally:
        os.rename(f"{original}.gone", original)
    assert {each["slot"]: each["name"] for each in every} == labels
    secrets = {("openai-prod", real[1].reveal()), *(("rotated", secret.reveal()) for secret in ROTATED)}
    assert {(each["name"], each["secret"]) for each in every} == secrets
    assert all(each["provider"] == "openai" for each in every)
    assert single in every


def recovered(shown: str) -> list[dict[str, object]]:
    """Return the JSON among what a terminal showed."""
    return [json.loads(part) for part in re.findall(r"\{.*\}", shown)]


# --- setting up


@pytest.mark.usefixtures("cheap")
def test_setting_up_chooses_the_vault_and_leaves_it_open(settings: Settings) -> None:
    store = undecided(settings)
    assert (store.status().state, store.status().label) == ("unset", "No store yet")
    with pytest.raises(StoreUndecided, match="No OS keyring answers here"):
        store.add(fields(), fake_key())
    store.set_up_vault(PASSPHRASE)
    assert store.settings.backend == "vault"
    assert store.add(fields(), fake_key()).backend == "vault"
    with open(settings.settings_path, encoding="utf-8") as file:
        assert 'backend = "vault"' in file.read()


@pytest.mark.usefixtures("cheap")
def test_a_second_vault_never_replaces_the_first(settings: Settings) -> None:
    store = undecided(settings)
    store.set_up_vault(PASSPHRASE)
    with pytest.raises(StoreRefused, match="already"):
        store.set_up_vault(Secret("another"))


@pytest.mark.usefixtures("cheap")
def test_secrets_without_their_identity_are_not_buried_under_a_new_one(settings: Settings) -> None:
    store = undecided(settings)
    store.set_up_vault(PASSPHRASE)
    store.add(fields(), fake_key())
    os.remove(os.path.join(settings.vault_dir, "identity.age"))
    with pytest.raises(StoreUnavailable, match="no vault"):
        undecided(settings).set_up_vault(PASSPHRASE)
    with pytest.raises(StoreRefused, match=r"identity\.age is missing"):
        Vault(settings).set_up(PASSPHRASE)


@pytest.mark.usefixtures("cheap")
def test_a_chosen_vault_that_is_not_set_up_asks_for_it(settings: Settings) -> None:
    with pytest.raises(StoreUndecided, match="not set up yet"):
        undecided(settings._replace(backend="vault")).add(fields(), fake_key())


@pytest.mark.usefixtures("cheap")
def test_killed_at_any_step_of_setting_up_it_can_be_set_up_or_opened(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    reached: list[str] = []
    while True:
        home = str(tmp_path_factory.mktemp("home"))
        own = settings._replace(data_dir=home, config_dir=home)
        name = killed_at(len(reached), undecided(own).set_up_vault, PASSPHRASE)
        store = undecided(own)
        if Vault(own).exists():
            store.unlock(PASSPHRASE)
        else:
            store.set_up_vault(PASSPHRASE)
        secret = fake_key()
        assert store.read(store.add(fields(), secret).id) == secret
        if not name:
            break
        reached.append(name)
    assert "vault.recipient_written" in reached


# --- KEYTUI_PASSPHRASE_FILE


@pytest.fixture
def from_file(settings: Settings, machine: Path) -> Settings:
    path = machine / "passphrase"
    path.write_text(PASSPHRASE.reveal() + "\n", encoding="utf-8")
    path.chmod(0o600)
    return settings._replace(passphrase_file=str(path))


def test_a_passphrase_file_sets_up_a_missing_vault_and_opens_it_later(from_file: Settings, cheap: list[str]) -> None:
    secret = fake_key()
    key = undecided(from_file).add(fields(), secret)
    later = undecided(from_file._replace(backend="vault"))
    assert later.read(key.id) == secret
    later.add(fields("next"), fake_key())
    assert cheap == ["protect", "unlock"]


def test_a_wrong_passphrase_file_is_tried_once_and_told(from_file: Settings, cheap: list[str]) -> None:
    key = undecided(from_file).add(fields(), fake_key())
    with open(from_file.passphrase_file, "w", encoding="utf-8") as file:
        file.write("wrong")
    later = undecided(from_file._replace(backend="vault"))
    for _ in range(2):
        with pytest.raises(StoreLocked, match="passphrase does not open"):
            later.read(key.id)
    assert cheap == ["protect", "unlock"]
    assert later.unlock_quietly() is False
    with open(from_file.passphrase_file, "w", encoding="utf-8") as file:
        file.write(PASSPHRASE.reveal())
    assert later.unlock_quietly() is True


class Counted:
    """A lock that says how many have come to it."""

    def __init__(self) -> None:
        self.came = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self.came.release()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_keys_read_at_once_open_the_vault_once(
    from_file: Settings, cheap: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [undecided(from_file).add(fields(name), fake_key()).id for name in ("one", "two", "three", "four")]
    cheap.clear()
    later = undecided(from_file._replace(backend="vault", use_cache=False))
    lock, unlock = Counted(), derive.unlock

    def slow(path: str, passphrase: Secret) -> Secret:
        assert all(lock.came.acquire(timeout=30) for _ in ids), "not all of them waited"
        return unlock(path, passphrase)

    monkeypatch.setattr(derive, "unlock", slow)
    monkeypatch.setattr(later._core.vault(), "opening", lock)
    with ThreadPoolExecutor(len(ids)) as threads:
        assert len(set(threads.map(lambda key_id: later.read(key_id).reveal(), ids))) == len(ids)
    assert cheap == ["unlock"]


@pytest.mark.usefixtures("cheap")
def test_a_passphrase_file_others_can_read_opens_nothing(from_file: Settings) -> None:
    key = undecided(from_file).add(fields(), fake_key())
    os.chmod(from_file.passphrase_file, 0o644)
    with pytest.raises(StoreLocked, match="Others can read"):
        undecided(from_file._replace(backend="vault")).read(key.id)


# --- what somebody did to the files


def test_a_recipient_that_is_not_the_identitys_is_refused(settings: Settings) -> None:
    _, identity = open_vault(settings)
    other = pyrage.x25519.Identity.generate().to_public()
    with open(os.path.join(settings.vault_dir, "recipient.txt"), "w", encoding="ascii") as file:
        file.write(str(other))
    vault = Vault(settings)
    with pytest.raises(SecretDamaged, match=r"recipient\.txt"):
        vault.open_with(identity)
    assert vault.locked


def test_a_swapped_file_is_not_taken_for_the_key(settings: Settings) -> None:
    store = unlocked_vault_store(settings)
    one, two = (store.add(fields(name), fake_key()) for name in ("one", "two"))
    folder = os.path.join(settings.vault_dir, "secrets")
    places = [os.path.join(folder, f"{store.versions(key.id)[0].slot}.age") for key in (one, two)]
    shutil.copy(places[1], places[0])
    with pytest.raises(SecretDamaged, match="one"):
        store.read(one.id)


@pytest.mark.parametrize("change", ["truncate", "flip", "empty", "other"])
def test_a_changed_file_is_told(settings: Settings, change: str) -> None:
    store = unlocked_vault_store(settings)
    key = store.add(fields(), fake_key())
    path = slot_file(settings)
    with open(path, "rb") as file:
        sealed = file.read()
    recipient = pyrage.x25519.Identity.generate().to_public()
    changed = {
        "truncate": sealed[:-1],
        "flip": sealed[:-1] + bytes([sealed[-1] ^ 1]),
        "empty": b"",
        "other": pyrage.encrypt(b"{}", [recipient]),
    }
    with open(path, "wb") as file:
        file.write(changed[change])
    with pytest.raises(SecretDamaged):
        store.read(key.id)


def test_a_file_that_is_gone_is_missing(settings: Settings) -> None:
    store = unlocked_vault_store(settings)
    key = store.add(fields(), fake_key())
    os.remove(slot_file(settings))
    with pytest.raises(SecretMissing):
        store.read(key.id)
    assert store.key(key.id).state == "missing"


def test_a_slot_is_never_overwritten(settings: Settings) -> None:
    vault, _ = open_vault(settings)
    place, first = Slot("ab" * 16, "name"), fake_key()
    vault.write(place, first)
    with pytest.raises(StoreRefused, match="exists already"):
        vault.write(place, fake_key())
    assert vault.read(place) == first


def test_a_vault_whose_identity_is_gone_says_so(settings: Settings) -> None:
    store = unlocked_vault_store(settings)
    key = store.add(fields(), fake_key())
    os.remove(os.path.join(settings.vault_dir, "identity.age"))
    store.lock()
    with pytest.raises(StoreUnavailable, match="no vault"):
        store.read(key.id)


def test_deleting_needs_no_passphrase(settings: Settings) -> None:
    store = unlocked_vault_store(settings)
    key = store.add(fields(), fake_key())
    store.lock()
    store.delete(key.id, now=True)
    assert os.listdir(os.path.join(settings.vault_dir, "secrets")) == []


def test_adding_to_a_locked_vault_asks_first_and_leaves_no_row(settings: Settings) -> None:
    store = unlocked_vault_store(settings)
    store.lock()
    with pytest.raises(StoreLocked):
        store.add(fields(), fake_key())
    assert store.keys() == []


@pytest.mark.parametrize("gone", ["secrets", "vault"])
def test_recovery_drops_nothing_while_the_vault_cannot_be_looked_into(
    settings: Settings, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, secret = unlocked_vault_store(settings), fake_key()

    def interrupt(step: str) -> None:
        if step == "add.slot_written":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(steps, "reached", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.add(fields(), secret)
    folder = settings.vault_dir if gone == "vault" else os.path.join(settings.vault_dir, "secrets")
    os.rename(folder, f"{folder}.away")
    with open(folder, "w", encoding="ascii"):
        pass  # a file where the folder was, as unreadable as a closed folder, for root too
    assert store.recover() == []
    assert [key.state for key in store.keys()] == ["interrupted"]
    os.remove(folder)
    os.rename(f"{folder}.away", folder)
    assert len(store.recover()) == 1
    assert store.read(store.find(fields().name).id) == secret


def test_an_unlocked_vault_stays_so_when_recovery_fails(
    settings: Settings, cheap: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = undecided(settings)
    store.set_up_vault(PASSPHRASE)
    store.lock()

    def full(_core: object) -> list[str]:
        raise StoreRefused("The disk is full.")

    monkeypatch.setattr(recovery, "recover", full)
    store.unlock(PASSPHRASE)
    assert store.status().state == "ready"
    assert cheap == ["protect", "unlock"]


def test_an_identity_that_cannot_be_read_says_so(settings: Settings) -> None:
    store = unlocked_vault_store(settings)
    store.lock()
    path = os.path.join(settings.vault_dir, "identity.age")
    os.remove(path)
    os.mkdir(path)  # unreadable for root too
    with pytest.raises(StoreUnavailable, match=r"identity\.age in the vault cannot be read"):
        store.unlock(PASSPHRASE)
