"""Pauses grow, and never reach beyond a purge."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.model.job_retries import Failing, FailureKind, Retry, failed_again, grouped
from sauce_janitor.model.jobs import JobId

JOB = JobId("a" * 32)
NOON = 1_780_315_200
HOUR, DAY = 3600, 86_400
BAD = Failing(FailureKind.ARCHIVE, "it is not an MP4", 7)


def failing(*, every_s: int, until: int, ended_at: int | None = None) -> list[Retry]:
    """What a job that never succeeds leaves behind, with a run every so often that tries what is
    due.
    """
    found: list[Retry] = []
    for now in range(NOON, until, every_s):
        if not found or found[-1].due_at <= now:
            found.append(
                failed_again(found[-1] if found else None, JOB, BAD, at=now, ended_at=ended_at)
            )
    return found


def test_the_next_run_tries_again_and_then_each_pause_doubles_up_to_three_days() -> None:
    tries = failing(every_s=HOUR, until=NOON + 40 * DAY)
    waits = [(retry.due_at - retry.last_failed_at) // HOUR for retry in tries]
    assert waits[:8] == [0, 1, 2, 4, 8, 16, 32, 64]
    assert set(waits[8:]) == {72}
    assert [retry.tries for retry in tries] == list(range(1, len(tries) + 1))
    assert {retry.first_failed_at for retry in tries} == {NOON}
    assert tries[-1].requests == 7


@given(left_h=st.integers(1, 29 * 24), every_h=st.integers(1, 24))
def test_a_job_is_tried_again_in_the_last_quarter_before_its_purge(
    left_h: int, every_h: int
) -> None:
    purged_at = NOON + left_h * HOUR
    tries = failing(every_s=every_h * HOUR, until=purged_at, ended_at=purged_at - 30 * DAY)
    last = (purged_at - 1 - NOON) // (every_h * HOUR) * every_h * HOUR + NOON
    since = purged_at - tries[-1].last_failed_at
    # a run that is due before the purge finds the job due, but for the quarter of what is left
    assert tries[-1].due_at < purged_at
    assert tries[-1].last_failed_at == last or tries[-1].due_at > last
    assert tries[-1].due_at - tries[-1].last_failed_at <= since / 4


def test_a_purge_that_is_past_shortens_no_pause() -> None:
    first = failed_again(None, JOB, BAD, at=NOON)
    again = failed_again(first, JOB, BAD, at=NOON + DAY, ended_at=NOON - 31 * DAY)
    assert again.due_at == NOON + 2 * DAY


def test_groups_have_their_count_the_next_time_and_three_examples() -> None:
    archive = [Retry(JobId(f"{n:032x}"), FailureKind.ARCHIVE, 1, 0, 0, 100 - n) for n in range(5)]
    delete = [Retry(JobId(f"{9:032x}"), FailureKind.DELETE, 1, 0, 0, 7)]
    first, second = grouped([*archive, *delete])
    assert (first.kind, first.jobs, first.next_at) == (FailureKind.ARCHIVE, 5, 96)
    assert [retry.due_at for retry in first.examples] == [96, 97, 98]
    assert (second.kind, second.jobs, second.next_at) == (FailureKind.DELETE, 1, 7)
