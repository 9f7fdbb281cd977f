"""Homes for commands, each with a key, its admin key, and a server that knows both and is the witness of what lives."""

from __future__ import annotations

import tempfile
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from keytui import settings as settings_module
from keytui.demo.admin import PATHS, Fault
from keytui.demo.organization import DEFAULT_PROJECT
from keytui.demo.server import DemoServer
from keytui.model import RemoteKey
from tests.faults.zygote import environment
from tests.flows.issued import word_of
from tests.storage.killing import reopen
from tests.stores import fake_key, fields, open_vault

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from keytui.demo.admin import FaultKind
    from keytui.model import Key, Rotation, Secret
    from keytui.storage.keystore import Keystore
    from tests.faults.zygote import Ended, Zygote

RESUME = ("rotate", "--resume", "-y")
QUICK = {"KEYTUI_PROPAGATION_SECONDS": "3", "KEYTUI_CHECK_SECONDS": "1"}
"""A request times out after a second, and a provider that has not caught up is asked for three."""

PATIENT = {"KEYTUI_PROPAGATION_SECONDS": "4", "KEYTUI_CHECK_SECONDS": "20"}
DELAY_S = 1.6


class Provider(NamedTuple):
    """A provider that issues keys, and what a test stores of it.

    Attributes:
        name: Of the key that is rotated.
        shapes: Prefixes of a key, of a person's key, and of an admin key.
    """

    id: str
    name: str
    shapes: tuple[str, str, str]


OPENAI = Provider("openai", "openai-prod", ("sk-" + "svcacct-", "sk-" + "proj-", "sk-" + "admin-"))
OPENROUTER = Provider("openrouter", "router", ("sk-" + "or-v1-",) * 3)


class Place:
    """A home with an admin key and a key whose remote id is known, and a server that knows them.

    Args:
        personal: The key belongs to a person; only a service account can have its successor.
        policy: What the server is like: attributes of its `admin`.

    Attributes:
        old: The value the key begins with.
    """

    def __init__(
        self,
        zygote: Zygote,
        folder: str,
        provider: Provider = OPENAI,
        *,
        personal: bool = False,
        policy: Iterable[tuple[str, object]] = (),
    ) -> None:
        self.zygote = zygote
        self.folder = tempfile.mkdtemp(dir=folder)
        self.provider = provider
        self.settings = settings_module.load({"KEYTUI_HOME": self.folder, "KEYTUI_NO_CACHE": "1"})
        self.server = DemoServer(delta_seconds=0, slow_seconds=0)
        self._personal = personal
        self._policy = policy

    def __enter__(self) -> Self:
        self.server.start()
        vault, self.identity = open_vault(self.settings)
        del vault
        admin = fields(f"{self.provider.id}-admin", kind="admin", **self._where())
        store = self.store()
        store.add(admin, fake_key(self.provider.shapes[2]))
        store.close()
        self.add()
        for name, value in self._policy:
            setattr(self.server.admin, name, value)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def _where(self) -> dict[str, str]:
        return {"provider": self.provider.id, "base_url": self.server.url}

    def add(self) -> None:
        """Store a key that the provider has."""
        self.old = fake_key(self.provider.shapes[self._personal])
        account = "" if self._personal or self.provider is OPENROUTER else "robot"
        project = "" if self.provider is OPENROUTER else DEFAULT_PROJECT
        self.old_id = self.server.admin.add_key(self.old, "made by hand", project_id=project, account=account)
        live = next(each for each in self.server.admin.live() if each.id == self.old_id)
        store = self.store()
        self.key: Key = store.add(fields(self.provider.name, **self._where()), self.old)
        store.know_remote(store.versions(self.key.id)[0].id, RemoteKey(self.old_id, live.project_id, live.account_id))
        store.close()

    def store(self) -> Keystore:
        """Open the store in this process."""
        return reopen(self.settings, self.identity)

    def run(self, *words: str, kill_at: int | str = -1, hurried: bool = False) -> Ended:
        """Run a command to its end, or to its death at a step."""
        environ = environment(self.folder, self.identity, **(QUICK if hurried else PATIENT))
        return self.zygote.run(*words, environ=environ, kill_at=kill_at)

    # --- what must be true

    def living(self) -> dict[str, str]:
        """Return names of the keys that live at the server, by their ids, without those told to end within a second."""
        soon = time.time() + 2
        lasting = (each for each in self.server.admin.live() if each.expires_at is None or each.expires_at > soon)
        return {each.id: each.name for each in lasting}

    def glance(self, said: str) -> None:
        """Look at what must be true whenever a command ends or is killed, before anything is taken up again."""
        store = self.store()
        try:
            live = self.living()
            rows = store.rotations(unfinished=False)
            self._no_strangers(live, rows)
            key = next((key for key in store.keys() if key.name == self.provider.name), None)
            ending = key is None or key.state == "interrupted" or any(_revokes(row) for row in rows)
            if not ending:
                assert key is not None
                assert word_of(key, store.read(key.id)) == "valid", (
                    "the key in use does not work, and no journal says so"
                )
            if f"{self.provider.name}: Revoked at" in said or key is None:
                assert not live, f"called revoked or gone, and alive: {live}"
        finally:
            store.close()

    def left(self, said: str) -> set[str]:
        """Return the ids of keys that live on after a rotation was given up, as was said when it was."""
        return {id_ for id_, name in self.living().items() if "Given up." in said and f"“{name}”" in said}

    def look(self, *, in_grace: bool, may_be_gone: bool = False, left: Iterable[str] = ()) -> int:
        """Look at everything the table promises; returns how many keys live at the server.

        Args:
            in_grace: An old key may still work.
            may_be_gone: The key was to be revoked; it may also be there, untouched.
            left: Keys of which was said that they live on.
        """
        store = self.store()
        try:
            live = self.living()
            rows = store.rotations(unfinished=False)
            accounts = [each.name for each in self.server.admin.organization.accounts.values()]
            assert len(accounts) == len(set(accounts)), f"made twice: {accounts}"
            if self.old_id not in [each.id for each in self.server.admin.live()]:
                assert word_of(self.key, self.old) == "invalid", "the old key is not refused"
            key = next((key for key in store.keys() if key.name == self.provider.name), None)
            if key is None:
                assert may_be_gone, "the key is gone"
                assert not live, f"deleted here, and alive there: {live}"
                return 0
            self._no_strangers(live, rows)
            current = store.read(key.id)
            assert word_of(key, current) == "valid", f"the key in use does not work: {rows[0] if rows else ''}"
            allowed = {self._id(current)}
            unfinished = store.rotations()
            if in_grace:
                versions = {version.id: version for version in store.versions(key.id)}
                allowed |= {versions[row.retiring_version].remote_id for row in unfinished if row.retiring_version}
            # A grace period of a second may end between the server's list and this look at the journal.
            short = any(row.retire_at is not None and row.retire_at < time.time() + 10 for row in unfinished)
            expected = allowed & set(live) | {self._id(current)} if short else allowed
            assert set(live) - set(left) == expected, f"live: {live}, allowed: {allowed}, {unfinished}"
            if not in_grace:
                assert not unfinished, unfinished
                states = [version.state for version in store.versions(key.id)]
                assert states == ["current"], states
            return len(live)
        finally:
            store.close()

    def finished(self, *, may_be_gone: bool = False, left: Iterable[str] = ()) -> tuple[int, int]:
        """Resume, look, end the grace period, look; returns both numbers of live keys.

        What was left behind is found by its name, and revoked, when the key is rotated the next time.
        """
        resumed = self.run(*RESUME)
        assert resumed.code == 0, resumed.said
        then = self.look(in_grace=True, may_be_gone=may_be_gone, left=left)
        ended = self.run(*(("rotate", self.provider.name, "--issue", "--now", "-y") if left else (*RESUME, "--now")))
        assert ended.code == 0, ended.said
        return then, self.look(in_grace=False, may_be_gone=may_be_gone)

    def _id(self, secret: Secret) -> str:
        found = self.server.admin.id_of(secret)
        assert found is not None
        return found

    def _no_strangers(self, live: dict[str, str], rows: list[Rotation]) -> None:
        known = {name for row in rows for name in (row.remote_name, *row.tried)}
        strangers = {name for name in live.values() if name.startswith("keytui:")} - known
        assert not strangers, f"unknown to keytui: {strangers}"


def _revokes(row: Rotation) -> bool:
    return row.kind == "revoked" and row.state not in ("done", "abandoned")


class Wrong:
    """Lets requests to a server go wrong by their number, from now on, until `stop`.

    Args:
        faults: What happens to which request: a FaultKind of the server's, "refused" for 401, "limited" for 429.
        lasting: The last of them happens to every later request as well.

    Attributes:
        seen: Every request, with its number.
        hit: Those that went wrong.
    """

    def __init__(self, server: DemoServer, faults: dict[int, str] | None = None, *, lasting: bool = False) -> None:
        self.seen: list[str] = []
        self.hit: list[str] = []
        self._server = server
        self._faults = faults or {}
        self._lasting = lasting
        self._here = threading.local()
        self._plain = (server.note_request, server.state_of, server.admin._due_fault)
        server.note_request = self._note  # type: ignore[method-assign] # counts as well
        server.state_of = self._state_of  # type: ignore[method-assign] # one request's answer
        server.admin._due_fault = self._due  # type: ignore[method-assign] # by number instead of by path

    def stop(self) -> None:
        """Let everything go right again."""
        self._server.note_request, self._server.state_of, self._server.admin._due_fault = self._plain  # type: ignore[method-assign] # as before

    def _note(self, method: str, path: str) -> str:
        number = len(self.seen)
        told = f"{number} {method} {'/'.join(path.split('/')[2:])}"
        self.seen.append(told)
        kind = self._faults.get(number, "")
        if self._lasting and number >= max(self._faults):
            kind = self._faults[max(self._faults)]
        if kind:
            self.hit.append(told)
        self._here.kind, self._here.admin = kind, path.startswith(PATHS)
        return self._plain[0](method, path)

    def _state_of(self, key: str) -> str:
        kind = self._here.kind
        if kind in ("refused", "limited"):
            return {"refused": "invalid", "limited": "rate_limited"}[kind]
        if kind and not self._here.admin:  # a check: nothing is done there, so it is the same before and after
            return {"drop": "drop", "error": "error_500", "delay": "hang"}.get(kind.partition("_")[0], "error_502")
        return self._plain[1](key)

    def _due(self, method: str, path: str) -> Fault | None:
        kind: FaultKind | str = self._here.kind
        return Fault(kind, method, path, DELAY_S) if kind else None  # type: ignore[arg-type] # the others came no further
