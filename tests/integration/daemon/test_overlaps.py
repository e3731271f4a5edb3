"""What may run at once: accounts beside each other, one account never twice, and nothing that
waited too long for its turn.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from sauce_janitor.daemon.scheduler import Scheduler
from sauce_janitor.daemon.status import DaemonStatus
from tests.support.daemon import START, Scene, until

HOUR = 3600
DAY = 24 * HOUR
FIRST = 17 * 60
TWO = """
accounts:
  eu: {base_url: "http://127.0.0.1:1", access_key: {env: KEY}, username: demo}
  us: {base_url: "http://127.0.0.1:1", access_key: {env: KEY}, username: alice}
state: {path: ./state.db}
archive: {path: ./archive}
"""
SCHEDULE = 'schedule: {cron: "17 * * * *", jitter: 0s}\n'


def test_accounts_that_are_due_together_run_together(scene: Scene) -> None:
    scene.configure(SCHEDULE, head=TWO)
    rounds = scene.rounds()
    scene.worked.wait = True
    scene.go(rounds)
    scene.clock.at += FIRST
    rounds.go()
    until(lambda: scene.worked.waiting == {"eu", "us"}, "both runs at once")


def test_runs_that_fall_due_during_the_upkeep_are_one_run_after_it(scene: Scene) -> None:
    scene.configure('schedule: {cron: "17 3 * * *", jitter: 0s}\n')
    rounds = scene.rounds()
    scene.go(rounds)
    scene.worked.wait = True
    scene.go(rounds, 3 * DAY, step=HOUR)
    assert [kind for kind, _, _ in scene.worked.began] == ["upkeep"]
    scene.worked.wait = False
    scene.settle(rounds)
    scene.go(rounds, 2 * HOUR, step=HOUR)
    assert [kind for kind, _, _ in scene.worked.began] == ["upkeep", "run"]


def test_a_run_goes_before_the_upkeep_when_both_are_late(scene: Scene) -> None:
    first = scene.rounds()
    scene.go(first)
    first.close()
    scene.clock.at += 2 * DAY
    rounds = scene.rounds()
    scene.go(rounds, 120)
    assert [kind for kind, _, _ in scene.worked.began] == ["run", "upkeep"]


def test_times_that_pass_during_a_run_are_no_news_for_the_log(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """APScheduler warns of each, in a line of its own kind."""
    rounds = scene.rounds()
    scene.worked.wait = True
    with caplog.at_level(logging.WARNING):
        scene.go(rounds, 4 * HOUR)
    assert scene.worked.runs == [FIRST]
    assert [record for record in caplog.records if record.name.startswith("apscheduler")] == []


def test_a_round_during_a_run_calls_for_no_other_round(scene: Scene) -> None:
    """Or one round would follow the other without a wait."""
    rounds = scene.rounds()
    scene.worked.wait = True
    scene.go(rounds, 4 * HOUR)
    rounds.wake.clear()
    rounds.go()
    assert not rounds.wake.is_set()


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one account is worked on at a time; the other waits for the thread."""
    monkeypatch.setattr("sauce_janitor.daemon.scheduler._MOST", 1)


@pytest.mark.usefixtures("one_thread")
def test_what_waits_for_a_thread_runs_however_late_that_is(scene: Scene) -> None:
    scene.configure(SCHEDULE, head=TWO)
    rounds = scene.rounds()
    scene.worked.wait = True
    scene.go(rounds, 6 * HOUR)
    assert len(scene.worked.runs) == 1
    scene.worked.wait = False
    scene.settle(rounds)
    assert sorted(name for _, name, _ in scene.worked.began) == ["eu", "us"]
    assert scene.worked.runs == [FIRST, 6 * HOUR]


@pytest.mark.usefixtures("one_thread")
def test_what_waits_for_a_thread_until_a_black_out_begins_is_put_off_to_its_end(
    scene: Scene,
) -> None:
    begins = scene.clock.at - scene.clock.at % DAY + 17 * HOUR
    scene.clock.at = begins
    blackout = 'blackouts: [{from: "17:30", to: "20:00"}]'
    scene.configure(f'schedule: {{cron: "17 * * * *", jitter: 0s, {blackout}}}\n', head=TWO)
    rounds = scene.rounds()
    scene.worked.wait = True
    scene.go(rounds, 29 * 60)
    scene.clock.at += 2 * 60
    scene.worked.wait = False
    scene.settle(rounds)
    assert len(scene.worked.runs) == 1
    scene.go(rounds, 3 * HOUR)
    runs = [(name, at) for kind, name, at in scene.worked.began if kind == "run"]
    assert [at + START - begins for name, at in runs if name == "us"] == [
        3 * HOUR,
        3 * HOUR + FIRST,
    ]


@pytest.mark.usefixtures("one_thread")
def test_after_a_stop_nothing_begins_that_waited_for_a_thread(scene: Scene) -> None:
    scene.configure(SCHEDULE, head=TWO)
    rounds = scene.rounds()
    scene.worked.wait = True
    scene.go(rounds, HOUR)
    rounds.halt()
    scene.settle(rounds)
    assert len(scene.worked.began) == len(scene.worked.stopped) == 1


@pytest.mark.usefixtures("one_thread")
def test_what_waits_for_a_thread_is_at_work_and_not_overdue(scene: Scene) -> None:
    scene.configure(SCHEDULE, head=TWO)
    rounds = scene.rounds()
    scene.worked.wait = True
    scene.go(rounds, 6 * HOUR)
    standing = DaemonStatus(rounds, scene.clock, scene.metrics)
    standing.look()
    assert len(rounds.under_way()) == 1
    assert rounds.busy() == {"eu", "us"}
    assert standing.readiness.reasons == ()


def test_a_run_that_ends_within_a_round_at_its_next_time_does_not_begin_again_in_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round has not collected it, and knows nothing of a second run: no stop would reach it."""
    rounds = scene.rounds()
    scene.worked.wait = True
    scene.go(rounds)
    scene.clock.at += FIRST
    rounds.go()
    until(lambda: scene.worked.waiting, "the run")
    scene.clock.at += HOUR
    plan, started = Scheduler.plan, list[float]()
    monkeypatch.setattr(
        "sauce_janitor.daemon.scheduler._Pool._do_submit_job",
        lambda *_: started.append(scene.clock.at),
    )

    def plan_and_end(self: Scheduler, *arguments: Any) -> None:
        plan(self, *arguments)
        scene.worked.go_on.set()
        until(lambda: not self._executors["default"]._instances, "its end")

    with monkeypatch.context() as patched:
        patched.setattr(Scheduler, "plan", plan_and_end)
        rounds.go()
    assert scene.worked.runs == [FIRST]
    assert started == []


def test_no_thread_for_a_run_is_raised_and_not_tried_again_and_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon ends with exit code 1. Each try would queue the run once more."""
    rounds = scene.rounds()
    scene.go(rounds)
    scene.clock.at += FIRST
    start = threading.Thread.start

    def refuse(self: threading.Thread) -> None:
        if self.name.startswith("run"):
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        rounds.go()


def test_a_bug_in_a_round_is_raised_and_not_hidden_by_the_threads(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon ends with exit code 1 then, instead of running no more."""
    rounds = scene.rounds()
    scene.go(rounds)
    monkeypatch.setattr(
        "sauce_janitor.daemon.agenda.AgendaEntry.due_kind", lambda *_: 1 / 0, raising=True
    )
    scene.clock.at += FIRST
    rounds.go()
    with pytest.raises(ZeroDivisionError):
        scene.settle(rounds)
