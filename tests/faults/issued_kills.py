"""kill -9 of the real command at random moments of rotations by the provider.

`python -m tests.faults.issued_kills 200` prints the figures. The server's own list of live keys is the witness.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.faults import zygote as zygotes
from tests.faults.issued import issue
from tests.faults.places import OPENAI, OPENROUTER, PATIENT, RESUME, Place, Provider
from tests.flows.issued import word_of

if TYPE_CHECKING:
    from keytui.model import Secret

TIMED = 2


def commands(provider: Provider) -> dict[str, tuple[str, ...]]:
    """Return what is killed, by what it is called in the figures."""
    return {
        "rotate --now": (*issue(provider), "--now"),
        "rotate --grace 1h": (*issue(provider), "--grace", "1h"),
        "rotate --grace 1s": (*issue(provider), "--grace", "1s"),
        "resume --now": (*RESUME, "--now"),
        "undo": ("undo", "-y"),
        "delete --revoke": ("delete", provider.name, "--revoke", "-y"),
    }


MEASURED = ("rotate --now", "rotate --grace 1s", "rotate --grace 1h", "undo", "resume --now", "delete --revoke")
"""In the order in which each finds what it needs."""

LAST = {
    "rotate --now": "retire.version_dropped",
    "rotate --grace 1h": "rotate.retiring",
    "rotate --grace 1s": "retire.version_dropped",
    "resume --now": "retire.version_dropped",
    "undo": "rotate.retiring",
    "delete --revoke": "revoke.dropped",
}


class Killed(NamedTuple):
    """How a command ended.

    Attributes:
        seconds: From its first step to its last.
    """

    code: int
    steps: list[str]
    said: str
    seconds: float


class Campaign:
    """Kills commands on one store and one server."""

    def __init__(self, place: Place, seed: int) -> None:
        self.place = place
        self._commands = commands(place.provider)
        self._random = random.Random(seed)  # noqa: S311 - moments, not secrets
        self.durations: dict[str, float] = {}
        self.killed = self.finished = self.resumes_killed = self.revoked = 0
        self.outcomes: Counter[str] = Counter()
        self.between = 0

    def measure(self, rounds: int) -> None:
        """Measure the median duration of each command, from its first step to its last."""
        times: dict[str, list[float]] = {}
        for _ in range(rounds):
            for kind in MEASURED:
                ended = self._run(self._commands[kind])
                assert ended.code == 0, ended.said
                times.setdefault(kind, []).append(ended.seconds)
            self.place.add()
        self.durations = {kind: statistics.median(found) for kind, found in times.items()}

    def once(self) -> None:
        """Kill one command, look at the key in use, resume, look at the server."""
        kind = self._choose()
        current = self._current()
        ended = self._run(self._commands[kind], self._random.uniform(0, self.durations[kind]))
        self.place.glance(ended.said)
        if ended.code == -9:
            self.killed += 1
            self.between += ended.steps[-1] != LAST[kind]
            self.outcomes[f"{kind} after {ended.steps[-1]}"] += 1
        else:
            # A grace period of a second can be over before its switch is undone: then undo has to refuse.
            refused = kind == "undo" and ended.code == 1 and "was not put back" in ended.said
            assert ended.code == 0 or refused, (kind, ended)
            self.finished += 1
        while self._random.random() < 0.3:  # the laptop that is closed again while it goes on
            again = self._run(RESUME, self._random.uniform(0, 1))
            self.resumes_killed += again.code == -9
            self.place.glance(again.said)
        resumed = self.place.run(*RESUME)
        assert resumed.code == 0, (kind, ended, resumed)
        if not self.place.look(in_grace=True, may_be_gone=kind == "delete --revoke"):
            assert word_of(self.place.key, current) == "invalid", "called revoked, and answered"
            self.revoked += 1
            self.place.add()

    def end(self) -> int:
        """End the last grace period; returns how many keys live at the server, which is 1."""
        ended = self.place.run(*RESUME, "--now")
        assert ended.code == 0, ended.said
        return self.place.look(in_grace=False)

    def _choose(self) -> str:
        store = self.place.store()
        in_grace = bool(store.rotations())
        event = store.undoable()
        store.close()
        kinds = ["rotate --now", "rotate --grace 1h", "rotate --grace 1h", "rotate --grace 1s"]
        kinds += ["delete --revoke", "delete --revoke"]
        if in_grace:
            kinds += ["resume --now", "resume --now"]
        if in_grace and event is not None and event.type == "rotated":
            kinds += ["undo", "undo"]
        return self._random.choice(kinds)

    def _current(self) -> Secret:
        store = self.place.store()
        try:
            return store.read(store.find(self.place.provider.name).id)
        finally:
            store.close()

    def _run(self, words: tuple[str, ...], moment: float | None = None) -> Killed:
        environ = dict(os.environ) | zygotes.environment(self.place.folder, self.place.identity, **PATIENT)
        environ |= {"PYTHONPATH": os.pathsep.join(sys.path)}
        reader, writer = os.pipe()
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                (sys.executable, "-P", str(Path(zygotes.__file__)), str(writer), *words),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=environ,
                pass_fds=(writer,),
                start_new_session=True,
            )
            os.close(writer)
            with os.fdopen(reader) as file:
                steps = [file.readline().strip()]
                started = time.perf_counter()
                if moment is not None:
                    time.sleep(moment)  # the moment is what is tested
                    with suppress(ProcessLookupError):
                        process.kill()
                seconds = 0.0
                for line in file:  # to the last step, not to the end of the process: a kill after it shows nothing
                    steps.append(line.strip())
                    seconds = time.perf_counter() - started
                process.wait()
            said.seek(0)
            return Killed(process.returncode, steps, said.read().decode("utf-8", "replace"), seconds)


def campaign(kills: int, folder: str, provider: Provider = OPENAI) -> Counter[str]:
    """Run until so many commands were killed; prints the figures, and returns those that add up."""
    seed = random.randrange(10**6)  # noqa: S311 - printed, to run the same again
    with zygotes.Zygote() as zygote, Place(zygote, folder, provider) as place:
        run = Campaign(place, seed)
        run.measure(TIMED if kills > 20 else 1)
        while run.killed < kills:
            run.once()
            if run.killed % 20 == 0:
                sys.stderr.write(f"{provider.id}: {run.killed} killed\n")
        live = run.end()
        issued = sum(1 for method, path in place.server.admin.calls if method == "POST" and path.endswith("keys"))
    times = ", ".join(f"{kind} {1000 * seconds:.0f} ms" for kind, seconds in run.durations.items())
    kinds = Counter(place.split(" after ")[0] for place in run.outcomes.elements())
    places = Counter(place.split(" after ")[1] for place in run.outcomes.elements())
    sys.stdout.write(
        f"{provider.id}: seed {seed}; medians from the first step: {times}\n"
        f"{run.killed} killed ({dict(kinds)}), {run.between} of them before the last step;"
        f" {run.finished} had ended before, {run.resumes_killed} resumes killed as well\n"
        f"{issued} keys were asked for at the server; {run.revoked} keys revoked, deleted and refused with 401;"
        f" alive at the end: {live}\n"
        f"last step before the kill: {dict(places.most_common())}\n"
    )
    return Counter(killed=run.killed, inside=run.between, revoked=run.revoked, resumes=run.resumes_killed, alive=live)


def main() -> None:
    """Print the figures of campaigns, one for each provider and processor."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    providers = (OPENAI, OPENROUTER) * 2
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(providers)) as pool:
        begun = [pool.submit(campaign, -(-kills // len(providers)), folder, each) for each in providers]
        for future in begun:
            total += future.result()
    sys.stdout.write(f"in all: {dict(total)} in {len(providers)} homes; 0 losses, 0 orphans, 0 false words\n")


if __name__ == "__main__":
    main()
