"""Choosing the model that test prompts with a key ask: the key's own list, shorter with each letter typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType

from keytui.errors import KeytuiError
from keytui.providers import catalog
from keytui.tui import access, messages, words
from keytui.tui.screens.dialog import Dialog
from keytui.tui.widgets.field import Busy, Hint
from keytui.tui.widgets.keyless import KeylessInput
from keytui.tui.widgets.lines import CURSOR, LineList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.segment import Segment
    from textual.app import ComposeResult
    from textual.types import CSSPathType
    from textual.widgets import Input

    from keytui.model import Key

LONGEST = 200
"""Characters of a model's name, at most."""
_NO_CHAT = ", by its name not for chat"


class ModelList(LineList):
    """The models that the filter leaves.

    Attributes:
        now: The model asked so far, which carries a mark.
        moved: Whether the person put the cursor where it stands.
    """

    def __init__(self, now: str) -> None:
        super().__init__(id="models")
        self.can_focus = False  # the filter keeps the focus
        self.now = now
        self.moved = False
        self._rows: list[tuple[str, str]] = []

    @property
    def chosen(self) -> str | None:
        """The model under the cursor, "" for the provider's preferred one, None when there is no row."""
        return self._rows[self.cursor][0] if self._rows else None

    def set_rows(self, rows: list[tuple[str, str]], wanted: str) -> None:
        """Show these rows, each a model and its text.

        The cursor stays where the person put it while that row is there. Otherwise it goes to the wanted model, and
        to the first row when there is no such model.
        """
        before = self.chosen
        self._rows = rows
        names = [model for model, _ in rows]
        self.moved = self.moved and before in names
        aim = before if self.moved else wanted
        self.cursor = names.index(aim) if aim in names else 0
        self.rows_changed(follow=True)

    def pointed(self) -> None:
        """Remember that the person moved the cursor."""
        self.moved = True

    def row_count(self) -> int:
        """Return how many rows there are."""
        return len(self._rows)

    def header(self, width: int) -> list[Segment]:  # noqa: ARG002 - there is none
        """Return nothing: the list has no header."""
        return []

    def row(self, index: int, width: int, *, selected: bool) -> list[Segment]:
        """Return one model's line."""
        model, text = self._rows[index]
        mark = "  now" if model == self.now else ""
        segments = [self.segment(f"{CURSOR} " if selected else "  ", "mark")]
        segments.append(self.segment(words.fit(text, width - 2 - len(mark)), "" if model else "dim"))
        return [*segments, self.segment(mark, "ok")]


class ModelScreen(Dialog[str | None]):
    """Dismisses with a model's name, "" for the provider's preferred one, or None."""

    CSS_PATH: ClassVar[CSSPathType | None] = ["dialog.tcss", "model.tcss"]
    AUTO_FOCUS = "#model-filter"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, f"move('{where}')", show=False)
        for key, where in (("up", "up"), ("down", "down"), ("pageup", "page_up"), ("pagedown", "page_down"))
    ]
    HINTS: ClassVar[Sequence[Hint]] = (Hint("Enter", "Choose"), Hint("↑ ↓", "Move"), Hint("Esc", "Cancel", "cancel"))

    def __init__(self, key: Key) -> None:
        super().__init__(f"Model for {words.plain(key.name)}")
        self._key = key
        self._models: list[str] = []
        self._hidden: list[str] = []

    def compose_body(self) -> ComposeResult:
        """Lay out the filter, the list, and what became of reading it."""
        yield KeylessInput(id="model-filter", placeholder="Type to filter, or a model's name", max_length=LONGEST)
        yield ModelList(self._key.model)
        yield Busy(id="model-news")

    def on_mount(self) -> None:
        """Ask the provider for the key's models."""
        self._fill("")
        self.query_one(Busy).start("Asking for the models of this key")
        self._read()

    @work(description="list the models of a key", exclusive=True, group="models", exit_on_error=False)
    async def _read(self) -> None:
        from keytui.providers import prompts

        store, busy = access.store_of(self.app), self.query_one(Busy)
        try:
            secret = await access.call(self.app, store.read, self._key.id)
            found = await prompts.models(self._key, secret, timeout_s=store.settings.check_seconds)
        except KeytuiError as error:
            busy.stop(f"{error.sentence} You can type a model's name.", "warning")
            return
        small = [name for name in catalog.provider(self._key.provider).small_models if name in found]
        self._models = [*small, *(name for name in dict.fromkeys(found) if name not in small and len(name) <= LONGEST)]
        self._hidden = found.hidden
        chat = words.count(len(self._models), "chat model" if self._hidden else "model")
        of_all = f" of {len(self._models) + len(self._hidden):,}" if self._hidden else ""
        busy.stop(f"{chat}{of_all} in this key's list.")
        self._fill(self.query_one("#model-filter", KeylessInput).value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        event.stop()
        self._fill(event.value)

    def _fill(self, text: str) -> None:
        """Show the models that hold every word typed.

        Those that by their names do not chat are shown when they are asked for, or in use. What is typed itself comes
        last, for models nobody lists.
        """
        needles = text.casefold().split()
        rows = [(name, name) for name in self._models if all(needle in name.casefold() for needle in needles)]
        typed, now = text.strip(), self._key.model
        unlisted = ", which is not in its list" if self._models else ""
        if typed:
            hidden = [name for name in self._hidden if all(needle in name.casefold() for needle in needles)]
            rows += [(name, f"{name}{_NO_CHAT}") for name in hidden]
            listed = typed in self._models or typed in self._hidden
            if not listed:
                rows.append((typed, f"Ask for “{typed}”{unlisted}"))
            # What is typed in full is meant, also when it is a part of other names.
            self.query_one(ModelList).set_rows(rows, typed if listed else rows[0][0])
            return
        if unnamed := words.unnamed(self._key.provider):
            rows.insert(0, ("", f"{unnamed[:1].upper()}{unnamed[1:]}, chosen for each prompt"))
        if now and now not in self._models:
            # So that Enter keeps it, also before the list has come.
            rows.append((now, f"{now}{_NO_CHAT if now in self._hidden else unlisted}"))
        self.query_one(ModelList).set_rows(rows, now)

    def action_move(self, where: str) -> None:
        """Move the cursor of the list."""
        self.query_one(ModelList).action_run(where)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Choose with Enter."""
        event.stop()
        self._choose()

    @on(messages.RowOpened)
    def _choose(self) -> None:
        self.dismiss(self.query_one(ModelList).chosen)
