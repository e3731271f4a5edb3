"""Acts by hand as a user has them: nobody to ask, dry runs judged at the server, and a kill at the
worst moment.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sauce_janitor.model.jobs import JobId
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.sandbox.core.request_log import LoggedRequest
from tests.support.backends import Storage
from tests.support.processes import PROGRAM, UNHURRIED, LoggedSandbox, Processes

CONFIG = """
version: 1
accounts:
  box: {base_url: BASE_URL}
archive: {path: ./archive}
state: {path: ./state.db}
limits: {max_percent: null}
holds: [{tag: keep}]
policies:
  - {name: never, match: all, then: {delete_job: never}}
"""
DAY = 86_400


def test_without_a_terminal_nothing_is_done_unless_yes_is_said_and_a_dry_run_beats_yes(
    desk: Processes,
) -> None:
    [job, *_] = json.loads(
        desk.run("jobs", "--status", "passed", "--limit", "1", "--format", "json").stdout
    )
    acts = (
        ("tag", job["id"], "--add", "audit"),
        ("offboard", "bob", "--archive", "erase", "--confirm", "bob"),
    )
    for act in acts:
        desk.run(*act, "--yes", "-n")
        assert "--yes" in desk.run(*act, code=2).stderr
    assert desk.sandbox.writes() == []
    assert {entry["method"] for entry in desk.sandbox.log()} == {"GET"}
    desk.environment["SAUCE_JANITOR_TAG_DRY_RUN"] = "1"
    desk.run(*acts[0], "--yes")
    assert desk.sandbox.writes() == []
    del desk.environment["SAUCE_JANITOR_TAG_DRY_RUN"]
    desk.run(*acts[0], "--yes")
    assert [entry["endpoint"] for entry in desk.sandbox.writes()] == ["job.update"]


def _answer(desk: Processes, question: str, answer: str, *arguments: str) -> tuple[int, str]:
    """Run a command on a terminal and answer its question; its exit code, and all that it
    showed.
    """
    ours, theirs = pty.openpty()
    shown = b""
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=desk.folder,
        env=desk.environment | {"TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        answered = False
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other end is closed: it has ended
                break
            if not piece:
                break
            shown += piece
            if not answered and question.encode() in shown:
                answered = True
                os.write(ours, f"{answer}\n".encode())
        code = process.wait(timeout=120)
    os.close(ours)
    return code, shown.decode()


def test_on_a_terminal_it_asks_and_erasing_wants_the_name(
    sandbox: Sandbox, alone: Processes
) -> None:
    job = sandbox.arrive(tags=["old"])
    assert _answer(alone, "Change 1 job?", "n", "tag", job, "--add", "keep")[0] == 130
    assert sandbox.log.writes() == []
    code, shown = _answer(alone, "Change 1 job?", "y", "tag", job, "--add", "keep")
    assert (code, "tags +keep" in shown) == (0, True)
    erase = ("offboard", "bob", "--archive", "erase")
    assert _answer(alone, "Type the user's name", "yes", *erase)[0] == 130
    assert len(sandbox.log.writes()) == 1
    assert _answer(alone, "Type the user's name", "bob", *erase)[0] == 0
    left = [sandbox.truth(job) for job in sandbox.job_ids("bob")]
    assert all(each is not None and each.document["end_time"] is None for each in left)


@contextmanager
def _killing(sandbox: Sandbox, endpoint: str) -> Iterator[Callable[[subprocess.Popen[str]], None]]:
    """The process is killed when the sandbox has done what such a request wants, before it
    answers.
    """
    watched: list[subprocess.Popen[str]] = []
    add = sandbox.log.add

    def saw(entry: LoggedRequest) -> None:
        add(entry)
        if entry.endpoint == endpoint and watched:
            os.kill(watched.pop().pid, signal.SIGKILL)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox.log, "add", saw)
        yield watched.append


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(jobs=60)) as made:
        yield made


@pytest.fixture
def alone(tmp_path: Path, sandbox: Sandbox, storage: Storage) -> Processes:
    """A desk on the sandbox of this process, where no policy deletes anything."""
    seen = LoggedSandbox(sandbox.base_url, Path())
    made = Processes(tmp_path / "desk", seen, storage, program=UNHURRIED)
    made.configure(CONFIG)
    return made


def _kill_at(sandbox: Sandbox, alone: Processes, endpoint: str, *arguments: str) -> None:
    with _killing(sandbox, endpoint) as watch:
        process = alone.start(*arguments)
        watch(process)
        out, err = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, f"{process.returncode}\n{out}\n{err}"
    alone.storage.free_leases()


def test_a_tag_killed_at_its_write_is_settled_by_the_next_command_and_set_once(
    sandbox: Sandbox, alone: Processes
) -> None:
    job = sandbox.arrive(tags=["old"])
    _kill_at(sandbox, alone, "job.update", "tag", job, "--add", "keep", "--yes")
    assert "Nothing to do" in alone.run("tag", job, "--add", "keep", "--yes").stdout
    alone.run("tag", job, "--add", "more", "--yes")
    found = sandbox.truth(job)
    assert found is not None
    assert found.document["tags"] == ["old", "keep", "more"]
    with alone.storage.state.open() as state:
        assert state.manual_actions.open("box") == ()
        assert [line.outcome for line in state.journal.of(JobId(job))] == [
            None,
            "done",
            None,
            "done",
        ]


def test_an_offboarding_killed_at_its_one_call_is_settled_and_said_again_does_nothing(
    sandbox: Sandbox, alone: Processes
) -> None:
    now = sandbox.world.clock()
    for job in list(sandbox.job_ids("bob")):
        found = sandbox.truth(job)
        assert found is not None
        end = found.document["end_time"]
        if not isinstance(end, int) or end > now - 8 * DAY:
            sandbox.remove(job)
    before = set(sandbox.job_ids("bob"))
    assert before
    command = ("offboard", "bob", "--archive", "keep", "--bulk", "--confirm", "bob", "--yes")
    _kill_at(sandbox, alone, "jobs.delete_all", *command)
    assert set(sandbox.job_ids("bob")) == set()
    with alone.storage.state.open() as state:
        assert {one.job_id for one in state.journal.unresolved("box")} == before
    alone.run("run", "--execute")
    alone.run("offboard", "bob", "--archive", "keep", "--yes")
    proven = json.loads(alone.run("prove", "--format", "json").stdout)
    assert (proven["deletions"], proven["by_receipt"], proven["findings"]) == (
        len(before),
        len(before),
        [],
    )
    assert sum(entry.endpoint == "jobs.delete_all" for entry in sandbox.log) == 1
