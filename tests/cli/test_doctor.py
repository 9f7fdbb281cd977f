"""doctor, and what the other commands say of a broken index. The vault is real; its passphrase is not derived."""

from __future__ import annotations

import json
import os
import random
import shlex
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from keytui.model import Secret
from keytui.storage.keystore import Keystore
from keytui.storage.vault import Vault
from tests.stores import fake_key, fields, memory_store, open_vault

if TYPE_CHECKING:
    from keytui.settings import Settings
    from tests.cli.conftest import Commands, Ran

STRONG = "age-encryption.org/v1\n-> scrypt c2FsdHNhbHRzYWx0c2FsdA {}\n"
PROTECTED = "The vault's passphrase is protected by a work factor of"
RESTORE = "Restore it from a backup."
MISMATCH = (
    "recipient.txt does not belong to identity.age in the vault. Restore both files from a backup; do not add keys"
    " before."
)
STRANGER = (
    "The OS keyring holds 1 secret that this index does not know. Another keytui home of yours may own them: deleting"
    " one here would delete it there."
)
NAMES = tuple(f"key-{number}" for number in range(8))


class Home:
    """A home whose vault opens by itself, as after `keytui unlock`.

    Attributes:
        secrets: What was stored, by name.
        open: Set it to False to lock the vault.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.open = True
        vault, self.identity = open_vault(settings)
        self.factor(18)
        self.secrets = {name: fake_key() for name in NAMES}
        store = Keystore(settings._replace(backend="vault"), backends={"vault": vault})
        for name, secret in self.secrets.items():
            store.add(fields(name, tags=("prod",), note="n" * 400), secret)
        store.close()
        with open(settings.index_path, "rb") as file:
            self.bytes = file.read()

    def factor(self, number: int) -> None:
        """Say that identity.age was made with this work factor."""
        with open(os.path.join(self.settings.vault_dir, "identity.age"), "w", encoding="ascii") as file:
            file.write(STRONG.format(number))

    def put(self, content: bytes) -> None:
        """Replace the index."""
        for name in os.listdir(self.settings.data_dir):
            if name.startswith("index.db"):
                os.remove(os.path.join(self.settings.data_dir, name))
        descriptor = os.open(self.settings.index_path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)

    def sql(self, statement: str) -> None:
        """Change the index behind keytui's back."""
        with closing(sqlite3.connect(self.settings.index_path)) as connection:
            connection.execute(statement)
            connection.commit()

    def file(self, name: str) -> str:
        """Path of the file of a key's secret."""
        with closing(sqlite3.connect(self.settings.index_path)) as connection:
            (slot,) = connection.execute("SELECT slot FROM versions WHERE label = ?", (name,)).fetchone()
        return os.path.join(self.settings.vault_dir, "secrets", f"{slot}.age")


@pytest.fixture
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Home:
    made = Home(settings)

    def unlock_from_cache(vault: Vault) -> bool:
        if made.open:
            vault.open_with(made.identity)
        return made.open

    monkeypatch.setattr(Vault, "unlock_from_cache", unlock_from_cache)
    monkeypatch.setenv("KEYTUI_BACKEND", "vault")
    return made


def found(ran: Ran) -> dict[str, tuple[str, str, str]]:
    """Level, sentence and fix by id, of `doctor --json`."""
    return {row["id"]: (row["level"], row["sentence"], row["fix"]) for row in json.loads(ran.out)["findings"]}


def bad(ran: Ran) -> dict[str, tuple[str, str, str]]:
    return {name: row for name, row in found(ran).items() if row[0] != "ok"}


# --- a healthy store


def test_a_healthy_store_is_0_and_says_what_it_is(script: Commands, home: Home) -> None:
    ran = script("doctor")
    assert (ran.code, ran.err) == (0, "")
    assert "ok       The index is whole: 8 keys.\n" in ran.out
    assert "ok       New keys go to the vault (KEYTUI_BACKEND).\n" in ran.out
    assert "ok       No OS keyring answers here.\n" in ran.out
    assert "ok       The vault's passphrase is protected by a work factor of 2^18.\n" in ran.out
    assert "ok       Every key that could be looked for has its secret.\n" in ran.out
    assert "Versions: keytui " in ran.out
    assert not any(secret.reveal()[-20:] in ran.out for secret in home.secrets.values())


def test_json_has_findings_and_versions_alone(script: Commands, home: Home) -> None:
    assert home.secrets
    ran = script("doctor", "--json")
    shown = json.loads(ran.out)
    assert set(shown) == {"findings", "versions"}
    assert all(set(row) == {"id", "level", "sentence", "fix"} for row in shown["findings"])
    assert {"keytui", "textual", "keyring", "openai", "pyrage", "python", "sqlite"} <= set(shown["versions"])


def test_an_empty_home_is_healthy(script: Commands) -> None:
    ran = script("doctor")
    assert ran.code == 0
    assert "There is no index yet: the first key makes one." in ran.out
    assert script("doctor", "--repair").err == "There was nothing to repair.\n"


def test_a_locked_vault_is_a_finding_and_no_fault(script: Commands, home: Home) -> None:
    home.open = False
    ran = script("doctor", "--json")
    said = ("ok", "The vault is locked: its files were not looked into.", "keytui unlock")
    assert (ran.code, found(ran)["vault-locked"]) == (0, said)


# --- what is wrong, and its fix


def test_what_others_may_read_is_2_and_its_command_closes_it(script: Commands, home: Home) -> None:
    os.chmod(home.file("key-1"), 0o644)
    os.chmod(home.settings.vault_dir, 0o710)  # noqa: S103 - that is the fault
    ran = script("doctor")
    assert ran.code == 2
    assert "error    Other users may look into 1 file of keytui.\n" in ran.out
    fixes = [line.partition("Fix: ")[2] for line in ran.out.splitlines() if "Fix: chmod" in line]
    assert len(fixes) == 2
    for fix in fixes:
        subprocess.run(shlex.split(fix), check=True)
    assert script("doctor").code == 0


def test_repair_closes_it_too(script: Commands, home: Home) -> None:
    os.chmod(home.file("key-1"), 0o644)
    ran = script("doctor", "--repair")
    assert (ran.code, ran.err) == (0, "1 file can be read by you alone again.\n")


@pytest.mark.parametrize(
    ("factor", "code", "said"),
    [
        (17, 1, ("warning", f"{PROTECTED} 2^17; 2^18 is wanted.")),
        (
            14,
            2,
            (
                "error",
                f"{PROTECTED} 2^14, which is too weak to be opened. {RESTORE}",
            ),
        ),
    ],
)
def test_a_weak_passphrase_protection_is_told(
    script: Commands, home: Home, factor: int, code: int, said: tuple[str, str]
) -> None:
    home.factor(factor)
    ran = script("doctor", "--json")
    assert (ran.code, found(ran)["work-factor"][:2]) == (code, said)


def test_an_identity_that_is_none_is_told(script: Commands, home: Home) -> None:
    with open(os.path.join(home.settings.vault_dir, "identity.age"), "wb") as file:
        file.write(b"\0" * 200)
    ran = script("doctor", "--json")
    said = ("error", "identity.age is not what was written. Restore it from a backup.", "")
    assert (ran.code, bad(ran)) == (2, {"work-factor": said})


def test_a_vault_without_its_identity_is_told(script: Commands, home: Home) -> None:
    os.remove(os.path.join(home.settings.vault_dir, "identity.age"))
    ran = script("doctor", "--json")
    assert ran.code == 2
    assert bad(ran)["vault"][1].startswith(f"There is no vault in {home.settings.vault_dir}. Restore it from")


def test_a_recipient_that_was_replaced_is_told(script: Commands, home: Home) -> None:
    from pyrage import x25519

    path = os.path.join(home.settings.vault_dir, "recipient.txt")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"{x25519.Identity.generate().to_public()}\n")
    ran = script("doctor", "--json")
    said = (
        "error",
        MISMATCH,
        "",
    )
    assert (ran.code, bad(ran)["recipient"]) == (2, said)
    with open(path, "w", encoding="ascii") as file:
        file.write("nothing\n")
    said = ("error", "recipient.txt of the vault cannot be read. Restore it from a backup.", "")
    assert bad(script("doctor", "--json"))["recipient"] == said


def test_a_missing_secret_is_2_and_its_row_stays(script: Commands, home: Home) -> None:
    os.remove(home.file("key-3"))
    ran = script("doctor", "--repair", "--json")
    said = ("error", "The vault holds no secret for “key-3”. Add or rotate it.", "")
    assert (ran.code, bad(ran)) == (2, {"secret-missing": said})
    assert "key-3" in script("list", "--names").out


def test_a_damaged_file_of_the_vault_is_2(script: Commands, home: Home) -> None:
    with open(home.file("key-3"), "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\0")
    ran = script("doctor", "--json")
    said = ("error", "A file of the vault is not what was written: “key-3”. Restore it from a backup.", "")
    assert (ran.code, bad(ran)) == (2, {"secret-damaged": said})


def test_an_unknown_secret_is_1_until_it_is_listed(script: Commands, home: Home) -> None:
    home.sql("DELETE FROM versions WHERE label = 'key-3'")
    home.sql("DELETE FROM keys WHERE name = 'key-3'")
    ran = script("doctor", "--json")
    said = ("warning", "The vault holds 1 secret that the index does not know.", "keytui doctor --repair")
    assert (ran.code, bad(ran)) == (1, {"unknown-slot": said})
    repaired = script("doctor", "--repair")
    told = "A key named “key-3” was found in the vault and is listed as “recovered-1”.\n"
    assert (repaired.code, repaired.err) == (0, told)
    assert script("get", "recovered-1").out == home.secrets["key-3"].reveal() + "\n"
    assert json.loads(script("show", "recovered-1", "--json").out)["env"] == "OPENAI_API_KEY"


def test_a_recovered_admin_key_is_one_again(script: Commands, home: Home) -> None:
    store = Keystore(home.settings._replace(backend="vault"))
    store._core.vault().open_with(home.identity)
    store.add(fields("boss", kind="admin"), fake_key("sk-" + "admin-"))
    store.close()
    home.put(b"")
    assert script("doctor", "--repair").code == 0
    assert json.loads(script("show", "boss", "--json").out)["kind"] == "admin"
    assert script("get", "boss").code == 2


def test_what_a_killed_write_left_is_1_until_it_is_removed(script: Commands, home: Home) -> None:
    left = os.path.join(home.settings.vault_dir, "secrets", "x.1.tmp")
    with open(left, "wb"):
        os.chmod(left, 0o600)
    ran = script("doctor", "--json")
    said = ("warning", "A write that was killed left 1 temporary file.", "keytui doctor --repair")
    assert (ran.code, bad(ran)) == (1, {"leftovers": said})
    assert script("doctor", "--repair").err == "1 file of a killed write was removed.\n"
    assert not os.path.exists(left)
    assert script("doctor").code == 0


def test_settings_that_cannot_be_read_are_a_finding(script: Commands, home: Home) -> None:
    with open(home.settings.settings_path, "w", encoding="ascii") as file:
        file.write("trash_days = 'soon'\n")
    ran = script("doctor", "--json")
    assert ran.code == 2
    level, sentence, _ = found(ran)["settings"]
    assert level == "error"
    assert sentence.startswith(f"trash_days in {home.settings.settings_path} must be a whole number")
    assert script("list").code == 2


def test_a_network_disk_and_a_synchronized_folder_are_told(
    script: Commands, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keytui.storage import home as home_module

    monkeypatch.setattr(home_module, "_file_system", lambda _folder: "nfs4")
    ran = script("doctor", "--json")
    assert (ran.code, list(bad(ran))) == (1, ["network-disk"])
    monkeypatch.setattr(home_module, "_file_system", lambda _folder: "ext4")
    synced = os.path.join(os.path.dirname(home.settings.data_dir), "Dropbox", "keytui")
    os.makedirs(synced, mode=0o700)
    monkeypatch.setenv("KEYTUI_HOME", synced)
    assert list(bad(script("doctor", "--json"))) == ["synced-folder"]


def test_secrets_of_another_home_are_listed_only_after_a_y(keytui: Commands, settings: Settings) -> None:
    other = memory_store(settings._replace(data_dir=f"{settings.data_dir}-other"), memory=keytui.memory)
    secret = fake_key()
    other.add(fields("theirs"), secret)
    assert keytui("add", "mine", "--stdin", "--no-check", stdin=fake_key().reveal()).code == 0
    ran = keytui("doctor", "--json")
    said = (
        "warning",
        STRANGER,
        "keytui doctor --repair -y",
    )
    assert (ran.code, bad(ran)) == (1, {"unknown-slot-os": said})
    assert keytui("doctor", "--repair").code == 1
    assert keytui("list", "--names").out == "mine\n"
    assert keytui("doctor", "--repair", "-y").code == 0
    assert keytui("get", "recovered-1").out == secret.reveal() + "\n"


# --- a broken index


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("removed", "is missing, but there were keys in it."),
        ("emptied", "is not a readable index."),
        ("cut", "is not a readable index."),
        ("rubbish", "is not a readable index."),
        ("a folder", "is not a readable index."),
    ],
)
def test_every_command_says_that_the_index_is_broken(script: Commands, home: Home, how: str, sentence: str) -> None:
    home.put({"cut": home.bytes[:9_000], "rubbish": b"no index at all" * 500}.get(how, b""))
    if how in ("removed", "a folder"):
        os.remove(home.settings.index_path)
    if how == "a folder":
        os.mkdir(home.settings.index_path, mode=0o700)
    hint = "No secret is in it, so none is lost. Rebuild it with: keytui doctor --repair"
    said = f"keytui: {home.settings.index_path} {sentence} {hint}\n"
    for words in (("list",), ("get", "key-1"), ("show", "key-1"), ("delete", "key-1", "-y"), ("undo", "-y")):
        assert script(*words) == (4, "", said), words
    assert script("add", "new", "--stdin", "--no-check", stdin=fake_key().reveal()) == (4, "", said)
    ran = script("doctor", "--json")
    assert (ran.code, bad(ran)["index"][2]) == (2, "keytui doctor --repair")
    assert script("doctor", "--repair").code == 0
    assert_all_there(script, home)


def test_a_broken_index_and_a_locked_vault_is_told_and_nothing_changes(script: Commands, home: Home) -> None:
    home.put(b"")
    home.open = False
    ran = script("doctor", "--repair")
    assert ran.code == 2
    assert ran.err.startswith("keytui: The vault is locked.")
    assert os.path.getsize(home.settings.index_path) == 0


def test_an_index_that_may_not_be_read_is_told_with_its_command(script: Commands, home: Home) -> None:
    path = home.settings.index_path
    os.chmod(path, 0)
    if os.access(path, os.R_OK):
        pytest.skip("this user reads what it may not")
    assert script("list").code == 4
    ran = script("doctor", "--json")
    assert ran.code == 2
    subprocess.run(shlex.split(bad(ran)["index"][2]), check=True)
    assert script("list").code == 0


def test_a_newer_index_is_refused_and_left_alone(script: Commands, home: Home) -> None:
    home.sql("PRAGMA user_version = 9")
    with open(home.settings.index_path, "rb") as file:
        before = file.read()
    said = f"keytui: {home.settings.index_path} was written by a newer keytui. Update keytui"
    assert script("list").err.startswith(said)
    ran = script("doctor", "--repair")
    assert (ran.code, ran.err.startswith(said)) == (2, True)
    with open(home.settings.index_path, "rb") as file:
        assert file.read() == before


def test_nonsense_in_the_index_is_told_as_what_it_is(script: Commands, home: Home) -> None:
    home.sql("UPDATE keys SET created_at = 'x', tags = 7 WHERE name = 'key-3'")
    home.sql("UPDATE versions SET created_at = 'x' WHERE label = 'key-3'")
    ran = script("list")
    assert (ran.code, ran.out) == (4, "")
    assert "is not a readable index. No secret is in it" in ran.err
    assert script("doctor", "--repair").code == 0
    assert_all_there(script, home)


def test_a_name_that_became_another_keys_goes_back_to_its_own_secret(script: Commands, home: Home) -> None:
    home.sql("DROP INDEX keys_name")
    home.sql("UPDATE keys SET name = 'key-6' WHERE name = 'key-4'")
    assert script("doctor").code == 2
    assert script("doctor", "--repair").code == 0
    assert_all_there(script, home)


def assert_all_there(script: Commands, home: Home) -> None:
    for name, secret in home.secrets.items():
        assert script("get", name) == (0, secret.reveal() + "\n", ""), name


def assert_flip_heals(script: Commands, home: Home, offset: int, bit: int) -> None:
    """A flipped bit costs no secret, and no name but one that now differs by that bit, which nothing could tell."""
    changed = bytearray(home.bytes)
    changed[offset] ^= 1 << bit
    home.put(bytes(changed))
    for words in (("list",), ("get", "key-3"), ("doctor",)):
        ran = script(*words)
        assert ran.code in (0, 1, 2, 3, 4), words
        assert "unforeseen" not in ran.err, words
        assert "Traceback" not in ran.err, words
    if "newer keytui" in script("doctor", "--repair").err:
        os.rename(home.settings.index_path, f"{home.settings.index_path}.away")
        script("doctor", "--repair")
    ran = script("doctor")
    assert ran.code == 0, ran.out
    names = [row["name"] for row in json.loads(script("list", "--json").out)]
    values = {name: Secret(script("get", name, "--admin").out.rstrip("\n")) for name in names}
    assert sorted(s.reveal() for s in values.values()) == sorted(s.reveal() for s in home.secrets.values())
    for name, secret in home.secrets.items():
        kept = next(other for other, value in values.items() if value == secret)
        assert kept == name or sum(a != b for a, b in zip(name, kept, strict=False)) == 1


def places(content: bytes, number: int) -> list[tuple[int, int]]:
    """Offsets, spread over what the file holds, each with a bit: the same ones each time."""
    chosen = random.Random(7)  # noqa: S311 - for a spread, not for secrecy
    held = [offset for offset, byte in enumerate(content) if byte]
    return [(offset, chosen.randrange(8)) for offset in chosen.sample(held, number)]


@pytest.mark.slow
def test_a_flipped_bit_of_the_index_loses_no_secret(script: Commands, home: Home) -> None:
    for offset, bit in places(home.bytes, 50):
        assert_flip_heals(script, home, offset, bit)


PARTS = int(os.environ.get("KEYTUI_TEST_FLIP_PARTS", "1"))
"""How many of the 64 parts of 4,000 flips run; all of them take ten minutes."""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_many_flipped_bits_of_the_index_lose_no_secret(script: Commands, home: Home, part: int) -> None:
    for offset, bit in places(home.bytes, 4_000)[part::64]:
        assert_flip_heals(script, home, offset, bit)


@pytest.mark.slow
def test_an_index_cut_at_every_sector_loses_no_secret(script: Commands, home: Home) -> None:
    for length in range(0, len(home.bytes), 512):
        home.put(home.bytes[:length])
        for words in (("list",), ("get", "key-3"), ("doctor",)):
            assert "unforeseen" not in script(*words).err
        assert script("doctor", "--repair").code == 0
        assert_all_there(script, home)
