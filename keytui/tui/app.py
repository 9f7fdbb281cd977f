"""The app: the store it shows, its theme, and the main screen. What it does is in jobs.py and screens/doing.py."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import SystemCommand
from textual.events import Key as KeyPressed
from textual.events import Paste
from textual.theme import Theme

from keytui.tui.facts import Facts
from keytui.tui.first_look import FirstLook
from keytui.tui.idle import IdleLock
from keytui.tui.painting import keep_no_pieces
from keytui.tui.screens.main import MainScreen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from textual.command import Provider
    from textual.events import Event
    from textual.screen import Screen

    from keytui.model import Key
    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore

THEME = Theme(
    name="keytui",
    primary="#8ea8ff",
    secondary="#7cc5d9",
    accent="#8ea8ff",
    warning="#e6b566",
    error="#f07178",
    success="#86c99a",
    foreground="#d9dce6",
    background="#0f1117",
    surface="#161922",
    panel="#1e222e",
    dark=True,
    variables={
        "border": "#8ea8ff",
        "border-blurred": "#333a4d",
        "text-muted": "#8b92a7",
        "text-disabled": "#5a6073",
        "text-primary": "#8ea8ff",
        "text-secondary": "#7cc5d9",
        "text-success": "#86c99a",
        "text-warning": "#e6b566",
        "text-error": "#f07178",
        "scrollbar": "#333a4d",
        "scrollbar-hover": "#4a5470",
        "scrollbar-active": "#8ea8ff",
        "scrollbar-background": "#0f1117",
        "scrollbar-background-hover": "#0f1117",
        "scrollbar-background-active": "#0f1117",
        "scrollbar-corner-color": "#0f1117",
        "input-selection-background": "#8ea8ff 30%",
        "footer-key-foreground": "#8ea8ff",
    },
)
STORES = {"os": "OS keyring", "vault": "vault"}


def _palette() -> type[Provider]:
    from keytui.tui.palette import ActionProvider

    return ActionProvider


class KeytuiApp(IdleLock):
    """keytui in a terminal.

    Args:
        store: The keys.
        demo: Say on every screen that this is a demo.
        clock: Seconds since the epoch; tests and screenshots freeze it.
        look: The first look at the index, where it has begun already.
    """

    CSS_PATH: ClassVar = ["app.tcss", "screens/main.tcss"]  # a default screen's own CSS_PATH is not read
    TITLE = "keytui"
    COMMANDS: ClassVar = {_palette}
    COMMAND_PALETTE_BINDING = "ctrl+p"

    def __init__(
        self,
        store: Keystore,
        settings: Settings,
        *,
        demo: bool = False,
        clock: Callable[[], float] = time.time,
        look: FirstLook | None = None,
    ) -> None:
        self.store = store
        self.demo = demo
        self.clock = clock
        self.settings = settings
        self.first_look = look if look is not None else FirstLook(store)
        keep_no_pieces()
        super().__init__()
        self.register_theme(THEME)
        if "TEXTUAL_THEME" not in os.environ:
            self.theme = THEME.name

    def get_default_screen(self) -> Screen[None]:
        """Start on the main screen; pushing it would cost 50 ms."""
        return MainScreen(demo=self.demo)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Keep only what has no key here: the theme. A screenshot could hold a revealed key."""
        return (command for command in super().get_system_commands(screen) if command.title == "Theme")

    def action_command_palette(self) -> None:
        """Open the palette."""
        from keytui.tui.palette import Palette

        if not Palette.is_open(self):
            self.push_screen(Palette())

    def _load_screen_css(self, screen: Screen[Any]) -> None:
        """Read the rules of a screen that opens. Textual would parse all others too, and style all there is."""
        unread = [path for path in screen.css_path if not self.stylesheet.has_source(str(path))]
        if unread:
            self.stylesheet.read_all(unread)
            self.stylesheet.parse()
        super()._load_screen_css(screen)

    def facts(self, key: Key, known: Facts | None) -> Facts:
        """Return what is known about a key without reading: from before, when it is the same key."""
        if known is not None and known.key.id == key.id:
            return known._replace(key=key)
        return Facts(key, "memory, for the demo" if self.demo else STORES.get(key.backend, key.backend))

    async def on_key(self, event: KeyPressed) -> None:
        """Give what was typed ahead to the field that has the focus by now, as in a filter typed with its slash.

        Textual addresses each key when it comes in: of a burst, those behind a key that moves the focus went to the
        widget before, which does nothing with them. A field keeps the characters it takes, so none comes here twice.
        """
        field = self.focused
        if event.is_printable and field is not None and field.check_consume_key(event.key, event.character):
            event.prevent_default()
            await field.on_event(KeyPressed(event.key, event.character))

    async def on_event(self, event: Event) -> None:
        """Give what was pasted ahead to the field it is for; a handler of its own would have Textual log its text."""
        if isinstance(event, Paste) and event.is_forwarded:
            text, event.text = event.text, ""
            if self.focused is None:  # The dialog that was just opened finds its focus first.
                self.screen.call_after_refresh(lambda: self._paste_ahead(text))
            else:
                await self._paste_ahead(text)
        else:
            await super().on_event(event)

    async def _paste_ahead(self, text: str) -> None:
        """Paste into the focused field. Fields keep what is pasted into them, so none comes here twice."""
        from textual.widgets import Input

        from keytui.tui.widgets.secret_input import SecretInput

        if isinstance(self.focused, Input | SecretInput) and not self.focused.is_disabled:
            await self.focused.on_event(Paste(text))

    def on_app_blur(self) -> None:
        """Hide a revealed key while the terminal is not looked at."""
        if self.screen_stack:
            cast("MainScreen", self.main).hide_secret()

    def export_screenshot(self, *, title: str | None = None, simplify: bool = False) -> str:
        """Draw the screen as SVG; a revealed key is hidden first, whoever asks for the picture."""
        if self.screen_stack:
            cast("MainScreen", self.main).hide_secret()
        return super().export_screenshot(title=title, simplify=simplify)

    def copy_to_clipboard(self, text: str) -> None:
        """Copy selected text; nothing is kept in the app, where Ctrl+V would paste it."""
        super().copy_to_clipboard(text)
        self._clipboard = ""

    async def action_quit(self) -> None:
        """Leave; where a dialog holds what is stored nowhere yet, such as a pasted key, it asks first."""
        from keytui.tui.screens.dialog import Dialog

        for screen in reversed(self.screen_stack):
            if isinstance(screen, Dialog) and screen.unsaved:
                if screen is self.screen:
                    screen.action_cancel()
                return
        await super().action_quit()

    def action_help_quit(self) -> None:
        """Say how to leave when Ctrl+C is pressed."""
        self.say("Press Ctrl+Q to leave keytui.")
