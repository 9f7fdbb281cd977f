"""The screenshots in the repository show what the app shows now."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent.parent / "screenshots"


class Make(Protocol):
    """What this test uses of screenshots/make.py."""

    SHOTS: Mapping[str, object]

    async def take(self, name: str) -> str: ...
    def shown(self, svg: str) -> str: ...


def _make() -> Make:
    spec = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("Make", module)


make = _make()


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


_QUICK = ("main-80x24", "rotate", "prompt")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in _QUICK else pytest.mark.slow) for name in make.SHOTS]
)
async def test_a_screenshot_shows_what_the_app_shows(name: str) -> None:
    drawn = make.shown((FOLDER / f"{name}.svg").read_text(encoding="utf-8"))
    assert make.shown(await make.take(name)) == drawn, "run: python screenshots/make.py"


def test_every_picture_is_made_by_the_script() -> None:
    assert {path.stem for path in FOLDER.glob("*.svg")} == set(make.SHOTS)
