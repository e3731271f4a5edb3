"""What could make an account wait for ever, work be lost, or the queue be busy with nothing."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from procrastinate.exceptions import ConnectorException
from procrastinate.manager import JobManager
from structlog.testing import capture_logs

from sauce_janitor.daemon import heartbeat, work_queue
from sauce_janitor.daemon.status import DaemonStatus
from sauce_janitor.daemon.work_queue import WorkerTasks, WorkQueue
from sauce_janitor.errors import StateError
from sauce_janitor.state import State
from tests.support.daemon import until
from tests.support.postgresql import Postgresql
from tests.support.workers import FIRST, QUICK, SCHEDULE, Workers, begun, digest_of


def _queued(account: str, digest: str, *more: str, scheduled_at: str = "NULL") -> str:
    """Return the statement that puts an account into the queue."""
    args = ", ".join((f'"account": "{account}", "digest": "{digest}"', *more))
    return (
        "INSERT INTO procrastinate_jobs"
        " (queue_name, task_name, lock, queueing_lock, args, scheduled_at) VALUES"
        f" ('accounts', 'sauce_janitor.work', '{account}', '{account}', '{{{args}}}',"
        f" {scheduled_at})"
    )


def test_work_of_which_the_end_could_not_be_written_blocks_no_account(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker lives, so nobody else gives it up."""
    finish, refused = JobManager.finish_job, threading.Event()

    async def refuse_once(self: JobManager, *args: Any, **values: Any) -> None:
        if not refused.is_set():
            refused.set()
            raise ConnectorException("canceling statement due to statement timeout")
        await finish(self, *args, **values)

    monkeypatch.setattr(JobManager, "finish_job", refuse_once)
    scene = workers.scene("one")
    workers.start(scene)
    workers.clock.at += FIRST
    until(refused.is_set, "an end that is not written")
    until(workers.is_queue_empty, "an empty queue")
    workers.clock.at += 3600
    until(lambda: len(begun(scene)) >= 4, "the next runs of both accounts")


def test_a_time_of_a_wrong_clock_keeps_no_account_waiting(workers: Workers) -> None:
    scene = workers.scene("one")
    workers.query(_queued("eu", digest_of(scene), scheduled_at="now() + interval '2 years'"))
    workers.start(scene)
    workers.clock.at += FIRST
    until(lambda: len(begun(scene)) == 2, "both runs")


def test_a_clock_that_is_set_between_two_looks_changes_no_time_in_the_queue(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = workers.scene("one")
    rounds = workers.start(scene)
    queue = rounds._starter
    assert isinstance(queue, WorkQueue)
    monkeypatch.setattr(queue, "_look", _never_again)
    monkeypatch.setattr(time, "time", lambda: 4_000_000_000.0)
    assert queue.database_now < 3_000_000_000


async def _never_again(*_arguments: object) -> None:
    return


def test_a_job_that_a_newer_version_queued_is_done(workers: Workers) -> None:
    done: list[str] = []
    tasks = WorkerTasks(done.append, lambda _: "digest", lambda: None, lambda _: None)
    queue = WorkQueue(
        tasks, threading.Event(), lambda: workers.url, queue="accounts", most=1, pace=QUICK.queue
    )
    workers.query(_queued("eu", "digest", '"owner": "alice"'))
    queue.plan({}, 0)
    until(lambda: list(queue.ended()), "its end")
    queue.shutdown()
    assert done == ["eu"]


def test_work_that_begins_while_the_worker_leaves_is_interrupted(workers: Workers) -> None:
    began, ended = threading.Event(), threading.Event()
    asked: list[int] = []

    def do(_account: str) -> float | None:
        began.set()
        # It notices nothing of the first request, as it came a moment too early.
        until(lambda: len(asked) > 1, "another request to end")
        ended.set()
        return None

    tasks = WorkerTasks(do, lambda _: "digest", lambda: asked.append(1), lambda _: None)
    queue = WorkQueue(
        tasks, threading.Event(), lambda: workers.url, queue="accounts", most=1, pace=QUICK.queue
    )
    workers.query(_queued("eu", "digest"))
    queue.plan({}, 0)
    until(began.is_set, "work")
    queue.halt()
    until(lambda: list(queue.ended()), "its end")
    queue.shutdown()
    assert ended.is_set()


def test_a_bug_in_the_queue_ends_the_daemon(workers: Workers) -> None:
    """procrastinate only logs it, and the account would be put into the queue again for ever."""

    def wrong(_account: str) -> str:
        raise KeyError("digest")

    wake = threading.Event()
    tasks = WorkerTasks(lambda _: None, wrong, lambda: None, lambda _: None)
    queue = WorkQueue(tasks, wake, lambda: workers.url, queue="accounts", most=1, pace=QUICK.queue)
    workers.query(_queued("eu", "digest"))
    queue.plan({}, 0)
    assert wake.wait(60)
    with pytest.raises(KeyError):
        queue.process()
    queue.shutdown()


def test_a_moment_without_an_answer_to_an_offer_ends_no_run(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled = JobManager.get_stalled_jobs
    refused: list[int] = []

    async def refuse_one(self: JobManager, **values: Any) -> Any:
        if scene.worked.waiting and not refused:
            refused.append(1)
            raise ConnectorException("the pool has no connection")
        return await stalled(self, **values)

    monkeypatch.setattr(JobManager, "get_stalled_jobs", refuse_one)
    scene = workers.scene("one")
    scene.worked.wait = True
    workers.start(scene)
    workers.clock.at += FIRST
    until(lambda: refused, "a question without an answer")
    time.sleep(0.5)
    assert scene.worked.stopped == []


def test_policies_that_differ_for_ever_are_one_line_and_no_reload(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_queue, "_HAND_BACK_S", 0.05)
    scene = workers.scene("one", SCHEDULE)
    workers.query(_queued("eu", "sha256:of another worker"))
    with capture_logs() as logs:
        workers.start(scene)
        until(workers.is_queue_empty, "an end of the offers")
    events = [log["event"] for log in logs]
    assert events.count("run.handed_back") == 1
    assert "config.reloaded" not in events


def test_a_worker_without_execute_takes_no_turn_of_those_with_it(workers: Workers) -> None:
    """Otherwise its dry run counts as the run, and nothing is deleted until the next time."""
    dry, real = workers.scene("dry"), workers.scene("real")
    workers.start(dry, execute=False)
    workers.start(real)
    workers.clock.at += FIRST
    until(lambda: len(begun(dry)) == 2 and len(begun(real)) == 2, "the runs of each kind")


def test_what_a_dry_run_left_in_the_queue_is_not_shown_as_waiting(workers: Workers) -> None:
    workers.query(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, args)"
        """ VALUES ('dry runs', 'sauce_janitor.work', '{"account": "eu", "digest": ""}')"""
    )
    with State.connect(workers.url) as state:
        queue = state.queue()
        assert queue is not None
        shown, of_dry_runs = queue.look(), queue.look(of_dry_runs=True)
    assert (shown.waiting, of_dry_runs.waiting) == (0, 1)
    assert of_dry_runs.accounts == {"eu"}


def test_a_run_of_hours_makes_no_other_worker_unready(workers: Workers) -> None:
    one, two = workers.scene("one"), workers.scene("two")
    one.worked.wait = True
    workers.start(one)
    workers.clock.at += FIRST
    until(lambda: len(one.worked.waiting) == 2, "work")
    other = workers.start(two)
    workers.clock.at += 1800
    until(
        lambda: all(each.due_kind(int(workers.clock.at)) for each in other.agenda.entries.values()),
        "due",
    )
    status = DaemonStatus(other, workers.clock, two.metrics)
    status.look()
    assert [each for each in status.readiness.reasons if "overdue" in each] == []


def test_one_question_brings_all_accounts_up_to_date(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several workers ask it every second while anything is due."""
    scene = workers.scene("one")
    rounds = workers.start(scene)
    until(lambda: len(rounds.agenda.entries) == 2, "an agenda")
    assert rounds.state is not None
    notes = rounds.state.notes
    monkeypatch.setattr(type(notes), "read", None)
    rounds.agenda.read_again(notes, int(workers.clock.at))
    assert sorted(rounds.agenda.entries) == ["eu", "us"]


def test_workers_with_the_same_host_name_and_process_id_are_two(workers: Workers) -> None:
    """As in containers that use the host's network."""
    with State.connect(workers.url) as state:
        for mode in ("execute", "dry_run"):
            beat = heartbeat.Heartbeat(at=100, pid=1, mode=mode, next_runs={}, host="node")
            state.notes.write(heartbeat.shared_note("node", 1), beat.text())
        assert len(heartbeat.alive(state.notes, now=100)) == 2


def test_a_database_that_refuses_the_worker_is_told_with_the_reason(workers: Workers) -> None:
    tasks = WorkerTasks(lambda _: None, lambda _: "digest", lambda: None, lambda _: None)
    nowhere = workers.url + "_that_is_gone"
    queue = WorkQueue(
        tasks, threading.Event(), lambda: nowhere, queue="accounts", most=1, pace=QUICK.queue
    )
    queue.plan({}, 0)
    until(lambda: "not connected yet" not in (queue.trouble or ""), "a word about it")
    queue.shutdown()
    assert "does not exist" in (queue.trouble or "")


def test_work_goes_on_within_a_minute_however_long_the_state_was_away(workers: Workers) -> None:
    scene = workers.scene("one")
    scene.worked.error = StateError("no connection is left")
    rounds = scene.rounds(execute=True, pace=QUICK)
    rounds.go()
    workers.clock.at += FIRST
    until(lambda: rounds.state is not None, "a state")
    assert {rounds._work.do("eu") for _ in range(12)} == {15.0, 30.0, 60.0}


def test_an_account_waits_for_a_lease_without_a_run_each_minute(workers: Workers) -> None:
    """Such as of a `run` by hand that takes hours: the history would show nothing else."""
    scene = workers.scene("one")
    with State.connect(workers.url) as state, capture_logs() as logs:
        state.accounts.admit("eu", base_url="u", username="demo")
        lease = state.lease("eu", "run 7", now=0)
        lease.acquire()
        workers.start(scene)
        workers.clock.at += FIRST
        until(lambda: ("run", "us") in begun(scene), "the run of the other account")
        waits = (
            "SELECT scheduled_at > now() + interval '30 s' FROM procrastinate_jobs"
            " WHERE lock = 'accounts: eu' AND status = 'todo'"
        )
        until(lambda: workers.query(waits) == [True], "a place in the queue for later")
        lease.release()
    assert ("run", "eu") not in begun(scene)
    assert [log["account"] for log in logs if log["event"] == "run.waits"] == ["eu"]


def test_an_account_begins_no_other_work_before_its_last_one_is_recorded(
    workers: Workers,
) -> None:
    """However long the rounds wait for the state: they would take one for the other."""
    tasks = WorkerTasks(lambda _: None, lambda _: "digest", lambda: None, lambda _: None)
    queue = WorkQueue(
        tasks, threading.Event(), lambda: workers.url, queue="accounts", most=1, pace=QUICK.queue
    )
    workers.query(_queued("eu", "digest"))
    queue.plan({}, 0)
    until(lambda: not queue._ended.empty(), "an end")
    time.sleep(0.5)
    assert not workers.is_queue_empty()
    assert queue.busy() == {"eu"}
    assert list(queue.ended()) == ["eu"]
    until(workers.is_queue_empty, "an empty queue")
    queue.shutdown()


def test_the_gauges_of_an_account_follow_the_runs_of_other_workers(workers: Workers) -> None:
    """An alert takes the highest of all workers: an old number would keep it firing."""
    scene = workers.scene("one")
    rounds = workers.start(scene)
    until(lambda: rounds.agenda.entries, "an agenda")
    late = {"account": "eu", "deadline": "gdpr", "blocked_by": "limit"}
    scene.metrics.set("overdue_jobs", 5, **late)
    scene.metrics.set("archive_findings", 5, account="eu")
    scene.metrics.set("api_budget_remaining", 0, account="eu", window="hour")
    now = int(workers.clock.at)
    plan = {
        "by_policy": {}, "jobs": 7, "held": 0, "undecided": 0, "expiring_24h": 0,
        "expiring_72h": 0, "limits_broken": [], "overdue": {},
    }  # fmt: skip
    with State.connect(workers.url) as state:
        state.accounts.admit("eu", base_url="u", username="demo")
        state.runs.begin("other", "eu", mode="execute", at=now)
        state.runs.finish("other", result="done", at=now + 1, summary={"plan": plan})
        state.notes.write("run:eu", str(now + 1))
    workers.clock.at += FIRST
    until(lambda: b'inventory_jobs{account="eu"} 7.0' in scene.metrics.page(), "the new number")
    assert b"overdue_jobs{" not in scene.metrics.page()
    assert b"api_budget_remaining{" not in scene.metrics.page()
    with State.connect(workers.url) as state:
        state.verifications.keep("daily eu", {"findings": 0, "at": now})
        state.notes.write("upkeep:eu", str(now + 2))
    workers.clock.at += 3600
    until(lambda: b'archive_findings{account="eu"} 0.0' in scene.metrics.page(), "no finding")


def test_a_worker_removes_what_was_failed_long_ago_without_a_restart(workers: Workers) -> None:
    rounds = workers.start(workers.scene("one"))
    queue = rounds._starter
    assert isinstance(queue, WorkQueue)
    # The first time is when it joins.
    until(lambda: queue._swept_at > 0, "a first look at it")
    workers.query(
        "WITH failed AS (INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES"
        " ('accounts', 'sauce_janitor.work', 'failed') RETURNING id)"
        " INSERT INTO procrastinate_events (job_id, type, at)"
        " SELECT id, 'failed', now() - interval '8 days' FROM failed"
    )
    # A day later.
    queue._swept_at -= 86_401
    until(lambda: workers.query("SELECT id FROM procrastinate_jobs") == [], "the end of it")


def test_a_frozen_database_ends_the_runs_and_work_goes_on_when_it_answers_again(
    workers: Workers, postgresql: Postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps its connections, so nothing fails: nobody would notice before it goes on."""
    monkeypatch.setattr(work_queue, "_ANSWER_S", 0.5)
    scene = workers.scene("one")
    scene.worked.wait = True
    rounds = workers.start(scene)
    workers.clock.at += FIRST
    until(lambda: len(scene.worked.waiting) == 2, "work")
    with postgresql.frozen():
        until(lambda: len(scene.worked.stopped) == 2, "the end of the runs")
        until(lambda: rounds.trouble is not None, "a word about the server")
    scene.worked.wait = False
    until(lambda: len(begun(scene)) >= 4, "both runs again")
    until(workers.is_queue_empty, "an empty queue")
