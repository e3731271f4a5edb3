"""A real PostgreSQL server, started once for each process of tests, and a database for each test
that needs one.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from sauce_janitor.state.server.server_state import address, create_state
from tests.support.ports import free_port

_TEMPLATE = "state"
_ROOMY = os.environ.get("PYTEST_DEBUG_TEMPROOT")
_SETTINGS = (
    # What is not named is as by default: what is acknowledged is on the disk.
    "max_connections=200", "shared_buffers=32MB", "autovacuum=off", "listen_addresses=127.0.0.1",
)  # fmt: skip


def children(pid: int) -> list[int]:
    """Return the processes that this one started and that still are."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], stdout=subprocess.PIPE, text=True, check=False
    )
    return [int(each) for each in listed.stdout.split()]


class Postgresql:
    """A server in a folder of its own, on loopback. Close it."""

    def __init__(self, component: Callable[[str], Path]) -> None:
        self._programs = component("initdb").parent
        self._process: subprocess.Popen[bytes] | None = None
        # Not in a folder of pytest: those are for one user only, and PostgreSQL does not run as
        # root. In memory, where there is room.
        self._folder = Path(tempfile.mkdtemp(prefix="postgresql-", dir=_ROOMY))
        self._data = self._folder / "data"
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(self._folder, "postgres", "postgres")
        self.port = free_port()
        self._numbers = count(1)
        try:
            self._initialize()
        except BaseException:
            self.close()
            raise

    def _initialize(self) -> None:
        user = "postgres" if self._as else getpass.getuser()
        self._server = f"postgresql://{user}@127.0.0.1:{self.port}"
        made = subprocess.run(
            [self._programs / "initdb", "--pgdata", self._data, "--auth", "trust", "--no-sync",
             "--encoding", "UTF8", "--locale", "C.UTF-8"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", check=False, **self._as,
        )  # fmt: skip
        assert made.returncode == 0, made.stdout
        self.start()
        self._create(f"CREATE DATABASE {_TEMPLATE}")
        create_state(address(self.url(_TEMPLATE)))

    def start(self, *settings: str) -> None:
        """Start it, and wait until it answers."""
        command: list[str | Path] = [
            # It ends with the process of the tests, however that ends.
            "setpriv", "--pdeathsig", "QUIT", self._programs / "postgres", "-D", self._data,
            "-k", self._data, "-p", str(self.port),
        ]  # fmt: skip
        for each in (*_SETTINGS, *settings):
            command += ["-c", each]
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **self._as
            )
        self._process = process
        give_up = time.monotonic() + 120
        while True:
            try:
                self.execute(self.url("postgres"), "SELECT 1")
                return
            except psycopg.OperationalError:
                said = (self._folder / "log").read_text()
                assert process.poll() is None, said
                assert time.monotonic() < give_up, said
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Stop it: at once as in a crash, or with SIGINT in order."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=60)
            self._process = None

    def back_up(self) -> None:
        """Make the standby that `fail_over` promotes: it gets nothing that is written from here
        on, like an asynchronous one that is behind.
        """
        standby = self._folder / "standby"
        made = subprocess.run(
            [self._programs / "pg_basebackup", "--pgdata", standby, "--checkpoint", "fast",
             "--no-sync", "--dbname", self.url("postgres")],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", check=False, **self._as,
        )  # fmt: skip
        assert made.returncode == 0, made.stdout
        (standby / "standby.signal").touch()

    def fail_over(self) -> None:
        """Lose the server, and let the standby take over at its address."""
        self.stop()
        self._data = self._folder / "standby"
        self.start()
        self.execute(self.url("postgres"), "SELECT pg_promote()")

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Let somebody read what it writes, as an asynchronous standby does."""
        folder = self._folder / "followed"
        folder.mkdir()
        if self._as:
            shutil.chown(folder, "postgres", "postgres")
        follower = subprocess.Popen(
            [self._programs / "pg_receivewal", "--directory", folder, "--dbname",
             self.url("postgres")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **self._as,
        )  # fmt: skip
        try:
            with psycopg.connect(self.url("postgres"), autocommit=True) as looking:
                while not looking.execute("SELECT 1 FROM pg_stat_replication").fetchone():
                    assert follower.poll() is None
                    time.sleep(0.05)
            yield
        finally:
            follower.kill()
            follower.wait()
            shutil.rmtree(folder)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all its processes, as a paused virtual machine does, and let them go on after the
        block.
        """
        assert self._process is not None
        # The first one first: it could start another meanwhile.
        self._process.send_signal(signal.SIGSTOP)
        pids = [self._process.pid, *children(self._process.pid)]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in reversed(pids):
                os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """Stop it and remove its folder."""
        self.stop()
        shutil.rmtree(self._folder)

    def url(self, database: str) -> str:
        return f"{self._server}/{database}"

    def empty(self) -> str:
        """Return the address of a new database without tables."""
        name = f"empty_{next(self._numbers)}"
        self._create(f"CREATE DATABASE {name}")
        return self.url(name)

    def state(self) -> str:
        """Return the address of a new state."""
        name = f"state_{next(self._numbers)}"
        self._create(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return self.url(name)

    def drop(self, url: str) -> None:
        self._create(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def execute(self, url: str, *statements: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def _create(self, statement: str) -> None:
        self.execute(self.url("postgres"), statement)
