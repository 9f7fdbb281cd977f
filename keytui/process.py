"""What every keytui process does to itself before it touches a secret, and how it starts a helper."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_PR_SET_DUMPABLE = 4


def harden() -> None:
    """Write no core file, refuse other processes of this user our memory and environment, create private files.

    An error that nobody catches is told by its type and place alone.

    Measured: with dumpable 0, /proc/PID/mem and environ give PermissionError to the same user (Linux). Failure of a
    step is not fatal: the platform may not know it.
    """
    os.umask(0o077)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    except (ImportError, OSError, ValueError):
        pass
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    # Whoever has put in a hook, such as a debugger or a test runner, keeps it.
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _tell_error
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = lambda event: _tell_error(event.exc_type, event.exc_value, event.exc_traceback)


def hush() -> None:
    """Keep threads and logging from printing tracebacks and log lines: an error's text may quote a key.

    For the processes that start threads or load the client of the providers, which bring both modules in anyway.
    """
    import logging
    import threading

    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda event: _tell_error(event.exc_type, event.exc_value, event.exc_traceback)
    if not logging.root.handlers:
        # Else warnings of every library are printed on stderr, and with OPENAI_LOG openai would add a handler there.
        logging.root.addHandler(logging.NullHandler())
    logging.raiseExceptions = False  # a log line that cannot be written would be printed with its arguments


def _tell_error(kind: type[BaseException], _error: BaseException | None, trace: TracebackType | None) -> None:
    """Print what kind of error ended a process or a thread, and where; not what it says or held."""
    place = "an unknown place"
    while trace is not None:
        place = f"{trace.tb_frame.f_globals.get('__name__', '')}:{trace.tb_lineno}"
        trace = trace.tb_next
    if sys.stderr is not None and not issubclass(kind, (KeyboardInterrupt, SystemExit)):
        sys.stderr.write(f"keytui: An error in keytui itself: {kind.__name__} at {place}.\n")


def helper_command(module: str, *arguments: str) -> Sequence[str]:
    """Return the command that runs `module` of this installation as a helper.

    `-P` keeps the current folder off the helper's import path. No argument may be a secret: argv is public.
    """
    return (sys.executable, "-P", "-m", module, *arguments)
