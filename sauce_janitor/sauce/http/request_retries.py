"""The retries of a read: which failures are worth one, how many there are, and the waits between.

A write is never repeated here: `execute` asks first what the earlier one did.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

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

from sauce_janitor.errors import SourceUnavailableError, StrainedError
from sauce_janitor.sauce.http.exchange_watch import InterruptedAnswerError

_FIRST_WAIT_S: Final = 0.5
# Where smaller parts can be asked for, the size may be the reason, so few tries are enough.
_TRIES_OF_A_PART: Final = 2
_MAY_PASS: Final = frozenset({408, 425, 429})
# A gateway answers so when the server takes too long or its answer is too large.
_STRAINED: Final = frozenset({502, 503, 504})

_T = TypeVar("_T")


class RetryableError(Exception):
    """A failure that another try may fix; after the last try it becomes SourceUnavailableError.

    `retry_after` is the seconds to wait, if the answer says so. `strained` says that something
    answers, but not with what was asked for: asking for less may help.
    """

    def __init__(
        self, sentence: str, *, retry_after: float | None = None, strained: bool = False
    ) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after
        self.strained = strained


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """How long a read is tried again: at most `attempts` tries in `total_s` seconds, with waits of
    at most `max_wait_s`. `divisible`: the caller can ask for less, so a strained answer is tried
    only twice.
    """

    attempts: int
    total_s: float
    max_wait_s: float
    divisible: bool


def is_worth_a_retry(status: int) -> bool:
    """Return whether a refusal with this status may pass."""
    return status in _MAY_PASS or status >= 500


def is_strained(status: int) -> bool:
    """Return whether this status says that the answer was too much to give."""
    return status in _STRAINED


def with_retries(attempt: Callable[[], _T], limits: RetryLimits, stop: threading.Event) -> _T:
    """Return what `attempt` returns, called again while its failures may pass.

    Raises SourceUnavailableError after the last try (StrainedError where asking for less may help),
    and at once whatever else it raises. `stop` ends a wait.
    """
    began = time.monotonic()
    # Nearly always this is all, so that the machinery below costs nothing.
    try:
        return attempt()
    except (RetryableError, InterruptedAnswerError) as error:
        failed: list[Exception] = [error]

    def once_more() -> _T:
        if failed:
            raise failed.pop()
        return attempt()

    retrying = Retrying(
        stop=stop_after_attempt(limits.attempts)
        | stop_after_delay(max(0.0, limits.total_s - (time.monotonic() - began)))
        | _StopOnStrain(limits),
        wait=_Wait(limits),
        retry=retry_if_exception_type((RetryableError, InterruptedAnswerError)),
        sleep=sleep_using_event(stop),
        reraise=True,
    )
    try:
        return retrying(once_more)
    except (RetryableError, InterruptedAnswerError) as error:
        times = retrying.statistics.get("attempt_number", 1)
        kind = StrainedError if _strains(error) else SourceUnavailableError
        raise kind(f"{error} (tried {times} times)" if times > 1 else str(error)) from error


def _strains(error: BaseException | None) -> bool:
    return isinstance(error, InterruptedAnswerError) or (
        isinstance(error, RetryableError) and error.strained
    )


class _Wait:
    """The seconds before the next try: 0 where the budget waits as the vendor asked, else more each
    time, with jitter.
    """

    def __init__(self, limits: RetryLimits) -> None:
        self._growing = wait_random_exponential(multiplier=_FIRST_WAIT_S, max=limits.max_wait_s)

    def __call__(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, RetryableError) and error.retry_after is not None:
            return 0.0
        return self._growing(state)


class _StopOnStrain(stop_base):
    """Ends the tries early where the caller can ask for a part instead."""

    def __init__(self, limits: RetryLimits) -> None:
        self._divisible = limits.divisible

    def __call__(self, retry_state: RetryCallState) -> bool:
        failed = retry_state.outcome.exception() if retry_state.outcome is not None else None
        return (
            self._divisible and retry_state.attempt_number >= _TRIES_OF_A_PART and _strains(failed)
        )
