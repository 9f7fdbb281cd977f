"""`keytui list`, `keytui due` and `keytui show`: what the index knows. Neither opens the store of secrets."""

from __future__ import annotations

import sys
import time

from keytui.cli import drawing, rendering
from keytui.cli.drawing import Cell
from keytui.cli.session import say
from keytui.errors import EXIT_DONE, EXIT_DUE
from keytui.model import DAY
from keytui.printing import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from keytui.cli.session import Session
    from keytui.model import Key

_HEADINGS = ("NAME", "PROVIDER", "KEY", "AGE", "DUE", "HEALTH")
_GOOD = ("valid", "restricted")
_BAD = ("invalid", "no_quota")
_STATES = {"missing": "secret missing", "interrupted": "interrupted", "rotating": "rotating"}
_EVENTS_SHOWN = 20


def arguments_list(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="print an array of objects")
    parser.add_argument("--names", action="store_true", help="print the names alone, one a line")
    parser.add_argument("--tag", metavar="T", help="only keys with this tag")
    parser.add_argument("--provider", metavar="P", help="only keys of this provider")
    parser.add_argument("--due", action="store_true", help="only keys due within 14 days, or overdue")
    parser.add_argument("--trash", action="store_true", help="only deleted keys that can still be brought back")


def run_list(options: Namespace, session: Session) -> int:
    """Run the command."""
    now = int(time.time())
    keys = [key for key in session.store.keys(trash=options.trash) if _wanted(key, options, now)]
    if options.json:
        rendering.print_json([rendering.key_json(key) for key in keys])
    elif options.names:
        sys.stdout.write("".join(f"{printable(key.name)}\n" for key in keys))
    elif keys:
        headings = (*_HEADINGS[:4], "KEPT UNTIL", "HEALTH") if options.trash else _HEADINGS
        rows = [tuple(Cell(heading, "head") for heading in headings), *(_row(key, now) for key in keys)]
        colored = drawing.wants_color()
        sys.stdout.write(drawing.table(rows, columns=drawing.screen_columns(), colored=colored))
    else:
        filtered = options.tag or options.provider or options.due or options.trash
        say("No key matches." if filtered else "There are no keys yet. Store one: keytui add NAME")
    return EXIT_DONE


def arguments_due(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="print an array of objects")


def run_due(options: Namespace, session: Session) -> int:
    """Run the command; its exit code says whether something is due within 14 days, or overdue."""
    now = int(time.time())
    keys = [key for key in session.store.keys() if key.due(now)]
    keys.sort(key=lambda key: key.due_at or 0)
    if options.json:
        rendering.print_json([rendering.key_json(key) for key in keys])
    elif keys:
        rows = [tuple(Cell(heading, "head") for heading in _HEADINGS), *(_row(key, now) for key in keys)]
        sys.stdout.write(drawing.table(rows, columns=drawing.screen_columns(), colored=drawing.wants_color()))
    else:
        say("No key is due within 14 days.")
    return EXIT_DUE if keys else EXIT_DONE


def arguments_show(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", help="name of the key")
    parser.add_argument("--json", action="store_true", help="print an object")


def run_show(options: Namespace, session: Session) -> int:
    """Run the command.

    Raises:
        KeyNotFound: No key has this name.
    """
    key = session.store.find(options.name)
    versions = session.store.versions(key.id)
    events = session.store.events(key.id, _EVENTS_SHOWN)
    if options.json:
        described = rendering.key_json(key)
        described["versions"] = [rendering.version_json(version) for version in versions]
        rotation = next((row for row in session.store.rotations() if row.key_id == key.id), None)
        described["rotation"] = rendering.rotation_json(rotation)
        described["events"] = [rendering.event_json(event) for event in events]
        rendering.print_json(described)
        return EXIT_DONE
    rows = [(Cell(label, "dim"), Cell(text)) for label, text in _description(key, int(time.time())) if text]
    rows += [
        (Cell("Version", "dim"), Cell(f"{version.masked}, {version.state}, stored {_date(version.created_at)}"))
        for version in versions
    ]
    rows += [(Cell("Event", "dim"), Cell(f"{_date(event.at)}: {event.detail}")) for event in events]
    sys.stdout.write(drawing.table(rows, columns=drawing.screen_columns(), colored=drawing.wants_color()))
    return EXIT_DONE


def health(key: Key) -> str:
    """Return what the last check, or the store, says of a key, in words."""
    if key.state in ("missing", "interrupted"):
        return _STATES[key.state]
    word = key.verdict.replace("_", " ") if key.verdict else "not checked"
    return f"{word}, rotating" if key.state == "rotating" else word


def _wanted(key: Key, options: Namespace, now: int) -> bool:
    return (
        (not options.tag or options.tag in key.tags)
        and (not options.provider or options.provider.lower() == key.provider)
        and (not options.due or key.due(now))
    )


def _row(key: Key, now: int) -> tuple[Cell, ...]:
    from keytui.providers import catalog

    provider = catalog.PROVIDERS[key.provider].label if key.provider in catalog.PROVIDERS else key.provider
    due = Cell(_minute(key.purge_at)) if key.deleted_at is not None else _due(key, now)
    color = "good" if key.verdict in _GOOD else "bad" if key.verdict in _BAD else "fair" if key.verdict else ""
    return (
        Cell(key.name),
        Cell(provider),
        Cell(key.masked, "dim"),
        Cell(f"{max(now - key.rotated_at, 0) // DAY}d"),
        due,
        Cell(health(key), "bad" if key.state in ("missing", "interrupted") else color),
    )


def _due(key: Key, now: int) -> Cell:
    if key.due_at is None:
        return Cell("")
    if key.due_at < now:
        return Cell("overdue", "bad")
    return Cell(f"in {(key.due_at - now) // DAY}d", "fair" if key.due(now) else "")


def _description(key: Key, now: int) -> list[tuple[str, str]]:
    return [
        ("Name", key.name),
        ("Kind", "admin" if key.kind == "admin" else "API"),
        ("Provider", key.provider),
        ("Base URL", key.base_url),
        ("Variable", key.env),
        ("Model", key.model),
        ("Tags", ", ".join(key.tags)),
        ("Note", " ".join(key.note.split())),
        ("Key", key.masked),
        ("Store", {"os": "OS keyring", "vault": "vault"}[key.backend]),
        ("Added", _date(key.created_at)),
        ("In use since", _date(key.rotated_at)),
        ("Rotate every", f"{key.rotate_every_days} days" if key.rotate_every_days else ""),
        ("Expires", _date(key.expires_at)),
        ("Due", " ".join(part for part in (_date(key.due_at), _due(key, now).text) if part)),
        ("Health", f"{health(key)}, {_minute(key.checked_at)}" if key.checked_at else health(key)),
    ]


def _date(seconds: int | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%d", time.localtime(seconds))


def _minute(seconds: int | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
