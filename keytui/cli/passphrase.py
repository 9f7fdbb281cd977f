"""`keytui passphrase`: another passphrase for the vault."""

from __future__ import annotations

from keytui.cli import asking
from keytui.cli.session import say
from keytui.errors import EXIT_DONE, NotConfirmed, StoreLocked, UsageError, WrongPassphrase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from keytui.cli.session import Session
    from keytui.model import Secret

_TRIES = 3


def arguments_passphrase(parser: ArgumentParser) -> None:
    """Declare no option."""
    del parser


def run_passphrase(options: Namespace, session: Session) -> int:
    """Run the command.

    Raises:
        UsageError: There is no vault.
        StoreLocked: Nobody to ask for the passphrase so far.
        NotConfirmed: Nobody to ask for the new one, or none was given.
        WrongPassphrase: The passphrase so far does not open the vault.
    """
    del options
    if session.store.status().backend != "vault" or session.store.status().state == "unset":
        raise UsageError("There is no vault whose passphrase could be changed.", "See: keytui doctor")
    path = session.settings.passphrase_file
    if not asking.has_terminal():
        hint = "Run keytui passphrase in a terminal."
        if path:
            raise NotConfirmed("A new passphrase is asked for, and there is no terminal to ask on.", hint)
        raise StoreLocked("vault", "The vault's passphrase is asked for, and there is no terminal to ask on.", hint)
    if path:
        from keytui.storage import passphrases

        session.store.change_passphrase(passphrases.from_file(path), _new)
    else:
        _ask_and_change(session)
    say("The vault has a new passphrase. Copies of identity.age made before still open with the old one.")
    if path:
        say("The file in KEYTUI_PASSPHRASE_FILE still holds the old one: write the new one into it.")
    return EXIT_DONE


def _ask_and_change(session: Session) -> None:
    for left in range(_TRIES - 1, -1, -1):
        try:
            return session.store.change_passphrase(asking.hidden("Passphrase of the vault"), _new)
        except WrongPassphrase as wrong:
            if not left:
                raise
            say(wrong.sentence)
    return None


def _new() -> Secret:
    return asking.new_passphrase("New passphrase", "The passphrase was not changed.")
