"""SECURITY.md claims nothing that no test holds."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_every_test_that_security_md_names_exists() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = _NAMED.findall(text)
    assert len(named) > 10
    missing = [f"{path}::{name}" for path, name in named if not _defines(ROOT / path, name)]
    assert missing == []


def test_every_claim_of_protection_names_a_test() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    protected = text.partition("## What is protected")[2].partition("## What is not protected")[0]
    claims = [part for part in protected.split("\n\n")[1:] if part.strip()]
    assert claims
    assert [claim[:60] for claim in claims if not _NAMED.search(claim)] == []


def _defines(path: Path, name: str) -> bool:
    return path.is_file() and re.search(rf"^(async )?def {name}\(", path.read_text(encoding="utf-8"), re.M) is not None
