"""What the demo server answers: models, texts, and the errors of an OpenAI-compatible provider.

The errors are those of the real thing, as OpenAI documents them and as users report them: one status does not mean one
thing (a restricted key, a wrong organization and a blocked address are all 401), so each has its code and type.
"""

from __future__ import annotations

from keytui.model import Secret
from keytui.providers.catalog import PROVIDERS, recognize
from keytui.record import NamedTuple


class Failure(NamedTuple):
    """An error answer.

    Attributes:
        status: HTTP status.
        code: `error.code`, or None as the provider sends it for some errors.
        type: `error.type`.
        message: `error.message`, in the provider's style. "{key}" stands for what the provider shows of the key.
        retry_after: Seconds for the Retry-After header, or None.
        chat_only: Whether listing models works nevertheless.
        models_only: Whether Chat Completions works nevertheless.
    """

    status: int
    code: str | None
    type: str
    message: str
    retry_after: int | None = None
    chat_only: bool = False
    models_only: bool = False


_NO_CREDIT = "You exceeded your current quota, please check your plan and billing details."

FAILURES: dict[str, Failure] = {
    "invalid": Failure(401, "invalid_api_key", "invalid_request_error", "Incorrect API key provided: {key}."),
    "mismatched_organization": Failure(
        401, "mismatched_organization", "invalid_request_error", "OpenAI-Organization header should match the API key."
    ),
    "no_organization": Failure(
        401, "no_organization", "invalid_request_error", "You must be a member of an organization to use the API."
    ),
    "restricted": Failure(
        401,
        None,
        "invalid_request_error",
        "You have insufficient permissions for this operation. Missing scopes: api.model.read.",
        models_only=True,
    ),
    "no_scopes": Failure(
        403,
        None,
        "invalid_request_error",
        "You have insufficient permissions for this operation. Missing scopes: model.request.",
    ),
    "ip_allowlist": Failure(
        401, "ip_not_authorized", "invalid_request_error", "Your IP address is not authorized to use this project."
    ),
    "mismatched_project": Failure(
        401, "mismatched_project", "invalid_request_error", "OpenAI-Project header should match the API key."
    ),
    "no_response_scope": Failure(
        401,
        None,
        "invalid_request_error",
        "You have insufficient permissions for this operation. Missing scopes: api.responses.write.",
    ),
    "ip_allowlist_403": Failure(403, None, "request_forbidden", "IP not authorized for this project."),
    "deactivated": Failure(401, "account_deactivated", "invalid_request_error", "The account is deactivated."),
    "region": Failure(
        403,
        "unsupported_country_region_territory",
        "request_forbidden",
        "Country, region, or territory not supported",
    ),
    "model_not_found": Failure(
        404,
        "model_not_found",
        "invalid_request_error",
        "The model does not exist or you do not have access to it.",
        chat_only=True,
    ),
    "rate_limited": Failure(429, "rate_limit_exceeded", "requests", "Rate limit reached for requests.", 20),
    "slow_down": Failure(429, "slow_down", "requests", "Please slow down.", 5),
    "no_quota": Failure(429, "insufficient_quota", "insufficient_quota", _NO_CREDIT),
    "no_credit": Failure(429, "credit_balance_exhausted", "insufficient_quota", _NO_CREDIT, chat_only=True),
    "payment": Failure(402, None, "payment_required", "Insufficient Balance"),
    "error_500": Failure(500, None, "server_error", "The server had an error while processing your request."),
    "error_502": Failure(502, None, "server_error", "Bad gateway."),
    "down": Failure(503, "server_is_overloaded", "server_error", "The engine is currently overloaded.", 30),
}
"""Error answers by key state."""

for _code in (
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
):
    FAILURES[_code] = Failure(429, _code, "insufficient_quota", _NO_CREDIT)

BEHAVIORS = (
    "valid",
    "slow",  # answers late and streams slowly
    "hang",  # never answers
    "drop",  # closes the connection without an answer
    "cut",  # the stream ends in the middle
    "cut_first",  # the stream ends before its first chunk
    "silent",  # the stream stops sending after some chunks and stays open
    "empty",  # a stream without a chunk
    "unfinished",  # all the text, then no finish_reason, no usage, no [DONE]
    "stream_error",  # an error object inside the stream
    "broken_stream",  # a chunk that is not JSON
    "null_choices",  # a chunk whose choices are null comes first
    "echo",  # the answer repeats the key
    "html",  # a web page with status 200
    "wrong_shape",  # JSON of another shape with status 200
    "no_stream_options",  # refuses stream_options with 422
    "no_max_tokens",  # wants max_completion_tokens
    "no_max_completion_tokens",  # wants max_tokens
    "strict",  # refuses every parameter that is not needed
)
"""States that are no plain error."""

STATES = frozenset((*FAILURES, *BEHAVIORS))
"""Every state a key can be registered with."""

WORDS = {
    "invalid": "invalid",
    "noquota": "no_quota",
    "ratelimit": "rate_limited",
    "restricted": "restricted",
    "slow": "slow",
    "cut": "cut",
    "down": "down",
}
"""A word inside an unregistered key, and the state it chooses."""

PIECES = (
    "Hello",
    " from",
    " the",
    " demo",
    " server",
    ".",
    " Your",
    " key",
    " works",
    ":",
    " this",
    " answer",
    " is",
    " streamed",
    ",",
    " piece",
    " by",
    " piece",
    ",",
    " over",
    " real",
    " HTTP",
    " on",
    " this",
    " machine",
    " alone",
    ".",
    " No",
    " token",
    " was",
    " paid",
    " for",
    ",",
    " and",
    " nothing",
    " left",
    " your",
    " computer",
    ".",
)
"""The usual answer; each piece counts as one token."""

_OTHER_MODELS = {
    "openai": (
        "gpt-6",
        "gpt-6-terra",
        "o4-mini",
        "text-embedding-3-small",
        "gpt-4o-mini-tts",
        "omni-moderation-latest",
    ),
    "openrouter": ("anthropic/claude-haiku-4.5", "google/gemini-2.5-flash-lite"),
    "anthropic": ("claude-sonnet-5",),
    "gemini": ("models/gemini-2.5-flash", "models/gemini-embedding-001"),
}


def unregistered_state(key: str) -> str:
    """Return the state of a key that nobody registered, by the rule of `keytui.demo.server`."""
    for word, state in WORDS.items():
        if word in key:
            return state
    return "valid" if key.startswith("sk-") and len(key) >= 20 else "invalid"


def models_of(key: str) -> list[str]:
    """Return the models this key lists: those of the provider it looks like, or all for a bare or unknown shape."""
    guess = recognize(Secret(key))
    chosen = [guess.provider] if guess.sure else list(PROVIDERS)
    return [name for each in chosen for name in (*PROVIDERS[each].small_models, *_OTHER_MODELS.get(each, ()))]


def all_models() -> frozenset[str]:
    """Return every model that Chat Completions accepts here."""
    return frozenset(models_of(""))


def pieces_for(prompt: str) -> tuple[str, ...]:
    """Return the answer to a prompt, in pieces of one token."""
    return ("Hello", ".") if "one word" in prompt.lower() else PIECES


def error_body(failure: Failure, key: str) -> dict[str, object]:
    """Return the JSON body of a failure; the key stands in it as OpenAI shows it, in part."""
    shown = f"{key[:8]}{'*' * max(0, len(key) - 12)}{key[-4:]}" if len(key) >= 20 else "***"
    message = failure.message.replace("{key}", shown)
    return {"error": {"message": message, "type": failure.type, "param": None, "code": failure.code}}
