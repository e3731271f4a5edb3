"""The request budget on a clock of our own: both windows, pauses, slowing down, and ends that can
be waited for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from sauce_janitor.errors import BudgetSpentError, StateError, StoppedError
from sauce_janitor.model.request_allowance import (
    AllowanceTimetable,
    AllowanceWindow,
    RequestAllowance,
)
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.budget.credential_rows import FileCount
from sauce_janitor.sauce.budget.meter import Meter
from sauce_janitor.sauce.budget.ports import CountTurn, RequestCount, TimeSource
from sauce_janitor.sauce.budget.rates import rate_windows
from tests.fakes.clocks import Clock, Waiting


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stop(clock: Clock) -> Waiting:
    return Waiting(clock)


def budget(
    clock: Clock, stop: Waiting, per_second: float | None, per_hour: int | None, burst: int = 1
) -> RequestBudget:
    timetable = AllowanceTimetable(RequestAllowance(per_second, per_hour, burst))
    return RequestBudget(
        Meter("https://api", "jane", clock=clock), timetable, stop=stop, clock=clock
    )


def take(one: RequestBudget, count: int) -> list[float]:
    """The waits of so many requests."""
    return [one.take().waited_s for _ in range(count)]


def test_a_burst_leaves_at_once_and_then_the_rate_holds(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, 2, None, burst=5)
    left_at = []
    for _ in range(50):
        one.take()
        left_at.append(clock.seconds)
    assert left_at[4] == 1000.0
    for first, sixth in zip(left_at, left_at[5:], strict=False):
        assert sixth - first >= 2.5, "never more than 5 in 2.5 s"
    assert left_at[-1] - left_at[0] <= 49 / 2 * 1.02


@pytest.mark.parametrize("burst", [1, 2, 5, 7, 10, 1000])
@pytest.mark.parametrize("per_second", [10, 9.5, 7, 5, 3, 1])
def test_however_large_the_burst_no_second_has_more_than_the_vendor_allows(
    clock: Clock, stop: Waiting, per_second: float, burst: int
) -> None:
    one = budget(clock, stop, per_second, None, burst=burst)
    left_at = []
    for _ in range(60):
        one.take()
        left_at.append(clock.seconds)
    for first, eleventh in zip(left_at, left_at[10:], strict=False):
        assert eleventh - first > 1.015, (
            "and some room for requests that do not arrive as evenly as they leave"
        )


def test_the_rate_of_ten_a_second_is_kept_within_three_percent(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, 10, 3500, burst=10)
    take(one, 1010)
    assert 100 <= clock.seconds - 1000 <= 102.5


def test_a_spent_hour_is_said_at_once_with_its_end(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, None, 3)
    take(one, 3)
    clock.seconds += 600
    assert one.left() == 0
    with pytest.raises(BudgetSpentError, match=r"may leave in 51 min, at 1970-01-01 01:1\d UTC"):
        one.take()
    assert stop.waits == []
    assert one.goes_on_in() == pytest.approx(3001, abs=1)
    clock.seconds += 3002
    one.take()
    assert one.left() == 2
    assert one.goes_on_in() == 0


def test_a_short_wait_for_the_hour_is_sat_out(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, None, 1)
    one.take()
    clock.seconds += 3601 - 59
    assert one.take().waited_s == pytest.approx(59, abs=0.1)


def test_the_pace_is_kept_to_whatever_it_takes(clock: Clock, stop: Waiting) -> None:
    """A slow rate is no spent budget: who asks for one request in five minutes gets it."""
    one = budget(clock, stop, 1 / 300, None)
    assert take(one, 3) == [0, pytest.approx(300, abs=0.1), pytest.approx(300, abs=0.1)]


@pytest.mark.parametrize("per_hour", [None, 1500])
def test_a_limit_of_seconds_alone_runs_out_of_nothing(
    clock: Clock, stop: Waiting, per_hour: int | None
) -> None:
    """What is asked for a second may leave the hour nothing to limit: a run that goes on slowly
    must not end as spent.
    """
    one = budget(clock, stop, 0.2, per_hour)
    one.take()
    assert one.left() is None
    assert one.remaining() == {"second": 0}


def test_both_windows_say_what_is_left(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, 2, 100, burst=5)
    take(one, 3)
    assert one.remaining() == {"second": 2, "hour": 97}


def test_no_limit_never_waits(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, None, None)
    assert sum(take(one, 10_000)) == 0
    assert one.left() is None
    assert one.remaining() == {}
    assert one.goes_on_in() == 0


def test_reserved_requests_wait_for_nothing_in_their_thread_only(
    clock: Clock, stop: Waiting
) -> None:
    one = budget(clock, stop, None, 2)
    with one.reserved(2):
        assert one.take().waited_s == 0
        with pytest.raises(BudgetSpentError):
            _in_thread(one.take)
        assert one.take().waited_s == 0
        with pytest.raises(BudgetSpentError):
            one.take()


def test_what_a_reservation_waited_is_told_once_with_its_requests(
    clock: Clock, stop: Waiting
) -> None:
    one = budget(clock, stop, 1, None)
    one.take()
    with one.reserved(2) as waited:
        assert waited == pytest.approx(2.04, abs=0.01)
        assert sum(take(one, 2)) == waited


def test_an_inner_reservation_leaves_the_outer_one_alone(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, None, 3)
    with one.reserved(2):
        with one.reserved(1):
            one.take()
        take(one, 2)
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


def test_a_stop_ends_every_wait() -> None:
    stop = threading.Event()
    one = RequestBudget(
        Meter("https://api", "jane"), AllowanceTimetable(RequestAllowance(0.05, None, 1)), stop=stop
    )
    one.take()
    stopped = []

    def wait() -> None:
        with pytest.raises(StoppedError):
            one.take()
        stopped.append(True)

    waiting = [threading.Thread(target=wait) for _ in range(3)]
    for thread in waiting:
        thread.start()
    stop.set()
    for thread in waiting:
        thread.join()
    assert stopped == [True] * 3


def test_a_closed_budget_lets_nobody_send(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, 1, None)
    one.close()
    with pytest.raises(StateError, match="closed"):
        one.take()


# --- what Sauce Labs says -------------------------------------------------------------------------


def test_a_429_halves_the_rate_for_an_hour_once(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, 10, 1000)
    one.learn(429, {}, now=0)
    one.learn(429, {}, now=0)
    began = clock.seconds
    take(one, 11)
    assert clock.seconds - began == pytest.approx(2.04, abs=0.05)
    assert one.left() == 500 - 11
    clock.seconds += 3601
    began = clock.seconds
    take(one, 11)
    assert clock.seconds - began == pytest.approx(1.02, abs=0.05)


def test_a_429_gives_a_limit_to_who_had_none(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, None, None)
    one.learn(429, {}, now=0)
    take(one, 11)
    assert clock.seconds - 1000 == pytest.approx(2.05, abs=0.05)


def test_held_back_nobody_leaves(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, None, None)
    one.hold_back(30)
    assert one.goes_on_in() == 30
    assert one.take().waited_s == 30


def test_a_longer_pause_than_the_patience_is_told_as_what_sauce_labs_asks_for(
    clock: Clock, stop: Waiting
) -> None:
    one = budget(clock, stop, 2, 1500)
    one.hold_back(10**9)
    assert one.left() == 0
    with pytest.raises(
        BudgetSpentError, match="Sauce Labs asks to wait: the next request may leave in 60 min"
    ):
        one.take()


HOUR = {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Limit": "3500"}
NOW = 1_700_000_000


@pytest.mark.parametrize(
    "reset",
    [
        "1200",
        "1200.0",
        "1700001200",
        "1700001200000",
        "1200000",
        "Tue, 14 Nov 2023 22:33:20 GMT",
        "2023-11-14T22:33:20Z",
    ],
)
def test_a_remaining_of_nothing_waits_for_the_reset_in_any_unit(
    clock: Clock, stop: Waiting, reset: str
) -> None:
    one = budget(clock, stop, None, None)
    one.learn(200, HOUR | {"X-Ratelimit-Reset": reset}, now=NOW)
    assert one.goes_on_in() == pytest.approx(1200)


@pytest.mark.parametrize("reset", ["", "soon", "nan", "-1", "inf", None, "Thu, 99 Foo 2023"])
def test_a_spent_hour_whose_end_cannot_be_read_is_asked_again_in_a_minute(
    clock: Clock, stop: Waiting, reset: str | None
) -> None:
    one = budget(clock, stop, None, None)
    one.learn(200, HOUR | ({"X-Ratelimit-Reset": reset} if reset is not None else {}), now=NOW)
    assert one.goes_on_in() == 60


@pytest.mark.parametrize("reset", ["99999999", "4102444800", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_no_header_makes_anybody_wait_longer_than_an_hour(
    clock: Clock, stop: Waiting, reset: str
) -> None:
    one = budget(clock, stop, None, None)
    one.learn(200, HOUR | {"X-Ratelimit-Reset": reset}, now=NOW)
    assert one.goes_on_in() == 3600


def test_who_keeps_to_a_rate_does_not_wait_for_the_end_of_each_second(
    clock: Clock, stop: Waiting
) -> None:
    one = budget(clock, stop, 10, None)
    one.learn(
        200,
        {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Limit": "10", "X-Ratelimit-Reset": "1"},
        now=0,
    )
    assert one.take().waited_s == 0


@pytest.mark.parametrize(("remaining", "waits"), [("176", 0), ("175", 100), ("1", 100)])
def test_the_last_part_of_an_hour_is_left_to_the_users_tests(
    clock: Clock, stop: Waiting, remaining: str, waits: int
) -> None:
    one = budget(clock, stop, None, None)
    one.learn(
        200,
        {
            "X-Ratelimit-Remaining": remaining,
            "X-Ratelimit-Limit": "3500",
            "X-Ratelimit-Reset": "100",
        },
        now=0,
    )
    assert one.goes_on_in() == pytest.approx(waits)


def test_what_the_users_tests_have_spent_is_not_counted_on(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, 10, 1500)
    headers = {
        "X-Ratelimit-Remaining": "275",
        "X-Ratelimit-Limit": "3500",
        "X-Ratelimit-Reset": "600",
    }
    one.learn(200, headers, now=0)
    assert one.left() == 100
    clock.seconds += 601
    assert one.left() == 1500


@pytest.mark.parametrize("text", ["", "soon", "nan", "-1", "inf", "9, 3499"])
def test_senseless_headers_change_nothing(clock: Clock, stop: Waiting, text: str) -> None:
    one = budget(clock, stop, None, None)
    one.learn(
        200,
        {"X-Ratelimit-Remaining": text, "X-Ratelimit-Limit": text, "X-Ratelimit-Reset": text},
        now=0,
    )
    one.learn(
        200,
        {"X-Ratelimit-Remaining": text, "X-Ratelimit-Limit": "3500", "X-Ratelimit-Reset": "9"},
        now=0,
    )
    one.learn(200, {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": text}, now=0)
    assert one.goes_on_in() == 0


# --- hours of the day -----------------------------------------------------------------------------

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 11, 23, tzinfo=BERLIN).timestamp()
EVERY_DAY = frozenset(range(7))


def by_day(clock: Clock, stop: Waiting, office: RequestAllowance) -> RequestBudget:
    window = AllowanceWindow(EVERY_DAY, 8 * 60, 18 * 60, office)
    timetable = AllowanceTimetable(RequestAllowance(None, 1000), (window,), BERLIN)
    return RequestBudget(
        Meter("https://api", "jane", clock=clock), timetable, stop=stop, clock=clock
    )


def test_in_a_window_its_own_rate_holds(clock: Clock, stop: Waiting) -> None:
    clock.seconds = MONDAY + 7.9 * 3600
    one = by_day(clock, stop, RequestAllowance(None, 100))
    take(one, 60)
    assert one.left() == 940
    clock.seconds = MONDAY + 8 * 3600
    assert one.left() == 40
    take(one, 40)
    with pytest.raises(BudgetSpentError):
        one.take()
    clock.seconds = MONDAY + 18 * 3600
    assert one.left() == 1000


def test_a_window_of_none_is_waited_for_to_its_end(clock: Clock, stop: Waiting) -> None:
    clock.seconds = MONDAY + 12 * 3600
    one = by_day(clock, stop, RequestAllowance(None, 0))
    assert one.left() == 0
    assert one.goes_on_in() == 6 * 3600
    with pytest.raises(BudgetSpentError, match="in 360 min, at 2026-11-23 17:00 UTC"):
        one.take()
    clock.seconds += 6 * 3600 - 30
    assert one.take().waited_s == 30


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
        (3, None, 1),
        (2, 7200, 5),
        (0.0001, 5, 5),
        (100, 1_000_000, 1000),
    ],
)
@pytest.mark.parametrize("slowed", [False, True])
def test_any_pair_of_windows_makes_a_bucket(
    clock: Clock,
    stop: Waiting,
    per_second: float | None,
    per_hour: int | None,
    burst: int,
    slowed: bool,
) -> None:
    one = budget(clock, stop, per_second, per_hour, burst)
    if slowed:
        one.learn(429, {}, now=0)
    assert one.take().waited_s == 0
    windows = rate_windows(RequestAllowance(per_second, per_hour, burst), slowed=slowed)
    if per_hour is not None:
        assert min(each.limit * 3_600_000 / each.interval_ms for each in windows) <= per_hour


def test_a_request_that_is_held_up_counts_from_when_it_leaves(clock: Clock, stop: Waiting) -> None:
    """A reservation's second request leaves after the first was answered: ten after it must not
    arrive with ten before it.
    """
    one = budget(clock, stop, 10, None, burst=10)
    with one.reserved(2):
        first, second = one.take(), one.take()
        one.leaves(first)
        clock.seconds += 0.5
        one.leaves(second)
    take(one, 8)
    began = clock.seconds
    assert take(one, 2) == [pytest.approx(0.52, abs=0.01), pytest.approx(0.5, abs=0.01)]
    assert clock.seconds - began == pytest.approx(1.02, abs=0.01)


def test_a_request_that_is_held_up_for_longer_than_the_window_waits_for_a_place_in_it(
    clock: Clock, stop: Waiting
) -> None:
    one = budget(clock, stop, 10, None, burst=10)
    with one.reserved(2):
        one.leaves(one.take())
        held = one.take()
        clock.seconds += 5
        other = threading.Thread(target=take, args=(one, 10))
        other.start()
        other.join()
        began = clock.seconds
        one.leaves(held)
    assert clock.seconds - began == pytest.approx(1.02, abs=0.01)
    with one.reserved(1):
        held = one.take()
        clock.seconds += 5
        other = threading.Thread(target=take, args=(one, 10))
        other.start()
        other.join()
        stop.set()
        with pytest.raises(StoppedError):
            one.leaves(held)


class SlowCount:
    """A count whose answers take as long as said, one after the other, and then no time."""

    def __init__(self, clock: Clock, delays: list[float]) -> None:
        self._clock = clock
        self._delays = delays

    def exists(self) -> bool:
        return False

    def open(self, address: str, username: str, clock: TimeSource) -> RequestCount:
        count = FileCount(address, username, None, clock)
        do = count.do

        def slowly(work: Callable[[CountTurn], object]) -> object:
            result = do(work)
            self._clock.seconds += self._delays.pop(0) if self._delays else 0
            return result

        count.do = slowly  # type: ignore[assignment, method-assign]
        return count


@pytest.mark.parametrize("delays", [[0.3], [0.3, 0.3], [0.3, 0.3, 0.5]])
def test_a_count_that_answers_late_lets_no_more_leave_in_a_second(
    clock: Clock, stop: Waiting, delays: list[float]
) -> None:
    """A server far away, or a network that stutters: the request leaves later than it counted."""
    meter = Meter("https://api", "jane", SlowCount(clock, delays), clock=clock)
    timetable = AllowanceTimetable(RequestAllowance(10, None, 10))
    one = RequestBudget(meter, timetable, stop=stop, clock=clock)
    left_at = []
    for _ in range(30):
        one.leaves(one.take())
        left_at.append(clock.seconds)
    for first, eleventh in zip(left_at, left_at[10:], strict=False):
        assert eleventh - first > 1.01


def test_requests_that_go_together_are_taken_together_or_not_at_all(
    clock: Clock, stop: Waiting
) -> None:
    """A first one that waits, counted, for its second would be a request that nobody sends."""
    one = budget(clock, stop, 1, None, burst=2)
    one.take()
    with one.reserved(2) as waited:
        assert waited == pytest.approx(2.02, abs=0.01)
    assert one.remaining() == {"second": 0}


def test_more_than_can_leave_together_are_taken_as_they_can(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, 1, None, burst=2)
    with one.reserved(5) as waited:
        assert waited == pytest.approx(4.04, abs=0.02)
        assert sum(take(one, 5)) == waited


def test_a_request_that_was_late_on_its_way_counts_from_when_it_can_have_arrived(
    clock: Clock, stop: Waiting
) -> None:
    """Else those let go a second after it could arrive with it, and be one too many there."""
    one = budget(clock, stop, 10, None, burst=10)
    first = one.take()
    one.answered(first, "delete_job", 0.06)
    clock.seconds += 2
    late = one.take()
    clock.seconds += 0.2
    one.answered(late, "delete_job", 0.2)
    take(one, 9)
    [waited] = take(one, 1)
    assert waited == pytest.approx(1.02 - 0.06, abs=0.005), "not 1.02 - 0.2"


def test_an_answer_that_took_long_is_measured_by_its_own_kind(clock: Clock, stop: Waiting) -> None:
    one = budget(clock, stop, 10, None, burst=10)
    one.answered(one.take(), "delete_job", 0.06)
    clock.seconds += 2
    slow = one.take()
    clock.seconds += 0.2
    one.answered(slow, "jobs", 0.2)
    take(one, 9)
    assert take(one, 1) == [pytest.approx(1.02 - 0.2, abs=0.005)]
