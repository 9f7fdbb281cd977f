"""`keytui unlock` and `keytui lock`: the vault's identity in the Linux kernel keyring, for a while."""

from __future__ import annotations

from keytui.cli import asking, parsing
from keytui.cli.session import say
from keytui.errors import EXIT_DONE, StoreLocked, StoreUnavailable, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from keytui.cli.session import Session

_MINUTE = 60
_LONGEST = 30 * 24 * 60 * _MINUTE


def arguments_unlock(parser: ArgumentParser) -> None:
    """Declare the options."""
    help_text = "how long, such as 15m or 2h (without it: unlock_minutes in settings.toml)"
    parser.add_argument("--for", dest="seconds", metavar="TIME", type=_while, help=help_text)


def run_unlock(options: Namespace, session: Session) -> int:
    """Run the command.

    Raises:
        UsageError: There is no vault to unlock, or KEYTUI_NO_CACHE forbids it.
        StoreLocked: Nobody to ask for the passphrase.
        StoreUnavailable: This system has no kernel keyring.
    """
    if not session.settings.use_cache:
        raise UsageError("KEYTUI_NO_CACHE is set, so the vault is not kept open.", "Unset it and try again.")
    status = session.store.status()
    if status.backend != "vault" or status.state == "unset":
        where = " Keys live in the OS keyring, which your desktop unlocks." if status.backend == "os" else ""
        raise UsageError(f"There is no vault to unlock.{where}", "See: keytui --help")
    if not session.store.unlock_quietly():
        hint = "Run it in a terminal, or set KEYTUI_PASSPHRASE_FILE to a file that holds the passphrase."
        asking.unlock(session.store, StoreLocked("vault", "The passphrase cannot be asked for here.", hint))
    minutes = max((options.seconds or session.settings.unlock_minutes * _MINUTE) // _MINUTE, 1)
    if not session.store.cache(minutes):
        hint = "Set KEYTUI_PASSPHRASE_FILE to a file that holds the passphrase."
        raise StoreUnavailable("This system has no kernel keyring to keep the vault open in.", hint)
    say(f"The vault is open for {minutes} {'minute' if minutes == 1 else 'minutes'}. Close it with: keytui lock")
    return EXIT_DONE


def arguments_lock(parser: ArgumentParser) -> None:
    """Declare no option."""
    del parser


def run_lock(options: Namespace, session: Session) -> int:
    """Run the command. A vault that is locked already, or none at all, is fine."""
    del options
    status = session.store.status()
    session.store.lock()
    there = status.backend == "vault" and status.state != "unset"
    say("The vault is locked for other commands." if there else "There is no vault to lock.")
    return EXIT_DONE


def _while(text: str) -> int:
    from argparse import ArgumentTypeError

    seconds = parsing.duration(text)
    if seconds > _LONGEST:  # the kernel counts in 32 bits
        raise ArgumentTypeError("at most 30 days")
    return seconds
