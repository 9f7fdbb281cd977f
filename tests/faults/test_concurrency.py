"""Many commands at once on one store. KEYTUI_TEST_PROCESSES and KEYTUI_TEST_OPERATIONS make it larger.

With -n0, pytest shows the figures: python -m pytest -n0 -m slow tests/faults/test_concurrency.py
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from typing import TYPE_CHECKING, NamedTuple

import pytest

from keytui import cli, process
from keytui.errors import EXIT_DONE, EXIT_STORE
from keytui.storage import keystore
from tests.faults.commands import slots_on_disk
from tests.storage.killing import reopen
from tests.stores import fake_key, fields, open_vault

if TYPE_CHECKING:
    from keytui.model import Secret
    from keytui.settings import Settings
    from keytui.storage.keystore import Keystore

PROCESSES = int(os.environ.get("KEYTUI_TEST_PROCESSES", "8"))
OPERATIONS = int(os.environ.get("KEYTUI_TEST_OPERATIONS", "10"))


class Operation(NamedTuple):
    """One command on a key of its own.

    Attributes:
        stored: The key's value before, or None when there is no such key yet.
        then: Its value after, or None when it is in the trash.
    """

    words: tuple[str, ...]
    stdin: str
    stored: Secret | None
    then: Secret | None

    @property
    def name(self) -> str:
        """Name of the key."""
        return self.words[1]


def operation(part: int, number: int) -> Operation:
    name, old, new = f"key-{part}-{number}", fake_key(), fake_key()
    told = ("--stdin", "--no-check")
    kind = number % 5
    if kind == 1:
        return Operation(("rotate", name, *told), new.reveal(), old, new)
    if kind == 2:
        return Operation(("delete", name, "-y"), "", old, None)
    if kind == 3:
        return Operation(("delete", name, "--now", "-y"), "", old, None)
    return Operation(("add", name, *told), new.reveal(), None, new)


def work(operations: list[Operation], settings: Settings, identity: Secret, answers: int) -> None:
    """Be one of the processes: run the commands, and write each exit code and what was said to a pipe."""

    def opened(_settings: Settings) -> Keystore:
        return reopen(settings, identity)

    with contextlib.ExitStack() as stack:
        stack.callback(setattr, keystore, "Keystore", keystore.Keystore)
        keystore.Keystore = opened  # type: ignore[assignment,misc] # the same, with its vault open
        process.harden = lambda: None
        for each in operations:
            said = io.BytesIO()
            streams = (io.BytesIO(each.stdin.encode()), io.BytesIO(), said)
            sys.stdin, sys.stdout, sys.stderr = (io.TextIOWrapper(stream, encoding="utf-8") for stream in streams)
            code = cli.main(list(each.words))
            sys.stderr.flush()
            os.write(answers, f"{code}\t{said.getvalue()!r}\n".encode())


def started(operations: list[Operation], settings: Settings, identity: Secret, begin: int) -> tuple[int, int]:
    """Start a process that waits for the beginning; returns its id and where its answers come."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    code = 1
    try:
        os.read(begin, 1)
        work(operations, settings, identity, writer)
        code = 0
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(code)


@pytest.mark.parametrize(
    ("processes", "operations", "patience"),
    [
        pytest.param(4, 5, 10, id="few"),
        pytest.param(8, 1, 10, id="the first keys of all"),
        pytest.param(4, 10, 0, id="few, impatient"),
        pytest.param(PROCESSES, OPERATIONS, 10, id="many", marks=pytest.mark.slow),
    ],
)
def test_every_exit_0_has_its_effect_and_every_other_none(
    settings: Settings, processes: int, operations: int, patience: int, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings._replace(lock_seconds=patience)
    _, identity = open_vault(settings)
    plan = [[operation(part, number) for number in range(operations)] for part in range(processes)]
    store = reopen(settings, identity)
    for each in (each for part in plan for each in part):
        if each.stored is not None:
            store.add(fields(each.name), each.stored)
    store.close()

    wait, begin = os.pipe()
    running = [started(part, settings, identity, wait) for part in plan]
    os.write(begin, b"x" * processes)
    answers = []
    for child, reader in running:
        with os.fdopen(reader) as file:
            answers.append([line.rstrip("\n").partition("\t") for line in file])
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for descriptor in (wait, begin):
        os.close(descriptor)

    store = reopen(settings, identity)
    busy = 0
    for each, (code, _, said) in (pair for part in zip(plan, answers, strict=True) for pair in zip(*part, strict=True)):
        assert int(code) in (EXIT_DONE, EXIT_STORE), (each.words, code, said)
        assert "database" not in said
        busy += int(code) == EXIT_STORE
        expected = each.then if int(code) == EXIT_DONE else each.stored
        found = [store.read(key.id) for key in store.keys() if key.name == each.name]
        assert found == ([] if expected is None else [expected]), (each.words, code, said)
    store.recover()
    keys = store.keys() + store.keys(trash=True)
    assert slots_on_disk(settings) == {f"{version.slot}.age" for key in keys for version in store.versions(key.id)}
    assert store.recover() == []
    with capsys.disabled():
        sys.stdout.write(f"\n{processes} x {operations}: {processes * operations - busy} done, {busy} told 4\n")
