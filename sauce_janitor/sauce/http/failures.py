"""Turns network failures and refusals into the right error, with one clear sentence."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import urllib3.exceptions

from sauce_janitor.errors import (
    AnswerError,
    CredentialsError,
    ForbiddenError,
    NotReadyError,
    SourceError,
    SourceUnavailableError,
)
from sauce_janitor.sauce.http.request_retries import RetryableError, is_strained, is_worth_a_retry

_LONGEST_CHAIN: Final = 20


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of 400 or more: its status, its text, whether it is a page for people, Retry-After.

    Retry-After is in seconds.
    """

    code: int
    text: str
    html: bool
    retry_after: float | None


def network_failure(error: Exception, host: str) -> Exception:
    """Return the error to raise for a request that got no answer.

    It is RetryableError where a retry may help, SourceError where not.
    """
    for cause in _chain(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return SourceError(
                    f"the TLS certificate of {host} is not trusted ({cause.verify_message}): "
                    "set ca_bundle if your network has its own authority"
                )
            case http.client.LineTooLong():
                return AnswerError(f"{host} sent a header line that is too long")
            case urllib3.exceptions.InvalidHeader():
                return AnswerError(f"{host} sent contradicting headers")
            case urllib3.exceptions.ProxyError():
                return RetryableError(f"the proxy in front of {host} cannot be reached or refuses")
            case socket.gaierror():
                return RetryableError(
                    f"{host} cannot be found: no network, no name service, or a wrong address"
                )
            case urllib3.exceptions.ConnectTimeoutError() if not isinstance(
                cause, urllib3.exceptions.NewConnectionError
            ):
                return RetryableError(f"{host} does not accept a connection in time")
            case ConnectionRefusedError():
                return RetryableError(f"{host} refuses the connection")
            case ssl.SSLError():
                return RetryableError(
                    f"no TLS connection to {host}: {cause.reason or 'the handshake failed'}"
                )
            case OSError() if cause.errno is not None and type(cause) is OSError:
                return RetryableError(f"{host} cannot be reached: {cause.strerror}")
        # "got more than 100 headers" has no class of its own in http.client.
        if type(cause) is http.client.HTTPException:
            return AnswerError(f"{host} sent too many headers")
    return RetryableError(f"the connection to {host} broke before an answer came", strained=True)


def refusal(answer: Refusal, *, what: str, host: str, user: str | None) -> Exception:
    """Return the error to raise for an answer of 400 or more.

    `user` is None where no credential was sent.
    """
    detail = f": {answer.text}" if answer.text else ""
    if is_worth_a_retry(answer.code):
        return RetryableError(
            f"{host} answers {answer.code} for {what}{detail}",
            retry_after=answer.retry_after,
            strained=is_strained(answer.code),
        )
    if answer.code == 401 and user is not None:
        return CredentialsError(
            f"{host} does not accept the credentials of user {user} (401): check username, "
            "access_key and region"
        )
    if answer.code == 403 and user is not None:
        return ForbiddenError(f"user {user} may not read {what} (403){detail}")
    # A page for people comes from a proxy or another server, not from the API.
    if answer.code == 404 and answer.html:
        return AnswerError(
            f"{host} answers with an HTML page (404) for {what}, which proves nothing: is the "
            "address right?"
        )
    return AnswerError(f"{host} answers {answer.code} for {what}{detail}")


def asset_refusal(answer: Refusal, *, what: str, host: str, user: str | None) -> Exception:
    """Return the error of `refusal` for assets, where 400 means that the job has not finished.

    Source: recorded answers.
    """
    if answer.code == 400:
        return NotReadyError(
            f"{host} does not give {what} yet (400): {answer.text or 'the job has not finished'}"
        )
    return refusal(answer, what=what, host=host, user=user)


def out_of_patience(wait_s: float, host: str) -> SourceUnavailableError:
    """Return the error for a Retry-After that is longer than the configured max_wait."""
    return SourceUnavailableError(
        f"{host} asks to wait {wait_s:,.0f} s, longer than max_wait allows: try again later"
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all that caused it, innermost last, however the libraries linked them."""
    waiting: list[BaseException] = [error]
    seen: list[BaseException] = []
    while waiting and len(seen) < _LONGEST_CHAIN:
        one = waiting.pop(0)
        if any(one is other for other in seen):
            continue
        seen.append(one)
        tied = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        waiting.extend(other for other in tied if isinstance(other, BaseException))
        yield one
