"""What a rotation by the provider would do, and what the person chooses about it before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Input

from keytui.errors import ProviderUnreachable
from keytui.flows import issue_plan, standing
from keytui.providers import catalog
from keytui.tui.screens.following import Following, Table
from keytui.tui.widgets.field import Busy, Field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

    from keytui.errors import KeytuiError
    from keytui.flows.issue_plan import Plan
    from keytui.model import Key
    from keytui.storage.keystore import Keystore

_LONGEST_HOURS = 8_760
_NOT_THERE = 404


class Planned(Following):
    """The half of the rotation's screen that shows its plan."""

    def __init__(
        self, title: str, store: Keystore, key: Key, admins: Sequence[str], *, clock: Callable[[], float]
    ) -> None:
        super().__init__(title, store, key, admins, clock=clock)
        self._label = catalog.provider(key.provider).label
        self._plan: Plan | None = None
        self._no_account = False

    def compose_plan(self) -> ComposeResult:
        """Lay out the plan and what can be chosen about it."""
        yield Table(id="plan")
        yield self.admin_field()
        yield Field("Account", Input(id="account"), name="account")
        yield Field("Old key's id", Input(placeholder="Not revoked without it", id="old"), name="old")
        grace = str(min(self._store.settings.grace_hours, _LONGEST_HOURS))
        yield Field("Old key works", Input(grace, id="grace"), unit="more hours after the switch", name="grace")

    def hide_plan(self, *, choosing: bool) -> None:
        """Take the plan off the screen; with `choosing` another admin key can still be chosen."""
        self.query_one("#plan", Table).show(())
        for row in self.query(Field):
            row.display = choosing and row.name == "admin"
        self.set_focus(self.query_one("#admin") if choosing else None)

    def doubt(self, error: KeytuiError) -> None:
        """Let the next plan ask for another account where the provider does not know the one it was asked for."""
        self._no_account = isinstance(error, ProviderUnreachable) and error.verdict.status == _NOT_THERE

    def show_plan(self, plan: Plan) -> None:
        """Show a plan, and ask for what the person has to decide."""
        self._plan = plan
        unsure = plan.old is None and not plan.gone
        account = plan.needs_consent or self._no_account or bool(plan.home.account_id and not plan.home.account_name)
        self.query_one("#plan", Table).show(self._facts(plan, asks_account=account))
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

    def _facts(self, plan: Plan, *, asks_account: bool) -> list[tuple[str, str]]:
        old = issue_plan.named(plan.old) if plan.old is not None else issue_plan.not_listed(plan) if plan.gone else ""
        first = f"{standing.still_works(plan.ending)} and is revoked at once." if plan.ending is not None else ""
        rows = [
            ("In use now", f"{self._key.masked}  {self._label}"),
            ("Issued by", "" if self.several else f"admin key {plan.admin.name}"),
            ("Project", plan.home.project_id),
            ("Account", "" if asks_account else plan.home.account_name),
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
        said = "Left empty, the account it had is used, which may be gone. Another one is made if there is none."
        if self._no_account:
            said = f"{self._label} does not know {own}. This one is made if there is none of its name. Ctrl+S agrees."
        self.row("account").say(said, "warning")

    @property
    def named_id(self) -> str:
        """The old key's id that the person gave, or "" where none is asked for."""
        return self.value("old") if self.row("old").display else ""

    def chosen(self) -> Plan | None:
        """Return the plan as the person wants it; None where something is missing, which its field says."""
        plan, hours = self._plan, self.value("grace")
        if plan is None:
            return None
        if plan.old is not None and not (hours.isascii() and hours.isdigit() and int(hours) <= _LONGEST_HOURS):
            self.row("grace").say(f"Give whole hours, from 0 to {_LONGEST_HOURS}.", "error")
            return None
        account = self.value("account") if self.row("account").display else ""
        if plan.needs_consent and not account:
            self.row("account").say("Name the service account that will own the new key.", "error")
            return None
        if account:
            home = plan.home._replace(account_id="", account_name=account)
            plan = plan._replace(home=home, needs_consent=False)
        if plan.old is not None:
            plan = plan._replace(grace_s=int(hours) * issue_plan.HOUR)
        return plan
