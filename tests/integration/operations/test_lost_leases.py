"""A run on a shared state whose lease another machine takes over in the middle: it writes no line
any more, sends no write without one, and the next run finishes its work.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import psycopg
import pytest

from sauce_janitor.errors import LeaseError
from sauce_janitor.sandbox.core.request_log import LoggedRequest
from sauce_janitor.state import State
from tests.support.commands import DAY, Commands
from tests.support.postgresql import Postgresql
from tests.support.state import Place, Python

JOBS = 12
POLICIES = """
workers: 4
limits: {max_percent: null}
policies: [{name: old, match: all, then: {archive: none, delete_job: 3d}}]
"""


RUN = """
    import os
    from pathlib import Path
    from sauce_janitor.config import load
    from sauce_janitor.errors import JanitorError
    from sauce_janitor.metrics import Metrics
    from sauce_janitor.operations.policy_run import run
    from sauce_janitor.operations.wiring.run_settings import Order, RunContext
    from tests.support.commands import Quiet
    config = load(Path(FOLDER) / "other.yaml", environ={"KEY": KEY})
    with opened() as state:
        try:
            result = run(
                config.account("box"),
                RunContext(config, state, Metrics(), Quiet()),
                Order(execute=True),
            )
            error = result.execution.error
        except JanitorError as refused:
            error = refused
    print(type(error).__name__)
"""
"""Another machine's run: it shares the state, and has an archive of its own."""
FROZEN_S = 10.5
"""Longer than any answer counts as fresh."""


@pytest.fixture
def url(postgresql: Postgresql) -> Iterator[str]:
    made = postgresql.state()
    yield made
    postgresql.drop(made)


@pytest.fixture
def desk(open_desk: Callable[..., Commands], url: str) -> Commands:
    """Jobs that are due to be deleted, and a state on a server."""
    desk = open_desk(jobs=0)
    desk.configure(POLICIES)
    for number in range(JOBS):
        end = int(time.time()) - 10 * DAY - number
        desk.sandbox.arrive(created_at=end - 60, start_time=end - 60, end_time=end, tags=[])
    desk._state.append(desk.stack.enter_context(State.connect(url)))
    return desk


@pytest.mark.parametrize("at", [1, 3, JOBS])
def test_a_run_whose_lease_is_taken_over_writes_no_line_and_the_next_one_finishes(
    desk: Commands, url: str, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    add, last = desk.sandbox.log.add, list[int]()

    def take_over(entry: LoggedRequest) -> None:
        """While the answer to this DELETE is on its way."""
        add(entry)
        if entry.method != "DELETE" or len(desk.deleted()) != at or last:
            return
        with psycopg.connect(url) as other:
            other.execute("UPDATE leases SET fence = fence + 1 WHERE account = 'box'")
            row = other.execute("SELECT max(seq) FROM journal").fetchone()
            assert row is not None
            last.append(row[0])

    monkeypatch.setattr(desk.sandbox.log, "add", take_over)
    with suppress(LeaseError):
        result = desk.run(execute=True)
        assert not result.complete
    assert len(last) == 1
    lines = list(desk.state.journal.lines("box"))
    assert [line for line in lines if line.seq > last[0]] == []
    begun = {line.job_id for line in lines if line.kind == "intent"}
    assert desk.deleted() <= begun
    assert desk.state.journal.unresolved("box")

    # The wait for writes that may be under way is a real one again: none is needed.
    monkeypatch.undo()
    with psycopg.connect(url) as other:
        other.execute("UPDATE leases SET renewed_at = renewed_at - 61")
    assert desk.run(execute=True).complete
    assert list(desk.sandbox.job_ids()) == []
    assert max(Counter(desk.writes()).values()) == 1, "nothing was sent twice"
    assert desk.state.journal.unresolved("box") == ()
    assert desk.state.journal.verify() == 2 * JOBS


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_what_a_killed_or_frozen_run_began_is_finished_elsewhere_and_nothing_is_sent_twice(
    desk: Commands, url: str, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    own = (desk.folder / "config.yaml").read_text()
    (desk.folder / "other.yaml").write_text(own.replace("./archive", "./other"))
    python = Python(Place(url))
    add, hit = desk.sandbox.log.add, threading.Event()

    def strike(entry: LoggedRequest) -> None:
        add(entry)
        if entry.method == "DELETE" and len(desk.deleted()) == 3 and not hit.is_set():
            other.send_signal(number)
            hit.set()

    monkeypatch.setattr(desk.sandbox.log, "add", strike)
    where = f"    FOLDER, KEY = {str(desk.folder)!r}, {desk.sandbox.access_key!r}"
    other = python.start(where + RUN)
    try:
        assert hit.wait(120), other.communicate()
        if number is signal.SIGSTOP:
            # So long that what it holds has no permit any more that would let it leave.
            time.sleep(FROZEN_S)
        else:
            other.wait(timeout=60)
        with psycopg.connect(url) as database:
            database.execute("UPDATE leases SET renewed_at = renewed_at - 61")
        monkeypatch.undo()
        assert desk.run(execute=True).complete
        if number is signal.SIGSTOP:
            other.send_signal(signal.SIGCONT)
            out, err = other.communicate(timeout=120)
            assert out.splitlines()[-1:] == ["LeaseError"], out + err
    finally:
        python.close()
    assert list(desk.sandbox.job_ids()) == []
    assert max(Counter(desk.writes()).values()) == 1, "nothing was sent twice"
    lines = list(desk.state.journal.lines("box"))
    of_the_second = [line.seq for line in lines if line.fence == 2]
    assert all(line.seq < min(of_the_second) for line in lines if line.fence == 1)
    assert desk.state.journal.unresolved("box") == ()
    assert desk.state.journal.verify() == len(lines)
