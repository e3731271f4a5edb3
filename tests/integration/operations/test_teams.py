"""`users: [{team: NAME}]`: a team's members and service accounts, and nobody else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from sauce_janitor.errors import ConfigError, ForbiddenError, RefusedError, SourceError
from sauce_janitor.sandbox.core.options import Behaviours
from tests.support.commands import DAY, Commands

OLD = """
limits: {max_percent: null}
policies: [{name: old, match: all, then: {archive: none, delete_job: 5d}}]
"""
WEB = {"demo", "bob", "jörg.weiß+qa@example.com"}
PLATFORM = {"alice", "sso-nightly-bot"}


@pytest.fixture
def open_team(open_desk: Callable[..., Commands]) -> Callable[..., Commands]:
    """Opens a sandbox with these behaviours, and a configuration for these users."""

    def make(users: str = "{team: platform}", **behaviours: str) -> Commands:
        desk = open_desk(jobs=20, behaviours=Behaviours().changed(behaviours))
        desk.configure(OLD, budget=f", users: {users}")
        return desk

    return make


def _owners_of(desk: Commands, jobs: set[str]) -> set[str]:
    return {
        owner
        for owner in desk.sandbox.owners
        if jobs & set(desk.sandbox.job_ids(owner, even_deleted=True))
    }


def test_a_team_is_its_members_and_its_service_accounts(open_team: Callable[..., Commands]) -> None:
    desk = open_team()
    result = desk.run(execute=True)
    assert set(result.scope.owners) == PLATFORM
    assert result.complete
    assert _owners_of(desk, desk.deleted()) == PLATFORM
    assert ": the team platform, by team management" in desk.say("plan").stdout
    assert "the team platform" in desk.say("status").stdout


def test_teams_and_names_may_stand_together(open_team: Callable[..., Commands]) -> None:
    desk = open_team("[me, {team: platform}]")
    assert set(desk.run().scope.owners) == {"demo"} | PLATFORM
    desk.configure(OLD, budget=", users: [{team: web}, {team: platform}]")
    assert set(desk.run().scope.owners) == WEB | PLATFORM


def test_a_team_may_be_named_by_its_id(open_team: Callable[..., Commands]) -> None:
    desk = open_team()
    (identity,) = {
        person.team_uuid
        for person in desk.sandbox.world.organisation.people
        if person.team == "web"
    }
    desk.configure(OLD, budget=f", users: {{team: {identity}}}")
    assert set(desk.run().scope.owners) == WEB


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Platform", "did you mean platform?"),
        ("wbe", "did you mean web?"),
        ("zzz", "there are: platform, web"),
    ],
)
def test_a_team_that_is_not_there_is_answered_with_what_is(
    open_team: Callable[..., Commands], name: str, said: str
) -> None:
    desk = open_team(f"{{team: {name}}}")
    with pytest.raises(ConfigError, match=f"the organization has no team '{name}'") as wrong:
        desk.run(execute=True)
    assert said in str(wrong.value)
    assert desk.writes() == []
    desk.say("plan", code=2)


def test_two_teams_of_one_name_are_refused_with_their_ids(
    open_team: Callable[..., Commands],
) -> None:
    desk = open_team()
    desk.sandbox.inject("lie", endpoint="teams.list", row=0, set={"name": "platform"})
    with pytest.raises(ConfigError, match="2 teams are called 'platform': write the id") as wrong:
        desk.run(execute=True)
    for person in desk.sandbox.world.organisation.people:
        assert person.team_uuid in str(wrong.value)
    assert desk.writes() == []


@pytest.mark.parametrize("switch", ["forbidden", "off"])
def test_who_may_not_ask_for_teams_is_told_what_to_do(
    open_team: Callable[..., Commands], switch: str
) -> None:
    """Insights does not know of teams: there is nobody else to ask."""
    desk = open_team(team_management=switch)
    with pytest.raises((ForbiddenError, SourceError)) as wrong:
        desk.run(execute=True)
    said = str(wrong.value)
    assert said.startswith("the members of team platform cannot be listed")
    assert (
        "list their names under `users`, or use the credentials of an organization or team admin"
        in said
    )
    assert desk.writes() == []


def test_service_accounts_that_may_not_be_listed_are_a_gap(
    open_team: Callable[..., Commands],
) -> None:
    desk = open_team(service_accounts="forbidden")
    result = desk.run(execute=True)
    assert result.scope.owners == ("alice",)
    assert result.scope.gaps
    assert not result.complete
    assert _owners_of(desk, desk.deleted()) == {"alice"}


@pytest.mark.parametrize(
    "fault", [{"fault": "short_page"}, {"fault": "status", "status": 500}, {"fault": "not_a_list"}]
)
@pytest.mark.parametrize("endpoint", ["teams.list", "teams.members"])
def test_an_answer_that_is_not_whole_makes_no_plan(
    open_team: Callable[..., Commands], fault: dict[str, object], endpoint: str
) -> None:
    settings = dict(fault)
    desk = open_team("{team: web}, retries: {attempts: 1}")
    desk.sandbox.inject(str(settings.pop("fault")), endpoint=endpoint, **settings)
    with pytest.raises(SourceError):
        desk.run(execute=True)
    assert desk.writes() == []


def test_the_jobs_of_who_left_a_team_leave_the_plan(open_team: Callable[..., Commands]) -> None:
    desk = open_team("{team: web}")
    desk.run()
    desk.sandbox.inject("lie", endpoint="teams.members", row=1, set={"username": "alice"})
    result = desk.run(execute=True)
    assert set(result.scope.owners) == (WEB - {"bob"}) | {"alice"}
    assert "bob" not in _owners_of(desk, desk.deleted())
    (left,) = result.left_out
    assert (left.owner, left.departed) == ("bob", True)
    assert str(left).startswith("bob, who is not in the team web any more: ")
    assert result.complete, "somebody who left is no failure"
    offline = desk.run(offline=True)
    assert "bob" not in offline.scope.owners, "nor is anybody told of them by what asks nobody"


def test_who_is_in_the_teams_of_two_accounts_is_refused(open_team: Callable[..., Commands]) -> None:
    desk = open_team("{team: web}")
    (desk.folder / "alice.key").write_text("alice-key")
    two = f"base_url: {desk.sandbox.base_url}, username: alice, access_key: {{file: alice.key}}"
    other = f", users: {{team: web}}}}\n  two: {{{two}, users: {{team: platform}}"
    desk.configure(OLD, budget=other)
    assert desk.run(execute=True).complete, "two teams have nobody in common"
    desk.sandbox.inject("lie", endpoint="teams.members", row=0, set={"username": "carl"})
    with pytest.raises(RefusedError, match="accounts box and two both cover jobs of carl"):
        desk.run(execute=True)


def test_a_rule_on_the_team_takes_that_team_s_jobs_and_none_whose_team_is_not_told(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(jobs=0)
    desk.configure(OLD.replace("match: all", "match: {team_id: web1}"))
    jobs = [
        desk.sandbox.arrive(created_at=int(time.time()) - 9 * DAY - number) for number in range(3)
    ]
    for job, team in zip(jobs, ("web1", "ios2"), strict=False):
        desk.sandbox.edit(job, team_id=team)
    result = desk.run(execute=True)
    assert desk.deleted() == {jobs[0]}
    assert sum(result.plan.undecided.values()) == 1, (
        "what Sauce Labs does not tell is unclear, and kept"
    )
    assert "undecided (team_id is unknown)" in desk.say("explain", jobs[2]).stdout
    found = {
        row["id"]: row["team_id"] for row in json.loads(desk.say("jobs", "--format", "json").stdout)
    }
    assert found == {jobs[1]: "ios2", jobs[2]: None}
