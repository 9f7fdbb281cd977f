"""The demo server's organization over plain HTTP: state, pages, faults, and the witness."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

import pytest

from keytui.demo.server import DemoServer
from keytui.model import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

ADMIN = "sk" + "-admin-00000000000000000000"
ACCOUNTS = "/v1/organization/projects/proj_demo/service_accounts"
KEYS = "/v1/organization/projects/proj_demo/api_keys"


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer(delta_seconds=0, slow_seconds=0) as running:
        yield running


def ask(server: DemoServer, method: str, path: str, key: str = ADMIN, **body: object) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(method, path, json.dumps(body) if body else None, {"Authorization": f"Bearer {key}"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def account(server: DemoServer, name: str = "bot") -> tuple[str, str, str]:
    """Make a service account with a key; return the account's id, the key's id and its value."""
    _status, answer = ask(server, "POST", ACCOUNTS, name=name)
    issued = answer["api_key"]
    assert isinstance(issued, dict)
    return str(answer["id"]), issued["id"], issued["value"]


def test_issued_key_works_until_it_is_deleted(server: DemoServer) -> None:
    _account, key_id, value = account(server)
    assert ask(server, "GET", "/v1/models", value)[0] == 200
    assert ask(server, "GET", f"{KEYS}/{key_id}")[0] == 200
    assert ask(server, "DELETE", f"{KEYS}/{key_id}") == (
        200,
        {"object": "organization.project.api_key.deleted", "id": key_id, "deleted": True},
    )
    assert ask(server, "GET", "/v1/models", value)[0] == 401
    assert ask(server, "DELETE", f"{KEYS}/{key_id}")[0] == 404
    assert server.admin.live() == []


def test_issued_key_ends_when_its_time_has_come() -> None:
    now = 1_795_000_000
    with DemoServer(clock=lambda: now) as server:
        _account, key_id, value = account(server)
        assert ask(server, "POST", f"{KEYS}/{key_id}", expires_in_seconds=60)[1]["expires_at"] == now + 60
        assert ask(server, "GET", "/v1/models", value)[0] == 200
        now += 60
        assert ask(server, "GET", "/v1/models", value)[0] == 401
        assert ask(server, "POST", f"{KEYS}/{key_id}", expires_in_seconds=60)[0] == 400
        assert server.admin.live() == []


def test_words_by_which_a_key_chooses_its_state_mean_nothing_in_an_issued_one(server: DemoServer) -> None:
    value = "sk" + "-svcacct-" + "cut-down-invalid-slow"
    server.admin.add_key(Secret(value), "unlucky", account="bot")
    assert ask(server, "GET", "/v1/models", value)[0] == 200


def test_account_made_alone_has_no_key_and_may_do_nothing_before_it_has_a_role(server: DemoServer) -> None:
    _status, made = ask(server, "POST", ACCOUNTS, name="bot", create_service_account_only=True)
    assert (made["role"], made["api_key"]) == ("none", None)
    _status, issued = ask(server, "POST", f"{ACCOUNTS}/{made['id']}/api_keys", name="one")
    assert ask(server, "GET", "/v1/models", str(issued["value"]))[0] == 403
    ask(server, "POST", f"{ACCOUNTS}/{made['id']}", role="member")
    assert ask(server, "GET", "/v1/models", str(issued["value"]))[0] == 200


def test_deleting_an_account_ends_all_its_keys(server: DemoServer) -> None:
    account_id, _key, value = account(server)
    _status, second = ask(server, "POST", f"{ACCOUNTS}/{account_id}/api_keys", name="two")
    assert len(server.admin.live()) == 2
    ask(server, "DELETE", f"{ACCOUNTS}/{account_id}")
    assert [ask(server, "GET", "/v1/models", str(each))[0] for each in (value, second["value"])] == [401, 401]


def test_pages_follow_one_another(server: DemoServer) -> None:
    for number in range(5):
        account(server, f"bot {number}")
    seen: list[object] = []
    after = ""
    while True:
        _status, page = ask(server, "GET", f"{KEYS}?limit=2{after}")
        data = page["data"]
        assert isinstance(data, list)
        seen += [each["id"] for each in data]
        assert (page["first_id"], page["last_id"]) == (data[0]["id"], data[-1]["id"])
        if not page["has_more"]:
            break
        after = f"&after={page['last_id']}"
    assert seen == [each.id for each in server.admin.live()]
    assert ask(server, "GET", f"{KEYS}?limit=101")[0] == 400


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/organization/projects/proj_none/api_keys", {}, 404),
        ("GET", f"{KEYS}/key_none", {}, 404),
        ("POST", f"{ACCOUNTS}/user-sa-none/api_keys", {"name": "one"}, 404),
        ("POST", ACCOUNTS, {}, 400),
        ("POST", ACCOUNTS, {"name": "bot", "expires_in_seconds": 0}, 400),
        ("PATCH", KEYS, {"name": "bot"}, 405),
        ("POST", "/v1/organization/nothing", {"name": "bot"}, 404),
        ("POST", "/v1/keys", {}, 400),
        ("DELETE", "/v1/keys/none", {}, 404),
    ],
)
def test_what_does_not_fit_is_refused(
    server: DemoServer, method: str, path: str, body: dict[str, object], status: int
) -> None:
    assert ask(server, method, path, ADMIN, **body)[0] == status


def test_project_that_was_archived_takes_no_keys(server: DemoServer) -> None:
    server.admin.organization.projects["proj_demo"].archived_at = 1
    assert ask(server, "POST", ACCOUNTS, name="bot")[0] == 400
    assert ask(server, "GET", "/v1/organization/projects")[1]["data"] == []


def test_issued_key_does_not_administer(server: DemoServer) -> None:
    _account, _key, value = account(server)
    assert ask(server, "GET", KEYS, value)[0] == 403
    assert ask(server, "GET", KEYS, "")[0] == 401


@pytest.mark.parametrize(("kind", "made"), [("drop_before", 0), ("drop_after", 1)])
def test_dropped_request_was_carried_out_or_not(server: DemoServer, kind: str, made: int) -> None:
    server.admin.fault("drop_before" if kind == "drop_before" else "drop_after", "POST", "service_accounts")
    assert ask(server, "GET", KEYS)[0] == 200  # another request is not meant
    with pytest.raises((http.client.HTTPException, OSError)):
        account(server)
    assert len(server.admin.live()) == made
    account(server)
    assert len(server.admin.live()) == made + 1


def test_faults_answer_as_they_say_as_often_as_they_say(server: DemoServer) -> None:
    server.admin.fault("error_500", times=2)
    server.admin.fault("bad_request", "DELETE")
    server.admin.fault("not_found", "GET")
    asked = [ask(server, method, KEYS)[0] for method in ("GET", "GET", "GET", "GET", "DELETE")]
    assert asked == [500, 500, 404, 200, 400]
    server.admin.fault("error_500", times=9)
    server.admin.clear_faults()
    assert ask(server, "GET", KEYS)[0] == 200


def test_new_key_appears_and_works_late_and_a_revoked_one_ends_late(server: DemoServer) -> None:
    server.admin.list_lag, server.admin.activation_lag, server.admin.revocation_lag = 1, 2, 1
    _account, key_id, value = account(server)
    assert [len(list(ask(server, "GET", KEYS)[1]["data"])) for _ in range(2)] == [0, 1]  # type: ignore[call-overload] # a list
    assert [ask(server, "GET", "/v1/models", value)[0] for _ in range(3)] == [401, 401, 200]
    ask(server, "DELETE", f"{KEYS}/{key_id}")
    assert [ask(server, "GET", "/v1/models", value)[0] for _ in range(2)] == [200, 401]


def test_openrouters_key_can_be_switched_off_and_on(server: DemoServer) -> None:
    _status, made = ask(server, "POST", "/v1/keys", name="one")
    data, value = made["data"], str(made["key"])
    assert isinstance(data, dict)
    assert value.startswith(data["label"].partition("...")[0])
    assert ask(server, "PATCH", f"/v1/keys/{data['hash']}", disabled=True)[0] == 200
    assert ask(server, "GET", "/v1/models", value)[0] == 401
    ask(server, "PATCH", f"/v1/keys/{data['hash']}", disabled=False)
    assert ask(server, "GET", "/v1/models", value)[0] == 200


def test_organization_remembers_no_value(server: DemoServer) -> None:
    _account, _key, value = account(server)
    kept = repr(vars(server.admin)) + repr(vars(server.admin.organization))
    assert value not in kept
    assert server.admin.id_of(Secret(value)) is not None
