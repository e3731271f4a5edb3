"""What failed before goes behind what was not tried, waits longer each time, and takes a fifth of a
run's requests at most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from sauce_janitor.errors import (
    BudgetSpentError,
    ForbiddenError,
    NotReadyError,
    SourceUnavailableError,
)
from sauce_janitor.execute import Execution, ExecutionSettings
from sauce_janitor.execute.events import Halt
from sauce_janitor.model.job_retries import Failing, FailureKind, Retry
from sauce_janitor.model.jobs import JobId
from tests.fakes.execution import FakeAnswer, FakeSauce, House
from tests.support.execution import ALL, ARCHIVE, DELETE_JOB, run

FILES = {"log.json": b"[]", "video.mp4": b"film"}


def _run(
    house: House, jobs: Sequence[JobId], *, requests: int | None = 60, hours: float = 1.0
) -> Execution:
    """The next run, over the jobs that have no receipt, in the order of their purge."""
    house.retries.later(hours)
    house.sauce.budget = requests
    house.sauce.served.clear()
    todo = [job for job in jobs if job not in house.archive.files]
    return run(house, [house.planned(job, ARCHIVE, selection=ALL) for job in todo])


def _asked_about(house: House) -> Counter[JobId | None]:
    return Counter(job for _, job in house.sauce.served)


def _poison(house: House, numbers: Sequence[int]) -> list[JobId]:
    """Jobs with a file that is always 404."""
    jobs = [house.add(n, assets=FILES, age_days=12) for n in numbers]
    house.sauce.without |= dict.fromkeys(jobs, "video.mp4")
    return jobs


def _no_answer(_sauce: FakeSauce, _job: JobId) -> object:
    raise SourceUnavailableError("503 after 4 attempts")


def test_twenty_jobs_that_can_never_be_archived_leave_the_requests_to_the_others() -> None:
    house = House()
    bad, good = _poison(house, range(20)), [house.add(n, assets=FILES) for n in range(100, 160)]
    first = _run(house, [*bad, *good])
    assert not house.archive.files.keys() & good, "the nearest purge goes first while nobody knows"
    assert first.halted is not None
    for _ in range(4):
        _run(house, [*bad, *good])
        about = _asked_about(house)
        assert sum(about[job] for job in bad) <= 60 // 5
    assert house.archive.files.keys() == set(good)


def test_a_job_that_waits_for_its_next_try_is_counted_and_makes_no_run_complete() -> None:
    house = House()
    (bad,) = _poison(house, [1])
    assert not _run(house, [bad]).complete
    assert _run(house, [bad]).failures, "the first retry is in the next run"
    waiting = _run(house, [bad], hours=0.5)
    assert (waiting.waiting, waiting.failures, waiting.jobs) == ({FailureKind.ANSWER: 1}, (), 0)
    assert not waiting.complete
    assert house.sauce.served == []
    assert _run(house, [bad], hours=0.6).failures, "its pause of an hour is over"


def test_success_forgets_the_failure() -> None:
    house = House()
    (bad,) = _poison(house, [1])
    _run(house, [bad])
    house.sauce.without.clear()
    done = _run(house, [bad])
    assert done.complete
    assert house.retries.rows == {}


def test_several_kinds_have_a_share_each() -> None:
    house = House()
    bad, not_ready = _poison(house, range(8)), [house.add(n, assets=FILES) for n in range(20, 28)]
    for job, kind in (
        *((job, FailureKind.ANSWER) for job in bad),
        *((job, FailureKind.ARCHIVE) for job in not_ready),
    ):
        house.retries.failed(job, Failing(kind, "failed", 4))
    house.sauce.without |= dict.fromkeys(not_ready, "video.mp4")
    done = _run(house, [*bad, *not_ready])
    about = _asked_about(house)
    assert 0 < sum(about[job] for job in bad) <= 12
    assert 0 < sum(about[job] for job in not_ready) <= 12
    assert sum(done.waiting.values()) + len(done.failures) == 16


def test_a_purge_that_is_near_keeps_its_place_but_not_more_than_a_fifth() -> None:
    house = House()
    bad, good = _poison(house, range(20)), [house.add(n, assets=FILES) for n in range(100, 120)]
    for job in bad:
        house.retries.failed(job, Failing(FailureKind.ANSWER, "404", 3))
    house.retries.later(hurried=True)
    house.sauce.budget = 100
    run(house, [house.planned(job, ARCHIVE, selection=ALL) for job in (*bad, *good)])
    order = [job for _, job in house.sauce.served if job is not None]
    first_good = order.index(good[0])
    assert 0 < first_good <= 20, "some go before what was not tried"
    assert set(order[:first_good]) <= set(bad)
    assert house.archive.files.keys() == set(good)


def test_a_hurried_job_is_saved_before_others_once_it_can_be() -> None:
    house = House()
    late, good = house.add(1, assets=FILES), [house.add(n, assets=FILES) for n in range(100, 120)]
    house.retries.failed(late, Failing(FailureKind.ARCHIVE, "cut", 3))
    house.retries.later(hurried=True)
    house.sauce.budget = 20
    run(house, [house.planned(job, ARCHIVE, selection=ALL) for job in (late, *good)])
    assert late in house.archive.files


def test_five_retries_without_an_answer_do_not_end_the_run_for_the_others() -> None:
    house = House()
    bad = [house.add(n, assets=FILES) for n in range(7)]
    good = house.add(100, assets=FILES)
    for job in bad:
        house.retries.failed(job, Failing(FailureKind.UNAVAILABLE, "503", 1))
    house.sauce.batches = False
    house.retries.later(hurried=True)
    house.sauce.lie("job", _no_answer, times=5)
    done = run(house, [house.planned(job, ARCHIVE, selection=ALL) for job in (*bad, good)])
    assert done.halted is None
    assert good in house.archive.files
    assert done.waiting == {FailureKind.UNAVAILABLE: 2}, (
        "the others of the kind are not asked for, either"
    )


def test_five_jobs_in_a_row_without_an_answer_still_end_a_run() -> None:
    house = House()
    house.sauce.batches = False
    house.sauce.lie("job", _no_answer, times=9)
    done = run(house, [house.planned(house.add(n), ARCHIVE, selection=ALL) for n in range(9)])
    assert done.halted is not None
    assert done.halted.why is Halt.SOURCE


def test_a_job_that_takes_more_requests_than_a_run_has_goes_behind_the_others() -> None:
    house = House()
    large = house.add(1, assets={f"{n}.log": b"x" for n in range(80)})
    good = [house.add(n, assets=FILES) for n in range(2, 6)]
    first = _limited(house, [large, *good])
    assert house.retries.rows[large].kind is FailureKind.TOO_LARGE
    assert first.halted is not None
    _limited(house, [large, *good])
    assert house.archive.files.keys() == set(good)


def _limited(house: House, jobs: Sequence[JobId]) -> Execution:
    """A run whose source refuses the 61st request, as the real budget does."""

    def spent(_sauce: FakeSauce, _job: JobId) -> object:
        raise BudgetSpentError("spent")

    house.retries.later(1)
    house.sauce.budget = 60
    house.sauce._lies.clear()
    seen = len(house.sauce.served)

    def look(self: FakeSauce = house.sauce) -> None:
        if self.requests() - seen >= 60 and not self._lies.get("asset"):
            self.lie("asset", spent, times=99)

    house.sauce.each_chunk = look
    todo = [job for job in jobs if job not in house.archive.files]
    return run(house, [house.planned(job, ARCHIVE, selection=ALL) for job in todo])


@pytest.mark.parametrize(
    ("endpoint", "kind"), [("assets", FailureKind.NOT_READY), ("job", FailureKind.UNAVAILABLE)]
)
def test_each_kind_is_on_record_with_its_reason(endpoint: str, kind: FailureKind) -> None:
    def answer(_sauce: FakeSauce, _job: JobId) -> object:
        raise (
            NotReadyError("400: not finished")
            if kind is FailureKind.NOT_READY
            else SourceUnavailableError("503")
        )

    house = House()
    house.sauce.batches = False
    job = house.add(1)
    house.sauce.lie(endpoint, answer, times=4)
    _run(house, [job])
    retry = house.retries.rows[job]
    assert (retry.kind, retry.tries) == (kind, 1)
    assert retry.requests > 0
    assert retry.reason


def test_a_job_that_is_skipped_on_purpose_waits_without_making_the_run_a_failure() -> None:
    house = House()
    job = house.add(1)
    now = house.clock.now()
    house.retries.rows[job] = Retry(job, FailureKind.CHANGED, 3, now - 7200, now, now + 7200)
    done = _run(house, [job], hours=1)
    assert done.waiting == {FailureKind.CHANGED: 1}
    assert done.complete


def test_what_was_not_tried_because_its_owner_is_forbidden_begins_no_pause() -> None:
    def refuse(_sauce: FakeSauce, _job: JobId) -> object:
        raise ForbiddenError("403")

    house = House()
    first, second = house.add(1), house.add(2)
    house.sauce.lie("assets", refuse)
    done = run(house, [house.planned(job, ARCHIVE, selection=ALL) for job in (first, second)])
    assert len(done.failures) == 2
    assert set(house.retries.rows) == {first}


def test_a_delete_that_fails_is_tried_again_too() -> None:
    house = House()
    job = house.add(1)
    house.store(job, ALL)
    house.sauce.lie("DELETE-job", lambda _sauce, _job: FakeAnswer(204))
    plan = [house.planned(job, DELETE_JOB, selection=ALL)]
    run(house, plan)
    house.retries.later()
    assert house.retries.rows[job].kind is FailureKind.DELETE
    assert run(house, plan).complete
    assert house.retries.rows == {}


def test_all_kinds_together_take_a_fifth_before_what_was_not_tried() -> None:
    house = House()
    kinds = (FailureKind.ANSWER, FailureKind.ARCHIVE, FailureKind.DELETE, FailureKind.OTHER)
    bad = _poison(house, range(20))
    for number, job in enumerate(bad):
        house.retries.failed(job, Failing(kinds[number % 4], "failed", 3))
    good = house.add(100, assets=FILES)
    house.retries.later(hurried=True)
    house.sauce.budget = 60
    run(house, [house.planned(job, ARCHIVE, selection=ALL) for job in (*bad, good)])
    order = [job for _, job in house.sauce.served if job is not None]
    assert order.index(good) <= 60 // 5


def test_what_a_retry_really_takes_counts_against_its_share() -> None:
    house = House()
    bad = _poison(house, range(20))
    for job in bad:
        house.retries.failed(job, Failing(FailureKind.ANSWER, "404", 1))
    _run(house, bad)
    assert sum(_asked_about(house).values()) <= 60 // 5 + 3


def test_a_job_fails_once_a_run_whatever_fails_of_it() -> None:
    house = House()
    (bad,) = _poison(house, [1])
    run(house, [house.planned(bad, ARCHIVE, DELETE_JOB, selection=ALL)])
    assert house.retries.rows[bad].tries == 1


def test_a_retry_that_takes_more_than_a_fifth_has_its_turn_behind_the_others() -> None:
    house = House()
    large, good = (
        house.add(1, assets={f"{n}.log": b"x" for n in range(30)}),
        house.add(2, assets=FILES),
    )
    house.retries.failed(large, Failing(FailureKind.ARCHIVE, "cut", 32))
    _run(house, [large, good])
    assert house.archive.files.keys() == {large, good}


def test_what_succeeds_takes_nothing_of_its_kind_s_share() -> None:
    house = House()
    jobs = [house.add(n, assets=FILES) for n in range(12)]
    for job in jobs:
        house.retries.failed(job, Failing(FailureKind.ARCHIVE, "cut", 4))
    done = _run(house, jobs)
    assert house.archive.files.keys() == set(jobs), (
        "the cause is over: a fifth would be three jobs a run"
    )
    assert done.complete


@pytest.mark.parametrize("workers", [1, 3])
def test_a_success_ends_the_pauses_of_its_kind_and_of_no_other(workers: int) -> None:
    house = House()
    now = house.clock.now()
    archive = [house.add(n, assets=FILES) for n in range(6)]
    other = house.add(20, assets=FILES)
    for job in archive:
        due = now if job == archive[0] else now + 86_400
        house.retries.rows[job] = Retry(job, FailureKind.ARCHIVE, 4, now - 86_400, now, due, 4)
    house.retries.rows[other] = Retry(
        other, FailureKind.ANSWER, 4, now - 86_400, now, now + 86_400, 4
    )
    house.retries.later()
    house.sauce.budget = 100
    plan = [house.planned(job, ARCHIVE, selection=ALL) for job in (*archive, other)]
    done = run(house, plan, workers=workers)
    assert house.archive.files.keys() == set(archive)
    assert done.waiting == {FailureKind.ANSWER: 1}


def test_a_failure_ends_no_pause() -> None:
    house = House()
    now = house.clock.now()
    jobs = _poison(house, range(6))
    for job in jobs:
        due = now if job == jobs[0] else now + 86_400
        house.retries.rows[job] = Retry(job, FailureKind.ANSWER, 4, now - 86_400, now, due, 4)
    done = _run(house, jobs, hours=0)
    assert done.waiting == {FailureKind.ANSWER: 5}
    assert len(done.failures) == 1


def test_who_is_in_its_pause_when_the_budget_ends_a_run_still_waits() -> None:
    house = House()
    now = house.clock.now()
    job, good = house.add(1, assets=FILES), [house.add(n, assets=FILES) for n in range(10, 40)]
    house.retries.rows[job] = Retry(job, FailureKind.ARCHIVE, 4, now - 86_400, now, now + 86_400, 4)
    house.retries.later()
    house.sauce.budget = 20
    plan = [house.planned(each, ARCHIVE, selection=ALL) for each in (job, *good)]
    done = run(house, plan, options=ExecutionSettings(kept_for_deletes=0.0))
    assert done.halted is not None
    assert done.waiting == {FailureKind.ARCHIVE: 1}
    assert not done.complete
