"""A list drawn line by line: ten thousand rows cost as much as those on screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style as VisualStyle

from keytui.tui import actions, messages
from keytui.tui.widgets.styles import STYLES

if TYPE_CHECKING:
    from typing import ClassVar

    from rich.style import Style
    from textual import events
    from textual.binding import BindingType

CURSOR = "▌"


class LineList(ScrollView, can_focus=True):
    """Rows with a cursor. A subclass says how many there are and draws one.

    Attributes:
        HEADER: Number of lines above the rows that do not scroll.
        cursor: Index of the selected row; meaningless while there are no rows.
    """

    HEADER = 0
    BINDINGS: ClassVar[list[BindingType]] = list(actions.bindings("list"))

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.cursor = 0
        self._ground = ""
        self._styles: dict[tuple[str, str], Style] = {}
        self._drawn: dict[int, list[Segment]] = {}

    # --- for subclasses

    def row_count(self) -> int:
        """Return how many rows there are."""
        raise NotImplementedError

    def selectable(self, index: int) -> bool:  # noqa: ARG002 - a subclass uses it
        """Whether the cursor may stand on this row."""
        return True

    def row(self, index: int, width: int, *, selected: bool) -> list[Segment]:
        """Return the segments of one row, which fill `width` cells."""
        raise NotImplementedError

    def header(self, width: int) -> list[Segment]:
        """Return the segments of the fixed line above the rows."""
        raise NotImplementedError

    def blank(self, y: int, width: int) -> list[Segment]:  # noqa: ARG002 - a subclass uses them
        """Return what stands in line `y` when there is no row for it."""
        return []

    def pointed(self) -> None:
        """Do what follows from the cursor standing on another row."""

    def segment(self, text: str, tone: str = "") -> Segment:
        """Return text in a tone of STYLES, on the ground of the line that is being drawn."""
        return Segment(text, self._style(tone))

    def _style(self, tone: str) -> Style:
        """Return the style of a tone on the present ground.

        Kept until the theme or the focus changes. Not component classes: these would be styled anew with each change
        of focus, and cost 8 ms before the first paint.
        """
        found = self._styles.get((self._ground, tone))
        if found is None:
            ground = self.visual_style + VisualStyle.parse(STYLES[self._ground])
            found = self._styles[self._ground, tone] = (ground + VisualStyle.parse(STYLES[tone])).rich_style
        return found

    def rows_changed(self, *, follow: bool) -> None:
        """Take over a new number of rows; the subclass has put the cursor where it belongs.

        Args:
            follow: Scroll to the cursor; not wanted when only news came in, while somebody has scrolled elsewhere.
        """
        self.virtual_size = Size(0, self.row_count() + self.HEADER)
        if follow:
            self.show_cursor()
        self.redraw()

    # --- drawing

    def redraw(self) -> None:
        """Draw again the lines that changed: a screen full of rows takes Textual 25 ms."""
        width, height = self.scrollable_content_region.size
        changed = [y for y in range(height) if self._line(y, width) != self._drawn.get(y)]
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def notify_style_update(self) -> None:
        """Forget the styles: the theme, or the focus, changed."""
        self._styles.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the widget."""
        width = self.scrollable_content_region.width
        segments = self._drawn[y] = self._line(y, width)
        base = self._style("")
        return Strip(segments).adjust_cell_length(width, base) if segments else Strip.blank(width, base)

    def _line(self, y: int, width: int) -> list[Segment]:
        index = y - self.HEADER + self.scroll_offset.y
        self._ground = ""
        if y < self.HEADER:
            return self.header(width)
        if index >= self.row_count():
            return self.blank(y, width)
        selected = index == self.cursor and self.selectable(index)
        if selected:
            self._ground = "cursor" if self.has_focus else "cursor-blurred"
        return self.row(index, width, selected=selected)

    # --- moving

    @property
    def page(self) -> int:
        """How many rows fit on screen, at least one."""
        return max(1, self.scrollable_content_region.height - self.HEADER)

    def show_cursor(self) -> None:
        """Scroll so that the cursor is on screen; a hidden list does it when it is shown and gets its size."""
        if not self.scrollable_content_region.height:
            return
        top = round(self.scroll_target_y)
        if self.cursor < top:
            self.scroll_to(y=max(0, self.cursor - self._headroom()), animate=False, force=True)
        elif self.cursor >= top + self.page:
            self.scroll_to(y=self.cursor - self.page + 1, animate=False, force=True)

    def _headroom(self) -> int:
        """How many rows directly above the cursor cannot be selected, and so should be seen with it."""
        above = 0
        while self.cursor - above > 0 and not self.selectable(self.cursor - above - 1):
            above += 1
        return above

    def move_to(self, index: int, *, step: int = 1) -> None:
        """Put the cursor on a row, or on the next one in the direction of `step` that can be selected."""
        last = self.row_count() - 1
        if last < 0:
            return
        index = min(max(index, 0), last)
        while 0 <= index <= last and not self.selectable(index):
            index += step
        if not 0 <= index <= last or index == self.cursor:
            self.show_cursor()
            return
        self.cursor = index
        self.show_cursor()
        self.redraw()
        self.pointed()

    def action_run(self, action_id: str) -> None:
        """Move as the registry's action says."""
        last = self.row_count() - 1
        if action_id == "open":
            self.post_message(messages.RowOpened())
            return
        target, step = {
            "down": (self.cursor + 1, 1),
            "up": (self.cursor - 1, -1),
            "top": (0, 1),
            "bottom": (last, -1),
            "page_down": (self.cursor + self.page, -1),
            "page_up": (self.cursor - self.page, 1),
        }[action_id]
        self.move_to(target, step=step)

    def on_click(self, event: events.Click) -> None:
        """Select the row under the mouse; a second click opens it."""
        y = event.get_content_offset(self)
        if y is None or y.y < self.HEADER:
            return
        index = y.y - self.HEADER + self.scroll_offset.y
        if 0 <= index < self.row_count() and self.selectable(index):
            self.move_to(index)
            if event.chain == 2:
                self.post_message(messages.RowOpened())

    def on_focus(self) -> None:
        """Draw the cursor bright."""
        self.refresh()

    def on_blur(self) -> None:
        """Draw the cursor dim."""
        self.refresh()

    def on_resize(self) -> None:
        """Keep the cursor on screen."""
        self.show_cursor()
