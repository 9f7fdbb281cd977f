"""The canary table: no surface shows a key, whatever is done with it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.canary import evidence, sessions
from tests.canary.evidence import SURFACES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow  # whole sessions in a terminal

FLOWS = ("typed", "pasted", "stored", "checked", "prompted with", "rotated", "copied", "revealed")
LOGGERS = {"openai._base_client", "httpx2", "Textual's own"}
REPRS = {"Paste", "Key", "worker", "StateChanged"}


def leaked(tale: sessions.Tale) -> list[str]:
    return [f"{flow}, {surface}: {tale.table[flow][surface]}" for flow, surface in evidence.red(tale.table)]


def test_copying_and_revealing_leave_nothing() -> None:
    tale = sessions.short("")
    assert leaked(tale) == []
    assert {"picture", "picture, text alone"} <= tale.seen["svg"]


@pytest.mark.parametrize("way", ["async worker"])
def test_a_crash_leaves_nothing_and_the_terminal_as_it_was(way: str) -> None:
    assert leaked(sessions.crash(way)) == []


@pytest.mark.slow
@pytest.mark.secret_service
def test_the_table_is_all_zero(tmp_path: Path) -> None:
    keyring = all(shutil.which(program) for program in ("dbus-daemon", "gnome-keyring-daemon"))
    assert keyring or not os.environ.get("KEYTUI_TEST_REQUIRE_KEYRING")
    tale = sessions.whole(tmp_path / "bus" if keyring else None)
    evidence.publish("canary", evidence.drawn(tale.table))
    assert leaked(tale) == []
    named = {*FLOWS, "issued (command)", "exported (command)", "crashed on: command"}
    named |= {f"crashed on: {way}" for way in (*sessions.CRASHES, *sessions.LOOSE)}
    if keyring:
        named |= {f"{flow}, gnome-keyring" for flow in FLOWS}
    assert named <= set(tale.table)
    assert all(tale.seen[surface] for surface in SURFACES if surface != "others")
    assert tale.seen["logs"] >= LOGGERS
    assert tale.seen["repr"] >= REPRS
    assert any(kind.endswith("index.db-wal") for kind in tale.seen["files"])
