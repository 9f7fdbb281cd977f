"""What the person sees when keytui itself fails: one sentence, and nothing a secret could stand in.

Textual's crash screen prints the locals of every frame (`App._fatal_error`, textual 8.2.8), renders whatever an
exception's `__rich__` returns (`App.panic`), and both would show a key that was being handled.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from rich.segment import Segments
from rich.text import Text
from textual.app import App

from keytui.errors import KeytuiError

if TYPE_CHECKING:
    from rich.console import RenderableType

_CONSEQUENCE = (
    "Stored keys are untouched: a change that was under way is finished or undone at the next start.\n"
    "If it happens again, report this line and what you did."
)


class CalmCrash(App[Any]):
    """Base of the app: an unhandled exception ends it with its type and place, without message, locals or file.

    The terminal is restored and the return code is 1, both by Textual's own `_handle_exception`.
    """

    def on_mount(self) -> None:
        """Tell of an error in a task that nobody waits for; asyncio would log its text."""
        asyncio.get_running_loop().set_exception_handler(self._tell_of_task)

    def _tell_of_task(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception) and self.is_running:
            self.notify(f"An error in keytui itself: {place(error)}.", severity="error", markup=False)

    def _fatal_error(self) -> None:
        self.bell()
        self._say_crash(sys.exc_info()[1] or self._exception)
        self._close_messages_no_wait()

    def panic(self, *renderables: RenderableType) -> None:
        """End the app. What upstream would print is looked at for its type alone."""
        error = next((item for item in renderables if isinstance(item, BaseException)), self._exception)
        self._say_crash(error)
        self._close_messages_no_wait()

    def _say_crash(self, error: BaseException | None) -> None:
        if self._exit_renderables:
            return  # Textual would otherwise add "1 of 2 errors shown" and a hint for its developers.
        text = Text(f"{describe(error)}\n{_CONSEQUENCE}")
        self._exit_renderables.append(Segments(list(self.console.render(text, self.console.options))))


def describe(error: BaseException | None) -> str:
    """Return one sentence with the exception's type and where in keytui it was raised; never its message."""
    if error is None:
        return "keytui stopped because of an error in itself."
    return f"keytui stopped because of an error in itself: {place(error)}."


def own(error: Exception) -> KeytuiError:
    """Return an error that nobody foresaw as one a person can be shown: its type and place, never its message."""
    sentence = f"That did not work because of an error in keytui itself: {place(error)}."
    return KeytuiError(sentence, "If it happens again, report this line.")


def place(error: BaseException) -> str:
    """Return an exception's type and where in keytui it was raised, as "OSError at keytui.flows.keys:135"."""
    cause = getattr(error, "error", None)
    if type(error).__name__ == "WorkerFailed" and isinstance(cause, BaseException):
        error = cause
    found = ""
    frame = error.__traceback__
    while frame is not None:
        module = frame.tb_frame.f_globals.get("__name__", "")
        if not found or module.partition(".")[0] == "keytui" or not found.startswith("keytui"):
            found = f"{module}:{frame.tb_lineno}"
        frame = frame.tb_next
    return f"{type(error).__name__} at {found or 'an unknown place'}"
