"""The command palette: the registry's actions, with the reason where one does nothing now."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from textual.command import CommandPalette, DiscoveryHit, Hit, Provider
from textual.content import Content

from keytui.tui import actions
from keytui.tui.screens.main import MainScreen
from keytui.tui.screens.modal import Modal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from textual.command import Hits


class Palette(CommandPalette, Modal[None]):
    """Textual's, over the screen as our dialogs show it."""


class ActionProvider(Provider):
    """Offers what the main screen can do, then the theme. Of several providers Textual shows one or the other first."""

    def _offers(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        screen = self.screen
        if isinstance(screen, MainScreen):
            context = screen.context()
            for action in actions.ACTIONS:
                if action.where == "main":
                    help_text = actions.problem(action, context) or action.help
                    label = f"{action.label}  {actions.key_name(action.keys[0])}"
                    yield label, help_text, partial(screen.action_run, action.id)
        for command in self.app.get_system_commands(screen):
            yield command.title, command.help, command.callback

    async def discover(self) -> Hits:
        """Offer everything before something is typed."""
        for label, help_text, run in self._offers():
            yield DiscoveryHit(Content(label), run, text=label, help=help_text)

    async def search(self, query: str) -> Hits:
        """Offer what matches."""
        matcher = self.matcher(query)
        for label, help_text, run in self._offers():
            score = matcher.match(label)
            if score > 0:
                yield Hit(score, matcher.highlight(label), run, text=label, help=help_text)
