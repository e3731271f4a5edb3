"""Sentences of docs/reference/policies.md that only whole runs show; each docstring quotes one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from sauce_janitor.errors import RefusedError
from tests.support.commands import DAY, Commands

POLICIES = """
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: none, delete_assets: 20d}}
"""


def test_a_run(open_desk: Callable[..., Commands]) -> None:
    """Terms: A **run** is one pass of sauce-janitor, never a test."""
    desk = open_desk()
    desk.configure(POLICIES)
    assert desk.run().plan.inventory == 60
    desk.run()
    assert [run.mode for run in desk.state.runs.last("box")] == ["dry_run", "dry_run"]


def test_the_same_plan(open_desk: Callable[..., Commands]) -> None:
    """Terms: The same inventory, state, configuration and `as_of` give the same plan, byte for
    byte, except for `created_at` and the seal."""
    desk = open_desk()
    desk.configure(POLICIES)
    desk.run()
    texts = []
    for _ in range(2):
        given = ("--offline", "--as-of", "2030-01-01T00:00:00Z", "--all", "--format", "json")
        text = desk.say("plan", *given).stdout
        plan = json.loads(text)
        assert plan["actions"]
        texts.append(
            text.replace(plan["created_at"], "…").replace(plan["seal"], "…")
        )  # which seals created_at too
    assert texts[0] == texts[1]


LIMITED = POLICIES.replace("{max_percent: null}", "{max_percent: 5, max_jobs: 3}")


def refused(desk: Commands) -> str:
    with pytest.raises(RefusedError) as caught:
        desk.run(execute=True)
    return str(caught.value)


def test_a_broken_limit(open_desk: Callable[..., Commands]) -> None:
    """Limits and approvals: A broken limit refuses the whole plan before the first change; it never
    trims it."""
    desk = open_desk()
    desk.configure(LIMITED)
    assert "max_jobs is 3" in refused(desk)
    assert desk.writes() == []
    assert desk.run().plan.acting.jobs > 20


def test_expected_jobs(open_desk: Callable[..., Commands]) -> None:
    """Limits and approvals: A job is *expected* if an earlier `run --execute` under the same policy
    digest has seen it, the plan of that run was accepted (not refused), and only time has passed
    since. Dry runs make nothing expected."""
    desk = open_desk()
    desk.configure(POLICIES.replace("null", "5"))
    desk.run()
    refused(desk)
    plan = desk.run().plan
    assert (plan.expected, plan.unexpected) == (0, plan.acting.jobs)
    assert plan.acting.jobs > 20

    waiting = POLICIES.replace("20d", "9y")
    desk.configure(waiting)
    desk.run(execute=True)
    desk.later_s = 9 * 366 * DAY
    known = desk.run().plan
    assert known.expected == known.acting.jobs > 20
    desk.configure(waiting.replace("9y", "8y"))
    assert desk.run().plan.expected == 0, "another policy digest"


def test_growth(open_desk: Callable[..., Commands]) -> None:
    """Limits and approvals: `max_growth: 3` allows three times the median of the last 7 accepted
    plans that deleted or stopped anything; it is not checked before there is one."""
    desk = open_desk()
    desk.configure(POLICIES.replace("null", "null, max_growth: 1"))
    plan = desk.run().plan
    assert plan.broken == ()
    for at, size in enumerate([999, 999, 7, 1, 0, 4, 2, 0, 5, 3, 6]):
        desk.state.acceptances.accept("box", "sha256:a", at=at, sizes={None: size})
    for growth, limits in ((plan.acting.new / 4, []), ((plan.acting.new - 1) / 4, ["max_growth"])):
        desk.configure(POLICIES.replace("null", f"null, max_growth: {growth}"))
        assert [limit.limit for limit in desk.run().plan.broken] == limits


@pytest.mark.parametrize("way", ["apply", "approve", "approvals"])
def test_lifting(open_desk: Callable[..., Commands], way: str) -> None:
    """Limits and approvals: To lift a limit, `apply` a reviewed plan, `approve DIGEST`, or commit
    what a refused plan prints: `approvals: [{account: eu, policy_digest: "sha256:…", lift:
    [max_percent], max_jobs: 480000, until: 2026-09-01, by: jane, reason: first clean-up}]`."""
    desk = open_desk()
    desk.configure(LIMITED)
    pasted = refused(desk).splitlines()[-1]
    form = (
        r'approvals: \[\{account: box, policy_digest: "sha256:\w+", lift: \[max_percent\],'
        r" max_jobs: \d+, "
    )
    assert re.fullmatch(form + r"until: [\d-]+, by: .+, reason: .+\}\]", pasted)
    total = desk.run().plan.acting.jobs
    if way == "apply":
        desk.say("plan", "--out", str(desk.folder / "plan.json"))
        desk.say("apply", str(desk.folder / "plan.json"))
    elif way == "approve":
        desk.say("approve", desk.config.policy_digest("box"), "--yes")
        desk.run(execute=True)
    else:
        desk.configure(LIMITED + pasted + "\n")
        desk.run(execute=True)
    assert len(desk.deleted()) == total > 20
