"""What rotating a key by its provider would do: which admin key, where, which old key ends. Changes nothing."""

from __future__ import annotations

import asyncio
import shlex
import time
from contextlib import suppress

from keytui.errors import KeyNotFound, KeytuiError, KeyUnclear, SecretDamaged, SecretMissing, StoreError, UsageError
from keytui.flows import matching
from keytui.flows.standing import still_works
from keytui.model import DAY
from keytui.providers import issuers
from keytui.providers.remote import Home, Remote
from keytui.record import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.model import Key, Rotation, Secret, Version
    from keytui.storage.keystore import Keystore

HOUR = 3_600

LIVES_DAYS = (365, 180, 90, 60, 30, 14, 7, 1)
"""Where a provider demands that keys end: the lives that are asked for, the longest it grants is taken."""

_SHOWN = 5
_OTHER = "Give the id of this very key, or none."
_ENDED = ("done", "abandoned")


class Plan(NamedTuple):
    """What would happen; `issuing.start` does it.

    Attributes:
        version: The value in use that it was made for; for another one it is refused.
        admin: The admin key that does it.
        label: The provider's name.
        home: Where the new key is made.
        old: The key at the provider that ends after the grace period, or None when it is not known for certain.
        likely: Keys at the provider that may be this one. They are not touched.
        gone: Id that is known to be the old key's and that the provider no longer lists, or "".
        grace_s: Seconds the old key goes on working after the switch.
        can_expire: The provider is told at the switch when the old key ends.
        needs_consent: The new key would belong to a service account, and the old one belongs to a person or to nobody
            known: the person has to name that account first. `home.account_name` is a proposal.
        guessed: The home is that of a key that is only likely this one, and nobody has named it.
        ending: An earlier rotation whose old key still works; it is ended first.
        orphans: Keys of earlier rotations whose secrets never arrived, and that no list showed then; they are revoked.
        sentences: All of this for the person, one line each.
    """

    key: Key
    version: Version
    admin: Key
    label: str
    home: Home
    old: Remote | None
    likely: tuple[Remote, ...]
    gone: str
    grace_s: int
    can_expire: bool
    needs_consent: bool
    guessed: bool
    ending: Rotation | None
    orphans: tuple[Remote, ...]
    sentences: tuple[str, ...]


class Found(NamedTuple):
    """A key and what its provider says of it."""

    key: Key
    admin: Key
    current: Version
    label: str
    needs_account: bool
    can_expire: bool
    old: Remote | None
    likely: tuple[Remote, ...]
    remotes: tuple[Remote, ...]

    @property
    def gone(self) -> bool:
        """Whether the id of the key is known, and the provider no longer lists it."""
        return self.old is None and bool(self.current.remote_id)


async def plan(
    store: Keystore,
    key_id: int,
    *,
    admin: str = "",
    to_account: str = "",
    old_key_id: str = "",
    grace_s: int | None = None,
) -> Plan:
    """Look everything up at the provider and say what a rotation would do.

    Args:
        admin: Name of the admin key to use; "" for the only one of the key's provider and address.
        to_account: Name of a service account to make the new key for.
        old_key_id: Id of this key at its provider, where keytui cannot know it for certain.
        grace_s: Seconds the old key goes on working after the switch; None for what the settings say.

    Raises:
        UsageError: The key or its provider cannot be rotated this way, no admin key fits, or `old_key_id` is known to
            be another key's.
        KeyUnclear: Where to make the new key cannot be known, because the old one's id is not.
        KeytuiError: It is being rotated.
        KeyRefused: The provider does not accept the admin key.
        ProviderUnreachable: The provider cannot be asked.
        StoreError: The store cannot be read.
    """
    key = await asyncio.to_thread(store.key, key_id)
    ending = await asyncio.to_thread(_earlier, store, key)
    found = await look(store, key, admin=admin, old_key_id=old_key_id)
    home, needs_consent = _home(found, to_account)
    made = Plan(
        key=key,
        version=found.current,
        admin=found.admin,
        label=found.label,
        home=home,
        old=found.old,
        likely=found.likely,
        gone=found.current.remote_id if found.gone else "",
        grace_s=store.settings.grace_hours * HOUR if grace_s is None else grace_s,
        can_expire=found.can_expire,
        needs_consent=needs_consent,
        guessed=bool(found.likely and home.account_id),
        ending=ending,
        orphans=await asyncio.to_thread(_orphans, store, key, found),
        sentences=(),
    )
    return made._replace(sentences=tuple(_sentences(made, found)))


async def look(store: Keystore, key: Key, *, admin: str, old_key_id: str) -> Found:
    """Ask the provider for its keys and find this one among them. Raises as plan()."""
    if key.kind == "admin":
        raise UsageError(
            f"“{key.name}” is an admin key, and no other key makes those.", "Make a new one there, and paste it."
        )
    if not issuers.issuer_for(key.provider):
        raise UsageError(
            "This provider has no way to issue keys that keytui knows.", "Make a new key there, and paste it."
        )
    manager = await asyncio.to_thread(_admin, store, key, admin)
    manager_secret = await asyncio.to_thread(store.read, manager.id)
    versions = await asyncio.to_thread(store.versions, key.id)
    current = next(version for version in versions if version.state == "current")
    try:
        secret = await asyncio.to_thread(store.read, key.id, current.id)
    except (SecretMissing, SecretDamaged):
        secret = None
    async with issuers.open_issuer(manager, manager_secret, timeout_s=store.settings.check_seconds) as issuer:
        remotes = await issuer.list_keys()
        label, needs_account, can_expire = issuer.label, issuer.needs_account, issuer.can_expire
    ends = {remote.id: remote.expires_at for remote in remotes if remote.expires_at is not None}
    with suppress(StoreError):  # a full or read-only disk: what the provider said is true all the same
        await asyncio.to_thread(store.know_ends, key.provider, key.base_url, ends)
    old: Remote | None
    likely: tuple[Remote, ...] = ()
    if old_key_id:
        old = next((remote for remote in remotes if remote.id == old_key_id), None)
        if old is None:
            raise UsageError(f"{label} has no key with this id.", "See: keytui rotate NAME --issue --dry-run")
        alive = any(remote.id == current.remote_id for remote in remotes)
        _may_be(key, old, secret, current.remote_id if alive else "")
        stored = await asyncio.to_thread(store.holder, current.id, old.id)
        if stored is not None:
            raise UsageError(f"{named(old)} is not this key: “{stored}” has it here.", _OTHER)
    elif secret is None:
        old = next((remote for remote in remotes if remote.id == current.remote_id), None)
    else:
        match = matching.match(secret, current.remote_id, current.created_at, remotes)
        old, likely = match.certain, match.likely
    return Found(key, manager, current, label, needs_account, can_expire, old, likely, tuple(remotes))


def _may_be(key: Key, old: Remote, secret: Secret | None, known_id: str) -> None:
    """Refuse an id that the person named, where it is known that it is another key's.

    Raises:
        UsageError: It is.
    """
    if known_id and known_id != old.id:
        raise UsageError(f"“{key.name}” is known to be {known_id} there, and not {named(old)}.", _OTHER)
    if secret is not None and matching.contradicts(secret, old.redacted):
        raise UsageError(f"{named(old)} is not this key: it does not begin and end like “{key.name}”.", _OTHER)


def unclear(found: Found, so: str) -> KeyUnclear:
    """Return the error that says that a key's id has to be named.

    Args:
        so: What follows from that, as the end of the sentence.
    """
    if found.gone:
        sentence = f"{found.label} no longer has {found.current.remote_id}, which “{found.key.name}” is there, {so}."
    else:
        sentence = f"Which key at {found.label} “{found.key.name}” is cannot be known, {so}."
    shown = found.likely or found.remotes
    return KeyUnclear(sentence, tuple(named(remote) for remote in shown[:_SHOWN]))


def named(remote: Remote) -> str:
    """Name a key at its provider for the person."""
    parts = [part for part in (remote.name and f"“{remote.name}”", remote.redacted) if part]
    return f"{remote.id} ({', '.join(parts)})" if parts else remote.id


def until(seconds: int) -> str:
    """Say a time of day, with its date when that is not today."""
    moment = time.localtime(seconds)
    today = time.strftime("%Y-%m-%d") == time.strftime("%Y-%m-%d", moment)
    return time.strftime("%H:%M" if today else "%Y-%m-%d %H:%M", moment)


def lasting(seconds: int) -> str:
    """Say a duration in its largest whole unit: "24 hours", "90 seconds"."""
    for size, word in ((DAY, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0 and seconds >= (2 * size if size == DAY else size):
            number = seconds // size
            return f"{number} {word}{'' if number == 1 else 's'}"
    return "no time"


def admin_of(store: Keystore, rotation: Rotation, key: Key) -> Key:
    """Return the admin key a rotation began with, or the one that has taken its place.

    Raises:
        UsageError: There is none.
    """
    with suppress(KeyNotFound):
        admin = store.key(rotation.admin_key_id or 0)
        if matching.manages(admin, key):
            return admin
    return _admin(store, key, "")


def _admin(store: Keystore, key: Key, name: str) -> Key:
    admin = matching.admin_for(store, key, name)
    if admin is None:
        sentence = f"There is no admin key of the provider and the base URL of “{key.name}”."
        raise UsageError(sentence, "Store one: keytui add NAME --kind admin")
    return admin


def _earlier(store: Keystore, key: Key) -> Rotation | None:
    """Return the rotation whose retirement is ended first.

    Raises:
        KeytuiError: Another one is under way that has not switched yet.
    """
    earlier = next((row for row in store.rotations() if row.key_id == key.id), None)
    if earlier is None or (earlier.kind == "issued" and earlier.state in ("switched", "retiring")):
        return earlier
    hint = "Go on with it: keytui rotate --resume"
    if earlier.kind == "pasted":
        hint = f"{hint}, or give it up: keytui rotate {shlex.quote(key.name)} --give-up"
    raise KeytuiError(f"“{key.name}” is already being rotated.", hint)


def _orphans(store: Keystore, key: Key, found: Found) -> tuple[Remote, ...]:
    """Return keys there that carry the name of an ended rotation of this key, and are none of its versions."""
    ended = [row for row in store.rotations(unfinished=False) if row.key_id == key.id and row.state in _ENDED]
    names = {name for row in ended for name in (*row.tried, row.remote_name if row.state == "abandoned" else "")}
    known = {version.remote_id for version in store.versions(key.id)}
    old = found.old.id if found.old is not None else ""
    return tuple(
        each for each in found.remotes if each.name and each.name in names and each.id not in known and each.id != old
    )


def _home(found: Found, to_account: str) -> tuple[Home, bool]:
    """Return where the new key is made, and whether the person has yet to name its service account."""
    if not found.needs_account:
        return Home(), False
    pattern = found.old or (found.likely[0] if len(found.likely) == 1 else None)
    projects = sorted({remote.project_id for remote in found.remotes if remote.project_id})
    project = pattern.project_id if pattern is not None else found.current.remote_project
    if not project and len(projects) == 1:
        project = projects[0]
    if not project:
        raise unclear(found, "so neither can its project be")
    if to_account:
        return Home(project, "", to_account), False  # the issuer looks for the name before it makes one
    if pattern is not None and pattern.owner == "service_account" and pattern.account_id:
        return Home(project, pattern.account_id, pattern.account_name), False
    if pattern is None and found.current.remote_account:  # the key has gone there; its account may well be left
        return Home(project, found.current.remote_account), False
    return Home(project, "", proposed_account(found.key)), True


def _sentences(made: Plan, found: Found) -> list[str]:
    sentences = []
    if made.ending is not None:
        sentences.append(f"{still_works(made.ending)}; it is revoked first.")
    if made.orphans:
        names = ", ".join(named(remote) for remote in made.orphans[:_SHOWN])
        sentences.append(f"An earlier try left a key behind whose secret never arrived; it is revoked: {names}.")
    sentences.append(f"{made.label} issues a new key, asked by the admin key “{made.admin.name}”.")
    if found.needs_account:
        owner = f"the service account “{made.home.account_name or made.home.account_id}”"
        made_now = "" if made.home.account_id else ", which is made if there is none of this name"
        guessed = f": that of {found.likely[0].id}, which is only likely this one" if made.guessed else ""
        sentences.append(f"It belongs to {owner} in project {made.home.project_id}{made_now}{guessed}.")
        if made.guessed:
            sentences[-1] += " For another account: --to-service-account NAME"
    if made.needs_consent:
        sentences.append(
            "The key so far does not belong to a service account as far as is known, and no key can be issued for a"
            " person: owner and usage reports change. Name the account to agree: --to-service-account NAME"
        )
    sentences.append("It is stored, checked with a live request, and only then takes the old one's place.")
    return [*sentences, *_about_old(made, found)]


def not_listed(plan: Plan) -> str:
    """Say what becomes of an old key that is not certainly one of those the provider lists."""
    if plan.gone:
        return f"{plan.label} no longer has the old key {plan.gone}; that it is dead is proven at the end."
    sentence = f"The old key is not revoked: which key at {plan.label} it is is not certain."
    if plan.likely:
        sentence += f" Likely: {', '.join(named(remote) for remote in plan.likely[:_SHOWN])}."
    return sentence


def proposed_account(key: Key) -> str:
    """Return a name for a service account that owns a key's successors."""
    return f"keytui-{key.name}"[:50]


def _about_old(made: Plan, found: Found) -> list[str]:
    if made.old is None:
        return [not_listed(made) if made.gone else f"{not_listed(made)} To have it revoked, name it: --old-key-id ID"]
    if not made.grace_s:
        return [f"The old key {named(made.old)} is revoked right after the switch."]
    sentence = f"The old key {named(made.old)} works for another {lasting(made.grace_s)}, then it is revoked."
    if found.can_expire:
        sentence += f" {made.label} is told that end at the switch, and it cannot be taken back."
    return [sentence]
