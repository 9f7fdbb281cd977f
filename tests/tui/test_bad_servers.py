"""Providers that misbehave, as a person at the app sees them: a verdict and a sentence, and never the key."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING

import pytest

from keytui.model import Secret
from keytui.providers import client
from keytui.tui.screens.help import HelpScreen
from keytui.tui.screens.model import ModelScreen
from keytui.tui.words import said
from tests.bad_providers import BAD, KEY, SECONDS, Said, Server, each_bad, events, provider, serving
from tests.leaks import leaks
from tests.providers.conftest import http
from tests.tui.conftest import Driver, World, opened

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
async def _warm() -> None:
    """Have what half a second is needed for, as a person who looks at the list has."""
    await asyncio.to_thread(client.warm_up)


def pane(app: Driver, id_: str) -> str:
    """What a pane shows, in one line."""
    region = app.main.query_one(id_).content_region
    lines = app.text.splitlines()[region.y : region.bottom]
    return " ".join(" ".join(line[region.x : region.right].split()) for line in lines)


async def _shows(app: Driver, id_: str, expected: Said) -> None:
    """Wait until a pane shows a verdict, its word and its sentence; nothing on screen may hold the key."""
    await app.until(lambda: said(expected.word).word in pane(app, id_) and expected.sentence in pane(app, id_), id_)
    assert not leaks(f"{app.text}\n{app.toasts}".encode(), KEY)
    assert "error in keytui" not in app.text + app.toasts


async def _helps(app: Driver) -> None:
    """Whatever runs, a key is answered."""
    await app.press("question_mark")
    await app.until(lambda: isinstance(app.app.screen, HelpScreen))
    await app.press("escape")


@each_bad("a web page", "an answer that stops", "a stream that repeats the key")
@pytest.mark.usefixtures("_warm")
async def test_a_bad_server_gets_a_verdict_and_a_sentence_on_screen(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    bad = BAD[name]
    world.settings = world.settings._replace(check_seconds=SECONDS, prompt_seconds=SECONDS)
    if bad.place == "no name":
        monkeypatch.setattr(socket, "getaddrinfo", _nobody)
    with provider(name, tmp_path) as url:
        world.add("tested", base_url=url, model="m", secret=Secret(KEY))
        async with opened(world) as app:
            await app.press("t")
            await _helps(app)
            await _shows(app, "#details", bad.check)
            await app.press("p", "enter", "shift+tab", "shift+tab")
            await _helps(app)
            await _shows(app, "#test", bad.prompt)
            await app.quiet()


def _nobody(*_arguments: object, **_options: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.usefixtures("_warm")
async def test_the_app_goes_on_while_a_server_is_silent(world: World) -> None:
    with serving(Server(hold=True)) as silent:
        world.add("tested", base_url=silent.url, model="m")
        async with opened(world) as app:
            for keys, group in ((("t",), "check"), (("p", "enter", "shift+tab", "shift+tab"), "prompt")):
                asked = len(silent.received)
                await app.press(*keys)
                await app.until(lambda asked=asked: len(silent.received) > asked)  # type: ignore[misc] # bound at once
                await _helps(app)
                assert group in [worker.group for worker in app.app.workers if worker.is_running]
                await app.press(*(("4",) if group == "prompt" else ()), "escape")
                await app.quiet()


class Parrot(Server):
    """Says the key in whatever it is asked for, and is a good server otherwise."""

    def _send(self, connection: socket.socket) -> None:
        if self.received[-1].startswith(b"GET"):
            body = json.dumps({"data": [{"id": f"m-{KEY}"}, {"id": "m-plain"}]}).encode()
            answer = http("200 OK", body, "Connection: close", f"x-request-id: {KEY}")
        else:
            answer = events("Your key: ", KEY[:20], KEY[20:], ".") + b"data: [DONE]\n\n"
        connection.sendall(answer)


@pytest.mark.usefixtures("_warm")
async def test_a_server_that_repeats_the_key_in_good_answers_shows_it_to_nobody(world: World) -> None:
    with serving(Parrot()) as parrot:
        world.add("tested", base_url=parrot.url, secret=Secret(KEY))
        async with opened(world) as app:
            await app.press("t")
            await _shows(app, "#details", Said("valid", "2 models"))
            await app.press("m")
            await app.sees("m-plain")
            assert isinstance(app.app.screen, ModelScreen)
            assert not leaks(app.text.encode(), KEY)
            await app.press("escape", "p", "enter")
            await app.until(lambda: "Your key: " in pane(app, "#test"))
            await app.quiet()
            assert not leaks(f"{app.text}\n{app.toasts}".encode(), KEY)


ENTITIES = "".join(f"&#{ord(letter)};" for letter in KEY)
MARKED = "**".join(KEY[at : at + 10] for at in range(0, len(KEY), 10))
GROUPED = " ".join(KEY[at : at + 10] for at in range(0, len(KEY), 10))


@pytest.mark.usefixtures("_warm")
@pytest.mark.parametrize("spelled", [ENTITIES, MARKED, GROUPED], ids=["entities", "marks", "groups"])
async def test_an_answer_that_spells_out_the_key_is_not_shown(world: World, spelled: str) -> None:
    """Markdown would put it together."""
    half = len(spelled) // 2
    with serving(Server(events("Look: ", spelled[:half], spelled[half:]) + b"data: [DONE]\n\n")) as server:
        world.add("tested", base_url=server.url, model="m", secret=Secret(KEY))
        async with opened(world) as app:
            await app.press("p", "enter")
            await app.until(lambda: "This answer spells out the key, so it is not shown." in pane(app, "#test"))
            await app.resize(90, 30)
            await app.quiet()
            assert not leaks(f"{app.text}\n{app.toasts}".encode(), KEY)
            assert KEY[-10:] not in app.text
