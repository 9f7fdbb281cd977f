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

from keytui.providers import limits, signs
from keytui.providers.scrubbing import quotes
from keytui.record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from keytui.model import Secret, VerdictWord

    Finding = tuple[VerdictWord, str]

_PLAIN_CODE = re.compile(r"[a-z0-9_.-]{1,60}")
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:-]{1,80}")
_LONGEST_TEXT = 2_000  # characters of one text of an error that are searched: real ones are below 500
_LONGEST_TEXTS = 4_000
_PIECE = 8  # characters of a key that must not appear in anything kept
_REQUEST_IDS = ("x-request-id", "request-id")
"""Headers that hold a request's id: OpenAI's name, which most took over, and Anthropic's."""


class Answer(NamedTuple):
    """What an error answer says, reduced to what is judged.

    Attributes:
        status: HTTP status; for an error that came with HTTP 200 the one its own code stands for (OpenRouter), or None.
        code: `error.code` as it came, in lower case, or "".
        type: `error.type`, in lower case, or "".
        text: `error.message` in lower case, its beginning if it is long: for signs only, never shown.
        form: What the body is: "api" for an error object of an API, "json" for other JSON, a web "page", other "text",
            or "" for nothing.
        retry_after: Seconds to wait, or None.
        inside: The error stands in an answer that came with HTTP 200.
    """

    status: int | None
    code: str = ""
    type: str = ""
    text: str = ""
    form: Literal["api", "json", "page", "text", ""] = "api"
    retry_after: int | None = None
    inside: bool = False

    @property
    def told(self) -> str:
        """The status for sentences."""
        return f"{'error' if self.inside else 'HTTP'} {self.status}"


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Reduce an HTTP error answer, whatever its shape."""
    retry_after = limits.retry_after(headers)
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        page = "html" in headers.get("content-type", "").lower() or body.lstrip()[:1] == b"<"
        form: Literal["page", "text", ""] = "page" if page else "text" if body.strip() else ""
        return Answer(
            status, text=body[:_LONGEST_TEXT].decode("utf-8", "replace").lower(), form=form, retry_after=retry_after
        )
    return read_error(parsed)._replace(status=status, retry_after=retry_after, inside=False)


def read_error(parsed: object) -> Answer:
    """Reduce an error that came with HTTP 200, in an answer or in a stream.

    Known shapes: OpenAI's object, a list around it (Gemini), a bare text, `detail`, `message` (Mistral).
    """
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    outer: dict[object, object] = parsed if isinstance(parsed, dict) else {"message": parsed}
    inner = outer.get("error")
    error: dict[object, object] = inner if isinstance(inner, dict) else outer
    named = isinstance(inner, dict) or outer.get("object") == "error" or _word(outer.get("code")) != ""
    texts = [error.get("message"), *_faults(error.get("detail")), inner]
    details = error.get("details")
    if isinstance(details, dict):
        texts.append(details.get("error_code"))  # Anthropic
    if isinstance(details, list):
        texts.extend(each.get("reason") for each in details if isinstance(each, dict))
    return Answer(
        _status(error.get("code")),
        code=_word(error.get("code")) or _word(outer.get("code")),
        type=_word(error.get("type")) or _word(outer.get("type")) or _word(error.get("status")),
        text=" ".join(text[:_LONGEST_TEXT] for text in texts if isinstance(text, str))[:_LONGEST_TEXTS].lower(),
        form="api" if named else "json",
        inside=True,
    )


def error_in(parsed: object) -> Answer | None:
    """Return the error that an answer with HTTP 200 holds instead of what was asked for, or None."""
    holds = isinstance(parsed, dict) and parsed.get("error") and not parsed.get("data")
    return read_error(parsed) if holds else None


def _status(code: object) -> int | None:
    """Return a code that is an HTTP status, or None."""
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3:
        code = int(code)
    return code if isinstance(code, int) and 400 <= code < 600 else None


def _faults(detail: object) -> list[object]:
    """Return the texts of `detail`: one, or FastAPI's list of what is wrong, each with the place it is at."""
    found: list[object] = []
    for fault in detail if isinstance(detail, list) else ():
        if isinstance(fault, dict):
            place = fault.get("loc")
            found += [*(place if isinstance(place, list) else ()), fault.get("msg")]
    return found or [detail]


def judge(
    answer: Answer, host: str, *, asked_model: bool = False, checks_keys: bool = True, begun: bool = False
) -> Finding:
    """Say what an error answer means for the key.

    Args:
        answer: The error answer.
        host: Who was asked.
        asked_model: The request named a model, which can be what was not found.
        checks_keys: The provider looks at the key before anything else.
        begun: A part of the answer had come before.
    """
    broke = signs.money(answer)
    if broke is not None:
        return broke.word, broke.sentence
    if asked_model and signs.lacks_model(answer):
        return _judge_model(answer, host, checks_keys=checks_keys)
    if asked_model and signs.does_not_chat(answer):
        works = "The key works, but" if checks_keys else f"{host} says that"
        return "valid" if checks_keys else "unknown", f"{works} this model does not chat. Choose another model."
    if (answer.status == 429 and answer.form in ("api", "json")) or answer.code in signs.PACE:
        return "rate_limited", f"{_too_many(answer, host)} {_wait(answer.retry_after)}"
    if answer.status in (400, 401, 403, None):
        found = _judge_refusal(answer, host, checks_keys=checks_keys)
    else:
        found = _judge_status(answer.status, answer, host)
    if begun and found[0] == "unknown":
        return "unknown", "The provider reported an error in the middle of the answer. Try again in a moment."
    return found


def _judge_model(answer: Answer, host: str, *, checks_keys: bool) -> Finding:
    if checks_keys and answer.form == "api":
        return "valid", "The key works, but this model does not exist or is not open to it. Choose another model."
    return "unknown", f"{host} has no such model and did not say whether the key works. Choose another model."


def _too_many(answer: Answer, host: str) -> str:
    if answer.code in signs.PACE or answer.type in signs.PACE:
        return "The key works, but sent too many requests."
    return f"{host} got too many requests and did not say whether the key works."


def _judge_refusal(answer: Answer, host: str, *, checks_keys: bool) -> Finding:
    if answer.form == "page":
        return (
            "unknown",
            f"{host} answered with a web page ({answer.told}): a proxy or a sign-in page? Open it in a browser.",
        )
    if signs.refuses(answer):
        return _refused(answer, host)
    sign = signs.shown(signs.REFUSALS, answer)
    if sign is signs.IP and not checks_keys:
        return (
            "unknown",
            f"{host} does not serve this IP address and did not say whether the key works. Ask who runs it.",
        )
    return (sign.word, sign.sentence) if sign is not None else _judge_key(answer, host)


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
            f"{host} forbids this ({answer.told}) and says nothing of the key. Is there a firewall between?",
        )
    if answer.status is None:
        return "unknown", f"{host} reported an error instead of an answer. Try again in a moment."
    return (
        "unknown",
        f"{host} did not understand the request ({answer.told}), which says nothing about the key. Check the base URL.",
    )


def _judge_status(status: int, answer: Answer, host: str) -> Finding:
    if 300 <= status < 400:
        return "unknown", f"{host} sends us elsewhere ({answer.told}); a key is not sent after it. Check the base URL."
    if status == 404 and answer.code:
        return "unknown", f"{host} does not know what was asked for ({answer.told}). Check the model and the base URL."
    if status in (404, 405):
        return "unknown", f"{host} has no such address ({answer.told}). Check the base URL."
    if status in (407, 408):
        proxy = "The proxy asks for a password. Write it into the proxy variables."
        late = f"{host} gave up waiting for the request ({answer.told}). Try again in a moment."
        return "unreachable", proxy if status == 407 else late
    if status == 429 or status >= 500:
        wait = _wait(answer.retry_after)
        trouble = "wants fewer requests" if status == 429 else "has a problem of its own"
        return "unknown", f"{host} {trouble} ({answer.told}). {wait}"
    return "unknown", f"{host} answered {answer.told}, which says nothing about the key. Check the base URL."


def plain_code(code: object, secret: Secret) -> str | None:
    """Return an error code fit for keeping: plain, at most 60 characters, no part of the key."""
    if not isinstance(code, str) or not _PLAIN_CODE.fullmatch(code) or quotes(code, secret, _PIECE):
        return None
    return code


def plain_id(value: object, secret: Secret) -> str | None:
    """Return a request id fit for keeping: plain, at most 80 characters, no part of the key."""
    if not isinstance(value, str) or not _PLAIN_ID.fullmatch(value) or quotes(value, secret, _PIECE):
        return None
    return value


def request_id(headers: Mapping[str, str], secret: Secret) -> str | None:
    """Return the provider's id of a request, fit for keeping, or None."""
    found = (plain_id(headers.get(name), secret) for name in _REQUEST_IDS)
    return next((each for each in found if each is not None), None)


def _word(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""


def _wait(seconds: int | None) -> str:
    return f"Try again in {limits.words(seconds)}." if seconds else "Try again in a moment."
