"""Which of the provider's keys is the one stored here, and which admin key manages it.

A provider shows a redacted value only: a match by it is likely, never certain. Certain is the id that was kept when
keytui issued the key.
"""

from __future__ import annotations

import re

from keytui.errors import UsageError
from keytui.providers.issuers import issuer_for
from keytui.record import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.model import Key, Secret
    from keytui.providers.remote import Remote
    from keytui.storage.keystore import Keystore

_GAP = re.compile(r"\*+|\.{2,}|…")
_SHORTEST_END = 3
"""Characters of a redacted value's end that a match needs."""


class Match(NamedTuple):
    """What the provider's list says about a stored key.

    Attributes:
        certain: The key with the id that is known here.
        likely: Keys whose redacted value fits, the best first; empty when `certain` is set.
    """

    certain: Remote | None
    likely: tuple[Remote, ...]


def match(secret: Secret, known_id: str, created_at: int, remotes: list[Remote]) -> Match:
    """Look for a stored key among the provider's.

    Args:
        secret: The stored value.
        known_id: The provider's id kept with it, or "". When it is known, no other key is proposed.
        created_at: When it was stored here, in seconds since the epoch; keys created about then come first.
        remotes: What the provider lists.
    """
    if known_id:
        return Match(next((each for each in remotes if each.id == known_id), None), ())
    fitting = [each for each in remotes if _fits(secret, each.redacted)]
    ranked = sorted(fitting, key=lambda each: (_other_owner(secret, each), _distance(each, created_at)))
    return Match(None, tuple(ranked))


def _fits(secret: Secret, redacted: str) -> bool:
    """Whether a redacted value such as sk-abc...def or sk-proj-****9f2c can be this secret's, and says enough."""
    beginning, end = _ends(redacted) or ("", "")
    long_enough = len(end) >= _SHORTEST_END and len(secret) > len(beginning) + len(end)
    return long_enough and not contradicts(secret, redacted)


def contradicts(secret: Secret, redacted: str) -> bool:
    """Whether a redacted value shows that it is another secret's. One that shows nothing contradicts nothing."""
    ends = _ends(redacted)
    text = secret.reveal()
    return ends is not None and not (text.startswith(ends[0]) and text.endswith(ends[1]))


def _ends(redacted: str) -> tuple[str, str] | None:
    """Return what a redacted value shows before and after what it leaves out; None when it leaves out nothing."""
    gaps = list(_GAP.finditer(redacted))
    return (redacted[: gaps[0].start()], redacted[gaps[-1].end() :]) if gaps else None


def _other_owner(secret: Secret, remote: Remote) -> bool:
    """Whether the secret's prefix speaks of another owner: OpenAI's name the kind of theirs."""
    text = secret.reveal()
    if text.startswith("sk-svcacct-"):
        return remote.owner == "user"
    return text.startswith("sk-proj-") and remote.owner == "service_account"


def _distance(remote: Remote, created_at: int) -> float:
    return abs(remote.created_at - created_at) if remote.created_at is not None else float("inf")


def admin_for(store: Keystore, key: Key, name: str = "") -> Key | None:
    """Return the admin key that manages a key: of the same provider and base URL. None when there is none.

    Args:
        name: The admin key the person named, or "" to look for the only one.

    Raises:
        KeyNotFound: No stored key has this name.
        UsageError: The named key is no admin key of this provider and base URL, or several fit and none was named.
    """
    if key.kind != "api" or issuer_for(key.provider) is None:
        return None
    if name:
        named = store.find(name)
        if not manages(named, key):
            sentence = f"“{name}” is not an admin key of the same provider and base URL as “{key.name}”."
            raise UsageError(sentence, "Name one that is, or add it with --kind admin.")
        return named
    fitting = [each for each in store.keys() if manages(each, key)]
    if len(fitting) > 1:
        names = ", ".join(sorted(each.name for each in fitting))
        raise UsageError(f"Several admin keys can manage “{key.name}”: {names}.", "Name one with --admin.")
    return fitting[0] if fitting else None


def manages(admin: Key, key: Key) -> bool:
    """Whether a key is an admin key of the provider and the base URL of another."""
    same = (admin.provider, admin.base_url) == (key.provider, key.base_url)
    return admin.kind == "admin" and same and admin.state not in ("trash", "missing", "interrupted")
