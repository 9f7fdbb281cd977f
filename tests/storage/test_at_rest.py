from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

from tests.storage.killing import reopen
from tests.stores import fake_key, fields, open_vault

if TYPE_CHECKING:
    from keytui.model import Secret
    from keytui.settings import Settings


def traces(secret: Secret) -> set[bytes]:
    text = secret.reveal().encode()
    pieces = {text[start : start + 12] for start in range(len(text) - 11)}
    encoded = {base64.b64encode(text[shift:])[:16] for shift in range(3)}
    return pieces | encoded | {text.hex().encode()[:24], text[::-1]}


def test_no_secret_is_at_rest_in_any_file(settings: Settings) -> None:
    _, identity = open_vault(settings)
    store = reopen(settings, identity)
    secrets = [fake_key() for _ in range(4)]
    key = store.add(fields("kept"), secrets[0])
    store.switch(store.begin_rotation(key.id, secrets[1]).id)
    store.abandon_rotation(store.begin_rotation(key.id, secrets[2]).id)
    store.delete(store.add(fields("gone"), secrets[3]).id, now=True)
    store.same_secret(secrets[0])
    before = everything(settings.data_dir)
    store.close()
    for content in (before, everything(settings.data_dir)):
        for secret in (*secrets, identity):
            assert [trace for trace in traces(secret) if trace in content] == []
    assert b"kept" in before


def everything(folder: str) -> bytes:
    content = b""
    for parent, _, files in os.walk(folder):
        for name in files:
            with open(os.path.join(parent, name), "rb") as file:
                content += file.read()
    return content
