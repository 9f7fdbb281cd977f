"""Which providers issue keys, and how to reach them. A further one is one class and one entry in ISSUERS."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from keytui.errors import KeyRefused
from keytui.model import Verdict
from keytui.providers import client as clients
from keytui.providers.remote import Home, Issued, Issuer, Remote
from keytui.record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from keytui.model import Key, Secret
    from keytui.providers.issuing import Calls
    from keytui.providers.sdk import KeyClient

__all__ = ["ISSUERS", "Descriptor", "Home", "Issued", "Issuer", "Remote", "issuer_for", "open_issuer"]


class Descriptor(NamedTuple):
    """What is known of an issuer before it is asked, so that a plan can be shown without importing anything.

    Attributes:
        label: The provider's name.
        can_expire: Whether an existing key can be told to end by itself.
        needs_account: Whether a new key needs a service account.
        admin_client: Whether the openai package's own `client.admin` carries the calls.
        make: Makes the issuer.
    """

    label: str
    can_expire: bool
    needs_account: bool
    admin_client: bool
    make: Callable[[KeyClient, Calls], Issuer]


def _openai(client: KeyClient, calls: Calls) -> Issuer:
    from keytui.providers.issuer_openai import OpenAIIssuer

    return OpenAIIssuer(client, calls)


def _openrouter(client: KeyClient, calls: Calls) -> Issuer:
    from keytui.providers.issuer_openrouter import OpenRouterIssuer

    return OpenRouterIssuer(client, calls)


ISSUERS: dict[str, Descriptor] = {
    "openai": Descriptor("OpenAI", True, True, True, _openai),
    "openrouter": Descriptor("OpenRouter", False, False, False, _openrouter),
}
"""Every issuer by the provider's id in the catalog."""


def issuer_for(provider_id: str) -> Descriptor | None:
    """Return what issues this provider's keys, or None: its successors are pasted."""
    return ISSUERS.get(provider_id)


@asynccontextmanager
async def open_issuer(admin: Key, secret: Secret, *, timeout_s: float) -> AsyncIterator[Issuer]:
    """Open the issuer of an admin key. Nothing is sent yet.

    The same rules as for any key: nothing of the environment, no redirect, no repetition, and an admin key goes to its
    provider, to this machine, or to the base URL it was added with.

    Args:
        admin: Says where to ask; its provider must have an issuer.
        secret: Its value.
        timeout_s: Seconds each request may take.

    Raises:
        KeyRefused: The key cannot or must not be sent there.
        ProviderUnreachable: The certificates or the proxy cannot be used.
    """
    from keytui.providers.issuing import Calls

    problem = clients.unsendable(secret) or clients.address_problem(
        clients.base_url_of(admin), allow_http=admin.allow_http, kind="admin", provider=admin.provider
    )
    if problem is not None:
        raise KeyRefused(Verdict("unknown", f"{problem} The admin key was not sent.", 0))
    descriptor = ISSUERS[admin.provider]
    await clients.load()
    calls = Calls(descriptor.label, clients.host_of(admin), secret, timeout_s)
    opened = calls.open(lambda: clients.open_client(admin, secret, timeout_s, admin=descriptor.admin_client))
    async with opened as client:
        yield descriptor.make(client, calls)
