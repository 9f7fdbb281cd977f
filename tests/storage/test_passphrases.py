from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from keytui.errors import StoreRefused
from keytui.storage import passphrases

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, content: bytes, mode: int = 0o600) -> str:
    path = folder / "passphrase"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("content", "passphrase"),
    [
        (b"correct horse", "correct horse"),
        (b"correct horse\n", "correct horse"),
        (b"correct horse\r\n", "correct horse"),
        (b"correct horse\n\n", "correct horse\n"),
        (b" spaces stay ", " spaces stay "),
        ("pässwörd\n".encode(), "pässwörd"),
    ],
)
def test_one_trailing_newline_is_dropped(machine: Path, content: bytes, passphrase: str) -> None:
    assert passphrases.from_file(written(machine, content)).reveal() == passphrase


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_others_can_read_is_refused(machine: Path, mode: int) -> None:
    with pytest.raises(StoreRefused, match="Others can read") as caught:
        passphrases.from_file(written(machine, b"secret", mode))
    assert "chmod 600" in caught.value.hint


def test_a_file_of_another_user_is_refused(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(machine, b"secret")
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(path).st_uid + 1)
    with pytest.raises(StoreRefused, match="another user"):
        passphrases.from_file(path)


@pytest.mark.parametrize("content", [b"", b"\n"])
def test_an_empty_file_is_refused(machine: Path, content: bytes) -> None:
    with pytest.raises(StoreRefused, match="is empty"):
        passphrases.from_file(written(machine, content))


def test_a_file_that_is_no_text_is_refused(machine: Path) -> None:
    with pytest.raises(StoreRefused, match="not UTF-8"):
        passphrases.from_file(written(machine, b"\xff\xfe"))


def test_a_missing_file_is_told(machine: Path) -> None:
    with pytest.raises(StoreRefused, match="cannot be read"):
        passphrases.from_file(str(machine / "none"))


def test_a_pipe_may_hold_it() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"from a pipe\n")
    os.close(writer)
    try:
        assert passphrases.from_file(f"/dev/fd/{reader}").reveal() == "from a pipe"
    finally:
        os.close(reader)
