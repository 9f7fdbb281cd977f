"""The shell around the panes: first steps, help, palette, focus, sizes, what is loaded when."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from textual._compositor import Compositor, ReflowResult
from textual.events import Paste
from textual.geometry import Size
from textual.widget import Widget

from keytui.model import StoreStatus
from keytui.storage.keystore import Keystore
from keytui.storage.vault import Vault
from keytui.tui import actions
from keytui.tui.app import KeytuiApp
from keytui.tui.screens.doing import Doing
from keytui.tui.screens.form import FormScreen
from keytui.tui.screens.help import HelpScreen, help_text
from keytui.tui.screens.panes import Panes
from keytui.tui.widgets.lines import LineList
from tests.stores import fake_key
from tests.tui.conftest import Driver, World, opened


async def test_an_empty_store_shows_three_first_steps(world: World, size: tuple[int, int]) -> None:
    async with opened(world, size) as app:
        for part in ("No keys yet", "n  New", "t  Check", "?  Every keyboard shortcut", "Keys go to"):
            assert part in app.text
        await app.press("t")
        assert "Press n to add one." in app.toasts


async def test_an_empty_store_that_was_chosen_to_be_a_vault_says_so(world: World) -> None:
    settings = world.settings._replace(backend="vault")
    world.store = Keystore(settings, backends={"vault": Vault(settings)}, clock=world.clock)
    async with opened(world) as app:
        assert "Keys go to an encrypted vault" in app.text
        assert "OS keyring" not in app.text
        await app.press("n")
        await app.until(lambda: isinstance(app.app.screen, FormScreen))
        assert app.app.focused is not None
        app.app.focused.post_message(Paste(fake_key().reveal()))
        await app.sees("characters")
        await app.press("ctrl+s")
        await app.sees("Your keys will be kept in a vault")
        assert "instead" not in app.text


async def test_a_key_pasted_before_the_form_stands_is_in_it(world: World) -> None:
    """Over a slow line the key press and the paste arrive as one."""
    async with opened(world) as app:
        await app.burst("n", paste=fake_key().reveal())
        await app.sees("Name            openai")


async def test_a_key_pasted_while_the_form_opens_is_in_it(world: World) -> None:
    async with opened(world) as app:
        app.main.do_new()
        await app.burst(paste=fake_key().reveal())
        await app.sees("Name            openai")


async def test_a_key_pasted_into_the_list_does_nothing(world: World) -> None:
    secret = fake_key()
    async with opened(world) as app:
        before = app.text
        await app.burst(paste=secret.reveal())
        await app.quiet()
        assert app.text == before


async def test_what_is_typed_for_a_pane_that_is_still_to_come_does_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    world.add()
    settle = Panes._settle
    held: list[Panes] = []

    async def hold(self: Panes) -> None:
        held.append(self)

    monkeypatch.setattr(Panes, "_settle", hold)
    app = KeytuiApp(world.store, world.settings, clock=world.clock)
    async with app.run_test(size=size) as pilot:
        driver = Driver(app, pilot, world)
        await driver.burst("p")
        await driver.until(lambda: driver.main.pane == "test")
        await driver.burst(*"An D y", "enter")
        assert app.screen is app.main
        await settle(held[0])
        await driver.until(lambda: app.focused is not None and app.focused.id == "prompt")
        await driver.type("Hello")
        await driver.sees("Hello")
        await driver.quiet()
        assert len(world.store.keys()) == 1


async def test_the_demo_says_so_on_every_screen(world: World, size: tuple[int, int]) -> None:
    world.add()
    async with opened(world, size, demo=True) as app:
        assert "DEMO" in app.text
        await app.press("question_mark")
        await app.until(lambda: isinstance(app.app.screen, HelpScreen))
        await app.sees("KEYS")
        assert "DEMO" in app.main.query_one("#top-bar").render_line(0).text


async def test_help_shows_every_key_and_why_one_does_nothing(world: World, size: tuple[int, int]) -> None:
    async with opened(world, size) as app:
        await app.press("question_mark")
        await app.until(lambda: isinstance(app.app.screen, HelpScreen))
        await app.sees("Rotate")
        await app.sees("Not now: There is no key here.")
        for heading in actions.groups():
            await app.press_until("pagedown", lambda heading=heading: heading.upper() in app.text, heading)  # type: ignore[misc] # bound at once
        await app.press("end")
        await app.sees("Leave keytui.")
        await app.press("escape")
        await app.until(lambda: app.app.screen is app.main)


def test_help_has_every_action() -> None:
    status = StoreStatus("vault", "ready", "Vault")
    for width in (49, 86):
        text = help_text(actions.Context("keys", None, 0, None, status), width).plain
        assert max(len(line) for line in text.splitlines()) <= width
        for action in actions.ACTIONS:
            assert action.label in text


async def test_panes_are_reached_by_number_and_tab(world: World, size: tuple[int, int]) -> None:
    world.add()
    async with opened(world, size) as app:
        places = {"1": "groups", "3": "details", "4": "prompt", "2": "key-list"}
        for key, focused in places.items():
            await app.press("escape", key)
            assert app.app.focused is not None
            assert app.app.focused.id == focused
            assert app.app.focused.display
            assert "Groups" in app.text or key != "1"
        order = []
        for _ in range(4):
            await app.press("tab")
            order.append(app.main.pane)
        assert order == ["details", "test", "groups", "keys"]
        await app.press("shift+tab")
        assert app.main.pane == "groups"


async def test_a_narrow_terminal_shows_the_list_and_one_other_pane(world: World) -> None:
    world.add()
    async with opened(world, (80, 24)) as app:
        assert "3 Details" in app.text
        assert "1 Groups · 4 Test" in app.text
        await app.press("1", "j", "j")
        assert "1 Groups" in app.text
        assert "▌Unhealthy" in app.text
        assert " All " in app.text
        assert "2 Keys · Unhealthy" in app.text
        await app.press("4")
        assert "4 Test" in app.text
        assert "1 Groups · 3 Details" in app.text
        await app.press("escape")
        assert "─ 3 Details ─" in app.text
        assert "1 Groups · 4 Test" in app.text


async def test_a_tiny_terminal_says_what_it_needs_and_loses_nothing(world: World) -> None:
    world.add("alpha")
    world.add("beta")
    async with opened(world) as app:
        await app.press("j", "slash")
        await app.type("bet")
        await app.resize(20, 5)
        await app.sees("keytui needs")
        assert "60×20" in app.text
        await app.press("escape", "d", "n", "u")
        assert app.app.screen is app.main
        assert not app.toasts
        await app.resize(80, 24)
        await app.until(lambda: "keytui needs" not in app.text and "3 Details · beta" in app.text)
        assert app.app.focused is app.main.query_one("#filter")
        await app.resize(120, 40)
        await app.sees("4 Test · beta")
        assert "1 Groups" in app.text


@pytest.mark.parametrize("width", [20, 60, 61, 79, 100, 119, 121, 200])
async def test_no_line_is_wider_than_the_terminal(world: World, width: int) -> None:
    world.add("a" * 100, tags=("t" * 40,), note="n" * 200, env="V" * 80)
    async with opened(world, (width, 24)) as app:
        assert all(len(line) <= width for line in app.text.splitlines())


async def test_the_key_bar_follows_the_pane(world: World, size: tuple[int, int]) -> None:
    world.add()
    async with opened(world, size) as app:
        entries = " ".join(app.text.splitlines()[-1].split())
        assert entries == "n New r Rotate t Check p Prompt y Copy / Filter ? Help"
        await app.press("3")
        assert "v Reveal" in app.text.splitlines()[-1]
        await app.press("4")
        assert "Enter Send" in app.text.splitlines()[-1]


async def test_a_dialog_that_opens_has_no_other_screen_laid_out_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Textual tells all screens below of the size that they have already."""
    laid_out: list[Compositor] = []
    reflow = Compositor.reflow

    def note(self: Compositor, parent: Widget, size: Size) -> ReflowResult:
        laid_out.append(self)
        return reflow(self, parent, size)

    world.add()
    async with opened(world) as app:
        monkeypatch.setattr(Compositor, "reflow", note)
        await app.press("question_mark")
        await app.sees("Keyboard shortcuts")
        assert app.app.screen._compositor in laid_out
        assert app.main._compositor not in laid_out


async def test_the_palette_offers_the_registry_and_no_screenshot(world: World) -> None:
    world.add()
    async with opened(world) as app:
        await app.press("ctrl+p")
        await app.until(lambda: app.app.screen is not app.main)
        await app.sees("Rotate")
        assert "Theme" not in app.text.split("New  n")[0]
        await app.type("screensh")
        await app.sees("No matches found")
        await app.press("escape")
        titles = [command.title for command in app.app.get_system_commands(app.app.screen)]
        assert titles == ["Theme"]


async def test_the_palette_does_what_it_offers(world: World) -> None:
    world.add()
    async with opened(world) as app:
        await app.press("ctrl+p")
        await app.until(lambda: app.app.screen is not app.main)
        await app.type("reveal")
        await app.sees("Show the key in Details")
        await app.press("enter")
        await app.sees("hides in")


async def test_ctrl_c_says_how_to_leave(world: World) -> None:
    async with opened(world) as app:
        await app.press("ctrl+c")
        assert "Ctrl+Q" in app.toasts
        assert app.app.is_running


async def test_q_leaves(world: World) -> None:
    async with opened(world) as app:
        await app.press("q")
        await app.until(lambda: not app.app.is_running)


@pytest.mark.parametrize("theme", ["textual-light", "nord", "ansi-dark"])
async def test_other_themes_work(world: World, theme: str) -> None:
    world.add()
    async with opened(world) as app:
        app.app.theme = theme
        await app.sees("openai-prod")


async def test_without_color_the_signs_and_the_cursor_remain(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    world.add()
    async with opened(world) as app:
        assert "▌openai-prod" in app.text
        assert "· not checked" in app.text


async def test_a_broken_index_says_what_to_do(world: World) -> None:
    world.add()
    world.store.close()
    await asyncio.to_thread(Path(world.settings.index_path).write_bytes, b"this is no database" * 100)
    async with opened(world) as app:
        assert "index" in app.text
        assert app.app.is_running


def test_each_action_of_the_main_screen_can_be_done() -> None:
    for action in actions.ACTIONS:
        if action.where == "main":
            assert callable(getattr(Doing, f"do_{action.id}"))


def test_no_key_means_two_things_in_one_place() -> None:
    for place in (("main",), ("main", "list")):
        keys = [key for action in actions.ACTIONS if action.where in place for key in action.keys]
        assert len(keys) == len(set(keys))


def test_bindings_come_from_the_registry() -> None:
    assert {binding.id for binding in actions.bindings("list")} == {
        action.id for action in actions.ACTIONS if action.where == "list"
    }
    assert actions.bindings("list") == LineList.BINDINGS


def test_each_key_bar_has_at_most_six_entries() -> None:
    panes: tuple[actions.Pane, ...] = ("groups", "keys", "details", "test", "filter")
    for pane in panes:
        assert 2 <= len(actions.bar(pane)) <= 6


def test_the_readme_table_has_every_action() -> None:
    table = actions.readme_table()
    assert table.splitlines()[0] == "| key | does |"
    for action in actions.ACTIONS:
        assert action.help in table


FIRST_PAINT = """
import sys, tempfile
from keytui.settings import load
from keytui.storage.backends import MemoryBackend
from keytui.storage.keystore import Keystore
from keytui.tui.app import KeytuiApp
from keytui.tui.screens.main import MainScreen

def painted(self):
    print(" ".join(sorted(sys.modules)))
    self.app.exit()

MainScreen._settle = painted
settings = load({"KEYTUI_HOME": tempfile.mkdtemp(), "KEYTUI_NO_CACHE": "1"})
KeytuiApp(Keystore(settings, backends={"os": MemoryBackend()}), settings).run(headless=True, size=(120, 40))
"""


def test_nothing_heavy_is_loaded_at_the_first_paint() -> None:
    run = subprocess.run([sys.executable, "-c", FIRST_PAINT], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(run.stdout.split())
    assert "keytui.tui.screens.main" in loaded
    heavy = {
        "openai",
        "httpx",
        "keyring",
        "secretstorage",
        "pyperclip",
        "pyrage",
        "textual.widgets._markdown",
        "textual.widgets._data_table",
        "keytui.flows.clipboard",
        "keytui.tui.screens.form",
    }
    assert not loaded & heavy


PAUSE = """
import asyncio, sys, tempfile, time
from keytui.settings import load
from keytui.storage.backends import MemoryBackend
from keytui.storage.keystore import Keystore
from keytui.tui.app import KeytuiApp

moved = 0

async def pause():
    global moved
    settings = load({"KEYTUI_HOME": tempfile.mkdtemp(), "KEYTUI_NO_CACHE": "1"})
    store = Keystore(settings, backends={"os": MemoryBackend()})
    app = KeytuiApp(store, settings, clock=lambda: time.time() + moved)
    async with app.run_test() as pilot:
        await app._use_pause()
        assert "keytui.tui.screens.form" not in sys.modules, "nobody has paused yet"
        moved = 10
        while "keytui.tui.screens.unlock" not in sys.modules:
            await app._use_pause()
            await pilot.pause()

asyncio.run(pause())
"""


def test_dialogs_are_loaded_in_the_first_pause() -> None:
    """The form is the slowest to load, and nobody waits for it then."""
    subprocess.run([sys.executable, "-c", PAUSE], check=True, timeout=60)


def test_nothing_heavy_is_loaded_with_the_dialogs() -> None:
    code = "import sys; from keytui.tui import idle; idle._load_dialogs(); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(run.stdout.split())
    assert "keytui.tui.screens.form" in loaded
    assert not loaded & {"openai", "httpx", "keyring", "secretstorage", "pyperclip", "pyrage"}
