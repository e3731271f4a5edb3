"""The list shows a job, its details say that there is none: it has failed until a fresh listing
agrees.
"""

from __future__ import annotations

import pytest

from sauce_janitor.errors import SourceUnavailableError
from sauce_janitor.execute import Outcome
from sauce_janitor.execute.events import Halt
from sauce_janitor.model.job_retries import FailureKind
from sauce_janitor.model.jobs import Action, JobState
from tests.fakes.execution import House
from tests.support.execution import ALL, ARCHIVE, DELETE_ASSETS, DELETE_JOB, STOP, run


@pytest.mark.parametrize("action", [ARCHIVE, DELETE_ASSETS, DELETE_JOB, STOP])
def test_a_job_that_is_listed_and_not_found_has_failed_and_stays(action: Action) -> None:
    house = House()
    job = house.add(1, state=JobState.RUNNING if action is STOP else JobState.FINISHED)
    house.sauce.lie("job", lambda *_: None, times=9)
    house.sauce.lie("jobs", lambda *_: {}, times=9)
    execution = run(house, [house.planned(job, action, selection=None if action is STOP else ALL)])
    assert house.sauce.writes() == []
    assert house.journal.outcomes(job) == []
    assert not execution.complete
    assert [(each.action, each.kind) for each in execution.failures] == [
        (action, FailureKind.VANISHED)
    ]
    assert "a fresh listing still shows it" in execution.failures[0].detail


def test_a_job_deleted_elsewhere_is_gone_when_a_fresh_listing_agrees() -> None:
    house = House()
    job = house.add(1)
    plan = house.planned(job, DELETE_JOB)
    del house.sauce.world[job]
    execution = run(house, [plan])
    assert execution.complete
    assert execution.count(DELETE_JOB, Outcome.ALREADY_GONE) == 1
    assert house.effects.kinds().count("list") == 1


def test_many_such_jobs_are_listed_together_at_the_end_and_the_others_are_done() -> None:
    house = House()
    jobs = [house.add(number) for number in range(1, 31)]
    plans = [house.planned(job, DELETE_JOB) for job in jobs]
    for job in jobs[::2]:
        del house.sauce.world[job]
    execution = run(house, plans, workers=3)
    assert execution.count(DELETE_JOB, Outcome.ALREADY_GONE) == 15
    assert execution.count(DELETE_JOB, Outcome.DONE) == 15
    assert house.effects.kinds().count("list") == 1


def test_a_list_that_cannot_be_asked_again_leaves_the_job_failed() -> None:
    house = House()
    job = house.add(1)
    plan = house.planned(job, DELETE_JOB)
    del house.sauce.world[job]

    def fail(*_: object) -> object:
        raise SourceUnavailableError("503")

    house.sauce.lie("list", fail)
    execution = run(house, [plan])
    assert execution.count(DELETE_JOB, Outcome.FAILED) == 1
    assert "cannot be asked again: 503" in execution.failures[0].detail


def test_a_run_that_ends_before_leaves_the_job_for_the_next() -> None:
    house = House()
    job = house.add(1)
    plan = house.planned(job, DELETE_JOB)
    del house.sauce.world[job]

    def pause(*_: object) -> object:
        house.switch.paused = True
        return None

    house.sauce.lie("job", pause)
    house.sauce.lie("job", lambda *_: None)
    execution = run(house, [plan])
    assert execution.halted is not None
    assert execution.halted.why is Halt.PAUSED
    assert (execution.left, execution.count(DELETE_JOB, Outcome.ALREADY_GONE)) == (1, 0)
