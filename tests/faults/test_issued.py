"""Rotations by the provider that are killed, or whose provider fails: see tests.faults.issued for the whole table."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.faults import grace, issued
from tests.faults.zygote import Zygote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.issued import Scene

pytestmark = pytest.mark.slow  # a server and a command each

EVERY = int(os.environ.get("KEYTUI_TEST_ISSUED_EVERY", "6"))
"""Of the steps of each scene, every so many is one to be killed at."""


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as made:
        yield made


def test_killed_on_the_way_a_rotation_is_taken_up_again(zygote: Zygote, tmp_path: Path) -> None:
    rows = list(issued.kills(zygote, issued.SCENES[0], str(tmp_path), every=9))
    assert [row.code for row in rows] == [-9] * (len(rows) - 1) + [0]
    assert len(rows) >= 3


def test_an_answer_that_never_came_leaves_no_key_behind(zygote: Zygote, tmp_path: Path) -> None:
    with issued.Place(zygote, str(tmp_path)) as place:
        place.server.admin.fault("drop_after", "POST", "api_keys")
        ended = place.run(*issued.SCENES[0].words)
        assert ended.code == 0, ended.said
        assert place.finished(issued.SCENES[0]) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("scene", issued.SCENES, ids=lambda scene: scene.name)
def test_killed_at_any_step_nothing_is_lost_and_nothing_orphaned(zygote: Zygote, scene: Scene, tmp_path: Path) -> None:
    assert len(list(issued.kills(zygote, scene, str(tmp_path), every=EVERY))) > 2


@pytest.mark.slow
def test_whatever_the_provider_does_nothing_is_lost_and_nothing_orphaned(zygote: Zygote, tmp_path: Path) -> None:
    assert list(issued.faults(zygote, issued.SCENES[0], str(tmp_path), ("drop_after", "delay_after", "error_500")))
    assert list(issued.lags(zygote, str(tmp_path)))


@pytest.mark.slow
def test_a_client_that_reads_its_key_through_keytui_is_never_refused(tmp_path: Path) -> None:
    seen = grace.run(3, str(tmp_path))
    assert seen.refused == 0
    assert (seen.dead, seen.live) == (3, 1)
