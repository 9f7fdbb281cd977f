"""What an answer says, piece by piece: its text without the key, its numbers, its end. No field can be relied on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from keytui.providers import mapping
from keytui.providers.scrubbing import Scrubber

if TYPE_CHECKING:
    from keytui.model import Secret

TOO_LONG = "too_long"
"""The finish reason of an answer that was ended here, at the most that is shown."""

_MEASURABLE = 0.02  # seconds; an answer that came in one burst was held back on its way, and has no speed
_LONGEST_PIECE = 30_000  # characters of one piece that are looked at: more than is shown, and searched in some ms
_NO_REASON = frozenset(("", "null", "none"))  # what some servers write in place of null
_HIGHEST_COUNT = 10**12  # tokens; no answer has so many
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


class Answer:
    """A running answer.

    Args:
        model: The model that is asked.
        secret: The key's value.
        most: Characters that are taken.

    Attributes:
        model: The model that answers, as the provider names it; the one asked for until it does.
        chunks: Pieces that have come, with or without text.
        spoke: The last piece had text or reasoning in it.
        full: The longest answer that is shown has come; what follows is not taken.
        usage: Counts of tokens, or None.
        finish_reason: Why the provider ended it, TOO_LONG, or None.
        done: The provider sent [DONE].
        request_id: The provider's id of the request, or None.
        streamed: False when it came in one piece.
        limits: What the rate limits leave, in our own words.
        status: HTTP status.
        limit: The limit on tokens that was sent, or None.
    """

    def __init__(self, model: str, secret: Secret, most: int) -> None:
        self.model = model
        self.secret = secret
        self.chunks = 0
        self.spoke = self.full = self.done = False
        self.usage: dict[str, int] | None = None
        self.finish_reason: str | None = None
        self.request_id: str | None = None
        self.streamed = True
        self.limits = ""
        self.status = 200
        self._left = most
        self._named = self._half = ""
        self._begun = self._promised = self._closed = False
        self._scrub = Scrubber(secret)
        self.begin()

    def begin(self, limit: int | None = None) -> None:
        """Note that the request is sent now, with a limit on tokens or with none."""
        self.limit = limit
        self._started = time.monotonic()
        self._thought: float | None = None
        self._first: float | None = None
        self._last: float | None = None

    def take(self, chunk: object) -> str:
        """Note what the JSON of a piece, or of a whole answer, says and return its text."""
        self.chunks += 1
        model = _field(chunk, "model")
        if isinstance(model, str) and model and len(model) <= 200 and model != self._named:
            self._named, self.model = model, self._scrub.whole(model)
        usage = _field(chunk, "usage")
        if usage is not None:
            self.usage = _counts(usage)
        choices = _field(chunk, "choices")
        if not isinstance(choices, list) or not choices:
            self.spoke = False
            self._closed = self._closed or (self._begun and usage is not None)
            return ""
        self._take_reason(choices[0])
        said = _field(choices[0], "delta") or _field(choices[0], "message")
        self._begun, self._closed = self._begun or isinstance(said, dict), False
        text = _text(said)
        now = time.monotonic()
        self.spoke = bool(text) or _thinks(said)
        if not text:
            if self._thought is None and self.spoke:
                self._thought = now
            return ""
        self._last = now
        self._first = self._first or now
        return self._fit(self._paired(text))

    def _paired(self, text: str) -> str:
        """Return a text with what was held back before it, and hold back what may be the first half of a character.

        Servers that count in UTF-16 cut an emoji in two: D83D ends a piece and DE00 begins the next.
        """
        if self._half and "\udc00" <= text[0] <= "\udfff":
            text = (self._half + text[0]).encode("utf-16", "surrogatepass").decode("utf-16") + text[1:]
        else:
            text = self._half + text
        self._half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
        return text.removesuffix(self._half) if self._half else text

    def _take_reason(self, choice: object) -> None:
        finish = _field(choice, "finish_reason")
        if isinstance(finish, str) and finish.lower() not in _NO_REASON:
            self.finish_reason = mapping.plain_code(finish.lower(), self.secret) or "other"
        elif finish is None and isinstance(choice, dict) and "finish_reason" in choice:
            self._promised = True

    def _fit(self, text: str) -> str:
        """Return what can be shown of a text."""
        shown = self._scrub.feed(text[:_LONGEST_PIECE])
        if len(text) > _LONGEST_PIECE or len(shown) >= self._left:
            self.full, self.finish_reason = True, TOO_LONG
            shown = shown[: self._left]
        self._left -= len(shown)
        return shown

    def end(self) -> str:
        """Return the text that was held back: the beginning of a character, or what could have been one of the key."""
        half, self._half = self._half, ""
        return "" if self.full else (self._scrub.feed(half) + self._scrub.end())[: self._left]

    @property
    def over(self) -> bool:
        """Whether nothing of it can follow."""
        return self.full or self.done or (self.finish_reason is not None and self._closed)

    @property
    def complete(self) -> bool:
        """Whether the provider said that the answer is over.

        Some servers send usage with every piece: in a stream it is an end only where no piece goes with it. [DONE] is
        one where no reason was promised: gateways write it also under an answer that they saw cut.
        """
        if not self.streamed:
            return self.finish_reason is not None or self.usage is not None or self._first is not None
        return self.finish_reason is not None or self._closed or (self.done and self._begun and not self._promised)

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
    return source.get(name) if isinstance(source, dict) else None


def _thinks(said: object) -> bool:
    """Whether a piece has reasoning in it, under one of the names it has; Mistral sends it among the parts."""
    if any(_field(said, name) for name in ("reasoning_content", "reasoning", "reasoning_details")):
        return True
    content = _field(said, "content")
    return isinstance(content, list) and any(_field(part, "type") == "thinking" for part in content)


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
    kept = {name: count for name, count in counts.items() if type(count) is int and 0 <= count <= _HIGHEST_COUNT}
    return kept or None
