"""Pane 3: everything about the selected key but the secret, which stands here only while it is revealed."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from keytui.tui import actions, words
from keytui.tui.painting import entitle
from keytui.tui.widgets.key_list import provider_label
from keytui.tui.widgets.styles import STYLES

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence
    from typing import ClassVar

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from keytui.model import Key, Secret, Verdict
    from keytui.tui.facts import Facts

LABEL = 10
EVENTS_SHOWN = 6
CHANGES_SHOWN = 5
_AROUND_TITLE = 6
"""Cells of a border's line that its title does not get."""


Parts = list[tuple[str, str]]


def lines(facts: Facts, now: int, *, checking: bool = False) -> list[tuple[str, Parts]]:
    """Return the lines of the pane as (label, parts), a part being (text, tone).

    Args:
        checking: The key's provider is being asked right now.
    """
    key = facts.key
    found: list[tuple[str, Parts]] = []
    if key.kind == "admin":
        found.append(("Kind", [("admin key", "warn"), (", manages other keys and is never passed to programs", "dim")]))
    found.append(("Variable", [(key.env or "none", "" if key.env else "dim")]))
    address = key.base_url.removeprefix("https://")
    found.append(("Address", [(address, ""), (f"  {provider_label(key.provider)}", "dim")]))
    if key.model:
        found.append(("Model", [(key.model, "")]))
    found.append(("Health", [_checking()] if checking else _health(key, now)))
    found += _checks(key, facts.checks, now)
    found.append(("Due", _due(key, now)))
    found.append(("Created", [(words.date(key.created_at), ""), (f", {words.ago(key.created_at, now)}", "dim")]))
    if key.rotated_at != key.created_at:
        found.append(("Rotated", [(words.date(key.rotated_at), ""), (f", {words.ago(key.rotated_at, now)}", "dim")]))
    found.append(("Stored in", [(facts.store, "")]))
    current = next((version for version in facts.versions if version.state == "current"), None)
    if current is not None and current.remote_id:
        found.append((f"At {provider_label(key.provider)}", [(current.remote_id, "")]))
    if len(facts.versions) > 1:
        found.append(("Versions", _versions(facts)))
    if key.tags:
        found.append(("Tags", [("  ".join(key.tags), "")]))
    if key.note:
        found.append(("Note", [(key.note, "")]))
    events = [event for event in facts.events if event.type != "checked"][:EVENTS_SHOWN]
    for index, event in enumerate(events):
        when = words.fit(words.ago(event.at, now), 14)
        found.append(("Events" if index == 0 else "", [(when, "dim"), (event.detail or event.type, "")]))
    return found


def _checking() -> tuple[str, str]:
    return f"{words.CHECKING.sign} {words.CHECKING.word}", words.CHECKING.tone


def _health(key: Key, now: int) -> Parts:
    health = words.health(key)
    parts: Parts = [(f"{health.sign} {health.word}".strip(), health.tone)]
    if key.checked_at is not None and health.sign == words.said(key.verdict or "unknown").sign:
        parts.append((f", {words.ago(key.checked_at, now)}", ""))
        if key.latency_ms is not None:
            parts.append((f"  {key.latency_ms} ms", "dim"))
    return parts


def _checks(key: Key, checks: Sequence[Verdict], now: int) -> list[tuple[str, Parts]]:
    """Return what the last check got to see, what to do next, and when the verdict changed."""
    found: list[tuple[str, Parts]] = []
    last = checks[0] if checks and key.checked_at == checks[0].checked_at else None
    if last is not None:
        found.append(("", [(last.detail, "dim")]))
        if evidence := words.evidence(last):
            found.append(("", [(evidence, "dim")]))
    if step := words.next_step(key, now):
        found.append(("Next", [(step, "")]))
    # The oldest check of each run that said the same, the newest run first.
    pairs = zip_longest(checks, checks[1:])
    changes = [check for check, before in pairs if before is None or check.word != before.word]
    if last is not None and len(changes) > 1:
        for index, check in enumerate(changes[:CHANGES_SHOWN]):
            when, said = words.fit(words.ago(check.checked_at, now), 14), words.said(check.word)
            found.append(("Verdicts" if index == 0 else "", [(when, "dim"), (f"{said.sign} {said.word}", said.tone)]))
    return found


def _due(key: Key, now: int) -> Parts:
    if key.due_at is None:
        return [("never (no interval, no expiry)", "dim")]
    if key.expires_at is not None and key.expires_at < now:
        return [(f"expired on {words.date(key.expires_at)}", "bad")]
    text, tone = words.due(key, now)
    parts: Parts = [(text, tone), (f"  {words.date(key.due_at)}", "dim")]
    if key.rotate_every_days is not None:
        parts.append((f", every {words.count(key.rotate_every_days, 'day')}", "dim"))
    if key.expires_at is not None:
        parts.append((f", expires {words.date(key.expires_at)}", "dim"))
    return parts


def _versions(facts: Facts) -> Parts:
    parts: Parts = [(f"{len(facts.versions)}", "")]
    retiring = facts.rotation
    for version in facts.versions:
        if retiring is not None and version.id == retiring.retiring_version and retiring.retire_at is not None:
            parts.append((f", previous {version.masked} works until {words.moment(retiring.retire_at)}", "busy"))
        elif version.state == "previous":
            until = f" until {words.moment(version.purge_at)}" if version.purge_at is not None else ""
            parts.append((f", previous {version.masked}{until}", "dim"))
        elif version.state == "pending":
            parts.append((f", {version.masked} not yet in use", "busy"))
    return parts


def page(found: list[tuple[str, Parts]], width: int) -> Content:
    """Lay the lines out with their values aligned and wrapped under each other."""
    room = max(8, width - LABEL - 1)
    indent = " " * (LABEL + 1)
    rows: list[Content] = []
    for label, parts in found:
        value = Content.assemble(*((words.plain(text), STYLES[tone]) for text, tone in parts))
        for index, line in enumerate(value.wrap(room)):
            head = words.fit(label, LABEL) + " " if index == 0 else indent
            rows.append(Content.assemble((head, STYLES["dim"]), line))
    return Content("\n").join(rows)


class _Text(Static):
    """Text that cannot be selected: Ctrl+C would put a revealed key on the clipboard for good."""

    ALLOW_SELECT = False


class Details(VerticalScroll, can_focus=True):
    """The pane itself."""

    BINDINGS: ClassVar[list[BindingType]] = list(actions.bindings("list"))
    NOTHING = "The selected key's variable, address, age, versions and events show here. The key itself stays hidden."

    def __init__(self, clock: Callable[[], float], being_checked: Container[int]) -> None:
        super().__init__(id="details", classes="pane")
        self._clock = clock
        self._being_checked = being_checked
        self._facts: Facts | None = None
        self._secret: Secret | None = None
        self._hides_at = 0.0
        self._content = Content()
        self.border_title = "3 Details"

    def compose(self) -> ComposeResult:
        """Hold one text; it is drawn as a whole."""
        yield _Text(id="details-text", markup=False)

    def show(self, facts: Facts | None) -> None:
        """Show a key, or none. A revealed secret of another key, or one that is no longer this key's, is hidden."""
        before, after = (found.key if found is not None else None for found in (self._facts, facts))
        if before is None or after is None or after.id != before.id:
            self._secret = None
            self.scroll_home(animate=False)
        elif (after.masked, after.rotated_at) != (before.masked, before.rotated_at):
            self._secret = None
        self._facts = facts
        name = f" · {words.plain(facts.key.name)}" if facts is not None else ""
        entitle(self, f"3 Details{name}")
        self.draw()

    @property
    def facts(self) -> Facts | None:
        """What is shown."""
        return self._facts

    @property
    def revealing(self) -> bool:
        """Whether a secret is on screen."""
        return self._secret is not None

    def reveal(self, key_id: int, secret: Secret, hides_at: float) -> None:
        """Show the secret of the key, if it is still the one shown.

        Args:
            hides_at: Epoch seconds when it is hidden again; the owner calls tick().
        """
        if self._facts is None or self._facts.key.id != key_id:
            return
        self._secret, self._hides_at = secret, hides_at
        self.scroll_home(animate=False)
        self.draw()

    def hide(self) -> None:
        """Take the secret off the screen."""
        if self._secret is not None:
            self._secret = None
            self.draw()

    def tick(self) -> None:
        """Count down; called each second."""
        if self._secret is not None:
            if self._clock() >= self._hides_at:
                self._secret = None
            self.draw()

    def draw(self) -> None:
        """Draw the text for the present width."""
        if not self.is_mounted or not self.children:
            return
        width = self.scrollable_content_region.width
        if self._facts is None:
            content = Content.styled(self.NOTHING, STYLES["dim"])
        else:
            found = lines(self._facts, int(self._clock()), checking=self._facts.key.id in self._being_checked)
            found.insert(0, ("Key", [(self._facts.key.masked, "")]))
            name = words.plain(self._facts.key.name)
            cut = cell_len(f"3 Details · {name}") > self.outer_size.width - _AROUND_TITLE
            full = page([("Name", [(name, "")])], width) + Content("\n") if cut else Content()
            content = full + page(found, width)
            if self._secret is not None:
                left = max(1, round(self._hides_at - self._clock()))
                content = full + _revealed(self._secret, left, width) + Content("\n") + page(found[1:], width)
        if not content.is_same(self._content):
            self._content = content
            self.query_one("#details-text", Static).update(content)

    def action_run(self, action_id: str) -> None:
        """Scroll as the registry's action says."""
        scroll = {
            "down": self.scroll_down,
            "up": self.scroll_up,
            "top": self.scroll_home,
            "bottom": self.scroll_end,
            "page_down": self.scroll_page_down,
            "page_up": self.scroll_page_up,
        }.get(action_id)
        if scroll is not None:
            scroll(animate=False)

    def on_resize(self) -> None:
        """Wrap for the new width, once it is laid out: a change of height is overlooked while it is."""
        self.call_after_refresh(self.draw)


def _revealed(secret: Secret, seconds: int, width: int) -> Content:
    """Return the lines with the secret itself, folded anywhere, and when it hides."""
    room = max(8, width - LABEL - 1)
    rows = []
    for index, line in enumerate(Content(secret.reveal()).fold(room)):
        rows.append(Content.assemble(("Key" if index == 0 else "").ljust(LABEL + 1), (line.plain, "$warning bold")))
    rows.append(Content.assemble((" " * (LABEL + 1) + f"hides in {seconds} s, Esc hides it now", STYLES["warn"])))
    return Content("\n").join(rows)
