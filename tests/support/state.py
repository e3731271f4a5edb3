"""Processes that use a state beside this one, and states as older versions left them."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from sauce_janitor.state import State
from sauce_janitor.state.database.schema import found_state
from sauce_janitor.state.database.sqlite import sqlite_engine
from tests.fakes.job_list import OWNER, a_job

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Place:
    """Where a state is: a file's path, or the address of a database."""

    where: Path | str

    def open(self) -> State:
        if isinstance(self.where, Path):
            return State.open(self.where)
        return State.connect(self.where)

    def execute(self, *statements: str) -> None:
        """Change the database as nobody should, or as another program would."""
        if isinstance(self.where, Path):
            for statement in statements:
                execute(self.where, statement)
            return
        with psycopg.connect(self.where, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def is_intended(self, job_id: str, action: str) -> bool:
        """Tell whether another process sees an open intent to do that to the job."""
        asked = "SELECT count(*) FROM open_intents WHERE job_id = %s AND action = %s"
        values = (bytes.fromhex(job_id), action)
        if isinstance(self.where, Path):
            uri = f"file:{self.where}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=30)) as connection:
                found = connection.execute(asked.replace("%s", "?"), values).fetchone()
        else:
            with psycopg.connect(self.where) as server:
                found = server.execute(asked, values).fetchone()
        return bool(found and found[0])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep everybody else from reading or writing the state."""
        if isinstance(self.where, Path):
            with closing(sqlite3.connect(self.where, isolation_level=None)) as connection:
                connection.execute("BEGIN EXCLUSIVE")
                yield
                connection.execute("ROLLBACK")
            return
        with psycopg.connect(self.where) as server:
            tables = server.execute(
                "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables"
                " WHERE schemaname = current_schema()"
            ).fetchone()
            assert tables is not None
            server.execute(f"LOCK TABLE {tables[0]}".encode())
            yield
            server.rollback()

    def free_leases(self) -> None:
        """Free the leases of processes that died. A file's are free already."""
        if not isinstance(self.where, Path):
            self.execute("UPDATE leases SET released = true")


class Python:
    """Runs code in another process; `STATE` is the state's path or address there, and `opened()`
    opens it.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._begun: list[subprocess.Popen[str]] = []

    def start(self, code: str) -> subprocess.Popen[str]:
        how = "open" if isinstance(self._place.where, Path) else "connect"
        source = f"STATE = {str(self._place.where)!r}\n"
        source += (
            f"def opened():\n  from sauce_janitor.state import State\n  return State.{how}(STATE)\n"
        )
        source += textwrap.dedent(code)
        process = subprocess.Popen(
            [sys.executable, "-c", source], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._begun.append(process)
        return process

    def run(self, code: str) -> tuple[int, str]:
        """Exit code, and everything it said."""
        process = self.start(code)
        out, err = process.communicate(timeout=60)
        return process.returncode, out + err

    def close(self) -> None:
        for process in self._begun:
            process.kill()
            process.communicate()


def filled(path: Path, count: int = 2000) -> None:
    with State.open(path) as state:
        state.accounts.admit("eu", base_url="u", username="demo")
        jobs = [a_job(number) for number in range(count)]
        state.jobs.of("eu", OWNER).put(jobs, unreadable=(), mark=1, now=1, bookmark=None)


def execute(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(sql)
        connection.commit()


def first_schema(path: Path) -> None:
    """A state as the first release left it, with an account and a plan that was accepted."""
    path.parent.mkdir()
    path.touch()
    engine = sqlite_engine(path)
    with engine.begin() as connection:
        migrate(connection, "0001")
        found_state(connection)
        for sql in (
            "INSERT INTO accounts VALUES ('eu', 'u', 'demo')",
            (
                "INSERT INTO acceptances (account, policy_digest, accepted_at, jobs) VALUES ('eu',"
                " 'sha256:a', 5, 7)"
            ),
        ):
            connection.exec_driver_sql(sql)
    engine.dispose()


def migrated(path: Path) -> None:
    """A database that every migration made, from nothing on."""
    path.parent.mkdir(exist_ok=True)
    path.touch()
    engine = sqlite_engine(path)
    with engine.begin() as connection:
        migrate(connection, "head")
    engine.dispose()


def migrate(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", "sauce_janitor.state:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
