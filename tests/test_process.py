"""What a process does to itself, and how helpers start."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from keytui import process

if TYPE_CHECKING:
    from pathlib import Path


def run(program: str, **more: object) -> str:
    ran = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True, **more)  # type: ignore[call-overload] # cwd alone is passed
    return str(ran.stdout).strip()


def test_no_core_file_and_private_files() -> None:
    program = (
        "import os, resource\n"
        "from keytui import process\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))\n"
        "hard = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
        "process.harden()\n"
        "soft, now = resource.getrlimit(resource.RLIMIT_CORE)\n"
        "print(soft, now == hard, oct(os.umask(0)))\n"
    )
    assert run(program) == "0 True 0o77"


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_DUMPABLE is Linux's")
def test_other_processes_of_this_user_are_kept_out_on_linux() -> None:
    program = (
        "import ctypes\n"
        "from keytui import process\n"
        "process.harden()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"  # PR_GET_DUMPABLE
    )
    assert run(program) == "0"


def test_a_helper_runs_from_this_installation_and_never_from_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "keytui").mkdir()
    (tmp_path / "keytui" / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    (tmp_path / "hmac.py").write_text("raise SystemExit('the wrong one')\n")
    command = process.helper_command("keytui.flows.clear_clipboard")
    assert command[0] == sys.executable
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "")


@pytest.mark.parametrize(
    "fails",
    [
        "broken()",
        "threading.Thread(target=broken).start()",
        "type('Late', (), {'__del__': lambda self: broken()})()",
        "logging.getLogger('someone').error('token %s', TOKEN)",
        "logging.getLogger('someone').error('token %d', TOKEN)",  # the line cannot be made
    ],
)
def test_an_error_nobody_catches_is_told_without_its_text(fails: str) -> None:
    program = (
        "import logging, sys, threading\n"
        "from keytui import process\n"
        "TOKEN = 'a-token-in-an-error'\n"
        "def broken():\n"
        "    raise ValueError(TOKEN)\n"
        "process.harden()\n"
        "process.hush()\n"
        f"{fails}\n"
    )
    ran = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=False)
    assert "a-token" not in ran.stdout + ran.stderr
    if "broken" in fails:
        assert ran.stderr == "keytui: An error in keytui itself: ValueError at __main__:5.\n"
