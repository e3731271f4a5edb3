"""Whose jobs a run is about: an organization, single owners, each with the credentials that are for
him.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from sauce_janitor.errors import CredentialsError, ForbiddenError, SourceError
from sauce_janitor.model.jobs import Action, job_id
from sauce_janitor.operations.wiring.run_settings import Result
from sauce_janitor.sandbox.core.options import Behaviours
from tests.support.commands import DAY, Commands

OLD = """
limits: {max_percent: null}
policies: [{name: old, match: all, then: {archive: none, delete_assets: 5d, delete_job: 20d}}]
"""
EVERYBODY = {"demo", "alice", "bob", "sso-nightly-bot", "jörg.weiß+qa@example.com"}
ORGANIZATION = ", users: [organization]"


@pytest.fixture
def open_org(open_desk: Callable[..., Commands]) -> Callable[..., Commands]:
    """Opens a sandbox with these behaviours, and a configuration for the whole organization."""

    def make(
        policies: str = OLD, *, users: str = ORGANIZATION, now: int | None = None, **behaviours: str
    ) -> Commands:
        desk = open_desk(jobs=40, now=now, behaviours=Behaviours().changed(behaviours))
        desk.configure(policies, budget=users)
        return desk

    return make


def _asked(desk: Commands, endpoint: str = "jobs.list") -> set[str]:
    """Whose jobs were asked for, as the paths say."""
    return {entry.path.split("/")[3] for entry in desk.sandbox.log if entry.endpoint == endpoint}


def _owned(desk: Commands, jobs: set[str]) -> set[str]:
    """Who owns these jobs."""
    return {
        owner
        for owner in desk.sandbox.owners
        if jobs & set(desk.sandbox.job_ids(owner, even_deleted=True))
    }


def _refuse(desk: Commands, owner: str, status: int = 403, **settings: Any) -> None:
    """From now on nothing of this owner's is answered."""
    desk.sandbox.inject("status", path=f"/rest/*/{quote(owner)}/*", status=status, **settings)


def _an_hour_ago(desk: Commands) -> Result:
    """A dry run an hour ago: everybody was listed, and the next run has to list what is new
    since.
    """
    desk.later_s = -3600
    result = desk.run()
    desk.later_s = 0
    return result


def _keys(desk: Commands, *owners: str, users: str = "[me, alice, bob]") -> str:
    """The account's settings with credentials of their own for these owners."""
    found = []
    for owner in owners:
        (desk.folder / f"{owner}.key").write_text(desk.sandbox.owners[owner])
        found.append(f"{{owner: {owner}, access_key: {{file: {owner}.key}}}}")
    return f", users: {users}, credentials: [{', '.join(found)}]"


# --- organization ---------------------------------------------------------------------------------


def test_an_organization_is_its_users_who_left_and_its_service_accounts(
    open_org: Callable[..., Commands],
) -> None:
    desk = open_org()
    result = desk.run(execute=True)
    assert set(result.scope.owners) == EVERYBODY
    assert result.complete
    assert _owned(desk, desk.deleted()) == EVERYBODY
    assert {quote(name) for name in EVERYBODY} == _asked(desk)


def test_organization_and_names_may_stand_together(open_org: Callable[..., Commands]) -> None:
    desk = open_org(users=", users: [bob, organization, me]")
    assert desk.run().scope.owners[:2] == ("bob", "demo")
    assert len(desk.run().scope.owners) == len(EVERYBODY)


def test_who_may_not_look_users_up_goes_by_insights(open_org: Callable[..., Commands]) -> None:
    desk = open_org(team_management="forbidden")
    result = desk.run()
    assert set(result.scope.owners) == EVERYBODY
    assert "Insights" in result.scope.how
    said = desk.say("plan")
    assert (
        "the organization, by Insights, which knows who ran tests in the last 30 days"
        in said.stdout
    )


def test_when_nobody_says_who_is_in_it_the_run_ends_with_one_sentence_and_touches_nothing(
    open_org: Callable[..., Commands],
) -> None:
    desk = open_org(team_management="forbidden", insights="forbidden")
    with pytest.raises(
        ForbiddenError,
        match=r"^the members of the organization cannot be listed: [^\n]*403[^\n]*`users`",
    ):
        desk.run(execute=True)
    assert not _asked(desk)
    assert desk.writes() == []
    assert desk.state.runs.last("box")[0].result == "failed"
    desk.say("run", "--execute", code=4)


def test_a_list_of_users_that_breaks_off_never_shrinks_the_organization_unsaid(
    open_org: Callable[..., Commands],
) -> None:
    desk = open_org(users=ORGANIZATION + ", retries: {attempts: 1}", insights="off")
    _an_hour_ago(desk)
    desk.sandbox.inject("status", endpoint="users.list", status=500)
    result = desk.run(execute=True)
    assert set(result.scope.owners) == EVERYBODY, "who was known before is listed all the same"
    assert result.scope.gaps
    assert not result.complete
    assert desk.deleted()
    said = desk.say("plan", code=4)
    assert "Users may be missing" in said.stdout
    (plan,) = [json.loads(desk.say("plan", "--format", "json", code=4).stdout)]
    assert plan["owners_missing"]


def test_who_is_not_in_it_any_more_is_listed_as_long_as_that_is_answered(
    open_org: Callable[..., Commands],
) -> None:
    desk = open_org()
    _an_hour_ago(desk)
    desk.sandbox.inject("lie", endpoint="service_accounts.list", row=0, set={"username": "new-bot"})
    desk.later_s = -1800
    result = desk.run()
    desk.later_s = 0
    assert [(left.owner, left.departed) for left in result.left_out] == [("new-bot", False)]
    assert result.scope.departed == {"sso-nightly-bot"}
    assert any(listing.owner == "sso-nightly-bot" for listing in result.listings)
    _refuse(desk, "sso-nightly-bot", 404)
    left = {str(left.owner): left.departed for left in desk.run().left_out}
    assert left == {
        "new-bot": False,
        "sso-nightly-bot": True,
    }, "he left: that is said, and is no failure"


def test_members_without_any_job_cost_a_request_a_day_and_no_more(
    open_org: Callable[..., Commands],
) -> None:
    desk = open_org()
    for job in list(desk.sandbox.job_ids("bob")):
        desk.sandbox.remove(job)
    _an_hour_ago(desk)

    def asked_now() -> bool:
        before = len(desk.sandbox.log)
        assert desk.run().complete
        return any("/bob/" in entry.path for entry in desk.sandbox.log[before:])

    assert asked_now(), "an empty first listing is asked again"
    assert not asked_now()
    job = desk.sandbox.arrive(owner="bob")
    desk.later_s = DAY + 60
    assert asked_now()
    assert desk.state.jobs.record("box", job_id(job), as_of=0) is not None
    desk.configure(OLD, budget=", users: [organization, bob]")
    desk.later_s = DAY + 120
    assert asked_now(), "who is named is asked each time"


def test_offline_an_organization_is_who_is_known(open_org: Callable[..., Commands]) -> None:
    desk = open_org()
    desk.run()
    requests = len(desk.sandbox.log)
    result = desk.run(offline=True)
    assert set(result.scope.owners) == EVERYBODY
    assert result.plan.inventory > 40
    assert len(desk.sandbox.log) == requests
    desk.say("explain", next(iter(desk.sandbox.job_ids("alice"))))
    desk.say("simulate", "--for", "2d")


def test_names_that_need_percent_encoding_go_all_the_way(open_org: Callable[..., Commands]) -> None:
    policies = (
        "limits: {max_percent: null}\npolicies: [{name: old, match: all, then: {archive: 1h,"
        " delete_job: 20d}}]"
    )
    desk = open_org(policies, users=', users: ["jörg.weiß+qa@example.com"], delete_job_path: v1')
    assert desk.run(execute=True).complete
    assert len(desk.deleted()) == 2
    assert list((desk.folder / "archive" / "box").iterdir()) == [
        desk.folder / "archive" / "box" / "j%c3%b6rg.wei%c3%9f+qa@example.com"
    ]
    assert any(
        "/j%C3%B6rg.wei%C3%9F%2Bqa%40example.com/jobs/" in entry.path for entry in desk.sandbox.log
    )
    desk.say("prove")


# --- one owner's trouble --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 404])
def test_one_owner_who_is_refused_stops_nobody_else(
    open_org: Callable[..., Commands], status: int
) -> None:
    desk = open_org()
    known = _an_hour_ago(desk).plan.inventory
    _refuse(desk, "alice", status)
    said = desk.say("run", "--execute", code=4)
    assert _owned(desk, desk.deleted()) == EVERYBODY - {"alice"}
    assert "Left out: alice:" in said.stdout
    assert f"{status}" in said.stdout
    (run,) = json.loads(desk.say("run", "--execute", "--format", "json", code=4).stdout)
    (left,) = run["left_out"]
    assert (left["owner"], left["jobs"], run["complete"]) == (
        "alice",
        desk.state.jobs.of("box", left["owner"]).count(),
        False,
    )
    plan = json.loads(desk.say("plan", "--format", "json", code=4).stdout)
    assert [row["owner"] for row in plan["left_out"]] == ["alice"]
    assert not any(action["owner"] == "alice" for action in plan["actions"])
    assert desk.run().plan.inventory < known


def test_who_may_only_look_goes_on_archiving(open_org: Callable[..., Commands]) -> None:
    policies = "limits: {max_percent: null}\nworkers: 1\n"
    policies += "policies: [{name: old, match: all, then: {archive: 1h, delete_job: 5d}}]"
    desk = open_org(policies, users=", users: [alice]", others_jobs="read")
    said = desk.say("run", "--execute", code=4)
    result = desk.run(offline=True)
    assert not any(job.actions[0].action is Action.ARCHIVE for job in result.plan.jobs()), (
        "all of it is archived"
    )
    assert len(desk.writes()) == 1, "and after one refusal no more is tried"
    assert "alice: these credentials may not change this user's jobs (403)" in said.stdout


def test_status_names_who_was_left_out_and_tells_the_age_of_the_others_listings(
    open_org: Callable[..., Commands],
) -> None:
    desk = open_org()
    _an_hour_ago(desk)
    _refuse(desk, "alice")
    desk.run(execute=True)
    said = desk.say("status").stdout
    assert "owners: 5, the organization, by team management" in said
    assert (
        "left out by the last run: alice: user demo may not read the job list of alice (403)"
        in said
    )
    assert "all listed 1 h" in said
    (told,) = json.loads(desk.say("status", "--format", "json").stdout)
    assert [left["owner"] for left in told["left_out"]] == ["alice"]


def test_when_all_are_refused_the_first_refusal_is_told(open_org: Callable[..., Commands]) -> None:
    desk = open_org(users=", users: [alice, bob]", others_jobs="forbidden")
    with pytest.raises(ForbiddenError, match="the job list of alice"):
        desk.run(execute=True)


@pytest.mark.parametrize("fault", ["empty_list", "not_a_list"])
def test_an_owner_whose_list_is_not_to_be_believed_is_left_out(
    open_org: Callable[..., Commands], fault: str
) -> None:
    desk = open_org(users=ORGANIZATION + ", listing: {full_every: 1s}")
    _an_hour_ago(desk)
    desk.sandbox.inject(fault, endpoint="jobs.list", path="/rest/v1/bob/*")
    result = desk.run(execute=True)
    assert not _owned(desk, desk.deleted()) & {"bob"}
    assert [left.owner for left in result.left_out] == ["bob"]


def test_wrong_credentials_of_the_account_end_its_run(open_org: Callable[..., Commands]) -> None:
    desk = open_org(users=", users: [me, alice]")
    desk.sandbox.inject("status", endpoint="jobs.list", path="*alice*", status=401)
    with pytest.raises(CredentialsError):
        desk.run(execute=True)
    assert desk.writes() == []


def test_a_sauce_that_does_not_answer_ends_the_account_s_run(
    open_org: Callable[..., Commands],
) -> None:
    desk = open_org(users=", users: [me, alice], retries: {attempts: 1}")
    desk.sandbox.inject("status", endpoint="jobs.list", path="*alice*", status=503)
    with pytest.raises(SourceError, match="503"):
        desk.run(execute=True)
    assert desk.writes() == []


# --- what a missing owner means to the rules of the others ----------------------------------------

GROUPED = """
limits: {max_percent: null}
policies:
  - name: newest
    match: {build: shared}
    group_by: [name]
    keep: [{id: recent, last: 2}]
    then: {archive: none, delete_job: 1h}
"""


def _due(result: Result) -> set[str]:
    return {job.job_id for job in result.plan.jobs()}


def test_losing_an_owner_deletes_nothing_more_of_the_others(
    open_org: Callable[..., Commands],
) -> None:
    now = int(time.time())
    desk = open_org(
        GROUPED, users=", users: [me, alice, bob], listing: {full_every: 1s}", now=now - DAY
    )
    jobs = {
        (owner, hours): desk.sandbox.arrive(
            owner=owner, created_at=now - hours * 3600, build="shared", name="checkout"
        )
        for owner, hours in (("bob", 7), ("demo", 6), ("demo", 5), ("alice", 4), ("alice", 3))
    }
    whole = _due(desk.run())
    assert whole == {
        jobs["demo", 5],
        jobs["demo", 6],
        jobs["bob", 7],
    }, "alice's two are the newest of the group"
    _refuse(desk, "alice")
    desk.later_s = 60
    left = _due(desk.run())
    assert left == {jobs["bob", 7]}, "without her jobs the slots are the next ones'"


@pytest.mark.parametrize(
    ("builds_v2", "team_management"), [("on", "on"), ("on", "forbidden"), ("off", "on")]
)
def test_a_build_of_one_owner_says_nothing_of_another_s_of_the_same_name(
    open_org: Callable[..., Commands], builds_v2: str, team_management: str
) -> None:
    policies = """
limits: {max_percent: null}
policies: [{name: green, match: {all: [{build: rc-1}, {build_status: success}]}, then: {archive: none, delete_job: 1h}}]
"""
    now = int(time.time())
    behaviours = {"builds_v2": builds_v2, "team_management": team_management}
    desk = open_org(policies, users=", users: [me, alice]", now=now - DAY, **behaviours)
    for owner, passed in (("demo", True), ("alice", False), ("demo", True)):
        desk.sandbox.arrive(owner=owner, created_at=now - 7200, build="rc-1", passed=passed)
    plan = desk.run().plan
    assert {job.owner for job in plan.jobs()} == {"demo"}
    assert plan.job_count == 2
    assert not plan.undecided


def test_what_an_accepted_plan_left_out_is_not_expected_by_the_next(
    open_org: Callable[..., Commands],
) -> None:
    desk = open_org(OLD.replace("null", "null, max_jobs: 1000"))
    assert _an_hour_ago(desk).plan.expected == 0  # everybody's jobs are known from here on
    desk.sandbox.inject("status", path="/rest/*/alice/*", status=403, times=1)
    assert [left.owner for left in desk.run(execute=True).left_out] == ["alice"]
    plan = desk.run().plan
    assert {job.owner for job in plan.jobs()} == {"alice"}
    assert (plan.expected, plan.unexpected) == (0, plan.job_count)


# --- credentials of their own ---------------------------------------------------------------------


def _by_user(desk: Commands) -> Iterator[tuple[str | None, str]]:
    """Who asked about whose jobs."""
    owner_of = {
        job: owner for owner in EVERYBODY for job in desk.sandbox.job_ids(owner, even_deleted=True)
    }
    for entry in desk.sandbox.log:
        if entry.job_id:
            yield entry.user, owner_of[entry.job_id]


def test_credentials_of_an_owner_are_for_his_jobs_alone(open_org: Callable[..., Commands]) -> None:
    desk = open_org(others_jobs="hidden")
    desk.configure(OLD, budget=_keys(desk, "alice", "bob"))
    result = desk.run(execute=True)
    assert result.complete
    assert _owned(desk, desk.deleted()) == {"demo", "alice", "bob"}
    assert set(_by_user(desk)) == {("demo", "demo"), ("alice", "alice"), ("bob", "bob")}
    assert {need.username for need in result.needs} == {"demo", "alice", "bob"}


def test_each_credential_has_its_own_budget_and_one_that_is_spent_stops_no_other(
    open_org: Callable[..., Commands],
) -> None:
    desk = open_org()
    budget = ", budget: {per_second: 100, per_hour: 20}"
    desk.configure(OLD, budget=_keys(desk, "alice", users="[me, alice]") + budget)
    result = desk.run(execute=True)
    spent = {
        name: sum(entry.user == name for entry in desk.sandbox.log) for name in ("demo", "alice")
    }
    assert 10 < spent["demo"] <= 20
    assert _owned(desk, {job.job_id for job in desk.run(offline=True).plan.jobs()}) == {"demo"}, (
        "hers are all done"
    )
    assert result.execution is not None
    assert not result.execution.cut_short, "a spent budget is a pause"
    assert result.complete


@pytest.mark.parametrize("when", ["before", "halfway"])
def test_credentials_of_an_owner_that_are_not_accepted_stop_nobody_else(
    open_org: Callable[..., Commands], when: str
) -> None:
    desk = open_org(others_jobs="hidden")
    desk.configure(OLD, budget=_keys(desk, "alice", users="[me, alice]"))
    if when == "before":
        (desk.folder / "alice.key").write_text("wrong")
    else:
        desk.sandbox.inject("status", endpoint="assets.delete", user="alice", status=401, after=1)
        desk.sandbox.inject("status", endpoint="job.*", user="alice", status=401, after=2)
    said = desk.say("run", "--execute", code=4)
    assert "Left out: alice: " in said.stdout
    demo = set(desk.sandbox.job_ids("demo", even_deleted=True))
    due = {job.job_id for job in desk.run().plan.jobs()} & demo
    assert not due, "all that was due of the others is done"
    assert desk.state.runs.last("box", mode="execute")[0].result == "incomplete"


def test_credentials_of_an_owner_that_cannot_be_had_stop_nobody_else(
    open_org: Callable[..., Commands],
) -> None:
    desk = open_org()
    desk.configure(OLD, budget=_keys(desk, "alice", users="[me, alice]"))
    (desk.folder / "alice.key").unlink()
    result = desk.run(execute=True)
    (left,) = result.left_out
    assert left.owner == "alice"
    assert "alice.key cannot be read" in left.why
    assert _owned(desk, desk.deleted()) == {"demo"}


def test_a_command_for_a_key_that_fails_is_run_once_a_run(
    open_org: Callable[..., Commands],
) -> None:
    desk = open_org()
    command = "{command: [sh, -c, 'echo >> calls; exit 1']}"
    desk.configure(
        OLD, budget=f", users: [me, alice], credentials: [{{owner: alice, access_key: {command}}}]"
    )
    (left,) = desk.run(execute=True).left_out
    assert "ended with 1" in left.why
    assert (desk.folder / "calls").read_text() == "\n"


def test_deletes_that_an_earlier_run_began_are_asked_about_with_the_owner_s_own_credentials(
    open_org: Callable[..., Commands],
) -> None:
    desk = open_org(others_jobs="hidden")
    desk.configure(
        OLD, budget=_keys(desk, "alice", users="[me, alice]") + ", retries: {attempts: 1}"
    )
    desk.sandbox.inject("done_but_disconnected", endpoint="job.delete", times=2)
    silence = desk.sandbox.inject("status", endpoint="job.get", method="GET", status=503)
    dumbness = desk.sandbox.inject("status", endpoint="jobs.lookup", status=503, after=1)
    desk.run(execute=True)
    silence.endpoint = dumbness.endpoint = "nothing"
    opened = desk.state.journal.unresolved("box")
    assert opened
    result = desk.run(execute=True)
    assert not desk.state.journal.unresolved("box")
    assert result.recovery.confirmed + result.recovery.failed == len(opened)
    assert all(user == owner for user, owner in _by_user(desk))


def test_acts_by_hand_take_the_credentials_of_the_job_s_owner(
    open_org: Callable[..., Commands],
) -> None:
    desk = open_org(others_jobs="hidden")
    desk.configure(OLD, budget=_keys(desk, "alice", users="[me, alice]"))
    job = next(iter(desk.sandbox.job_ids("alice")))
    assert json.loads(desk.say("job", job, "--format", "json").stdout)["owner"] == "alice"
    desk.say("tag", job, "--add", "looked-at", "--yes")
    assert {entry.user for entry in desk.sandbox.log if entry.method == "PUT"} == {"alice"}
    assert job in desk.say("jobs", "--tag", "looked-at").stdout


def test_jobs_of_an_organization_are_looked_at_by_hand(open_org: Callable[..., Commands]) -> None:
    desk = open_org()
    rows = json.loads(desk.say("jobs", "--limit", "0", "--format", "json").stdout)
    assert {row["owner"] for row in rows} == EVERYBODY
