"""`simulate`, `diff`, `explain`: what policies will do, what an edit changes, and why, on the jobs
that are known.
"""

from __future__ import annotations

import csv
import io
import json

from tests.support.processes import Processes, counts

ACTIONS = ("archive", "delete_assets", "delete_job", "stop")


def without_credentials(desk: Processes) -> None:
    for name in ("SAUCE_USERNAME", "SAUCE_ACCESS_KEY"):
        del desk.environment[name]


def test_a_simulation_begins_with_the_plan_and_asks_no_one(desk: Processes) -> None:
    desk.run("plan")
    asked = len(desk.sandbox.log())
    environment = dict(desk.environment)
    without_credentials(desk)
    found = json.loads(desk.run("simulate", "--for", "40d", "--format", "json").stdout)["accounts"][
        0
    ]
    today = found["series"][0]
    desk.environment = environment
    planned = counts(desk.run("plan", "--offline", "--as-of", found["as_of"]).stdout)
    assert tuple(today[action] for action in ACTIONS) == planned
    assert len(found["series"]) == found["days"] == 40
    assert (
        found["totals"]["delete_job"]
        == sum(day["delete_job"] for day in found["series"])
        > today["delete_job"]
    )
    assert (
        found["jobs"] - found["jobs_left"]
        == found["totals"]["delete_job"] + found["totals"]["stop"]
    )
    assert sum(each["delete_job"] for each in found["by_policy"]) == found["totals"]["delete_job"]
    assert found["first_limit"] is None
    assert len(desk.sandbox.log()) == asked


def test_a_simulation_reads_as_a_table_and_as_csv(desk: Processes) -> None:
    desk.run("plan")
    text = desk.run("simulate").stdout
    assert "90 days" in text
    assert "No limit is broken." in text
    assert "everything-else" in text
    assert "no job is new" in text
    rows = list(
        csv.DictReader(io.StringIO(desk.run("simulate", "--for", "2w", "--format", "csv").stdout))
    )
    assert [row["day"] for row in rows] == [str(day) for day in range(14)]
    assert {row["account"] for row in rows} == {"box"}


def test_a_simulation_names_the_first_day_a_limit_trips(desk: Processes) -> None:
    text = (desk.folder / "config.yaml").read_text()
    (desk.folder / "config.yaml").write_text(
        text.replace("max_percent: 100", "max_percent: 100, max_jobs: 3")
    )
    desk.run("plan")
    first = json.loads(desk.run("simulate", "--for", "5d", "--format", "json").stdout)["accounts"][
        0
    ]["first_limit"]
    assert (first["day"], [limit["limit"] for limit in first["limits"]]) == (0, ["max_jobs"])
    assert "A limit is broken today" in desk.run("simulate", "--for", "5d").stdout


def test_a_simulation_of_one_policy_is_of_that_policy_alone(desk: Processes) -> None:
    desk.run("plan")
    found = json.loads(desk.run("simulate", "--policy", "nightly", "--format", "json").stdout)[
        "accounts"
    ][0]
    assert [each["policy"] for each in found["by_policy"]] == ["nightly"]


def test_sizes_are_those_of_the_receipts_once_there_are_some(desk: Processes) -> None:
    desk.run("plan")
    before = json.loads(desk.run("simulate", "--format", "json").stdout)["accounts"][0][
        "archive_sizes"
    ]
    desk.run("run", "--execute")
    after = json.loads(desk.run("simulate", "--format", "json").stdout)["accounts"][0][
        "archive_sizes"
    ]
    assert (before["receipts"], after["receipts"] > 0) == (0, True)
    assert set(after["assumed"]) < set(before["assumed"])


def test_a_simulation_of_nothing_known_says_what_to_do(desk: Processes) -> None:
    assert "plan" in desk.run("simulate", code=2).stderr
    assert list(desk.folder.glob("state.db*")) == []
    desk.run("plan")
    assert "--for" in desk.run("simulate", "--for", "90", code=2).stderr
    assert "--for" in desk.run("simulate", "--for", "11y", code=2).stderr
    assert "nightly" in desk.run("simulate", "--policy", "nightyl", code=2).stderr


def edited(desk: Processes, *changes: tuple[str, str], name: str = "new.yaml") -> None:
    text = (desk.folder / "config.yaml").read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (desk.folder / name).write_text(text)


def test_a_diff_of_a_file_with_itself_is_empty(desk: Processes) -> None:
    desk.run("plan")
    same = desk.run("diff", "config.yaml", "config.yaml", "--detailed-exitcode")
    assert "nothing changes for 300 known jobs" in same.stdout


def test_a_diff_says_what_an_edit_changes_by_policy_and_asks_no_one(desk: Processes) -> None:
    desk.run("plan")
    edited(desk, ("delete_job: 14d", "delete_job: 20d"), ("last: 2", "last: 9"))
    asked = len(desk.sandbox.log())
    without_credentials(desk)
    found = json.loads(desk.run("diff", "config.yaml", "new.yaml", "--format", "json").stdout)[
        "accounts"
    ][0]
    kinds = {(each["kind"], each["action"], each["policy"]): each for each in found["changes"]}
    assert ("later", "delete_job", "pull-requests") in kinds
    kept = kinds["dropped", "delete_job", "nightly"]
    assert "kept by recent" in str(kept["examples"][0]["after"]["reasons"])
    assert kept["jobs"] >= kept["due_now"] > 0
    assert found["jobs"] == 300 > found["changed"] > 0
    desk.run("diff", "config.yaml", "new.yaml", "--detailed-exitcode", code=7)
    assert len(desk.sandbox.log()) == asked


def test_what_a_diff_calls_due_now_is_what_the_plans_differ_in(desk: Processes) -> None:
    desk.run("plan")
    edited(desk, ("delete_job: 14d", "delete_job: 9d"))
    found = json.loads(desk.run("diff", "config.yaml", "new.yaml", "--format", "json").stdout)[
        "accounts"
    ][0]
    plans = [
        json.loads(
            desk.run(
                "--config", name, "plan", "--offline", "--as-of", found["as_of"], "--format", "json"
            ).stdout
        )
        for name in ("config.yaml", "new.yaml")
    ]
    before, after = (
        {each["job_id"] for each in plan["actions"] if each["action"] == "delete_job"}
        for plan in plans
    )
    [change] = found["changes"]
    assert (change["kind"], change["action"], change["due_now"]) == (
        "earlier",
        "delete_job",
        len(after - before),
    )


def test_a_diff_reads_as_a_table_and_as_markdown(desk: Processes) -> None:
    desk.run("plan")
    edited(desk, ("delete_job: 14d", "delete_job: 20d"), ("max_percent: 100", "max_percent: 1"))
    text = desk.run("diff", "config.yaml", "new.yaml").stdout
    assert "job deleted later" in text
    assert "breaks a limit: max_percent is 1 %" in text
    page = desk.run("diff", "config.yaml", "new.yaml", "--format", "markdown").stdout
    assert "| job deleted later | `pull-requests` |" in page
    assert "<details>" in page


def test_both_files_of_a_diff_are_validated_with_all_their_faults(desk: Processes) -> None:
    edited(desk, ("delete_job: 14d", "delete_job: 14"), name="old.yaml")
    edited(desk, ("last: 2", "lst: 2"), ("max_percent", "max_percnt"))
    lines = desk.run("diff", "old.yaml", "new.yaml", code=2).stderr.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["old.yaml", "new.yaml", "new.yaml"]


def test_a_diff_before_any_listing_says_what_to_do(desk: Processes) -> None:
    assert "plan" in desk.run("diff", "config.yaml", "config.yaml", code=2).stderr


def test_an_account_that_only_one_file_has_is_compared_with_nothing(desk: Processes) -> None:
    desk.run("plan")
    edited(desk, ("  box: ", "  other: "))
    ended = desk.run("diff", "config.yaml", "new.yaml", "--format", "json")
    [found] = json.loads(ended.stdout)["accounts"]
    assert found["account"] == "box"
    assert {each["kind"] for each in found["changes"]} == {"dropped"}
    assert "other" in ended.stderr


def test_an_explanation_agrees_with_the_plan_before_and_after_the_delete(desk: Processes) -> None:
    desk.run("plan", "--out", "plan.json")
    plan = json.loads((desk.folder / "plan.json").read_text())
    action = next(
        each
        for each in plan["actions"]
        if each["action"] == "delete_job" and each["policy"] == "nightly"
    )
    job = action["job_id"]
    asked = len(desk.sandbox.log())
    [found] = json.loads(desk.run("explain", job, "--format", "json").stdout)
    assert len(desk.sandbox.log()) == asked
    decision = next(each for each in found["decisions"] if each["action"] == "delete_job")
    assert (decision["verdict"], decision["due_since"]) == ("due", action["due_since"])
    nightly = next(each for each in found["policies"] if each["policy"] == "nightly")
    default = next(each for each in found["policies"] if each["policy"] == "everything-else")
    assert (nightly["speaks"], nightly["rank"] > 2) == (True, True)
    assert (default["matches"], default["speaks"]) == (True, False)
    assert {each["standing"] for each in default["says"]} == {"steps_back"}
    assert f"hold add {job}" in desk.run("explain", job).stdout
    desk.run("apply", "plan.json")
    [gone] = json.loads(desk.run("explain", job, "--format", "json").stdout)
    assert (gone["known"], gone["deleted_at"] is not None) == (False, True)
    assert [each["outcome"] for each in gone["journal"]][-1] == "confirmed"
    text = desk.run("explain", job).stdout
    assert "deleted, " in text
    assert "by policy nightly" in text


def test_an_explanation_of_an_unknown_job_says_what_to_do(desk: Processes) -> None:
    assert "plan" in desk.run("explain", "0" * 32, code=2).stderr
    assert list(desk.folder.glob("state.db*")) == []
    desk.run("plan")
    assert "is unknown here" in desk.run("explain", "0" * 32, code=2).stderr
    assert "no known job has the id" in desk.run("explain", "12345", code=2).stderr
