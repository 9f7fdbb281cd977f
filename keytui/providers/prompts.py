"""A test prompt: sent with the key, answered as a stream.

Chat Completions is what every OpenAI-compatible provider speaks. The SDK ends quietly when a server stops in the
middle, sends no chunk at all, or sends JSON instead of a stream; here each of them is a failure.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from keytui.errors import KeyRefused, ProviderUnreachable
from keytui.model import Verdict
from keytui.providers import checks, client, mapping
from keytui.record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from openai.types.chat import ChatCompletionChunk

    from keytui.errors import ProviderError
    from keytui.model import Key, Secret, VerdictWord
    from keytui.providers.catalog import Provider
    from keytui.providers.sdk import KeyClient

ANSWER_LIMIT = 20_000
"""Characters of an answer that are shown; what follows is not read."""

MAX_TOKENS = 1_024
"""Tokens a test prompt may cost at most, where the provider knows a limit."""

TOO_LONG = "too_long"
"""The finish reason of an answer that was ended here at ANSWER_LIMIT."""

_NO_CHAT = (
    "embed",
    "tts",
    "whisper",
    "transcribe",
    "dall-e",
    "image",
    "moderation",
    "audio",
    "realtime",
    "rerank",
    "davinci",
    "babbage",
    "sora",
    "guard",
    "ocr",
)
"""Parts of the names of models that do not chat."""


class Delta(NamedTuple):
    """A piece of the answer, never empty."""

    text: str


class Summary(NamedTuple):
    """What is known when the answer has ended.

    Attributes:
        model: The model that answered, as the provider names it.
        ttft_ms: From sending to the first piece of text, or None when there was no text.
        tokens_per_s: Tokens after the first by the time they took, or None when the provider sent no usage.
        usage: Counts by the provider's names, or None.
        finish_reason: "stop", "length", another word of the provider, TOO_LONG, or None.
        request_id: The provider's id of the request, or None.
    """

    model: str
    ttft_ms: int | None
    tokens_per_s: float | None
    usage: dict[str, int] | None
    finish_reason: str | None
    request_id: str | None


class _Progress:
    """What a running stream has shown so far."""

    def __init__(self, model: str, secret: Secret) -> None:
        self.model = model
        self.secret = secret
        self.scrub = _Scrubber(secret)
        self.started = time.monotonic()
        self.first: float | None = None
        self.last = self.started
        self.chunks = 0
        self.usage: dict[str, int] | None = None
        self.finish_reason: str | None = None
        self.request_id: str | None = None

    def take(self, chunk: ChatCompletionChunk) -> str:
        """Note what a chunk says and return its text; every field may be missing, whatever the types promise."""
        self.chunks += 1
        model = getattr(chunk, "model", None)
        if isinstance(model, str) and model and len(model) <= 200:
            self.model = self.scrub.whole(model)
        usage = getattr(chunk, "usage", None)
        if usage is not None:
            self.usage = _counts(usage)
        choices = getattr(chunk, "choices", None)
        if not isinstance(choices, list) or not choices:
            return ""
        finish = getattr(choices[0], "finish_reason", None)
        if isinstance(finish, str):
            self.finish_reason = mapping.plain_code(finish.lower(), self.secret) or "other"
        text = getattr(getattr(choices[0], "delta", None), "content", None)
        if not isinstance(text, str) or not text:
            return ""
        self.last = time.monotonic()
        self.first = self.first or self.last
        return self.scrub.feed(text)

    @property
    def complete(self) -> bool:
        """Whether the provider said that the answer is over; the SDK hides [DONE]."""
        return self.finish_reason is not None or self.usage is not None

    def summary(self) -> Summary:
        ttft = None if self.first is None else round((self.first - self.started) * 1000)
        tokens = (self.usage or {}).get("completion_tokens", 0)
        span = self.last - (self.first or self.last)
        speed = (tokens - 1) / span if tokens > 1 and span > 0 else None
        return Summary(self.model, ttft, speed, self.usage, self.finish_reason, self.request_id)


async def stream(
    key: Key, secret: Secret, text: str, *, model: str | None = None, timeout_s: float
) -> AsyncGenerator[Delta | Summary]:
    """Send a prompt and yield the answer's pieces, then one Summary. Closing the generator cancels the request.

    Args:
        key: Says where to send it, and the model when `model` is None.
        secret: The key's value. Where the answer repeats it, the masked form is yielded.
        text: The prompt.
        model: Model to ask; by default the key's, else a small one of its own list.
        timeout_s: Seconds of silence after which the stream counts as cut.

    Raises:
        KeyRefused: The key is invalid or has no quota; `.verdict` says which.
        ProviderUnreachable: Everything else that failed, a cut or empty stream included; `.verdict` says what.
    """
    await _ready(key, secret)
    failure: ProviderError | None = None
    progress: _Progress | None = None
    try:
        async with client.open_client(key, secret, timeout_s) as opened:
            chosen = model or key.model or await _choose_model(opened, key, secret, timeout_s)
            progress = _Progress(chosen, secret)
            chunks = await _open(opened, key, text, progress, timeout_s)
            async with aclosing(_pieces(chunks, progress, timeout_s)) as pieces:
                async for piece in pieces:
                    yield Delta(piece)
            failure = _unfinished(key, progress)
            if failure is None:
                yield progress.summary()
    except (KeyRefused, ProviderUnreachable):
        raise
    except Exception as error:  # a server can make the libraries raise nearly anything
        begun = progress is not None and progress.chunks > 0
        failure = _failure(error, key, secret, timeout_s, begun=begun)
    if failure is not None:
        # Raised out here: inside the block the library's error, which holds the request, would hang on to it.
        raise failure


async def models(key: Key, secret: Secret, *, timeout_s: float) -> list[str]:
    """Return the ids of the models a key lists, in the provider's order.

    Raises:
        KeyRefused: As for `stream`.
        ProviderUnreachable: As for `stream`.
    """
    await _ready(key, secret)
    try:
        async with client.open_client(key, secret, timeout_s) as opened:
            return await _list_models(opened, key, secret, timeout_s)
    except (KeyRefused, ProviderUnreachable):
        raise
    except Exception as error:
        failure = _failure(error, key, secret, timeout_s)
    raise failure


async def _ready(key: Key, secret: Secret) -> None:
    problem = client.unsendable(secret)
    if problem is not None:
        raise _error("invalid", problem)
    problem = checks.problem_of(key)
    if problem is not None:
        raise _error("unknown", f"{problem} The key was not sent.")
    await client.load()


async def _list_models(opened: KeyClient, key: Key, secret: Secret, timeout_s: float) -> list[str]:
    provider, _probe = checks.probe_of(key)
    host = client.host_of(key)
    async with asyncio.timeout(timeout_s):
        reply = await checks.ask(opened, "/models", provider, secret)
    if reply.error is not None:
        word, detail = mapping.judge(reply.error, host)
        raise _error(word, detail, reply.status, mapping.plain_code(reply.error.code, secret), reply.request_id)
    ids = checks.model_ids(reply.body)
    if ids is None:
        raise _error("unknown", f"{host} sent no list of models. Check the base URL.", reply.status)
    return ids


async def _choose_model(opened: KeyClient, key: Key, secret: Secret, timeout_s: float) -> str:
    provider, _probe = checks.probe_of(key)
    try:
        listed = await _list_models(opened, key, secret, timeout_s)
    except ProviderUnreachable as error:
        if error.verdict.word not in ("restricted", "unknown"):
            raise
        listed = []  # a restricted key may prompt and not list
    chosen = _preferred(provider, listed)
    if chosen is None:
        raise _error("unknown", "No model to ask is known for this key: name one.")
    return chosen


def _preferred(provider: Provider, listed: list[str]) -> str | None:
    known = set(listed)
    small = next((each for each in provider.small_models if each in known), None)
    chatting = (each for each in listed if not any(part in each.lower() for part in _NO_CHAT))
    return small or next(chatting, None) or next(iter(provider.small_models), None)


async def _open(
    opened: KeyClient, key: Key, text: str, progress: _Progress, timeout_s: float
) -> AsyncIterator[ChatCompletionChunk]:
    """Start the stream; a server that refuses a parameter is asked again without it."""
    import openai

    provider, _probe = checks.probe_of(key)
    body: dict[str, object] = {"stream_options": {"include_usage": True}, provider.max_tokens_field: MAX_TOKENS}
    tried: set[str] = set()
    while True:
        tried.update(body)
        progress.started = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                started = await opened.chat.completions.create(
                    model=progress.model, messages=[{"role": "user", "content": text}], stream=True, extra_body=body
                )
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            answer = mapping.read_answer(error.response.status_code, error.response.headers, error.response.content)
            fewer = _without_refused(body, answer, tried)
            if fewer is None:
                raise
            body = fewer
            continue
        progress.request_id = mapping.plain_id(started.response.headers.get("x-request-id"), progress.secret)
        return started


def _without_refused(body: dict[str, object], answer: mapping.Answer, tried: set[str]) -> dict[str, object] | None:
    """Return what to send instead after a refusal, or None when the parameters are not to blame.

    Every call sends less, or a limit under its other name once, so this ends.
    """
    if not body or mapping.judge(answer, "")[0] != "unknown":
        return None
    if "stream_options" in body and "stream_options" in answer.text:
        return {name: value for name, value in body.items() if name != "stream_options"}
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
    named = next((name for name in other if name in body and name in answer.text), None)
    if named is None:
        return {}
    kept = {name: value for name, value in body.items() if name != named}
    return kept if other[named] in tried else {**kept, other[named]: body[named]}


async def _pieces(
    chunks: AsyncIterator[ChatCompletionChunk], progress: _Progress, timeout_s: float
) -> AsyncGenerator[str]:
    """Yield the text of a stream, without the key; silence longer than `timeout_s` raises TimeoutError."""
    iterator = aiter(chunks)
    left = ANSWER_LIMIT
    while left > 0:
        try:
            async with asyncio.timeout(timeout_s):  # the client's own limit would count keep-alive comments as life
                chunk = await anext(iterator)
        except StopAsyncIteration:
            break
        if piece := progress.take(chunk)[:left]:
            left -= len(piece)
            yield piece
    else:
        progress.finish_reason = TOO_LONG
        return
    if rest := progress.scrub.end():
        yield rest


def _unfinished(key: Key, progress: _Progress) -> ProviderError | None:
    if progress.complete:
        return None
    host = client.host_of(key)
    if progress.chunks == 0:
        detail = f"{host} ended the answer without sending any of it. Try another model."
    else:
        detail = f"The answer was cut: {host} stopped before its end."
    return _error("unknown", detail, 200, None, progress.request_id)


def _failure(error: Exception, key: Key, secret: Secret, timeout_s: float, *, begun: bool = False) -> ProviderError:
    import openai

    host = client.host_of(key)
    if isinstance(error, openai.APIStatusError):
        response = error.response
        answer = mapping.read_answer(response.status_code, response.headers, response.content)
        request_id = mapping.plain_id(response.headers.get("x-request-id"), secret)
        word, detail = mapping.judge(answer, host)
        return _error(word, detail, answer.status, mapping.plain_code(answer.code, secret), request_id)
    if isinstance(error, openai.APIError) and error.body is not None:  # an error object inside the stream
        answer = mapping.read_error(error.body)
        word, detail = mapping.judge(answer, host)
        return _error(word, detail, None, mapping.plain_code(answer.code, secret))
    return _error(*mapping.judge_failure(error, host, timeout_s, begun=begun))


def _error(
    word: VerdictWord,
    detail: str,
    status: int | None = None,
    code: str | None = None,
    request_id: str | None = None,
) -> ProviderError:
    verdict = Verdict(word, detail, int(time.time()), None, status, code, request_id)
    return KeyRefused(verdict) if word in ("invalid", "no_quota") else ProviderUnreachable(verdict)


def _counts(usage: object) -> dict[str, int] | None:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    counts = {name: getattr(usage, name, None) for name in names}
    return {name: count for name, count in counts.items() if isinstance(count, int)} or None


class _Scrubber:
    """Replaces a key inside text that comes in pieces, holding back what may be its beginning."""

    _SHORTEST = 8  # shorter ones are place-holders such as "none", and their letters occur in any text

    def __init__(self, secret: Secret) -> None:
        self._secret = secret if len(secret) >= self._SHORTEST else None
        self._held = ""

    def feed(self, text: str) -> str:
        """Take a piece and return what can be shown of it and of what was held back."""
        if self._secret is None:
            return text
        key = self._secret.reveal()
        text = (self._held + text).replace(key, self._secret.masked())
        hold = next((n for n in range(min(len(key) - 1, len(text)), 0, -1) if key.startswith(text[-n:])), 0)
        self._held = text[len(text) - hold :]
        return text[: len(text) - hold]

    def end(self) -> str:
        """Return what is still held back; a long beginning of the key counts as the key."""
        held, self._held = self._held, ""
        if self._secret is not None and len(held) > self._SHORTEST:
            return self._secret.masked()
        return held

    def whole(self, text: str) -> str:
        """Replace the key in a text that is complete."""
        return text if self._secret is None else text.replace(self._secret.reveal(), self._secret.masked())
