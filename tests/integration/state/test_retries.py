"""What failed is on record until it is done, in every process on the state."""

from __future__ import annotations

from sauce_janitor.model.job_retries import Failing, FailureKind
from sauce_janitor.model.jobs import JobId
from tests.support.state import Place

NOON = 1_780_315_200
ONE, OTHER = JobId(f"{1:032x}"), JobId(f"{2:032x}")
BAD = Failing(FailureKind.ARCHIVE, "it is not an MP4", 7)


def test_a_failure_is_remembered_and_counted_until_the_job_is_done(place: Place) -> None:
    with place.open() as state:
        state.retries.failed("eu", ONE, BAD, at=NOON)
        state.retries.failed("eu", ONE, Failing(FailureKind.DELETE, "still there"), at=NOON + 60)
        state.retries.failed("us", ONE, BAD, at=NOON)
    with place.open() as state:
        retry = state.retries.one("eu", ONE)
        assert retry is not None
        assert (retry.kind, retry.tries, retry.reason) == (FailureKind.DELETE, 2, "still there")
        assert (retry.first_failed_at, retry.last_failed_at, retry.due_at) == (
            NOON,
            NOON + 60,
            NOON + 120,
        )
        assert state.retries.of("eu") == {ONE: retry}
        state.retries.forget("eu", [ONE])
        assert state.retries.of("eu") == {}
        assert state.retries.one("us", ONE) is not None


def test_what_nothing_is_wanted_of_any_more_is_forgotten(place: Place) -> None:
    with place.open() as state:
        for job_id in (ONE, OTHER):
            state.retries.failed("eu", job_id, BAD, at=NOON)
        state.retries.keep_only("eu", {ONE}, owners=())
        assert set(state.retries.of("eu")) == {ONE}


def test_a_reason_that_no_database_stores_is_kept_readable(place: Place) -> None:
    with place.open() as state:
        state.retries.failed("eu", ONE, Failing(FailureKind.OTHER, "a\x00b" + "x" * 9000), at=NOON)
        retry = state.retries.one("eu", ONE)
        assert retry is not None
        assert retry.reason.startswith("a\N{REPLACEMENT CHARACTER}bxx")
        assert len(retry.reason) == 300
