"""A lease that several machines share: held by the clock of the database, and lost for good by
whoever did not renew it in time.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import psycopg
import pytest

from sauce_janitor.errors import JanitorError, LeaseError, RefusedError, StateError
from sauce_janitor.model.permits import DeleteJobPermit, HeldLease, Receipt
from sauce_janitor.state import State
from sauce_janitor.state.database.postgresql import FOR_TRANSACTIONS
from sauce_janitor.state.server import server_lease
from sauce_janitor.state.server.server_lease import ServerLease
from tests.fakes.clocks import Clock
from tests.fakes.job_list import OWNER, an_id
from tests.support.postgresql import Postgresql
from tests.support.state import Place, Python

RECEIPT = Receipt("ab" * 32)
HOLD = """
    import sys, time
    real = time.time
    time.time = lambda: real() + AHEAD_S
    from sauce_janitor.errors import JanitorError
    from sauce_janitor.model.permits import DeleteJobPermit, PrunePermit, Receipt
    from tests.fakes.job_list import OWNER, an_id
    state = opened()
    lease = state.lease("eu", "run-other", now=int(time.time()))
    lease.acquire()
    journal = state.journal.during("eu", "run-other", lambda: int(time.time()), fence=lease.fence)
    pruning = state.prunings.during("eu", "run-other", lambda: int(time.time()), fence=lease.fence)
    permit = lambda n: DeleteJobPermit(an_id(n), OWNER, Receipt("ab" * 32), "f", 1.0, lease.fence)
    intent = journal.intent(permit(1), policy="p")
    print("held", lease.fence, flush=True)
    sys.stdin.readline()
    archived = dict(receipt="cd" * 32, selection=None, policy="p")
    prune = PrunePermit(an_id(1), OWNER, frozenset({"a"}), "why", lease.fence)
    for write in (
        lease.check,
        lambda: journal.intent(permit(2), policy="p"),
        lambda: journal.outcome(intent, "confirmed", detail="late"),
        lambda: journal.archived(an_id(3), OWNER, **archived),
        lambda: pruning.begin(prune, record="ef" * 32, size_bytes=1),
    ):
        try:
            write()
            print("wrote")
        except JanitorError as error:
            print(type(error).__name__)
    lease.release()
"""


@pytest.fixture
def place(postgresql: Postgresql) -> Iterator[Place]:
    url = postgresql.state()
    yield Place(url)
    postgresql.drop(url)


@pytest.fixture
def state(place: Place) -> Iterator[State]:
    with place.open() as opened:
        opened.accounts.admit("eu", base_url="https://api.example", username="demo")
        yield opened


def pass_time(place: Place, seconds: float) -> None:
    """For the database, every renewal is so much longer ago."""
    place.execute(f"UPDATE leases SET renewed_at = renewed_at - {seconds}")


def lease(state: State, clock: Clock | None = None) -> ServerLease:
    return ServerLease(state._database, "eu", "run-1", 1, clock or Clock())  # type: ignore[arg-type]


def holding(python: Python, *, ahead_s: int = 0) -> Any:
    """A process that has the lease, and an intent without an outcome."""
    other = python.start(f"    AHEAD_S = {ahead_s}{HOLD}")
    assert other.stdout is not None
    said = other.stdout.readline()
    assert said == "held 1\n", said + (other.communicate()[1] if other.poll() else "")
    return other


def permit(job: int, fence: int) -> DeleteJobPermit:
    return DeleteJobPermit(an_id(job), OWNER, RECEIPT, "f", 1.0, fence)


# --- taking it over -------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead_s", [0, 600, -600], ids=["right", "10 min fast", "10 min slow"])
def test_a_killed_holder_s_lease_is_free_when_all_it_sent_is_over(
    state: State, place: Place, python: Python, ahead_s: int
) -> None:
    """The time is the database's, however wrong the clock of the holder is."""
    other = holding(python, ahead_s=ahead_s)
    other.send_signal(signal.SIGKILL)
    other.wait(timeout=60)
    with pytest.raises(LeaseError, match=r"run-other on .* without another renewal it is free in"):
        state.lease("eu", "run-1", now=2).acquire()
    pass_time(place, 61)
    with state.lease("eu", "run-1", now=2) as mine:
        assert mine.fence == 2
        assert mine.idle_s is not None
        assert mine.idle_s >= 60
        mine.check()


def test_a_stopped_holder_that_wakes_up_writes_no_line(
    state: State, place: Place, python: Python
) -> None:
    other = holding(python)
    other.send_signal(signal.SIGSTOP)
    pass_time(place, 61)
    with state.lease("eu", "run-1", now=2) as mine:
        other.send_signal(signal.SIGCONT)
        out, err = other.communicate("go on\n", timeout=60)
        assert out.splitlines() == ["LeaseError"] * 5, err
        # Giving back a lost lease takes it from nobody.
        mine.check()
    assert [(line.kind, line.fence) for line in state.journal.lines()] == [("intent", 1)]
    assert state.journal.verify() == 1


def test_who_still_holds_it_writes_every_kind_of_line(state: State, python: Python) -> None:
    out, err = holding(python).communicate("go on\n", timeout=60)
    assert out.splitlines() == ["wrote"] * 5, err


def test_a_lease_that_was_released_is_free_at_once_and_says_since_when(
    state: State, place: Place
) -> None:
    with state.lease("eu", "run-1", now=1) as first:
        assert first.idle_s == float("inf")
    pass_time(place, 20)
    with state.lease("eu", "run-2", now=2) as second:
        assert second.fence == 2
        assert second.idle_s is not None
        assert second.idle_s >= 20


def test_two_that_take_it_at_once_do_not_both_have_it(state: State, place: Place) -> None:
    with state.lease("eu", "gone", now=1):
        pass_time(place, 100)
        took: list[HeldLease] = []
        start = threading.Barrier(6)

        def take() -> None:
            start.wait()
            mine = state.lease("eu", "run", now=1)
            try:
                mine.acquire()
            except LeaseError:
                return
            took.append(mine)

        threads = [threading.Thread(target=take) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [mine.fence for mine in took] == [2]
        took[0].release()


# --- the lease and the journal in one transaction ---------------------------------------------------


def waiting(place: Place) -> None:
    """Until some connection waits for another one's lock."""
    assert isinstance(place.where, str)
    with psycopg.connect(place.where, autocommit=True) as looking:
        while not looking.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            time.sleep(0.01)


def test_a_take_over_waits_for_an_intent_that_is_being_written_and_sees_it(
    state: State, place: Place
) -> None:
    assert isinstance(place.where, str)
    old = lease(state)
    old.acquire()
    pass_time(place, 61)
    new = lease(state)
    with psycopg.connect(place.where) as writing:
        writing.execute("SELECT fence FROM leases WHERE account = 'eu' FOR SHARE")
        taking = threading.Thread(target=new.acquire)
        taking.start()
        waiting(place)
        with pytest.raises(LeaseError):
            _ = new.fence
        writing.commit()
    taking.join()
    assert new.fence == 2
    new.release()
    old.release()


def test_a_renewal_that_comes_just_in_time_keeps_the_lease(state: State, place: Place) -> None:
    assert isinstance(place.where, str)
    old = lease(state)
    old.acquire()
    pass_time(place, 61)
    found: list[Exception] = []

    def take() -> None:
        try:
            lease(state).acquire()
        except LeaseError as error:
            found.append(error)

    with psycopg.connect(place.where) as renewing:
        renewing.execute("UPDATE leases SET renewed_at = extract(epoch FROM clock_timestamp())")
        taking = threading.Thread(target=take)
        taking.start()
        waiting(place)
        renewing.commit()
    taking.join()
    assert len(found) == 1
    old.check()
    old.release()


def test_an_intent_that_waits_for_a_take_over_is_refused(state: State, place: Place) -> None:
    assert isinstance(place.where, str)
    old = lease(state)
    old.acquire()
    journal = state.journal.during("eu", "run-1", lambda: 1, fence=1)
    found: list[Exception] = []

    def write() -> None:
        try:
            journal.intent(permit(1, 1), policy="p")
        except LeaseError as error:
            found.append(error)

    with psycopg.connect(place.where) as taking:
        taking.execute("UPDATE leases SET fence = 2 WHERE account = 'eu'")
        writing = threading.Thread(target=write)
        writing.start()
        waiting(place)
        taking.commit()
    writing.join()
    assert len(found) == 1
    assert list(state.journal.lines()) == []
    old.release()


def test_a_writer_of_one_account_does_not_wait_for_another_s(state: State) -> None:
    state.accounts.admit("us", base_url="https://api.example", username="other")
    eu, us = (state.journal.during(name, "run-1", lambda: 1) for name in ("eu", "us"))
    archived: dict[str, Any] = {"receipt": "cd" * 32, "selection": None, "policy": "p"}
    line = {"job_id": bytes(16), "owner": OWNER, "action": "archive"}
    with state._database.exchange("eu") as exchange:
        ((end,),) = eu._asked(exchange, eu._end)
        eu._append(exchange, end, "archived", line, detail={})
        us.archived(an_id(1), OWNER, **archived)
        assert [line.account for line in state.journal.lines()] == ["us"]
    assert state.journal.verify() == 2
    # Larger numbers may be written earlier, so nobody may rely on the newest one alone.
    assert [line.account for line in state.journal.lines()] == ["eu", "us"]


# --- holding it -----------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renewals come one after the other."""
    monkeypatch.setattr(server_lease, "RENEW_S", 0.05)
    monkeypatch.setattr(server_lease, "_TRY_AGAIN_S", 0.05)


@pytest.fixture
def unrenewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No renewal comes by itself."""
    monkeypatch.setattr(server_lease, "RENEW_S", 10_000.0)


def renewed_at(place: Place) -> float:
    assert isinstance(place.where, str)
    with psycopg.connect(place.where) as connection:
        row = connection.execute("SELECT renewed_at FROM leases").fetchone()
    assert row is not None
    return float(row[0])


def until(what: Callable[[], object]) -> None:
    while not what():
        time.sleep(0.01)


@pytest.mark.usefixtures("quick")
def test_a_holder_renews_it_and_goes_on_after_its_connections_were_cut(
    state: State, place: Place
) -> None:
    assert isinstance(place.where, str)
    with state.lease("eu", "run-1", now=1) as mine:
        before = renewed_at(place)
        until(lambda: renewed_at(place) > before)
        place.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND datname = current_database()"
        )
        before = renewed_at(place)
        until(lambda: renewed_at(place) > before)
        mine.check()


@pytest.mark.usefixtures("quick")
def test_transactions_that_last_keep_no_lease_from_being_renewed(
    state: State, place: Place
) -> None:
    """Many accounts of one process make their plans at once."""
    with state.lease("eu", "run-1", now=1) as mine, ExitStack() as stack:
        for _ in range(FOR_TRANSACTIONS):
            stack.enter_context(state._database.reading())
        before = renewed_at(place)
        until(lambda: renewed_at(place) > before)
        mine.check()
        assert not state.switch.is_paused()


@pytest.mark.usefixtures("quick")
def test_a_lease_that_could_not_be_released_is_free_when_the_database_is_back(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = lease(state)
    mine.acquire()
    asked = threading.Semaphore(0)

    def away(*_: object) -> None:
        asked.release()
        raise StateError("the server closed the connection")

    with monkeypatch.context() as outage:
        outage.setattr(state._database, "writing", away)
        mine.release()
        # By the end of the run, and then again and again.
        for _ in range(3):
            assert asked.acquire(timeout=60)

    def is_free() -> bool:
        with suppress(LeaseError):
            lease(state).acquire()
            return True
        return False

    until(is_free)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("error", [StateError, RefusedError], ids=["away", "a replica answers"])
def test_a_holder_without_the_database_stops_by_its_own_clock(
    state: State, monkeypatch: pytest.MonkeyPatch, error: type[JanitorError]
) -> None:
    clock = Clock()
    mine = lease(state, clock)
    mine.acquire()
    asked = threading.Semaphore(0)

    def away(*_: object, **__: object) -> None:
        asked.release()
        raise error("the state cannot be used")

    monkeypatch.setattr(state._database, "glance", away)
    # It is asked again and again.
    for _ in range(3):
        assert asked.acquire(timeout=60)
    clock.seconds += 15.0
    with pytest.raises(error):
        mine.check()
    clock.seconds += 0.1
    with pytest.raises(LeaseError, match="could not renew the lease on account eu for 15 s"):
        mine.check()
    monkeypatch.setattr(state._database, "writing", away)
    mine.release()


@pytest.mark.usefixtures("unrenewed")
def test_the_time_counts_from_the_start_of_the_renewal(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    mine = lease(state, clock)
    mine.acquire()
    glance = state._database.glance

    def slow(*given: Any, **values: Any) -> Any:
        clock.seconds += 10.0
        return glance(*given, **values)

    monkeypatch.setattr(state._database, "glance", slow)
    assert mine._renew()
    monkeypatch.undo()
    clock.seconds += 5.0
    mine.check()
    clock.seconds += 0.1
    with pytest.raises(LeaseError, match="could not renew"):
        mine.check()
    mine.release()


@pytest.mark.usefixtures("quick")
def test_a_lease_that_another_run_has_is_lost_for_good(state: State, place: Place) -> None:
    mine = lease(state)
    mine.acquire()
    place.execute("UPDATE leases SET fence = 2")
    until(lambda: mine._is_lost)
    place.execute("UPDATE leases SET fence = 1")
    with pytest.raises(LeaseError, match="lost the lease"):
        mine.check()
    mine.release()


def test_an_older_state_s_lease_is_taken_over(state: State, place: Place) -> None:
    """As a state in a file has it, which was copied to the server while nobody used it."""
    with state.lease("eu", "run-1", now=1):
        pass
    place.execute("UPDATE leases SET released = false, renewed_at = NULL")
    with state.lease("eu", "run-2", now=1) as mine:
        assert mine.fence == 2
