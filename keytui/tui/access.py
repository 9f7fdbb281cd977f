"""The one way the app reaches the store: off the event loop, with a deadline, asking for what the store needs."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast, overload
from weakref import WeakKeyDictionary

from keytui.errors import KeytuiError, NotConfirmed, StoreLocked, StoreUnavailable, StoreUndecided
from keytui.tui import words
from keytui.tui.crash import own
from keytui.tui.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.app import App

    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore
    from keytui.tui.screens.dialog import Dialog

P = ParamSpec("P")
T = TypeVar("T")

_KEYRING_CALLS = 6
"""Calls to a keyring one write may make: probe (set, read back, delete), then write, read back, and one to spare."""

_ERROR_SECONDS = 8


class HasStore(Protocol):
    """What `call` needs of the app."""

    @property
    def store(self) -> Keystore:
        """The store of this app."""


_asking: WeakKeyDictionary[App[Any], dict[str, asyncio.Future[bool]]] = WeakKeyDictionary()


@overload
async def call(app: App[Any], fn: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T: ...
@overload
async def call(app: App[Any], fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T: ...
async def call(app: App[Any], fn: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Any:
    """Run `fn` and return what it returns; must be called from a worker.

    A plain function runs in a thread with a deadline, which comes after the store's own. An async one, such as a
    rotation, runs on the event loop and has its own. A locked vault, a locked OS keyring or no store yet is asked
    about, and `fn` starts over; it must therefore raise those before it has changed anything, as Keystore does.

    Raises:
        NotConfirmed: The person cancelled what was asked.
        StoreUnavailable: The deadline passed.
        KeytuiError: Whatever else `fn` raises.
    """
    while True:
        try:
            return await run(app, fn, *args, **kwargs)
        except StoreLocked as error:
            allowed = await (_unlock_vault(app) if error.backend == "vault" else _wait_for_keyring(app, error))
        except StoreUndecided as error:
            allowed = await _set_up(app, error.sentence)
        if not allowed:
            raise NotConfirmed("Nothing was changed: the store stayed closed.")


def show_error(app: App[Any], error: KeytuiError) -> None:
    """Show what happened and what to do next as a notification; the text is never markup."""
    text = f"{error.sentence}\n{error.hint}" if error.hint else error.sentence
    declined = isinstance(error, NotConfirmed)
    app.notify(
        words.plain_lines(text), severity="information" if declined else "error", timeout=_ERROR_SECONDS, markup=False
    )


def store_of(app: App[Any]) -> Keystore:
    """Return the app's store."""
    return cast("HasStore", app).store


@overload
async def run(app: App[Any], fn: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T: ...
@overload
async def run(app: App[Any], fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T: ...
async def run(app: App[Any], fn: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Any:
    """Run `fn` as `call` does, but ask nothing.

    Raises:
        StoreUnavailable: The deadline passed.
        KeytuiError: Whatever else `fn` raises. What it should not raise becomes one too: the app goes on, and what
            was typed, such as a key that is stored nowhere yet, is still there.
    """
    try:
        if inspect.iscoroutinefunction(fn):
            return await fn(*args, **kwargs)
        return await _in_thread(store_of(app).settings, fn, *args, **kwargs)
    except KeytuiError:
        raise
    except Exception as error:
        raise own(error) from None


async def _in_thread(settings: Settings, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    seconds = settings.keyring_seconds * _KEYRING_CALLS + settings.lock_seconds
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            return await asyncio.to_thread(fn, *args, **kwargs)
    except TimeoutError:
        if not deadline.expired():
            raise
        sentence = f"The store did not answer within {seconds} seconds."
        raise StoreUnavailable(sentence, "It may still finish: look at the list before you try again.") from None


async def _unlock_vault(app: App[Any]) -> bool:
    from keytui.tui.screens.unlock import UnlockScreen

    return await _ask_once(app, "unlock", lambda: UnlockScreen(store_of(app)))


async def _set_up(app: App[Any], reason: str) -> bool:
    from keytui.tui.screens.unlock import SetUpScreen

    return await _ask_once(app, "set up", lambda: SetUpScreen(store_of(app), reason))


async def _wait_for_keyring(app: App[Any], error: StoreLocked) -> bool:
    from keytui.tui.screens.confirm import ConfirmScreen

    hint = error.hint or "Unlock it in your desktop session, then try again."
    detail = f"{error.sentence} {hint}"
    return await _ask_once(
        app, "keyring", lambda: ConfirmScreen("The OS keyring is locked", detail, "y", "Try again", danger=False)
    )


async def _ask_once(app: App[Any], about: str, screen: Callable[[], Dialog[bool]]) -> bool:
    """Ask, unless another worker is asking the same already: then its answer counts for both."""
    questions = _asking.setdefault(app, {})
    if about in questions:
        return await asyncio.shield(questions[about])
    answer = questions[about] = asyncio.get_running_loop().create_future()
    dialog = screen()
    try:
        chosen = await app.push_screen_wait(dialog)
        allowed = bool(chosen)  # A dialog dismissed with nothing is a no.
        if allowed and isinstance(app, Reading):
            app.load()  # The header and what L does follow at once.
        answer.set_result(allowed)
        return allowed
    except asyncio.CancelledError:
        if app.is_running and app.screen is dialog:
            dialog.dismiss(False)  # Nobody waits for its answer any more.
        raise
    finally:
        del questions[about]
        if not answer.done():
            answer.set_result(False)  # The asking worker was cancelled; nobody else may wait forever.
