"""Limits over several runs: a broken one stops everything, and what was accepted drains without
tripping over itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sauce_janitor import planfile
from sauce_janitor.errors import RefusedError
from sauce_janitor.model.jobs import Action
from tests.support.commands import DAY, Commands

POLICIES = """
limits: {max_percent: null, LIMIT}
policies:
  - {name: old, match: all, then: {archive: none, delete_assets: 20d}}
"""
TIGHT = ", budget: {per_hour: 60, burst: 5, per_second: 50}, retries: {max_wait: 1s}"


def policies(limit: str, age: str = "20d") -> str:
    return POLICIES.replace("LIMIT", limit).replace("20d", age)


def test_a_plan_over_max_jobs_sends_nothing_and_names_the_numbers(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(policies("max_jobs: 3"))
    with pytest.raises(
        RefusedError,
        match=r"max_jobs is 3: the plan \(policy old: (\d+)\) would delete or stop \1 jobs",
    ):
        desk.run(execute=True)
    assert desk.writes() == []
    assert desk.state.acceptances.plan_sizes("box") == ()


def test_an_accepted_plan_drains_over_runs_without_tripping_its_own_limit(
    open_desk: Callable[..., Commands], tmp_path: Path
) -> None:
    """Limits and approvals: The request budget is no limit: it spreads an accepted plan over
    several runs."""
    desk = open_desk(jobs=160)
    desk.configure(policies("max_jobs: 5"), budget=TIGHT)
    reviewed = planfile_of(desk, tmp_path)
    total = desk.run(reviewed=reviewed).plan.acting.jobs
    assert total > 60
    left = total
    for turn in range(30):
        result = desk.run(execute=True, **({"reviewed": reviewed} if turn == 0 else {}))
        assert result.plan.acting.jobs == left
        assert result.plan.acting.new == (left if turn == 0 else 0)
        left = total - len(desk.deleted())
        if not left:
            break
        desk.an_hour_passes()
    assert turn >= 2, "one budget was not enough for all of it"
    assert not left
    assert desk.run().plan.acting.jobs == 0
    assert desk.state.acceptances.plan_sizes("box") == (total,)


def test_what_an_accepted_plan_did_not_have_counts(
    open_desk: Callable[..., Commands], tmp_path: Path
) -> None:
    desk = open_desk(jobs=160)
    desk.configure(policies("max_jobs: 5"), budget=TIGHT)
    desk.run(execute=True, reviewed=planfile_of(desk, tmp_path))
    before = desk.deleted()
    desk.later_s = 5 * DAY
    desk.an_hour_passes()
    with pytest.raises(RefusedError, match=r"besides the \d+ that an accepted plan has left to do"):
        desk.run(execute=True)
    assert desk.deleted() == before


def test_under_another_policy_nothing_was_accepted(
    open_desk: Callable[..., Commands], tmp_path: Path
) -> None:
    desk = open_desk(jobs=160)
    desk.configure(policies("max_jobs: 5"), budget=TIGHT)
    desk.run(execute=True, reviewed=planfile_of(desk, tmp_path))
    desk.configure(policies("max_jobs: 6"), budget=TIGHT)
    desk.an_hour_passes()
    plan = desk.run().plan
    assert plan.acting.new == plan.acting.jobs > 6
    assert [broken.limit for broken in plan.broken] == ["max_jobs"]


@pytest.mark.parametrize("place", ["global", "policy"])
def test_a_plan_that_outgrows_the_median_of_the_last_is_refused(
    open_desk: Callable[..., Commands], place: str
) -> None:
    desk = open_desk(jobs=160)
    own = policies("").replace("then:", "limits: {max_growth: 2}, then:")
    text = policies("max_growth: 2") if place == "global" else own
    text = text.replace("delete_assets", "delete_job")
    desk.configure(text.replace("20d", "38d"))
    first = desk.run(execute=True).plan.acting.new
    assert first > 3, "without an earlier plan it is not measured"
    desk.configure(text)
    with pytest.raises(
        RefusedError, match=r"max_growth is 2: .* times the median of the last plans"
    ) as refused:
        desk.run(execute=True)
    assert ("policy old would" in str(refused.value)) == (place == "policy")
    assert len(desk.deleted()) == first


def planfile_of(desk: Commands, folder: Path) -> dict[str, object]:
    """What `plan --out` writes and `apply` reads."""
    desk.say("plan", "--out", str(folder / "plan.json"))
    [plan] = planfile.read(folder / "plan.json")
    assert any(action["action"] == Action.DELETE_ASSETS for action in plan["actions"])
    return {"box": plan}
