"""Questions to the person at the terminal. Without one, nothing here waits."""

from __future__ import annotations

import os
import sys

from keytui.cli.session import say
from keytui.errors import InvalidInput, NotConfirmed, StoreLocked, StoreUndecided, UsageError, WrongPassphrase
from keytui.model import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from keytui.storage.keystore import Keystore

_TRIES = 3
_TERMINAL = "/dev/tty"
_LINE_LIMIT = 4_095
"""A terminal cuts a typed line here (Linux's N_TTY_BUF_SIZE), so a line this long is not whole."""

_STDIN_LIMIT = 1_000_000


def has_terminal() -> bool:
    """Whether there is a person to ask: input or error output is a terminal, and it can be opened."""
    if not (sys.stdin.isatty() or sys.stderr.isatty()):
        return False
    if os.name != "posix":
        return sys.stdin.isatty()
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def hidden(question: str) -> Secret:
    """Ask for a line that is not shown.

    Raises:
        InvalidInput: The line is no text, or too long for a terminal to take in whole.
    """
    import getpass

    try:
        line = Secret(getpass.getpass(f"{question}: "))
    except EOFError:
        raise NotConfirmed("Nothing was entered.") from None
    except UnicodeDecodeError:
        raise InvalidInput("key", "What was entered is not text.", "Paste it again.") from None
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        raise
    if len(line) >= _LINE_LIMIT - 1:
        raise InvalidInput("key", "This is longer than a terminal's line.", "Use --stdin.")
    return line


def confirm(question: str, *, yes: bool) -> None:
    """Ask for a y.

    Args:
        question: What will happen, as a question.
        yes: The person said -y beforehand.

    Raises:
        NotConfirmed: Anything but y, or nobody to ask.
    """
    if yes:
        return
    from keytui.printing import printable

    if not has_terminal():
        raise NotConfirmed(f"{printable(question)} There is no terminal to ask on.", "To say yes, add -y.")

    sys.stderr.write(f"{printable(question)} [y/N] ")
    sys.stderr.flush()
    if _line().strip().lower() not in ("y", "yes"):
        raise NotConfirmed("Nothing was changed.")


def unlock(store: Keystore, locked: StoreLocked) -> None:
    """Ask for the vault's passphrase until it opens, three times at most.

    Raises:
        StoreLocked: Nobody to ask.
        WrongPassphrase: The third one was wrong as well.
    """
    if not has_terminal():
        hint = locked.hint or "Run keytui unlock, or set KEYTUI_PASSPHRASE_FILE to a file that holds the passphrase."
        raise StoreLocked(locked.backend, locked.sentence, hint)
    for left in range(_TRIES - 1, -1, -1):
        try:
            return store.unlock(hidden("Passphrase of the vault"))
        except WrongPassphrase as wrong:
            if not left:
                raise
            say(wrong.sentence)
    return None


def set_up_vault(store: Keystore, undecided: StoreUndecided) -> None:
    """Offer a vault, because no OS keyring works here.

    Raises:
        StoreUndecided: Nobody to ask.
        NotConfirmed: The person gave no passphrase.
    """
    if not has_terminal():
        hint = (
            "Set KEYTUI_PASSPHRASE_FILE to a file that holds a passphrase: an encrypted vault is then set up with it."
        )
        raise StoreUndecided(undecided.sentence, hint)
    say(undecided.sentence)
    say(
        "keytui can keep keys in an encrypted vault instead. A passphrase opens it; a forgotten one cannot be restored."
    )
    store.set_up_vault(new_passphrase("Passphrase for a new vault", "No vault was set up and nothing was stored."))


def new_passphrase(question: str, declined: str) -> Secret:
    """Ask for a new passphrase, twice; the terminal was looked for before.

    Args:
        question: What it is for.
        declined: What to say when none is given.

    Raises:
        NotConfirmed: The person gave none.
    """
    from keytui.storage import passphrases

    for _ in range(_TRIES):
        passphrase = hidden(f"{question} (empty cancels)")
        if not passphrase:
            break
        problem = passphrases.problem(passphrase)
        if problem:
            say(problem)
        elif hidden("The same again") == passphrase:
            return passphrase
        else:
            say("The two are not the same.")
    raise NotConfirmed(declined)


def secret_arguments(parser: ArgumentParser, *, variable: bool) -> None:
    """Declare where the key comes from; on a terminal it is asked for when nothing says so."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--stdin", action="store_true", help="read the key from standard input")
    if variable:
        group.add_argument("--from-env", metavar="VAR", help="read the key from this environment variable")


def secret(options: Namespace, question: str) -> Secret:
    """Return the key from where the options say.

    Raises:
        UsageError: No source and no terminal, or the variable is not set.
        InvalidInput: What came is not a key.
    """
    from keytui.flows import keys

    variable = getattr(options, "from_env", None)
    if variable is not None:
        if not os.environ.get(variable):
            raise UsageError(f"The variable {variable} is not set.", "Export it first, or use --stdin.")
        return keys.clean_secret(os.environ[variable])
    if options.stdin and not sys.stdin.isatty():
        return keys.clean_secret(read_stdin(_STDIN_LIMIT))
    if not has_terminal():
        raise UsageError("There is no terminal to ask for the key on.", "Pipe it in and add --stdin.")
    return keys.clean_secret(hidden(question).reveal())


def read_stdin(limit: int) -> str:
    """Return what comes on standard input, at most this many bytes.

    Raises:
        InvalidInput: It is not UTF-8 text.
    """
    data = sys.stdin.buffer.read(limit)
    try:
        return data.decode()
    except UnicodeDecodeError:
        # from None: the error carries the bytes.
        raise InvalidInput("key", "What came on standard input is not text.", "Pipe in UTF-8 text alone.") from None


def _line() -> str:
    if os.name != "posix":
        return sys.stdin.readline()
    with open(_TERMINAL, encoding="utf-8", errors="replace") as terminal:
        return terminal.readline()
