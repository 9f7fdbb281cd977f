"""Rotating a key by its provider: a plan first, then the stages as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType

from keytui.errors import KeyNotFound, KeytuiError, LeftBehind, StoreBusy
from keytui.flows import issue_plan, issuing, resuming, standing
from keytui.tui import access
from keytui.tui.screens import stages
from keytui.tui.screens.following import told
from keytui.tui.screens.planned import Planned
from keytui.tui.widgets.field import Busy, Hint
from keytui.tui.widgets.stepper import Stepper

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from textual.app import ComposeResult

    from keytui.model import Key, Rotation
    from keytui.storage.keystore import Keystore
    from keytui.tui.issuing import Run
    from keytui.tui.screens.following import Phase

_LOOK_SECONDS = 1
_GONE = "The key is no longer here: another keytui has revoked or deleted it."


class IssueScreen(Planned):
    """Rotates a key by its provider, or shows the rotation that is under way. Dismisses with "paste" for pasting."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "start", show=False),
        Binding("ctrl+r", "again", show=False),
        Binding("ctrl+n", "paste", show=False),
        Binding("ctrl+g", "give_up", show=False),
        Binding("ctrl+e", "end_now", show=False),
        Binding("enter", "close", show=False),
    ]

    def __init__(self, store: Keystore, key: Key, admins: tuple[str, ...], *, clock: Callable[[], float]) -> None:
        super().__init__(f"Rotate {key.name}", store, key, admins, clock=clock)
        self._rotation: Rotation | None = None
        self._left: LeftBehind | None = None

    # --- layout

    def compose_body(self) -> ComposeResult:
        """Lay out the plan, what can be chosen about it, and the stages."""
        yield from self.compose_plan()
        yield Stepper(stages.rotation(self._label))
        yield Busy(id="busy")

    def on_mount(self) -> None:
        """Show what is under way, or make a plan."""
        run = self.jobs.runs.get(self.key_id)
        if run is not None and run.running:
            self._begun(run.rotation, revoking=run.revoking)
            self.enter("running")
            self.show_run(run)
        else:
            self.enter("planning")
            self._look()

    def enter(self, phase: Phase) -> None:
        """Show what can be done now."""
        self._phase = phase
        if phase != "plan":
            self.hide_plan(choosing=phase == "problem" and self.several)
        paste, leave = Hint("Ctrl+N", "Paste one instead", "paste"), Hint("Esc", "Leave", "cancel")
        again = Hint("Ctrl+R", "Try again", "again")
        give_up = Hint("Ctrl+G", "Give it up anyway" if self._left else "Give it up", "give_up", danger=True)
        end = Hint("Ctrl+E", f"End the {self._ending} now", "end_now", danger=True)
        hints: dict[Phase, tuple[Hint, ...]] = {
            "planning": (paste, leave),
            "problem": (*self.choose_hint, again, paste, leave),
            "plan": (Hint("Ctrl+S", "Start", "start"), paste, Hint("Esc", "Cancel", "cancel")),
            "running": (Hint("Esc", "Leave it running", "cancel"),),
            "elsewhere": (leave,),
            "waiting": (Hint("Enter", "Close", "close"), end),
            "failed": (again, *((give_up,) if self._can_give_up else ()), *((end,) if self._can_end else ()), leave),
            "done": (Hint("Enter", "Close", "close"),),
        }
        self.show_keys(hints[phase])
        if phase == "planning":
            self.query_one(Busy).start(f"Asking {self._label} what it has")

    @property
    def _can_end(self) -> bool:
        """Whether a grace period lasts, so that it can be ended, and the switch be undone."""
        return self._rotation is not None and (self._rotation.retire_at or 0) > self._clock()

    @property
    def _can_give_up(self) -> bool:
        return self._rotation is not None and not self._can_end

    @property
    def _ending(self) -> str:
        """What the key is called that ends."""
        return standing.ending(self._rotation) if self._rotation is not None else "old key"

    # --- what the person does

    def action_start(self) -> None:
        """Start what the plan says."""
        plan = self.chosen() if self._phase == "plan" else None
        if plan is None:
            return
        if old_key_id := self.named_id:
            self._make_plan(old_key_id)  # shown with that key before anything starts
            return
        self.query_one(Stepper).reset()
        self.enter("running")
        self.jobs.issue(plan)

    def action_again(self) -> None:
        """Go on with what stopped, or look again."""
        if self._phase == "failed" and self._rotation is not None:
            self._begun(self._rotation, revoking=self._rotation.kind == "revoked")
            self.enter("running")
            self.jobs.go_on(self._key, self._rotation)
        elif self._phase == "failed":
            self.query_one(Stepper).show(stages.rotation(self._label))
            self.enter("planning")
            self._look()
        elif self._phase == "problem":
            self.plan_again()

    def plan_again(self) -> None:
        """Show what a rotation would do now."""
        self.query_one(Stepper).show(stages.rotation(self._label))
        self.enter("planning")
        self._make_plan()

    def action_give_up(self) -> None:
        """Give the rotation up: its new key is revoked, the old one stays. What cannot be revoked is asked about."""
        from keytui.tui.screens.confirm import ConfirmScreen

        if self._phase != "failed" or self._rotation is None or not self._can_give_up:
            return
        rotation, left = self._rotation, self._left
        if left is None:
            if rotation.state in issuing.GIVEN_UP:
                self.query_one(Stepper).show(stages.giving_up(self._label))
            self.enter("running")
            self.jobs.give_up(self._key, rotation)
            return

        def answered(yes: bool | None) -> None:
            if yes and self._phase == "failed":
                self.enter("running")
                self.jobs.give_up(self._key, rotation, left)

        self.app.push_screen(ConfirmScreen("Give it up anyway?", left.sentence, "y", "Give it up"), answered)

    def action_end_now(self) -> None:
        """End the grace period, after a question, which a key typed ahead answers."""
        from keytui.tui.screens.confirm import ConfirmScreen

        if self._phase not in ("waiting", "failed") or self._rotation is None or not self._can_end:
            return
        rotation = self._rotation

        def answered(yes: bool | None) -> None:
            if yes and self._phase in ("waiting", "failed"):
                self.enter("running")
                self.jobs.go_on(self._key, rotation, now=True)

        detail = "It is revoked at once; programs that still use it fail. This cannot be undone."
        self.app.push_screen(ConfirmScreen(f"End the {self._ending} now?", detail, "y", "End it"), answered)

    def action_paste(self) -> None:
        """Paste a key instead, while nothing was begun."""
        if self._phase in ("planning", "problem", "plan"):
            self.dismiss("paste")

    # --- workers

    @work(exclusive=True, group="plan", description="look for a rotation under way", exit_on_error=False)
    async def _look(self) -> None:
        try:
            rows = await access.run(self.app, self._store.rotations)
            row = next((each for each in rows if each.key_id == self.key_id), None)
            driven = row is not None and await access.run(self.app, resuming.is_driven, self._store, row)
            if row is None and self._phase == "elsewhere" and self._rotation is not None:
                self._ended_elsewhere(await access.run(self.app, self._store.rotation, self._rotation.id))
                return
        except KeyNotFound:
            self._done(_GONE)
            return
        except KeytuiError as error:
            self._problem(error)
            return
        if row is None:
            self._make_plan()
        elif row.kind == "pasted":
            self.dismiss("paste")
        elif driven:
            self._show_elsewhere(row)
        else:
            self._show_row(row)

    @work(exclusive=True, group="plan", description="plan a rotation", exit_on_error=False)
    async def _make_plan(self, old_key_id: str = "") -> None:
        try:
            plan = await access.call(
                self.app, issue_plan.plan, self._store, self.key_id, admin=self.admin, old_key_id=old_key_id
            )
        except KeytuiError as error:
            if old_key_id and self._phase == "plan":
                self.row("old").say(told(error), "error")
            else:
                self._problem(error)
        else:
            self.enter("plan")
            self.show_plan(plan)

    def _problem(self, error: KeytuiError) -> None:
        self.query_one(Busy).stop(f"{told(error)} Nothing was changed.", "error")
        self.enter("problem")

    # --- how it is going

    def _begun(self, row: Rotation | None, *, revoking: bool = False) -> None:
        """Show the stages of what has begun, as far as the journal knows them."""
        self._rotation = row
        if row is not None:
            self.query_one(Stepper).show(stages.of(row, self._label))
        if revoking:
            self.show_title(f"Revoke {self._key.name}")
            self.query_one(Stepper).show(stages.revocation(self._label))

    def _show_row(self, row: Rotation) -> None:
        """Show a rotation that nobody drives: left by another run, or waiting."""
        self._begun(row, revoking=row.kind == "revoked")
        if resuming.in_grace(row, int(self._clock())):
            self._wait(row)
        elif row.note:
            run = self.jobs.runs.get(self.key_id)
            self._show_failure(row, row.note, run.stages if run is not None else (), revoking=row.kind == "revoked")
        else:
            self.query_one(Busy).stop(f"Interrupted. {standing.standing(row)}", "warning")
            self.enter("failed")

    def _show_elsewhere(self, row: Rotation) -> None:
        """Show that another process drives it, and look again in a moment."""
        self._begun(row, revoking=row.kind == "revoked")
        at = stages.at(row, (), revoking=row.kind == "revoked")
        self.query_one(Stepper).mark(at, "running", "Under way")
        self.query_one(Busy).start("Another keytui is working on this rotation")
        self.enter("elsewhere")
        self.set_timer(_LOOK_SECONDS, self._look_again, name="look whether another process has ended")

    def _look_again(self) -> None:
        if self._phase == "elsewhere":
            self._look()

    def show_run(self, run: Run) -> None:
        """Show how far the worker is, and what leaving means; or how it ended."""
        super().show_run(run)
        if run.running:
            switched = run.revoking or "switched" in run.stages or "retiring" in run.stages
            before = "Until the switch the old key is in use and nothing is lost by leaving"
            self.query_one(Busy).start("It goes on when this screen is left" if switched else before)

    def ended(self, run: Run) -> None:
        """Show how the worker ended."""
        if isinstance(run.error, StoreBusy) and self._rotation is not None:
            self.enter("elsewhere")  # what another process does is no failure
            self._look()
            return
        left, self._left = self._left, run.error if isinstance(run.error, LeftBehind) else None
        self._rotation = row = run.rotation
        outcome = run.outcome
        if run.error is not None:
            self._stopped(run, run.error)
        elif row is not None and row.state in ("switched", "retiring"):
            self._wait(row)
        elif outcome is not None and outcome.state == "abandoned":
            self._done(f"Given up. {left.sentence if left else standing.nothing_left(revoking=run.revoking)}")
        elif outcome is not None and outcome.key is None:
            self._done(f"Done. {outcome.sentence}")
        elif run.undone:
            self._done(f"Done. The new key is gone for good. {standing.in_use(undone=True)}{self._its_end()}.")
        elif outcome is not None and not outcome.revoked:
            self._done("Done. The new key is in use. The old one was not revoked: delete it on the provider's page.")
        else:
            self._done("Done. The new key is in use; this rotation can no longer be undone.")

    def _ended_elsewhere(self, row: Rotation) -> None:
        self._begun(row, revoking=row.kind == "revoked")
        how = "given it up" if row.state == "abandoned" else "finished it"
        self._done(f"Another keytui has {how}. {standing.standing(row)}")

    def _done(self, sentence: str) -> None:
        self.query_one(Busy).stop(sentence)
        self.enter("done")

    def _wait(self, row: Rotation) -> None:
        when = issue_plan.until(row.retire_at or 0)
        self.query_one(Stepper).mark("retiring", "running", f"The {standing.ending(row)} works until {when}")
        more = f". Until {when}, u in the list takes the switch back."
        if row.undone:
            more = f"{self._its_end()}. To rotate again before, end the new key first."
        self.query_one(Busy).stop(f"{standing.in_use(undone=row.undone)}{more}")
        self.enter("waiting")

    def _its_end(self) -> str:
        """Say when the provider ends the key that is in use, which it was told at the switch."""
        ends = self._key.expires_at
        return f" until {issue_plan.until(ends)}, when {self._label} ends it" if ends is not None else ""

    def _stopped(self, run: Run, error: KeytuiError) -> None:
        if isinstance(error, LeftBehind):
            error = error.cause
        self.doubt(error)
        self._show_failure(run.rotation, told(error), run.stages, revoking=run.revoking)
        if run.unread:
            self.query_one(Busy).stop("How far it got cannot be read now. Try again once the store can be.", "error")

    def _show_failure(self, row: Rotation | None, why: str, reached: Container[str], *, revoking: bool) -> None:
        """Show at which stage it failed, and what state everything is in."""
        if row is not None and row.state == "clearing":
            self.query_one(Stepper).show(stages.of(row, self._label))
        self.query_one(Stepper).mark(stages.at(row, reached, revoking=revoking), "failed", why)
        state = standing.nothing_left(revoking=revoking) if row is None else standing.standing(row)
        if row is not None and self._can_end and not row.undone:
            state += " u in the list takes the switch back."
        if row is not None:
            state += " Esc leaves it, and keytui tries again by itself."
        self.query_one(Busy).stop(self._left.sentence if self._left is not None else state, "error")
        self.enter("failed")
