"""HTTP to one account: authentication, budget, patience, and retries of what only reads."""

from __future__ import annotations

import http.client
import http.cookiejar
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, TypeVar
from urllib.parse import urlsplit

import requests
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
)
from tenacity.nap import sleep_using_event
from tenacity.stop import stop_base
from tenacity.wait import wait_random_exponential
from urllib3.exceptions import HTTPError

from sauce_janitor import __version__
from sauce_janitor.errors import (
    AnswerError,
    ConfigError,
    CredentialsError,
    SourceError,
    SourceUnavailableError,
    StoppedError,
    StrainedError,
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
from sauce_janitor.sauce.http.failures import (
    Refusal,
    RetryableError,
    asset_refusal,
    network_failure,
    out_of_patience,
    refusal,
)
from sauce_janitor.sauce.http.guarded_connection import (
    AnswerLimits,
    ExchangeWatch,
    Guard,
    GuardedAdapter,
    InterruptedAnswerError,
    PoolGuard,
    reads_only,
)
from sauce_janitor.sauce.http.lanes import LaneAnswer, Lanes, is_sent_as_it_is
from sauce_janitor.sauce.http.request_events import Endpoint, OnRequest, RequestEvent

MAX_JSON_BYTES: Final = 16 * 1024 * 1024
_SKEW_COUNTS_S: Final = 60.0  # no answer that a delete rests on is older
_MAX_ERROR_BYTES: Final = 64 * 1024
_ANSWER_PATIENCE: Final = 4  # a whole JSON answer may take so many times the time-out of one wait
_LONGEST_CONNECT_S: Final = (
    10.0  # a connect cannot be interrupted, and a SIGTERM must end the program within 20 s
)
_FIRST_WAIT_S: Final = 0.5
_TRIES_OF_A_PART: Final = (
    2  # of what can be asked for in smaller parts: the size may be what fails, not the moment
)

_REFUSED: Final = object()
_NOT_OFFERED: Final = frozenset({404, 405, 501})

Answer: TypeAlias = requests.Response | LaneAnswer
"""What was answered, its body unread."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request: what to send, and how error messages call its answer.

    `origin` is another than the account's (an asset host): then the credential stays at home.
    `optional`: an endpoint that may not be offered, where an HTML 404 or a 405 means just that.
    `body` is JSON, of an update alone. `divisible`: the caller can ask for less, so a strained
    answer is tried twice only. `read` makes the value of a JSON answer's bytes.
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
    """A JSON value that was there (null is one, too)."""

    value: object


class Transport:
    """A pool of connections to one account, for any number of threads; `close()` it.

    Its guard decides what it can send; the one it has of itself only reads. `last_look` is the one
    of `wire.PoolGuard`. Redirects are never followed, environment variables, netrc and cookies
    never used, TLS is always verified.
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
        self._skew: tuple[float, float] | None = None  # the worst of late, and when it was seen
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

    def get_json(self, ask: HttpRequest) -> FoundJson | None:
        """The JSON value of a GET; None for 404. Retries what may mend itself, inside a total time.
        Raises SourceError.
        """
        return self._retrying(ask, lambda: self._json_once(ask))

    @contextmanager
    def open(self, ask: HttpRequest, limits: AnswerLimits) -> Iterator[Answer]:
        """A GET's answer with its body unread, of status 2xx or 3xx. Opening is retried, reading is
        not. Raises SourceError.
        """
        response = self._retrying(ask, lambda: self._opened(ask, limits))
        try:
            yield response
        finally:
            response.close()

    def send(self, ask: HttpRequest, limits: AnswerLimits) -> Answer:
        """One request, no retry, no judgement of the status; the caller closes the answer.

        Raises HiccupError, SourceError or StoppedError when no whole header came.
        """
        if self._stop.is_set():
            raise StoppedError(f"asked to stop before {ask.method} for {ask.what}")
        ticket = self._here.ticket = self.budget.take()
        with self._counting:
            self.requests_made += 1
        code: int | None = None
        began = time.monotonic()
        try:
            response = self._exchange(ask, limits)
            code = response.status_code
        finally:
            if self._on_request is not None:
                spent = time.monotonic() - began
                self._on_request(
                    RequestEvent(ask.method, ask.endpoint, code, spent, ticket.waited_s)
                )
        self.budget.answered(ticket, ask.endpoint, time.monotonic() - self._here.left_at)
        self._learn(response, ask)
        return response

    def answer_limits(self, *, stop_grace_s: float = 0.0) -> AnswerLimits:
        """What a JSON answer may cost."""
        idle = self.connection.timeout_s
        total = min(idle * _ANSWER_PATIENCE, self.connection.timeout_total_s)
        return AnswerLimits(idle, total, max_bytes=MAX_JSON_BYTES, stop_grace_s=stop_grace_s)

    def json_of(
        self,
        response: Answer,
        what: str,
        *,
        empty_is: object = _REFUSED,
        read: Callable[..., object] = load_json,
    ) -> object:
        """The answer's body as a JSON value, our own credential blotted out. AnswerError when it is
        none.
        """
        body = ResponseBody(raw_of(response), max_bytes=MAX_JSON_BYTES, what=what)
        data = body.whole()
        if not data and empty_is is not _REFUSED:
            return empty_is
        return read(
            data,
            what=what,
            content_type=body.content_type or "",
            secrets=self.connection.credential.blotted,
        )

    def refusal_of(self, response: Answer) -> Refusal:
        """What an answer of 400 or more says. Never fails: a broken body says nothing."""
        try:
            body = ResponseBody(
                raw_of(response), max_bytes=_MAX_ERROR_BYTES, what="an error's text"
            )
            data, content_type = body.whole(), body.content_type or ""
        except SourceError:
            data, content_type = b"", ""
        text = error_text(data)
        for secret in self.connection.credential.blotted:
            text = text.replace(secret, "[removed]")
        now = epoch_of_date(response.headers.get("Date")) or time.time()
        wait = retry_after_s(response.headers.get("Retry-After"), now=now)
        return Refusal(response.status_code, text, looks_like_html(data, content_type), wait)

    def _json_once(self, ask: HttpRequest) -> FoundJson | None:
        response = self.send(ask, self.answer_limits())
        try:
            if response.status_code >= 400:
                answer = self.refusal_of(response)
                missing = answer.code == 404 and not answer.html
                if missing or (ask.optional and answer.code in _NOT_OFFERED):
                    return None
                raise self._failure(answer, ask)
            refuse_redirect(response, ask.what)
            return FoundJson(self.json_of(response, ask.what, read=ask.read))
        finally:
            response.close()

    def _opened(self, ask: HttpRequest, limits: AnswerLimits) -> Answer:
        response = self.send(ask, limits)
        if response.status_code < 400:
            return response
        try:
            raise self._failure(self.refusal_of(response), ask)
        finally:
            response.close()

    def _failure(self, answer: Refusal, ask: HttpRequest) -> Exception:
        host = self._host(ask)
        judge = asset_refusal if ask.endpoint in {"assets", "asset"} else refusal
        user = self.connection.username if ask.origin is None else None
        failure = judge(answer, what=ask.what, host=host, user=user)
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
        # Only a 429 is about the account; of an outage a long wait ends this request alone.
        if answer.retry_after <= self.connection.max_wait_s or answer.code == 429:
            self.budget.hold_back(answer.retry_after)

    def _retrying(self, ask: HttpRequest, attempt: Callable[[], _T]) -> _T:
        assert ask.method == "GET", "only what reads may be repeated"
        began = time.monotonic()
        try:
            return self._with_the_key_of_now(attempt)  # nearly always: spares the machinery below
        except (RetryableError, InterruptedAnswerError) as error:
            failed: list[Exception] = [error]

        def once_more() -> _T:
            if failed:
                raise failed.pop()
            return self._with_the_key_of_now(attempt)

        left = max(0.0, self.connection.timeout_total_s - (time.monotonic() - began))
        retrying = Retrying(
            stop=stop_after_attempt(self.connection.attempts)
            | stop_after_delay(left)
            | _StopOnStrain(ask),
            wait=self._wait_s,
            retry=retry_if_exception_type((RetryableError, InterruptedAnswerError)),
            sleep=sleep_using_event(self._stop),
            reraise=True,
        )
        try:
            return retrying(once_more)
        except (RetryableError, InterruptedAnswerError) as error:
            times = retrying.statistics.get("attempt_number", 1)
            kind = StrainedError if _is_strained(error) else SourceUnavailableError
            raise kind(f"{error} (tried {times} times)" if times > 1 else str(error)) from error

    def _let_out(self, method: str, target: str, body: object) -> None:
        """At the socket's edge, when the connection stands: may the request be sent, and it counts
        from now on.
        """
        self._guard(method, target, body)
        self.budget.leaves(self._here.ticket)
        self._here.left_at = time.monotonic()

    def _with_the_key_of_now(self, attempt: Callable[[], _T]) -> _T:
        """A key that is refused may have been changed: it is read again, once."""
        credential = self.connection.credential
        used = credential.authorization
        try:
            return attempt()
        except CredentialsError:
            if not credential.renew(used):
                raise
            return attempt()

    def _wait_s(self, state: RetryCallState) -> float:
        """Seconds before the next try: none where the budget waits as the vendor asked, else more
        each time with jitter.
        """
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, RetryableError) and error.retry_after is not None:
            return 0.0
        return wait_random_exponential(multiplier=_FIRST_WAIT_S, max=self.connection.max_wait_s)(
            state
        )

    def _exchange(self, ask: HttpRequest, limits: AnswerLimits) -> Answer:
        host = self._host(ask)
        waits = (min(self.connection.timeout_s, _LONGEST_CONNECT_S), self.connection.timeout_s)
        proxy = self.connection.proxy if not self.connection.loopback else None
        prepared = None if ask.endpoint == "asset" and not proxy else self._prepared(ask)
        self._edge.set_watch(ExchangeWatch(host, limits, self._stop))
        try:
            if prepared is None:
                return self._by_lane(ask, waits)
            return self._session.send(
                prepared,
                stream=True,
                timeout=waits,
                verify=self.connection.ca_bundle or True,
                proxies={"https": proxy} if proxy else {},
                allow_redirects=False,
            )
        except (
            HTTPError,
            http.client.HTTPException,
            OSError,
        ) as error:  # those of requests are OSErrors, too
            failure = network_failure(error, host)
            if ask.origin is not None:
                raise failure from None  # the library's text would show a signed URL
            raise failure from error

    def _by_lane(self, ask: HttpRequest, waits: tuple[float, float]) -> Answer:
        """A file, by the short way; a proxy is beyond it."""
        if not is_sent_as_it_is(ask.target):
            raise _unaskable(ask)
        return self._lanes.get(
            ask.origin or self.connection.origin, ask.target, self._headers(ask), waits
        )

    def _headers(self, ask: HttpRequest) -> dict[str, str]:
        headers = {
            "User-Agent": f"sauce-janitor/{__version__}",
            "Accept": ask.accept,
            "Accept-Encoding": "gzip",
        }
        if ask.origin is None:
            headers["Authorization"] = self.connection.credential.authorization
        if ask.method != "GET":
            headers["Content-Type"] = "application/json"
        return headers

    def _prepared(self, ask: HttpRequest) -> requests.PreparedRequest:
        url = (ask.origin or self.connection.origin) + ask.target
        prepared = requests.Request(
            ask.method, url, headers=self._headers(ask), data=ask.body
        ).prepare()
        if (prepared.path_url or "").casefold() != ask.target.casefold():
            raise _unaskable(ask)
        return prepared

    def _learn(self, response: Answer, ask: HttpRequest) -> None:
        ours = time.time()
        theirs = epoch_of_date(response.headers.get("Date"))
        if ask.origin is not None:
            return
        if theirs is not None:
            self._note_skew(theirs - ours)
        self.budget.learn(response.status_code, response.headers, now=theirs or ours)

    @property
    def clock_skew_s(self) -> float | None:
        """How many seconds Sauce Labs' clock is ahead of ours, None before an answer says the
        time.
        """
        return None if self._skew is None else self._skew[0]

    def _note_skew(self, skew_s: float) -> None:
        """Remember the worst that was seen in the last minute.

        Several threads ask at once, and one honest answer must not hide what another has just said
        about an answer that a delete rests on.
        """
        now = time.monotonic()
        with self._counting:
            worst = self._skew
            if worst is None or abs(skew_s) >= abs(worst[0]) or now - worst[1] > _SKEW_COUNTS_S:
                self._skew = skew_s, now

    def _host(self, ask: HttpRequest) -> str:
        return urlsplit(ask.origin).netloc if ask.origin is not None else self.connection.host


def _unaskable(ask: HttpRequest) -> AnswerError:
    return AnswerError(f"no request can ask for {ask.what}: its address would change on the way")


def _is_strained(error: BaseException | None) -> bool:
    return isinstance(error, InterruptedAnswerError) or (
        isinstance(error, RetryableError) and error.strained
    )


class _StopOnStrain(stop_base):
    """Ends the tries early where the caller can ask for a part instead."""

    def __init__(self, ask: HttpRequest) -> None:
        self._divisible = ask.divisible

    def __call__(self, retry_state: RetryCallState) -> bool:
        failed = retry_state.outcome.exception() if retry_state.outcome is not None else None
        return (
            self._divisible
            and retry_state.attempt_number >= _TRIES_OF_A_PART
            and _is_strained(failed)
        )


def raw_of(response: Answer) -> Raw:
    """The answer below requests: bytes as they came over the wire."""
    return response if isinstance(response, LaneAnswer) else response.raw


def refuse_redirect(response: Answer, what: str) -> None:
    """AnswerError for any redirect; names the host it leads to, never the address, which may be
    signed.
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
        """None: requests would otherwise read a redirect's body, of any size, to prepare the next
        request.
        """


def _session(edge: PoolGuard) -> requests.Session:
    session = _Session()
    session.trust_env = False
    session.max_redirects = 0
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.mount("https://", GuardedAdapter(edge))
    session.mount("http://", GuardedAdapter(edge))
    return session
