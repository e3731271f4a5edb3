"""Offboarding a user: every job archived or erased, then deleted, by one call only where that
deletes no more than the plan.
"""

from __future__ import annotations

import ast
import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.model.jobs import Action, JobId, Owner
from tests.support.commands import DAY, Commands

POLICIES = """
limits: {max_percent: null}
holds: [{tag: keep}]
policies:
  - {name: never, match: all, then: {delete_job: never}}
"""
GONE = "bob"
PACKAGE = Path(__file__).parents[3] / "sauce_janitor"


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    made = open_desk()
    made.configure(POLICIES)
    for number in range(18):
        arrive(made, days=9 + number, tags=["keep"] if number == 7 else ["e2e"])
    return made


def arrive(desk: Commands, *, days: float, **fields: Any) -> str:
    """A job of the user who leaves, that long ago."""
    ended = int(desk.sandbox.world.clock() - days * DAY)
    times = {
        "creation_time": ended - 60,
        "start_time": ended - 50,
        "end_time": ended,
        "modification_time": ended,
    }
    return desk.sandbox.arrive(owner=GONE, **{**times, **fields})


def offboard(desk: Commands, *arguments: str, user: str = GONE, code: int = 0) -> Any:
    return desk.say("offboard", user, *arguments, code=code)


def jobs(desk: Commands, user: str = GONE) -> set[str]:
    return set(desk.sandbox.job_ids(user))


def document(desk: Commands, job: str) -> dict[str, Any]:
    found = desk.sandbox.truth(job)
    assert found is not None
    return dict(found.document)


def idle(desk: Commands, user: str = GONE) -> None:
    """Leave the user only jobs that ended long ago and are not held."""
    for job in jobs(desk, user):
        end = document(desk, job)["end_time"]
        if (
            end is None
            or end > desk.sandbox.world.clock() - 8 * DAY
            or "keep" in document(desk, job)["tags"]
        ):
            desk.sandbox.remove(job)
    assert jobs(desk, user)


def archived(desk: Commands, user: str = GONE) -> set[str]:
    root = desk.folder / "archive" / "box" / user
    return {path.parent.name for path in root.rglob("receipt.json")} if root.exists() else set()


def stored_files(desk: Commands, user: str = GONE) -> list[str]:
    root = desk.folder / "archive" / "box" / user
    files = [path for path in root.rglob("*") if path.is_file()] if root.exists() else []
    return [path.name for path in files if not path.name.startswith(("receipt", "pruned"))]


def held(desk: Commands) -> set[str]:
    return {job for job in jobs(desk) if "keep" in document(desk, job)["tags"]}


def unfinished(desk: Commands) -> set[str]:
    return {job for job in jobs(desk) if document(desk, job)["end_time"] is None}


# --- one by one -----------------------------------------------------------------------------------


def test_every_job_is_archived_whole_and_deleted_but_those_that_are_held_or_run(
    desk: Commands,
) -> None:
    before, others = jobs(desk), set(desk.sandbox.job_ids())
    stay = held(desk) | unfinished(desk)
    assert held(desk), "the world has a held job"
    offboard(desk, "--archive", "keep", "--yes")
    assert jobs(desk) == stay
    assert set(desk.sandbox.job_ids()) == others
    assert before - stay <= archived(desk)
    assert desk.say("archive", "verify").return_value in (0, None)
    proven = json.loads(desk.say("prove", "--format", "json").stdout)
    assert (proven["deletions"], proven["by_receipt"], proven["findings"]) == (
        len(before - stay),
    ) * 2 + ([],)
    again = json.loads(offboard(desk, "--archive", "keep", "--yes", "--format", "json").stdout)
    assert (again["planned"]["delete_job"], again["left"], again["complete"]) == (
        0,
        len(stay),
        True,
    )


def test_a_dry_run_and_a_command_that_nobody_answers_change_nothing(desk: Commands) -> None:
    before = jobs(desk)
    said = offboard(desk, "--archive", "keep", "-n", "--yes").stdout
    assert re.search(
        r"Plan: [1-9]\d* jobs? to archive, assets of 0 jobs to delete, [1-9]\d* jobs? to delete, 0 jobs"
        r" to stop",
        said,
    )
    offboard(desk, "--archive", "erase", "--bulk", "-n", code=3)  # some run, says the plan
    offboard(desk, "--archive", "keep", code=2)
    assert jobs(desk) == before
    assert desk.writes() == []
    assert {entry.method for entry in desk.sandbox.log} == {"GET"}
    assert desk.state.journal.verify() == 0


def test_limits_stand_until_they_are_lifted(desk: Commands) -> None:
    desk.configure(POLICIES.replace("max_percent: null", "max_percent: 10"))
    before = jobs(desk)
    refused = offboard(desk, "--archive", "keep", "--yes", code=3)
    assert jobs(desk) == before
    digest = desk.config.policy_digest("box")
    assert digest in str(refused.exception)
    desk.say("approve", digest, "--lift", "max_percent", "--reason", "bob left", "--yes")
    offboard(desk, "--archive", "keep", "--yes")
    assert jobs(desk) < before


def test_a_local_hold_and_a_pause_are_obeyed(desk: Commands) -> None:
    job = next(iter(jobs(desk) - held(desk) - unfinished(desk)))
    desk.run()
    desk.say("hold", "add", job, "--reason", "audit", "--yes")
    desk.say("pause", "--reason", "x", "--yes")
    offboard(desk, "--archive", "keep", "--yes", code=3)
    assert desk.writes() == []
    desk.say("resume", "--yes")
    offboard(desk, "--archive", "keep", "--yes")
    assert job in jobs(desk)


def test_policies_have_no_say_and_their_announcements_stay(desk: Commands) -> None:
    desk.configure(
        "limits: {max_percent: null}\ndefaults: {grace: 2d}\npolicies:\n"
        "  - {name: old, match: all, then: {archive: none, delete_job: 10d}}\n"
    )
    desk.run(execute=True)
    announced = dict(desk.run().plan.waiting)
    assert announced
    offboard(desk, "--archive", "keep", "--yes")
    assert jobs(desk) == held(desk) | unfinished(desk)
    again = desk.run().plan.waiting
    assert {action: waiting.jobs for action, waiting in again.items()} == {
        a: w.jobs for a, w in announced.items()
    }
    assert all(waiting.fresh == 0 for waiting in again.values()), (
        "nothing of it has to be announced anew"
    )


def test_jobs_of_which_nothing_is_listed_wait_for_a_day(desk: Commands) -> None:
    idle(desk)
    bare, *_ = before = sorted(jobs(desk))
    desk.sandbox.inject("empty_list", endpoint="assets.list", path=f"*{bare}*")
    said = offboard(desk, "--archive", "keep", "--yes").stdout
    assert jobs(desk) == {bare} < set(before)
    assert (
        "Skipped 1 action: Sauce Labs lists no assets, as it also does when its lists fail" in said
    )
    assert "Left at Sauce Labs: 1 job of bob, 1 of them on purpose" in said
    assert "Sauce Labs lists no assets of 1 job. Wait for a day, then run the command again" in said
    desk.sandbox.faults.disarm()
    assert "Left at Sauce Labs: 0 jobs" in offboard(desk, "--archive", "keep", "--yes").stdout
    assert stored_files(desk)


def test_what_is_still_listed_afterwards_has_failed(desk: Commands) -> None:
    idle(desk)
    victim = min(jobs(desk))
    desk.sandbox.inject("without_effect", endpoint="job.delete", job=victim)
    said = offboard(desk, "--archive", "keep", "--yes", code=4)
    assert jobs(desk) == {victim}
    assert "Left at Sauce Labs: 1 job" in said.stdout
    assert victim in said.stdout


@pytest.mark.parametrize("behaviour", [{"batch_lookup": "off"}, {"others_jobs": "all"}])
def test_deletes_are_confirmed_whatever_look_up_there_is(
    open_desk: Callable[..., Commands], behaviour: dict[str, str]
) -> None:
    from sauce_janitor.sandbox import Behaviours

    desk = open_desk(behaviours=Behaviours().changed(behaviour))
    desk.configure(POLICIES)
    idle(desk)
    offboard(desk, "--archive", "keep", "--yes")
    assert jobs(desk) == set()
    assert desk.state.journal.unresolved("box") == ()


def test_a_user_whose_name_needs_encoding_and_one_that_is_not_there(desk: Commands) -> None:
    user = "jörg.weiß+qa@example.com"
    idle(desk, user)
    offboard(desk, "--archive", "keep", "--yes", user=user)
    assert jobs(desk, user) == set()
    offboard(desk, "--archive", "keep", "--yes", user="nobody", code=4)
    offboard(desk, "--archive", "keep", "--yes", user="..", code=2)


def test_a_spent_budget_pauses_it_and_said_again_it_goes_on(desk: Commands) -> None:
    idle(desk)
    desk.configure(POLICIES, budget=", budget: {per_hour: 60}")
    said = json.loads(offboard(desk, "--archive", "keep", "--yes", "--format", "json").stdout)
    assert (said["halted"], said["complete"]) == ("budget", False)
    assert jobs(desk)
    desk.configure(POLICIES)
    offboard(desk, "--archive", "keep", "--yes")
    assert jobs(desk) == set()


def test_what_may_never_be_stored_is_not_stored_and_goes(desk: Commands) -> None:
    idle(desk)
    text = (desk.folder / "config.yaml").read_text()
    forbid = "archive: {path: ./archive, forbid: [{match: all, assets: [video]}]}"
    (desk.folder / "config.yaml").write_text(text.replace("archive: {path: ./archive}", forbid))
    offboard(desk, "--archive", "keep", "--yes")
    assert jobs(desk) == set()
    assert stored_files(desk)
    assert not [name for name in stored_files(desk) if name.endswith(".mp4")]


# --- erase ----------------------------------------------------------------------------------------


def test_erase_needs_the_name_and_takes_jobs_and_copies_but_what_is_held(desk: Commands) -> None:
    desk.configure(
        "limits: {max_percent: null}\nholds: [{tag: keep}]\naccounts_: 0\n".replace(
            "accounts_: 0\n", ""
        )
        + "policies: [{name: a, match: all, then: {archive: 1h}}]\n"
    )
    text = (desk.folder / "config.yaml").read_text()
    (desk.folder / "config.yaml").write_text(
        text.replace("username: demo", "username: demo, users: [me, bob]")
    )
    desk.run(execute=True)
    before, stay = archived(desk), held(desk)
    assert before
    offboard(desk, "--archive", "erase", "--yes", code=2)
    offboard(desk, "--archive", "erase", "--yes", "--confirm", "demo", code=2)
    assert desk.deleted() == set()
    offboard(desk, "--archive", "erase", "--yes", "--confirm", GONE)
    assert jobs(desk) == stay | unfinished(desk)
    kept = {path.parent.name for path in (desk.folder / "archive/box" / GONE).rglob("job.json")}
    assert kept == stay
    assert archived(desk) == before, (
        "receipts stay: what was deleted, and of what there was a copy, can be told"
    )
    assert archived(desk, "demo"), "nobody else's copy is touched"
    assert json.loads(desk.say("prove", "--format", "json").stdout)["findings"] == []
    offboard(desk, "--archive", "erase", "--yes", "--confirm", GONE)


def test_nothing_is_erased_while_jobs_are_left_that_should_be_gone(desk: Commands) -> None:
    idle(desk)
    offboard(desk, "--archive", "keep", "-n")
    desk.sandbox.inject("status", endpoint="job.delete", status=403, times=1)
    said = offboard(desk, "--archive", "erase", "--yes", "--confirm", GONE, code=4)
    assert "Nothing was erased" in said.stdout


def test_a_first_listing_that_is_empty_erases_nothing_until_a_second_agrees(desk: Commands) -> None:
    before = jobs(desk)
    desk.sandbox.inject("empty_list", endpoint="jobs.list", times=1)
    said = offboard(desk, "--archive", "erase", "--yes", "--confirm", GONE, code=3)
    assert "a second one must agree" in str(said.exception)
    assert jobs(desk) == before
    offboard(desk, "--archive", "erase", "--yes", "--confirm", GONE)
    assert jobs(desk) == held(desk) | unfinished(desk)


def test_a_name_in_other_letters_case_is_refused_with_the_right_one(desk: Commands) -> None:
    before = jobs(desk)
    for arguments in (("-n",), ("--yes", "--confirm", "Bob")):
        said = offboard(desk, "--archive", "erase", *arguments, user="Bob", code=3)
        assert "Sauce Labs writes the user Bob as bob: run `offboard bob`" in str(said.exception)
    assert jobs(desk) == before


# --- one call for all -----------------------------------------------------------------------------


def bulk(desk: Commands, *arguments: str, code: int = 0) -> Any:
    return offboard(
        desk, "--archive", "keep", "--bulk", "--confirm", GONE, "--yes", *arguments, code=code
    )


def calls(desk: Commands) -> list[str]:
    return [entry.path for entry in desk.sandbox.log if entry.endpoint == "jobs.delete_all"]


def test_one_call_deletes_everything_once_all_is_proven_and_each_job_is_on_record(
    desk: Commands,
) -> None:
    idle(desk)
    before = jobs(desk)
    bulk(desk)
    assert jobs(desk) == set()
    assert calls(desk) == ["/rest/v1.1/bob/jobs"]
    assert [entry.method for entry in desk.sandbox.log.writes()] == ["DELETE"]
    assert archived(desk) == before
    for job in before:
        lines = desk.state.journal.of(JobId(job))
        assert [line.kind for line in lines if line.kind != "purged"] == [
            "archived",
            "intent",
            "outcome",
        ]
        assert lines[-1].outcome == "confirmed"
        assert lines[-2].detail["together_with"] == len(before) - 1
    proven = json.loads(desk.say("prove", "--format", "json").stdout)
    assert (proven["deletions"], proven["by_receipt"], proven["findings"]) == (
        len(before),
        len(before),
        [],
    )


def test_one_call_is_refused_while_a_file_was_listed_and_never_stored(desk: Commands) -> None:
    idle(desk)
    job = min(jobs(desk))
    desk.sandbox.inject("ghost_file", endpoint="assets.list", job=job)
    bulk(desk, code=4)
    with (
        desk.state.jobs._database.writing() as connection
    ):  # as a state put back from a backup may have it
        connection.exec_driver_sql("UPDATE jobs SET missing = NULL, archived = '[\"all\"]'")
    desk.sandbox.faults.disarm()
    desk.sandbox.inject("empty_list", endpoint="assets.list", job=job)
    said = bulk(desk, code=4)
    assert "'ghost.log' was listed before and never archived" in said.stdout + said.stderr
    assert calls(desk) == []


@pytest.mark.parametrize("reason", ["held", "runs", "young", "locally held"])
def test_it_is_refused_where_it_would_delete_more_than_the_plan(
    desk: Commands, reason: str
) -> None:
    idle(desk)
    if reason == "held":
        arrive(desk, days=20, tags=["keep"])
    elif reason == "runs":
        arrive(desk, days=20, status="in progress", end_time=None)
    elif reason == "young":
        arrive(desk, days=6.9)
    else:
        desk.run()
        desk.say("hold", "add", next(iter(jobs(desk))), "--reason", "x", "--yes")
    before = jobs(desk)
    bulk(desk, "-n", code=3)
    bulk(desk, code=3)
    assert jobs(desk) == before
    assert desk.writes() == []
    assert archived(desk) == set(), "it is known before anything is archived"


def test_it_is_refused_where_another_account_is_about_the_same_user(desk: Commands) -> None:
    idle(desk)
    (desk.folder / "user").write_text(GONE)
    twin = (
        f"}}\n  twin: {{base_url: {desk.sandbox.base_url}, username: {{file: user}}, access_key:"
        " {env: KEY}"
    )
    desk.configure(POLICIES, budget=twin)
    for bulk in ([], ["--bulk"]):
        said = offboard(
            desk, "--archive", "keep", *bulk, "--confirm", GONE, "--yes", "--account", "box", code=3
        )
        assert "accounts box and twin both cover jobs of bob" in str(said.exception)
    assert desk.writes() == []
    assert archived(desk) == set()


def test_without_the_typed_name_nothing_is_even_asked(desk: Commands) -> None:
    idle(desk)
    offboard(desk, "--archive", "keep", "--bulk", "--yes", code=2)
    offboard(desk, "--archive", "keep", "--bulk", "--yes", "--confirm", "Bob", code=2)
    assert len(desk.sandbox.log) == 0


def test_a_file_that_came_late_stops_it(desk: Commands) -> None:
    idle(desk)
    with_files = arrive(desk, days=20)
    desk.sandbox.inject("late_asset", endpoint="asset.get", job=with_files, times=1)
    before = jobs(desk)
    assert "listed and not archived" in bulk(desk, code=4).stdout
    assert jobs(desk) == before
    assert calls(desk) == []


def test_a_copy_that_has_rotted_since_stops_it(desk: Commands) -> None:
    idle(desk)
    before = jobs(desk)
    desk.sandbox.inject("status", endpoint="jobs.delete_all", status=404, times=1)
    bulk(desk, code=4)  # all is archived, nothing deleted
    copy = next((desk.folder / "archive/box" / GONE).rglob("log.json"))
    copy.chmod(0o600)
    copy.write_bytes(bytes([copy.read_bytes()[0] ^ 1]) + copy.read_bytes()[1:])
    assert "damaged" in bulk(desk, code=4).stdout
    assert jobs(desk) == before
    assert len(calls(desk)) == 1


@pytest.mark.parametrize(
    "change", [{"tags": ["keep"]}, {"status": "in progress", "end_time": None}, {"passed": False}]
)
def test_a_job_that_changes_at_the_last_moment_stops_it(
    desk: Commands, change: dict[str, Any]
) -> None:
    idle(desk)
    before = jobs(desk)
    job = min(before)
    from sauce_janitor.operations import offboard as offboarding

    proven = offboarding._Leaving._proven
    seen: list[str] = []

    def changing(self: Any, one: Any) -> Any:
        seen.append(one.id)
        if len(seen) == len(before):
            desk.sandbox.edit(job, **change)
        return proven(self, one)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(offboarding._Leaving, "_proven", changing)
        said = bulk(desk, code=4)
    assert len(seen) == len(before)
    assert job in said.stdout
    assert jobs(desk) == before
    assert calls(desk) == []


@pytest.mark.parametrize("act", ["hold", "pause", "clock", "lease"])
def test_a_hold_a_pause_a_wrong_clock_or_a_lost_lease_at_the_last_moment_stops_it(
    desk: Commands, act: str
) -> None:
    idle(desk)
    before = jobs(desk)
    from sauce_janitor.operations import offboard as offboarding

    pages = offboarding._Leaving._pages
    listings: list[int] = []

    def acting(self: Any, share: Any) -> Any:
        if act == "clock" and len(listings) == 2:
            desk.sandbox.inject("clock_skew", endpoint="jobs.list", seconds=3600)
        yield from pages(self, share)
        listings.append(1)
        if len(listings) < 3 or act == "clock":
            return
        if act == "lease":
            with closing(sqlite3.connect(desk.folder / "state.db")) as state, state:
                state.execute("UPDATE leases SET fence = fence + 1")
        elif act == "hold":
            desk.state.holds.add(
                "box", [JobId(min(before))], by="jane", reason="wait", at=1, until=None
            )
        else:
            desk.state.switch.pause(by="jane", reason="wait", at=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(offboarding._Leaving, "_pages", acting)
        said = bulk(desk, "--format", "json", code=5 if act == "lease" else 4)
    assert json.loads(said.stdout)["halted"] == {"hold": "refused", "pause": "paused"}.get(act, act)
    assert len(listings) == 3
    assert all(line.kind != "intent" for line in desk.state.journal.lines())
    assert jobs(desk) == before
    assert calls(desk) == []


def test_a_job_that_comes_at_the_last_moment_stops_it(desk: Commands) -> None:
    idle(desk)
    before = jobs(desk)
    from sauce_janitor.operations import offboard as offboarding

    proven = offboarding._Leaving._proven

    def adding(self: Any, one: Any) -> Any:
        if jobs(desk) == before:
            arrive(desk, days=30)
        return proven(self, one)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(offboarding._Leaving, "_proven", adding)
        assert "not those of the plan" in bulk(desk, code=4).stdout
    assert calls(desk) == []


def test_the_last_list_leaves_out_no_job_that_is_young_by_a_clock_ahead_of_ours(
    desk: Commands,
) -> None:
    idle(desk)
    bulk(desk)
    log = list(desk.sandbox.log)
    (call,) = (number for number, entry in enumerate(log) if entry.endpoint == "jobs.delete_all")
    lists = [entry.path for entry in log[:call] if "&to=" in entry.path]
    assert int(lists[-1].rpartition("to=")[2]) > desk.sandbox.world.clock() + 300


def test_only_what_was_shown_and_is_as_it_was_then_is_done(desk: Commands) -> None:
    from sauce_janitor.metrics import Metrics
    from sauce_janitor.operations.offboard import OffboardOrder
    from sauce_janitor.operations.offboard import offboard as offboard_user
    from sauce_janitor.operations.wiring.run_settings import RunContext
    from tests.support.commands import Quiet

    idle(desk)
    tools = RunContext(desk.config, desk.state, Metrics(), Quiet())
    order = OffboardOrder(Owner(GONE), keep=True)
    looked = offboard_user(desk.config.account("box"), tools, order)
    shown = {job.job_id: job.fingerprint for job in looked.result.plan.jobs()}
    changed, *rest = sorted(shown)
    desk.sandbox.edit(changed, tags=["new"])
    later = arrive(desk, days=10)
    done = offboard_user(
        desk.config.account("box"), tools, replace(order, execute=True, shown=shown)
    )
    assert jobs(desk) == {changed, later}
    assert (done.left, done.kept, done.result.plan.totals[Action.DELETE_JOB]) == (2, 2, len(rest))


def test_a_list_that_takes_too_long_to_read_stops_it(
    desk: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sauce_janitor.execute.manual import bulk_conditions

    idle(desk)
    before = jobs(desk)
    monkeypatch.setattr(bulk_conditions, "FRESH_S", -1.0)
    assert "without --bulk" in str(bulk(desk, code=3).exception)
    assert jobs(desk) == before
    assert desk.writes() == []
    assert archived(desk) == set()


@pytest.mark.parametrize("status", [404, 405, 410])
def test_where_the_call_is_not_offered_it_is_said_once_with_what_to_do_instead(
    desk: Commands, status: int
) -> None:
    idle(desk)
    before = jobs(desk)
    desk.sandbox.inject("status", endpoint="jobs.delete_all", status=status)
    said = bulk(desk, code=4).stdout
    assert said.count("does not offer the call") == 1
    assert "without --bulk" in " ".join(said.split())
    assert "is still there" not in said, "one sentence for all, none for each"
    told = json.loads(bulk(desk, "--format", "json", code=4).stdout)
    assert (told["halted"], told["failures"]) == ("address", [])
    assert jobs(desk) == before
    offboard(desk, "--archive", "keep", "--yes")
    assert jobs(desk) == set()


@pytest.mark.parametrize(
    ("fault", "settings", "code"),
    [
        ("done_but_status", {"status": 500}, 0),
        ("done_but_disconnected", {}, 0),
        ("status", {"status": 404}, 4),
        ("status", {"status": 204}, 4),
        ("disconnect", {}, 4),
        ("status", {"status": 401}, 2),
    ],
)
def test_what_the_answer_says_is_not_believed(
    desk: Commands, fault: str, settings: dict[str, Any], code: int
) -> None:
    idle(desk)
    before = jobs(desk)
    desk.sandbox.inject(fault, endpoint="jobs.delete_all", **settings)
    bulk(desk, code=code)
    assert len(calls(desk)) == 1
    is_done = fault.startswith("done")
    assert jobs(desk) == (set() if is_done else before)
    outcomes = {line.outcome for line in desk.state.journal.lines() if line.kind == "outcome"}
    # Without an answer the call may still be under way: the jobs are looked up again at the end.
    kinds = {
        "disconnect": {"unknown", "failed"},
        "status": {"unknown"} if code == 2 else {"failed"},
    }
    assert outcomes == kinds.get(fault, {"confirmed"})


def test_a_call_that_was_cut_short_is_settled_by_the_next_run(desk: Commands) -> None:
    idle(desk)
    before = jobs(desk)
    from sauce_janitor.execute.manual import bulk_delete

    class KilledError(BaseException):
        pass

    def die(*_: Any) -> None:
        raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk_delete, "conclude_all", die)
        with pytest.raises(KilledError):
            bulk(desk)
    assert jobs(desk) == set()
    assert len(desk.state.journal.unresolved("box")) == len(before)
    desk.run(execute=True)
    assert desk.state.journal.unresolved("box") == ()
    assert {line.outcome for line in desk.state.journal.lines() if line.kind == "outcome"} == {
        "confirmed"
    }
    assert json.loads(desk.say("prove", "--format", "json").stdout)["deletions"] == len(before)


def test_erase_by_one_call_archives_nothing_first(desk: Commands) -> None:
    idle(desk)
    offboard(desk, "--archive", "erase", "--bulk", "--confirm", GONE, "--yes")
    assert (jobs(desk), archived(desk), len(calls(desk))) == (set(), set(), 1)


def test_only_offboarding_can_build_the_address_that_deletes_everything() -> None:
    """S1: nothing else in the program imports the one module that has it, or the one module that
    uses it, and no other text in it could become it.
    """
    builders = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant | ast.JoinedStr) and re.search(
                r"/jobs['\"]?$", ast.unparse(node)
            ):
                builders.add(str(path.relative_to(PACKAGE)))
    assert importers("sauce.delete_all") == {"operations/offboard_bulk.py"}
    assert importers("operations.offboard_bulk") == {"operations/offboard.py"}
    assert {name for name in builders if not name.startswith("sandbox/")} == {"sauce/delete_all.py"}


def importers(module: str) -> set[str]:
    """Return the files of the program that import this module, or anything from it."""
    found = set()
    package, _, name = f"sauce_janitor.{module}".rpartition(".")
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                of_package = node.module == package and name in {each.name for each in node.names}
                if node.module == f"{package}.{name}" or of_package:
                    found.add(str(path.relative_to(PACKAGE)))
            elif isinstance(node, ast.Import) and any(module in each.name for each in node.names):
                found.add(str(path.relative_to(PACKAGE)))
    return found
