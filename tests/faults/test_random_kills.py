"""kill -9 of the real command at any moment. KEYTUI_TEST_KILLS says how often; a release is made after 1,000.

With -n0, pytest shows the figures: python -m pytest -n0 -m slow tests/faults/test_random_kills.py
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from keytui.storage import derive
from tests.faults.commands import Place, slots_on_disk, unlocked_place
from tests.faults.flows import PASSPHRASE
from tests.stores import fake_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from keytui.storage.keystore import Keystore

KILLS = int(os.environ.get("KEYTUI_TEST_KILLS", "40"))
INSIDE = KILLS * 3 // 10
"""How many of the kills must come between the first and the last step of a write."""

TIMED = 5
MOST_KEYS = 10
LATEST = 3
LAST_STEPS = {"add.current", "rotate.switched", "delete.trashed", "delete.dropped", "undo.done"}


class Seen(NamedTuple):
    """What a store holds: pairs of name and value, in the list and in the trash."""

    listed: frozenset[tuple[str, str]]
    trash: tuple[tuple[str, str], ...]


class Command(NamedTuple):
    """A command and what the store holds once it is done.

    Attributes:
        opens: Whether it opens the vault; its moments count from there.
    """

    kind: str
    words: tuple[str, ...]
    stdin: str
    then: Seen
    opens: bool = False


class Ended(NamedTuple):
    """How a command ended.

    Attributes:
        lines: What the runner reported.
        seconds: From its start, or from the opened vault, to its end.
    """

    code: int
    lines: list[str]
    said: str
    seconds: float

    @property
    def inside(self) -> bool:
        """Whether it ended after it had begun its first write and before its last was done."""
        return "(write)" in self.lines and not LAST_STEPS & set(self.lines)


def seen(store: Keystore) -> Seen:
    """Read the value of every key, and the last ones each had before."""
    for key in store.keys() + store.keys(trash=True):
        assert key.state in ("active", "rotating", "trash"), key
        for version in store.versions(key.id)[:LATEST]:
            store.read(key.id, version.id)
    listed = frozenset((key.name, store.read(key.id).reveal()) for key in store.keys())
    return Seen(listed, tuple(sorted((key.name, store.read(key.id).reveal()) for key in store.keys(trash=True))))


class Campaign:
    """Kills commands on one store and keeps what it must hold."""

    def __init__(self, place: Place, seed: int) -> None:
        self.place = place
        self._random = random.Random(seed)  # noqa: S311 - moments, not secrets
        self._numbers = iter(range(10**9))
        self.durations: dict[str, float] = {}
        self.killed = self.inside = self.finished = 0
        self.outcomes: dict[str, int] = {}

    def measure(self) -> None:
        """Measure the median duration of each command, by running it to its end."""
        times: dict[str, list[float]] = {}
        for _ in range(TIMED):
            for kind in ("add", "rotate", "delete", "undo", "delete now"):
                before = self.look()
                command = self.command(kind, before)
                ended = self._finish(command)
                times.setdefault(kind, []).append(ended.seconds)
                assert ended.code == 0, ended.said
                assert self.look() == command.then
        self.durations = {kind: statistics.median(found) for kind, found in times.items()}

    def once(self) -> None:
        """Kill one command and look at what it left."""
        before = self.look()
        command = self.command(self._choose(before), before)
        moment = self._random.uniform(0, self.durations[command.kind])
        ended = self._finish(command, moment)
        after = self.look(recover=True)
        if ended.code == 0:
            self.finished += 1
            assert after == command.then, f"{command.kind} ended well and its effect is not there"
            return
        assert ended.code == -9, f"{command.kind}: exit {ended.code}, {ended.said}"
        self.killed += 1
        self.inside += ended.inside
        assert after in (before, command.then), f"{command.kind}, killed after {ended.lines}: neither old nor new"
        word = f"{command.kind}: {'old' if after == before else 'new'}"
        self.outcomes[word] = self.outcomes.get(word, 0) + 1

    def look(self, *, recover: bool = False) -> Seen:
        """Read the store, after the recovery that the next writing command begins with."""
        store = self.place.store()
        if recover:
            store.recover()
            assert store.recover() == []
        found = seen(store)
        store.close()
        return found

    def command(self, kind: str, before: Seen) -> Command:
        """Return a command of this kind, for a store that holds this."""
        if kind == "add":
            name, secret = f"key-{next(self._numbers)}", fake_key().reveal()
            then = before._replace(listed=before.listed | {(name, secret)})
            return Command(kind, ("add", name, "--stdin", "--no-check"), secret, then, opens=True)
        if kind == "undo":
            name = self._deleted_last()
            entry = next(pair for pair in before.trash if pair[0] == name)
            rest = tuple(pair for pair in before.trash if pair != entry)
            return Command(kind, ("undo", "-y"), "", Seen(before.listed | {entry}, rest))
        entry = self._random.choice(sorted(before.listed))
        rest_of_list = before.listed - {entry}
        if kind == "rotate":
            secret = fake_key().reveal()
            then = before._replace(listed=rest_of_list | {(entry[0], secret)})
            return Command(kind, ("rotate", entry[0], "--stdin", "--no-check", "-y"), secret, then, opens=True)
        if kind == "delete":
            then = Seen(rest_of_list, tuple(sorted((*before.trash, entry))))
            return Command(kind, ("delete", entry[0], "-y"), "", then)
        return Command(kind, ("delete", entry[0], "--now", "-y"), "", before._replace(listed=rest_of_list))

    def _choose(self, before: Seen) -> str:
        # The two that write a secret have the most steps.
        kinds = ["rotate", "rotate", "rotate", "delete", "delete now"] if before.listed else []
        if len(before.listed) < MOST_KEYS:
            kinds += ["add", "add", "add"]
        if self._deleted_last():
            kinds += ["undo", "undo"]
        return self._random.choice(kinds)

    def _deleted_last(self) -> str:
        """Name of the key that undo would bring back; "" when it would do something else."""
        store = self.place.store()
        event = store.undoable()
        store.close()
        return event.name if event is not None and event.type == "deleted" else ""

    def _finish(self, command: Command, moment: float | None = None) -> Ended:
        reader, writer = os.pipe()
        started = time.perf_counter()
        process = self.place.start(*command.words, stdin=command.stdin, steps=writer)
        os.close(writer)
        with os.fdopen(reader) as file:
            lines = [file.readline().strip()] if command.opens else []
            if lines:
                assert lines == ["(open)"], process.communicate()[1]
                started = time.perf_counter()
            if moment is not None:
                time.sleep(moment)  # the moment is what is tested
                process.kill()
            _, said = process.communicate()
            seconds = time.perf_counter() - started
            lines += file.read().split()
        return Ended(process.returncode, lines, said.decode(), seconds)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = unlocked_place(tmp_path / "place", PASSPHRASE)
    yield made
    made.store().lock()


@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_lost(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    seed = random.randrange(10**6)  # noqa: S311 - printed, to run the same again
    campaign = Campaign(place, seed)
    campaign.measure()
    while campaign.killed < KILLS or campaign.inside < INSIDE:
        campaign.once()
    with capsys.disabled():
        times = ", ".join(f"{kind} {1000 * seconds:.0f} ms" for kind, seconds in campaign.durations.items())
        counted = (
            f"{campaign.killed} killed, {campaign.inside} after the first write began and before the last was done"
        )
        ended = f"{campaign.finished} had ended before; {dict(sorted(campaign.outcomes.items()))}"
        sys.stdout.write(f"\nseed {seed}; medians: {times}\n{counted}\n{ended}\n")
    store = place.store()
    keys = store.keys() + store.keys(trash=True)
    for key in keys:
        for version in store.versions(key.id):
            store.read(key.id, version.id)
    assert slots_on_disk(place.settings) == {f"{v.slot}.age" for key in keys for v in store.versions(key.id)}
    for name, value in campaign.look().listed:
        assert place.run("get", name)[0] == 0, (name, value)
    store.close()
    doctor = place.start("doctor")
    told, _ = doctor.communicate()
    with open(os.path.join(place.settings.vault_dir, "identity.age"), "rb") as file:
        factor = derive.work_factor(file.read()) or 0
    # pyrage calibrates the factor to the machine's load at that moment, and doctor warns of a weak one.
    assert doctor.returncode == (0 if factor >= derive.STRONG else 1), told.decode()
