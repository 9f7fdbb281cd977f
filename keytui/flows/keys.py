"""Adding and editing a key: cleaning what was pasted, proposing the other fields, checking every field."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

from keytui.errors import InvalidInput
from keytui.model import KeyFields, Secret
from keytui.providers import catalog, client
from keytui.record import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.model import Key
    from keytui.storage.keystore import Keystore

NAME_LIMIT = 100
"""Most characters of a name."""

SECRET_LIMIT = 4_096
"""Most characters of a secret; a longer paste is a file, not a key."""

NOTE_LIMIT = 2_000
"""Most characters of a note."""

TAG_LIMIT = 40
"""Most characters of one tag."""

URL_LIMIT = 500
"""Most characters of a base URL."""

ROTATE_LIMIT = 3_650
"""Longest rotation interval, in days."""

_LINE = re.compile(r"""(?:export\s+)?[A-Za-z_]\w*\s*=\s*(?=["']?[^="'\s]{8})(\S+?);?\Z""", re.ASCII)
"""A line of a .env or shell file: a variable, =, and a value of some length; a key that ends in = is none."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")


class Proposal(NamedTuple):
    """What a pasted key says about itself.

    Attributes:
        fields: Every field filled in; the person may change each.
        warnings: Sentences to show under the key field; none of them refuses the key.
        sure: Whether the provider was recognized for certain.
    """

    fields: KeyFields
    warnings: tuple[str, ...]
    sure: bool


def clean_secret(text: str) -> Secret:
    """Strip what stands around a pasted key and refuse what no provider could have issued.

    Stripped are white space, quotes, and the name of a line out of a .env or shell file.

    Raises:
        InvalidInput: Empty, longer than 4,096 characters, or holding a space, a line break, a control or a
            non-ASCII character. The sentence never quotes the key. (A header with such a value fails later with the
            whole key in the error text: measured with openai 3.54.)
    """
    stripped = _bare(text.strip())
    if not stripped:
        raise InvalidInput("key", "The key is empty.", "Paste the key your provider showed you.")
    if len(stripped) > SECRET_LIMIT:
        sentence = f"This is {len(stripped):,} characters long; a key has at most {SECRET_LIMIT:,}."
        raise InvalidInput("key", sentence, "Copy the key alone.")
    if "\n" in stripped or "\r" in stripped:
        raise InvalidInput("key", "The key has a line break inside.", "Copy the key alone, on one line.")
    if any(character.isspace() for character in stripped):
        raise InvalidInput("key", "The key has a space inside.", "Copy the key alone, without the words around it.")
    if not stripped.isascii():
        raise InvalidInput("key", "The key has characters outside ASCII.", "Copy it again from the provider's page.")
    if not stripped.isprintable():
        raise InvalidInput("key", "The key has control characters inside.", "Copy it again from the provider's page.")
    return Secret(stripped)


def _bare(text: str) -> str:
    line = _LINE.match(text)
    value = line.group(1) if line else text
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1].strip() if quoted else value


def propose(store: Keystore, secret: Secret) -> Proposal:
    """Recognize a pasted key and propose the fields around it. Reads the index alone."""
    guess = catalog.recognize(secret)
    provider = catalog.PROVIDERS[guess.provider]
    warnings = [guess.note] if guess.note else []
    twin = store.same_secret(secret)
    if twin is not None:
        warnings.append(f"The same key is already stored as “{twin.name}”.")
    if guess.kind == "admin":
        warnings.append("This is an admin key: it can create and delete other keys.")
    base = f"{provider.id}-admin" if guess.kind == "admin" else provider.id
    fields = KeyFields(
        name=_free_name(store, base),
        provider=provider.id,
        base_url=provider.base_url,
        env=provider.admin_env if guess.kind == "admin" else provider.env,
        kind=guess.kind,
        rotate_every_days=min(store.settings.rotate_every_days, ROTATE_LIMIT) or None,
    )
    return Proposal(fields, tuple(warnings), guess.sure)


def validate(fields: KeyFields) -> KeyFields:
    """Return the fields in the form they are stored in.

    Raises:
        InvalidInput: A field cannot be stored; `.field` names it.
    """
    name = clean_name(fields.name)
    provider = fields.provider
    if provider not in catalog.PROVIDERS:
        raise InvalidInput("provider", f"“{provider}” is not a known provider.", _choices())
    base_url = _clean_url(fields, provider)
    if fields.env and not _VARIABLE.match(fields.env):
        raise InvalidInput("env", "A variable has letters, digits and _ only.", "For example OPENAI_API_KEY.")
    if catalog.looks_like_key(fields.env):
        raise InvalidInput("env", "This looks like a key, and this field is shown.", "Put it into the Key field.")
    days = fields.rotate_every_days
    if days is not None and not 1 <= days <= ROTATE_LIMIT:
        raise InvalidInput("rotate_every_days", f"The interval is 1 to {ROTATE_LIMIT:,} days.", "Empty means never.")
    return fields._replace(
        name=name,
        base_url=base_url,
        model=_line("model", fields.model, 200),
        tags=_clean_tags(fields.tags),
        note=_clean_note(fields.note),
    )


def add(store: Keystore, fields: KeyFields, secret: Secret) -> Key:
    """Validate and store a new key; the first one decides the store.

    Raises:
        InvalidInput: A field cannot be stored, or the name is taken.
        StoreUndecided: The OS keyring failed its probe and no vault was set up.
        StoreError: The store did not take the secret; nothing was added.
    """
    return store.add(validate(fields), secret)


def edit(store: Keystore, key_id: int, fields: KeyFields, base: KeyFields | None = None) -> Key:
    """Validate and store changed fields; the secret stays as it is.

    Args:
        base: The fields the person began with: what another process changed since stays, unless it is changed here.

    Raises:
        InvalidInput: A field cannot be stored, the name is taken, an admin key would go to a foreign host, or its
            provider is issuing or ending a key for it.
        KeyNotFound: The key was deleted meanwhile.
    """
    cleaned = validate(fields)
    _keep_admin_home(store.key(key_id), cleaned)
    return store.edit(key_id, cleaned, base=base)


def _keep_admin_home(key: Key, fields: KeyFields) -> None:
    """Refuse to send an admin key elsewhere than where it was added, its provider's host or this machine."""
    if "admin" not in (key.kind, fields.kind) or client.origin(fields.base_url) == client.origin(key.base_url):
        return
    host = urlsplit(fields.base_url).hostname or ""
    if not client.is_loopback(host) and not client.is_own_host(host, fields.provider):
        hint = "To use it elsewhere, add it again with that address."
        raise InvalidInput("base_url", "An admin key stays at the address it was added with.", hint)


def _free_name(store: Keystore, base: str) -> str:
    taken = {key.name for key in store.keys()}
    number = 1
    name = base
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name


def clean_name(text: str) -> str:
    """Return a name in the form it is stored in.

    Raises:
        InvalidInput: It cannot be stored.
    """
    name = unicodedata.normalize("NFC", text.strip())
    if not name:
        raise InvalidInput("name", "The name is empty.", "Give the key a name you will recognize.")
    if len(name) > NAME_LIMIT:
        raise InvalidInput("name", f"The name has {len(name)} characters; at most {NAME_LIMIT} fit.", "Shorten it.")
    if name.startswith("-"):
        raise InvalidInput("name", "A name cannot begin with a dash.", "Commands would read it as an option.")
    if not _shown(name):
        raise InvalidInput("name", "The name has control characters.", "Use letters, digits and signs.")
    if all(unicodedata.category(character)[0] in "CMZ" for character in name):
        raise InvalidInput("name", "The name has no visible character.", "Use letters, digits and signs.")
    if catalog.looks_like_key(name):
        raise InvalidInput("name", "The name looks like a key.", "Put the key into the Key field; names are shown.")
    return name


def _clean_url(fields: KeyFields, provider: str) -> str:
    url = catalog.completed((fields.base_url.strip() or catalog.PROVIDERS[provider].base_url).rstrip("/"))
    if not url:
        example = catalog.PROVIDERS[provider].example
        raise InvalidInput("base_url", "This provider needs a base URL.", f"For example {example}.")
    if len(url) > URL_LIMIT or not _shown(url) or any(character.isspace() for character in url):
        raise InvalidInput("base_url", "The base URL is not one address.", "For example https://llm.example.com/v1.")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise InvalidInput("base_url", "The base URL is not an address.", "Check the host and the port.") from None
    if parts.scheme not in ("http", "https") or not host:
        hint = "Begin it with https://, or with http:// for a server on this machine."
        raise InvalidInput("base_url", "The base URL does not begin with https://.", hint)
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("base_url", "A base URL cannot hold a user or password.", "The key alone identifies you.")
    if catalog.looks_like_key(url):
        raise InvalidInput("base_url", "The base URL holds what looks like a key.", "Put the key into the Key field.")
    if parts.query or parts.fragment:
        raise InvalidInput("base_url", "A base URL ends with its path.", "Remove what follows ? or #.")
    problem = client.address_problem(url, allow_http=fields.allow_http, kind=fields.kind, provider=provider)
    if problem:
        raise InvalidInput("base_url", problem)
    return url


def _clean_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    cleaned = {_line("tags", tag, TAG_LIMIT) for tag in tags}
    if any("," in tag for tag in cleaned):
        raise InvalidInput("tags", "A tag cannot hold a comma.", "Commas separate tags.")
    return tuple(sorted(cleaned - {""}))


def _clean_note(text: str) -> str:
    note = text.strip()
    if len(note) > NOTE_LIMIT:
        raise InvalidInput("note", f"The note has {len(note):,} characters; at most {NOTE_LIMIT:,} fit.", "Shorten it.")
    if catalog.looks_like_key(note):
        raise InvalidInput(
            "note", "The note holds what looks like a key.", "Put it into the Key field; notes are shown."
        )
    return "".join(character if character == "\n" or _shown(character) else " " for character in note)


def _line(field: str, text: str, limit: int) -> str:
    line = unicodedata.normalize("NFC", text.strip())
    if len(line) > limit:
        raise InvalidInput(field, f"That is {len(line)} characters; at most {limit} fit.", "Shorten it.")
    if not _shown(line):
        raise InvalidInput(field, "That holds control characters.", "Use letters, digits and signs.")
    if catalog.looks_like_key(line):
        raise InvalidInput(field, "This looks like a key, and this field is shown.", "Put it into the Key field.")
    return line


def _shown(text: str) -> bool:
    """Whether a terminal shows the text as it is: no control, no surrogate, no direction override."""
    return not any(
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _BIDI for character in text
    )


_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _choices() -> str:
    return "Known: " + ", ".join(catalog.PROVIDERS) + "."
