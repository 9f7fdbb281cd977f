"""What keytui says about itself: the list of commands, and the command that was probably meant."""

from __future__ import annotations

from keytui.cli.registry import COMMANDS
from keytui.errors import UsageError

_HEAD = """\
keytui: a terminal home for OpenAI and OpenAI-compatible API keys

  keytui [--backend os|vault]           open the app
  keytui --demo                         open it on sample keys, offline
  keytui [--backend os|vault] COMMAND   do one thing, also in a script

Commands
"""

_FOOT = """
Options
  --backend os|vault  store to use: the OS keyring, or an encrypted folder
  --demo              the app on sample keys and an offline server
  --version           print the version
  --help              print this

Exit codes
  0 done, 1 failed, 2 usage, 3 no such key, 4 store locked or unavailable, or a secret missing,
  5 refused by the provider, 6 provider not reached, 8 not confirmed, 130 interrupted

A command's own options: keytui COMMAND --help
"""


def overview() -> str:
    """Return the text of `keytui --help`."""
    return _HEAD + "".join(f"  {_words(index):<12} {c.sentence}\n" for index, c in enumerate(COMMANDS)) + _FOOT


def unknown_command(word: str) -> UsageError:
    """Return the error for a word that is no command, with the closest one. It repeats only what a command could be."""
    import difflib

    known = [word for command in COMMANDS for word in (command.name, *command.aliases)]
    close = difflib.get_close_matches(word.lower(), known, n=1)
    said = f"There is no command {word}." if len(word) <= 20 and word.isprintable() else "There is no such command."
    if close:
        return UsageError(said, f"Did you mean {close[0]}?")
    return UsageError(said, "List them with: keytui --help")


def _words(index: int) -> str:
    command = COMMANDS[index]
    return ", ".join((command.name, *command.aliases))
