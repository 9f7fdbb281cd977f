"""Settings and paths, declared once.

The file, the KEYTUI_* variables, the README's table and the error for an unknown name follow from the declaration.
settings.toml lies in the configuration folder; `KEYTUI_HOME` puts everything under one folder. A variable beats the
file.
"""

from __future__ import annotations

import os
import sys

from keytui.errors import UsageError
from keytui.record import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from keytui.model import BackendName


class Setting(NamedTuple):
    """One declared setting.

    Attributes:
        name: Its name in settings.toml; the variable is KEYTUI_ and the name in capitals.
        default: Value when neither names it; its type is the setting's type.
        sentence: What it does, with its unit.
        choices: Allowed words, or () for any value of the type.
        minimum: Smallest allowed number; the largest is LARGEST.
    """

    name: str
    default: int | str
    sentence: str
    choices: tuple[str, ...] = ()
    minimum: int = 0


LARGEST = 1_000_000
"""No setting is larger: beyond, clocks, waits and the kernel's counters overflow."""

_STORES = ("", "os", "vault")
_ROUTES = ("auto", "native", "osc52")

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "backend", "", "Where secrets live: os (the OS keyring) or vault; empty: decided at the first write.", _STORES
    ),
    Setting("trash_days", 1, "Days a deleted key stays in the trash."),
    Setting("keep_previous_days", 30, "Days the value before a rotation is kept."),
    Setting("clipboard", "auto", "How a key is copied: auto, native (a tool) or osc52 (the terminal).", _ROUTES),
    Setting("clipboard_seconds", 30, "Seconds until a copied key is cleared from the clipboard; 0 never clears."),
    Setting("reveal_seconds", 10, "Seconds a revealed key stays on screen.", (), 1),
    Setting("check_seconds", 15, "Seconds a check may take.", (), 1),
    Setting("prompt_seconds", 60, "Seconds a test prompt may be silent before it counts as cut.", (), 1),
    Setting("propagation_seconds", 60, "Seconds until a provider knows of a new or revoked key everywhere.", (), 1),
    Setting("grace_hours", 24, "Hours an old key works after its provider issued a new one; 0 revokes it at once."),
    Setting("rotate_every_days", 0, "Days after which a new key is due, unless it says otherwise; 0 never."),
    Setting("keyring_seconds", 30, "Seconds one call to the OS keyring may take.", (), 1),
    Setting("lock_seconds", 10, "Seconds to wait while another keytui writes.", (), 1),
    Setting("unlock_minutes", 15, "Minutes `keytui unlock` keeps the vault open for other commands.", (), 1),
    Setting(
        "idle_lock_minutes", 0, "Minutes without a key press or the mouse until the app locks the vault; 0 never locks."
    ),
)


class Settings(NamedTuple):
    """Values in force, and where things are kept.

    Attributes:
        data_dir: Folder of index.db, vault/ and locks (str: pathlib costs 10 ms at start).
        config_dir: Folder of settings.toml.
        backend_source: "" when no store was chosen, else "settings.toml", "KEYTUI_BACKEND" or "--backend".
        passphrase_file: Path from KEYTUI_PASSPHRASE_FILE, or "".
        use_cache: False with KEYTUI_NO_CACHE=1: the kernel keyring is neither read nor filled.
    """

    data_dir: str
    config_dir: str
    backend: BackendName | None
    backend_source: str
    passphrase_file: str
    use_cache: bool
    trash_days: int
    keep_previous_days: int
    clipboard: str
    clipboard_seconds: int
    reveal_seconds: int
    check_seconds: int
    prompt_seconds: int
    propagation_seconds: int
    grace_hours: int
    rotate_every_days: int
    keyring_seconds: int
    lock_seconds: int
    unlock_minutes: int
    idle_lock_minutes: int

    @property
    def index_path(self) -> str:
        """Path of the SQLite index."""
        return os.path.join(self.data_dir, "index.db")

    @property
    def vault_dir(self) -> str:
        """Folder of the age vault."""
        return os.path.join(self.data_dir, "vault")

    @property
    def lock_path(self) -> str:
        """Path of the store lock's file."""
        return os.path.join(self.data_dir, "store.lock")

    @property
    def settings_path(self) -> str:
        """Path of settings.toml."""
        return os.path.join(self.config_dir, "settings.toml")


def load(environ: Mapping[str, str] | None = None, *, backend: str | None = None) -> Settings:
    """Read settings.toml and the environment.

    Args:
        environ: Variables; os.environ by default. The demo passes an empty mapping with a folder of its own.
        backend: Value of `--backend`, which beats both.

    Raises:
        UsageError: An unknown name or a value of the wrong kind; names where it stands.
    """
    environ = os.environ if environ is None else environ
    data_dir, config_dir = folders(environ)
    values: dict[str, int | str] = {s.name: s.default for s in SETTINGS}
    path = os.path.join(config_dir, "settings.toml")
    sources = dict.fromkeys(values, "")
    for name, value in _read_file(path).items():
        values[name] = _checked(name, value, path)
        sources[name] = "settings.toml"
    for setting in SETTINGS:
        variable = f"KEYTUI_{setting.name.upper()}"
        if environ.get(variable):
            values[setting.name] = _checked(setting.name, _typed(setting, environ[variable], variable), variable)
            sources[setting.name] = variable
    if backend is not None:
        values["backend"] = _checked("backend", backend, "--backend")
        sources["backend"] = "--backend"
    chosen = values.pop("backend") or None
    return Settings(
        data_dir=data_dir,
        config_dir=config_dir,
        backend=chosen,  # type: ignore[arg-type]
        backend_source=sources["backend"] if chosen else "",
        passphrase_file=environ.get("KEYTUI_PASSPHRASE_FILE", ""),
        use_cache=environ.get("KEYTUI_NO_CACHE", "") in ("", "0"),
        **values,  # type: ignore[arg-type] # each was checked against its declaration
    )


def readme_table() -> str:
    """Return the declared settings as a Markdown table."""
    rows = ["| setting | variable | default | what it does |", "|---|---|---|---|"]
    for setting in SETTINGS:
        default = f"`{setting.default}`" if setting.default != "" else "none"
        rows.append(f"| `{setting.name}` | `KEYTUI_{setting.name.upper()}` | {default} | {setting.sentence} |")
    return "\n".join(rows)


def folders(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the data and configuration folders.

    On Linux the XDG rule is applied here, equal to platformdirs' answer (a test compares them), because importing
    platformdirs costs more than `keytui get` otherwise does.
    """
    home = environ.get("KEYTUI_HOME")
    if home:
        home = os.path.abspath(os.path.expanduser(home))
        return home, home
    if sys.platform == "linux":
        user = os.path.expanduser("~")
        data = environ.get("XDG_DATA_HOME", "").strip() or os.path.join(user, ".local", "share")
        config = environ.get("XDG_CONFIG_HOME", "").strip() or os.path.join(user, ".config")
        return os.path.join(data, "keytui"), os.path.join(config, "keytui")
    import platformdirs

    data, config = platformdirs.user_data_dir, platformdirs.user_config_dir
    return data("keytui", appauthor=False), config("keytui", appauthor=False)


def remember_backend(settings: Settings, backend: BackendName) -> Settings:
    """Write the chosen store into settings.toml, keeping its other lines, and return the settings with it.

    Raises:
        OSError: The file cannot be written.
    """
    path = settings.settings_path
    lines = []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            lines = [line for line in file.read().splitlines() if line.partition("=")[0].strip() != "backend"]
    lines.insert(0, f'backend = "{backend}"')
    os.makedirs(settings.config_dir, mode=0o700, exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    return settings._replace(backend=backend, backend_source="settings.toml")


def _read_file(path: str) -> dict[str, object]:
    try:
        os.stat(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from None
    plain = _plain_lines(path)
    if plain is not None:
        return plain
    import tomllib

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except ValueError as error:  # TOML's own, bytes that are no text, a number of thousands of digits
        why = f": {error}" if isinstance(error, tomllib.TOMLDecodeError) else ""
        hint = "Correct the line, or delete the file to start over."
        raise UsageError(f"{path} is not valid TOML{why}.", hint) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from None


def _plain_lines(path: str) -> dict[str, object] | None:
    """Read a file that holds nothing but `name = "word"` and `name = 30`, as keytui writes it; None for any other.

    Importing tomllib takes as long as the rest of `keytui get`. What this reads means the same in TOML (a test
    compares them).
    """
    try:
        with open(path, encoding="ascii") as file:
            lines = [line.strip() for line in file]
    except (OSError, UnicodeDecodeError):
        return None
    values: dict[str, object] = {}
    for line in lines:
        if not line or (line.startswith("#") and line.isprintable()):
            continue
        name, _, value = (part.strip() for part in line.partition("="))
        word = value[1:-1]
        if not name.isidentifier() or name in values:
            return None
        if value == f'"{word}"' and (word.isalnum() or not word):
            values[name] = word
        elif value.isdigit() and len(value) < 20 and str(int(value)) == value:
            values[name] = int(value)
        else:
            return None
    return values


def _typed(setting: Setting, text: str, where: str) -> int | str:
    if isinstance(setting.default, str):
        return text
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{where} must be a whole number.", setting.sentence) from None


def _checked(name: str, value: object, where: str) -> int | str:
    setting = next((s for s in SETTINGS if s.name == name), None)
    if setting is None:
        raise UsageError(f"{where} has no setting “{name}”.", "Known: " + ", ".join(s.name for s in SETTINGS) + ".")
    if isinstance(setting.default, int):
        if not isinstance(value, int) or isinstance(value, bool) or value < setting.minimum:
            raise UsageError(f"{name} in {where} must be a whole number, at least {setting.minimum}.", setting.sentence)
        if value > LARGEST:
            raise UsageError(f"{name} in {where} must be a whole number, at most {LARGEST:,}.", setting.sentence)
        return value
    if not isinstance(value, str) or (setting.choices and value not in setting.choices):
        words = ", ".join(choice for choice in setting.choices if choice)
        raise UsageError(f"{name} in {where} must be one of: {words}.", setting.sentence)
    return value
