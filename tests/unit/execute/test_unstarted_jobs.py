"""A job that never started has no asset list; that it has no assets is believed after a day of the
same answer.
"""

from __future__ import annotations

from typing import Any

import pytest

from sauce_janitor.errors import NotReadyError, SourceUnavailableError
from sauce_janitor.execute.events import Skip
from sauce_janitor.model.jobs import UNKNOWN, Action, JobId
from tests.fakes.execution import House
from tests.support.execution import ALL, run

ARCHIVE, JOB = Action.ARCHIVE, Action.DELETE_JOB
NEVER: dict[str, Any] = {"status": "error", "error": "Test did not start", "started_at": None}


def scene(answer: int, **fields: Any) -> tuple[House, JobId]:
    house = House()
    job = house.add(1, age_days=9, assets={})
    house.sauce.change(job, **(NEVER | fields))
    _say(house, answer)
    return house, job


def _say(house: House, answer: int) -> None:
    def said(_sauce: object, _job: object) -> None:
        if answer == 400:
            raise NotReadyError("Job hasn't finished running")

    house.sauce.lie("assets", said, times=99)


def attempt(house: House, job: JobId) -> bool:
    """Whether a run archives and deletes it."""
    run(house, [house.planned(job, ARCHIVE, JOB, selection=ALL)])
    return job not in house.sauce.world


@pytest.mark.parametrize("answer", [404, 400])
def test_the_same_answer_a_day_later_says_that_it_has_no_assets(answer: int) -> None:
    """Archiving: A second 404 a day later proves "no assets" only for a job that errored and never
    started."""
    house, job = scene(answer)
    assert not attempt(house, job)
    house.retries.later(hours=11)
    assert not attempt(house, job)
    house.retries.later(hours=13.1)
    assert attempt(house, job)
    assert house.archive.files[job] == {}


def test_another_answer_begins_the_day_anew() -> None:
    house, job = scene(404)
    assert not attempt(house, job)
    house.retries.later(hours=25)
    house.sauce.be_honest()
    _say(house, 400)
    execution = run(house, [house.planned(job, ARCHIVE, JOB, selection=ALL)])
    assert execution.skips == {Skip.NOT_READY: 2}
    house.retries.later(hours=25)
    assert attempt(house, job)


def test_a_list_between_two_answers_begins_the_day_anew() -> None:
    def no_answer(_sauce: object, _job: object) -> None:
        raise SourceUnavailableError("503")

    house, job = scene(404)
    assert not attempt(house, job)
    house.retries.later(hours=25)
    house.sauce.be_honest()
    house.sauce.world[job].assets = {"log.json": b"[]"}
    house.sauce.lie("asset", no_answer, times=99)
    assert not attempt(house, job), "it has a file, which cannot be had now"
    house.retries.later(hours=25)
    _say(house, 404)
    assert not attempt(house, job), "the file was never stored"


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "failed"},
        {"status": "complete"},
        {"started_at": 1_700_000_000},
        {"started_at": UNKNOWN},
    ],
)
def test_of_any_other_job_it_stays_a_failure(fields: dict[str, Any]) -> None:
    house, job = scene(404, **fields)
    for _ in range(3):
        assert not attempt(house, job)
        house.retries.later(hours=25)
