"""`keytui delete` and `keytui undo`."""

from __future__ import annotations

import shlex
import time

from keytui.cli import asking
from keytui.cli.session import say
from keytui.errors import EXIT_DONE, KeyNotFound, KeytuiError, NameTaken, NothingToUndo, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from keytui.cli.session import Session
    from keytui.model import Event, Key


def arguments_delete(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", help="name of the key")
    parser.add_argument("--now", action="store_true", help="delete it at once instead of keeping it in the trash")
    parser.add_argument("--revoke", action="store_true", help="end it at its provider first, and delete it at once")
    parser.add_argument("--admin", metavar="KEY", help="with --revoke: the admin key to use, where several fit")
    parser.add_argument("--old-key-id", metavar="ID", help="with --revoke: the key's id at the provider")
    parser.add_argument("-y", dest="yes", action="store_true", help="do not ask")


def run_delete(options: Namespace, session: Session) -> int:
    """Run the command.

    Raises:
        KeyNotFound: No key has this name.
        NotConfirmed: The person declined, or there was nobody to ask.
        UsageError: Options that do not go together, or what to revoke is not certain.
        KeyRefused: The provider does not accept the admin key; nothing was changed.
        ProviderUnreachable: The key is not proven dead, and stays here.
        KeytuiError: It was given up meanwhile, and stays here.
        StoreError: The store did not delete it.
    """
    if options.revoke:
        return _revoke(options, session)
    if options.admin or options.old_key_id:
        raise UsageError("--admin and --old-key-id go with --revoke.", "See: keytui delete --help")
    key = _find(session, options.name, trash=options.now)
    days = session.settings.trash_days
    now = options.now or not days  # without a trash nothing can be brought back
    kept = f"It stays in the trash for {days} {'day' if days == 1 else 'days'}."
    asking.confirm(
        f"Delete {key.name} now? It cannot be brought back." if now else f"Delete {key.name}? {kept}", yes=options.yes
    )
    deleted = session.unlocked(lambda: session.store.delete(key.id, now=now))
    if now:
        say(f"{key.name} is deleted. The provider still accepts it until it is revoked there.")
    else:
        until = time.strftime("%Y-%m-%d %H:%M", time.localtime(deleted.purge_at)) if deleted.purge_at else "later"
        say(f"{key.name} is in the trash until {until}. Bring it back with: keytui undo")
    session.tidy()
    return EXIT_DONE


def _revoke(options: Namespace, session: Session) -> int:
    import asyncio

    from keytui.flows import revoking

    key = session.store.find(options.name)
    session.store.recover()
    how = {"admin": options.admin or "", "old_key_id": options.old_key_id or ""}
    plan = session.unlocked(lambda: asyncio.run(revoking.plan(session.store, key.id, **how)))
    for sentence in plan.sentences:
        say(sentence)
    asking.confirm(f"Revoke and delete {key.name}? It cannot be brought back.", yes=options.yes)
    outcome = session.unlocked(lambda: asyncio.run(revoking.start(session.store, plan, stage=lambda _: None)))
    if outcome.key is not None:
        sentence = f"{key.name} was not revoked: its revocation was given up meanwhile. It is still stored here."
        raise KeytuiError(sentence, f"Revoke it again: keytui delete {shlex.quote(key.name)} --revoke")
    say(f"{key.name}: {outcome.sentence}{' It is deleted here.' if outcome.revoked else ''}")
    session.tidy()
    return EXIT_DONE


def arguments_undo(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--as", dest="as_name", metavar="NEW", help="bring a deleted key back under this name")
    parser.add_argument("-y", dest="yes", action="store_true", help="do not ask")


def run_undo(options: Namespace, session: Session) -> int:
    """Run the command.

    Raises:
        NothingToUndo: No change can be taken back.
        NotConfirmed: The person declined, or there was nobody to ask.
        UndoRefused: The previous value no longer works.
        NameTaken: The deleted key's name was taken meanwhile.
    """
    import asyncio

    from keytui.flows import undoing

    event = session.store.undoable()
    if event is None:
        raise NothingToUndo("There is nothing to undo.")
    asking.confirm(f"Undo this? {_named(event)}", yes=options.yes)
    try:
        done = session.unlocked(lambda: asyncio.run(undoing.undo(session.store, event, as_name=options.as_name)))
    except NameTaken as taken:
        taken.hint = "Bring it back under another name: keytui undo --as NEW"
        raise
    say(_named(done))
    return EXIT_DONE


def _find(session: Session, name: str, *, trash: bool) -> Key:
    try:
        return session.store.find(name)
    except KeyNotFound:
        if not trash:
            raise
        return session.store.find(name, trash=True)


def _named(event: Event) -> str:
    return event.detail if event.name in event.detail else f"{event.name}: {event.detail}"
