"""The demo server over plain HTTP, without the openai client: what a newcomer with curl sees."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from keytui.demo.answers import STATES
from keytui.demo.server import DemoServer
from keytui.model import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

WELL_FORMED = "sk" + "-demo-0000000000000000"


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with DemoServer(delta_seconds=0, slow_seconds=0) as running:
        yield running


def _ask(
    server: DemoServer, method: str, path: str, key: str = WELL_FORMED, body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body, {"Authorization": f"Bearer {key}"} if key else {})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def _chat(server: DemoServer, key: str = WELL_FORMED, **fields: object) -> tuple[int, dict[str, str], bytes]:
    asked = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "Hello"}], **fields}
    return _ask(server, "POST", "/v1/chat/completions", key, json.dumps(asked).encode())


@pytest.mark.parametrize(
    ("key", "status"),
    [
        (WELL_FORMED, 200),
        ("sk" + "-demo-invalid-0000000", 401),
        ("sk" + "-demo-noquota-0000000", 429),
        ("sk" + "-demo-ratelimit-00000", 429),
        ("sk" + "-demo-ratelimited-000", 429),
        ("sk" + "-demo-restricted-0000", 401),
        ("sk" + "-demo-slow-0000000000", 200),
        ("sk" + "-demo-cut-00000000000", 200),
        ("sk" + "-demo-down-0000000000", 503),
        ("sk" + "-short", 401),
        ("anything-else-0000000000", 401),
        ("", 401),
    ],
)
def test_unregistered_key_follows_the_documented_rule(server: DemoServer, key: str, status: int) -> None:
    assert _ask(server, "GET", "/v1/models", key)[0] == status


def test_registered_key_answers_as_its_state_says_until_registered_anew(server: DemoServer) -> None:
    secret = Secret("a-key-of-another-shape-0")
    server.register(secret, "valid")
    assert _ask(server, "GET", "/v1/models", secret.reveal())[0] == 200
    server.register(secret, "invalid")
    assert _ask(server, "GET", "/v1/models", secret.reveal())[0] == 401


def test_unknown_state_is_refused(server: DemoServer) -> None:
    with pytest.raises(ValueError, match="unknown state"):
        server.register(Secret(WELL_FORMED), "perfect")
    assert "valid" in STATES


def test_server_remembers_no_key(server: DemoServer) -> None:
    server.register(Secret(WELL_FORMED), "valid")
    _chat(server)
    assert WELL_FORMED not in repr(server.state) + repr(server.requests) + repr(vars(server))


def test_rate_limit_says_when_to_come_back(server: DemoServer) -> None:
    _status, headers, _body = _ask(server, "GET", "/v1/models", "sk" + "-demo-ratelimit-00000")
    assert headers["retry-after"] == "20"


def test_plain_answer_is_shaped_like_openais(server: DemoServer) -> None:
    status, headers, body = _chat(server)
    answer = json.loads(body)
    assert status == 200
    assert headers["x-request-id"].startswith("req_demo_")
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"].startswith("Hello from the demo server.")
    assert answer["usage"]["completion_tokens"] > 30


def test_stream_ends_with_usage_when_asked_and_with_done(server: DemoServer) -> None:
    _status, headers, body = _chat(server, stream=True, stream_options={"include_usage": True})
    events = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    assert headers["content-type"].startswith("text/event-stream")
    assert events[-1] == "[DONE]"
    assert json.loads(events[-2])["usage"]["total_tokens"] > 30
    assert json.loads(events[-2])["choices"] == []
    assert json.loads(events[-3])["choices"][0]["finish_reason"] == "stop"


def test_stream_has_no_usage_when_not_asked(server: DemoServer) -> None:
    _status, _headers, body = _chat(server, stream=True)
    assert b"usage" not in body


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff", b"[" * 10_000, b'{"model":"gpt-6-luna"}', b'{"model":1,"messages":[{}]}']
)
def test_malformed_body_is_a_bad_request(server: DemoServer, body: bytes) -> None:
    status, _headers, answer = _ask(server, "POST", "/v1/chat/completions", body=body)
    assert status == 400
    assert json.loads(answer)["error"]["type"] == "invalid_request_error"


def test_large_body_is_refused_unread(server: DemoServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("POST", "/v1/chat/completions")
    connection.putheader("Content-Length", "99999999999")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_unknown_model_and_path_are_not_found(server: DemoServer) -> None:
    assert _chat(server, model="gpt-none")[0] == 404
    assert _ask(server, "GET", "/v1/nothing")[0] == 404
    assert _ask(server, "GET", "/")[0] == 200


def test_taken_port_is_said() -> None:
    with DemoServer() as running, pytest.raises(OSError, match="in use"):
        DemoServer(running.port)


def test_stopping_ends_answers_that_hang() -> None:
    running = DemoServer().start()
    running.register(Secret(WELL_FORMED), "hang")
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {WELL_FORMED}"})
    running.stop()
    with pytest.raises((http.client.HTTPException, OSError)):
        connection.getresponse()
    connection.close()
    running.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_prints_its_address_and_ends_cleanly(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "keytui.demo", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        address = child.stdout.readline().strip()
        child.send_signal(number)
        _out, complaints = child.communicate(timeout=10)
    assert address.startswith("http://127.0.0.1:")
    assert address.endswith("/v1")
    assert child.returncode == 0
    assert "Traceback" not in complaints


def test_help_of_the_command_names_the_words_to_try() -> None:
    done = subprocess.run([sys.executable, "-m", "keytui.demo", "--help"], capture_output=True, text=True, check=True)
    assert "noquota" in done.stdout
    assert "--delta-seconds" in done.stdout


def test_half_a_request_is_not_carried_out(server: DemoServer) -> None:
    before = server.admin.live()
    account = server.admin.organization.add_account("proj_demo", "robot")
    path = f"/v1/organization/projects/proj_demo/service_accounts/{account.id}/api_keys"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {WELL_FORMED}\r\nContent-Length: 40\r\n\r\n{{"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head.encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert server.admin.live() == before
