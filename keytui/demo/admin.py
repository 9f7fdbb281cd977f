"""The door to the demo server's organization: for requests with an admin key, and for tests that let things go wrong.

A test runs the server in its own process and a command under test in another: faults are switched on here, and what
the server has in the end is the witness.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from keytui.demo.admin_api import Answer, answer_to, refuse
from keytui.demo.organization import DEFAULT_PROJECT, Organization, digest
from keytui.record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from keytui.demo.organization import RemoteKey
    from keytui.model import Secret

    FaultKind = Literal[
        "drop_before", "drop_after", "error_500", "error_500_after", "delay", "delay_after", "bad_request", "not_found"
    ]

PATHS = ("/v1/organization/", "/v1/keys")
"""Where requests for the organization begin."""


class Dropped(Exception):
    """The connection is to be closed without an answer."""


class Live(NamedTuple):
    """A key that works at this moment, as the server itself knows it."""

    id: str
    name: str
    redacted: str
    expires_at: int | None
    project_id: str
    account_id: str


class Fault(NamedTuple):
    """Something to go wrong; see `Admin.fault`."""

    kind: FaultKind
    method: str
    path: str
    seconds: float


class Admin:
    """The organization behind the admin endpoints.

    Args:
        stopping: Set when the server stops; delays end then.
        clock: Seconds since the epoch; decides what has expired.

    Attributes:
        calls: Every request as (method, path), with those that failed.
        page_size: The most items one page holds, whatever is asked for.
        list_lag: From how many listings a new key is missing.
        activation_lag: How often a new key is refused before it works.
        revocation_lag: How often a revoked or expired key is still answered.
        require_expiry: A policy: the longest life of a new key in seconds, which must be given; None without policy.
        deletes_keys: Whether keys of service accounts can be deleted alone; without, they answer 400.
    """

    def __init__(self, stopping: threading.Event, clock: Callable[[], float] = time.time) -> None:
        self.calls: list[tuple[str, str]] = []
        self.page_size = 100
        self.list_lag = 0
        self.activation_lag = 0
        self.revocation_lag = 0
        self.require_expiry: int | None = None
        self.deletes_keys = True
        self.organization = Organization(clock)
        self._stopping = stopping
        self._faults: list[Fault] = []
        self._guard = threading.RLock()

    # --- for tests and the demo

    def fault(self, kind: FaultKind, method: str = "", path: str = "", *, times: int = 1, seconds: float = 30) -> None:
        """Let requests go wrong, the next ones that fit.

        Args:
            kind: "drop_before" and "drop_after" close the connection before or after the change was made,
                "error_500" and "error_500_after" answer 500 before or after it, "delay" and "delay_after" wait
                before or after it, "bad_request" and "not_found" answer 400 and 404 and change nothing.
            method: "GET", "POST", "PATCH", "DELETE", or "" for any.
            path: Text the path holds.
            times: How many requests.
            seconds: How long a delay is.
        """
        with self._guard:
            self._faults += [Fault(kind, method, path, seconds)] * times

    def clear_faults(self) -> None:
        """Let everything go right again."""
        with self._guard:
            self._faults.clear()

    def add_key(
        self, secret: Secret, name: str, *, project_id: str = DEFAULT_PROJECT, account: str = "", age_s: int = 0
    ) -> str:
        """Take up a key that was issued earlier, and return its id.

        Args:
            project_id: Its project; "" makes it one of OpenRouter's.
            account: Name of the service account that owns it, made when missing; "" for a user's key.
            age_s: Seconds since it was created.
        """
        with self._guard:
            owner = ""
            if account:
                known = [each for each in self.organization.accounts.values() if each.name == account]
                owner = (known[0] if known else self.organization.add_account(project_id, account)).id
            created = self.organization.now - age_s
            return self.organization.add_key(
                secret.reveal(), name, project_id=project_id, account_id=owner, created_at=created
            ).id

    def live(self) -> list[Live]:
        """Return every key that works, in the order in which they were created: the witness of a test."""
        with self._guard:
            return [
                Live(key.id, key.name, key.redacted, key.expires_at, key.project_id, key.account_id)
                for key in self.organization.keys.values()
                if self.organization.is_live(key)
            ]

    def id_of(self, secret: Secret) -> str | None:
        """Return the id of a key by its value, revoked or not."""
        with self._guard:
            found = self.organization.by_digest(digest(secret.reveal()))
            return found.id if found is not None else None

    # --- for the server

    def state_of(self, key: str) -> str | None:
        """Return how an issued key answers ("invalid" once it has ended), or None for any other key."""
        with self._guard:
            found = self.organization.by_digest(digest(key))
            if found is None:
                return None
            return self._issued_state(found)

    def knows(self, key: str) -> bool:
        """Whether this is an issued key, revoked or not."""
        with self._guard:
            return self.organization.by_digest(digest(key)) is not None

    def _issued_state(self, key: RemoteKey) -> str:
        if not self.organization.is_live(key):
            if key.lingering > 0:
                key.lingering -= 1
                return "valid"
            return "invalid"
        if key.unready > 0:
            key.unready -= 1
            return "invalid"
        account = self.organization.accounts.get(key.account_id)
        if account is not None and account.role == "none":
            return "no_scopes"
        key.last_used_at = self.organization.now
        return "valid"

    def answer(self, method: str, path: str, query: str, body: bytes, key: str) -> Answer:
        """Answer a request of an admin key.

        Raises:
            Dropped: No answer is to be sent.
        """
        with self._guard:
            self.calls.append((method, path))
            fault = self._due_fault(method, path)
        kind = fault.kind if fault is not None else ""
        if kind == "drop_before":
            raise Dropped
        if kind == "error_500":
            return refuse(500, "The server had an error while processing your request.")
        if kind == "bad_request":
            return refuse(400, "This request is not possible.")
        if kind == "not_found":
            return refuse(404, "No such object.")
        if kind == "delay" and fault is not None:
            self._stopping.wait(fault.seconds)
        with self._guard:
            if self.knows(key):
                return refuse(403, "You have insufficient permissions for this operation.")
            answer = answer_to(self, method, path, query, body)
        if kind == "delay_after" and fault is not None:
            self._stopping.wait(fault.seconds)
        if kind == "drop_after":
            raise Dropped
        return refuse(500, "The server had an error.") if kind == "error_500_after" else answer

    def _due_fault(self, method: str, path: str) -> Fault | None:
        for fault in self._faults:
            if fault.method in ("", method) and fault.path in path:
                self._faults.remove(fault)
                return fault
        return None
