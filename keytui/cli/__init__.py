"""The command line: `keytui` opens the app, `keytui COMMAND` does the same in a script.

This module is on the way of `keytui get`: everything heavier than sys is imported when it is needed.
"""

from __future__ import annotations

import os
import sys

from keytui.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, KeytuiError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.cli.session import Session

_LONGEST_OPTION = 20


def main(argv: list[str] | None = None) -> int:
    """Run keytui and return its exit code.

    Args:
        argv: Arguments without the program's name; sys.argv by default.
    """
    words = sys.argv[1:] if argv is None else argv
    _prepare_streams()
    try:
        code = _dispatch(words)
        sys.stdout.flush()
    except KeytuiError as error:
        from keytui.cli import failing

        return failing.report(error, words)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        from keytui.cli.session import give_up

        give_up(sys.stdout)  # its reader has gone
        return EXIT_FAILED
    except Exception as error:  # a traceback's text and locals may hold a secret, so none is shown
        from keytui.cli import failing
        from keytui.cli.session import give_up

        if isinstance(error, OSError):
            give_up(sys.stdout)
        return failing.report_unexpected(error)
    return code


def _dispatch(words: list[str]) -> int:
    """Read the options before the command, then run the command or the app."""
    if not all(word.isascii() or _is_text(word) for word in words):
        raise UsageError("An argument is not text in this terminal's encoding.", "Set LANG to a UTF-8 locale.")
    backend: str | None = None
    demo = False
    position = 0
    while position < len(words) and words[position].startswith("-"):
        word = words[position]
        if word in ("-h", "--help"):
            from keytui.cli import helping

            sys.stdout.write(helping.overview())
            return EXIT_DONE
        if word == "--version":
            from keytui import __version__

            sys.stdout.write(f"keytui {__version__}\n")
            return EXIT_DONE
        if word == "--demo":
            demo = True
        elif word == "--backend":
            position += 1
            backend = words[position] if position < len(words) else ""
        elif word.startswith("--backend="):
            backend = word.partition("=")[2]
        else:
            # A longer word may be a key that was pasted here.
            option = f"option {word.partition('=')[0]}" if len(word) <= _LONGEST_OPTION else "such option"
            raise UsageError(f"There is no {option}.", "List them with: keytui --help")
        position += 1
    if backend is not None and backend not in ("os", "vault"):
        raise UsageError("--backend takes os or vault.", "os is the OS keyring, vault an encrypted folder.")
    rest = words[position:]
    if demo and (rest or backend):
        raise UsageError("--demo opens the app on sample keys and takes nothing else.", "Try: keytui --demo")
    if not rest:
        # Collecting garbage while modules load costs 17 ms; the app turns it on again once it has painted.
        import gc

        gc.disable()
        from keytui.cli import opening

        return opening.open_app(backend=backend, demo=demo)
    return _run(rest[0], rest[1:], backend)


def _prepare_streams() -> None:
    """Make the standard streams usable: one may be closed, another may not know every character."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - open as long as the process
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open as long as the process
        elif stream.encoding.lower() not in ("utf-8", "utf8") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:  # bytes that the locale's encoding could not read
        return False
    return True


def _run(word: str, arguments: list[str], backend: str | None) -> int:
    if word == "get":
        # The plain form of the one command that scripts call all the time needs no argparse, which takes 9 ms.
        from keytui.cli import get

        name = get.plain_name(arguments)
        if name is not None:
            with _session(backend) as session:
                return get.print_secret(session, name)
    from keytui.cli import parsing, registry

    command = registry.find(word)
    if command is None:
        from keytui.cli import helping

        raise helping.unknown_command(word)
    options = parsing.parse(command, arguments)
    if options is None:
        return EXIT_DONE
    try:
        opened = _session(backend)
    except UsageError as error:
        if command.name != "doctor":
            raise
        from keytui.cli import doctor

        return doctor.report_settings(arguments, error)
    with opened as session:
        code: int = getattr(parsing.module_of(command), f"run_{command.name}")(options, session)
        return code


def _session(backend: str | None) -> Session:
    from keytui import process, settings
    from keytui.cli.session import Session

    process.harden()
    return Session(settings.load(backend=backend))
