"""Deriving the vault's key from a passphrase, in a child process: it takes seconds, 0.5 GB and the whole interpreter.

pyrage holds the GIL while it derives (1.5 s, measured), so a thread would freeze the interface. The passphrase, what is
sealed or opened and the answer travel by pipe; the child's command line holds the path of identity.age at most.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock

from keytui.errors import SecretDamaged, StoreRefused, StoreUnavailable, WrongPassphrase
from keytui.model import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from keytui.errors import StoreError

STRONG = 18
"""The scrypt work factor (log2 N) wanted of a new identity; the age tool's own is 18."""

WEAKEST = 15
"""An identity protected by less is not opened: somebody may have put it there."""

TRIES = 3
"""pyrage calibrates the factor to the machine's load at that moment, so a weak one is tried again this often."""

SECONDS = 120
"""How long a derivation may take before it is given up; it waits for others of this user too."""

_WRONG, _DAMAGED, _WEAK, _COSTLY, _UNREADABLE = 3, 4, 5, 6, 7
_one_at_a_time = allocate_lock()


def protect(passphrase: Secret) -> tuple[Secret, bytes]:
    """Make an identity, and return it with its passphrase-protected file.

    Raises:
        StoreRefused: This machine cannot protect it well enough at the moment.
        StoreUnavailable: The child process did not end well.
    """
    identity, _, protected = _ask(passphrase, "protect").partition(b"\n")
    check_protection(protected)
    return Secret(identity.decode()), protected


def check_protection(protected: bytes) -> None:
    """Raise StoreRefused when unlock() would refuse this file for its low work factor: nothing may depend on it."""
    if (work_factor(protected) or 0) < WEAKEST:
        hint = "Close other programs and try again."
        raise StoreRefused("This machine is too busy to protect the vault's identity well.", hint)


def unlock(path: str, passphrase: Secret) -> Secret:
    """Return the identity in a passphrase-protected file.

    Raises:
        WrongPassphrase: It does not open it.
        SecretDamaged: The file is no such file.
        StoreRefused: Its work factor is too low to trust or too high to compute.
        StoreUnavailable: The file cannot be read, or the child process did not end well.
    """
    return Secret(_ask(passphrase, "unlock", path).decode().strip())


def seal(text: Secret, passphrase: Secret) -> bytes:
    """Return an age file that holds the text, protected by a passphrase.

    Raises:
        StoreUnavailable: The child process did not end well.
    """
    return _ask(passphrase, "seal", payload=text.reveal().encode())


def unseal(sealed: bytes, passphrase: Secret) -> Secret:
    """Return the text in an age file that is protected by a passphrase.

    Raises:
        WrongPassphrase: It does not open it.
        SecretDamaged: It is no such file, or not as it was written.
        StoreRefused: Opening it takes too much work.
        StoreUnavailable: The child process did not end well.
    """
    check_sealed(sealed)
    try:
        return Secret(_ask(passphrase, "unseal", payload=sealed, told=_of_a_file()).decode())
    except UnicodeDecodeError:
        raise _of_a_file()[_DAMAGED] from None


def check_sealed(sealed: bytes) -> None:
    """Raise SecretDamaged when this is no age file that a passphrase opens; costs nothing."""
    if work_factor(sealed) is None:
        raise _of_a_file()[_DAMAGED]


def work_factor(protected: bytes) -> int | None:
    """Return log2 N of an age file's scrypt stanza, or None when it has none.

    The header is text: the line "age-encryption.org/v1", then "-> scrypt SALT N" (that document's "scrypt recipient").
    """
    lines = protected[:1024].split(b"\n")
    words = lines[1].split(b" ") if len(lines) > 1 and lines[0] == b"age-encryption.org/v1" else []
    if len(words) != 4 or words[:2] != [b"->", b"scrypt"] or not words[3].isdigit():
        return None
    return int(words[3])


def main(arguments: list[str]) -> int:
    """Be the child: read the passphrase and what else it needs from stdin, answer on stdout."""
    from keytui import process

    process.harden()
    length = int(sys.stdin.buffer.readline())
    passphrase = sys.stdin.buffer.read(length).decode()
    payload = sys.stdin.buffer.read()
    if arguments[0] == "protect":
        answer = _protect(passphrase)
    elif arguments[0] == "seal":
        answer = _seal(payload, passphrase)
    elif arguments[0] == "unseal":
        code, answer = _unseal(payload, passphrase)
        if code:
            return code
    else:
        code, answer = _unlock(arguments[1], passphrase)
        if code:
            return code
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    return 0


def _protect(passphrase: str) -> bytes:
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    plain = f"# public key: {identity.to_public()}\n{identity}\n".encode()
    return f"{identity}\n".encode() + _seal(plain, passphrase)


def _seal(plain: bytes, passphrase: str) -> bytes:
    import pyrage

    sealed, factor = b"", -1
    for _ in range(TRIES):
        attempt = pyrage.passphrase.encrypt(plain, passphrase)
        if (found := work_factor(attempt) or 0) > factor:
            sealed, factor = attempt, found
        if factor >= STRONG:
            break
    return sealed


def _unseal(sealed: bytes, passphrase: str) -> tuple[int, bytes]:
    import pyrage

    try:
        return 0, pyrage.passphrase.decrypt(sealed, passphrase)
    except pyrage.DecryptError as error:
        return _failure(str(error)), b""


def _unlock(path: str, passphrase: str) -> tuple[int, bytes]:
    import pyrage

    try:
        with open(path, "rb") as file:
            _wait_for_others(file.fileno())
            protected = file.read()
            factor = work_factor(protected)
            if factor is None:
                return _DAMAGED, b""
            if factor < WEAKEST:
                return _WEAK, b""
            plain = pyrage.passphrase.decrypt(protected, passphrase)
    except OSError:
        return _UNREADABLE, b""
    except pyrage.DecryptError as error:
        return _failure(str(error)), b""
    lines = [line for line in plain.splitlines() if line and not line.startswith(b"#")]
    return (0, lines[0]) if len(lines) == 1 else (_DAMAGED, b"")


def _failure(text: str) -> int:
    if "xcessive work" in text:
        return _COSTLY
    # pyrage tells its errors apart by their text alone (1.4.0, tried).
    return _WRONG if text == "Decryption failed" else _DAMAGED


def _wait_for_others(descriptor: int) -> None:
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except (ImportError, OSError):
        pass  # Windows, or a file system without locks: several at once only cost memory


def _ask(
    passphrase: Secret, *arguments: str, payload: bytes = b"", told: Mapping[int, StoreError] | None = None
) -> bytes:
    import subprocess

    from keytui import process

    command = process.helper_command("keytui.storage.derive", *arguments)
    spoken = passphrase.reveal().encode()
    with _one_at_a_time:
        try:
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except OSError as error:
            raise StoreUnavailable(f"The vault's helper cannot be started: {error.strerror}.") from None
        with child:
            try:
                answer, _ = child.communicate(b"%d\n%b%b" % (len(spoken), spoken, payload), timeout=SECONDS)
            except subprocess.TimeoutExpired:
                raise StoreUnavailable(f"Opening the vault took longer than {SECONDS} s.", "Try again.") from None
            finally:
                child.kill()  # does nothing to one that has ended
    if child.returncode != 0:
        raise (told or _of_the_vault()).get(child.returncode) or _ended()
    return answer


def _of_the_vault() -> Mapping[int, StoreError]:
    name, backup = "identity.age in the vault", "Restore it from a backup; do not set the vault up again."
    permissions = "Check its permissions and its folder's."
    return {
        _WRONG: WrongPassphrase("The passphrase does not open the vault.", "Check it and try again."),
        _DAMAGED: SecretDamaged(f"{name} is not what was written.", backup),
        _WEAK: StoreRefused(f"{name} is protected too weakly to be opened.", backup),
        _COSTLY: StoreRefused(f"{name} takes too much work to open on this machine.", backup),
        _UNREADABLE: StoreUnavailable(f"{name} cannot be read.", permissions),
    }


def _of_a_file() -> Mapping[int, StoreError]:
    return {
        _WRONG: WrongPassphrase("The passphrase does not open this file.", "Check it and try again."),
        _DAMAGED: SecretDamaged(
            "This is no file that a passphrase opens, or it is damaged.", "Use a file that `keytui export` wrote."
        ),
        _COSTLY: StoreRefused("This file takes too much work to open on this machine.", "Open it on the one it is of."),
    }


def _ended() -> StoreError:
    hint = "It needs about 600 MB of memory; close something and try again."
    return StoreUnavailable("The vault's helper ended before it had an answer.", hint)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
