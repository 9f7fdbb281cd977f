"""Rotations and revocations by the provider, killed after every step and with every fault of the server at every call.

`python -m tests.faults.issued [WORD]` prints the table, or the part of it whose scenes hold the word. The server's own
list of keys that work is the witness.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from tests.faults.places import OPENAI, OPENROUTER, RESUME, Place, Provider, Wrong
from tests.faults.zygote import Zygote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAULTS = (
    "drop_before",
    "drop_after",
    "error_500",
    "error_500_after",
    "delay",
    "delay_after",
    "bad_request",
    "not_found",
    "refused",
    "limited",
)
LASTING = ("drop_before", "drop_after")
"""A network that is gone from a call on; one whose answers are."""

DAY = 86_400
AT_ONCE = int(os.environ.get("KEYTUI_TEST_AT_ONCE", "6"))
"""How many rows of the table are made at once; most of them wait."""


class Scene(NamedTuple):
    """What a command is run on.

    Attributes:
        words: The command.
        before: Commands that are run before it.
        dies_at: The step at which the last of those was killed, or "".
        personal: The key belongs to a person; only a service account can have its successor.
        policy: What the server is like.
    """

    name: str
    words: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    dies_at: str = ""
    provider: Provider = OPENAI
    personal: bool = False
    policy: tuple[tuple[str, object], ...] = ()

    @property
    def ends_key(self) -> bool:
        """Whether the key is to be gone in the end."""
        return "--revoke" in self.words or any("--revoke" in words for words in self.before)


def issue(provider: Provider = OPENAI) -> tuple[str, ...]:
    """Return the command that rotates the provider's key."""
    return ("rotate", provider.name, "--issue", "-y")


def _revoke(provider: Provider = OPENAI) -> tuple[str, ...]:
    return ("delete", provider.name, "--revoke", "-y")


ISSUE = issue()
TO_ACCOUNT = ("--to-service-account", "robot two")


def _common(provider: Provider) -> tuple[Scene, ...]:
    """Return the scenes of every provider that issues keys."""
    rotate, revoke, give_up = issue(provider), _revoke(provider), ("rotate", provider.name, "--give-up", "-y")
    graceful = (*rotate, "--grace", "1h")
    undo = ("undo", "-y")
    scenes = (
        Scene("rotate --now", (*rotate, "--now")),
        Scene("rotate --grace 1h", graceful),
        Scene("resume --now", (*RESUME, "--now"), (graceful,)),
        Scene("rotate again in grace", graceful, (graceful,)),
        Scene("undo the switch", undo, (graceful,)),
        Scene("delete --revoke", revoke),
        Scene("delete --revoke in grace", revoke, (graceful,)),
        Scene("rotate, an end demanded", (*rotate, "--now"), policy=(("require_expiry", 30 * DAY),)),
        Scene("resume, its answer lost", RESUME, ((*rotate, "--now"),), dies_at="issue.after"),
        Scene("resume, its value lost", RESUME, ((*rotate, "--now"),), dies_at="issue.row_pending"),
        Scene("resume, stored", RESUME, ((*rotate, "--now"),), dies_at="rotate.stored"),
        Scene("resume, switched", RESUME, (graceful,), dies_at="rotate.switched"),
        Scene("resume, verified", RESUME, ((*rotate, "--now"),), dies_at="rotate.verified"),
        Scene("give up, its answer lost", give_up, ((*rotate, "--now"),), dies_at="issue.after"),
        Scene("give up, its value lost", give_up, ((*rotate, "--now"),), dies_at="issue.row_pending"),
        Scene("give up, stored", give_up, ((*rotate, "--now"),), dies_at="rotate.stored"),
        Scene("delete --revoke, undone", revoke, (graceful, undo)),
        Scene("delete --revoke, an answer lost", revoke, ((*rotate, "--now"),), dies_at="issue.after"),
        Scene("delete --revoke, one stored", revoke, ((*rotate, "--now"),), dies_at="rotate.stored"),
        Scene("resume a revocation in grace", RESUME, (graceful, revoke), dies_at="revoke.planned"),
        Scene("resume a revocation", RESUME, (revoke,), dies_at="revoke.planned"),
        Scene("resume, revoked unheard", RESUME, (revoke,), dies_at="revoke.after"),
    )
    prefix = "" if provider is OPENAI else f"{provider.id}: "
    return tuple(scene._replace(provider=provider, name=f"{prefix}{scene.name}") for scene in scenes)


_OWN = (*ISSUE, *TO_ACCOUNT)
SCENES = (
    *_common(OPENAI),
    Scene("rotate, a person's key", (*_OWN, "--now"), personal=True),
    Scene("rotate, a person's, in grace", (*_OWN, "--grace", "1h"), personal=True),
    Scene("undo, a person's key", ("undo", "-y"), ((*_OWN, "--grace", "1h"),), personal=True),
    Scene("delete --revoke, a person's", _revoke(), personal=True),
    Scene("delete --revoke, by account", _revoke(), policy=(("deletes_keys", False),)),
    Scene("rotate, no key deleted alone", (*ISSUE, "--now"), policy=(("deletes_keys", False),)),
    *_common(OPENROUTER),
)
FIRST = SCENES[0]


class Job(NamedTuple):
    """One line of the table that is to be made.

    Attributes:
        kill_at: The step to be killed at, by its number, or -1.
        faults: What goes wrong at which call.
        lasting: The last fault happens to every later call as well.
    """

    scene: Scene
    kill_at: int = -1
    faults: tuple[tuple[int, str], ...] = ()
    lasting: bool = False


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        where: Where it was killed, or which fault at which call; "" when no call had this number.
        code: The command's exit code.
        then: Number of live keys at the server after `rotate --resume`.
        last: The same after the grace period.
        problem: What was not as it must be, or "".
    """

    scene: str
    where: str
    code: int
    then: int = -1
    last: int = -1
    problem: str = ""


class Plain(NamedTuple):
    """What a scene's command does when nothing goes wrong: its steps and its calls."""

    steps: list[str]
    calls: list[str]


def plain(zygote: Zygote, scene: Scene, folder: str, faults: tuple[tuple[int, str], ...] = ()) -> Plain:
    """Run a scene to its end and see what it consists of."""
    with _staged(zygote, scene, folder) as place:
        wrong = Wrong(place.server, dict(faults))
        ended = place.run(*scene.words, hurried=bool(faults))
        wrong.stop()
        assert ended.code == 0, ended.said
        return Plain(ended.steps, wrong.seen)


def kills(scene: Scene, found: Plain, *, every: int = 1) -> list[Job]:
    """Return jobs that kill a scene's command at each of its steps, or at every n-th, and one that lets it end."""
    return [Job(scene, number) for number in range(0, len(found.steps), every)] + [Job(scene)]


def faults(scene: Scene, found: Plain, kinds: tuple[str, ...] = FAULTS) -> list[Job]:
    """Return jobs that let each call of a scene's command go wrong in each way."""
    return [Job(scene, faults=((number, kind),)) for kind in kinds for number in range(len(found.calls))]


def gone(scene: Scene, found: Plain) -> list[Job]:
    """Return jobs that let every call go wrong from each one on."""
    return [Job(scene, -1, ((number, kind),), lasting=True) for kind in LASTING for number in range(len(found.calls))]


def pairs(zygote: Zygote, scene: Scene, folder: str, found: Plain) -> list[Job]:
    """Return jobs where the answer with the new key is lost, and then a later call goes wrong as well."""
    create = next(
        number
        for number, call in enumerate(found.calls)
        if call.endswith(("POST keys", "/api_keys")) and "POST" in call
    )
    first = (create, "drop_after")
    then = plain(zygote, scene, folder, (first,))
    numbers = range(create + 1, len(then.calls))
    return [Job(scene, faults=(first, (number, kind))) for kind in FAULTS for number in numbers]


def made(zygote: Zygote, job: Job, folder: str) -> Row:
    """Make one line of the table, on a home and a server of its own."""
    scene = job.scene
    with _staged(zygote, scene, folder) as place:
        wrong = Wrong(place.server, dict(job.faults), lasting=job.lasting)
        ended = place.run(*scene.words, kill_at=job.kill_at, hurried=bool(job.faults))
        wrong.stop()
        where = "(to its end)"
        if job.faults:
            told = [kind + " at " + wrong.seen[number] for number, kind in job.faults if number < len(wrong.seen)]
            where = ("from then on " if job.lasting else "") + ", ".join(told) if wrong.hit else ""
        elif ended.code == -9:
            where = f"killed at {job.kill_at}: {ended.steps[-1]}"
        row = Row(scene.name, where, ended.code)
        allowed = (0, 1, 5, 6) if job.faults else (0, -9)
        try:
            assert ended.code in allowed, f"exit {ended.code}: {ended.said}"
            place.glance(ended.said)
            then, last = place.finished(may_be_gone=scene.ends_key, left=place.left(ended.said))
        except Exception as problem:
            return row._replace(problem=f"{type(problem).__name__} {problem} | said: {ended.said}")
        return row._replace(then=then, last=last)


def lags(zygote: Zygote, folder: str, provider: Provider = OPENAI) -> Iterator[Row]:
    """Rotate at a provider that is behind: lists, new keys and revocations take a while."""
    for name, value in (("list_lag", 3), ("activation_lag", 4), ("revocation_lag", 4)):
        with Place(zygote, folder, provider, policy=((name, value),)) as place:
            if name == "list_lag":
                place.server.admin.fault("drop_after", "POST", "keys")
            ended = place.run(*issue(provider), "--now")
            place.server.admin.clear_faults()
            place.glance(ended.said)
            yield Row(f"{provider.id}: rotate --now", f"{name} {value}", ended.code, *place.finished())


class _staged(Place):  # noqa: N801 - used as a function
    """A place where a scene's earlier commands have been run."""

    def __init__(self, zygote: Zygote, scene: Scene, folder: str) -> None:
        super().__init__(zygote, folder, scene.provider, personal=scene.personal, policy=scene.policy)
        self._scene = scene

    def __enter__(self) -> _staged:
        super().__enter__()
        *whole, last = self._scene.before or ((),)
        for words in whole:
            done = self.run(*words)
            assert done.code == 0, done.said
        if last:
            done = self.run(*last, kill_at=self._scene.dies_at or -1)
            assert done.code == (-9 if self._scene.dies_at else 0), done.said
        return self


class Workers:
    """Threads with a zygote each."""

    def __init__(self, number: int) -> None:
        self._stack = ExitStack()
        self._pool = self._stack.enter_context(ThreadPoolExecutor(number))
        self._free: SimpleQueue[Zygote] = SimpleQueue()
        for _ in range(number):
            self._free.put(self._stack.enter_context(Zygote()))

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def each(self, works: list[Callable[[Zygote], object]]) -> Iterator[object]:
        """Do all of it, and give what each returned as it comes."""

        def do(work: Callable[[Zygote], object]) -> object:
            zygote = self._free.get()
            try:
                return work(zygote)
            finally:
                self._free.put(zygote)

        for future in as_completed([self._pool.submit(do, work) for work in works]):
            yield future.result()


def jobs_of(zygote: Zygote, scene: Scene, folder: str) -> list[Job]:
    """Return every job of a scene."""
    found = plain(zygote, scene, folder)
    more = pairs(zygote, scene, folder, found) if scene.words == (*issue(scene.provider), "--now") else []
    return [*kills(scene, found), *faults(scene, found), *gone(scene, found), *more]


def main() -> None:
    """Print the table."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    scenes = [scene for scene in SCENES if word in scene.name]
    counted: Counter[str] = Counter()
    with Workers(AT_ONCE) as workers, tempfile.TemporaryDirectory() as folder:
        jobs: list[Job] = []
        for found in workers.each([lambda zygote, scene=scene: jobs_of(zygote, scene, folder) for scene in scenes]):  # type: ignore[misc] # each its own scene
            jobs += found  # type: ignore[arg-type] # Workers.each gives what was returned
        works: list[Callable[[Zygote], object]] = [lambda zygote, job=job: [made(zygote, job, folder)] for job in jobs]  # type: ignore[misc] # each its own job
        works += [lambda zygote, provider=each: list(lags(zygote, folder, provider)) for each in (OPENAI, OPENROUTER)]  # type: ignore[misc] # each its own provider
        for rows in workers.each(works):
            for row in rows:  # type: ignore[attr-defined] # as above
                _print(row, counted)
    total = counted["killed"] + counted["fault or end"]
    sys.stdout.write(
        f"{len(scenes)} scenes, {total} rows ({dict(counted)});"
        f" {counted['problem']} with a loss, an orphan or a false word\n"
    )
    sys.exit(1 if counted["problem"] else 0)


def _print(row: Row, counted: Counter[str]) -> None:
    if not row.where:
        return
    counted["killed" if row.code == -9 else "fault or end"] += 1
    counted["problem"] += bool(row.problem)
    counted[f"exit {row.code}"] += 1
    sys.stdout.write(f"{row.scene:34} {row.where:64} exit {row.code:2}  live {row.then} then {row.last}\n")
    if row.problem:
        sys.stdout.write(f"    PROBLEM {row.problem}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
