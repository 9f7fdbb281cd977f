from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pyrage
import pytest

from keytui import process
from keytui.errors import SecretDamaged, StoreRefused, StoreUnavailable
from keytui.model import Secret
from keytui.storage import derive

if TYPE_CHECKING:
    from pathlib import Path

PASSPHRASE = Secret("correct horse battery staple")


@pytest.mark.parametrize(
    ("header", "factor"),
    [
        (b"age-encryption.org/v1\n-> scrypt c2FsdA 18\nbody", 18),
        (b"age-encryption.org/v1\n-> scrypt c2FsdA 9\nbody", 9),
        (b"age-encryption.org/v1\n-> X25519 abc\nbody", None),
        (b"age-encryption.org/v1\n-> scrypt c2FsdA many\nbody", None),
        (b"age-encryption.org/v2\n-> scrypt c2FsdA 18\nbody", None),
        (b"", None),
    ],
)
def test_the_work_factor_is_read_from_the_header(header: bytes, factor: int | None) -> None:
    assert derive.work_factor(header) == factor


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"age-encryption.org/v1\n-> scrypt c2FsdA 14\n--- mac\n", StoreRefused),
        (b"age-encryption.org/v1\n-> X25519 c2FsdA\n--- mac\n", SecretDamaged),
        (b"", SecretDamaged),
    ],
)
def test_an_identity_that_cannot_be_trusted_is_refused_unopened(
    machine: Path, content: bytes, error: type[Exception]
) -> None:
    path = machine / "identity.age"
    path.write_bytes(content)
    with pytest.raises(error, match=r"identity\.age"):
        derive.unlock(str(path), PASSPHRASE)


def test_a_derivation_that_dies_is_told(monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    monkeypatch.setattr(process, "helper_command", lambda *_: (sys.executable, "-c", "import os; os.abort()"))
    with pytest.raises(StoreUnavailable, match="ended before"):
        derive.unlock(str(machine / "identity.age"), PASSPHRASE)


def test_a_derivation_has_a_deadline(monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    monkeypatch.setattr(derive, "SECONDS", 0.05)
    monkeypatch.setattr(process, "helper_command", lambda *_: (sys.executable, "-c", "import time; time.sleep(60)"))
    with pytest.raises(StoreUnavailable, match="took longer"):
        derive.unlock(str(machine / "identity.age"), PASSPHRASE)


def test_a_weak_factor_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = iter((16, 17, 18, 19))

    def encrypt(_plain: bytes, _passphrase: str) -> bytes:
        return b"age-encryption.org/v1\n-> scrypt c2FsdA %d\n" % next(factors)

    monkeypatch.setattr(pyrage, "passphrase", type("Fake", (), {"encrypt": staticmethod(encrypt)}))
    assert derive._protect("p").endswith(b" 18\n")
    factors = iter((16, 15, 14))
    assert derive._protect("p").endswith(b" 16\n")


def test_an_identity_that_could_not_be_opened_again_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    weak = b"AGE-SECRET-KEY-1\nage-encryption.org/v1\n-> scrypt c2FsdA %d\n" % (derive.WEAKEST - 1)
    monkeypatch.setattr(derive, "_ask", lambda *_: weak)
    with pytest.raises(StoreRefused, match="too busy"):
        derive.protect(PASSPHRASE)


def test_the_passphrase_is_in_no_command_line(monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    commands: list[object] = []
    start = subprocess.Popen

    def noted(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        commands.append((command, options.get("env")))
        return start(command, **options)  # type: ignore[call-overload,no-any-return] # the options are derive's own

    monkeypatch.setattr(subprocess, "Popen", noted)
    with pytest.raises(StoreUnavailable):
        derive.unlock(str(machine / "none"), PASSPHRASE)
    assert len(commands) == 1
    assert PASSPHRASE.reveal() not in repr(commands)


def test_one_derivation_runs_at_a_time(monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    log = machine / "log"
    script = f"import sys; f = open({str(log)!r}, 'a'); f.write('begin '); f.flush(); sys.stdin.read(); f.write('end ')"
    monkeypatch.setattr(process, "helper_command", lambda *_: (sys.executable, "-c", script))
    threads = [threading.Thread(target=derive.unlock, args=("unused", PASSPHRASE)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.read_text() == "begin end " * 3
