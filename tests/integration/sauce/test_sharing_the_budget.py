"""One budget for every process on a state, beside its file and on a server: real processes, and
what can happen to them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.errors import BudgetSpentError
from sauce_janitor.model.request_allowance import RequestAllowance
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.sandbox.core.options import Rate
from sauce_janitor.sauce.budget.rates import rate_windows
from tests.support.postgresql import Postgresql
from tests.support.request_counts import Counted, begin, take, together

_TAKING = """
import sys
from sauce_janitor.model.request_allowance import AllowanceTimetable, RequestAllowance
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.budget.meter import Meter
from tests.support.request_counts import store_at

meter = Meter("https://api", sys.argv[2], store_at(sys.argv[1]))
pace = (float(sys.argv[3]), None, int(sys.argv[4])) if sys.argv[3:] else (None, 1_000_000)
budget = RequestBudget(meter, AllowanceTimetable(RequestAllowance(*pace)))
for number in range(10**6):
    budget.take()
    print(number + 1, flush=True)
"""


@pytest.fixture(params=["file", "server"])
def counted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Counted]:
    """Where requests are counted, once for each kind of state."""
    if request.param == "file":
        with ExitStack() as stack:
            yield Counted(str(tmp_path / "state.db"), stack)
        return
    server: Postgresql = request.getfixturevalue("postgresql")
    url = server.state()
    with ExitStack() as stack:
        yield Counted(url, stack)
    server.drop(url)


def test_three_processes_send_no_more_than_one_may_in_an_hour(counted: Counted) -> None:
    """L6: never more than the configured request rate at the server, all processes together."""
    with Sandbox(SandboxOptions(jobs=5, rate=Rate(per_hour=60))) as sandbox:
        told = together([counted.asking(sandbox, 40, per_hour=60) for _ in range(3)])
        assert sum(made for made, _ in told) == len(sandbox.log) == 60
        assert {entry.status for entry in sandbox.log} == {200}, "not one 429"
        assert all("the request budget is spent" in error for made, error in told if made < 40)
        [(made, error)] = together([counted.asking(sandbox, 1, per_hour=60)])
        assert (made, error[:28]) == (
            0,
            "the request budget is spent:",
        ), "a process that starts later counts on"


def pace_is_kept(counted: Counted, window_of: RequestAllowance) -> None:
    [window] = rate_windows(window_of)
    moments = counted.sent_at()
    gaps = [
        later - earlier for earlier, later in zip(moments, moments[window.limit :], strict=False)
    ]
    assert min(gaps) > window.interval_ms, (
        f"never more than {window.limit} in {window.interval_ms} ms"
    )


def test_three_processes_keep_one_pace(counted: Counted) -> None:
    with Sandbox(SandboxOptions(jobs=5)) as sandbox:
        told = together([counted.asking(sandbox, 30, per_second=40, burst=8) for _ in range(3)])
    assert told == [(30, "")] * 3
    assert len(counted.sent_at()) == 90
    pace_is_kept(counted, RequestAllowance(40, None, 8))


def test_processes_that_are_killed_and_a_clock_that_is_wrong_make_no_request_too_many(
    counted: Counted,
) -> None:
    # Of an hour so short Sauce Labs' headers leave nothing to others.
    with Sandbox(SandboxOptions(jobs=5, rate=Rate(per_hour=90))) as sandbox:
        settings: dict[str, Any] = {"per_hour": 90, "per_second": 60, "burst": 6}
        steady = [counted.asking(sandbox, 25, ahead_s=ahead, **settings) for ahead in (600, 0)]
        killed = [counted.asking(sandbox, 90, **settings) for _ in range(3)]
        last = counted.asking(sandbox, 90, ahead_s=-600, **settings)
        begin(steady)
        for number, process in enumerate(killed, 1):
            begin([process])
            while len(sandbox.log) < number * 10:
                assert process.poll() is None
            process.kill()
        for process in steady:
            process.communicate()
        together([last])
        # What a killed process had counted and not sent is lost.
        assert 90 - len(killed) <= len(sandbox.log) <= 90
        assert {entry.status for entry in sandbox.log} <= {200, None}, "not one 429"
    assert len(counted.sent_at()) == 90


def test_processes_that_are_killed_keep_one_pace(counted: Counted) -> None:
    counted.budget(per_hour=None, per_second=100, burst=5).take()
    processes = [counted.python(_TAKING, counted.where, "jane", "100", "5") for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 20:
                break
        process.kill()
        process.wait()
    assert len(counted.sent_at()) > 60
    pace_is_kept(counted, RequestAllowance(100, None, 5))


def test_a_429_met_by_one_process_slows_the_others(counted: Counted) -> None:
    first, second = counted.budget(per_hour=100), counted.budget(per_hour=100)
    first.learn(429, {}, now=0)
    assert second.left() == 50
    first.hold_back(1000)
    with pytest.raises(BudgetSpentError, match="Sauce Labs asks to wait"):
        second.take()
    counted.pass_time(1001)
    second.take()
    assert second.left() == 49
    counted.pass_time(2600)
    assert first.left() == 99


def test_a_killed_holder_holds_up_nobody_and_stays_counted(counted: Counted) -> None:
    for user in ("jane", "john", "joan"):
        process = counted.python(_TAKING, counted.where, user)
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 50:
                break
        os.kill(process.pid, signal.SIGKILL)
        said = [line, *process.communicate()[0].splitlines()]
        left = counted.budget(per_hour=1_000_000, user=user).left()
        assert left is not None
        last = int(said[-1]) if said[-1].strip() else int(said[-2])
        assert 1_000_000 - left >= last, "what was taken is counted"


def test_what_was_sent_counts_in_the_next_process(counted: Counted) -> None:
    first = counted.budget()
    take(first, 4)
    first.close()
    assert counted.budget().left() == 6
    assert counted.budget().goes_on_in() == 0


def test_a_spent_hour_ends(counted: Counted) -> None:
    one = counted.budget()
    take(one, 10)
    counted.pass_time(1800)
    with pytest.raises(BudgetSpentError, match=r"the next request may leave in 3[01] min"):
        counted.budget().take()
    counted.pass_time(1802)
    take(counted.budget(), 10)


def test_each_credential_has_its_own_budget_however_its_name_is_written(counted: Counted) -> None:
    counted.budget(user="jane").take()
    assert counted.budget(user="Jane").left() == 9
    assert counted.budget(user="john").left() == 10


def test_requests_that_go_together_are_counted_together_or_not_at_all(counted: Counted) -> None:
    one = counted.budget(per_hour=10, per_second=1, burst=3)
    with one.reserved(3):
        assert counted.budget(per_hour=10).left() == 7
        moments = counted.sent_at()
        assert moments == [moments[0]] * 3


def test_a_request_that_is_held_up_counts_for_all_from_when_it_leaves(counted: Counted) -> None:
    one = counted.budget()
    [ticket, other] = [one.take(), one.take()]
    before = counted.sent_at()
    counted.pass_time(1800)
    one.answered(other, "jobs", 0.1)
    one.answered(ticket, "jobs", 0.2)
    after = counted.sent_at()
    assert len(after) == 2
    assert after[1] - after[0] >= 1_799_000, "and only that one"
    assert len(before) == 2


def test_without_a_limit_nothing_is_counted_until_sauce_labs_sets_one(counted: Counted) -> None:
    one = counted.budget(per_hour=None)
    one.take()
    assert one.left() is None
    one.learn(429, {}, now=0)
    other = counted.budget(per_hour=None)
    other.take()
    assert other.take().waited_s > 0.1
    assert len(counted.sent_at()) == 2


def test_a_first_count_is_no_lost_one(counted: Counted) -> None:
    told: list[str] = []
    counted.budget(lost=told).take()
    assert told == []


def test_requests_that_nobody_counts_any_more_are_forgotten(counted: Counted) -> None:
    one = counted.budget()
    for _ in range(5):
        take(one, 10)
        counted.pass_time(3602)
    assert len(counted.sent_at()) <= 30
