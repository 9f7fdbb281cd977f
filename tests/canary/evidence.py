"""What was gathered on each surface while a flow ran, and how often a secret stands in it."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path

from tests.leaks import leaks

SURFACES = (
    "terminal",  # every byte written to it, outside the reveal window and asked copies, and what the screen showed
    "files",  # all below home, TMPDIR and keytui's home, byte by byte: WAL, free pages of SQLite, names
    "svg",  # pictures of the screen, taken as Textual takes them
    "notifications",
    "logs",  # every logger, with openai and httpx at DEBUG, and Textual's own log
    "traceback",  # what stands on the terminal after the app, and stderr of commands
    "repr",  # every message and every worker
    "argv",  # of every process
    "environ",  # of every process
    "others",  # memory and environment, opened by another process of the same user
)

_CONTROL = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[P_^][^\x1b]*\x1b\\|\x1b.|[\x00-\x1f]"
)
_TAG = re.compile(r"<[^>]*>")


class Evidence:
    """What one flow left on each surface."""

    def __init__(self) -> None:
        self.found: dict[str, list[tuple[str, bytes]]] = {surface: [] for surface in SURFACES}

    def add(self, surface: str, label: str, data: bytes) -> None:
        """Keep what was seen, in each way it can be read."""
        self.found[surface].append((label, data))
        if surface in ("terminal", "traceback"):
            # Drawn character by character or over several lines, it is whole only without what lies between.
            self.found[surface].append((f"{label}, text alone", _CONTROL.sub(b"", data).replace(b" ", b"")))
        elif surface == "svg":
            text = html.unescape(_TAG.sub("", data.decode())).replace("\xa0", "")
            self.found[surface].append((f"{label}, text alone", "".join(text.split()).encode()))

    def leaks(self, surface: str, secrets: list[str]) -> list[str]:
        """Return what leaked on a surface, as "where: form"."""
        told = []
        for label, data in self.found[surface]:
            for secret in secrets:
                forms = leaks(data, secret)
                if forms:
                    told.append(f"{label}: {forms[0]} and {len(forms) - 1} more")
        return told

    def sources(self, surface: str) -> set[str]:
        """Return what kinds of things were looked through."""
        return {label for label, _ in self.found[surface]}


def publish(name: str, text: str) -> None:
    """Write a table where KEYTUI_TEST_TABLES, read by tests alone, says; CI prints what it finds there."""
    folder = os.environ.get("KEYTUI_TEST_TABLES")
    if folder:
        Path(folder, name).write_text(text + "\n", encoding="utf-8")


Table = dict[str, dict[str, list[str]]]
"""Flow, surface, what leaked."""


def red(table: Table) -> list[tuple[str, str]]:
    """Return the cells in which something leaked, as (flow, surface)."""
    return [(flow, surface) for flow, row in table.items() for surface, told in row.items() if told]


def drawn(table: Table) -> str:
    """Return the table as text: leaks by flow and surface."""
    width = max(len(flow) for flow in table)
    lines = [" " * width + "  " + "  ".join(SURFACES)]
    for flow, row in table.items():
        cells = "  ".join(f"{len(row[surface]) if surface in row else '-':>{len(surface)}}" for surface in SURFACES)
        lines.append(f"{flow:<{width}}  {cells}")
    return "\n".join(lines)
