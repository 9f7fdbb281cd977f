"""`keytui test`: ask the providers whether keys work, or send each a test prompt."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

from keytui import threads
from keytui.cli import asking, drawing, rendering
from keytui.cli.drawing import Cell
from keytui.cli.session import say
from keytui.errors import (
    EXIT_DONE,
    EXIT_REFUSED,
    EXIT_STORE,
    EXIT_UNREACHABLE,
    KeyRefused,
    ProviderUnreachable,
    StoreError,
    StoreLocked,
    StoreUnavailable,
    UsageError,
)
from keytui.model import Verdict
from keytui.printing import printable

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from keytui.cli.session import Session
    from keytui.model import Key, Secret
    from keytui.providers.prompts import Summary

_AT_ONCE = 8
_PROMPT_LIMIT = 100_000  # characters
_INDENT = "    "
_WORD_COLUMNS = len("rate limited")
_TIME_COLUMNS = len("10000 ms")
_COLORS = {"valid": "good", "restricted": "good", "invalid": "bad", "no_quota": "bad"}


def arguments_test(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="names of keys")
    parser.add_argument("--all", action="store_true", help="every key that is not in the trash")
    parser.add_argument("--prompt", metavar="TEXT", help="send this prompt instead; - reads it from standard input")
    parser.add_argument("--model", metavar="M", help="model to ask, with --prompt")
    parser.add_argument("--json", action="store_true", help="print an array of objects")


def run_test(options: Namespace, session: Session) -> int:
    """Run the command. Several keys: the store's failures come before refused keys, those before the rest.

    Raises:
        KeyNotFound: No key has one of the names.
        UsageError: Nothing to test, or options that do not go together.
        StoreLocked: Nobody to ask for the passphrase.
    """
    if bool(options.names) == options.all:
        raise UsageError("Name the keys to test, or use --all.", "See: keytui test --help")
    if options.model is not None and options.prompt is None:
        raise UsageError("--model goes with --prompt.", "A check without a prompt asks no model.")
    prompt = _prompt(options.prompt)
    keys = session.store.keys() if options.all else [session.store.find(name) for name in dict.fromkeys(options.names)]
    if prompt is not None:
        keys = _without_admin(keys, named=not options.all)
    if not keys:
        say("There are no keys to test.")
    _open_store(session, keys)
    if prompt is not None:
        return threads.run(_prompt_each(session, keys, prompt, options))
    return threads.run(_check_each(session, keys, as_json=options.json))


def _prompt(given: str | None) -> str | None:
    text = asking.read_stdin(4 * _PROMPT_LIMIT + 1) if given == "-" else given
    if text is not None and not text.strip():
        raise UsageError("The prompt is empty.", "See: keytui test --help")
    if text is not None and len(text) > _PROMPT_LIMIT:
        raise UsageError(f"The prompt has at most {_PROMPT_LIMIT:,} characters.", "Send less.")
    return text


def _without_admin(keys: Sequence[Key], *, named: bool) -> list[Key]:
    """Leave out admin keys, which answer no prompts; one that was named is a mistake to tell."""
    admin = [key.name for key in keys if key.kind == "admin"]
    if admin and named:
        raise UsageError(f"“{admin[0]}” is an admin key and answers no prompts.", "Check it without --prompt.")
    return [key for key in keys if key.kind != "admin"]


def _open_store(session: Session, keys: Sequence[Key]) -> None:
    """Read one key, so that a locked vault asks for its passphrase once and before anything is sent."""
    for key in keys:
        try:
            session.unlocked(lambda key=key: session.store.read(key.id))  # type: ignore[misc] # bound at once
        except (StoreLocked, StoreUnavailable):
            raise
        except StoreError:
            continue  # a fault of this key alone; its own row says so
        return


async def _check_each(session: Session, keys: Sequence[Key], *, as_json: bool) -> int:
    from keytui.providers import checks

    gate = asyncio.Semaphore(_AT_ONCE)
    seconds = session.settings.check_seconds

    async def check(key: Key) -> Verdict | StoreError:
        async with gate:
            try:
                secret = await asyncio.to_thread(session.store.read, key.id)
            except StoreError as error:
                return error
            verdict = await checks.check(key, secret, timeout_s=seconds)
            await asyncio.to_thread(session.note, key, verdict, secret)
            return verdict

    names = max((drawing.width(printable(key.name)) for key in keys), default=0)
    tasks = [asyncio.create_task(check(key)) for key in keys]
    rows: list[dict[str, object]] = []
    code = EXIT_DONE
    for key, task in zip(keys, tasks, strict=True):
        answer = await task
        code = _worse(code, _code(answer))
        if as_json:
            rows.append(_row(key, answer))
        else:
            _print_row(key, answer, names)
    if as_json:
        rendering.print_json(rows)
    return code


async def _prompt_each(session: Session, keys: Sequence[Key], prompt: str, options: Namespace) -> int:
    rows: list[dict[str, object]] = []
    code = EXIT_DONE
    for key in keys:
        if len(keys) > 1 and not options.json:
            say(f"{key.name}:")
        answer, shown, summary, said = await _ask(session, key, prompt, options)
        code = _worse(code, said)
        if options.json:
            rows.append({**_row(key, answer), **_answer_json(shown, summary)})
        else:
            say(f"keytui: {_detail(answer)}" if summary is None else _numbers(summary))
            if summary is not None and summary.remark:
                say(summary.remark)
    if options.json:
        rendering.print_json(rows)
    return code


async def _ask(
    session: Session, key: Key, prompt: str, options: Namespace
) -> tuple[Verdict | StoreError, str, Summary | None, int]:
    """Send the prompt with one key, print the answer as it comes unless JSON is wanted, remember the verdict.

    The exit code is that of the failure: an unknown model fails and leaves the key valid.
    """
    from keytui.providers import prompts

    pieces: list[str] = []
    summary: Summary | None = None
    code = EXIT_DONE
    try:
        secret: Secret = await asyncio.to_thread(session.store.read, key.id)
    except StoreError as error:
        return error, "", None, error.exit_code
    try:
        stream = prompts.stream(
            key, secret, prompt, model=options.model or "", timeout_s=session.settings.prompt_seconds
        )
        async with contextlib.aclosing(stream):
            async for part in stream:
                if isinstance(part, prompts.Summary):
                    summary = part
                    continue
                pieces.append(part.text)
                if not options.json:
                    _print_piece(part.text)
        verdict = _proven(summary)
        code = _code(verdict)
    except (KeyRefused, ProviderUnreachable) as error:
        verdict, summary, code = error.verdict, None, error.exit_code
    answer = "".join(pieces)
    if answer and not answer.endswith("\n") and not options.json:
        _print_piece("\n")
    if verdict.word not in ("unknown", "unreachable"):  # a wrong model or a cut answer says nothing of the key
        await asyncio.to_thread(session.note, key, verdict, secret)
    return verdict, answer, summary, code


def _proven(summary: Summary | None) -> Verdict:
    """Return the verdict of an answer that came whole."""
    if summary is None:
        raise RuntimeError("an answer ended without its summary")
    return summary.verdict


def _print_piece(text: str) -> None:
    """Print a piece of an answer; a terminal gets no control characters from a model, nobody half a character."""
    if sys.stdout.isatty():
        text = printable(text, keep="\n\t")
    sys.stdout.write(text.encode("utf-8", "replace").decode())
    sys.stdout.flush()


def _print_row(key: Key, answer: Verdict | StoreError, names: int) -> None:
    if isinstance(answer, Verdict):
        word, color = answer.word.replace("_", " "), _COLORS.get(answer.word, "fair")
        took = f"{answer.latency_ms} ms" if answer.latency_ms is not None else ""
    else:
        word, color, took = "not asked", "bad", ""
    name = printable(key.name)
    row = [
        Cell(name + " " * (names - drawing.width(name))),
        Cell(word.ljust(_WORD_COLUMNS), color),
        Cell(took.rjust(_TIME_COLUMNS)),
        Cell(_detail(answer)),
    ]
    columns, below = drawing.screen_columns(), []
    if columns is not None:  # Else a line for each key, to be read by another program.
        if drawing.width(drawing.table([row], columns=None, colored=False).rstrip()) > columns:
            below += drawing.folded(row.pop().text, columns - len(_INDENT))
        below += drawing.folded(_evidence(answer), columns - len(_INDENT))
    sys.stdout.write(drawing.table([row], columns=columns, colored=drawing.wants_color()))
    sys.stdout.writelines(f"{_INDENT}{line}\n" for line in below)
    sys.stdout.flush()


def _evidence(answer: Verdict | StoreError) -> str:
    """Return what a provider's support asks for, where something is wrong with a key."""
    if not isinstance(answer, Verdict) or answer.word == "valid":
        return ""
    parts = (f"HTTP {answer.status}" if answer.status is not None else "", answer.code, answer.request_id)
    return " · ".join(part for part in parts if part)


def _row(key: Key, answer: Verdict | StoreError) -> dict[str, object]:
    if isinstance(answer, Verdict):
        return {**rendering.verdict_json(key.name, answer), "limits": answer.limits or None}
    return {**rendering.verdict_json(key.name, None, answer.sentence), "limits": None}


def _answer_json(answer: str, summary: Summary | None) -> dict[str, object]:
    return {
        "answer": answer or None,
        "model": summary.model if summary else None,
        "ttft_ms": summary.ttft_ms if summary else None,
        "tokens_per_s": round(summary.tokens_per_s, 1) if summary and summary.tokens_per_s is not None else None,
        "usage": summary.usage if summary else None,
        "finish_reason": summary.finish_reason if summary else None,
    }


def _numbers(summary: Summary) -> str:
    parts = [summary.model]
    if summary.ttft_ms is not None:
        parts.append(f"{'first token' if summary.streamed else 'whole answer'} after {summary.ttft_ms} ms")
    if summary.tokens_per_s is not None:
        parts.append(f"{summary.tokens_per_s:.0f} tokens/s")
    if summary.usage and "total_tokens" in summary.usage:
        parts.append(f"{summary.usage['total_tokens']} tokens")
    if summary.finish_reason not in (None, "stop") and not summary.ending:
        parts.append(f"ended by: {summary.finish_reason}")
    if summary.limits:
        parts.append(summary.limits)
    return " · ".join(parts)


def _detail(answer: Verdict | StoreError) -> str:
    if not isinstance(answer, Verdict):
        return answer.sentence
    return f"{answer.detail} {answer.limits[:1].upper()}{answer.limits[1:]}." if answer.limits else answer.detail


def _code(answer: Verdict | StoreError) -> int:
    if isinstance(answer, StoreError):
        return EXIT_STORE
    if answer.word in ("invalid", "no_quota"):
        return EXIT_REFUSED
    return EXIT_DONE if answer.word in ("valid", "restricted") else EXIT_UNREACHABLE


def _worse(one: int, other: int) -> int:
    """Return the code that says more: the smallest that is not 0 (4 before 5 before 6)."""
    return min((code for code in (one, other) if code), default=EXIT_DONE)
