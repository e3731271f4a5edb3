"""A receipt that lists files contradicts a later empty list, unless this program deleted them.
The deletes wait until the list has been empty for a day.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from sauce_janitor.execute.asset_lists import PATIENCE_S
from sauce_janitor.execute.events import Skip
from sauce_janitor.execute.outcomes import Outcome
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import Action, AssetListing, JobId
from sauce_janitor.model.safety_numbers import DAY_S
from tests.fakes.execution import NOW, House
from tests.support.execution import ALL, ARCHIVE, DELETE_ASSETS, DELETE_JOB, LOGS, run

CASES = pytest.mark.parametrize(
    ("first", "late", "selection"),
    [
        ("video.mp4", "selenium-server.log", LOGS),  # the receipt only discards
        ("selenium-server.log", "video.mp4", ALL),  # the receipt stores
    ],
)
DELETES = pytest.mark.parametrize("action", [DELETE_JOB, DELETE_ASSETS])


def archived(house: House, first: str = "video.mp4", selection: Selection = ALL) -> JobId:
    """Return a job with that one file, archived two days ago."""
    job = house.add(1, assets={first: b"1"})
    run(house, [house.planned(job, ARCHIVE, selection=selection)])
    house.clock.passed += 2 * PATIENCE_S
    return job


def answer_empty(house: House, *, times: int) -> None:
    house.sauce.lie("assets", lambda _sauce, _job: AssetListing(()), times=times)


def doubted(house: House, job: JobId, action: Action, selection: Selection = ALL) -> bool:
    """Return whether the delete waits because nothing is listed."""
    execution = run(house, [house.planned(job, action, selection=selection)])
    assert execution.complete
    return execution.skips == {Skip.NOTHING_LISTED: 1}


@CASES
@DELETES
def test_an_empty_list_of_a_young_job_that_listed_files_before_is_doubted(
    first: str, late: str, selection: Selection, action: Action
) -> None:
    house = House()
    job = archived(house, first, selection)
    house.sauce.world[job].assets[late] = b"came late"
    answer_empty(house, times=2)
    assert doubted(house, job, action, selection)
    assert house.sauce.writes() == []
    assert house.journal.outcomes(job) == []
    assert not house.journal.assets_deleted(job)


@CASES
@DELETES
def test_it_is_believed_when_it_has_been_empty_for_a_day(
    first: str, late: str, selection: Selection, action: Action
) -> None:
    house = House()
    job = archived(house, first, selection)
    house.sauce.world[job].assets.clear()
    assert doubted(house, job, action, selection)
    house.clock.passed += PATIENCE_S - 60
    assert doubted(house, job, action, selection)
    house.clock.passed += 60
    execution = run(house, [house.planned(job, action, selection=selection)])
    assert execution.skips == {}
    assert execution.count(action, Outcome.FAILED) == 0
    assert house.journal.outcomes(job) in (["confirmed"], ["already_gone"])


@DELETES
@pytest.mark.parametrize("seen_by", [ARCHIVE, DELETE_JOB])
def test_a_list_that_names_files_again_starts_a_new_day(action: Action, seen_by: Action) -> None:
    house = House()
    job = archived(house)
    answer_empty(house, times=2)
    assert doubted(house, job, action)
    house.clock.passed += PATIENCE_S / 2
    # A hold keeps the job after its list was read.
    house.holds.held.add(job)
    run(house, [house.planned(job, seen_by, selection=ALL)])
    house.holds.held.clear()
    house.clock.passed += PATIENCE_S / 2
    answer_empty(house, times=2)
    assert doubted(house, job, action)
    assert house.sauce.writes() == []


def test_a_job_that_never_started_and_lists_nothing_goes_after_its_day() -> None:
    """Its archive pass, too, reads an empty list: that must not start a new day."""
    house = House()
    job = archived(house)
    house.sauce.change(job, started_at=None, status="error")
    house.sauce.world[job].assets.clear()
    plan = [house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL)]
    assert run(house, plan).skips == {Skip.NOTHING_LISTED: 1}
    house.clock.passed += PATIENCE_S
    assert run(house, plan).count(DELETE_JOB, Outcome.DONE) == 1


def test_what_this_program_deleted_explains_an_empty_list() -> None:
    house = House()
    job = archived(house)
    run(house, [house.planned(job, DELETE_ASSETS, selection=ALL)])
    assert house.journal.assets_deleted(job)
    execution = run(house, [house.planned(job, DELETE_JOB, selection=ALL)])
    assert execution.count(DELETE_JOB, Outcome.DONE) == 1


def test_what_was_listed_and_is_neither_stored_nor_discarded_contradicts_it_too() -> None:
    """An older policy discarded the file, and the current one wants it: it is in the receipt's
    list alone.
    """
    house = House()
    job = archived(house, "video.mp4", LOGS)
    house.archive.discarded[job] = frozenset()
    answer_empty(house, times=2)
    assert doubted(house, job, DELETE_JOB)


@pytest.mark.parametrize("made_at", [253_402_300_799, 10**15, NOW + 90 * DAY_S])
def test_a_receipt_from_the_future_waits_for_the_purge_at_most(made_at: int) -> None:
    house = House()
    jobs = [house.add(1, assets={}), house.add(2)]
    run(house, [house.planned(jobs[0], ARCHIVE, selection=ALL)])
    house.archive.made_at[jobs[0]] = made_at
    plan = [
        house.planned(jobs[0], DELETE_JOB, selection=ALL),
        house.planned(jobs[1], ARCHIVE, DELETE_JOB, selection=ALL),
    ]
    execution = run(house, plan)
    assert execution.skips == {Skip.NOTHING_LISTED: 1}
    assert execution.count(DELETE_JOB, Outcome.DONE) == 1
    house.clock.passed += 30 * DAY_S
    purgeable = replace(ALL, if_purged="proceed")
    execution = run(house, [house.planned(jobs[0], DELETE_JOB, selection=purgeable)])
    assert execution.count(DELETE_JOB, Outcome.DONE) == 1
