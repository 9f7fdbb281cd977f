"""After a repair: what a recovered key is for is told by the key itself, which storage does not look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keytui.errors import KeytuiError
from keytui.providers import catalog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keytui.storage.keystore import Keystore


def recognize(store: Keystore, adopted: Iterable[int]) -> None:
    """Give recovered keys the kind, the variable and, where none is known, the provider that their shape tells.

    An address that was found with the key is never changed.

    Args:
        store: The open store.
        adopted: Ids of keys that a repair made.
    """
    for key_id in adopted:
        try:
            key, secret = store.key(key_id), store.read(key_id)
            guess = catalog.recognize(secret)
            fields = key.fields._replace(kind=guess.kind)
            if not key.base_url and guess.sure and guess.provider in catalog.PROVIDERS:
                fields = fields._replace(provider=guess.provider, base_url=catalog.PROVIDERS[guess.provider].base_url)
            provider = catalog.PROVIDERS.get(fields.provider, catalog.PROVIDERS["custom"])
            env = provider.admin_env if guess.kind == "admin" else provider.env
            store.edit(key_id, fields._replace(env=env))
        except KeytuiError:  # it is listed all the same, and the person can edit it
            continue
