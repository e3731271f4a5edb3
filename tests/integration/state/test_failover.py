"""Another server answers for the state than before: every lease ends, also one that it never knew."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from sauce_janitor.errors import JanitorError, LeaseError, StateError
from sauce_janitor.model.permits import DeleteJobPermit, HeldLease, Receipt
from sauce_janitor.state import State
from sauce_janitor.state.server.failover import FENCES, noted_server
from tests.fakes.job_list import OWNER, a_job, an_id
from tests.support.postgresql import Postgresql
from tests.support.state import Place


@pytest.fixture
def place(postgresql: Postgresql) -> Iterator[Place]:
    url = postgresql.state()
    yield Place(url)
    postgresql.drop(url)


def admit(state: State, name: str = "eu") -> None:
    state.accounts.admit(name, base_url="https://api.example", username=f"demo-{name}")


def list_jobs(state: State) -> None:
    """A complete listing."""
    store = state.jobs.of("eu", OWNER)
    store.put([a_job(1)], unreadable=(), mark=1, now=1, bookmark=None)
    store.conclude(mark=1, watermark=1, full_at=1, longest_page=1)


def intend(state: State, held: HeldLease, job: int) -> None:
    permit = DeleteJobPermit(an_id(job), OWNER, Receipt("ab" * 32), "f", 1.0, held.fence)
    journal = state.journal.during("eu", "run", lambda: 1, fence=held.fence)
    journal.intent(permit, policy="p")


def changes(state: State) -> int:
    with state._database.reading() as connection:
        noted = noted_server(connection)
    assert noted is not None
    return noted.changes


def change_server(place: Place) -> None:
    """As if the state had been on another server until now."""
    place.execute("UPDATE meta SET value = '1 ' || value WHERE key = 'server'")
    place.execute(
        "UPDATE meta SET value = regexp_replace(value, '^1 [0-9]+', '1') WHERE key = 'server'"
    )


def pass_time(place: Place) -> None:
    place.execute("UPDATE leases SET renewed_at = renewed_at - 61")


def until_refused(what: Callable[[], object]) -> JanitorError:
    """Its connections broke with the server; then it gets new ones."""
    while True:
        with pytest.raises(JanitorError) as found:
            what()
        if not isinstance(found.value, StateError):
            return found.value


def test_a_standby_without_the_newest_lines_and_leases_ends_every_lease(
    component: Callable[[str], Path],
) -> None:
    server = Postgresql(component)
    try:
        place = Place(server.state())
        with place.open() as state:
            admit(state)
            list_jobs(state)
            with state.lease("eu", "run-1", now=1) as first:
                intend(state, first, 1)
            server.back_up()
            # The standby knows nothing of this.
            admit(state, "new")
            mine, other = (state.lease(name, "run-2", now=2) for name in ("eu", "new"))
            with mine, other:
                intend(state, mine, 2)
                assert (mine.fence, other.fence) == (2, 1)
                server.fail_over()
                assert isinstance(until_refused(lambda: intend(state, mine, 3)), LeaseError)
                assert isinstance(until_refused(mine.check), LeaseError)
                admit(state, "new")
                for name in ("eu", "new"):
                    with pytest.raises(LeaseError, match=r"another server than before.* in \d+ s"):
                        state.lease(name, "run-3", now=3).acquire()
                pass_time(place)
                place.execute(
                    "UPDATE meta SET value = regexp_replace(value, '[0-9.]+$', '1')"
                    " WHERE key = 'server'"
                )
                with state.lease("eu", "run-3", now=3) as third:
                    assert third.fence == FENCES + 2
                    assert "lines of the journal from before may be missing" in third.doubt
                    assert third.idle_s is not None
                    assert third.idle_s >= 60
                    assert state.jobs.full_at("eu") is None
                    intend(state, third, 2)
                with state.lease("new", "run-3", now=3) as third:
                    assert third.fence == FENCES + 1
            assert changes(state) == 1
            with state.lease("eu", "run-4", now=4) as fourth:
                assert not fourth.doubt
        with place.open() as state:
            assert changes(state) == 1
            assert state.journal.verify() == 2
    finally:
        server.close()


def test_a_change_is_recorded_once_by_whoever_sees_it_first(place: Place) -> None:
    with place.open() as state:
        admit(state)
        with state.lease("eu", "run", now=1):
            pass
    change_server(place)
    start = threading.Barrier(4)
    seen: list[int] = []

    def open_it() -> None:
        start.wait()
        with place.open() as state:
            seen.append(changes(state))

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 4
    pass_time(place)
    with place.open() as state, state.lease("eu", "run", now=1) as mine:
        assert mine.fence == FENCES + 2


def test_a_server_that_restarts_is_the_same_one(component: Callable[[str], Path]) -> None:
    server = Postgresql(component)
    try:
        place = Place(server.state())
        with place.open() as state:
            admit(state)
        server.stop()
        server.start()
        with place.open() as state, state.lease("eu", "run", now=1) as mine:
            assert (changes(state), mine.fence) == (0, 1)
    finally:
        server.close()


def test_a_copied_state_has_not_changed_its_server(place: Place, tmp_path: Path) -> None:
    with place.open() as state, State.open(tmp_path / "state.db") as copy:
        admit(state)
        state.copy_to(copy)
    url = place.where
    assert isinstance(url, str)
    place.execute("UPDATE meta SET value = '1 00000007 3 1.0' WHERE key = 'server'")
    with State.open(tmp_path / "other.db") as copy, place.open() as state:
        assert changes(state) == 4
        state.copy_to(copy)
        assert copy.failover_gaps() == ()
    with place.open() as state:
        assert changes(state) == 4


def test_a_standby_that_nobody_waits_for_is_told(postgresql: Postgresql, place: Place) -> None:
    with place.open() as state:
        assert state.failover_gaps() == ()
        with postgresql.followed():
            assert "has 1 standby and waits for none" in "".join(state.failover_gaps())
            place.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            try:
                place.execute("SELECT pg_reload_conf()")
                with place.open() as again:
                    while again.failover_gaps():
                        pass
            finally:
                place.execute(
                    "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"
                )


@pytest.mark.parametrize("hidden", ["pg_control_system()", "pg_current_wal_lsn()"])
def test_what_a_service_does_not_show_is_not_compared(place: Place, hidden: str) -> None:
    assert isinstance(place.where, str)
    with psycopg.connect(place.where, autocommit=True) as connection:
        connection.execute(f"REVOKE EXECUTE ON FUNCTION {hidden} FROM PUBLIC".encode())
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO guest")
        connection.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO guest")
    guest = place.where.replace("//", "//guest@").replace("guest@postgres@", "guest@")
    try:
        with State.connect(guest) as state:
            admit(state)
            gaps = (
                [] if hidden == "pg_control_system()" else ["The server does not show its timeline"]
            )
            assert [each[:37] for each in state.failover_gaps()] == gaps
            with state.lease("eu", "run", now=1) as mine:
                intend(state, mine, 1)
        # Another user sees more, or less: that is no change.
        with place.open() as state:
            assert changes(state) == 0
        with State.connect(guest) as state:
            assert changes(state) == 0
    finally:
        place.execute("DROP OWNED BY guest", "DROP ROLE guest")
