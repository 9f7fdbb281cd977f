"""What the demo server knows of an organization: projects, service accounts and the keys it issued.

Nothing here is HTTP: `keytui.demo.admin` is the door of the tests and the paths, this is the state behind it. Of a
key only its digest and its redacted value are kept.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    Owner = Literal["user", "service_account", ""]

_MARK = "T3Blbk" + "FJ"
DEFAULT_PROJECT = "proj_demo"
"""The project every organization begins with."""


@dataclass
class Project:
    """A project; one with `archived_at` takes no new keys."""

    id: str
    name: str
    created_at: int
    archived_at: int | None = None


@dataclass
class Account:
    """A service account; with role "none" its keys may do nothing."""

    id: str
    project_id: str
    name: str
    role: str
    created_at: int


@dataclass
class RemoteKey:
    """A key as the provider knows it.

    Attributes:
        project_id: Its project, or "" for a key of OpenRouter.
        owner: Who owns it; "" for a key of OpenRouter.
        account_id: The service account that owns it, or "".
        digest: SHA-256 of its value.
        deleted: Whether it was revoked.
        disabled: Whether it was switched off (OpenRouter).
        unlisted: How many listings it is still missing from.
        unready: How many requests with it are still refused.
        lingering: How many requests with it are still answered after its end.
    """

    id: str
    name: str
    redacted: str
    project_id: str
    owner: Owner
    account_id: str
    digest: str
    created_at: int
    expires_at: int | None = None
    last_used_at: int | None = None
    deleted: bool = False
    disabled: bool = False
    unlisted: int = 0
    unready: int = 0
    lingering: int = 0


class Organization:
    """Projects, accounts and keys. Not locked: `keytui.demo.admin` takes one request after the other.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.projects: dict[str, Project] = {}
        self.accounts: dict[str, Account] = {}
        self.keys: dict[str, RemoteKey] = {}
        self._count = 0
        self.add_project("Default project", DEFAULT_PROJECT)

    @property
    def now(self) -> int:
        """The time in whole seconds."""
        return int(self.clock())

    def new_id(self, prefix: str) -> str:
        """Return an id that was not used before."""
        self._count += 1
        return f"{prefix}{self._count:06d}{secrets.token_hex(4)}"

    def add_project(self, name: str, project_id: str = "") -> Project:
        """Make a project."""
        project = Project(project_id or self.new_id("proj_"), name, self.now)
        self.projects[project.id] = project
        return project

    def add_account(self, project_id: str, name: str, role: str = "member") -> Account:
        """Make a service account."""
        account = Account(self.new_id("user-sa-"), project_id, name, role, self.now)
        self.accounts[account.id] = account
        return account

    def add_key(
        self,
        value: str,
        name: str,
        *,
        project_id: str = "",
        account_id: str = "",
        expires_at: int | None = None,
        created_at: int | None = None,
    ) -> RemoteKey:
        """Take up a key; without a project it is one of OpenRouter's, without an account a user's."""
        owner: Owner = "" if not project_id else "service_account" if account_id else "user"
        # From the value, so that the demo's samples have the same ids each time.
        named = hashlib.sha256(f"id of {value}".encode()).hexdigest()
        key_id = f"key_{named[:16]}" if project_id else named
        created = self.now if created_at is None else created_at
        redacted = f"{value[:12]}...{value[-4:]}" if not project_id else f"{value[:8]}{'*' * 12}{value[-4:]}"
        key = RemoteKey(key_id, name, redacted, project_id, owner, account_id, digest(value), created, expires_at)
        self.keys[key_id] = key
        return key

    def delete_account(self, account_id: str) -> None:
        """Delete a service account, which revokes all its keys."""
        del self.accounts[account_id]
        for key in self.keys.values():
            if key.account_id == account_id:
                key.deleted = True

    def by_digest(self, wanted: str) -> RemoteKey | None:
        """Return the key with this digest, revoked or not, or None."""
        return next((key for key in self.keys.values() if key.digest == wanted), None)

    def is_live(self, key: RemoteKey) -> bool:
        """Whether a key is neither revoked, switched off nor expired."""
        expired = key.expires_at is not None and key.expires_at <= self.clock()
        return not (key.deleted or key.disabled or expired)


def new_value(*, openrouter: bool) -> str:
    """Return a new secret of the provider's shape."""
    if openrouter:
        return f"sk-or-v1-{secrets.token_hex(32)}"
    return f"sk-svcacct-{secrets.token_urlsafe(54)}{_MARK}{secrets.token_urlsafe(54)}"


def digest(value: str) -> str:
    """Return the SHA-256 digest under which a key is known here."""
    return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()
