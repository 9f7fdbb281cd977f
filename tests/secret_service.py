"""A Secret Service of the tests' own: gnome-keyring on a private bus, with a throw-away keyring.

Works without a display and without a login session. Nothing of the person's session is reached: the daemons get a bus,
a home and folders of their own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "throw-away"
_WAIT = 30.0


class SecretService(NamedTuple):
    """A running service.

    Attributes:
        address: Value for DBUS_SESSION_BUS_ADDRESS.
        daemon: The keyring, or None on a bus without one.
    """

    address: str
    daemon: subprocess.Popen[bytes] | None = None


def need() -> None:
    """Skip the test where no service can be started; fail it where KEYTUI_TEST_REQUIRE_KEYRING=1 says one must be."""
    absent = [tool for tool in ("dbus-daemon", "gnome-keyring-daemon") if shutil.which(tool) is None]
    if absent and os.environ.get("KEYTUI_TEST_REQUIRE_KEYRING") == "1":
        pytest.fail(f"not installed: {', '.join(absent)}")
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")


def running(
    folder: Path, *, keyring: bool = True, activatable: bool = False, password: str = PASSWORD
) -> Iterator[SecretService]:
    """Start a bus and, unless told otherwise, a gnome-keyring on it; stop both afterwards.

    Args:
        folder: A folder for everything the daemons write: empty, or one with a keyring from an earlier run.
        keyring: False leaves the bus without a keyring.
        activatable: Whether the bus starts a keyring by itself, as a desktop's does, for whoever asks for one.
        password: Opens the keyring, or makes one; with another one than before, it stays locked.
    """
    for name in ("data/keyrings", "home", "services"):
        (folder / name).mkdir(parents=True, mode=0o700, exist_ok=True)
    # Not below `folder`: a socket's path has 107 characters at most.
    sockets = tempfile.TemporaryDirectory(prefix="bus-")
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_RUNTIME_DIR": sockets.name,
    }
    if activatable:
        service = _SERVICE.format(program=shutil.which("gnome-keyring-daemon"))
        (folder / "services" / "org.freedesktop.secrets.service").write_text(service, encoding="ascii")
    config = folder / "bus.conf"
    config.write_text(_BUS.format(path=sockets.name, services=folder / "services"), encoding="ascii")
    bus = subprocess.Popen(
        ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address=1"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    daemon = None
    try:
        assert bus.stdout is not None
        address = bus.stdout.readline().decode().strip()
        if keyring:
            daemon = _gnome_keyring(environ | {"DBUS_SESSION_BUS_ADDRESS": address}, password)
            _wait_for(address, locked=password != PASSWORD)
        yield SecretService(address, daemon)
    finally:
        for process in (daemon, bus):
            if process is not None:
                process.terminate()
                process.communicate()
        sockets.cleanup()


def lock(address: str) -> None:
    """Lock the default collection, as a session does that has not logged in."""
    import secretstorage
    from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-untyped] # it has no stubs

    with open_dbus_connection(address) as bus:
        secretstorage.Collection(bus).lock()


def _gnome_keyring(environ: dict[str, str], password: str) -> subprocess.Popen[bytes]:
    daemon = subprocess.Popen(
        ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert daemon.stdin is not None
    daemon.stdin.write(password.encode())  # up to the end of the stream: a newline would belong to it
    daemon.stdin.close()
    daemon.stdin = None
    return daemon


def _wait_for(address: str, *, locked: bool) -> None:
    import secretstorage
    from jeepney.bus_messages import message_bus  # type: ignore[import-untyped] # it has no stubs
    from jeepney.io.blocking import open_dbus_connection

    owned = message_bus.NameHasOwner("org.freedesktop.secrets")
    deadline = time.monotonic() + _WAIT
    with open_dbus_connection(address) as bus:
        while time.monotonic() < deadline:
            # Asked first, since talking to a name that is not there yet makes the bus start another daemon.
            if bus.send_and_get_reply(owned).body[0]:
                try:
                    if secretstorage.Collection(bus).is_locked() is locked:
                        return
                except secretstorage.SecretStorageException:
                    pass
            time.sleep(0.02)  # the daemon offers no event to wait for before it is on the bus
    raise RuntimeError("gnome-keyring did not come up on the private bus")


# A bus of this user alone; of the services that a session's bus starts by itself, those of one folder, empty or not.
_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir={path}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{services}</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""

_SERVICE = """[D-BUS Service]
Name=org.freedesktop.secrets
Exec={program} --start --foreground --components=secrets
"""
