"""Where processes count their requests together, in tests: beside a state's file, or on a server."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg

from sauce_janitor.model.request_allowance import AllowanceTimetable, RequestAllowance
from sauce_janitor.sandbox import Sandbox
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.budget.count_file import SharedCount
from sauce_janitor.sauce.budget.meter import Meter
from sauce_janitor.sauce.budget.ports import CountStore
from sauce_janitor.state import State
from tests.fakes.clocks import Clock, Waiting

ROOT = Path(__file__).parents[2]
_ASKING = """
import json, sys, time
from pydantic import SecretStr
from sauce_janitor.errors import BudgetSpentError, SourceUnavailableError
from sauce_janitor.model.jobs import Owner
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.sauce.client import SauceReader
from tests.support.request_counts import store_at

address, user, key, where, requests, ahead_s, settings = sys.argv[1:]
right = time.time
time.time = lambda: right() + float(ahead_s)
connection = Connection(address, user, SecretStr(key), **json.loads(settings))
budget = RequestBudget.of(connection, store=store_at(where))
made = 0
print("ready", flush=True)
sys.stdin.readline()
with SauceReader(connection, budget=budget) as reader:
    try:
        for _ in range(int(requests)):
            reader.list_jobs(Owner(user), limit=1)
            made += 1
    except (BudgetSpentError, SourceUnavailableError) as error:
        print(json.dumps([made, str(error)]))
    else:
        print(json.dumps([made, ""]))
"""


def store_at(where: str) -> CountStore:
    """The count of the state at this path or address, for as long as the process lives."""
    if "://" not in where:
        return SharedCount(Path(where))
    store = State.connect(where).counted_on_server()
    assert store is not None
    return store


class Counted:
    """A state beside or in which requests are counted, and budgets as processes on it would have.

    Time passes by `clock` for a file, and by moving what is stored on a server.
    """

    def __init__(self, where: str, stack: ExitStack) -> None:
        self.where = where
        self.clock = Clock()
        self._stack = stack
        self._on_server = "://" in where

    def budget(
        self,
        per_hour: int | None = 10,
        *,
        per_second: float | None = None,
        burst: int = 1,
        lost: list[str] | None = None,
        before: bool = False,
        user: str = "jane",
    ) -> RequestBudget:
        """One that finds runs of the last hour with `before`; `lost` collects what is told."""
        told: list[str] = [] if lost is None else lost
        timetable = AllowanceTimetable(RequestAllowance(per_second, per_hour, burst))
        if not self._on_server:
            shared = SharedCount(Path(self.where), lambda: before, told.append)
            meter = Meter("https://api", user, shared, clock=self.clock)
            one = RequestBudget(meter, timetable, stop=Waiting(self.clock), clock=self.clock)
        else:
            state = self._stack.enter_context(State.connect(self.where))
            store = state.counted_on_server(lambda: before, told.append)
            one = RequestBudget(Meter("https://api", user, store), timetable)
        self._stack.callback(one.close)
        return one

    def pass_time(self, seconds: float) -> None:
        self.clock.seconds += seconds
        if self._on_server:
            by = int(seconds * 1000)
            until = ", ".join(
                f"{name} = {name} - {by}"
                for name in ("seen_ms", "held_until_ms", "slowed_until_ms", "doubted_until_ms")
            )
            self.execute(
                f"UPDATE requests_sent SET at_ms = at_ms - {by}",
                f"UPDATE request_counts SET at_ms = at_ms - {by}",
                f"UPDATE request_credentials SET {until}",
            )

    def sent_at(self) -> list[int]:
        """When each request left, in milliseconds: as it is counted."""
        if self._on_server:
            with psycopg.connect(self.where) as server:
                found = server.execute("SELECT at_ms FROM requests_sent ORDER BY at_ms").fetchall()
                return [row[0] for row in found]
        with closing(sqlite3.connect(f"{self.where}.budget")) as count:
            [name] = count.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'sent%'"
            ).fetchone()
            return [
                row[0] for row in count.execute(f"SELECT item_timestamp FROM {name} ORDER BY 1")
            ]

    def execute(self, *statements: str) -> None:
        """Change the server's tables."""
        with psycopg.connect(self.where, autocommit=True) as server:
            for statement in statements:
                server.execute(statement.encode())

    def python(self, code: str, *arguments: str) -> subprocess.Popen[str]:
        """Run code in another process."""
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._stack.callback(process.communicate)
        self._stack.callback(process.kill)
        return process

    def asking(
        self, sandbox: Sandbox, requests: int, *, ahead_s: int = 0, **settings: object
    ) -> subprocess.Popen[str]:
        """A process that asks the sandbox so many times, once it is told to begin. Its clock is
        ahead.
        """
        return self.python(
            _ASKING,
            sandbox.base_url,
            sandbox.user,
            sandbox.access_key,
            self.where,
            str(requests),
            str(ahead_s),
            json.dumps(settings),
        )


def begin(processes: list[subprocess.Popen[str]]) -> None:
    """Let them begin at the same time."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def together(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Let them begin at the same time; how many requests each made, and what ended it."""
    begin(processes)
    return [tuple(json.loads(process.communicate(timeout=60)[0])) for process in processes]


def take(one: RequestBudget, count: int) -> None:
    for _ in range(count):
        one.take()


OpenBudget = Callable[..., RequestBudget]
