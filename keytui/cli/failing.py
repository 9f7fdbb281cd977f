"""How a failure is told: one line on stderr, an exit code, never a secret."""

from __future__ import annotations

from keytui.cli.session import say
from keytui.errors import EXIT_FAILED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from keytui.errors import KeytuiError

NAME_IS_KEY = (
    "What stands where a name belongs looks like a key. Your shell's history may now hold it: remove it there, and"
    " store the key with keytui add NAME."
)

_SHORTEST_KEY = 12


def report(error: KeytuiError, words: Sequence[str]) -> int:
    """Print an error of ours and return its exit code.

    Args:
        error: What went wrong.
        words: The command line: when its sentence would repeat a word that looks like a key, it says so instead.
    """
    text = f"{error.sentence} {error.hint}".strip()
    parts = {part for word in words for part in (word, word.partition("=")[2])}
    if any(len(part) >= _SHORTEST_KEY and part in text and _looks_like_key(part) for part in parts):
        text = NAME_IS_KEY
    say(f"keytui: {text}")
    return error.exit_code


def report_unexpected(error: Exception) -> int:
    """Print where an unforeseen exception came from, and nothing of what it says or held."""
    place = "an unknown place"
    trace = error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] == "keytui":
            place = f"{module}:{trace.tb_lineno}"
        trace = trace.tb_next
    where = f"{type(error).__name__} at {place}"
    if isinstance(error, OSError) and error.strerror:
        # The system's own words, such as "No space left on device", for a full disk behind stdout.
        say(f"keytui: {error.strerror} ({where}).")
        return EXIT_FAILED
    damage = _damage()
    if damage is not None:
        say(f"keytui: {damage.sentence} {damage.hint}".strip())
        return damage.exit_code
    say(
        f"keytui: Something unforeseen happened: {where}."
        " Its text is not shown because it could hold a key. Please report this line."
    )
    return EXIT_FAILED


def _damage() -> KeytuiError | None:
    """Return what is wrong with the index: a damaged one may hold a number where a text belongs, or nothing at all."""
    from keytui import settings
    from keytui.storage.keystore import Keystore

    try:
        store = Keystore(settings.load())
        try:
            return store.damage()
        finally:
            store.close()
    except Exception:  # this only looks for a better word; the error at hand is the one to tell
        return None


def _looks_like_key(word: str) -> bool:
    from keytui.providers import catalog

    return catalog.looks_like_key(word)
