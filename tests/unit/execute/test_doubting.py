"""An empty asset list of a young job is no reason to delete it when others list nothing either: the lists may be what fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sauce_janitor.execute.doubting import PATIENCE_S, SEVERAL
from sauce_janitor.execute.outcomes import Outcome
from sauce_janitor.retention.model import Action, AssetListing, JobId
from sauce_janitor.retention.planning import JobPlan
from tests.fakes.execution import NOW, FakeSauce, House
from tests.unit.execute.scene import ALL, ARCHIVE, DELETE_ASSETS, DELETE_JOB, run


def plan(house: House, jobs: list[JobId], *actions: Action) -> list[JobPlan]:
    return [house.planned(job, *(actions or (ARCHIVE, DELETE_JOB)), selection=ALL) for job in jobs]


def break_lists(house: House, *, after: int = 0) -> None:
    """From the so many-th asset list on none names anything."""
    house.sauce.lie("assets", lambda sauce, job: AssetListing(tuple(sauce.world[job].assets)), times=after)
    house.sauce.lie("assets", lambda _sauce, _job: AssetListing(()), times=1000)


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("action", [DELETE_JOB, DELETE_ASSETS])
def test_while_lists_fail_nothing_is_deleted(workers: int, action: Action) -> None:
    house = House()
    jobs = [house.add(n) for n in range(12)]
    break_lists(house)
    execution = run(house, plan(house, jobs, ARCHIVE, action), workers=workers)
    assert house.sauce.writes() == []
    assert execution.count(action, Outcome.FAILED) == 12
    assert not execution.complete
    assert all("as when Sauce Labs' lists fail" in failure.detail for failure in execution.failures)


def test_when_lists_begin_to_fail_only_what_was_listed_before_is_deleted() -> None:
    house = House()
    jobs = [house.add(n) for n in range(20)]
    break_lists(house, after=7)
    execution = run(house, plan(house, jobs))
    assert {job for _, job in house.sauce.writes()} == set(jobs[:7])
    assert execution.count(DELETE_JOB, Outcome.FAILED) == 13


@pytest.mark.parametrize("count", [1, SEVERAL - 1])
def test_a_few_jobs_without_assets_are_deleted_with_an_empty_receipt(count: int) -> None:
    house = House()
    jobs = [house.add(n, assets={}) for n in range(count)]
    execution = run(house, plan(house, jobs))
    assert execution.count(DELETE_JOB, Outcome.DONE) == count
    assert execution.complete
    assert not execution.left
    assert [house.archive.files[job] for job in jobs] == [{}] * count


@pytest.mark.parametrize("workers", [1, 4])
def test_many_jobs_without_assets_are_deleted_once_another_lists_some(workers: int) -> None:
    house = House()
    jobs = [house.add(n, assets={}) for n in range(15)]
    last = house.add(99)
    execution = run(house, plan(house, [*jobs, last]), workers=workers)
    assert execution.count(DELETE_JOB, Outcome.DONE) == 16
    assert execution.complete


def test_what_still_lists_nothing_a_day_after_its_empty_receipt_is_deleted() -> None:
    house = House()
    jobs = [house.add(n, assets={}) for n in range(9)]
    assert run(house, plan(house, jobs)).count(DELETE_JOB, Outcome.FAILED) == 9
    house.clock.passed += PATIENCE_S
    execution = run(house, plan(house, jobs, DELETE_JOB))
    assert execution.count(DELETE_JOB, Outcome.DONE) == 9
    assert execution.complete


def test_jobs_that_may_be_purged_or_whose_assets_are_stored_or_unwanted_are_not_doubted() -> None:
    house = House()
    purged = [house.add(n, assets={}, age_days=40) for n in range(8)]
    stored = [house.add(n) for n in range(20, 28)]
    for job in stored:
        house.store(job, ALL)
        house.sauce.world[job].assets.clear()
    unwanted = [house.planned(house.add(n, assets={}), DELETE_JOB) for n in range(40, 48)]
    execution = run(house, [*plan(house, purged), *plan(house, stored, DELETE_JOB), *unwanted])
    assert execution.count(DELETE_JOB, Outcome.DONE) == 24


def test_a_stop_leaves_what_was_put_aside() -> None:
    house = House()
    jobs = [house.add(n, assets={}) for n in range(3)]
    house.sauce.lie("assets", lambda _sauce, _job: AssetListing(()), times=6)
    house.sauce.lie("assets", _pause(house))
    execution = run(house, plan(house, jobs))
    assert house.sauce.writes() == []
    assert execution.left == 3
    assert execution.cut_short


def _pause(house: House) -> Callable[[FakeSauce, JobId], object]:
    def answer(_sauce: FakeSauce, _job: JobId) -> object:
        house.switch.paused = True
        return AssetListing(())

    return answer


def test_the_receipt_says_when_it_was_made() -> None:
    house = House()
    job = house.add(1, assets={})
    run(house, plan(house, [job], ARCHIVE))
    stored = house.archive.archived(house.sauce.world[job].job)
    assert stored is not None
    assert stored.made_at == NOW
