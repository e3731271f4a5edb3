"""What ends a run early: nothing is begun after it, no write leaves, and the run says why."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from sauce_janitor.errors import (
    AnswerError,
    ArchiveError,
    ArchiveUnusableError,
    BudgetSpentError,
    CredentialsError,
    JanitorError,
    LeaseError,
    PermitError,
    RefusedError,
    SourceError,
    SourceUnavailableError,
    StateError,
    StoppedError,
)
from sauce_janitor.execute import Execution, ExecutionSettings, Outcome, carry_out
from sauce_janitor.execute.brake import Brake, UnsafeError, halt_of
from sauce_janitor.execute.events import Event, Halt, Halted
from sauce_janitor.execute.outcomes import Tally
from sauce_janitor.model.jobs import AssetListing, JobId
from tests.fakes.execution import FakeSauce, House
from tests.support.execution import ALL, ARCHIVE, DELETE_JOB, run


def _why(execution: Execution) -> Halt | None:
    return execution.halted.why if execution.halted is not None else None


def _fail(error: Exception) -> Callable[[FakeSauce, JobId], object]:
    def answer(_sauce: FakeSauce, _job: JobId) -> object:
        raise error

    return answer


def _deletes(house: House, count: int = 3) -> list[JobId]:
    return [house.add(n) for n in range(count)]


BEFORE: dict[str, tuple[Callable[[House], None], Halt]] = {
    "pause": (lambda house: setattr(house.switch, "paused", True), Halt.PAUSED),
    "lost lease": (lambda house: setattr(house.lease, "lost", True), Halt.LEASE),
    "unusable archive": (lambda house: setattr(house.archive, "unusable", True), Halt.ARCHIVE),
    "clock too fast": (lambda house: setattr(house.sauce, "skew", 301.0), Halt.CLOCK),
    "clock too slow": (lambda house: setattr(house.sauce, "skew", -301.0), Halt.CLOCK),
    "no clock": (lambda house: setattr(house.sauce, "skew", None), Halt.CLOCK),
    "journal": (lambda house: setattr(house.journal, "fail", StateError("disk full")), Halt.STATE),
    "pause seen by the journal": (
        lambda house: setattr(house.journal, "refuses", RefusedError("paused")),
        Halt.PAUSED,
    ),
    "credentials": (
        lambda house: house.sauce.lie("jobs", _fail(CredentialsError("401"))),
        Halt.CREDENTIALS,
    ),
    "budget": (lambda house: setattr(house.sauce, "budget", 1), Halt.BUDGET),
    "budget at the limiter": (
        lambda house: house.sauce.lie("jobs", _fail(BudgetSpentError("spent"))),
        Halt.BUDGET,
    ),
    "stopped in the client": (
        lambda house: house.sauce.lie("jobs", _fail(StoppedError("asked to stop"))),
        Halt.STOPPED,
    ),
}


@pytest.mark.parametrize("name", BEFORE)
def test_nothing_is_deleted_when(name: str) -> None:
    cause, why = BEFORE[name]
    house = House()
    plan = [house.planned(job, DELETE_JOB) for job in _deletes(house)]
    cause(house)
    execution = run(house, plan)
    assert house.sauce.writes() == []
    assert _why(execution) is why
    assert len(house.sauce.world) == 3
    assert [event for event in house.events if isinstance(event, Halted)] == [execution.halted]
    assert execution.cut_short == (why is not Halt.BUDGET)


@pytest.mark.parametrize(
    "name", ["pause", "lost lease", "unusable archive", "clock too fast", "journal"]
)
def test_no_further_delete_leaves_once_there_is(name: str) -> None:
    cause, why = BEFORE[name]
    house = House()
    plan = [house.planned(job, DELETE_JOB) for job in _deletes(house, 5)]

    def after_one(sauce: FakeSauce, job: JobId) -> object:
        answer = sauce.do_delete_job(job)
        cause(house)
        return answer

    house.sauce.lie("DELETE-job", after_one)
    execution = run(house, plan)
    assert len(house.sauce.writes()) == 1
    assert _why(execution) is why
    assert execution.left == 4


def test_a_stop_lets_no_new_delete_leave_and_confirms_what_was_sent() -> None:
    house = House()
    stop = threading.Event()
    jobs = _deletes(house, 5)
    plan = [house.planned(job, DELETE_JOB) for job in jobs]

    def stop_now(sauce: FakeSauce, job: JobId) -> object:
        stop.set()
        return sauce.do_delete_job(job)

    house.sauce.lie("DELETE-job", stop_now)
    execution = carry_out(plan, house.parts(), workers=1, stop=stop)
    assert len(house.sauce.writes()) == 1
    assert house.journal.outcomes(jobs[0]) == ["confirmed"]
    assert _why(execution) is Halt.STOPPED
    assert execution.left == 4


def test_a_stop_abandons_an_asset_that_does_not_end() -> None:
    house = House()
    stop = threading.Event()
    job = house.add(1, assets={"video.mp4": b"x" * 4_000})
    plan = [house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL)]

    def second_passes() -> None:
        stop.set()
        house.clock.passed += 1

    house.sauce.each_chunk = second_passes
    execution = carry_out(plan, house.parts(), workers=1, stop=stop)
    assert house.archive.files == {}
    assert house.clock.passed < 15
    assert _why(execution) is Halt.STOPPED


def test_a_stop_lets_an_asset_in_hand_end_but_fetches_no_other() -> None:
    house = House()
    stop = threading.Event()
    job = house.add(1)
    house.sauce.each_chunk = stop.set
    carry_out([house.planned(job, ARCHIVE, selection=ALL)], house.parts(), workers=1, stop=stop)
    assert house.effects.kinds() == ["job", "assets", "asset"]


def test_a_thread_that_waits_for_an_answer_does_not_hold_up_a_stop() -> None:
    house = House()
    stop, release = threading.Event(), threading.Event()
    job = house.add(1)

    def hang(_sauce: FakeSauce, _job: JobId) -> object:
        stop.set()
        release.wait(60)
        raise SourceError("at last")

    house.sauce.lie("job", hang)
    execution = carry_out(
        [house.planned(job, DELETE_JOB)],
        house.parts(),
        workers=1,
        stop=stop,
        options=ExecutionSettings(grace_s=0.01),
    )
    abandoned = [thread for thread in threading.enumerate() if thread.name == "worker-1"]
    release.set()
    for thread in abandoned:
        thread.join()
    assert execution.abandoned == 1
    assert not execution.complete
    assert house.sauce.writes() == []


@pytest.mark.parametrize("endpoint", ["job", "assets", "asset"])
def test_a_pause_is_obeyed_within_one_request(endpoint: str) -> None:
    house = House()
    job = house.add(1, assets={f"{n}.log": b"x" for n in range(9)})
    plan = [house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL)]

    def pause(sauce: FakeSauce, job_id: JobId) -> object:
        house.switch.paused = True
        listing = AssetListing(tuple(sauce.world[job_id].assets))
        return {"job": sauce.document(job_id), "assets": listing, "asset": b"x"}[endpoint]

    house.sauce.lie(endpoint, pause)
    execution = run(house, plan)
    assert house.effects.kinds()[-1] == endpoint
    assert _why(execution) is Halt.PAUSED


def test_a_run_that_is_stopped_before_it_begins_asks_nothing() -> None:
    house = House()
    execution = run(house, [house.planned(job, DELETE_JOB) for job in _deletes(house)], stop=True)
    assert house.sauce.requests() == 0
    assert execution.jobs == 0
    assert _why(execution) is Halt.STOPPED


def test_an_answer_in_between_shows_that_sauce_is_there() -> None:
    house = House()
    plan = [house.planned(job, ARCHIVE, selection=ALL) for job in _deletes(house, 9)]

    def listing(sauce: FakeSauce, job: JobId) -> object:
        return AssetListing(tuple(sauce.world[job].assets))

    house.sauce.lie("assets", _fail(SourceUnavailableError("no answer")), times=4)
    house.sauce.lie("assets", listing)
    house.sauce.lie("assets", _fail(SourceUnavailableError("no answer")), times=4)
    execution = run(house, plan)
    assert execution.halted is None
    assert execution.count(ARCHIVE, Outcome.FAILED) == 8


def test_the_first_reason_to_end_is_the_one_that_is_told() -> None:
    house = House()
    tally = Tally(house.events.append)
    brake = Brake(house.parts(), tally, threading.Event())
    brake.pull(Halt.LEASE, "lost")
    brake.pull(Halt.SOURCE, "silent")
    assert house.events == [Halted(Halt.LEASE, "lost")]
    assert brake.why is Halt.LEASE


def test_the_deadline_ends_the_run() -> None:
    house = House()
    house.sauce.latency_s = 6
    plan = [house.planned(job, DELETE_JOB) for job in _deletes(house, 30)]
    execution = run(house, plan, options=ExecutionSettings(deadline_s=60))
    assert _why(execution) is Halt.DEADLINE
    assert 0 < len(house.sauce.writes()) < 15


def test_five_jobs_in_a_row_without_an_answer_end_the_run() -> None:
    house = House()
    plan = [house.planned(job, ARCHIVE, selection=ALL) for job in _deletes(house, 30)]
    house.sauce.lie("assets", _fail(SourceUnavailableError("no answer")), times=30)
    execution = run(house, plan)
    assert _why(execution) is Halt.SOURCE
    assert execution.count(ARCHIVE, Outcome.FAILED) == 5


def test_one_poisonous_job_does_not_end_the_run() -> None:
    house = House()
    jobs = _deletes(house, 30)
    plan = [house.planned(job, DELETE_JOB) for job in jobs]

    def poisoned(sauce: FakeSauce, _job: JobId) -> object:
        raise SourceError("not JSON")

    house.sauce.lie("jobs", poisoned)
    house.sauce.lie("job", poisoned)
    execution = run(house, plan)
    assert execution.count(DELETE_JOB, Outcome.DONE) == 29
    assert execution.count(DELETE_JOB, Outcome.FAILED) == 1
    assert execution.halted is None


def test_poisonous_jobs_in_a_row_do_not_starve_those_behind_them() -> None:
    """Whoever can upload assets chooses what they are called and whether they can be read: Sauce
    answers all the same.
    """
    house = House()
    plan = [house.planned(job, ARCHIVE, selection=ALL) for job in _deletes(house, 12)]
    house.sauce.lie("assets", _fail(AnswerError("a name that no request can ask for")), times=11)
    execution = run(house, plan)
    assert execution.count(ARCHIVE, Outcome.FAILED) == 11
    assert execution.count(ARCHIVE, Outcome.DONE) == 1
    assert execution.halted is None


def test_a_bug_is_raised_after_the_others_have_ended() -> None:
    house = House()
    plan = [house.planned(job, ARCHIVE, selection=ALL) for job in _deletes(house, 8)]
    house.sauce.lie("assets", _fail(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        run(house, plan, workers=4)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("worker-")]


def test_a_bug_in_who_listens_to_events_is_raised() -> None:
    house = House()
    parts = house.parts()

    def broken(_event: Event) -> None:
        raise KeyError("label")

    plan = [house.planned(job, DELETE_JOB) for job in _deletes(house)]
    with pytest.raises(KeyError):
        carry_out(plan, replace(parts, events=broken), workers=2, stop=threading.Event())


def test_a_plan_that_cannot_be_read_on_ends_the_run() -> None:
    house = House()
    job = house.add(1)

    def plan() -> object:
        yield house.planned(job, DELETE_JOB)
        raise StateError("database is locked")

    execution = run(house, plan())  # type: ignore[arg-type]  # a generator that breaks off
    assert _why(execution) is Halt.STATE
    assert isinstance(execution.error, JanitorError)


def test_archiving_leaves_a_fifth_of_the_budget_to_deletes() -> None:
    """Limits and approvals: Deletes get at least 20 % of the budget."""
    house = House()
    house.sauce.budget = 100
    archives = [house.planned(house.add(n), ARCHIVE, selection=ALL) for n in range(60)]
    deletes = [house.planned(house.add(n), DELETE_JOB) for n in range(60, 70)]
    execution = run(house, [*archives, *deletes])
    assert execution.count(DELETE_JOB, Outcome.DONE) == 10
    assert 0 < execution.count(ARCHIVE, Outcome.DONE) < 60
    assert _why(execution) is Halt.BUDGET
    assert not execution.cut_short
    assert execution.complete


def test_without_deletes_archiving_may_use_the_whole_budget() -> None:
    house = House()
    house.sauce.budget = 100
    archives = [house.planned(house.add(n), ARCHIVE, selection=ALL) for n in range(60)]
    run(house, archives, options=ExecutionSettings(kept_for_deletes=0))
    assert house.sauce.budget is not None
    assert house.sauce.budget < 6


def test_several_workers_do_everything_once() -> None:
    house = House()
    plan = []
    for n in range(60):
        job = house.add(n)
        if n % 3 == 0:
            plan.append(house.planned(job, ARCHIVE, DELETE_JOB, selection=ALL))
        else:
            plan.append(house.planned(job, DELETE_JOB))
    execution = run(house, plan, workers=8)
    assert house.sauce.world == {}
    assert execution.count(DELETE_JOB, Outcome.DONE) == 60
    assert len(house.sauce.writes()) == 60
    assert execution.jobs == 60
    assert execution.left == 0


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (UnsafeError("a hold was set"), Halt.REFUSED),
        (PermitError("too old"), Halt.REFUSED),
        (RefusedError("paused"), Halt.PAUSED),
        (LeaseError("lost"), Halt.LEASE),
        (ArchiveError("a damaged copy"), Halt.ARCHIVE),
        (ArchiveUnusableError("no space"), Halt.ARCHIVE),
        (SourceError("no answer"), Halt.SOURCE),
    ],
    ids=lambda each: type(each).__name__,
)
def test_an_error_that_ends_a_run_is_told_as_what_it_is(error: JanitorError, why: Halt) -> None:
    assert halt_of(error) is why
