"""The list, its groups and its filter, by keys alone."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from keytui.model import DAY, Verdict
from keytui.tui import words
from keytui.tui.widgets.groups import Groups
from tests.stores import fields
from tests.tui.conftest import World, opened


def checked(world: World, key_id: int, word: str, latency_ms: int = 212) -> None:
    verdict = Verdict(word, "The provider said so.", int(world.clock()), latency_ms, 200)  # type: ignore[arg-type] # a test names a word
    world.store.record_check(key_id, verdict)


async def test_each_key_has_a_line_that_says_how_it_is(world: World, size: tuple[int, int]) -> None:
    key = world.add("openai-prod", rotate_every_days=5)
    checked(world, key.id, "valid")
    world.add("router", provider="openrouter")
    async with opened(world, size) as app:
        lines = app.text.splitlines()
        line = next(line for line in lines if "openai-prod" in line)
        for part in ("OpenAI", key.masked, "today", "in 5d", "✓ valid"):
            assert part in line
        assert "· not checked" in next(line for line in lines if "router" in line)
        assert "2 keys · 1 due · 0 unhealthy" in app.text


async def test_no_secret_is_read_to_draw_the_list(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add()
    monkeypatch.setattr(world.store, "read", lambda *_args: pytest.fail("a secret was read"))
    async with opened(world) as app:
        assert "openai-prod" in app.text


async def test_moving_shows_the_other_key_in_details(world: World, size: tuple[int, int]) -> None:
    world.add("alpha", env="ALPHA_KEY")
    world.add("beta", env="BETA_KEY")
    async with opened(world, size) as app:
        assert "3 Details · alpha" in app.text
        await app.press("j")
        assert "3 Details · beta" in app.text
        assert "BETA_KEY" in app.text
        await app.press("g")
        assert app.selected == "alpha"
        await app.press("G")
        assert app.selected == "beta"


async def test_user_text_is_never_markup(world: World, size: tuple[int, int]) -> None:
    world.add("[red]free[/red]", note="[bold]note[/]", tags=("[b]",))
    async with opened(world, size) as app:
        assert "[red]free" in app.text
        await app.press("3", "end")
        await app.sees("[bold]note[/]")


async def test_wide_names_keep_the_columns_aligned(world: World) -> None:
    world.add("日本語のキー 🔑")
    world.add("plain")
    async with opened(world) as app:
        rows = [line for line in app.text.splitlines() if "not checked" in line and "today" in line]
        assert len(rows) == 2
        assert len({cell_len(row[: row.index("· not checked")]) for row in rows}) == 1


async def test_a_name_with_control_characters_cannot_move_the_cursor(world: World) -> None:
    world.add("plain")
    async with opened(world) as app:
        assert words.fit("a\x1b[2Jb\nc", 10) == "a�[2Jb�c  "
        assert "\x1b" not in app.text


async def test_filter_shows_keys_that_hold_every_word(world: World, size: tuple[int, int]) -> None:
    world.add("openai-prod", tags=("billing",))
    world.add("openai-staging")
    world.add("router", note="paid by Prod")
    async with opened(world, size) as app:
        await app.press("slash")
        await app.type("prod bill")
        assert [key.name for key in app.main.keys.keys] == ["openai-prod"]
        assert "1 of 3" in app.text
        await app.press("enter")
        await app.until(lambda: app.main.pane == "keys")
        await app.press("j")
        assert "1 of 3" in app.text
        await app.press("escape")
        assert len(app.main.keys.keys) == 3
        assert "of 3" not in app.text


async def test_a_filter_that_matches_nothing_says_how_to_clear_it(world: World) -> None:
    world.add()
    async with opened(world) as app:
        await app.press("slash")
        await app.type("[x]")
        assert "No key here matches “[x]”. Esc clears the filter." in app.text


async def test_question_mark_can_be_typed_into_the_filter(world: World) -> None:
    world.add()
    async with opened(world) as app:
        await app.press("slash")
        await app.type("a?")
        assert app.main.listing.text == "a?"


async def test_groups_filter_the_list(world: World, size: tuple[int, int]) -> None:
    world.add("alpha", tags=("prod",))
    dead = world.add("beta")
    checked(world, dead.id, "invalid")
    world.add("gamma", provider="openrouter", rotate_every_days=3)
    async with opened(world, size) as app:
        await app.press("1")
        shown = {}
        for _ in range(9):
            shown[app.main.listing.group.label] = [key.name for key in app.main.keys.keys]
            await app.press("j")
        assert shown["All"] == ["alpha", "beta", "gamma"]
        assert shown["Due"] == ["gamma"]
        assert shown["Unhealthy"] == ["beta"]
        assert shown["Rotating"] == []
        assert shown["OpenRouter"] == ["gamma"]
        assert shown["prod"] == ["alpha"]
        assert shown["Trash"] == []
        await app.press("enter")
        assert app.app.focused is app.main.keys


async def test_the_trash_says_until_when_a_key_is_kept(world: World, size: tuple[int, int]) -> None:
    key = world.add("gone")
    world.add("kept")
    world.store.delete(key.id)
    async with opened(world, size) as app:
        assert "gone" not in app.text
        await app.press("1", "G")
        assert app.selected == "gone"
        assert "kept until" in app.text
        await app.press("2", "t")
        assert "This key is in the trash." in app.toasts


async def test_sorting_goes_round(world: World) -> None:
    world.add("a", rotate_every_days=90)
    b = world.add("b", rotate_every_days=5)
    world.add("c")
    checked(world, b.id, "valid")
    async with opened(world) as app:
        orders = []
        for _ in range(4):
            await app.press("s")
            orders.append([key.name for key in app.main.keys.keys])
        assert orders == [["b", "a", "c"], ["a", "c", "b"], ["a", "b", "c"], ["a", "b", "c"]]


async def test_the_cursor_stays_on_its_key_when_another_process_adds_one(world: World) -> None:
    world.add("beta")
    async with opened(world) as app:
        world.add("alpha")
        await app.tick()
        await app.until(lambda: len(app.main.keys.keys) == 2)
        assert app.selected == "beta"
        await app.until(lambda: "2 keys" in app.text)


async def test_a_key_that_becomes_due_shows_at_once(world: World) -> None:
    world.add("soon", rotate_every_days=30)
    async with opened(world) as app:
        assert "in 30d" in app.text
        await app.tick(40 * DAY)
        await app.sees("overdue")


async def test_a_long_list_scrolls_with_the_cursor(world: World) -> None:
    for number in range(60):
        world.add(f"key-{number:02d}")
    async with opened(world, (80, 24)) as app:
        assert "key-00" in app.text
        await app.press("pagedown")
        assert app.selected == "key-09"
        await app.press("G")
        assert app.selected == "key-59"
        assert "key-59" in app.text
        assert "Name" in app.text
        await app.press("home")
        assert "key-00" in app.text


async def test_a_click_selects_a_row(world: World) -> None:
    for name in ("alpha", "beta", "gamma"):
        world.add(name)
    async with opened(world) as app:
        await app._pilot.click("#key-list", offset=(5, 3))
        assert app.selected == "gamma"


async def test_groups_fall_back_to_all_when_theirs_is_gone(world: World) -> None:
    key = world.add("only", tags=("solo",))
    world.add("other")
    async with opened(world) as app:
        await app.press("1")
        # Where the cursor stands, not what is listed: that follows, and a key too many goes past it for good.
        await app.press_until("j", lambda: app.main.query_one(Groups).group.label == "solo", "solo")
        await app.until(lambda: app.main.listing.group.label == "solo", "the keys of solo")
        world.store.edit(key.id, fields("only", base_url=key.base_url))
        await app.tick()
        await app.until(lambda: app.main.listing.group.label == "All")
        assert app.main.query_one(Groups).group.kind == "all"


async def test_a_filter_finds_health_and_what_is_due(world: World) -> None:
    checked(world, world.add("alpha", rotate_every_days=5).id, "valid")
    checked(world, world.add("beta").id, "invalid")
    checked(world, world.add("gamma").id, "no_quota")
    world.add("delta", expires_at=int(world.clock()) - 3 * DAY)
    found = {"valid": ["alpha"], "invalid": ["beta"], "no quota": ["gamma"], "due": ["alpha", "delta"]}
    async with opened(world) as app:
        for text, names in {**found, "expired": ["delta"]}.items():
            app.main.listing.text = text
            assert [key.name for key in app.main.listing.rows(int(world.clock()))] == names
        await app.press("j", "j")
        await app.sees("expired on ")


async def test_after_a_filter_the_cursor_is_on_its_key_again(world: World) -> None:
    for name in ("alpha", "beta", "gamma"):
        world.add(name)
    async with opened(world) as app:
        await app.press("j", "slash")
        await app.type("gam")
        await app.press("escape")
        assert app.selected == "beta"
        await app.press("slash")
        await app.type("gam")
        await app.press("enter", "escape")
        assert app.selected == "gamma"


async def test_a_long_name_gets_what_health_leaves_blank(world: World) -> None:
    name = "production-gateway-in-frankfurt-for-billing"
    checked(world, world.add(name).id, "valid")
    async with opened(world) as app:
        row = next(line for line in app.text.splitlines() if "✓ valid" in line and "│▌" in line)
        assert name[:28] in row
        await app.resize(200, 40)
        await app.until(lambda: any(f"▌{name} " in line for line in app.text.splitlines()))
        await app.resize(120, 40)
        await app.sees(f"│ Name       {name[:20]}")


async def test_a_filter_typed_in_one_go_with_its_slash_is_whole(world: World, size: tuple[int, int]) -> None:
    world.add("alpha")
    world.add("beta")
    async with opened(world, size) as app:
        await app.burst("slash", *"beta", "enter")
        await app.sees("1 of 2")
        assert app.selected == "beta"
        assert len(world.store.keys()) == 2
        assert app.app.screen is app.main
