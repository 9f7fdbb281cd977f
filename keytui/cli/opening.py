"""`keytui` and `keytui --demo`: open the app. The one place of the command line that knows it."""

from __future__ import annotations

import os
import sys

from keytui import process, settings
from keytui.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


_LEAKY = ("TEXTUAL_LOG", "TEXTUAL_DEBUG", "TEXTUAL_DRIVER", "TEXTUAL_SCREENSHOT", "TEXTUAL_PRESS")
"""Variables of Textual that write what is typed or shown to a file, run another program's driver, or press keys."""


def open_app(*, backend: str | None, demo: bool) -> int:
    """Open the app and return its exit code.

    Raises:
        UsageError: No terminal, or Textual was told to log what is typed.
    """
    process.harden()
    if not demo:
        _refuse_leaks(os.environ)
    # Textual draws on stderr.
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise UsageError("The app needs a terminal.", "In a script use a command: keytui --help")
    from keytui.tui import launch

    if demo:
        from keytui.demo import samples

        shown = samples.open_demo()
        try:
            return launch(shown.store, shown.settings, demo=True)
        finally:
            shown.close()
    from keytui.storage.keystore import Keystore

    values = settings.load(backend=backend)
    store = Keystore(values)
    try:
        return launch(store, values)
    finally:
        store.close()


def _refuse_leaks(environ: Mapping[str, str]) -> None:
    named = [name for name in _LEAKY if environ.get(name)]
    if {"devtools", "debug"} & {word.strip() for word in environ.get("TEXTUAL", "").split(",")}:
        named.append("TEXTUAL")
    if named:
        names = " and ".join(named)
        raise UsageError(
            f"{names} would let Textual record what you type, or type in your place.", f"Unset {named[0]} first."
        )
