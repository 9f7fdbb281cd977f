"""The probes: what is asked of each kind of provider, and what its answer says of the key. None costs a token."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from keytui.record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.model import VerdictWord
    from keytui.providers.declared import Probe, Provider

    Found = tuple[VerdictWord, str, int | None]

_MOST_DOLLARS = 1e12  # JSON knows no bounds, and Python reads NaN and Infinity in it
_AMOUNT = re.compile(r"-?\d{1,12}(?:\.\d{1,9})?")


class Question(NamedTuple):
    """One probe.

    Attributes:
        path: What is asked for, below the base URL.
        read: Makes a verdict of a good answer's JSON; None when it is no such answer.
        at_root: The path stands beside /v1, not below it.
        moved: A host, and the one that answers this instead of it.
    """

    path: str
    read: Callable[[object, Provider], Found | None]
    at_root: bool = False
    moved: tuple[str, str] | None = None

    def address(self, base_url: str) -> str:
        """Return what to ask for: a path below the base URL, or a whole address."""
        if not self.at_root:
            return self.path
        root = base_url.rstrip("/").removesuffix("/v1")
        if self.moved is not None and urlsplit(root).hostname == self.moved[0]:
            root = f"https://{self.moved[1]}"
        return root + self.path


def model_ids(body: object) -> list[str] | None:
    """Return the ids of a list of models, or None when it is no such list.

    Known shapes: OpenAI's `{"data": […]}`, Ollama's `"data": null` when it has none, and a bare list (Together).
    """
    listed = body.get("data", body.get("models")) if isinstance(body, dict) else body
    if listed is None and isinstance(body, dict) and body.get("object") == "list":
        return []
    if not isinstance(listed, list):
        return None
    ids = [each.get("id", each.get("name")) if isinstance(each, dict) else None for each in listed]
    return [each for each in ids if isinstance(each, str)] if all(isinstance(each, str) for each in ids) else None


def counted(body: object) -> str:
    """Return "1 model" or "28 models", "at least 20 models" where the server has more than it sent (Anthropic)."""
    return _counted(len(model_ids(body) or ()), more=_has_more(body))


def _counted(number: int, *, more: bool) -> str:
    return f"{'at least ' if more else ''}{number} model{'' if number == 1 else 's'}"


def _has_more(body: object) -> bool:
    return isinstance(body, dict) and body.get("has_more") is True


def _read_models(body: object, provider: Provider) -> Found | None:
    ids = model_ids(body)
    if ids is None:
        return None
    more = _has_more(body)
    count, known = _counted(len(ids), more=more), None if more else len(ids)
    if provider.checks_keys:
        return "valid", f"The key works and can list {count}.", known
    return "valid", f"The server answered with {count}; it may not look at the key.", known


def _read_openrouter_key(body: object, provider: Provider) -> Found | None:  # noqa: ARG001 - all readers share one signature
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict) or not ("usage" in data or "label" in data):
        return None
    left = data.get("limit_remaining")
    if isinstance(left, (int, float)) and not isinstance(left, bool) and -_MOST_DOLLARS < left < _MOST_DOLLARS:
        if left <= 0:
            return "no_quota", "The key works, but its spending limit is used up. Raise it at the provider.", None
        return "valid", f"The key works; {left:.2f} dollars of its limit are left.", None
    return "valid", "The key works.", None


def _read_list(body: object, provider: Provider) -> Found | None:  # noqa: ARG001 - all readers share one signature
    if not isinstance(body, dict) or not isinstance(body.get("data"), list):
        return None
    return "valid", "The admin key works.", None


def _read_xai_key(body: object, provider: Provider) -> Found | None:  # noqa: ARG001 - all readers share one signature
    if not isinstance(body, dict) or not ("api_key_id" in body or "redacted_api_key" in body):
        return None
    if body.get("api_key_disabled") is True or body.get("api_key_blocked") is True:
        return "invalid", "The key is disabled or blocked at the provider. Enable it there or make another.", None
    if body.get("team_blocked") is True:
        return "invalid", "The team of this key is blocked at the provider. Look at its console.", None
    granted = body.get("acls")
    if isinstance(granted, list) and not all(f"api-key:{each}:*" in granted for each in ("model", "endpoint")):
        return "restricted", "The key is good, but open to some models or endpoints only.", None
    return "valid", "The key works.", None


def _read_xai_management_key(body: object, provider: Provider) -> Found | None:  # noqa: ARG001 - all readers share one signature
    if not isinstance(body, dict) or not ("apiKeyId" in body or "teamId" in body):
        return None
    return "valid", "The management key works.", None


def _read_deepseek_balance(body: object, provider: Provider) -> Found | None:  # noqa: ARG001 - all readers share one signature
    if not isinstance(body, dict) or not isinstance(body.get("is_available"), bool):
        return None
    if not body["is_available"]:
        return "no_quota", "The key works, but the balance is used up. Add credit at the provider.", None
    infos = body.get("balance_infos")
    sums = [_sum(each) for each in infos] if isinstance(infos, list) else []
    left = " and ".join(each for each in sums if each)
    return "valid", f"The key works; {left} of balance are left." if left else "The key works.", None


def _sum(info: object) -> str:
    amount, currency = (info.get("total_balance"), info.get("currency")) if isinstance(info, dict) else (None, None)
    plain = isinstance(amount, str) and _AMOUNT.fullmatch(amount) and currency in ("CNY", "USD")
    return f"{amount} {currency}" if plain else ""


MODELS = Question("/models", _read_models)
"""What every OpenAI-compatible server answers."""

QUESTIONS: dict[Probe, Question] = {
    "models": MODELS,
    "openrouter_key": Question("/key", _read_openrouter_key),
    "openrouter_keys": Question("/keys", _read_list),
    "projects": Question("/organization/projects?limit=1", _read_list),
    "anthropic_models": Question("/models?limit=1000", _read_models),  # else it sends 20; 1,000 is the most it takes
    "anthropic_keys": Question("/organizations/api_keys?limit=1", _read_list),
    "xai_key": Question("/api-key", _read_xai_key),
    "xai_management_key": Question(
        "/auth/management-keys/validation",
        _read_xai_management_key,
        at_root=True,
        moved=("api.x.ai", "management-api.x.ai"),
    ),
    "deepseek_balance": Question("/user/balance", _read_deepseek_balance, at_root=True),
}


def lists_models(question: Question) -> bool:
    """Whether a probe asks for a list of models."""
    return question.read is _read_models


def list_path(provider: Provider) -> str:
    """Return what to ask a provider for to get the list of its models."""
    question = QUESTIONS[provider.probe]
    return question.path if lists_models(question) else MODELS.path


PROMPT_PATH = "/chat/completions"
"""Where prompts go. Asked for nothing, with an empty object, it costs nothing and shows whether it wants a key."""
