"""Checking a stored key: ask its provider, remember the answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keytui.errors import KeyNotFound, StoreError
from keytui.providers import checks
from keytui.record import NamedTuple

if TYPE_CHECKING:
    from keytui.model import Key, Secret, Verdict
    from keytui.storage.keystore import Keystore


class Checked(NamedTuple):
    """What a check said.

    Attributes:
        unkept: Why the verdict could not be kept, or None.
    """

    verdict: Verdict
    unkept: StoreError | None


async def check_and_record(store: Keystore, key: Key, secret: Secret, *, timeout_s: float) -> Checked:
    """Check a key and keep the verdict with it, unless its value or its address was replaced meanwhile.

    Args:
        store: Where the verdict is kept.
        key: The key as it is stored.
        secret: Its current value.
        timeout_s: Seconds the check may take.

    Raises:
        KeyNotFound: The key was purged meanwhile.
    """
    verdict = await checks.check(key, secret, timeout_s=timeout_s)
    try:
        await asyncio.to_thread(store.record_check, key.id, verdict, secret, key.base_url)
    except KeyNotFound:
        raise
    except StoreError as error:  # a full or read-only disk: what the provider said is true all the same
        return Checked(verdict, error)
    return Checked(verdict, None)
