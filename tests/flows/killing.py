"""Ends a flow at a step of the store, as a killed process does."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from keytui.storage import steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.flows.issued import World


class Killed(BaseException):
    """Stands for the end of the process."""


@contextmanager
def killed_at(step: str) -> Iterator[None]:
    """Let what happens within end at a step."""

    def reached(name: str) -> None:
        if name == step:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "reached", reached)
        with pytest.raises(Killed):
            yield


async def stopped_at(world: World, step: str) -> None:
    """Rotate with a grace period until the process is killed at a step."""
    with killed_at(step):
        await world.rotate(grace_s=3_600)
