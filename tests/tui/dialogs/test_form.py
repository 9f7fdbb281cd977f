from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from textual.widgets import Input, Select

from keytui.errors import StoreRefused
from keytui.model import Secret
from keytui.storage.backends import MemoryBackend, Slot
from keytui.tui.screens.confirm import ConfirmScreen
from keytui.tui.screens.form import FormScreen
from keytui.tui.screens.unlock import SetUpScreen
from keytui.tui.widgets.field import Field
from keytui.tui.widgets.secret_input import SecretInput
from tests.leaks import leaks
from tests.stores import fake_key, fields, memory_store
from tests.tui.conftest import idle
from tests.tui.dialogs.host import SIZES, Host, bottom, paste, said, showing, shown, shows, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.message import Message
    from textual.pilot import Pilot

    from keytui.model import Key
    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore


class Full(MemoryBackend):
    """A store whose disk is full until a test says otherwise."""

    full = True

    def write(self, slot: Slot, secret: Secret) -> None:
        if self.full:
            raise StoreRefused("The disk is full.", "Free some space, then save again.")
        super().write(slot, secret)


@pytest.fixture
def store(settings: Settings) -> Iterator[Keystore]:
    store = memory_store(settings)
    yield store
    store.close()


def value(host: Host, name: str) -> str:
    return host.screen.query_one(f"#{name}", Input).value


def provider(host: Host) -> object:
    return host.screen.query_one("#provider", Select).value


async def pasted(pilot: Pilot[Any], text: str) -> None:
    """Paste a key and wait until it was looked at."""
    await paste(pilot, text)
    await idle(pilot.app)
    await pilot.pause()


async def write(pilot: Pilot[Any], host: Host, name: str, text: str) -> None:
    """Go to a field and replace what it holds, as a person does by pasting over it."""
    host.screen.query_one(f"#{name}").focus()
    await pilot.press("end", "ctrl+u")
    await paste(pilot, text)


async def save(pilot: Pilot[Any]) -> None:
    """Press Ctrl+S and wait until the workers are through."""
    await pilot.press("ctrl+s")
    await idle(pilot.app)
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
async def test_a_pasted_key_fills_in_the_rest_and_is_saved(size: tuple[int, int], store: Keystore) -> None:
    secret = fake_key()
    async with showing(FormScreen(store), store, size=size) as (pilot, host):
        assert isinstance(host.focused, SecretInput)
        for label in ("Key", "Name", "Provider", "Base URL", "Variable", "Model", "Tags", "Rotate every", "Note"):
            assert label in shown(host)
        assert "Ctrl+S Save" in shown(host)
        await pasted(pilot, f"  {secret.reveal()}\n")
        assert (value(host, "name"), provider(host)) == ("openai", "openai")
        assert value(host, "base_url") == "https://api.openai.com/v1"
        assert value(host, "env") == "OPENAI_API_KEY"
        await save(pilot)
        await until(pilot, lambda: bool(host.results))
    key = store.find("openai")
    assert host.results == [key.id]
    assert store.read(key.id) == secret


async def test_all_fields_are_stored(store: Keystore) -> None:
    async with showing(FormScreen(store), store) as (pilot, host):
        await pasted(pilot, fake_key().reveal())
        written = {"name": "prod [red]", "env": "MY_KEY", "model": "m-1", "tags": "b, a,,b", "rotate_every_days": "90"}
        for name, text in {**written, "note": "paid by team 🦊"}.items():
            await write(pilot, host, name, text)
        assert "next on 20" in shown(host)
        await save(pilot)
    key = store.find("prod [red]")
    assert (key.env, key.model, key.tags, key.rotate_every_days) == ("MY_KEY", "m-1", ("a", "b"), 90)
    assert key.note == "paid by team 🦊"


async def test_what_the_person_typed_is_not_overwritten(store: Keystore) -> None:
    async with showing(FormScreen(store), store) as (pilot, host):
        await write(pilot, host, "name", "mine")
        host.screen.query_one("#key").focus()
        await pasted(pilot, fake_key().reveal())
        assert (value(host, "name"), provider(host)) == ("mine", "openai")


@pytest.mark.parametrize("times", [1, 2])
async def test_a_key_saved_before_it_was_looked_at_is_saved_once(
    times: int, store: Keystore, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, go_on, same = fake_key(), threading.Event(), store.same_secret

    def slow(secret: Secret) -> Key | None:
        go_on.wait()
        return same(secret)

    async with showing(FormScreen(store), store) as (pilot, host):
        monkeypatch.setattr(store, "same_secret", slow)
        await paste(pilot, secret.reveal())
        await pilot.press(*["ctrl+s"] * times)
        go_on.set()
        await until(pilot, lambda: bool(host.results))
        await idle(host)
    assert [key.id for key in store.keys()] == host.results
    assert store.read(store.find("openai").id) == secret


async def test_what_is_typed_while_a_paste_is_looked_at_counts(
    store: Keystore, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, same = threading.Event(), store.same_secret

    def slow(secret: Secret) -> Key | None:
        go_on.wait()
        return same(secret)

    half = fake_key().reveal()
    store.add(fields("first"), Secret(f"{half}2"))
    async with showing(FormScreen(store), store) as (pilot, host):
        monkeypatch.setattr(store, "same_secret", slow)
        await paste(pilot, half)
        await pilot.press("2")
        go_on.set()
        await idle(pilot.app)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "already stored as “first”" in said(host, "key"))


async def test_a_typed_key_is_recognized_when_the_field_is_left(store: Keystore) -> None:
    async with showing(FormScreen(store), store) as (pilot, host):
        await pilot.press(*"sk-ab", "tab")
        await idle(pilot.app)
        assert value(host, "name") != ""


async def test_another_provider_brings_its_address_and_variable(store: Keystore) -> None:
    async with showing(FormScreen(store), store) as (pilot, host):
        await pasted(pilot, fake_key().reveal())
        host.screen.query_one("#provider").focus()
        await pilot.press("enter", *"router", "enter")
        await until(pilot, lambda: provider(host) == "openrouter")
        assert value(host, "base_url") == "https://openrouter.ai/api/v1"
        assert value(host, "env") == "OPENROUTER_API_KEY"


async def test_warnings_stand_under_the_key_and_refuse_nothing(store: Keystore) -> None:
    secret = fake_key()
    store.add(fields("first"), secret)
    async with showing(FormScreen(store), store) as (pilot, host):
        await pasted(pilot, secret.reveal())
        assert "already stored as “first”" in said(host, "key")
        await pilot.press("escape")
        await until(pilot, lambda: "this key is stored already as “first”" in " ".join(shown(host).split()))
        await pilot.press("escape")
        await shows(pilot, FormScreen)
        await save(pilot)
    assert len(store.keys()) == 2


async def test_an_admin_key_is_said_and_stored_as_one(store: Keystore) -> None:
    async with showing(FormScreen(store), store) as (pilot, host):
        await pasted(pilot, fake_key("sk-" + "admin-").reveal())
        assert "admin key" in said(host, "key")
        await save(pilot)
    assert [key.kind for key in store.keys()] == ["admin"]


async def test_an_unknown_shape_is_never_refused(store: Keystore) -> None:
    async with showing(FormScreen(store), store) as (pilot, host):
        await pasted(pilot, "whatever-123")
        await write(pilot, host, "base_url", "https://llm.example.com/v1")
        await save(pilot)
    assert len(store.keys()) == 1


async def test_what_no_provider_issues_is_told_under_the_key(store: Keystore) -> None:
    cases = [
        ("", "The key is empty."),
        ("two words", "a space inside"),
        ("two\nlines", "a line break inside"),
        ("schlüssel", "outside ASCII"),
        ("x" * 10_240, "10,240 characters long"),
    ]
    async with showing(FormScreen(store), store) as (pilot, host):
        for text, sentence in cases:
            await pasted(pilot, text)
            await save(pilot)
            assert sentence in said(host, "key")
            assert isinstance(host.focused, SecretInput)
        await pilot.press("ctrl+u")
        await pasted(pilot, "   \n ")
        await save(pilot)
        assert "The key is empty." in said(host, "key")
    assert store.keys() == []


async def test_a_bad_field_is_told_beside_it_and_nothing_is_lost(store: Keystore) -> None:
    store.add(fields("taken"), fake_key())
    secret = fake_key()
    like_a_key = fake_key().reveal()[:38]
    cases = [
        ("name", "", "The name is empty."),
        ("name", "n" * 200, "The name has 200 characters"),
        ("name", "taken", "already exists"),
        ("base_url", "llm.example.com/v1", "does not begin with https://"),
        ("base_url", "https://me:pw@llm.example.com/v1", "cannot hold a user or password"),
        ("env", "MY KEY", "letters, digits and _"),
        ("tags", like_a_key, "looks like a key"),
        ("note", f"see {like_a_key}", "looks like a key"),
        ("rotate_every_days", "99999", "1 to 3,650 days"),
    ]
    async with showing(FormScreen(store), store) as (pilot, host):
        await pasted(pilot, secret.reveal())
        await write(pilot, host, "model", "kept")
        for name, text, sentence in cases:
            good = value(host, name)
            await write(pilot, host, name, text)
            await save(pilot)
            assert sentence in said(host, name)
            assert host.focused is not None
            assert host.focused.id == name
            assert value(host, "model") == "kept"
            assert host.screen.query_one(SecretInput).secret == secret
            await write(pilot, host, name, good)
            assert said(host, name) == ""
        assert len(store.keys()) == 1


@pytest.mark.parametrize("name", ["a/b\\c 🦊", "[red]alarm[/red] [@click=app.quit]x"])
async def test_odd_names_are_names(name: str, store: Keystore) -> None:
    async with showing(FormScreen(store), store) as (pilot, host):
        await pasted(pilot, fake_key().reveal())
        await write(pilot, host, "name", name)
        await save(pilot)
    async with showing(FormScreen(store, store.find(name)), store) as (pilot, host):
        assert f"Edit {name}" in shown(host)


async def test_a_full_disk_keeps_the_key_in_the_dialog(settings: Settings) -> None:
    memory = Full()
    store = memory_store(settings, memory=memory)
    secret = fake_key()
    async with showing(FormScreen(store), store) as (pilot, host):
        await pasted(pilot, secret.reveal())
        await save(pilot)
        assert "The disk is full." in bottom(host)
        assert host.screen.query_one(SecretInput).secret == secret
        memory.full = False
        await save(pilot)
    assert [store.read(key.id) for key in store.keys()] == [secret]
    store.close()


async def test_declining_the_store_keeps_the_key_in_the_dialog(settings: Settings) -> None:
    memory = MemoryBackend()
    store = memory_store(settings, memory=memory)
    memory.locked = True
    secret = fake_key()
    async with showing(FormScreen(store), store) as (pilot, host):
        await pasted(pilot, secret.reveal())
        await pilot.press("ctrl+s")
        await shows(pilot, ConfirmScreen)
        await pilot.press("escape")
        await until(pilot, lambda: "Nothing was changed" in bottom(host))
        assert host.screen.query_one(SecretInput).secret == secret
        memory.locked = False
        await save(pilot)
    assert len(store.keys()) == 1
    store.close()


async def test_the_first_key_asks_for_a_vault_where_no_keyring_works(settings: Settings) -> None:
    from keytui.storage.keystore import Keystore

    memory = MemoryBackend()
    memory.locked = True
    store = Keystore(settings, backends={"os": memory})
    async with showing(FormScreen(store), store) as (pilot, host):
        await pasted(pilot, fake_key().reveal())
        await pilot.press("ctrl+s")
        await shows(pilot, SetUpScreen)
        memory.locked = False
        await pilot.press("ctrl+t")
        await until(pilot, lambda: bool(host.results))
    assert len(store.keys()) == 1
    store.close()


async def test_plain_http_is_asked_about(store: Keystore) -> None:
    async with showing(FormScreen(store), store) as (pilot, host):
        await pasted(pilot, "whatever-123")
        await write(pilot, host, "base_url", "http://llm.example.com/v1")
        await pilot.press("ctrl+s")
        await shows(pilot, ConfirmScreen)
        await pilot.press("escape")
        await until(pilot, lambda: "Plain http was not allowed" in said(host, "base_url"))
        await pilot.press("ctrl+s")
        await shows(pilot, ConfirmScreen)
        await pilot.press("y")
        await until(pilot, lambda: bool(host.results))
    assert store.keys()[0].allow_http


# --- editing


async def test_editing_changes_fields_and_not_the_secret(store: Keystore) -> None:
    secret = fake_key()
    key = store.add(fields("work", note="two\nlines", tags=("a", "b")), secret)
    async with showing(FormScreen(store, key), store) as (pilot, host):
        assert "Edit work" in shown(host)
        assert not host.screen.query(SecretInput)
        await write(pilot, host, "name", "home")
        await save(pilot)
        await until(pilot, lambda: host.results == [key.id])
    edited = store.find("home")
    assert (edited.note, edited.tags) == ("two\nlines", ("a", "b"))
    assert store.read(key.id) == secret


async def test_what_another_process_changed_meanwhile_stays(store: Keystore) -> None:
    key = store.add(fields("work"), fake_key())
    async with showing(FormScreen(store, key), store) as (pilot, host):
        store.edit(key.id, fields("work", note="from a command"))
        await write(pilot, host, "name", "home")
        await save(pilot)
        await until(pilot, lambda: host.results == [key.id])
    assert store.find("home").note == "from a command"


async def test_a_changed_address_is_confirmed_with_both_hosts(store: Keystore) -> None:
    key = store.add(fields("work"), fake_key())
    async with showing(FormScreen(store, key), store) as (pilot, host):
        await write(pilot, host, "base_url", "https://llm.example.com/v1")
        await pilot.press("ctrl+s")
        await shows(pilot, ConfirmScreen)
        text = shown(host)
        assert "api.openai.com" in text
        assert "llm.example.com" in text
        assert "not checked by itself" in " ".join(text.replace("│", " ").split())
        await pilot.press("enter")
        await until(pilot, lambda: "the address was not confirmed" in bottom(host))
        assert store.key(key.id).base_url == "https://api.openai.com/v1"
        await pilot.press("ctrl+s")
        await shows(pilot, ConfirmScreen)
        await pilot.press("y")
        await until(pilot, lambda: bool(host.results))
    assert store.key(key.id).base_url == "https://llm.example.com/v1"


# --- leaving


async def test_an_untouched_form_closes_at_once(store: Keystore) -> None:
    async with showing(FormScreen(store), store) as (pilot, host):
        await pilot.press("ctrl+c")
        await until(pilot, lambda: host.results == [None])


async def test_a_pasted_key_is_asked_about_before_it_is_discarded(store: Keystore) -> None:
    secret = fake_key()
    async with showing(FormScreen(store), store) as (pilot, host):
        await pasted(pilot, secret.reveal())
        await pilot.press("escape")
        await shows(pilot, ConfirmScreen)
        await pilot.press("enter")
        await shows(pilot, FormScreen)
        assert host.screen.query_one(SecretInput).secret == secret
        await pilot.press("ctrl+c")
        await shows(pilot, ConfirmScreen)
        await pilot.press("y")
        await until(pilot, lambda: host.results == [None])
    assert store.keys() == []


async def test_a_changed_field_is_asked_about(store: Keystore) -> None:
    key = store.add(fields("work"), fake_key())
    async with showing(FormScreen(store, key), store) as (pilot, _host):
        await pilot.press("x", "escape")
        await shows(pilot, ConfirmScreen)


async def test_a_resize_keeps_what_was_typed(store: Keystore) -> None:
    secret = fake_key()
    async with showing(FormScreen(store), store, size=(120, 40)) as (pilot, host):
        await pasted(pilot, secret.reveal())
        await write(pilot, host, "note", "kept")
        for size in ((80, 24), (40, 10), (20, 5), (120, 40)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        assert host.screen.query_one(SecretInput).secret == secret
        assert value(host, "note") == "kept"


async def test_tab_goes_through_the_fields_in_order(store: Keystore) -> None:
    order = []
    async with showing(FormScreen(store), store) as (pilot, host):
        for _ in range(9):
            assert host.focused is not None
            order.append(host.focused.id)
            await pilot.press("tab")
    assert order == ["key", "name", "provider", "base_url", "env", "model", "tags", "rotate_every_days", "note"]


async def test_in_a_small_terminal_the_field_in_use_is_visible(store: Keystore) -> None:
    async with showing(FormScreen(store), store, size=(60, 12)) as (pilot, host):
        await write(pilot, host, "note", "down here")
        await until(pilot, lambda: "down here" in shown(host))
        assert "Ctrl+S Save" in shown(host)


async def test_no_message_worker_or_picture_holds_the_key(store: Keystore) -> None:
    seen: list[str] = []
    secret = fake_key().reveal()

    def hook(message: Message) -> None:
        if type(message).__name__ != "Paste":
            seen.append(repr(message))

    async with showing(FormScreen(store), store, hook=hook) as (pilot, host):
        await pasted(pilot, secret)
        seen.append(repr(list(host.workers)))
        seen.append(host.export_screenshot())
        await write(pilot, host, "env", "not a variable")
        await save(pilot)
        seen.append(shown(host))
        seen.append(" ".join(f"{notification!r}" for notification in host._notifications))
        await write(pilot, host, "env", "A_VARIABLE")
        await pilot.press("ctrl+s")
        seen.append(repr(list(host.workers)))
        await until(pilot, lambda: bool(host.results))
    assert not leaks("\n".join(seen).encode(), secret)


async def test_an_error_of_keytui_itself_loses_no_pasted_key(store: Keystore, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = fake_key()

    def broken(*_args: object) -> None:
        raise OSError(28, secret.reveal())

    async with showing(FormScreen(store), store) as (pilot, host):
        await pasted(pilot, secret.reveal())
        monkeypatch.setattr(store, "add", broken)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "OSError at keytui.flows.keys" in bottom(host))
        assert not leaks(bottom(host).encode(), secret.reveal())
        monkeypatch.undo()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: bool(host.results))
        assert store.read(store.keys()[0].id) == secret


async def test_an_error_while_recognizing_loses_no_pasted_key(store: Keystore, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError

    async with showing(FormScreen(store), store) as (pilot, host):
        monkeypatch.setattr(store, "same_secret", broken)
        await pasted(pilot, fake_key().reveal())
        await until(pilot, lambda: "RuntimeError at keytui." in bottom(host))
        assert host.screen.query_one(SecretInput).secret


def marked(host: Host) -> list[str]:
    """Labels of the fields that are drawn as the one the person is in."""
    found = []
    for field in host.screen.query(Field):
        label, style, _ = next(iter(field.render_line(0)))
        if style is not None and style.bold:
            found.append(label.strip())
    return found


async def test_the_field_stays_marked_when_its_list_was_used(store: Keystore) -> None:
    """The list tells late that it has lost the focus."""
    async with showing(FormScreen(store), store) as (pilot, host):
        await pilot.press("tab", "tab")
        await until(pilot, lambda: marked(host) == ["Provider"])
        await pilot.press("enter", "down", "enter")
        await until(pilot, lambda: isinstance(host.focused, Select) and bool(provider(host)))
        await until(pilot, lambda: marked(host) == ["Provider"])
        await pilot.press("tab")
        await until(pilot, lambda: marked(host) == ["Base URL"])
