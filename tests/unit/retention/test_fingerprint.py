"""What of a job's times and build is part of its fingerprint."""

from __future__ import annotations

from dataclasses import replace

from sauce_janitor.retention.fingerprint import decision_fields, fingerprint
from tests.support.jobs import NOW, policy, record, rules, running, where

READING = rules(policy("p", where(name="*")))


def test_the_age_of_an_unfinished_job_is_not_in_its_fingerprint() -> None:
    fields, item = decision_fields(READING), running("j")
    assert fingerprint(replace(item.job, modified_at=NOW), None, fields) == fingerprint(
        item.job, None, fields
    )
    assert fingerprint(replace(item.job, started_at=NOW - 9), None, fields) != fingerprint(
        item.job, None, fields
    )


def test_where_modification_gives_the_age_of_a_finished_job_it_is_in_its_fingerprint() -> None:
    fields = decision_fields(replace(READING, age_from=("modification_time",)))
    job = record("j").job
    assert fingerprint(replace(job, modified_at=NOW), None, fields) != fingerprint(
        job, None, fields
    )


def test_a_job_that_moved_to_another_build_is_another_where_a_build_is_read() -> None:
    fields, job = (
        decision_fields(rules(policy("p", where(build_status="passed")))),
        record("j", build="a").job,
    )
    assert fingerprint(replace(job, build="b"), "passed", fields) != fingerprint(
        job, "passed", fields
    )
