"""The streamed answer of pane 4: Markdown, laid out in a thread and drawn line by line."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual import work
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style as VisualStyle

from keytui.tui import words
from keytui.tui.painting import paint
from keytui.tui.widgets.styles import STYLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from textual.selection import Selection

    from keytui.tui.markdown import Flow

PAINT_SECONDS = 0.05
"""Pieces that arrive within this time are painted together."""

_LONGEST_PAUSE = 0.5
_AT_ONCE = 500
"""Characters that are laid out on the spot: the first piece is on screen with the next frame."""
_SPELLED = "This answer spells out the key, so it is not shown. Send another prompt."
_FENCES = ("`", "~")
"""What code may begin with. Its highlighter is loaded in the thread."""


class Answer(ScrollView, can_focus=False):
    """Shows an answer while it grows; follows its end unless somebody scrolled up."""

    def __init__(self) -> None:
        super().__init__(id="answer")
        self._text = ""
        self._note = Content()
        self._lines: list[Content] = []
        self._flow: Flow | None = None
        self._spells: Callable[[str], bool] | None = None
        self._shown = 0
        self._busy = False
        self._styles: dict[str, VisualStyle] = {}
        self._strips: dict[int, tuple[Content, VisualStyle, int, Strip]] = {}

    @property
    def text(self) -> str:
        """The answer so far."""
        return self._text

    def say(self, note: Content) -> None:
        """Show a sentence in the place of an answer."""
        self._text, self._note, self._flow, self._shown = "", note, None, 0
        self._show(note.wrap(self._width), follow=False)
        self.scroll_home(animate=False)

    def clear(self) -> None:
        """Make ready for another answer; what is shown stays until something takes its place."""
        self._text, self._flow, self._shown = "", None, 0

    def add(self, piece: str, spells: Callable[[str], bool]) -> None:
        """Add a piece of the answer: the first one is shown at once, the following ones every 50 ms.

        Args:
            piece: Its text.
            spells: Tells whether a text spells out the key: Markdown joins what was sent apart, and is hidden then.
        """
        first, self._spells = not self._text, spells
        self._text += piece
        loaded = sys.modules.get("keytui.tui.markdown")
        if first and loaded is not None and len(piece) <= _AT_ONCE and not piece.lstrip().startswith(_FENCES):
            self._flow = loaded.Flow(self._width)
            self._shown = len(piece)
            self._show(self._drawn(self._flow, piece))
            paint(self)
        else:
            self._follow(0.0 if first else PAINT_SECONDS)

    def _follow(self, pause: float) -> None:
        if not self._busy:
            self._busy = True
            self._lay_out(pause)

    @work(description="lay out an answer", group="layout", exit_on_error=False)
    async def _lay_out(self, pause: float) -> None:
        """Show what has come, and what comes meanwhile; the longer a layout takes, the longer the pause before it."""
        try:
            while self._shown < len(self._text):
                await asyncio.sleep(pause)
                markdown = await asyncio.to_thread(_markdown)
                if self._flow is None or self._flow.width != max(markdown.LEAST, self._width):
                    self._flow = markdown.Flow(self._width)
                flow, text, started = self._flow, self._text, time.monotonic()
                lines = await asyncio.to_thread(self._drawn, flow, text)
                pause = min(max(PAINT_SECONDS, 2 * (time.monotonic() - started)), _LONGEST_PAUSE)
                if flow is self._flow:  # else another answer, or a sentence, stands here by now
                    self._shown = len(text)
                    self._show(lines)
        finally:
            self._busy = False

    def _drawn(self, flow: Flow, text: str) -> list[Content]:
        lines = flow.lines(words.plain_lines(text))
        if self._spells is None or self._spells("".join(line.plain for line in lines)):
            return Content.styled(_SPELLED, STYLES["warn"]).wrap(flow.width)
        return lines

    @property
    def _width(self) -> int:
        return max(1, self.scrollable_content_region.width)

    def _show(self, lines: list[Content], *, follow: bool = True) -> None:
        at_end = self.max_scroll_y - self.scroll_offset.y <= 1
        self._lines = lines
        self.virtual_size = Size(0, len(lines))
        if follow and at_end:
            self.scroll_end(animate=False, immediate=True, force=True)
        self.refresh()

    def on_resize(self) -> None:
        """Lay out for the new width."""
        if not self._text:
            self._show(self._note.wrap(self._width), follow=False)
        elif self._flow is not None and self._flow.width != self._width:
            self._flow, self._shown = None, 0
            self._follow(0.0)

    # --- drawing

    def notify_style_update(self) -> None:
        """Forget the styles: the theme changed."""
        self._styles.clear()
        self._strips.clear()
        super().notify_style_update()

    def _style(self, style: str | VisualStyle) -> VisualStyle:
        if not isinstance(style, str):
            return style
        found = self._styles.get(style)
        if found is None:
            found = self._styles[style] = VisualStyle.parse(style)
        return found

    def render_line(self, y: int) -> Strip:
        """Draw one line of the widget."""
        width, index = self.scrollable_content_region.width, y + self.scroll_offset.y
        base = self.visual_style
        if not 0 <= index < len(self._lines):
            return Strip.blank(width, base.rich_style)
        line = self._lines[index]
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(index)) is not None:
            start, end = span
            line = line.stylize(self.screen.get_visual_style("screen--selection"), start, None if end == -1 else end)
        known = self._strips.get(index)
        if known is not None and known[0] is line and known[1:3] == (base, width):
            return known[3]
        drawn = line.render(base, end="", parse_style=self._style)
        strip = Strip([Segment(text, style.rich_style) for text, style in drawn])
        strip = strip.adjust_cell_length(width, base.rich_style).apply_offsets(0, index)
        if len(self._strips) >= 2 * self.size.height:
            self._strips.clear()
        self._strips[index] = line, base, width, strip
        return strip

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return what the mouse has selected, and what ends it."""
        return selection.extract("\n".join(line.plain for line in self._lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:  # noqa: ARG002 - Textual's signature
        """Draw the selection."""
        self.refresh()


def _markdown() -> ModuleType:
    """Return the module that lays out; loading it takes 60 ms."""
    from keytui.tui import markdown

    return markdown
