"""A hostile server, proxy and environment that try to receive a key: none does."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from tests.canary import evidence, hostile

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow  # dozens of servers and proxies

_outcomes: dict[str, hostile.Outcome] = {}


@pytest.fixture(autouse=True, scope="module")
def table() -> Iterator[None]:
    """Publish the table once all is tried."""
    yield
    evidence.publish("hostile", hostile.drawn(_outcomes))


@pytest.mark.parametrize("row", hostile.TRIES, ids=lambda row: row.name)
async def test_nobody_else_receives_the_key(row: hostile.Try) -> None:
    with hostile.kept_environment(), tempfile.TemporaryDirectory() as folder:
        found = _outcomes[row.name] = await hostile.attempt(row, folder)
    assert not found.taken
    assert not found.shown
    assert found.reached is row.reaches


@pytest.mark.parametrize(
    "name", ["OPENAI_BASE_URL", "HTTP_PROXY, a server on this machine", "a proxy's certificate in SSL_CERT_FILE"]
)
async def test_a_client_as_it_comes_would_give_the_key_away(name: str) -> None:
    (row,) = (row for row in hostile.TRIES if row.name == name)
    with hostile.kept_environment(), tempfile.TemporaryDirectory() as folder:
        found = await hostile.attempt(row, folder, careless=True)
    assert found.taken


def main() -> int:
    """`python -m tests.canary.test_hostile`: print the table."""
    for row in hostile.TRIES:
        with hostile.kept_environment(), tempfile.TemporaryDirectory() as folder:
            _outcomes[row.name] = asyncio.run(hostile.attempt(row, folder))
    sys.stdout.write(hostile.drawn(_outcomes) + "\n")
    return int(any(found.taken or found.shown for found in _outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
