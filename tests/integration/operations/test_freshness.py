"""A hold set after an answer was asked for counts, however late that answer came or was read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sauce_janitor.clock import SystemClock
from sauce_janitor.execute.events import Skip
from sauce_janitor.sandbox.core.request_log import LoggedRequest
from tests.support.commands import DAY, Commands

POLICIES = """
limits: {max_percent: null}
policies: [{name: old, match: {not: {tags: keep}}, then: {archive: none, delete_job: 3d}}]
"""
FASTER = 20.0
FROZEN_S = 10.5


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    """One job, due to be deleted."""
    desk = open_desk(jobs=0)
    desk.configure(POLICIES)
    desk.sandbox.arrive(created_at=int(time.time()) - 10 * DAY, name="due", tags=[])
    return desk


def test_a_hold_set_while_the_details_drip_in_prevents_the_delete(
    desk: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer takes 16 s, by a clock that is faster than the test's."""
    monkeypatch.setattr(SystemClock, "monotonic", lambda _clock: time.monotonic() * FASTER)
    slow = desk.sandbox.inject("stall", endpoint="job.get", seconds=16 / FASTER, times=1)
    desk.sandbox.inject("late_edit", endpoint="job.get", times=1)
    execution = desk.run(execute=True).execution
    assert slow.fired
    assert desk.writes() == []
    assert execution is not None
    assert execution.skips == {Skip.CHANGED: 1}


def test_a_process_frozen_between_question_and_answer_sends_no_delete_of_a_job_held_meanwhile(
    desk: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by SIGSTOP, a laptop's lid or a paused container: the answer waits in the socket until the
    process goes on.
    """
    command = [sys.executable, "-m", "sauce_janitor", "run", "--execute"]
    environment = {
        **os.environ,
        "KEY": desk.sandbox.access_key,
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    running: list[subprocess.Popen[bytes]] = []
    add = desk.sandbox.log.add
    asked: list[LoggedRequest] = []

    def freeze_once(entry: LoggedRequest) -> None:
        add(entry)
        if entry.endpoint == "job.get" and not asked:
            asked.append(entry)
            running[0].send_signal(signal.SIGSTOP)

    monkeypatch.setattr(desk.sandbox.log, "add", freeze_once)
    with subprocess.Popen(
        command,
        cwd=desk.folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        running.append(process)
        try:
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
            desk.sandbox.edit(str(asked[0].job_id), tags=["keep"])
            time.sleep(FROZEN_S)
        finally:
            process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 0
    assert desk.writes() == []
