"""One Chat Completions request that servers of every age take: what is refused by name is left out of the next try.

Newer OpenAI models refuse `max_tokens`, older servers `max_completion_tokens`; some refuse `stream_options`, some
streaming, and some models' templates refuse a system message.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from keytui.providers import checks, mapping, signs
from keytui.record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from keytui.model import Secret
    from keytui.providers.declared import Provider
    from keytui.providers.sdk import KeyClient

MAX_TOKENS = 1_024
"""Tokens a test prompt may cost at most, where the provider knows a limit."""

_OTHER_NAME = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_REFUSALS = frozenset({400, 405, 406, 415, 422, 500, 501})
"""Statuses with which servers refuse a parameter; a template that knows no system message can end in 500."""
_STREAMING = re.compile(r"\bstream(?:ing|ed)?\b")
_SYSTEM = re.compile(r"\bsystem\b")
_ROLE = re.compile(r"\brole\b")
_SAID = re.compile(r"\b(?:role|message|prompt|instruction)")


class Request(NamedTuple):
    """What is asked.

    Attributes:
        model: The model to ask.
        text: The prompt.
        system: The system prompt, or "".
        extra: Fields that are left out when a server refuses them.
        streamed: Ask for a stream.
        merged: The system prompt stands at the head of the prompt, in one message.
    """

    model: str
    text: str
    system: str
    extra: dict[str, object]
    streamed: bool = True
    merged: bool = False

    @property
    def limit(self) -> int | None:
        """The limit on tokens that is sent, or None."""
        return MAX_TOKENS if _OTHER_NAME.keys() & self.extra.keys() else None

    def body(self) -> dict[str, object]:
        """Return the request's JSON."""
        user = f"{self.system}\n\n{self.text}" if self.system and self.merged else self.text
        messages = [{"role": "user", "content": user}]
        if self.system and not self.merged:
            messages.insert(0, {"role": "system", "content": self.system})
        stream = {"stream": True} if self.streamed else {}
        return {"model": self.model, "messages": messages, **stream, **self.extra}


def first(provider: Provider, model: str, text: str, system: str) -> Request:
    """Return the request to begin with."""
    extra = {"stream_options": {"include_usage": True}, provider.max_tokens_field: MAX_TOKENS}
    return Request(model, text, system, extra)


async def send(
    opened: KeyClient,
    request: Request,
    provider: Provider,
    secret: Secret,
    *,
    sending: Callable[[Request], None],
) -> httpx2.Response:
    """Send a request, again with less when a parameter is refused, and return the answer, whose body is not read yet.

    Args:
        opened: Client of the key.
        request: What to ask first.
        provider: Whose rules hold.
        secret: The key's value.
        sending: Called before each try, with what is asked.

    Raises:
        Exception: Whatever the libraries raise for an error answer or none.
    """
    import openai

    tried: set[str] = set()
    while True:
        tried.update(request.extra)
        sending(request)
        try:
            return await _post(opened, request, provider, secret)
        except openai.APIStatusError as error:
            if error.status_code not in _REFUSALS:
                raise
            answer = mapping.read_answer(error.response.status_code, error.response.headers, error.response.content)
            fewer = less(request, answer, tried)
            if fewer is None:
                raise
            request = fewer


async def _post(opened: KeyClient, request: Request, provider: Provider, secret: Secret) -> httpx2.Response:
    import httpx2
    import openai

    headers = checks.headers_for_prompts(provider, secret)
    if request.streamed:
        stream = await opened.post(
            "/chat/completions",
            cast_to=object,
            body=request.body(),
            options={"headers": headers},
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
        return stream.response  # read by `events`
    return await opened.post(
        "/chat/completions", cast_to=httpx2.Response, body=request.body(), options={"headers": headers}
    )


def less(request: Request, answer: mapping.Answer, tried: set[str]) -> Request | None:
    """Return what to send after a refusal, or None when no parameter is to blame.

    Every call asks for less, or names the limit differently once, so this ends.
    """
    if mapping.judge(answer, "", asked_model=True)[0] != "unknown":
        return None
    text, extra = answer.text, request.extra
    if "stream_options" in extra and "stream_options" in text:
        return request._replace(extra=_without(extra, "stream_options"))
    named = next((name for name in _OTHER_NAME if name in extra and name in text), None)
    if named is not None:
        kept, other = _without(extra, named), _OTHER_NAME[named]
        return request._replace(extra=kept if other in tried else {**kept, other: extra[named]})
    if request.streamed and _STREAMING.search(text):
        return request._replace(streamed=False, extra=_without(extra, "stream_options"))
    if request.system and not request.merged and _is_about_system(text):
        return request._replace(merged=True)
    # Nothing is named: with the bare minimum, then without streaming, unless the status speaks of something else.
    bare = request._replace(extra={}, streamed=bool(extra) and request.streamed)
    return bare if bare != request and answer.status in (400, 422) else None


def _is_about_system(text: str) -> bool:
    return signs.follows(text, _SYSTEM, _SAID) or signs.follows(text, _ROLE, _SYSTEM)


def _without(extra: dict[str, object], left_out: str) -> dict[str, object]:
    return {name: value for name, value in extra.items() if name != left_out}
