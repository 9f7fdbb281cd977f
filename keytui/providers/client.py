"""Clients for keys: where a key may be sent, and a client that takes nothing from the environment.

openai is imported by `load` and `warm_up` alone, in a thread: on the event loop it would stand still for 0.5 s.
"""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from keytui import process
from keytui.model import Secret
from keytui.providers import catalog

if TYPE_CHECKING:
    from keytui.model import Key, KeyKind
    from keytui.providers.sdk import KeyClient

_LONGEST_KEY = 4_096  # no provider's key comes near; a header of this length is still accepted by servers
_SWITCH_SECONDS = 0.0005
_warming = threading.Lock()
_warm = False


def address_problem(base_url: str, *, allow_http: bool, kind: KeyKind, provider: str) -> str | None:
    """Say why a key must not be sent to this address, in one sentence, or return None when it may.

    Args:
        base_url: The key's base URL.
        allow_http: The person allowed plain http for this key.
        kind: An admin key goes only to its provider's host or to loopback; that of a custom provider has no other
            host than the one it was added with.
        provider: The key's provider.
    """
    try:
        parts = urlsplit(base_url)
        host, _port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "The base URL is not an address."
    if parts.scheme not in ("http", "https") or not host:
        return "The base URL must begin with https:// and name a host."
    if parts.username is not None or parts.password is not None:
        return "The base URL must not hold a user or a password."
    return None if is_loopback(host) else _remote_problem(parts.scheme, host, allow_http, kind, provider)


def _remote_problem(scheme: str, host: str, allow_http: bool, kind: KeyKind, provider: str) -> str | None:
    if scheme == "http" and not allow_http:
        return (
            f"{host} is not this machine, and plain http would show the key to the network: use https, or allow http."
        )
    own = own_host(provider)
    if kind == "admin" and own and not is_own_host(host, provider):
        return f"An admin key of {catalog.provider(provider).label} is sent to {own} only, not to {host}."
    return None


def own_host(provider: str) -> str:
    """Return the host that issues a provider's keys, or "" where there is none."""
    known = catalog.provider(provider)
    return (urlsplit(known.base_url).hostname or "").lower() if known.checks_keys else ""


def is_own_host(host: str, provider: str) -> bool:
    """Whether a host is the one that issues a provider's keys, or below it."""
    own = own_host(provider)
    return bool(own) and (host == own or host.endswith(f".{own}"))


def origin(base_url: str) -> tuple[str, str, int | None]:
    """Return what decides who receives a request: scheme, host and port of an address that was validated."""
    parts = urlsplit(base_url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine, without asking DNS."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def unsendable(secret: Secret) -> str | None:
    """Say why a secret cannot stand in an HTTP header, or return None.

    Checked before a client sees it: the libraries' own errors quote the whole header.
    """
    text = secret.reveal()
    if not text:
        return "The key is empty."
    if len(text) > _LONGEST_KEY:
        return "The key is too long to be one."
    if not text.isascii() or any(character <= " " or character == "\x7f" for character in text):
        return "The key holds a space or a character that no key has: was it copied with something else?"
    return None


def open_client(key: Key, secret: Secret, timeout_s: float, *, admin: bool = False) -> KeyClient:
    """Make a client for a key; `load` must have ended before, and the caller closes it.

    Everything is explicit: no variable of the environment reaches a request, no redirect is followed, nothing is
    repeated. Proxies of the environment serve https beyond this machine alone, where they cannot read the key.

    Args:
        key: Gives the base URL.
        secret: A secret that `unsendable` has nothing against.
        timeout_s: Seconds of silence until a request fails.
        admin: The client is for `client.admin`.
    """
    from keytui.providers import sdk

    base_url = base_url_of(key)
    parts = urlsplit(base_url)
    proxies = parts.scheme == "https" and not is_loopback((parts.hostname or "").lower())
    return sdk.build(secret, base_url, timeout_s=timeout_s, proxies=proxies, admin=admin)


def base_url_of(key: Key) -> str:
    """Return the root of the API a key is sent to."""
    return key.base_url or catalog.provider(key.provider).base_url


def host_of(key: Key) -> str:
    """Return host and, where one is named, port of a key's base URL, for sentences."""
    parts = urlsplit(base_url_of(key))
    return parts.netloc.rpartition("@")[2]


async def load() -> None:
    """Have openai imported, in a thread; returns at once when it is."""
    if "keytui.providers.sdk" not in sys.modules or _warming.locked():
        await asyncio.to_thread(_import)


def _import() -> None:
    with _warming:
        process.hush()
        from keytui.providers import sdk

        with suppress(sdk.CertificatesUnusable):  # each request tells it
            sdk.ssl_context()


def warm_up() -> None:
    """Import openai and send one request into nowhere, so that the first real one is fast. Call it in a thread.

    Garbage collection pauses and threads switch often meanwhile: measured, the event loop then never stands still for
    longer than 3 to 9 ms, instead of 15 to 45. Calling it again, or from two threads, does nothing more.
    """
    global _warm  # noqa: PLW0603 - once a process, under the lock
    with _warming:
        if _warm:
            return
        collecting, interval = gc.isenabled(), sys.getswitchinterval()
        gc.disable()
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            _rehearse()
        finally:
            sys.setswitchinterval(interval)
            gc.freeze()  # else the first collection walks all of openai, 40 ms on the event loop
            if collecting:
                gc.enable()
        _warm = True


def _rehearse() -> None:
    process.hush()
    from keytui.providers import sdk

    with suppress(sdk.CertificatesUnusable):  # each request tells it
        asyncio.run(_ask_nobody())


async def _ask_nobody() -> None:
    import httpx2

    from keytui.providers import asking, events, sdk

    def answer(_request: httpx2.Request) -> httpx2.Response:
        chunk = '{"id":"","object":"","created":0,"model":"","choices":[{"index":0,"delta":{"content":""}}]}'
        return httpx2.Response(200, content=f"data: {chunk}\n\ndata: [DONE]\n\n".encode())

    loopback = "http://127.0.0.1/v1"
    async with sdk.build(Secret("warming"), loopback, timeout_s=1, proxies=False):
        pass  # builds the real transport once
    transport = httpx2.MockTransport(answer)
    request = asking.first(catalog.PROVIDERS["custom"], "", "", "")
    async with sdk.build(Secret("warming"), loopback, timeout_s=1, proxies=False, transport=transport) as client:
        rules = catalog.PROVIDERS["custom"]
        got = await asking.send(client, request, rules, Secret("warming"), sending=lambda _request: None)
        async for _event in events.read(got.aiter_bytes()):
            pass
