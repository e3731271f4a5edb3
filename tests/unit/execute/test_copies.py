"""A copy is proven when the delete leaves: it is read before, and restored where it is damaged."""

from __future__ import annotations

import pytest

from sauce_janitor.errors import AnswerError
from sauce_janitor.execute import Outcome
from sauce_janitor.execute.events import CopyDamaged, CopyRestored, Event
from sauce_janitor.model.jobs import Action, AssetListing, JobId
from tests.fakes.execution import FakeSauce, House
from tests.support.execution import ALL, ARCHIVE, DELETE_ASSETS, DELETE_JOB, run


def told(house: House) -> list[type[Event]]:
    """What was told of copies."""
    return [type(event) for event in house.events if isinstance(event, CopyDamaged | CopyRestored)]


@pytest.mark.parametrize("action", [DELETE_ASSETS, DELETE_JOB])
def test_a_copy_of_an_earlier_run_is_read_before_the_last_questions(action: Action) -> None:
    house = House()
    job = house.add(1)
    house.store(job, ALL)
    asked_before: list[int] = []
    house.archive.on_read = lambda _job: asked_before.append(house.sauce.requests())
    execution = run(house, [house.planned(job, action, selection=ALL)])
    assert asked_before == [0], "once, before the list and the details, which must be young"
    assert execution.count(action, Outcome.DONE) == 1
    assert told(house) == []


def test_a_copy_that_this_run_made_and_read_back_is_not_read_again() -> None:
    house = House()
    job = house.add(1)
    run(house, [house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL)])
    assert house.archive.reads == []
    assert job not in house.sauce.world


def test_a_delete_that_rests_on_no_copy_reads_none() -> None:
    house = House()
    job = house.add(1)
    run(house, [house.planned(job, DELETE_JOB)])
    assert house.archive.reads == []
    assert job not in house.sauce.world


@pytest.mark.parametrize("action", [DELETE_ASSETS, DELETE_JOB])
def test_a_damaged_copy_is_restored_from_sauce_labs_before_the_delete(action: Action) -> None:
    house = House()
    job, other = house.add(1), house.add(2)
    for each in (job, other):
        house.store(each, ALL)
    house.archive.rotten[job] = {"video.mp4"}
    before = house.archive.read_back(house.sauce.world[job].job.owner, job).receipt
    execution = run(house, [house.planned(each, action, selection=ALL) for each in (job, other)])
    assert told(house) == [CopyDamaged, CopyRestored]
    assert (execution.damaged_copies, execution.restored_copies) == (1, 1)
    assert house.archive.files[job]["video.mp4"] == b"film"
    [proof] = [
        row.proof for row in house.journal.rows if row.kind == "intent" and row.job_id == job
    ]
    assert proof is not None
    assert getattr(proof, "sha256", None) != before, "it rests on the new receipt"
    kinds = [row.kind for row in house.journal.rows if row.job_id == job]
    assert kinds.index("archived") < kinds.index("intent")
    assert execution.count(action, Outcome.DONE) == 2
    assert execution.complete


@pytest.mark.parametrize("action", [DELETE_ASSETS, DELETE_JOB])
def test_what_sauce_labs_does_not_list_any_more_keeps_the_job(action: Action) -> None:
    house = House()
    job, other = house.add(1), house.add(2)
    for each in (job, other):
        house.store(each, ALL)
    house.archive.rotten[job] = {"video.mp4"}
    del house.sauce.world[job].assets["video.mp4"]
    execution = run(house, [house.planned(each, action, selection=ALL) for each in (job, other)])
    assert {about for _, about in house.sauce.writes()} == {other}
    [failure] = execution.failures
    assert (failure.job_id, failure.action) == (job, action)
    assert "does not list it any more" in failure.detail
    assert told(house) == [CopyDamaged]


def test_a_damaged_file_that_is_listed_and_never_handed_out_is_not_called_restored() -> None:
    house = House()
    job = house.add(1)
    house.store(job, ALL)
    house.archive.rotten[job] = {"video.mp4"}

    def refuse(_sauce: FakeSauce, _job: JobId) -> object:
        raise AnswerError("asset video.mp4: 404")

    house.sauce.lie("asset", refuse, times=20)
    execution = run(house, [house.planned(job, DELETE_JOB, selection=ALL)])
    assert house.sauce.writes() == []
    assert (execution.damaged_copies, execution.restored_copies) == (1, 0)
    assert execution.count(DELETE_JOB, Outcome.FAILED) == 1


@pytest.mark.parametrize(("assets", "stays"), [({}, True), ({"log.json": b"[]"}, False)])
def test_a_copy_that_is_gone_altogether_is_restored_or_keeps_the_job(
    assets: dict[str, bytes], stays: bool
) -> None:
    house = House()
    job = house.add(1, age_days=40, assets=assets)
    house.archive.lost.add(job)
    execution = run(house, [house.planned(job, DELETE_JOB, selection=ALL)])
    assert (job in house.sauce.world) == stays
    assert [
        failure.detail
        for failure in execution.failures
        if "is gone from the archive" not in failure.detail
    ] == []
    assert bool(execution.failures) == stays


def test_damage_that_shows_while_archiving_is_told_too() -> None:
    house = House()
    job = house.add(1)
    house.store(job, ALL)
    house.archive.rotten[job] = {"video.mp4"}
    execution = run(house, [house.planned(job, ARCHIVE, selection=ALL)])
    assert told(house) == [CopyDamaged, CopyRestored]
    assert execution.complete


def test_a_long_read_makes_no_answer_old() -> None:
    """Of many large copies some are read, deleted, and then the next are read."""
    house = House()
    jobs = [house.add(n) for n in range(6)]
    for job in jobs:
        house.store(job, ALL)

    def read(_job: JobId) -> None:
        house.clock.passed += 25

    house.archive.on_read = read
    lists_before = house.effects.kinds().count("assets")
    run(house, [house.planned(job, DELETE_JOB, selection=ALL) for job in jobs])
    assert [job for job, _ in house.sauce.judged] == jobs
    assert max(age for _, age in house.sauce.judged) < 10
    assert house.effects.kinds().count("assets") - lists_before == len(jobs), (
        "no list was read twice"
    )
    assert house.archive.reads == jobs, "nor a copy"


def test_another_receipt_than_the_one_that_was_read_permits_nothing() -> None:
    """Somebody put another copy in its place meanwhile: archiving looks at every byte of that
    one.
    """
    house = House()
    job = house.add(1)
    house.store(job, ALL)

    def replaced(_job: JobId) -> None:
        house.sauce.lie("assets", swap)

    def swap(sauce: FakeSauce, job: JobId) -> object:
        house.archive.passes[job] = 9
        return AssetListing(tuple(sauce.world[job].assets))

    house.archive.on_read = replaced
    run(house, [house.planned(job, DELETE_JOB, selection=ALL)])
    assert next(row.kind for row in house.journal.rows if row.job_id == job) == "archived"
