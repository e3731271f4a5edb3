"""What new jobs ask of the budget, and how many of them Sauce Labs purges first when it is not
enough.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sauce_janitor.model.assets import EVERYTHING
from sauce_janitor.model.jobs import AssetsStanding, JobState, Record
from sauce_janitor.model.policies import Rules
from sauce_janitor.retention.plan.costs import files_wanted
from sauce_janitor.retention.what_if.inflow import Inflow, inflow
from tests.support.jobs import DAY, HOUR, NOW, keep, policy, record, rules, where

NIGHTLY = rules(policy("nightly", where(build="nightly-1"), archive="2h", assets="10d", job="180d"))


def found(of: Rules, records: list[Record]) -> Inflow:
    what = inflow(of, lambda: iter(records), as_of=NOW)
    assert what is not None
    return what


def days_of(jobs: int, days: int, **fields: object) -> list[Record]:
    """So many jobs on each of so many days, the newest first."""
    step = DAY // jobs
    return [record(f"j{n}", 1 + n * step, **fields) for n in range(jobs * days)]


def test_a_week_of_jobs_is_taken_for_the_weeks_to_come() -> None:
    what = found(NIGHTLY, days_of(24, 30))
    files = files_wanted(EVERYTHING)
    assert (what.jobs, what.archives) == (24, 24)
    assert what.archiving == pytest.approx(24 * (files + 1.05), rel=0.01)
    assert what.rest == pytest.approx(24 * 2.01, rel=0.01)


def test_what_was_done_about_the_newest_jobs_already_counts_too() -> None:
    """The budget has to give for the next ones what it gave for these."""
    fresh = found(NIGHTLY, days_of(24, 30))
    done = days_of(24, 30, archived=frozenset({"all"}), assets=AssetsStanding.DELETED)
    assert found(NIGHTLY, done) == fresh


def test_what_no_policy_wants_costs_nothing() -> None:
    what = found(NIGHTLY, days_of(24, 30, build="other"))
    assert (what.jobs, what.requests) == (24, 0)


def test_running_and_ageless_jobs_are_not_counted_yet() -> None:
    strange = [
        record("r", 1, state=JobState.RUNNING, ended_at=None),
        record("a", 5, ended_at=None, modified_at=None),
    ]
    assert found(NIGHTLY, [*strange, *days_of(24, 30)]).jobs == 24


def test_keep_rules_of_time_let_go_in_the_end() -> None:
    held = rules(
        policy("p", archive="none", job="1d", keep=(keep("week", "within", duration="7d"),))
    )
    assert found(held, days_of(24, 30)).rest == pytest.approx(24 * 2.06, rel=0.01)


def test_jobs_of_less_than_a_week_count_by_the_days_there_are() -> None:
    assert found(NIGHTLY, days_of(24, 2)).jobs == pytest.approx(24, rel=0.03)
    assert found(NIGHTLY, [record(f"j{n}", 60 * n) for n in range(30)]).jobs == 30


def test_of_very_many_the_newest_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sauce_janitor.retention.what_if.inflow._MOST_JOBS", 60)
    handed: list[Record] = []

    def records() -> Iterator[Record]:
        for one in days_of(24, 30):
            handed.append(one)
            yield one

    what = inflow(NIGHTLY, records, as_of=NOW)
    assert what is not None
    assert what.jobs == pytest.approx(24, rel=0.05)
    assert len(handed) == 60


def test_of_a_handful_nothing_is_foretold() -> None:
    assert inflow(NIGHTLY, lambda: iter(days_of(1, 19)), as_of=NOW) is None
    assert (
        inflow(
            NIGHTLY,
            lambda: iter([record("old", 30 * DAY + n * HOUR) for n in range(50)]),
            as_of=NOW,
        )
        is None
    )


@pytest.mark.parametrize(
    ("per_day", "purged"),
    [
        (None, 0),  # no limit
        (1200, 0),
        (5000, 0),
        (
            1100,
            10,
        ),  # all that is missing is missing for archives, while deletes need less than their share
        (1000, 20),
        (500, 60),
        (100, 92),
        (0, 100),
    ],
)
def test_the_purge_takes_what_the_budget_cannot_archive_while_deletes_have_their_fifth(
    per_day: float | None, purged: float
) -> None:
    assert Inflow(jobs=150, archives=100, archiving=1000, rest=200).purged(
        per_day
    ) == pytest.approx(purged)


def test_where_nothing_is_archived_the_purge_takes_nothing_from_anybody() -> None:
    assert Inflow(jobs=100, archives=0, archiving=0, rest=500).purged(10) == 0
