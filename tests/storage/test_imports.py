from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.stores import fake_key, fields, open_vault

if TYPE_CHECKING:
    from keytui.settings import Settings

HEAVY = (
    "argparse",
    "asyncio",
    "concurrent.futures",
    "contextlib",
    "ctypes",
    "dataclasses",
    "enum",
    "filelock",
    "hashlib",
    "hmac",
    "json",
    "keyring",
    "logging",
    "openai",
    "pathlib",
    "platformdirs",
    "re",
    "secrets",
    "secretstorage",
    "subprocess",
    "tempfile",
    "textual",
    "threading",
    "tomllib",
    "typing",
)
"""What costs milliseconds and is not needed to find and read a key in a vault."""

READ = """
import sys
before = set(sys.modules)
from keytui import settings
from keytui.model import Secret
from keytui.storage.keystore import Keystore
store = Keystore(settings.load()._replace(backend="vault"))
store._core.vault().open_with(Secret(sys.argv[1]))
assert len(store.read(store.find("openai-prod").id)) > 20
print(*(set(sys.modules) - before))
"""


def test_reading_a_key_from_a_vault_imports_nothing_heavy(settings: Settings) -> None:
    from tests.storage.killing import reopen

    _, identity = open_vault(settings)
    reopen(settings, identity).add(fields(), fake_key())
    # The identity is a throw-away one, and may stand in a command line.
    command = [sys.executable, "-c", READ, identity.reveal()]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "keytui.storage.vault" in loaded
    assert sorted(set(HEAVY) & set(loaded)) == []


def test_listing_opens_no_store_of_secrets(settings: Settings) -> None:
    from tests.storage.killing import reopen

    _, identity = open_vault(settings)
    reopen(settings, identity).add(fields(), fake_key())
    code = (
        "import sys; from keytui import settings; from keytui.storage.keystore import Keystore;"
        "store = Keystore(settings.load()); store.keys(); store.counts(); store.events(); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"pyrage", "keyring", "secretstorage", "keytui.storage.vault", "filelock"} & set(loaded) == set()
