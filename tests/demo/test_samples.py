from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from keytui.demo import samples
from keytui.flows.checking import check_and_record
from keytui.model import DAY
from keytui.providers import catalog, prompts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytui.demo.samples import Demo

NOW = 1_795_000_000


@pytest.fixture
def demo() -> Iterator[Demo]:
    opened = samples.open_demo(clock=lambda: NOW, port=0, delta_seconds=0)
    opened.server.slow_seconds = 0
    yield opened
    opened.close()


def test_demo_shows_several_providers_ages_and_states(demo: Demo) -> None:
    keys = demo.store.keys()
    counts = demo.store.counts()
    assert len(keys) == counts.total == 13
    assert len(counts.providers) >= 6
    assert (counts.due, counts.unhealthy, counts.admin, counts.trash) == (3, 2, 2, 1)
    assert {key.verdict for key in keys} >= {"valid", "restricted", "no_quota", "rate_limited", "invalid", None}
    assert all(key.base_url == demo.server.url for key in keys)


def test_demo_has_a_rotated_key_and_a_deletion_to_take_back(demo: Demo) -> None:
    versions = demo.store.versions(demo.store.find("openai-bot").id)
    assert [version.state for version in versions] == ["current", "previous"]
    event = demo.store.undoable()
    assert event is not None
    assert (event.type, event.name) == ("deleted", "old-laptop")


def test_nothing_of_the_demo_is_overdue_for_deletion(demo: Demo) -> None:
    assert demo.store.purge() == 0
    assert demo.store.recover() == []


async def test_what_the_demo_says_of_its_keys_is_what_a_check_says(demo: Demo) -> None:
    for key in demo.store.keys():
        recorded = [event.detail for event in demo.store.events(key.id) if event.type == "checked"]
        verdict, _ = await check_and_record(demo.store, key, demo.store.read(key.id), timeout_s=10)
        if key.verdict is not None:
            assert (verdict.word, [verdict.detail]) == (key.verdict, recorded)


async def test_check_is_recorded(demo: Demo) -> None:
    key = demo.store.find("router-dev")
    await check_and_record(demo.store, key, demo.store.read(key.id), timeout_s=10)
    assert demo.store.find("router-dev").verdict == "valid"


async def test_every_good_sample_answers_a_prompt(demo: Demo) -> None:
    for key in demo.store.keys():
        if key.kind == "api" and key.verdict in ("valid", "restricted"):
            parts = [part async for part in prompts.stream(key, demo.store.read(key.id), "One word", timeout_s=10)]
            assert parts[0].text == "Hello"  # type: ignore[union-attr] # a Summary here would be the failure


def test_sample_keys_have_the_shape_of_their_provider(demo: Demo) -> None:
    for key in demo.store.keys():
        guess = catalog.recognize(demo.store.read(key.id))
        kind = "api" if key.provider == "openrouter" else key.kind  # its management keys look like the others
        assert (guess.provider, guess.kind) == (key.provider, kind)
        assert not (guess.sure and guess.note)


def test_demo_is_the_same_each_time(demo: Demo) -> None:
    again = samples.open_demo(clock=lambda: NOW, port=0)
    try:
        plain = [key._replace(base_url="") for key in demo.store.keys()]
        assert [key._replace(base_url="") for key in again.store.keys()] == plain
    finally:
        again.close()


def test_clock_goes_on_after_the_samples_are_made() -> None:
    moment = [NOW]
    opened = samples.open_demo(clock=lambda: moment[0], port=0)
    try:
        moment[0] += 2 * DAY
        assert opened.store.purge() == 1
    finally:
        opened.close()


def test_key_typed_into_the_demo_is_sent_to_the_demo_alone(demo: Demo) -> None:
    assert {each.base_url for each in catalog.PROVIDERS.values()} == {demo.server.url}
    demo.close()
    assert catalog.PROVIDERS["openai"].base_url == "https://api.openai.com/v1"


def test_demo_ignores_the_environment_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("person")
    monkeypatch.setenv("KEYTUI_HOME", str(home))
    monkeypatch.setenv("KEYTUI_BACKEND", "vault")
    monkeypatch.setenv("KEYTUI_CLIPBOARD_SECONDS", "not a number")
    opened = samples.open_demo(port=0)
    folder = opened.folder.name
    assert opened.store.status().label == "Demo, in memory"
    for key in opened.store.keys():
        secret = opened.store.read(key.id).reveal().encode()
        for file in os.scandir(folder):
            with open(file, "rb") as content:
                assert len(secret) < 20 or secret[4:] not in content.read()
    opened.close()
    assert not os.path.exists(folder)
    assert os.listdir(home) == []
