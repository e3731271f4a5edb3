"""Charts stay inside their picture, show what there is and never what there is not."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.web.charts.axes import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    axis,
    nice_top,
    short,
    short_day,
    size,
    whole,
)
from sauce_janitor.web.charts.geometry import day_bars, day_line, gauge, rows
from sauce_janitor.web.charts.values import BarChart, Caption, LineChart, Series

JOBS = Caption("Jobs", "Jobs by day.")
SIZES = Caption("Size", "What the archive has.", size, size)
TODAY = 20_787  # 2026-11-30
AMOUNT = st.one_of(st.none(), st.integers(0, 10), st.integers(0, 10**15))


def bars(*series: Sequence[float | None]) -> BarChart:
    days = range(TODAY - len(series[0]) + 1, TODAY + 1)
    return day_bars(
        JOBS, days, [Series(f"s{n}", "good", values) for n, values in enumerate(series)]
    )


def line(*values: float | None) -> LineChart:
    days = range(TODAY - len(values) + 1, TODAY + 1)
    return day_line(SIZES, days, Series("size", "link", values))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (950, "950"),
        (1000, "1k"),
        (1234, "1.2k"),
        (12345, "12k"),
        (999499, "999k"),
        (999500, "1M"),
        (2500000, "2.5M"),
        (1000000000000.0, "1T"),
        (3e18, "3000P"),
    ],
)
def test_numbers_on_an_axis_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_sizes_have_a_unit() -> None:
    assert [size(each) for each in (0, 950, 1500, 2_000_000, 3.21e12)] == [
        "0 B",
        "950 B",
        "1.5 kB",
        "2 MB",
        "3.2 TB",
    ]
    assert whole(1234567) == "1,234,567"


@given(st.floats(0, 1e18))
def test_an_axis_is_round_and_includes_its_value(value: float) -> None:
    top, step = nice_top(value)
    assert top >= value * (1 - 1e-9)
    assert step >= 1
    assert 1 <= round(top / step) <= 5
    assert math.isclose(round(top / step) * step, top)
    digits = step / 10 ** math.floor(math.log10(step))
    assert any(math.isclose(digits, each) for each in (1, 2, 2.5, 5, 10))


def test_the_axis_of_sizes_is_round_in_its_unit() -> None:
    assert axis(2.7e9, size) == (3e9, 1e9)
    assert axis(700, size)[0] == 800


@given(st.lists(st.tuples(AMOUNT, AMOUNT), min_size=1, max_size=90))
def test_bars_stay_in_the_picture_and_stand_on_each_other(
    values: list[tuple[float | None, float | None]],
) -> None:
    chart = bars([low for low, _ in values], [high for _, high in values])
    assert chart.is_empty == (not any(low or high for low, high in values))
    for stack, (low, high) in zip(chart.stacks, values, strict=False):
        assert len(stack.bars) == bool(low) + bool(high)
        for bar in stack.bars:
            assert bar.x >= LEFT
            assert bar.x + bar.width <= RIGHT + 0.1
            assert bar.height >= 1
            assert TOP - 2 <= bar.y < bar.y + bar.height <= BOTTOM + 1.1
            assert stack.x <= bar.x + 0.1
            assert bar.x + bar.width <= stack.x + stack.width + 0.1


def test_a_bar_says_its_day_and_its_parts() -> None:
    first, second, third = bars([1200, 0, None], [3, 0, None]).stacks
    assert first.words == "2026-11-28: s0 1,200, s1 3"
    assert second.words == "2026-11-29: 0"
    assert (third.words, third.bars) == ("2026-11-30: no data", ())


def test_the_table_has_each_value_newest_first_and_tells_nothing_from_zero() -> None:
    table = bars([1200, 0, None]).table
    assert table.head == ("Day", "s0")
    assert table.rows == (("2026-11-30", "–"), ("2026-11-29", "0"), ("2026-11-28", "1,200"))


def test_few_days_are_labelled_the_last_one_always() -> None:
    for count in (1, 2, 7, 30, 60, 90):
        labels = bars([1] * count).labels
        assert 1 <= len(labels) <= 4
        assert labels[-1].text == "30 Nov"
        places = [label.at for label in labels]
        assert places == sorted(places)
        assert all(after - before > 40 for before, after in itertools.pairwise(places))
    assert short_day(0) == "1 Jan"


@given(st.lists(st.one_of(st.none(), st.integers(0, 10**15)), min_size=1, max_size=90))
def test_a_line_has_a_gap_where_nothing_is_known(values: list[int | None]) -> None:
    chart = line(*values)
    known = [value for value in values if value is not None]
    assert chart.is_empty == (not known)
    assert len(chart.points) == len(known)
    for point in chart.points:
        assert LEFT <= point.x <= RIGHT + 0.01
        assert TOP <= point.y <= BOTTOM
    long = "".join("x" if value is not None else " " for value in values).split()
    assert len(chart.lines) == len(chart.areas) == sum(len(each) > 1 for each in long)


def test_a_single_day_stands_in_the_middle() -> None:
    (point,) = line(5).points
    assert point.x == (LEFT + RIGHT) / 2
    assert point.words == "2026-11-30: 5 B"
    (stack,) = bars([1]).stacks
    (bar,) = stack.bars
    assert bar.x + bar.width / 2 == pytest.approx((LEFT + RIGHT) / 2)


def test_nothing_is_empty() -> None:
    assert day_bars(JOBS, [], [Series("s", "good", [])]).is_empty
    assert day_line(JOBS, [], Series("s", "good", [])).is_empty
    assert rows(JOBS, [], [Series("s", "good", [])]).is_empty


@given(st.lists(st.tuples(AMOUNT, AMOUNT, AMOUNT), min_size=1, max_size=20))
def test_rows_never_leave_the_picture(values: list[tuple[float | None, ...]]) -> None:
    series = [Series(f"s{n}", "good", [row[n] for row in values]) for n in range(3)]
    chart = rows(JOBS, [f"p{n}" for n in range(len(values))], series)
    for row in chart.rows:
        for bar in row.bars:
            assert bar.width >= 0
            assert bar.x + bar.width <= WIDTH + 0.1
            assert bar.y + bar.height <= chart.height


def test_a_row_says_its_parts() -> None:
    series = [Series("archive", "link", [1300]), Series("delete job", "bad", [1])]
    (row,) = rows(JOBS, ["nightly"], series).rows
    assert (row.words, row.total) == ("nightly: archive 1,300, delete job 1", "1,301")


@pytest.mark.parametrize(
    ("left", "tone", "is_drawn"),
    [
        (3600, "good", True),
        (901, "good", True),
        (900, "warn", True),
        (180, "bad", True),
        (0, "bad", False),
        (-5, "bad", False),
        (9999, "good", True),
    ],
)
def test_a_gauge_empties_and_warns(left: int, tone: str, is_drawn: bool) -> None:
    found = gauge(JOBS, left, 3600)
    assert (found.tone, bool(found.arc)) == (tone, is_drawn)
    assert gauge(JOBS, 0, 0).arc == ""


def test_half_a_gauge_ends_at_the_top() -> None:
    assert gauge(JOBS, 1800, 3600).arc.endswith("60.00 12.00")
