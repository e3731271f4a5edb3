"""A state on a server: what it must be, and what is said where it is not."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, Table, func, make_url, select, text

from sauce_janitor.errors import ConfigError, LeaseError, RefusedError, StateError
from sauce_janitor.model.archive.entries import ArchiveEntry
from sauce_janitor.model.job_retries import Failing, FailureKind
from sauce_janitor.model.jobs import Build
from sauce_janitor.model.permits import DeleteJobPermit, Receipt
from sauce_janitor.model.policies import Approval
from sauce_janitor.state import State, WebSession, make_on_server, migrate_on_server
from sauce_janitor.state.database import state_copy
from sauce_janitor.state.database.postgresql import postgresql_engine
from sauce_janitor.state.database.schema import found_state
from sauce_janitor.state.database.tables import REVISIONS, SERVER, metadata
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.server import queue_tables
from tests.fakes.job_list import OWNER, a_job, an_id
from tests.support.postgresql import Postgresql
from tests.support.state import Place, migrate
from tests.support.stored_plans import APlan

PASSWORD = "s3cret-w0rd"


@pytest.fixture
def url(postgresql: Postgresql) -> Iterator[str]:
    found = postgresql.state()
    yield found
    postgresql.drop(found)


@pytest.fixture
def empty(postgresql: Postgresql) -> Iterator[str]:
    found = postgresql.empty()
    yield found
    postgresql.drop(found)


@dataclass(frozen=True)
class Address:
    """An address as the configuration has it."""

    url: str

    def read(self) -> str:
        return self.url


def address(url: str) -> Address:
    return Address(url)


def database(url: str) -> str:
    return url.rpartition("/")[2]


# --- only one command makes one -------------------------------------------------------------------


def test_only_init_makes_a_state_in_an_empty_database(empty: str) -> None:
    for opening in (State.open, State.look):
        with pytest.raises(RefusedError, match="`sauce-janitor state init` makes one"):
            opening(address(empty))
    with pytest.raises(RefusedError, match="`sauce-janitor state init` makes one"):
        migrate_on_server(address(empty))
    place, is_new = make_on_server(address(empty))
    assert (is_new, place) == (True, f"postgresql://{empty.partition('@')[2]}")
    assert make_on_server(address(empty)) == (place, False)
    with State.open(address(empty)) as state:
        assert state.journal.verify() == 0


def test_another_program_s_database_is_left_as_it_is(postgresql: Postgresql, empty: str) -> None:
    postgresql.execute(empty, "CREATE TABLE orders (id integer)")
    for use in (State.open, make_on_server, migrate_on_server):
        with pytest.raises(RefusedError, match="has tables of another program"):
            use(address(empty))
    postgresql.execute(empty, "INSERT INTO orders VALUES (1)")


def test_a_newer_schema_is_refused(url: str) -> None:
    Place(url).execute(
        "UPDATE alembic_version SET version_num = '9999'",
        "UPDATE meta SET value = '9999' WHERE key = 'readable_from'",
    )
    for use in (State.open, migrate_on_server):
        with pytest.raises(RefusedError, match="was written by a newer version"):
            use(address(url))


def test_an_older_schema_is_migrated_by_its_own_command_only(empty: str) -> None:
    engine = postgresql_engine(make_url(empty))
    with engine.begin() as connection:
        migrate(connection, "0001")
        found_state(connection)
    engine.dispose()
    with pytest.raises(RefusedError, match=r"of an older version \(schema 0001\): stop every"):
        State.open(address(empty))
    assert migrate_on_server(address(empty))[1:] == ("0001", True)
    assert migrate_on_server(address(empty))[1:] == (REVISIONS[-1], False)
    with State.open(address(empty)) as state:
        state.accounts.admit("eu", base_url="u", username="demo")
        state.runs.begin("r", "eu", mode="execute", at=1)
        assert state.journal.verify() == 0


def test_no_schema_is_changed_under_a_run(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sauce_janitor.state.server.server_lease.RENEW_S", 10_000.0)
    place = Place(url)
    with State.connect(url) as state:
        state.accounts.admit("eu", base_url="u", username="demo")
        lease = state.lease("eu", "run-1", now=1)
        lease.acquire()
        place.execute("UPDATE alembic_version SET version_num = '0009'")
        for idle_s, works in ((0, True), (59, True), (61, False)):
            place.execute(
                f"UPDATE leases SET renewed_at = extract(epoch FROM clock_timestamp()) - {idle_s}"
            )
            found = pytest.raises(LeaseError, match=r"works on account eu: run-1 on .*Stop every")
            # The schema has all that the migration would make: what follows the check fails.
            with found if works else pytest.raises(StateError, match="already exists"):
                migrate_on_server(address(url))
        lease.release()
        with pytest.raises(StateError, match="already exists"):
            migrate_on_server(address(url))


def test_the_tables_of_the_queue_are_made_and_migrated_with_the_state(
    postgresql: Postgresql, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """procrastinate has a file for each change of its tables, and records nothing."""
    newest = queue_tables._migrations()
    assert migrate_on_server(address(url))[2] is False
    change = tmp_path / "99.00.00_01_pre_a_column.sql"
    change.write_text("ALTER TABLE procrastinate_jobs ADD COLUMN taste text DEFAULT '100%'")
    monkeypatch.setattr(queue_tables, "_migrations", lambda: [*newest, change])
    with State.connect(url) as state:
        queue = state.queue()
        assert queue is not None
        with pytest.raises(RefusedError, match="has no queue of this version: stop every worker"):
            queue.refuse_outdated()
        assert migrate_on_server(address(url))[2] is True
        queue.refuse_outdated()
    assert migrate_on_server(address(url))[2] is False
    postgresql.execute(url, "SELECT taste FROM procrastinate_jobs")
    # An older program leaves them as they are.
    monkeypatch.setattr(queue_tables, "_migrations", lambda: newest)
    assert migrate_on_server(address(url))[2] is False


def test_the_queue_of_another_program_is_left_as_it_is(postgresql: Postgresql, url: str) -> None:
    postgresql.execute(url, "DELETE FROM meta WHERE key = 'queue_schema'")
    with pytest.raises(RefusedError, match="has the queue of another program"):
        migrate_on_server(address(url))


# --- what would lose lines ------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_may_lose_what_it_acknowledged_is_refused(
    postgresql: Postgresql, url: str, setting: str
) -> None:
    def of_server(change: str) -> None:
        postgresql.execute(
            postgresql.url("postgres"), f"ALTER SYSTEM {change}", "SELECT pg_reload_conf()"
        )

    with State.connect(url) as state:
        of_server(f"SET {setting} = off")
        try:
            with pytest.raises(RefusedError, match=f"{setting} = off: a power failure"):
                refused_within(url)
            # A connection that is open already was checked before.
            state.notes.write("a", "b")
        finally:
            of_server(f"RESET {setting}")


def refused_within(url: str) -> None:
    """A server takes its settings a moment after it is told to."""
    for _ in range(100):
        State.connect(url).close()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("synchronous_commit = off", "synchronous_commit = off: a power failure"),
        ("default_transaction_read_only = on", "is read-only, as on a replica"),
    ],
)
def test_a_database_with_such_settings_is_refused(
    postgresql: Postgresql, url: str, setting: str, said: str
) -> None:
    postgresql.execute(url, f"ALTER DATABASE {database(url)} SET {setting}")
    with pytest.raises(RefusedError, match=said):
        State.connect(url)


def test_a_server_that_becomes_read_only_is_an_outage_for_a_state_in_use(
    postgresql: Postgresql, url: str
) -> None:
    everybody = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name"
    with State.connect(url) as state:
        change = f"ALTER DATABASE {database(url)} SET default_transaction_read_only ="
        postgresql.execute(url, f"{change} on", f"{everybody} = 'sauce-janitor'")
        for look in (state.switch.is_paused, lambda: state.notes.read("a")):
            # The first notices that its connection is gone.
            for _ in range(2):
                with pytest.raises(StateError):
                    look()
        with pytest.raises(StateError, match="is read-only, as on a replica"):
            state.notes.read("a")
        postgresql.execute(url, "SET default_transaction_read_only = off", f"{change} off")
        assert state.notes.read("a") is None


def test_an_old_server_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sauce_janitor.state.database.postgresql.OLDEST", 990_000)
    with pytest.raises(RefusedError, match="13 or later is needed"):
        State.connect(url)


# --- wrong addresses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        f"mysql://janitor:{PASSWORD}@db/janitor",
        f"postgresql://janitor:{PASSWORD}@db",
        f"janitor:{PASSWORD}",
        f"postgresql://janitor@db:{PASSWORD}/janitor",
        f"postgresql://janitor:p@{PASSWORD}@no-such-host.invalid/janitor",
        f"postgresql://janitor:p@{PASSWORD}/x?y@no-such-host.invalid/janitor",
        f"postgresql://no-such-host.invalid:1/janitor?user=janitor&password=p@{PASSWORD}/x",
        f"postgresql://janitor:{PASSWORD}@no-such-host.invalid/janitor",
        "",
    ],
)
def test_a_wrong_address_is_a_fault_of_the_configuration_and_not_repeated(wrong: str) -> None:
    with pytest.raises(ConfigError) as told:
        State.open(address(wrong))
    assert PASSWORD not in str(told.value)
    assert "\n" not in str(told.value)


def test_what_the_server_does_not_know_is_a_fault_of_the_configuration(
    postgresql: Postgresql, url: str
) -> None:
    for wrong in (
        url.replace("postgres@", f"nobody:{PASSWORD}@"),
        f"{url.rpartition('/')[0]}/missing".replace("@", f":{PASSWORD}@"),
        f"{url}?sslmode=verify-full&sslrootcert=/nowhere&wrong_option=1",
    ):
        with pytest.raises(ConfigError) as told:
            State.connect(wrong)
        assert PASSWORD not in str(told.value)


def test_a_user_without_rights_is_told_so(postgresql: Postgresql, url: str, empty: str) -> None:
    postgresql.execute(
        url, "DROP ROLE IF EXISTS guest", f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'"
    )
    try:
        for use, where in ((State.open, url), (make_on_server, empty)):
            guest = where.replace("postgres@", f"guest:{PASSWORD}@")
            postgresql.execute(where, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            with pytest.raises(ConfigError, match="permission denied") as told:
                use(address(guest))
            assert PASSWORD not in str(told.value)
    finally:
        postgresql.execute(url, "DROP ROLE guest")


def test_an_address_in_place_of_a_path_is_not_made_a_file() -> None:
    with pytest.raises(RefusedError, match=r"state\.url"):
        State.open(f"postgresql://janitor:{PASSWORD}@db/janitor")


# --- servers that go and come back ----------------------------------------------------------------


def test_a_server_that_is_away_is_told_and_used_again_when_it_is_back(
    postgresql: Postgresql, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with State.connect(url) as state:
        state.notes.write("before", "1")
        postgresql.stop()
        try:
            with pytest.raises(StateError, match="cannot be used"):
                state.notes.write("meanwhile", "2")
            with pytest.raises(StateError, match="cannot be used"):
                State.connect(url)
        finally:
            postgresql.start()
        state.notes.write("after", "3")
        assert [state.notes.read(key) for key in ("before", "meanwhile", "after")] == [
            "1",
            None,
            "3",
        ]
        # One that restarted while nobody used it is not noticed at all.
        monkeypatch.setattr("sauce_janitor.state.database.postgresql._FRESH_S", 0.0)
        postgresql.stop(signal.SIGINT)
        postgresql.start()
        state.notes.write("again", "4")
        assert state.notes.read("again") == "4"


def test_damage_that_the_server_finds_is_damage_of_the_state(url: str) -> None:
    found = "DO $$ BEGIN RAISE EXCEPTION 'page 7' USING ERRCODE = 'data_corrupted'; END $$"
    with (
        State.connect(url) as state,
        pytest.raises(StateError, match=r"is damaged \(page 7"),
        state._database.reading() as connection,
    ):
        connection.execute(text(found))


# --- copies ---------------------------------------------------------------------------------------


def filled(state: State) -> None:
    """Write something into every table."""
    state.accounts.admit("eu", base_url="https://api.example", username="demo")
    store = state.jobs.of("eu", OWNER)
    store.put(
        [a_job(number, build="one") for number in range(1200)],
        unreadable=(), mark=1, now=1, bookmark=None,
    )  # fmt: skip
    store.put_builds([Build("1", "one", OWNER, "success", 1200, 0)], now=1)
    with state.lease("eu", "run-1", now=1) as lease:
        journal = state.journal.during("eu", "run-1", lambda: 77)
        for number in range(3):
            job_id = an_id(number)
            journal.archived(job_id, OWNER, receipt="ab" * 32, selection="all", policy="p")
            permit = DeleteJobPermit(job_id, OWNER, Receipt("ab" * 32), "fp", 1.0, lease.fence)
            seq = journal.intent(permit, policy="p")
            # The last one stays open.
            if number < 2:
                journal.outcome(seq, "confirmed", detail="404 twice")
    state.holds.add("eu", [an_id(9)], by="jane", reason="audit", at=1, until=None)
    state.switch.pause(by="jane", reason="move", at=1)
    state.acceptances.accept("eu", "sha256:a", at=5, sizes={None: 2})
    state.approvals.add(
        "eu", Approval("sha256:a", 99, frozenset({"max_jobs"}), 7, "jane", ""), at=1
    )
    for run in ("b", "a"):
        state.runs.begin(run, "eu", mode="execute", at=5)
    state.counters.add({("runs_total", ()): 2.5})
    state.identity.remember_archive("/archive", "1234")
    state.archived.put([ArchiveEntry("eu", OWNER, an_id(1), "p", 1, 1, "p", 1, 1, has_video=True)])
    state.retries.failed("eu", an_id(5), Failing(FailureKind.OTHER, "HTTP 500"), at=7)
    state.read_backs.remember("eu", an_id(1), "ab" * 32, at=7)
    plan = APlan(5)
    state.plans.store(plan.facts(), plan.jobs, at=7)
    state.web_sessions.add(WebSession(b"i" * 32, "jane", b"c" * 32, 7, 7, 99))


def rows(state: State) -> dict[str, list[str]]:
    """Every row, but the server's note about itself."""
    with state._database.reading() as connection:
        found = {
            name: sorted(
                repr(tuple(row)) for row in connection.execute(select(table)) if row[0] != SERVER
            )
            for name, table in metadata.tables.items()
        }
    assert all(found.values())
    return found


def test_a_copy_to_the_server_and_back_has_every_row_and_goes_on_counting(
    url: str, tmp_path: Path
) -> None:
    with State.open(tmp_path / "state.db") as old, State.connect(url) as server:
        filled(old)
        counts = old.copy_to(server)
        assert counts["jobs"] == 1200
        assert rows(server) == rows(old)
        assert server.journal.verify() == 8
        assert server.journal.head() == old.journal.head()
        assert [run.run_id for run in server.runs.last("eu")] == ["a", "b"]
        with State.open(tmp_path / "back.db") as back:
            server.copy_to(back)
            assert rows(back) == rows(old)
            assert [run.run_id for run in back.runs.last("eu")] == ["a", "b"]
            for copy in (server, back):
                # Numbers go on after those that were copied.
                copy.holds.add("eu", [an_id(10)], by="jane", reason="", at=1, until=None)
                copy.jobs.of("eu", OWNER).put(
                    [a_job(5000)], unreadable=(), mark=2, now=2, bookmark=None
                )
                copy.journal.during("eu", "run-2", lambda: 88).outcome(8, "confirmed", detail="")
                assert copy.journal.verify() == 9
                copy.switch.resume(by="jane", at=2)
                copy.switch.pause(by="jane", reason="", at=3)


def test_sessions_of_the_console_are_shared_and_ended(url: str) -> None:
    with State.connect(url) as one, State.connect(url) as other:
        for name in ("jane", "bob"):
            session = WebSession(name.encode() * 8, name, b"c" * 32, 7, 7, 99)
            one.web_sessions.add(session)
            assert other.web_sessions.find(session.id) == session
        other.web_sessions.saw(b"jane" * 8, at=60)
        found = one.web_sessions.find(b"jane" * 8)
        assert found is not None
        assert found.seen_at == 60
        assert other.web_sessions.end_all_of("jane") == 1
        assert one.web_sessions.find(b"jane" * 8) is None
        one.web_sessions.end(b"bob" * 8)
        assert other.web_sessions.find(b"bob" * 8) is None
        # A later one removes those that have expired.
        one.web_sessions.add(WebSession(b"1" * 32, "ann", b"c" * 32, 1, 1, 99))
        one.web_sessions.add(WebSession(b"2" * 32, "ann", b"c" * 32, 99, 99, 200))
        assert other.web_sessions.end_all_of("ann") == 1


def test_no_hold_is_placed_while_the_state_is_copied(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be in the original only."""
    monkeypatch.setattr("sauce_janitor.state.database.postgresql._LOCK_S", 0.2)
    ordered, late = state_copy._ordered, list[str]()

    def hold(table: Table, source: Database) -> Select[Any]:
        if table.name == "jobs":
            with State.connect(url) as other, pytest.raises(StateError) as told:
                other.holds.add("eu", [an_id(10)], by="jane", reason="", at=1, until=None)
            late.append(str(told.value))
        return ordered(table, source)

    monkeypatch.setattr(state_copy, "_ordered", hold)
    with State.connect(url) as server, State.open(tmp_path / "back.db") as back:
        server.accounts.admit("eu", base_url="u", username="demo")
        server.copy_to(back)
    assert "another process keeps it locked" in late[0]


def test_a_copy_may_take_longer_than_a_transaction_may_stand_still(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a large original is sorted and counted, the server is told nothing."""
    monkeypatch.setattr("sauce_janitor.state.database.postgresql._IDLE_S", 0.2)
    ordered = state_copy._ordered

    def slowly(table: Table, source: Database) -> Select[Any]:
        if table.name == "jobs":
            time.sleep(0.5)
        return ordered(table, source)

    monkeypatch.setattr(state_copy, "_ordered", slowly)
    with State.open(tmp_path / "state.db") as old, State.connect(url) as server:
        filled(old)
        assert old.copy_to(server)["jobs"] == 1200


def test_a_copy_to_a_file_is_proven_with_the_numbers_that_the_server_left_out(
    url: str, tmp_path: Path
) -> None:
    """A transaction that fails uses up a number of the server; in a file, none is missing."""
    with State.open(tmp_path / "state.db") as old, State.connect(url) as server:
        filled(old)
        old.copy_to(server)
        with server._database.writing() as connection:
            name = func.pg_get_serial_sequence("journal", "seq")
            connection.execute(select(func.nextval(name)))
        server.journal.during("eu", "run-2", lambda: 88).outcome(8, "confirmed", detail="")
        with State.open(tmp_path / "back.db") as back:
            server.copy_to(back)
            assert back.journal.verify() == 9


def test_a_copy_into_a_used_state_is_refused_and_changes_nothing(url: str, tmp_path: Path) -> None:
    with State.open(tmp_path / "state.db") as old, State.connect(url) as server:
        filled(old)
        server.accounts.admit("us", base_url="u", username="demo")
        with pytest.raises(RefusedError, match=r"is used already \(accounts\)"):
            old.copy_to(server)
        assert list(server.accounts.all()) == ["us"]
        assert server.identity.instance_id != old.identity.instance_id
