"""From what a server answered, or failed to, to a word and a sentence of ours.

The meanings are OpenAI's documentation's and its users' reports'. A status alone decides little: 401 is also what a
restricted key, a wrong organization and a blocked address get. The provider's own text is read for signs and never
shown: it can hold parts of the key.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
from typing import TYPE_CHECKING

from keytui.record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keytui.model import Secret, VerdictWord

    Finding = tuple[VerdictWord, str]
    _Failure = tuple[tuple[type[BaseException], ...], VerdictWord, str]

_PLAIN_CODE = re.compile(r"[a-z0-9_.-]{1,60}")
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:-]{1,80}")
_PIECE = 8  # characters of a key that must not appear in anything kept
_LONGEST_WAIT = 86_400

_QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_hard_limit_reached",
        "billing_not_active",
    }
)
_REFUSED_CODES = frozenset({"invalid_api_key", "account_deactivated", "api_key_expired", "api_key_revoked"})
_REFUSED_TEXTS = (
    "incorrect api key",
    "invalid api key",
    "api key not valid",
    "api_key_invalid",
    "api key expired",
    "reported as leaked",
)


class Answer(NamedTuple):
    """What an error answer says, reduced to what is judged.

    Attributes:
        status: HTTP status, or None for an error inside a stream.
        code: `error.code` as it came, in lower case, or "".
        type: `error.type`, in lower case, or "".
        text: `error.message` in lower case: for signs only, never shown.
        page: The body is a web page instead of an API's answer.
        retry_after: Seconds to wait, or None.
    """

    status: int | None
    code: str = ""
    type: str = ""
    text: str = ""
    page: bool = False
    retry_after: int | None = None


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Reduce an HTTP error answer, whatever its shape."""
    wait = headers.get("retry-after", "")
    retry_after = int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 6 else None
    if retry_after is not None and retry_after > _LONGEST_WAIT:
        retry_after = None
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        page = "html" in headers.get("content-type", "").lower() or body.lstrip()[:1] == b"<"
        return Answer(status, text=body[:2_000].decode("utf-8", "replace").lower(), page=page, retry_after=retry_after)
    return read_error(parsed)._replace(status=status, retry_after=retry_after)


def read_error(parsed: object) -> Answer:
    """Reduce an error object: OpenAI's, a list around it (Gemini), a bare text, `detail`, `message` (Mistral)."""
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    outer: dict[object, object] = parsed if isinstance(parsed, dict) else {"message": parsed}
    inner = outer.get("error")
    error: dict[object, object] = inner if isinstance(inner, dict) else outer
    texts = [error.get("message"), error.get("detail"), inner]
    details = error.get("details")
    if isinstance(details, list):
        texts.extend(each.get("reason") for each in details if isinstance(each, dict))
    return Answer(
        None,
        code=_word(error.get("code")) or _word(outer.get("code")),
        type=_word(error.get("type")) or _word(outer.get("type")) or _word(error.get("status")),
        text=" ".join(text for text in texts if isinstance(text, str)).lower(),
    )


def judge(answer: Answer, host: str) -> Finding:
    """Say what an error answer means for the key."""
    status = answer.status
    if answer.code in _QUOTA_CODES or answer.type == "insufficient_quota" or status == 402:
        return "no_quota", f"{_quota(answer.code)} Add credit or raise the limit at the provider."
    if _no_such_model(answer):
        return "valid", "The key works, but this model does not exist or is not open to it. Choose another model."
    if status == 429 or answer.code in ("rate_limit_exceeded", "slow_down"):
        return "rate_limited", f"The key works, but sent too many requests. {_wait(answer.retry_after)}"
    if status in (400, 401, 403):
        return _judge_refusal(answer, host)
    if status is None:
        return "unknown", "The provider reported an error in the middle of the answer. Try again in a moment."
    return _judge_status(status, answer, host)


def _no_such_model(answer: Answer) -> bool:
    if answer.code == "model_not_found" or "does not have access to model" in answer.text:
        return True
    # Ollama, vLLM and others name no code: model "x" not found, The model `x` does not exist.
    missing = "not found" in answer.text or "does not exist" in answer.text
    return answer.status == 404 and "model" in answer.text and missing


def _judge_refusal(answer: Answer, host: str) -> Finding:
    if answer.page:
        return (
            "unknown",
            f"{host} answered with a web page (HTTP {answer.status}): a proxy or a sign-in page? Open it in a browser.",
        )
    return _judge_limits(answer) or _judge_key(answer, host)


class _Sign(NamedTuple):
    """A refusal recognized by its code or by words in its text."""

    codes: tuple[str, ...]
    texts: tuple[str, ...]
    word: VerdictWord
    sentence: str


_SIGNS = (
    _Sign(
        ("mismatched_organization", "mismatched_project"),
        ("organization header should match", "project header should match"),
        "restricted",
        "The key is good, but belongs to another organization or project than was asked for. Does a gateway name one?",
    ),
    _Sign(
        ("no_organization",),
        ("must be a member of an organization",),
        "invalid",
        "The key's owner belongs to no organization any more, so the key cannot be used. Ask to be invited again.",
    ),
    _Sign(
        (),
        ("missing scopes", "insufficient permissions"),
        "restricted",
        "The key is good, but restricted: it may not do this. Its permissions are set at the provider.",
    ),
    _Sign(
        ("ip_not_authorized", "ip_not_allowed"),
        ("ip address", "ip not authorized", "ip is not", "allowlist"),
        "restricted",
        "The key is accepted from certain IP addresses only, and this is none of them. Add it at the provider.",
    ),
    _Sign(
        ("unsupported_country_region_territory",),
        (),
        "unknown",
        "The provider does not serve this country or region and did not look at the key. Try where it does.",
    ),
    _Sign(
        (),
        ("limit exceeded",),  # OpenRouter's 403 for a key's own spending limit
        "no_quota",
        "The key's spending limit is used up. Raise it at the provider.",
    ),
)
"""Refusals that say more than that the key is wrong."""


def _judge_limits(answer: Answer) -> Finding | None:
    for sign in _SIGNS:
        if answer.code in sign.codes or any(text in answer.text for text in sign.texts):
            return sign.word, sign.sentence
    return None


def _judge_key(answer: Answer, host: str) -> Finding:
    refused = answer.code in _REFUSED_CODES or any(sign in answer.text for sign in _REFUSED_TEXTS)
    if answer.status == 401 or refused:
        if answer.code == "account_deactivated":
            return "invalid", "The account of this key is deactivated. Write to the provider."
        return "invalid", f"{host} does not accept the key: it is wrong, revoked or expired. Make another one there."
    if answer.status == 403 and "permission" in f"{answer.text} {answer.type} {answer.code}":
        return "restricted", "The key is known, but may not do this. Its permissions are set at the provider."
    if answer.status == 403:
        return (
            "unknown",
            f"{host} forbids this (HTTP 403) without a word on the key. Check its permissions and the base URL.",
        )
    return (
        "unknown",
        f"{host} did not understand the request (HTTP 400), which says nothing about the key. Check the base URL.",
    )


def _judge_status(status: int, answer: Answer, host: str) -> Finding:
    if 300 <= status < 400:
        return "unknown", f"{host} sends us elsewhere (HTTP {status}); a key is not sent after it. Check the base URL."
    if status == 404 and answer.code:
        return "unknown", f"{host} does not know what was asked for (HTTP 404). Check the model and the base URL."
    if status in (404, 405):
        return "unknown", f"{host} has no such address (HTTP {status}). Check the base URL."
    if status == 407:
        return "unreachable", "The proxy asks for a password. Write it into the proxy variables."
    if status >= 500:
        wait = _wait(answer.retry_after)
        return "unknown", f"{host} has a problem of its own (HTTP {status}). {wait}"
    return "unknown", f"{host} answered HTTP {status}, which says nothing about the key. Check the base URL."


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
    """Say what an error of the client means; for errors with an HTTP answer use `judge`.

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
    for kinds, word, sentence in (*(_cuts() if begun else ()), *_failures()):
        if any(isinstance(each, kinds) for each in found):
            return word, sentence.format(host=host, timeout=f"{timeout_s:g}")
    return "unknown", f"{host} answered something that keytui does not understand. Check the base URL."


def _cuts() -> tuple[_Failure, ...]:
    """What some kinds of errors mean in the middle of an answer."""
    import httpx2

    silence = "The answer was cut: {host} sent nothing for {timeout} s. Try again in a moment."
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


def plain_code(code: object, secret: Secret) -> str | None:
    """Return an error code fit for keeping: plain, at most 60 characters, no part of the key."""
    if not isinstance(code, str) or not _PLAIN_CODE.fullmatch(code) or _quotes(code, secret):
        return None
    return code


def plain_id(value: object, secret: Secret) -> str | None:
    """Return a request id fit for keeping: plain, at most 80 characters, no part of the key."""
    if not isinstance(value, str) or not _PLAIN_ID.fullmatch(value) or _quotes(value, secret):
        return None
    return value


def _quotes(text: str, secret: Secret) -> bool:
    folded, key = text.casefold(), secret.reveal().casefold()
    if len(folded) <= _PIECE:
        return folded in key
    return key in folded or any(folded[at : at + _PIECE] in key for at in range(len(folded) - _PIECE + 1))


def _word(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""


def _quota(code: str) -> str:
    if code == "credit_balance_exhausted":
        return "The key works, but the prepaid credit is used up."
    if code.startswith("project_"):
        return "The key works, but its project's spending limit is reached."
    if code.startswith("organization_"):
        return "The key works, but the organization's spending limit is reached."
    return "The key works, but there is no quota or credit left."


def _wait(seconds: int | None) -> str:
    if seconds is None or seconds == 0:
        return "Try again in a moment."
    return f"Try again in {seconds} s." if seconds < 120 else f"Try again in {seconds // 60} minutes."
