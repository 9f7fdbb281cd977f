"""Revoking a key at its provider now: for one that leaked. The key's name is typed before anything happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.widgets import Input

from keytui.errors import KeytuiError, UsageError
from keytui.flows import issue_plan, revoking
from keytui.providers import catalog
from keytui.tui import access
from keytui.tui.screens import stages
from keytui.tui.screens.following import Following, Table, told
from keytui.tui.widgets.field import Busy, Field, Hint
from keytui.tui.widgets.stepper import Stepper

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from keytui.model import Key, Rotation
    from keytui.storage.keystore import Keystore
    from keytui.tui.issuing import Run
    from keytui.tui.screens.following import Phase


class RevokeScreen(Following):
    """Revokes a key at its provider, proves that it is refused, and deletes it here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "start", show=False),
        Binding("ctrl+r", "again", show=False),
        Binding("enter", "close", show=False),
    ]

    def __init__(self, store: Keystore, key: Key, admins: tuple[str, ...], *, clock: Callable[[], float]) -> None:
        super().__init__(f"Revoke {key.name}", store, key, admins, clock=clock)
        self._label = catalog.provider(key.provider).label
        self._plan: revoking.Plan | None = None
        self._rotation: Rotation | None = None

    def compose_body(self) -> ComposeResult:
        """Lay out what goes, the field for its name, and the stages."""
        yield Table(id="plan")
        yield self.admin_field()
        yield Field("Its id", Input(placeholder=f"The key's id at {self._label}", id="old"), name="old")
        yield Field("Key's name", Input(placeholder="Type it to agree", id="name"), name="name")
        yield Stepper(stages.revocation(self._label))
        yield Busy(id="busy")

    def on_mount(self) -> None:
        """Look at what the provider has."""
        run = self.jobs.runs.get(self.key_id)
        if run is not None and run.running and run.revoking:
            self.enter("running")
            self.show_run(run)
        else:
            self._look()

    def follows(self, run: Run) -> bool:
        """A rotation of the key is not its revocation, and its end proves nothing about the key in use."""
        return run.revoking

    def _look(self) -> None:
        """Make a plan, unless the key is being rotated at this moment."""
        run = self.jobs.runs.get(self.key_id)
        if run is not None and run.running:
            sentence = (
                f"“{self._key.name}” is being rotated right now. Nothing was revoked. Try again when it has ended."
            )
            self.query_one(Busy).stop(sentence, "error")
            self.enter("problem")
            return
        self.enter("planning")
        self._make_plan()

    def enter(self, phase: Phase) -> None:
        """Show what can be done now."""
        self._phase = phase
        shown = {"name": phase == "plan", "admin": phase in ("plan", "problem") and self.several}
        for row in self.query(Field):
            row.display = shown.get(row.name or "", False)
        if phase != "plan":
            self.query_one("#plan", Table).show(())
            self.set_focus(self.query_one("#admin") if phase == "problem" and self.several else None)
        leave, again = Hint("Esc", "Leave", "cancel"), Hint("Ctrl+R", "Try again", "again")
        hints: dict[Phase, tuple[Hint, ...]] = {
            "planning": (leave,),
            "problem": (*self.choose_hint, again, leave),
            "plan": (Hint("Ctrl+S", "Revoke it", "start", danger=True), Hint("Esc", "Cancel", "cancel")),
            "running": (Hint("Esc", "Leave it running", "cancel"),),
            "failed": (again, leave),
            "done": (Hint("Enter", "Close", "close"),),
        }
        self.show_keys(hints[phase])
        if phase == "planning":
            self.query_one(Busy).start(f"Asking {self._label} what it has")
        elif phase == "running":
            self.query_one(Busy).start("A revoked key cannot be brought back")

    def action_start(self) -> None:
        """Revoke the key once its name was typed; look it up by its id where that is asked for."""
        if self._phase == "problem" and self.row("old").display and self.value("old"):
            self.action_again()
        if self._phase != "plan" or self._plan is None:
            return
        if self.value("name") != self._key.name:
            self.row("name").say(f"Type {self._key.name} to revoke it.", "error")
            return
        self.enter("running")
        self.jobs.revoke(self._plan)

    def action_again(self) -> None:
        """Look again, and go on from there."""
        if self._phase == "failed" and self._rotation is not None and self._rotation.kind == "revoked":
            self.enter("running")  # the person has agreed before it began
            self.jobs.go_on(self._key, self._rotation)
        elif self._phase in ("problem", "failed"):
            self.plan_again()

    def plan_again(self) -> None:
        """Show what a revocation would do now; it is agreed to once more."""
        self.query_one("#name", Input).value = ""
        self.query_one(Stepper).reset()
        self._look()

    @work(exclusive=True, group="plan", description="plan a revocation", exit_on_error=False)
    async def _make_plan(self) -> None:
        try:
            plan = await access.call(
                self.app, revoking.plan, self._store, self.key_id, admin=self.admin, old_key_id=self.value("old")
            )
        except KeytuiError as error:
            self.query_one(Busy).stop(f"{told(error)} Nothing was revoked.", "error")
            self.enter("problem")
            if isinstance(error, UsageError) and "old-key-id" in error.hint:
                self.row("old").display = True
                self.query_one("#old", Input).focus()
                self.show_keys((Hint("Ctrl+S", "Look it up", "start"), Hint("Esc", "Cancel", "cancel")))
            return
        self._plan = plan
        self.query_one(Busy).stop()
        self.enter("plan")
        rows = [("Key", f"{self._key.masked}  {self._label}"), ("There", issue_plan.named(plan.old))]
        if not self.several:
            rows.append(("Asked by", f"admin key {plan.admin.name}"))
        if plan.earlier is not None:
            rows.append(("Also", "What its unfinished rotation issued or retires is revoked as well."))
        rows.append(("Then", "Programs that use it fail at once. It is deleted here for good, without the trash."))
        self.query_one("#plan", Table).show(rows)
        self.query_one("#name", Input).focus()

    def ended(self, run: Run) -> None:
        """Show how it ended."""
        self._rotation = run.rotation
        busy = self.query_one(Busy)
        outcome = run.outcome
        if run.error is None and outcome is not None and outcome.key is None:
            busy.stop(f"{outcome.sentence}{' It is deleted here as well.' if outcome.revoked else ''}")
            self.enter("done")
            return
        at = "done" if "done" in run.stages else "retiring"
        self.query_one(Stepper).mark(at, "failed", told(run.error) if run.error is not None else "Not proven")
        begun = run.rotation is not None and run.rotation.kind == "revoked"
        left = "keytui tries again by itself." if begun else "The key is where it was."
        busy.stop(f"Not proven revoked; the key is still stored here. {left}", "error")
        self.enter("failed")
