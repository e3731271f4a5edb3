"""The count of seconds by which the age of an answer is told."""

from __future__ import annotations

import time

import pytest

from sauce_janitor.clock import LEAP_S, SystemClock


class Machine:
    """A machine whose two clocks are set by hand."""

    def __init__(self) -> None:
        self.steady, self.wall = 50.0, 1_800_000_000.0
        self.clock = SystemClock(steady=lambda: self.steady, wall=lambda: self.wall)

    def passes(self, seconds: float, *, wall: float | None = None) -> float:
        """How much older an answer is after so many seconds of the one clock and of the other."""
        before = self.clock.monotonic()
        self.steady += seconds
        self.wall += seconds if wall is None else wall
        return self.clock.monotonic() - before


def test_seconds_pass_as_both_clocks_say() -> None:
    machine = Machine()
    assert [machine.passes(seconds) for seconds in (0, 3, 7200)] == [0, 3, 7200]


@pytest.mark.parametrize("wall", [40.0, 3600.0, -40.0, -86_400.0])
def test_where_the_clocks_disagree_nothing_is_fresh(wall: float) -> None:
    machine = Machine()
    assert machine.passes(1, wall=wall) >= max(LEAP_S, abs(wall) - 1)
    assert machine.passes(1) == 1, "only once"


def test_an_ntp_client_that_slews_the_date_makes_nothing_old() -> None:
    machine = Machine()
    assert [machine.passes(60, wall=61.5) for _ in range(10)] == [60] * 10


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="Linux has it")
def test_the_count_goes_on_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = {time.CLOCK_BOOTTIME: 500.0}  # of any other clock: a KeyError
    monkeypatch.setattr(time, "clock_gettime", readings.__getitem__)
    assert SystemClock().monotonic() == 500.0
