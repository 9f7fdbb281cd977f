"""What a person is told when the vault is not as it was left: sentence and exit code of the real command."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from pyrage import x25519

from tests.faults.commands import Place, slots_on_disk, unlocked_place
from tests.stores import fake_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow  # a vault, a command and a full disk each

GONE = "There is no vault in {vault}. Restore it from a backup"
LOCKED = "The vault is locked. Run `keytui unlock`, or set KEYTUI_PASSPHRASE_FILE."
DAMAGED = "The vault's file for “one” is not what was written."


def stored(folder: Path) -> tuple[Place, dict[str, str]]:
    """A home with the keys "one" and "two"; returns their values as well."""
    place, values = unlocked_place(folder), {}
    for name in ("one", "two"):
        values[name] = fake_key().reveal()
        assert place.run("add", name, "--stdin", "--no-check", stdin=values[name])[0] == 0
    return place, values


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made, _ = stored(tmp_path / "place")
    recipient = recipient_of(made)
    yield made
    if os.path.isdir(made.settings.vault_dir):
        write(made, recipient.encode())  # its name in the kernel's keyring
        made.store().lock()


def recipient_of(place: Place) -> str:
    with open(os.path.join(place.settings.vault_dir, "recipient.txt"), encoding="ascii") as file:
        return file.read()


def write(place: Place, content: bytes, *path: str) -> None:
    """Write into a file of the vault, recipient.txt by default."""
    with open(os.path.join(place.settings.vault_dir, *(path or ("recipient.txt",))), "wb") as file:
        file.write(content)


def slot_files(place: Place) -> list[str]:
    """Paths of the secret files of "one" and "two"."""
    store = place.store()
    slots = [store.versions(store.find(name).id)[0].slot for name in ("one", "two")]
    store.close()
    return [os.path.join(place.settings.vault_dir, "secrets", f"{slot}.age") for slot in slots]


def vault_gone(place: Place) -> None:
    shutil.rmtree(place.settings.vault_dir)


def identity_gone(place: Place) -> None:
    os.remove(os.path.join(place.settings.vault_dir, "identity.age"))


def locked(place: Place) -> None:
    place.store().lock()


def recipient_replaced(place: Place) -> None:
    write(place, str(x25519.Identity.generate().to_public()).encode())


def truncated(place: Place) -> None:
    with open(slot_files(place)[0], "r+b") as file:
        file.truncate(100)


def swapped(place: Place) -> None:
    one, two = slot_files(place)
    os.rename(one, f"{one}.other")
    os.rename(two, one)
    os.rename(f"{one}.other", two)


def secret_gone(place: Place) -> None:
    os.remove(slot_files(place)[0])


@pytest.mark.parametrize(
    ("fault", "sentence", "writes"),
    [
        (vault_gone, GONE, False),
        (identity_gone, GONE, False),
        (locked, LOCKED, False),
        (recipient_replaced, LOCKED, False),
        (truncated, DAMAGED, True),
        (swapped, DAMAGED, True),
        (secret_gone, "The vault holds no secret for “one”. Restore vault/secrets from a backup", True),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_vault_that_is_not_as_it_was_left(
    place: Place, fault: Callable[[Place], None], sentence: str, writes: bool
) -> None:
    fault(place)
    told = f"keytui: {sentence.format(vault=place.settings.vault_dir)}"
    code, said = place.run("get", "one")
    assert code == 4
    assert said.startswith(told)
    code, said = place.run("add", "three", "--stdin", "--no-check", stdin=fake_key().reveal())
    assert code == (0 if writes else 4), said
    assert writes or said.startswith(told)
    store = place.store()
    assert [key.name for key in store.keys()] == (["one", "three", "two"] if writes else ["one", "two"])
    assert store.recover() == []
    store.close()


@pytest.mark.slow
def test_a_vault_opened_by_a_wrong_passphrase_file(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("right")
    file.chmod(0o600)
    home = tmp_path / "real"
    place.environ.update(KEYTUI_HOME=str(home), KEYTUI_PASSPHRASE_FILE=str(file))
    secret = fake_key().reveal()
    assert place.run("add", "one", "--stdin", "--no-check", stdin=secret)[0] == 0
    file.write_text("wrong")
    code, said = place.run("get", "one")
    assert (code, said) == (
        4,
        "keytui: The vault is locked. The passphrase does not open the vault. Check it and try again.\n",
    )
    file.write_text("right")
    recipient = home / "vault" / "recipient.txt"
    kept = recipient.read_text()
    recipient.write_text(str(x25519.Identity.generate().to_public()))
    code, said = place.run("get", "one")
    assert code == 4
    assert "recipient.txt does not belong to identity.age in the vault." in said
    recipient.write_text(kept)
    assert place.run("get", "one") == (0, "")


def test_a_vault_that_went_away_is_not_replaced_by_a_new_one(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("another")
    file.chmod(0o600)
    place.environ["KEYTUI_PASSPHRASE_FILE"] = str(file)
    away = f"{place.settings.vault_dir}.away"
    os.rename(place.settings.vault_dir, away)  # as a disk that is not mounted
    assert place.run("add", "three", "--stdin", "--no-check", stdin=fake_key().reveal())[0] == 4
    assert not os.path.lexists(place.settings.vault_dir)
    os.rename(away, place.settings.vault_dir)
    assert place.run("get", "one")[0] == 0


# --- disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder))
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a disk needs privilege")
    yield folder
    subprocess.run(("umount", "--lazy", str(folder)), check=True)


def fill(disk: Path, *, leave: int) -> None:
    """Fill the disk but for so many blocks of 4 KB."""
    free = os.statvfs(disk).f_bavail - leave
    with open(disk / "filler", "wb") as file:
        file.write(b"x" * 4096 * max(free, 0))


def test_a_read_only_disk_is_read_and_not_written(disk: Path) -> None:
    place, values = stored(disk / "home")
    subprocess.run(("mount", "-o", "remount,ro", str(disk)), check=True)
    for name in values:
        assert place.run("get", name) == (0, "")
    for words in (("add", "three", "--stdin", "--no-check"), ("delete", "one", "-y"), ("delete", "one", "--now", "-y")):
        code, said = place.run(*words, stdin=fake_key().reveal())
        told = f"{place.settings.lock_path} cannot be locked: Read-only file system."
        assert (code, said) == (4, f"keytui: {told} Check the permissions of its folder.\n")
    subprocess.run(("mount", "-o", "remount,rw", str(disk)), check=True)
    assert place.run("add", "three", "--stdin", "--no-check", stdin=fake_key().reveal())[0] == 0


@pytest.mark.parametrize("leave", [0, 1, 9, 11, 16, 24])
def test_a_full_disk_loses_nothing(disk: Path, leave: int) -> None:
    place, values = stored(disk / "home")
    fill(disk, leave=leave)
    new = fake_key().reveal()
    code, said = place.run("add", "three", "--stdin", "--no-check", stdin=new)
    assert code in (0, 4), said
    assert code == 0 or "space" in said
    rotated = fake_key().reveal()
    rotation, said = place.run("rotate", "two", "--stdin", "--no-check", stdin=rotated)
    assert rotation in (0, 4), said
    for name in ("one", "two"):
        assert place.run("get", name) == (0, ""), leave
    os.remove(disk / "filler")
    store = place.store()
    store.recover()
    found = {key.name: store.read(key.id).reveal() for key in store.keys()}
    # What was told as failed may be finished by recovery: better than to delete what may be the only copy.
    assert found["one"] == values["one"]
    assert found["two"] in ({rotated} if rotation == 0 else {rotated, values["two"]})
    assert found.get("three") in ({new} if code == 0 else {new, None})
    versions = [version for key in store.keys() for version in store.versions(key.id)]
    assert slots_on_disk(place.settings) == {f"{version.slot}.age" for version in versions}
    store.close()
    assert place.run("add", "four", "--stdin", "--no-check", stdin=fake_key().reveal())[0] == 0
