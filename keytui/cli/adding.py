"""`keytui add` and `keytui rotate`: a key comes in, by a hidden prompt or a pipe."""

from __future__ import annotations

import asyncio

from keytui.cli import asking, failing, parsing
from keytui.cli.session import say
from keytui.errors import (
    EXIT_DONE,
    InvalidInput,
    KeyRefused,
    KeytuiError,
    NameTaken,
    ProviderUnreachable,
    SecretDamaged,
    SecretMissing,
    UsageError,
)
from keytui.flows import keys
from keytui.model import KeyFields
from keytui.providers import catalog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from keytui.cli.session import Session
    from keytui.flows.rotation import RotationOutcome, Stage
    from keytui.model import Key, Secret


def arguments_add(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", help="a name of your choice")
    parser.add_argument("--kind", choices=("api", "admin"), help="admin for a key that manages other keys")
    parser.add_argument("--provider", metavar="P", help="recognized from the key unless given")
    parser.add_argument("--base-url", metavar="U", help="address of an OpenAI-compatible API")
    parser.add_argument("--allow-http", action="store_true", help="allow plain http to another machine")
    parser.add_argument("--env", metavar="VAR", help="variable that programs read the key from")
    parser.add_argument("--model", metavar="M", help="model for test prompts")
    parser.add_argument("--tag", metavar="T", action="append", default=[], help="a word to group by; may be repeated")
    parser.add_argument("--rotate-every", metavar="90d", type=parsing.days, help="interval after which it is due")
    parser.add_argument("--note", metavar="S", help="free text")
    asking.secret_arguments(parser, variable=True)
    parser.add_argument("--no-check", action="store_true", help="do not ask the provider about it")


def run_add(options: Namespace, session: Session) -> int:
    """Run the command. It is done once the key is stored; the verdict is told and changes nothing.

    Raises:
        InvalidInput: A field or the key cannot be stored, or the name is taken.
        StoreError: The store did not take it.
    """
    if catalog.looks_like_key(options.name):
        raise InvalidInput("name", failing.NAME_IS_KEY)
    # The name and the other fields are looked at before the person is asked for the key.
    keys.validate(_fields(options, KeyFields(options.name, "custom", options.base_url or "https://example.com", "")))
    if any(key.name == options.name for key in session.store.keys()):
        raise NameTaken(options.name)
    secret = asking.secret(options, f"Key for {options.name}")
    proposal = keys.propose(session.store, secret)
    fields = _fields(options, proposal.fields)
    for warning in proposal.warnings:
        say(warning)
    key = session.storing(lambda: keys.add(session.store, fields, secret))
    label = catalog.PROVIDERS[key.provider].label
    say(f"Stored {key.name} ({label}, {key.masked}) in the {'vault' if key.backend == 'vault' else 'OS keyring'}.")
    if not options.no_check:
        _tell_verdict(session, key, secret)
    session.tidy()
    return EXIT_DONE


def arguments_rotate(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", help="name of the key")
    asking.secret_arguments(parser, variable=False)
    parser.add_argument("--no-check", action="store_true", help="switch without asking the provider first")
    parser.add_argument("-y", dest="yes", action="store_true", help="do not ask before another stored try is deleted")


def run_rotate(options: Namespace, session: Session) -> int:
    """Run the command.

    Raises:
        KeyNotFound: No key has this name.
        NotConfirmed: Another new key is stored from an earlier try, and is to be kept.
        KeyRefused: The provider refused the new key; the old one stays in use.
        ProviderUnreachable: The new key could not be checked; the old one stays in use.
        StoreError: The store did not take the new key.
    """
    from keytui.flows import rotation

    key = session.store.find(options.name)
    secret = asking.secret(options, f"New key for {key.name}")
    seconds = session.settings.check_seconds
    check = not options.no_check
    _make_way(session, key, secret, yes=options.yes)

    def rotate() -> RotationOutcome:
        store = session.store
        started = rotation.rotate_pasted(store, key.id, secret, check=check, timeout_s=seconds, stage=_tell_stage)
        return asyncio.run(started)

    outcome = session.storing(rotate)
    if not outcome.switched:
        raise _not_switched(outcome)
    way_back = "Take it back with: keytui undo" if session.settings.keep_previous_days else "The old key is not kept."
    say(f"{outcome.key.name} is rotated ({outcome.key.masked}). {way_back}")
    session.tidy()
    return EXIT_DONE


def _fields(options: Namespace, proposed: KeyFields) -> KeyFields:
    """Return the proposed fields with those of the command line over them."""
    fields = proposed._replace(
        name=options.name,
        allow_http=options.allow_http,
        kind=options.kind or proposed.kind,
        model=options.model or "",
        tags=tuple(options.tag),
        note=options.note or "",
        rotate_every_days=options.rotate_every,
    )
    if options.provider is not None:
        provider = catalog.PROVIDERS.get(options.provider.lower())
        if provider is None:
            raise UsageError("This provider is not known.", "Known: " + ", ".join(catalog.PROVIDERS) + ".")
        fields = fields._replace(provider=provider.id, base_url=provider.base_url)
    elif options.base_url is not None:
        found = catalog.by_address(options.base_url)
        if found is not None and (found.checks_keys or not catalog.PROVIDERS[fields.provider].checks_keys):
            fields = fields._replace(provider=found.id, env=found.admin_env if fields.kind == "admin" else found.env)
    if options.provider is not None or options.kind is not None:
        provider = catalog.PROVIDERS[fields.provider]
        fields = fields._replace(env=provider.admin_env if fields.kind == "admin" else provider.env)
    if options.base_url is not None:
        fields = fields._replace(base_url=options.base_url)
    if options.env is not None:
        fields = fields._replace(env=options.env)
    return fields


def _tell_verdict(session: Session, key: Key, secret: Secret) -> None:
    from keytui.providers import checks

    verdict = asyncio.run(checks.check(key, secret, timeout_s=session.settings.check_seconds))
    session.note(key, verdict, secret)
    say(f"Checked: {verdict.word.replace('_', ' ')}. {verdict.detail}")


def _tell_stage(stage: Stage) -> None:
    if stage.state in ("done", "skipped"):  # a failure is told once, by the error that ends the command
        say(f"{stage.sentence.rstrip('.')}.")


def _make_way(session: Session, key: Key, secret: Secret, *, yes: bool) -> None:
    """Give up what an earlier try stored, if that is another new key and the person agrees.

    Raises:
        NotConfirmed: The person wants to keep the other one, or there was nobody to ask.
    """
    session.store.recover()
    earlier = next((row for row in session.store.rotations() if row.key_id == key.id), None)
    if earlier is None or earlier.state not in ("planned", "stored", "verified"):
        return
    try:
        if session.unlocked(lambda: session.store.read(key.id, earlier.new_version)) == secret:
            return  # the rotation goes on with it
        found = f"Another new key of {key.name}, from an earlier try, is stored."
    except SecretMissing:
        return  # the rotation gives up what is not there
    except SecretDamaged:
        found = f"What an earlier try stored as the new key of {key.name} cannot be read."
    asking.confirm(f"{found} Delete that one?", yes=yes)
    session.unlocked(lambda: session.store.abandon_rotation(earlier.id))


def _not_switched(outcome: RotationOutcome) -> KeytuiError:
    verdict = outcome.verdict
    if verdict is None:
        return KeytuiError(f"{outcome.key.name} was not rotated. The old key stays in use.")
    error = KeyRefused(verdict) if verdict.word in ("invalid", "no_quota") else ProviderUnreachable(verdict)
    error.sentence = f"{outcome.key.name} was not rotated and the old key stays in use: {verdict.detail}"
    if outcome.rotation_id is None:
        error.hint = "The new key was not kept."
    else:
        error.hint = "The new key is stored. Run the command again, or with --no-check to switch to it unchecked."
    return error
