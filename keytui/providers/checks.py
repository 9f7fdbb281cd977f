"""Is this key good? One cheap request that costs no tokens, and a truthful verdict.

The probe is the key's own provider's, at the key's own base URL. A public endpoint proves nothing: OpenRouter lists
its models to anyone, so its key endpoint is asked instead.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeGuard
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

_LONG_BODY = 50_000  # bytes; parsing more than this would be felt in the interface
_MOST_VALUES = 150_000  # OpenRouter's list of models, the longest known, has about 40,000
_OF_A_CONTAINER = 3  # an object or an array takes as long to parse as three other values
_LONGEST_NUMBER = 40  # digits; 4,300, which Python still reads, take as long as a thousand short numbers
_KNOCK_SECONDS = 2.0  # an answered prompt waits so long for each request that its verdict takes
_READ_AFTER_THE_KEY = frozenset({400, 404, 405, 406, 409, 411, 413, 415, 422, 500, 501})
"""What servers answer to a request that is none, once they have nothing against the key."""

_UNSAID = "Whether it looks at the key is not known. Try a test prompt, or ask who runs it."


class Reply(NamedTuple):
    """A probe that was answered.

    Attributes:
        status: HTTP status.
        body: The parsed JSON, or None when it is none.
        error: The reduced answer when it is an error, also one that came with HTTP 200, else None.
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
    provider, probe = probe_of(key)
    host = urlsplit(probes.QUESTIONS[probe].address(client.base_url_of(key))).netloc or client.host_of(key)
    try:
        async with asyncio.timeout(timeout_s) as whole, client.open_client(key, secret, timeout_s) as opened:
            asked = _Asked(opened, provider, secret, host, whole.when() or 0)
            reply, (word, detail, models) = await _probe(asked, probe, prompts=key.kind == "api")
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
    host follows that provider. Elsewhere than at the provider's own address or on this machine nothing says that the
    server looks at keys.
    """
    provider = catalog.provider(key.provider)
    if not provider.checks_keys:
        provider = catalog.by_address(client.base_url_of(key)) or provider
    elif key.kind == "api" and not _is_at_home(client.base_url_of(key), provider):
        provider = provider._replace(checks_keys=False)
    return provider, provider.admin_probe if key.kind == "admin" else provider.probe


def _is_at_home(base_url: str, provider: Provider) -> bool:
    """Whether an address is the provider's own, or on this machine and nobody else's known one."""
    known = catalog.by_address(base_url)
    if known is not None:
        return known.id == provider.id
    host = (urlsplit(base_url).hostname or "").lower()
    return client.is_loopback(host) or client.is_own_host(host, provider.id)


class _Asked(NamedTuple):
    """Who is asked about which key, and until when (loop time)."""

    opened: KeyClient
    provider: Provider
    secret: Secret
    host: str
    until: float


async def _probe(asked: _Asked, probe: Probe, *, prompts: bool) -> tuple[Reply, Found]:
    question = probes.QUESTIONS[probe]
    address = question.address(str(asked.opened.base_url))
    reply = await ask(asked.opened, address, asked.provider, asked.secret)
    found = _judge(reply, question, asked.provider, asked.host)
    strange = not asked.provider.checks_keys and found[0] in ("unknown", "invalid")
    if probe in ("openrouter_key", "xai_key", "deepseek_balance") and (reply.status == 404 or strange):
        # A gateway in front of the provider that knows the common paths alone.
        question, asked = probes.MODELS, asked._replace(provider=asked.provider._replace(checks_keys=False))
        address = question.path
        reply = await ask(asked.opened, address, asked.provider, asked.secret)
        found = _judge(reply, question, asked.provider, asked.host)
    if found[0] == "valid" and not asked.provider.checks_keys:
        bare = await _attempt(asked, address, _share(asked), keyless=True)
        if not probes.lists_models(question):
            return reply, found if _refuses(bare) else ("unknown", f"The server answered. {_UNSAID}", found[2])
        return await _compare(asked, reply, found, bare, prompts=prompts and probe == "models")
    return reply, found


def _share(asked: _Asked) -> float:
    """Return a part of the time that is left, for one more request: one who keeps strangers waiting has answered."""
    return (asked.until - asyncio.get_running_loop().time()) / 4


async def _compare(
    asked: _Asked, reply: Reply, found: Found, bare: Reply | None, *, prompts: bool
) -> tuple[Reply, Found]:
    """Say what a list is worth that came with the key, from what came without it.

    Args:
        asked: Who is asked.
        reply: The list of models that came with the key.
        found: What is said of it when there is nothing to compare it with.
        bare: What came without the key, or None.
        prompts: Where anyone gets the list, find out whether anyone's prompts are taken.
    """
    count = probes.counted(reply.body)
    if _refuses(bare):
        return reply, ("valid", f"The key works and can list {count}.", found[2])
    listed = bare is not None and bare.error is None and probes.model_ids(bare.body) is not None
    if listed and prompts:
        guarded = await _knock(asked, reply, found, _share(asked))
        if guarded is not None:
            return guarded
    if client.is_loopback(urlsplit(str(asked.opened.base_url)).hostname or "") or asked.provider.placeholders:
        detail = f"The server lists its {count} without a key too: it may need none."
        return reply, ("valid", detail, found[2]) if listed else found
    if listed:
        detail = f"The server lists its {count} to anyone, which proves nothing. Try a test prompt, or ask who runs it."
    else:
        detail = f"The server lists {count}. {_UNSAID}"
    return reply, ("unknown", detail, found[2])


async def _knock(asked: _Asked, reply: Reply, found: Found, share: float) -> tuple[Reply, Found] | None:
    """Ask where prompts go for nothing, without the key and with it; None when anyone may, or that is not known.

    llama.cpp before the middle of 2026, and many a gateway, list their models to anyone and guard the rest. An empty
    object is no prompt, so it costs nothing.
    """
    bare = await _attempt(asked, probes.PROMPT_PATH, share, keyless=True, body={})
    if not _refuses(bare):
        return None
    count = probes.counted(reply.body)
    kept = await _attempt(asked, probes.PROMPT_PATH, share, body={})
    if kept is None:
        detail = "The server takes no prompts without a key, and did not say whether this one is right. Try it again."
        return reply, ("unknown", detail, found[2])
    said: mapping.Finding = ("valid", "") if kept.error is None else mapping.judge(kept.error, asked.host)
    if kept.error is not None and kept.error == bare.error and said[0] not in ("invalid", "unknown"):
        detail = f"{asked.host} refuses prompts with this key as it does without one. Ask who runs it."
        return kept, ("unknown", detail, found[2])
    if _status(kept) == 401 and said[0] in ("invalid", "unknown"):
        detail = f"{asked.host} lists its models to anyone, but takes no prompts with this key. Look up the right one."
        return kept, ("invalid", detail, found[2])
    if said[0] == "valid" or (said[0] == "unknown" and _status(kept) in _READ_AFTER_THE_KEY):
        detail = f"The key works: the server takes no prompts without it. It lists {count}."
        return reply, ("valid", detail, found[2])
    return kept, (*said, found[2])


async def proves_key(opened: KeyClient, key: Key, secret: Secret, timeout_s: float) -> bool:
    """Whether a prompt that was answered proves the key: a server that may answer anyone is asked without it.

    No request is made where the provider looks at every key, or the server is the person's own and may need none.
    HTTP 403 can be about a prompt that is empty: with the key it must not come again. Where an empty prompt is read
    before the key, the list of models shows whether strangers are refused.
    """
    provider, _probe = probe_of(key)
    address = urlsplit(client.base_url_of(key))
    if provider.checks_keys or provider.placeholders or client.is_loopback(address.hostname or ""):
        return True
    asked = _Asked(opened, provider, secret, address.netloc, 0)
    seconds = min(_KNOCK_SECONDS, timeout_s)
    bare = await _attempt(asked, probes.PROMPT_PATH, seconds, keyless=True, body={})
    if _refuses(bare):
        if _status(bare) == 401:
            return True
        kept = await _attempt(asked, probes.PROMPT_PATH, seconds, body={})
        if kept is not None and not _refuses(kept):
            return True
    listed = await _attempt(asked, probes.list_path(provider), seconds, keyless=True)
    return listed is not None and _status(listed) == 401


def _refuses(reply: Reply | None) -> TypeGuard[Reply]:
    """Whether an answer came, and is that this caller may not."""
    return reply is not None and _status(reply) in (401, 403)


def _status(reply: Reply) -> int:
    """Return the status of an answer, or the one its error names under HTTP 200."""
    return (reply.error.status if reply.error is not None else None) or reply.status


async def _attempt(
    asked: _Asked, path: str, seconds: float, *, keyless: bool = False, body: dict[str, object] | None = None
) -> Reply | None:
    """Ask, or return None where no answer came in time."""
    with suppress(Exception):  # a server can make the libraries raise nearly anything
        async with asyncio.timeout(seconds):
            return await ask(asked.opened, path, asked.provider, asked.secret, keyless=keyless, body=body)
    return None


async def ask(
    opened: KeyClient,
    path: str,
    provider: Provider,
    secret: Secret,
    *,
    keyless: bool = False,
    body: dict[str, object] | None = None,
) -> Reply:
    """Send one request and reduce what comes back.

    Args:
        opened: Client of the key.
        path: What to ask for: below the base URL, or a whole address.
        provider: Whose headers to send.
        secret: The key's value; nothing that repeats it is kept.
        keyless: Leave the key out.
        body: JSON to POST; None for a GET.

    Raises:
        Exception: Whatever the libraries raise when there is no answer.
    """
    import httpx2
    import openai

    if body is not None:
        headers = headers_for_prompts(provider, secret)
    else:
        headers = _headers(provider.probe_headers, provider.key_header, secret)
    if keyless:
        headers = {**dict(provider.probe_headers), "Authorization": openai.Omit()}
    started = time.monotonic()
    try:
        if body is None:
            response = await opened.get(path, cast_to=httpx2.Response, options={"headers": headers})
        else:
            response = await opened.post(path, cast_to=httpx2.Response, body=body, options={"headers": headers})
    except openai.APIStatusError as error:
        # Kept outside this block: an exception would hold on to the request and its headers.
        response = error.response
    latency_ms = round((opened.answered_at - started) * 1000)
    request_id = mapping.request_id(response.headers, secret)
    status, content, left = response.status_code, response.content, limits.read(response.headers)
    if not 200 <= status < 300:
        reduced = mapping.read_answer(status, response.headers, content)
        return Reply(status, None, reduced, request_id, latency_ms, left)
    parsed = await asyncio.to_thread(parse, content) if len(content) > _LONG_BODY else parse(content)
    return Reply(status, parsed, mapping.error_in(parsed), request_id, latency_ms, left)


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
        word, detail = mapping.judge(reply.error, host, checks_keys=provider.checks_keys)
        return word, detail, None
    found = question.read(reply.body, provider)
    if found is None:
        return "unknown", f"{host} sent something that is no API's answer. Check the base URL.", None
    return found


def parse(body: bytes) -> object:
    """Return the JSON of a body, or None when it is none, or has more values than any list of models.

    Parsing holds the interpreter even in a thread: a million numbers would stop the interface for half a second.
    """
    containers = body.count(b"[") + body.count(b"{")
    if body.count(b",") + body.count(b":") + _OF_A_CONTAINER * containers > _MOST_VALUES:
        return None
    try:
        return json.loads(body, parse_int=_whole_number)
    except (ValueError, RecursionError):
        return None


def _whole_number(digits: str) -> int:
    """Read a number; one that is longer than any that is sent is as large as the longest."""
    return int(digits[:_LONGEST_NUMBER])


def _verdict(word: VerdictWord, detail: str) -> Verdict:
    return Verdict(word, detail, _now())


def _now() -> int:
    return int(time.time())
