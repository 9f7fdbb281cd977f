"""`keytui add`: a key comes in, by a hidden prompt or a pipe."""

from __future__ import annotations

from keytui import threads
from keytui.cli import asking, failing, parsing
from keytui.cli.session import say
from keytui.errors import (
    EXIT_DONE,
    InvalidInput,
    NameTaken,
    UsageError,
)
from keytui.flows import keys
from keytui.model import KeyFields
from keytui.providers import catalog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from keytui.cli.session import Session
    from keytui.flows.keys import Proposal
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
    if not options.no_check and _told_whose(options, proposal):
        _tell_verdict(session, key, secret)
    elif not options.no_check:
        say(f"Not checked: it is not sure that this is a key of {label}. If it is: keytui test {key.name}")
    session.tidy()
    return EXIT_DONE


def _told_whose(options: Namespace, proposal: Proposal) -> bool:
    """Whether a check shows the key to nobody whose it may not be: a shape that several share is only a guess."""
    named = options.provider is not None or options.base_url is not None
    return named or proposal.sure or bool(catalog.PROVIDERS[proposal.fields.provider].placeholders)


def _fields(options: Namespace, proposed: KeyFields) -> KeyFields:
    """Return the proposed fields with those of the command line over them."""
    fields = proposed._replace(
        name=options.name,
        allow_http=options.allow_http,
        kind=options.kind or proposed.kind,
        model=options.model or "",
        tags=tuple(options.tag),
        note=options.note or "",
        rotate_every_days=options.rotate_every or proposed.rotate_every_days,
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

    verdict = threads.run(checks.check(key, secret, timeout_s=session.settings.check_seconds))
    session.note(key, verdict, secret)
    say(f"Checked: {verdict.word.replace('_', ' ')}. {verdict.detail}")
