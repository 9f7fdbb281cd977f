"""From what a server answered, or failed to, to a word and a sentence of ours.

The meanings are OpenAI's documentation's and its users' reports'. A status alone decides little: 401 is also what a
restricted key, a wrong organization and a blocked address get, and between here and the provider stand firewalls that
answer for it. So that a key is good is taken from the provider's own error object alone. Its text is read for signs
and never shown: it can hold parts of the key.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from keytui.record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from keytui.model import Secret, VerdictWord

    Finding = tuple[VerdictWord, str]

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
_PACE = frozenset({"rate_limit_exceeded", "slow_down", "rate_limit_error"})
"""Codes and types of providers that count the requests of a key, and so have read it."""
_NO_MODEL = re.compile(r"(?<![/\w.-])model\b.*(?:not found|does not exist)", re.DOTALL)
_SPENT = re.compile(r"\bkey\b[^.]{0,20}(?<!rate )limit exceeded|spend(?:ing)? limit")
_WRONG_ADDRESS = re.compile(r"\bip (?:address )?(?:is )?not (?:authorized|allowed|permitted)|\bip address restriction")


class Answer(NamedTuple):
    """What an error answer says, reduced to what is judged.

    Attributes:
        status: HTTP status, or None for an error inside a stream.
        code: `error.code` as it came, in lower case, or "".
        type: `error.type`, in lower case, or "".
        text: `error.message` in lower case: for signs only, never shown.
        form: What the body is: "api" for an error object of an API, "json" for other JSON, a web "page", other "text",
            or "" for nothing.
        retry_after: Seconds to wait, or None.
    """

    status: int | None
    code: str = ""
    type: str = ""
    text: str = ""
    form: Literal["api", "json", "page", "text", ""] = "api"
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
        form: Literal["page", "text", ""] = "page" if page else "text" if body.strip() else ""
        return Answer(status, text=body[:2_000].decode("utf-8", "replace").lower(), form=form, retry_after=retry_after)
    return read_error(parsed)._replace(status=status, retry_after=retry_after)


def read_error(parsed: object) -> Answer:
    """Reduce an error object: OpenAI's, a list around it (Gemini), a bare text, `detail`, `message` (Mistral)."""
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    outer: dict[object, object] = parsed if isinstance(parsed, dict) else {"message": parsed}
    inner = outer.get("error")
    error: dict[object, object] = inner if isinstance(inner, dict) else outer
    named = isinstance(inner, dict) or outer.get("object") == "error" or _word(outer.get("code")) != ""
    texts = [error.get("message"), error.get("detail"), inner]
    details = error.get("details")
    if isinstance(details, list):
        texts.extend(each.get("reason") for each in details if isinstance(each, dict))
    return Answer(
        None,
        code=_word(error.get("code")) or _word(outer.get("code")),
        type=_word(error.get("type")) or _word(outer.get("type")) or _word(error.get("status")),
        text=" ".join(text for text in texts if isinstance(text, str)).lower(),
        form="api" if named else "json",
    )


def judge(answer: Answer, host: str, *, asked_model: bool = False, checks_keys: bool = True) -> Finding:
    """Say what an error answer means for the key.

    Args:
        answer: The error answer.
        host: Who was asked.
        asked_model: The request named a model, which can be what was not found.
        checks_keys: The provider looks at the key before anything else.
    """
    status, spoken = answer.status, answer.form in ("api", "json")
    if answer.code in _QUOTA_CODES or answer.type == "insufficient_quota" or (status == 402 and spoken):
        return "no_quota", f"{_quota(answer.code)} Add credit or raise the limit at the provider."
    if asked_model and _no_such_model(answer):
        return _judge_model(answer, host, checks_keys=checks_keys)
    if (status == 429 and spoken) or answer.code in _PACE:
        return "rate_limited", f"{_too_many(answer, host)} {_wait(answer.retry_after)}"
    if status in (400, 401, 403):
        return _judge_refusal(answer, host)
    if status is None:
        return "unknown", "The provider reported an error in the middle of the answer. Try again in a moment."
    return _judge_status(status, answer, host)


def _no_such_model(answer: Answer) -> bool:
    if answer.form not in ("api", "json"):
        return False
    if answer.code == "model_not_found" or "does not have access to model" in answer.text:
        return True
    # Ollama, vLLM and others name no code: model "x" not found, The model `x` does not exist.
    return answer.status == 404 and _NO_MODEL.search(answer.text) is not None


def _judge_model(answer: Answer, host: str, *, checks_keys: bool) -> Finding:
    if checks_keys and answer.form == "api":
        return "valid", "The key works, but this model does not exist or is not open to it. Choose another model."
    return "unknown", f"{host} has no such model and did not say whether the key works. Choose another model."


def _too_many(answer: Answer, host: str) -> str:
    if answer.code in _PACE or answer.type in _PACE:
        return "The key works, but sent too many requests."
    return f"{host} got too many requests and did not say whether the key works."


def _judge_refusal(answer: Answer, host: str) -> Finding:
    if answer.form == "page":
        return (
            "unknown",
            f"{host} answered with a web page (HTTP {answer.status}): a proxy or a sign-in page? Open it in a browser.",
        )
    if answer.code in _REFUSED_CODES or any(sign in answer.text for sign in _REFUSED_TEXTS):
        return _refused(answer, host)
    return _judge_limits(answer) or _judge_key(answer, host)


class _Sign(NamedTuple):
    """A refusal recognized by the code of an API's error object, or by words in its text."""

    codes: tuple[str, ...]
    text: re.Pattern[str] | None
    word: VerdictWord
    sentence: str


_SIGNS = (
    _Sign(
        ("mismatched_organization", "mismatched_project"),
        re.compile("(?:organization|project) header should match"),
        "restricted",
        "The key is good, but belongs to another organization or project than was asked for. Does a gateway name one?",
    ),
    _Sign(
        ("no_organization",),
        re.compile("must be a member of an organization"),
        "invalid",
        "The key's owner belongs to no organization any more, so the key cannot be used. Ask to be invited again.",
    ),
    _Sign(
        (),
        re.compile("missing scopes|insufficient permissions for this operation"),
        "restricted",
        "The key is good, but restricted: it may not do this. Its permissions are set at the provider.",
    ),
    _Sign(
        ("ip_not_authorized", "ip_not_allowed"),
        _WRONG_ADDRESS,
        "restricted",
        "The key is accepted from certain IP addresses only, and this is none of them. Add it at the provider.",
    ),
    _Sign(
        ("unsupported_country_region_territory",),
        None,
        "unknown",
        "The provider does not serve this country or region and did not look at the key. Try where it does.",
    ),
    _Sign(
        (),
        _SPENT,  # OpenRouter's 403 for a key's own spending limit
        "no_quota",
        "The key's spending limit is used up. Raise it at the provider.",
    ),
)
"""Refusals that say more than that the key is wrong."""


def _judge_limits(answer: Answer) -> Finding | None:
    if answer.form != "api":
        return None
    text = answer.text if answer.status != 400 else ""  # which is about the request and not about the key
    for sign in _SIGNS:
        if answer.code in sign.codes or (sign.text is not None and sign.text.search(text)):
            return sign.word, sign.sentence
    return None


def _refused(answer: Answer, host: str) -> Finding:
    if answer.code == "account_deactivated":
        return "invalid", "The account of this key is deactivated. Write to the provider."
    return "invalid", f"{host} does not accept the key: it is wrong, revoked or expired. Make another one there."


def _judge_key(answer: Answer, host: str) -> Finding:
    if answer.status == 401 and answer.form in ("api", "json"):
        return _refused(answer, host)
    # Google says "denied" also where it was shown no key at all, or one of a project that it has suspended.
    allowed = (
        "permission" not in f"{answer.type} {answer.code}"
        or "unregistered" in answer.text
        or "suspended" in answer.text
    )
    if answer.status == 403 and answer.form == "api" and not allowed:
        return "restricted", "The key is known, but may not do this. Its permissions are set at the provider."
    if answer.status in (401, 403):
        return (
            "unknown",
            f"{host} forbids this (HTTP {answer.status}) and says nothing of the key. Is there a firewall between?",
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
    if status == 429 or status >= 500:
        wait = _wait(answer.retry_after)
        trouble = "wants fewer requests" if status == 429 else "has a problem of its own"
        return "unknown", f"{host} {trouble} (HTTP {status}). {wait}"
    return "unknown", f"{host} answered HTTP {status}, which says nothing about the key. Check the base URL."


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
