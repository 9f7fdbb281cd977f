"""A stateful, offline, OpenAI-compatible server on loopback, for the demo, for newcomers and for the tests.

How it answers depends on the key. A registered key answers as its state says (see `keytui.demo.answers`). Any other
key follows a rule one can try by hand:

- a key of at least 20 characters that begins with `sk-` is valid;
- `invalid`, `noquota`, `ratelimit`, `restricted`, `slow`, `cut` or `down` inside the key chooses that behavior, as in
  `sk-demo-noquota-000000`;
- everything else is refused with 401.

The server keeps SHA-256 digests of keys only, and writes no log. It serves the paths of OpenAI, OpenRouter's key
endpoints and Anthropic's headers under one base URL, so that keys of every provider can point at it.

Any valid key that it did not issue itself administers an organization (see `keytui.demo.admin`): it creates keys under
/v1/organization/projects/proj_demo/service_accounts as OpenAI does, and under /v1/keys as OpenRouter does. An issued
key works until it is deleted or expires, and is refused with 401 from then on.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING

from keytui.demo.admin import Admin
from keytui.demo.answers import STATES, unregistered_state
from keytui.demo.handler import DemoHandler
from keytui.demo.organization import digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from keytui.model import Secret

_LOG_LENGTH = 1_000


class _Http(ThreadingHTTPServer):
    """Closes every open connection when it stops, so that no thread waits for a client that is gone."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, port: int, demo: DemoServer) -> None:
        self.demo = demo
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", port), DemoHandler)

    def server_bind(self) -> None:
        """Bind without the reverse DNS lookup of http.server, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        if isinstance(request, socket.socket):
            with self._guard:
                self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket):
            with self._guard:
                self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: a client that goes away in mid-answer is normal here, and a traceback could show a key."""

    def close_connections(self) -> None:
        with self._guard:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):  # already gone
                connection.shutdown(socket.SHUT_RDWR)


class DemoServer:
    """The server; `start()` serves from a thread until `stop()`. Usable as a context manager.

    Args:
        port: Port on 127.0.0.1; 0 takes a free one.
        delta_seconds: Pause between two streamed pieces, in seconds; a slow key takes ten times as long.
        slow_seconds: Time before a slow key's answer, in seconds.
        clock: Seconds since the epoch; decides which issued keys have expired.

    Attributes:
        requests: The last requests as (method, path without query), for tests.
        state: States of registered keys by SHA-256 digest.
        admin: The organization behind the admin endpoints, and what is to go wrong there.
        stopping: Set when the server stops; slow answers wait on it.

    Raises:
        OSError: The port is taken.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        delta_seconds: float = 0.03,
        slow_seconds: float = 2.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.delta_seconds = delta_seconds
        self.slow_seconds = slow_seconds
        self.requests: deque[tuple[str, str]] = deque(maxlen=_LOG_LENGTH)
        self.state: dict[str, str] = {}
        self.stopping = threading.Event()
        self.admin = Admin(self.stopping, clock)
        self._count = 0
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._http = _Http(port, self)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._http.server_port

    @property
    def url(self) -> str:
        """The base URL for clients, such as "http://127.0.0.1:8484/v1"."""
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> Self:
        """Serve from a thread of its own and return at once."""
        if self._thread is None:
            serve = self._http.serve_forever
            self._thread = threading.Thread(target=serve, args=(0.05,), name="demo-server", daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """End every answer and close the port; harmless when called twice."""
        self.stopping.set()
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self._http.close_connections()
        self._http.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *details: object) -> None:
        self.stop()

    def register(self, secret: Secret, state: str) -> None:
        """Let this key answer as `state` says from now on.

        Raises:
            ValueError: The state is not one of `keytui.demo.answers.STATES`.
        """
        if state not in STATES:
            raise ValueError(f"unknown state {state!r}")
        self.state[digest(secret.reveal())] = state

    def state_of(self, key: str) -> str:
        """Return how a key sent by a client answers."""
        issued = self.admin.state_of(key)
        if issued not in (None, "valid"):
            return issued
        # The words by which an unregistered key chooses its state can stand in an issued one by chance.
        return self.state.get(digest(key)) or issued or unregistered_state(key)

    def note_request(self, method: str, path: str) -> str:
        """Log a request and return its id."""
        with self._guard:
            self._count += 1
            self.requests.append((method, path))
            return f"req_demo_{self._count:06d}"
