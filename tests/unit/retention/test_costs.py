"""What a plan costs in requests, and when the budget lets it finish."""

from __future__ import annotations

import pytest

from sauce_janitor.retention.assets import EVERYTHING, Selection
from sauce_janitor.retention.costs import TYPICAL_ASSETS, Work, files_wanted, requests_needed, seconds_needed


def test_an_archived_and_deleted_job_costs_its_list_its_files_a_second_look_and_the_delete() -> None:
    assert requests_needed(Work(archived=20, files=200, archived_and_deleted=20)) == 1 + 20 + 200 + 40


def test_a_job_that_is_only_deleted_costs_little_more_than_two_requests() -> None:
    assert requests_needed(Work(only_deleted=1000, jobs_gone=1000)) == 1000 + 50 + 1000 + 10


def test_nothing_to_do_costs_nothing() -> None:
    assert requests_needed(Work()) == 0


@pytest.mark.parametrize(
    ("requests", "per_second", "per_hour", "left", "seconds"),
    [
        (100, None, None, None, None),
        (100, 2, None, None, 50),
        (1500, 2, 1500, None, 750),
        (1501, 2, 1500, None, 3600),
        (3001, 2, 1500, None, 7200),
        (100, 2, 1500, 40, 3600),
    ],
)
def test_both_windows_of_the_budget_hold_at_once(
    requests: int, per_second: float | None, per_hour: int | None, left: int | None, seconds: float | None
) -> None:
    assert seconds_needed(requests, per_second=per_second, per_hour=per_hour, left_this_hour=left) == seconds


def test_a_selection_is_taken_to_fetch_what_it_wants_of_a_typical_job() -> None:
    shots = sum("screenshot" in name for name in TYPICAL_ASSETS)
    assert files_wanted(EVERYTHING) == len(TYPICAL_ASSETS) - shots + 1
    assert files_wanted(Selection(frozenset({"screenshots"}))) == 1
    assert files_wanted(Selection(frozenset({"0000*", "0001*"}))) == 2
    assert files_wanted(Selection(frozenset({"har", "video"}))) == 2
    assert files_wanted(None) == 0
