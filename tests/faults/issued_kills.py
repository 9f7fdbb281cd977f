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
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.faults import zygote as zygotes
from tests.faults.issued import ISSUE, PATIENT, SCENES, Place
from tests.flows.issued import word_of

RESUME = ("rotate", "--resume", "-y")
COMMANDS: dict[str, tuple[str, ...]] = {
    "rotate --now": (*ISSUE, "--now"),
    "rotate --grace 1h": (*ISSUE, "--grace", "1h"),
    "rotate --grace 1s": (*ISSUE, "--grace", "1s"),
    "resume --now": (*RESUME, "--now"),
    "undo": ("undo", "-y"),
}
LAST = dict.fromkeys(COMMANDS, "retire.version_dropped") | {"rotate --grace 1h": "rotate.retiring"}
LAST["undo"] = "rotate.retiring"
TIMED = 2


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
        self._random = random.Random(seed)  # noqa: S311 - moments, not secrets
        self.durations: dict[str, float] = {}
        self.killed = self.finished = self.resumes_killed = 0
        self.outcomes: Counter[str] = Counter()
        self.between = 0

    def measure(self) -> None:
        """Measure the median duration of each command, from its first step to its last."""
        times: dict[str, list[float]] = {}
        for _ in range(TIMED):
            for kind in ("rotate --now", "rotate --grace 1s", "rotate --grace 1h", "undo", "resume --now"):
                ended = self._run(COMMANDS[kind])
                assert ended.code == 0, ended.said
                times.setdefault(kind, []).append(ended.seconds)
        self.durations = {kind: statistics.median(found) for kind, found in times.items()}

    def once(self) -> None:
        """Kill one command, look at the key in use, resume, look at the server."""
        kind = self._choose()
        ended = self._run(COMMANDS[kind], self._random.uniform(0, self.durations[kind]))
        self._current_works(kind, ended)
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
            self._current_works("resume", again)
        resumed = self.place.run(*RESUME)
        assert resumed.code == 0, (kind, ended, resumed)
        self.place.look(SCENES[0], in_grace=True)

    def end(self) -> int:
        """End the last grace period; returns how many keys live at the server, which is 1."""
        ended = self.place.run(*RESUME, "--now")
        assert ended.code == 0, ended.said
        return self.place.look(SCENES[0], in_grace=False)

    def _choose(self) -> str:
        store = self.place.store()
        in_grace = bool(store.rotations())
        event = store.undoable()
        store.close()
        kinds = ["rotate --now", "rotate --grace 1h", "rotate --grace 1h", "rotate --grace 1s"]
        if in_grace:
            kinds += ["resume --now", "resume --now"]
        if in_grace and event is not None and event.type == "rotated":
            kinds += ["undo", "undo"]
        return self._random.choice(kinds)

    def _current_works(self, kind: str, ended: Killed) -> None:
        store = self.place.store()
        store.recover()
        (key,) = (key for key in store.keys() if key.kind == "api")
        assert word_of(key, store.read(key.id)) == "valid", f"{kind}: the key in use is dead, {ended}"
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


def campaign(kills: int, folder: str) -> str:
    """Run until so many commands were killed; returns the figures."""
    seed = random.randrange(10**6)  # noqa: S311 - printed, to run the same again
    with zygotes.Zygote() as zygote, Place(zygote, folder) as place:
        run = Campaign(place, seed)
        run.measure()
        while run.killed < kills:
            run.once()
            if run.killed % 20 == 0:
                sys.stderr.write(f"{run.killed} killed\n")
        live = run.end()
        issued = sum(1 for method, path in place.server.admin.calls if method == "POST" and path.endswith("/api_keys"))
    times = ", ".join(f"{kind} {1000 * seconds:.0f} ms" for kind, seconds in run.durations.items())
    places = Counter(place.split(" after ")[1] for place in run.outcomes.elements())
    return (
        f"seed {seed}; medians from the first step: {times}\n"
        f"{run.killed} killed, {run.between} of them before the last step; {run.finished} had ended before,"
        f" {run.resumes_killed} resumes killed as well\n"
        f"{issued} keys were asked for at the server; alive at the end: {live}\n"
        f"last step before the kill: {dict(places.most_common())}\n"
    )


def main() -> None:
    """Print the figures of a campaign."""
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(campaign(int(sys.argv[1]) if len(sys.argv) > 1 else 200, folder))


if __name__ == "__main__":
    main()
