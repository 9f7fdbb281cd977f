"""Providers that misbehave, as `keytui test` tells of them: a verdict, a sentence, an exit code, and never the key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from keytui.model import Secret
from tests.bad_providers import BAD, KEY, SECONDS, Said, each_bad, provider
from tests.faults.commands import Place, unlocked_place
from tests.leaks import leaks
from tests.stores import fields

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(machine: Path) -> Place:
    """A keytui whose vault is open, and which waits for a second."""
    made = unlocked_place(machine / "keytui")
    seconds = str(SECONDS)
    made.environ.update(KEYTUI_CHECK_SECONDS=seconds, KEYTUI_PROMPT_SECONDS=seconds)
    return made


def _told(place: Place, expected: Said, *words: str) -> None:
    """Run `keytui test tested …` with and without --json, which say the same."""
    started = [place.start("test", "tested", *words, *more) for more in (("--json",), ())]
    ran = [(process.communicate(), process.returncode) for process in started]
    for (out, err), code in ran:
        assert code == expected.code, err
        assert not leaks(out + err, KEY)
        assert b"Traceback" not in err
    (row,) = json.loads(ran[0][0][0])
    assert row["verdict"] == expected.word
    assert expected.sentence in row["detail"]
    assert expected.sentence in " ".join(b" ".join(ran[1][0]).decode().split())


@each_bad("an error that repeats the key")
def test_a_bad_server_gets_a_verdict_a_sentence_and_a_code(place: Place, tmp_path: Path, name: str) -> None:
    bad = BAD[name]
    with provider(name, tmp_path) as url:
        store = place.store()
        store.add(fields("tested", base_url=url, model="m"), Secret(KEY))
        store.close()
        _told(place, bad.check)
        _told(place, bad.prompt, "--prompt", "Say hello")
