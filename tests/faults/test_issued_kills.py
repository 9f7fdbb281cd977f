"""kill -9 of rotations by the provider at any moment. KEYTUI_TEST_ISSUED_KILLS says how often."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.faults import issued_kills

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("KEYTUI_TEST_ISSUED_KILLS", "12"))


@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_lost_and_nothing_orphaned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = issued_kills.campaign(KILLS, str(tmp_path))
    with capsys.disabled():
        sys.stdout.write(f"\n{told}")
