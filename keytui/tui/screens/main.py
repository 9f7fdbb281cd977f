"""The main screen: what happens on messages from panes and workers. The layout is in panes.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on

from keytui.tui import actions, listing, messages, words
from keytui.tui.screens.panes import Panes
from keytui.tui.widgets.groups import Groups
from keytui.tui.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    from textual.timer import Timer
    from textual.widgets import Input

    from keytui.model import Key, Secret, VerdictWord

_TOGETHER_SECONDS = 0.1
WAIT_SECONDS = 0.05
"""When it is shown that an answer is awaited. Drawing it at once would hold up the request it is about."""


class MainScreen(Panes):
    """The screen the app starts on."""

    def __init__(self, *, demo: bool) -> None:
        super().__init__(demo=demo)
        self._version = -1
        self._clears_at: float | None = None
        self._to_check: set[int] = set()
        self._verdicts: dict[int, VerdictWord] = {}
        self._unkept: dict[int, Key] = {}
        self._news: set[int] = set()
        self._drawing: Timer | None = None
        self._minute = 0

    def settled(self) -> None:
        """After the first paint: read the other rows, tidy up, and watch for changes."""
        self.keytui.load()
        self.keytui.tidy_up()
        self.set_interval(1, self.tick, name="look for changes")

    # --- from the panes

    @on(messages.GroupChosen)
    def _group_chosen(self, message: messages.GroupChosen) -> None:
        if message.group != self.listing.group:
            self.listing.group = message.group
            self.show_listing()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        if event.input.id == "filter" and event.value != self.listing.text:
            self.listing.text = event.value
            self.show_listing()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter, or send the prompt."""
        if event.input.id == "filter":
            self.focus_pane("keys")
        elif event.input.id == "prompt":
            self._send(event.value)

    @on(messages.RowOpened)
    def _row_opened(self) -> None:
        self.focus_pane("keys" if self.pane == "groups" else "details")

    @on(messages.KeyPointed)
    def _key_pointed(self, message: messages.KeyPointed) -> None:
        self.point(message.key)
        self.show_keys()

    # --- news

    def tick(self) -> None:
        """Each second: count down, and look whether another process changed the index."""
        now = self.keytui.clock()
        if self.details is not None:
            self.details.tick()
        self._show_note()
        self.keytui.look(self._version, self._status)
        if int(now) // 60 != self._minute:
            self._minute = int(now) // 60
            self.keys.redraw()
            if self._counts is not None and self._counts.rotating:
                self.keytui.each_minute()

    def _show_note(self) -> None:
        """Show in the key bar what is going on."""
        now = self.keytui.clock()
        note = short = ""
        if self._clears_at is not None:
            left = round(self._clears_at - now)
            if left <= 0:
                self._clears_at = None
            else:
                note, short = f"clipboard clears in {left} s", f"clears in {left} s"
        several = len(self._to_check) if len(self._to_check) > 1 else 0
        self.show_progress(len(self._to_check.difference(self.keytui.being_checked)), several)
        self.query_one(KeyBar).note(note, short)

    @on(messages.Loaded)
    def _loaded(self, message: messages.Loaded) -> None:
        snapshot = message.snapshot
        self._version = snapshot.version
        self._counts, self._status, self._undoable = snapshot.counts, snapshot.status, snapshot.undoable
        keys = [self._with_unkept(key) for key in snapshot.keys] if self._unkept else snapshot.keys
        self.listing.fill(keys, snapshot.trash, snapshot.haystacks)
        select = self.keytui.wanted
        if select is not None and select not in snapshot.haystacks:
            select = None
        if select is not None:
            self.keytui.wanted = None
        if select is not None and all(key.id != select for key in self.listing.rows(int(self.keytui.clock()))):
            self.listing.group = listing.ALL
            self.clear_filter()
            self.query_one(Groups).cursor = 0
        self.show_listing(select=select)
        self.point(self.key)

    @on(messages.FactsRead)
    def _facts_read(self, message: messages.FactsRead) -> None:
        key = self.key
        if key is not None and key.id == message.facts.key.id:
            self.show_facts(message.facts._replace(key=key))

    @on(messages.LoadFailed)
    def _load_failed(self, message: messages.LoadFailed) -> None:
        self._version = -1
        self.show_load_error(message.sentence, message.hint)

    @on(messages.Told)
    def _told(self, message: messages.Told) -> None:
        self.keytui.say(message.sentence)
        self.keytui.load(message.select)

    @on(messages.CheckStarted)
    def _check_started(self, message: messages.CheckStarted) -> None:
        self._to_check.update(message.key_ids)
        self._draw_checking()
        self._show_note()

    @on(messages.Checked)
    def _checked(self, message: messages.Checked) -> None:
        key, verdict = self.listing.key(message.key_id), message.verdict
        if key is None or verdict is None:
            self._draw_soon()
            return
        self._verdicts[key.id] = verdict.word
        self._said[key.id] = verdict
        fresh = key._replace(verdict=verdict.word, checked_at=verdict.checked_at, latency_ms=verdict.latency_ms)
        self._unkept.pop(fresh.id, None)
        if not message.kept:
            self._unkept[fresh.id] = fresh
        self.listing.replace(fresh)
        self._news.add(fresh.id)
        self._draw_soon()

    def _draw_checking(self) -> None:
        self.keys.redraw()
        if self.details is not None:
            self.details.draw()

    def _draw_soon(self) -> None:
        """Draw what checks said: a single one at once, of many those of a tenth of a second together."""
        if len(self._to_check) < 2:
            self._draw_checked()
        elif self._drawing is None:
            self._drawing = self.set_timer(_TOGETHER_SECONDS, self._draw_checked, name="draw what checks said")

    def _draw_checked(self) -> None:
        self._drawing = None
        self._show_note()
        self.show_listing()
        key = self.key
        if key is not None and key.id in self._news:
            self.point(key)
        elif self.details is not None:
            self.details.draw()  # its check may have ended without a verdict
        self._news.clear()

    def _with_unkept(self, key: Key) -> Key:
        """Return the key with the verdict that could not be noted, while that is of this very key and the newest."""
        fresh = self._unkept.get(key.id)
        if fresh is None or (key.checked_at or 0) >= (fresh.checked_at or 0):
            return key
        told = key._replace(verdict=fresh.verdict, checked_at=fresh.checked_at, latency_ms=fresh.latency_ms)
        return fresh if told == fresh else key

    @on(messages.ChecksEnded)
    def _checks_ended(self, message: messages.ChecksEnded) -> None:
        if message.stopped and self._to_check and not self._verdicts:
            self.keytui.say("Stopped. No verdict had come yet.")
        if not self.keytui.being_checked:
            self._say_checked()
        self._draw_checking()
        self._show_note()
        self.keytui.load()

    def _say_checked(self) -> None:
        """Sum up a run over several keys by what providers said: a key nobody was asked about is not counted."""
        wanted, said = len(self._to_check), list(self._verdicts.values())
        self._to_check, self._verdicts = set(), {}
        if wanted < 2 or not said:
            return
        of = "" if len(said) == wanted else f"{len(said):,} of "
        failing = len(said) - said.count("valid")
        rest = f"{failing:,} of them need{'s' * (failing == 1)} a look." if failing else "All of them work."
        self.keytui.say(f"Checked {of}{words.count(wanted, 'key')}. {rest if len(said) > 1 else ''}".rstrip())

    # --- prompt, copy, reveal

    def _send(self, text: str) -> None:
        context = self.context()
        problem = actions.problem(actions.BY_ID["prompt"], context)
        if problem is not None or context.key is None or self.test is None:
            self.keytui.say(problem or "No key is selected.", severity="warning")
            return
        if (other := self.test.other) is not None:
            self.keytui.say(f"“{words.plain(other.name)}” is still answering. Esc stops it.", severity="warning")
            return
        self.keytui.prompt(context.key.id, self.test.sent(text), self.test.system.value.strip())

    @on(messages.PromptStarted)
    def _prompt_started(self, message: messages.PromptStarted) -> None:
        key = self.listing.key(message.key_id)
        if self.test is not None and key is not None:
            self.test.start(key, message.run)
            self.set_timer(WAIT_SECONDS, self.show_keys, name="show that Esc stops")

    @on(messages.PromptText)
    def _prompt_text(self, message: messages.PromptText) -> None:
        if self.test is not None and message.run == self.test.run:
            self.test.add(message.text, message.spells)

    @on(messages.PromptEnded)
    def _prompt_ended(self, message: messages.PromptEnded) -> None:
        if self.test is not None and message.run == self.test.run:
            self.test.end(message.summary, message.sentence, message.hint, message.verdict)
            self.show_keys()

    @on(messages.Copied)
    def _copied(self, message: messages.Copied) -> None:
        self._clears_at = message.clears_at
        self._show_note()
        self.keytui.say(message.sentence)

    def show_secret(self, key_id: int, secret: Secret) -> None:
        """Reveal a key for some seconds, unless the person has gone elsewhere since asking for it."""
        if self.details is not None and self.app.app_focus and self.app.screen is self:
            hides_at = self.keytui.clock() + self.keytui.settings.reveal_seconds
            self.details.reveal(key_id, secret, hides_at)

    def on_screen_suspend(self) -> None:
        """Hide a revealed key while another screen lies over this one."""
        self.hide_secret()
