"""`keytui export` and `keytui restore`: every key in one age file that a passphrase opens."""

from __future__ import annotations

import sys
import time

from keytui.cli import asking
from keytui.cli.session import say
from keytui.errors import EXIT_DONE, EXIT_STORE, KeytuiError, NotConfirmed, StoreRefused, WrongPassphrase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from io import BufferedReader

    from keytui.cli.session import Session
    from keytui.flows.backup import Planned
    from keytui.flows.exported import Unfit
    from keytui.model import Secret

_LARGEST = 100_000_000
_TRIES = 3


def arguments_export(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", metavar="FILE", help="the file to write; it must not exist yet")


def run_export(options: Namespace, session: Session) -> int:
    """Run the command.

    Raises:
        UsageError: FILE exists, or lies where no export may go.
        NotConfirmed: No passphrase was given, or there is no terminal to ask on.
        StoreError: A store is locked or cannot be reached, or FILE could not be written.
    """
    from keytui.flows import backup

    backup.check_path(session.settings, options.file)
    if not session.store.keys():
        raise KeytuiError("There is no key to export.", "Add one with: keytui add NAME")
    _need_terminal()
    collected = session.unlocked(lambda: backup.collect(session.store, int(time.time())))
    for name, sentence in collected.left_out:
        say(f"{name} is not in the export: {sentence}")
    say("A passphrase of its own opens the export, also on another machine. A forgotten one cannot be restored.")
    passphrase = asking.new_passphrase("Passphrase for the export", "Nothing was exported.")
    backup.write(options.file, collected.text, passphrase)
    say(f"{_count(collected.keys)} written to {options.file}, and read back. Restore with: keytui restore FILE")
    return EXIT_STORE if collected.left_out else EXIT_DONE


def arguments_restore(parser: ArgumentParser) -> None:
    """Declare the options."""
    # Opened here, before the process closes itself to others: a path such as /dev/fd/3 cannot be opened after that.
    parser.add_argument("file", metavar="FILE", type=_opened, help="a file that keytui export wrote")
    parser.add_argument("--dry-run", action="store_true", help="list what would be restored, and restore nothing")


def run_restore(options: Namespace, session: Session) -> int:
    """Run the command.

    Raises:
        NotConfirmed: There is no terminal to ask for the passphrase on.
        WrongPassphrase: The passphrase does not open the file.
        StoreError: The file is damaged or foreign, or a store is locked or cannot be reached.
    """
    from keytui.flows import backup, exported

    with options.file as file:
        sealed = file.read(_LARGEST + 1)
    if len(sealed) > _LARGEST:
        raise StoreRefused("This file is larger than any export.", "Use a file that `keytui export` wrote.")
    keys, unfit = exported.parse(_open(sealed), int(time.time()))
    plan = session.unlocked(lambda: backup.plan(session.store, keys))
    if options.dry_run:
        return _list(plan, unfit)
    failed = len(unfit)
    stored = 0
    for step in plan:
        if not step.name:
            say(f"Skipped: {step.note}")
        elif _restored(session, step):
            stored += 1
        else:
            failed += 1
    _tell(unfit)
    say(f"{_count(stored)} restored." + (" None was checked: keytui test --all" if stored else ""))
    session.tidy()
    return EXIT_STORE if failed else EXIT_DONE


def _restored(session: Session, step: Planned) -> bool:
    from keytui.errors import NameTaken, SecretDamaged
    from keytui.flows import backup

    try:
        key = session.storing(lambda: backup.restore(session.store, step))
    except (NameTaken, StoreRefused, SecretDamaged) as error:  # any other would be the same with every key
        say(f"{step.name} was not restored: {error.sentence}")
        return False
    say(f"{key.name} is restored." + (f" {step.note}" if step.note else ""))
    return True


def _list(plan: list[Planned], unfit: list[Unfit]) -> int:
    from keytui.printing import printable

    for step in plan:
        if step.name:
            what = printable(f"{step.name}  {step.saved.fields.base_url}" + (f"  {step.note}" if step.note else ""))
            sys.stdout.write(f"{what}\n")
        else:
            say(f"Would be skipped: {step.note}")
    _tell(unfit)
    say(f"{_count(sum(1 for step in plan if step.name))} would be restored.")
    return EXIT_STORE if unfit else EXIT_DONE


def _tell(unfit: list[Unfit]) -> None:
    for label, sentence in unfit:
        say(f"{label} cannot be restored: {sentence}")
    if unfit:
        say("Open the file with age -d to see them, and add them by hand.")


def _open(sealed: bytes) -> Secret:
    """Ask for the passphrase until it opens the file, three times at most."""
    from keytui.storage import derive

    derive.check_sealed(sealed)
    _need_terminal()
    for left in range(_TRIES - 1, -1, -1):
        try:
            return derive.unseal(sealed, asking.hidden("Passphrase of the export"))
        except WrongPassphrase as wrong:
            if not left:
                raise
            say(wrong.sentence)
    raise AssertionError  # the last try returned or raised


def _need_terminal() -> None:
    if not asking.has_terminal():
        raise NotConfirmed(
            "The export's passphrase is asked for, and there is no terminal to ask on.", "Run it in one."
        )


def _opened(path: str) -> BufferedReader:
    from argparse import ArgumentTypeError

    try:
        return open(path, "rb")
    except (OSError, ValueError) as error:
        raise ArgumentTypeError(f"it cannot be read: {getattr(error, 'strerror', None) or 'not a path'}") from None


def _count(number: int) -> str:
    return "1 key" if number == 1 else f"{number} keys"
