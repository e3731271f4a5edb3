"""A refused plan prints what approves it; approved, in the state or in the file, it goes ahead and
then drains by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from sauce_janitor.errors import RefusedError
from tests.support.commands import DAY, Commands

POLICIES = """
limits: {max_percent: 5, max_jobs: 3}
policies:
  - {name: old, match: all, then: {archive: none, delete_assets: 20d}}
"""
TIGHT = ", budget: {per_hour: 60, burst: 5, per_second: 50}, retries: {max_wait: 1s}"


def refused(desk: Commands) -> str:
    with pytest.raises(RefusedError) as caught:
        desk.run(execute=True)
    assert desk.writes() == []
    return str(caught.value)


def test_a_refused_plan_names_the_limits_and_prints_what_approves_it(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(POLICIES)
    said = refused(desk)
    assert "max_percent is 5 %" in said
    assert "max_jobs is 3" in said
    assert "policy old" in said
    digest = desk.config.policy_digest("box")
    assert f"sauce-janitor approve {digest} --lift max_percent --max-jobs " in said
    assert f"sauce-janitor approve {digest} --lift max_percent" in desk.say("plan").output
    assert said.splitlines()[-1] in desk.say("plan", "--format", "markdown").output


def test_what_it_prints_for_the_file_is_pasted_and_lifts(
    open_desk: Callable[..., Commands],
) -> None:
    """Limits and approvals: not even approvals."""
    desk = open_desk()
    desk.configure(POLICIES)
    pasted = refused(desk).splitlines()[-1]
    assert pasted.startswith("approvals: [{account: box, ")
    digest = desk.config.policy_digest("box")
    desk.configure(POLICIES + pasted + "\n")
    assert desk.config.policy_digest("box") == digest, "an approval is no part of what it approves"
    assert desk.config.warnings == ()
    result = desk.run(execute=True)
    assert {limit.limit for limit in result.plan.lifted} == {"max_percent", "max_jobs"}
    assert len(desk.deleted()) == result.plan.acting.jobs > 3


def test_the_command_it_prints_lifts_and_the_plan_says_who_did(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(POLICIES)
    command = next(line for line in refused(desk).splitlines() if "sauce-janitor approve" in line)
    arguments = command.partition("sauce-janitor ")[2].replace("WHY", "cleanup").split()
    desk.say(*arguments, code=2)  # nobody to ask, and no --yes
    desk.say(*arguments, "--yes", "--dry-run")
    refused(desk)
    desk.say(*arguments, "--yes")
    said = desk.say("run", "--execute").output
    assert re.search(r"Limit lifted by \S+ \(cleanup\): max_percent is 5 %", said)
    assert desk.deleted()


def test_an_accepted_plan_drains_after_its_approval_is_over(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(jobs=160)
    desk.configure(POLICIES, budget=TIGHT)
    desk.say("approve", desk.config.policy_digest("box"), "--yes")
    total = desk.run(execute=True).plan.acting.jobs
    assert 0 < len(desk.deleted()) < total
    desk.say("approve", desk.config.policy_digest("box"), "--withdraw", "--yes")
    for _ in range(20):
        desk.an_hour_passes()
        if not desk.run(execute=True).plan.acting.jobs:
            break
    assert len(desk.deleted()) == total


@pytest.mark.parametrize(
    "change", ["over", "foreign", "too few", "another limit", "another account"]
)
def test_an_approval_that_is_not_for_this_plan_lifts_nothing(
    open_desk: Callable[..., Commands], change: str
) -> None:
    """Limits and approvals: An expired approval, or one for another account or digest, lifts
    nothing."""
    desk = open_desk()
    desk.configure(POLICIES)
    line = refused(desk).splitlines()[-1]
    if change == "over":
        desk.configure(POLICIES + re.sub(r"max_jobs: \d+", "max_jobs: 9999", line))
        desk.later_s = 9 * DAY
    elif change == "foreign":
        desk.configure(POLICIES.replace("20d", "21d") + line)
        assert "lifts nothing: the policy digest of box is now" in str(desk.config.warnings[0])
    elif change == "too few":
        desk.configure(POLICIES + re.sub(r"max_jobs: \d+", "max_jobs: 4", line))
        assert "is for at most 4 jobs" in refused(desk)
    elif change == "another limit":
        desk.configure(POLICIES + re.sub(r"lift: \[max_percent\]", "lift: [max_growth]", line))
    else:
        desk.configure(POLICIES + line)
        path = desk.folder / "config.yaml"
        path.write_text(
            path.read_text()
            .replace("  box:", "  other: {region: eu}\n  box:")
            .replace("account: box", "account: other")
        )
    assert "max_percent is 5 %" in refused(desk)


def test_a_digest_that_no_account_has_is_refused_with_those_there_are(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(POLICIES)
    said = desk.say("approve", "sha256:" + "0" * 64, "--yes", code=2)
    assert desk.config.policy_digest("box") in str(said.exception)
    assert "no account of" in str(said.exception)
    assert "too few digits" not in str(said.exception)


def test_the_beginning_of_a_digest_that_is_too_short_asks_for_more_digits(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(POLICIES)
    one_digit = desk.config.policy_digest("box").removeprefix("sha256:")[:1]
    said = desk.say("approve", one_digit, "--yes", code=2)
    assert "too few digits" in str(said.exception)
    assert "no account of" not in str(said.exception)


def test_an_approval_in_the_state_ends_and_is_withdrawn(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk()
    desk.configure(POLICIES)
    digest = desk.config.policy_digest("box")
    desk.say("approve", digest, "--until", "2020-01-01", "--yes", code=2)
    desk.say("approve", digest, "--yes")
    assert desk.run().plan.broken == ()
    desk.say("approve", digest, "--withdraw", "--yes")
    refused(desk)
    desk.say("approve", digest, "--yes")
    desk.later_s = 2 * DAY
    refused(desk)
