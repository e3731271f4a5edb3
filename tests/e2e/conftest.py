"""The command line as a process, beside a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.sandbox import Sandbox, SandboxOptions
from tests.support.processes import POLICIES, LoggedSandbox, Processes


@pytest.fixture
def start_sandbox(tmp_path: Path) -> Iterator[Callable[..., LoggedSandbox]]:
    """Start sandboxes in this process, as they would be in their own: one takes a second to start
    as a process, and tests/integration/sandbox/test_command.py does.
    """
    with ExitStack() as stack:

        def start(jobs: int = 300, **options: Any) -> LoggedSandbox:
            log_path = tmp_path / f"requests-{len(list(tmp_path.glob('requests-*')))}.jsonl"
            given = SandboxOptions(jobs=jobs, request_log=log_path, **options)
            return LoggedSandbox(stack.enter_context(Sandbox(given)).base_url, log_path)

        yield start


@pytest.fixture
def desk(tmp_path: Path, start_sandbox: Callable[..., LoggedSandbox]) -> Processes:
    """A folder with a configuration of three policies for a sandbox of 300 jobs."""
    folder = tmp_path / "desk"
    folder.mkdir()
    made = Processes(folder, start_sandbox())
    made.configure(POLICIES)
    return made
