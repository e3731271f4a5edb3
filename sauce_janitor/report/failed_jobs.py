"""Failures that are tried again, as text and as JSON: for `status`, `explain` and the result of a
run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sauce_janitor.counts import counted
from sauce_janitor.model.job_retries import FailureKind, Retry
from sauce_janitor.times import when

_WORDS: Final = {
    FailureKind.UNAVAILABLE: "no answer from Sauce Labs",
    FailureKind.FORBIDDEN: "not allowed by Sauce Labs (403)",
    FailureKind.ANSWER: "an answer that cannot be trusted",
    FailureKind.ARCHIVE: "the copy could not be stored or proven",
    FailureKind.MISSING_FILES: "files that cannot be fetched",
    FailureKind.GIVEN_UP: "files that if_unavailable has given up",
    FailureKind.DELETE: "the delete did not succeed",
    FailureKind.VANISHED: "listed, but not found",
    FailureKind.TOO_LARGE: "one try takes more requests than a run has",
    FailureKind.NOT_READY: "not finished, says Sauce Labs",
    FailureKind.CHANGED: "changed between decision and action",
    FailureKind.OTHER: "other failures",
}

_ADVICE: Final = {
    FailureKind.UNAVAILABLE: "Later runs try again. If it lasts, look at the network and at"
    " Sauce Labs' own status.",
    FailureKind.FORBIDDEN: "Check that the account's user may see and delete jobs of this owner.",
    FailureKind.ANSWER: "Later runs try again. If it lasts, look at the log of a run with -v.",
    FailureKind.ARCHIVE: "Check the archive's disk or bucket: its space, its rights, and"
    " `archive verify`.",
    FailureKind.MISSING_FILES: "Later runs try again. `if_unavailable` lets a policy go on without"
    " these files.",
    FailureKind.GIVEN_UP: "Nothing to do: the policy no longer waits for these files.",
    FailureKind.DELETE: "Check that the account's user may delete jobs of this owner, and"
    " `delete_job_path`.",
    FailureKind.VANISHED: "Nothing to do: a later listing leaves the job out.",
    FailureKind.TOO_LARGE: "Give the account a larger request budget (`budget.per_hour`).",
    FailureKind.NOT_READY: "Nothing to do: the next run tries again.",
    FailureKind.CHANGED: "Nothing to do: the next run decides again.",
    FailureKind.OTHER: "Look at `explain JOB`, and at the log of a run with -v.",
}


def failure_advice(kind: FailureKind) -> str:
    """Return what to do about jobs that fail in this way."""
    return _ADVICE[kind]


def failure_words(kind: FailureKind) -> str:
    """Return what a kind of failure means."""
    return _WORDS[kind]


def retry_lines(rows: Sequence[Mapping[str, Any]], *, now: int) -> Iterator[str]:
    """Yield lines for each kind of failure: how many jobs, when the next try is due, and examples.

    `rows` are the `retries` in the JSON of `status`; `now` is epoch seconds.
    """
    for row in rows:
        words = _WORDS[FailureKind(row["kind"])]
        yield f"{counted(row['jobs'], 'job')}: {words}; {_next_try(row['next_at'], now)}"
        for example in row["examples"]:
            yield f"  {example['job_id']}: {example['reason'] or words}"


def retry_sentence(retry: Retry, *, now: int) -> str:
    """Return how often one job failed, why, and when the next try is due."""
    # For one failure the first and the last time are the same.
    tries = "once"
    if retry.tries > 1:
        tries = f"{retry.tries:,} times since {when(retry.first_failed_at)}"
    failed = (
        f"Failed {tries}, last {when(retry.last_failed_at)}: {retry.reason or _WORDS[retry.kind]}"
    )
    return f"{failed}. {_next_try(retry.due_at, now).capitalize()}"


def waiting_line(waiting: Mapping[FailureKind, int]) -> str | None:
    """Return a line on jobs that failed before and were not tried in this run; None without any."""
    if not waiting:
        return None
    parts = ", ".join(f"{jobs:,} ({_WORDS[kind]})" for kind, jobs in sorted(waiting.items()))
    return (
        f"Waiting for their next try: {parts}. `status` says when; --retry-now tries them at once"
    )


def _next_try(due_at: int, now: int) -> str:
    # Nothing is tried between two runs, so the time may have passed.
    return "the next run tries again" if due_at <= now else f"the next try is due {when(due_at)}"
