"""Every flow that writes, killed at each of its steps: afterwards the old value is there, or the new one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.faults import kills
from tests.faults.flows import FLOWS
from tests.faults.moving import MOVING
from tests.stores import fake_key, fields, memory_store

if TYPE_CHECKING:
    from pathlib import Path

    from keytui.settings import Settings
    from tests.faults.flows import Flow

by_flow = pytest.mark.parametrize("flow", [*FLOWS, *MOVING], ids=lambda flow: flow.name)


@pytest.mark.slow
@by_flow
def test_killed_at_any_step_the_next_start_ends_it(flow: Flow, tmp_path: Path) -> None:
    rows = list(kills.kills(flow, str(tmp_path)))
    assert len(rows) > 1, "it has no step to be killed at"
    assert rows[-1].result == "new"


@pytest.mark.slow
@by_flow
def test_killed_while_recovering_the_start_after_ends_it(flow: Flow, tmp_path: Path) -> None:
    assert list(kills.kills_while_recovering(flow, str(tmp_path)))


def test_what_a_killed_creation_left_goes_with_the_next(settings: Settings) -> None:
    os.makedirs(settings.data_dir, mode=0o700)
    mine = os.path.join(settings.data_dir, "notes.tmp")
    for path in (f"{settings.index_path}.4711.tmp", mine):
        with open(path, "w", encoding="ascii"):
            pass
    store = memory_store(settings)
    store.add(fields(), fake_key())
    store.close()
    assert sorted(os.listdir(settings.data_dir)) == ["index.db", "notes.tmp", os.path.basename(settings.lock_path)]
