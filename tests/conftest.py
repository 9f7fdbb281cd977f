"""Cuts every test off from the person's own machine: home, variables, keyring, clipboard, bus and network proxies."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from keytui import settings as settings_module

if TYPE_CHECKING:
    from pathlib import Path

    from keytui.settings import Settings

_PERSONAL = ("KEYTUI_", "OPENAI_", "OPENROUTER_", "ANTHROPIC_", "XDG_", "TEXTUAL", "PYTHON_KEYRING", "KEYRING_")
_SESSION = (
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS",
    "TMUX",
    "STY",
    "SSH_TTY",
    "SSH_CONNECTION",
    "NO_COLOR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
)
_OURS = ("KEYTUI_TEST_",)


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test an empty home of its own, and return it."""
    for name in list(os.environ):
        if name in _SESSION or (name.startswith(_PERSONAL) and not name.startswith(_OURS)):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KEYTUI_HOME", str(home / "keytui"))
    monkeypatch.setenv("KEYTUI_NO_CACHE", "1")
    return home


@pytest.fixture
def settings(machine: Path) -> Settings:
    """Settings of an empty keytui home."""
    return settings_module.load({"KEYTUI_HOME": str(machine / "keytui"), "KEYTUI_NO_CACHE": "1"})
