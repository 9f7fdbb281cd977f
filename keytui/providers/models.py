"""Which models a key can be asked with: its own list, without those that do not chat, the small ones first."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from keytui.errors import ProviderUnreachable
from keytui.providers import checks, client, mapping, probes
from keytui.providers.failures import failed
from keytui.providers.scrubbing import Scrubber

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keytui.model import Key, Secret
    from keytui.providers.declared import Provider
    from keytui.providers.sdk import KeyClient

_MOST = 5_000  # models; OpenRouter, with the longest list known, has some hundred
_LONGEST_NAME = 200

_NO_CHAT = (
    "embed",
    "embedding",
    "embeddings",
    "tts",
    "whisper",
    "transcribe",
    "dall-e",
    "image",
    "imagen",
    "moderation",
    "audio",
    "realtime",
    "rerank",
    "reranker",
    "davinci",
    "babbage",
    "turbo-instruct",
    "sora",
    "guard",
    "guardian",
    "llamaguard",
    "ocr",
)
"""Words in the names of models that do not chat: whole ones, since vanguard-chat does."""
_BETWEEN = re.compile(r"[-_/.:\d]+")


class Models(list[str]):
    """The models of a list that a prompt can be sent to.

    Attributes:
        hidden: The others, as their names say, by name. A name is no proof.
    """

    def __init__(self, able: Iterable[str], hidden: Iterable[str] = ()) -> None:
        super().__init__(able)
        self.hidden = list(hidden)


def chatting(provider: Provider, listed: list[str]) -> Models:
    """Return the models of a list that a prompt can be sent to: the provider's small ones, then the rest by name.

    When no name looks like a chat model, all of them: a name is no proof.
    """
    able = {each for each in listed if _chats(each)} or set(listed)
    small = [each for each in provider.small_models if each in able]
    return Models([*small, *sorted(able - set(small), key=str.casefold)], sorted(set(listed) - able, key=str.casefold))


def _chats(name: str) -> bool:
    """Whether no word of a model's name says that it does not chat."""
    parted = f"-{_BETWEEN.sub('-', name.lower())}-"
    return not any(f"-{part}-" in parted for part in _NO_CHAT)


async def listed(opened: KeyClient, key: Key, secret: Secret, timeout_s: float) -> list[str]:
    """Return the ids of the models a key lists, in the provider's order.

    Raises:
        KeyRefused: The key is invalid or has no quota.
        ProviderUnreachable: Everything else that the server answered instead of a list.
        Exception: Whatever the libraries raise when there is no answer.
    """
    provider, _probe = checks.probe_of(key)
    host = client.host_of(key)
    async with asyncio.timeout(timeout_s):
        reply = await checks.ask(opened, probes.list_path(provider), provider, secret)
    if reply.error is not None:
        word, detail = mapping.judge(reply.error, host)
        raise failed(word, detail, reply.status, mapping.plain_code(reply.error.code, secret), reply.request_id)
    ids = probes.model_ids(reply.body)
    if ids is None:
        raise failed("unknown", f"{host} sent no list of models. Check the base URL.", reply.status)
    scrub = Scrubber(secret)
    # In a thread: a million characters that are like the key's take 0.2 s.
    return await asyncio.to_thread(lambda: [each for each in ids[:_MOST] if _fit(each, scrub)])


async def choose(opened: KeyClient, key: Key, secret: Secret, timeout_s: float) -> str:
    """Return a small model of the key's own list, or the provider's preferred one when the list is not open to it.

    Raises:
        KeyRefused: As for `listed`.
        ProviderUnreachable: As for `listed`, or no model is known.
        Exception: As for `listed`.
    """
    provider, _probe = checks.probe_of(key)
    if provider.model_hint:
        raise failed("unknown", provider.model_hint)
    try:
        found = await listed(opened, key, secret, timeout_s)
    except ProviderUnreachable as error:
        if error.verdict.word not in ("restricted", "unknown"):
            raise
        found = []  # a restricted key may prompt and not list
    chosen = await asyncio.to_thread(_first, provider, found) or next(iter(provider.small_models), None)
    if chosen is None:
        raise failed("unknown", "No model to ask is known for this key: name one.")
    return chosen


def _first(provider: Provider, found: list[str]) -> str | None:
    """Return a small model, else the first that chats in the provider's own order."""
    known = set(found)
    small = next((each for each in provider.small_models if each in known), None)
    able = (each for each in found if _chats(each))
    return small or next(able, None)


def _fit(name: str, scrub: Scrubber) -> bool:
    """Whether a model's name can be shown and asked for: one line, of sensible length, no part of the key in it."""
    return bool(name) and len(name) <= _LONGEST_NAME and name.isprintable() and not scrub.finds(name)
