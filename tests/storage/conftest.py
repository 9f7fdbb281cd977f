"""Fixtures of the storage tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keytui.storage.backends import MemoryBackend
from tests import secret_service as services
from tests.storage.helpers import Clock
from tests.stores import memory_store, unlocked_vault_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore
    from tests.secret_service import SecretService


@pytest.fixture(params=["memory", "vault"])
def store(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Keystore]:
    """A store with its choice made: once in memory, once on a real vault."""
    made = memory_store(settings) if request.param == "memory" else unlocked_vault_store(settings)
    yield made
    made.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture
def timed(settings: Settings, clock: Clock, memory: MemoryBackend) -> Keystore:
    """A store in memory whose time the test moves."""
    return memory_store(settings, memory=memory, clock=clock)


@pytest.fixture(scope="session")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecretService]:
    services.need()
    yield from services.running(tmp_path_factory.mktemp("secret-service"))


@pytest.fixture
def secret_service(_service: SecretService, monkeypatch: pytest.MonkeyPatch) -> SecretService:
    """A real, unlocked gnome-keyring on a private bus, which the test's environment points to."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", _service.address)
    return _service


@pytest.fixture
def empty_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretService]:
    """A bus without any Secret Service."""
    services.need()
    for service in services.running(tmp_path / "bus", keyring=False):
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", service.address)
        yield service
