"""Runs the real command and reports where it is: `python -P runner.py DESCRIPTOR WORDS…`.

One line each time the vault has been opened ("(open)"), before each transaction ("(write)"), and at each step.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from keytui.cli import main
from keytui.storage import steps
from keytui.storage.index import Index
from keytui.storage.vault import Vault

if TYPE_CHECKING:
    from keytui.model import Secret
    from keytui.storage.index import Transaction

_write, _open_with = Index.write, Vault.open_with


def _report(name: str) -> None:
    # One system call a line: it is in the pipe even when the next instruction is never run.
    os.write(_descriptor, f"{name}\n".encode())


def _reported_write(self: Index) -> Transaction:
    _report("(write)")
    return _write(self)


def _reported_open(self: Vault, identity_text: Secret) -> None:
    _open_with(self, identity_text)
    _report("(open)")


if __name__ == "__main__":
    _descriptor = int(sys.argv.pop(1))
    steps.reached = _report
    Index.write = _reported_write  # type: ignore[method-assign] # reports, and does the same
    Vault.open_with = _reported_open  # type: ignore[method-assign] # reports, and does the same
    sys.exit(main())
