"""What every keytui process does to itself before it touches a secret, and how it starts a helper."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_PR_SET_DUMPABLE = 4


def harden() -> None:
    """Write no core file, refuse other processes of this user our memory and environment, create private files.

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


def helper_command(module: str, *arguments: str) -> Sequence[str]:
    """Return the command that runs `module` of this installation as a helper.

    `-P` keeps the current folder off the helper's import path. No argument may be a secret: argv is public.
    """
    return (sys.executable, "-P", "-m", module, *arguments)
