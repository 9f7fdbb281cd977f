"""An answer's Markdown: laid out piece by piece it looks as if it had come whole."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

import pytest
from markdown_it.token import Token
from textual.highlight import HighlightTheme, highlight

from keytui.tui import blocks, markdown
from keytui.tui.markdown import Flow

if TYPE_CHECKING:
    from textual.content import Content


def shown(text: str, width: int = 40) -> list[str]:
    """The lines of an answer, laid out piece by piece; and as a whole, which must be the same."""
    flow, lines = Flow(width), []
    for end in range(1, len(text) + 1):
        lines = [line.plain.rstrip() for line in flow.lines(text[:end])]
    assert lines == [line.plain.rstrip() for line in Flow(width).lines(text)]
    return lines


def test_markdown_becomes_lines() -> None:
    text = "# Head\n\none\ntwo `x`\n\n1. a\n2. b\n   - c\n\n> said\n\n```python\nx = 1\n\ny = 2\n```\n\n---\n"
    expected = ["Head", "", "one", "two x", "", "1. a", "2. b", "   ‣ c", "", "▎ said", "", "│ x = 1", "│", "│ y = 2"]
    assert shown(text) == [*expected, "", "─" * 40]


@pytest.mark.parametrize(
    "text",
    [
        "- a **b**\n- c\n\n- d\n\n  more\n- e\n",
        "9. a\n10. b\n    - c\n11. d\n\ntext\n",
        "1. a\n** lazy\n* b\n- c\n",
        "| a | b |\n|---|---|\n| 1 | `2` |\n| a wider cell | 3 |\n| 4 |\n\n- after\n\n| c |\n|---|\n| d |\n",
    ],
)
def test_lists_and_tables_grow_as_if_they_had_come_whole(text: str) -> None:
    assert shown("before\n\n" + text)
    assert shown(text + "\nafter")


CODE = """# before

```python
a = 1
text = '''first
second = 2
    third


fourth
'''

b = 3
c = 4
d = 5
"""


@pytest.mark.parametrize("end", ["", "```\n", "```\nafter\n\n- point\n", "``` no end\n", "~~~\n", "`"])
def test_long_code_grows_as_if_it_had_come_whole(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setattr(markdown, "CODE_LINES", 2)
    assert shown(CODE + end)[:4] == ["before", "", "│ a = 1", "│ text = '''first"]


@pytest.mark.parametrize("opening", ["````", "~~~~ python", "  ````"])
def test_any_fence_grows(monkeypatch: pytest.MonkeyPatch, opening: str) -> None:
    monkeypatch.setattr(markdown, "CODE_LINES", 2)
    closing = opening.strip().rstrip(" python")
    assert shown(f"{opening}\n\n\nx\n```\n\ny\nz\n\n{closing}\nafter")[-1] == "after"


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_blank_lines_stay_wherever_code_is_cut(monkeypatch: pytest.MonkeyPatch, lines: int) -> None:
    monkeypatch.setattr(markdown, "CODE_LINES", lines)
    assert shown("```python\na = 1\n\n\nb = 2\n\n\n\nc = 3\n\nd = 4\ne = 5\n").count("│") == 6


def test_code_that_has_ended_is_colored_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A string over several lines is one, wherever its pieces were cut."""
    monkeypatch.setattr(markdown, "CODE_LINES", 2)
    flow = Flow(60)
    for end in range(1, len(CODE) + 1):
        flow.lines(CODE[:end])
    grown, whole = flow.lines(CODE + "```\n"), Flow(60).lines(CODE + "```\n")
    assert all(line.is_same(other) for line, other in zip(grown, whole, strict=True))


def test_most_of_long_code_is_not_highlighted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each token of a long answer costs more than the one before it."""
    amounts: list[int] = []

    def note(code: str, *, language: str, theme: type[HighlightTheme]) -> Content:
        amounts.append(len(code))
        return highlight(code, language=language, theme=theme)

    flow, text = Flow(60), "```python\n" + "x = 1\n" * 1_000
    flow.lines(text)
    monkeypatch.setattr(blocks, "highlight", note)
    flow.lines(text + "y = 2\n")
    assert sum(amounts) < 2_000


def test_highlighting_gives_the_interface_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that never rests makes each frame take twice as long."""
    rests: list[float] = []
    monkeypatch.setattr(time, "sleep", rests.append)
    Flow(60).lines("```python\n" + "x = 1\n" * 1_000 + "```\n")
    assert len(rests) > 20


def test_laying_out_leaves_nothing_to_the_garbage_collector() -> None:
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        Flow(60).lines("- a **b** `c`\n" * 50 + "\n| a |\n|---|\n" + "| b |\n" * 50 + "\n> c\n")
        gc.collect()
        left = [each for each in gc.garbage if isinstance(each, Token | blocks.Node)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert not left


def test_a_table_fits_its_width() -> None:
    lines = shown("| name | what it is |\n|---|---|\n| a | " + "long text " * 9 + "|\n", 30)
    assert all(len(line) <= 30 for line in lines)
    assert lines[0].startswith("name │ what it is")
    assert sum("long" in line for line in lines) > 1


def test_nothing_in_an_answer_does_anything() -> None:
    text = "[a](https://e.example/x) <b>html</b> [red]no markup[/red] &#27;[31m ![p](http://e.example/i.png)"
    lines = Flow(200).lines(text)
    assert [line.plain for line in lines] == [
        "a (https://e.example/x) <b>html</b> [red]no markup[/red] �[31m p (http://e.example/i.png)"
    ]
    assert all(isinstance(span.style, str) and "@" not in span.style for line in lines for span in line.spans)


@pytest.mark.parametrize("text", ["[" * 3_000, "*a " * 1_500, "`a" * 2_000, ">" * 3_000, "- " * 1_500, "|" * 3_000])
def test_odd_markdown_is_laid_out(text: str) -> None:
    assert all(line.cell_length <= 60 for line in Flow(60).lines(text))
