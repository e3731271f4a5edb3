"""What a plan costs in requests."""

from __future__ import annotations

from sauce_janitor.model.assets import EVERYTHING, Selection
from sauce_janitor.retention.plan.costs import (
    TYPICAL_ASSETS,
    WorkCounts,
    files_wanted,
    requests_needed,
)


def test_an_archived_and_deleted_job_costs_its_list_its_files_a_second_look_and_the_delete() -> (
    None
):
    assert (
        requests_needed(WorkCounts(archived=20, files=200, archived_and_deleted=20))
        == 1 + 20 + 200 + 40
    )


def test_a_job_that_is_only_deleted_costs_little_more_than_two_requests() -> None:
    assert requests_needed(WorkCounts(only_deleted=1000, jobs_gone=1000)) == 1000 + 50 + 1000 + 10


def test_nothing_to_do_costs_nothing() -> None:
    assert requests_needed(WorkCounts()) == 0


def test_a_selection_is_taken_to_fetch_what_it_wants_of_a_typical_job() -> None:
    shots = sum("screenshot" in name for name in TYPICAL_ASSETS)
    assert files_wanted(EVERYTHING) == len(TYPICAL_ASSETS) - shots + 1
    assert files_wanted(Selection(frozenset({"screenshots"}))) == 1
    assert files_wanted(Selection(frozenset({"0000*", "0001*"}))) == 2
    assert files_wanted(Selection(frozenset({"har", "video"}))) == 2
    assert files_wanted(None) == 0
