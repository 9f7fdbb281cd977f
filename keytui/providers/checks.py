"""Is this key good? One cheap request that costs no tokens, and a truthful verdict.

The probe is the key's own provider's, at the key's own base URL. A public endpoint proves nothing: OpenRouter lists
its models to anyone, so its key endpoint is asked instead.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

from keytui.model import Verdict
from keytui.providers import catalog, client, limits, mapping
from keytui.record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    import openai

    from keytui.model import Key, Secret, VerdictWord
    from keytui.providers.catalog import Probe, Provider
    from keytui.providers.sdk import KeyClient

    _Found = tuple[VerdictWord, str, int | None]

_LONG_BODY = 200_000  # bytes; parsing more than this would be felt in the interface


class Reply(NamedTuple):
    """A probe that was answered.

    Attributes:
        status: HTTP status.
        body: The parsed JSON, or None when it is none.
        error: The reduced answer when the status is an error, else None.
        request_id: The provider's id of the request, or None.
        latency_ms: From sending to the answer's headers.
        limits: What the rate limits leave, in our own words, or "".
    """

    status: int
    body: object
    error: mapping.Answer | None
    request_id: str | None
    latency_ms: int
    limits: str


async def check(key: Key, secret: Secret, *, timeout_s: float) -> Verdict:
    """Ask the key's provider about a key.

    Never raises for anything a server does, and never quotes its text.

    Args:
        key: Says where and what to ask.
        secret: The value to check, which need not be the key's current one.
        timeout_s: Seconds the whole check may take.
    """
    problem = client.unsendable(secret)
    if problem is not None:
        return _verdict("invalid", problem)
    problem = problem_of(key)
    if problem is not None:
        return _verdict("unknown", f"{problem} The key was not sent.")
    await client.load()
    host = client.host_of(key)
    provider, probe = probe_of(key)
    path, read = _PROBES[probe]
    try:
        async with asyncio.timeout(timeout_s), client.open_client(key, secret, timeout_s) as opened:
            reply = await ask(opened, path, provider, secret)
    except Exception as error:  # a server can make the libraries raise nearly anything
        return _verdict(*mapping.judge_failure(error, host, timeout_s))
    word, detail, models = _judge(reply, read, provider, host)
    code = mapping.plain_code(reply.error.code, secret) if reply.error is not None else None
    return Verdict(word, detail, _now(), reply.latency_ms, reply.status, code, reply.request_id, models, reply.limits)


def problem_of(key: Key) -> str | None:
    """Say why this key must not be sent to its base URL, or return None."""
    base_url = client.base_url_of(key)
    return client.address_problem(base_url, allow_http=key.allow_http, kind=key.kind, provider=key.provider)


def probe_of(key: Key) -> tuple[Provider, Probe]:
    """Return whose rules a key follows, and its probe.

    The provider decides, so that a key checked through a gateway keeps its probe; a custom key at a known provider's
    host follows that provider.
    """
    provider = catalog.provider(key.provider)
    if not provider.checks_keys:
        provider = catalog.by_address(client.base_url_of(key)) or provider
    return provider, provider.admin_probe if key.kind == "admin" else provider.probe


async def ask(opened: KeyClient, path: str, provider: Provider, secret: Secret) -> Reply:
    """Send one GET and reduce what comes back.

    Raises:
        Exception: Whatever the libraries raise when there is no answer.
    """
    import httpx2
    import openai

    headers = _headers(provider.probe_headers, provider.key_header, secret)
    started = time.monotonic()
    try:
        response = await opened.get(path, cast_to=httpx2.Response, options={"headers": headers})
    except openai.APIStatusError as error:
        # Kept outside this block: an exception would hold on to the request and its headers.
        response = error.response
    latency_ms = round((opened.answered_at - started) * 1000)
    request_id = mapping.plain_id(response.headers.get("x-request-id"), secret)
    status, body, left = response.status_code, response.content, limits.read(response.headers)
    if not 200 <= status < 300:
        reduced = mapping.read_answer(status, response.headers, body)
        return Reply(status, None, reduced, request_id, latency_ms, left)
    parsed = await asyncio.to_thread(parse, body) if len(body) > _LONG_BODY else parse(body)
    return Reply(status, parsed, None, request_id, latency_ms, left)


def headers_for_prompts(provider: Provider, secret: Secret) -> dict[str, str | openai.Omit]:
    """Return the headers that carry a key in Chat Completions where a provider wants others than OpenAI's."""
    return _headers((), provider.key_header if provider.key_header_everywhere else "", secret)


def _headers(plain: tuple[tuple[str, str], ...], key_header: str, secret: Secret) -> dict[str, str | openai.Omit]:
    import openai

    headers: dict[str, str | openai.Omit] = dict(plain)
    if key_header:
        headers.update({"Authorization": openai.Omit(), key_header: secret.reveal()})
    return headers


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


def _judge(reply: Reply, read: Callable[[object, Provider], _Found | None], provider: Provider, host: str) -> _Found:
    if reply.error is not None:
        word, detail = mapping.judge(reply.error, host)
        return word, detail, None
    found = read(reply.body, provider)
    if found is None:
        return "unknown", f"{host} sent something that is no API's answer. Check the base URL.", None
    return found


def _read_models(body: object, provider: Provider) -> _Found | None:
    ids = model_ids(body)
    if ids is None:
        return None
    count = "1 model" if len(ids) == 1 else f"{len(ids)} models"
    if provider.checks_keys:
        return "valid", f"The key works and can list {count}.", len(ids)
    return "valid", f"The server answered with {count}; it may not look at the key.", len(ids)


def _read_openrouter_key(body: object, provider: Provider) -> _Found | None:  # noqa: ARG001 - all readers share one signature
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict) or not ("usage" in data or "label" in data):
        return None
    left = data.get("limit_remaining")
    if isinstance(left, (int, float)) and not isinstance(left, bool):
        if left <= 0:
            return "no_quota", "The key works, but its spending limit is used up. Raise it at the provider.", None
        return "valid", f"The key works; {left:.2f} dollars of its limit are left.", None
    return "valid", "The key works.", None


def _read_list(body: object, provider: Provider) -> _Found | None:  # noqa: ARG001 - all readers share one signature
    if not isinstance(body, dict) or not isinstance(body.get("data"), list):
        return None
    return "valid", "The admin key works.", None


_PROBES: dict[Probe, tuple[str, Callable[[object, Provider], _Found | None]]] = {
    "models": ("/models", _read_models),
    "openrouter_key": ("/key", _read_openrouter_key),
    "openrouter_keys": ("/keys", _read_list),
    "projects": ("/organization/projects?limit=1", _read_list),
    "anthropic_keys": ("/organizations/api_keys?limit=1", _read_list),
}


def parse(body: bytes) -> object:
    """Return the JSON of a body, or None when it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _verdict(word: VerdictWord, detail: str) -> Verdict:
    return Verdict(word, detail, _now())


def _now() -> int:
    return int(time.time())
