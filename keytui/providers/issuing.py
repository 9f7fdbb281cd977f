"""What all issuers share: requests whose failures become our own errors and sentences."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

from keytui.errors import ExpiryRequired, IssueUnknown, KeyRefused, ProviderUnreachable
from keytui.model import Verdict
from keytui.providers import mapping, outages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx2

    from keytui.model import Secret, VerdictWord

T = TypeVar("T")

MAX_PAGES = 200
"""The most pages of one list that are read: a server that always has more must not be followed for ever."""

_UNKNOWN_HINT = "It is looked for by its name before another one is created."
_EXPIRY_SIGNS = ("expir", "lifetime", "time to live")


class NotFound(Exception):
    """The provider knows no such object."""


class BadRequest(Exception):
    """The provider refused what was asked, not who asked.

    Attributes:
        about_expiry: It speaks of the time a key may live.
        status: HTTP status.
    """

    def __init__(self, status: int, *, about_expiry: bool) -> None:
        super().__init__()
        self.status = status
        self.about_expiry = about_expiry


class Unexpected(Exception):
    """The answer has not the shape it should have."""


class Calls:
    """Makes requests one at a time, each within its time.

    Args:
        label: The provider's name.
        host: Whom it asks, for sentences.
        secret: The admin key, to keep its parts out of what is kept.
        timeout_s: Seconds one request may take.
    """

    def __init__(self, label: str, host: str, secret: Secret, timeout_s: float) -> None:
        self.label = label
        self.host = host
        self._secret = secret
        self._timeout_s = timeout_s

    def open(self, make: Callable[[], T]) -> T:
        """Make a client.

        Raises:
            ProviderUnreachable: The certificates or the proxy of this machine cannot be used.
        """
        try:
            return make()
        except Exception as error:  # whatever the environment's proxies and certificates lead to
            raised = self._of_failure(error, creates_key=False)
        raise raised

    async def ask(self, send: Callable[[], Awaitable[T]], *, creates_key: bool = False) -> T:
        """Send one request, read its answer, and turn whatever they raise into an error of ours.

        Args:
            send: Sends the request and reads what is needed of the answer; raises Unexpected when it is not there.
            creates_key: When it is not known whether the request was carried out, a key may exist.

        Raises:
            BadRequest: The provider refuses what was asked; for the caller, who knows what that was.
            NotFound: The same, for something that does not exist.
            IssueUnknown: `creates_key`, and the answer did not come or cannot be read.
            KeyRefused: The admin key is not accepted, or not allowed to do this.
            ProviderUnreachable: Anything else.
        """
        import openai

        try:
            async with asyncio.timeout(self._timeout_s):
                return await send()
        except openai.APIStatusError as error:
            raised = self._of_status(error.response, creates_key=creates_key)
        except Exception as error:  # a server can make the libraries raise nearly anything
            raised = self._of_failure(error, creates_key=creates_key)
        # Outside the block: else the error would keep the request, with its headers, as its context.
        raise raised

    async def demand(self, send: Callable[[], Awaitable[T]], what: str) -> T:
        """Send a request that has no reason to be refused; `what` names the thing it is about, for sentences.

        Raises:
            KeyRefused, ProviderUnreachable: As `ask`; also when the provider refuses or does not know `what`.
        """
        try:
            return await self.ask(send)
        except NotFound:
            raise self.missing(what) from None
        except BadRequest as error:
            raise self.refused(f"{self.label} refused what was asked about the {what}.", status=error.status) from None

    def _of_status(self, response: httpx2.Response, *, creates_key: bool) -> Exception:
        status = response.status_code
        answer = mapping.read_answer(status, response.headers, response.content)
        code = mapping.plain_code(answer.code, self._secret)
        if status == 404:
            return NotFound()
        if status in (400, 409, 422):
            signs = f"{answer.code} {answer.text}"
            return BadRequest(status, about_expiry=any(sign in signs for sign in _EXPIRY_SIGNS))
        if status in (401, 403):
            return KeyRefused(*self._refusal(answer, status, code))
        if creates_key and (status >= 500 or status in (408, 425) or status < 400):
            return self._unknown(status)
        if status == 429:
            detail = f"{self.label} got too many requests and wants a pause."
            return ProviderUnreachable(self._verdict("rate_limited", detail, status, code), "Try again in a minute.")
        word, detail = mapping.judge(answer, self.host)
        if word not in ("unreachable", "unknown"):
            word, detail = "unknown", f"{self.host} answered something unexpected (HTTP {status})."
        return ProviderUnreachable(self._verdict(word, detail, status, code))

    def _refusal(self, answer: mapping.Answer, status: int, code: str | None) -> tuple[Verdict, str]:
        word, _detail = mapping.judge(answer, self.host)
        if word == "restricted" or status == 403:
            detail = f"{self.label} does not allow this admin key to manage API keys."
            hint = "Use an admin key with that permission."
            return self._verdict("restricted", detail, status, code), hint
        detail = f"{self.host} does not accept the admin key: it is wrong, revoked or expired."
        return self._verdict("invalid", detail, status, code), "Add a working admin key."

    def _of_failure(self, error: Exception, *, creates_key: bool) -> Exception:
        word, detail = outages.judge_failure(error, self.host, self._timeout_s)
        if isinstance(error, (Unexpected, AttributeError, TypeError, KeyError, ValueError)):
            word, detail = "unknown", f"{self.host} sent something that is no API's answer. Check the base URL."
        if creates_key and not _never_sent(error):
            return self._unknown(None)
        return ProviderUnreachable(self._verdict(word, detail))

    def _unknown(self, status: int | None) -> IssueUnknown:
        detail = f"{self.host} gave no clear answer, so a new key may or may not exist there."
        return IssueUnknown(self._verdict("unknown", detail, status), _UNKNOWN_HINT)

    def missing(self, what: str) -> ProviderUnreachable:
        """Return the error for something that the provider does not know."""
        return ProviderUnreachable(self._verdict("unknown", f"{self.label} knows no such {what}.", 404))

    def refused(self, sentence: str, hint: str = "", status: int | None = 400) -> ProviderUnreachable:
        """Return the error for a request that the provider does not carry out."""
        return ProviderUnreachable(self._verdict("unknown", sentence, status), hint)

    def expiry_required(self) -> ExpiryRequired:
        """Return the error for a key that would live too long for the organization's policy."""
        detail = f"A policy of your organization at {self.label} wants new keys to expire, or to expire sooner."
        hint = "Make a key on the provider's page that ends as the policy wants, and paste it."
        return ExpiryRequired(self._verdict("unknown", detail, 400), hint)

    def _verdict(self, word: VerdictWord, detail: str, status: int | None = None, code: str | None = None) -> Verdict:
        return Verdict(word, detail, int(time.time()), None, status, code)


def _never_sent(error: BaseException) -> bool:
    """Whether a request failed before anything of it reached the server."""
    import httpx2

    from keytui.providers.sdk import CertificatesUnusable, ProxyUnusable

    before = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, CertificatesUnusable, ProxyUnusable)
    return any(isinstance(each, before) for each in outages.causes(error))


def seconds(value: object) -> int | None:
    """Return a time of the wire, or None for anything else."""
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def text(value: object) -> str:
    """Return a text of the wire, or "" for anything else."""
    return value if isinstance(value, str) else ""
