"""The program as processes that can be struck: started by the fork server, each with a page of its
own.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tests.attack.strikes import Page, Strike, library

REPOSITORY = Path(__file__).parents[2]
LONGEST_S = 120.0
_GLANCE_S = 0.002


@dataclass
class Process:
    """One command that runs, or has run."""

    arguments: tuple[str, ...]
    page: Page
    pid: int
    _said: Path
    _connection: socket.socket
    _talk: TextIO
    code: int | None = None

    def wait(self) -> int:
        """Its exit code once it has ended; minus the signal's number for one that was killed.
        TimeoutError if it hangs.
        """
        if self.code is None:
            try:
                self.code = int(self._talk.readline())
            except TimeoutError:
                os.kill(self.pid, signal.SIGUSR1)  # it says where each of its threads is
                time.sleep(0.5)
                os.kill(self.pid, signal.SIGKILL)
                self.code = -signal.SIGKILL
                raise TimeoutError(f"{self.arguments} hangs\n{self.said[-3000:]}") from None
            finally:
                self._talk.close()
                self._connection.close()
        return self.code

    def wait_until_frozen(self) -> bool:
        """Whether it stands still at a struck call; False when it ended without."""
        for _ in range(int(LONGEST_S / _GLANCE_S)):
            if self.page.is_frozen:
                return True
            if self.has_ended(within_s=_GLANCE_S):
                return False
        raise TimeoutError(f"{self.arguments} neither ends nor freezes")

    def has_ended(self, *, within_s: float) -> bool:
        """Whether it ends in that time."""
        return self.code is not None or bool(select.select([self._connection], [], [], within_s)[0])

    def thaw(self) -> None:
        """Let it go on."""
        self.page.thaw()
        os.kill(self.pid, signal.SIGCONT)

    @property
    def said(self) -> str:
        """All that it has written so far."""
        return self._said.read_text(errors="replace") if self._said.exists() else ""

    def close(self) -> None:
        """End it, and remove its files."""
        if self.code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.page.thaw()
            self.wait()
        self.page.close()
        self._said.unlink(missing_ok=True)


class Nursery:
    """Starts commands."""

    def __init__(self, folder: Path, address: Path) -> None:
        self._folder, self._address = folder, address
        self._numbers = itertools.count()
        self.started = 0

    def start(
        self,
        folder: Path,
        *arguments: str,
        strike: Strike | None = None,
        later_s: float = 0,
        key: str = "demo-key",
    ) -> Process:
        """Start `sauce-janitor ARGUMENTS…` in the folder; its calls about files below the folder
        are counted.
        """
        number = next(self._numbers)
        self.started += 1
        page = Page(self._folder / f"page-{number}", folder, strike, later_s)
        said = self._folder / f"said-{number}"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
        }
        environment |= {"SAUCE_USERNAME": "demo", "SAUCE_ACCESS_KEY": key}
        order = {"arguments": arguments, "folder": str(folder), "environment": environment}
        order |= {"page": str(page.path), "said": str(said)}
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(LONGEST_S)
        connection.connect(str(self._address))
        talk = connection.makefile("rw")
        talk.write(json.dumps(order) + "\n")
        talk.flush()
        return Process(arguments, page, int(talk.readline()), said, connection, talk)

    def run(self, folder: Path, *arguments: str, later_s: float = 0) -> tuple[int, str]:
        """Run a command to its end: its exit code, and what it said."""
        process = self.start(folder, *arguments, later_s=later_s)
        code = process.wait()
        said = process.said
        process.close()
        return code, said


@contextmanager
def nursery(folder: Path) -> Iterator[Nursery]:
    """A fork server of its own in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    address = folder / "forks"
    with library(folder) as preloaded:
        environment = {**os.environ, "LD_PRELOAD": str(preloaded), "PYTHONPATH": str(REPOSITORY)}
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.attack.forkserver", str(address)],
            env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert server.stdout is not None
            if server.stdout.readline() != "ready\n":
                raise RuntimeError("the fork server did not start")
            yield Nursery(folder, address)
        finally:
            server.kill()
            server.communicate()
