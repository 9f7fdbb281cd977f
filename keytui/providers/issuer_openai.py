"""OpenAI's keys, through its administration API: a second key on the same service account, an expiry, a revocation.

The API creates no key that a person owns: the successor of one belongs to a service account.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from keytui.model import Secret
from keytui.providers.issuing import MAX_PAGES, BadRequest, NotFound, Unexpected, seconds, text
from keytui.providers.remote import Issued, Remote

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from openai import Omit
    from openai.pagination import AsyncConversationCursorPage as Page
    from openai.types.admin.organization.projects import ProjectAPIKey

    from keytui.providers.issuing import Calls
    from keytui.providers.remote import Home
    from keytui.providers.sdk import KeyClient

_PAGE = 100

APART_S = 5.0
"""Seconds between the two looks at a list that may lag, before a service account is deleted."""


class _HasId(Protocol):
    id: str


Item = TypeVar("Item", bound=_HasId)


class OpenAIIssuer:
    """Issues keys of the service accounts of one organization.

    Args:
        client: Made for `client.admin`.
    """

    label = "OpenAI"
    can_expire = True
    needs_account = True

    def __init__(self, client: KeyClient, calls: Calls) -> None:
        self._projects = client.admin.organization.projects
        self._calls = calls

    async def list_keys(self) -> list[Remote]:
        """See `Issuer.list_keys`."""
        projects = await self._all(lambda after: self._projects.list(limit=_PAGE, after=after), "projects")
        return [key for project in projects for key in await self._keys_of(project.id)]

    async def _keys_of(self, project_id: str) -> list[Remote]:
        def page(after: str | Omit) -> Awaitable[Page[ProjectAPIKey]]:
            # Without "any" the list can leave out keys that work.
            return self._projects.api_keys.list(project_id, limit=_PAGE, after=after, owner_project_access="any")

        return [_remote(each, project_id) for each in await self._all(page, "project")]

    async def _all(self, fetch: Callable[[str | Omit], Awaitable[Page[Item]]], what: str) -> list[Item]:
        """Read a list to its end. The SDK's own iteration ends early, and silently, when an answer has no cursor."""
        from openai import omit

        found: list[Item] = []
        after: str | Omit = omit
        for _ in range(MAX_PAGES):

            async def send(after: str | Omit = after) -> tuple[list[Item], bool]:
                page = await fetch(after)
                listed: object = page.data
                if not isinstance(listed, list) or not all(text(each.id) for each in listed):
                    raise Unexpected
                return listed, page.has_more is True

            items, more = await self._calls.demand(send, what)
            found += items
            if not more or not items:
                return found
            after = items[-1].id
        raise self._calls.refused(f"{self.label} lists more than keytui reads.", status=None)

    async def find(self, name: str) -> list[Remote]:
        """See `Issuer.find`."""
        return [each for each in await self.list_keys() if each.name == name]

    async def issue(self, home: Home, name: str, *, expires_in_s: int | None) -> Issued:
        """See `Issuer.issue`. Making the account may be repeated, since it is found by its name."""
        from openai import omit

        account_id = home.account_id or await self._account(home)

        async def send() -> Issued:
            answer = await self._projects.service_accounts.api_keys.create(
                account_id, project_id=home.project_id, name=name, expires_in_seconds=expires_in_s or omit
            )
            if not text(answer.value) or not text(answer.id):
                raise Unexpected
            remote = Remote(
                answer.id,
                name,
                created_at=seconds(answer.created_at),
                expires_at=seconds(answer.expires_at),
                owner="service_account",
                account_id=account_id,
                account_name=home.account_name,
                project_id=home.project_id,
            )
            return Issued(remote, Secret(answer.value))

        try:
            return await self._calls.ask(send, creates_key=True)
        except NotFound:
            raise self._calls.missing("service account or project") from None
        except BadRequest as error:
            if error.about_expiry:
                raise self._calls.expiry_required() from None
            sentence = f"{self.label} refused to create a key for this service account. Is its project archived?"
            raise self._calls.refused(sentence, status=error.status) from None

    async def _account(self, home: Home) -> str:
        """Return the id of the account with the home's name, made when missing and able to call models."""
        project, accounts = home.project_id, self._projects.service_accounts
        listed = await self._all(lambda after: accounts.list(project, limit=_PAGE, after=after), "project")
        known = next((each for each in listed if each.name == home.account_name), None)
        if known is not None:
            account_id, role = known.id, text(known.role)
        else:

            async def create() -> tuple[str, str]:
                made = await accounts.create(project, name=home.account_name, create_service_account_only=True)
                if not text(made.id):
                    raise Unexpected
                return made.id, text(made.role)

            account_id, role = await self._calls.demand(create, "project")
        if role == "none":  # as it is made without a key; such an account may not ask models

            async def admit() -> None:
                await accounts.update(account_id, project_id=project, role="member")

            await self._calls.demand(admit, "service account")
        return account_id

    async def expire(self, remote: Remote, in_s: int) -> int:
        """See `Issuer.expire`."""
        home = await self._project_of(remote)
        if home is None:
            return int(time.time())

        async def look() -> int | None:
            return seconds((await self._projects.api_keys.retrieve(remote.id, project_id=home)).expires_at)

        async def update() -> int | None:
            answer = await self._projects.api_keys.update(remote.id, project_id=home, expires_in_seconds=max(1, in_s))
            return seconds(answer.expires_at)

        wanted = int(time.time()) + in_s
        try:
            ends = await self._calls.ask(look)
            if ends is not None and ends <= wanted:
                return ends
            return await self._calls.ask(update) or wanted
        except NotFound:
            return int(time.time())
        except BadRequest as error:
            sentence = f"{self.label} did not take the end of the old key's life."
            raise self._calls.refused(sentence, "The old key works until it is revoked.", error.status) from None

    async def revoke(self, remote: Remote, *, keep: tuple[Remote, ...] = ()) -> bool:
        """See `Issuer.revoke`."""
        project_id = await self._project_of(remote)
        if project_id is None:
            return False

        async def delete() -> None:
            await self._projects.api_keys.delete(remote.id, project_id=project_id)

        try:
            await self._calls.ask(delete)
        except NotFound:
            return False
        except BadRequest:
            return await self._revoke_account(remote.id, project_id, keep)
        return True

    async def _revoke_account(self, key_id: str, project_id: str, keep: tuple[Remote, ...]) -> bool:
        """Delete the service account of a key that cannot be deleted alone, when that ends no other key."""
        account_id = await self._account_of_one(key_id, project_id)
        if account_id and not await self._may_own(account_id, project_id, keep):
            await asyncio.sleep(APART_S)  # a list can lag behind
            account_id = await self._account_of_one(key_id, project_id)
        else:
            account_id = ""
        if not account_id:
            sentence = f"{self.label} does not delete this key alone, and its service account has other keys."
            raise self._calls.refused(sentence, "Delete it on the provider's page.")

        async def delete() -> None:
            await self._projects.service_accounts.delete(account_id, project_id=project_id)

        try:
            await self._calls.ask(delete)
        except NotFound:
            return False
        except BadRequest as error:
            sentence = f"{self.label} deletes neither this key nor its service account."
            raise self._calls.refused(sentence, "Delete it on the provider's page.", error.status) from None
        return True

    async def _account_of_one(self, key_id: str, project_id: str) -> str:
        """Return the service account of which the list shows this key and no other; "" for none."""
        listed = await self._keys_of(project_id)
        account_id = next((each.account_id for each in listed if each.id == key_id), "")
        return account_id if [each.id for each in listed if each.account_id == account_id] == [key_id] else ""

    async def _may_own(self, account_id: str, project_id: str, keep: tuple[Remote, ...]) -> bool:
        """Whether an account owns one of these keys, or may: of a key that is not known there yet, nobody can say."""
        for each in keep:
            if each.project_id in ("", project_id):
                owner = each.account_id or await self._owner_of(each.id, project_id)
                if owner in (account_id, None):
                    return True
        return False

    async def _owner_of(self, key_id: str, project_id: str) -> str | None:
        """Return the service account that owns a key, "" when a person does, None for a key it does not know."""

        async def look() -> Remote:
            return _remote(await self._projects.api_keys.retrieve(key_id, project_id=project_id), project_id)

        try:
            return (await self._calls.ask(look)).account_id
        except NotFound:
            return None
        except BadRequest as error:
            raise self._calls.refused(f"{self.label} does not say who owns a key.", status=error.status) from None

    async def _project_of(self, remote: Remote) -> str | None:
        """Return a key's project, looked for when it is not known, or None when no project has the key."""
        if remote.project_id:
            return remote.project_id
        return next((each.project_id for each in await self.list_keys() if each.id == remote.id), None)


def _remote(key: ProjectAPIKey, project_id: str) -> Remote:
    owner = getattr(key, "owner", None)
    account = getattr(owner, "service_account", None)
    kind = getattr(owner, "type", None)
    return Remote(
        text(key.id),
        text(key.name),
        text(key.redacted_value),
        seconds(key.created_at),
        seconds(key.expires_at),
        seconds(key.last_used_at),
        kind if kind in ("user", "service_account") else "",
        text(getattr(account, "id", None)),
        text(getattr(account, "name", None)),
        project_id,
    )
