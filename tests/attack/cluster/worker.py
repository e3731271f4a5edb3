"""Workers: `serve --execute` as processes that are killed, stopped and started again, and what
tells one's requests from another's.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sauce_janitor.sandbox import Sandbox

REPOSITORY: Final = Path(__file__).parents[3]
_AS_IT_IS: Final = "\n"
_FASTER: Final = """
from sauce_janitor.model import safety_numbers as numbers
numbers.LEASE_QUIET_S = numbers.PERMIT_LIFE_S = numbers.WRITE_TIMEOUT_S = 4.0
numbers.LEASE_TTL_S, numbers.IN_FLIGHT_S = 12.0, 9.0
from sauce_janitor.state.server import server_lease
server_lease.RENEW_S, server_lease._TRY_AGAIN_S = 1.0, 0.5
from sauce_janitor.daemon.ports import QueueInterval
QueueInterval.__init__.__defaults__ = (1.0, 2.0, 8.0)
"""
_RECKLESS: Final = """
from sauce_janitor.model import safety_numbers as numbers
numbers.LEASE_TTL_S, numbers.IN_FLIGHT_S = 1.0, 0.0
from sauce_janitor.state.journal.run_journal import RunJournal
from sauce_janitor.state.server.server_lease import ServerLease
ServerLease.check = ServerLease._keep_renewing = lambda self: None
RunJournal._refuse = lambda self, connection, permit: None
begin = RunJournal.__init__
def begin_without_fence(self, *given, fence=None, **named):
    begin(self, *given, **named)
RunJournal.__init__ = begin_without_fence
from sauce_janitor.archive.ownership.lease import ArchiveLease
ArchiveLease._take_lock = ArchiveLease._check = lambda self: None
ArchiveLease._refuse_live_holder = lambda self, found: None
from sauce_janitor.daemon.ports import QueueInterval
QueueInterval.__init__.__defaults__ = (1.0, 2.0, 8.0)
from sauce_janitor.daemon.rounds import Rounds
Rounds._interrupt = lambda self: None
"""
_RUN: Final = 'import runpy; runpy.run_module("sauce_janitor", run_name="__main__", alter_sys=True)'
PROGRAMS: Final = {"as it is": _AS_IT_IS, "faster": _FASTER, "reckless": _RECKLESS}
"""What is different in the program. `faster`: a lease ends after 12 s, a write after 4 s,
and a silent worker counts as dead after 8 s.
`reckless`: nobody looks at leases and fences, and nobody who was given up stops. The oracle must
see that.
"""


def program(kind: str, before: str = "") -> tuple[str, ...]:
    """Return the command that starts the program, up to its own arguments."""
    return (sys.executable, "-c", before + PROGRAMS[kind] + _RUN)


class Worker:
    """One worker, through all its lives. `address` is where it reaches PostgreSQL."""

    def __init__(
        self, name: str, folder: Path, environment: dict[str, str], kind: str, address: str
    ) -> None:
        self.name, self.address = name, address
        self.is_disturbed = False
        self._folder, self._environment, self._kind = folder, environment, kind
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / f"{name}.log"
        self._stops: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)

    @property
    def pid(self) -> int:
        """Its process now; 0 for none."""
        process = self._process
        return 0 if process is None or process.poll() is not None else process.pid

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return None if self._process is None else self._process.poll()

    def start(self, *, before: str = "", **environment: str) -> None:
        """Start it, as its supervisor does. `before`: what is done first, in Python."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*program(self._kind, before), "--log-format", "json", "serve", "--execute"],
                cwd=self._folder,
                env=self._environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def freeze(self) -> None:
        """Stop it where it is."""
        pid = self.pid
        self._stops[pid].append((time.time(), float("inf")))
        os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        pid = self.pid
        os.kill(pid, signal.SIGCONT)
        self._stops[pid][-1] = (self._stops[pid][-1][0], time.time())

    def stood_still_s(self, pid: int, since: float, until: float) -> float:
        """Return for how long of that time the process was stopped."""
        parts = (min(end, until) - max(begin, since) for begin, end in self._stops[pid])
        return sum(max(0.0, part) for part in parts)

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def end(self, patience_s: float = 25.0) -> int | None:
        """End it in order. Return its exit code; None where it had to be killed."""
        process = self._process
        if process is None:
            return 0
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def lines(self) -> list[dict[str, Any]]:
        """Return what it has logged."""
        found = []
        for line in self._log.read_text(errors="replace").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return found

    def tracebacks(self) -> list[str]:
        """Return what it said that is a bug."""
        text = self._log.read_text(errors="replace")
        _, *rest = text.split("Traceback (most recent call last)")
        unread = [f"{self.name}: {part[-600:]}" for part in rest]
        failed = [
            str(line)[-1500:] for line in self.lines() if line.get("event") == "daemon.failed"
        ]
        return unread + failed


class Senders:
    """Finds out which process sent a request: by the socket at the other end of its connection."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self._of_thread = threading.local()

    def watch(self, sandbox: Sandbox) -> None:
        """Note the process at the other end of each new connection. One thread answers each."""
        server = sandbox._server
        finish = server.finish_request

        def noting(connection: socket.socket, client: Any) -> None:
            self._of_thread.pid = self._process_at(int(client[1]), server.server_port)
            finish(connection, client)

        server.finish_request = noting  # type: ignore[method-assign,assignment]

    @property
    def pid(self) -> int:
        """The process whose request this thread answers; 0 where that is not known any more."""
        return int(getattr(self._of_thread, "pid", 0))

    def stood_still_s(self, pid: int, since: float, until: float) -> float:
        return sum(each.stood_still_s(pid, since, until) for each in self.workers)

    def _process_at(self, port: int, server_port: int) -> int:
        ends = f"0100007F:{port:04X} 0100007F:{server_port:04X}"
        for line in Path("/proc/self/net/tcp").read_text().splitlines():
            if ends in line:
                socket_name = f"socket:[{line.split()[9]}]"
                pids = [worker.pid for worker in self.workers if worker.pid]
                return next((pid for pid in pids if _has_open(pid, socket_name)), 0)
        return 0


def _has_open(pid: int, name: str) -> bool:
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if str(entry.readlink()) == name:
                    return True
    return False
