"""One connection to the demo server: reads requests, answers plainly or as a stream of server-sent events."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, cast

from keytui.demo.admin import PATHS, Dropped
from keytui.demo.answers import FAILURES, Failure, all_models, error_body, models_of, pieces_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from keytui.demo.server import DemoServer

_MAX_BODY = 1_000_000
_CREATED = 1_767_225_600  # a fixed time, so that the same question gives the same answer
_PAGE = "<!doctype html><title>Sign in</title><p>Please sign in to this network."
_INDEX = "keytui demo server. Base URL: http://127.0.0.1:{port}/v1 (GET /v1/models, POST /v1/chat/completions)\n"


class _Cut(Exception):
    """The connection is to be closed in the middle of an answer."""


class DemoHandler(BaseHTTPRequestHandler):
    """Answers the requests of one connection; never logs."""

    protocol_version = "HTTP/1.1"
    server_version = "keytui-demo"
    sys_version = ""
    timeout = 30  # seconds an idle connection is kept
    disable_nagle_algorithm = True

    @property
    def demo(self) -> DemoServer:
        """The server this connection belongs to."""
        return cast("DemoServer", self.server.demo)  # type: ignore[attr-defined] # set by our own server class

    def log_message(self, *arguments: object) -> None:
        """Write nothing: request lines and headers can hold keys."""

    def do_GET(self) -> None:
        """Answer a GET request."""
        self._serve("GET")

    def do_POST(self) -> None:
        """Answer a POST request."""
        self._serve("POST")

    def do_PATCH(self) -> None:
        """Answer a PATCH request."""
        self._serve("PATCH")

    def do_DELETE(self) -> None:
        """Answer a DELETE request."""
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        path = self.path.partition("?")[0].rstrip("/")
        self._request_id = self.demo.note_request(method, path)
        self._started = time.monotonic()
        try:
            body = self._read_body() if method in ("POST", "PATCH") else b""
            if body is None:
                return
            self._route(method, path, body)
        except (_Cut, Dropped, ConnectionError, TimeoutError):
            self.close_connection = True

    def _route(self, method: str, path: str, body: bytes) -> None:
        if path == "":
            self._send(200, _INDEX.format(port=self.demo.port).encode(), "text/plain; charset=utf-8")
            return
        answers = {
            ("GET", "/v1/models"): self._models,
            ("GET", "/v1/key"): self._openrouter_key,
            ("GET", "/v1/api-key"): self._xai_key,
            ("GET", "/user/balance"): self._deepseek_balance,
            ("GET", "/v1/organizations/api_keys"): self._empty_list,
            ("POST", "/v1/chat/completions"): self._chat,
        }
        answer = self._organization if path.startswith(PATHS) else answers.get((method, path))
        if answer is None:
            self._fail(Failure(404, None, "invalid_request_error", f"Unknown request URL: {method} {path}."))
            return
        key = self._key()
        state = self.demo.state_of(key) if key else "invalid"
        chat = path.endswith("/chat/completions")
        failure = FAILURES.get(state)
        if failure is not None and not (failure.chat_only and not chat) and not (failure.models_only and chat):
            self._fail(failure, key)
            return
        self._misbehave(state)
        if state == "html":
            self._send(200, _PAGE.encode(), "text/html; charset=utf-8")
        elif state == "wrong_shape":
            self._send_json(200, {"hello": ["world"]})
        else:
            answer(key, state, body)

    def _misbehave(self, state: str) -> None:
        if state == "slow":
            self.demo.stopping.wait(self.demo.slow_seconds)
        elif state == "hang":
            self.demo.stopping.wait()
        if state in ("hang", "drop"):
            raise _Cut

    def _models(self, key: str, state: str, body: bytes) -> None:  # noqa: ARG002 - all answers share one signature
        listed = [{"id": name, "object": "model", "created": _CREATED, "owned_by": "demo"} for name in models_of(key)]
        self._send_json(200, {"object": "list", "data": listed})

    def _openrouter_key(self, key: str, state: str, body: bytes) -> None:  # noqa: ARG002 - all answers share one signature
        data = {"label": f"{key[:12]}...{key[-3:]}", "usage": 1.25, "limit": None, "limit_remaining": None}
        self._send_json(200, {"data": {**data, "is_free_tier": False, "is_management_key": False}})

    def _xai_key(self, key: str, state: str, body: bytes) -> None:  # noqa: ARG002 - all answers share one signature
        blocks = dict.fromkeys(("team_blocked", "api_key_blocked", "api_key_disabled"), False)
        granted = ["api-key:endpoint:*", "api-key:model:*"]
        self._send_json(200, {"redacted_api_key": f"xai-...{key[-4:]}", "acls": granted, **blocks})

    def _deepseek_balance(self, key: str, state: str, body: bytes) -> None:  # noqa: ARG002 - all answers share one signature
        balance = {"currency": "USD", "total_balance": "4.20", "granted_balance": "0.00", "topped_up_balance": "4.20"}
        self._send_json(200, {"is_available": True, "balance_infos": [balance]})

    def _empty_list(self, key: str, state: str, body: bytes) -> None:  # noqa: ARG002 - all answers share one signature
        self._send_json(200, {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False})

    def _organization(self, key: str, state: str, body: bytes) -> None:  # noqa: ARG002 - all answers share one signature
        path, _, query = self.path.partition("?")
        answer = self.demo.admin.answer(self.command, path.rstrip("/"), query, body, key)
        self._send_json(answer.status, answer.body)

    def _chat(self, key: str, state: str, body: bytes) -> None:
        asked = _parsed(body)
        refusal = _refusal(asked, state)
        if refusal is not None or asked is None:
            self._fail(refusal or Failure(400, None, "invalid_request_error", "We could not parse the JSON body."))
            return
        model, prompt = str(asked["model"]), _prompt_of(asked)
        pieces: tuple[str, ...] = pieces_for(prompt)
        if state == "echo":
            pieces = ("You sent ", key[:9], key[9:], ".")
        usage = {"prompt_tokens": max(1, len(prompt.split())), "completion_tokens": len(pieces)}
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]
        if asked.get("stream"):
            options = asked.get("stream_options")
            wanted = isinstance(options, dict) and options.get("include_usage") is True
            self._stream(model, pieces, state, usage if wanted else None)
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": "".join(pieces)}, "finish_reason": "stop"}
        self._send_json(200, {**self._completion(model, "chat.completion"), "choices": [choice], "usage": usage})

    def _completion(self, model: str, kind: str) -> dict[str, object]:
        return {"id": f"chatcmpl-{self._request_id}", "object": kind, "created": _CREATED, "model": model}

    def _stream(self, model: str, pieces: tuple[str, ...], state: str, usage: Mapping[str, int] | None) -> None:
        self._head(200, "text/event-stream; charset=utf-8", [("Transfer-Encoding", "chunked")])
        if state == "cut_first":
            raise _Cut
        head = self._completion(model, "chat.completion.chunk")
        if state == "null_choices":
            self._event({**head, "choices": None})
        pause = self.demo.delta_seconds * (10 if state == "slow" else 1)
        for number, piece in enumerate(() if state == "empty" else pieces):
            if number and self.demo.stopping.wait(pause):
                raise _Cut
            self._event({**head, "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
            if number == len(pieces) // 2:
                self._interrupt(state)
        if state not in ("empty", "unfinished"):
            self._event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            if usage is not None:
                self._event({**head, "choices": [], "usage": usage})
        if state != "unfinished":
            self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _interrupt(self, state: str) -> None:
        """Break the stream in its middle where the state says so."""
        if state == "cut":
            raise _Cut
        if state == "silent":
            self.demo.stopping.wait()
            raise _Cut
        if state == "stream_error":
            self._event({"error": {"message": "The server had an error.", "type": "server_error", "code": None}})
            self._chunk(b"")
            raise _Cut
        if state == "broken_stream":
            self._chunk(b'data: {"choices": [\n\n')

    def _event(self, data: object) -> None:
        self._chunk(b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _key(self) -> str:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
        return (self.headers.get("x-api-key") or self.headers.get("api-key") or "").strip()

    def _read_body(self) -> bytes | None:
        """Return the body, or None after answering a request whose body is not read."""
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            self._fail(Failure(411, None, "invalid_request_error", "Content-Length is needed."), close=True)
            return None
        if int(length) > _MAX_BODY:
            self._fail(Failure(413, None, "invalid_request_error", "The body is too large."), close=True)
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):  # its sender died halfway: half a request is carried out by no server
            self.close_connection = True
            return None
        return body

    def _fail(self, failure: Failure, key: str = "", *, close: bool = False) -> None:
        extra = [("Retry-After", str(failure.retry_after))] if failure.retry_after is not None else []
        self._send_json(failure.status, error_body(failure, key), extra, close=close)

    def _send_json(
        self, status: int, body: object, extra: Iterable[tuple[str, str]] = (), *, close: bool = False
    ) -> None:
        self._send(status, json.dumps(body).encode(), "application/json", extra, close=close)

    def _send(
        self, status: int, body: bytes, kind: str, extra: Iterable[tuple[str, str]] = (), *, close: bool = False
    ) -> None:
        headers = [("Content-Length", str(len(body))), *extra]
        if close:
            headers.append(("Connection", "close"))  # http.server closes after this header
        self._head(status, kind, headers)
        self.wfile.write(body)

    def _head(self, status: int, kind: str, headers: Iterable[tuple[str, str]]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("x-request-id", self._request_id)
        self.send_header("openai-processing-ms", str(int((time.monotonic() - self._started) * 1000)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()


def _parsed(body: bytes) -> dict[str, object] | None:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return asked if isinstance(asked, dict) else None


def _refusal(asked: Mapping[str, object] | None, state: str) -> Failure | None:
    """Return why a Chat Completions request is refused, or None."""
    if asked is None:
        return None
    model, messages = asked.get("model"), asked.get("messages")
    if not isinstance(model, str) or not model:
        return Failure(400, None, "invalid_request_error", "you must provide a model parameter")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        return Failure(400, None, "invalid_request_error", "Missing required parameter: 'messages'.")
    if model not in all_models():
        return FAILURES["model_not_found"]
    refused = {
        "no_stream_options": ("stream_options",),
        "no_max_tokens": ("max_tokens",),
        "no_max_completion_tokens": ("max_completion_tokens",),
        "strict": ("stream_options", "max_tokens", "max_completion_tokens"),
    }
    for name in refused.get(state, ()):
        if name in asked:
            message = "Extra inputs are not permitted" if state == "strict" else f"Unsupported parameter: '{name}'."
            return Failure(422 if state != "no_max_tokens" else 400, None, "invalid_request_error", message)
    return None


def _prompt_of(asked: Mapping[str, object]) -> str:
    messages = cast("list[dict[str, object]]", asked["messages"])
    content = messages[-1].get("content")
    return content if isinstance(content, str) else ""
