"""Drawing at once what cannot wait for Textual's next frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.widget import Widget


def paint(widget: Widget) -> None:
    """Draw a widget now, where it stands, without laying the screen out.

    After it has drawn something, such as the cursor's answer to a key, Textual draws next 17 to 33 ms later
    (`Timer._run`, textual 8.2.8), and has no public way to draw earlier. Where the layout changes too, that follows
    with the next frame as always.
    """
    screen = widget.screen
    screen._compositor.update_widgets({*screen._dirty_widgets, widget})
    screen._compositor_refresh()
