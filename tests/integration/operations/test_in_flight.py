"""A delete that a dead run sent may still be under way: nobody asks about it, or sends another,
before it has surely arrived or never will.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from sauce_janitor.clock import CLOCK, SystemClock
from sauce_janitor.errors import StoppedError
from sauce_janitor.model import open_intents
from sauce_janitor.model.jobs import JobId, Owner
from sauce_janitor.model.permits import DeleteJobPermit, NothingWanted, UpdatePermit
from sauce_janitor.model.safety_numbers import IN_FLIGHT_S
from tests.support.commands import DAY, Commands

POLICIES = """
limits: {max_percent: null}
policies: [{name: old, match: all, then: {archive: none, delete_job: 3d}}]
"""


class Waits:
    """Every wait of a run takes no time; `during` is called in its place."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.during: Callable[[], object] = lambda: None

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.seconds.append(seconds)
        self.during()
        return event.is_set()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    made = Waits()
    monkeypatch.setattr(open_intents, "IN_FLIGHT_S", IN_FLIGHT_S)
    monkeypatch.setattr(SystemClock, "wait", made.wait)
    return made


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    """One job, due to be deleted."""
    desk = open_desk(jobs=0)
    desk.configure(POLICIES)
    desk.sandbox.arrive(created_at=int(time.time()) - 10 * DAY, name="due", tags=[])
    desk.run()
    return desk


def sent(desk: Commands, *, ago_s: int) -> JobId:
    """A run sent a delete so long ago, and was killed before the answer."""
    (job,) = map(JobId, desk.sandbox.job_ids())
    with desk.state.lease("box", "a dead run", now=0) as lease:
        permit = DeleteJobPermit(
            job, Owner("demo"), NothingWanted("old"), "f", CLOCK.monotonic(), lease.fence
        )
        journal = desk.state.journal.during("box", "dead", lambda: int(time.time()) - ago_s)
        journal.intent(permit, policy="old")
    return job


@pytest.mark.parametrize(
    ("ago_s", "most_s"), [(0, 46), (20, 26), (-3600, 46)], ids=["now", "before", "clock set back"]
)
def test_a_delete_that_takes_effect_late_is_not_sent_again(
    desk: Commands, waits: Waits, ago_s: int, most_s: int
) -> None:
    job = sent(desk, ago_s=ago_s)
    waits.during = lambda: desk.sandbox.remove(job)
    result = desk.run(execute=True)
    assert len(waits.seconds) == 1
    assert 0 < waits.seconds[0] <= most_s
    assert desk.writes() == []
    assert [line.outcome for line in desk.state.journal.of(job)] == [None, "confirmed"]
    assert result.recovery.confirmed == 1


def test_a_delete_that_never_arrived_is_sent_again_after_the_wait(
    desk: Commands, waits: Waits
) -> None:
    job = sent(desk, ago_s=0)
    desk.run(execute=True)
    assert len(waits.seconds) == 1
    assert desk.deleted() == {job}
    outcomes = [line.outcome for line in desk.state.journal.of(job)]
    assert outcomes == [None, "failed", None, "confirmed"]


def test_what_cannot_be_under_way_any_more_is_asked_about_at_once(
    desk: Commands, waits: Waits
) -> None:
    job = sent(desk, ago_s=47)
    desk.run(execute=True)
    assert waits.seconds == []
    assert desk.deleted() == {job}


def test_a_run_that_is_stopped_while_it_waits_leaves_the_delete_open(
    desk: Commands, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = sent(desk, ago_s=0)
    monkeypatch.setattr(SystemClock, "wait", lambda *_: True)
    with suppress(StoppedError):
        desk.run(execute=True)
    assert desk.writes() == []
    assert len(desk.state.journal.unresolved("box")) == 1
    assert [line.outcome for line in desk.state.journal.of(job)] == [None]


def test_no_run_waits_for_a_change_by_hand_or_looks_it_up_early(
    desk: Commands, waits: Waits
) -> None:
    (job,) = map(JobId, desk.sandbox.job_ids())
    desk.configure(POLICIES.replace("3d", "90d"))
    journal = desk.state.manual_actions.during("box", "hand-dead", lambda: int(time.time()))
    journal.begin(UpdatePermit(job, Owner("demo"), "{}", 1.0), by="jane", wanted={"tags": ["one"]})
    desk.run(execute=True)
    assert (waits.seconds, len(desk.state.manual_actions.open("box"))) == ([], 1)
    desk.later_s = 60
    desk.run(execute=True)
    assert (waits.seconds, desk.state.manual_actions.open("box")) == ([], ())


def test_a_change_by_hand_from_the_future_does_not_stay_open(desk: Commands, waits: Waits) -> None:
    """The clock was set back since. Nobody knows how long ago it was sent."""
    (job,) = map(JobId, desk.sandbox.job_ids())
    desk.configure(POLICIES.replace("3d", "90d"))
    journal = desk.state.manual_actions.during("box", "dead", lambda: int(time.time()) + 86_400)
    journal.begin(UpdatePermit(job, Owner("demo"), "{}", 1.0), by="jane", wanted={"tags": ["one"]})
    desk.run(execute=True)
    assert (waits.seconds, desk.state.manual_actions.open("box")) == ([46], ())


def test_a_change_by_hand_waits_for_the_one_before(desk: Commands, waits: Waits) -> None:
    (job,) = map(JobId, desk.sandbox.job_ids())
    journal = desk.state.manual_actions.during("box", "hand-dead", lambda: int(time.time()))
    journal.begin(UpdatePermit(job, Owner("demo"), "{}", 1.0), by="jane", wanted={"tags": ["one"]})
    waits.during = lambda: desk.sandbox.edit(job, tags=["one"])
    desk.say("tag", job, "--add", "two", "--yes")
    assert len(waits.seconds) == 1
    assert [line.outcome for line in desk.state.journal.of(job)] == [None, "done", None, "done"]
    found = desk.sandbox.truth(job)
    assert found is not None
    assert found.document["tags"] == ["one", "two"]
