"""How the state of a key is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keytui.tui import words

if TYPE_CHECKING:
    from keytui.model import Key, VerdictWord
    from tests.tui.conftest import World


def _rotating(world: World, verdict: VerdictWord | None) -> Key:
    return world.add()._replace(state="rotating", verdict=verdict, checked_at=None if verdict is None else 1)


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("invalid", "✗ invalid, rotating"),
        ("no_quota", "$ no quota, rotating"),
        ("unreachable", "⚠ unreachable, rotating"),
        ("valid", "↻ rotating"),
        (None, "↻ rotating"),
    ],
)
def test_a_rotation_hides_no_bad_verdict(world: World, verdict: VerdictWord | None, said: str) -> None:
    key = _rotating(world, verdict)
    assert words.health(key).fitting(40) == said
    assert "rotating" in words.states(key, 2)


def test_a_key_that_is_refused_while_it_rotates_says_what_to_do(world: World) -> None:
    key = _rotating(world, "invalid")
    assert words.health(key).fitting(10) == "✗ invalid"
    assert "invalid" in words.states(key, 2)
    assert words.next_step(key, 2)
    assert not words.next_step(_rotating_valid(key), 2)


def _rotating_valid(key: Key) -> Key:
    return key._replace(verdict="valid")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Bonjour\u202f! «\u00a0Ça va\u00a0?\u00a0»", None),
        ("こんにちは。\u3000元気ですか。", None),
        ("می\u200cخواهم", None),
        ("👨\u200d👩\u200d👧", "👨👩👧"),
        ("soft\u00adhyphen", "softhyphen"),
        ("a\x1b[2Jb\u202ec\u2028d\u200be", "a�[2Jb�c�d�e"),
    ],
)
def test_text_of_every_language_is_shown_and_what_moves_the_cursor_is_not(text: str, shown: str | None) -> None:
    assert words.plain(text) == (text if shown is None else shown)
