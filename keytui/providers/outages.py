"""What it means for a key when no answer came, or only a part of one: a word and a sentence of ours."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytui.model import VerdictWord
    from keytui.providers.mapping import Finding

    _Failure = tuple[tuple[type[BaseException], ...], VerdictWord, str]

_NOT_TRUSTED = (
    "Nobody known here vouches for the certificate of {host}: the key was not sent. SSL_CERT_FILE can name who does,"
    " but not behind a proxy."
)
_WRONG_HOST = "The certificate belongs to another host than {host}, so the key was not sent. Check the base URL."
_CERTIFICATES = {
    9: "The certificate of {host} is not valid yet, so the key was not sent. Is this machine's clock right?",
    10: "The certificate of {host} has expired, so the key was not sent. Tell its owner, or check the clock here.",
    62: _WRONG_HOST,
    64: _WRONG_HOST,
}
"""By OpenSSL's number of what is wrong with a certificate (X509_V_ERR_…)."""


def judge_failure(error: BaseException, host: str, timeout_s: float, *, begun: bool = False) -> Finding:
    """Say what an error of the client means; for errors with an HTTP answer use `mapping.judge`.

    Args:
        error: What was raised.
        host: Who was asked.
        timeout_s: Seconds of silence that were allowed.
        begun: A part of the answer had come.
    """
    found = list(causes(error))
    untrusted = next((each for each in found if isinstance(each, ssl.SSLCertVerificationError)), None)
    if untrusted is not None:
        return "unreachable", _CERTIFICATES.get(untrusted.verify_code, _NOT_TRUSTED).format(host=host)
    unread = None if begun else next((each for each in found if _is_unreadable(each)), None)
    if unread is not None:
        if "illegal status line" in str(unread):
            return "unknown", f"{host} sent something that is not HTTP. Check the base URL."
        return "unknown", f"{host} sent HTTP that is broken or has very long headers. Is there a proxy between?"
    for kinds, word, sentence in (*(_cuts() if begun else ()), *_failures()):
        if any(isinstance(each, kinds) for each in found):
            return word, sentence.format(host=host, timeout=f"{timeout_s:g}")
    return "unknown", f"{host} answered something that keytui does not understand. Check the base URL."


def _is_unreadable(error: BaseException) -> bool:
    """Whether an answer could not be read as HTTP; connections that ended have the same class."""
    import httpx2

    ended = any(word in str(error) for word in ("closed", "disconnected"))
    return isinstance(error, httpx2.RemoteProtocolError) and not ended


def _cuts() -> tuple[_Failure, ...]:
    """What some kinds of errors mean in the middle of an answer."""
    import httpx2

    silence = "The answer was cut: {host} sent no more of it for {timeout} s. Try again in a moment."
    lost = "The answer was cut: {host} closed the connection before its end. Try again in a moment."
    return (
        ((TimeoutError, httpx2.TimeoutException), "unreachable", silence),
        ((httpx2.RemoteProtocolError, ConnectionError), "unreachable", lost),
    )


def _failures() -> tuple[_Failure, ...]:
    """Kinds of errors and what they mean, the more telling ones first."""
    import httpx2

    from keytui.providers.sdk import AnswerTooLong, CertificatesUnusable, ProxyUnusable

    return (
        (
            (CertificatesUnusable,),
            "unreachable",
            "The certificates to trust cannot be read, so nothing was sent. Check SSL_CERT_FILE and SSL_CERT_DIR.",
        ),
        ((socket.gaierror,), "unreachable", "The name {host} was not found. Check the base URL and the network."),
        ((ssl.SSLError,), "unreachable", "No secure connection to {host}: does it speak https?"),
        ((ConnectionRefusedError,), "unreachable", "Nothing listens at {host}. Is the server running?"),
        (
            (httpx2.ProxyError, ProxyUnusable),
            "unreachable",
            "The proxy did not let us through. Check the proxy variables.",
        ),
        (
            (TimeoutError, httpx2.TimeoutException),
            "unreachable",
            "{host} did not answer within {timeout} s. Try again in a moment.",
        ),
        (
            (AnswerTooLong, httpx2.DecodingError),
            "unknown",
            "{host} sent something that is no API's answer. Check the base URL.",
        ),
        (
            (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError, ConnectionError),
            "unreachable",
            "{host} closed the connection before it had answered. Try again in a moment.",
        ),
        (
            (OSError, httpx2.ConnectError, httpx2.NetworkError),
            "unreachable",
            "{host} cannot be reached from here. Check the network and the base URL.",
        ),
    )


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what caused it, and the members of groups (a host with several addresses)."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting.extend(other for other in (each.__cause__, each.__context__) if other is not None)
        if isinstance(each, BaseExceptionGroup):
            waiting.extend(each.exceptions)
