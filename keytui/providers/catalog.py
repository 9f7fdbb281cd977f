"""The catalog of providers: addresses, variables, pages, probes, preferred models, and what their keys look like.

Plain data and recognition by shape, no I/O, cheap to import. A further provider is one declaration here. Shapes come
from gitleaks (MIT), trufflehog and detect-secrets; they propose and warn, and never refuse a key.
"""

from __future__ import annotations

from keytui.record import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from keytui.model import KeyKind, Secret

    Probe = Literal["models", "openrouter_key", "openrouter_keys", "projects", "anthropic_keys"]


class Provider(NamedTuple):
    """One provider.

    Attributes:
        id: What a Key holds in `provider`.
        label: Its name on screen.
        base_url: Root of its OpenAI-compatible API without a trailing slash, or "" when the person gives it.
        env: Variable its own tools read the key from.
        admin_env: Variable for a key that manages keys, or "".
        prefixes: How its keys begin; the longest match over all providers wins.
        admin_prefixes: How its managing keys begin.
        keys_page: Where a person makes and deletes keys, or "".
        admin_keys_page: The same for managing keys, or "".
        usage_page: Where a person sees what was spent, or "".
        status_page: Where the provider says whether it works, or "".
        probe: The cheapest request that proves a key without costing tokens.
        admin_probe: The same for a managing key.
        small_models: Cheap models for a test prompt, the preferred one first.
        max_tokens_field: Which field of Chat Completions limits the answer.
        key_header: Header that carries the key in probes instead of Authorization, or "".
        key_header_everywhere: Prompts carry the key in `key_header` too.
        probe_headers: Further headers of probes.
        base_url_env: Variable its tools read the base URL from, or "".
        checks_keys: False when its servers may answer without looking at the key.
    """

    id: str
    label: str
    base_url: str
    env: str
    admin_env: str = ""
    prefixes: tuple[str, ...] = ()
    admin_prefixes: tuple[str, ...] = ()
    keys_page: str = ""
    admin_keys_page: str = ""
    usage_page: str = ""
    status_page: str = ""
    probe: Probe = "models"
    admin_probe: Probe = "models"
    small_models: tuple[str, ...] = ()
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    key_header: str = ""
    key_header_everywhere: bool = False
    probe_headers: tuple[tuple[str, str], ...] = ()
    base_url_env: str = ""
    checks_keys: bool = True


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


_OPENAI_CONSOLE = "https://platform.openai.com/settings/organization"

_DECLARED = (
    Provider(
        id="openai",
        label="OpenAI",
        base_url="https://api.openai.com/v1",
        env="OPENAI_API_KEY",
        admin_env="OPENAI_ADMIN_KEY",
        prefixes=("sk-proj-", "sk-svcacct-", "sk-None-"),
        admin_prefixes=("sk-admin-",),
        keys_page=f"{_OPENAI_CONSOLE}/api-keys",
        admin_keys_page=f"{_OPENAI_CONSOLE}/admin-keys",
        usage_page=f"{_OPENAI_CONSOLE}/usage",
        status_page="https://status.openai.com",
        admin_probe="projects",
        small_models=("gpt-6-luna", "gpt-5.4-nano", "gpt-4o-mini"),
        max_tokens_field="max_completion_tokens",
        base_url_env="OPENAI_BASE_URL",
    ),
    Provider(
        id="openrouter",
        label="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        env="OPENROUTER_API_KEY",
        prefixes=("sk-or-v1-", "sk-or-"),
        keys_page="https://openrouter.ai/settings/keys",
        admin_keys_page="https://openrouter.ai/settings/management-keys",
        usage_page="https://openrouter.ai/activity",
        status_page="https://status.openrouter.ai",
        probe="openrouter_key",  # its list of models is public and proves nothing
        admin_probe="openrouter_keys",
        small_models=("openrouter/free", "openai/gpt-4o-mini", "meta-llama/llama-3.2-3b-instruct"),
    ),
    Provider(
        id="anthropic",
        label="Anthropic",
        base_url="https://api.anthropic.com/v1",
        env="ANTHROPIC_API_KEY",
        admin_env="ANTHROPIC_ADMIN_API_KEY",
        prefixes=("sk-ant-api03-", "sk-ant-"),
        admin_prefixes=("sk-ant-admin",),
        keys_page="https://platform.claude.com/settings/keys",
        admin_keys_page="https://platform.claude.com/settings/admin-keys",
        usage_page="https://platform.claude.com/settings/usage",
        status_page="https://status.claude.com",
        admin_probe="anthropic_keys",
        small_models=("claude-haiku-5-5", "claude-haiku-4-5"),
        # Outside /chat/completions its API knows API keys in x-api-key only; Bearer is for its OAuth tokens.
        key_header="x-api-key",
        probe_headers=(("anthropic-version", "2023-06-01"),),
    ),
    Provider(
        id="gemini",
        label="Gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        env="GEMINI_API_KEY",
        prefixes=("AIza", "AQ."),
        keys_page="https://aistudio.google.com/apikey",
        usage_page="https://aistudio.google.com/app/usage",
        status_page="https://status.cloud.google.com",
        small_models=("gemini-2.5-flash-lite", "models/gemini-2.5-flash-lite"),
    ),
    Provider(
        id="groq",
        label="Groq",
        base_url="https://api.groq.com/openai/v1",
        env="GROQ_API_KEY",
        prefixes=("gsk_",),
        keys_page="https://console.groq.com/keys",
        usage_page="https://console.groq.com/settings/usage",
        status_page="https://groqstatus.com",
        small_models=("openai/gpt-oss-20b", "llama-3.1-8b-instant"),
    ),
    Provider(
        id="mistral",
        label="Mistral",
        base_url="https://api.mistral.ai/v1",
        env="MISTRAL_API_KEY",
        keys_page="https://console.mistral.ai/api-keys/",
        usage_page="https://admin.mistral.ai",
        status_page="https://status.mistral.ai",
        small_models=("ministral-3b-latest", "mistral-small-latest"),
    ),
    Provider(
        id="deepseek",
        label="DeepSeek",
        base_url="https://api.deepseek.com/v1",
        env="DEEPSEEK_API_KEY",
        keys_page="https://platform.deepseek.com/api_keys",
        usage_page="https://platform.deepseek.com/usage",
        status_page="https://status.deepseek.com",
        small_models=("deepseek-v4-flash", "deepseek-chat"),
    ),
    Provider(
        id="xai",
        label="xAI",
        base_url="https://api.x.ai/v1",
        env="XAI_API_KEY",
        prefixes=("xai-",),
        keys_page="https://console.x.ai/team/default/api-keys",
        usage_page="https://console.x.ai",
        status_page="https://status.x.ai",
        small_models=("grok-build-0.1",),
    ),
    Provider(
        id="local",
        label="Local server",
        base_url="http://127.0.0.1:11434/v1",  # Ollama's default; LM Studio 1234, vLLM 8000, llama.cpp 8080
        env="OPENAI_API_KEY",
        base_url_env="OPENAI_BASE_URL",
        checks_keys=False,
    ),
    Provider(
        id="custom",
        label="Custom",
        base_url="",
        env="OPENAI_API_KEY",
        base_url_env="OPENAI_BASE_URL",
        checks_keys=False,
    ),
)

PROVIDERS: dict[str, Provider] = {provider.id: provider for provider in _DECLARED}
"""Every provider by id, in the order a menu shows them."""

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
    ("eyJ", "a web token (JWT)"),
    ("-----BEGIN", "a private key file"),
    ("http://", "an address"),
    ("https://", "an address"),
)

_OPENAI_MARK = "T3BlbkFJ"  # base64 of "OpenAI"; stands in every OpenAI key
_KEY_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")
_LOWER_ALNUM = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")

_USUAL_LENGTHS = {
    "sk-proj-": (40, 240),
    "sk-svcacct-": (40, 240),
    "sk-admin-": (40, 240),
    "sk-or-v1-": (73, 73),
    "sk-ant-api03-": (108, 108),
    "sk-ant-admin": (60, 140),
    "gsk_": (56, 56),
    "AIza": (39, 39),
    "xai-": (84, 84),
}
"""Shortest and longest usual length of a whole key, by prefix."""


def provider(provider_id: str) -> Provider:
    """Return the provider with this id, or the custom one for an id that this version does not know."""
    return PROVIDERS.get(provider_id, PROVIDERS["custom"])


def lead_to(base_url: str | None) -> None:
    """Give every provider this address, or with None its own again: the demo keeps all requests on this machine."""
    PROVIDERS.update({each.id: each if base_url is None else each._replace(base_url=base_url) for each in _DECLARED})


def by_address(base_url: str) -> Provider | None:
    """Return the provider whose own API lies at this host, or None."""
    host = _host(base_url)
    return next((each for each in _DECLARED if each.checks_keys and _host(each.base_url) == host), None)


def _host(base_url: str) -> str:
    return base_url.partition("://")[2].partition("/")[0].lower()


def recognize(secret: Secret) -> Guess:
    """Say whose key this looks like. Never refuses: an unknown shape is a custom provider's, unsure."""
    text = secret.reveal()
    for prefix, what in _FOREIGN:
        if text.startswith(prefix):
            return Guess("custom", "api", False, f"This looks like {what}, not like a key of an LLM provider.")
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
    for candidate in _DECLARED:
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
    if len(text) == 35 and _LOWER_ALNUM.issuperset(text[3:]):
        return Guess(
            "deepseek", "api", False, "DeepSeek's keys have this shape, and so have others: check the provider."
        )
    return Guess("openai", "api", False, "Several providers use keys that begin with sk-: check the provider.")


def _without_prefix(text: str) -> Guess:
    if len(text) == 32 and _LOWER_ALNUM.issuperset(text.lower()):
        note = "Mistral's keys have this shape, and so have Azure's: check the provider."
        return Guess("mistral", "api", False, note)
    if len(text) < 20:
        return Guess("local", "api", False, "Too short for a provider's key: was it copied whole?")
    return Guess("custom", "api", False, "The shape is not known: choose the provider.")


def _odd_shape(text: str, prefix: str, found: Provider) -> str:
    shortest, longest = _USUAL_LENGTHS.get(prefix, (20, 400))
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
    if _OPENAI_MARK in word:
        return True
    known = [prefix for candidate in _DECLARED for prefix in candidate.prefixes + candidate.admin_prefixes]
    known += [prefix for prefix, _ in _UNDECLARED]
    rest = next((word[len(prefix) :] for prefix in [*known, "sk-"] if word.startswith(prefix)), "")
    # A sentence-like word such as sk-learn-extension-notes has no digit; random text of this length has.
    return len(rest) >= 16 and any(character.isdigit() for character in rest)
