"""The command line as a process, beside a sandbox as a process: what a user has in two
terminals.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.processes import ENVIRONMENT, POLICIES, PROGRAM, Processes, SandboxProcess


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


@pytest.fixture
def desk(tmp_path: Path, start_sandbox: Callable[..., SandboxProcess]) -> Processes:
    """A folder with a configuration of three policies for a sandbox of 300 jobs."""
    folder = tmp_path / "desk"
    folder.mkdir()
    made = Processes(folder, start_sandbox())
    made.configure(POLICIES)
    return made
