"""The catalog of providers: what is declared, and recognizing a provider by a key's shape or by an address.

No I/O, cheap to import, open to every floor above. Recognition proposes and warns, and never refuses a key.
"""

from __future__ import annotations

from keytui.providers.declared import DECLARED, Provider
from keytui.record import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keytui.model import KeyKind, Secret


class Guess(NamedTuple):
    """What a secret looks like.

    Attributes:
        provider: Id in PROVIDERS.
        kind: "admin" for the shape of a managing key.
        sure: Whether the shape belongs to this provider alone.
        note: "" or one sentence for the person: unsure, odd, or not a provider's key at all.
    """

    provider: str
    kind: KeyKind
    sure: bool
    note: str


PROVIDERS: dict[str, Provider] = {each.id: each for each in DECLARED}
"""Every provider by id, in the order a menu shows them."""

_led_from: dict[str, str] = {}
"""Own addresses of the providers, by id, while `lead_to` gives them another."""

_UNDECLARED = (
    ("pplx-", "a Perplexity key"),
    ("hf_", "a Hugging Face token"),
    ("api_org_", "a Hugging Face token"),
    ("nvapi-", "an NVIDIA key"),
    ("csk-", "a Cerebras key"),
    ("fw_", "a Fireworks key"),
    ("tgp_v1_", "a Together key"),
)
"""Keys of OpenAI-compatible providers that are not declared: stored as custom."""

_FOREIGN = (
    ("ghp_", "a GitHub token"),
    ("github_pat_", "a GitHub token"),
    ("glpat-", "a GitLab token"),
    ("AKIA", "an AWS access key id"),
    ("xoxb-", "a Slack token"),
    ("sk-ant-oat", "a sign-in token of Claude Code"),  # Anthropic takes it from Claude Code alone
    ("sk-ant-ort", "a sign-in token of Claude Code"),
    ("eyJ", "a web token (JWT)"),
    ("-----BEGIN", "a private key file"),
    ("http://", "an address"),
    ("https://", "an address"),
)

_OPENAI_MARK = "T3BlbkFJ"  # base64 of "OpenAI"; stands in every OpenAI key
_KEY_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")
_HEX = frozenset("0123456789abcdef")
_AZURE_MARK = "JQQJ9"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_LOWER_ALNUM = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


def provider(provider_id: str) -> Provider:
    """Return the provider with this id, or the custom one for an id that this version does not know."""
    return PROVIDERS.get(provider_id, PROVIDERS["custom"])


def lead_to(base_url: str | None) -> None:
    """Give every provider this address, or with None its own again: the demo keeps all requests on this machine."""
    own = {each.id: _led_from.get(each.id, each.base_url) for each in PROVIDERS.values()}
    _led_from.clear()
    if base_url is not None:
        _led_from.update(own)
    addresses = own if base_url is None else dict.fromkeys(own, base_url)
    PROVIDERS.update({each.id: each._replace(base_url=addresses[each.id]) for each in PROVIDERS.values()})


def by_address(base_url: str) -> Provider | None:
    """Return the provider whose own API lies at this address, or None: by host, on this machine by port."""
    host = _host(base_url)
    name, _, port = host.rpartition(":") if ":" in host.rpartition("]")[2] else (host, "", "")
    for each in PROVIDERS.values():
        own = _host(_led_from.get(each.id, each.base_url))
        if not own:
            if any(name.endswith(suffix) for suffix in each.hosts):
                return each
        elif own.startswith(_LOOPBACK[0]):
            if name in _LOOPBACK and port == own.rpartition(":")[2]:
                return each
        elif host == own or any(host.endswith(suffix) for suffix in each.hosts):
            return each
    return None


def completed(base_url: str) -> str:
    """Return a base URL with the provider's own path where the person gave a known host alone."""
    found = by_address(base_url)
    if found is None or "/" in base_url.partition("://")[2].rstrip("/"):
        return base_url
    own = _led_from.get(found.id, found.base_url) or found.example
    return base_url.rstrip("/") + "/" + own.partition("://")[2].partition("/")[2]


def _host(base_url: str) -> str:
    return base_url.partition("://")[2].partition("/")[0].lower()


def recognize(secret: Secret) -> Guess:
    """Say whose key this looks like. Never refuses: an unknown shape is a custom provider's, unsure."""
    text = secret.reveal()
    for prefix, what in _FOREIGN:
        if text.startswith(prefix):
            return Guess("custom", "api", False, f"This looks like {what}, not like a key of an LLM provider.")
    local = next((each for each in PROVIDERS.values() if text.lower() in each.placeholders), None)
    if local is not None:
        return Guess(local.id, "api", False, f"A place-holder for {local.label}, which needs no key unless told to.")
    declared = _declared_prefix(text)
    if declared is not None:
        found, kind, prefix = declared
        return Guess(found.id, kind, True, _odd_shape(text, prefix, found))
    for prefix, what in _UNDECLARED:
        if text.startswith(prefix):
            return Guess("custom", "api", False, f"This looks like {what}: fill in the base URL.")
    return _bare_sk(text) if text.startswith("sk-") else _without_prefix(text)


def _declared_prefix(text: str) -> tuple[Provider, KeyKind, str] | None:
    best: tuple[Provider, KeyKind, str] | None = None
    for candidate in PROVIDERS.values():
        kinds: tuple[tuple[KeyKind, tuple[str, ...]], ...]
        kinds = (("api", candidate.prefixes), ("admin", candidate.admin_prefixes))
        for kind, prefixes in kinds:
            for prefix in prefixes:
                if text.startswith(prefix) and (best is None or len(prefix) > len(best[2])):
                    best = (candidate, kind, prefix)
    return best


def _bare_sk(text: str) -> Guess:
    if _OPENAI_MARK in text:
        return Guess("openai", "api", True, "")
    rest = text[3:]
    if len(rest) == 32 and _LOWER_ALNUM.issuperset(rest):
        whose = "DeepSeek's and Alibaba's" if _HEX.issuperset(rest) else "DeepSeek's"
        return Guess("deepseek", "api", False, f"{whose} keys have this shape, and so have others: check the provider.")
    if len(rest) == 22:
        note = "Keys of a LiteLLM proxy have this shape: check the provider and fill in the base URL."
        return Guess("custom", "api", False, note)
    return Guess("openai", "api", False, "Several providers use keys that begin with sk-: check the provider.")


def _without_prefix(text: str) -> Guess:
    if _is_azure(text):
        note = "Keys of every Azure AI service have this shape: fill in the address of your resource."
        return Guess("azure", "api", False, note)
    if len(text) == 32 and _HEX.issuperset(text):
        return Guess("azure", "api", False, "Azure's keys have this shape, and so have others: check the provider.")
    if len(text) == 32 and _LOWER_ALNUM.issuperset(text.lower()):
        note = "Mistral's keys have this shape, and so have Azure's: check the provider."
        return Guess("mistral", "api", False, note)
    if len(text) < 20:
        return Guess("local", "api", False, "Too short for a provider's key: was it copied whole?")
    return Guess("custom", "api", False, "The shape is not known: choose the provider.")


def _is_azure(text: str) -> bool:
    """Whether this is Microsoft's documented form: 84 letters and digits with a mark behind 52 of them."""
    return len(text) == 84 and text.isascii() and text.isalnum() and text[52:57] == _AZURE_MARK


def _odd_shape(text: str, prefix: str, found: Provider) -> str:
    usual = {each: (shortest, longest) for each, shortest, longest in found.lengths}
    shortest, longest = usual.get(prefix, (20, 400))
    if len(text) < shortest:
        return f"Shorter than {found.label}'s keys usually are: was it copied whole?"
    if len(text) > longest:
        return f"Longer than {found.label}'s keys usually are: was something else copied with it?"
    if not _KEY_CHARACTERS.issuperset(text):
        return f"Holds a character that {found.label}'s keys usually do not have."
    return ""


def looks_like_key(text: str) -> bool:
    """Say whether free text holds something shaped like a key, for fields that are stored in the clear."""
    word = ""
    for character in f"{text} ":
        if character in _KEY_CHARACTERS:
            word += character
        else:
            if _word_is_key(word):
                return True
            word = ""
    return False


def _word_is_key(word: str) -> bool:
    if len(word) < 20:
        return False
    if _OPENAI_MARK in word or _is_azure(word):
        return True
    known = [prefix for candidate in PROVIDERS.values() for prefix in candidate.prefixes + candidate.admin_prefixes]
    known += [prefix for prefix, _ in _UNDECLARED]
    rest = next((word[len(prefix) :] for prefix in [*known, "sk-"] if word.startswith(prefix)), "")
    # A sentence-like word such as sk-learn-extension-notes has no digit; random text of this length has.
    return len(rest) >= 16 and any(character.isdigit() for character in rest)
