"""The end of a run on the screen: one line a kind of failure, whatever their number."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import pytest
from rich.console import Console

from sauce_janitor import report
from sauce_janitor.execute.events import Skip
from sauce_janitor.model.failed_actions import ActionFailed
from sauce_janitor.model.jobs import Action, job_id, owner_name

JOBS = [job_id(f"{number:032x}") for number in range(757)]


def failed(job: str, detail: str, policy: str = "nightly") -> ActionFailed:
    return ActionFailed(job_id(job), owner_name("alice"), policy, Action.ARCHIVE, detail)


def shown(
    failures: Sequence[ActionFailed] = (),
    *,
    halted: str | None = None,
    skips: Mapping[str, int] | None = None,
) -> list[str]:
    out = Console(file=io.StringIO(), width=400)
    ended = report.Ended(
        counts={}, archived_assets=0, archived_bytes=0, reclaimed_bytes=0, unlisted_files=0, left=0,
        halted=halted, failures=failures, skips=skips or {},
    )  # fmt: skip
    report.show_end(out, "eu", ended)
    file = out.file
    assert isinstance(file, io.StringIO)
    return [line for line in file.getvalue().splitlines() if line]


def test_757_failures_of_a_kind_are_one_line_with_three_examples() -> None:
    lines = shown([failed(job, f"the asset list of {job} is missing (404)") for job in JOBS])
    (line,) = [line for line in lines if line.startswith("Failed")]
    assert line.startswith(
        f"Failed: archive of 757 jobs (nightly): the asset list of {JOBS[0]} is missing (404)"
    )
    assert line.endswith(f"These: {JOBS[0]}, {JOBS[1]}, {JOBS[2]} and 754 more")
    assert "-v" in lines[-1]


def test_a_rare_failure_has_its_own_line_beside_many() -> None:
    lines = shown([*(failed(job, "404") for job in JOBS), failed(JOBS[0], "the disk is full")])
    assert f"Failed: archive of {JOBS[0]} (nightly): the disk is full" in lines


def test_a_hundred_kinds_are_ten_lines_and_the_number_of_the_rest() -> None:
    lines = shown(
        [failed(job, f"{'x' * number} is wrong") for number, job in enumerate(JOBS[:100])]
    )
    assert sum(line.startswith("Failed") for line in lines) == 10
    assert lines[-1] == "… and 90 more failures of 90 other kinds"


def test_a_job_that_only_a_hold_is_about_has_no_empty_parentheses() -> None:
    assert not any("()" in line for line in shown([failed(JOBS[0], "404", policy="")]))


def test_a_run_without_work_says_so_once() -> None:
    assert shown() == ["eu: nothing to do"]
    assert shown(halted="stopped")[0] == "eu: nothing was done"


@pytest.mark.parametrize("why", Skip)
def test_each_reason_to_skip_an_action_is_a_sentence(why: Skip) -> None:
    (line,) = [line for line in shown(skips={why: 1}) if line.startswith("Skipped")]
    assert line.startswith("Skipped 1 action: ")
    assert len(line.split()) > 6


def test_the_last_lines_count_jobs_and_say_so() -> None:
    totals = {Action.ARCHIVE: 1, Action.DELETE_ASSETS: 2, Action.DELETE_JOB: 1_000}
    assert report.last_line(totals) == (
        "Plan: 1 job to archive, assets of 2 jobs to delete, 1,000 jobs to delete, 0 jobs to stop"
    )
    done = {(action, "done"): number for action, number in totals.items()}
    assert report.done_line(done) == (
        "Done: 1 job archived, assets of 2 jobs deleted, 1,000 jobs deleted, 0 jobs stopped"
    )


def test_the_outcomes_of_a_run_are_grouped_by_action() -> None:
    counts = {"archive_done": 195, "delete_assets_already_gone": 22, "delete_assets_done": 1005}
    assert (
        report.outcomes_text(counts)
        == "archive 195 done; delete assets 22 already gone, 1,005 done"
    )
