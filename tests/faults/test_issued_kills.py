"""kill -9 of rotations by the provider at any moment. KEYTUI_TEST_ISSUED_KILLS says how often, at each provider."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.faults import issued_kills
from tests.faults.places import OPENAI, OPENROUTER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.places import Provider

KILLS = int(os.environ.get("KEYTUI_TEST_ISSUED_KILLS", "5"))


@pytest.mark.slow
@pytest.mark.parametrize("provider", [OPENAI, OPENROUTER], ids=lambda provider: provider.id)
def test_killed_at_any_moment_nothing_is_lost_and_nothing_orphaned(
    provider: Provider, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        figures = issued_kills.campaign(KILLS, str(tmp_path), provider)
    assert (figures["killed"], figures["alive"]) == (KILLS, 1)
