"""`keytui migrate`: move every secret to the other store."""

from __future__ import annotations

import sys

from keytui.cli.session import say
from keytui.errors import EXIT_DONE, EXIT_STORE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from keytui.cli.session import Session
    from keytui.model import BackendName
    from keytui.storage.migrating import Migration, Moving

_LABELS = {"os": "the OS keyring", "vault": "the vault"}


def arguments_migrate(parser: ArgumentParser) -> None:
    """Declare the options."""
    help_text = "os: the OS keyring, vault: the encrypted folder"
    parser.add_argument("--to", dest="target", choices=("os", "vault"), required=True, help=help_text)
    parser.add_argument("--dry-run", action="store_true", help="list what would move, and move nothing")


def run_migrate(options: Namespace, session: Session) -> int:
    """Run the command. Interrupted at any point, running it again goes on.

    Raises:
        StoreUndecided: The vault is not set up, and there is nobody to ask for its passphrase.
        StoreError: One of the stores cannot be used; nothing was moved.
    """
    target: BackendName = options.target
    if options.dry_run:
        return _list(session.store.to_move(target), target)
    done = session.storing(lambda: session.store.migrate(target, _moved))
    for name, sentence in done.failed:
        say(f"{name} was not moved: {sentence}")
    overruled = session.settings.backend_source not in ("", "settings.toml") and session.settings.backend != target
    _sum_up(done, target, followed=not overruled)
    if overruled:
        said, store = session.settings.backend_source, session.settings.backend
        say(f"{said} still says {store}, so new keys go there until it is changed.")
    return EXIT_STORE if done.failed else EXIT_DONE


def _list(batch: list[Moving], target: BackendName) -> int:
    from keytui.printing import printable

    for moving in batch:
        count = len(moving.versions)
        trash = ", in the trash" if moving.in_trash else ""
        sys.stdout.write(f"{printable(moving.name)}: {count} {'secret' if count == 1 else 'secrets'}{trash}\n")
    number = "Nothing" if not batch else f"{len(batch)} {'key' if len(batch) == 1 else 'keys'}"
    say(f"{number} would move to {_LABELS[target]}.")
    return EXIT_DONE


def _moved(name: str) -> None:
    say(f"{name} is moved.")


def _sum_up(done: Migration, target: BackendName, *, followed: bool) -> None:
    where = _LABELS[target]
    if not done.failed:
        say(f"All keys are in {where}{', and new ones go there' if followed else ''}.")
    else:
        say(f"{done.moved} moved, {len(done.failed)} stay where they were. Run it again when they can be read.")
    if done.left:
        say(f"Old copies that could not be deleted yet: {done.left}. keytui tries again at each later change.")
