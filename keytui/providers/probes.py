"""The probes: what is asked of each kind of provider, and what its answer says of the key. None costs a token."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from keytui.record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.model import VerdictWord
    from keytui.providers.declared import Probe, Provider

    Found = tuple[VerdictWord, str, int | None]

_AMOUNT = re.compile(r"-?\d{1,12}(?:\.\d{1,9})?")


class Question(NamedTuple):
    """One probe.

    Attributes:
        path: What is asked for, below the base URL.
        read: Makes a verdict of a good answer's JSON; None when it is no such answer.
        at_root: The path stands beside /v1, not below it.
    """

    path: str
    read: Callable[[object, Provider], Found | None]
    at_root: bool = False


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


def counted(models: int) -> str:
    """Return "1 model" or "28 models"."""
    return "1 model" if models == 1 else f"{models} models"


def _read_models(body: object, provider: Provider) -> Found | None:
    ids = model_ids(body)
    if ids is None:
        return None
    if provider.checks_keys:
        return "valid", f"The key works and can list {counted(len(ids))}.", len(ids)
    return "valid", f"The server answered with {counted(len(ids))}; it may not look at the key.", len(ids)


def _read_openrouter_key(body: object, provider: Provider) -> Found | None:  # noqa: ARG001 - all readers share one signature
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict) or not ("usage" in data or "label" in data):
        return None
    left = data.get("limit_remaining")
    if isinstance(left, (int, float)) and not isinstance(left, bool):
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
    "anthropic_keys": Question("/organizations/api_keys?limit=1", _read_list),
    "xai_key": Question("/api-key", _read_xai_key),
    "deepseek_balance": Question("/user/balance", _read_deepseek_balance, at_root=True),
}
