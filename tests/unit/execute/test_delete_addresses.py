"""Which of the two addresses a job is deleted by, and when a second one may be tried."""

from __future__ import annotations

import threading

import pytest

from sauce_janitor.execute import Outcome
from sauce_janitor.execute.delete_addresses import DeleteAddresses
from sauce_janitor.execute.events import Halt, Skip
from sauce_janitor.model.jobs import JobId
from tests.fakes.execution import FakeAnswer, FakeSauce, House
from tests.support.execution import ALL, ARCHIVE, DELETE_ASSETS, DELETE_JOB, run


def house_that_serves(*addresses: str) -> House:
    house = House()
    house.sauce.serves = set(addresses)
    return house


@pytest.mark.parametrize("status", [404, 405, 410])
def test_what_says_that_an_address_is_missing_has_the_other_one_tried(status: int) -> None:
    house = house_that_serves("v1.1")
    house.sauce.unserved_status = status
    job = house.add(1)
    execution = run(house, [house.planned(job, DELETE_JOB)])
    assert execution.complete
    assert house.sauce.addresses == ["v1", "v1.1"]
    assert house.journal.outcomes(job) == ["failed", "confirmed"]
    assert house.worked == ["v1.1"]
    assert house.sauce.world == {}


@pytest.mark.parametrize(
    "answer",
    [FakeAnswer(None, doubtful=True), FakeAnswer(500, doubtful=True), FakeAnswer(403)],
    ids=str,
)
def test_after_any_other_answer_no_second_delete_is_sent(answer: FakeAnswer) -> None:
    house = house_that_serves("v1.1")
    job = house.add(1)
    house.sauce.lie("DELETE-job", lambda _sauce, _job: answer)
    run(house, [house.planned(job, DELETE_JOB)])
    assert house.sauce.addresses == ["v1"]


def test_while_it_cannot_be_told_whether_the_job_is_there_no_second_delete_is_sent() -> None:
    from sauce_janitor.errors import SourceError

    house = house_that_serves("v1.1")
    job = house.add(1)

    def silent(_sauce: FakeSauce, _job: JobId) -> object:
        raise SourceError("no answer")

    def refused(sauce: FakeSauce, _job: JobId) -> object:
        sauce.lie("job", silent)
        return FakeAnswer(404)

    house.sauce.lie("DELETE-job", refused)
    run(house, [house.planned(job, DELETE_JOB)])
    assert house.sauce.addresses == ["v1"]
    assert house.journal.outcomes(job) == ["unknown"]


def test_an_answer_about_another_job_has_no_second_delete_sent() -> None:
    house = house_that_serves("v1.1")
    job, other = house.add(1), house.add(2)

    def refused(sauce: FakeSauce, _job: JobId) -> object:
        sauce.lie("job", lambda sauce, _job: sauce.document(other))
        return FakeAnswer(404)

    house.sauce.lie("DELETE-job", refused)
    execution = run(house, [house.planned(job, DELETE_JOB)])
    assert house.sauce.addresses == ["v1"]
    assert house.journal.outcomes(job) == ["failed"]
    assert [failure.job_id for failure in execution.failures] == [job]


def test_until_an_address_is_served_one_thread_at_a_time_has_its_turn() -> None:
    addresses, inside = DeleteAddresses(), threading.Event()

    def enter() -> None:
        with addresses.turn():
            inside.set()

    other = threading.Thread(target=enter)
    with addresses.turn():
        other.start()
        assert not inside.wait(0.1)
    other.join()
    assert inside.is_set()
    addresses.accepted("v1")
    with addresses.turn():  # it would wait for itself
        enter()


def test_a_hold_that_came_with_the_answer_in_between_prevents_the_second_delete() -> None:
    house = house_that_serves("v1.1")
    job = house.add(1)

    def refused(sauce: FakeSauce, job: JobId) -> object:
        sauce.change(job, tags=("keep",))
        return FakeAnswer(404)

    house.sauce.lie("DELETE-job", refused)
    execution = run(house, [house.planned(job, DELETE_JOB)])
    assert house.sauce.addresses == ["v1"]
    assert execution.skips == {Skip.CHANGED: 1}
    assert job in house.sauce.world


def test_many_workers_find_the_address_out_once() -> None:
    house = house_that_serves("v1.1")
    jobs = [house.add(number) for number in range(100)]
    execution = run(house, [house.planned(job, DELETE_JOB) for job in jobs], workers=4)
    assert execution.count(DELETE_JOB, Outcome.DONE) == 100
    assert house.sauce.addresses.count("v1") == 1
    assert house.worked == ["v1.1"]


def test_one_odd_job_does_not_end_the_run_for_the_others() -> None:
    house = house_that_serves("v1", "v1.1")
    odd, *others = [house.add(number) for number in range(5)]
    house.sauce.lie("DELETE-job", lambda _sauce, _job: FakeAnswer(404, detail="Not Found"), times=2)
    execution = run(house, [house.planned(job, DELETE_JOB) for job in (odd, *others)])
    assert execution.halted is None
    assert set(house.sauce.world) == {odd}
    [failure] = execution.failures
    assert (
        "DELETE /rest/v1/USER/jobs/ID answered 404 and DELETE /rest/v1.1/jobs/ID answered 404"
        in failure.detail
    )


def test_where_none_is_served_two_jobs_prove_it_and_what_is_not_to_be_deleted_goes_on() -> None:
    house = house_that_serves()
    doomed = [house.add(number) for number in range(60)]
    other, stripped = house.add(70), house.add(71)
    house.store(stripped, ALL)
    plan = [house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL) for job in doomed[:30]]
    plan += [house.planned(job, DELETE_JOB) for job in doomed[30:]]
    plan += [
        house.planned(other, ARCHIVE, selection=ALL),
        house.planned(stripped, DELETE_ASSETS, selection=ALL),
    ]
    execution = run(house, plan)
    assert execution.halted is not None
    assert execution.halted.why is Halt.ADDRESS
    assert execution.halted.detail.count("delete_job_path") == 1
    assert len(house.sauce.addresses) == 4
    assert set(house.archive.files) - {stripped, other} == set(doomed[:2])
    assert other in house.archive.files
    assert house.sauce.world[stripped].assets == {}
    assert set(doomed) <= set(house.sauce.world)
    assert not execution.complete
    assert house.worked == []
