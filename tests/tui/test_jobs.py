"""What the app does with a key: check, prompt, copy, reveal, delete, undo. By keys alone, over real HTTP."""

from __future__ import annotations

import asyncio
import gc
import re
from pathlib import Path

import pytest

from keytui.demo.server import DemoServer
from keytui.errors import SecretMissing, StoreLocked, StoreRefused, StoreUnavailable
from keytui.flows import clipboard
from keytui.flows.clipboard import Copied
from keytui.model import Secret
from keytui.providers.catalog import PROVIDERS
from keytui.tui import access, asking, jobs, messages
from tests.leaks import files_with, leaks
from tests.stores import fake_key, fields
from tests.tui.conftest import World, no_key, opened


async def test_check_says_what_the_provider_said(world: World, size: tuple[int, int]) -> None:
    world.add("works")
    world.add("broke", secret=Secret("sk-demo-" + "noquota-000000"))
    async with opened(world, size) as app:
        await app.press("t")
        await app.sees("$ no quota")
        await app.press("j", "t")
        await app.sees("✓ valid")
        await app.quiet()
        assert world.store.find("works").verdict == "valid"
        assert world.store.find("broke").verdict == "no_quota"


async def test_check_all_checks_what_is_shown(world: World) -> None:
    for number in range(6):
        world.add(f"key-{number}")
    world.add("other")
    async with opened(world) as app:
        await app.press("slash")
        await app.type("key-")
        await app.press("enter", "T")
        await app.quiet()
        assert [key.verdict for key in world.store.keys()] == ["valid"] * 6 + [None]
        await app.until(lambda: "Checked 6 keys. All of them work." in app.toasts)
        await app.until(lambda: "checked" not in app.text.splitlines()[-1])


async def test_escape_stops_the_checks_and_says_how_far_they_came(world: World, size: tuple[int, int]) -> None:
    world.add("a-first")
    for number in range(12):
        secret = fake_key()
        world.server.register(secret, "hang")
        world.add(f"key-{number:02d}", secret=secret)
    async with opened(world, size) as app:
        await app.press("T")
        await app.sees("checked 1 of 13 ━")
        await app.sees("✓ valid")
        assert "… checking" in app.text
        await app.press("T")  # those under way are not asked twice
        await app.press("escape")
        await app.until(lambda: "Checked 1 of 13 keys." in app.toasts)
        await app.quiet()
        assert "checking" not in app.text
        assert "checked 1" not in app.text
        assert [key.verdict for key in world.store.keys()] == ["valid", *[None] * 12]


async def test_details_tell_what_a_check_saw_what_to_do_and_when_the_verdict_changed(
    world: World, size: tuple[int, int]
) -> None:
    secret = fake_key()
    world.add(secret=secret)
    async with opened(world, size) as app:
        for state in ("valid", "valid", "no_quota"):
            world.server.register(secret, state)
            await app.press("t")
            await app.quiet()
        await app.press("3")
        await app.sees("$ no quota, just now")
        await app.sees("HTTP 429 · insufficient_quota")
        await app.sees("O opens the")
        await app.press_until("down", lambda: "✓ valid" in app.text, "✓ valid")


async def test_a_failed_check_leaves_no_row_checking(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    key = world.add()

    def broken(_key_id: int) -> Secret:
        raise StoreUnavailable("The keyring went away.", "Start it again.")

    async with opened(world) as app:
        monkeypatch.setattr(world.store, "read", broken)
        await app.press("t")
        await app.quiet()
        await app.until(lambda: "The keyring went away." in app.toasts)
        assert "checking" not in app.text
        assert world.store.key(key.id).verdict is None


async def test_a_verdict_that_cannot_be_noted_is_shown_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add("broke", secret=Secret("sk-demo-" + "noquota-000000"))
    world.add("other")

    def full(*_: object) -> None:
        raise StoreRefused("No space is left on the disk.", "Free some space.")

    async with opened(world) as app:
        monkeypatch.setattr(world.store, "record_check", full)
        await app.press("t")
        await app.sees("$ no quota")
        await app.quiet()
        await app.sees("HTTP 429 · insufficient_quota")
        assert "was not noted: No space is left on the disk." in app.toasts
        world.store.edit(world.store.find("other").id, fields("others"))
        await app.tick()
        await app.sees("others")
        assert "$ no quota" in app.text
        monkeypatch.undo()
        await app.press("t")
        await app.until(lambda: world.store.find("broke").verdict == "no_quota")


async def test_declining_to_unlock_ends_a_run_of_checks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        world.add(f"key-{number}")
    asked = 0

    async def decline(_app: object) -> bool:
        nonlocal asked
        asked += 1
        return False

    def locked(_key_id: int) -> Secret:
        raise StoreLocked("vault", "The vault is locked.")

    monkeypatch.setattr(access, "_unlock_vault", decline)
    async with opened(world) as app:
        monkeypatch.setattr(world.store, "read", locked)
        await app.press("T")
        await app.quiet()
        assert asked <= asking.CHECKS_AT_ONCE
        assert app.toasts.count("Nothing was changed") == 1
        assert "Checked" not in app.toasts


async def test_keys_that_could_not_be_asked_about_are_not_said_to_work(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = world.add("lost").id
    world.add("one")
    world.add("two")
    read = world.store.read

    def some(key_id: int) -> Secret:
        if key_id == lost:
            raise SecretMissing("The store holds no secret for “lost”.")
        return read(key_id)

    async with opened(world) as app:
        monkeypatch.setattr(world.store, "read", some)
        await app.press("T")
        await app.until(lambda: "Checked 2 of 3 keys. All of them work." in app.toasts)


async def test_prompt_streams_an_answer_with_its_numbers(world: World, size: tuple[int, int]) -> None:
    world.add("openai-prod")
    async with opened(world, size) as app:
        await app.press("p")
        assert "4 Test · openai-prod" in app.text
        assert "Say hello in one word" in app.text
        await app.press("enter")
        await app.sees("· first token")
        assert "Hello" in app.text


async def test_keys_typed_ahead_go_where_the_focus_is_going(world: World) -> None:
    world.add()
    async with opened(world) as app:
        await app.burst("p", "enter")
        await app.sees("· first token")
        await app.burst("escape", "slash", "d", "d")
        await app.quiet()
        assert app.app.screen is app.main


async def test_escape_first_stops_the_answer_then_leaves(world: World) -> None:
    world.add("slow", secret=Secret("sk-demo-" + "slow-0000000000"))
    async with opened(world) as app:
        await app.press("p", "enter")
        await app.until(lambda: ("POST", "/v1/chat/completions") in world.server.requests)
        await app.sees("Esc Stop")
        await app.press("escape")
        await app.sees("Stopped.")
        assert app.app.focused is app.main.query_one("#prompt")
        assert "Esc Back" in app.text
        await app.press("x")
        assert "Say hello" not in app.text
        await app.press("escape")
        assert app.app.focused is app.main.keys


async def test_a_prompt_that_fails_says_why(world: World, size: tuple[int, int]) -> None:
    world.add("dead", secret=Secret("sk-demo-" + "invalid-000000"))
    async with opened(world, size) as app:
        await app.press("4", "enter")
        await app.until(lambda: app.main.test is not None and not app.main.test.answering and app.main.test.asked)
        await app.quiet()
        assert "first token" not in app.text
        await app.sees("✗ invalid")
        await app.sees("HTTP 401 · invalid_api_key · req_demo_")


async def test_an_answer_cannot_talk_to_the_terminal(world: World) -> None:
    key = world.add()
    async with opened(world) as app:
        app.app.tell(messages.PromptStarted(key.id))
        for piece in ("one\x1b]52;c;QUFB\x07", "\x9b31m\x07[red]two[/red]\r\n\tthree"):
            app.app.tell(messages.PromptText(piece, spells=no_key))
        app.app.tell(messages.PromptEnded(None, "Cut\x1b[31m off."))
        await app.sees("Cut�[31m off.")
        await app.sees("three")
        shown = app.text
        assert "one�]52;c;QUFB��31m�[red]two[/red]" in shown
        assert not {"\x1b", "\x9b", "\x07"} & set(shown)


async def test_a_notification_cannot_talk_to_the_terminal(world: World) -> None:
    async with opened(world) as app:
        app.app.tell(messages.Told("Deleted “\x1b]52;c;QUFB”."))
        app.app.show_error(StoreUnavailable("No \x1b[31mfolder.", "Make [/] one."))
        await app.until(lambda: "Deleted “�]52;c;QUFB”." in app.toasts)
        assert "No �[31mfolder.\nMake [/] one." in app.toasts


async def test_an_admin_key_is_not_prompted(world: World) -> None:
    world.add("org", kind="admin", env="OPENAI_ADMIN_KEY")
    async with opened(world) as app:
        await app.press("p")
        assert "An admin key manages other keys" in app.toasts


async def test_copy_says_what_is_certain_and_counts_down(
    world: World, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    secret = fake_key()
    world.add(secret=secret)
    copied: list[Secret] = []

    def copy(secret: Secret, *_args: object, **_kwargs: object) -> Copied:
        copied.append(secret)
        return Copied("xclip", True, "Copied openai-prod. Clears in 30 s.", world.clock() + 30)

    monkeypatch.setattr(clipboard, "copy", copy)
    async with opened(world, size) as app:
        await app.press("y")
        await app.quiet()
        assert copied == [secret]
        assert "Copied openai-prod. Clears in 30 s." in app.toasts
        assert re.search(r"clears in (30|2\d) s", app.text)  # the clock goes on while a busy machine draws
        assert app.app.clipboard == ""
        await app.tick(10)
        assert re.search(r"clears in (20|1\d) s", app.text)
        await app.tick(21)
        assert "clears in" not in app.text.splitlines()[-1]


async def test_copied_text_never_stays_in_the_app(world: World) -> None:
    world.add()
    async with opened(world) as app:
        app.app.copy_to_clipboard("some answer")
        assert app.app.clipboard == ""


@pytest.mark.parametrize("how", ["time", "escape", "moving", "blur", "lock", "dialog", "palette", "small", "rotated"])
async def test_a_revealed_key_is_hidden_again(world: World, how: str) -> None:
    secret = fake_key()
    world.add("alpha", secret=secret)
    world.add("beta")
    async with opened(world) as app:
        await app.press("v")
        await app.quiet()
        await app.sees("hides in")
        shown = app.text.replace("\n", "")
        assert secret.reveal()[:20] in shown
        if how == "time":
            await app.tick(11)
        elif how == "escape":
            await app.press("escape")
        elif how == "moving":
            await app.press("2", "j")
        elif how == "blur":
            from textual import events

            app.app.post_message(events.AppBlur())
            await app.until(lambda: "hides in" not in app.text)
        elif how == "lock":
            app.main.do_lock()
            await app.quiet()
        elif how == "small":
            await app.resize(50, 24)
            await app.sees("keytui needs")
            await app.resize(120, 40)
            await app.until(lambda: "keytui needs" not in app.text)
        elif how == "rotated":
            rotation = world.store.begin_rotation(world.store.find("alpha").id, fake_key())
            world.store.switch(rotation.id)
            await app.tick()
            await app.until(lambda: "hides in" not in app.text)
        else:
            await app.press("e" if how == "dialog" else "ctrl+p")
            await app.until(lambda: app.app.screen is not app.main)
            await app.press("escape")
            await app.until(lambda: app.app.screen is app.main)
        assert "hides in" not in app.text
        assert secret.reveal()[8:20] not in app.text.replace("\n", "")


async def test_a_picture_hides_a_revealed_key_first(world: World, tmp_path: Path) -> None:
    secret = fake_key()
    world.add(secret=secret)
    async with opened(world) as app:
        await app.press("v")
        await app.sees("hides in 10 s")
        drawn = app.app.export_screenshot()
        assert not leaks(drawn.encode(), secret.reveal())
        assert "hides in" not in app.text
        await app.press("v")
        await app.sees("hides in 10 s")
        saved = app.app.save_screenshot(path=str(tmp_path))
        assert not files_with(tmp_path, [secret.reveal()])
        assert saved.startswith(str(tmp_path))


async def test_an_error_in_a_task_nobody_waits_for_is_said_without_its_text(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    secret = fake_key()

    async def fail() -> None:
        raise ValueError(secret.reveal())

    async with opened(world) as app:
        task = asyncio.ensure_future(fail())
        await app.until(task.done)
        del task
        gc.collect()
        await app.until(lambda: "An error in keytui itself: ValueError at" in app.toasts)
        assert not leaks(app.toasts.encode(), secret.reveal())
    assert secret.reveal() not in caplog.text


async def test_a_key_read_after_a_dialog_was_opened_is_not_revealed(world: World) -> None:
    world.add()
    async with opened(world) as app:
        await app.burst("v", "n")
        await app.quiet()
        await app.press("escape")
        await app.until(lambda: app.app.screen is app.main)
        assert "hides in" not in app.text


async def test_the_answer_to_a_question_can_be_typed_ahead(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add("alpha")
    world.add("beta")
    copied: list[Secret] = []
    monkeypatch.setattr(clipboard, "copy", lambda secret, *_args, **_kwargs: copied.append(secret))
    async with opened(world) as app:
        await app.burst("d", "y")
        await app.until(lambda: "Moved “alpha” to the trash." in app.toasts)
        assert not copied


async def test_keys_that_open_dialogs_open_one_at_a_time(world: World) -> None:
    world.add("alpha")
    async with opened(world) as app:
        await app.burst("d", "d", "e", "n")
        await app.until(lambda: app.app.screen is app.main or len(app.app.screen_stack) > 1)
        await app.quiet()
        assert len(app.app.screen_stack) <= 2
        assert world.store.find("alpha")


async def test_delete_and_undo(world: World, size: tuple[int, int]) -> None:
    world.add("openai-prod")
    world.add("router")
    async with opened(world, size) as app:
        await app.press("u")
        assert "There is nothing to undo." in app.toasts
        await app.press("d")
        await app.until(lambda: app.app.screen is not app.main)
        await app.press("y")
        await app.until(lambda: "1 key " in app.text.splitlines()[0], "one key left")
        assert "Moved “openai-prod” to the trash. u undoes it." in app.toasts
        await app.press("u")
        await app.until(lambda: app.selected == "openai-prod", "the key is back")
        assert "Undone" in app.toasts
        assert "openai-prod" in app.text


async def test_a_key_in_the_trash_can_be_deleted_for_good(world: World, size: tuple[int, int]) -> None:
    key = world.add("gone")
    world.store.delete(key.id)
    world.add("kept")
    async with opened(world, size) as app:
        await app.press("1", "G", "2", "d")
        assert "u brings it back, D deletes it now." in app.toasts
        assert "u Bring back" in app.text
        await app.press("D")
        await app.until(lambda: app.app.screen is not app.main)
        await app.press("y")
        await app.until(lambda: not world.store.keys(trash=True))
        await app.sees("The trash is empty.")


async def test_rotating_by_paste(world: World, size: tuple[int, int]) -> None:
    key, new = world.add(), fake_key()
    async with opened(world, size) as app:
        await app.press("r")
        await app.until(lambda: app.app.screen is not app.main)
        await app.type(new.reveal())
        await app.press("ctrl+s")
        await app.until(lambda: world.store.read(key.id) == new, "the new key is in use")


async def test_undo_offers_another_name_when_the_old_one_is_taken(world: World) -> None:
    key = world.add("openai-prod")
    world.store.delete(key.id)
    world.add("openai-prod")
    async with opened(world) as app:
        await app.burst("u", "y")
        await app.sees("openai-prod-2")
        await app.press("y")
        await app.until(lambda: app.selected == "openai-prod-2")


async def test_undo_of_a_rotation_asks_first(world: World) -> None:
    key = world.add("openai-prod")
    old = world.store.read(key.id)
    rotation = world.store.begin_rotation(key.id, fake_key())
    world.store.advance_rotation(rotation.id, "verified")
    world.store.switch(rotation.id)
    async with opened(world) as app:
        await app.press("u")
        await app.until(lambda: app.app.screen is not app.main)
        await app.press("enter")
        await app.until(lambda: app.app.screen is app.main)
        assert world.store.read(key.id) != old
        await app.press("u")
        await app.until(lambda: app.app.screen is not app.main)
        await app.press("y")
        await app.quiet()
        assert world.store.read(key.id) == old


async def test_the_question_before_undoing_a_rotation_can_be_answered_ahead(world: World) -> None:
    key = world.add("openai-prod")
    old = world.store.read(key.id)
    rotation = world.store.begin_rotation(key.id, fake_key())
    world.store.advance_rotation(rotation.id, "verified")
    world.store.switch(rotation.id)
    async with opened(world) as app:
        await app.burst("u", "y")
        await app.until(lambda: world.store.read(key.id) == old)
        assert "copied" not in app.toasts.lower()


async def test_new_stores_then_checks(world: World, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROVIDERS, "openai", PROVIDERS["openai"]._replace(base_url=world.server.url))
    async with opened(world, size) as app:
        await app.press("n")
        await app.until(lambda: app.app.screen is not app.main)
        await app.type(fake_key().reveal())
        await app.press("ctrl+s")
        await app.until(lambda: app.app.screen is app.main, "the form closes")
        await app.until(lambda: len(world.store.keys()) == 1)
        await app.until(lambda: app.selected == world.store.keys()[0].name)
        await app.sees("✓ valid")


async def test_a_job_that_breaks_is_said_without_its_values(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add()

    def broken(_key_id: int) -> Secret:
        raise RuntimeError("sk-" + "secret inside")

    async with opened(world) as app:
        monkeypatch.setattr(world.store, "read", broken)
        await app.press("v")
        await app.until(lambda: "an error in keytui itself" in app.toasts)
        assert "secret inside" not in app.toasts
        assert "RuntimeError" in app.toasts


@pytest.mark.parametrize(("browser", "taken"), [("cat > /dev/null; echo $1 > $0.said", True), ("exit 1", False)])
def test_a_browser_gets_the_address_and_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], browser: str, taken: bool
) -> None:
    script = tmp_path / "browser"
    script.write_text(f"#!/bin/sh\necho noise\n{browser}\n")
    script.chmod(0o700)
    monkeypatch.setenv("BROWSER", f"{script} %s")
    assert jobs.hand_to_browser("https://example.com/keys") is taken
    assert capfd.readouterr() == ("", "")
    if taken:
        assert (tmp_path / "browser.said").read_text() == "https://example.com/keys\n"


async def test_a_page_that_cannot_be_opened_is_named(world: World) -> None:
    world.add()
    async with opened(world) as app:
        await app.press("o")
        await app.until(lambda: "Open this page in a browser: https://platform.openai.com/" in app.toasts)


async def test_jobs_are_described_without_values(world: World) -> None:
    secret = Secret("sk-demo-" + "slow-0000000000")
    world.add(secret=secret)
    async with opened(world) as app:
        await app.press("p", "enter", "escape")
        for worker in app.app.workers:
            assert worker.description
            assert secret.reveal() not in repr(worker)


def test_the_demo_server_is_local(server: DemoServer) -> None:
    assert server.url.startswith("http://127.0.0.1:")


async def test_quitting_asks_before_a_pasted_key_is_lost(world: World, size: tuple[int, int]) -> None:
    async with opened(world, size) as app:
        await app.press("n")
        await app.sees("New key")
        await app.type("sk-demo-" + "0123456789abcdef")
        await app.press("ctrl+q")
        await app.sees("Discard this key?")
        await app.press("ctrl+q", "escape")
        await app.sees("24 characters")


async def test_undo_names_the_key_and_takes_its_offer_away(world: World) -> None:
    world.add("alpha")
    world.add("beta")
    async with opened(world) as app:
        await app.press("d")
        await app.until(lambda: app.app.screen is not app.main)
        await app.press("y")
        await app.until(lambda: "u undoes it" in app.toasts)
        await app.press("u")
        await app.until(lambda: "Undone: alpha. Restored from the trash." in app.toasts)
        assert "u undoes it" not in app.toasts


@pytest.mark.parametrize("changed", ["the key under the cursor", "another key", "the address"])
async def test_undo_asks_where_a_person_may_not_know_what_goes(world: World, changed: str) -> None:
    alpha = world.add("alpha")
    world.add("beta")
    address = "http://127.0.0.1:9/v1" if changed == "the address" else alpha.base_url
    world.store.edit(alpha.id, fields("alpha", base_url=address, note="new"))
    async with opened(world) as app:
        await app.press(*("j" if changed == "another key" else ""), "u")
        if changed != "the key under the cursor":
            await app.sees("“alpha” was edited:")
            await app.press("enter")
            await app.until(lambda: app.app.screen is app.main)
            assert world.store.key(alpha.id).note == "new"
            await app.press("u")
            await app.sees("Undo the edit")
            await app.press("y")
        await app.until(lambda: "Undone: alpha. The edit was taken back." in app.toasts)
        assert world.store.key(alpha.id) == alpha


async def test_in_the_trash_undo_brings_the_selected_key_back(world: World, size: tuple[int, int]) -> None:
    for name in ("alpha", "beta", "gamma"):
        world.store.delete(world.add(name).id)
    async with opened(world, size) as app:
        await app.press("1", "G", "2", "j", "u")
        await app.until(lambda: "Undone: beta." in app.toasts)
        assert [key.name for key in world.store.keys()] == ["beta"]


async def test_a_notification_is_said_once_and_goes_with_escape(world: World) -> None:
    async with opened(world) as app:
        await app.press("t", "t")
        assert app.toasts == "There is no key here. Press n to add one."
        await app.press("escape")
        assert not app.toasts
