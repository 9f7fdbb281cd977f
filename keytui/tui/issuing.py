"""Rotations and revocations that a provider carries out: workers of the app, which go on when their screen is left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import work

from keytui.errors import KeytuiError, NotConfirmed, StoreBusy, StoreLocked
from keytui.tui import messages
from keytui.tui.jobs import Jobs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keytui.errors import LeftBehind
    from keytui.flows.issue_plan import Plan
    from keytui.flows.issuing import Outcome
    from keytui.flows.revoking import Plan as RevokingPlan
    from keytui.flows.rotation import Stage
    from keytui.model import Key, Rotation

    Doing = Callable[[Callable[[Stage], None]], Awaitable[Outcome]]


class Run:
    """What one worker does for one key, as its screen shows it.

    Attributes:
        stages: What is known of each stage, by its name: the stage and when it got there.
        running: Whether the worker is at it.
        error: Why it stopped, or None.
        outcome: How far it got, or None before and when it stopped.
        rotation: The journal's row once it ended, or None when the journal has nothing left to do.
        revoking: Whether the key itself is being revoked, not replaced.
    """

    def __init__(self, key: Key, *, revoking: bool = False) -> None:
        self.key = key
        self.revoking = revoking
        self.stages: dict[str, tuple[Stage, float]] = {}
        self.running = True
        self.error: KeytuiError | None = None
        self.outcome: Outcome | None = None
        self.rotation: Rotation | None = None


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

        self._begin(plan.key, rotate)

    def revoke(self, plan: RevokingPlan) -> None:
        """Revoke a key as planned."""
        from keytui.flows import revoking

        self._begin(plan.key, lambda stage: revoking.start(self.store, plan, stage=stage), revoking=True)

    def go_on(self, key: Key, rotation: Rotation, *, now: bool = False) -> None:
        """Go on with a rotation of any state; with `now` its grace period ends at once."""
        from keytui.flows import issuing

        if now:
            self._begin(key, lambda stage: issuing.end_now(self.store, rotation.id, stage=stage))
        else:
            self._begin(key, self._driving(rotation.id), revoking=rotation.kind == "revoked")

    def give_up(self, key: Key, rotation_id: int, left: LeftBehind | None = None) -> None:
        """Give up a rotation before its switch: what was issued is revoked, or with `left` stays at the provider."""
        from keytui.flows import giving_up, issuing

        async def abandon(stage: Callable[[Stage], None]) -> Outcome:
            del stage
            await (giving_up.abandon(self.store, rotation_id) if left is None else giving_up.leave(self.store, left))
            return issuing.Outcome(key, "abandoned", None, revoked=False)

        self._begin(key, abandon)

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
            earlier = self.runs.get(key.id)
            if earlier is None or (not earlier.running and earlier.error is None):
                self._begin(key, self._driving(row.id), revoking=row.kind == "revoked", quiet=True)

    def _driving(self, rotation_id: int) -> Doing:
        from keytui.flows import issuing

        return lambda stage: issuing.drive(self.store, rotation_id, stage=stage)

    def _begin(self, key: Key, doing: Doing, *, revoking: bool = False, quiet: bool = False) -> None:
        run = self.runs[key.id] = Run(key, revoking=revoking)
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
        finally:
            run.running = False
        try:
            run.rotation = await asyncio.to_thread(self._row, run.key.id)
        except KeytuiError as error:
            run.error = run.error or error
        self._moved(run)
        self.load()
        self._tell_end(run, quiet=quiet)

    def _row(self, key_id: int) -> Rotation | None:
        return next((row for row in self.store.rotations() if row.key_id == key_id), None)

    def _moved(self, run: Run) -> None:
        """Tell the main screen and the screen that shows this key's rotation, if it is open."""
        for screen in self.screen_stack:
            screen.post_message(messages.RunMoved(run))

    def _tell_end(self, run: Run, *, quiet: bool) -> None:
        """Say how it ended where no screen does."""
        from keytui.tui.screens.following import Following

        if any(isinstance(screen, Following) and screen.key_id == run.key.id for screen in self.screen_stack):
            return
        name, outcome, error = run.key.name, run.outcome, run.error
        if outcome is not None and outcome.key is None:
            self.say(f"“{name}” is revoked and deleted.")
        elif outcome is not None and outcome.state == "done":
            self.say(f"“{name}” is rotated." + (" The old key is revoked." if outcome.revoked else ""))
        elif outcome is not None and outcome.state == "retiring" and not quiet:
            self.say(f"“{name}” is rotated. The old key works until its grace period ends.")
        elif quiet and isinstance(error, (StoreLocked, StoreBusy)):
            del self.runs[run.key.id]  # the list shows it as rotating; it is taken up when the store is open
        elif error is not None and not isinstance(error, NotConfirmed):
            self.say(f"The rotation of “{name}” stopped: {error.sentence} r shows it.", severity="error", timeout=8)
