"""What each action of the registry does: `do_<id>` for every action whose place is the main screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, cast

from keytui.tui import actions, listing
from keytui.tui.screens.modal import DrawnOnce

if TYPE_CHECKING:
    from textual.binding import BindingType

    from keytui.model import Key
    from keytui.tui.actions import Context, Pane
    from keytui.tui.app import KeytuiApp

PANES: tuple[Pane, ...] = ("groups", "keys", "details", "test")


class Doing(DrawnOnce[None]):
    """The main screen's half that acts. It asks the other half for the key, the pane and the context."""

    BINDINGS: ClassVar[list[BindingType]] = list(actions.bindings("main"))

    pane: Pane

    # --- what the other half knows

    @property
    def key(self) -> Key | None:
        """The selected key."""
        raise NotImplementedError

    @property
    def coming(self) -> bool:
        """Whether the pane that was gone to is still to come: what is typed for it must do nothing elsewhere."""
        raise NotImplementedError

    def context(self) -> Context:
        """Return what decides which actions can be done."""
        raise NotImplementedError

    def focus_pane(self, pane: Pane) -> None:
        """Show a pane and put the focus into it."""
        raise NotImplementedError

    def open_filter(self) -> None:
        """Show the filter's line and put the focus into it."""
        raise NotImplementedError

    def step_back(self) -> None:
        """Do what Esc means here."""
        raise NotImplementedError

    def sort_next(self) -> None:
        """Change the order of the list."""
        raise NotImplementedError

    def hide_secret(self) -> None:
        """Take a revealed key off the screen."""
        raise NotImplementedError

    def shown_ids(self) -> tuple[int, ...]:
        """Return the ids of the keys listed."""
        raise NotImplementedError

    def all_keys(self) -> list[Key]:
        """Return every key that is not in the trash, whatever is shown."""
        raise NotImplementedError

    # --- the dispatcher

    @property
    def keytui(self) -> KeytuiApp:
        """The app, as what it is."""
        return cast("KeytuiApp", self.app)

    def action_run(self, action_id: str) -> None:
        """Do an action, or say why it cannot be done now."""
        action, context = actions.BY_ID[action_id], self.context()
        if (context.too_small or self.coming) and action_id != "quit":
            return  # too small: what to do stands on the screen, which has no room for more
        problem = actions.problem(action, context)
        if problem is not None:
            self.keytui.say(problem, severity="warning", timeout=4)
            return
        getattr(self, f"do_{action_id}")()

    def _selected(self) -> Key:
        key = self.key
        if key is None:
            raise RuntimeError("an action that needs a key ran without one")
        return key

    # --- keys

    def do_new(self) -> None:
        """Open the form for a new key."""
        from keytui.tui.screens.form import FormScreen

        self.app.push_screen(FormScreen(self.keytui.store, None, self.keytui.clock), self._added)

    def do_edit(self) -> None:
        """Open the form for the selected key."""
        from keytui.tui.screens.form import FormScreen

        self.app.push_screen(FormScreen(self.keytui.store, self._selected(), self.keytui.clock), self._stored)

    def _added(self, key_id: int | None) -> None:
        if key_id is not None:
            self.keytui.load(key_id)
            self.keytui.check((key_id,))

    def _stored(self, key_id: int | None) -> None:
        if key_id is not None:
            self.keytui.load(key_id)

    def do_rotate(self) -> None:
        """Open the rotation of the selected key: by its provider where an admin key can, else by pasting."""
        key = self._selected()
        admins = self._admins(key)
        if not admins and key.id not in self.keytui.runs:
            self._paste_rotation(key)
            return
        from keytui.tui.screens.issue import IssueScreen

        def left(wanted: str | None) -> None:
            if wanted == "paste":
                self._paste_rotation(key)
            else:
                self.keytui.load(key.id)

        self.app.push_screen(IssueScreen(self.keytui.store, key, admins, clock=self.keytui.clock), left)

    def _paste_rotation(self, key: Key) -> None:
        from keytui.tui.screens.rotate import RotateScreen

        def rotated(_done: bool | None) -> None:
            self.keytui.load(key.id)

        self.app.push_screen(RotateScreen(self.keytui.store, key), rotated)

    def _admins(self, key: Key) -> tuple[str, ...]:
        """Return the names of the admin keys that can manage a key, from what is listed."""
        from keytui.flows.matching import manages
        from keytui.providers.issuers import issuer_for

        if key.kind != "api" or issuer_for(key.provider) is None:
            return ()
        return tuple(each.name for each in self.all_keys() if manages(each, key))

    def do_delete(self) -> None:
        """Move the key to the trash, after a question."""
        self._ask_delete(now=False)

    def do_delete_now(self) -> None:
        """Delete the key at once, after a question."""
        self._ask_delete(now=True)

    def _ask_delete(self, *, now: bool) -> None:
        """Ask at once, so that the next key, typed ahead, answers the question and does nothing else."""
        from keytui.tui.screens.delete import DeleteScreen

        key = self._selected()

        def answered(answer: str | None) -> None:
            if answer == "y":
                self.keytui.delete(key, now=now)
            elif answer == "r":
                self._revoke(key)

        screen = DeleteScreen(
            key,
            self.keytui.settings.trash_days,
            now,
            revocable=key.state != "trash" and bool(self._admins(key)),
            clock=self.keytui.clock,
        )
        self.app.push_screen(screen, answered)

    def _revoke(self, key: Key) -> None:
        from keytui.tui.screens.revoke import RevokeScreen

        def left(_nothing: str | None) -> None:
            self.keytui.load()

        self.app.push_screen(RevokeScreen(self.keytui.store, key, self._admins(key), clock=self.keytui.clock), left)

    def do_undo(self) -> None:
        """Take back the newest change; in the trash, bring the selected key back."""
        self.keytui.undo(self.context().undoable, self.key)

    def do_check(self) -> None:
        """Check the selected key."""
        self.keytui.check((self._selected().id,))

    def do_check_all(self) -> None:
        """Check every key shown, those in the trash excepted."""
        self.keytui.check(self.shown_ids())

    def do_model(self) -> None:
        """Choose the model of test prompts."""
        from keytui.tui.screens.model import ModelScreen

        key = self._selected()

        def chosen(model: str | None) -> None:
            if model is not None and model != key.model:
                self.keytui.choose_model(key, model)

        self.app.push_screen(ModelScreen(key), chosen)

    def do_prompt(self) -> None:
        """Go to the prompt."""
        self.focus_pane("test")

    def do_copy(self) -> None:
        """Copy the key."""
        self.keytui.copy(self._selected().id)

    def do_reveal(self) -> None:
        """Show the key in Details."""
        self.focus_pane("details")
        self.keytui.reveal(self._selected().id)

    def do_keys_page(self) -> None:
        """Open the provider's page of keys."""
        self.keytui.open_page(actions.page_of(self._selected(), "keys_page"))

    def do_usage_page(self) -> None:
        """Open the provider's page of usage."""
        self.keytui.open_page(actions.page_of(self._selected(), "usage_page"))

    # --- looking and moving

    def do_filter(self) -> None:
        """Open the filter."""
        self.open_filter()

    def do_sort(self) -> None:
        """Change the order."""
        self.sort_next()

    def do_groups(self) -> None:
        """Go to pane 1."""
        self.focus_pane("groups")

    def do_keys(self) -> None:
        """Go to pane 2."""
        self.focus_pane("keys")

    def do_details(self) -> None:
        """Go to pane 3."""
        self.focus_pane("details")

    def do_test(self) -> None:
        """Go to pane 4."""
        self.focus_pane("test")

    def do_next_pane(self) -> None:
        """Go to the next pane."""
        self._cycle(1)

    def do_previous_pane(self) -> None:
        """Go to the pane before."""
        self._cycle(-1)

    def _cycle(self, step: Literal[1, -1]) -> None:
        here = PANES.index("keys" if self.pane == "filter" else self.pane)
        self.focus_pane(PANES[(here + step) % len(PANES)])

    def do_back(self) -> None:
        """Go one step back."""
        self.step_back()

    # --- the app

    def do_lock(self) -> None:
        """Lock the vault."""
        self.hide_secret()
        self.keytui.lock()

    def do_help(self) -> None:
        """Show every key."""
        from keytui.tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self.context()))

    def do_quit(self) -> None:
        """Leave."""
        self.app.exit()


def empty_lines(context: Context, chosen: listing.Group, text: str, *, nothing: bool) -> list[list[tuple[str, str]]]:
    """Return what stands in an empty list, as lines of (text, tone).

    Args:
        chosen: The group shown.
        text: The filter.
        nothing: The store holds no key at all, not even in the trash.
    """
    if nothing:
        return _first_steps(context)
    if text:
        return [[(f"No key here matches “{text}”. ", "dim"), ("Esc", "mark"), (" clears the filter.", "dim")]]
    sentence = {
        "all": "No keys. n adds one.",
        "due": "Nothing is due within 14 days.",
        "unhealthy": "No key is known to fail. T checks all that are shown.",
        "rotating": "No rotation is under way.",
        "admin": "No admin keys.",
        "trash": "The trash is empty.",
    }.get(chosen.kind, "No keys here.")
    return [[(sentence, "dim")]]


def _first_steps(context: Context) -> list[list[tuple[str, str]]]:
    status = context.status
    if status is None or status.backend is None:
        where = "Keys go to the OS keyring, or to an encrypted vault where there is none."
    elif status.state == "unset":
        where = "Keys go to an encrypted vault. You choose its passphrase with the first key."
    else:
        where = f"Keys go to: {status.label}. {status.reason}".rstrip()
    return [
        [("No keys yet. Three steps to begin:", "")],
        [],
        [("  n  ", "mark"), ("New: paste a key, the rest is filled in", "")],
        [("  t  ", "mark"), ("Check: ask the provider whether it works, at no cost", "")],
        [("  ?  ", "mark"), ("Every keyboard shortcut", "")],
        [],
        [(where, "dim")],
    ]
