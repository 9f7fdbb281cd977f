"""A copy through a real tmux: its wrapping is taken off, and the terminal around it is asked to copy."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from keytui.demo.server import DemoServer
from keytui.model import Secret
from tests import leaks
from tests.canary.stage import Stage, canary
from tests.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.parametrize("passes", [True, False], ids=["passthrough on", "passthrough off"])
def test_a_copy_reaches_the_terminal_around_tmux(tmp_path: Path, passes: bool) -> None:
    tmux = shutil.which("tmux")
    if tmux is None:
        pytest.skip("tmux is not installed")
    key = canary()
    server_command = (tmux, "-S", str(tmp_path / "s"), "-f", str(tmp_path / "conf"))
    (tmp_path / "conf").write_text(f"set -g allow-passthrough {'on' if passes else 'off'}\n")
    with DemoServer(delta_seconds=0) as server, Stage(key, as_root=True) as stage:
        stage.stored("work", Secret(key), server)
        # Without SHELL tmux takes the user's login shell, and that of an account such as nobody ends at once.
        environ = {**stage.environ, "KEYTUI_BACKEND": "vault", "SHELL": "/bin/sh"}
        try:
            with Terminal((*server_command, "new-session", shlex.join(stage.command())), environ) as terminal:
                stage.ready(terminal)
                terminal.wait_for("work", "4 Test")
                terminal.type("2y")
                if passes:
                    terminal.wait_for_output(rb"\x1b\]52;")
                    terminal.wait_for("not confirmed")
                else:
                    terminal.wait_for("tmux keeps programs from", "allow-passthrough on")
                terminal.type("q")
                terminal.wait_for_exit()
        finally:
            quiet = subprocess.DEVNULL
            subprocess.run((*server_command, "kill-server"), stdout=quiet, stderr=quiet, check=False)
    shown, copies = leaks.without_copies(terminal.output)
    assert copies == ([key] if passes else [])
    assert leaks.leaks(shown, key) == []
    assert not os.path.exists(stage.home)
