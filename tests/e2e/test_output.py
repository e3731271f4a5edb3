"""Output never stops work: the program as a process on streams that are closed, full, gone, or of a
poor encoding.
"""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sauce_janitor.sandbox import Sandbox, SandboxOptions
from tests.support.backends import Storage
from tests.support.processes import ENVIRONMENT, PROGRAM, LoggedSandbox, Processes

CONFIG = """
version: 1
accounts:
  box: {base_url: BASE_URL, username: demo, access_key: {env: SAUCE_ACCESS_KEY}}
archive: {path: ./archive}
state: {path: ./state.db}
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: {assets: [logs], discard: rest}, delete_job: 20d}}
"""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(jobs=12, days=28)) as sandbox:
        yield sandbox


@pytest.fixture
def desk(tmp_path: Path, box: Sandbox, storage: Storage) -> Processes:
    made = Processes(tmp_path / "desk", LoggedSandbox(box.base_url, Path()), storage)
    made.configure(CONFIG)
    return made


def in_shell(
    folder: Path,
    words: str,
    redirections: str,
    variables: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    command = f"{' '.join(PROGRAM)} {words} {redirections}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=ENVIRONMENT | (variables or {}),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=60,
    )


def due(sandbox: Sandbox) -> int:
    now = sandbox.world.now
    documents = [truth.document for job in sandbox.job_ids() if (truth := sandbox.truth(job))]
    return sum(
        1
        for each in documents
        if each["end_time"] and now - int(str(each["end_time"])) > 20 * 86_400
    )


def deletes(sandbox: Sandbox) -> int:
    return len(
        {
            entry.path
            for entry in sandbox.log
            if entry.method == "DELETE" and entry.status in {200, 204}
        }
    )


@pytest.mark.parametrize(
    "redirections",
    [">&- 2>/dev/full", ">/dev/full 2>&- <&-", "2>&1 | head -n 1; exit ${PIPESTATUS[0]}"],
    ids=["closed, full", "full, closed", "a reader that goes during the run"],
)  # fmt: skip
def test_a_run_deletes_all_that_is_due_whatever_becomes_of_its_output(
    box: Sandbox, desk: Processes, redirections: str
) -> None:
    wanted = due(box)
    assert wanted > 2
    ended = in_shell(
        desk.folder,
        "--log-level debug run --execute",
        redirections,
        desk.environment | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
    )
    assert (ended.returncode, deletes(box)) == (0, wanted), ended.stderr


def test_a_run_goes_on_when_its_terminal_goes_away(box: Sandbox, desk: Processes) -> None:
    wanted, (master, slave) = due(box), pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "run", "--execute"],
        cwd=desk.folder,
        env=desk.environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    os.read(master, 10)  # its progress has begun
    os.close(master)
    assert (process.wait(60), deletes(box)) == (0, wanted)


def test_listings_end_quietly_with_their_reader_and_say_when_they_are_cut_short(
    box: Sandbox, desk: Processes
) -> None:
    piped = in_shell(
        desk.folder,
        "--log-level error jobs --limit 0 --format csv",
        "| head -n 1; exit ${PIPESTATUS[0]}",
        desk.environment,
    )
    assert (piped.returncode, piped.stderr) == (0, "")
    full = in_shell(
        desk.folder,
        "--log-level error jobs --limit 0 --format csv",
        ">/dev/full",
        desk.environment,
    )
    assert full.returncode == 4
    assert full.stderr == "sauce-janitor: standard output is incomplete: No space left on device\n"


@pytest.mark.one_backend("nothing is stored")
def test_help_and_usage_errors_survive_closed_and_full_streams(tmp_path: Path) -> None:
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    assert in_shell(tmp_path, "--help", ">/dev/full 2>&-", ascii_only).returncode == 0
    assert in_shell(tmp_path, "jbos", ">&- 2>&- <&-").returncode == 2
