"""Fills a keytui home with N keys for measuring: `python -m tests.bench.make_home FOLDER N`.

Their secrets are nowhere.
"""

from __future__ import annotations

import os
import sys
import time

from keytui import settings as settings_module
from keytui.model import DAY, Verdict
from keytui.providers.catalog import PROVIDERS
from tests.stores import fake_key, fields, memory_store

_PROVIDERS = ("openai", "openai", "openrouter", "anthropic", "groq", "custom")
_TAGS = (("prod",), ("prod", "billing"), ("dev",), ())


def main() -> None:
    """Write the index of a home with many keys."""
    folder, count = sys.argv[1], int(sys.argv[2])
    values = settings_module.load({"KEYTUI_HOME": folder})
    os.makedirs(values.config_dir, mode=0o700, exist_ok=True)
    settings_module.remember_backend(values, "os")
    now = time.time()
    moment = now
    store = memory_store(values, clock=lambda: moment)
    for number in range(count):
        moment = now - (number * 37 % 200) * DAY
        provider = PROVIDERS[_PROVIDERS[number % len(_PROVIDERS)]]
        key = store.add(
            fields(
                f"{provider.id}-service-{number:05d}",
                provider=provider.id,
                base_url=provider.base_url or "https://llm.example.com/v1",
                env=provider.env,
                tags=_TAGS[number % len(_TAGS)],
                rotate_every_days=90 if number % 3 else None,
            ),
            fake_key(),
        )
        if number % 4:
            store.record_check(key.id, Verdict("valid", "The key works.", int(moment), latency_ms=100 + number % 300))
    store.close()


if __name__ == "__main__":
    main()
