"""Rotations by the provider, killed after every step and with every fault of the server at every call.

`python -m tests.faults.issued` prints the table. The server's own list of keys that work is the witness.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from keytui import settings as settings_module
from keytui.demo.admin import Fault
from keytui.demo.server import DemoServer
from keytui.model import RemoteKey
from tests.faults.zygote import Zygote, environment
from tests.flows.issued import word_of
from tests.storage.killing import reopen
from tests.stores import fake_key, fields, open_vault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from keytui.demo.admin import FaultKind
    from keytui.model import Secret
    from keytui.storage.keystore import Keystore
    from tests.faults.zygote import Ended

NAME = "openai-prod"
QUICK = {"KEYTUI_PROPAGATION_SECONDS": "3", "KEYTUI_CHECK_SECONDS": "1"}
"""A request times out after a second, and a provider that has not caught up is asked for three."""

PATIENT = {"KEYTUI_PROPAGATION_SECONDS": "5", "KEYTUI_CHECK_SECONDS": "20"}

FAULTS: tuple[FaultKind, ...] = (
    "drop_before",
    "drop_after",
    "error_500",
    "error_500_after",
    "delay",
    "delay_after",
    "bad_request",
    "not_found",
)
DELAY_S = 1.6


class Scene(NamedTuple):
    """What a command is run on.

    Attributes:
        words: The command.
        before: Commands that are run before it, and are not killed.
        personal: The key belongs to a person; only a service account can have its successor.
        ends_key: The key is to be gone in the end.
    """

    name: str
    words: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    personal: bool = False
    ends_key: bool = False


ISSUE = ("rotate", NAME, "--issue", "-y")
SCENES = (
    Scene("rotate --now", (*ISSUE, "--now")),
    Scene("rotate --grace 1h", (*ISSUE, "--grace", "1h")),
    Scene("resume --now", ("rotate", "--resume", "--now", "-y"), ((*ISSUE, "--grace", "1h"),)),
    Scene("rotate, a person's key", (*ISSUE, "--now", "--to-service-account", "robot two"), personal=True),
    Scene("rotate again in grace", (*ISSUE, "--grace", "1h"), ((*ISSUE, "--grace", "1h"),)),
    Scene("undo the switch", ("undo", "-y"), ((*ISSUE, "--grace", "1h"),)),
    Scene("delete --revoke", ("delete", NAME, "--revoke", "-y"), ends_key=True),
    Scene("delete --revoke in grace", ("delete", NAME, "--revoke", "-y"), ((*ISSUE, "--grace", "1h"),), ends_key=True),
)


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        where: Where it was killed, or which fault at which call.
        code: The command's exit code.
        then: Number of live keys at the server after `rotate --resume`.
        last: The same after the grace period.
    """

    scene: str
    where: str
    code: int
    then: int
    last: int


class Place:
    """A home with an admin key and a key whose remote id is known, and a server that knows them."""

    def __init__(self, zygote: Zygote, folder: str, *, personal: bool = False) -> None:
        self.zygote = zygote
        self.folder = tempfile.mkdtemp(dir=folder)
        self.settings = settings_module.load({"KEYTUI_HOME": self.folder, "KEYTUI_NO_CACHE": "1"})
        self.server = DemoServer(delta_seconds=0, slow_seconds=0)
        self._personal = personal

    def __enter__(self) -> Self:
        self.server.start()
        vault, self.identity = open_vault(self.settings)
        del vault
        store = self.store()
        where = {"provider": "openai", "base_url": self.server.url}
        store.add(fields("openai-admin", kind="admin", **where), fake_key("sk-" + "admin-"))
        old = fake_key("sk-" + ("proj-" if self._personal else "svcacct-"))
        key = store.add(fields(NAME, **where), old)
        remote_id = self.server.admin.add_key(old, "made by hand", account="" if self._personal else "robot")
        (live,) = self.server.admin.live()
        store.know_remote(store.versions(key.id)[0].id, RemoteKey(remote_id, live.project_id, live.account_id))
        store.close()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def store(self) -> Keystore:
        """Open the store in this process."""
        return reopen(self.settings, self.identity)

    def run(self, *words: str, kill_at: int = -1, hurried: bool = False) -> Ended:
        """Run a command to its end, or to its death at a step."""
        environ = environment(self.folder, self.identity, **(QUICK if hurried else PATIENT))
        return self.zygote.run(*words, environ=environ, kill_at=kill_at)

    def look(self, scene: Scene, *, in_grace: bool) -> int:
        """Look at everything the table promises; returns how many keys live at the server.

        Args:
            in_grace: An old key may still work.
        """
        store = self.store()
        try:
            live = {live.id: live.name for live in self.server.admin.live()}
            rows = store.rotations(unfinished=False)
            known = {name for row in rows for name in (row.remote_name, *row.tried)}
            strangers = {name for name in live.values() if name.startswith("keytui:")} - known
            keys = [key for key in store.keys() if key.name == NAME]
            if not keys:
                assert scene.ends_key, "the key is gone"
                assert not live, f"deleted here, and alive there: {live}"
                return 0
            assert not strangers, f"unknown to keytui: {strangers}"
            (key,) = keys
            current = store.read(key.id)
            assert word_of(key, current) == "valid", f"the key in use does not work: {rows[0] if rows else ''}"
            allowed = {self._id(current)}
            if in_grace:
                versions = {version.id: version for version in store.versions(key.id)}
                allowed |= {
                    versions[row.retiring_version].remote_id for row in store.rotations() if row.retiring_version
                }
            # A grace period of a second may end between the server's list and this look at the journal.
            short = any(row.retire_at is not None and row.retire_at < time.time() + 10 for row in store.rotations())
            expected = allowed & set(live) | {self._id(current)} if short else allowed
            assert set(live) == expected, f"live: {live}, allowed: {allowed}, {store.rotations()}"
            if not in_grace:
                assert not store.rotations(), store.rotations()
                states = [version.state for version in store.versions(key.id)]
                assert states == ["current"], states
            return len(live)
        finally:
            store.close()

    def _id(self, secret: Secret) -> str:
        found = self.server.admin.id_of(secret)
        assert found is not None
        return found

    def finished(self, scene: Scene) -> tuple[int, int]:
        """Resume, look, end the grace period, look; returns both numbers of live keys."""
        self.server.admin.clear_faults()
        resumed = self.run("rotate", "--resume", "-y")
        assert resumed.code == 0, resumed.said
        then = self.look(scene, in_grace=True)
        ended = self.run("rotate", "--resume", "--now", "-y")
        assert ended.code == 0, ended.said
        return then, self.look(scene, in_grace=False)


def kills(zygote: Zygote, scene: Scene, folder: str, *, every: int = 1) -> Iterator[Row]:
    """Kill a command at each of its steps, or at every n-th, each time on a home and a server of its own."""
    number = 0
    while True:
        with Place(zygote, folder, personal=scene.personal) as place:
            for words in scene.before:
                done = place.run(*words)
                assert done.code == 0, done.said
            ended = place.run(*scene.words, kill_at=number)
            where = f"killed at {number}: {ended.steps[-1]}" if ended.code == -9 else "(to its end)"
            assert ended.code in (0, -9), ended.said
            yield Row(scene.name, where, ended.code, *place.finished(scene))
            if ended.code == 0:
                return
        number += every


def faults(zygote: Zygote, scene: Scene, folder: str, kinds: tuple[FaultKind, ...] = FAULTS) -> Iterator[Row]:
    """Let each call of a command go wrong in each way."""
    for kind in kinds:
        number = 0
        while True:
            with Place(zygote, folder, personal=scene.personal) as place:
                for words in scene.before:
                    place.run(*words)
                call = _fail(place.server, kind, number)
                ended = place.run(*scene.words, hurried=True)
                assert ended.code in (0, 5, 6), f"{kind} at call {number}: {ended}"
                if call:
                    yield Row(scene.name, f"{kind} at {' '.join(call)}", ended.code, *place.finished(scene))
            if not call:
                break
            number += 1


def lags(zygote: Zygote, folder: str) -> Iterator[Row]:
    """Rotate at a provider that is behind: lists, new keys and revocations take a while; or that forbids things."""
    scene = SCENES[0]
    for name, value in (
        ("list_lag", 3),
        ("activation_lag", 4),
        ("revocation_lag", 4),
        ("require_expiry", 86_400),
        ("deletes_keys", False),
    ):
        with Place(zygote, folder) as place:
            setattr(place.server.admin, name, value)
            if name == "list_lag":
                place.server.admin.fault("drop_after", "POST", "api_keys")
            ended = place.run(*scene.words)
            yield Row(scene.name, f"{name} {value}", ended.code, *place.finished(scene))


def _fail(server: DemoServer, kind: FaultKind, number: int) -> list[str]:
    """Let the call of this number from now on go wrong; what it was is put into the list that is returned."""
    first = len(server.admin.calls) + number
    hit: list[str] = []

    def due(method: str, path: str) -> Fault | None:
        if len(server.admin.calls) - 1 != first or hit:
            return None
        hit.extend((str(number), method, "/".join(path.split("/")[2:])))
        return Fault(kind, method, path, DELAY_S)

    server.admin._due_fault = due  # type: ignore[method-assign] # by number instead of by path
    return hit


def main() -> None:
    """Print the table: all of it, or with a word the scenes whose name holds it."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    counted: Counter[str] = Counter()
    with Zygote() as zygote, tempfile.TemporaryDirectory() as folder:
        for scene in SCENES:
            if word in scene.name:
                for row in chain(kills(zygote, scene, folder), faults(zygote, scene, folder)):
                    _print(row, counted)
        for row in lags(zygote, folder):
            _print(row, counted)
    sys.stdout.write(f"{sum(counted.values())} rows ({dict(counted)}), 0 losses, 0 orphans\n")


def _print(row: Row, counted: Counter[str]) -> None:
    counted["killed" if row.code == -9 else "fault or end"] += 1
    sys.stdout.write(f"{row.scene:26} {row.where:64} exit {row.code:2}  live {row.then} then {row.last}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
