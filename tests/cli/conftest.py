"""Runs commands in this process, on a store in memory and against the demo server."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from keytui import cli, process
from keytui.demo.server import DemoServer
from keytui.storage import keystore
from keytui.storage.backends import MemoryBackend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytui.settings import Settings


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


class Commands:
    """Runs `keytui WORDS…` as a script would: no terminal, unless a test says otherwise."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.memory = MemoryBackend()

    def __call__(self, *words: str, stdin: str | bytes = "") -> Ran:
        """Run a command with this on its standard input."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        self._capsys.readouterr()
        code = cli.main(list(words))
        return Ran(code, *self._capsys.readouterr())


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Commands on the real stores of an empty home."""
    # The test process itself stays as it is.
    monkeypatch.setattr(process, "harden", lambda: None)
    return Commands(capsys, monkeypatch)


@pytest.fixture
def keytui(script: Commands, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Commands on one store in memory, kept from run to run."""
    real = keystore.Keystore

    def in_memory(settings: Settings) -> keystore.Keystore:
        return real(settings, backends={"os": script.memory})

    monkeypatch.setattr(keystore, "Keystore", in_memory)
    return script


@pytest.fixture
def server() -> Iterator[DemoServer]:
    """A demo server on a free port."""
    with DemoServer(delta_seconds=0) as running:
        yield running
