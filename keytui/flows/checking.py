"""Checking a stored key: ask its provider, remember the answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keytui.providers import checks

if TYPE_CHECKING:
    from keytui.model import Key, Secret, Verdict
    from keytui.storage.keystore import Keystore


async def check_and_record(store: Keystore, key: Key, secret: Secret, *, timeout_s: float) -> Verdict:
    """Check a key and keep the verdict with it, unless its value was replaced meanwhile.

    Args:
        store: Where the verdict is kept.
        key: The key as it is stored.
        secret: Its current value.
        timeout_s: Seconds the check may take.

    Raises:
        StoreError: The verdict could not be written.
        KeyNotFound: The key was purged meanwhile.
    """
    verdict = await checks.check(key, secret, timeout_s=timeout_s)
    await asyncio.to_thread(store.record_check, key.id, verdict, secret)
    return verdict
