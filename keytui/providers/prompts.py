"""A test prompt: sent with the key, answered as a stream.

Chat Completions is what every OpenAI-compatible provider speaks. An answer that stops in its middle, has no piece at
all or is no answer is a failure and called so.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from keytui.errors import KeyRefused, ProviderUnreachable
from keytui.model import Verdict
from keytui.providers import asking, checks, client, events, failures, limits, mapping
from keytui.providers import models as listing
from keytui.providers.answers import TOO_LONG, Answer
from keytui.providers.failures import failed
from keytui.record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import httpx2

    from keytui.errors import ProviderError
    from keytui.model import Key, Secret, VerdictWord
    from keytui.providers.declared import Provider
    from keytui.providers.sdk import KeyClient

ANSWER_LIMIT = 20_000
"""Characters of an answer that are shown; what follows is not read."""

_AFTER_THE_END = 1.0
"""Seconds to wait for usage and [DONE] once a provider has said why the answer ended: they come with it or not."""

_UNPROVEN = "Whether the server looks at the key is not known. Ask who runs it."


class Delta(NamedTuple):
    """A piece of the answer, never empty."""

    text: str


class Summary(NamedTuple):
    """What is known when the answer has ended.

    Attributes:
        model: The model that answered, as the provider names it.
        ttft_ms: From sending to the first piece of text, or None when there was no text.
        tokens_per_s: Tokens after the first by the time they took; None when the provider sent no usage, or no stream.
        usage: Counts by the provider's names, or None: prompt_tokens, completion_tokens, total_tokens and, where
            sent, reasoning_tokens, which are part of completion_tokens.
        finish_reason: "stop", "length", another word of the provider, TOO_LONG, or None.
        request_id: The provider's id of the request, or None.
        streamed: False when the server sent the answer in one piece.
        limits: What the rate limits leave, in our own words, or "".
        status: HTTP status of the answer.
        limit: The limit on tokens that was sent with the request that was answered, or None.
        proven: False when the server may have answered without looking at the key.
    """

    model: str
    ttft_ms: int | None
    tokens_per_s: float | None
    usage: dict[str, int] | None
    finish_reason: str | None
    request_id: str | None
    streamed: bool = True
    limits: str = ""
    status: int = 200
    limit: int | None = None
    proven: bool = True

    @property
    def remark(self) -> str:
        """What is odd about an answer: that it ended otherwise than by itself, or proves nothing of the key; or ""."""
        return " ".join(each for each in (self.ending, "" if self.proven else _UNPROVEN) if each)

    @property
    def ending(self) -> str:
        """How an answer ended, in a sentence, where it did not end by itself; or ""."""
        if self.finish_reason == TOO_LONG:
            return f"Only the first {ANSWER_LIMIT:,} characters are shown."
        if self.finish_reason == "length":
            return self._said_of_length()
        if self.finish_reason == "content_filter":
            return "The provider's content filter ended the answer."
        return "" if self.ttft_ms is not None else "The answer has no text."

    def _said_of_length(self) -> str:
        if self.limit is not None and not self._is_far_below(self.limit):
            if self.ttft_ms is None:
                return f"All {self.limit:,} tokens of a test prompt went into reasoning, none into an answer."
            return f"Ended at the limit of {self.limit:,} tokens of a test prompt."
        if self.ttft_ms is None:
            return "Ended at the model's or the server's own limit, before any answer."
        return "Ended at the model's or the server's own limit."

    def _is_far_below(self, limit: int) -> bool:
        """Whether the usage shows that the answer did not reach a limit, give or take the tokens some do not count."""
        usage = self.usage or {}
        if "completion_tokens" not in usage:
            return False
        # xAI leaves reasoning out of the one count, and has it in the other.
        rest = usage.get("total_tokens", 0) - usage.get("prompt_tokens", 0)
        return max(usage["completion_tokens"], rest) < 0.9 * limit

    @property
    def verdict(self) -> Verdict:
        """What an answer that came whole proves of the key."""
        word: VerdictWord = "valid" if self.proven else "unknown"
        detail = "It answered the prompt." if self.proven else f"It answered the prompt. {_UNPROVEN}"
        now = int(time.time())
        return Verdict(word, detail, now, self.ttft_ms, self.status, None, self.request_id, limits=self.limits)


async def stream(
    key: Key, secret: Secret, text: str, *, system: str = "", model: str = "", timeout_s: float
) -> AsyncGenerator[Delta | Summary]:
    """Send a prompt and yield the answer's pieces, then one Summary. Closing the generator cancels the request.

    A server that refuses streaming or sends JSON instead is taken as it is: its answer is one piece.

    Args:
        key: Says where to send it, and the model when `model` is "".
        secret: The key's value. Where the answer repeats it, the masked form is yielded.
        text: The prompt.
        system: The system prompt, or "".
        model: Model to ask; by default the key's, else a small one of its own list.
        timeout_s: Seconds until the answer must have begun, however often it is asked for, and seconds without any text
            or reasoning after which it counts as cut.

    Raises:
        KeyRefused: The key is invalid or has no quota; `.verdict` says which.
        ProviderUnreachable: Everything else that failed, a cut or empty stream included; `.verdict` says what.
    """
    await _ready(key, secret)
    failure: ProviderError | None = None
    answer: Answer | None = None
    try:
        async with client.open_client(key, secret, timeout_s) as opened:
            async with asyncio.timeout(timeout_s):
                chosen = model or key.model or await listing.choose(opened, key, secret, timeout_s)
                answer = Answer(chosen, secret, ANSWER_LIMIT)
                request = asking.first(_rules(key), chosen, text, system)
                pieces = await _open(opened, key, request, answer, timeout_s)
            async with aclosing(pieces):
                async for piece in pieces:
                    yield Delta(piece)
            failure = _unfinished(key, answer)
            if failure is None:
                stopped: asyncio.CancelledError | None = None
                try:
                    proven = await checks.proves_key(opened, key, secret, timeout_s)
                except asyncio.CancelledError as error:
                    proven, stopped = False, error  # the answer is whole all the same
                yield _summary(answer, proven=proven)
                if stopped is not None:
                    try:
                        raise stopped
                    finally:
                        del stopped  # it holds this frame, and so the secret
    except (KeyRefused, ProviderUnreachable):
        raise
    except Exception as error:  # a server can make the libraries raise nearly anything
        begun, request_id = (answer.chunks > 0, answer.request_id) if answer is not None else (False, None)
        failure = failures.reduced(error, key, secret, timeout_s, begun=begun, request_id=request_id)
    if failure is not None:
        # Raised out here: inside the block the library's error, which holds the request, would hang on to it.
        raise failure


async def models(key: Key, secret: Secret, *, timeout_s: float) -> listing.Models:
    """Return the models a prompt can be sent to with a key: small ones first, then the rest by name.

    Raises:
        KeyRefused: As for `stream`.
        ProviderUnreachable: As for `stream`.
    """
    await _ready(key, secret)
    try:
        async with client.open_client(key, secret, timeout_s) as opened:
            found = await listing.listed(opened, key, secret, timeout_s)
        return await asyncio.to_thread(listing.chatting, _rules(key), found)  # 5,000 long names take 0.1 s
    except (KeyRefused, ProviderUnreachable):
        raise
    except Exception as error:
        failure = failures.reduced(error, key, secret, timeout_s)
    raise failure


def _rules(key: Key) -> Provider:
    return checks.probe_of(key)[0]


async def _ready(key: Key, secret: Secret) -> None:
    problem = client.unsendable(secret)
    if problem is not None:
        raise failed("invalid", problem)
    problem = checks.problem_of(key)
    if problem is None and key.kind == "admin":
        problem = "An admin key manages other keys and answers no prompts."
    if problem is not None:
        raise failed("unknown", f"{problem} The key was not sent.")
    await client.load()


async def _open(
    opened: KeyClient, key: Key, request: asking.Request, answer: Answer, timeout_s: float
) -> AsyncGenerator[str]:
    """Send the request and return the pieces of its answer."""

    def sending(tried: asking.Request) -> None:
        answer.begin(tried.limit)

    response = await asking.send(opened, request, _rules(key), answer.secret, sending=sending)
    answer.status = response.status_code
    answer.request_id = mapping.request_id(response.headers, answer.secret)
    answer.limits = limits.read(response.headers)
    return _said(response, key, answer, timeout_s)


async def _said(response: httpx2.Response, key: Key, answer: Answer, timeout_s: float) -> AsyncGenerator[str]:
    """Yield the text of an answer. Whether it is a stream its beginning says: gateways send either under any type."""
    try:
        async with aclosing(response.aiter_bytes()) as chunks:
            asked = time.monotonic()
            async with asyncio.timeout(timeout_s):
                head = await events.begin(chunks)
                answer.streamed = events.is_stream(head, response.headers.get("content-type", "").lower())
                body = head if answer.streamed else head + b"".join([chunk async for chunk in chunks])
            if answer.streamed:
                waited = time.monotonic() - asked
                pieces = _pieces(events.read(chunks, body), response, answer, timeout_s, waited)
            else:
                pieces = _whole(body, key, answer)
            async with aclosing(pieces):
                async for piece in pieces:
                    yield piece
    finally:
        await response.aclose()


async def _whole(body: bytes, key: Key, answer: Answer) -> AsyncGenerator[str]:
    """Yield the text of an answer that is no stream, in one piece."""
    parsed = await asyncio.to_thread(checks.parse, body)
    if isinstance(parsed, dict) and parsed.get("error"):
        reason = mapping.read_error(parsed)
        word, detail = failures.of_prompt(reason, key)
        code = mapping.plain_code(reason.code, answer.secret)
        raise failed(word, detail, answer.status, code, answer.request_id, said=answer.limits)
    if text := answer.take(parsed) + answer.end():
        yield text


async def _pieces(
    incoming: AsyncGenerator[bytes], response: httpx2.Response, answer: Answer, timeout_s: float, silent: float
) -> AsyncGenerator[str]:
    """Yield the text of a stream, without the key; too long without text or reasoning raises TimeoutError."""
    import httpx2

    async with aclosing(incoming):
        while not answer.over:
            ended = answer.complete
            asked = time.monotonic()
            try:
                # The client's own limit would count comments, roles and pieces of nothing as life.
                async with asyncio.timeout((min(timeout_s, _AFTER_THE_END) if ended else timeout_s) - silent):
                    data = await anext(incoming)
            except StopAsyncIteration:
                break
            except (TimeoutError, httpx2.HTTPError):
                if ended:
                    break  # whole, whether its connection stays open or breaks
                raise
            silent += time.monotonic() - asked
            if piece := _read(data, answer, response):
                yield piece
            if answer.spoke or answer.complete != ended:
                silent = 0.0
    if rest := answer.end():
        yield rest


def _read(data: bytes, answer: Answer, response: httpx2.Response) -> str:
    """Note what an event says and return its text.

    Raises:
        ValueError: It is no JSON.
        openai.APIError: It is an error.
    """
    if data.startswith(events.DONE):
        answer.done = True
        return ""
    parsed = json.loads(data)
    if isinstance(parsed, dict) and parsed.get("error"):
        import openai

        raise openai.APIError("an error inside the stream", response.request, body=parsed["error"])
    return answer.take(parsed)


def _unfinished(key: Key, answer: Answer) -> ProviderError | None:
    if answer.complete:
        return None
    host = client.host_of(key)
    if answer.chunks == 0:
        detail = f"{host} ended the answer without sending any of it. Try another model."
    elif not answer.streamed:
        detail = f"{host} sent something that is no API's answer. Check the base URL."
    else:
        detail = f"The answer was cut: {host} stopped before its end. Try again in a moment."
    return failed("unknown", detail, answer.status, None, answer.request_id, said=answer.limits)


def _summary(answer: Answer, *, proven: bool) -> Summary:
    return Summary(
        answer.model,
        answer.ttft_ms,
        answer.tokens_per_s,
        answer.usage,
        answer.finish_reason,
        answer.request_id,
        answer.streamed,
        answer.limits,
        answer.status,
        answer.limit,
        proven,
    )
