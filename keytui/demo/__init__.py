"""The demo: sample keys and an offline OpenAI-compatible server on loopback."""
