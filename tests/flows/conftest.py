"""What the tests of rotations by a provider share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keytui.flows import patience
from keytui.providers import issuer_openai
from tests.flows.issued import World
from tests.stores import memory_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytui.settings import Settings


@pytest.fixture
def world(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A key whose remote id is known, and its provider, asked without long pauses."""
    monkeypatch.setattr(patience, "PAUSE_S", 0.05)
    monkeypatch.setattr(issuer_openai, "APART_S", 0.05)
    with World(memory_store(settings)) as made:
        yield made
