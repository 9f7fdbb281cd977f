"""Keys issued and revoked over real HTTP, and what is said when something goes wrong on the way."""

from __future__ import annotations

import dataclasses
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from keytui.errors import ExpiryRequired, IssueUnknown, KeyRefused, ProviderError, ProviderUnreachable
from keytui.model import Secret
from keytui.providers import checks, issuer_openai, issuers
from keytui.providers.issuers import Home, Remote
from tests.providers.conftest import http, make_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from keytui.demo.admin import FaultKind
    from keytui.demo.server import DemoServer
    from keytui.providers.issuers import Issuer
    from tests.providers.conftest import RawServer

ADMIN = Secret("sk-" + "admin-" + "Adm1n" * 8)
BOT = Home("proj_demo", "", "bot")
PROVIDERS = ("openai", "openrouter")


@pytest.fixture(autouse=True)
def looks_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_openai, "APART_S", 0)


@asynccontextmanager
async def opened(url: str, provider: str = "openai", secret: Secret = ADMIN) -> AsyncIterator[Issuer]:
    async with issuers.open_issuer(make_key(url, provider, "admin"), secret, timeout_s=20) as issuer:
        yield issuer


async def works(server: DemoServer, secret: Secret) -> bool:
    return (await checks.check(make_key(server.url), secret, timeout_s=20)).word == "valid"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_issued_key_works_is_listed_and_is_refused_once_revoked(server: DemoServer, provider: str) -> None:
    async with opened(server.url, provider) as issuer:
        issued = await issuer.issue(BOT, "keytui:bot:1", expires_in_s=None)
        assert await works(server, issued.secret)
        assert [each.id for each in await issuer.find("keytui:bot:1")] == [issued.remote.id]
        assert await issuer.find("keytui:bot") == []
        await issuer.revoke(issued.remote)
        assert not await works(server, issued.secret)
        await issuer.revoke(issued.remote)  # gone already counts as done
        assert await issuer.list_keys() == []
    assert issued.secret.reveal() not in repr(issued)


async def test_successor_joins_the_account_that_has_its_name(server: DemoServer) -> None:
    async with opened(server.url) as issuer:
        first = await issuer.issue(BOT, "one", expires_in_s=None)
        second = await issuer.issue(BOT, "two", expires_in_s=None)
        third = await issuer.issue(Home("proj_demo", first.remote.account_id), "three", expires_in_s=None)
    accounts = {each.remote.account_id for each in (first, second, third)}
    assert len(accounts) == len(server.admin.organization.accounts) == 1
    assert await works(server, first.secret)


async def test_account_made_without_its_role_is_given_it_the_next_time(server: DemoServer) -> None:
    server.admin.fault("drop_before", "POST", "/service_accounts/")
    async with opened(server.url) as issuer:
        with pytest.raises(ProviderUnreachable) as raised:
            await issuer.issue(BOT, "one", expires_in_s=None)
        assert not isinstance(raised.value, IssueUnknown)
        issued = await issuer.issue(BOT, "one", expires_in_s=None)
    assert await works(server, issued.secret)
    assert len(server.admin.organization.accounts) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("fault", "created"), [("drop_before", 0), ("drop_after", 1), ("error_500", 0), ("error_500_after", 1)]
)
async def test_unclear_creation_is_told_as_such_and_not_repeated(
    server: DemoServer, provider: str, fault: FaultKind, created: int
) -> None:
    account = server.admin.organization.add_account("proj_demo", "bot")
    server.admin.fault(fault, "POST")
    async with opened(server.url, provider) as issuer:
        with pytest.raises(IssueUnknown):
            await issuer.issue(Home("proj_demo", account.id), "one", expires_in_s=None)
        assert len(await issuer.find("one")) == created
    assert [method for method, _path in server.admin.calls].count("POST") == 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_silence_after_a_creation_is_unclear_too(server: DemoServer, provider: str) -> None:
    account = server.admin.organization.add_account("proj_demo", "bot")
    server.admin.fault("delay_after", "POST")
    key = make_key(server.url, provider, "admin")
    async with issuers.open_issuer(key, ADMIN, timeout_s=0.5) as issuer:
        with pytest.raises(IssueUnknown):
            await issuer.issue(Home("proj_demo", account.id), "one", expires_in_s=None)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b"<html>", b'{"id":"key_1","name":"one"}'])
async def test_answer_without_the_key_is_unclear(
    raw_server: Callable[..., RawServer], provider: str, body: bytes
) -> None:
    async with opened(raw_server(http("200 OK", body)).url, provider) as issuer:
        with pytest.raises(IssueUnknown):
            await issuer.issue(Home("proj_demo", "user-sa-1"), "one", expires_in_s=None)


async def test_nothing_was_created_where_nobody_listens(server: DemoServer) -> None:
    server.stop()
    async with opened(server.url) as issuer:
        with pytest.raises(ProviderUnreachable) as raised:
            await issuer.issue(Home("proj_demo", "user-sa-1"), "one", expires_in_s=None)
    assert not isinstance(raised.value, IssueUnknown)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_policy_that_wants_an_expiry_is_told_and_can_be_followed(server: DemoServer, provider: str) -> None:
    server.admin.require_expiry = 86_400
    async with opened(server.url, provider) as issuer:
        with pytest.raises(ExpiryRequired):
            await issuer.issue(BOT, "one", expires_in_s=None)
        assert server.admin.live() == []
        issued = await issuer.issue(BOT, "one", expires_in_s=3_600)
    assert issued.remote.expires_at is not None
    assert abs(issued.remote.expires_at - time.time() - 3_600) < 120


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_page_is_read(server: DemoServer, provider: str) -> None:
    project = "" if provider == "openrouter" else "proj_demo"
    for number in range(7):
        server.admin.add_key(Secret(f"key-{number}-" + "x" * 20), f"key {number}", project_id=project)
    server.admin.page_size = 2
    async with opened(server.url, provider) as issuer:
        assert [each.name for each in await issuer.list_keys()] == [f"key {number}" for number in range(7)]


async def test_keys_of_all_projects_are_listed_with_their_owners(server: DemoServer) -> None:
    other = server.admin.organization.add_project("Other").id
    server.admin.add_key(Secret("sk-" + "proj-" + "a1" * 20), "mine")
    server.admin.add_key(Secret("sk-" + "svcacct-" + "b2" * 20), "bots", project_id=other, account="bot")
    async with opened(server.url) as issuer:
        mine, bots = await issuer.list_keys()
    assert (mine.owner, mine.account_name, mine.project_id) == ("user", "", "proj_demo")
    assert (bots.owner, bots.account_name, bots.project_id) == ("service_account", "bot", other)


async def test_list_without_an_end_is_not_followed_for_ever(raw_server: Callable[..., RawServer]) -> None:
    page = b'{"object":"list","data":[{"id":"proj_1"}],"has_more":true}'
    running = raw_server(http("200 OK", page, "Connection: close"))
    async with opened(running.url) as issuer:
        with pytest.raises(ProviderUnreachable):
            await issuer.list_keys()
    assert len(running.received) < 1_000


async def test_list_without_ids_is_no_empty_list(raw_server: Callable[..., RawServer]) -> None:
    for body in (b'{"data":[{}],"has_more":false}', b"{}", b'{"data":null}', b"<html>"):
        async with opened(raw_server(http("200 OK", body)).url) as issuer:
            with pytest.raises(ProviderUnreachable):
                await issuer.find("one")


async def test_every_field_but_the_id_may_be_missing(raw_server: Callable[..., RawServer]) -> None:
    body = b'{"data":[{"id":"key_1","owner":null,"created_at":"soon"}],"has_more":false}'
    running = raw_server(http("200 OK", body, "Connection: close"))
    async with opened(running.url) as issuer:
        listed = await issuer.list_keys()  # the same answer serves as the list of projects
    assert listed == [Remote("key_1", project_id="key_1")]


async def test_end_is_set_once_and_not_moved_by_a_second_call(server: DemoServer) -> None:
    secret = Secret("sk-" + "svcacct-" + "b2" * 20)
    key_id = server.admin.add_key(secret, "bots", account="bot")
    async with opened(server.url) as issuer:
        first = await issuer.expire(Remote(key_id, project_id="proj_demo"), 3_600)
        assert await issuer.expire(Remote(key_id), 86_400) == first
        assert abs(first - time.time() - 3_600) < 120
        sooner = await issuer.expire(Remote(key_id), 60)
        assert sooner < first
        assert await issuer.expire(Remote("key_gone"), 60) <= time.time()
    assert [each.expires_at for each in server.admin.live()] == [sooner]


async def test_expired_key_is_refused(server: DemoServer) -> None:
    secret = Secret("sk-" + "svcacct-" + "b2" * 20)
    key_id = server.admin.add_key(secret, "bots", account="bot")
    assert await works(server, secret)
    server.admin.organization.keys[key_id] = dataclasses.replace(server.admin.organization.keys[key_id], expires_at=1)
    assert not await works(server, secret)
    async with opened(server.url) as issuer:
        assert await issuer.expire(Remote(key_id), 60) == 1


async def test_key_that_cannot_be_deleted_alone_goes_with_its_account(server: DemoServer) -> None:
    key_id = server.admin.add_key(Secret("sk-" + "svcacct-" + "b2" * 20), "bots", account="bot")
    server.admin.deletes_keys = False
    async with opened(server.url) as issuer:
        await issuer.revoke(Remote(key_id, project_id="proj_demo"))
    assert server.admin.live() == []


async def test_account_with_another_key_is_left_alone(server: DemoServer) -> None:
    old = server.admin.add_key(Secret("sk-" + "svcacct-" + "b2" * 20), "old", account="bot")
    server.admin.add_key(Secret("sk-" + "svcacct-" + "c3" * 20), "new", account="bot")
    server.admin.deletes_keys = False
    async with opened(server.url) as issuer:
        with pytest.raises(ProviderUnreachable):
            await issuer.revoke(Remote(old))
    assert [each.name for each in server.admin.live()] == ["old", "new"]


async def test_account_of_a_key_to_keep_is_left_alone_even_when_the_list_lags(server: DemoServer) -> None:
    server.admin.list_lag = 10
    old = server.admin.add_key(Secret("sk-" + "svcacct-" + "b2" * 20), "old", account="bot")
    server.admin.deletes_keys = False
    async with opened(server.url) as issuer:
        account = server.admin.live()[0].account_id
        new = await issuer.issue(Home("proj_demo", account), "new", expires_in_s=None)
        with pytest.raises(ProviderUnreachable):
            await issuer.revoke(Remote(old), keep=(Remote(new.remote.id),))
    assert [each.name for each in server.admin.live()] == ["old", "new"]


async def test_account_of_another_key_that_a_list_shows_late_is_left_alone(server: DemoServer) -> None:
    old = server.admin.add_key(Secret("sk-" + "svcacct-" + "b2" * 20), "old", account="bot")
    late = server.admin.add_key(Secret("sk-" + "svcacct-" + "c3" * 20), "late", account="bot")
    server.admin.organization.keys[late].unlisted = 1
    server.admin.deletes_keys = False
    async with opened(server.url) as issuer:
        with pytest.raises(ProviderUnreachable):
            await issuer.revoke(Remote(old, project_id="proj_demo"))
    assert [each.name for each in server.admin.live()] == ["old", "late"]


@pytest.mark.parametrize("known", [True, False], ids=["known account", "unknown account"])
async def test_account_of_a_key_to_keep_that_the_provider_does_not_know_yet_is_left_alone(
    server: DemoServer, known: bool
) -> None:
    old = server.admin.add_key(Secret("sk-" + "svcacct-" + "b2" * 20), "old", account="bot")
    new = server.admin.add_key(Secret("sk-" + "svcacct-" + "c3" * 20), "new", account="bot")
    account = server.admin.live()[0].account_id
    server.admin.organization.keys[new].unlisted = 100
    server.admin.deletes_keys = False
    server.admin.fault("not_found", "GET", f"api_keys/{new}")
    async with opened(server.url) as issuer:
        with pytest.raises(ProviderUnreachable):
            await issuer.revoke(Remote(old), keep=(Remote(new, account_id=account if known else ""),))
    assert [each.name for each in server.admin.live()] == ["old", "new"]


async def test_account_is_deleted_although_a_key_to_keep_lies_in_another_project(server: DemoServer) -> None:
    old = server.admin.add_key(Secret("sk-" + "svcacct-" + "b2" * 20), "old", account="bot")
    server.admin.deletes_keys = False
    async with opened(server.url) as issuer:
        await issuer.revoke(Remote(old), keep=(Remote("key_elsewhere", project_id="proj_other"),))
    assert server.admin.live() == []


async def test_key_of_a_person_that_cannot_be_deleted_is_told(server: DemoServer) -> None:
    key_id = server.admin.add_key(Secret("sk-" + "proj-" + "b2" * 20), "mine")
    server.admin.fault("bad_request", "DELETE")
    async with opened(server.url) as issuer:
        with pytest.raises(ProviderUnreachable):
            await issuer.revoke(Remote(key_id))
    assert len(server.admin.live()) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_key_that_may_not_administer_is_refused(server: DemoServer, provider: str) -> None:
    secret = Secret("sk-" + "proj-" + "a1" * 20)
    server.admin.add_key(secret, "mine")
    async with opened(server.url, provider, secret) as issuer:
        with pytest.raises(KeyRefused) as raised:
            await issuer.list_keys()
    assert "does not allow" in raised.value.sentence
    async with opened(server.url, provider, Secret("sk-" + "admin-invalid" + "0" * 20)) as issuer:
        with pytest.raises(KeyRefused) as raised:
            await issuer.issue(Home("proj_demo", "user-sa-1"), "one", expires_in_s=None)
    assert "does not accept the admin key" in raised.value.sentence


async def test_no_sentence_quotes_the_provider(raw_server: Callable[..., RawServer]) -> None:
    for status in ("400 Bad", "401 No", "403 No", "404 No", "409 No", "429 Slow", "500 Oh", "302 There"):
        body = b'{"error":{"message":"PLANTED ' + ADMIN.reveal().encode() + b'","code":null}}'
        async with opened(raw_server(http(status, body)).url) as issuer:
            with pytest.raises(ProviderError) as raised:
                await issuer.issue(Home("proj_demo", "user-sa-1"), "one", expires_in_s=None)
        told = f"{raised.value.sentence} {raised.value.hint} {raised.value.verdict} {raised.value.__context__!r}"
        assert "planted" not in told.lower()
        assert ADMIN.reveal() not in told


async def test_admin_key_leaves_for_its_provider_only() -> None:
    with pytest.raises(KeyRefused):
        async with opened("https://gateway.example.com/v1"):
            pass
    with pytest.raises(KeyRefused):
        async with opened("http://127.0.0.1:9/v1", secret=Secret("sk-" + "admin-with a space")):
            pass


async def test_environment_reaches_no_request(
    raw_server: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ADMIN_KEY", "API_KEY", "ORG_ID", "PROJECT_ID"):
        monkeypatch.setenv(f"OPENAI_{name}", "planted")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/planted")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer planted")
    running = raw_server(http("200 OK", b'{"data":[],"has_more":false}', "Connection: close"))
    for provider in PROVIDERS:
        async with opened(running.url, provider) as issuer:
            assert await issuer.list_keys() == []
    assert len(running.received) == 2
    for request in running.received:
        assert b"planted" not in request
        assert request.lower().count(b"authorization: bearer " + ADMIN.reveal().lower().encode()) == 1


def test_others_have_no_issuer() -> None:
    assert [
        provider for provider in ("openai", "openrouter", "anthropic", "local") if issuers.issuer_for(provider)
    ] == [
        "openai",
        "openrouter",
    ]
