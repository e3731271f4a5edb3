"""The last lines of a run that is interrupted or fails say what was done and what is left, not the
plan.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from sauce_janitor.report import counted
from sauce_janitor.sandbox import LoggedRequest
from tests.support.commands import Commands

POLICIES = """
workers: 1
limits: {max_percent: 100}
policies: [{name: old, match: all, then: {archive: 1h, delete_job: 10d}}]
"""
NUMBERS = re.compile(r"([\d,]+) jobs? (?:archived|deleted|stopped|to archive|to delete|to stop)")


@contextmanager
def signalled(
    desk: Commands, number: signal.Signals, at: Callable[[LoggedRequest], bool]
) -> Iterator[None]:
    """Send this process a signal while the sandbox answers the first request that `at` picks."""
    add, sent = desk.sandbox.log.add, list[LoggedRequest]()

    def heard(entry: LoggedRequest) -> None:
        add(entry)
        if not sent and at(entry):
            sent.append(entry)
            os.kill(os.getpid(), number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk.sandbox.log, "add", heard)
        yield


def numbers(line: str) -> list[int]:
    return [int(found.replace(",", "")) for found in NUMBERS.findall(line)]


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    desk = open_desk(jobs=40, days=20)
    desk.configure(POLICIES)
    return desk


def planned(said: str) -> list[int]:
    line = next(line for line in said.splitlines() if line.startswith("Plan: "))
    return numbers(line)


def test_an_interrupted_run_ends_with_what_it_did_and_what_is_left(desk: Commands) -> None:
    plan = planned(desk.say("plan").stdout)
    deletes: list[str] = []

    def third_delete(entry: LoggedRequest) -> bool:
        deletes.extend([entry.path] if entry.method == "DELETE" else [])
        return len(deletes) == 3

    with signalled(desk, signal.SIGTERM, third_delete):
        said = desk.say("run", "--execute", code=143).stdout

    done, left, again = said.splitlines()[-3:]
    receipts = list((desk.folder / "archive").rglob("receipt.json"))
    archived, deleted = (counted(len(each), "job") for each in (receipts, desk.deleted()))
    assert done == (
        f"Done: {archived} archived, assets of 0 jobs deleted, {deleted} deleted, 0 jobs stopped"
    )
    assert [one + other for one, other in zip(numbers(done), numbers(left), strict=True)] == plan
    assert again == "To continue, run the same command again"
    assert "Plan: " not in said
    desk.say("run", "--execute")
    assert planned(desk.say("plan").stdout) == [0, 0, 0, 0]


@pytest.mark.parametrize("command", ["run", "apply", "offboard"])
def test_a_run_that_does_all_ends_with_what_it_did(desk: Commands, command: str) -> None:
    words: tuple[str, ...] = ("run", "--execute")
    if command == "apply":
        file = str(desk.folder / "plan.json")
        desk.say("plan", "--out", file)
        words = ("apply", file)
    elif command == "offboard":
        words = ("offboard", "demo", "--archive", "keep", "--yes")
    said = desk.say(*words).stdout
    receipts = list((desk.folder / "archive").rglob("receipt.json"))
    assert desk.deleted()
    archived, deleted = (counted(len(each), "job") for each in (receipts, desk.deleted()))
    done = f"Done: {archived} archived, assets of 0 jobs deleted, {deleted} deleted, 0 jobs stopped"
    assert said.splitlines()[-1] == done
    assert "Plan: " not in said


@pytest.mark.parametrize(("command", "stream"), [("plan", "stderr"), ("run --execute", "stdout")])
def test_an_interrupt_before_the_plan_says_that_nothing_was_changed(
    desk: Commands, command: str, stream: str
) -> None:
    with signalled(desk, signal.SIGINT, lambda _: True):
        said = desk.say(*command.split(), code=130)
    assert re.match(
        "(Interrupted|Ended) before .* nothing was", getattr(said, stream).splitlines()[-1]
    )
    assert "Plan: " not in said.stdout
    assert desk.writes() == []


def test_a_run_with_failures_ends_with_what_it_did_and_what_failed(desk: Commands) -> None:
    plan = planned(desk.say("plan").stdout)
    oldest = list(desk.sandbox.job_ids())[-2:]
    for job in oldest:
        desk.sandbox.inject("without_effect", endpoint="job.delete", job=job)
    said = desk.say("run", "--execute", code=4).stdout
    done, left, _ = said.splitlines()[-3:]
    assert numbers(done) == [*plan[:2], plan[2] - 2, plan[3]]
    assert left == (
        "Left: 0 jobs to archive, assets of 0 jobs to delete, 2 jobs to delete, 0 jobs to stop; 2 of"
        " them failed and are tried again"
    )


def test_an_error_after_the_deletes_does_not_hide_them(desk: Commands) -> None:
    desk.say("plan")
    desk.state.close()
    with closing(sqlite3.connect(desk.folder / "state.db")) as state, state:
        state.execute(
            "CREATE TRIGGER fails BEFORE UPDATE ON runs BEGIN INSERT INTO no_space VALUES (1); END"
        )
    said = desk.say("run", "--execute", code=4).stdout
    done, _ = said.splitlines()[-2:]
    assert done.startswith("Done: ")
    assert numbers(done)[2] == len(desk.deleted()) > 0


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("run", "Dry run: nothing was changed. Carry it out with: sauce-janitor run --execute\n"),
        ("run --offline", "Dry run: nothing was changed.\n"),
        ("apply PLAN --dry-run", "Carry it out with: sauce-janitor apply PLAN\n"),
        ("plan", ""),
    ],
)
def test_a_dry_run_says_that_it_was_one(desk: Commands, command: str, said: str) -> None:
    plan = str(desk.folder / "plan.json")
    desk.say("plan", "--out", plan)
    shown = desk.say(*command.replace("PLAN", plan).split())
    assert shown.stdout.splitlines()[-1].startswith("Plan: ")
    assert said.replace("PLAN", plan) in shown.stderr
    assert ("Dry run" in shown.stderr) == bool(said)
