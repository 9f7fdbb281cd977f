"""The one registry of actions: key bar, help, command palette, bindings and the README's table come from it.

An action that cannot be done now is not hidden: it is dim, and its key says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from textual.binding import Binding

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from keytui.model import Event, Key, StoreStatus

    Pane = Literal["groups", "keys", "details", "test", "filter"]
    Where = Literal["main", "list", "test", "native"]
    Why = Callable[["Context"], str | None]


class Context(NamedTuple):
    """What decides whether an action can be done.

    Attributes:
        pane: The focused pane; "filter" while the filter is typed.
        key: The selected key, or None.
        shown: How many keys the list shows.
        undoable: The event that undo would take back, or None.
        status: State of the store, or None before it is known.
        answering: A test prompt's answer is coming in.
        too_small: The terminal is smaller than the app needs.
    """

    pane: Pane
    key: Key | None
    shown: int
    undoable: Event | None
    status: StoreStatus | None
    answering: bool = False
    too_small: bool = False


def _never(_context: Context) -> str | None:
    return None


class Action(NamedTuple):
    """One thing a person can do by a key.

    Attributes:
        id: Its name in code; MainScreen.do_<id> does it when `where` is "main".
        keys: Textual's names of its keys, the one to show first.
        label: One or two words, for the key bar and the palette.
        help: One sentence.
        group: Heading in the help.
        where: "main" everywhere in the main screen, "list" in the two lists, "test" in the prompt's field, "native"
            when Textual itself or a field binds the key.
        bars: Panes whose key bar shows it, at most six each.
        dangerous: It destroys something.
        why_disabled: The sentence why it cannot be done now, or None when it can.
    """

    id: str
    keys: tuple[str, ...]
    label: str
    help: str
    group: str
    where: Where = "main"
    bars: tuple[Pane, ...] = ()
    dangerous: bool = False
    why_disabled: Why = _never


def _key_problem(context: Context) -> str | None:
    if context.key is None:
        return "No key is selected." if context.shown else "There is no key here. Press n to add one."
    if context.key.state == "trash":
        return "This key is in the trash. u brings it back."
    return None


def _secret_problem(context: Context) -> str | None:
    problem = _key_problem(context)
    if problem is None and context.key is not None and context.key.state == "missing":
        return "The store holds no secret for this key. Press r to give it a new one."
    return problem


def _prompt_problem(context: Context) -> str | None:
    problem = _secret_problem(context)
    if problem is None and context.key is not None and context.key.kind == "admin":
        return "An admin key manages other keys and answers no prompts. Press t to check it."
    return problem


def _delete_problem(context: Context) -> str | None:
    if context.key is not None and context.key.state == "trash":
        return "This key is in the trash already. u brings it back, D deletes it now."
    return _key_problem(context)


def _delete_now_problem(context: Context) -> str | None:
    return None if context.key is not None else _key_problem(context)


def _undo_problem(context: Context) -> str | None:
    in_trash = context.key is not None and context.key.state == "trash"
    return None if in_trash or context.undoable is not None else "There is nothing to undo."


def _list_problem(context: Context) -> str | None:
    return None if context.shown else "No key is shown."


def _lock_problem(context: Context) -> str | None:
    status = context.status
    if status is None or status.backend != "vault":
        return "Only a vault is locked here. An OS keyring is locked by the system."
    return "The vault is locked already." if status.state == "locked" else None


def _page_problem(context: Context, page: str) -> str | None:
    problem = _key_problem(context)
    if problem is not None or context.key is None:
        return problem
    return None if page_of(context.key, page) else "No web page is known for this provider."


def page_of(key: Key, page: str) -> str:
    """Return the address of the provider's "keys_page" or "usage_page", or ""."""
    from keytui.providers.catalog import PROVIDERS

    provider = PROVIDERS.get(key.provider)
    return str(getattr(provider, page, "") or "") if provider is not None else ""


_KEYS, _LOOK, _MOVE, _APP = "Keys", "Look and find", "Move", "App"

ACTIONS: tuple[Action, ...] = (
    Action("new", ("n",), "New", "Add a key: paste it, the rest is filled in.", _KEYS, bars=("keys", "groups")),
    Action(
        "rotate",
        ("r",),
        "Rotate",
        "Replace the key by a new one, issued by the provider or pasted, which is checked before anything changes.",
        _KEYS,
        bars=("keys", "details"),
        why_disabled=_key_problem,
    ),
    Action(
        "check",
        ("t",),
        "Check",
        "Ask the provider whether the key works. It costs no tokens.",
        _KEYS,
        bars=("keys", "details"),
        why_disabled=_secret_problem,
    ),
    Action(
        "check_all",
        ("T",),
        "Check all",
        "Check every key shown, eight at a time. Esc stops.",
        _KEYS,
        why_disabled=_list_problem,
    ),
    Action(
        "prompt",
        ("p",),
        "Prompt",
        "Send a test prompt and watch the answer.",
        _KEYS,
        bars=("keys",),
        why_disabled=_prompt_problem,
    ),
    Action(
        "model",
        ("m",),
        "Model",
        "Choose which model test prompts with this key ask.",
        _KEYS,
        why_disabled=_prompt_problem,
    ),
    Action(
        "copy",
        ("y", "c"),
        "Copy",
        "Copy the key. The clipboard is cleared after 30 s, unless set otherwise.",
        _KEYS,
        bars=("keys", "details"),
        why_disabled=_secret_problem,
    ),
    Action(
        "reveal",
        ("v",),
        "Reveal",
        "Show the key in Details for 10 s, unless set otherwise.",
        _KEYS,
        bars=("details",),
        why_disabled=_secret_problem,
    ),
    Action(
        "edit",
        ("e",),
        "Edit",
        "Change what is known about the key.",
        _KEYS,
        bars=("details",),
        why_disabled=_key_problem,
    ),
    Action(
        "delete",
        ("d",),
        "Delete",
        "Move the key to the trash.",
        _KEYS,
        bars=("details",),
        dangerous=True,
        why_disabled=_delete_problem,
    ),
    Action(
        "delete_now",
        ("D",),
        "Delete now",
        "Delete the key without the trash. This cannot be undone.",
        _KEYS,
        dangerous=True,
        why_disabled=_delete_now_problem,
    ),
    Action(
        "undo",
        ("u",),
        "Undo",
        "Take back the newest change, which is named. In the trash: bring the selected key back.",
        _KEYS,
        why_disabled=_undo_problem,
    ),
    Action(
        "keys_page",
        ("o",),
        "Keys page",
        "Open the provider's page of keys in a browser.",
        _KEYS,
        why_disabled=lambda context: _page_problem(context, "keys_page"),
    ),
    Action(
        "usage_page",
        ("O",),
        "Usage page",
        "Open the provider's page of usage in a browser.",
        _KEYS,
        why_disabled=lambda context: _page_problem(context, "usage_page"),
    ),
    Action(
        "filter",
        ("slash",),
        "Filter",
        "Show only keys that hold every word typed. Esc clears it.",
        _LOOK,
        bars=("keys", "groups"),
    ),
    Action("sort", ("s",), "Sort", "Order by name, due date, health or age, in turn.", _LOOK, bars=("groups",)),
    Action("groups", ("1",), "Groups", "Go to pane 1, Groups.", _MOVE),
    Action("keys", ("2",), "Keys", "Go to pane 2, Keys.", _MOVE),
    Action("details", ("3",), "Details", "Go to pane 3, Details.", _MOVE),
    Action("test", ("4",), "Test", "Go to pane 4, Test.", _MOVE),
    Action("next_pane", ("tab",), "Next pane", "Go to the next pane.", _MOVE),
    Action("previous_pane", ("shift+tab",), "Previous pane", "Go to the pane before.", _MOVE),
    Action("down", ("j", "down"), "Down", "Move the cursor down.", _MOVE, "list"),
    Action("up", ("k", "up"), "Up", "Move the cursor up.", _MOVE, "list"),
    Action("top", ("g", "home"), "First", "Move to the first row.", _MOVE, "list"),
    Action("bottom", ("G", "end"), "Last", "Move to the last row.", _MOVE, "list"),
    Action("page_down", ("pagedown",), "Page down", "Move one page down.", _MOVE, "list"),
    Action("page_up", ("pageup",), "Page up", "Move one page up.", _MOVE, "list"),
    Action(
        "open",
        ("enter",),
        "Open",
        "Go from the groups to their keys, from a key to its details.",
        _MOVE,
        "list",
        ("groups",),
    ),
    Action("send", ("enter",), "Send", "Send the prompt in pane 4.", _MOVE, "native", bars=("test",)),
    Action("older_prompt", ("up",), "Earlier", "Bring back the prompt before, in pane 4.", _MOVE, "test", ("test",)),
    Action("newer_prompt", ("down",), "Later", "Bring back the prompt after, in pane 4.", _MOVE, "test"),
    Action("model_here", ("ctrl+o",), "Model", "Choose the model, from within pane 4.", _MOVE, "test", bars=("test",)),
    Action("system", ("ctrl+s",), "System", "Write a system prompt in pane 4; again: back.", _MOVE, "test", ("test",)),
    Action("keep_filter", ("enter",), "Keep", "Keep the filter and go to the keys.", _MOVE, "native", bars=("filter",)),
    Action(
        "back",
        ("escape",),
        "Back",
        "Hide the key shown, stop the answer or the checks, clear the filter, or go to the keys.",
        _MOVE,
        bars=("test", "filter"),
    ),
    Action("scroll_down", ("pagedown",), "Scroll", "Scroll the answer in pane 4.", _MOVE, "test", ("test",)),
    Action("scroll_up", ("pageup",), "Scroll up", "Scroll the answer back.", _MOVE, "test"),
    Action("lock", ("L",), "Lock", "Lock the vault. The list stays.", _APP, why_disabled=_lock_problem),
    Action("help", ("question_mark", "f1"), "Help", "Show every key, with the reason where it does nothing now.", _APP),
    Action("palette", ("ctrl+p",), "Palette", "Find an action or a theme by its name.", _APP, "native"),
    Action("quit", ("q", "ctrl+q"), "Quit", "Leave keytui.", _APP),
)

BY_ID = {action.id: action for action in ACTIONS}

_KEY_NAMES = {
    "slash": "/",
    "question_mark": "?",
    "f1": "F1",
    "escape": "Esc",
    "enter": "Enter",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "ctrl+o": "Ctrl+O",
    "ctrl+p": "Ctrl+P",
    "ctrl+s": "Ctrl+S",
    "ctrl+q": "Ctrl+Q",
    "down": "↓",
    "up": "↑",
    "home": "Home",
    "end": "End",
    "pagedown": "PgDn",
    "pageup": "PgUp",
}


def key_name(key: str) -> str:
    """Return a key as people write it: "slash" is "/"."""
    return _KEY_NAMES.get(key, key)


def bar_key(action: Action, pane: Pane) -> str:
    """Return the key to show in a pane's key bar: where text is typed, one that types no character."""
    names = [key_name(key) for key in action.keys]
    return next((name for name in names if len(name) > 1), names[0]) if pane in ("test", "filter") else names[0]


def key_names(action: Action) -> str:
    """Return all keys of an action, as "y c"."""
    return " ".join(key_name(key) for key in action.keys)


def at_once(keys: str, action: str) -> list[Binding]:
    """Bind keys that are done before the next is looked at, which belongs elsewhere; those typed ahead are in turn."""
    return [Binding(keys, action, show=False, priority=first) for first in (True, False)]


def bindings(where: Where) -> list[Binding]:
    """Return the bindings of one place; each runs `run('<action id>')` there."""
    found: list[Binding] = []
    for action in (action for action in ACTIONS if action.where == where):
        keys, run = ",".join(action.keys), f"run('{action.id}')"
        found += at_once(keys, run) if where == "test" else [Binding(keys, run, show=False, id=action.id)]
    return found


def problem(action: Action, context: Context) -> str | None:
    """Return why an action cannot be done now, or None."""
    return action.why_disabled(context)


def bar(pane: Pane, *, trash: bool = False) -> list[Action]:
    """Return what the key bar shows for a pane.

    Args:
        trash: The selected key is in the trash, where other things can be done with it.
    """
    shown = [action for action in ACTIONS if pane in action.bars]
    if trash and pane in ("groups", "keys", "details"):
        kept = [action for action in shown if action.id in ("filter", "open")]
        return [BY_ID["undo"], BY_ID["delete_now"], *kept]
    return shown


def bar_label(action: Action, context: Context) -> str:
    """Return what an action is called in the key bar, where its name depends on what it would do."""
    if action.id == "undo" and context.key is not None and context.key.state == "trash":
        return "Bring back"
    return "Stop" if action.id == "back" and context.pane == "test" and context.answering else action.label


def groups() -> dict[str, list[Action]]:
    """Return the actions by heading, in the registry's order."""
    found: dict[str, list[Action]] = {}
    for action in ACTIONS:
        found.setdefault(action.group, []).append(action)
    return found


def readme_table() -> str:
    """Return the table of keys for the README, as Markdown."""
    lines = ["| key | does |", "|---|---|"]
    for action in ACTIONS:
        keys = " ".join(f"`{key_name(key)}`" for key in action.keys)
        lines.append(f"| {keys} | **{action.label}.** {action.help} |")
    return "\n".join(lines) + "\n"
