"""Drawing earlier than Textual does, and less: at once what cannot wait for its next frame, and nothing twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import strip
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


def entitle(widget: Widget, title: str | None = None, subtitle: str | None = None) -> None:
    """Write into the border of a widget if that changes it: writing there draws the whole widget again.

    Args:
        title: For its upper line; None leaves what is there.
        subtitle: For its lower line, in the same way.
    """
    if title is not None and widget.border_title != Content(title).markup:
        widget.border_title = Content(title)
    if subtitle is not None and (widget.border_subtitle or "") != Content(subtitle).markup:
        widget.border_subtitle = Content(subtitle) if subtitle else None


class _NoCache:
    """What a strip would have kept is made anew."""

    __slots__ = ()

    def get(self, key: object, default: object = None) -> object:  # noqa: ARG002 - a cache's own signature
        """Find nothing."""
        return default

    def __setitem__(self, key: object, value: object) -> None:
        """Keep nothing."""


def keep_no_pieces() -> None:
    """Let the lines of the screen not keep what was cut out of them.

    Textual gives each piece of a line seven caches (`Strip.__init__`, textual 8.2.8). Without them drawing the screen
    takes a quarter less, and a garbage collection walks a quarter of the objects.
    """
    none = _NoCache()
    if hasattr(strip, "FIFOCache"):
        setattr(strip, "FIFOCache", lambda *_, **__: none)  # noqa: B010 - a class, for whoever checks types
