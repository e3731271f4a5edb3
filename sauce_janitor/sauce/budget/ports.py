"""Where requests are counted: what a budget needs of a count that several processes share.

Times are milliseconds of one clock of the count's own, the same for all who share it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from sauce_janitor.model.request_allowance import CountStanding

_T = TypeVar("_T")


class TimeSource(Protocol):
    """The module `time`, or a test's."""

    def time(self) -> float:
        """Return epoch seconds UTC."""

    def monotonic(self) -> float:
        """Return seconds of a clock that nobody can set."""


class CountTurn(Protocol):
    """One credential's count, while nobody else reads or changes it."""

    def standing(self) -> CountStanding:
        """Return the time now and the credential's limits; add the credential when it is new."""

    def sent_since(self, starts: Sequence[int]) -> list[int]:
        """Return how many requests were sent at each of these times or later."""

    def sent_at(self, newer: int) -> int | None:
        """Return when the request was sent that has so many newer ones; None without one."""

    def add(self, requests: int, now: CountStanding, *, forget: int) -> Sequence[int]:
        """Count so many requests and return their numbers. Those before `forget` are removed."""

    def put_off(self, number: int, at: int) -> None:
        """Make the request with that number count from then on."""

    def hold_until(self, at: int) -> None:
        """Let nobody send before then."""

    def slow_until(self, at: int) -> None:
        """Halve every rate until then."""


class RequestCount(Protocol):
    """The count of one credential. Any thread may use it.

    Raises StateError when it cannot be kept: then nobody sends.
    """

    def exists(self) -> bool:
        """Return whether anything was ever counted. This is cheap."""

    def do(self, work: Callable[[CountTurn], _T]) -> _T:
        """Run `work` alone, all of it or, where it raises an error, nothing."""

    def close(self) -> None:
        """Close the count; it cannot be used any more."""


class CountStore(Protocol):
    """Where all processes on a state count their requests."""

    def open(self, address: str, username: str, clock: TimeSource) -> RequestCount:
        """Return the count of this credential; close it."""

    def exists(self) -> bool:
        """Return whether anything was counted here. This changes nothing."""
