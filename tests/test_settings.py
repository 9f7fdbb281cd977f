"""Settings: where they come from, what is refused, and where things are kept."""

from __future__ import annotations

import errno
import os
import sys
import tomllib
from pathlib import Path

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keytui import settings
from keytui.errors import UsageError


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"KEYTUI_HOME": str(tmp_path)}


def write(environ: dict[str, str], text: str) -> str:
    path = Path(environ["KEYTUI_HOME"]) / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_defaults(environ: dict[str, str]) -> None:
    loaded = settings.load(environ)
    assert {s.name: getattr(loaded, s.name) for s in settings.SETTINGS if s.name != "backend"} == {
        s.name: s.default for s in settings.SETTINGS if s.name != "backend"
    }
    assert (loaded.backend, loaded.backend_source, loaded.passphrase_file, loaded.use_cache) == (None, "", "", True)


def test_everything_lies_under_keytui_home(environ: dict[str, str], tmp_path: Path) -> None:
    loaded = settings.load(environ)
    assert (loaded.data_dir, loaded.config_dir) == (str(tmp_path), str(tmp_path))
    for path in (loaded.index_path, loaded.vault_dir, loaded.lock_path, loaded.settings_path):
        assert Path(path).parent == tmp_path


def test_keytui_home_may_be_relative_or_begin_with_a_tilde(machine: Path) -> None:
    assert settings.folders({"KEYTUI_HOME": "~/keys"})[0] == str(machine / "keys")
    assert settings.folders({"KEYTUI_HOME": "keys"})[0] == str(Path.cwd() / "keys")


@pytest.mark.skipif(sys.platform != "linux", reason="platformdirs itself is used elsewhere")
@pytest.mark.parametrize("value", [None, "", " ", "/somewhere/else", "/with space/é"])
def test_the_folders_on_linux_are_those_of_platformdirs(
    machine: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("KEYTUI_HOME")
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        if value is not None:
            monkeypatch.setenv(variable, value)
    assert machine.is_dir()
    assert settings.folders(os.environ) == (
        platformdirs.user_data_dir("keytui", appauthor=False),
        platformdirs.user_config_dir("keytui", appauthor=False),
    )


def test_a_variable_beats_the_file_and_the_option_beats_both(environ: dict[str, str]) -> None:
    write(environ, 'backend = "os"\ntrash_days = 3\nreveal_seconds = 5\n')
    loaded = settings.load(environ)
    assert (loaded.backend, loaded.backend_source, loaded.trash_days) == ("os", "settings.toml", 3)
    environ |= {"KEYTUI_BACKEND": "vault", "KEYTUI_TRASH_DAYS": "7"}
    loaded = settings.load(environ)
    assert (loaded.backend, loaded.backend_source) == ("vault", "KEYTUI_BACKEND")
    assert (loaded.trash_days, loaded.reveal_seconds) == (7, 5)
    loaded = settings.load(environ, backend="os")
    assert (loaded.backend, loaded.backend_source) == ("os", "--backend")


def test_an_empty_variable_counts_as_absent(environ: dict[str, str]) -> None:
    assert settings.load(environ | {"KEYTUI_TRASH_DAYS": "", "KEYTUI_BACKEND": ""}).trash_days == 1


@pytest.mark.parametrize(("value", "used"), [("1", False), ("yes", False), ("0", True), ("", True)])
def test_no_cache(environ: dict[str, str], value: str, used: bool) -> None:
    assert settings.load(environ | {"KEYTUI_NO_CACHE": value}).use_cache is used


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("colour = 1", "has no setting “colour”."),
        ("trash_days = -1", "trash_days in {} must be a whole number, at least 0."),
        ("trash_days = 1.5", "trash_days in {} must be a whole number, at least 0."),
        ("trash_days = true", "trash_days in {} must be a whole number, at least 0."),
        ('trash_days = "1"', "trash_days in {} must be a whole number, at least 0."),
        ("reveal_seconds = 0", "reveal_seconds in {} must be a whole number, at least 1."),
        ('backend = "file"', "backend in {} must be one of: os, vault."),
        ("backend = 1", "backend in {} must be one of: os, vault."),
        ('clipboard = ""', "clipboard in {} must be one of: auto, native, osc52."),
        ("trash_days = 1000001", "trash_days in {} must be a whole number, at most 1,000,000."),
        (f"trash_days = {'9' * 5_000}", "is not valid TOML"),
        ("trash_days", "is not valid TOML"),
        ("trash_days = 1\ntrash_days = 2", "is not valid TOML"),
    ],
)
def test_a_bad_file_is_refused_with_its_path(environ: dict[str, str], line: str, said: str) -> None:
    path = write(environ, line)
    with pytest.raises(UsageError) as refused:
        settings.load(environ)
    assert said.format(path) in refused.value.sentence
    assert path in refused.value.sentence
    assert refused.value.hint


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("KEYTUI_TRASH_DAYS", "soon", "KEYTUI_TRASH_DAYS must be a whole number."),
        ("KEYTUI_CHECK_SECONDS", "0", "check_seconds in KEYTUI_CHECK_SECONDS must be a whole number, at least 1."),
        (
            "KEYTUI_KEYRING_SECONDS",
            "9" * 30,
            "keyring_seconds in KEYTUI_KEYRING_SECONDS must be a whole number, at most 1,000,000.",
        ),
        ("KEYTUI_CLIPBOARD", "fax", "clipboard in KEYTUI_CLIPBOARD must be one of: auto, native, osc52."),
    ],
)
def test_a_bad_variable_is_refused_by_name(environ: dict[str, str], variable: str, value: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        settings.load(environ | {variable: value})
    assert refused.value.sentence == said


def test_a_file_that_cannot_be_read(environ: dict[str, str]) -> None:
    path = Path(environ["KEYTUI_HOME"]) / "settings.toml"
    path.mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        settings.load(environ)


def test_a_file_that_is_no_text(environ: dict[str, str]) -> None:
    (Path(environ["KEYTUI_HOME"]) / "settings.toml").write_bytes(b"# \xff\n")
    with pytest.raises(UsageError, match="is not valid TOML"):
        settings.load(environ)


def test_a_folder_of_settings_that_is_none_is_told(environ: dict[str, str]) -> None:
    path = Path(environ["KEYTUI_HOME"]) / "file"
    path.touch()
    with pytest.raises(UsageError, match="cannot be read"):
        settings.load(environ | {"KEYTUI_HOME": str(path)})


def test_a_choice_that_cannot_be_remembered_leaves_no_scrap(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        settings.remember_backend(settings.load(environ), "vault")
    assert not [name for name in os.listdir(environ["KEYTUI_HOME"]) if "settings" in name]


def test_the_chosen_store_is_remembered_and_the_rest_of_the_file_kept(environ: dict[str, str]) -> None:
    path = write(environ, '# mine\ntrash_days = 3\nbackend = "os"\n')
    remembered = settings.remember_backend(settings.load(environ), "vault")
    assert (remembered.backend, remembered.backend_source) == ("vault", "settings.toml")
    assert settings.load(environ) == remembered
    assert "# mine\ntrash_days = 3\n" in Path(path).read_text()
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_the_first_store_is_remembered_where_there_was_no_folder(tmp_path: Path) -> None:
    environ = {"KEYTUI_HOME": str(tmp_path / "new" / "home")}
    settings.remember_backend(settings.load(environ), "os")
    assert settings.load(environ).backend == "os"
    assert os.listdir(environ["KEYTUI_HOME"]) == ["settings.toml"]


_LINES = st.one_of(
    st.sampled_from(['backend = "os"', "trash_days = 3", "", "# note", "x=00", "x = 1_0", 'x = "a\\u0041"', "x = 'a'"]),
    st.text("ab=\"'#\\ 019_-.\t\x7f", max_size=12),
    st.tuples(st.sampled_from(["a", "b_c", "é", "1"]), st.sampled_from(["1", '"w"', '""', "010", "-1", "true"])).map(
        " = ".join
    ),
)


@given(st.lists(_LINES, max_size=4).map("\n".join))
def test_what_is_read_without_tomllib_means_the_same_in_toml(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "plain.toml"
    path.write_text(text, encoding="utf-8")
    plain = settings._plain_lines(str(path))
    if plain is not None:
        assert plain == tomllib.loads(text)
