"""Several daemons on one state: a real PostgreSQL, procrastinate, and the rounds of two workers.

Time stands still at START unless a test moves it; the queue itself goes by the clock of the server.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from sauce_janitor.daemon import heartbeat, work_queue
from sauce_janitor.daemon.status import DaemonStatus
from sauce_janitor.errors import ConfigError, LeaseError, StateError
from sauce_janitor.state import State
from tests.support.daemon import until
from tests.support.postgresql import Postgresql
from tests.support.workers import (
    FIRST,
    HEAD,
    QUICK,
    SCHEDULE,
    Workers,
    begun,
    digest_of,
    going_round,
)


def test_an_account_that_is_due_is_worked_on_once_whoever_does_it(workers: Workers) -> None:
    one, two = workers.scene("one"), workers.scene("two")
    workers.start(one)
    workers.start(two)
    for hour in (1, 2, 3):
        workers.clock.at += FIRST if hour == 1 else 3600
        until(lambda: len(begun(one, two)) >= 2 * hour, "both runs")  # noqa: B023
        until(workers.is_queue_empty, "an empty queue")
    time.sleep(0.3)
    runs = [(kind, account) for kind, account in begun(one, two) if kind == "run"]
    assert runs == [("run", "eu")] * 3 + [("run", "us")] * 3


def test_two_workers_share_the_accounts_that_are_due(workers: Workers) -> None:
    one, two = workers.scene("one"), workers.scene("two")
    for scene in (one, two):
        scene.configure(SCHEDULE + "concurrent_runs: 1\n", head=HEAD)
        scene.worked.wait = True
        workers.start(scene)
    workers.clock.at += FIRST
    until(lambda: one.worked.waiting and two.worked.waiting, "work at both")
    assert one.worked.waiting | two.worked.waiting == {"eu", "us"}


def test_what_is_done_is_recorded_for_a_worker_that_comes_later(workers: Workers) -> None:
    one, two = workers.scene("one"), workers.scene("two")
    first = workers.start(one)
    workers.clock.at += FIRST
    until(lambda: len(begun(one)) == 2, "both runs")
    until(workers.is_queue_empty, "an empty queue")
    first.halt()
    workers.start(two)
    time.sleep(0.3)
    assert begun(two) == []


def test_a_worker_that_is_stopped_hands_its_work_to_another(workers: Workers) -> None:
    one, two = workers.scene("one"), workers.scene("two")
    one.worked.wait = True
    first = workers.start(one)
    workers.clock.at += FIRST
    until(lambda: len(one.worked.waiting) == 2, "work")
    workers.start(two)
    time.sleep(0.2)
    assert begun(two) == []
    first.halt()
    until(lambda: len(begun(two)) == 2, "the same work elsewhere")
    assert sorted(one.worked.stopped) == ["eu", "us"]


def test_the_work_of_a_dead_worker_is_failed_and_goes_on_elsewhere(workers: Workers) -> None:
    """With the account waiting in the queue already: a retry would break there for ever."""
    scene = workers.scene("one")
    digest = digest_of(scene)
    workers.query(
        "WITH dead AS (INSERT INTO procrastinate_workers (last_heartbeat)"
        " VALUES (now() - interval '40 s') RETURNING id)"
        " INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args, status,"
        " worker_id) SELECT 'accounts', 'sauce_janitor.work', 'eu', 'eu',"
        f""" '{{"account": "eu", "digest": "{digest}"}}', 'doing', id FROM dead"""
    )
    with capture_logs() as logs:
        workers.start(scene)
        workers.clock.at += FIRST
        until(lambda: ("run", "eu") in begun(scene), "the run of the dead worker's account")
    until(workers.is_queue_empty, "an empty queue")
    assert workers.query("SELECT status::text FROM procrastinate_jobs") == ["failed"]
    assert [log["account"] for log in logs if log["event"] == "run.stalled"] == ["eu"]
    with State.connect(workers.url) as state:
        scene.metrics.settle(state.counters)
    assert b'sauce_janitor_stalled_runs_total{account="eu"} 1.0' in scene.metrics.page()


def test_a_run_that_meets_a_lease_waits_for_it_and_is_not_recorded(workers: Workers) -> None:
    scene = workers.scene("one")
    scene.worked.error = LeaseError("another run holds the lease", free_in_s=0.2)
    with capture_logs() as logs:
        workers.start(scene)
        workers.clock.at += FIRST
        until(lambda: begun(scene).count(("run", "eu")) >= 2, "a second try")
        scene.worked.error = None
        until(workers.is_queue_empty, "an empty queue")
    assert {log["event"] for log in logs if log["log_level"] == "error"} == set()
    assert "run.waits" in {log["event"] for log in logs}


@pytest.mark.parametrize("how", ["error", "cut off"])
def test_a_run_that_lost_the_state_is_due_again(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("sauce_janitor.daemon.due_work._STATE_S", 0.1)
    scene = workers.scene("one")
    if how == "error":
        scene.worked.error = StateError("the state is away")
    scene.worked.is_cut_off = how == "cut off"
    workers.start(scene)
    workers.clock.at += FIRST
    until(lambda: begun(scene).count(("run", "eu")) >= 2, "a second try")
    scene.worked.error, scene.worked.is_cut_off = None, False
    until(workers.is_queue_empty, "an empty queue")
    with State.connect(workers.url) as state:
        assert state.notes.read("run:eu") == str(int(workers.clock.at))


def test_a_worker_with_another_configuration_hands_the_work_back(workers: Workers) -> None:
    """So that two policies never act side by side while a change reaches all workers."""
    old = workers.scene("old")
    other = workers.scene("new", SCHEDULE)
    file = other.folder / "config.yaml"
    file.write_text(file.read_text().replace("20d", "25d"))
    workers.query(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args) VALUES"
        " ('accounts', 'sauce_janitor.work', 'eu', 'eu',"
        f""" '{{"account": "eu", "digest": "{digest_of(old)}"}}')"""
    )
    with capture_logs() as logs:
        workers.start(other)
        workers.clock.at += FIRST
        until(lambda: ("run", "us") in begun(other), "the run of the other account")
        until(lambda: any(log["event"] == "run.handed_back" for log in logs), "a job handed back")
        assert ("run", "eu") not in begun(other)
        workers.start(old)
        until(lambda: ("run", "eu") in begun(old), "the run by a worker with that configuration")
    assert ("run", "eu") not in begun(other)


def test_a_worker_with_a_wrong_clock_takes_no_work(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = workers.scene("one")
    clock = _Clock(600)
    monkeypatch.setattr(work_queue, "time", clock)
    rounds = scene.rounds(execute=True, pace=QUICK)
    workers.stack.enter_context(going_round(rounds))
    until(lambda: "clock" in (rounds.trouble or ""), "a word about the clock")
    assert "600 s ahead of that of the state's server" in (rounds.trouble or "")
    workers.clock.at += FIRST
    time.sleep(0.3)
    assert begun(scene) == []
    clock.ahead_s = 0
    until(lambda: len(begun(scene)) == 2, "runs once the clock is right")


def test_work_goes_on_when_the_server_is_back(workers: Workers, postgresql: Postgresql) -> None:
    scene = workers.scene("one")
    scene.worked.wait = True
    with capture_logs() as logs:
        rounds = workers.start(scene)
        workers.clock.at += FIRST
        until(lambda: len(scene.worked.waiting) == 2, "work")
        postgresql.stop()
        try:
            until(lambda: len(scene.worked.stopped) == 2, "the end of the runs")
            until(lambda: rounds.trouble is not None, "a word about the server")
        finally:
            postgresql.start()
        scene.worked.wait = False
        until(lambda: len(begun(scene)) >= 4, "both runs again")
        until(workers.is_queue_empty, "an empty queue")
    assert [log["event"] for log in logs if log["event"].startswith("queue.")] == [
        "queue.joined",
        "queue.left",
        "queue.joined",
    ]


def test_the_page_and_the_metrics_show_workers_queue_and_leases(workers: Workers) -> None:
    scenes = [workers.scene("one"), workers.scene("two")]
    with State.connect(workers.url) as state:
        state.accounts.admit("eu", base_url="https://api.example", username="demo")
        with state.lease("eu", "run 7", now=0):
            pass
    scenes[0].worked.wait = scenes[1].worked.wait = True
    both = [workers.start(scene) for scene in scenes]
    for number, rounds in enumerate(both):
        rounds.note = heartbeat.shared_note("host", number)
    workers.clock.at += FIRST
    until(lambda: len(scenes[0].worked.waiting | scenes[1].worked.waiting) == 2, "work")
    statuses = [
        DaemonStatus(rounds, workers.clock, scene.metrics)
        for rounds, scene in zip(both, scenes, strict=True)
    ]
    for status in (*statuses, *statuses):
        status.look()
    shown = statuses[0].overview.sharing
    assert shown is not None
    assert shown.queue == "2 running, 0 waiting"
    assert len(shown.workers) == 2
    works_on = sorted(", ".join(each.works_on for each in shown.workers).split(", "))
    assert [each for each in works_on if each != "nothing"] == ["eu", "us"]
    page = scenes[0].metrics.page()
    assert b"sauce_janitor_workers 2.0" in page
    assert b'sauce_janitor_queue_jobs{status="running"} 2.0' in page
    assert b"sauce_janitor_state_available 1.0" in page
    assert b"sauce_janitor_archive_available 1.0" in page
    assert b"sauce_janitor_queue_wait_seconds 0.0" in page
    assert b'sauce_janitor_lease_fence{account="eu"} 1.0' in page
    # What it works on is told at once, not with the next heartbeat.
    for scene in scenes:
        scene.worked.go_on.set()
    until(workers.is_queue_empty, "an empty queue")
    for status in (*statuses, *statuses):
        status.look()
    assert statuses[0].overview.sharing is not None
    assert {each.works_on for each in statuses[0].overview.sharing.workers} == {"nothing"}


class _Clock:
    """The module `time` of a machine whose clock is ahead."""

    def __init__(self, ahead_s: float) -> None:
        self.ahead_s = ahead_s
        self.monotonic: Callable[[], float] = time.monotonic

    def time(self) -> float:
        return time.time() + self.ahead_s


def test_what_another_worker_has_done_since_it_was_queued_is_not_done_again(
    workers: Workers,
) -> None:
    scene = workers.scene("one")
    rounds = scene.rounds(execute=True, pace=QUICK)
    rounds.go()
    workers.clock.at += FIRST
    with State.connect(workers.url) as state:
        state.notes.write("run:eu", str(int(workers.clock.at)))
    for account in ("eu", "us"):
        assert rounds._work.do(account) is None
    assert begun(scene) == [("run", "us")]
    rounds.halt()


def test_an_address_that_is_none_ends_the_start(workers: Workers) -> None:
    """`serve` would wait for it for ever, and no probe says what is wrong."""
    scene = workers.scene("one")
    for address in ("mysql://u:p@127.0.0.1/x", "no address", ""):
        scene.environ["STATE_URL"] = address
        with pytest.raises(ConfigError) as told:
            scene.rounds(execute=True)
        assert "u:p" not in str(told.value)


def test_an_installation_without_the_queue_s_library_is_told_so(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sauce_janitor.daemon.work_queue", None)
    scene = workers.scene("one")
    with pytest.raises(ConfigError, match=r"is not installed: install sauce-janitor\[cluster\]"):
        scene.rounds(execute=True)
