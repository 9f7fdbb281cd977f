"""The paths of the organization: OpenAI's administration endpoints and OpenRouter's management of keys.

Shapes as in OpenAI's specification and OpenRouter's documentation; a test compares the former.
"""

from __future__ import annotations

import datetime
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

from keytui.demo.organization import new_value
from keytui.record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from keytui.demo.admin import Admin
    from keytui.demo.organization import Account, Project, RemoteKey

_LONGEST_LIFE = 31_536_000
_ROUTE = "organization.project"


class Answer(NamedTuple):
    """An HTTP answer; the body is sent as JSON."""

    status: int
    body: object


class _Asked(NamedTuple):
    """A request: the ids in its path, its query, its body."""

    ids: tuple[str, ...]
    query: Mapping[str, list[str]]
    body: Mapping[str, object]


class _Refused(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def refuse(status: int, message: str, code: str | None = None, param: str | None = None) -> Answer:
    """Return an error answer in OpenAI's shape."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return Answer(status, {"error": {"message": message, "type": kind, "param": param, "code": code}})


def answer_to(admin: Admin, method: str, path: str, query: str, body: bytes) -> Answer:
    """Answer a request whose key may administer."""
    try:
        parsed = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        return refuse(400, "We could not parse the JSON body of your request.")
    allowed = False
    for pattern, methods in _ROUTES:
        found = pattern.fullmatch(path)
        if found is None:
            continue
        allowed = True
        if method in methods:
            ids = tuple(unquote(each) for each in found.groups())
            try:
                return methods[method](admin, _Asked(ids, parse_qs(query), parsed))
            except _Refused as refused:
                return refused.answer
    return refuse(405 if allowed else 404, f"Unknown request: {method} {path}.")


# --- OpenAI


def _projects(admin: Admin, asked: _Asked) -> Answer:
    archived = asked.query.get("include_archived") == ["true"]
    listed = [each for each in admin.organization.projects.values() if archived or each.archived_at is None]
    return _page(admin, asked, [_project_body(each) for each in listed])


def _project(admin: Admin, asked: _Asked) -> Answer:
    return Answer(200, _project_body(_the_project(admin, asked)))


def _keys(admin: Admin, asked: _Asked) -> Answer:
    project = _the_project(admin, asked)
    listed = []
    for key in admin.organization.keys.values():
        if key.project_id != project.id or key.deleted:
            continue
        if key.unlisted > 0:
            key.unlisted -= 1
        else:
            listed.append(_key_body(admin, key))
    return _page(admin, asked, listed)


def _key(admin: Admin, asked: _Asked) -> Answer:
    return Answer(200, _key_body(admin, _the_key(admin, asked)))


def _update_key(admin: Admin, asked: _Asked) -> Answer:
    key = _the_key(admin, asked)
    if not asked.body.keys() & {"expires_in_seconds", "scopes"}:
        return refuse(400, "Give expires_in_seconds or scopes.")
    if not admin.organization.is_live(key):
        return refuse(400, "An expired key cannot be updated.")
    seconds = _life(asked)
    if seconds is not None:
        key.expires_at = admin.organization.now + seconds
        key.lingering = admin.revocation_lag
    return Answer(200, _key_body(admin, key))


def _delete_key(admin: Admin, asked: _Asked) -> Answer:
    key = _the_key(admin, asked)
    if key.account_id and not admin.deletes_keys:
        return refuse(400, "API keys of service accounts cannot be deleted. Delete the service account instead.")
    key.deleted, key.lingering = True, admin.revocation_lag
    return Answer(200, {"object": f"{_ROUTE}.api_key.deleted", "id": key.id, "deleted": True})


def _accounts(admin: Admin, asked: _Asked) -> Answer:
    project = _the_project(admin, asked)
    listed = [each for each in admin.organization.accounts.values() if each.project_id == project.id]
    return _page(admin, asked, [_account_body(each) for each in listed])


def _account(admin: Admin, asked: _Asked) -> Answer:
    return Answer(200, _account_body(_the_account(admin, asked)))


def _create_account(admin: Admin, asked: _Asked) -> Answer:
    project = _open_project(admin, asked)
    name = _name(asked)
    alone = asked.body.get("create_service_account_only") is True
    seconds = None if alone else _new_life(admin, asked)
    account = admin.organization.add_account(project.id, name, "none" if alone else "member")
    issued = None if alone else _issue(admin, project, account, "Secret Key", seconds)
    return Answer(200, {**_account_body(account), "api_key": issued})


def _update_account(admin: Admin, asked: _Asked) -> Answer:
    account = _the_account(admin, asked)
    role = asked.body.get("role", account.role)
    if role not in ("member", "owner"):
        return refuse(400, "The role must be member or owner.", param="role")
    account.role = str(role)
    account.name = str(asked.body.get("name", account.name))
    return Answer(200, _account_body(account))


def _delete_account(admin: Admin, asked: _Asked) -> Answer:
    account = _the_account(admin, asked)
    admin.organization.delete_account(account.id)
    return Answer(200, {"object": f"{_ROUTE}.service_account.deleted", "id": account.id, "deleted": True})


def _create_key(admin: Admin, asked: _Asked) -> Answer:
    project, account = _open_project(admin, asked), _the_account(admin, asked)
    name = asked.body.get("name", "Secret Key")
    if not isinstance(name, str):
        return refuse(400, "The name must be a text.", param="name")
    return Answer(200, _issue(admin, project, account, name, _new_life(admin, asked)))


def _issue(admin: Admin, project: Project, account: Account, name: str, seconds: int | None) -> dict[str, object]:
    value = new_value(openrouter=False)
    ends = None if seconds is None else admin.organization.now + seconds
    key = admin.organization.add_key(value, name, project_id=project.id, account_id=account.id, expires_at=ends)
    key.unlisted, key.unready = admin.list_lag, admin.activation_lag
    return {
        "object": f"{_ROUTE}.service_account.api_key",
        "value": value,
        "name": key.name,
        "created_at": key.created_at,
        "id": key.id,
        "expires_at": key.expires_at,
    }


# --- OpenRouter


def _router_keys(admin: Admin, asked: _Asked) -> Answer:
    offset = asked.query.get("offset", ["0"])[0]
    if not offset.isdigit():
        return refuse(400, "The offset must be a number.")
    listed = []
    for key in admin.organization.keys.values():
        if key.project_id or key.deleted:
            continue
        if key.unlisted > 0:
            key.unlisted -= 1
        else:
            listed.append(_router_body(key))
    return Answer(200, {"data": listed[int(offset) : int(offset) + admin.page_size]})


def _router_key(admin: Admin, asked: _Asked) -> Answer:
    return Answer(200, {"data": _router_body(_the_router_key(admin, asked))})


def _create_router_key(admin: Admin, asked: _Asked) -> Answer:
    ends = asked.body.get("expires_at")
    try:
        expires_at = int(datetime.datetime.fromisoformat(ends).timestamp()) if isinstance(ends, str) else None
    except ValueError:
        return refuse(400, "expires_at must be a time.")
    longest = admin.require_expiry
    if longest is not None and (expires_at is None or expires_at > admin.organization.now + longest):
        return refuse(400, f"A policy of your organization requires new keys to expire within {longest} seconds.")
    value = new_value(openrouter=True)
    key = admin.organization.add_key(value, _name(asked), expires_at=expires_at)
    key.unlisted, key.unready = admin.list_lag, admin.activation_lag
    return Answer(201, {"data": _router_body(key), "key": value})


def _update_router_key(admin: Admin, asked: _Asked) -> Answer:
    key = _the_router_key(admin, asked)
    key.name = str(asked.body.get("name", key.name))
    key.disabled = asked.body.get("disabled", key.disabled) is True
    return Answer(200, {"data": _router_body(key)})


def _delete_router_key(admin: Admin, asked: _Asked) -> Answer:
    key = _the_router_key(admin, asked)
    key.deleted, key.lingering = True, admin.revocation_lag
    return Answer(200, {"deleted": True})


# --- what they share


def _the_project(admin: Admin, asked: _Asked) -> Project:
    project = admin.organization.projects.get(asked.ids[0])
    if project is None:
        raise _Refused(refuse(404, "No such project."))
    return project


def _open_project(admin: Admin, asked: _Asked) -> Project:
    project = _the_project(admin, asked)
    if project.archived_at is not None:
        raise _Refused(refuse(400, "The project is archived."))
    return project


def _the_account(admin: Admin, asked: _Asked) -> Account:
    account = admin.organization.accounts.get(asked.ids[1])
    if account is None or account.project_id != asked.ids[0]:
        raise _Refused(refuse(404, "No such service account."))
    return account


def _the_key(admin: Admin, asked: _Asked) -> RemoteKey:
    key = admin.organization.keys.get(asked.ids[1])
    if key is None or key.deleted or key.project_id != asked.ids[0]:
        raise _Refused(refuse(404, "No such API key."))
    return key


def _the_router_key(admin: Admin, asked: _Asked) -> RemoteKey:
    key = admin.organization.keys.get(asked.ids[0])
    if key is None or key.deleted or key.project_id:
        raise _Refused(Answer(404, {"error": {"code": 404, "message": "API key not found"}}))
    return key


def _name(asked: _Asked) -> str:
    name = asked.body.get("name")
    if not isinstance(name, str) or not name:
        raise _Refused(refuse(400, "Missing required parameter: 'name'.", param="name"))
    return name


def _life(asked: _Asked) -> int | None:
    seconds = asked.body.get("expires_in_seconds")
    if seconds is None:
        return None
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 1 <= seconds <= _LONGEST_LIFE:
        raise _Refused(refuse(400, f"Must be between 1 and {_LONGEST_LIFE}.", param="expires_in_seconds"))
    return seconds


def _new_life(admin: Admin, asked: _Asked) -> int | None:
    seconds, longest = _life(asked), admin.require_expiry
    if longest is not None and (seconds is None or seconds > longest):
        message = f"A policy of your organization requires API keys to expire within {longest} seconds."
        raise _Refused(refuse(400, message, "api_key_expiration_required", "expires_in_seconds"))
    return seconds


def _page(admin: Admin, asked: _Asked, listed: Sequence[Mapping[str, object]]) -> Answer:
    limit = asked.query.get("limit", ["20"])[0]
    if not limit.isdigit() or not 1 <= int(limit) <= 100:
        return refuse(400, "The limit must be between 1 and 100.", param="limit")
    ids = [each["id"] for each in listed]
    after = asked.query.get("after", [""])[0]
    start = ids.index(after) + 1 if after in ids else 0
    page = listed[start : start + min(int(limit), admin.page_size)]
    first, last = (page[0]["id"], page[-1]["id"]) if page else (None, None)
    more = start + len(page) < len(listed)
    return Answer(200, {"object": "list", "data": page, "first_id": first, "last_id": last, "has_more": more})


def _project_body(project: Project) -> dict[str, object]:
    return {
        "id": project.id,
        "object": _ROUTE,
        "name": project.name,
        "created_at": project.created_at,
        "archived_at": project.archived_at,
        "status": "active" if project.archived_at is None else "archived",
    }


def _account_body(account: Account) -> dict[str, object]:
    return {
        "object": f"{_ROUTE}.service_account",
        "id": account.id,
        "name": account.name,
        "role": account.role,
        "created_at": account.created_at,
    }


def _key_body(admin: Admin, key: RemoteKey) -> dict[str, object]:
    account = admin.organization.accounts.get(key.account_id)
    owner: dict[str, object]
    if account is not None:
        who = {"id": account.id, "name": account.name, "created_at": account.created_at, "role": account.role}
        owner = {"type": "service_account", "service_account": who}
    else:
        who = {"id": "user-demo", "name": "Demo person", "email": "person@example.com", "role": "owner"}
        owner = {"type": "user", "user": {**who, "created_at": key.created_at}}
    return {
        "object": f"{_ROUTE}.api_key",
        "redacted_value": key.redacted,
        "name": key.name,
        "created_at": key.created_at,
        "last_used_at": key.last_used_at,
        "id": key.id,
        "owner_project_access": "active",
        "owner": owner,
        "expires_at": key.expires_at,
    }


def _router_body(key: RemoteKey) -> dict[str, object]:
    return {
        "hash": key.id,
        "name": key.name,
        "label": key.redacted,
        "disabled": key.disabled,
        "limit": None,
        "limit_remaining": None,
        "usage": 0,
        "created_at": _iso(key.created_at),
        "updated_at": None,
        "expires_at": None if key.expires_at is None else _iso(key.expires_at),
    }


def _iso(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()


_ID = "/([^/]+)"
_PROJECT = f"/v1/organization/projects{_ID}"
_ACCOUNT = f"{_PROJECT}/service_accounts{_ID}"

_PATHS: tuple[tuple[str, dict[str, Callable[[Admin, _Asked], Answer]]], ...] = (
    ("/v1/organization/projects", {"GET": _projects}),
    (_PROJECT, {"GET": _project}),
    (f"{_PROJECT}/api_keys", {"GET": _keys}),
    (f"{_PROJECT}/api_keys{_ID}", {"GET": _key, "POST": _update_key, "DELETE": _delete_key}),
    (f"{_PROJECT}/service_accounts", {"GET": _accounts, "POST": _create_account}),
    (_ACCOUNT, {"GET": _account, "POST": _update_account, "DELETE": _delete_account}),
    (f"{_ACCOUNT}/api_keys", {"POST": _create_key}),
    ("/v1/keys", {"GET": _router_keys, "POST": _create_router_key}),
    (f"/v1/keys{_ID}", {"GET": _router_key, "PATCH": _update_router_key, "DELETE": _delete_router_key}),
)

_ROUTES = tuple((re.compile(pattern), methods) for pattern, methods in _PATHS)
