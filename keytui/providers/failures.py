"""From what went wrong with a request to the error that says it: a verdict, and none of the library's own text."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from keytui.errors import KeyRefused, ProviderUnreachable
from keytui.model import Verdict
from keytui.providers import checks, client, limits, mapping, outages

if TYPE_CHECKING:
    from keytui.errors import ProviderError
    from keytui.model import Key, Secret, VerdictWord


def failed(
    word: VerdictWord,
    detail: str,
    status: int | None = None,
    code: str | None = None,
    request_id: str | None = None,
    *,
    said: str = "",
) -> ProviderError:
    """Return the error for a verdict: KeyRefused when the key is to blame, else ProviderUnreachable."""
    verdict = Verdict(word, detail, int(time.time()), None, status, code, request_id, limits=said)
    return KeyRefused(verdict) if word in ("invalid", "no_quota") else ProviderUnreachable(verdict)


def reduced(
    error: Exception,
    key: Key,
    secret: Secret,
    timeout_s: float,
    *,
    begun: bool = False,
    request_id: str | None = None,
) -> ProviderError:
    """Return the error for whatever the libraries raised over a prompt.

    Raise it outside the `except` block: the library's error holds the request, and would hang on to it.

    Args:
        error: What was raised.
        key: Who was asked.
        secret: The value that was sent; nothing that repeats it is kept.
        timeout_s: Seconds of silence that were allowed.
        begun: A part of the answer had come.
        request_id: The provider's id of the request, where its headers had come before the error.
    """
    import openai

    host = client.host_of(key)
    if isinstance(error, openai.APIStatusError):
        response = error.response
        answer = mapping.read_answer(response.status_code, response.headers, response.content)
        request_id = mapping.request_id(response.headers, secret)
        word, detail = of_prompt(answer, key)
        code, said = mapping.plain_code(answer.code, secret), limits.read(response.headers)
        return failed(word, detail, answer.status, code, request_id, said=said)
    if isinstance(error, openai.APIError) and error.body is not None:  # an error object inside the stream
        answer = mapping.read_error({"error": error.body})
        word, detail = of_prompt(answer, key, begun=begun)
        return failed(word, detail, answer.status, mapping.plain_code(answer.code, secret), request_id)
    return failed(*outages.judge_failure(error, host, timeout_s, begun=begun))


def of_prompt(answer: mapping.Answer, key: Key, *, begun: bool = False) -> mapping.Finding:
    """Say what an error answer to a prompt means for the key; `begun` as for `mapping.judge`."""
    checks_keys = checks.probe_of(key)[0].checks_keys
    return mapping.judge(answer, client.host_of(key), asked_model=True, checks_keys=checks_keys, begun=begun)
