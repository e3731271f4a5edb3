"""HTTP to one account: authentication, budget, time limits, and retries of reads.

This is one module, although long: every request takes the same way, and each step of it (budget,
guard, answer, retry) relies on the one before.
"""

from __future__ import annotations

import http.client
import http.cookiejar
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Final, TypeAlias, TypeVar
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from sauce_janitor import __version__
from sauce_janitor.errors import (
    AnswerError,
    ConfigError,
    CredentialsError,
    SourceError,
    StoppedError,
)
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.http.answers import (
    epoch_of_date,
    error_text,
    load_json,
    looks_like_html,
    retry_after_s,
)
from sauce_janitor.sauce.http.bodies import Raw, ResponseBody
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.sauce.http.exchange_watch import (
    AnswerLimits,
    ExchangeWatch,
)
from sauce_janitor.sauce.http.failures import (
    Refusal,
    asset_refusal,
    network_failure,
    out_of_patience,
    refusal,
)
from sauce_janitor.sauce.http.guarded_connection import Guard, GuardedAdapter, PoolGuard, reads_only
from sauce_janitor.sauce.http.lanes import LaneAnswer, Lanes, is_sent_as_it_is
from sauce_janitor.sauce.http.request_events import Endpoint, OnRequest, RequestEvent
from sauce_janitor.sauce.http.request_retries import RetryableError, RetryLimits, with_retries

MAX_JSON_BYTES: Final = 16 * 1024 * 1024
# No answer that a delete depends on is older.
_SKEW_COUNTS_S: Final = 60.0
_MAX_ERROR_BYTES: Final = 64 * 1024
# A whole JSON answer may take so many times the time-out of one wait.
_ANSWER_PATIENCE: Final = 4
# A connect cannot be interrupted, and a SIGTERM must end the program within 20 s.
_LONGEST_CONNECT_S: Final = 10.0

_REFUSED: Final = object()
_NOT_OFFERED: Final = frozenset({404, 405, 501})

Answer: TypeAlias = requests.Response | LaneAnswer
"""An answer with its body unread."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request: what to send, and how error messages name its answer.

    `origin` is another than the account's (an asset host): then no credential is sent. `optional`
    is an endpoint that may not be offered, where an HTML 404 or a 405 means just that. `body` is
    JSON, of an update alone. `divisible` says that the caller can ask for less, so a strained
    answer is tried only twice. `read` parses the bytes of a JSON answer.
    """

    method: str
    target: str
    endpoint: Endpoint
    what: str
    origin: str | None = None
    accept: str = "application/json"
    optional: bool = False
    body: bytes | None = None
    divisible: bool = False
    read: Callable[..., object] = load_json


@dataclass(frozen=True, slots=True)
class FoundJson:
    """A JSON value that was found; null is one as well."""

    value: object


class Transport:
    """A pool of connections to one account, for any number of threads; `close()` it.

    Its guard decides what it can send; the default one only reads. `last_look` is that of
    `PoolGuard`. Redirects are never followed, environment variables, netrc and cookies never used,
    TLS is always verified.
    """

    def __init__(
        self,
        connection: Connection,
        budget: RequestBudget,
        *,
        guard: Guard = reads_only,
        last_look: Callable[[], None] | None = None,
        on_request: OnRequest | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        if connection.ca_bundle is not None and not Path(connection.ca_bundle).exists():
            raise ConfigError(f"ca_bundle: there is no file or folder {connection.ca_bundle}")
        self.connection = connection
        self.budget = budget
        self.requests_made = 0
        # The worst skew of the last minute, and when it was seen.
        self._skew: tuple[float, float] | None = None
        self._on_request = on_request
        self._stop = stop if stop is not None else threading.Event()
        self._guard = guard
        self._here = threading.local()
        self._edge = PoolGuard(self._let_out, last_look)
        self._session = _session(self._edge)
        self._lanes = Lanes(self._session, connection.ca_bundle or True)
        self._counting = threading.Lock()

    def close(self) -> None:
        """Close every idle connection."""
        self._lanes.close()
        self._session.close()

    def get_json(self, request: HttpRequest) -> FoundJson | None:
        """Return the JSON value of a GET; None for 404.

        Failures that may pass are retried, within a total time. Raises SourceError.
        """
        return self._retrying(request, lambda: self._json_once(request))

    @contextmanager
    def open(self, request: HttpRequest, limits: AnswerLimits) -> Iterator[Answer]:
        """Open a GET's answer with its body unread, of status 2xx or 3xx.

        Opening is retried, reading is not. Raises SourceError.
        """
        response = self._retrying(request, lambda: self._opened(request, limits))
        try:
            yield response
        finally:
            response.close()

    def send(self, request: HttpRequest, limits: AnswerLimits) -> Answer:
        """Send one request without a retry or a check of the status; the caller closes the answer.

        Raises RetryableError, SourceError or StoppedError when no complete header came.
        """
        if self._stop.is_set():
            raise StoppedError(f"asked to stop before {request.method} for {request.what}")
        ticket = self._here.ticket = self.budget.take()
        with self._counting:
            self.requests_made += 1
        code: int | None = None
        began = time.monotonic()
        try:
            response = self._exchange(request, limits)
            code = response.status_code
        finally:
            if self._on_request is not None:
                spent = time.monotonic() - began
                self._on_request(
                    RequestEvent(request.method, request.endpoint, code, spent, ticket.waited_s)
                )
        self.budget.answered(ticket, request.endpoint, time.monotonic() - self._here.left_at)
        self._learn(response, request)
        return response

    def answer_limits(self, *, most_s: float = inf, stop_grace_s: float = 0.0) -> AnswerLimits:
        """Return what a JSON answer may cost: at most `most_s` seconds, whatever is configured."""
        idle = self.connection.timeout_s
        total = min(idle * _ANSWER_PATIENCE, self.connection.timeout_total_s, most_s)
        return AnswerLimits(idle, total, max_bytes=MAX_JSON_BYTES, stop_grace_s=stop_grace_s)

    def json_of(
        self,
        response: Answer,
        what: str,
        *,
        empty_is: object = _REFUSED,
        read: Callable[..., object] = load_json,
    ) -> object:
        """Return the answer's body as a JSON value, without our own credential.

        Raises AnswerError when it is no JSON.
        """
        body = ResponseBody(raw_of(response), max_bytes=MAX_JSON_BYTES, what=what)
        data = body.whole()
        if not data and empty_is is not _REFUSED:
            return empty_is
        return read(
            data,
            what=what,
            content_type=body.content_type or "",
            secrets=self.connection.credential.secrets,
        )

    def refusal_of(self, response: Answer) -> Refusal:
        """Return what an answer of 400 or more says. It never fails: a broken body says nothing."""
        try:
            body = ResponseBody(
                raw_of(response), max_bytes=_MAX_ERROR_BYTES, what="an error's text"
            )
            data, content_type = body.whole(), body.content_type or ""
        except SourceError:
            data, content_type = b"", ""
        text = error_text(data)
        for secret in self.connection.credential.secrets:
            text = text.replace(secret, "[removed]")
        now = epoch_of_date(response.headers.get("Date")) or time.time()
        wait = retry_after_s(response.headers.get("Retry-After"), now=now)
        return Refusal(response.status_code, text, looks_like_html(data, content_type), wait)

    def _json_once(self, request: HttpRequest) -> FoundJson | None:
        response = self.send(request, self.answer_limits())
        try:
            # A 404 without a page for people means that it does not exist.
            if response.status_code >= 400:
                answer = self.refusal_of(response)
                missing = answer.code == 404 and not answer.html
                if missing or (request.optional and answer.code in _NOT_OFFERED):
                    return None
                raise self._failure(answer, request)
            refuse_redirect(response, request.what)
            return FoundJson(self.json_of(response, request.what, read=request.read))
        finally:
            response.close()

    def _opened(self, request: HttpRequest, limits: AnswerLimits) -> Answer:
        response = self.send(request, limits)
        if response.status_code < 400:
            return response
        try:
            raise self._failure(self.refusal_of(response), request)
        finally:
            response.close()

    def _failure(self, answer: Refusal, request: HttpRequest) -> Exception:
        host = self._host(request)
        to_error = asset_refusal if request.endpoint in {"assets", "asset"} else refusal
        # Without a credential, a 401 or 403 says nothing about the user.
        user = self.connection.username if request.origin is None else None
        failure = to_error(answer, what=request.what, host=host, user=user)
        if isinstance(failure, RetryableError) and answer.retry_after is not None:
            self.heed(answer)
            if answer.retry_after > self.connection.max_wait_s:
                return out_of_patience(answer.retry_after, host)
        return failure

    def heed(self, answer: Refusal) -> None:
        """Let nobody with this credential send before the Retry-After of a refusal, if it has
        one.
        """
        if answer.retry_after is None:
            return
        # Only a 429 is about the account. In an outage, a long wait ends only this request.
        if answer.retry_after <= self.connection.max_wait_s or answer.code == 429:
            self.budget.hold_back(answer.retry_after)

    def _retrying(self, request: HttpRequest, attempt: Callable[[], _T]) -> _T:
        assert request.method == "GET", "only what reads may be repeated"
        limits = RetryLimits(
            attempts=self.connection.attempts,
            total_s=self.connection.timeout_total_s,
            max_wait_s=self.connection.max_wait_s,
            divisible=request.divisible,
        )
        return with_retries(lambda: self._with_current_key(attempt), limits, self._stop)

    def _let_out(self, method: str, target: str, body: object) -> None:
        """Ask the guard at the edge of the socket; the request counts from now on."""
        # The guard comes last: counting may have to wait, and then nothing has left.
        self.budget.leaves(self._here.ticket)
        self._guard(method, target, body)
        self._here.left_at = time.monotonic()

    def _with_current_key(self, attempt: Callable[[], _T]) -> _T:
        """Run the attempt; after a 401 read the key again, once, as it may have been changed."""
        credential = self.connection.credential
        used = credential.authorization
        try:
            return attempt()
        except CredentialsError:
            if not credential.renew(used):
                raise
            return attempt()

    def _exchange(self, request: HttpRequest, limits: AnswerLimits) -> Answer:
        host = self._host(request)
        waits = (min(self.connection.timeout_s, _LONGEST_CONNECT_S), self.connection.timeout_s)
        proxy = self.connection.proxy if not self.connection.loopback else None
        prepared = None if request.endpoint == "asset" and not proxy else self._prepared(request)
        self._edge.set_watch(ExchangeWatch(host, limits, self._stop))
        try:
            if prepared is None:
                return self._by_lane(request, waits)
            return self._session.send(
                prepared,
                stream=True,
                timeout=waits,
                verify=self.connection.ca_bundle or True,
                proxies={"https": proxy} if proxy else {},
                allow_redirects=False,
            )
        # The exceptions of requests are OSErrors.
        except (HTTPError, http.client.HTTPException, OSError) as error:
            failure = network_failure(error, host)
            # The library's text would show the signed URL of an asset host.
            if request.origin is not None:
                raise failure from None
            raise failure from error

    def _by_lane(self, request: HttpRequest, waits: tuple[float, float]) -> Answer:
        """Send a file's request directly, which is not possible through a proxy."""
        if not is_sent_as_it_is(request.target):
            raise _unaskable(request)
        return self._lanes.get(
            request.origin or self.connection.origin, request.target, self._headers(request), waits
        )

    def _headers(self, request: HttpRequest) -> dict[str, str]:
        headers = {
            "User-Agent": f"sauce-janitor/{__version__}",
            "Accept": request.accept,
            "Accept-Encoding": "gzip",
        }
        if request.origin is None:
            headers["Authorization"] = self.connection.credential.authorization
        if request.method != "GET":
            headers["Content-Type"] = "application/json"
        return headers

    def _prepared(self, request: HttpRequest) -> requests.PreparedRequest:
        url = (request.origin or self.connection.origin) + request.target
        prepared = requests.Request(
            request.method, url, headers=self._headers(request), data=request.body
        ).prepare()
        # requests normalizes URLs: what it would send must still be what was asked for.
        if (prepared.path_url or "").casefold() != request.target.casefold():
            raise _unaskable(request)
        return prepared

    def _learn(self, response: Answer, request: HttpRequest) -> None:
        ours = time.time()
        theirs = epoch_of_date(response.headers.get("Date"))
        if request.origin is not None:
            return
        if theirs is not None:
            self._note_skew(theirs - ours)
        self.budget.learn(response.status_code, response.headers, now=theirs or ours)

    @property
    def clock_skew_s(self) -> float | None:
        """Return how many seconds Sauce Labs' clock is ahead of ours, None before the first
        answer.
        """
        return None if self._skew is None else self._skew[0]

    def _note_skew(self, skew_s: float) -> None:
        """Remember the worst skew of the last minute.

        Several threads ask at once, and one correct answer must not hide what another has just said
        about an answer that a delete depends on.
        """
        now = time.monotonic()
        with self._counting:
            worst = self._skew
            # A worst value that is older than the answers in use does not count any more.
            if worst is None or abs(skew_s) >= abs(worst[0]) or now - worst[1] > _SKEW_COUNTS_S:
                self._skew = skew_s, now

    def _host(self, request: HttpRequest) -> str:
        return (
            urlsplit(request.origin).netloc if request.origin is not None else self.connection.host
        )


def _unaskable(request: HttpRequest) -> AnswerError:
    return AnswerError(f"{request.what} cannot be requested: its address would change on the way")


def raw_of(response: Answer) -> Raw:
    """Return the answer below requests: bytes as they came over the wire."""
    return response if isinstance(response, LaneAnswer) else response.raw


def refuse_redirect(response: Answer, what: str) -> None:
    """Raise AnswerError for any redirect.

    It names the host that it leads to, never the address, which may be signed.
    """
    if response.status_code >= 300:
        try:
            there = urlsplit(response.headers.get("Location", "")).hostname or "the same host"
        except ValueError:
            there = "nowhere"
        raise AnswerError(
            f"{what} is answered with a redirect to {there!a:.80} ({response.status_code}): not "
            "followed"
        )


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: requests would read a redirect's body, of any size, to prepare the next
        request.
        """


def _session(edge: PoolGuard) -> requests.Session:
    session = _Session()
    # Proxies, certificates and passwords of the environment must not apply.
    session.trust_env = False
    session.max_redirects = 0
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.mount("https://", GuardedAdapter(edge))
    session.mount("http://", GuardedAdapter(edge))
    return session
