"""What is kept of the checks of a key: the last ones, and when each of the last verdicts began."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.storage.helpers import verdict
from tests.stores import fake_key, fields

if TYPE_CHECKING:
    from keytui.model import VerdictWord
    from keytui.storage.keystore import Keystore

HOUR = 3600
GOOD: list[VerdictWord] = ["valid"] * 60


def _checked(store: Keystore, *words: VerdictWord, name: str = "openai-prod") -> int:
    """Add a key and check it once an hour; returns its id."""
    key = store.add(fields(name), fake_key())
    _check(store, key.id, *words)
    return key.id


def _check(store: Keystore, key_id: int, *words: VerdictWord, since: int = 0) -> None:
    for hour, word in enumerate(words, since):
        store.record_check(key_id, verdict(word)._replace(checked_at=hour * HOUR))


def _runs(store: Keystore, key_id: int) -> list[tuple[str, int]]:
    """When each verdict in a row began, in hours, the newest first."""
    found = [(check.word, check.checked_at // HOUR) for check in store.checks(key_id)]
    return [each for each, before in zip(found, [*found[1:], ("", 0)], strict=True) if each[0] != before[0]]


def test_when_a_verdict_began_is_kept_however_often_it_is_said_again(timed: Keystore) -> None:
    key_id = _checked(timed, "invalid", *GOOD, "no_quota")
    assert _runs(timed, key_id) == [("no_quota", 61), ("valid", 1), ("invalid", 0)]


def test_of_many_changes_the_last_are_kept_and_each_is_one(timed: Keystore) -> None:
    words: list[VerdictWord] = ["valid", "valid", "invalid"] * 40
    key_id = _checked(timed, *words)
    runs = _runs(timed, key_id)
    began = [(word, hour) for hour, word in enumerate(words) if hour % 3 != 1]
    assert runs == began[: -len(runs) - 1 : -1]
    assert len(runs) >= 20
    assert len(timed.checks(key_id)) <= 40


def test_checks_of_one_key_do_not_push_out_those_of_another(timed: Keystore) -> None:
    one, other = _checked(timed, "invalid", "valid"), _checked(timed, "no_quota", name="other")
    _check(timed, other, *GOOD, since=1)
    assert _runs(timed, one) == [("valid", 1), ("invalid", 0)]
