"""The request budget on a clock of our own: both windows, pauses, slowing down, and ends that can be waited for."""

from __future__ import annotations

import itertools
import threading

import pytest
from pyrate_limiter import InMemoryBucket
from pyrate_limiter.clocks import AbstractClock

from sauce_janitor.errors import BudgetSpentError, StoppedError
from sauce_janitor.sauce import budget as budget_module
from sauce_janitor.sauce.budget import Budget, window_rates


class Clock(AbstractClock):
    """Stands still but for who waits: the event below moves it."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> int:
        return round(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


class Waiting(threading.Event):
    """Waiting takes no time but the clock's; every wait is on record."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self.clock.seconds += timeout
        return self.is_set()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr(budget_module, "time", one)
    monkeypatch.setattr(InMemoryBucket, "_clock", one)
    return one


@pytest.fixture
def stop(clock: Clock) -> Waiting:
    return Waiting(clock)


def budget(clock: Clock, stop: Waiting, per_second: float | None, per_hour: int | None, burst: int = 1) -> Budget:
    rates = window_rates(per_second, per_hour, burst=burst)
    return Budget(InMemoryBucket(rates) if rates else None, patience_s=60, stop=stop)


def test_a_burst_leaves_at_once_and_then_the_rate_holds(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, 2, None, burst=5)
    left_at = []
    for _ in range(50):
        one.take()
        left_at.append(clock.seconds)
    assert left_at[4] == 1000.0
    for first, sixth in zip(left_at, left_at[5:], strict=False):
        assert sixth - first >= 2.5, "never more than 5 in 2.5 s"
    assert left_at[-1] - left_at[0] <= 49 / 2 * 1.03


def test_close_to_the_vendors_limit_nothing_leaves_in_bursts(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, 10, None, burst=5)
    left_at = []
    for _ in range(30):
        one.take()
        left_at.append(clock.seconds)
    assert all(later - earlier > 0.1 for earlier, later in itertools.pairwise(left_at))


def test_the_rate_of_ten_a_second_is_kept_within_three_percent(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, 10, 3500, burst=1)
    for _ in range(1000):
        one.take()
    assert 100 <= clock.seconds - 1000 <= 103


def test_a_spent_hour_is_said_at_once_with_its_end(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, None, 3)
    for _ in range(3):
        one.take()
    clock.seconds += 600
    assert one.left() == 0
    with pytest.raises(BudgetSpentError, match=r"may leave in 300[01] s"):
        one.take()
    assert stop.waits == []
    assert one.wait_for(1) == pytest.approx(3000, abs=1)
    assert one.wait_for(3) == pytest.approx(3000, abs=1)
    assert one.wait_for(6) == pytest.approx(3000 + 3600, abs=1)
    clock.seconds += 3001
    one.take()
    assert one.left() == 2


def test_who_does_not_want_to_wait_does_not(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, 1, None)
    one.take(block=False)
    with pytest.raises(BudgetSpentError):
        one.take(block=False)


@pytest.mark.parametrize("per_hour", [None, 1500])
def test_a_limit_of_seconds_alone_runs_out_of_nothing(clock: Clock, stop: Waiting, per_hour: int | None) -> None:
    """What is asked for a second may leave the hour nothing to limit: a run that goes on slowly must not end as spent."""
    one = budget(clock, stop, 0.2, per_hour)
    one.take()
    assert one.left() is None


def test_no_limit_never_waits(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, None, None)
    for _ in range(10_000):
        assert one.take() == 0
    assert one.left() is None
    assert one.wait_for(10**6) == 0


def test_reserved_requests_wait_for_nothing_in_their_thread_only(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, 1, None, burst=2)
    with one.reserved(2):
        assert one.take(block=False) == 0
        with pytest.raises(BudgetSpentError):
            _in_thread(lambda: one.take(block=False))
        assert one.take(block=False) == 0
        with pytest.raises(BudgetSpentError):
            one.take(block=False)


def test_an_inner_reservation_leaves_the_outer_one_alone(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, None, 3)
    with one.reserved(2):
        with one.reserved(1):
            one.take()
        one.take(2)
        with pytest.raises(BudgetSpentError):
            one.take()
    with pytest.raises(BudgetSpentError):
        one.take()


def test_what_was_reserved_and_not_spent_is_lost(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, None, 2)
    with one.reserved(2):
        pass
    with pytest.raises(BudgetSpentError):
        one.take()


def test_more_than_a_burst_can_be_reserved(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, 1, None, burst=1)
    with one.reserved(2) as waited:
        assert waited == pytest.approx(1.02, abs=0.01)


def _in_thread(work: object) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()  # type: ignore[operator]
        except BudgetSpentError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def test_a_stop_ends_a_wait(clock: Clock) -> None:
    stop = threading.Event()
    one = Budget(InMemoryBucket(window_rates(0.05, None, burst=1)), stop=stop)
    one.take()
    threading.Timer(0.02, stop.set).start()
    with pytest.raises(StoppedError):
        one.take()


def test_a_429_halves_the_rate_for_an_hour_once(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, 10, 1000)
    one.learn(429, {}, now=0)
    one.learn(429, {}, now=0)
    began = clock.seconds
    for _ in range(11):
        one.take()
    assert clock.seconds - began == pytest.approx(2.04, abs=0.05)
    assert one.left() == 500 - 11
    clock.seconds += 3601
    one.take()
    began = clock.seconds
    for _ in range(10):
        one.take()
    assert clock.seconds - began == pytest.approx(1.02, abs=0.05)


def test_a_429_gives_a_limit_to_who_had_none(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, None, None)
    one.learn(429, {}, now=0)
    for _ in range(11):
        one.take()
    assert clock.seconds - 1000 == pytest.approx(2.05, abs=0.05)


def test_held_back_nobody_leaves(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, None, None)
    one.hold_back(30)
    assert one.wait_for(1) == 30
    assert one.take() == 30


@pytest.mark.parametrize("reset", ["20", "20.0", "1700000020", "1700000020000"])
def test_a_remaining_of_nothing_waits_for_the_reset_in_any_unit(clock: Clock, stop: Waiting, reset: str) -> None:
    one = budget(clock, stop, None, None)
    one.learn(
        200, {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Limit": "10", "X-Ratelimit-Reset": reset}, now=1_700_000_000
    )
    assert one.wait_for(1) == pytest.approx(20)


def test_who_keeps_to_a_rate_does_not_wait_for_the_end_of_each_second(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, 10, None)
    one.learn(200, {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Limit": "10", "X-Ratelimit-Reset": "1"}, now=0)
    assert one.take() == 0


@pytest.mark.parametrize(("remaining", "waits"), [("176", 0), ("175", 100), ("1", 100)])
def test_the_last_part_of_an_hour_is_left_to_the_users_tests(
    clock: Clock, stop: Waiting, remaining: str, waits: int
) -> None:
    one = budget(clock, stop, None, None)
    one.learn(200, {"X-Ratelimit-Remaining": remaining, "X-Ratelimit-Limit": "3500", "X-Ratelimit-Reset": "100"}, now=0)
    assert one.wait_for(1) == pytest.approx(waits)


@pytest.mark.parametrize("text", ["", "soon", "nan", "-1", "inf"])
def test_senseless_headers_change_nothing(clock: Clock, stop: Waiting, text: str) -> None:
    one = budget(clock, stop, None, None)
    one.learn(200, {"X-Ratelimit-Remaining": text, "X-Ratelimit-Limit": text, "X-Ratelimit-Reset": text}, now=0)
    one.learn(200, {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": text}, now=0)
    assert one.wait_for(1) == 0


@pytest.mark.parametrize(
    ("per_second", "per_hour", "burst"),
    [
        (2, 1500, 5),
        (10, 3500, 10),
        (0.5, 1, 5),
        (10, 3, 5),
        (1, 3600, 1),
        (1, 100_000, 1),
        (None, 1, 9),
        (3, None, 0),
        (2, 7200, 5),
    ],
)
def test_any_pair_of_windows_makes_a_bucket(per_second: float | None, per_hour: int | None, burst: int) -> None:
    rates = window_rates(per_second, per_hour, burst=burst)
    InMemoryBucket(rates)
    if per_hour is not None:
        assert min(rate.limit * 3_600_000 / rate.interval for rate in rates) <= per_hour
