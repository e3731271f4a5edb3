"""`check` and `plan` say where a policy's shorter time does not come true, because another policy
says longer.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.support.commands import Commands

POLICIES = """
limits: {max_percent: null}
policies:
  - {name: passed, match: {status: passed}, then: {archive: none, delete_assets: 3d}}
  - {name: suites, match: {name: "*"}, keep: [{id: recent, last: 5}], then: {archive: none, delete_assets: 10d}}
  - {name: pii, match: {tags: pii}, overrides: all, then: {archive: none, delete_assets: 1d}}
"""


def test_a_plan_says_for_how_many_jobs_a_shorter_time_does_not_come_true(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(POLICIES)
    plan = json.loads(desk.say("plan", "--format", "json", "--all").stdout)
    longer = {(each["policy"], each["becomes"]): each for each in plan["interactions"]}
    jobs = longer["passed", "10d"]["jobs"]
    assert longer["passed", "10d"] == {
        "policy": "passed",
        "action": "delete_assets",
        "after": "3d",
        "becomes": "10d",
        "jobs": jobs,
        "by": "suites",
        "by_action": "delete_assets",
        "kept_by": [],
    }
    assert longer["passed", None]["kept_by"] == ["recent"]

    said = desk.say("plan").stdout
    assert f"passed: delete_assets 3d is 10d for {jobs} jobs (suites)" in said
    assert ": suites keeps them (recent)" in said
    assert said.index("Why jobs stay") < said.index("Times that another policy makes longer")
    assert (
        f"passed: delete_assets 3d is 10d for {jobs} jobs (suites)"
        in desk.say("plan", "--format", "markdown").stdout
    )

    desk.configure(
        POLICIES.replace("match: {status: passed}", "match: {status: passed}, overrides: [suites]")
    )
    assert json.loads(desk.say("plan", "--format", "json").stdout)["interactions"] == []
    assert "makes longer" not in desk.say("plan").stdout


def test_check_says_what_is_possible_and_warns_of_what_is_certain(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(POLICIES)
    said = desk.say("check").stdout
    possible = (
        "possible: passed: delete_assets 3d takes longer for jobs that also match suites (10d)"
    )
    assert possible in said
    assert "warning" not in said
    (found,) = json.loads(desk.say("check", "--format", "json").stdout)["interactions"]
    assert (found["policy"], found["by"], found["becomes"], found["certain"]) == (
        "passed",
        "suites",
        "10d",
        False,
    )

    every = POLICIES.replace('{name: "*"}', "all").replace("  - {name: pii", "  # {name: pii")
    desk.configure(every)
    said = desk.say("check").stdout
    assert "warning: " in said
    assert (
        "delete_assets: 3d: never applies, because suites matches all of its jobs and says 10d"
        in said
    )
    assert "possible:" not in said
    (found,) = json.loads(desk.say("check", "--format", "json").stdout)["interactions"]
    assert found["certain"] is True
    assert list(desk.sandbox.log) == []
