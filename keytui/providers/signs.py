"""The signs an error answer is recognized by: codes, types and words of the providers, and what each of them means.

Codes and types are read wherever they stand; words only in an API's own error object, and never shown. Sources are the
providers' documentation and what their users report.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from keytui.record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keytui.model import VerdictWord
    from keytui.providers.mapping import Answer


class Sign(NamedTuple):
    """One meaning, and how it shows.

    Attributes:
        word: What it means for the key.
        sentence: The same for the person, with what to do next.
        codes: Codes or types, in lower case.
        text: Words of the message, or None.
        on_400: The words count with HTTP 400 too, which else is about the request and not about the key.
    """

    word: VerdictWord
    sentence: str
    codes: tuple[str, ...] = ()
    text: re.Pattern[str] | None = None
    on_400: bool = False

    def shows_in(self, answer: Answer) -> bool:
        """Whether an answer shows it."""
        if answer.code in self.codes or answer.type in self.codes:
            return True
        readable = answer.form == "api" and (self.on_400 or answer.status != 400)
        return readable and self.text is not None and self.text.search(answer.text) is not None


_ADD = "Add credit or raise the limit at the provider."
_NO_CREDIT = re.compile(
    # Anthropic, xAI, Gemini, then what several say.
    r"credit balance is too low|reached your specified (?:\w+ )?api usage limits|enforced_spend_limit_reached"
    r"|used all available credits|reached its monthly spending limit|have any credits|run out of credits"
    r"|prepayment credits are depleted"
    r"|insufficient (?:\w+ )?(?:balance|credits?|funds)\b|no credits remaining"
)
_LIMIT_REACHED = re.compile(
    r"\b(?:reached|exceeded|hit)\b[^.]{0,60}\bspend(?:ing)? limit"
    r"|\bspend(?:ing)? limit\b[^.]{0,40}\b(?:reached|exceeded|hit)\b"
)

# "ip" alone is intellectual property as well. Some name the address behind it, in brackets or not.
_THIS_IP = (
    r"(?:(?:^|[.:;,] |\b(?:your|this|from) )(?:client |source )?ip(?: address)?|\b(?:client|source) ip"
    r"|\bip address(?:es)?"
    r"|\bip(?=:? [(\['\"`]?(?:\d{1,3}\.\d|[\da-f]{1,4}:[\da-f:])))"
    r":? (?:[(\['\"`]?[\da-f.:/]{3,45}[)\]'\"`]?,? )?"
)
_IP = re.compile(
    _THIS_IP + r"(?:is |has )?not (?:been )?"
    r"(?:authorized|allowed|permitted|allowlisted|whitelisted|(?:on|in) [^.]{0,40}(?:allow|white)[ -]?list)"
    r"|\bip address restriction"
)
_IP_BLOCKED = re.compile(
    r"\bunauthorized (?:source |client )?ip\b|" + _THIS_IP + r"(?:is |was |has been )(?:blocked|denied|banned)"
)

MONEY = (
    Sign("no_quota", f"The key works, but the prepaid credit is used up. {_ADD}", ("credit_balance_exhausted",)),
    Sign(
        "no_quota",
        f"The key works, but its project's spending limit is reached. {_ADD}",
        ("project_spend_limit_exceeded",),
    ),
    Sign(
        "no_quota",
        f"The key works, but the organization's spending limit is reached. {_ADD}",
        ("organization_spend_limit_exceeded", "organization_usage_limit_exceeded"),
    ),
    Sign(
        "no_quota",
        f"The key works, but there is no quota or credit left. {_ADD}",
        (
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_error",  # Anthropic
            "blocked_api_access",  # Groq
            "exceeded_current_quota_error",  # Moonshot
        ),
        _NO_CREDIT,
        on_400=True,
    ),
    Sign(
        "no_quota",
        "The key works, but a spending limit is reached. Raise it at the provider.",
        text=_LIMIT_REACHED,
        on_400=True,
    ),
)
"""A key that is good and has no money: told with 400 (Anthropic, Groq), 402, 403 and 429 (xAI)."""

NO_MONEY = MONEY[3]
"""What HTTP 402 means when nothing more is said."""

IP = Sign(
    "restricted",
    "The key is accepted from certain IP addresses only, and this is none of them. Add it at the provider.",
    ("ip_not_authorized", "ip_not_allowed"),
    _IP,
)
"""Said by a provider that knows the key, or by a gateway before it looked at any."""

REFUSALS = (
    Sign(
        "restricted",
        "The key is good, but belongs to another organization or project than was asked for. Does a gateway name one?",
        ("mismatched_organization", "mismatched_project"),
        re.compile("(?:organization|project) header should match"),
    ),
    Sign(
        "invalid",
        "The key's owner belongs to no organization any more, so the key cannot be used. Ask to be invited again.",
        ("no_organization",),
        re.compile("must be a member of an organization"),
    ),
    Sign(
        "invalid",
        "The organization of this key is restricted by the provider, so the key cannot be used. Write to the provider.",
        ("organization_restricted",),  # Groq
        re.compile("organization has been restricted"),
        on_400=True,
    ),
    Sign(
        "restricted",
        "The key is good, but restricted: it may not do this. Its permissions are set at the provider.",
        text=re.compile("missing scopes|insufficient permissions for this operation"),
    ),
    IP,
    Sign(
        "unknown",
        "Requests from this IP address are refused, which says nothing of the key. Ask the provider why.",
        ("ip_restricted", "ip_blocked"),
        _IP_BLOCKED,
    ),
    Sign(
        "unknown",
        "The provider does not serve this country or region and did not look at the key. Try where it does.",
        ("unsupported_country_region_territory",),
        re.compile("user location is not supported"),  # Gemini, with 400
        on_400=True,
    ),
    Sign(
        "no_quota",
        "The key's spending limit is used up. Raise it at the provider.",
        text=re.compile(r"\bkey\b[^.]{0,20}(?<!rate )limit exceeded|spend(?:ing)? limit"),  # OpenRouter's 403
    ),
)
"""Refusals that say more than that the key is wrong."""

PACE = frozenset({"rate_limit_exceeded", "slow_down", "rate_limit_error"})
"""Codes and types of providers that count the requests of a key, and so have read it."""

_REFUSED_CODES = frozenset({"invalid_api_key", "account_deactivated", "api_key_expired", "api_key_revoked"})
_REFUSED_TEXTS = (
    "incorrect api key",
    "invalid api key",
    "api key not valid",
    "api_key_invalid",
    "api key expired",
    "reported as leaked",
)

_MODEL_CODES = frozenset(
    {
        "model_not_found",
        "deploymentnotfound",  # Azure OpenAI
        "invalid_model",  # Mistral, Perplexity
        "model_decommissioned",  # Groq
        "model_not_available",  # Together
    }
)
_NO_ACCESS = "does not have access to model"
# Ollama, vLLM and Gemini name no code: model "x" not found, The model `x` does not exist, models/x is not found.
_MODEL = re.compile(r"(?<![/\w.-])model\b")
_MISSING = re.compile(r"not found|does not exist")
_GEMINIS = re.compile(r"(?<![/\w.-])models/\S{1,200} is not found")
# With 400, which is said of anything, the words must be closer: DeepSeek, OpenRouter, xAI, LiteLLM.
_NOT_ACCEPTED = re.compile(
    r"\bmodel not (?:exist|found)\b|\bis not a valid model\b|\binvalid model(?: name| id)?(?: passed|:| [`'\"]|\.?$)"
    r"|(?<![/\w.-])model [`'\"]?[^\s`'\"]+[`'\"]? (?:does not exist|(?:was |is )?not found|has been decommissioned)"
)
# OpenAI, with 404 and no code.
_NO_CHAT = re.compile(r"\bnot a chat model\b|\bnot (?:supported )?in (?:the )?(?:/?v1/)?chat/completions\b")


def shown(signs: Iterable[Sign], answer: Answer) -> Sign | None:
    """Return the first of some signs that an answer shows."""
    return next((each for each in signs if each.shows_in(answer)), None)


def money(answer: Answer) -> Sign | None:
    """Return the sign that a key has no money, or None. A key that is refused, or too fast, is not out of money."""
    if answer.code in PACE or refuses(answer):
        return None
    return shown(MONEY, answer) or (NO_MONEY if answer.status == 402 and answer.form in ("api", "json") else None)


def refuses(answer: Answer) -> bool:
    """Whether an answer says that the key itself is wrong."""
    return answer.code in _REFUSED_CODES or any(text in answer.text for text in _REFUSED_TEXTS)


def lacks_model(answer: Answer) -> bool:
    """Whether the answer to a request that named a model says that there is none of this name."""
    if answer.form not in ("api", "json") or refuses(answer):
        return False
    if not _MODEL_CODES.isdisjoint((answer.code, answer.type)) or _NO_ACCESS in answer.text:
        return True
    if answer.status == 404 and (_says_missing(answer.text) or _is_anthropics(answer)):
        return True
    return answer.status in (400, 422, None) and _NOT_ACCEPTED.search(answer.text) is not None


def does_not_chat(answer: Answer) -> bool:
    """Whether the answer to a prompt says that its model is none to chat with."""
    return (
        answer.form == "api"
        and answer.status in (400, 404, None)
        and not refuses(answer)
        and _NO_CHAT.search(answer.text) is not None
    )


def follows(text: str, first: re.Pattern[str], then: re.Pattern[str]) -> bool:
    """Whether one sign stands anywhere after another: in one pass, where a pattern with ".*" takes one for each."""
    found = first.search(text)
    return found is not None and then.search(text, found.end()) is not None


def _says_missing(text: str) -> bool:
    return follows(text, _MODEL, _MISSING) or _GEMINIS.search(text) is not None


def _is_anthropics(answer: Answer) -> bool:
    return "not_found_error" in (answer.code, answer.type) and answer.text.startswith("model:")
