"""What a plan of many jobs takes in memory, from the state, when every job acts. Counted
allocations, no clock, no RSS.
"""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from sauce_janitor.model.jobs import Job, JobState, Owner, job_id
from sauce_janitor.retention.plan.planner import make_plan
from sauce_janitor.state import Query
from sauce_janitor.state import State as Store
from tests.support.jobs import DAY, NOW, keep, policy, rules, where

OWNER = Owner("jane")
MOST_BYTES_A_JOB = 150
"""A million jobs are to be planned in 250 MB by a process that has some 80 MB of code loaded."""
RULES = rules(
    policy("pull-requests", where(build="PR-*"), assets="1d", job="2d"),
    policy(
        "nightly",
        where(build="nightly-*"),
        archive="2h",
        job="20d",
        keep=(keep("recent", "last", count=2),),
        group_by=("name", "os", "browser"),
    ),
)


def fill(store: Store, count: int) -> None:
    jobs = store.jobs.of("box", OWNER)
    for start in range(0, count, 2_000):
        page = [
            Job(
                id=job_id(f"{number * 0x9E3779B97F4A7C15 % 2**128:032x}"),
                owner=OWNER,
                state=JobState.FINISHED,
                name=f"test {number % 400}",
                build=f"PR-{number // 50}" if number % 3 else f"nightly-{number // 300}",
                status="passed" if number % 7 else "failed",
                os="Linux",
                browser=("chrome", "firefox")[number % 2],
                started_at=NOW - 3 * DAY - number,
                ended_at=NOW - 3 * DAY - number,
            )
            for number in range(start, start + 2_000)
        ]
        jobs.put(page, unreadable=(), mark=NOW, now=NOW, bookmark=None)


def peak_of_planning(folder: Path, count: int) -> int:
    """Bytes at most allocated while so many jobs are read, decided on, planned and handed out."""
    with Store.open(folder / f"{count}.db") as store:
        store.accounts.admit("box", base_url="https://api.example", username=OWNER)
        fill(store, count)
        with store.jobs.snapshot(Query("box", None, RULES.age_from, NOW)) as seen:
            tracemalloc.start()
            try:
                plan = make_plan(RULES, seen.records, as_of=NOW, accepted_at=None)
                handed_out = sum(1 for _ in plan.jobs())
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
    assert handed_out == count
    return peak


def test_each_further_job_costs_a_plan_few_bytes(tmp_path: Path) -> None:
    few, many = 6_000, 26_000
    a_job = (peak_of_planning(tmp_path, many) - peak_of_planning(tmp_path, few)) / (many - few)
    assert a_job <= MOST_BYTES_A_JOB
