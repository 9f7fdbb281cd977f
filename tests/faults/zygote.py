"""Starts commands fast: a process that has imported everything, and forks itself for each command.

With a descriptor and words as its arguments, it is that command and reports its steps to that descriptor.

Else one JSON object a line comes in: the words of a command, the variables of its environment, and at which step it is
to be killed. Two come out: {"pid"} when it has begun, and {"code", "steps", "said"} when it has ended. It runs no
threads, so that a fork is as good as a new process; `Zygote` is the side of the tests.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any, ParamSpec, Self, TypeVar

    from keytui.model import Secret

    P = ParamSpec("P")
    T = TypeVar("T")

IDENTITY = "KEYTUI_TEST_IDENTITY"


class Ended(NamedTuple):
    """How a command ended.

    Attributes:
        code: Its exit code; -9 when it was killed.
        steps: The steps it reached.
    """

    code: int
    steps: list[str]
    said: str


class Zygote:
    """Starts commands and waits for them, one at a time."""

    def __enter__(self) -> Self:
        environ = dict(os.environ) | {"PYTHONPATH": os.pathsep.join(sys.path)}
        environ.pop("KEYTUI_HOME", None)
        self._process = subprocess.Popen(
            (sys.executable, "-P", str(Path(__file__))), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def start(self, *words: str, environ: Mapping[str, str], kill_at: int | str = -1) -> int:
        """Start a command, to be killed at its step of this number or name, and return its process id."""
        assert self._process.stdin is not None
        line = json.dumps({"words": words, "environ": dict(environ), "kill_at": kill_at})
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()
        return int(self._answer()["pid"])

    def ended(self) -> Ended:
        """Wait for it."""
        return Ended(**self._answer())

    def run(self, *words: str, environ: Mapping[str, str], kill_at: int | str = -1) -> Ended:
        """Start a command and wait for it."""
        self.start(*words, environ=environ, kill_at=kill_at)
        return self.ended()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def _serve() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        reader, writer = os.pipe()
        with tempfile.TemporaryFile() as said:
            child = os.fork()
            if child == 0:
                os.close(reader)
                _child(asked, writer, said.fileno())
            os.close(writer)
            _tell({"pid": child})
            with os.fdopen(reader) as file:
                steps = file.read().split()
            _, status = os.waitpid(child, 0)
            said.seek(0)
            text = said.read().decode("utf-8", "replace")
        _tell({"code": os.waitstatus_to_exitcode(status), "steps": steps, "said": text})


def _tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _child(asked: dict[str, Any], steps_to: int, said: int) -> None:
    code = 70
    try:
        os.setsid()
        for descriptor in (1, 2):
            os.dup2(said, descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.update(asked["environ"])
        _fail_at(asked["kill_at"], steps_to)
        from keytui.cli import main

        code = main(asked["words"])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _fail_at(kill_at: int | str, steps_to: int) -> None:
    """Report every step, and die at one: those of the store, and before and after each request."""
    from keytui.model import Secret
    from keytui.providers import checks
    from keytui.providers.issuing import Calls
    from keytui.storage import steps
    from keytui.storage.vault import Vault

    seen = 0

    def reached(name: str) -> None:
        nonlocal seen
        os.write(steps_to, f"{name}\n".encode())
        if kill_at in (seen, name):
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    def around(name: str, call: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        async def wrapped(*arguments: P.args, **more: P.kwargs) -> T:
            what = name or arguments[1].__qualname__.split(".")[1]  # type: ignore[attr-defined] # the issuer's method
            reached(f"{what}.before")
            answer = await call(*arguments, **more)
            reached(f"{what}.after")
            return answer

        return wrapped

    def open_vault(self: Vault, *_: object) -> bool:
        self.open_with(Secret(os.environ[IDENTITY]))
        return True

    steps.reached = reached
    Calls.ask = around("", Calls.ask)  # type: ignore[method-assign,assignment] # reports, and does the same
    checks.check = around("check", checks.check)  # type: ignore[assignment] # reports, and does the same
    Vault.unlock_from_cache = open_vault  # type: ignore[method-assign] # a throw-away identity


def environment(folder: str, identity: Secret, **more: str) -> dict[str, str]:
    """Variables for commands on a home whose vault this identity opens."""
    return {"KEYTUI_HOME": folder, "KEYTUI_BACKEND": "vault", IDENTITY: identity.reveal(), **more}


def _import_all() -> None:
    import keytui.cli.looking
    import keytui.cli.removing
    import keytui.cli.rotating
    import keytui.flows.issuing
    import keytui.flows.resuming
    import keytui.flows.revoking
    import keytui.flows.undoing
    import keytui.providers.issuer_openai
    import keytui.providers.sdk
    import keytui.storage.issued
    import keytui.storage.vault  # all of these are for the children

    keytui.providers.sdk.ssl_context()


if __name__ == "__main__" and len(sys.argv) > 1:  # one command, as the process that it is in life
    _fail_at(-1, int(sys.argv[1]))
    from keytui.cli import main

    sys.exit(main(sys.argv[2:]))
if __name__ == "__main__":
    _import_all()
    _serve()
