"""The one module that imports openai, which takes about 0.5 s: `keytui.providers.client` does it, in a thread."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING
from urllib.request import getproxies

import httpx2
import openai

from keytui import __version__
from keytui.providers import events

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from keytui.model import Secret

MAX_ANSWER = 4_000_000
"""The most bytes of one answer that are read. OpenRouter's list of models, the longest known, has about 1 MB."""

_LONGEST_ERROR = 128_000
"""The most bytes of an error, which the SDK parses on the event loop: it stands still meanwhile."""

for _name in ("openai", "httpx2", "httpcore2", "httpx", "httpcore"):
    # Their debug lines hold addresses and headers; OPENAI_LOG=debug would switch them on.
    logging.getLogger(_name).setLevel(logging.WARNING)

with contextlib.suppress(ImportError):
    # What one read brings is taken apart in one turn of the event loop: 4,000 answers "103" in 64 kB take 0.4 s. So
    # are all headers of an answer: 10,000 in 32 kB take 70 ms, and few servers send more than 8 kB of them.
    # httpcore2 2.16 has no public way to read less.
    from httpcore2._async.http11 import AsyncHTTP11Connection

    AsyncHTTP11Connection.READ_NUM_BYTES = 4_096
    AsyncHTTP11Connection.MAX_INCOMPLETE_EVENT_SIZE = 12_288

_PROXIES = frozenset(("https", "all"))
"""Proxies of the environment, as urllib names them, that requests over https go through."""


class AnswerTooLong(httpx2.ReadError):
    """The server sent more than is read: of an answer, an error, or one event."""


class ProxyUnusable(Exception):
    """A proxy variable of the environment names something that cannot be used."""


class CertificatesUnusable(Exception):
    """The certificates to trust cannot be read."""


class KeyClient(openai.AsyncOpenAI):
    """AsyncOpenAI whose headers are ours alone.

    The SDK merges OPENAI_CUSTOM_HEADERS, OPENAI_ORG_ID and OPENAI_PROJECT_ID into `default_headers`; overriding the
    property keeps all of them out without editing the environment, which belongs to the person's other programs.

    Attributes:
        answered_at: time.monotonic() of the last answer's headers.
    """

    answered_at: float = 0.0

    @property
    def default_headers(self) -> dict[str, str | openai.Omit]:
        """Every header of a request but the content's length and the host."""
        return {
            "Accept": "application/json",
            # A compressed answer could unpack to any size; the limit on what is read counts bytes on the wire.
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "User-Agent": f"keytui/{__version__}",
            "Authorization": f"Bearer {self.admin_api_key or self.api_key}",
        }


class _Limited(httpx2.AsyncByteStream):
    """Passes a body on until it is too long, and lets others run meanwhile: it may come in millions of parts.

    Args:
        stream: The body.
        most: Bytes that are read of it.
    """

    def __init__(self, stream: httpx2.AsyncByteStream, most: int) -> None:
        self._stream, self._most = stream, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken, turns = 0, events.Turns()
        async for chunk in self._stream:
            taken += len(chunk)
            if taken > self._most:
                raise AnswerTooLong("answer too long")
            await turns.give()
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def _limit(response: httpx2.Response) -> None:
    """Bound the body before it is read: errors are read whole by the SDK."""
    if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise httpx2.DecodingError("an encoding that was not asked for", request=response.request)
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Limited(response.stream, MAX_ANSWER if response.is_success else _LONGEST_ERROR)


@functools.cache
def ssl_context(*, proxied: bool = False) -> ssl.SSLContext:
    """Return the TLS settings all clients share; building them takes about 20 ms.

    Args:
        proxied: A proxy of the environment is used. Then only the system's certificates count: with SSL_CERT_FILE
            the environment alone could put a proxy between keytui and the provider that reads the key.

    Raises:
        CertificatesUnusable: SSL_CERT_FILE or SSL_CERT_DIR names something unusable.
    """
    try:
        context = httpx2.create_ssl_context(trust_env=not proxied)
    except OSError:  # ssl.SSLError is one
        raise CertificatesUnusable from None
    if getattr(context, "keylog_filename", None):
        # SSLKEYLOGFILE would write down what decrypts a key on the wire.
        context.keylog_filename = None  # type: ignore[assignment] # typeshed leaves out that None switches it off
    return context


def build(
    secret: Secret,
    base_url: str,
    *,
    timeout_s: float,
    proxies: bool,
    admin: bool = False,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> KeyClient:
    """Make a client for one key; nothing is sent yet.

    Args:
        secret: The key; checked by `client.unsendable` before.
        base_url: Root of the API.
        timeout_s: Seconds of silence on the connection until a request fails.
        proxies: Whether HTTPS_PROXY and its kin apply.
        admin: The key is for `client.admin`, whose calls take it from `admin_api_key` alone.
        transport: Stands in for the network, for warming up.

    Raises:
        CertificatesUnusable: There are no certificates to trust.
        ProxyUnusable: `proxies` is set and a variable names something unusable.
    """

    async def answered(response: httpx2.Response) -> None:
        client.answered_at = time.monotonic()
        _limit(response)

    # No cookie is kept: one that came with the key would stand for it where it is left out.
    try:
        http = httpx2.AsyncClient(
            verify=ssl_context(proxied=True) if proxies and _PROXIES & getproxies().keys() else ssl_context(),
            trust_env=proxies,
            follow_redirects=False,
            timeout=httpx2.Timeout(timeout_s),
            event_hooks={"response": [answered]},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            transport=transport,
        )
    except (ImportError, ValueError, httpx2.InvalidURL):  # a SOCKS proxy without its package, a malformed address
        raise ProxyUnusable from None
    client = KeyClient(
        # Empty, not None: None would be filled from the environment.
        api_key="" if admin else secret.reveal(),
        admin_api_key=secret.reveal() if admin else "",
        organization="",
        project="",
        webhook_secret="",
        base_url=base_url,
        timeout=timeout_s,
        max_retries=0,
        http_client=http,
    )
    return client
