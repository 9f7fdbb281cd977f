"""`keytui rotate`: a successor that is pasted, or issued by the provider, and going on with what was interrupted."""

from __future__ import annotations

import asyncio
import sys
import time

from keytui.cli import asking, parsing, rendering
from keytui.cli.session import say
from keytui.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    KeytuiError,
    LeftBehind,
    ProviderUnreachable,
    SecretDamaged,
    SecretMissing,
    UsageError,
)
from keytui.printing import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence

    from keytui.cli.session import Session
    from keytui.flows.issue_plan import Plan
    from keytui.flows.issuing import Outcome
    from keytui.flows.rotation import RotationOutcome, Stage
    from keytui.model import Key, Rotation, Secret

_ISSUE_ONLY = ("admin", "to_service_account", "old_key_id")
_PASTED_ONLY = ("stdin", "no_check")


def arguments_rotate(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="name of the key")
    asking.secret_arguments(parser, variable=False)
    parser.add_argument("--no-check", action="store_true", help="switch to a pasted key without asking the provider")
    parser.add_argument("--issue", action="store_true", help="have the provider issue the new key, by an admin key")
    parser.add_argument("--admin", metavar="KEY", help="name of the admin key to use, where several fit")
    parser.add_argument("--to-service-account", metavar="NAME", help="make the new key for this service account")
    parser.add_argument("--old-key-id", metavar="ID", help="the old key's id at the provider, to have it revoked")
    grace = parser.add_mutually_exclusive_group()
    grace.add_argument("--grace", metavar="24h", type=parsing.duration, help="how long the old key goes on working")
    grace.add_argument("--now", action="store_true", help="revoke the old key right after the switch")
    parser.add_argument("--dry-run", action="store_true", help="say what --issue would do, and do nothing")
    parser.add_argument("--resume", action="store_true", help="go on with every rotation that was interrupted or waits")
    parser.add_argument("--give-up", action="store_true", help="give up the rotation of this key that has not ended")
    parser.add_argument("-y", dest="yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print an object; with --resume an array of them")


def run_rotate(options: Namespace, session: Session) -> int:
    """Run the command.

    Raises:
        KeyNotFound: No key has this name.
        UsageError: Options that do not go together, or no admin key fits.
        NotConfirmed: The person declined, or there was nobody to ask.
        KeyRefused: The provider refused the new key or the admin key; the old key stays in use.
        ProviderUnreachable: The provider did not answer; the sentence says how far it got.
        StoreError: The store cannot be used.
    """
    _check(options)
    if options.resume:
        return _resume(options, session)
    key = session.store.find(options.name)
    if options.give_up:
        return _give_up(options, session, key)
    return _issue(options, session, key) if options.issue else _paste(options, session, key)


def _check(options: Namespace) -> None:
    if options.resume:
        others = (*_ISSUE_ONLY, *_PASTED_ONLY, "grace", "dry_run", "give_up")
        if options.name or options.issue or _given(options, others):
            raise UsageError("--resume goes on with every rotation and takes no name.", "Also possible: --now, -y.")
        return
    if not options.name:
        raise UsageError("Name the key to rotate, or use --resume.", "See: keytui rotate --help")
    if options.give_up and (options.issue or _given(options, (*_PASTED_ONLY, *_ISSUE_ONLY, "grace", "now", "dry_run"))):
        raise UsageError("--give-up ends a rotation and begins none.", "Also possible: -y, --json.")
    if options.issue and _given(options, _PASTED_ONLY):
        raise UsageError("--issue has the provider make the new key, so none is pasted.", "Use one of the two.")
    wrong = _given(options, (*_ISSUE_ONLY, "grace", "now", "dry_run"))
    if wrong and not options.issue:
        raise UsageError(f"--{wrong[0].replace('_', '-')} goes with --issue.", "See: keytui rotate --help")


def _given(options: Namespace, names: Sequence[str]) -> list[str]:
    return [name for name in names if getattr(options, name)]


# --- issued


def _issue(options: Namespace, session: Session, key: Key) -> int:
    from keytui.flows import issue_plan, issuing

    grace_s = 0 if options.now else options.grace
    session.store.recover()

    def planned() -> Plan:
        how = {
            "admin": options.admin or "",
            "to_account": options.to_service_account or "",
            "old_key_id": options.old_key_id or "",
        }
        return asyncio.run(issue_plan.plan(session.store, key.id, grace_s=grace_s, **how))

    plan = session.unlocked(planned)
    if options.dry_run:
        if options.json:
            rendering.print_json(rendering.plan_json(plan))
        else:
            sys.stdout.write("".join(f"{printable(sentence)}\n" for sentence in plan.sentences))
        return EXIT_DONE
    if plan.needs_consent:
        raise UsageError(
            f"“{key.name}” belongs to no service account as far as is known, and a new key has to.",
            f"Agree by naming one: --to-service-account {plan.home.account_name}",
        )
    for sentence in plan.sentences:
        say(sentence)
    asking.confirm(f"Rotate {key.name}?", yes=options.yes)
    outcome = session.unlocked(lambda: asyncio.run(issuing.start(session.store, plan, stage=_tell_stage)))
    _tell_outcome(outcome)
    if options.json:
        rendering.print_json(_outcome_json(key.name, outcome))
    session.tidy()
    return EXIT_DONE


def _tell_outcome(outcome: Outcome) -> None:
    key = outcome.key
    if key is None:
        return
    if outcome.retire_at is not None:
        from keytui.flows.issue_plan import until

        at = until(outcome.retire_at)
        say(f"{key.name} is rotated ({key.masked}). The old key works until {at}; go back to it with: keytui undo")
        say("Run keytui rotate --resume after that, or open the app: it is then revoked, and proven dead.")
    else:
        say(f"{key.name} is rotated ({key.masked}).")


def _outcome_json(name: str, outcome: Outcome) -> dict[str, object]:
    key = outcome.key
    return {
        "name": name,
        "state": outcome.state,
        "masked": key.masked if key is not None else None,
        "rotated_at": rendering.utc(key.rotated_at) if key is not None else None,
        "expires_at": rendering.utc(key.expires_at) if key is not None else None,
        "retire_at": rendering.utc(outcome.retire_at),
        "revoked": outcome.revoked,
        "error": None,
    }


# --- going on


def _resume(options: Namespace, session: Session) -> int:
    from keytui.flows import resuming

    for sentence in session.store.recover():
        say(sentence)
    now = int(time.time())
    rows = [row for row in reversed(session.store.rotations()) if row.kind != "pasted" or row.state != "planned"]
    due = [row for row in rows if options.now or not resuming.in_grace(row, now)]
    for row in rows:
        say(resuming.next_step(session.store, row, due=row in due))
    if due:
        asking.confirm("Go on?", yes=options.yes)
    elif not rows:
        say("There is nothing to resume.")
    answers = [_go_on(session, row, now=options.now) for row in due]
    if options.json:
        rendering.print_json([answer for answer, _code in answers])
    session.tidy()
    return min((code for _answer, code in answers if code), default=EXIT_DONE)


def _go_on(session: Session, row: Rotation, *, now: bool) -> tuple[dict[str, object], int]:
    """Go on with one; the others are tried whatever becomes of it."""
    from keytui.flows import resuming

    name = session.store.key(row.key_id).name
    nothing = dict.fromkeys(("masked", "rotated_at", "expires_at", "retire_at"))

    def work() -> Outcome:
        if now:
            session.store.hasten_rotation(row.id)
        return asyncio.run(resuming.go_on(session.store, row, stage=_tell_stage))

    try:
        outcome = session.unlocked(work)
    except KeytuiError as error:
        say(f"keytui: {name}: {error.sentence} {error.hint}".rstrip())
        failed = {"name": name, "state": row.state, **nothing, "revoked": False, "error": error.sentence}
        return failed, error.exit_code or EXIT_FAILED
    if outcome.key is None:
        say(f"{name}: {outcome.sentence}{' It is deleted here.' if outcome.revoked else ''}")
    return _outcome_json(name, outcome), EXIT_DONE


# --- giving up


def _give_up(options: Namespace, session: Session, key: Key) -> int:
    from keytui.flows import giving_up, issuing, rotation

    session.store.recover()
    row = next((each for each in session.store.rotations() if each.key_id == key.id), None)
    if row is None:
        raise KeytuiError(f"No rotation of {key.name} is under way.")
    row_id = row.id
    if row.kind == "pasted":
        asking.confirm(f"Delete the stored new key of {key.name}, at once and not to the trash?", yes=options.yes)
        session.unlocked(lambda: asyncio.run(rotation.discard(session.store, row_id)))
    else:
        revoked = "Its new key is revoked. " if row.kind == "issued" and row.state in issuing.GIVEN_UP else ""
        asking.confirm(f"{revoked}Give up what is under way for {key.name}?", yes=options.yes)
        try:
            session.unlocked(lambda: asyncio.run(giving_up.abandon(session.store, row_id)))
        except LeftBehind as left:
            _leave(session, left, yes=options.yes)
    say(f"Given up. {key.name} is as it is: the key in use stays.")
    if options.json:
        rendering.print_json(_outcome_json(key.name, issuing.Outcome(key, "abandoned", None, revoked=False)))
    session.tidy()
    return EXIT_DONE


def _leave(session: Session, left: LeftBehind, *, yes: bool) -> None:
    """Give up what leaves a key at the provider, if the person agrees once more.

    Raises:
        ProviderUnreachable: It cannot be asked now, which may pass, and there is nobody here who decides.
    """
    from keytui.flows import giving_up

    for sentence in (left.cause.sentence, left.sentence, left.hint):
        if sentence:
            say(sentence)
    if isinstance(left.cause, ProviderUnreachable) and (yes or not asking.has_terminal()):
        left.cause.hint = "Try again later; to give it up anyway, run the command on a terminal without -y."
        raise left.cause
    asking.confirm("Give it up anyway?", yes=yes)
    session.unlocked(lambda: asyncio.run(giving_up.leave(session.store, left)))


# --- pasted


def _paste(options: Namespace, session: Session, key: Key) -> int:
    from keytui.flows import rotation
    from keytui.flows.issuing import Outcome

    secret = asking.secret(options, f"New key for {key.name}")
    seconds = session.settings.check_seconds
    check = not options.no_check
    _make_way(session, key, secret, yes=options.yes)

    def rotate() -> RotationOutcome:
        store = session.store
        started = rotation.rotate_pasted(store, key.id, secret, check=check, timeout_s=seconds, stage=_tell_stage)
        return asyncio.run(started)

    try:
        outcome = session.storing(rotate)
    except KeyboardInterrupt:
        if any(row.key_id == key.id and row.state in rotation.KEPT for row in session.store.rotations()):
            say(f"\nStopped; the old key of {key.name} stays in use. {rotation.kept_hint(key.name)}")
        raise
    if not outcome.switched:
        raise rotation.not_switched(outcome)
    way_back = "Take it back with: keytui undo" if session.settings.keep_previous_days else "The old key is not kept."
    say(f"{outcome.key.name} is rotated ({outcome.key.masked}). {way_back}")
    if options.json:
        rendering.print_json(_outcome_json(key.name, Outcome(outcome.key, "done", None, revoked=False)))
    session.tidy()
    return EXIT_DONE


def _make_way(session: Session, key: Key, secret: Secret, *, yes: bool) -> None:
    """Give up what an earlier try stored, or end the grace period of the last rotation, if the person agrees.

    Raises:
        NotConfirmed: The person does not, or there was nobody to ask.
    """
    session.store.recover()
    earlier = next((row for row in session.store.rotations() if row.key_id == key.id), None)
    if earlier is None:
        return
    if earlier.kind == "issued" and earlier.state in ("switched", "retiring"):
        from keytui.flows import issuing, standing

        asking.confirm(f"{key.name}: {standing.still_works(earlier)}. Revoke it now?", yes=yes)
        row_id = earlier.id
        session.unlocked(lambda: asyncio.run(issuing.end_now(session.store, row_id, stage=_tell_stage)))
        return
    if earlier.kind != "pasted":
        raise KeytuiError(f"“{key.name}” is already being rotated.", "Go on with it: keytui rotate --resume")
    if earlier.state not in ("planned", "stored", "verified"):
        return
    _drop_earlier(session, key, earlier, lambda value: value == secret, yes=yes)


def _drop_earlier(session: Session, key: Key, earlier: Rotation, same: Callable[[Secret], bool], *, yes: bool) -> None:
    try:
        if same(session.unlocked(lambda: session.store.read(key.id, earlier.new_version))):
            return  # the rotation goes on with it
        found = f"Another new key of {key.name}, from an earlier try, is stored."
    except SecretMissing:
        return  # the rotation gives up what is not there
    except SecretDamaged:
        found = f"What an earlier try stored as the new key of {key.name} cannot be read."
    asking.confirm(f"{found} Delete that one?", yes=yes)
    session.unlocked(lambda: session.store.abandon_rotation(earlier.id))


def _tell_stage(stage: Stage) -> None:
    if stage.slow or stage.state in ("done", "skipped"):  # a failure is told once, by the error that ends the command
        say(f"{stage.sentence.rstrip('.')}.")
