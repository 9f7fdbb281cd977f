"""OpenRouter's keys, through its management API: created, listed and deleted; an existing key cannot be told to end.

Keys are named by a hash. The API: https://openrouter.ai/docs/api-reference/api-keys
"""

from __future__ import annotations

import datetime
import json
import time
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote

from keytui.model import Secret
from keytui.providers.issuing import MAX_PAGES, BadRequest, NotFound, Unexpected, text
from keytui.providers.remote import Issued, Remote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keytui.providers.issuing import Calls
    from keytui.providers.remote import Home
    from keytui.providers.sdk import KeyClient


class OpenRouterIssuer:
    """Issues keys of one account."""

    label = "OpenRouter"
    can_expire = False
    needs_account = False

    def __init__(self, client: KeyClient, calls: Calls) -> None:
        self._client = client
        self._calls = calls

    async def list_keys(self) -> list[Remote]:
        """See `Issuer.list_keys`."""
        import httpx2

        found: dict[str, Remote] = {}
        taken = 0
        for _ in range(MAX_PAGES):

            async def send(offset: int = taken) -> list[Remote]:
                path = f"/keys?offset={offset}&include_disabled=true"
                listed = _parsed(await self._client.get(path, cast_to=httpx2.Response)).get("data")
                if not isinstance(listed, list):
                    raise Unexpected
                return [_remote(each) for each in listed]

            page = await self._calls.demand(send, "list of keys")
            fresh = [each for each in page if each.id not in found]
            if not fresh:
                return list(found.values())
            found.update({each.id: each for each in fresh})
            taken += len(page)
        raise self._calls.refused(f"{self.label} lists more than keytui reads.", status=None)

    async def find(self, name: str) -> list[Remote]:
        """See `Issuer.find`."""
        return [each for each in await self.list_keys() if each.name == name]

    async def issue(self, home: Home, name: str, *, expires_in_s: int | None) -> Issued:  # noqa: ARG002 - a key of OpenRouter has no home
        """See `Issuer.issue`."""
        import httpx2

        wanted: dict[str, object] = {"name": name}
        if expires_in_s is not None:
            ends = datetime.datetime.fromtimestamp(int(time.time()) + expires_in_s, datetime.UTC)
            wanted["expires_at"] = ends.isoformat().replace("+00:00", "Z")

        async def send() -> Issued:
            answer = _parsed(await self._client.post("/keys", cast_to=httpx2.Response, body=wanted))
            data = answer.get("data")
            # The documentation shows the secret beside the data; an example of its SDK reads it from within.
            value = text(answer.get("key")) or (text(data.get("key")) if isinstance(data, dict) else "")
            if not value:
                raise Unexpected
            return Issued(_remote(data)._replace(name=name), Secret(value))

        try:
            return await self._calls.ask(send, creates_key=True)
        except NotFound:
            raise self._calls.missing("address for keys") from None
        except BadRequest as error:
            if error.about_expiry:
                raise self._calls.expiry_required() from None
            raise self._calls.refused(f"{self.label} refused to create a key.", status=error.status) from None

    async def expire(self, remote: Remote, in_s: int) -> NoReturn:  # noqa: ARG002 - the protocol's signature
        """See `Issuer.expire`; never possible here, as `can_expire` says."""
        raise self._calls.refused(f"{self.label} cannot let an existing key expire.", status=None)

    async def revoke(self, remote: Remote, *, keep: tuple[Remote, ...] = ()) -> bool:  # noqa: ARG002 - keys are deleted alone
        """See `Issuer.revoke`."""
        import httpx2

        async def send() -> None:
            _parsed(await self._client.delete(f"/keys/{quote(remote.id, safe='')}", cast_to=httpx2.Response))

        try:
            await self._calls.ask(send)
        except NotFound:
            return False
        except BadRequest as error:
            sentence = f"{self.label} refused to delete the key."
            raise self._calls.refused(sentence, "Delete it on the provider's page.", error.status) from None
        return True


def _parsed(response: object) -> Mapping[str, object]:
    parsed = json.loads(response.content)  # type: ignore[attr-defined] # httpx2.Response, imported where it is used
    if not isinstance(parsed, dict):
        raise Unexpected
    return parsed


def _remote(data: object) -> Remote:
    if not isinstance(data, dict) or not text(data.get("hash")):
        raise Unexpected
    return Remote(
        text(data.get("hash")),
        text(data.get("name")),
        text(data.get("label")),
        _time(data.get("created_at")),
        _time(data.get("expires_at")),
    )


def _time(value: object) -> int | None:
    try:
        return int(datetime.datetime.fromisoformat(text(value)).timestamp())
    except ValueError:
        return None
