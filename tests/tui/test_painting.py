"""How the screen is drawn: the same as ever, with less."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
from rich.segment import Segment
from textual.cache import FIFOCache
from textual.strip import Strip

from keytui.tui.painting import keep_no_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep no pieces until the test ends, and collect no garbage."""
    monkeypatch.setattr("textual.strip.FIFOCache", FIFOCache)
    keep_no_pieces()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("kept")
def test_a_line_of_the_screen_is_one_object_and_its_text() -> None:
    """With Textual's own caches it is fifteen: each collection of garbage would walk them."""
    before = len(gc.get_objects())
    lines = [Strip([Segment("keytui")]) for _ in range(1000)]
    assert len(gc.get_objects()) - before <= 3 * len(lines) + 100


@pytest.mark.usefixtures("kept")
def test_a_line_is_cut_twice_in_the_same_way() -> None:
    """Nothing is kept, so nothing can be stale."""
    line = Strip([Segment("key"), Segment("tui")])
    assert [line.crop(1, 4).text for _ in range(2)] == ["eyt", "eyt"]
    assert [[piece.text for piece in line.divide([2, 6])] for _ in range(2)] == [["ke", "ytui"]] * 2
    assert [line.adjust_cell_length(8).text for _ in range(2)] == ["keytui  "] * 2
