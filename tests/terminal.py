"""A real terminal for tests: the program runs in a pty, pyte plays the screen, keys are typed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from typing import TYPE_CHECKING, cast

import pexpect
import pyte

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

PATIENCE = 30.0
"""Seconds to wait for something to appear before the test fails."""

# pyte takes some private sequences for text; these draw nothing.
_UNDRAWN = re.compile(
    rb"\x1b\[[<>=?][0-9;]*[a-zA-Z]|\x1b\[\?[0-9;]*\$p|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[P_][^\x1b]*\x1b\\"
)


class Terminal:
    """Runs a command in a terminal of the given size.

    Attributes:
        output: Every byte the program wrote.
    """

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], *, columns: int = 120, rows: int = 40
    ) -> None:
        self.output = b""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._rest = b""
        env = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", **environ}
        self.process = pexpect.spawn(
            command[0],
            list(command[1:]),
            env=env,
            dimensions=(rows, columns),
            timeout=PATIENCE,
            preexec_fn=default_signals,
        )
        self.process.delaybeforesend = None

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.close(force=True)

    @property
    def pid(self) -> int:
        """The program's process id."""
        assert self.process.pid is not None
        return self.process.pid

    def type(self, keys: str) -> None:
        """Type keys as they are."""
        self.process.send(keys)

    def paste(self, text: str) -> None:
        """Paste text as a terminal with bracketed paste does."""
        self.process.send(f"\x1b[200~{text}\x1b[201~")

    def screen(self) -> str:
        """Return what the screen shows now."""
        self._read(0)
        return "\n".join(line.rstrip() for line in self._screen.display)

    def wait_for(self, *texts: str, gone: Sequence[str] = (), patience: float = PATIENCE) -> str:
        """Wait until the screen shows all texts and none of `gone`, and return it.

        Raises:
            AssertionError: It did not in time; the message holds the screen.
        """
        deadline = time.monotonic() + patience
        while True:
            shown = self.screen()
            if all(text in shown for text in texts) and not any(text in shown for text in gone):
                return shown
            if time.monotonic() > deadline or not self._read(0.1):
                shown = self.screen()
                if all(text in shown for text in texts) and not any(text in shown for text in gone):
                    return shown
                raise AssertionError(f"waited for {texts}, without {tuple(gone)}; the screen:\n{shown}")

    def wait_for_output(self, pattern: bytes) -> bytes:
        """Wait until the raw output matches, and return what matched."""
        deadline = time.monotonic() + PATIENCE
        while (match := re.search(pattern, self.output)) is None:
            if time.monotonic() > deadline or not self._read(0.1):
                raise AssertionError(f"the output never held {pattern!r}; the screen:\n{self.screen()}")
        return match.group(0)

    def resize(self, columns: int, rows: int) -> None:
        """Resize the terminal's window."""
        self._screen.resize(rows, columns)
        self.process.setwinsize(rows, columns)

    def wait_for_exit(self) -> int:
        """Wait until the program ends and return its exit code (128 + signal when killed)."""
        deadline = time.monotonic() + PATIENCE
        while self._read(0.1):
            if time.monotonic() > deadline:
                raise AssertionError(f"the program did not end; the screen:\n{self.screen()}")
        self.process.wait()
        return (
            self.process.exitstatus if self.process.exitstatus is not None else 128 + (self.process.signalstatus or 0)
        )

    def _read(self, wait: float) -> bool:
        """Take in what was written; False once the program ended and everything was read."""
        with contextlib.suppress(pexpect.TIMEOUT):
            try:
                while True:
                    # Without an encoding pexpect reads bytes; its stubs say str.
                    data = cast("bytes", self.process.read_nonblocking(65_536, timeout=wait))
                    self.output += data
                    self._feed(data)
                    wait = 0
            except pexpect.EOF:
                return False
        return True

    def _feed(self, data: bytes) -> None:
        data = self._rest + data
        # An escape sequence cut at the end of a read waits for its rest.
        cut = data.rfind(b"\x1b", max(0, len(data) - 256))
        whole = cut < 0 or re.match(rb"\x1b(\[[0-9;:<=>?$]*[@-~]|[\]P_].*(\x07|\x1b\\)|[^\[\]P_])", data[cut:], re.S)
        if not whole:
            data, self._rest = data[:cut], data[cut:]
        else:
            self._rest = b""
        self._stream.feed(_UNDRAWN.sub(b"", data))


def default_signals() -> None:
    """Treat every signal as a login shell's child does, whatever started the tests: nohup, or a script's `&`.

    For `preexec_fn`: an ignored signal stays ignored across exec, and Python then makes no KeyboardInterrupt of SIGINT.
    """
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) is not signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def plain_environment(home: str | os.PathLike[str], **more: str) -> dict[str, str]:
    """Return the variables a program needs to run in a home of its own, and no other."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "DBUS_SESSION_BUS_ADDRESS", "COVERAGE_PROCESS_START")
        if name in os.environ
    }
    return {**kept, "HOME": str(home), "KEYTUI_HOME": os.path.join(str(home), "keytui"), "KEYTUI_NO_CACHE": "1", **more}
