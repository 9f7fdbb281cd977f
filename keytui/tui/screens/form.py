"""New and Edit: the fields of a key. In New the key comes first, and pasting it fills in the rest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widgets import Input, Select

from keytui.errors import InvalidInput, KeytuiError, NotConfirmed
from keytui.flows import keys
from keytui.model import DAY, KeyFields
from keytui.providers.catalog import PROVIDERS
from keytui.tui import access, words
from keytui.tui.screens.confirm import ConfirmScreen
from keytui.tui.screens.dialog import Dialog
from keytui.tui.widgets.field import Busy, Field, Hint
from keytui.tui.widgets.secret_input import SecretInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult
    from textual.types import CSSPathType
    from textual.widget import Widget

    from keytui.model import Key, KeyKind, Secret
    from keytui.storage.keystore import Keystore

_TEXTS = ("name", "base_url", "env", "model", "tags", "rotate_every_days", "note")
_ADDRESS_EXAMPLE = "https://llm.example.com/v1"


class FormScreen(Dialog["int | None"]):
    """Asks for a key's fields, stores them, and dismisses with the key's id, or None when nothing was stored.

    What was typed stays in the dialog until the store has it: after any error it can be saved again.

    Args:
        key: The key to edit, or None for a new one. Editing leaves the secret as it is; rotating changes it.
        clock: Seconds since the epoch; tests and screenshots freeze it.
    """

    CSS_PATH: ClassVar[CSSPathType | None] = ["dialog.tcss", "form.tcss"]
    AUTO_FOCUS = "#key, #name"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "save", show=False)]
    HINTS: ClassVar[Sequence[Hint]] = (
        Hint("Ctrl+S", "Save", "save"),
        Hint("Esc", "Cancel", "cancel"),
        Hint("Tab", "Next field", "next"),
    )

    def __init__(self, store: Keystore, key: Key | None = None, clock: Callable[[], float] = time.time) -> None:
        super().__init__("New key" if key is None else f"Edit {key.name}")
        self._store = store
        self._key = key
        self._clock = clock
        self._kind: KeyKind = "api" if key is None else key.kind
        # What keytui itself put into a field; a field that differs was typed by the person and is left alone.
        self._proposed: dict[str, str] = dict.fromkeys((*_TEXTS, "provider"), "")
        self._stale = False
        self._saving = False
        self._twin = ""

    # --- layout

    def compose_body(self) -> ComposeResult:
        """Lay out the fields; the body scrolls when they do not fit."""
        if self._key is None:
            hint = "Paste it here; the rest is filled in"
            yield Field("Key", SecretInput(hint, id="key"), name="key").add_class("group", update=False)
        yield self._line("name", "Name")
        choices = [(provider.label, provider.id) for provider in PROVIDERS.values()]
        select: Select[str] = Select(choices, prompt="Recognized from the key", compact=True, id="provider")
        yield Field("Provider", select, name="provider")
        yield self._line("base_url", "Base URL", _ADDRESS_EXAMPLE)
        yield self._line("env", "Variable", "OPENAI_API_KEY")
        model = self._line("model", "Model", "For test prompts; the provider's when empty")
        yield model.add_class("group", update=False)
        yield self._line("tags", "Tags", "Separated by commas")
        yield self._line("rotate_every_days", "Rotate every", "Never", unit="days")
        yield self._line("note", "Note")
        yield Busy(id="busy")

    def _line(self, name: str, label: str, placeholder: str = "", *, unit: str = "") -> Field:
        """Make the field of one line of text."""
        control = Input(placeholder=placeholder, id=name, select_on_focus=False)
        control.cursor_blink = False
        if name == "rotate_every_days":
            control.restrict = r"\d{0,5}"
        return Field(label, control, name=name, unit=unit)

    def on_mount(self) -> None:
        """Fill in the fields of the key to edit."""
        if self._key is not None:
            self._fill(self._key.fields)

    # --- what keytui fills in, and what the person typed

    def _control(self, name: str) -> Input:
        return self.query_one(f"#{name}", Input)

    @property
    def _provider(self) -> str:
        value = self.query_one("#provider", Select).value
        return value if isinstance(value, str) else ""

    def _value(self, name: str) -> str:
        return self._provider if name == "provider" else self._control(name).value

    def _touched(self, name: str) -> bool:
        return self._value(name) != self._proposed[name]

    def _propose(self, name: str, value: str) -> None:
        """Put a value into a field unless the person typed something else there."""
        if self._touched(name):
            return
        self._proposed[name] = value
        if name == "provider":
            self.query_one("#provider", Select).value = value
        else:
            with self.prevent(Input.Changed):
                self._control(name).value = value

    def _fill(self, fields: KeyFields) -> None:
        self._propose("provider", fields.provider)
        for name in ("name", "base_url", "env", "model"):
            self._propose(name, getattr(fields, name))
        self._propose("tags", ", ".join(fields.tags))
        self._propose("note", fields.note.replace("\n", " "))
        self._propose("rotate_every_days", str(fields.rotate_every_days or ""))
        self._show_due()

    @on(Select.Changed, "#provider")
    def _provider_chosen(self) -> None:
        """Follow the provider with what it decides, unless the person typed it; what was proposed for it is known."""
        provider = PROVIDERS.get(self._provider)
        if provider is None:
            return
        self._row("provider").say("")
        if self._touched("provider"):
            self._propose("base_url", provider.base_url)
            self._propose("env", provider.admin_env if self._kind == "admin" else provider.env)
        unnamed = words.unnamed(provider.id)
        model = provider.small_models[0] if provider.small_models else f"{unnamed[:1].upper()}{unnamed[1:]}"
        self._control("model").placeholder = f"{model} when empty" if unnamed else "For test prompts, which need one"
        self._control("base_url").placeholder = provider.base_url or provider.example or _ADDRESS_EXAMPLE

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._row(event.input.id or "").say("")
        if event.input.id == "rotate_every_days":
            self._show_due()

    def _show_due(self) -> None:
        days = self._days()
        since = self._clock() if self._key is None else self._key.rotated_at
        unit = "days"
        if days:
            unit = f"days, next on {time.strftime('%Y-%m-%d', time.localtime(since + min(days, 36_500) * DAY))}"
        self._row("rotate_every_days").show_unit(unit)

    def _days(self) -> int | None:
        text = self._value("rotate_every_days")
        return int(text) if text else None

    # --- the pasted key

    @on(SecretInput.Changed)
    def _key_changed(self, event: SecretInput.Changed) -> None:
        self.workers.cancel_group(self, "recognize")  # That was about another key.
        self._stale = event.length > 0
        self._twin = ""
        self._row("key").say("")
        if event.pasted:
            self._recognize_soon()

    @on(SecretInput.Blurred)
    def _key_left(self) -> None:
        if self._stale and not self._saving:
            self._recognize_soon()

    @work(exclusive=True, group="recognize", description="recognize the key in the field")
    async def _recognize_soon(self) -> None:
        try:
            await self._recognize()
        except KeytuiError as error:
            self._show(error)

    async def _recognize(self) -> Secret:
        """Fill in what the key says about itself, and return it cleaned. Until then it is stale.

        Raises:
            InvalidInput: No provider could have issued it.
            KeytuiError: The store could not be asked.
        """
        try:
            secret = keys.clean_secret(self.query_one("#key", SecretInput).secret.reveal())
            proposal = await access.run(self.app, keys.propose, self._store, secret)
            twin = await access.run(self.app, self._store.same_secret, secret)
        except KeytuiError:
            self._stale = False  # It was looked at; leaving the field says no more.
            raise
        self._stale = False
        self._twin = twin.name if twin is not None else ""
        self._kind = proposal.fields.kind
        self._fill(proposal.fields)
        self._row("key").say("\n".join(proposal.warnings), "warning")
        return secret

    # --- saving

    def action_save(self) -> None:
        """Store what was typed."""
        if not self._saving:
            self._save()

    @work(exclusive=True, group="save", description="save the form")
    async def _save(self) -> None:
        focused = self.focused
        self._set_saving(True)
        try:
            saved = await (self._add() if self._key is None else self._edit(self._key))
        except NotConfirmed as error:
            self._set_saving(False, focused)
            self.query_one(Busy).stop(error.sentence)
        except KeytuiError as error:
            self._set_saving(False, focused)
            self._show(error)
        else:
            self.dismiss(saved)

    async def _add(self) -> int:
        field = self.query_one("#key", SecretInput)
        if self._stale:
            self.workers.cancel_group(self, "recognize")
            secret = await self._recognize()
            if self._row("key").said:
                raise NotConfirmed("Read the line under the key, then press Ctrl+S again to save it.")
        else:
            secret = keys.clean_secret(field.secret.reveal())
        fields = await self._validated()
        self.query_one(Busy).start("Storing the key")
        key = await access.call(self.app, keys.add, self._store, fields, secret)
        field.clear()
        return key.id

    async def _edit(self, key: Key) -> int:
        fields = await self._validated()
        if fields.base_url != key.base_url:
            await self._confirm_address(key.base_url, fields.base_url)
        self.query_one(Busy).start("Saving")
        return (await access.call(self.app, keys.edit, self._store, key.id, fields, key.fields)).id

    def _fields(self) -> KeyFields:
        old = self._key
        base_url = self._value("base_url").strip()
        note = self._value("note")
        return KeyFields(
            name=self._value("name"),
            provider=self._provider,
            base_url=base_url,
            env=self._value("env").strip(),
            kind=self._kind,
            allow_http=old is not None and old.allow_http and base_url == old.base_url,
            model=self._value("model"),
            tags=tuple(tag for tag in self._value("tags").split(",") if tag.strip()),
            # One line cannot show line breaks: an untouched note keeps its own.
            note=old.note if old is not None and not self._touched("note") else note,
            rotate_every_days=self._days(),
            expires_at=old.expires_at if old is not None else None,
        )

    async def _validated(self) -> KeyFields:
        """Return the fields as they will be stored; plain http beyond this machine is asked about.

        Raises:
            InvalidInput: A field cannot be stored.
            NotConfirmed: Plain http was declined.
        """
        fields = self._fields()
        if not fields.provider:
            raise InvalidInput("provider", "Choose a provider.", "Enter opens the list.")
        try:
            return keys.validate(fields)
        except InvalidInput as error:
            if error.field != "base_url" or urlsplit(fields.base_url).scheme != "http" or fields.allow_http:
                raise
            allowed = keys.validate(fields._replace(allow_http=True))
        question = "Send this key without encryption?"
        detail = (
            f"{allowed.base_url} is plain http: anyone on the way can read the key. Use https if the server has it."
        )
        if not await self._ask(ConfirmScreen(question, detail, "y", "Allow plain http", cancel_label="Go back")):
            raise InvalidInput("base_url", "Plain http was not allowed.", "Begin the address with https://.")
        return allowed

    async def _confirm_address(self, old: str, new: str) -> None:
        old_host, new_host = urlsplit(old).netloc, urlsplit(new).netloc
        before, after = (old, new) if old_host == new_host else (old_host, new_host)
        detail = (
            f"From   {before}\nTo     {after}\n\n"
            "Test prompts and checks will send the key there. It is not checked by itself: press t when you are ready."
        )
        question = "Send this key to another address?"
        if not await self._ask(ConfirmScreen(question, detail, "y", "Change the address", cancel_label="Go back")):
            raise NotConfirmed("Nothing was saved: the address was not confirmed.")

    async def _ask(self, screen: ConfirmScreen) -> bool:
        answer = await self.app.push_screen_wait(screen)
        return bool(answer)

    def _set_saving(self, saving: bool, focus: Widget | None = None) -> None:
        self._saving = saving
        self.query_one(".dialog-body").disabled = saving
        if not saving:
            self.query_one(Busy).stop()
            if focus is not None:
                focus.focus()

    # --- telling

    def _row(self, name: str) -> Field:
        return next(row for row in self.query(Field) if row.name == name)

    def _show(self, error: KeytuiError) -> None:
        """Show an error beside its field, or at the bottom when it belongs to none."""
        text = f"{error.sentence} {error.hint}".rstrip()
        if isinstance(error, InvalidInput) and any(row.name == error.field for row in self.query(Field)):
            row = self._row(error.field)
            row.say(text, "error")
            row.control.focus()
            row.scroll_visible()
        else:
            self.query_one(Busy).stop(text, "error")

    # --- leaving

    @property
    def unsaved(self) -> bool:
        """Whether a key or anything else was typed that is not stored."""
        if self._key is None and self.query_one("#key", SecretInput).secret:
            return True
        return any(self._touched(name) for name in self._proposed)

    def action_next(self) -> None:
        """Go to the next field."""
        self.focus_next()

    @on(Input.Submitted)
    @on(SecretInput.Submitted)
    def _entered(self) -> None:
        self.focus_next()

    def action_cancel(self) -> None:
        """Leave, after a question when something would be lost; not while the store is at work."""
        if self._saving:
            return
        if self.unsaved:
            self._leave()
        else:
            self.dismiss(None)

    @work(exclusive=True, group="leave", description="ask before discarding the form")
    async def _leave(self) -> None:
        if self._key is None and self.query_one("#key", SecretInput).secret:
            question = "Discard this key?"
            detail = "The key in the field is not stored yet, and your provider may not show it again."
            if self._twin:
                detail = f"Nothing is lost: this key is stored already as “{self._twin}”."
        else:
            question, detail = "Discard the changes?", "What you typed is not saved."
        if await self._ask(ConfirmScreen(question, detail, "y", "Discard", cancel_label="Keep editing")):
            self.dismiss(None)
