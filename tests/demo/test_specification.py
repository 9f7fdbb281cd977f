"""The demo server's admin answers against OpenAI's own specification, when KEYTUI_TEST_OPENAPI names a copy of it.

The copy is not part of the project. It is YAML, which needs the package pyyaml in the environment of the tests.
"""

from __future__ import annotations

import http.client
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keytui.demo.server import DemoServer
from keytui.model import Secret
from tests.demo.specification import Specification

if TYPE_CHECKING:
    from collections.abc import Iterator

ADMIN = "sk" + "-admin-00000000000000000000"
PROJECTS = "/v1/organization/projects"
PROJECT = f"{PROJECTS}/proj_demo"


class Client:
    """Sends requests and compares each with its answer."""

    def __init__(self, server: DemoServer, specification: Specification) -> None:
        self.server, self.specification = server, specification
        self.problems: list[str] = []

    def ask(self, method: str, path: str, key: str = ADMIN, **body: object) -> dict[str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            connection.request(method, path, json.dumps(body) if body else None, {"Authorization": f"Bearer {key}"})
            response = connection.getresponse()
            answer: dict[str, str] = json.loads(response.read())
        finally:
            connection.close()
        self.problems += self.specification.compare(method, path, body, response.status, answer)
        return answer


@pytest.fixture(scope="module")
def specification() -> Specification:
    named = os.environ.get("KEYTUI_TEST_OPENAPI")
    if not named:
        pytest.skip("KEYTUI_TEST_OPENAPI names no copy of OpenAI's specification")
    yaml = pytest.importorskip("yaml", reason="reading the specification needs pyyaml")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return Specification(yaml.load(Path(named).read_text(), Loader=loader), "/v1")


@pytest.fixture
def client(specification: Specification) -> Iterator[Client]:
    with DemoServer(delta_seconds=0) as running:
        yield Client(running, specification)


def _carry_out(client: Client) -> None:
    """Every admin operation that the demo server has, in the order of a rotation."""
    client.ask("GET", PROJECTS)
    client.ask("GET", f"{PROJECTS}?limit=1")
    client.ask("GET", PROJECT)
    client.ask("GET", f"{PROJECT}/service_accounts")
    with_key = client.ask("POST", f"{PROJECT}/service_accounts", name="first")
    client.ask("POST", f"{PROJECT}/service_accounts", name="second", expires_in_seconds=60)
    account = client.ask("POST", f"{PROJECT}/service_accounts", name="bot", create_service_account_only=True)["id"]
    client.ask("GET", f"{PROJECT}/service_accounts/{account}")
    client.ask("POST", f"{PROJECT}/service_accounts/{account}", role="member")
    client.ask("GET", f"{PROJECT}/service_accounts?limit=1")
    key = client.ask("POST", f"{PROJECT}/service_accounts/{account}/api_keys", name="one")
    client.ask("POST", f"{PROJECT}/service_accounts/{account}/api_keys", name="two", expires_in_seconds=60)
    client.ask("GET", "/v1/models", key["value"])
    client.server.admin.add_key(Secret("sk" + "-proj-" + "0a" * 20), "mine")
    client.ask("GET", f"{PROJECT}/api_keys?owner_project_access=any")
    client.ask("GET", f"{PROJECT}/api_keys?limit=1")
    client.ask("GET", f"{PROJECT}/api_keys/{key['id']}")
    client.ask("POST", f"{PROJECT}/api_keys/{key['id']}", expires_in_seconds=3_600)
    client.ask("DELETE", f"{PROJECT}/api_keys/{key['id']}")
    client.ask("DELETE", f"{PROJECT}/service_accounts/{with_key['id']}")


def _be_refused(client: Client) -> None:
    """The errors an issuer meets."""
    keys, accounts = f"{PROJECT}/api_keys", f"{PROJECT}/service_accounts"
    account = client.ask("POST", accounts, name="bot")
    key = client.ask("POST", f"{accounts}/{account['id']}/api_keys", name="one")
    client.ask("GET", f"{keys}/key_none")
    client.ask("POST", f"{keys}/key_none", expires_in_seconds=60)
    client.ask("DELETE", f"{keys}/key_none")
    client.ask("DELETE", f"{accounts}/user-sa-none")
    client.ask("POST", f"{accounts}/user-sa-none/api_keys", name="one")
    client.ask("GET", keys, "sk" + "-admin-invalid-000000000")
    client.ask("GET", keys, key["value"])
    client.ask("GET", f"{keys}?limit=0")
    admin = client.server.admin
    admin.require_expiry = 60
    client.ask("POST", f"{accounts}/{account['id']}/api_keys", name="two")
    client.ask("POST", accounts, name="third")
    admin.deletes_keys = False
    client.ask("DELETE", f"{keys}/{key['id']}")
    for method, path in (("GET", keys), ("POST", f"{accounts}/{account['id']}/api_keys"), ("DELETE", f"{keys}/x")):
        admin.fault("error_500", method)
        client.ask(method, path)
    admin.organization.projects["proj_demo"].archived_at = 1
    client.ask("POST", accounts, name="fourth")


def test_every_admin_answer_is_one_of_the_specification(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    _carry_out(client)
    _be_refused(client)
    assert client.problems == []
    figure = f"{len(client.specification.operations)} operations, {client.specification.answers} answers compared"
    with capsys.disabled():
        print(f"\nOpenAI's specification: {figure}")  # noqa: T201 - the figure is the purpose of this run


def test_validator_finds_what_is_wrong(specification: Specification) -> None:
    path = f"{PROJECT}/api_keys/key_1"
    good = {"object": "organization.project.api_key.deleted", "id": "key_1", "deleted": True}
    assert specification.compare("DELETE", path, None, 200, good) == []
    wrongs: tuple[object, ...] = (
        {**good, "deleted": "yes"},
        {"id": "key_1"},
        {**good, "object": "key"},
        {**good, "more": 1},
        [],
    )
    for wrong in wrongs:
        assert specification.compare("DELETE", path, None, 200, wrong)
    assert specification.compare("DELETE", path, None, 418, good)
    assert specification.compare("POST", path, {}, 200, None)
