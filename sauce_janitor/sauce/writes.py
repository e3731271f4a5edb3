"""Sends writes with a permit: one request each, sent once, checked in full before it leaves.

The gate is built on this.
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
from sauce_janitor.model.safety_numbers import PERMIT_LIFE_S, WRITE_TIMEOUT_S
from sauce_janitor.model.write_answers import WriteAnswer
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.sauce.http.request_events import OnRequest
from sauce_janitor.sauce.http.request_retries import RetryableError
from sauce_janitor.sauce.http.transport import HttpRequest, Transport
from sauce_janitor.sauce.parse import parse_deleted_assets

LIST_LIFE_S: Final = 60.0
"""How old an asset list may be. A newer asset is not in it: a delete would destroy it unseen."""
# A write that has left may still be answered after a SIGTERM.
_STOP_GRACE_S: Final = 10.0
_CLEAR_REFUSALS: Final = frozenset({400, 404})
_MOST_REMEMBERED: Final = 10_000

JOB_ID: Final = r"[0-9a-f]{32}"
OWNER: Final = r"(?!\.{1,2}/)(?:[A-Za-z0-9_.~-]|%(?!2[EF])[0-9A-F]{2})+"
"""One segment of a path: a percent-encoded user name that is no dot segment and hides no
separator.
"""


def no_body(body: object) -> bool:
    """Tell whether there is no body, as in most writes."""
    return body is None


@dataclass(frozen=True, slots=True)
class Allowed:
    """One kind of request that may be written: its line and what its body may be.

    The line is method and target, matched in full.
    """

    line: re.Pattern[str]
    body: Callable[[object], bool] = no_body

    @classmethod
    def of(cls, line: str, body: Callable[[object], bool] = no_body) -> Allowed:
        """Return one with the line as a pattern."""
        return cls(re.compile(line), body)


@dataclass(frozen=True, slots=True)
class _Armed:
    line: str
    asked_at: float
    body: bytes | None = None
    listed_at: float | None = None


class Writer:
    """Sends what permits allow, one request each: no retry, no redirect. For any number of threads.

    `close()` it. It shares the budget of whoever reads with the same credential. `allowed` is all
    that it can ever write. `clock` is the one that permits take their times from.
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
        """Return the number of writes sent so far."""
        return self._transport.requests_made

    def _write(
        self,
        permit: Hashable,
        asked_at: float,
        request: HttpRequest,
        *,
        listed_at: float | None = None,
    ) -> WriteAnswer:
        """Send the request, if the permit is young and was never used. Raises as `Gate` says."""
        armed = _Armed(f"{request.method} {request.target}", asked_at, request.body, listed_at)
        self._refuse_stale(armed)
        self._spend(permit, request.what)
        self._here.armed = armed
        try:
            return self._sent(request)
        finally:
            self._here.armed = self._here.leaving = None

    def _sent(self, request: HttpRequest) -> WriteAnswer:
        used = self._transport.connection.credential.authorization
        try:
            response = self._transport.send(
                request,
                self._transport.answer_limits(most_s=WRITE_TIMEOUT_S, stop_grace_s=_STOP_GRACE_S),
            )
        except StoppedError as error:
            # The request never came to the guard, so nothing has left.
            if self._here.armed is not None:
                raise
            return WriteAnswer(None, None, doubtful=True, detail=str(error))
        except (RetryableError, AnswerError) as error:
            return WriteAnswer(None, None, doubtful=True, detail=str(error))
        try:
            code = response.status_code
            if code == 401 and not self._transport.connection.credential.renew(used):
                raise CredentialsError(
                    f"{self._transport.connection.host} does not accept the credentials (401)"
                )
            # With a new key after a 401, the answer is doubtful: a write is never sent twice.
            if not 200 <= code < 300:
                refusal = self._transport.refusal_of(response)
                # A write is not repeated, but the check that follows it must wait as well.
                self._transport.heed(refusal)
                detail = refusal.text or f"status {code}"
                return WriteAnswer(code, None, doubtful=code not in _CLEAR_REFUSALS, detail=detail)
            return self._done(
                request, code, self._transport.json_of(response, request.what, empty_is=None)
            )
        except CredentialsError:
            raise
        except (SourceError, StoppedError) as error:
            return WriteAnswer(code, None, doubtful=True, detail=str(error))
        finally:
            response.close()

    def _done(self, request: HttpRequest, code: int, value: object) -> WriteAnswer:
        deleted = parse_deleted_assets(value) if request.endpoint == "delete_assets" else None
        silent = request.endpoint == "delete_assets" and deleted is None
        detail = "the answer does not list what was deleted" if silent else ""
        return WriteAnswer(code, deleted, doubtful=False, detail=detail)

    def _guard(self, method: str, target: str, body: object) -> None:
        """Check that this is the request the thread prepared, when the connection is open.

        Nothing has been written at this point.
        """
        armed: _Armed | None = getattr(self._here, "armed", None)
        self._here.armed = None
        line = f"{method} {target}"
        matching = [one for one in self._allowed if one.line.fullmatch(line) is not None]
        # Two patterns that match would be a mistake in the table of allowed requests.
        if armed is None or line != armed.line or len(matching) != 1:
            raise PermitError(f"no permit covers {line:.160}: it was not sent")
        if body != armed.body or not matching[0].body(body):
            raise PermitError(f"no permit covers the body of {line:.160}: it was not sent")
        self._refuse_stale(armed)
        self._here.leaving = armed

    def _last_look(self) -> None:
        """Check the age directly before each write to the socket: a permit ages in a frozen
        process.
        """
        armed: _Armed | None = getattr(self._here, "leaving", None)
        # None: a proxy is being asked for its tunnel, and the guard runs after that.
        if armed is not None:
            self._refuse_stale(armed)

    def _refuse_stale(self, armed: _Armed) -> None:
        now = self._clock.monotonic()
        if armed.listed_at is not None and not 0 <= now - armed.listed_at <= LIST_LIFE_S:
            raise PermitError(
                f"the asset list is {now - armed.listed_at:.1f} s old, and may be "
                f"{LIST_LIFE_S:g} s old: ask Sauce Labs again"
            )
        age = now - armed.asked_at
        if not 0 <= age <= PERMIT_LIFE_S:
            raise PermitError(
                f"the permit is {age:.1f} s old, and may be {PERMIT_LIFE_S:g} s old: ask Sauce "
                "Labs again"
            )

    def _spend(self, permit: Hashable, what: str) -> None:
        with self._spending:
            if permit in self._spent:
                raise PermitError(f"the permit for {what} was used before")
            self._spent[permit] = None
            # A permit lives 10 s, so the oldest ones need not be remembered.
            while len(self._spent) > _MOST_REMEMBERED:
                del self._spent[next(iter(self._spent))]
