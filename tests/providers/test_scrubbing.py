"""What a server repeats of a key is not shown: not the whole, not a part that is worth anything, not in parts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from keytui.model import Secret
from keytui.providers import prompts, scrubbing
from keytui.providers.answers import TOO_LONG, Answer
from keytui.providers.prompts import Delta, Summary
from keytui.providers.scrubbing import Scrubber
from tests.providers.conftest import http, make_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.providers.conftest import RawServer

KEY = "sk-" + "proj-" + "".join(chr(97 + n * 7 % 26) + str(n * n % 97) for n in range(40))
SECRET = Secret(KEY)
MASKED = SECRET.masked()
PATIENCE = 10.0


def runs(text: str, key: str = KEY, length: int = scrubbing.RUN) -> list[str]:
    """Return the parts of a key, of so many characters, that a text holds."""
    return [key[at : at + length] for at in range(len(key) - length + 1) if key[at : at + length] in text.lower()]


def fed(*pieces: str, secret: Secret = SECRET) -> str:
    scrub = Scrubber(secret)
    return "".join(scrub.feed(each) for each in pieces) + scrub.end()


PARTS = {
    "all": KEY,
    "all but its last 2": KEY[:-2],
    "all but its first 4": KEY[4:],
    "the middle": KEY[20:40],
    "the shortest that is hidden": KEY[30 : 30 + scrubbing.RUN],
    "in capitals": KEY.upper(),
}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 11, 12, 13, 1_000])
@pytest.mark.parametrize("part", PARTS)
def test_part_of_the_key_is_masked_however_it_is_cut(part: str, size: int) -> None:
    text = f"Bad key: {PARTS[part]}.., bye"
    shown = fed(*[text[at : at + size] for at in range(0, len(text), size)])
    assert not runs(shown)
    assert shown.startswith("Bad key: ")
    assert MASKED in shown
    assert shown.endswith(".., bye")
    assert len(shown) <= len("Bad key: .., bye") + len(MASKED) + 3  # of a part that is no beginning, 3 were shown


def test_key_is_masked_exactly() -> None:
    text = f"You sent {KEY}, and {KEY}{KEY}."
    assert fed(text) == f"You sent {MASKED}, and {MASKED}."
    assert fed(*text) == f"You sent {MASKED}, and {MASKED}."


def test_masked_form_and_a_short_part_stay_readable() -> None:
    text = f"Not {MASKED}, {KEY[:11]} or {KEY[-11:]}"
    assert fed(text) == text
    assert fed(*text) == text


def test_two_parts_that_make_a_run_only_together_are_hidden_from_the_second_on() -> None:
    shown = fed("x" + KEY[20:23], KEY[23:50], " y")
    assert shown == f"x{KEY[20:23]}{MASKED} y"


@pytest.mark.parametrize("piece", ["Hello", " the", "1. First", "pro", "sky"])
def test_piece_that_begins_no_key_is_shown_at_once(piece: str) -> None:
    assert Scrubber(SECRET).feed(piece) == piece


def test_what_was_held_back_comes_with_the_next_piece() -> None:
    scrub = Scrubber(SECRET)
    assert scrub.feed("task") == "ta"  # the key begins so
    assert scrub.feed(" risks") == "sk risk"
    assert scrub.feed(f" {KEY[40:44]}") == "s "  # 4 characters of its middle
    assert scrub.end() == KEY[40:44]


@pytest.mark.parametrize("text", ["ollama", "lm-studio", "token-abc123", "none", "EMPTY"])
def test_place_holder_is_no_secret(text: str) -> None:
    assert fed(f"I am {text}, a server", secret=Secret(text)) == f"I am {text}, a server"


def test_short_key_is_masked_whole() -> None:
    assert fed("It is hunter-2-hunter", secret=Secret("hunter-2-hunter")) == "It is ••••••••"


def test_text_in_other_letters_keeps_its_form() -> None:
    text = f"İstanbul ǅ ﬁ ß {KEY[:-1]} Straße ẞ"
    assert fed(text) == f"İstanbul ǅ ﬁ ß {MASKED} Straße ẞ"


def _answered(*pieces: str, model: str = "m") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    events = [{"model": model, "choices": [{"index": 0, "delta": {"content": each}}]} for each in pieces]
    events.append({"model": model, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return head + b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in events)


async def _ask(url: str) -> tuple[str, Summary]:
    parts = [part async for part in prompts.stream(make_key(url, model="m"), SECRET, "Hello", timeout_s=PATIENCE)]
    summary = parts.pop()
    assert isinstance(summary, Summary)
    return "".join(part.text for part in parts if isinstance(part, Delta)), summary


async def test_part_of_the_key_in_an_answer_is_masked(raw_server: Callable[..., RawServer]) -> None:
    text, _summary = await _ask(raw_server(_answered("Bad key: ", KEY[:20], KEY[20:-2], "..")).url)
    assert text == f"Bad key: {MASKED}.."


async def test_part_of_the_key_in_the_models_name_is_masked(raw_server: Callable[..., RawServer]) -> None:
    _text, summary = await _ask(raw_server(_answered("Hi", model=f"m-{KEY[5:-1]}")).url)
    assert summary.model == f"m-{MASKED}"


async def test_model_named_after_a_part_of_the_key_is_not_listed(raw_server: Callable[..., RawServer]) -> None:
    body = json.dumps({"data": [{"id": "good"}, {"id": f"m-{KEY[:-1]}"}, {"id": f"m-{KEY[9:-9].upper()}"}]}).encode()
    running = raw_server(http("200 OK", body, "Connection: close"))
    assert await prompts.models(make_key(running.url), SECRET, timeout_s=PATIENCE) == ["good"]


def test_of_a_piece_far_longer_than_what_is_shown_the_rest_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[int] = []
    feed = Scrubber.feed

    def note_and_feed(scrub: Scrubber, text: str) -> str:
        searched.append(len(text))
        return feed(scrub, text)

    monkeypatch.setattr(Scrubber, "feed", note_and_feed)
    answer = Answer("m", SECRET, prompts.ANSWER_LIMIT)
    shown = answer.take({"choices": [{"delta": {"content": "x" * 90_000}}]})
    assert (len(shown), answer.finish_reason) == (prompts.ANSWER_LIMIT, TOO_LONG)
    assert sum(searched) <= 1.5 * prompts.ANSWER_LIMIT


def test_a_key_is_found_wherever_it_begins_and_whatever_stands_between() -> None:
    spelled = scrubbing.spells(SECRET)
    for at in range(len(KEY) - scrubbing.RUN):
        part = KEY[at : at + scrubbing.RUN]
        for before in range(scrubbing.RUN):
            assert spelled(f"{'x' * before} {'│ '.join(part)}\n.")
    assert spelled(KEY.upper())
    assert not spelled(f"{KEY[: scrubbing.RUN - 1]} and {KEY[20:31]}")
    assert not spelled(f"Your key is {MASKED}.")
    assert not scrubbing.spells(Secret("none"))("none at all")
