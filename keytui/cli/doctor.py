"""`keytui doctor`: what is wrong with the store and around it, each with the command that puts it right."""

from __future__ import annotations

import os
import sys

from keytui.cli import asking, drawing, rendering
from keytui.cli.session import say
from keytui.errors import NotConfirmed, StoreError
from keytui.printing import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping, Sequence

    from keytui.cli.session import Session
    from keytui.errors import UsageError
    from keytui.settings import Settings
    from keytui.storage.doctor import Finding

_CODES = {"ok": 0, "warning": 1, "error": 2}
_COLORS = {"ok": "32", "warning": "33", "error": "31"}
_WIDTH = len("warning")


def arguments_doctor(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--repair", action="store_true", help="rebuild a broken index and list secrets it lost")
    parser.add_argument("-y", dest="yes", action="store_true", help="with --repair: list the OS keyring's secrets too")
    parser.add_argument("--json", action="store_true", help="print an object")


def run_doctor(options: Namespace, session: Session) -> int:
    """Run the command: 0 healthy, 1 warnings, 2 errors. What a repair could not do is told and found again."""
    if options.repair:
        try:
            _repair(session, yes=options.yes)
        except StoreError as error:
            say(f"keytui: {error.sentence} {error.hint}".strip())
    found = session.store.examine()
    return _tell(found, session.settings, as_json=options.json)


def report_settings(words: Sequence[str], error: UsageError) -> int:
    """Say that the settings cannot be read, which keeps every other command from running. Returns the exit code."""
    from keytui.flows import surroundings
    from keytui.storage.doctor import Finding

    found = [Finding("settings", "error", f"{error.sentence} {error.hint}".strip())]
    if "--json" in words:
        _print_json(found, surroundings.versions())
    else:
        _print(found)
    return _CODES["error"]


def _tell(found: list[Finding], settings: Settings, *, as_json: bool) -> int:
    from keytui.flows import surroundings

    found += surroundings.findings(settings, os.environ, _terminal_size())
    if as_json:
        _print_json(found, surroundings.versions())
    else:
        _print(found)
        sys.stdout.write(
            "Versions: " + ", ".join(f"{name} {version}" for name, version in surroundings.versions().items()) + "\n"
        )
    return max(_CODES[finding.level] for finding in found)


def _repair(session: Session, *, yes: bool) -> None:
    from keytui.flows import mending

    strangers = [finding for finding in session.store.examine() if finding.id == "unknown-slot-os"]
    adopt_os = bool(strangers)
    try:
        for finding in strangers:
            asking.confirm(f"{finding.sentence} List them here all the same?", yes=yes)
    except NotConfirmed:
        adopt_os = False  # examined again, they are found again
    repaired = session.unlocked(lambda: session.store.repair(adopt_os=adopt_os))
    mending.recognize(session.store, repaired.adopted)
    for sentence in repaired.sentences or ("There was nothing to repair.",):
        say(sentence)


def _print(found: Sequence[Finding]) -> None:
    colored = drawing.wants_color()
    for finding in found:
        word = finding.level.ljust(_WIDTH)
        if colored:
            word = f"\x1b[{_COLORS[finding.level]}m{word}\x1b[0m"
        sys.stdout.write(f"{word}  {printable(finding.sentence)}\n")
        if finding.fix:
            sys.stdout.write(f"{' ' * _WIDTH}  Fix: {printable(finding.fix)}\n")


def _print_json(found: Sequence[Finding], versions: Mapping[str, str]) -> None:
    rendering.print_json({"findings": [finding._asdict() for finding in found], "versions": dict(versions)})


def _terminal_size() -> tuple[int, int] | None:
    for stream in (sys.stdout, sys.stderr):
        if stream.isatty():
            try:
                size = os.get_terminal_size(stream.fileno())
            except OSError:
                continue
            return size.columns, size.lines
    return None
