"""One job, one judgement: a run changes nothing where another account is about the same users'
jobs.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sauce_janitor.errors import RefusedError
from sauce_janitor.sandbox.core.options import Behaviours
from tests.support.commands import Commands

OLD = """
limits: {max_percent: null}
policies:
  - {name: old, accounts: box, match: all, then: {archive: none, delete_job: 5d}}
  - {name: kept, accounts: twin, match: all, then: {delete_job: never}}
"""
ALONE = OLD.replace("accounts: box, ", "").replace("  - {name: kept", "#")


@pytest.fixture
def open_two(open_desk: Callable[..., Commands]) -> Callable[..., Commands]:
    """Opens a sandbox and two accounts in it: `box`, which deletes, and `twin`, which says
    never.
    """

    def make(box: str, twin: str, **behaviours: str) -> Commands:
        desk = open_desk(jobs=30, behaviours=Behaviours().changed(behaviours))
        (desk.folder / "user").write_text("DEMO\n")
        (desk.folder / "alice.key").write_text("alice-key\n")
        second = f"\n  twin: {{base_url: {desk.sandbox.base_url}, {twin}"
        desk.configure(OLD, budget=f"{box}}}{second}")
        return desk

    return make


def _refused(desk: Commands, *, execute: bool = True) -> str:
    with pytest.raises(RefusedError) as wrong:
        desk.run(execute=execute)
    assert desk.writes() == []
    assert not list((desk.folder / "archive").rglob("receipt.json"))
    return str(wrong.value)


@pytest.mark.parametrize(
    ("box", "twin", "user"),
    [
        ("", "username: {file: user}, access_key: {env: KEY}", "demo"),
        (
            "",
            "username: alice, users: [bob, organization], access_key: {file: alice.key}",
            "alice, bob, demo",
        ),
        (", users: [organization]", "username: alice, access_key: {file: alice.key}", "alice"),
        (
            ", users: [organization]",
            "username: x, users: [bob], access_key: {file: alice.key}",
            "bob",
        ),
    ],
)
@pytest.mark.parametrize("execute", [True, False])
def test_an_overlap_that_only_a_run_can_know_is_refused_before_anything_changes(
    open_two: Callable[..., Commands], box: str, twin: str, user: str, execute: bool
) -> None:
    desk = open_two(box, twin)
    said = _refused(desk, execute=execute)
    shared = user if box else "demo"
    assert said.startswith(f"accounts box and twin both cover jobs of {shared} at localhost:")
    assert said.endswith("Move the policies of both into one account, or take the user out of one")
    desk.say("run", "--execute", "--account", "box", code=3)


def test_two_accounts_with_users_of_their_own_go_on(open_two: Callable[..., Commands]) -> None:
    desk = open_two("", "username: alice, users: [alice, bob], access_key: {file: alice.key}")
    assert desk.run(execute=True).complete
    assert desk.deleted()


def test_whose_user_cannot_be_told_stops_what_deletes_and_no_dry_run(
    open_two: Callable[..., Commands],
) -> None:
    desk = open_two("", "username: {file: absent}, access_key: {env: KEY}")
    assert desk.run().plan.job_count
    said = _refused(desk)
    assert said.startswith(
        "it is unknown whether account twin covers the same jobs as box at localhost:"
    )
    assert "Write its `username` into the configuration" in said
    (desk.folder / "absent").write_text("alice")
    assert desk.run(execute=True).complete


def test_whose_user_this_state_has_known_needs_no_secret(open_two: Callable[..., Commands]) -> None:
    desk = open_two("", "username: {file: absent}, access_key: {env: KEY}")
    desk.state.accounts.admit("twin", base_url=desk.sandbox.base_url, username="alice")
    desk.state.accounts.bind(desk.state.accounts.all()["twin"], at=1)
    assert desk.run(execute=True).complete


def test_an_organization_that_cannot_be_asked_for_stops_what_deletes(
    open_two: Callable[..., Commands],
) -> None:
    desk = open_two("", "username: alice, users: [organization], access_key: {file: alice.key}")
    (desk.folder / "alice.key").write_text("wrong")
    assert "it is unknown whether account twin covers the same jobs as box" in _refused(desk)


def test_two_configurations_on_one_state_do_not_judge_a_job_twice(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(jobs=30)
    desk.configure(ALONE)
    first = desk.folder / "config.yaml"
    first.write_text(first.read_text().replace("  box: ", "  first: "))
    desk.say("plan")
    desk.configure(ALONE)
    assert desk.run().plan.job_count, "who only looks has no say"
    desk.state.runs.begin("r1", "first", mode="execute", at=1)
    said = _refused(desk)
    assert said.startswith(
        "account first, which this configuration does not have, covered jobs of demo at localhost:"
    )
    assert "`accounts: {box: {replaces: first}}`" in said
    assert "`sauce-janitor account rename first box`" in said
    desk.configure(ALONE, budget=", replaces: first")
    assert desk.run(execute=True).complete
