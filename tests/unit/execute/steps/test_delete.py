"""What has to hold before a DELETE leaves, and what its answer is worth."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from sauce_janitor.errors import (
    CredentialsError,
    ForbiddenError,
    NotReadyError,
    PermitError,
    SourceError,
)
from sauce_janitor.execute import ExecutionSettings, Outcome, carry_out, recover
from sauce_janitor.execute.events import (
    AlreadyGone,
    AssetsDeleted,
    Halt,
    JobDeleted,
    JobStopped,
    Skip,
)
from sauce_janitor.model.jobs import Action, AssetListing, Job, JobDocument, JobId, JobState, Owner
from tests.fakes.execution import NOW, FakeAnswer, FakeSauce, House, Row, fingerprint
from tests.support.execution import ALL, ARCHIVE, DELETE_ASSETS, DELETE_JOB, LOGS, STOP, run

Change = Callable[[House, JobId], None]


def _fail(error: Exception) -> Callable[[FakeSauce, JobId], object]:
    def answer(_sauce: FakeSauce, _job: JobId) -> object:
        raise error

    return answer


# --- what keeps a job from being deleted ----------------------------------------------------------

CHANGES: dict[str, tuple[Change, Skip]] = {
    "a tag that holds": (lambda house, job: house.sauce.change(job, tags=("keep",)), Skip.CHANGED),
    "another status": (lambda house, job: house.sauce.change(job, status="failed"), Skip.CHANGED),
    "running again": (
        lambda house, job: house.sauce.change(job, state=JobState.RUNNING),
        Skip.CHANGED,
    ),
    "a later end": (lambda house, job: house.sauce.change(job, ended_at=NOW - 60), Skip.CHANGED),
    "a hold of ours": (lambda house, job: house.holds.held.add(job), Skip.HELD),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_job_that_is_not_as_decided_on_is_not_deleted(name: str) -> None:
    change, why = CHANGES[name]
    house = House()
    job = house.add(1)
    plan = [house.planned(job, DELETE_JOB)]
    change(house, job)
    execution = run(house, plan)
    assert house.sauce.writes() == []
    assert execution.skips == {why: 1}
    assert execution.complete


def test_a_hold_set_while_the_job_is_archived_prevents_the_delete() -> None:
    house = House()
    job = house.add(1)
    house.sauce.each_chunk = lambda: house.sauce.change(job, tags=("keep",))
    execution = run(house, [house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL)])
    assert house.sauce.writes() == []
    assert execution.count(ARCHIVE, Outcome.DONE) == 1
    assert execution.count(DELETE_JOB, Outcome.SKIPPED) == 1


def test_a_hold_set_after_an_answer_grew_old_prevents_the_delete() -> None:
    house = House()
    house.sauce.latency_s = 3.0
    jobs = [house.add(n) for n in range(10)]
    plan = [house.planned(job, DELETE_JOB) for job in jobs]

    def hold_the_last(sauce: FakeSauce, job: JobId) -> object:
        sauce.change(jobs[9], tags=("keep",))
        return sauce.do_delete_job(job)

    house.sauce.lie("DELETE-job", hold_the_last)
    execution = run(house, plan)
    assert jobs[9] in house.sauce.world
    assert execution.skips == {Skip.CHANGED: 1}


def _slowly(
    seconds: float, then: Callable[[FakeSauce, JobId], None]
) -> Callable[[FakeSauce, JobId], object]:
    """An answer of details as they are now, that comes so much later; `then` happens meanwhile."""

    def answer(sauce: FakeSauce, job: JobId) -> object:
        document = sauce.document(job)
        then(sauce, job)
        sauce.clock.passed += seconds
        return document

    return answer


def _hold(sauce: FakeSauce, job: JobId) -> None:
    sauce.change(job, tags=("keep",))


def test_a_hold_set_after_the_question_counts_however_late_its_answer_came() -> None:
    house = House()
    job = house.add(1)
    house.sauce.lie("job", _slowly(16.0, _hold))
    execution = run(house, [house.planned(job, DELETE_JOB)])
    assert house.sauce.writes() == []
    assert execution.skips == {Skip.CHANGED: 1}


def test_a_look_up_of_many_jobs_that_came_late_permits_nothing() -> None:
    house = House()
    jobs = [house.add(1), house.add(2)]

    def late(sauce: FakeSauce, _job: JobId) -> object:
        documents = {job: sauce.document(job) for job in jobs}
        _hold(sauce, jobs[0])
        sauce.clock.passed += 16
        return documents

    plan = [house.planned(job, DELETE_JOB) for job in jobs]
    house.sauce.lie("jobs", late)
    run(house, plan)
    assert set(house.sauce.world) == {jobs[0]}


def test_an_asset_that_came_while_a_late_list_was_read_is_archived() -> None:
    house = House()
    job = house.add(1)
    house.store(job, ALL)

    def late(sauce: FakeSauce, _job: JobId) -> object:
        names = tuple(sauce.world[job].assets)
        sauce.world[job].assets["late.log"] = b"new"
        sauce.clock.passed += 61
        return AssetListing(names)

    house.sauce.lie("assets", late)
    run(house, [house.planned(job, DELETE_JOB, selection=ALL)])
    assert "late.log" in house.archive.files[job]
    assert job not in house.sauce.world


def test_a_stop_rests_on_no_late_answer() -> None:
    house = House()
    job = house.add(1, state=JobState.RUNNING)
    house.sauce.lie("job", _slowly(16.0, _hold))
    execution = run(house, [house.planned(job, STOP)])
    assert house.sauce.writes() == []
    assert execution.count(STOP, Outcome.FAILED) == 1


def test_what_else_is_asked_about_a_job_is_no_older_than_its_details() -> None:
    house = House()
    job = house.add(1)
    since: list[float] = []

    def of(one: Job, asked_at: float) -> str:
        since.append(asked_at)
        return fingerprint(one)

    plan = house.planned(job, DELETE_JOB)
    parts = replace(house.parts(), fingerprint=of)
    began = house.clock.passed
    carry_out([plan], parts, workers=1, stop=threading.Event())
    assert since == [began], "when the details were asked for"
    assert house.sauce.judged == [(job, house.sauce.latency_s)]


@pytest.mark.parametrize("field", ["id", "owner"])
def test_an_answer_about_another_job_permits_nothing(field: str) -> None:
    house = House()
    job = house.add(1)
    plan = [house.planned(job, DELETE_JOB)]

    def other(sauce: FakeSauce, job_id: JobId) -> object:
        document = sauce.document(job_id)
        assert document is not None
        changed = {"id": JobId("f" * 32)} if field == "id" else {"owner": Owner("someone")}
        return JobDocument(replace(document.job, **changed), document.document)

    house.sauce.lie("job", other, times=10)
    execution = run(house, plan)
    assert house.sauce.writes() == []
    assert execution.count(DELETE_JOB, Outcome.FAILED) == 1


def test_a_job_that_ended_just_now_is_left_to_settle() -> None:
    house = House()
    job = house.add(1, age_days=0.001)
    execution = run(house, [house.planned(job, ARCHIVE, selection=ALL)])
    assert house.archive.files == {}
    assert execution.skips == {Skip.UNSETTLED: 1}
    assert run(
        house, [house.planned(job, ARCHIVE, selection=ALL)], options=ExecutionSettings(settle_s=60)
    ).complete
    assert job in house.archive.files


def test_a_job_whose_assets_are_not_ready_is_skipped() -> None:
    house = House()
    job = house.add(1)
    house.sauce.lie("assets", _fail(NotReadyError("Job hasn't finished running")))
    execution = run(house, [house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL)])
    assert house.sauce.writes() == []
    assert execution.skips == {Skip.NOT_READY: 2}


def test_a_job_without_a_receipt_is_archived_before_it_is_deleted_whatever_the_plan_believed() -> (
    None
):
    house = House()
    job = house.add(1)
    run(house, [house.planned(job, DELETE_JOB, selection=ALL)])
    assert set(house.archive.files[job]) == {"log.json", "video.mp4"}
    assert house.journal.outcomes(job) == ["confirmed"]


def test_an_asset_that_cannot_be_fetched_keeps_its_job_and_no_other() -> None:
    house = House()
    bad, good = house.add(1), house.add(2)
    house.sauce.lie("asset", _fail(SourceError("cut short")))
    plan = [house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL) for job in (bad, good)]
    execution = run(house, plan)
    assert set(house.sauce.world) == {bad}
    assert {(failure.job_id, failure.action) for failure in execution.failures} == {
        (bad, ARCHIVE),
        (bad, DELETE_JOB),
    }
    assert not execution.complete


def test_an_empty_list_is_not_believed_once() -> None:
    house = House()
    job = house.add(1)
    house.sauce.lie("assets", lambda _sauce, _job: AssetListing(()))
    run(house, [house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL)])
    assert set(house.archive.files[job]) == {"log.json", "video.mp4"}
    assert house.journal.outcomes(job) == ["confirmed"]


# --- purged ---------------------------------------------------------------------------------------

KEEP_PURGED = replace(ALL, if_purged="keep")


@pytest.mark.parametrize("missing", [True, False], ids=["404", "empty"])
def test_a_purged_job_is_archived_by_its_document_alone_and_deleted(missing: bool) -> None:
    house = House()
    job = house.add(1, age_days=31, assets={})
    house.sauce.world[job].listed_as_missing = missing
    run(house, [house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL)])
    assert house.archive.files[job] == {}
    assert [why.purged for why in house.archive.whys] == [True]
    assert house.journal.outcomes(job) == ["confirmed"]
    kinds = house.effects.kinds()
    assert kinds.count("assets") == 3, "twice to believe it, once more right before the delete"
    assert kinds[kinds.index("journal.intent") - 1] == "assets"


def test_a_purged_job_stays_where_the_policy_says_keep() -> None:
    house = House()
    job = house.add(1, age_days=31, assets={})
    execution = run(house, [house.planned(job, ARCHIVE, DELETE_JOB, selection=KEEP_PURGED)])
    assert house.sauce.writes() == []
    assert execution.skips == {Skip.PURGED: 2}


def test_a_job_archived_before_its_purge_is_deleted_even_where_the_policy_keeps_the_purged() -> (
    None
):
    house = House()
    job = house.add(1, age_days=31)
    house.store(job, KEEP_PURGED)
    house.sauce.world[job].assets = {}
    run(house, [house.planned(job, DELETE_JOB, selection=KEEP_PURGED)])
    assert house.journal.outcomes(job) == ["confirmed"]


def test_a_job_purged_before_anything_but_its_document_was_archived_stays_where_the_policy_says_keep() -> (
    None
):
    house = House()
    job = house.add(1, age_days=31, assets={})
    house.store(job, ALL)
    execution = run(house, [house.planned(job, DELETE_JOB, selection=KEEP_PURGED)])
    assert house.sauce.writes() == []
    assert execution.skips == {Skip.PURGED: 1}


def test_assets_that_we_deleted_were_not_purged() -> None:
    house = House()
    job = house.add(1, age_days=31)
    run(house, [house.planned(job, DELETE_ASSETS)])
    run(house, [house.planned(job, ARCHIVE, DELETE_JOB, selection=KEEP_PURGED)])
    assert job not in house.sauce.world


def test_a_running_job_is_not_deleted_even_if_it_was_decided_on_as_it_is() -> None:
    house = House()
    job = house.add(1, state=JobState.RUNNING)
    execution = run(house, [house.planned(job, DELETE_JOB)])
    assert house.sauce.writes() == []
    assert execution.skips == {Skip.CHANGED: 1}


def test_a_look_up_that_shows_another_owners_job_is_not_used() -> None:
    house = House()
    jobs = [house.add(1), house.add(2)]

    def mixed(sauce: FakeSauce, _job: JobId) -> object:
        documents = {job: sauce.document(job) for job in jobs}
        first = documents[jobs[0]]
        assert first is not None
        return documents | {jobs[0]: replace(first, job=replace(first.job, owner=Owner("someone")))}

    house.sauce.lie("jobs", mixed)
    run(house, [house.planned(job, DELETE_JOB) for job in jobs])
    assert house.effects.kinds().count("job") == 1
    assert house.sauce.world == {}


def test_a_missing_list_of_a_young_job_keeps_it() -> None:
    house = House()
    job = house.add(1, age_days=29)
    house.sauce.world[job].listed_as_missing = True
    execution = run(house, [house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL)])
    assert house.sauce.writes() == []
    assert house.archive.files == {}
    assert execution.count(DELETE_JOB, Outcome.FAILED) == 1


@pytest.mark.parametrize("action", [DELETE_JOB, DELETE_ASSETS])
def test_a_list_that_goes_missing_right_before_the_delete_of_a_young_job_keeps_it(
    action: Action,
) -> None:
    house = House()
    job = house.add(1, age_days=29)
    house.store(job, ALL)  # by an earlier run: only the list before the delete is asked for
    house.sauce.world[job].listed_as_missing = True
    execution = run(house, [house.planned(job, action, selection=ALL)])
    assert house.effects.kinds().count("assets") == 2, "one 404 may be a lie: it is asked for again"
    assert house.sauce.writes() == []
    assert house.journal.outcomes(job) == []
    assert execution.count(action, Outcome.FAILED) == 1


def test_a_missing_list_is_no_surprise_where_we_deleted_the_assets() -> None:
    house = House()
    job = house.add(1, age_days=20)
    run(house, [house.planned(job, ARCHIVE, DELETE_ASSETS, selection=ALL)])
    house.sauce.world[job].listed_as_missing = True
    execution = run(house, [house.planned(job, DELETE_JOB, selection=ALL)])
    assert execution.count(DELETE_JOB, Outcome.DONE) == 1
    assert house.archive.files[job] == {"log.json": b"[]", "video.mp4": b"film"}


def test_assets_that_are_gone_already_are_not_deleted_again() -> None:
    house = House()
    job = house.add(1, age_days=31, assets={})
    execution = run(house, [house.planned(job, ARCHIVE, DELETE_ASSETS, selection=ALL)])
    assert house.sauce.writes() == []
    assert execution.count(DELETE_ASSETS, Outcome.ALREADY_GONE) == 1
    assert house.journal.assets_deleted(job)


# --- answers --------------------------------------------------------------------------------------

DOUBTFUL = [
    FakeAnswer(500, doubtful=True),
    FakeAnswer(None, doubtful=True, detail="timed out"),
    FakeAnswer(500),
    FakeAnswer(302),
]


@pytest.mark.parametrize("answer", DOUBTFUL, ids=str)
@pytest.mark.parametrize("action", [DELETE_JOB, DELETE_ASSETS])
def test_a_doubtful_answer_to_what_was_done_is_confirmed_by_asking(
    answer: FakeAnswer, action: Action
) -> None:
    house = House()
    job = house.add(1)
    endpoint = "DELETE-job" if action is DELETE_JOB else "DELETE-assets"

    def done(sauce: FakeSauce, job_id: JobId) -> object:
        (sauce.do_delete_job if action is DELETE_JOB else sauce.do_delete_assets)(job_id)
        return answer

    house.sauce.lie(endpoint, done)
    execution = run(house, [house.planned(job, action)])
    assert house.journal.outcomes(job) == ["confirmed"]
    assert execution.complete
    asked = house.effects.kinds()[house.effects.kinds().index(endpoint) + 1 : -1]
    assert asked == (["job", "job"] if action is DELETE_JOB else ["assets", "assets"]), (
        "twice, at once"
    )


@pytest.mark.parametrize(
    "answer", [*DOUBTFUL, FakeAnswer(404), FakeAnswer(409), FakeAnswer(429)], ids=str
)
def test_an_error_for_what_was_not_done_is_a_failure_and_is_not_repeated(
    answer: FakeAnswer,
) -> None:
    house = House()
    house.tries = ("v1",)
    job = house.add(1)
    house.sauce.lie("DELETE-job", lambda _sauce, _job: answer)
    execution = run(house, [house.planned(job, DELETE_JOB)])
    # what had no answer may still come true over there
    assert house.journal.outcomes(job) == ["unknown" if answer.status is None else "failed"]
    assert house.sauce.writes() == [("DELETE-job", job)]
    assert execution.count(DELETE_JOB, Outcome.FAILED) == 1


def test_a_204_without_effect_is_found_out() -> None:
    house = House()
    job, other = house.add(1), house.add(2)
    house.sauce.lie("DELETE-job", lambda _sauce, _job: FakeAnswer(204))
    execution = run(house, [house.planned(job, DELETE_JOB), house.planned(other, DELETE_JOB)])
    assert house.journal.outcomes(job) == ["failed"]
    assert house.journal.outcomes(other) == ["confirmed"]
    assert [failure.job_id for failure in execution.failures] == [job]


def test_a_404_while_the_job_lives_is_no_deletion() -> None:
    house = House()
    job = house.add(1)
    house.sauce.lie("job", lambda _sauce, _job: None)
    run(house, [house.planned(job, DELETE_JOB)])
    assert house.journal.outcomes(job) == ["confirmed"], (
        "one 404 was a lie: the second look saw the job, and it was deleted"
    )


def test_a_job_that_is_gone_is_not_deleted_again() -> None:
    house = House()
    job = house.add(1)
    plan = [house.planned(job, DELETE_JOB)]
    del house.sauce.world[job]
    execution = run(house, plan)
    assert house.sauce.writes() == []
    assert execution.count(DELETE_JOB, Outcome.ALREADY_GONE) == 1
    assert [type(event) for event in house.events] == [AlreadyGone]


def test_a_job_gone_by_a_delete_whose_answer_was_lost_is_deleted_by_us() -> None:
    house = House()
    job = house.add(1)
    plan = [house.planned(job, DELETE_JOB)]
    house.journal.rows.append(Row("intent", DELETE_JOB, job))
    del house.sauce.world[job]
    execution = run(house, plan)
    assert house.sauce.writes() == []
    assert house.journal.outcomes(job) == ["confirmed"]
    assert execution.count(DELETE_JOB, Outcome.DONE) == 1
    assert [type(event) for event in house.events] == [JobDeleted]


def test_a_delete_answered_404_for_a_job_gone_since_is_already_gone() -> None:
    house = House()
    job = house.add(1)

    def gone(sauce: FakeSauce, job_id: JobId) -> object:
        del sauce.world[job_id]
        return FakeAnswer(404)

    house.sauce.lie("DELETE-job", gone)
    run(house, [house.planned(job, DELETE_JOB)])
    assert house.journal.outcomes(job) == ["already_gone"]


def test_an_archive_wish_for_a_job_that_is_gone_is_a_failure() -> None:
    house = House()
    job = house.add(1)
    plan = [house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL)]
    del house.sauce.world[job]
    execution = run(house, plan)
    assert execution.count(ARCHIVE, Outcome.FAILED) == 1
    assert execution.count(DELETE_JOB, Outcome.ALREADY_GONE) == 1


def test_the_answer_to_an_asset_delete_is_compared_with_the_receipt() -> None:
    house = House()
    job = house.add(
        1,
        assets={"log.json": b"[]", "video.mp4": b"film"},
        hidden={"_tracelog_1.json.gz": b"trace"},
    )

    def longer(sauce: FakeSauce, job_id: JobId) -> object:
        answer = sauce.do_delete_assets(job_id)
        assert answer.deleted is not None
        return replace(
            answer,
            deleted=tuple((name, size + (name == "video.mp4")) for name, size in answer.deleted),
        )

    house.sauce.lie("DELETE-assets", longer)
    execution = run(house, [house.planned(job, ARCHIVE, DELETE_ASSETS, selection=ALL)])
    event = next(event for event in house.events if isinstance(event, AssetsDeleted))
    assert event.unlisted == ("_tracelog_1.json.gz",)
    assert event.differing == (("video.mp4", 4, 5),)
    assert execution.reclaimed_bytes == 2 + 5 + 5
    assert execution.unlisted_files == 1
    assert execution.differing == ((job, "video.mp4", 4, 5),)
    assert house.journal.rows[-1].bytes_reclaimed == 12


@pytest.mark.parametrize("deleted", [None, (), (("log.json", 2),)], ids=str)
def test_an_asset_delete_that_does_not_name_every_stored_file_is_checked(
    deleted: tuple[tuple[str, int], ...] | None,
) -> None:
    house = House()
    job = house.add(1)
    house.store(job, ALL)
    house.sauce.lie("DELETE-assets", lambda _sauce, _job: FakeAnswer(200, deleted))
    execution = run(house, [house.planned(job, DELETE_ASSETS, selection=ALL)])
    assert house.journal.outcomes(job) == ["failed"], "it is all still there"
    assert execution.count(DELETE_ASSETS, Outcome.FAILED) == 1


def _says_so(sauce: FakeSauce, job_id: JobId) -> FakeAnswer:
    """The answer of an asset delete that worked, and nothing done."""
    fake = sauce.world[job_id]
    return FakeAnswer(200, tuple((name, len(data)) for name, data in fake.assets.items()))


@pytest.mark.parametrize("workers", [1, 4])
def test_asset_deletes_that_are_answered_well_and_do_nothing_are_found_out(workers: int) -> None:
    house = House()
    jobs = [house.add(n) for n in range(30)]
    for _ in jobs:
        house.sauce.lie("DELETE-assets", _says_so)
    execution = run(house, [house.planned(job, DELETE_ASSETS) for job in jobs], workers=workers)
    assert {outcome for job in jobs for outcome in house.journal.outcomes(job)} == {"failed"}
    assert execution.count(DELETE_ASSETS, Outcome.FAILED) == 30
    assert not execution.complete


def test_once_an_asset_delete_was_seen_to_do_nothing_every_later_one_is_looked_at() -> None:
    house = House()
    jobs = [house.add(n) for n in range(60)]
    for n in range(60):
        house.sauce.lie("DELETE-assets", _says_so if n >= 10 else FakeSauce.do_delete_assets)
    run(house, [house.planned(job, DELETE_ASSETS) for job in jobs])
    ended = [house.journal.outcomes(job) for job in jobs]
    assert ended[20:] == [["failed"]] * 40, "the twenty-first is the second that is looked at"


@pytest.mark.parametrize("status", [401, 403, 429])
@pytest.mark.parametrize(("action", "write", "look"), [
    (DELETE_ASSETS, "DELETE-assets", "assets"), (DELETE_JOB, "DELETE-job", "job"),
])  # fmt: skip
def test_a_delete_that_was_refused_is_not_done_because_nothing_is_shown_right_after(
    action: Action, write: str, look: str, status: int
) -> None:
    house = House()
    job = house.add(1)

    def refused(sauce: FakeSauce, _job: JobId) -> object:
        sauce.lie(look, lambda _sauce, _job: None, times=2)
        return FakeAnswer(status, doubtful=True)

    house.sauce.lie(write, refused)
    run(house, [house.planned(job, action)])
    assert house.journal.outcomes(job) == ["unknown"]
    assert recover(house.sauce, house.journal).failed == 1
    assert house.journal.outcomes(job) == [
        "unknown",
        "failed",
    ], "the next run saw that it is still there"


@pytest.mark.parametrize("status", [400, 404])
def test_assets_deleted_by_someone_else_meanwhile_are_already_gone(status: int) -> None:
    house = House()
    job = house.add(1)

    def gone(sauce: FakeSauce, job_id: JobId) -> object:
        sauce.do_delete_assets(job_id)
        return FakeAnswer(status)

    house.sauce.lie("DELETE-assets", gone)
    run(house, [house.planned(job, DELETE_ASSETS)])
    assert house.journal.outcomes(job) == ["already_gone"]


@pytest.mark.parametrize(("done", "outcome"), [(True, "already_gone"), (False, "failed")])
def test_a_400_to_a_delete_of_a_job_is_looked_into(*, done: bool, outcome: str) -> None:
    house = House()
    job = house.add(1)

    def refuse(sauce: FakeSauce, job_id: JobId) -> object:
        if done:
            sauce.do_delete_job(job_id)
        return FakeAnswer(400)

    house.sauce.lie("DELETE-job", refuse)
    run(house, [house.planned(job, DELETE_JOB)])
    assert house.journal.outcomes(job) == [outcome]


def test_an_answer_that_cannot_be_asked_about_is_unknown() -> None:
    house = House()
    job = house.add(1)
    house.sauce.lie("DELETE-job", lambda _sauce, _job: FakeAnswer(None, doubtful=True))
    plan = [house.planned(job, DELETE_JOB)]
    house.sauce.lie("job", lambda sauce, job_id: sauce.document(job_id))
    house.sauce.lie("job", _fail(SourceError("timed out")), times=3)
    execution = run(house, plan)
    assert house.journal.outcomes(job) == ["unknown"]
    assert execution.count(DELETE_JOB, Outcome.FAILED) == 1


def test_where_no_batch_is_offered_the_next_full_listing_confirms() -> None:
    house = House()
    house.sauce.batches = False
    jobs = [house.add(n) for n in range(3)]
    execution = run(house, [house.planned(job, DELETE_JOB) for job in jobs])
    assert [house.journal.outcomes(job) for job in jobs] == [["unknown"]] * 3
    assert execution.unconfirmed == 3
    assert [event.confirmed for event in house.events if isinstance(event, JobDeleted)] == [
        False
    ] * 3
    assert house.effects.kinds().count("job") == 3, "one look each, before its delete"


def test_a_look_up_that_is_not_offered_is_not_tried_again() -> None:
    house = House()
    house.sauce.batches = False
    run(house, [house.planned(house.add(n), DELETE_JOB) for n in range(60)])
    assert house.effects.kinds().count("jobs") == 2, "once before deletes, once to confirm"


def test_a_permit_that_grew_old_at_the_gate_is_made_anew_from_a_new_answer() -> None:
    house = House()
    job = house.add(1)
    house.sauce.lie("DELETE-job", _fail(PermitError("11 s old")))
    run(house, [house.planned(job, DELETE_JOB)])
    assert house.journal.outcomes(job) == ["failed", "confirmed"]
    assert house.effects.kinds().count("job") == 2


def test_a_403_leaves_out_the_rest_of_that_owner_and_no_one_else() -> None:
    house = House()
    alice = Owner("alice")
    hers = [house.add(n, owner=alice) for n in range(3)]
    mine = house.add(9)
    house.sauce.lie("DELETE-job", lambda _sauce, _job: FakeAnswer(403, detail="Forbidden"))
    execution = run(house, [house.planned(job, DELETE_JOB) for job in (*hers, mine)])
    assert house.sauce.writes() == [("DELETE-job", hers[0]), ("DELETE-job", mine)]
    assert execution.count(DELETE_JOB, Outcome.FAILED) == 3
    assert execution.count(DELETE_JOB, Outcome.DONE) == 1


def test_a_403_for_a_list_leaves_out_the_rest_of_that_owner() -> None:
    house = House()
    alice = Owner("alice")
    hers = [house.add(n, owner=alice) for n in range(3)]
    house.sauce.lie("assets", _fail(ForbiddenError("alice: 403")))
    execution = run(house, [house.planned(job, ARCHIVE, selection=ALL) for job in hers])
    assert execution.count(ARCHIVE, Outcome.FAILED) == 3
    assert house.effects.kinds().count("assets") == 1


def test_a_401_to_a_delete_ends_the_run_and_what_it_did_is_asked_by_the_next() -> None:
    house = House()
    jobs = [house.add(n) for n in range(3)]
    house.sauce.lie("DELETE-job", _fail(CredentialsError("401")))
    execution = run(house, [house.planned(job, DELETE_JOB) for job in jobs])
    assert house.journal.outcomes(jobs[0]) == ["unknown"]
    assert execution.halted is not None
    assert execution.halted.why is Halt.CREDENTIALS
    assert isinstance(execution.error, CredentialsError)
    assert len(house.sauce.writes()) == 1
    assert execution.left == 3


# --- stop -----------------------------------------------------------------------------------------


def test_a_runaway_job_is_asked_about_and_stopped() -> None:
    house = House()
    job = house.add(1, state=JobState.RUNNING)
    execution = run(house, [house.planned(job, STOP)])
    assert house.effects.kinds() == [
        "job",
        "journal.intent",
        "PUT-stop",
        "job",
        "journal.outcome:confirmed",
    ]
    assert execution.count(STOP, Outcome.DONE) == 1
    assert [type(event) for event in house.events] == [JobStopped]


def test_a_stop_after_which_the_job_still_runs_stays_open_for_the_next_run_and_can_be_tried_again() -> (
    None
):
    house = House()
    job = house.add(1, state=JobState.RUNNING)
    house.sauce.lie("PUT-stop", lambda _sauce, _job: FakeAnswer(200))
    run(house, [house.planned(job, STOP)])
    assert house.journal.outcomes(job) == ["unknown"]
    recover(house.sauce, house.journal)
    run(house, [house.planned(job, STOP)])
    assert house.journal.outcomes(job) == ["unknown", "failed", "confirmed"]


def test_a_job_that_ended_by_itself_is_not_stopped() -> None:
    house = House()
    job = house.add(1, state=JobState.RUNNING)
    plan = [house.planned(job, STOP)]
    house.sauce.do_stop(job)
    execution = run(house, plan)
    assert house.sauce.writes() == []
    assert execution.skips == {Skip.CHANGED: 1}


def test_a_hold_prevents_a_stop() -> None:
    house = House()
    job = house.add(1, state=JobState.RUNNING)
    house.holds.held.add(job)
    assert run(house, [house.planned(job, STOP)]).skips == {Skip.HELD: 1}
    assert house.sauce.writes() == []


def test_a_run_that_lost_its_lease_stops_no_job() -> None:
    house = House()
    job = house.add(1, state=JobState.RUNNING)
    house.lease.lost = True
    execution = run(house, [house.planned(job, STOP)])
    assert house.sauce.writes() == []
    assert execution.halted is not None
    assert execution.halted.why is Halt.LEASE


def test_a_stop_that_the_gate_refuses_is_on_record_as_failed() -> None:
    house = House()
    job = house.add(1, state=JobState.RUNNING)
    house.sauce.lie("PUT-stop", _fail(PermitError("11 s old")))
    execution = run(house, [house.planned(job, STOP)])
    assert house.journal.outcomes(job) == ["failed"]
    assert execution.count(STOP, Outcome.FAILED) == 1


def test_a_stop_without_an_answer_is_asked_about() -> None:
    house = House()
    job = house.add(1, state=JobState.RUNNING)

    def done(sauce: FakeSauce, job_id: JobId) -> object:
        sauce.do_stop(job_id)
        return FakeAnswer(None, doubtful=True)

    house.sauce.lie("PUT-stop", done)
    run(house, [house.planned(job, STOP)])
    assert house.journal.outcomes(job) == ["confirmed"]


def test_rest_that_nobody_discarded_aloud_is_not_destroyed() -> None:
    house = House()
    job = house.add(1)
    quiet = replace(LOGS, discard_rest=False)
    execution = run(house, [house.planned(job, ARCHIVE, DELETE_JOB, selection=quiet)])
    assert house.sauce.writes() == []
    assert execution.count(DELETE_JOB, Outcome.FAILED) == 1
    assert "video.mp4" in execution.failures[0].detail


def test_a_job_of_which_nobody_said_aloud_that_nothing_is_wanted_is_not_deleted() -> None:
    house = House()
    job = house.add(1)
    execution = run(house, [replace(house.planned(job, DELETE_JOB), nothing_wanted_by=None)])
    assert house.sauce.writes() == []
    assert execution.count(DELETE_JOB, Outcome.FAILED) == 1


def test_an_action_that_is_on_record_already_is_not_repeated() -> None:
    house = House()
    job, other = house.add(1), house.add(2)
    house.journal.refuses = PermitError("delete_job is on record as done")
    execution = run(house, [house.planned(job, DELETE_JOB), house.planned(other, DELETE_JOB)])
    assert house.sauce.writes() == []
    assert execution.count(DELETE_JOB, Outcome.FAILED) == 2
