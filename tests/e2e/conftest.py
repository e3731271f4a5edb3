"""The command line as a process, beside a sandbox as a process: what a user has in two
terminals.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PROGRAM = (sys.executable, "-m", "sauce_janitor")
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "SAUCE_USERNAME": "demo",
    "SAUCE_ACCESS_KEY": "demo-key",
    "PYTHONPATH": str(Path(__file__).parents[2]),
}


@dataclass
class SandboxProcess:
    """A running `sauce-janitor sandbox`."""

    base_url: str
    log_path: Path
    process: subprocess.Popen[str]

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
class Desk:
    """A user's folder with a configuration, and the program to run in it."""

    folder: Path
    sandbox: SandboxProcess
    environment: dict[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))

    def start(self, *arguments: str, **settings: Any) -> subprocess.Popen[str]:
        """Start `sauce-janitor ARGUMENTS…` in the folder; its output is piped."""
        return subprocess.Popen(
            [*PROGRAM, *arguments],
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
        """Write config.yaml; `BASE_URL` in it becomes the sandbox's."""
        (self.folder / "config.yaml").write_text(text.replace("BASE_URL", self.sandbox.base_url))


@pytest.fixture
def start_sandbox(tmp_path: Path) -> Iterator[Callable[..., SandboxProcess]]:
    """Start sandboxes as processes; each is ended by its pid afterwards."""
    started: list[subprocess.Popen[str]] = []

    def start(
        jobs: int = 300, *arguments: str, environment: Mapping[str, str] = ENVIRONMENT
    ) -> SandboxProcess:
        log_path = tmp_path / f"requests-{len(started)}.jsonl"
        process = subprocess.Popen(
            [
                *PROGRAM,
                "sandbox",
                "--jobs",
                str(jobs),
                "--seed",
                "1",
                "--request-log",
                str(log_path),
                *arguments,
            ],
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if match := re.search(r"http://127\.0\.0\.1:\d+", line):
                return SandboxProcess(match[0], log_path, process)
        assert process.stderr is not None
        raise AssertionError(f"the sandbox did not start: {process.stderr.read()}")

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


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


@pytest.fixture
def desk(tmp_path: Path, start_sandbox: Callable[..., SandboxProcess]) -> Desk:
    """A folder with a configuration of three policies for a sandbox of 300 jobs."""
    folder = tmp_path / "desk"
    folder.mkdir()
    made = Desk(folder, start_sandbox())
    made.configure(POLICIES)
    return made
