"""Rotations and revocations that a provider carries out: workers of the app, which go on when their screen is left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import work

from keytui.errors import KeytuiError, LeftBehind, NotConfirmed, StoreBusy, StoreLocked
from keytui.tui import messages
from keytui.tui.jobs import Jobs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keytui.flows.issue_plan import Plan
    from keytui.flows.issuing import Outcome
    from keytui.flows.revoking import Plan as RevokingPlan
    from keytui.flows.rotation import Stage
    from keytui.model import Key, Rotation

    Doing = Callable[[Callable[[Stage], None]], Awaitable[Outcome]]

_FIRST_PAUSE_S = 60
_LONGEST_PAUSE_S = 3_600
_DECIDED = (LeftBehind, NotConfirmed)
"""What stops a worker because the person wanted something else: it is not gone on with behind their back."""


class Run:
    """What one worker does for one key, as its screen shows it.

    Attributes:
        stages: What is known of each stage, by its name: the stage and when it got there.
        running: Whether the worker is at it.
        error: Why it stopped, or None.
        outcome: How far it got, or None before and when it stopped.
        rotation: The journal's row, as it was when this began and is once it ended; None when nothing is left to do.
        undone: Whether the switch was taken back, so that it is the new key that ends.
        revoking: Whether the key itself is being revoked, not replaced.
        unread: Whether the journal could not be read once it ended.
        tries: How many have failed before this one.
        next_at: When it is tried again, in seconds since the epoch, after it stopped with an error.
    """

    def __init__(self, key: Key, rotation: Rotation | None = None, *, revoking: bool = False) -> None:
        self.key = key
        self.revoking = revoking
        self.stages: dict[str, tuple[Stage, float]] = {}
        self.running = True
        self.error: KeytuiError | None = None
        self.outcome: Outcome | None = None
        self.rotation = rotation
        self.undone = rotation is not None and rotation.undone
        self.unread = False
        self.tries = 0
        self.next_at = 0.0

    @property
    def goes_on(self) -> bool:
        """Whether it is tried again by itself, after a pause, while the app is open."""
        return self.error is not None and not isinstance(self.error, _DECIDED)


class Issuing(Jobs):
    """The part of the app that has providers issue and revoke keys."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: dict[int, Run] = {}

    def issue(self, plan: Plan) -> None:
        """Rotate a key as planned."""
        from keytui.flows import issuing

        begun = False

        async def rotate(stage: Callable[[Stage], None]) -> Outcome:
            nonlocal begun
            row = await asyncio.to_thread(self._row, plan.key.id) if begun else None
            begun = True
            if row is not None and row.state in issuing.GIVEN_UP:
                return await issuing.drive(self.store, row.id, stage=stage)  # the store was unlocked in between
            return await issuing.start(self.store, plan, stage=stage)

        self._begin(Run(plan.key), rotate)

    def revoke(self, plan: RevokingPlan) -> None:
        """Revoke a key as planned."""
        from keytui.flows import revoking

        self._begin(Run(plan.key, revoking=True), lambda stage: revoking.start(self.store, plan, stage=stage))

    def go_on(self, key: Key, rotation: Rotation, *, now: bool = False) -> None:
        """Go on with a rotation of any state; with `now` its grace period ends at once."""
        from keytui.flows import issuing

        drive = issuing.end_now if now else issuing.drive
        self._begin(_going_on(key, rotation), lambda stage: drive(self.store, rotation.id, stage=stage))

    def give_up(self, key: Key, rotation: Rotation, left: LeftBehind | None = None) -> None:
        """Give up a rotation before its switch: what was issued is revoked, or with `left` stays at the provider."""
        from keytui.flows import giving_up, issuing

        async def abandon(stage: Callable[[Stage], None]) -> Outcome:
            if left is None:
                await giving_up.abandon(self.store, rotation.id, stage=stage)
            else:
                await giving_up.leave(self.store, left)
            return issuing.Outcome(key, "abandoned", None, revoked=False)

        self._begin(_going_on(key, rotation), abandon)

    def look_for_rotations(self) -> None:
        """Go on with what a killed process left and with overdue retirements; called in a thread, asks nothing."""
        try:
            if all(row.kind == "pasted" for row in self.store.rotations()):
                return
            from keytui.flows import resuming

            rows = [(self.store.key(row.key_id), row) for row in resuming.waiting(self.store, int(self.clock()))]
        except KeytuiError:
            return  # reading the list says it
        if rows:
            self.call_from_thread(self.take_up, rows)

    @work(description="look for grace periods that are over", group="look", thread=True, exit_on_error=False)
    def each_minute(self) -> None:
        """Retire the old keys whose grace periods have ended meanwhile."""
        self.look_for_rotations()

    def take_up(self, rows: list[tuple[Key, Rotation]]) -> None:
        """Go on, without asking anything, with what a killed process left or whose grace period is over."""
        for key, row in rows:
            run, earlier = _going_on(key, row), self.runs.get(key.id)
            if earlier is not None and earlier.running:
                continue
            if earlier is not None and earlier.error is not None:
                if not earlier.goes_on or self.clock() < earlier.next_at or self._followed(key.id):
                    continue
                run.tries = earlier.tries + 1
            self._begin(run, self._driving(row.id), quiet=True)

    def _driving(self, rotation_id: int) -> Doing:
        from keytui.flows import issuing

        return lambda stage: issuing.drive(self.store, rotation_id, stage=stage)

    def _begin(self, run: Run, doing: Doing, *, quiet: bool = False) -> None:
        self.runs[run.key.id] = run
        self._drive(run, doing, quiet=quiet)

    @work(description="rotate a key by its provider", group="issue", exit_on_error=False)
    async def _drive(self, run: Run, doing: Doing, *, quiet: bool) -> None:
        from keytui.tui import access

        def stage(stage: Stage) -> None:
            run.stages[stage.name] = (stage, self.clock())
            self._moved(run)

        async def do() -> Outcome:
            return await doing(stage)

        try:
            run.outcome = await (access.run if quiet else access.call)(self, do)
        except KeytuiError as error:
            run.error = error
            run.next_at = self.clock() + min(_FIRST_PAUSE_S * 2**run.tries, _LONGEST_PAUSE_S)
        finally:
            run.running = False
        try:
            newest = await asyncio.to_thread(self._newest, run.key.id)
            run.undone = newest is not None and newest.undone
            run.rotation = newest if newest is not None and newest.state not in ("done", "abandoned") else None
        except KeytuiError as error:
            run.error, run.unread = run.error or error, True
        self._moved(run)
        self.load()
        self._tell_end(run, quiet=quiet)

    def _row(self, key_id: int) -> Rotation | None:
        return next((row for row in self.store.rotations() if row.key_id == key_id), None)

    def _newest(self, key_id: int) -> Rotation | None:
        return next((row for row in self.store.rotations(unfinished=False) if row.key_id == key_id), None)

    def _moved(self, run: Run) -> None:
        """Tell the main screen and the screen that shows this key's rotation, if it is open."""
        for screen in self.screen_stack:
            screen.post_message(messages.RunMoved(run))

    def _followed(self, key_id: int) -> bool:
        """Whether the screen of a key's rotation is open."""
        from keytui.tui.screens.following import Following

        return any(isinstance(screen, Following) and screen.key_id == key_id for screen in self.screen_stack)

    def _tell_end(self, run: Run, *, quiet: bool) -> None:
        """Say how it ended where no screen does; that it failed is said once, not at every try."""
        error = run.error
        if self._followed(run.key.id):
            return
        if error is None:
            if sentence := _told_end(run, quiet=quiet):
                self.say(sentence)
        elif quiet and isinstance(error, (StoreLocked, StoreBusy)):
            del self.runs[run.key.id]  # the list shows it as rotating; it is taken up when the store is open
        elif not isinstance(error, NotConfirmed) and not run.tries:
            what = f"The {_what(run)} of “{run.key.name}” stopped: {error.sentence}"
            again = "It is tried again by itself; r shows it." if run.goes_on else "r shows it."
            self.say(f"{what} {again if run.rotation else 'The key in use stays.'}", severity="error", timeout=8)


def _going_on(key: Key, row: Rotation) -> Run:
    return Run(key, row, revoking=row.kind == "revoked")


def _what(run: Run) -> str:
    return "revocation" if run.revoking else "rotation"


def _told_end(run: Run, *, quiet: bool) -> str:
    """Say how far a worker got that nothing stopped; "" where that is no news."""
    name, outcome = f"“{run.key.name}”", run.outcome
    if outcome is None or (quiet and outcome.state == "retiring"):
        return ""
    if outcome.key is None:
        return f"{name}: {outcome.sentence}{' It is deleted here.' if outcome.revoked else ''}"
    if outcome.state == "abandoned":
        return f"The {_what(run)} of {name} was given up."
    said, which = f"{name} is rotated.", "old"
    if run.undone:
        said, which = f"{name} keeps its old key: its rotation was undone.", "new"
    if outcome.state == "retiring":
        return f"{said} The {which} key works until its grace period ends."
    return f"{said} The {which} key is revoked." if outcome.revoked else said
