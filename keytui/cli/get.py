"""`keytui get`: print a key. Scripts call it all the time, so nothing is imported that it does not need."""

from __future__ import annotations

import sys

from keytui.errors import EXIT_DONE, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from keytui.cli.session import Session


def arguments_get(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", help="name of the key")
    parser.add_argument("-n", dest="newline", action="store_false", help="print no newline after the key")
    parser.add_argument("--admin", action="store_true", help="print it although it is an admin key")


def run_get(options: Namespace, session: Session) -> int:
    """Run the command."""
    return print_secret(session, options.name, newline=options.newline, admin=options.admin)


def plain_name(words: Sequence[str]) -> str | None:
    """Return the name of a plain `get NAME`, or None when argparse has to look at the words."""
    return words[0] if len(words) == 1 and not words[0].startswith("-") else None


def print_secret(session: Session, name: str, *, newline: bool = True, admin: bool = False) -> int:
    """Print the key to stdout.

    Args:
        session: Where the key is.
        name: Its name.
        newline: Whether a newline follows.
        admin: Whether an admin key may be printed.

    Raises:
        KeyNotFound: No key has this name.
        UsageError: It is an admin key and was not asked for as one.
        StoreError: The store did not give it.
    """
    key = session.store.find(name)
    if key.kind == "admin" and not admin:
        raise UsageError(f"“{key.name}” is an admin key: whoever has it can make and delete keys.", "Add --admin.")
    secret = session.unlocked(lambda: session.store.read(key.id))
    sys.stdout.write(secret.reveal() + ("\n" if newline else ""))
    return EXIT_DONE
