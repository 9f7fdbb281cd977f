"""Finds a secret in bytes: as it is, in the usual encodings, and in pieces."""

from __future__ import annotations

import base64
import functools
import html
import json
import os
import re
import urllib.parse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 12
"""A piece of this many characters counts as a leak; the masked form shows 7 and 4."""

_BASE64_PIECE = PIECE // 3 * 4


@functools.cache
def traces(secret: str) -> dict[str, bytes]:
    """Return every form of the secret that is searched for, by name."""
    found = {
        "hex": secret.encode().hex().encode(),
        "HEX": secret.encode().hex().upper().encode(),
        "url": urllib.parse.quote(secret, safe="").encode(),
        "json": json.dumps(secret)[1:-1].encode(),
        "html": html.escape(secret).encode(),
    }
    for start in range(len(secret) - PIECE + 1):
        piece = secret[start : start + PIECE].encode()
        found[f"piece/{start}"] = piece
        found[f"hex/{start}"], found[f"HEX/{start}"] = piece.hex().encode(), piece.hex().upper().encode()
    for shift in range(3):
        # Whatever stands before it, one of three alignments holds; the ends depend on the neighbors and are cut.
        encoded = base64.b64encode(b"\0" * shift + secret.encode()).rstrip(b"=")[4 if shift else 0 : -4]
        found[f"base64/{shift}"] = encoded
        for start in range(0, len(encoded) - _BASE64_PIECE + 1, 4):
            found[f"base64/{shift}/{start}"] = encoded[start : start + _BASE64_PIECE]
    return found


def leaks(data: bytes, secret: str) -> list[str]:
    """Return the names of the forms of the secret that the data holds."""
    return [name for name, trace in traces(secret).items() if trace in data]


def files_with(folder: str | os.PathLike[str], secrets: list[str]) -> list[str]:
    """Return "path: form" for every file below the folder that holds a form of a secret, in its name or content."""
    found = []
    for path in files_below(folder):
        with open(path, "rb") as file:
            data = path.encode() + b"\n" + file.read()
        for secret in secrets:
            found += [f"{path}: {name}" for name in leaks(data, secret)]
    return found


def files_below(folder: str | os.PathLike[str]) -> Iterator[str]:
    """Yield every regular file below the folder."""
    for parent, _folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if os.path.isfile(path) and not os.path.islink(path):
                yield path


def without_copies(output: bytes) -> tuple[bytes, list[str]]:
    """Split a terminal's output into what is shown and the payloads of asked copies (OSC 52), decoded."""
    pattern = re.compile(rb"\x1b\]52;[a-z]*;([A-Za-z0-9+/=]*)(?:\x07|\x1b\\)")
    payloads = [base64.b64decode(match.group(1)).decode() for match in pattern.finditer(output)]
    return pattern.sub(b"", output), payloads
