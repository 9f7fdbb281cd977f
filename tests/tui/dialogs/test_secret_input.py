from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import App
from textual.widgets import Input

from keytui.tui.widgets.secret_input import SecretInput
from tests.leaks import files_with, leaks
from tests.stores import fake_key
from tests.tui.dialogs.host import paste

if TYPE_CHECKING:
    from pathlib import Path

    from textual.app import ComposeResult
    from textual.message import Message


class Form(App[None]):
    def __init__(self, *, key: bool = True) -> None:
        super().__init__()
        self.key = key
        self.told: list[Message] = []

    def compose(self) -> ComposeResult:
        yield SecretInput(paste_replaces=self.key)
        yield Input()

    @property
    def field(self) -> SecretInput:
        return self.query_one(SecretInput)

    @property
    def text(self) -> str:
        return self.field.secret.reveal()

    def on_secret_input_changed(self, message: SecretInput.Changed) -> None:
        self.told.append(message)

    def on_secret_input_submitted(self, message: SecretInput.Submitted) -> None:
        self.told.append(message)

    def on_secret_input_blurred(self, message: SecretInput.Blurred) -> None:
        self.told.append(message)


async def test_typed_text_is_held_and_shown_as_dots() -> None:
    app = Form()
    async with app.run_test() as pilot:
        await pilot.press(*"abc")
        assert app.text == "abc"
        drawn = str(app.field.render())
        assert drawn.startswith("•••")
        assert "3 characters" in drawn


async def test_a_paste_is_stripped_and_takes_the_place_of_what_was_there() -> None:
    app = Form()
    async with app.run_test() as pilot:
        await pilot.press(*"old")
        await paste(pilot, "  \n sk-new \r\n")
        assert app.text == "sk-new"


async def test_a_line_break_inside_a_paste_is_kept_to_be_complained_about() -> None:
    app = Form()
    async with app.run_test() as pilot:
        await paste(pilot, "first\nsecond")
        assert app.text == "first\nsecond"


async def test_a_passphrase_is_pasted_at_the_cursor_and_keeps_its_spaces() -> None:
    app = Form(key=False)
    async with app.run_test() as pilot:
        await pilot.press("a", "z", "left")
        await paste(pilot, " b c \n")
        assert app.text == "a b c z"


async def test_editing_keys_work_at_the_cursor() -> None:
    app = Form()
    async with app.run_test() as pilot:
        await pilot.press(*"abcd", "home", "delete", "right", "backspace", "end", "x", "left", "ctrl+k")
        assert app.text == "cd"
        await pilot.press("ctrl+u")
        assert app.text == ""


async def test_nothing_can_be_copied_or_cut() -> None:
    app = Form()
    async with app.run_test() as pilot:
        await pilot.press(*"abcdef", "ctrl+shift+a", "ctrl+c", "ctrl+x", "super+c")
        assert app.clipboard == ""
        assert app.text == "abcdef"


async def test_ctrl_v_pastes_what_was_copied_inside_the_app() -> None:
    app = Form()
    async with app.run_test() as pilot:
        app.copy_to_clipboard("from-elsewhere")
        await pilot.press("ctrl+v")
        assert app.text == "from-elsewhere"


async def test_take_hands_over_once() -> None:
    app = Form()
    async with app.run_test() as pilot:
        await pilot.press(*"abc")
        assert app.field.take().reveal() == "abc"
        assert app.field.take().reveal() == ""


async def test_the_text_goes_with_the_field() -> None:
    app = Form()
    async with app.run_test() as pilot:
        await pilot.press(*"abc")
        field = app.field
        await field.remove()
        assert not field.secret


async def test_a_long_text_keeps_the_cursor_in_view() -> None:
    app = Form()
    async with app.run_test(size=(40, 5)) as pilot:
        await paste(pilot, "x" * 10_000)
        await pilot.press("home", "end")
        assert len(app.text) == 10_000
        assert len(str(app.field.render())) <= 40


async def test_no_message_carries_the_text() -> None:
    app = Form()
    pasted, typed = fake_key().reveal(), fake_key("").reveal()[:16]
    seen: list[str] = []
    pastes: list[events.Paste] = []

    def hook(message: Message) -> None:
        if isinstance(message, events.Paste):
            pastes.append(message)  # Its text is the driver's; it must be gone once the field has it.
        elif not isinstance(message, events.Key):
            seen.append(f"{message!r} {vars(message) if hasattr(message, '__dict__') else ''}")

    async with app.run_test(message_hook=hook) as pilot:
        await paste(pilot, pasted)
        await pilot.press("enter", "tab", "shift+tab", "ctrl+u", *typed, "enter", "tab")
        picture = app.export_screenshot()
    seen += [f"{message!r} {vars(message)}" for message in (*app.told, *pastes)]
    kinds = {type(message).__name__ for message in app.told}
    assert kinds == {"Changed", "Submitted", "Blurred"}
    for secret in (pasted, typed):
        assert not leaks("\n".join(seen).encode(), secret)
        assert not leaks(picture.encode(), secret)


_LOGGED = """
import asyncio, os, sys
from textual import events
from textual.app import App
from textual.widgets import Input
from keytui.tui.widgets.secret_input import SecretInput
class Form(App):
    def compose(self):
        yield SecretInput()
        yield Input(id="plain")
async def main():
    app = Form()
    async with app.run_test() as pilot:
        secret = sys.stdin.read()
        app.post_message(events.Paste(secret))
        await pilot.pause()
        await pilot.press(*secret, "enter", "tab", *"plain")
asyncio.run(main())
"""


def test_textual_log_never_sees_the_text(tmp_path: Path) -> None:
    log = tmp_path / "textual.log"
    secret = fake_key("").reveal()[:16]
    environment: dict[str, Any] = {**os.environ, "TEXTUAL_LOG": str(log)}
    subprocess.run([sys.executable, "-c", _LOGGED], input=secret, text=True, env=environment, check=True, timeout=60)
    text = log.read_text()
    assert "value='plain'" in text  # the log works
    assert not files_with(tmp_path, [secret])
