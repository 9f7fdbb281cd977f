"""Drawing earlier than Textual does, and less: at once what cannot wait for its next frame, and nothing twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

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


def entitle(widget: Widget, title: str, subtitle: str | None = None) -> None:
    """Write into the border of a widget, where what is new: writing there draws everything in the border too.

    Args:
        subtitle: For its lower line; None leaves what is there.
    """
    above = Content(title)
    if widget.border_title != above.markup:
        widget.border_title = above
    if subtitle is not None and (widget.border_subtitle or "") != Content(subtitle).markup:
        widget.border_subtitle = Content(subtitle) if subtitle else None
