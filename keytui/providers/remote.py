"""What an issuer can do, and the words it speaks: keys as the provider knows them.

No secret but the one of a key issued a moment ago. A further provider is one class with `Issuer`'s methods and one
entry in `keytui.providers.issuers`.
"""

from __future__ import annotations

from typing import Protocol

from keytui.record import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from keytui.model import Secret

    Owner = Literal["user", "service_account", ""]


class Remote(NamedTuple):
    """A key as its provider knows it. Any text may be "" and any time None: providers leave fields out.

    Attributes:
        id: What the provider's own calls name it by.
        redacted: What the provider shows of its value.
        created_at: Seconds since the epoch, as the other times.
        last_used_at: None when it was never used, or when that is not known.
        account_id: The service account that owns it.
    """

    id: str
    name: str = ""
    redacted: str = ""
    created_at: int | None = None
    expires_at: int | None = None
    last_used_at: int | None = None
    owner: Owner = ""
    account_id: str = ""
    account_name: str = ""
    project_id: str = ""


class Issued(NamedTuple):
    """A key created a moment ago. The secret is nowhere else: it is stored before anything else happens."""

    remote: Remote
    secret: Secret


class Home(NamedTuple):
    """Where a new key belongs.

    Attributes:
        account_id: The service account that will own it, or "" to make one.
        account_name: The account's name, for sentences; with no `account_id` the name of the one to use or make.
    """

    project_id: str = ""
    account_id: str = ""
    account_name: str = ""


class Issuer(Protocol):
    """A provider that creates and revokes keys, through an admin key.

    Every method raises `KeyRefused` when the provider does not accept the admin key or does not allow it this, and
    `ProviderUnreachable` when it cannot be reached or answers something else than it should.

    Attributes:
        label: The provider's name for sentences.
        can_expire: Whether an existing key can be told to end by itself.
        needs_account: Whether a new key needs a service account.
    """

    label: str
    can_expire: bool
    needs_account: bool

    async def list_keys(self) -> list[Remote]:
        """Return every key that the admin key sees, in all projects. Expired ones can be among them."""

    async def find(self, name: str) -> list[Remote]:
        """Return the keys with exactly this name. A key created a moment ago can be missing: ask twice."""

    async def issue(self, home: Home, name: str, *, expires_in_s: int | None) -> Issued:
        """Create a key. The one request that does it is never repeated.

        Raises:
            IssueUnknown: The key may exist; look for it by its name.
            ExpiryRequired: A policy wants `expires_in_s`, or a smaller one. Nothing was created.
        """

    async def expire(self, remote: Remote, in_s: int) -> int:
        """Let a key end by itself, `in_s` seconds from now, and return when it ends, in seconds since the epoch.

        A key that ends earlier already is left as it is, so repeating the call does not move its end. It cannot be
        taken back.
        """

    async def revoke(self, remote: Remote, *, keep: tuple[Remote, ...] = ()) -> bool:
        """Delete a key. False: the provider knows no such key, so it is gone already, or too new to be known yet.

        Args:
            keep: Keys that must go on working, with what is known of them. Where a provider deletes a key only together
                with its service account, that is done only when the account owns no other key, and none of these.
        """
