"""What the real command tells when a real gnome-keyring is not as it should be: sentence and exit code."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from keytui import settings as settings_module
from keytui.errors import StoreLocked, StoreRefused, StoreUnavailable
from keytui.storage.backends import Slot
from keytui.storage.os_keyring import INIT_TRIES, OsKeyring
from tests import secret_service as services
from tests.faults.commands import Place
from tests.stores import fake_key
from tests.terminal import plain_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from jeepney.io.blocking import DBusConnection  # type: ignore[import-untyped] # it has no stubs

    from tests.secret_service import SecretService

pytestmark = pytest.mark.slow  # a Secret Service each

LOCKED = "The OS keyring is locked. Unlock it (log in, or open your keyring manager) and try again."
ABSENT = "No OS keyring answers here. On a machine without one, use a vault: KEYTUI_BACKEND=vault."
UNMADE = "The OS keyring has no default collection yet. Log in to a desktop session once, or use a vault:"

started = contextmanager(services.running)


def add(place: Place, name: str) -> tuple[int, str]:
    return place.run("add", name, "--stdin", "--no-check", stdin=fake_key().reveal())


def at(place: Place, service: SecretService) -> Place:
    """Let commands use this bus."""
    place.environ["DBUS_SESSION_BUS_ADDRESS"] = service.address
    return place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A home whose keys go to the OS keyring; no bus yet."""
    services.need()
    home = tmp_path / "place"
    settings = settings_module.load({"KEYTUI_HOME": str(home), "KEYTUI_BACKEND": "os"})
    environ = plain_environment(home, KEYTUI_HOME=str(home), KEYTUI_BACKEND="os")
    environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    environ.pop("DBUS_SESSION_BUS_ADDRESS", None)
    return Place(settings, environ)


@contextmanager
def locked(folder: Path, place: Place) -> Iterator[None]:
    with started(folder) as service:
        add(at(place, service), "one")
        services.lock(service.address)
        yield


@contextmanager
def wrong_password(folder: Path, place: Place) -> Iterator[None]:
    with started(folder) as service:
        add(at(place, service), "one")
    with started(folder, password="another") as service:
        at(place, service)
        yield


@contextmanager
def killed(folder: Path, place: Place) -> Iterator[None]:
    with started(folder) as service:
        add(at(place, service), "one")
        assert service.daemon is not None
        service.daemon.kill()
        service.daemon.wait()
        yield


@contextmanager
def killed_and_started_by_the_bus(folder: Path, place: Place) -> Iterator[None]:
    with started(folder, activatable=True) as service:
        add(at(place, service), "one")
        assert service.daemon is not None
        service.daemon.kill()
        service.daemon.wait()
        yield


@contextmanager
def bus_gone(folder: Path, place: Place) -> Iterator[None]:
    with started(folder) as service:
        add(at(place, service), "one")
    yield


@contextmanager
def bus_without_a_keyring(folder: Path, place: Place) -> Iterator[None]:
    with bus_gone(folder, place):
        pass
    with started(folder, keyring=False) as service:
        at(place, service)
        yield


@contextmanager
def started_by_the_bus_and_never_set_up(folder: Path, place: Place) -> Iterator[None]:
    with bus_gone(folder, place):
        pass
    with started(folder / "headless", keyring=False, activatable=True) as service:
        at(place, service)
        yield


@pytest.mark.secret_service
@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (locked, LOCKED),
        (wrong_password, LOCKED),
        (killed, ABSENT),
        (killed_and_started_by_the_bus, LOCKED),
        (bus_gone, ABSENT),
        (bus_without_a_keyring, ABSENT),
        (started_by_the_bus_and_never_set_up, UNMADE),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_keyring_that_cannot_be_used(
    place: Place, tmp_path: Path, state: Callable[[Path, Place], AbstractContextManager[None]], sentence: str
) -> None:
    with state(tmp_path / "bus", place):
        for words in (("get", "one"), ("rotate", "one", "--stdin", "--no-check"), ("delete", "one", "--now", "-y")):
            code, said = place.run(*words, stdin=fake_key().reveal())
            assert code == 4, words
            assert said.startswith(f"keytui: {sentence}"), words
        code, said = add(place, "two")
        assert code == 4
        assert said.startswith(f"keytui: {sentence}")
        assert place.run("list", "--names") == (0, "")
        assert place.run("delete", "one", "-y")[0] == 0
        assert place.run("undo", "-y")[0] == 0
        store = place.store()
        assert [(key.name, key.state) for key in store.keys()] == [("one", "active")]
        store.close()


@pytest.mark.secret_service
def test_a_key_comes_back_with_its_keyring(place: Place, tmp_path: Path) -> None:
    with bus_gone(tmp_path / "bus", place):
        assert place.run("get", "one")[0] == 4
    with started(tmp_path / "bus") as service:
        assert at(place, service).run("get", "one") == (0, "")
        assert add(place, "two")[0] == 0
        assert place.run("delete", "one", "--now", "-y")[0] == 0
        assert place.run("list", "--names") == (0, "")


class InitError(Exception):
    """What keyring raises, by this name, when a collection is just going away."""


class PasswordSetError(Exception):
    """What keyring raises, by this name, for a refusal."""


class KeyringLocked(Exception):
    """What keyring raises, by this name, for a locked collection."""


class FakeKeyring:
    """keyring's class, failing so many times first."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times, self.asked = error, times, 0

    def set_password(self, service: str, username: str, password: str) -> None:
        del service, username, password
        self.asked += 1
        if self.asked <= self.times:
            raise self.error


@pytest.mark.parametrize(
    ("error", "times", "asked", "told"),
    [
        (InitError(), INIT_TRIES - 1, INIT_TRIES, None),
        (InitError(), 99, INIT_TRIES, StoreUnavailable),
        (KeyringLocked(), 99, 1, StoreLocked),
        (PasswordSetError(), 99, 1, StoreRefused),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_a_passing_fault_is_tried_again_and_a_refusal_is_not(
    monkeypatch: pytest.MonkeyPatch, error: Exception, times: int, asked: int, told: type[Exception] | None
) -> None:
    fake, store = FakeKeyring(error, times), OsKeyring(10, "darwin")
    monkeypatch.setattr(store, "_keyring", lambda: fake)
    if told is None:
        store.write(Slot("ab" * 16, "name"), fake_key())
    else:
        with pytest.raises(told):
            store.write(Slot("ab" * 16, "name"), fake_key())
    assert fake.asked == asked


@pytest.mark.secret_service
def test_a_collection_that_is_just_going_away_is_looked_up_again(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import secretstorage

    real, asked = secretstorage.Collection, 0

    def collection(bus: DBusConnection) -> secretstorage.Collection:
        nonlocal asked
        asked += 1
        if asked < INIT_TRIES:
            raise secretstorage.ItemNotFoundException("gone")
        return real(bus)

    with started(tmp_path / "bus") as service:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", at(place, service).environ["DBUS_SESSION_BUS_ADDRESS"])
        monkeypatch.setattr(secretstorage, "Collection", collection)
        OsKeyring(10).ready()
    assert asked == INIT_TRIES
