"""Which jobs are looked at, because Sauce may have purged their assets and that would change what
happens to them.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import AssetsStanding, Record
from sauce_janitor.model.policies import Deadline, Rules
from sauce_janitor.retention.plan.planner import make_plan
from sauce_janitor.retention.plan.vendor_purge import MOST_A_DAY, PurgeCandidate
from tests.support.jobs import DAY, NOW, keep, policy, record, rules, where

PROTECTED = rules(policy("p", assets="never", job="20d"))


def suspects(made: Rules, *jobs: Record, as_of: int = NOW) -> tuple[PurgeCandidate, ...]:
    ordered = newest_first(jobs, made.age_from)
    return make_plan(made, lambda: ordered, as_of=as_of, accepted_at=None).purge_candidates


def test_a_job_that_stays_only_for_its_assets_sake_is_looked_at_once_they_may_be_purged() -> None:
    job = record("j", 30 * DAY)

    assert suspects(PROTECTED, job, record("young", 30 * DAY - 1)) == (
        PurgeCandidate(job.job.id, job.job.owner, "p", lost=False, ended_at=NOW - 30 * DAY),
    )


@pytest.mark.parametrize("standing", [AssetsStanding.DELETED, AssetsStanding.PURGED])
def test_what_is_known_to_be_gone_is_not_looked_at(standing: AssetsStanding) -> None:
    assert suspects(PROTECTED, record("j", 40 * DAY, assets=standing)) == ()


def test_a_job_that_stays_for_its_own_sake_is_not_looked_at() -> None:
    kept = rules(policy("p", assets="never", job="20d", keep=(keep("recent", "last", count=5),)))

    assert suspects(kept, record("j", 40 * DAY)) == ()
    assert suspects(rules(policy("p", archive="1d")), record("j", 40 * DAY)) == ()
    assert suspects(PROTECTED, record("j", 40 * DAY, held=True)) == ()


def test_a_job_whose_assets_are_past_a_deadline_is_looked_at() -> None:
    promise = Deadline("privacy", where(owner="jane"), assets_gone_by=parse_duration("3d"))
    made = replace(rules(policy("p", archive="2h")), deadlines=(promise,))
    late, archived = (
        record("late", 40 * DAY),
        record("archived", 40 * DAY, archived=frozenset({"all"})),
    )

    assert {(s.job_id, s.policy, s.lost) for s in suspects(made, late, archived)} == {
        (late.job.id, "", True),
        (archived.job.id, "", False),
    }


def test_each_day_has_its_share_and_every_job_its_turn() -> None:
    jobs = [record(f"j{n}", 40 * DAY + n) for n in range(2 * MOST_A_DAY)]
    days = [
        {s.job_id for s in suspects(PROTECTED, *jobs, as_of=NOW + day * DAY)} for day in range(12)
    ]

    assert {len(day) for day in days} == {MOST_A_DAY}
    assert suspects(PROTECTED, *jobs) == suspects(PROTECTED, *jobs[::-1])
    assert len(set().union(*days)) > 0.99 * len(jobs)
