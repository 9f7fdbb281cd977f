"""Keys, versions, events and verdicts as JSON. Fields are added, never renamed; an absent value is null."""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keytui.flows.issue_plan import Plan
    from keytui.model import Event, Key, Rotation, Verdict, Version
    from keytui.providers.remote import Remote

    Json = Mapping[str, object]


def utc(seconds: float | None) -> str | None:
    """Return a time as ISO 8601 in UTC, "2026-11-24T14:02:00Z", or None."""
    return None if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def key_json(key: Key) -> dict[str, object]:
    """Return a key as `list --json` shows it."""
    return {
        "name": key.name,
        "kind": key.kind,
        "provider": key.provider,
        "base_url": key.base_url or None,
        "env": key.env or None,
        "model": key.model or None,
        "tags": list(key.tags),
        "note": key.note or None,
        "masked": key.masked,
        "state": key.state,
        "backend": key.backend,
        "created_at": utc(key.created_at),
        "rotated_at": utc(key.rotated_at),
        "rotate_every_days": key.rotate_every_days,
        "expires_at": utc(key.expires_at),
        "due_at": utc(key.due_at),
        "verdict": key.verdict,
        "checked_at": utc(key.checked_at),
    }


def version_json(version: Version) -> dict[str, object]:
    """Return a version as `show --json` shows it."""
    return {
        "id": version.id,
        "state": version.state,
        "created_at": utc(version.created_at),
        "masked": version.masked,
        "remote_id": version.remote_id or None,
        "expires_at": utc(version.expires_at),
    }


def rotation_json(rotation: Rotation | None) -> dict[str, object] | None:
    """Return a rotation that has not ended as `show --json` shows it; None when there is none."""
    if rotation is None:
        return None
    return {
        "kind": rotation.kind,
        "state": rotation.state,
        "started_at": utc(rotation.started_at),
        "retire_at": utc(rotation.retire_at),
        "note": rotation.note or None,
    }


def event_json(event: Event) -> dict[str, object]:
    """Return an event as `show --json` shows it."""
    return {"at": utc(event.at), "type": event.type, "detail": event.detail}


def verdict_json(name: str, verdict: Verdict | None, detail: str = "") -> dict[str, object]:
    """Return a verdict as `test --json` shows it.

    Args:
        name: The key's name.
        verdict: The verdict, or None when the key could not be asked about.
        detail: The reason in that case.
    """
    if verdict is None:
        nothing = dict.fromkeys(("latency_ms", "status", "code", "request_id", "models", "checked_at"))
        return {"name": name, "verdict": None, "detail": detail, **nothing}
    return {
        "name": name,
        "verdict": verdict.word,
        "detail": verdict.detail,
        "latency_ms": verdict.latency_ms,
        "status": verdict.status,
        "code": verdict.code,
        "request_id": verdict.request_id,
        "models": verdict.models,
        "checked_at": utc(verdict.checked_at),
    }


def plan_json(plan: Plan) -> dict[str, object]:
    """Return what `rotate --issue --dry-run --json` shows."""

    def remote(found: Remote) -> dict[str, object]:
        return {"id": found.id, "name": found.name or None, "redacted": found.redacted or None}

    return {
        "name": plan.key.name,
        "admin": plan.admin.name,
        "project": plan.home.project_id or None,
        "service_account": plan.home.account_name or plan.home.account_id or None,
        "old_key": None if plan.old is None else remote(plan.old),
        "likely": [remote(found) for found in plan.likely],
        "grace_s": plan.grace_s,
        "needs_service_account": plan.needs_consent,
        "steps": list(plan.sentences),
    }


def print_json(value: Json | Sequence[Json]) -> None:
    """Print JSON to stdout; text stays readable, and what a terminal would obey is escaped."""
    import json

    text = json.dumps(value, indent=2, ensure_ascii=False)
    if not text.isascii():
        # JSON escapes C0 controls by itself, but not C1 controls, direction marks and lone surrogates.
        text = "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)
    sys.stdout.write(text + "\n")
