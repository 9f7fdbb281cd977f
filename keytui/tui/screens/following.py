"""What the screens of issued rotations and of revocations share: they show what a worker of the app does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from textual import on
from textual.content import Content
from textual.widgets import Input, Select, Static

from keytui.tui import messages, words
from keytui.tui.screens.dialog import Dialog
from keytui.tui.widgets.field import Busy, Field, Hint
from keytui.tui.widgets.stepper import Stepper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.types import CSSPathType

    from keytui.errors import KeytuiError
    from keytui.model import Key
    from keytui.storage.keystore import Keystore
    from keytui.tui.issuing import Issuing, Run

    Phase = Literal["planning", "problem", "plan", "running", "elsewhere", "waiting", "failed", "done"]

_LABEL = 16  # where the values of a dialog's fields begin


class Following(Dialog[str]):
    """Shows the worker that rotates or revokes one key. Leaving the screen leaves the worker running.

    Dismisses with "", or with the name of what the person wants instead.

    Args:
        key: The key.
        admins: Names of the admin keys that can do it, the one to propose first.
        clock: Seconds since the epoch; tests and screenshots freeze it.
    """

    AUTO_FOCUS = ""  # else what is typed while nothing is asked goes into a field that is not shown yet
    CSS_PATH: ClassVar[CSSPathType | None] = ["dialog.tcss", "following.tcss"]

    def __init__(
        self,
        title: str,
        store: Keystore,
        key: Key,
        admins: Sequence[str],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(title)
        self.key_id = key.id
        self._key = key
        self._store = store
        self._clock = clock
        self._phase: Phase = "planning"
        self.several = len(admins) > 1
        self._admins = tuple(admins)
        self._asked = self._admins[0] if self.several else ""

    def admin_field(self) -> Field:
        """Lay out the choice among the admin keys; it is shown where there are several."""
        choices = [(Content(name), name) for name in self._admins]
        first = self._admins[0] if self._admins else Select.NULL
        select: Select[str] = Select(choices, value=first, allow_blank=not self._admins, compact=True, id="admin")
        return Field("Admin key", select, name="admin")

    @property
    def choose_hint(self) -> tuple[Hint, ...]:
        """What the key line says of that choice, where there is one."""
        return (Hint("Enter", "Choose the admin key"),) if self.several else ()

    @property
    def admin(self) -> str:
        """Name of the admin key that was chosen, or "" where there is no choice."""
        return str(self.query_one("#admin", Select).value) if self.several else ""

    def row(self, name: str) -> Field:
        """Return a field by its name."""
        return next(row for row in self.query(Field) if row.name == name)

    def value(self, name: str) -> str:
        """Return what stands in a field of one line."""
        return self.query_one(f"#{name}", Input).value.strip()

    @on(Select.Changed, "#admin")
    def _admin_chosen(self) -> None:
        """Ask the provider what the other admin key can see, unless it has been asked."""
        if self.admin != self._asked and self._phase in ("plan", "problem"):
            self._asked = self.admin
            self.plan_again()

    @property
    def jobs(self) -> Issuing:
        """The app, as what runs the workers."""
        return cast("Issuing", self.app)

    @on(messages.RunMoved)
    def _moved(self, message: messages.RunMoved) -> None:
        if message.run.key.id == self.key_id and self.follows(message.run):
            self.show_run(message.run)

    def follows(self, run: Run) -> bool:
        """Whether this screen tells how a worker of its key is doing."""
        del run
        return True

    def show_run(self, run: Run) -> None:
        """Show how far the worker is, or how it ended."""
        stepper = self.query_one(Stepper)
        for name, (stage, at) in run.stages.items():
            when = time.strftime("%H:%M:%S", time.localtime(at))
            stepper.mark(name, stage.state, f"{when}  {stage.sentence}")
        if run.running:
            if self._phase != "running":
                self.enter("running")
        else:
            self.query_one(Busy).stop()
            self.ended(run)

    def plan_again(self) -> None:
        """Ask the provider once more and show what would be done."""
        raise NotImplementedError

    def enter(self, phase: Phase) -> None:
        """Show what can be done now."""
        raise NotImplementedError

    def ended(self, run: Run) -> None:
        """Show how the worker ended."""
        raise NotImplementedError

    def action_cancel(self) -> None:
        """Leave; what runs goes on."""
        self.dismiss("")

    def action_close(self) -> None:
        """Leave when nothing is asked any more."""
        if self._phase in ("done", "waiting"):
            self.dismiss("")


def told(error: KeytuiError) -> str:
    """Return an error's sentence, and its hint unless that speaks of the command line."""
    typed = "keytui rotate" in error.hint or "--" in error.hint
    return error.sentence if typed else f"{error.sentence} {error.hint}".rstrip()


class Table(Static):
    """Labels and values, the values wrapped under each other. The text is never markup."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="table")
        self._rows: Sequence[tuple[str, str]] = ()

    def show(self, rows: Sequence[tuple[str, str]]) -> None:
        """Replace the rows."""
        self._rows = rows
        self.display = bool(rows)
        self._draw()

    def on_resize(self) -> None:
        """Wrap for the new width."""
        self._draw()

    def _draw(self) -> None:
        room = max(20, (self.content_size.width or 70) - _LABEL)
        drawn = []
        for label, text in self._rows:
            for number, line in enumerate(Content(words.plain(text)).wrap(room)):
                head = (label if number == 0 else "").ljust(_LABEL)
                drawn.append(Content.assemble((head, "$text-muted"), line))
        self.update(Content("\n").join(drawn))
