"""The result of a run as text: what was done, what was not, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from sauce_janitor.counts import counted
from sauce_janitor.model.failed_actions import ActionFailed, alike
from sauce_janitor.model.jobs import Action
from sauce_janitor.report.tables import Column, show_table
from sauce_janitor.report.text import ACTIONS, done, due_line, size
from sauce_janitor.terminal import printable
from sauce_janitor.times import when


@dataclass(frozen=True, slots=True)
class Ended:
    """The result of a run in numbers: by action and outcome, bytes, and all that needs attention.

    `missing` has the users whose jobs the run did not, or perhaps did not, cover. `lost` jobs had
    their assets purged by Sauce Labs before they were archived; `missed` of them although earlier
    runs had tried. `incomplete` jobs are stored except for files that could not be fetched.
    `waiting` says which jobs failed before and wait for their next try. `damaged_copies` were found
    in the archive, and `restored_copies` of them fetched again. `goes_on_at` is when the request
    budget has room for the rest (epoch seconds), if the run paused for it.
    """

    counts: Mapping[tuple[Action, str], int]
    archived_assets: int
    archived_bytes: int
    reclaimed_bytes: int
    unlisted_files: int
    left: int
    halted: str | None
    failures: Sequence[ActionFailed]
    skips: Mapping[str, int]
    recovered: str | None = None
    missing: Sequence[str] = ()
    lost: int = 0
    damaged_copies: int = 0
    restored_copies: int = 0
    missed: int = 0
    incomplete: int = 0
    goes_on_at: int | None = None
    waiting: str | None = None


_SKIPS = {
    "changed": "changed since the plan was made; the next run decides again",
    "held": "held since the plan was made",
    "not_ready": "not finished, says Sauce Labs; the next run tries again",
    "unsettled": "ended only just now; the next run tries again",
    "purged": "Sauce Labs had purged the assets before they were archived, so the policy keeps it",
    "nothing_listed": (
        "Sauce Labs lists no assets, as it also does when its lists fail; may be deleted if that is"
        " still so a day later"
    ),
}
_MOST_KINDS = 10
_EXAMPLES = 3


def show_end(out: Console, account: str, ended: Ended) -> None:
    """Print what a run did, what it did not do, and why."""
    rows = list(_outcome_rows(ended))
    heading = "result"
    if not rows:
        # A run that was stopped early may have had work left.
        heading = "nothing was done" if ended.halted else "nothing to do"
    out.print(f"\n{account}: {heading}", style="bold")
    if rows:
        headers = ("Done", "Already gone", "Skipped", "Failed")
        numbers = (Column(header, "number") for header in headers)
        show_table(out, (Column("Action", "word"), *numbers), rows)
    _show_archive(out, ended)
    _show_skipped_and_missing(out, ended)
    for line in _failure_lines(ended.failures):
        out.print(line, style="red")
    if ended.halted:
        out.print(_halted_line(ended.halted, ended), style="yellow")


def _outcome_rows(ended: Ended) -> Iterator[tuple[str | int | None, ...]]:
    """Yield an action and how often each outcome came, for each action that came at all."""
    outcomes = ("done", "already_gone", "skipped", "failed")
    for action, words in ACTIONS.items():
        counts = [ended.counts.get((action, outcome), 0) or None for outcome in outcomes]
        if any(counts):
            yield words.capitalize(), *counts


def _show_archive(out: Console, ended: Ended) -> None:
    if ended.archived_assets:
        out.print(
            f"Archived {counted(ended.archived_assets, 'asset')}, {size(ended.archived_bytes)},"
            " each verified"
        )
    if ended.reclaimed_bytes:
        # The answer to a delete also counts files that the asset list did not show.
        hidden = ""
        if ended.unlisted_files:
            hidden = f", with {counted(ended.unlisted_files, 'file')} that it had not listed"
        # Its answer to the delete of a job names no size.
        out.print(
            f"Freed by deleting assets: {size(ended.reclaimed_bytes)}, as Sauce Labs reports"
            f"{hidden}"
        )
    if ended.incomplete:
        out.print(
            f"Incomplete: {counted(ended.incomplete, 'job')} archived except for files that could"
            " not be fetched; deletes wait for them"
        )
    if ended.lost:
        tried = ""
        if ended.missed:
            tried = f" ({ended.missed:,} of them although earlier runs had tried)"
        out.print(
            f"Lost: Sauce Labs had purged the assets of {counted(ended.lost, 'job')} before they"
            f" were archived{tried}",
            style="red",
        )
    if ended.damaged_copies:
        out.print(
            f"Damaged: the archive's copies of {counted(ended.damaged_copies, 'job')} differed from"
            f" their receipts; {ended.restored_copies:,} fetched again from Sauce Labs. Check the"
            " disk",
            style="red",
        )


def done_line(counts: Mapping[tuple[Action, str], int]) -> str:
    """Return what was done in one line, the last line of a run that finished its plan.

    `counts` is by action and outcome, as in `Ended`.
    """
    return "Done: " + ", ".join(done(action, counts.get((action, "done"), 0)) for action in ACTIONS)


def closing_lines(
    planned: Mapping[Action, int], counts: Mapping[tuple[Action, str], int]
) -> Iterator[str]:
    """Yield what was done of a plan that was not finished, and what is left of it.

    `counts` is by action and outcome, as in `Ended`. A skipped action is not left: the next run
    decides again.
    """
    ends = ("done", "already_gone", "skipped")
    left = {
        action: max(0, planned.get(action, 0) - sum(counts.get((action, end), 0) for end in ends))
        for action in Action
    }
    yield done_line(counts)
    failed = sum(number for (_, outcome), number in counts.items() if outcome == "failed")
    tries = f"; {failed:,} of them failed and are tried again" if failed else ""
    yield f"{due_line('Left', left)}{tries}"
    if any(left.values()):
        yield "To continue, run the same command again"


def _failure_lines(failures: Sequence[ActionFailed]) -> Iterator[str]:
    """Yield one line for each kind of failure, the most frequent first.

    Failures that differ only in ids and numbers are of one kind.
    """
    most = alike(failures)
    for group in most[:_MOST_KINDS]:
        first, jobs = group.first, group.job_ids
        what, why = ACTIONS[first.action], f"({first.policy or 'held'}): {printable(first.detail)}"
        if len(jobs) == 1:
            yield f"Failed: {what} of {jobs[0]} {why}"
        else:
            more = f" and {len(jobs) - _EXAMPLES:,} more" if len(jobs) > _EXAMPLES else ""
            yield (
                f"Failed: {what} of {len(jobs):,} jobs {why}. These:"
                f" {', '.join(jobs[:_EXAMPLES])}{more}"
            )
    if len(most) > _MOST_KINDS:
        left = sum(len(group.job_ids) for group in most[_MOST_KINDS:])
        yield f"… and {left:,} more failures of {len(most) - _MOST_KINDS:,} other kinds"
    # Some line stands for several failures, so it does not name all jobs.
    if len(most) < len(failures):
        yield "For each single failure, see the log with -v, or --format json"


def _show_skipped_and_missing(out: Console, ended: Ended) -> None:
    if ended.recovered:
        out.print(ended.recovered)
    # A reason without a sentence here is printed by its key.
    for why, actions in sorted(ended.skips.items()):
        out.print(f"Skipped {counted(actions, 'action')}: {_SKIPS.get(why, why)}")
    for line in (*ended.missing, *((ended.waiting,) if ended.waiting else ())):
        out.print(printable(line), style="yellow")


def _halted_line(halted: str, ended: Ended) -> str:
    # Only a spent request budget has a time at which the rest can go on.
    if ended.goes_on_at is None:
        return f"Cut short: {printable(halted)}; the rest is for the next run"
    return (
        f"Paused: {printable(halted)}. Left for the next runs: {counted(ended.left, 'job')}, from"
        f" {when(ended.goes_on_at)} on"
    )
