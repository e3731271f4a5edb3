"""Requests that a PostgreSQL server counts for all workers, and what can happen to the server."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sauce_janitor.errors import BudgetSpentError, StateError
from tests.support.postgresql import Postgresql
from tests.support.request_counts import Counted, take

_FREEZING = """
import os, signal, sys
from sauce_janitor.model.request_allowance import AllowanceTimetable, RequestAllowance
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.budget.meter import Meter
from sauce_janitor.state.server.request_counts import ServerTurn
from tests.support.request_counts import store_at

meter = Meter("https://api", "jane", store_at(sys.argv[1]))
budget = RequestBudget(meter, AllowanceTimetable(RequestAllowance(None, 10)))
budget.take()
add = ServerTurn.add

def freeze(*args, **settings):
    numbers = add(*args, **settings)
    print("counted", flush=True)
    ServerTurn.add = add
    os.kill(os.getpid(), signal.SIGSTOP)
    return numbers

ServerTurn.add = freeze
budget.take()
print("sent", flush=True)
"""


@pytest.fixture
def counted(postgresql: Postgresql) -> Iterator[Counted]:
    url = postgresql.state()
    with ExitStack() as stack:
        yield Counted(url, stack)
    postgresql.drop(url)


def test_a_server_that_is_away_sends_nothing_and_one_that_is_back_goes_on_counting(
    counted: Counted, postgresql: Postgresql
) -> None:
    one = counted.budget()
    take(one, 4)
    postgresql.stop(signal.SIGINT)
    try:
        for _ in range(2):
            with pytest.raises(StateError, match="no request can be counted, so none is sent: the"):
                one.take()
    finally:
        postgresql.start()
    one.take()
    assert counted.budget().left() == 5


def test_after_a_crash_of_the_server_the_hour_counts_as_spent_for_every_process(
    counted: Counted, postgresql: Postgresql
) -> None:
    told: list[str] = []
    one, other = counted.budget(lost=told), counted.budget(lost=told)
    paced = counted.budget(per_hour=None, per_second=1, burst=2, user="john", lost=told)
    for each in (one, other, paced):
        each.take()
    postgresql.stop(signal.SIGQUIT)
    postgresql.start()
    # What it had sent may be in the same window of a second.
    assert paced.take().waited_s > 0
    for each in (one, other):
        assert each.left() == 0
        with pytest.raises(BudgetSpentError, match="in 60 min"):
            each.take()
    assert len(told) == 1, "only one of them founds it anew"
    assert "was lost, as in a crash of the server: for an hour, its requests count as" in told[0]
    counted.pass_time(1800)
    with pytest.raises(BudgetSpentError, match="in 30 min"):
        counted.budget(user="joan").take()
    counted.pass_time(1801)
    one.take()
    assert other.left() == 9


def test_a_worker_that_starts_after_a_crash_asks_whether_requests_were_sent(
    counted: Counted, postgresql: Postgresql
) -> None:
    counted.budget().take()
    postgresql.stop(signal.SIGQUIT)
    postgresql.start()
    told: list[str] = []
    assert counted.budget(lost=told, before=True).left() == 0
    assert len(told) == 1


def test_a_frozen_process_is_not_waited_for_and_counts_again(counted: Counted) -> None:
    frozen = counted.python(_FREEZING, counted.where)
    assert frozen.stdout is not None
    assert frozen.stdout.readline() == "counted\n"
    one = counted.budget()
    one.take()
    assert one.left() == 8, "the first of the frozen one, and this"
    os.kill(frozen.pid, signal.SIGCONT)
    assert frozen.stdout.readline() == "sent\n"
    assert one.left() == 7


def test_a_clock_of_the_server_that_is_set_back_lets_no_time_pass(counted: Counted) -> None:
    one = counted.budget()
    take(one, 4)
    counted.pass_time(-86_400)
    assert one.left() == counted.budget().left() == 6
    one.take()
    counted.pass_time(3602)
    assert one.left() == 10


def test_a_request_of_before_a_crash_that_leaves_after_it_is_counted_again(
    counted: Counted, postgresql: Postgresql
) -> None:
    one = counted.budget()
    held = one.take()
    postgresql.stop(signal.SIGQUIT)
    postgresql.start()
    assert counted.budget(before=True).left() == 0
    assert counted.sent_at() == []
    one.answered(held, "jobs", 0.1)
    one.answered(held, "jobs", 0.2)
    assert len(counted.sent_at()) == 1
