"""Sample keys for the demo: several providers, ages and states, all of them pointing at the demo server.

They are made through the store's own door, on a clock moved into the past, in the order in which things would have
happened. No secret here is one: each is built from its key's name at run time.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from typing import TYPE_CHECKING

from keytui import settings as settings_module
from keytui.demo.organization import DEFAULT_PROJECT
from keytui.demo.server import DemoServer
from keytui.model import DAY, KeyFields, RemoteKey, Secret, Verdict
from keytui.providers import catalog
from keytui.record import NamedTuple
from keytui.storage.backends import MemoryBackend
from keytui.storage.keystore import Keystore

if TYPE_CHECKING:
    from collections.abc import Callable

    from keytui.model import KeyKind, VerdictWord
    from keytui.settings import Settings

PORT = 8484
"""Where the demo's server listens when the port is free, so that addresses on screen stay the same."""

_HOUR = 3_600
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_MARK = "T3Blbk" + "FJ"


class Demo(NamedTuple):
    """A running demo; `close()` leaves nothing behind."""

    store: Keystore
    server: DemoServer
    settings: Settings
    folder: tempfile.TemporaryDirectory[str]

    def close(self) -> None:
        """Stop the server, close the store and delete the folder."""
        catalog.lead_to(None)
        self.server.stop()
        self.store.close()
        self.folder.cleanup()


class _Sample(NamedTuple):
    """One sample key.

    Attributes:
        age: Days since its current version was stored.
        checked: Hours since its last check, or None when it never was.
        answers: How the demo server answers it.
        shape: Prefix and number of random characters of its secret.
        before: Days since its first version was stored, when it was rotated since.
        expires: Days until the provider ends it, negative when it has, or None.
        deleted: Hours since it was deleted, or None.
        account: Service account that owns it at the provider; "-" when none does, "" when the provider's list does not
            have it.
        known: Whether the store knows its id at the provider, as it does of keys that keytui issued.
    """

    name: str
    provider: str
    shape: tuple[str, int]
    age: int
    answers: str = "valid"
    checked: float | None = None
    latency_ms: int = 0
    verdict: VerdictWord = "valid"
    status: int = 200
    code: str | None = None
    detail: str = ""
    every: int | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    kind: KeyKind = "api"
    before: int | None = None
    expires: int | None = None
    deleted: float | None = None
    account: str = ""
    known: bool = False


_SK = "sk" + "-"

_SAMPLES = (
    _Sample(
        name="openai-prod",
        provider="openai",
        shape=(_SK + "proj-", 148),
        age=84,
        checked=2,
        latency_ms=212,
        detail="The key works and can list 9 models.",
        every=90,
        tags=("prod", "web"),
        note="The web app in production",
        account="-",
        known=True,
    ),
    _Sample(
        name="openai-bot",
        provider="openai",
        shape=(_SK + "svcacct-", 148),
        age=12,
        checked=2,
        latency_ms=187,
        detail="The key works and can list 9 models.",
        every=90,
        tags=("bot", "prod"),
        note="Service account of the support bot",
        before=102,
        account="support-bot",
        known=True,
    ),
    _Sample(
        name="openai-ci",
        provider="openai",
        shape=(_SK + "proj-", 148),
        age=41,
        answers="restricted",
        checked=26,
        latency_ms=164,
        verdict="restricted",
        status=401,
        detail="The key is good, but restricted: it may not do this. Its permissions are set at the provider.",
        every=60,
        tags=("ci",),
        note="May only ask models, not list them",
        account="-",
    ),
    _Sample(
        name="openai-admin",
        provider="openai",
        shape=(_SK + "admin-", 116),
        age=40,
        checked=49,
        latency_ms=141,
        detail="The admin key works.",
        every=60,
        tags=("billing",),
        kind="admin",
    ),
    _Sample(
        name="router",
        provider="openrouter",
        shape=(_SK + "or-v1-", 64),
        age=201,
        answers="no_quota",
        checked=3,
        latency_ms=238,
        verdict="no_quota",
        status=429,
        code="insufficient_quota",
        detail="The key works, but there is no quota or credit left. Add credit or raise the limit at the provider.",
        every=180,
        tags=("billing", "prod"),
        account="-",
        known=True,
    ),
    _Sample(name="router-admin", provider="openrouter", shape=(_SK + "or-v1-", 64), age=60, kind="admin"),
    _Sample(name="router-dev", provider="openrouter", shape=(_SK + "or-v1-", 64), age=23, tags=("dev",)),
    _Sample(
        name="claude",
        provider="anthropic",
        shape=(_SK + "ant-api03-", 95),
        age=55,
        checked=2,
        latency_ms=318,
        detail="The key works and can list 3 models.",
        every=120,
        tags=("prod", "web"),
    ),
    _Sample(
        name="gemini",
        provider="gemini",
        shape=("A" + "Q.", 40),
        age=20,
        checked=75,
        latency_ms=263,
        detail="The key works and can list 4 models.",
        tags=("dev",),
    ),
    _Sample(
        name="groq-batch",
        provider="groq",
        shape=("gs" + "k_", 52),
        age=9,
        answers="rate_limited",
        checked=1,
        latency_ms=96,
        verdict="rate_limited",
        status=429,
        code="rate_limit_exceeded",
        detail="The key works, but sent too many requests. Try again in 20 s.",
        tags=("batch",),
    ),
    _Sample(
        name="mistral-eu",
        provider="mistral",
        shape=("", 32),
        age=70,
        answers="slow",
        checked=30,
        latency_ms=1_240,
        detail="The key works and can list 28 models.",
        every=90,
        tags=("prod",),
        note="Slow on purpose: try p, then Esc",
    ),
    _Sample(
        name="xai-trial",
        provider="xai",
        shape=("xa" + "i-", 80),
        age=95,
        answers="invalid",
        checked=5,
        latency_ms=175,
        verdict="invalid",
        status=401,
        code="invalid_api_key",
        detail="{host} does not accept the key: it is wrong, revoked or expired. Make another one there.",
        expires=-5,
        note="The trial has ended",
    ),
    _Sample(
        name="ollama",
        provider="ollama",
        shape=("ollama", 0),
        age=130,
        checked=8,
        latency_ms=4,
        detail="The key works and can list 28 models.",
        tags=("dev",),
        note="On this machine, needs no real key",
    ),
    _Sample(name="old-laptop", provider="openai", shape=(_SK + "proj-", 148), age=320, tags=("dev",), deleted=3),
)


class _Clock:
    """The store's clock: at a moment of the past while the samples are made, later the real one."""

    def __init__(self, real: Callable[[], float]) -> None:
        self.real = real
        self.moment: float | None = None

    def __call__(self) -> float:
        return self.real() if self.moment is None else self.moment


def open_demo(*, clock: Callable[[], float] = time.time, port: int | None = None, delta_seconds: float = 0.03) -> Demo:
    """Start the server and open a store of sample keys, in memory and a folder that is thrown away.

    Reads no variable of the environment and no store of the person's. Until it is closed every provider's address in
    this process is the demo server, so that a key typed into the demo is sent nowhere else.

    Args:
        clock: Seconds since the epoch; a fixed one gives the same screens each time.
        port: The server's port; by default PORT, or a free one when it is taken.
        delta_seconds: Pause between two streamed pieces.

    Raises:
        OSError: The given port is taken, or no folder can be made.
    """
    server = _server(port, delta_seconds, clock)
    folder = tempfile.TemporaryDirectory(prefix="keytui-demo-", ignore_cleanup_errors=True)
    settings = settings_module.load({"KEYTUI_HOME": folder.name, "KEYTUI_NO_CACHE": "1"}, backend="os")
    settings = settings._replace(grace_hours=0)  # so that a rotation is seen to its end: the old key refused
    moved = _Clock(clock)
    store = Keystore(settings, backends={"os": MemoryBackend()}, clock=moved)
    _make(store, server, moved, int(clock()))
    catalog.lead_to(server.url)
    return Demo(store, server.start(), store.settings, folder)


def secret_of(name: str) -> Secret:
    """Return the value a sample key begins with; it is no secret, and a test asks the server with it."""
    sample = next(each for each in _SAMPLES if each.name == name)
    return _secret(sample, 2 if sample.before is not None else 1)


def _server(port: int | None, delta_seconds: float, clock: Callable[[], float]) -> DemoServer:
    try:
        return DemoServer(PORT if port is None else port, delta_seconds=delta_seconds, clock=clock)
    except OSError:
        if port is not None:
            raise
        return DemoServer(0, delta_seconds=delta_seconds, clock=clock)


def _make(store: Keystore, server: DemoServer, clock: _Clock, now: int) -> None:
    """Let everything happen in order, so that the newest event is the one that happened last."""
    happenings: list[tuple[float, Callable[[_Sample], None], _Sample]] = []
    for sample in _SAMPLES:
        happenings.append((sample.before or sample.age, lambda each: _add(store, server, now, each), sample))
        if sample.before is not None:
            happenings.append((sample.age, lambda each: _rotate(store, each), sample))
        if sample.checked is not None:
            happenings.append((sample.checked / 24, lambda each: _check(store, server, clock, each), sample))
        if sample.deleted is not None:
            happenings.append((sample.deleted / 24, lambda each: _delete(store, each), sample))
        server.register(_secret(sample, 2 if sample.before is not None else 1), sample.answers)
    for days_ago, happen, sample in sorted(happenings, key=lambda each: -each[0]):
        clock.moment = now - days_ago * DAY
        happen(sample)
    clock.moment = None
    for sample in _SAMPLES:
        if sample.account:
            _list_at_provider(store, server, sample)


def _list_at_provider(store: Keystore, server: DemoServer, sample: _Sample) -> None:
    """Let the demo's organization have a sample key, so that rotating it issues a real successor."""
    account = sample.account.removeprefix("-")
    secret = _secret(sample, 2 if sample.before is not None else 1)
    project = DEFAULT_PROJECT if sample.provider == "openai" else ""
    remote_id = server.admin.add_key(secret, sample.name, project_id=project, account=account, age_s=sample.age * DAY)
    if sample.known:
        current = next(each for each in store.versions(store.find(sample.name).id) if each.state == "current")
        owner = server.admin.organization.keys[remote_id].account_id
        store.know_remote(current.id, RemoteKey(remote_id, project, owner, None))


def _add(store: Keystore, server: DemoServer, now: int, sample: _Sample) -> None:
    provider = catalog.PROVIDERS[sample.provider]
    fields = KeyFields(
        name=sample.name,
        provider=sample.provider,
        base_url=server.url,
        env=provider.admin_env if sample.kind == "admin" else provider.env,
        kind=sample.kind,
        tags=sample.tags,
        note=sample.note,
        rotate_every_days=sample.every,
        expires_at=None if sample.expires is None else now + sample.expires * DAY,
    )
    store.add(fields, _secret(sample, 1))


def _rotate(store: Keystore, sample: _Sample) -> None:
    key = store.find(sample.name)
    rotation = store.begin_rotation(key.id, _secret(sample, 2))
    store.advance_rotation(rotation.id, "verified")
    store.switch(rotation.id)


def _check(store: Keystore, server: DemoServer, clock: _Clock, sample: _Sample) -> None:
    detail = sample.detail.format(host=f"127.0.0.1:{server.port}")
    verdict = Verdict(sample.verdict, detail, int(clock()), sample.latency_ms, sample.status, sample.code)
    store.record_check(store.find(sample.name).id, verdict)


def _delete(store: Keystore, sample: _Sample) -> None:
    store.delete(store.find(sample.name).id)


def _secret(sample: _Sample, version: int) -> Secret:
    prefix, length = sample.shape
    text = ""
    count = 0
    while len(text) < length:
        block = hashlib.sha256(f"{sample.name} {version} {count}".encode()).digest()
        text += "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in block)
        count += 1
    text = text[:length]
    if sample.provider == "openai":
        text = f"{text[: length // 2]}{_MARK}{text[length // 2 :]}"
    if sample.provider == "openrouter":
        text = hashlib.sha256(text.encode()).hexdigest()
    if sample.provider == "anthropic":
        text = text[:-2] + "AA"
    return Secret(prefix + (text.lower() if not prefix else text))
