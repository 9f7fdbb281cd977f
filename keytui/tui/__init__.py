"""The app: screens, widgets and the registry of actions."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from keytui import process

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore


_PARTING_SECONDS = 2.0
"""How long a write or a copy under way may take after quitting; the next start finishes or undoes what is cut off."""


def launch(store: Keystore, settings: Settings, *, demo: bool = False, clock: Callable[[], float] | None = None) -> int:
    """Run the app and return its exit code.

    The garbage collector rests until the first paint (Jobs.tidy_up starts it): collecting what importing Textual
    allocates costs 17 ms of a 220 ms start.
    """
    import threading
    import time

    from keytui.tui.first_look import FirstLook

    gc.disable()
    process.hush()
    look = FirstLook(store)
    from keytui.tui.app import KeytuiApp

    app = KeytuiApp(store, settings, demo=demo, clock=clock if clock is not None else time.time, look=look)
    app.run()
    code = app.return_code or 0
    app.threads.settle(_PARTING_SECONDS)
    if threading.active_count() > 1:
        # A daemon thread inside a C extension may bring down an interpreter that is being taken apart under it.
        import atexit
        import os

        atexit.register(os._exit, code)
    return code
