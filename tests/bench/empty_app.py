"""The smallest Textual app: what first paint is compared with."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Static


class Empty(App[None]):
    """One line of text."""

    def compose(self) -> ComposeResult:
        """Show a mark."""
        yield Static("READY-MARK")


if __name__ == "__main__":
    Empty().run()
