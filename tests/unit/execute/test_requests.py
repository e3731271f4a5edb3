"""How many requests a job may cost: the budget is the scarcest thing there is."""

from __future__ import annotations

from math import ceil

import pytest

from sauce_janitor.model.jobs import Action
from tests.fakes.execution import House
from tests.support.execution import ALL, ARCHIVE, DELETE_ASSETS, DELETE_JOB, LOGS, run


@pytest.mark.parametrize("workers", [1, 4])
def test_deleting_unwanted_jobs_costs_one_request_a_job_and_a_batch_now_and_then(
    workers: int,
) -> None:
    house = House()
    run(house, [house.planned(house.add(n), DELETE_JOB) for n in range(200)], workers=workers)
    assert house.sauce.requests() == 200 + 200 / 20 + 200 / 100


def test_deleting_archived_assets_costs_a_list_and_a_delete_a_job() -> None:
    house = House()
    plan = []
    for n in range(100):
        job = house.add(n)
        house.store(job, LOGS)
        plan.append(house.planned(job, DELETE_ASSETS, selection=LOGS))
    run(house, plan)
    assert house.sauce.requests() == 100 * 2 + 100 / 20 + 100 / 20, (
        "and one in twenty is looked at afterwards"
    )


@pytest.mark.parametrize("delete", [None, DELETE_ASSETS, DELETE_JOB])
def test_archiving_stays_within_its_bound(delete: Action | None) -> None:
    house = House()
    jobs, files = 60, 2
    actions = (ARCHIVE, delete) if delete else (ARCHIVE,)
    run(house, [house.planned(house.add(n), *actions, selection=ALL) for n in range(jobs)])
    bound = jobs * (1 + files + (3 if delete else 0)) + ceil(jobs / 20) + ceil(jobs / 100)
    assert house.sauce.requests() <= bound


def test_a_job_whose_look_up_came_with_others_is_not_asked_about_alone() -> None:
    house = House()
    run(house, [house.planned(house.add(n), ARCHIVE, selection=LOGS) for n in range(40)])
    assert house.effects.kinds().count("job") == 0
    assert house.sauce.batch_sizes == [20, 20]


def test_a_look_up_older_than_a_minute_is_repeated_before_archiving() -> None:
    house = House()
    house.sauce.latency_s = 7
    run(house, [house.planned(house.add(n), ARCHIVE, selection=LOGS) for n in range(20)])
    assert house.effects.kinds().count("job") > 0
