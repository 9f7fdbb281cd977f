"""From words to options: argparse, with a parser for the one command that was named."""

from __future__ import annotations

import argparse
import importlib
import os
import re

from keytui.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import NoReturn

    from keytui.cli.registry import Command

_INVALID_CHOICE = re.compile(r"invalid choice: .* \(choose from (.*)\)\Z", re.S)
_OPTION = re.compile(r"--?[a-z][a-z-]*")
_DURATION = re.compile(r"(\d{1,6})([smhdw]?)\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are ours and never repeat a word that could be a key."""

    def error(self, message: str) -> NoReturn:
        """Raise the error as a UsageError.

        Raises:
            UsageError: Always.
        """
        hint = f"See: {self.prog} --help"
        choice = _INVALID_CHOICE.search(message)
        if choice is not None:
            message = message[: choice.start()] + "one of " + choice.group(1).replace("'", "") + " is expected"
        if message.startswith("unrecognized arguments: "):
            message, hint = _unrecognized(message.split()[2:], hint)
        if "ignored explicit argument" in message:
            message = message.partition(":")[0] + " takes no value"
        raise UsageError(message[:1].upper() + message[1:] + ".", hint)


class _Formatter(argparse.HelpFormatter):
    """Help as wide as the terminal. argparse makes one for every argument, and without a width it imports shutil."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_help_columns())


def module_of(command: Command) -> ModuleType:
    """Import and return the module of a command."""
    return importlib.import_module(f"keytui.cli.{command.module}")


def parser_of(command: Command) -> Parser:
    """Return the parser of one command."""
    parser = Parser(
        prog=f"keytui {command.name}",
        description=command.sentence,
        allow_abbrev=False,
        formatter_class=_Formatter,
    )
    getattr(module_of(command), f"arguments_{command.name}")(parser)
    return parser


def parse(command: Command, words: Sequence[str]) -> argparse.Namespace | None:
    """Return the options of a command, or None when its help was printed instead.

    Raises:
        UsageError: Unknown, missing or impossible options.
    """
    parser = parser_of(command)
    if any(word in ("-h", "--help") for word in words[: words.index("--") if "--" in words else None]):
        parser.print_help()
        return None
    return parser.parse_args(words)


def duration(text: str) -> int:
    """Return the seconds that "90s", "15m", "24h", "90d" or "2w" means.

    Raises:
        argparse.ArgumentTypeError: It means no duration.
    """
    match = _DURATION.match(text.strip().lower())
    if match is None or not match.group(2) or not int(match.group(1)):
        raise argparse.ArgumentTypeError("a duration is a number and a unit, such as 15m, 24h or 90d")
    return int(match.group(1)) * _SECONDS[match.group(2)]


def days(text: str) -> int:
    """Return the whole days that "90d" or "12w" means.

    Raises:
        argparse.ArgumentTypeError: It means no whole number of days.
    """
    seconds = duration(text)
    if seconds % _SECONDS["d"]:
        raise argparse.ArgumentTypeError("an interval is a number of days or weeks, such as 90d or 12w")
    return seconds // _SECONDS["d"]


def _help_columns() -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit():
        return max(int(columns) - 2, 20)
    try:
        return max(os.get_terminal_size().columns - 2, 20)
    except OSError:
        return 78


def _unrecognized(words: Sequence[str], hint: str) -> tuple[str, str]:
    """Name unknown options only: any other word may be a key that does not belong here."""
    options = [match.group() for word in words if (match := _OPTION.match(word))]
    if "--backend" in options or "--demo" in options:
        return f"{options[0]} goes before the command", "Try: keytui --help"
    if options:
        return f"there is no option {', '.join(options)}", hint
    return (
        "there is an argument too many",
        "A key is never an argument, where history and other programs see it: paste it when asked, or use --stdin.",
    )
