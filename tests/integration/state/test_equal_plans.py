"""The same world gives the same plan file, byte for byte, whichever database keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings

from sauce_janitor import planfile, report
from sauce_janitor.model.job_retries import Failing, FailureKind
from sauce_janitor.model.jobs import DELETES, UNKNOWN, Action, Build, JobId, Owner, Record
from sauce_janitor.model.policies import Rules
from sauce_janitor.retention.decide import decide
from sauce_janitor.retention.plan.plan import Plan
from sauce_janitor.retention.plan.planner import make_plan
from sauce_janitor.state import Query, State
from tests.support import worlds
from tests.support.jobs import DAY, NOW
from tests.support.laws import examples_on_a_change
from tests.support.postgresql import Postgresql

OWNER = Owner("jane")
DIGEST = "sha256:rules"
Write = Callable[[State, str], object]


@pytest.fixture(scope="module")
def states(
    tmp_path_factory: pytest.TempPathFactory, postgresql: Postgresql
) -> Iterator[tuple[State, State]]:
    """A state in a file and one on a server. Each world is an account in both."""
    url = postgresql.state()
    with (
        State.open(tmp_path_factory.mktemp("state") / "state.db") as in_file,
        State.connect(url) as on_server,
    ):
        yield in_file, on_server
    postgresql.drop(url)


numbers = count()


@settings(
    max_examples=examples_on_a_change(0.4),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(worlds.worlds)
def test_a_plan_is_the_same_bytes_on_both_databases(
    states: tuple[State, State], world: worlds.World
) -> None:
    rules, records, rng = world
    writes = [*history(records, rng)]
    account = f"account {next(numbers)}"
    found = []
    for state in states:
        state.accounts.admit(account, base_url="https://api.example", username="demo")
        # The order in which jobs were listed is not the order in which they are read.
        listed = records if state is states[0] else records[::-1]
        for job in (record.job for record in listed):
            state.jobs.of(account, OWNER).put(
                [job], unreadable=(), mark=NOW, now=NOW - 9 * DAY, bookmark=None
            )
        for write in writes:
            write(state, account)
        found.append(planned(state, account, rules))
    assert found[0] == found[1]


def history(records: list[Record], rng: Random) -> Iterator[Write]:
    """What happened to these jobs: builds, receipts, purges, holds, announcements, plans,
    failures.
    """
    yield builds_of(records)
    for record in records:
        job_id = record.job.id
        if rng.randrange(8):
            yield receipt_of(record)
        if record.held:
            yield hold_of(record, None if rng.randrange(2) else NOW + rng.choice((-1, 0, 1)))
        if rng.randrange(6) == 0:
            yield assets_gone(record, purged=rng.randrange(2) == 0)
        if rng.randrange(6) == 0:
            failing = Failing(rng.choice([*FailureKind]), "HTTP 500", requests=3)
            yield failure_of(record, failing, NOW - rng.choice((0, DAY)))
        if rng.randrange(20) == 0:
            yield gone(job_id)
    for action in DELETES:
        named = [record.job.id for record in records if rng.randrange(2)]
        yield announcement(action, named, NOW - rng.choice((0, DAY, 40 * DAY)))
    if rng.randrange(3):
        digest = DIGEST if rng.randrange(4) else "sha256:other"
        yield acceptance(digest, [each.job.id for each in records if rng.randrange(3) == 0])


def acceptance(digest: str, job_ids: list[JobId]) -> Write:
    return lambda state, account: state.acceptances.accept(
        account, digest, at=NOW - 8 * DAY, sizes={None: 2}, jobs={Action.DELETE_JOB: job_ids}
    )


def gone(job_id: JobId) -> Write:
    return lambda state, account: state.jobs.of(account, OWNER).mark_gone([job_id])


def builds_of(records: list[Record]) -> Write:
    known = {
        record.build_id: Build(
            record.build_id,
            record.job.build,
            OWNER,
            record.build_status,
            record.build_counters.jobs if record.build_counters else UNKNOWN,
            record.build_counters.open_jobs if record.build_counters else UNKNOWN,
        )
        for record in records
        if isinstance(record.build_id, str)
    }
    return lambda state, account: state.jobs.of(account, OWNER).put_builds(
        known.values(), now=NOW - 9 * DAY
    )


def receipt_of(record: Record) -> Write:
    job_id = record.job.id
    return lambda state, account: state.journal.during(account, "run", lambda: NOW).archived(
        job_id, OWNER, receipt="ab" * 32, selection="all", policy="p0"
    )


def hold_of(record: Record, until: int | None) -> Write:
    job_id = record.job.id
    return lambda state, account: state.holds.add(
        account, [job_id], by="jane", reason="", at=1, until=until
    )


def assets_gone(record: Record, *, purged: bool) -> Write:
    job_id = record.job.id

    def write(state: State, account: str) -> None:
        journal = state.journal.during(account, "run", lambda: NOW)
        if purged:
            journal.purged(job_id, OWNER, policy="p0", lost=False)
        else:
            journal.found_gone(Action.DELETE_ASSETS, OWNER, job_id, policy="p0", detail="404")

    return write


def failure_of(record: Record, failing: Failing, at: int) -> Write:
    job_id = record.job.id
    return lambda state, account: state.retries.failed(account, job_id, failing, at=at)


def announcement(action: Action, job_ids: list[JobId], at: int) -> Write:
    return lambda state, account: state.notices.announce(account, action, job_ids, at=at)


def planned(state: State, account: str, rules: Rules) -> tuple[str, object]:
    """The plan file, with the jobs that stay, and what else a run takes from the plan."""
    query = Query(account, None, rules.age_from, NOW, DIGEST)
    with state.jobs.snapshot(query) as snapshot:
        plan = make_plan(
            rules,
            snapshot.records,
            as_of=NOW,
            accepted_at=state.acceptances.accepted_at(account, DIGEST),
            retries=state.retries.of(account),
        )
        kept = [
            report.kept_row(record.job.id, decisions)
            for record, decisions in decide(rules, snapshot.records, as_of=NOW)
        ]
    head = planfile.PlanHead(
        account, "https://api.example", "demo", NOW, NOW, False, DIGEST, "", 0,
        {str(action): number for action, number in plan.totals.items()},
        tuple(broken.limit for broken in plan.broken),
    )  # fmt: skip
    sealed = planfile.SealedPlan(head, actions(plan), kept)
    text = "".join(planfile.text([sealed], secret=b"the same for both"))
    return text, (plan.announcements, plan.purge_candidates, plan.lints, plan.late)


def actions(plan: Plan) -> Iterator[planfile.Row]:
    for job in plan.jobs():
        for decision in job.actions:
            row = report.action_row(job.job_id, job.owner, decision)
            yield {**row, "fingerprint": job.fingerprint}
