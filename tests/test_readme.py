"""The README's tables are those of the registry of actions and of the declared settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keytui.settings import readme_table as settings_table
from keytui.tui.actions import readme_table as keys_table

README = Path(__file__).parent.parent / "README.md"


def _between(name: str) -> str:
    text = README.read_text(encoding="utf-8")
    found = re.search(rf"<!-- {name}:[^>]*-->\n(.*?)<!-- end of {name} -->", text, re.DOTALL)
    assert found is not None
    return found.group(1).strip()


@pytest.mark.parametrize(("name", "table"), [("keys", keys_table()), ("settings", settings_table())])
def test_the_table_is_the_declared_one(name: str, table: str) -> None:
    assert _between(name) == table.strip()


def test_every_picture_shown_is_there() -> None:
    shown = re.findall(r"\]\((screenshots/[^)]+)\)", README.read_text(encoding="utf-8"))
    assert shown
    assert [path for path in shown if not (README.parent / path).is_file()] == []
