"""Killed at any call, before its effect or after it: one fault-free run later everything is as if
nothing had happened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Literal

import pytest

from sauce_janitor.execute import Execution, carry_out, recover
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import Action, JobId, JobState
from sauce_janitor.retention.plan.planner import JobPlan
from tests.fakes.execution import House, KilledError, number
from tests.support.execution import ALL, ARCHIVE, DELETE_ASSETS, DELETE_JOB, LOGS, STOP

Wish = tuple[tuple[Action, ...], Selection | None]

SCENES: dict[str, list[Wish]] = {
    "archive": [((ARCHIVE,), ALL)],
    "archive, delete assets": [((ARCHIVE, DELETE_ASSETS), LOGS)],
    "archive, delete job": [((ARCHIVE, DELETE_JOB), ALL)],
    "delete unwanted jobs": [((DELETE_JOB,), None)] * 3,
    "delete unwanted assets": [((DELETE_ASSETS,), None)] * 2,
    "stop": [((STOP,), None)],
    "all at once": [
        ((ARCHIVE, DELETE_JOB), ALL),
        ((DELETE_JOB,), None),
        ((DELETE_ASSETS,), None),
        ((STOP,), None),
    ],
}


def _house(wishes: list[Wish]) -> House:
    house = House()
    for n, (actions, _) in enumerate(wishes):
        house.add(
            n,
            state=JobState.RUNNING if STOP in actions else JobState.FINISHED,
            hidden={"_tracelog_": b"t"},
        )
    return house


def _plan(house: House, wishes: list[Wish]) -> Iterator[JobPlan]:
    """What deciding would say now: not what is on record as done, not of jobs that are gone."""
    for n, (wanted, selection) in enumerate(wishes):
        job = number(n)
        actions = tuple(action for action in wanted if not _is_done(house, action, job))
        if job in house.sauce.world and actions:
            yield house.planned(job, *actions, selection=selection)


def _is_done(house: House, action: Action, job: JobId) -> bool:
    if action is ARCHIVE:
        return any(row.kind == "archived" and row.job_id == job for row in house.journal.rows)
    if action is STOP and job in house.sauce.world:
        return house.sauce.world[job].job.state is not JobState.RUNNING
    return house.journal.confirmed(action, job) > 0


def _pass(house: House, wishes: list[Wish]) -> Execution:
    recover(house.sauce, house.journal)
    return carry_out(list(_plan(house, wishes)), house.parts(), workers=1, stop=threading.Event())


def _end(house: House) -> object:
    """All that must be the same in the end: Sauce's world, the archive, and what the journal says
    became of each action.
    """
    world = {
        job: (fake.job.state, fake.assets, fake.hidden) for job, fake in house.sauce.world.items()
    }
    finals = {
        (row.job_id, row.action): house.journal.confirmed(row.action, row.job_id)
        for row in house.journal.rows
        if row.kind == "intent"
    }
    return world, house.archive.files, finals


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("scene", SCENES)
def test_a_run_killed_at_any_call_converges(scene: str, side: Literal["before", "after"]) -> None:
    wishes = SCENES[scene]
    undisturbed = _house(wishes)
    _pass(undisturbed, wishes)
    calls = len(undisturbed.effects.steps)
    killed = 0
    for k in range(calls):
        house = _house(wishes)
        house.effects.kill_at, house.effects.kill_side = k, side
        with pytest.raises(KilledError):
            _pass(house, wishes)
        killed += 1
        sent = len(house.sauce.writes())
        house.effects.revive()
        execution = _pass(house, wishes)
        assert execution.complete
        assert _end(house) == _end(undisturbed), (
            f"killed {side} call {k}: {undisturbed.effects.steps[k]}"
        )
        assert len(house.sauce.writes()) == len(undisturbed.sauce.writes()), (
            "nothing was sent twice"
        )
        assert sent <= len(house.sauce.writes())
        assert not house.journal.unresolved()
    assert killed == calls > 0


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_recovery_killed_at_any_call_converges(side: Literal["before", "after"]) -> None:
    wishes = SCENES["all at once"]
    undisturbed = _house(wishes)
    _pass(undisturbed, wishes)

    def crashed() -> House:
        house = _house(wishes)
        house.effects.kill_at, house.effects.kill_side = (
            undisturbed.effects.kinds().index("DELETE-job"),
            "after",
        )
        with pytest.raises(KilledError):
            _pass(house, wishes)
        house.effects.revive()
        return house

    probe = crashed()
    recover(probe.sauce, probe.journal)
    for k in range(len(probe.effects.steps)):
        house = crashed()
        house.effects.kill_at, house.effects.kill_side = k, side
        with pytest.raises(KilledError):
            recover(house.sauce, house.journal)
        house.effects.revive()
        _pass(house, wishes)
        assert _end(house) == _end(undisturbed)


def test_every_delete_in_sauces_log_has_an_intent_before_it_and_one_outcome_after_it() -> None:
    wishes = SCENES["all at once"]
    house = _house(wishes)
    _pass(house, wishes)
    writes = sorted(job for _, job in house.sauce.writes() if job is not None)
    intents = {row.job_id: at for at, row in enumerate(house.journal.rows) if row.kind == "intent"}
    assert sorted(intents) == writes
    for job, at in intents.items():
        assert [row.outcome for row in house.journal.rows if row.intent == at] == ["confirmed"], job


Lie = Callable[[House], None]


@pytest.mark.parametrize(
    "endpoint", ["job", "jobs", "assets", "asset", "DELETE-job", "DELETE-assets", "PUT-stop"]
)
def test_one_failing_answer_at_any_request_is_mended_by_the_next_run(endpoint: str) -> None:
    from sauce_janitor.errors import SourceUnavailableError
    from tests.fakes.execution import FakeAnswer, FakeSauce

    wishes = SCENES["all at once"]
    undisturbed = _house(wishes)
    _pass(undisturbed, wishes)

    def fail(_sauce: FakeSauce, _job: JobId) -> object:
        if endpoint.startswith(("DELETE", "PUT")):
            return FakeAnswer(503, doubtful=True)
        raise SourceUnavailableError("503")

    for skipped in range(undisturbed.effects.kinds().count(endpoint)):
        house = _house(wishes)

        def truth(sauce: FakeSauce, job: JobId, endpoint: str = endpoint) -> object:
            if endpoint == "jobs":
                return None
            if endpoint == "job":
                return sauce.document(job)
            if endpoint == "asset":
                return sauce.world[job].assets["log.json"]
            if endpoint == "assets":
                from sauce_janitor.model.jobs import AssetListing

                return AssetListing(tuple(sauce.world[job].assets))
            return {
                "DELETE-job": sauce.do_delete_job,
                "DELETE-assets": sauce.do_delete_assets,
                "PUT-stop": sauce.do_stop,
            }[endpoint](job)

        if endpoint in ("jobs", "asset") and skipped:
            continue
        house.sauce.lie(endpoint, truth, times=skipped)
        house.sauce.lie(endpoint, fail)
        _pass(house, wishes)
        _pass(house, wishes)
        assert _end(house) == _end(undisturbed)
