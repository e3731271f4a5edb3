"""Acts by hand: merged into what is there, sent once, seen for ourselves, and on record whatever
happens.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from sauce_janitor.errors import (
    AnswerError,
    BudgetSpentError,
    CredentialsError,
    SourceUnavailableError,
)
from sauce_janitor.execute.manual.action import LOOKS, ManualPorts, ManualResult, settle, stop
from sauce_janitor.execute.manual.field_changes import MOST_TRIES, differences, update
from sauce_janitor.model.job_changes import JobChange
from sauce_janitor.model.jobs import Action, Job, JobDocument, JobId, JobState, Owner
from sauce_janitor.model.open_intents import OpenManualAction
from sauce_janitor.model.permits import ManualAction, ManualStopPermit, UpdatePermit
from sauce_janitor.model.write_answers import WriteAnswer

JOB = JobId("ab" * 16)
DEMO = Owner("demo")
DONE = WriteAnswer(200, None, doubtful=False, detail="")


def answered(status: int | None, *, doubtful: bool, detail: str = "") -> WriteAnswer:
    return WriteAnswer(status, None, doubtful=doubtful, detail=detail)


@dataclass
class World:
    """One job at a Sauce Labs that does what it is told, unless a test says otherwise; both halves
    of it, and a journal.
    """

    job: dict[str, Any] = field(
        default_factory=lambda: {"tags": ["old"], "name": "checkout", "passed": None}
    )
    state: JobState = JobState.FINISHED
    answer: WriteAnswer | Exception = DONE
    has_effect: bool = True
    exists: bool = True
    sent: list[dict[str, Any] | str] = field(default_factory=list)
    lines: list[tuple[Any, ...]] = field(default_factory=list)
    waited: int = 0
    reads: int = 0
    before_read: Callable[[int], None] = lambda _number: None
    after_write: Callable[[int], None] = lambda _number: None

    # the reading half, and the clock
    def document(self, owner: Owner, job_id: JobId) -> JobDocument | None:
        self.reads += 1
        self.before_read(self.reads)
        return self.now() if self.exists else None

    def now(self) -> JobDocument:
        custom = self.job.get("custom-data")
        job = Job(
            JOB,
            DEMO,
            self.state,
            name=self.job["name"],
            build=self.job.get("build"),
            tags=tuple(self.job["tags"]),
            status="complete",
            custom_data=custom,
            public=self.job.get("public"),
        )
        return JobDocument(job, dict(self.job))

    def monotonic(self) -> float:
        """Every read takes a second."""
        return float(self.reads)

    def wait(self, seconds: float) -> bool:
        self.waited += 1
        return False

    # the gate
    def update(self, permit: UpdatePermit) -> WriteAnswer:
        assert (permit.job_id, permit.owner) == (JOB, DEMO)
        assert permit.asked_at < self.reads, "it counts from before the look"
        assert self.lines[-1][0] == "begin", "it is on record before it leaves"
        return self._written(json.loads(permit.body))

    def stop(self, permit: ManualStopPermit) -> WriteAnswer:
        assert permit.asked_at < self.reads
        assert self.lines[-1][0] == "begin"
        if self.has_effect:
            self.state = JobState.FINISHED
        return self._written({})

    def _written(self, fields: dict[str, Any]) -> WriteAnswer:
        self.sent.append(fields)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.has_effect:
            self.job |= fields
        self.after_write(len(self.sent))
        return self.answer

    # the journal
    def begin(self, permit: Any, /, *, by: str, wanted: Any) -> int:
        self.lines.append(("begin", permit.action, by, wanted))
        return len(self.lines)

    def end(self, intent: int, outcome: str, /, *, detail: str) -> None:
        self.lines.append(("end", intent, outcome, detail))

    @property
    def outcomes(self) -> list[str]:
        return [line[2] for line in self.lines if line[0] == "end"]


class Reading:
    def __init__(self, world: World) -> None:
        self.job = world.document
        self._world = world

    @contextmanager
    def reserved(self, requests: int) -> Iterator[None]:
        """The budget for a look and the write that rests on it."""
        before = self._world.reads, len(self._world.sent)
        yield
        assert requests == 2
        assert self._world.reads - before[0] <= 2, "a look, once more for a 404"
        assert len(self._world.sent) - before[1] <= 1


class _Clock:
    def __init__(self, world: World) -> None:
        self.monotonic = world.monotonic

    def now(self) -> int:
        return 0

    def wait(self, event: threading.Event, seconds: float) -> bool:
        raise AssertionError("an act by hand waits by its own word")


def parts(world: World) -> ManualPorts:
    return ManualPorts(Reading(world), world, world, _Clock(world), world.wait, by="jane")


def change(world: World, wanted: JobChange, shown: JobDocument | None = None) -> ManualResult:
    return update(parts(world), shown or world.now(), wanted)


KEEP = JobChange(add=("keep",))


def test_a_tag_is_added_to_those_that_are_there_and_read_back() -> None:
    world = World()
    act = change(world, KEEP)
    assert (act.outcome, act.changes) == ("done", {"tags": (["old"], ["old", "keep"])})
    assert world.sent == [{"tags": ["old", "keep"]}]
    assert world.lines[0] == ("begin", ManualAction.UPDATE, "jane", {"tags": ["old", "keep"]})
    assert world.outcomes == ["done"]
    assert world.waited == 0


def test_nothing_to_do_sends_nothing_and_puts_nothing_on_record() -> None:
    world = World()
    assert (
        change(world, JobChange(add=("old",), remove=("never",), name="checkout")).outcome
        == "nothing"
    )
    assert (world.sent, world.lines) == ([], [])


def test_a_tag_that_came_since_the_job_was_shown_is_kept_and_told() -> None:
    world = World()
    shown = world.now()
    world.job["tags"] = ["old", "theirs"]
    act = change(world, KEEP, shown)
    assert world.job["tags"] == ["old", "theirs", "keep"]
    assert act.outcome == "done"
    assert 'tags was ["old"] and is ["old", "theirs"] now' in act.notes[0]


@pytest.mark.parametrize(
    "wanted", [JobChange(tags=("x",)), JobChange(name="new"), JobChange(passed=True)]
)
def test_a_field_that_is_replaced_and_changed_since_it_was_shown_is_left_alone(
    wanted: JobChange,
) -> None:
    world = World()
    shown = world.now()
    world.job |= {"tags": ["theirs"], "name": "theirs", "passed": False}
    act = change(world, wanted, shown)
    assert (act.outcome, world.sent, world.lines) == ("failed", [], [])
    assert "somebody else changed it" in act.detail


def test_a_change_in_another_field_is_none_of_ours() -> None:
    world = World()
    shown = world.now()
    world.job["name"] = "theirs"
    assert change(world, KEEP, shown).outcome == "done"
    assert world.job["name"] == "theirs"


def test_who_writes_over_it_is_noticed_and_it_is_merged_anew() -> None:
    world = World()

    def overwrite(number: int) -> None:
        if number == 1:
            world.job["tags"] = ["theirs"]

    world.after_write = overwrite
    act = change(world, KEEP)
    assert act.outcome == "done"
    assert world.job["tags"] == ["theirs", "keep"]
    assert "at the same time" in act.notes[0]
    assert world.outcomes == ["failed", "done"]


def test_somebody_who_writes_over_it_again_and_again_wins() -> None:
    world = World()
    world.after_write = lambda number: world.job.update(tags=[f"theirs-{number}"])
    act = change(world, KEEP)
    assert (act.outcome, len(world.sent)) == ("failed", MOST_TRIES)
    assert world.outcomes == ["failed"] * MOST_TRIES


def test_a_replaced_field_that_somebody_writes_over_is_not_fought_for() -> None:
    world = World()
    world.after_write = lambda _number: world.job.update(name="theirs")
    act = change(world, JobChange(name="mine"))
    assert (act.outcome, len(world.sent), world.outcomes) == ("failed", 1, ["failed"])


def test_a_tag_that_came_with_ours_is_told() -> None:
    world = World()
    world.after_write = lambda _number: world.job["tags"].append("theirs")
    act = change(world, KEEP)
    assert act.outcome == "done"
    assert "theirs" in act.notes[0]


def test_a_200_without_effect_has_failed_after_some_looks() -> None:
    world = World(has_effect=False)
    act = change(world, KEEP)
    assert (act.outcome, len(world.sent), world.waited) == ("failed", 1, LOOKS - 1)
    assert 'answered 200, and tags is ["old"]' in act.detail
    assert world.outcomes == ["failed"]


def test_an_effect_that_shows_late_is_an_effect() -> None:
    world = World(has_effect=False)

    def show(number: int) -> None:
        if number == 4:  # the third look after the write
            world.job["tags"] = ["old", "keep"]

    world.before_read = show
    assert change(world, KEEP).outcome == "done"


@pytest.mark.parametrize(
    "answer", [answered(500, doubtful=True), answered(None, doubtful=True, detail="reset")]
)
def test_a_500_although_done_is_done(answer: WriteAnswer) -> None:
    world = World(answer=answer)
    assert (change(world, KEEP).outcome, len(world.sent), world.outcomes) == ("done", 1, ["done"])


def test_a_refusal_is_not_waited_for() -> None:
    world = World(answer=answered(400, doubtful=False, detail="tags too long"), has_effect=False)
    act = change(world, KEEP)
    assert (act.outcome, world.waited) == ("failed", 0)
    assert "answered 400 (tags too long)" in act.detail


def test_a_write_that_cannot_be_read_back_is_in_doubt() -> None:
    world = World()

    def fail(number: int) -> None:
        if number > 1:
            raise SourceUnavailableError("no answer")

    world.before_read = fail
    assert (change(world, KEEP).outcome, world.outcomes) == ("unknown", ["unknown"])


def test_one_404_is_no_proof_and_two_are_told_with_what_they_may_mean() -> None:
    world = World()

    def lie(number: int) -> None:
        world.exists = number != 1

    world.before_read = lie
    assert change(world, KEEP).outcome == "done"
    world.before_read, world.exists = lambda _number: None, False
    with pytest.raises(AnswerError, match="real device"):
        change(world, KEEP)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(BudgetSpentError("no room"), "failed"), (CredentialsError("401"), "unknown")],
)
def test_a_write_that_did_not_leave_or_was_not_let_in_is_on_record(
    error: Exception, outcome: str
) -> None:
    world = World(answer=error)
    with pytest.raises(type(error)):
        change(world, KEEP)
    assert world.outcomes == [outcome]


def test_the_values_of_custom_data_are_not_put_on_record() -> None:
    world = World()
    world.job["custom-data"] = {"team": "qa"}
    act = change(world, JobChange(custom_data=(("password", "s3cret"),)))
    assert act.outcome == "done"
    assert world.lines[0][3] == {"custom-data": ["password", "team"]}
    assert "s3cret" not in str(world.lines)


# --- stop -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.QUEUED])
def test_an_unfinished_job_is_stopped_and_seen_to_be_over(state: JobState) -> None:
    world = World(state=state)
    assert (stop(parts(world), DEMO, JOB).outcome, world.outcomes) == ("done", ["done"])
    assert world.lines[0][1] is Action.STOP


def test_a_job_that_is_over_is_not_stopped() -> None:
    world = World()
    assert (stop(parts(world), DEMO, JOB).outcome, world.sent, world.lines) == ("nothing", [], [])


def test_an_accepted_stop_that_shows_no_effect_is_in_doubt_and_a_failed_one_failed() -> None:
    world = World(state=JobState.RUNNING, has_effect=False)
    assert (stop(parts(world), DEMO, JOB).outcome, world.waited, world.outcomes) == (
        "unknown",
        LOOKS - 1,
        ["unknown"],
    )
    world = World(state=JobState.RUNNING, has_effect=False, answer=answered(500, doubtful=True))
    assert (stop(parts(world), DEMO, JOB).outcome, world.outcomes) == ("failed", ["failed"])
    world = World(state=JobState.RUNNING, has_effect=False, answer=answered(404, doubtful=False))
    assert (stop(parts(world), DEMO, JOB).outcome, world.waited) == ("failed", 0)


def test_a_500_of_a_stop_that_was_done_is_done() -> None:
    world = World(state=JobState.RUNNING, answer=answered(500, doubtful=True))
    assert stop(parts(world), DEMO, JOB).outcome == "done"


# --- what an earlier command left open ------------------------------------------------------------


def unfinished(action: Action | ManualAction, wanted: dict[str, Any]) -> OpenManualAction:
    return OpenManualAction(1, action, JOB, DEMO, wanted, sent_at=0)


@pytest.mark.parametrize(
    ("act", "state", "outcome"),
    [
        (
            unfinished(ManualAction.UPDATE, {"tags": ["old"], "name": "checkout"}),
            JobState.FINISHED,
            "done",
        ),
        (unfinished(ManualAction.UPDATE, {"tags": ["keep"]}), JobState.FINISHED, "failed"),
        (unfinished(ManualAction.UPDATE, {"custom-data": ["team"]}), JobState.FINISHED, "done"),
        (
            unfinished(ManualAction.UPDATE, {"custom-data": ["run", "team"]}),
            JobState.FINISHED,
            "failed",
        ),
        (unfinished(Action.STOP, {}), JobState.FINISHED, "done"),
        (unfinished(Action.STOP, {}), JobState.RUNNING, "failed"),
    ],
)
def test_what_was_cut_short_is_looked_up(
    act: OpenManualAction, state: JobState, outcome: str
) -> None:
    world = World(state=state)
    world.job["custom-data"] = {"team": "qa"}
    assert settle(Reading(world), world, [act]) == 0
    assert world.outcomes == [outcome]


def test_an_act_that_cannot_be_looked_up_stays_open() -> None:
    world = World()

    def fail(_number: int) -> None:
        raise SourceUnavailableError("no answer")

    world.before_read = fail
    assert settle(Reading(world), world, [unfinished(Action.STOP, {})]) == 1
    assert world.lines == []


def test_only_what_differs_is_told() -> None:
    world = World()
    before = world.now()
    world.job |= {"name": "pay", "tags": ["old"]}
    assert differences(before, world.now()) == {"name": ("checkout", "pay")}
