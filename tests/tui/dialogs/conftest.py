"""Lets Pilot look more often whether the app is idle: by default every key waits twice 20 ms."""

from __future__ import annotations

import pytest
from textual import _wait


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_wait, "SLEEP_GRANULARITY", 0.004)
    monkeypatch.setattr(_wait, "SLEEP_IDLE", 0.0004)
