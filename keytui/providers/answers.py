"""What an answer says, piece by piece: its text without the key, its numbers, its end. No field can be relied on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from keytui.providers import mapping
from keytui.providers.scrubbing import Scrubber

if TYPE_CHECKING:
    from keytui.model import Secret

_MEASURABLE = 0.02  # seconds; an answer that came in one burst was held back on its way, and has no speed
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


class Answer:
    """A running answer.

    Attributes:
        model: The model that answers, as the provider names it; the one asked for until it does.
        chunks: Pieces that have come, with or without text.
        usage: Counts of tokens, or None.
        finish_reason: Why the provider ended it, or None.
        request_id: The provider's id of the request, or None.
        streamed: False when it came in one piece.
        limits: What the rate limits leave, in our own words.
        status: HTTP status.
    """

    def __init__(self, model: str, secret: Secret) -> None:
        self.model = model
        self.secret = secret
        self.chunks = 0
        self.usage: dict[str, int] | None = None
        self.finish_reason: str | None = None
        self.request_id: str | None = None
        self.streamed = True
        self.limits = ""
        self.status = 200
        self._closed = False
        self._scrub = Scrubber(secret)
        self.begin()

    def begin(self) -> None:
        """Note that the request is sent now."""
        self._started = time.monotonic()
        self._thought: float | None = None
        self._first: float | None = None
        self._last: float | None = None

    def take(self, chunk: object) -> str:
        """Note what a chunk, or a whole answer, says and return its text."""
        self.chunks += 1
        model = _field(chunk, "model")
        if isinstance(model, str) and model and len(model) <= 200:
            self.model = self._scrub.whole(model)
        usage = _field(chunk, "usage")
        if usage is not None:
            self.usage = _counts(usage)
        choices = _field(chunk, "choices")
        if not isinstance(choices, list) or not choices:
            self._closed = self._closed or usage is not None
            return ""
        finish = _field(choices[0], "finish_reason")
        if isinstance(finish, str):
            self.finish_reason = mapping.plain_code(finish.lower(), self.secret) or "other"
        said = _field(choices[0], "delta") or _field(choices[0], "message")
        text = _text(said)
        now = time.monotonic()
        if not text:
            if self._thought is None and (_field(said, "reasoning_content") or _field(said, "reasoning")):
                self._thought = now
            return ""
        self._last = now
        self._first = self._first or now
        return self._scrub.feed(text)

    def end(self) -> str:
        """Return the text that was held back because it could have been the beginning of the key."""
        return self._scrub.end()

    @property
    def complete(self) -> bool:
        """Whether the provider said that the answer is over; the SDK hides [DONE].

        Some servers send usage with every piece: in a stream it is an end only where no piece goes with it.
        """
        return self.finish_reason is not None or self._closed or (not self.streamed and self.usage is not None)

    @property
    def ttft_ms(self) -> int | None:
        """Milliseconds from sending to the first text, or None."""
        return None if self._first is None else round((self._first - self._started) * 1000)

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens after the first by the time they took, or None.

        Reasoning counts where it was streamed; where it was hidden neither its tokens nor its time do.
        """
        if self._first is None or self._last is None or self.usage is None or not self.streamed:
            return None
        tokens = self.usage.get("completion_tokens", 0)
        if self._thought is None:
            tokens -= self.usage.get("reasoning_tokens", 0)
        span = self._last - (self._first if self._thought is None else self._thought)
        return (tokens - 1) / span if tokens > 1 and span >= _MEASURABLE else None


def _field(source: object, name: str) -> object:
    return source.get(name) if isinstance(source, dict) else getattr(source, name, None)


def _text(said: object) -> str:
    """Return the text of a message or a piece of one: plain, in parts (Mistral), or a refusal (OpenAI)."""
    content = _field(said, "content")
    if isinstance(content, list):
        parts = [_field(part, "text") for part in content if _field(part, "type") == "text"]
        content = "".join(part for part in parts if isinstance(part, str))
    if isinstance(content, str) and content:
        return content
    refusal = _field(said, "refusal")
    return refusal if isinstance(refusal, str) else ""


def _counts(usage: object) -> dict[str, int] | None:
    counts = {name: _field(usage, name) for name in _COUNTS}
    counts["reasoning_tokens"] = _field(_field(usage, "completion_tokens_details"), "reasoning_tokens") or None
    kept = {name: count for name, count in counts.items() if isinstance(count, int) and not isinstance(count, bool)}
    return kept or None
