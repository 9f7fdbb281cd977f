"""Stand-ins for the derivations, which take seconds each: a sealed text says in clear what opens it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from unittest import mock

from pyrage import x25519

from keytui.errors import WrongPassphrase
from keytui.model import Secret
from keytui.storage import derive

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

_MARK = b"age-encryption.org/v1\n-> scrypt c2FsdA 18\nsealed with "


def protect(passphrase: Secret) -> tuple[Secret, bytes]:
    """See derive.protect."""
    identity = Secret(str(x25519.Identity.generate()))
    return identity, seal(Secret(f"{identity.reveal()}\n"), passphrase)


def unlock(path: str, passphrase: Secret) -> Secret:
    """See derive.unlock."""
    with open(path, "rb") as file:
        return Secret(unseal(file.read(), passphrase).reveal().splitlines()[-1])


def seal(text: Secret, passphrase: Secret) -> bytes:
    """See derive.seal."""
    return _MARK + passphrase.reveal().encode() + b"\n" + text.reveal().encode()


def unseal(sealed: bytes, passphrase: Secret) -> Secret:
    """See derive.unseal."""
    derive.check_sealed(sealed)
    line, _, text = sealed.removeprefix(_MARK).partition(b"\n")
    if line != passphrase.reveal().encode():
        raise WrongPassphrase("The passphrase does not open it.", "Check it and try again.")
    return Secret(text.decode())


_ALL = (protect, unlock, seal, unseal)


def use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the real ones until the end of the test."""
    for stand_in in _ALL:
        monkeypatch.setattr(derive, stand_in.__name__, stand_in)


@contextmanager
def derivations() -> Iterator[None]:
    """Replace the real ones for a while."""
    with ExitStack() as stack:
        for stand_in in _ALL:
            stack.enter_context(mock.patch.object(derive, stand_in.__name__, stand_in))
        yield
