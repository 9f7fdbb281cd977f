"""The declarations of providers: addresses, variables, pages, probes, preferred models, shapes of keys, quirks.

Plain data, cheap to import. A further provider is one declaration here. Shapes come from gitleaks (MIT), trufflehog
and detect-secrets; they propose and warn, and never refuse a key.
"""

from __future__ import annotations

from keytui.record import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Probe = Literal[
        "models",
        "openrouter_key",
        "openrouter_keys",
        "projects",
        "anthropic_models",
        "anthropic_keys",
        "xai_key",
        "xai_management_key",
        "deepseek_balance",
    ]


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
        hosts: Further hosts of its API; one that begins with a dot stands for all hosts that end so.
        example: What a base URL looks like where `base_url` is "".
        placeholders: What its documentation writes where no key is needed, in lower case.
        lengths: Shortest and longest usual length of a whole key, by prefix.
        model_hint: One sentence where no model can be chosen for the person, else "".
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
    hosts: tuple[str, ...] = ()
    example: str = ""
    placeholders: tuple[str, ...] = ()
    lengths: tuple[tuple[str, int, int], ...] = ()
    model_hint: str = ""


_OPENAI_CONSOLE = "https://platform.openai.com/settings/organization"

DECLARED: tuple[Provider, ...] = (
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
        lengths=(("sk-proj-", 40, 240), ("sk-svcacct-", 40, 240), ("sk-admin-", 40, 240)),
        hosts=(".api.openai.com",),
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
        lengths=(("sk-or-v1-", 73, 73),),
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
        probe="anthropic_models",
        admin_probe="anthropic_keys",
        small_models=("claude-haiku-5-5", "claude-haiku-4-5"),
        # Outside /chat/completions its API knows API keys in x-api-key only; Bearer is for its OAuth tokens.
        key_header="x-api-key",
        probe_headers=(("anthropic-version", "2023-06-01"),),
        lengths=(("sk-ant-api03-", 108, 108), ("sk-ant-admin", 60, 140)),
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
        lengths=(("AIza", 39, 39),),
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
        lengths=(("gsk_", 56, 56),),
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
        probe="deepseek_balance",  # it tells the balance too; listing models works without any
    ),
    Provider(
        id="xai",
        label="xAI",
        base_url="https://api.x.ai/v1",
        env="XAI_API_KEY",
        admin_env="XAI_MANAGEMENT_KEY",
        prefixes=("xai-",),
        admin_prefixes=("xai-token-",),
        keys_page="https://console.x.ai/team/default/api-keys",
        usage_page="https://console.x.ai",
        status_page="https://status.x.ai",
        small_models=("grok-build-0.1",),
        lengths=(("xai-", 84, 84),),
        hosts=(".api.x.ai",),
        probe="xai_key",
        admin_probe="xai_management_key",
    ),
    Provider(
        id="azure",
        label="Azure OpenAI",
        base_url="",  # each resource has its own
        env="AZURE_OPENAI_API_KEY",
        keys_page="https://portal.azure.com/#view/Microsoft_Azure_ProjectOxford/CognitiveServicesHub/~/OpenAI",
        usage_page="https://portal.azure.com/#view/Microsoft_Azure_CostManagement/Menu/~/costanalysis",
        status_page="https://azure.status.microsoft",
        key_header="api-key",
        key_header_everywhere=True,
        max_tokens_field="max_completion_tokens",
        hosts=(".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"),
        example="https://YOUR-RESOURCE.openai.azure.com/openai/v1",
        # Its list holds what could be deployed, not what is.
        model_hint="Azure OpenAI answers to the names of your deployments: name one as the model.",
    ),
    *(
        Provider(
            id=provider_id,
            label=label,
            base_url=f"http://127.0.0.1:{port}/v1",
            env="OPENAI_API_KEY",
            base_url_env="OPENAI_BASE_URL",
            checks_keys=False,
            placeholders=placeholders,
        )
        for provider_id, label, port, placeholders in (
            ("ollama", "Ollama", 11434, ("ollama",)),
            ("lmstudio", "LM Studio", 1234, ("lm-studio", "lmstudio")),
            ("vllm", "vLLM", 8000, ("empty", "token-abc123")),
            ("llamacpp", "llama.cpp", 8080, ("sk-no-key-required", "no-key-required", "no-key")),
        )
    ),
    Provider(
        id="local",
        label="Local server",
        base_url="",
        env="OPENAI_API_KEY",
        base_url_env="OPENAI_BASE_URL",
        checks_keys=False,
        example="http://127.0.0.1:8000/v1",
    ),
    Provider(
        id="custom",
        label="Custom",
        base_url="",
        env="OPENAI_API_KEY",
        base_url_env="OPENAI_BASE_URL",
        checks_keys=False,
        example="https://llm.example.com/v1",
    ),
)
"""Every provider, in the order a menu shows them."""
