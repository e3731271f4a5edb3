"""The commit protocol: what happens in which order, and how old an answer may be when a DELETE
leaves.
"""

from __future__ import annotations

import pytest

from sauce_janitor.execute import Outcome
from sauce_janitor.model.permits import NothingWanted, Receipt
from tests.fakes.execution import House
from tests.support.execution import ALL, ARCHIVE, DELETE_ASSETS, DELETE_JOB, LOGS, run


def test_archive_and_delete_happen_in_the_order_of_effects() -> None:
    house = House()
    job = house.add(1)
    run(house, [house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL)])
    assert house.effects.kinds() == [
        "job", "assets", "asset", "asset", "archive", "journal.archived",
        "job", "journal.intent", "DELETE-job", "jobs", "journal.outcome:confirmed",
    ]  # fmt: skip


def test_what_is_archived_already_is_listed_asked_about_once_and_deleted() -> None:
    house = House()
    job = house.add(1)
    house.store(job, ALL)
    run(house, [house.planned(job, DELETE_ASSETS, selection=ALL)])
    assert house.effects.kinds() == [
        "assets", "job", "journal.intent", "DELETE-assets", "assets", "journal.outcome:confirmed",
    ]  # fmt: skip


def test_what_nobody_wants_archived_is_asked_about_and_deleted_without_a_list() -> None:
    house = House()
    job = house.add(1)
    run(house, [house.planned(job, DELETE_JOB)])
    assert house.effects.kinds() == [
        "job",
        "journal.intent",
        "DELETE-job",
        "jobs",
        "journal.outcome:confirmed",
    ]


def test_both_deletes_due_are_one_delete_of_the_job() -> None:
    house = House()
    job = house.add(1)
    execution = run(house, [house.planned(job, DELETE_ASSETS, DELETE_JOB)])
    assert house.sauce.writes() == [("DELETE-job", job)]
    assert dict(execution.counts) == {("p", DELETE_JOB, Outcome.DONE): 1}
    assert execution.left == 0


def test_an_archive_alone_deletes_nothing() -> None:
    house = House()
    job = house.add(1)
    execution = run(house, [house.planned(job, ARCHIVE, selection=LOGS)])
    assert house.sauce.writes() == []
    assert house.archive.files[job] == {"log.json": b"[]"}
    assert (execution.archived_assets, execution.archived_bytes) == (1, 2)


def test_a_permit_rests_on_the_receipt_or_on_a_policy_that_wants_nothing() -> None:
    house = House()
    archived, unwanted = house.add(1), house.add(2)
    job = house.sauce.world[archived].job
    run(
        house,
        [
            house.planned(archived, ARCHIVE, DELETE_JOB, selection=ALL),
            house.planned(unwanted, DELETE_JOB),
        ],
    )
    proofs = {row.job_id: row.proof for row in house.journal.rows if row.kind == "intent"}
    receipt = house.archive.archived(job)
    assert receipt is not None
    assert proofs == {archived: Receipt(receipt.sha256), unwanted: NothingWanted("p")}


@pytest.mark.parametrize("latency", [0.01, 0.4, 0.9, 3.0])
def test_no_delete_rests_on_an_answer_older_than_ten_seconds(latency: float) -> None:
    house = House()
    house.sauce.latency_s = latency
    plan = [house.planned(house.add(n), DELETE_JOB) for n in range(40)]
    execution = run(house, plan)
    assert len(house.sauce.judged) == 40
    assert max(age for _, age in house.sauce.judged) <= 10
    assert execution.complete


def test_one_look_up_before_deletes_is_about_twenty_jobs_at_most() -> None:
    house = House()
    run(house, [house.planned(house.add(n), DELETE_JOB) for n in range(50)])
    *before_deletes, confirming = house.sauce.batch_sizes
    assert before_deletes == [20, 20, 10]
    assert confirming == 50


def test_a_list_older_than_a_minute_is_asked_for_again_before_the_delete() -> None:
    house = House()
    job = house.add(1, assets={"log.json": b"12345678"})
    house.sauce.each_chunk = lambda: setattr(house.clock, "passed", house.clock.passed + 40)
    run(house, [house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL)])
    kinds = house.effects.kinds()
    assert kinds[kinds.index("journal.archived") :][:5] == [
        "journal.archived", "assets", "job", "journal.intent", "DELETE-job",
    ]  # fmt: skip


def test_an_asset_that_appears_after_the_first_list_is_archived_before_the_delete() -> None:
    house = House()
    job = house.add(1, assets={"log.json": b"12345678"})

    def grow() -> None:
        house.clock.passed += 40
        house.sauce.world[job].assets["late.mp4"] = b"late"

    house.sauce.each_chunk = grow
    run(house, [house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL)])
    assert house.archive.files[job]["late.mp4"] == b"late"
    assert house.journal.outcomes(job) == ["confirmed"]


def test_a_listed_name_that_no_receipt_has_is_archived_before_an_old_receipt_permits_anything() -> (
    None
):
    house = House()
    job = house.add(1)
    house.store(job, ALL)
    house.sauce.world[job].assets["late.mp4"] = b"late"
    run(house, [house.planned(job, DELETE_ASSETS, selection=ALL)])
    assert house.archive.files[job]["late.mp4"] == b"late"
    assert house.journal.outcomes(job) == ["confirmed"]


def test_a_name_that_only_an_older_policy_discarded_is_archived_now() -> None:
    house = House()
    job = house.add(1)
    house.store(job, LOGS)
    run(house, [house.planned(job, DELETE_JOB, selection=ALL)])
    assert set(house.archive.files[job]) == {"log.json", "video.mp4"}


def test_a_job_whose_assets_never_stop_changing_is_not_deleted() -> None:
    house = House()
    job = house.add(1)
    house.store(job, ALL)
    house.sauce.world[job].assets["more.log"] = b"x"
    numbers = iter(range(1000))

    def grow() -> None:
        house.clock.passed += 70
        house.sauce.world[job].assets[f"more-{next(numbers)}.log"] = b"x"

    house.sauce.each_chunk = grow
    execution = run(house, [house.planned(job, DELETE_JOB, selection=ALL)])
    assert house.sauce.writes() == []
    assert [failure.detail for failure in execution.failures] == [
        f"job {job}: its assets keep changing while they are archived"
    ]


def test_the_budget_for_the_last_look_and_the_delete_is_taken_before_the_look() -> None:
    house = House()
    plan = [house.planned(house.add(n), DELETE_JOB) for n in range(30)]
    archived = [
        house.planned(house.add(n), ARCHIVE, DELETE_JOB, selection=ALL) for n in range(30, 33)
    ]
    run(house, [*plan, *archived])
    assert "DELETE-job" not in house.sauce.unreserved
    assert house.sauce.unreserved.count("job") == 0
    assert house.sauce.unreserved.count("jobs") == 2, (
        "to begin with three jobs to archive, and to confirm"
    )


def test_an_answer_that_grows_old_while_the_archive_is_read_is_asked_for_again_before_the_intent() -> (
    None
):
    house = House()
    job = house.add(1)
    house.store(job, ALL)
    slow = iter([12.0])
    house.archive.on_look = lambda: setattr(
        house.clock, "passed", house.clock.passed + next(slow, 0.0)
    )
    run(house, [house.planned(job, DELETE_JOB, selection=ALL)])
    assert house.journal.outcomes(job) == ["confirmed"]
    assert house.effects.kinds().count("job") == 2


def test_a_job_whose_answers_always_grow_old_fails_in_the_end() -> None:
    house = House()
    jobs = [house.add(1), house.add(2)]
    house.store(jobs[0], ALL)
    plan = [house.planned(jobs[0], DELETE_JOB, selection=ALL), house.planned(jobs[1], DELETE_JOB)]
    house.holds.on_look = lambda: setattr(house.clock, "passed", house.clock.passed + 12.0)
    execution = run(house, plan)
    assert house.sauce.writes() == []
    assert execution.count(DELETE_JOB, Outcome.FAILED) == 2


def test_what_is_discarded_since_the_receipt_is_on_a_receipt_before_it_is_destroyed() -> None:
    house = House()
    job = house.add(1)
    house.store(job, LOGS)
    house.sauce.world[job].assets["late.mp4"] = b"late"
    run(house, [house.planned(job, DELETE_ASSETS, selection=LOGS)])
    assert "late.mp4" in house.archive.discarded[job]
    assert house.journal.outcomes(job) == ["confirmed"]


def test_a_receipt_that_lacks_a_wanted_file_permits_nothing() -> None:
    house = House()
    job = house.add(1)
    house.archive.forgets.add("video.mp4")
    execution = run(house, [house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL)])
    assert house.sauce.writes() == []
    assert not any(row.kind == "archived" for row in house.journal.rows)
    assert execution.count(ARCHIVE, Outcome.FAILED) == 1


def test_lists_that_are_old_when_they_arrive_end_in_a_failure_not_in_a_loop() -> None:
    house = House()
    jobs = [house.add(n) for n in range(2)]
    for job in jobs:
        house.store(job, ALL)
    house.sauce.latency_s = 70
    execution = run(house, [house.planned(job, DELETE_JOB, selection=ALL) for job in jobs])
    assert house.sauce.writes() == []
    assert execution.count(DELETE_JOB, Outcome.FAILED) == 2
