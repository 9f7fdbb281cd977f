"""Every command, once: its name, what it does in one sentence, and where it lives."""

from __future__ import annotations

from keytui.record import NamedTuple


class Command(NamedTuple):
    """One command.

    Attributes:
        name: Its word on the command line.
        sentence: What it does, for the list of commands.
        module: Module below keytui.cli that holds `arguments_NAME(parser)` and `run_NAME(options, session)`.
        aliases: Other words for it.
    """

    name: str
    sentence: str
    module: str
    aliases: tuple[str, ...] = ()


COMMANDS: tuple[Command, ...] = (
    Command("add", "Store a key, then check it.", "adding"),
    Command("list", "List the keys, without opening the store.", "looking", ("ls",)),
    Command("show", "Show what is known of one key, but not the key itself.", "looking"),
    Command("get", "Print a key, for a script.", "get"),
    Command("test", "Ask the provider whether keys work, or send a test prompt.", "testing"),
    Command("rotate", "Replace a key by a new one from its provider.", "rotating"),
    Command("due", "List the keys that are due for a rotation, or soon.", "looking"),
    Command("delete", "Move a key to the trash, delete it now, or revoke it.", "removing", ("rm",)),
    Command("undo", "Take the last change back.", "removing"),
    Command("unlock", "Keep the vault open for other commands for a while.", "locking"),
    Command("lock", "Close the vault for other commands.", "locking"),
    Command("passphrase", "Give the vault another passphrase.", "passphrase"),
    Command("migrate", "Move every key to the OS keyring or to the vault.", "migrate"),
    Command("export", "Write every key into one file that a passphrase opens.", "backup"),
    Command("restore", "Bring keys back from such a file.", "backup"),
    Command("doctor", "Look the store over, and repair it.", "doctor"),
)


def find(word: str) -> Command | None:
    """Return the command of this name or alias."""
    for command in COMMANDS:
        if word == command.name or word in command.aliases:
            return command
    return None
