"""A key whose provider is the demo server, with an admin key beside it: for the tests of issued rotations."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keytui.demo.organization import DEFAULT_PROJECT
from keytui.demo.server import DemoServer
from keytui.flows import issue_plan, issuing
from keytui.model import RemoteKey
from keytui.providers import checks
from tests.stores import fake_key, fields

if TYPE_CHECKING:
    from typing import Self

    from keytui.flows.issuing import Outcome
    from keytui.flows.rotation import Stage
    from keytui.model import Key, Secret
    from keytui.storage.keystore import Keystore

NAME = "openai-prod"
ACCOUNT = "robot"


class World:
    """A store with an admin key and one key of a service account, and the server that knows them.

    Attributes:
        told: Every stage that was told.
        old: The value the key began with.
    """

    def __init__(
        self, store: Keystore, server: DemoServer | None = None, *, known: bool = True, provider: str = "openai"
    ) -> None:
        self.provider = provider
        self.store = store
        self.server = server or DemoServer(delta_seconds=0, slow_seconds=0)
        self.told: list[Stage] = []
        self.old = fake_key("sk-" + "svcacct-")
        store.settings = store.settings._replace(propagation_seconds=3, check_seconds=10)
        self._known = known

    def __enter__(self) -> Self:
        self.server.start()
        where = {"provider": self.provider, "base_url": self.server.url}
        project, account = (DEFAULT_PROJECT, ACCOUNT) if self.provider == "openai" else ("", "")
        self.admin = self.store.add(fields("openai-admin", kind="admin", **where), fake_key("sk-" + "admin-"))
        self.key = self.store.add(fields(NAME, **where), self.old)
        self.old_id = self.server.admin.add_key(self.old, "made by hand", project_id=project, account=account)
        if self._known:
            self.know(self.old_id)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def know(self, remote_id: str, key: Key | None = None) -> None:
        """Let keytui know for certain which remote key the current value is, of the one key or of another."""
        versions = self.store.versions((key or self.key).id)
        (current,) = (version for version in versions if version.state == "current")
        live = next(live for live in self.server.admin.live() if live.id == remote_id)
        self.store.know_remote(current.id, RemoteKey(live.id, live.project_id, live.account_id))

    async def rotate(self, *, grace_s: int = 0, **how: str) -> Outcome:
        """Plan and start a rotation."""
        plan = await issue_plan.plan(self.store, self.key.id, grace_s=grace_s, **how)
        return await issuing.start(self.store, plan, stage=self.told.append)

    async def resume(self) -> None:
        """Go on with everything that has not ended, as `rotate --resume` does."""
        for row in self.store.rotations():
            await issuing.drive(self.store, row.id, stage=self.told.append)

    def now(self) -> Key:
        """The key as it is."""
        return self.store.find(NAME)

    def live(self) -> set[str]:
        """Ids of the keys that work, as the server knows it."""
        return {live.id for live in self.server.admin.live()}

    def current_id(self) -> str:
        """The remote id of the value in use, from the server's own record of it."""
        found = self.server.admin.id_of(self.store.read(self.key.id))
        assert found is not None
        return found

    def stages(self) -> list[tuple[str, str]]:
        """What was told, as names and states."""
        return [(stage.name, stage.state) for stage in self.told]


def word_of(key: Key, secret: Secret) -> str:
    """What the provider says of a value at this moment."""
    return asyncio.run(checks.check(key, secret, timeout_s=20)).word
