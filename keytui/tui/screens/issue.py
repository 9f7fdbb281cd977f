"""Rotating a key by its provider: a plan first, then the stages as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.widgets import Input

from keytui.errors import KeyNotFound, KeytuiError, LeftBehind, ProviderUnreachable, StoreBusy
from keytui.flows import issue_plan, resuming, standing
from keytui.providers import catalog
from keytui.tui import access
from keytui.tui.screens import stages
from keytui.tui.screens.following import Following, Table, told
from keytui.tui.widgets.field import Busy, Field, Hint
from keytui.tui.widgets.stepper import Stepper

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from textual.app import ComposeResult

    from keytui.flows.issue_plan import Plan
    from keytui.model import Key, Rotation
    from keytui.storage.keystore import Keystore
    from keytui.tui.issuing import Run
    from keytui.tui.screens.following import Phase

_LONGEST_HOURS = 8_760
_UNKNOWN = 404
_LOOK_SECONDS = 1
_REVOKED = "Done. The key is revoked, refused by its provider, and deleted here."


class IssueScreen(Following):
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
        self._label = catalog.provider(key.provider).label
        self._plan: Plan | None = None
        self._rotation: Rotation | None = None
        self._left: LeftBehind | None = None
        self._no_account = False

    # --- layout

    def compose_body(self) -> ComposeResult:
        """Lay out the plan, what can be chosen about it, and the stages."""
        yield Table(id="plan")
        yield self.admin_field()
        yield Field("Account", Input(id="account"), name="account")
        yield Field("Old key's id", Input(placeholder="Not revoked without it", id="old"), name="old")
        grace = str(min(self._store.settings.grace_hours, _LONGEST_HOURS))
        yield Field("Old key works", Input(grace, id="grace"), unit="more hours after the switch", name="grace")
        yield Stepper(stages.rotation(self._label))
        yield Busy(id="busy")

    def on_mount(self) -> None:
        """Show what is under way, or make a plan."""
        for row in self.query(Field):
            row.display = False
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
            self.query_one("#plan", Table).show(())
            for row in self.query(Field):
                row.display = phase == "problem" and row.name == "admin" and self.several
            self.set_focus(self.query_one("#admin") if phase == "problem" and self.several else None)
        paste, leave = Hint("Ctrl+N", "Paste one instead", "paste"), Hint("Esc", "Leave", "cancel")
        again = Hint("Ctrl+R", "Try again", "again")
        give_up = Hint("Ctrl+G", "Give it up anyway" if self._left else "Give it up", "give_up", danger=True)
        end = Hint("Ctrl+E", f"End the {self._ending} now", "end_now", danger=True)
        hints: dict[Phase, tuple[Hint, ...]] = {
            "planning": (paste, leave),
            "problem": (again, paste, leave),
            "plan": (Hint("Ctrl+S", "Start", "start"), paste, Hint("Esc", "Cancel", "cancel")),
            "running": (Hint("Esc", "Leave it running", "cancel"),),
            "elsewhere": (leave,),
            "waiting": (Hint("Enter", "Close", "close"), end),
            "failed": (again, *((give_up,) if self._rotation is not None else ()), leave),
            "done": (Hint("Enter", "Close", "close"),),
        }
        self.show_keys(hints[phase])
        if phase == "planning":
            self.query_one(Busy).start(f"Asking {self._label} what it has")

    @property
    def _ending(self) -> str:
        """What the key is called that ends."""
        return standing.ending(self._rotation) if self._rotation is not None else "old key"

    def _show_plan(self, plan: Plan) -> None:
        self._plan = plan
        self.enter("plan")
        self.query_one("#plan", Table).show(self._facts(plan))
        unsure = plan.old is None and not plan.gone
        account = plan.needs_consent or self._no_account or bool(plan.home.account_id and not plan.home.account_name)
        shown = {"admin": self.several, "account": account, "old": unsure, "grace": plan.old is not None}
        for row in self.query(Field):
            row.display = shown.get(row.name or "", False)
            row.say("")
        if plan.needs_consent:
            self.query_one("#account", Input).value = plan.home.account_name
            who = "belongs to a person" if plan.old is not None and plan.old.owner == "user" else "may be a person's"
            self.row("account").say(
                f"The key so far {who}; the new one will belong to this service account, which changes who owns it in"
                " usage reports. Ctrl+S agrees.",
                "warning",
            )
        elif account:
            self._doubt_account(plan)
        if unsure:
            self.row("old").say(f"{issue_plan.not_listed(plan)} To have it revoked, give its id.", "warning")
        elif plan.old is not None and plan.can_expire:
            self.row("grace").say(f"{self._label} is told this end at the switch; it cannot be taken back there.")
        focused = next((name for name in ("account", "old", "grace") if shown[name]), None)
        self.set_focus(self.query_one(f"#{focused}") if focused is not None else None)
        self.query_one(Busy).stop()

    def _facts(self, plan: Plan) -> list[tuple[str, str]]:
        old = issue_plan.named(plan.old) if plan.old is not None else issue_plan.not_listed(plan) if plan.gone else ""
        first = f"{standing.still_works(plan.ending)} and is revoked at once." if plan.ending is not None else ""
        rows = [
            ("In use now", f"{self._key.masked}  {self._label}"),
            ("Issued by", "" if self.several else f"admin key {plan.admin.name}"),
            ("Project", plan.home.project_id),
            ("Account", "" if plan.needs_consent else plan.home.account_name),
            ("Old key", old),
            ("First", first),
        ]
        return [(label, value) for label, value in rows if value]

    def _doubt_account(self, plan: Plan) -> None:
        """Offer to name another account than the key's own, which may be gone."""
        own = plan.home.account_name or plan.home.account_id
        field = self.query_one("#account", Input)
        field.value = issue_plan.proposed_account(self._key) if self._no_account else ""
        field.placeholder = own
        said = f"Its own account {own} may be gone. Another one is made if there is none of its name."
        if self._no_account:
            said = f"{self._label} does not know {own}. This one is made if there is none of its name. Ctrl+S agrees."
        self.row("account").say(said, "warning")

    # --- what the person does

    def action_start(self) -> None:
        """Start what the plan says."""
        if self._phase != "plan" or self._plan is None:
            return
        plan = self._plan
        hours = self.value("grace")
        if plan.old is not None and not (hours.isascii() and hours.isdigit() and int(hours) <= _LONGEST_HOURS):
            self.row("grace").say(f"Give whole hours, from 0 to {_LONGEST_HOURS}.", "error")
            return
        account = self.value("account") if self.row("account").display else ""
        if plan.needs_consent and not account:
            self.row("account").say("Name the service account that will own the new key.", "error")
            return
        if account:
            home = plan.home._replace(account_id="", account_name=account)
            plan = plan._replace(home=home, needs_consent=False)
        if self.row("old").display and self.value("old"):
            self._make_plan(self.value("old"))  # shown with that key before anything starts
            return
        if plan.old is not None:
            plan = plan._replace(grace_s=int(hours) * issue_plan.HOUR)
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

        if self._phase != "failed" or self._rotation is None:
            return
        rotation, left = self._rotation, self._left
        if left is None:
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

        if self._phase != "waiting" or self._rotation is None:
            return
        rotation = self._rotation

        def answered(yes: bool | None) -> None:
            if yes and self._phase == "waiting":
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
            self._done(_REVOKED)
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
            self._show_plan(plan)

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
            self._done(_REVOKED)
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
        self._no_account = isinstance(error, ProviderUnreachable) and error.verdict.status == _UNKNOWN
        self._show_failure(run.rotation, told(error), run.stages, revoking=run.revoking)
        if run.unread:
            self.query_one(Busy).stop("How far it got cannot be read now. Try again once the store can be.", "error")

    def _show_failure(self, row: Rotation | None, why: str, reached: Container[str], *, revoking: bool) -> None:
        """Show at which stage it failed, and what state everything is in."""
        self.query_one(Stepper).mark(stages.at(row, reached, revoking=revoking), "failed", why)
        state = standing.nothing_left(revoking=revoking) if row is None else standing.standing(row)
        self.query_one(Busy).stop(self._left.sentence if self._left is not None else state, "error")
        self.enter("failed")
