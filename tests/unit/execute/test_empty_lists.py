"""An empty asset list of a young job is no reason to delete it at once: the list may be what fails.
It waits for a day.
"""

from __future__ import annotations

import pytest

from sauce_janitor.execute.asset_lists import PATIENCE_S
from sauce_janitor.execute.events import ActionSkipped, Skip
from sauce_janitor.execute.outcomes import Outcome
from sauce_janitor.model.jobs import Action, AssetListing, JobId
from sauce_janitor.retention.plan.planner import JobPlan
from tests.fakes.execution import NOW, FakeSauce, House
from tests.support.execution import ALL, ARCHIVE, DELETE_ASSETS, DELETE_JOB, run


def plan(house: House, jobs: list[JobId], *actions: Action) -> list[JobPlan]:
    return [house.planned(job, *(actions or (ARCHIVE, DELETE_JOB)), selection=ALL) for job in jobs]


def break_lists(house: House, *, after: int = 0) -> None:
    """From the so many-th asset list on none names anything."""
    house.sauce.lie(
        "assets", lambda sauce, job: AssetListing(tuple(sauce.world[job].assets)), times=after
    )
    house.sauce.lie("assets", lambda _sauce, _job: AssetListing(()), times=1000)


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("action", [DELETE_JOB, DELETE_ASSETS])
def test_while_lists_fail_nothing_is_deleted(workers: int, action: Action) -> None:
    house = House()
    jobs = [house.add(n) for n in range(12)]
    break_lists(house)
    execution = run(house, plan(house, jobs, ARCHIVE, action), workers=workers)
    assert house.sauce.writes() == []
    assert execution.count(action, Outcome.SKIPPED) == 12
    assert execution.skips == {Skip.NOTHING_LISTED: 12}
    assert execution.complete, "waiting is no failure"


def test_when_lists_begin_to_fail_only_what_was_listed_before_is_deleted() -> None:
    house = House()
    jobs = [house.add(n) for n in range(20)]
    break_lists(house, after=7)
    execution = run(house, plan(house, jobs))
    assert {job for _, job in house.sauce.writes()} == set(jobs[:7])
    assert execution.count(DELETE_JOB, Outcome.SKIPPED) == 13


@pytest.mark.parametrize("liars", [1, 4])
def test_other_lists_that_name_files_do_not_make_an_empty_one_true(liars: int) -> None:
    """A vendor whose lists are empty now and then must not cost a job its only copy."""
    house = House()
    jobs = [house.add(n) for n in range(liars)]
    others = [house.add(n) for n in range(10, 20)]

    def listed(sauce: FakeSauce, job: JobId) -> AssetListing:
        return AssetListing(() if job in jobs else tuple(sauce.world[job].assets))

    house.sauce.lie("assets", listed, times=1000)
    execution = run(house, plan(house, [*jobs, *others]))
    assert set(house.sauce.world) == set(jobs)
    assert execution.skips == {Skip.NOTHING_LISTED: liars}


def test_what_still_lists_nothing_a_day_after_its_empty_receipt_is_deleted() -> None:
    house = House()
    jobs = [house.add(n, assets={}) for n in range(9)]
    assert run(house, plan(house, jobs)).skips == {Skip.NOTHING_LISTED: 9}
    assert [house.archive.files[job] for job in jobs] == [{}] * 9
    house.clock.passed += PATIENCE_S - 60
    assert run(house, plan(house, jobs, DELETE_JOB)).skips == {Skip.NOTHING_LISTED: 9}
    house.clock.passed += 60
    execution = run(house, plan(house, jobs, DELETE_JOB))
    assert execution.count(DELETE_JOB, Outcome.DONE) == 9
    assert execution.complete


@pytest.mark.parametrize("lies", [0, 1])
def test_what_lists_files_a_day_later_is_archived_before_it_is_deleted(lies: int) -> None:
    """The list is read twice before the delete: one lie is not enough, also a day later."""
    house = House()
    job = house.add(1)
    truth = dict(house.sauce.world[job].assets)
    house.sauce.lie("assets", lambda _sauce, _job: AssetListing(()), times=2)
    assert run(house, plan(house, [job])).skips == {Skip.NOTHING_LISTED: 1}
    house.clock.passed += PATIENCE_S
    house.sauce.lie("assets", lambda _sauce, _job: AssetListing(()), times=lies)
    execution = run(house, plan(house, [job], DELETE_JOB))
    assert execution.count(DELETE_JOB, Outcome.DONE) == 1
    assert house.archive.files[job] == truth != {}


def test_the_reason_says_when_it_may_go() -> None:
    house = House()
    break_lists(house)
    run(house, plan(house, [house.add(1)]))
    (skip,) = [event for event in house.events if isinstance(event, ActionSkipped)]
    assert (
        skip.detail
        == "Sauce Labs lists no assets of it, as when its lists fail: it may be deleted if that is still"
        " so after 2027-01-16 08:00 UTC"
    )


def test_jobs_that_may_be_purged_or_whose_assets_are_deleted_or_unwanted_are_not_doubted() -> None:
    house = House()
    purged = [house.add(n, assets={}, age_days=40) for n in range(8)]
    deleted = [house.add(n) for n in range(20, 28)]
    run(house, plan(house, deleted, ARCHIVE, DELETE_ASSETS))
    unwanted = [house.planned(house.add(n, assets={}), DELETE_JOB) for n in range(40, 48)]
    execution = run(house, [*plan(house, purged), *plan(house, deleted, DELETE_JOB), *unwanted])
    assert execution.count(DELETE_JOB, Outcome.DONE) == 24


def test_the_receipt_says_when_it_was_made() -> None:
    house = House()
    job = house.add(1, assets={})
    run(house, plan(house, [job], ARCHIVE))
    stored = house.archive.archived(house.sauce.world[job].job)
    assert stored is not None
    assert stored.made_at == NOW
