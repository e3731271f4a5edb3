"""A departure's rules: every job of that user and of nobody else goes, whatever a policy said;
holds and forbids stand.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from sauce_janitor.model.jobs import Action, Job, JobId, JobState, Owner, Record
from sauce_janitor.model.policies import (
    EVERYTHING,
    DeleteRule,
    Duration,
    Forbid,
    Hold,
    KeepRule,
    Limits,
    Policy,
    Rules,
)
from sauce_janitor.retention.plan.offboarding import rules_for
from sauce_janitor.retention.plan.planner import make_plan

NOW = 1_760_000_000
NEVER = Policy(
    name="never", match=EVERYTHING, keep=(KeepRule("all", "last", count=99),),
    deletes=((Action.DELETE_ASSETS, DeleteRule(None)), (Action.DELETE_JOB, DeleteRule(None))),
)  # fmt: skip
RULES = Rules(
    ZoneInfo("UTC"),
    (NEVER,),
    (Hold("tag", tag="keep"),),
    (Forbid(EVERYTHING, ("video",)),),
    grace=Duration("2d", 172_800),
    limits=Limits(),
)


def record(number: int, owner: str, *tags: str, state: JobState = JobState.FINISHED) -> Record:
    ended = NOW - 60 if state is JobState.FINISHED else None
    return Record(
        Job(
            JobId(f"{number:032x}"),
            Owner(owner),
            state,
            tags=tags,
            created_at=NOW - 120,
            started_at=NOW - 90,
            ended_at=ended,
        )
    )


@pytest.mark.parametrize("name", ["bob", "b*", "b?b", "[bo]b", "bob]", "!bob", "b[!o]b"])
@pytest.mark.parametrize("keep", [True, False])
def test_every_job_of_the_user_and_of_nobody_else_goes(name: str, keep: bool) -> None:
    records = [
        record(1, name),
        record(2, name, "keep"),
        record(3, "bob2"),
        record(4, name, state=JobState.RUNNING),
        record(5, "bbb"),
    ]
    plan = make_plan(
        rules_for(RULES, Owner(name), keep=keep), lambda: records, as_of=NOW, accepted_at=None
    )
    acting = {job.job_id: job for job in plan.jobs()}
    [job] = [each for each in acting.values() if each.actions[-1].action is Action.DELETE_JOB]
    assert job.job_id == records[0].job.id
    assert set(acting) == {records[0].job.id, records[1].job.id}, (
        "the held one is archived, as ever"
    )
    assert [each.action for each in acting[records[1].job.id].actions] == [Action.ARCHIVE]
    if keep:
        assert job.selection is not None
        assert [job.selection.wants(file) for file in ("log.json", "video.mp4")] == [True, False]
        assert job.selection.may_lose("video.mp4")
        assert not job.selection.may_lose("log.json")
    else:
        assert (job.selection, job.nothing_wanted_by) == (None, "(offboard)")
