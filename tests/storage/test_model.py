"""hypothesis drives a store with random sequences of operations, faults and restarts, against plain dictionaries."""

from __future__ import annotations

import shutil
import tempfile
from copy import deepcopy
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from keytui import settings as settings_module
from keytui.errors import KeytuiError, NameTaken, StoreError, StoreLocked, StoreRefused, StoreUnavailable
from keytui.model import DAY
from keytui.storage import steps
from tests.storage.dictionary import Faulty, Kept, Model, picture
from tests.storage.helpers import Clock
from tests.stores import fake_key, fields, memory_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.model import Key
    from keytui.storage.keystore import Keystore

NAMES = st.sampled_from(("a", "b", "c", "d"))
NOTES = st.sampled_from(("", "one", "two"))
WHICH = st.integers(0, 5)
TRASH, KEPT = 1 * DAY, 30 * DAY


class Fault(NamedTuple):
    """What goes wrong during one operation.

    Attributes:
        kind: "killed" at a step; "locked" from the start; or a call to the store that fails, see ERRORS.
        number: Which step or call, from 0.
    """

    kind: str
    number: int


ERRORS = {
    "refused": StoreRefused("No."),
    "silent": StoreUnavailable("No answer."),
    "late": StoreUnavailable("No answer, but it was done."),
    "locks": StoreLocked("os", "It is locked."),
}
FAULTS = st.none() | st.builds(Fault, st.sampled_from(("killed", "locked", *ERRORS)), st.integers(0, 5))


class Killed(BaseException):
    """Plays a kill: nothing in keytui catches it."""


class Machine(RuleBasedStateMachine):
    """The store, the dictionary beside it, and every operation on both."""

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.mkdtemp()
        self.settings = settings_module.load({"KEYTUI_HOME": self.home, "KEYTUI_NO_CACHE": "1"})
        self.clock, self.memory, self.model = Clock(), Faulty(), Model()
        self.ids: dict[int, int] = {}
        self.kill_at: int | None = None
        self.store = self._opened()
        self.restore = steps.reached
        steps.reached = self._reached

    def teardown(self) -> None:
        steps.reached = self.restore
        self.store.close()
        shutil.rmtree(self.home)

    # --- operations

    @rule(name=NAMES, note=NOTES, fault=FAULTS)
    def add(self, name: str, note: str, fault: Fault | None) -> None:
        secret, after = fake_key(), deepcopy(self.model)
        number = len(self.ids) + 1
        after.keys[number] = Kept(name, note, secret.reveal())
        wrong = NameTaken if self.model.taken(name) else None
        self.do(fault, lambda: self.store.add(fields(name, note=note), secret), after, wrong)
        if number in self.model.keys:
            self.ids[number] = self.store.find(name).id
        else:
            self.ids[number] = 0

    @precondition(lambda self: self.model.keys)
    @rule(which=WHICH, name=NAMES, note=NOTES, fault=FAULTS)
    def edit(self, which: int, name: str, note: str, fault: Fault | None) -> None:
        number, after = self.pick(which), deepcopy(self.model)
        key = after.keys[number]
        if key.trash is not None:
            return
        if (key.name, key.note) != (name, note):
            after.undo.append((number, "edited", (key.name, key.note)))
        key.name, key.note = name, note
        wrong = NameTaken if self.model.taken(name, number) else None
        self.do(fault, lambda: self.store.edit(self.ids[number], fields(name, note=note)), after, wrong)

    @precondition(lambda self: self.model.keys)
    @rule(which=WHICH, fault=FAULTS)
    def begin(self, which: int, fault: Fault | None) -> None:
        number, secret, after = self.pick(which), fake_key(), deepcopy(self.model)
        key = after.keys[number]
        wrong = KeytuiError if key.trash is not None or key.coming is not None else None
        key.coming = secret.reveal()
        self.do(fault, lambda: self.store.begin_rotation(self.ids[number], secret), after, wrong)

    @precondition(lambda self: any(key.coming for key in self.model.keys.values()))
    @rule(which=WHICH, fault=FAULTS)
    def switch(self, which: int, fault: Fault | None) -> None:
        number, after = self.pick(which, lambda key: key.coming is not None), deepcopy(self.model)
        key = after.keys[number]
        assert key.coming is not None
        key.previous[key.value] = self.clock.now + KEPT
        after.undo.append((number, "rotated", (key.value, key.coming)))
        key.value, key.coming = key.coming, None
        self.do(fault, lambda: self.store.switch(self.rotation(number)), after)

    @precondition(lambda self: any(key.coming for key in self.model.keys.values()))
    @rule(which=WHICH, fault=FAULTS)
    def abandon(self, which: int, fault: Fault | None) -> None:
        number, after = self.pick(which, lambda key: key.coming is not None), deepcopy(self.model)
        after.keys[number].coming = None
        self.do(fault, lambda: self.store.abandon_rotation(self.rotation(number)), after)

    @precondition(lambda self: self.model.keys)
    @rule(which=WHICH, fault=FAULTS)
    def delete(self, which: int, fault: Fault | None) -> None:
        number, after = self.pick(which), deepcopy(self.model)
        key = after.keys[number]
        if key.trash is None:
            key.trash, key.coming = self.clock.now + TRASH, None
            after.undo.append((number, "deleted", None))
        self.do(fault, lambda: self.store.delete(self.ids[number]), after)

    @precondition(lambda self: self.model.keys)
    @rule(which=WHICH, fault=FAULTS)
    def delete_now(self, which: int, fault: Fault | None) -> None:
        number, after = self.pick(which), deepcopy(self.model)
        after.drop(number)
        self.do(fault, lambda: self.store.delete(self.ids[number], now=True), after, between=self.half_deleted(number))

    @precondition(lambda self: self.model.top() is not None)
    @rule(fault=FAULTS)
    def undo(self, fault: Fault | None) -> None:
        after = deepcopy(self.model)
        top = after.top()
        assert top is not None
        number, kind, before = after.undo.pop(top)
        key, wrong = after.keys[number], None
        if kind == "deleted":
            key.trash = None
            wrong = NameTaken if self.model.taken(key.name) else None
        elif kind == "edited":
            assert before is not None
            key.name, key.note = before
            wrong = NameTaken if self.model.taken(key.name, number) else None
        else:
            assert before is not None
            del key.previous[before[0]]
            key.previous[key.value] = self.clock.now + KEPT
            key.value = before[0]
        event = self.store.undoable()
        assert event is not None
        self.do(fault, lambda: self.store.undo(event.id), after, wrong)

    @rule(days=st.sampled_from((1, 30)), fault=FAULTS)
    def purge(self, days: int, fault: Fault | None) -> None:
        self.clock.now += days * DAY
        after = deepcopy(self.model)
        between: list[Model] = []
        for number, key in list(after.keys.items()):
            if key.trash is not None and key.trash <= self.clock.now:
                between += self.half_deleted(number, after)
                after.drop(number)
                between.append(deepcopy(after))
        for number, key in list(after.keys.items()):
            for value in [value for value, until in key.previous.items() if until <= self.clock.now]:
                after.drop_previous(number, value)
                between.append(deepcopy(after))
        self.do(fault, self.store.purge, after, between=between)

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = self._opened()
        assert self.store.recover() == []

    # --- always

    @invariant()
    def the_same(self) -> None:
        assert picture(self.store) == self.model.picture()

    # --- how

    def do(
        self,
        fault: Fault | None,
        operation: Callable[[], object],
        after: Model,
        wrong: type[KeytuiError] | None = None,
        *,
        between: list[Model] | None = None,
    ) -> None:
        """Do an operation; with a fault, the store must be as before or as after, once it works again."""
        self._plan(fault)
        try:
            operation()
        except (StoreError, Killed):
            assert fault is not None
        except KeytuiError as error:
            if wrong is None or not isinstance(error, wrong):
                raise
            after = self.model
        else:
            assert wrong is None
        self.memory.calls, self.memory.locked, self.kill_at = None, False, None
        if fault is None:
            self.model = after
            return
        self.store.close()
        self.store = self._opened()
        self.store.recover()
        seen = picture(self.store)
        fitting = [model for model in (after, self.model, *(between or ())) if model.picture() == seen]
        assert fitting, f"neither as before nor as after: {seen}"
        self.model = fitting[0]
        slots = {each.slot for key in self._all() for each in self.store.versions(key.id)}
        assert set(self.memory.secrets) == slots
        assert self.store.recover() == []

    def half_deleted(self, number: int, model: Model | None = None) -> list[Model]:
        """A deletion that the store refuses halfway has taken some of the other values; they go oldest first."""
        found = []
        half = deepcopy(model or self.model)
        half.keys[number].coming = None
        found.append(deepcopy(half))
        for value in list(half.keys[number].previous):
            half.drop_previous(number, value)
            found.append(deepcopy(half))
        return found

    def pick(self, which: int, fits: Callable[[Kept], bool] = lambda _: True) -> int:
        numbers = [number for number, key in self.model.keys.items() if fits(key)]
        return numbers[which % len(numbers)]

    def rotation(self, number: int) -> int:
        return next(row.id for row in self.store.rotations() if row.key_id == self.ids[number])

    def _plan(self, fault: Fault | None) -> None:
        if fault is None:
            return
        if fault.kind == "killed":
            self.kill_at = fault.number
        elif fault.kind == "locked":
            self.memory.locked = True
        else:
            self.memory.calls, self.memory.error = fault.number, ERRORS[fault.kind]
            self.memory.late = fault.kind == "late"

    def _all(self) -> list[Key]:
        return self.store.keys() + self.store.keys(trash=True)

    def _opened(self) -> Keystore:
        return memory_store(self.settings, memory=self.memory, clock=self.clock)

    def _reached(self, name: str) -> None:
        del name
        if self.kill_at is not None:
            self.kill_at -= 1
            if self.kill_at < 0:
                self.kill_at = None
                raise Killed


@pytest.mark.parametrize("examples", [10, pytest.param(150, marks=pytest.mark.slow)])
def test_a_store_is_a_dictionary(examples: int) -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            database=None,
            derandomize=examples <= 100,
            suppress_health_check=list(HealthCheck),
        ),
    )
