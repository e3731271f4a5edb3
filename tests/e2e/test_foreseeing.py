"""`simulate`: what policies will do, on the jobs that are known."""

from __future__ import annotations

import csv
import io
import json

from tests.e2e.conftest import Desk
from tests.e2e.test_journey import counts

ACTIONS = ("archive", "delete_assets", "delete_job", "stop")


def without_credentials(desk: Desk) -> None:
    for name in ("SAUCE_USERNAME", "SAUCE_ACCESS_KEY"):
        del desk.environment[name]


def test_a_simulation_begins_with_the_plan_and_asks_no_one(desk: Desk) -> None:
    desk.run("plan")
    asked = len(desk.sandbox.log())
    environment = dict(desk.environment)
    without_credentials(desk)
    found = json.loads(desk.run("simulate", "--for", "40d", "--format", "json").stdout)["accounts"][0]
    today = found["series"][0]
    desk.environment = environment
    planned = counts(desk.run("plan", "--offline", "--as-of", found["as_of"]).stdout)
    assert tuple(today[action] for action in ACTIONS) == planned
    assert len(found["series"]) == found["days"] == 40
    assert found["totals"]["delete_job"] == sum(day["delete_job"] for day in found["series"]) > today["delete_job"]
    assert found["jobs"] - found["jobs_left"] == found["totals"]["delete_job"] + found["totals"]["stop"]
    assert sum(each["delete_job"] for each in found["by_policy"]) == found["totals"]["delete_job"]
    assert found["first_limit"] is None
    assert len(desk.sandbox.log()) == asked


def test_a_simulation_reads_as_a_table_and_as_csv(desk: Desk) -> None:
    desk.run("plan")
    text = desk.run("simulate").stdout
    assert "90 days" in text
    assert "No limit trips." in text
    assert "everything-else" in text
    assert "no job is new" in text
    rows = list(csv.DictReader(io.StringIO(desk.run("simulate", "--for", "2w", "--format", "csv").stdout)))
    assert [row["day"] for row in rows] == [str(day) for day in range(14)]
    assert {row["account"] for row in rows} == {"box"}


def test_a_simulation_names_the_first_day_a_limit_trips(desk: Desk) -> None:
    text = (desk.folder / "config.yaml").read_text()
    (desk.folder / "config.yaml").write_text(text.replace("max_percent: 100", "max_percent: 100, max_jobs: 3"))
    desk.run("plan")
    first = json.loads(desk.run("simulate", "--for", "5d", "--format", "json").stdout)["accounts"][0]["first_limit"]
    assert (first["day"], [limit["limit"] for limit in first["limits"]]) == (0, ["max_jobs"])
    assert "A limit trips today" in desk.run("simulate", "--for", "5d").stdout


def test_a_simulation_of_one_policy_is_of_that_policy_alone(desk: Desk) -> None:
    desk.run("plan")
    found = json.loads(desk.run("simulate", "--policy", "nightly", "--format", "json").stdout)["accounts"][0]
    assert [each["policy"] for each in found["by_policy"]] == ["nightly"]


def test_sizes_are_those_of_the_receipts_once_there_are_some(desk: Desk) -> None:
    desk.run("plan")
    before = json.loads(desk.run("simulate", "--format", "json").stdout)["accounts"][0]["archive_sizes"]
    desk.run("run", "--execute")
    after = json.loads(desk.run("simulate", "--format", "json").stdout)["accounts"][0]["archive_sizes"]
    assert (before["receipts"], after["receipts"] > 0) == (0, True)
    assert set(after["assumed"]) < set(before["assumed"])


def test_a_simulation_of_nothing_known_says_what_to_do(desk: Desk) -> None:
    assert "plan" in desk.run("simulate", code=2).stderr
    assert not (desk.folder / "state.db").exists()
    desk.run("plan")
    assert "--for" in desk.run("simulate", "--for", "90", code=2).stderr
    assert "--for" in desk.run("simulate", "--for", "11y", code=2).stderr
    assert "nightly" in desk.run("simulate", "--policy", "nightyl", code=2).stderr
