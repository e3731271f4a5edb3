"""Writing with a permit: one request each, sent once, judged whole at the socket's edge. The gate
is made of this.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from sauce_janitor.clock import CLOCK, Clock
from sauce_janitor.errors import (
    AnswerError,
    CredentialsError,
    PermitError,
    SourceError,
    StoppedError,
)
from sauce_janitor.model.write_answers import WriteAnswer
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.sauce.http.failures import RetryableError
from sauce_janitor.sauce.http.request_events import OnRequest
from sauce_janitor.sauce.http.transport import HttpRequest, Transport
from sauce_janitor.sauce.parse import parse_deleted_assets

PERMIT_LIFE_S: Final = 10.0
LIST_LIFE_S: Final = 60.0
"""An asset that came after the list was asked for is not in it: a delete would destroy it
unseen.
"""
_STOP_GRACE_S: Final = 10.0  # a write that has left may still be answered after a SIGTERM
_CLEAR_REFUSALS: Final = frozenset({400, 404})
_MOST_REMEMBERED: Final = 10_000

JOB_ID: Final = r"[0-9a-f]{32}"
OWNER: Final = r"(?!\.{1,2}/)(?:[A-Za-z0-9_.~-]|%(?!2[EF])[0-9A-F]{2})+"
"""One segment of a path: a user name, percent-encoded, that is no dot path and hides no
separator.
"""


def no_body(body: object) -> bool:
    """What most writes carry."""
    return body is None


@dataclass(frozen=True, slots=True)
class Allowed:
    """One kind of request that may be written: its line (method and target, matched whole), and
    whether a body fits it.
    """

    line: re.Pattern[str]
    body: Callable[[object], bool] = no_body

    @classmethod
    def of(cls, line: str, body: Callable[[object], bool] = no_body) -> Allowed:
        """With the line as a pattern."""
        return cls(re.compile(line), body)


@dataclass(frozen=True, slots=True)
class _Armed:
    line: str
    asked_at: float
    body: bytes | None = None
    listed_at: float | None = None


class Writer:
    """Sends what permits allow, one request each: no retry, no redirect. For any number of threads;
    `close()` it.

    Shares the budget of whoever reads with the same credential. `allowed` is all that it can ever
    write. `clock` is the one by which permits say when they were asked for.
    """

    def __init__(
        self,
        connection: Connection,
        budget: RequestBudget,
        on_request: OnRequest | None = None,
        *,
        allowed: tuple[Allowed, ...],
        stop: threading.Event | None = None,
        clock: Clock = CLOCK,
    ) -> None:
        self._allowed = allowed
        self._clock = clock
        self._transport = Transport(
            connection,
            budget,
            guard=self._guard,
            last_look=self._last_look,
            on_request=on_request,
            stop=stop,
        )
        self._here = threading.local()
        self._spending = threading.Lock()
        self._spent: dict[Hashable, None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @property
    def requests_made(self) -> int:
        """Writes sent so far."""
        return self._transport.requests_made

    def _write(
        self, permit: Hashable, asked_at: float, ask: HttpRequest, *, listed_at: float | None = None
    ) -> WriteAnswer:
        """Send it, if the permit is young and was never used. Raises as `Gate` says."""
        armed = _Armed(f"{ask.method} {ask.target}", asked_at, ask.body, listed_at)
        self._refuse_stale(armed)
        self._spend(permit, ask.what)
        self._here.armed = armed
        try:
            return self._sent(ask)
        finally:
            self._here.armed = self._here.leaving = None

    def _sent(self, ask: HttpRequest) -> WriteAnswer:
        used = self._transport.connection.credential.authorization
        try:
            response = self._transport.send(
                ask, self._transport.answer_limits(stop_grace_s=_STOP_GRACE_S)
            )
        except StoppedError as error:
            if self._here.armed is not None:
                raise  # it never came to the guard: nothing has left
            return WriteAnswer(None, None, doubtful=True, detail=str(error))
        except (RetryableError, AnswerError) as error:
            return WriteAnswer(None, None, doubtful=True, detail=str(error))
        try:
            code = response.status_code
            if code == 401 and not self._transport.connection.credential.renew(used):
                raise CredentialsError(
                    f"{self._transport.connection.host} does not accept the credentials (401)"
                )
            if not 200 <= code < 300:
                refusal = self._transport.refusal_of(response)
                # A write is never repeated by itself, but the look that follows it must wait, too.
                self._transport.heed(refusal)
                detail = refusal.text or f"status {code}"
                return WriteAnswer(code, None, doubtful=code not in _CLEAR_REFUSALS, detail=detail)
            return self._done(ask, code, self._transport.json_of(response, ask.what, empty_is=None))
        except CredentialsError:
            raise
        except (SourceError, StoppedError) as error:
            return WriteAnswer(code, None, doubtful=True, detail=str(error))
        finally:
            response.close()

    def _done(self, ask: HttpRequest, code: int, said: object) -> WriteAnswer:
        deleted = parse_deleted_assets(said) if ask.endpoint == "delete_assets" else None
        silent = ask.endpoint == "delete_assets" and deleted is None
        detail = "the answer does not list what was deleted" if silent else ""
        return WriteAnswer(code, deleted, doubtful=False, detail=detail)

    def _guard(self, method: str, target: str, body: object) -> None:
        """When the connection stands, before anything is written: is this what the thread armed?"""
        armed: _Armed | None = getattr(self._here, "armed", None)
        self._here.armed = None
        line = f"{method} {target}"
        fitting = [one for one in self._allowed if one.line.fullmatch(line) is not None]
        if armed is None or line != armed.line or len(fitting) != 1:
            raise PermitError(f"no permit stands for {line:.160}: it was not sent")
        if body != armed.body or not fitting[0].body(body):
            raise PermitError(f"no permit stands for the body of {line:.160}: it was not sent")
        self._refuse_stale(armed)
        self._here.leaving = armed

    def _last_look(self) -> None:
        """Directly before each write to the socket: a frozen process lets a permit grow old."""
        armed: _Armed | None = getattr(self._here, "leaving", None)
        if armed is not None:  # None: a proxy is asked for its tunnel; the guard comes after that
            self._refuse_stale(armed)

    def _refuse_stale(self, armed: _Armed) -> None:
        now = self._clock.monotonic()
        if armed.listed_at is not None and not 0 <= now - armed.listed_at <= LIST_LIFE_S:
            raise PermitError(
                f"an asset list of {now - armed.listed_at:.1f} s, {LIST_LIFE_S:g} s is its life: "
                "ask Sauce Labs again"
            )
        age = now - armed.asked_at
        if not 0 <= age <= PERMIT_LIFE_S:
            raise PermitError(
                f"a permit of {age:.1f} s, {PERMIT_LIFE_S:g} s is its life: ask Sauce Labs again"
            )

    def _spend(self, permit: Hashable, what: str) -> None:
        with self._spending:
            if permit in self._spent:
                raise PermitError(f"the permit for {what} was used before")
            self._spent[permit] = None
            while len(self._spent) > _MOST_REMEMBERED:
                del self._spent[next(iter(self._spent))]
