"""What the README promises, as a user would type it."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from tests.support.processes import ENVIRONMENT, Processes, counts


def test_a_plan_sends_only_gets_and_ends_with_its_counts(desk: Processes) -> None:
    planned = desk.run("plan")
    archive, assets, jobs, _ = counts(planned.stdout)
    assert min(archive, assets, jobs) > 0
    assert desk.sandbox.writes() == []
    assert "nightly" in planned.stdout


def test_run_without_execute_is_a_dry_run(desk: Processes) -> None:
    assert counts(desk.run("run").stdout) == counts(desk.run("plan").stdout)
    assert desk.sandbox.writes() == []
    assert desk.storage.archive.paths() == []


def test_dry_run_beats_execute(desk: Processes) -> None:
    desk.environment["SAUCE_JANITOR_RUN_EXECUTE"] = "1"
    desk.run("run", "--execute", "--dry-run")
    assert desk.sandbox.writes() == []


@pytest.mark.on_change("cluster")
def test_the_whole_way_from_init_to_an_idle_second_run(desk: Processes) -> None:
    (desk.folder / "config.yaml").unlink()
    desk.run("init", "--base-url", desk.sandbox.base_url)
    desk.configure((desk.folder / "config.yaml").read_text())
    desk.run("check")
    desk.run("plan")
    desk.run("plan", "--out", "plan.json")
    desk.run("apply", "plan.json")
    again = desk.run("run", "--execute")
    assert again.stdout.splitlines()[-1].startswith("Done: 0 jobs archived, ")


def test_what_is_deleted_was_archived_and_verifies(desk: Processes) -> None:
    desk.run("run", "--execute")
    deletes = [entry for entry in desk.sandbox.writes() if entry["method"] == "DELETE"]
    assert deletes
    assert all(
        re.fullmatch(r"/rest/v1(\.1)?/(demo/)?jobs/[0-9a-f]{32}(/assets)?", entry["path"])
        for entry in deletes
    )
    assert desk.storage.receipts()
    desk.run("archive", "verify")


def test_an_idle_second_run_asks_at_most_twice_and_deletes_nothing(desk: Processes) -> None:
    desk.run("run", "--execute")
    before = len(desk.sandbox.log())
    second = desk.run("run", "--execute")
    assert counts(second.stdout) == (0, 0, 0, 0)
    assert len(desk.sandbox.log()) - before <= 2


def test_apply_carries_out_the_reviewed_plan_and_nothing_more(desk: Processes) -> None:
    desk.run("plan", "--out", "plan.json")
    plan = json.loads((desk.folder / "plan.json").read_text())
    planned = {action["job_id"] for action in plan["actions"]}
    desk.run("apply", "plan.json")
    touched = {re.search(r"[0-9a-f]{32}", entry["path"])[0] for entry in desk.sandbox.writes()}  # type: ignore[index]
    assert touched
    assert touched <= planned


def test_apply_shows_what_was_reviewed_and_no_more(desk: Processes) -> None:
    planned = desk.run("plan", "--policy", "pull-requests", "--out", "plan.json")
    applied = desk.run("apply", "plan.json")
    assert counts(applied.stdout) == counts(planned.stdout)
    assert counts(desk.run("plan").stdout)[0] > 0


def test_an_edited_plan_is_refused_and_nothing_is_touched(desk: Processes) -> None:
    desk.run("plan", "--out", "plan.json")
    path = desk.folder / "plan.json"
    plan = json.loads(path.read_text())
    plan["actions"][0]["action"] = "delete_job"
    path.write_text(json.dumps(plan))
    refused = desk.run("apply", "plan.json", code=3)
    assert "changed after it was made" in refused.stderr
    assert desk.sandbox.writes() == []


def test_explain_says_why_for_kept_and_deleted_jobs(desk: Processes) -> None:
    desk.run("plan", "--out", "plan.json", "--all")
    plan = json.loads((desk.folder / "plan.json").read_text())
    kept = plan["kept"][0]["job_id"]
    gone = next(action["job_id"] for action in plan["actions"] if action["action"] == "delete_job")
    assert "keep" in desk.run("explain", kept).stdout
    desk.run("apply", "plan.json")
    assert "deleted" in desk.run("explain", gone).stdout


def test_a_limit_refuses_the_whole_plan_with_its_numbers(desk: Processes) -> None:
    text = (desk.folder / "config.yaml").read_text()
    (desk.folder / "config.yaml").write_text(text.replace("max_percent: 100", "max_percent: 5"))
    refused = desk.run("run", "--execute", code=3)
    assert "max_percent" in refused.stderr
    assert desk.sandbox.writes() == []


def test_paused_nothing_is_changed(desk: Processes) -> None:
    desk.run("pause", "--yes", "--reason", "incident 42")
    refused = desk.run("run", "--execute", code=3)
    assert "incident 42" in refused.stderr
    assert desk.sandbox.writes() == []
    desk.run("resume", "--yes")
    desk.run("run", "--execute")
    assert desk.sandbox.writes()


@pytest.mark.on_change("cluster")
def test_a_second_executing_run_on_the_same_state_ends_with_5(desk: Processes) -> None:
    with desk.start("run", "--execute") as first:
        while not desk.sandbox.writes() and first.poll() is None:
            pass
        second = desk.run("run", "--execute", code=5)
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=30)
    assert "lease" in second.stderr
    assert first.returncode == 143


@pytest.mark.one_backend("nothing is stored")
def test_help_and_version_load_no_heavy_library() -> None:
    import subprocess
    import sys

    heavy = (
        "requests apscheduler sqlalchemy pydantic rich structlog prometheus_client alembic urllib3"
        " yaml"
    )
    code = f"""
import sys
from sauce_janitor.__main__ import main
try:
    main(["--help"])
except SystemExit as ended:
    assert ended.code == 0
print(sorted(set({heavy.split()!r}) & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=ENVIRONMENT,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
