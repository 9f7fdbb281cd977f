"""What all that opens over another screen has: that screen, dimmed, drawn again only when something in it changes."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from rich.segment import Segment
from textual.await_complete import AwaitComplete
from textual.reactive import reactive
from textual.renderables.background_screen import BackgroundScreen
from textual.screen import UPDATE_PERIOD, ModalScreen, Screen
from textual.strip import Strip
from textual.visual import Visual

if TYPE_CHECKING:
    from typing import Any, Self

    from rich.style import Style as RichStyle
    from textual.color import Color
    from textual.css.styles import RulesMap
    from textual.events import ScreenResume
    from textual.geometry import Region, Size
    from textual.style import Style
    from textual.timer import Timer
    from textual.visual import RenderOptions, VisualType
    from textual.widget import Widget

Result = TypeVar("Result")

_ASIDE_SECONDS = 0.001


class DrawnOnce(Screen[Result]):
    """Base of all screens.

    Textual lays out a screen that opens, and then tells it, and those below it, of the size that they have already; and
    when the focus moves, it draws the whole screen. Here neither is done: the widgets that change are drawn.
    """

    focused: reactive[Widget | None] = reactive(None, repaint=False)
    _frames: Timer | None = None

    @property
    def _update_timer(self) -> Timer:
        if self._frames is None:
            self._frames = self.set_interval(UPDATE_PERIOD, self._draw_in_turn, name="draw", pause=True)
        return self._frames

    async def _draw_in_turn(self) -> None:
        """Draw, but not in the turn of the event loop that styled what is drawn, or that collected garbage."""
        await asyncio.sleep(0)
        self._on_timer_update()

    def _on_timer_update(self) -> None:
        """Draw once. Textual draws what was laid out, and then all of it again where all must be drawn."""
        laying_out = self._layout_required or self._scroll_required
        if laying_out and self._repaint_required and self.is_current and not self.app._batch_count:
            self._dirty_widgets.add(self)
            self._repaint_required = False
        super()._on_timer_update()

    def _screen_resized(self, size: Size) -> None:
        """Lay out when the size is another one."""
        if size != self._compositor.size:
            super()._screen_resized(size)


class Modal(ModalScreen[Result], DrawnOnce[Result]):
    """Base of the screens that leave the one below to be seen."""

    _below: Backdrop | None = None
    _shown_once = False
    _held: tuple[Result | None] | None = None
    """What it was dismissed with below another screen."""

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Leave with the first result given; a screen that was left already is not left again.

        Textual takes whatever is on top off the stack. With two keys in one read that is the screen below this one,
        and for a job that ends while something else is asked, the question. Such a screen goes once it is on top.
        """
        stack = self.app.screen_stack
        if self not in stack:
            return AwaitComplete()
        first = self._held or (result,)
        if stack[-1] is not self:
            self._held = first
            return AwaitComplete()
        return super().dismiss(first[0])

    async def on_screen_resume(self, event: ScreenResume) -> None:
        """Open in steps: draw the screen below, lay out, and then Textual draws; keys that came go between.

        What is in it was styled a moment ago, when it was mounted; itself before its own rules were read
        (`App.push_screen`, textual 8.2.8). Back on top, look at the screen below anew.
        """
        self._below = None
        if self._held is not None:
            self.dismiss()
        if self._shown_once:
            return
        self._shown_once = True
        event.refresh_styles = False
        self.app.stylesheet.update_nodes([self], animate=False)
        self.render()
        if self._below is not None:
            self._below.draw()
        await asyncio.sleep(_ASIDE_SECONDS)
        with self.app.batch_update():
            self._refresh_layout(self.app.size)
        await asyncio.sleep(_ASIDE_SECONDS)

    def render(self) -> VisualType:  # type: ignore[override] # Widget's own; Screen narrows it for no need
        """Draw the screen below, dimmed; as it was drawn before, while nothing in it changed.

        Textual knows the screen below only while it draws (and `super` takes it off a list of those that follow).
        """
        drawn = super().render()
        stack, color = self.app.screen_stack, self.styles.background
        if self not in stack[1:] or color.a == 1:
            return drawn
        if self._below is None:
            self._below = Backdrop(stack[stack.index(self) - 1], color)
        return self._below

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Draw again. Textual names regions when a screen below has changed there (`Screen._compositor_refresh`)."""
        if regions:
            for screen in self.app.screen_stack:  # Textual tells the one on top alone
                if isinstance(screen, Modal):
                    screen.forget()
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def forget(self) -> None:
        """Draw the screen below anew, the next time that this one is drawn."""
        self._below = None
        self._layout_cache.clear()
        self._set_dirty()


class Backdrop(Visual):
    """A screen as it is now, dimmed; Textual's own goes through Rich and blends each piece of text anew.

    Args:
        screen: The screen.
        color: What is laid over it; its alpha says how much.
    """

    def __init__(self, screen: Screen[Any], color: Color) -> None:
        self._screen = screen
        self._color = color
        self._strips: list[Strip] | None = None

    def draw(self) -> list[Strip]:
        """Return a strip for each line of the screen."""
        if self._strips is None:
            self._strips = [self._dimmed(strip) for strip in self._screen._compositor.render_strips()]
        return self._strips

    def render_strips(self, width: int, height: int | None, style: Style, options: RenderOptions) -> list[Strip]:  # noqa: ARG002
        """Return a strip for each line of the screen."""
        return self.draw()

    def _dimmed(self, strip: Strip) -> Strip:
        segments = [Segment(text, _dimmed(style, self._color)) for text, style, _ in strip]
        return Strip(Segment.simplify(segments), strip.cell_length)

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:  # noqa: ARG002
        """Return the width of the screen, in cells."""
        return self._screen.size.width

    def get_height(self, rules: RulesMap, width: int) -> int:  # noqa: ARG002
        """Return the height of the screen, in lines."""
        return self._screen.size.height


@lru_cache(1024)
def _dimmed(style: RichStyle | None, color: Color) -> RichStyle | None:
    """Blend as Textual does. The same style comes back as the same object, which has its codes ready."""
    return next(iter(BackgroundScreen.process_segments([Segment("", style)], color))).style
