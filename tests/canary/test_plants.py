"""The canary table would notice: a leak planted on one surface turns exactly that cell red."""

from __future__ import annotations

import pytest

from tests.canary import evidence, sessions, stage

# Where the traceback is planted the app crashes, which is on its way out.
PLANTS = [
    ("terminal", ("revealed", "terminal")),
    ("files", ("revealed", "files")),
    ("temporary file", ("revealed", "files")),
    ("svg", ("revealed", "svg")),
    ("notifications", ("revealed", "notifications")),
    ("logs", ("revealed", "logs")),
    ("traceback", ("left", "traceback")),
    ("repr", ("revealed", "repr")),
    ("argv", ("revealed", "argv")),
    ("environ", ("revealed", "environ")),
    ("others", ("revealed", "others")),
]


@pytest.mark.slow
@pytest.mark.parametrize(("plant", "cell"), PLANTS, ids=[plant for plant, _ in PLANTS])
def test_a_planted_leak_turns_exactly_its_cell_red(plant: str, cell: tuple[str, str]) -> None:
    if plant == "others" and stage.unprivileged() is None:
        pytest.skip("everything runs as root here, who may look into every process")
    found = set(evidence.red(sessions.short(plant).table))
    # What stays in a file, and a process that stays open to others, is still there in the flow that follows.
    later = {("left", cell[1])} if cell[1] in {"files", "others"} else set()
    assert found - later == {cell}
