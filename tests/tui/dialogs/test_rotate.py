from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from keytui.demo.server import DemoServer
from keytui.errors import StoreUnavailable
from keytui.model import Secret
from keytui.providers import client
from keytui.storage.backends import MemoryBackend
from keytui.tui.screens.confirm import ChoiceScreen, ConfirmScreen
from keytui.tui.screens.rotate import RotateScreen
from keytui.tui.widgets.secret_input import SecretInput
from tests.leaks import leaks
from tests.stores import fake_key, fields, memory_store
from tests.tui.conftest import idle
from tests.tui.dialogs.host import SIZES, Host, bottom, paste, said, showing, shown, shows, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.pilot import Pilot

    from keytui.model import Key
    from keytui.settings import Settings
    from keytui.storage.backends import Slot
    from keytui.storage.keystore import Keystore


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    client.warm_up()
    with DemoServer() as server:
        yield server


@pytest.fixture
def store(settings: Settings) -> Iterator[Keystore]:
    store = memory_store(settings._replace(propagation_seconds=1))
    yield store
    store.close()


@pytest.fixture
def old() -> Secret:
    return fake_key()


@pytest.fixture
def key(store: Keystore, server: DemoServer, old: Secret) -> Key:
    return store.add(fields("work", base_url=server.url), old)


def text(host: Host) -> str:
    return " ".join(shown(host).replace("│", " ").split())


async def rotate(pilot: Pilot[Any], host: Host, secret: Secret, until_says: str) -> None:
    await paste(pilot, secret.reveal())
    await pilot.press("ctrl+s")
    await until(pilot, lambda: until_says in text(host))


@pytest.mark.parametrize("size", SIZES)
async def test_a_working_key_takes_the_place_of_the_old_one(
    size: tuple[int, int], store: Keystore, key: Key, old: Secret
) -> None:
    new = fake_key()
    async with showing(RotateScreen(store, key), store, size=size) as (pilot, host):
        assert isinstance(host.focused, SecretInput)
        plan = text(host)
        for part in (
            "Rotate work",
            key.masked,
            "Store",
            "Check",
            "Switch",
            "the old one is kept 30 days",
            "Ctrl+S Start",
        ):
            assert part in plan
        await rotate(pilot, host, new, "still accepts the old key")
        assert text(host).count("✓") == 3
        assert not leaks(host.export_screenshot().encode(), new.reveal())
        await pilot.press("enter")
        await until(pilot, lambda: host.results == [True])
    assert store.read(key.id) == new
    previous = next(version for version in store.versions(key.id) if version.state == "previous")
    assert store.read(key.id, previous.id) == old


async def test_a_refused_key_stays_stored_until_it_is_given_up(
    store: Keystore, key: Key, server: DemoServer, old: Secret
) -> None:
    refused, new = fake_key(), fake_key()
    server.register(refused, "invalid")
    async with showing(RotateScreen(store, key), store) as (pilot, host):
        await rotate(pilot, host, refused, "OpenAI refused it")
        assert "stored but not in use" in text(host)
        assert store.read(key.id) == old
        (row,) = store.rotations()
        assert store.read(key.id, row.new_version) == refused
        await pilot.press("ctrl+g")
        await shows(pilot, ConfirmScreen)
        assert "deleted here at once, not moved to the trash" in text(host)
        await pilot.press("enter")
        await shows(pilot, RotateScreen)
        assert [each.id for each in store.rotations()] == [row.id]
        await pilot.press("ctrl+g")
        await shows(pilot, ConfirmScreen)
        await pilot.press("y")
        await until(pilot, lambda: "you can paste another" in text(host))
        assert store.rotations() == []
        await rotate(pilot, host, new, "still accepts the old key")
        await pilot.press("escape")
        await until(pilot, lambda: host.results == [True])
    assert store.read(key.id) == new


async def test_a_check_that_waits_for_the_provider_says_so_and_is_stopped_by_esc(
    settings: Settings, server: DemoServer
) -> None:
    store = memory_store(settings._replace(propagation_seconds=600))
    key, new = store.add(fields("work", base_url=server.url), fake_key()), fake_key()
    server.register(new, "invalid")
    async with showing(RotateScreen(store, key), store) as (pilot, host):
        await rotate(pilot, host, new, "asking again for up to 600 s")
        assert "Esc Stop; the new key stays stored" in text(host)
        await pilot.press("escape")
        await until(pilot, lambda: "Stopped. The new key is stored" in text(host))
        (row,) = store.rotations()
        assert store.read(key.id, row.new_version) == new
        server.register(new, "valid")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "still accepts the old key" in text(host))
    assert store.read(key.id) == new
    store.close()


async def test_a_key_that_cannot_be_checked_waits_and_is_checked_again(
    store: Keystore, key: Key, server: DemoServer, old: Secret
) -> None:
    new = fake_key()
    server.register(new, "drop")
    async with showing(RotateScreen(store, key), store) as (pilot, host):
        await rotate(pilot, host, new, "stored but not in use")
        assert "Ctrl+R Check again" in text(host)
        assert store.read(key.id) == old
        server.register(new, "valid")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "still accepts the old key" in text(host))
    assert store.read(key.id) == new


async def test_an_unchecked_key_is_used_only_after_a_question(
    store: Keystore, key: Key, server: DemoServer, old: Secret
) -> None:
    new = fake_key()
    server.register(new, "drop")
    async with showing(RotateScreen(store, key), store) as (pilot, host):
        await rotate(pilot, host, new, "stored but not in use")
        await pilot.press("ctrl+u")
        await shows(pilot, ConfirmScreen)
        await pilot.press("enter")
        await shows(pilot, RotateScreen)
        assert store.read(key.id) == old
        await pilot.press("ctrl+u")
        await shows(pilot, ConfirmScreen)
        await pilot.press("y")
        await until(pilot, lambda: "still accepts the old key" in text(host))
    assert store.read(key.id) == new


async def test_a_stored_key_is_asked_about_before_leaving_and_taken_up_again(
    store: Keystore, key: Key, server: DemoServer
) -> None:
    new = fake_key()
    server.register(new, "drop")
    async with showing(RotateScreen(store, key), store) as (pilot, host):
        await rotate(pilot, host, new, "stored but not in use")
        await pilot.press("escape")
        await shows(pilot, ChoiceScreen)
        await pilot.press("enter")
        await shows(pilot, RotateScreen)
        await pilot.press("ctrl+c")
        await shows(pilot, ChoiceScreen)
        await pilot.press("k")
        await until(pilot, lambda: host.results == [False])
    server.register(new, "valid")
    async with showing(RotateScreen(store, store.key(key.id)), store) as (pilot, host):
        await until(pilot, lambda: "stored earlier and is not in use yet" in text(host))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "still accepts the old key" in text(host))
    assert store.read(key.id) == new


async def test_a_stored_key_can_be_given_up(store: Keystore, key: Key, server: DemoServer, old: Secret) -> None:
    new = fake_key()
    server.register(new, "drop")
    async with showing(RotateScreen(store, key), store) as (pilot, host):
        await rotate(pilot, host, new, "stored but not in use")
        await pilot.press("escape")
        await shows(pilot, ChoiceScreen)
        await pilot.press("y")
        await until(pilot, lambda: host.results == [False])
    assert store.rotations() == []
    assert store.read(key.id) == old


class Torn(MemoryBackend):
    """A store that answers once in the middle of a write, and holds something else afterwards."""

    torn = False

    def write(self, slot: Slot, secret: Secret) -> None:
        if self.torn:
            self.torn = False
            super().write(slot, fake_key())
            raise StoreUnavailable("The store did not answer.")
        super().write(slot, secret)


async def test_a_rotation_whose_new_key_cannot_be_read_can_be_given_up(settings: Settings, server: DemoServer) -> None:
    memory, old, new = Torn(), fake_key(), fake_key()
    store = memory_store(settings, memory=memory)
    key = store.add(fields("work", base_url=server.url), old)
    async with showing(RotateScreen(store, key), store) as (pilot, host):
        memory.torn = True
        await rotate(pilot, host, new, "The store did not answer.")
        assert host.screen.query_one(SecretInput).secret == new  # it may be stored nowhere else
        await pilot.press("escape")
        await shows(pilot, ConfirmScreen)
        await pilot.press("y")
        await until(pilot, lambda: host.results == [False])
    assert [row.state for row in store.rotations()] == ["planned"]
    async with showing(RotateScreen(store, store.key(key.id)), store) as (pilot, host):
        await until(pilot, lambda: "A rotation was interrupted." in text(host))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "holds another secret" in text(host))
        await pilot.press("escape")
        await shows(pilot, ChoiceScreen)
        await pilot.press("y")
        await until(pilot, lambda: host.results == [False])
    assert (store.rotations(), store.read(key.id), len(memory.secrets)) == ([], old, 1)
    store.close()


async def test_what_cannot_be_a_successor_is_told_beside_the_field(store: Keystore, key: Key, old: Secret) -> None:
    cases = [("", "The key is empty."), ("two words", "a space inside"), (old.reveal(), "already in use")]
    async with showing(RotateScreen(store, key), store) as (pilot, host):
        for pasted, sentence in cases:
            await paste(pilot, pasted)
            await pilot.press("ctrl+s")
            await until(pilot, lambda sentence=sentence: sentence in said(host, "key"))  # type: ignore[misc] # bound now
            assert isinstance(host.focused, SecretInput)
    assert store.rotations() == []


async def test_enter_in_the_only_field_starts(store: Keystore, key: Key) -> None:
    new = fake_key()
    async with showing(RotateScreen(store, key), store) as (pilot, host):
        await paste(pilot, new.reveal())
        await pilot.press("enter")
        await until(pilot, lambda: "still accepts the old key" in text(host))
    assert store.read(key.id) == new


async def test_after_giving_up_nothing_untrue_is_said(store: Keystore, key: Key, server: DemoServer) -> None:
    refused = fake_key()
    server.register(refused, "invalid")
    async with showing(RotateScreen(store, key), store) as (pilot, host):
        await rotate(pilot, host, refused, "OpenAI refused it")
        await pilot.press("ctrl+u")
        await shows(pilot, ConfirmScreen)
        assert "OpenAI refused the new key." in text(host)
        await pilot.press("enter")
        await shows(pilot, RotateScreen)
        await pilot.press("ctrl+g")
        await shows(pilot, ConfirmScreen)
        await pilot.press("y")
        await until(pilot, lambda: "you can paste another" in text(host))
        assert text(host).count("○") == 3
        await paste(pilot, fake_key().reveal())
        assert bottom(host) == said(host, "key") == ""


async def test_a_previous_key_that_is_not_kept_is_said_so(settings: Settings, server: DemoServer) -> None:
    store = memory_store(settings._replace(keep_previous_days=0))
    key = store.add(fields("work", base_url=server.url), fake_key())
    async with showing(RotateScreen(store, key), store) as (_pilot, host):
        assert "the old one is not kept" in text(host)
    store.close()


async def test_the_providers_page_is_a_key_away(store: Keystore, key: Key) -> None:
    async with showing(RotateScreen(store, key), store) as (pilot, host):
        await pilot.press("ctrl+o")
        assert len(host.pages) == 1
        assert host.pages[0].startswith("https://platform.openai.com/")


async def test_a_pasted_key_is_asked_about_before_leaving(store: Keystore, key: Key) -> None:
    async with showing(RotateScreen(store, key), store) as (pilot, host):
        await paste(pilot, fake_key().reveal())
        await pilot.press("ctrl+c")
        await shows(pilot, ConfirmScreen)
        await pilot.press("y")
        await until(pilot, lambda: host.results == [False])


async def test_an_empty_dialog_closes_at_once(store: Keystore, key: Key) -> None:
    async with showing(RotateScreen(store, key), store) as (pilot, host):
        await pilot.press("escape")
        await until(pilot, lambda: host.results == [False])


async def test_a_store_that_fails_before_the_switch_goes_on_from_there(
    store: Keystore, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keytui.errors import StoreBusy

    new = fake_key()
    switch = type(store).switch

    def busy(*_: object) -> Key:
        raise StoreBusy("Another keytui is writing.", "Try again.")

    async with showing(RotateScreen(store, key), store) as (pilot, host):
        with monkeypatch.context() as patch:
            patch.setattr(type(store), "switch", busy)
            await rotate(pilot, host, new, "Another keytui is writing.")
        assert type(store).switch is switch
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "still accepts the old key" in text(host))
    assert store.read(key.id) == new


async def test_a_key_of_another_provider_is_pointed_out(store: Keystore, key: Key) -> None:
    async with showing(RotateScreen(store, key), store) as (pilot, host):
        await paste(pilot, fake_key("sk-" + "or-v1-").reveal())
        assert "looks like a key of OpenRouter; the one in use is of OpenAI" in said(host, "key")


async def test_the_key_in_use_is_named_truly_after_the_switch(store: Keystore, key: Key) -> None:
    async with showing(RotateScreen(store, key), store) as (pilot, host):
        await rotate(pilot, host, fake_key(), "still accepts the old key")
        assert store.key(key.id).masked in text(host)
        assert key.masked not in text(host)


async def test_an_index_that_fails_twice_loses_no_pasted_key(
    store: Keystore, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = fake_key()

    def broken(*_args: object, **_kwargs: object) -> None:
        raise StoreUnavailable("The disk went away.")

    async with showing(RotateScreen(store, key), store) as (pilot, host):
        await idle(pilot.app)
        monkeypatch.setattr(store, "begin_rotation", broken)
        monkeypatch.setattr(store, "rotations", broken)
        await rotate(pilot, host, new, "The disk went away.")
        assert host.screen.query_one(SecretInput).secret == new
        monkeypatch.undo()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Done." in text(host))
        assert store.read(key.id) == new
