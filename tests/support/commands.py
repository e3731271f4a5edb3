"""Whole runs in this process: a configuration, a sandbox, a state and an archive on disk, and a clock that can be set on."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from click.testing import Result as Said

from sauce_janitor.config import Config, load
from sauce_janitor.metrics import Metrics
from sauce_janitor.operations.policy_run import run
from sauce_janitor.operations.wiring.run_settings import Order, Result, RunContext
from sauce_janitor.sandbox import Sandbox
from sauce_janitor.state import State

DAY = 86_400
HEAD = """
version: 1
accounts:
  box: {base_url: BASE_URL, username: demo, access_key: {env: KEY}BUDGET}
archive: {path: ./archive}
state: {path: ./state.db}
"""


class Quiet:
    """Nobody watches."""

    def phase(self, account: str, phase: str, total: int | None = None) -> None:
        pass

    def step(self, count: int = 1) -> None:
        pass


@dataclass
class Commands:
    """One account's folder. `later_s` is how far its clock is ahead of this machine's; `metrics`
    are told of its runs.
    """

    folder: Path
    sandbox: Sandbox
    stack: ExitStack
    later_s: int = 0
    metrics: Metrics | None = None
    _state: list[State] = field(default_factory=list)

    def configure(self, text: str, *, budget: str = "") -> None:
        """Write config.yaml: the head, and `text` with all that decides."""
        head = HEAD.replace("BASE_URL", self.sandbox.base_url).replace("BUDGET", budget)
        (self.folder / "config.yaml").write_text(head + text)

    def keep_key(self, secret: str) -> None:
        """Let the access key be read from there."""
        path = self.folder / "config.yaml"
        path.write_text(path.read_text().replace("{env: KEY}", secret))

    @property
    def config(self) -> Config:
        return load(self.folder / "config.yaml", environ={"KEY": self.sandbox.access_key})

    @property
    def state(self) -> State:
        if not self._state:
            self._state.append(self.stack.enter_context(State.open(self.folder / "state.db")))
        return self._state[0]

    def run(self, *, execute: bool = False, **order: Any) -> Result:
        """One run of the account. Raises what `pipeline.run` raises."""
        config = self.config
        tools = RunContext(
            config,
            self.state,
            self.metrics or Metrics(),
            Quiet(),
            clock=lambda: time.time() + self.later_s,
        )
        return run(config.account("box"), tools, Order(execute=execute, **order))

    def say(self, *arguments: str, code: int = 0, stdin: str | None = None) -> Said:
        """Run a command as the command line does, in this process; its exit code is checked."""
        from sauce_janitor.cli.app import cli
        from sauce_janitor.errors import JanitorError

        runner = CliRunner(env={"KEY": self.sandbox.access_key, "NO_COLOR": "1"})
        command = ["--config", str(self.folder / "config.yaml"), "--log-level", "error", *arguments]
        said = runner.invoke(cli, command, input=stdin, standalone_mode=False)
        wrong = said.exception
        found = (
            wrong.exit_code
            if isinstance(wrong, JanitorError)
            else getattr(wrong, "exit_code", None)
        )
        if wrong is not None and found is None:
            raise wrong
        assert (found or said.return_value or 0) == code, (
            f"{arguments}: {wrong}\n{said.output}\n{said.stderr}"
        )
        return said

    def an_hour_passes(self) -> None:
        """For the request budget: everything it has counted is an hour older."""
        with closing(sqlite3.connect(self.folder / "state.db.budget")) as count, count:
            names = count.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'sent%'"
            ).fetchall()
            for (name,) in names:
                count.execute(f"UPDATE {name} SET item_timestamp = item_timestamp - 3602000")

    def writes(self) -> list[tuple[str, str]]:
        """Every request to the sandbox that may change something: its method, and the job."""
        found = [entry for entry in self.sandbox.log if entry.method not in {"GET", "HEAD"}]
        return [
            (entry.method, (re.search("[0-9a-f]{32}", entry.path) or [""])[0]) for entry in found
        ]

    def deleted(self) -> set[str]:
        """The jobs that a DELETE was sent for."""
        return {job for method, job in self.writes() if method == "DELETE"}


RAW = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@dataclass
class Heard:
    """What one command wrote, byte by byte."""

    code: int
    stdout: str
    stderr: str


def check_format(form: str, text: str) -> None:
    if form == "json":
        json.loads(text)
    if form == "csv":
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))]
