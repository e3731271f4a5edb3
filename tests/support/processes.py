"""The command line as a process, beside a sandbox."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.backends import Storage

PROGRAM = (sys.executable, "-m", "sauce_janitor")
_UNHURRIED = """
import runpy
from sauce_janitor.model import safety_numbers
safety_numbers.IN_FLIGHT_S = 0
runpy.run_module("sauce_janitor", run_name="__main__", alter_sys=True)
"""
UNHURRIED = (sys.executable, "-c", _UNHURRIED)
"""The program as it is a minute after an earlier one was killed: it does not wait until the writes
of that one are surely over.
"""
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "SAUCE_USERNAME": "demo",
    "SAUCE_ACCESS_KEY": "demo-key",
    "PYTHONPATH": str(Path(__file__).parents[2]),
}


@dataclass
class LoggedSandbox:
    """A running sandbox that logs each request to a file."""

    base_url: str
    log_path: Path

    def log(self) -> list[dict[str, Any]]:
        """Every request the sandbox has answered so far."""
        whole, _, _ = self.log_path.read_text().rpartition(
            "\n"
        )  # the last line may be half written
        return [json.loads(line) for line in whole.splitlines()]

    def writes(self) -> list[dict[str, Any]]:
        """Every request that was not GET or HEAD."""
        return [entry for entry in self.log() if entry["method"] not in {"GET", "HEAD"}]


@dataclass
class Processes:
    """A user's folder with a configuration, and the program to run in it."""

    folder: Path
    sandbox: LoggedSandbox
    storage: Storage
    environment: dict[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))
    program: tuple[str, ...] = PROGRAM

    def __post_init__(self) -> None:
        self.environment |= self.storage.environment

    def start(self, *arguments: str, **settings: Any) -> subprocess.Popen[str]:
        """Start `sauce-janitor ARGUMENTS…` in the folder; its output is piped."""
        return subprocess.Popen(
            [*self.program, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **settings,
        )

    def run(
        self, *arguments: str, code: int = 0, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run `sauce-janitor ARGUMENTS…` to its end and check its exit code."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=timeout)
        assert process.returncode == code, (
            f"{arguments} ended {process.returncode}, not {code}\n{out}\n{err}"
        )
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def configure(self, text: str) -> None:
        """Write config.yaml; `BASE_URL` in it becomes the sandbox's, and the file and the folder
        the storage of the test.
        """
        text = self.storage.named_in(text.replace("BASE_URL", self.sandbox.base_url))
        (self.folder / "config.yaml").write_text(text)


POLICIES = """
version: 1
accounts:
  box: {base_url: BASE_URL}
archive: {path: ./archive}
state: {path: ./state.db}
limits: {max_percent: 100}
holds:
  - {tag: keep}
  - {tag_prefix: "keep-until="}
policies:
  - name: pull-requests
    match: {build: "PR-*"}
    then: {archive: none, delete_assets: 3d, delete_job: 14d}
  - name: nightly
    match: {build: "nightly-*"}
    group_by: [name, os, browser]
    keep:
      - {id: recent, last: 2}
      - {id: last-green, last: 1, where: {status: passed}}
    then:
      archive: {after: 2h, assets: [logs, har], discard: rest}
      delete_assets: 10d
      delete_job: 20d
  - name: everything-else
    default: true
    then: {archive: {after: 20d, assets: [log.json], discard: rest}, delete_assets: 25d}
"""


LAST_LINE = re.compile(
    r"Plan: (\d+) jobs? to archive, assets of (\d+) jobs? to delete, (\d+) jobs? to delete,"
    r" (\d+) jobs? to stop"
    r"|Done: (\d+) jobs? archived, assets of (\d+) jobs? deleted, (\d+) jobs? deleted,"
    r" (\d+) jobs? stopped"
)


def counts(text: str) -> tuple[int, ...]:
    match = LAST_LINE.fullmatch(text.strip().splitlines()[-1])
    assert match, text
    return tuple(int(number) for number in match.groups() if number is not None)
