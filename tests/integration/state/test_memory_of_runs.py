"""Identity, clock, switch, acceptances, runs and counters outlive the process, and are seen by
others at once.
"""

from __future__ import annotations

import pytest

from sauce_janitor.errors import RefusedError
from sauce_janitor.model.jobs import Action, JobId
from sauce_janitor.state import Pause, Query, State
from tests.fakes.job_list import OWNER, a_job, an_id
from tests.support.state import Place, Python

NOON = 1_780_315_200


def test_an_archive_that_becomes_another_is_refused(state: State) -> None:
    assert state.identity.archive_uuid("/a") is None
    state.identity.remember_archive("/a", "u1")
    state.identity.remember_archive("/a", "u1")
    with pytest.raises(RefusedError, match="mounted"):
        state.identity.remember_archive("/a", "u2")
    state.identity.remember_archive("/b", "u1")  # moved
    assert state.identity.archive_uuid("/b") == "u1"
    assert state.identity.archive_uuid("/a") is None


def test_a_clock_before_2020_or_that_ran_backwards_is_refused(state: State) -> None:
    with pytest.raises(RefusedError, match="1970-01-01"):
        state.clock.check(5)
    state.clock.check(NOON)
    state.clock.remember(NOON)
    state.clock.remember(NOON - 50)
    assert state.clock.newest() == NOON
    state.clock.check(NOON - 300)
    with pytest.raises(RefusedError, match="2026-06-01 12:00:00"):
        state.clock.check(NOON - 301)
    state.clock.check(NOON + 10 * 365 * 86_400)
    assert state.clock.newest() == NOON


def test_a_pause_is_obeyed_by_every_process_at_once(state: State, python: Python) -> None:
    assert not state.switch.is_paused()
    code, said = python.run("""
        with opened() as state:
            print(state.switch.pause(by="jane", reason="audit \\udcff", at=5), state.switch.pause(by="joe", reason="", at=6))
    """)
    assert (code, said) == (0, "True False\n")
    assert state.switch.paused() == Pause("jane", "audit \N{REPLACEMENT CHARACTER}", 5)
    assert state.switch.resume(by="joe", at=9)
    assert not state.switch.resume(by="joe", at=9)
    assert not state.switch.is_paused()


def test_accepted_plans_are_remembered_by_policy_digest(state: State) -> None:
    acceptances = state.acceptances
    assert acceptances.accepted_at("eu", "sha256:a") is None
    for number in range(9):
        sizes = {None: number, "p": number % 3}
        acceptances.accept(
            "eu", "sha256:a" if number < 8 else "sha256:b", at=100 + number, sizes=sizes
        )
    assert acceptances.accepted_at("eu", "sha256:a") == 107
    assert acceptances.accepted_at("us", "sha256:a") is None
    acceptances.accept("eu", "sha256:b", at=109, sizes={})
    assert acceptances.plan_sizes("eu") == (8, 7, 6, 5, 4, 3, 2), "idle runs are passed over"
    assert acceptances.plan_sizes("us") == ()
    assert acceptances.plan_sizes("eu", "p") == (2, 1, 2, 1, 2, 1)
    assert acceptances.plan_sizes("eu", "q") == ()


def test_what_an_accepted_plan_may_have_left_to_do_is_marked_until_the_next_one(
    state: State,
) -> None:
    state.jobs.of("eu", OWNER).put(
        [a_job(n) for n in range(4)], unreadable=(), mark=1, now=1, bookmark=None
    )

    def marked(digest: str) -> dict[str, Action]:
        with state.jobs.snapshot(Query("eu", policy_digest=digest)) as snapshot:
            return {
                record.job.id: record.accepted_for
                for record in snapshot.records()
                if record.accepted_for
            }

    def accept(digest: str, **jobs: list[JobId]) -> None:
        state.acceptances.accept(
            "eu",
            digest,
            at=5,
            sizes={None: 1},
            jobs={Action(name): ids for name, ids in jobs.items()},
        )

    accept("a", delete_assets=[an_id(0), an_id(1)], delete_job=[an_id(2)])
    assert marked("a") == {
        an_id(0): Action.DELETE_ASSETS,
        an_id(1): Action.DELETE_ASSETS,
        an_id(2): Action.DELETE_JOB,
    }
    accept("b", delete_job=[an_id(1)], stop=[an_id(3)])
    assert marked("b") == {an_id(1): Action.DELETE_JOB, an_id(3): Action.STOP}
    assert marked("a") == {}, "a plan under another digest was accepted since"
    state.acceptances.accept("eu", "b", at=6, sizes={})
    assert marked("b") == {}


def test_runs_are_told_newest_first_and_a_killed_one_has_no_result(state: State) -> None:
    state.runs.begin("r1", "eu", mode="dry", at=10)
    state.runs.begin("r2", "eu", mode="execute", at=20)
    state.runs.finish("r1", result="success", at=15, summary={"jobs": 3})
    last = state.runs.last()
    assert [(run.run_id, run.result, run.ended_at) for run in last] == [
        ("r2", None, None),
        ("r1", "success", 15),
    ]
    assert last[1].summary == {"jobs": 3}
    assert [run.run_id for run in state.runs.last("eu", mode="dry")] == ["r1"]
    assert state.runs.last("us") == ()
    assert len(state.runs.last(limit=1)) == 1


def test_of_runs_that_began_in_one_second_the_later_one_is_the_newest(state: State) -> None:
    for run_id in ("b", "c", "a"):
        state.runs.begin(run_id, "eu", mode="execute", at=10)
    assert [run.run_id for run in state.runs.last("eu")] == ["a", "c", "b"]


def test_counters_grow_over_processes(place: Place) -> None:
    key = ("actions_total", (("policy", "p"), ("account", "eu")))
    for _ in range(2):
        with place.open() as state:
            state.counters.add({key: 1.5, ("runs_total", ()): 1})
    with place.open() as state:
        assert state.counters.all() == {
            ("actions_total", (("account", "eu"), ("policy", "p"))): 3.0,
            ("runs_total", ()): 2.0,
        }
