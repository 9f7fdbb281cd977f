"""keytui: a terminal home for OpenAI and OpenAI-compatible API keys."""

__version__ = "0.1.0"
