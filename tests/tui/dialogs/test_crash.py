from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

import pytest
from textual import work
from textual.app import App

from keytui.tui.crash import CalmCrash, describe
from tests.leaks import leaks
from tests.stores import fake_key

if TYPE_CHECKING:
    from textual import events


def test_what_is_overridden_is_still_what_textual_calls() -> None:
    assert str(inspect.signature(App._fatal_error)) == "(self) -> 'None'"
    assert str(inspect.signature(App.panic)) == "(self, *renderables: 'RenderableType') -> 'None'"
    assert str(inspect.signature(App._handle_exception)) == "(self, error: 'Exception') -> 'None'"
    source = inspect.getsource(App._handle_exception)
    assert "self._fatal_error()" in source
    assert "self.panic(error)" in source
    assert "_return_code = 1" in source
    assert "_exit_renderables" in inspect.getsource(App._fatal_error)


class _Rich(Exception):
    def __init__(self, secret: str) -> None:
        super().__init__(secret)
        self.secret = secret

    def __rich__(self) -> str:
        return self.secret


class Failing(CalmCrash):
    def __init__(self, way: str, secret: str) -> None:
        super().__init__()
        self.way = way
        self.secret = secret

    def on_mount(self) -> None:
        if self.way == "async worker":
            self.in_worker()
        elif self.way == "thread worker":
            self.in_thread()
        elif self.way == "input":
            self.call_after_refresh(self.simulate_key, "x")
        elif self.way == "mount":
            self.fail()
        else:
            self.call_after_refresh(self.fail)

    def on_key(self, _event: events.Key) -> None:
        self.fail()

    @work(description="fail")
    async def in_worker(self) -> None:
        await asyncio.sleep(0)
        self.fail()

    @work(description="fail", thread=True)
    def in_thread(self) -> None:
        self.fail()

    def fail(self) -> None:
        local = self.secret
        if self.way == "rich":
            raise _Rich(local)
        try:
            raise KeyError(local)
        except KeyError as error:
            raise ValueError(f"bad {local}") from error


@pytest.mark.parametrize("way", ["mount", "callback", "async worker", "thread worker", "input", "rich"])
def test_a_crash_shows_type_and_place_and_no_secret(way: str, capfd: pytest.CaptureFixture[str]) -> None:
    secret = fake_key().reveal()
    app = Failing(way, secret)
    app.run(headless=True, size=(80, 24))
    captured = capfd.readouterr()
    printed = captured.out + captured.err
    assert app.return_code == 1
    assert "keytui stopped because of an error in itself: " in printed
    assert ("_Rich" if way == "rich" else "ValueError") in printed
    assert "Traceback" not in printed
    assert not leaks(printed.replace("\n", "").encode(), secret)


def test_the_place_is_the_last_one_in_keytui() -> None:
    from keytui.errors import InvalidInput
    from keytui.flows import keys

    with pytest.raises(InvalidInput) as caught:
        keys.clean_secret("")
    assert "InvalidInput at keytui.flows.keys:" in describe(caught.value)


def test_what_is_used_of_textuals_inside_is_still_there() -> None:
    app: App[None] = App()
    assert app._clipboard == ""
    assert app._driver is None
    app.copy_to_clipboard("text")
    assert app._clipboard == "text"
    assert "self._exception" in inspect.getsource(App._handle_exception)
    assert callable(app._close_messages_no_wait)
