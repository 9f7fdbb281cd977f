"""Rotations by the provider that are killed, or whose provider fails: see tests.faults.issued for the whole table."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.faults import grace, issued
from tests.faults.places import OPENAI, OPENROUTER
from tests.faults.zygote import Zygote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.issued import Job
    from tests.faults.places import Provider

pytestmark = pytest.mark.slow  # a server and a command each

EVERY = int(os.environ.get("KEYTUI_TEST_ISSUED_EVERY", "61"))
"""Of the lines of the whole table, every so many is made."""


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as made:
        yield made


def of_scene(zygote: Zygote, number: int, folder: str) -> list[Job]:
    """Every so many lines of a scene; each scene begins at another one."""
    scene = issued.SCENES[number]
    found = issued.plain(zygote, scene, folder)
    jobs = [*issued.kills(scene, found), *issued.faults(scene, found), *issued.gone(scene, found)]
    return jobs[number % EVERY :: EVERY]


@pytest.mark.parametrize("number", range(len(issued.SCENES)), ids=lambda number: issued.SCENES[number].name)
def test_whatever_happens_nothing_is_lost_and_nothing_orphaned(zygote: Zygote, number: int, tmp_path: Path) -> None:
    for job in of_scene(zygote, number, str(tmp_path)):
        row = issued.made(zygote, job, str(tmp_path))
        assert not row.problem, row


@pytest.mark.parametrize("provider", [OPENAI, OPENROUTER], ids=lambda provider: provider.id)
def test_a_provider_that_is_behind_is_waited_for(zygote: Zygote, provider: Provider, tmp_path: Path) -> None:
    assert [row.last for row in issued.lags(zygote, str(tmp_path), provider)] == [1, 1, 1]


def test_a_client_that_reads_its_key_through_keytui_is_never_refused(tmp_path: Path) -> None:
    seen = grace.run(3, str(tmp_path))
    assert seen.refused == 0
    assert (seen.dead, seen.live) == (3, 1)
