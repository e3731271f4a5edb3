"""Files that could not be had: which are given up, and which jobs share a decision on them."""

from __future__ import annotations

from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.job_retries import FailureKind, Retry
from sauce_janitor.model.jobs import NOT_ASKED, Action, MissingFile, Why
from sauce_janitor.model.policies import ArchiveRule
from sauce_janitor.retention.decide import Decider
from sauce_janitor.retention.plan.planner import make_plan
from tests.support.decisions import whys
from tests.support.jobs import DAY, NOW, id_of, policy, record, rules


def _given_up_after(text: str | None) -> ArchiveRule:
    return ArchiveRule(
        after=parse_duration("1h"), if_unavailable=parse_duration(text) if text else None
    )


def test_a_file_that_was_never_asked_for_is_not_given_up() -> None:
    patient = rules(policy("p", job="1d", archive=_given_up_after("4d")))
    for why, expected in (("404", Why.GIVEN_UP), (NOT_ASKED, Why.MISSING)):
        missing = (
            MissingFile("log.json", "404", NOW - 9 * DAY),
            MissingFile("video.mp4", why, NOW - 9 * DAY),
        )
        job = record("a", 10 * DAY, archived=frozenset(), missing=missing)
        assert expected in whys(patient, [job], "a", Action.DELETE_JOB)


def test_jobs_that_lack_the_same_file_share_a_decision_whatever_the_reason_says() -> None:
    jobs = [
        record(
            f"j{n}",
            (10 + n) * DAY,
            archived=frozenset(),
            missing=(MissingFile("ghost.log", id_of(f"j{n}"), NOW - n),),
        )
        for n in range(20)
    ]
    judged = rules(policy("p", job="1d", archive=_given_up_after(None)))
    ordered = newest_first(jobs, judged.age_from)
    found = {id(ruling) for _, _, ruling in Decider(judged, as_of=NOW).verdicts(lambda: ordered)}
    assert len(found) == 1, "memory does not grow with the jobs"


def test_the_pause_of_a_file_that_is_given_up_holds_no_delete_up() -> None:
    missing = (MissingFile("ghost.log", "404", NOW - 9 * DAY),)
    jobs = [
        record(name, age * DAY, archived=frozenset(), missing=missing)
        for name, age in (("stays", 10), ("goes", 20))
    ]
    patient = rules(policy("p", job="15d", archive=_given_up_after("4d")))
    retries = {
        job.job.id: Retry(job.job.id, FailureKind.GIVEN_UP, 5, NOW - 9 * DAY, NOW - DAY, NOW + DAY)
        for job in jobs
    }
    ordered = newest_first(jobs, patient.age_from)
    plan = make_plan(patient, lambda: ordered, as_of=NOW, accepted_at=None, retries=retries)
    due = {id_of(name): plan.retries[id_of(name)].due_at <= NOW for name in ("stays", "goes")}
    assert due == {id_of("stays"): False, id_of("goes"): True}
