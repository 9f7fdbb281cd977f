"""The layout of the main screen: four panes between a top bar and a key bar, where the focus is, what each shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal
from textual.widgets import Static

from keytui.errors import KeytuiError
from keytui.tui import listing, words
from keytui.tui.actions import Context
from keytui.tui.painting import entitle
from keytui.tui.screens.doing import PANES, Doing, empty_lines
from keytui.tui.widgets.groups import Groups
from keytui.tui.widgets.key_bar import KeyBar
from keytui.tui.widgets.key_list import KeyList, KeysPane
from keytui.tui.widgets.top_bar import TopBar

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult
    from textual.widget import Widget

    from keytui.model import Event, Key, StoreStatus, Verdict
    from keytui.storage.rows import Counts
    from keytui.tui.actions import Pane
    from keytui.tui.facts import Facts
    from keytui.tui.widgets.details import Details
    from keytui.tui.widgets.prompt_pane import PromptPane

WIDE = 120
LEAST = (60, 20)
_LATER: tuple[Pane, ...] = ("details", "test")
"""Panes that are mounted after the first paint."""
PROGRESS = 20
"""Cells of the bar that shows how far a run of checks is."""
FIRST_SECONDS = 1.0
"""How long the first paint waits for the index, which takes a hundredth of that unless another program holds it."""


class Panes(Doing):
    """Holds the listing and shows it in the panes. MainScreen adds what happens on messages.

    Attributes:
        pane: The pane that has the focus, or had it last.
        lower: Which of panes 3 and 4 a narrow terminal shows.
    """

    AUTO_FOCUS = "#key-list"

    def __init__(self, *, demo: bool) -> None:
        super().__init__(id="main")
        self._demo = demo
        self.pane: Pane = "keys"
        self.lower: Pane = "details"
        self.listing = listing.Listing()
        self._counts: Counts | None = None
        self._status: StoreStatus | None = None
        self._undoable: Event | None = None
        self._uncovered: Widget | None = None
        self._before_filter: int | None = None
        self._progress = ""
        self._said: dict[int, Verdict] = {}
        # Kept: looking for them cost 1 ms with every piece of an answer.
        self._details: Details | None = None
        self._test: PromptPane | None = None

    # --- layout

    def compose(self) -> ComposeResult:
        """Lay out what the first paint needs; panes 3 and 4 follow it."""
        yield TopBar(demo=self._demo)
        groups = Groups()
        groups.border_title = "1 Groups"
        yield groups
        keys = KeysPane(self.keytui.clock, self.keytui.being_checked)
        keys.border_title = "2 Keys"
        yield keys
        yield KeyBar()

    def on_mount(self) -> None:
        """Show the first rows at once; the rest is read after the first paint."""
        self.lay_out()
        try:
            seen = self.keytui.first_look.take(FIRST_SECONDS)
        except KeytuiError as error:
            self.show_load_error(error.sentence, error.hint)
        else:
            if seen is None:
                self.show_load_error("Waiting for the list of keys.", "Another program may hold the index.")
            else:
                self._counts, self._status = seen.counts, seen.status
                self.listing.fill(seen.keys, [], {})
                self.show_listing(first=True)
        self.call_after_refresh(self._settle)

    async def _settle(self) -> None:
        """After the first paint: the other panes, the other rows, and the clock."""
        from keytui.tui.widgets.details import Details
        from keytui.tui.widgets.keyless import KeylessInput
        from keytui.tui.widgets.prompt_pane import PromptPane

        field = KeylessInput(
            id="filter", placeholder="Filter: name, provider, tag, note, health…", select_on_focus=False
        )
        field.display = False
        await self.query_one(KeysPane).mount(field, before=0)
        details, test = Details(self.keytui.clock, self.keytui.being_checked), PromptPane()
        await self.mount(Horizontal(details, test, id="lower"), after="#keys")
        self._details, self._test = details, test
        if self.pane in _LATER:
            self.focus_pane(self.pane)
        self.lay_out()
        self.point(self.key)
        self.settled()

    def settled(self) -> None:
        """Do what comes once all panes are there."""
        raise NotImplementedError

    @property
    def details(self) -> Details | None:
        """Pane 3, once it is there."""
        return self._details

    @property
    def test(self) -> PromptPane | None:
        """Pane 4, once it is there."""
        return self._test

    @property
    def coming(self) -> bool:
        """See Doing."""
        return self.pane in _LATER and self._details is None

    @property
    def keys(self) -> KeyList:
        """The list of pane 2."""
        return self.query_one(KeyList)

    @property
    def key(self) -> Key | None:
        """The selected key."""
        return self.keys.key

    def on_resize(self, event: events.Resize) -> None:
        """Fit the panes into the new size."""
        self.lay_out(event.size.width)
        self._cover_when_small()

    def lay_out(self, width: int | None = None) -> None:
        """Show all panes from 120 columns on, below that the list with one of the others."""
        width = self.app.size.width if width is None else width
        wide = width >= WIDE
        self.query_one(Groups).display = wide or self.pane == "groups"
        names = {"groups": "1 Groups", "details": "3 Details", "test": "4 Test"}
        for pane in self.query("#lower > .pane"):
            pane.display = wide or pane.id == self.lower
            away = [name for id_, name in names.items() if id_ not in (pane.id, self.pane)]
            entitle(pane, subtitle="" if wide else " · ".join(away))

    def _cover_when_small(self) -> None:
        """Say which size is needed while the terminal is smaller; everything stays as it is underneath."""
        size = self.app.size
        covers = self.query("#too-small")
        if size.width >= LEAST[0] and size.height >= LEAST[1]:
            if covers:
                covers.remove()
                self.set_focus(self._uncovered)
            return
        sentence = f"keytui needs {LEAST[0]}×{LEAST[1]} characters; this terminal has {size.width}×{size.height}."
        if covers:
            covers.only_one(Static).update(sentence)
        else:
            self.hide_secret()
            self._uncovered = self.focused
            self.set_focus(None)  # what is typed must not go into a field nobody sees
            self.mount(Static(sentence, id="too-small", markup=False))

    # --- focus

    def focus_pane(self, pane: Pane) -> None:
        """Show a pane and put the focus into it."""
        if pane in _LATER:
            self.lower = pane
        self.pane = pane
        self.lay_out()
        target = {"groups": "#groups", "keys": "#key-list", "details": "#details", "test": "#prompt"}[pane]
        # At once, unlike Widget.focus(): the next key may have been typed already. None while the pane is to come.
        self.set_focus(next(iter(self.query(target)), None))
        if pane == "test" and self.test is not None:
            self.test.enter()
        self.show_keys()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Follow the focus, wherever a key or the mouse put it."""
        ids = [node.id for node in event.widget.ancestors_with_self]
        found = "filter" if event.widget.id == "filter" else next((pane for pane in PANES if pane in ids), None)
        if found is None:
            return
        self.pane = found
        if found in _LATER:
            self.lower = found
        self.lay_out()
        self.show_keys()

    def context(self) -> Context:
        """Return what decides which actions can be done."""
        answering = self.test.answering if self.test is not None else False
        small = bool(self.query("#too-small"))
        shown = len(self.keys.keys)
        return Context(self.pane, self.key, shown, self._undoable, self._status, answering, small)

    def show_keys(self) -> None:
        """Show the keys of the focused pane."""
        self.query_one(KeyBar).show(self.context())

    # --- the list

    def show_listing(self, *, select: int | None = None, first: bool = False) -> None:
        """Show the rows of group, filter and order, the cursor staying on its key.

        Args:
            first: More rows are still to come; room is made for them.
        """
        rows = self.listing.rows(int(self.keytui.clock()))
        keys, counts = self.keys, self._counts
        keys.sorting = self.listing.sorting
        nothing = counts is not None and not counts.total and not counts.trash
        keys.empty = empty_lines(self.context(), self.listing.group, self.listing.text, nothing=nothing)
        keys.set_keys(rows, select=select, total=counts.total if first and counts is not None else None)
        self._show_titles(len(rows))
        if counts is not None:
            self.query_one(Groups).set_counts(counts)
        self.query_one(TopBar).show(self._status, counts)
        self.show_keys()

    def _show_titles(self, shown: int) -> None:
        chosen, total = self.listing.group, self._counts.total if self._counts is not None else 0
        label = "" if chosen == listing.ALL else f" · {words.plain(chosen.label)}"
        parts = [self._progress] if self._progress else []
        if self.listing.text:
            parts.append(f"{shown:,} of {total:,}")
        if self.listing.sorting != "name":
            parts.append(f"by {self.listing.sorting}")
        entitle(self.query_one(KeysPane), f"2 Keys{label}", " · ".join(parts))

    def show_load_error(self, sentence: str, hint: str) -> None:
        """Say in the list why there is none."""
        keys = self.keys
        keys.empty = [[(sentence, "bad")], [], [(hint, "dim")]]
        keys.set_keys([])
        self.query_one(TopBar).show(self._status, None)
        self.show_keys()

    def shown_ids(self) -> tuple[int, ...]:
        """Return the ids of the keys listed, those in the trash excepted."""
        return tuple(key.id for key in self.keys.keys if key.state not in ("trash", "missing"))

    def show_progress(self, done: int, total: int) -> None:
        """Show in the border of the list how many of the checks have ended; nothing when `total` is 0."""
        filled = PROGRESS * done // total if total else 0
        bar = f"{'━' * filled}{'╌' * (PROGRESS - filled)}"
        self._progress = f"checked {done:,} of {total:,} {bar} Esc stops" if total else ""
        self._show_titles(len(self.keys.keys))

    def all_keys(self) -> list[Key]:
        """Return every key that is not in the trash, whatever is shown."""
        return self.listing.keys

    def sort_next(self) -> None:
        """Change the order: name, due, health, age, and around."""
        here = listing.SORTINGS.index(self.listing.sorting)
        self.listing.sorting = listing.SORTINGS[(here + 1) % len(listing.SORTINGS)]
        self.show_listing()

    def open_filter(self) -> None:
        """Show the filter's line and put the focus into it."""
        if self.key is not None:
            self._before_filter = self.key.id
        for field in self.query("#filter"):
            self.pane = "filter"
            self.lay_out()
            field.display = True
            self.set_focus(field)
            self.show_keys()

    def point(self, key: Key | None) -> None:
        """Show a key in panes 3 and 4."""
        if self.details is not None:
            facts = self.keytui.facts(key, self.details.facts) if key is not None else None
            self.show_facts(facts)
            if facts is not None:
                self.keytui.read_facts(facts)
        if self.test is not None:
            self.test.show(key)

    def show_facts(self, facts: Facts | None) -> None:
        """Show what is known of a key, its last verdict too while that is not yet read from the index, or not in it."""
        said = self._said.get(facts.key.id) if facts is not None else None
        if facts is not None and said is not None and said not in facts.checks[:1]:
            newest = (facts.key.verdict, facts.key.checked_at) == (said.word, said.checked_at)
            facts = facts._replace(checks=(said, *facts.checks)) if newest else facts
        if self.details is not None:
            self.details.show(facts)

    def step_back(self) -> None:
        """Hide a revealed key; or stop the answer, or the checks; or clear the filter; or go to the list."""
        if self.details is not None and self.details.revealing:
            self.details.hide()
        elif self.pane == "test" and self.test is not None and self.test.answering:
            self.keytui.workers.cancel_group(self.keytui, "prompt")
        elif self.pane == "test" and self.test is not None and self.test.system.has_focus:
            self.test.show_system(False)
        elif self.pane != "filter" and self.keytui.being_checked:
            self.keytui.stop_checks()
        elif self.pane in ("filter", "keys") and self.filtering:
            self.clear_filter()
        else:
            self.lower = "details"
            self.focus_pane("keys")

    def hide_secret(self) -> None:
        """Take a revealed key off the screen."""
        if self.details is not None:
            self.details.hide()

    @property
    def filtering(self) -> bool:
        """Whether the filter's line is on screen."""
        return any(field.display for field in self.query("#filter"))

    def clear_filter(self) -> None:
        """Take the filter away; the cursor stays on its key, or returns from where nobody but the filter put it."""
        from textual.widgets import Input

        select = self._before_filter if self.pane == "filter" or self.key is None else None
        self.focus_pane("keys")
        for field in self.query("#filter").results(Input):
            field.display = False
            field.value = ""
        self.listing.text = ""
        self.show_listing(select=select)
