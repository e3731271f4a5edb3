"""Several daemons on one state: a real PostgreSQL, procrastinate, and the rounds of two workers.

Time stands still at START unless a test moves it; the queue itself goes by the clock of the server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from sauce_janitor.daemon import heartbeat, work_queue
from sauce_janitor.daemon.ports import QueueInterval
from sauce_janitor.daemon.rounds import Rounds
from sauce_janitor.daemon.status import DaemonStatus
from sauce_janitor.errors import LeaseError, StateError
from sauce_janitor.state import State
from tests.support.daemon import FAST, Driven, Scene, until
from tests.support.postgresql import Postgresql

QUICK = replace(FAST, queue=QueueInterval(tick_s=0.05, heartbeat_s=0.5, stalled_s=5.0))
HEAD = """
accounts:
  eu: {base_url: "http://127.0.0.1:1", access_key: {env: KEY}, username: demo}
  us: {base_url: "http://127.0.0.1:1", access_key: {env: KEY}, username: alice}
archive: {path: ./archive, min_free: 1kB}
state: {url: {env: STATE_URL}}
"""
SCHEDULE = 'schedule: {cron: "17 * * * *", jitter: 0s}\n'
FIRST = 17 * 60


@dataclass
class Workers:
    """Workers on one state, each with its folder, in threads of their own."""

    server: Postgresql
    url: str
    folder: Path
    stack: ExitStack
    clock: Driven

    def scene(self, name: str, text: str = SCHEDULE, head: str = HEAD) -> Scene:
        folder = self.folder / name
        folder.mkdir()
        made = Scene(folder, self.clock, self.stack)
        made.environ = {"KEY": "x", "STATE_URL": self.url}
        made.configure(text, head=head)
        return made

    def start(self, scene: Scene) -> Rounds:
        """One worker more; it goes round until the test ends."""
        rounds = scene.rounds(execute=True, pace=QUICK)
        self.stack.enter_context(_going_round(rounds))
        until(lambda: rounds.trouble is None, "a worker in the queue")
        return rounds

    def query(self, statement: str) -> list[Any]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return [row[0] for row in cursor.fetchall()] if cursor.description else []

    def is_queue_empty(self) -> bool:
        return self.query(
            "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
        ) == [0]


@contextmanager
def _going_round(rounds: Rounds) -> Iterator[None]:
    ended = threading.Event()

    def go() -> None:
        while not ended.is_set():
            rounds.wake.wait(0.02)
            rounds.wake.clear()
            if rounds.stopping.is_set():
                rounds.collect()
            else:
                rounds.go()

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield
    finally:
        rounds.halt()
        until(rounds.is_idle, "the end of the work")
        ended.set()
        thread.join()


@pytest.fixture
def workers(postgresql: Postgresql, tmp_path: Path) -> Iterator[Workers]:
    with ExitStack() as stack:
        yield Workers(postgresql, postgresql.state(), tmp_path, stack, Driven())


def begun(*scenes: Scene) -> list[tuple[str, str]]:
    return sorted((kind, account) for scene in scenes for kind, account, _ in scene.worked.began)


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
    digest = _digest(scene)
    workers.query(
        "WITH dead AS (INSERT INTO procrastinate_workers (last_heartbeat)"
        " VALUES (now() - interval '6 s') RETURNING id)"
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
    monkeypatch.setattr("sauce_janitor.daemon.rounds._STATE_S", 0.1)
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
        f""" '{{"account": "eu", "digest": "{_digest(old)}"}}')"""
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
    workers.stack.enter_context(_going_round(rounds))
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


def _digest(scene: Scene) -> str:
    from sauce_janitor.config import load

    config = load(scene.folder / "config.yaml", environ=scene.environ)
    return config.policy_digest("eu")


class _Clock:
    """The module `time` of a machine whose clock is ahead."""

    def __init__(self, ahead_s: float) -> None:
        self.ahead_s = ahead_s
        self.monotonic: Callable[[], float] = time.monotonic

    def time(self) -> float:
        return time.time() + self.ahead_s
