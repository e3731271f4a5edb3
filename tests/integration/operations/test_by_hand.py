"""Looking at single jobs and changing them by hand: commands against the sandbox, judged by what it
then holds and saw.
"""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from sauce_janitor.model.jobs import JobId, Owner
from sauce_janitor.model.permits import ManualStopPermit, UpdatePermit
from tests.support.commands import Commands

POLICIES = """
limits: {max_percent: null}
holds: [{tag: keep}]
policies:
  - {name: old, match: all, then: {archive: none, delete_assets: 10d}}
"""
DEMO = Owner("demo")


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    made = open_desk()
    made.configure(POLICIES)
    return made


@pytest.fixture
def job(desk: Commands) -> JobId:
    return JobId(desk.sandbox.arrive(name="checkout", build="rc-1", tags=["old", "e2e"]))


def truth(desk: Commands, job: str) -> dict[str, Any]:
    found = desk.sandbox.truth(job)
    assert found is not None
    return dict(found.document)


def listed(desk: Commands, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        desk.say("jobs", "--format", "json", *arguments).stdout
    )
    return found


def kinds(desk: Commands, job: JobId) -> list[tuple[str, str, str | None]]:
    return [(line.kind, line.action.value, line.outcome) for line in desk.state.journal.of(job)]


# --- looking --------------------------------------------------------------------------------------


def test_jobs_are_listed_newest_first_and_filtered(desk: Commands) -> None:
    ids = list(desk.sandbox.job_ids())
    assert [each["id"] for each in listed(desk)] == ids
    assert [each["id"] for each in listed(desk, "--limit", "7")] == ids[:7]
    failed = listed(desk, "--status", "failed", "--build", "nightly-*")
    assert failed
    assert all(
        each["status"] == "failed" and each["build"].startswith("nightly-") for each in failed
    )
    named = listed(desk, "--name", "cart*", "--tag", "smoke", "--tag", "e2e")
    assert all(
        each["name"].startswith("cart") and {"smoke", "e2e"} & set(each["tags"]) for each in named
    )
    young = listed(desk, "--since", "5d", "--until", "1d")
    assert young
    now = time.time()
    for each in young:
        age = now - truth(desk, each["id"])["creation_time"]
        assert 86_400 - 60 <= age <= 5 * 86_400 + 60
    assert desk.writes() == []


def test_the_same_jobs_as_table_and_csv(desk: Commands, job: JobId) -> None:
    desk.sandbox.edit(job, name="=cmd|' /C calc'!A0\x1b[31m")
    table = desk.say("jobs").stdout
    assert all(job_id in table for job_id in desk.sandbox.job_ids())
    assert "\x1b" not in table
    rows = list(csv.DictReader(io.StringIO(desk.say("jobs", "--format", "csv").stdout)))
    assert [row["id"] for row in rows] == list(desk.sandbox.job_ids())
    assert rows[0]["name"].startswith("'=cmd")


def test_rows_without_details_show_their_name_and_status(desk: Commands, job: JobId) -> None:
    desk.sandbox.inject("short_rows", endpoint="jobs.list")
    said = desk.say("jobs", "--name", "checkout", "--format", "json")
    (row,) = json.loads(said.stdout)
    assert (row["id"], row["name"], row["status"]) == (job, "checkout", truth(desk, job)["status"])
    assert "without details" in said.stderr
    assert "checkout" in desk.say("jobs").stdout


def test_a_long_list_is_read_page_by_page_and_told_to_be_cut(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(1200)
    desk.configure(POLICIES)
    assert len(listed(desk, "--limit", "0")) == 1200
    assert "There are more" in desk.say("jobs", "--limit", "3").stderr
    assert "There are more" not in desk.say("jobs", "--limit", "1200").stderr


def test_of_several_owners_the_newest_come_first_and_one_who_is_refused_stops_nobody(
    desk: Commands,
) -> None:
    found = listed(desk, "--owner", "demo", "--owner", "alice", "--limit", "0")
    times = [each["created_at"] for each in found]
    assert {each["owner"] for each in found} == {"demo", "alice"}
    assert times == sorted(times, reverse=True)
    desk.sandbox.inject(
        "status", endpoint="jobs.list", user="*", path="/rest/v1/alice/*", status=403
    )
    said = desk.say("jobs", "--owner", "demo", "--owner", "alice", "--format", "json", code=4)
    assert {each["owner"] for each in json.loads(said.stdout)} == {"demo"}
    assert "alice" in said.stderr


@pytest.mark.parametrize(
    "wrong", [("--since", "yesterday"), ("--since", "3"), ("--status", "green"), ("--owner", "..")]
)
def test_what_can_be_no_filter_is_refused_before_anything_is_asked(
    desk: Commands, wrong: tuple[str, str]
) -> None:
    desk.say("jobs", *wrong, code=2)
    assert len(desk.sandbox.log) == 0


@pytest.mark.parametrize("builds_v2", ["on", "off"])
def test_builds_and_their_jobs_are_told_by_whichever_api_there_is(
    open_desk: Callable[..., Commands], builds_v2: str
) -> None:
    from sauce_janitor.sandbox import Behaviours

    desk = open_desk(behaviours=Behaviours().changed({"builds_v2": builds_v2}))
    desk.configure(POLICIES)
    found = json.loads(desk.say("builds", "--name", "nightly-*", "--format", "json").stdout)
    assert found
    build = found[0]
    jobs = json.loads(desk.say("builds", build["id"], "--format", "json").stdout)
    assert len(jobs) == build["jobs"]
    assert {truth(desk, each["id"])["build"] for each in jobs} == {build["name"]}
    assert build["id"] in desk.say("builds").stdout
    assert "404" in str(desk.say("builds", "nonsense", code=4).exception)


@pytest.mark.parametrize(
    "rest", ["", "policies: [{name: no}]\nholds: [{tag: 010}]\ninclude: none.yaml\n"]
)
def test_what_only_looks_needs_an_account_and_no_policies(
    desk: Commands, job: JobId, rest: str
) -> None:
    desk.configure(rest)
    looks = [("jobs",), ("builds",), ("job", job), ("assets", job), ("insights", "builds")]
    for words in looks:
        assert desk.say(*words).stdout
    if rest:
        for words in (
            ("plan",),
            ("run",),
            ("tag", job, "--add", "x", "--yes"),
            ("stop", job, "--yes"),
        ):
            assert "policies[0].then: is missing" in str(desk.say(*words, code=2).exception)
    else:
        assert "has no policies: everything is kept" in desk.say("check").stdout
    assert desk.writes() == []


def test_what_only_looks_says_that_an_account_is_missing(desk: Commands) -> None:
    path = desk.folder / "config.yaml"
    path.write_text("policies: []\n")
    assert "accounts: is missing" in str(desk.say("jobs", code=2).exception)


@pytest.mark.parametrize("builds_v2", ["on", "off"])
def test_a_build_is_shown_whole_with_its_jobs(
    open_desk: Callable[..., Commands], builds_v2: str
) -> None:
    from sauce_janitor.sandbox import Behaviours

    desk = open_desk(behaviours=Behaviours().changed({"builds_v2": builds_v2}))
    desk.configure(POLICIES)
    row, *_ = json.loads(desk.say("builds", "--name", "nightly-*", "--format", "json").stdout)
    whole = json.loads(desk.say("build", row["id"], "--format", "json").stdout)
    members = whole.pop("members")
    assert whole == row
    assert (
        len(members) == row["jobs"] == row["jobs_passed"] + row["jobs_failed"] + row["jobs_errored"]
    )
    assert row["unknown"] == []
    assert row["created_at"] <= row["ended_at"] <= row["modified_at"]
    assert all(row[key] for key in ("team_id", "org_id", "group_id"))
    assert (row["owner"] == "demo") is (builds_v2 == "off")
    said = desk.say("build", row["id"]).stdout
    assert f"passed     {row['jobs_passed']}" in said
    assert members[0]["id"] in said
    assert "no build 'nonsense'" in str(desk.say("build", "nonsense", code=4).exception)
    desk.say("build", code=2)
    desk.say("build", row["id"], "--job", members[0]["id"], code=2)
    if builds_v2 == "on":
        assert (
            json.loads(desk.say("build", "--job", members[0]["id"], "--format", "json").stdout)[
                "id"
            ]
            == row["id"]
        )
        assert desk.sandbox.log[-2].path == f"/v2/builds/vdc/jobs/{members[0]['id']}/build/"
    else:
        assert "has no builds API (v2)" in str(
            desk.say("build", "--job", members[0]["id"], code=4).exception
        )


@pytest.mark.parametrize("builds_v2", ["on", "off"])
def test_builds_are_found_by_time_status_and_name_whatever_the_api_filters(
    open_desk: Callable[..., Commands], builds_v2: str
) -> None:
    from sauce_janitor.sandbox import Behaviours

    desk = open_desk(jobs=300, behaviours=Behaviours().changed({"builds_v2": builds_v2}))
    desk.configure(POLICIES)

    def ids(*options: str) -> list[str]:
        said = desk.say("builds", "--limit", "0", "--format", "json", *options)
        return [row["id"] for row in json.loads(said.stdout)]

    every = json.loads(desk.say("builds", "--limit", "0", "--format", "json").stdout)
    middle = every[len(every) // 2]["created_at"]
    since = str(int(datetime.fromisoformat(middle).timestamp()))
    assert ids("--since", since) == [row["id"] for row in every if row["created_at"] >= middle]
    assert ids("--until", since) == [row["id"] for row in every if row["created_at"] <= middle]
    assert ids("--since", middle, "--status", "failed", "--status", "error") == [
        row["id"]
        for row in every
        if row["created_at"] >= middle and row["status"] in {"failed", "error"}
    ]
    assert ids("--name", every[3]["name"]) == [every[3]["id"]]
    assert ids("--name", "nightly-*") == [
        row["id"] for row in every if row["name"].startswith("nightly-")
    ]
    if builds_v2 == "on":
        asked = [entry.path for entry in desk.sandbox.log if "start=" in entry.path]
        assert all("end=" in path for path in asked)
        assert asked


def test_builds_of_real_devices_are_another_source(desk: Commands) -> None:
    job, build_id = "ab" * 16, "cd" * 16
    record = {
        "id": build_id,
        "name": "phones",
        "status": "failed",
        "source": "rdc",
        "creation_time": 1780300800,
        "jobs": {"finished": 1, "failed": 1, "passed": 0, "errored": 0, "running": 0, "queued": 0},
    }
    member = {
        "id": job,
        "creation_time": 1780300800,
        "modification_time": 1780300900,
        "state": {"failed": True},
    }
    assert desk.say("builds", "--source", "rdc").stdout == ""
    assert "real devices" in str(desk.say("build", build_id, "--source", "rdc", code=4).exception)
    for endpoint, body in (
        ("builds.list", {"builds": [record]}), ("builds.get", record), ("builds.of_job", record),
        ("builds.jobs_v2", {"jobs": [member]}),
    ):  # fmt: skip
        desk.sandbox.inject(
            "status", endpoint=endpoint, path="/v2/builds/rdc/*", status=200, body=json.dumps(body)
        )
    (row,) = json.loads(desk.say("builds", "--source", "rdc", "--format", "json").stdout)
    assert (row["id"], row["jobs_failed"], row["source"]) == (build_id, 1, "rdc")
    for words in ((build_id,), ("--job", job)):
        whole = json.loads(desk.say("build", *words, "--source", "rdc", "--format", "json").stdout)
        assert (whole["name"], [each["id"] for each in whole["members"]]) == ("phones", [job])
    assert (
        json.loads(desk.say("builds", build_id, "--source", "rdc", "--format", "json").stdout)[0][
            "status"
        ]
        == "failed"
    )
    assert "whole id" in str(
        desk.say("build", "--job", "checkout", "--source", "rdc", code=2).exception
    )


def test_no_builds_at_all_is_said(desk: Commands) -> None:
    desk.sandbox.inject("status", endpoint="builds.*", status=404)
    assert "neither v2 nor v1" in str(desk.say("builds", code=4).exception)


def test_a_job_is_shown_without_its_secrets_whoever_owns_it(desk: Commands, job: JobId) -> None:
    desk.sandbox.edit(
        job, video_secret="s3cret", base_config={"sauce:options": {"accessKey": "k3y"}}
    )
    said = desk.say("job", job.upper(), "--format", "json").stdout
    assert json.loads(said)["name"] == "checkout"
    assert "s3cret" not in said
    assert "k3y" not in said
    assert "checkout" in desk.say("job", job).stdout
    theirs = next(desk.sandbox.job_ids("alice"))
    assert json.loads(desk.say("job", theirs, "--format", "json").stdout)["owner"] == "alice"
    assert desk.writes() == []


def test_a_job_that_is_not_there_is_told_with_all_that_it_may_mean(
    desk: Commands, job: JobId
) -> None:
    assert "real device" in str(desk.say("job", "0" * 32, code=4).exception)
    assert "another user" in str(desk.say("job", job, "--owner", "alice", code=4).exception)
    desk.say("job", "nonsense", code=2)
    desk.sandbox.inject("status", endpoint="job.get", status=404, times=1)
    assert "checkout" in desk.say("job", job).stdout


def test_without_a_look_up_by_ids_the_owners_are_asked_one_by_one(
    open_desk: Callable[..., Commands],
) -> None:
    from sauce_janitor.sandbox import Behaviours

    desk = open_desk(behaviours=Behaviours().changed({"batch_lookup": "off"}))
    desk.configure(POLICIES)
    job = next(desk.sandbox.job_ids())
    assert job in desk.say("job", job).stdout


# --- files ----------------------------------------------------------------------------------------


def with_files(desk: Commands) -> JobId:
    return next(
        JobId(one)
        for one in desk.sandbox.job_ids()
        if (found := desk.sandbox.truth(one)) and found.assets
    )


def test_files_are_listed_and_come_whole(
    desk: Commands, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job = with_files(desk)
    names = [
        each["name"] for each in json.loads(desk.say("assets", job, "--format", "json").stdout)
    ]
    assert "log.json" in names
    desk.say("assets", job, "--get", "log.json")
    assert (tmp_path / "log.json").read_bytes() == desk.sandbox.asset(job, "log.json")
    desk.say("assets", job, "--get", "log.json", code=4)
    desk.say("assets", job, "--get", "log.json", "-o", "other.json")
    piped = desk.say("assets", job, "--get", "log.json", "-o", "-").stdout_bytes
    assert piped == (tmp_path / "other.json").read_bytes() == desk.sandbox.asset(job, "log.json")
    desk.say("assets", job, "--download", "all")
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == sorted(names)
    assert desk.writes() == []


def test_a_hostile_name_stays_in_the_folder(
    desk: Commands, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job = with_files(desk)
    for name in ("../../evil.log", "/etc/evil", "log.json\x1b]0;evil", "LOG.JSON"):
        desk.sandbox.upload(job, name, b"{}")
    before = set(tmp_path.parent.rglob("*"))
    said = desk.say("assets", job, "--download", "out")
    new = {
        path
        for path in set(tmp_path.parent.rglob("*")) - before
        if not path.name.startswith("state.db")
    }
    assert new == {tmp_path / "out", *(tmp_path / "out").iterdir()}
    assert len(list((tmp_path / "out").iterdir())) == len(said.stdout.splitlines())
    assert "\x1b" not in said.stdout
    desk.say("assets", job, "--get", "../../evil.log")
    assert (tmp_path / "0000.log").read_bytes() == b"{}"


@pytest.mark.parametrize(
    "fault", ["truncated", "truncated_chunks", "short_gzip", "html", "short_unframed"]
)
def test_a_file_that_did_not_come_whole_is_not_there(
    desk: Commands, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    job = with_files(desk)
    desk.sandbox.inject(fault, endpoint="asset.get")
    before = set(tmp_path.rglob("*"))
    desk.say("assets", job, "--get", "log.json", code=4)
    assert {
        path for path in set(tmp_path.rglob("*")) - before if "state.db" not in path.name
    } == set()
    desk.say("assets", job, "--get", "log.json", "-o", "-", code=4)


# --- changing -------------------------------------------------------------------------------------


def test_a_dry_run_and_a_command_that_nobody_answers_send_only_gets(
    desk: Commands, job: JobId
) -> None:
    running = JobId(desk.sandbox.arrive(status="in progress", end_time=None))
    said = desk.say("tag", job, "--add", "keep", "--name", "new", "--yes", "-n")
    assert f"would change {job}: tags +keep (now old, e2e, keep)" in said.stderr
    assert f"would stop {running}" in desk.say("stop", running, "--yes", "--dry-run").stderr
    desk.say("hold", "add", job, "--reason", "x", "--tag", "--yes", "-n")
    desk.say("tag", job, "--add", "keep", code=2)
    desk.say("stop", running, code=2)
    assert desk.writes() == []
    assert {entry.method for entry in desk.sandbox.log} == {"GET"}
    assert desk.state.journal.verify() == 0


def test_tags_and_fields_are_changed_and_the_rest_stays(desk: Commands, job: JobId) -> None:
    desk.sandbox.edit(job, **{"custom-data": {"team": "qa"}})
    desk.say(
        "tag",
        job,
        "--add",
        "keep",
        "--remove",
        "e2e",
        "--name",
        "pay",
        "--build",
        "rc-2",
        "--public",
        "private",
        "--failed",
        "--custom-data",
        "run=8",
        "--yes",
    )
    now = truth(desk, job)
    assert (now["tags"], now["name"], now["build"], now["public"], now["passed"]) == (
        ["old", "keep"], "pay", "rc-2", "private", False
    )  # fmt: skip
    assert now["custom-data"] == {"team": "qa", "run": "8"}
    assert kinds(desk, job) == [("by_hand", "update", None), ("done_by_hand", "update", "done")]
    assert desk.say("tag", job, "--add", "keep", "--yes").stdout.startswith("Nothing to do")
    assert len(desk.writes()) == 1
    assert "update by hand" in desk.say("explain", job).stdout
    assert desk.say("prove").return_value == 0


def test_custom_data_are_set_to_any_json_and_removed(desk: Commands, job: JobId) -> None:
    desk.sandbox.edit(job, **{"custom-data": {"team": "qa", "old": 1}})
    json_of = "--custom-data-json"
    desk.say(
        "tag",
        job,
        json_of,
        "run=8",
        json_of,
        'of={"a": [true]}',
        "--remove-custom-data",
        "old",
        "--yes",
    )
    assert truth(desk, job)["custom-data"] == {"team": "qa", "run": 8, "of": {"a": [True]}}
    desk.say("tag", job, "--public", "team,share", "--remove-custom-data", "run", "--yes")
    assert truth(desk, job)["public"] == "team,share"
    assert truth(desk, job)["custom-data"] == {"team": "qa", "of": {"a": [True]}}
    assert desk.say("tag", job, "--remove-custom-data", "run", "--yes").stdout.startswith(
        "Nothing to do"
    )
    for text in ("run", "run=", "run=eight", "run=NaN", "run=1e999", "run=" + "[" * 99_999):
        assert json_of in str(desk.say("tag", job, json_of, text, "--yes", code=2).exception)


def test_all_tags_are_replaced_or_taken_away(desk: Commands, job: JobId) -> None:
    desk.say("tag", job, "--set", "a", "--set", "b", "--yes")
    assert truth(desk, job)["tags"] == ["a", "b"]
    desk.say("tag", job, "--clear", "--add", "c", "--yes")
    assert truth(desk, job)["tags"] == ["c"]
    desk.say("tag", job, "--clear", "--set", "c", "--yes", code=2)
    desk.say("tag", job, "--yes", code=2)
    desk.say("tag", job, "--custom-data", "novalue", "--yes", code=2)
    desk.say("tag", job, "--public", "everybody", "--yes", code=2)


def test_one_job_that_cannot_be_changed_does_not_stop_the_others(
    desk: Commands, job: JobId
) -> None:
    other = JobId(desk.sandbox.arrive(tags=[]))
    said = desk.say("tag", job, "0" * 32, "-", "--add", "keep", "--yes", code=4, stdin=f"{other}\n")
    assert truth(desk, job)["tags"] == ["old", "e2e", "keep"]
    assert truth(desk, other)["tags"] == ["keep"]
    assert "0" * 32 in said.stderr


def test_somebody_who_tags_at_the_same_time_loses_nothing(desk: Commands, job: JobId) -> None:
    desk.sandbox.inject("late_edit", endpoint="job.get", times=1, set={"tags": ["theirs"]})
    said = desk.say("tag", job, "--add", "keep", "--yes")
    assert truth(desk, job)["tags"] == ["theirs", "keep"]
    assert "somebody else changed it" in said.stderr


def test_somebody_who_writes_over_it_is_noticed(desk: Commands, job: JobId) -> None:
    desk.sandbox.inject("late_edit", endpoint="job.update", times=1, set={"tags": ["theirs"]})
    said = desk.say("tag", job, "--add", "keep", "--yes")
    assert truth(desk, job)["tags"] == ["theirs", "keep"]
    assert "at the same time" in said.stderr
    assert [kind[2] for kind in kinds(desk, job)] == [None, "failed", None, "done"]


@pytest.mark.parametrize("fault", ["done_but_status", "done_but_disconnected"])
def test_an_error_although_done_is_done(desk: Commands, job: JobId, fault: str) -> None:
    desk.sandbox.inject(fault, endpoint="job.update")
    desk.say("tag", job, "--add", "keep", "--yes")
    assert truth(desk, job)["tags"] == ["old", "e2e", "keep"]
    assert len(desk.writes()) == 1


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    from sauce_janitor.execute.manual import action, field_changes

    monkeypatch.setattr(action, "WAIT_S", 0.0)
    monkeypatch.setattr(field_changes, "WAIT_S", 0.0)


@pytest.mark.usefixtures("no_waiting")
def test_a_200_without_effect_has_failed(desk: Commands, job: JobId) -> None:
    desk.sandbox.inject("status", endpoint="job.update", status=200, body="{}")
    said = desk.say("tag", job, "--add", "keep", "--yes", code=4)
    assert "Failed" in said.stderr
    assert kinds(desk, job)[-1][2] == "failed"
    assert len(desk.writes()) == 1


@pytest.mark.parametrize(("status", "code"), [(400, 4), (403, 4), (404, 4), (401, 2)])
@pytest.mark.usefixtures("no_waiting")
def test_a_refusal_is_told_and_on_record(
    desk: Commands, job: JobId, status: int, code: int
) -> None:
    desk.sandbox.inject("status", endpoint="job.update", status=status)
    desk.say("tag", job, "--add", "keep", "--yes", code=code)
    assert truth(desk, job)["tags"] == ["old", "e2e"]
    assert kinds(desk, job)[-1][2] == ("failed" if status != 401 else "unknown")
    assert len(desk.writes()) == 1


def test_nothing_is_changed_while_paused_and_a_run_is_not_waited_for(
    desk: Commands, job: JobId
) -> None:
    desk.say("pause", "--reason", "audit", "--yes")
    desk.say("tag", job, "--add", "keep", "--yes", code=3)
    assert desk.writes() == []
    desk.say("resume", "--yes")
    desk.run()
    with desk.state.lease("box", "a run of an hour", now=int(time.time())):
        desk.say("tag", job, "--add", "keep", "--yes")
    assert truth(desk, job)["tags"] == ["old", "e2e", "keep"]


def test_two_commands_do_not_change_jobs_at_once(
    desk: Commands, job: JobId, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sauce_janitor.operations import manual

    monkeypatch.setattr(manual, "_PATIENCE_S", 0.0)
    desk.run()
    with desk.state.manual_actions.lock("box", wait_s=0):
        desk.say("tag", job, "--add", "keep", "--yes", code=5)
        assert "keep" not in truth(desk, job)["tags"]
    desk.say("tag", job, "--add", "keep", "--yes")
    assert "keep" in truth(desk, job)["tags"]


def test_a_tag_that_comes_while_a_run_goes_on_keeps_the_job(desk: Commands) -> None:
    desk.configure(f"workers: 1\n{POLICIES}")
    due = [each.job_id for each in desk.run().plan.jobs()]
    from sauce_janitor.operations import holds

    asked: list[str] = []
    protects = holds.AccountHolds.protects

    def tagging(self: holds.AccountHolds, job: Any) -> bool:
        asked.append(job.id)
        if len(asked) == 1:
            threads = [
                threading.Thread(target=desk.say, args=("tag", due[-1], "--add", "keep", "--yes"))
            ]
            threads[0].start()
            threads[0].join()
        return protects(self, job)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sauce_janitor.cli.session.catch_signals", _no_signals)
        patch.setattr(holds.AccountHolds, "protects", tagging)
        desk.run(execute=True)
    assert due[-1] not in desk.deleted()
    assert len(desk.deleted()) == len(due) - 1 - (asked[0] == due[-1])


def _no_signals() -> Any:
    from contextlib import nullcontext

    from sauce_janitor.cli.session import Signals

    return nullcontext(Signals(threading.Event()))


def test_a_running_job_is_stopped_and_a_finished_one_left(desk: Commands, job: JobId) -> None:
    running = JobId(desk.sandbox.arrive(status="in progress", end_time=None))
    said = desk.say("stop", running, job, "--yes")
    assert truth(desk, running)["end_time"] is not None
    assert desk.writes() == [("PUT", running)]
    assert f"Nothing to do: {job}" in said.stdout
    assert kinds(desk, running) == [("by_hand", "stop", None), ("done_by_hand", "stop", "done")]


@pytest.mark.usefixtures("no_waiting")
def test_a_stop_without_effect_is_in_doubt_until_it_is_looked_up_again(desk: Commands) -> None:
    running = JobId(desk.sandbox.arrive(status="in progress", end_time=None))
    desk.sandbox.inject("status", endpoint="job.stop", status=200, body="{}", times=1)
    assert "In doubt" in desk.say("stop", running, "--yes", code=4).stderr
    assert len(desk.state.manual_actions.open("box")) == 1
    desk.say("stop", running, "--yes")
    assert [kind[2] for kind in kinds(desk, running)] == [None, "unknown", "failed", None, "done"]


def test_what_a_killed_command_left_open_is_settled_by_the_next_run(
    desk: Commands, job: JobId
) -> None:
    desk.run()
    journal = desk.state.manual_actions.during("box", "hand-dead", lambda: 77)
    journal.begin(
        UpdatePermit(job, DEMO, "{}", 1.0), by="jane", wanted={"tags": ["old", "e2e", "keep"]}
    )
    journal.begin(ManualStopPermit(job, DEMO, 1.0), by="jane", wanted={})
    assert "2 writes" in desk.say("status").stdout
    desk.sandbox.edit(job, tags=["e2e", "keep", "old"])
    with desk.state.manual_actions.lock("box", wait_s=0):
        desk.run(execute=True)
        assert len(desk.state.manual_actions.open("box")) == 2, (
            "a command may be about it right now"
        )
    desk.run(execute=True)
    assert desk.state.manual_actions.open("box") == ()
    assert [kind[2] for kind in kinds(desk, job)] == [None, None, "done", "done"]


# --- holds with a tag -----------------------------------------------------------------------------


def test_a_hold_is_placed_here_and_its_tag_there(desk: Commands, job: JobId) -> None:
    desk.say("hold", "add", job, "--reason", "audit", "--yes", "--tag")
    assert truth(desk, job)["tags"] == ["old", "e2e", "keep"]
    assert job in desk.say("hold", "list").stdout
    other = JobId(desk.sandbox.arrive(tags=[]))
    said = desk.say("hold", "add", other, "--reason", "audit", "--yes", "--tag", "legal")
    assert truth(desk, other)["tags"] == ["legal"]
    assert "only the local hold protects" in said.stderr


def test_a_tag_that_fails_leaves_the_hold(desk: Commands, job: JobId) -> None:
    desk.sandbox.inject("status", endpoint="job.update", status=403)
    desk.say("hold", "add", job, "--reason", "audit", "--yes", "--tag", code=4)
    assert job in desk.say("hold", "list").stdout


def test_a_tag_that_cannot_be_meant_is_refused_before_anything_is_held(
    desk: Commands, job: JobId
) -> None:
    desk.say("hold", "add", "--tag", job, job, "--reason", "x", "--yes", code=2)
    desk.configure(POLICIES.replace("holds: [{tag: keep}]\n", ""))
    desk.say("hold", "add", job, "--reason", "x", "--yes", "--tag", code=2)
    assert "No local holds" in desk.say("hold", "list").stderr
