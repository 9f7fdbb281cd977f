"""Is this key good? One cheap request that costs no tokens, and a truthful verdict.

The probe is the key's own provider's, at the key's own base URL. A public endpoint proves nothing: OpenRouter lists
its models to anyone, so its key endpoint is asked instead.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from keytui.model import Verdict
from keytui.providers import catalog, client, limits, mapping, outages, probes
from keytui.record import NamedTuple

if TYPE_CHECKING:
    import openai

    from keytui.model import Key, Secret, VerdictWord
    from keytui.providers.declared import Probe, Provider
    from keytui.providers.probes import Found, Question
    from keytui.providers.sdk import KeyClient

_LONG_BODY = 200_000  # bytes; parsing more than this would be felt in the interface


_MOST_VALUES = 150_000  # OpenRouter's list of models, the longest known, has about 40,000


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
    try:
        async with asyncio.timeout(timeout_s), client.open_client(key, secret, timeout_s) as opened:
            reply, (word, detail, models) = await _probe(opened, provider, probe, secret, host)
    except Exception as error:  # a server can make the libraries raise nearly anything
        return _verdict(*outages.judge_failure(error, host, timeout_s))
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


async def _probe(opened: KeyClient, provider: Provider, probe: Probe, secret: Secret, host: str) -> tuple[Reply, Found]:
    question = probes.QUESTIONS[probe]
    reply = await ask(opened, question.path, provider, secret, at_root=question.at_root)
    if reply.status == 404 and probe in ("openrouter_key", "xai_key", "deepseek_balance"):
        # A gateway in front of the provider that knows the common paths alone.
        question, provider = probes.MODELS, provider._replace(checks_keys=False)
        reply = await ask(opened, question.path, provider, secret)
    found = _judge(reply, question, provider, host)
    if found[0] == "valid" and not provider.checks_keys:
        found = await _without_key(opened, provider, secret, found)
    return reply, found


async def _without_key(opened: KeyClient, provider: Provider, secret: Secret, found: Found) -> Found:
    """Ask a server that may answer anyone once more without the key: what it says then is what the key is worth."""
    reply: Reply | None = None
    with suppress(Exception):  # a server can make the libraries raise nearly anything
        reply = await ask(opened, probes.MODELS.path, provider, secret, keyless=True)
    count = probes.counted(found[2] or 0)
    if reply is not None and reply.status in (401, 403):
        return "valid", f"The key works and can list {count}.", found[2]
    listed = reply is not None and reply.error is None and probes.model_ids(reply.body) is not None
    if client.is_loopback(urlsplit(str(opened.base_url)).hostname or "") or provider.placeholders:
        detail = f"The server lists its {count} without a key too: it may need none."
        return ("valid", detail, found[2]) if listed else found
    if listed:
        detail = f"The server lists its {count} to anyone, which proves nothing. Send a test prompt to try the key."
    else:
        detail = f"The server lists {count}; whether it looks at the key is not known. Send a test prompt to try it."
    return "unknown", detail, found[2]


async def ask(
    opened: KeyClient, path: str, provider: Provider, secret: Secret, *, at_root: bool = False, keyless: bool = False
) -> Reply:
    """Send one GET and reduce what comes back.

    Args:
        opened: Client of the key.
        path: What to ask for, below the base URL.
        provider: Whose headers to send.
        secret: The key's value; nothing that repeats it is kept.
        at_root: The path stands beside the /v1 that the base URL ends with.
        keyless: Leave the key out.

    Raises:
        Exception: Whatever the libraries raise when there is no answer.
    """
    import httpx2
    import openai

    headers = _headers(provider.probe_headers, provider.key_header, secret)
    if keyless:
        headers = {**dict(provider.probe_headers), "Authorization": openai.Omit()}
    if at_root:
        path = str(opened.base_url).rstrip("/").removesuffix("/v1") + path
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


def _judge(reply: Reply, question: Question, provider: Provider, host: str) -> Found:
    if reply.error is not None:
        word, detail = mapping.judge(reply.error, host)
        return word, detail, None
    found = question.read(reply.body, provider)
    if found is None:
        return "unknown", f"{host} sent something that is no API's answer. Check the base URL.", None
    return found


def parse(body: bytes) -> object:
    """Return the JSON of a body, or None when it is none, or has more values than any list of models.

    Parsing holds the interpreter even in a thread: a million numbers would stop the interface for half a second.
    """
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > _MOST_VALUES:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _verdict(word: VerdictWord, detail: str) -> Verdict:
    return Verdict(word, detail, _now())


def _now() -> int:
    return int(time.time())
