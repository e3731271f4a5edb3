"""Every recorded answer is read, and what was read says the same as the answer: a sample without a
test here fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.model.jobs import UNKNOWN, Job, JobId, Owner
from sauce_janitor.sauce.build_members import parse_members
from sauce_janitor.sauce.build_rows import parse_build, parse_builds
from sauce_janitor.sauce.builds import parse_record
from sauce_janitor.sauce.http.answers import error_text
from sauce_janitor.sauce.http.redact import REMOVED
from sauce_janitor.sauce.insight_columns import InsightRow
from sauce_janitor.sauce.insight_rows import (
    parse_builds_and_tests,
    parse_errors,
    parse_items,
    parse_summary,
    parse_trends,
)
from sauce_janitor.sauce.parse import parse_assets, parse_details, parse_rows

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
ANY = JobId("0" * 32)

# What a job is called here and there. Source: Jobs API, Get Job Details.
FIELDS = {
    "name": "name",
    "os": "os",
    "browser": "browser",
    "browser_version": "browser_version",
    "automation_backend": "automation_backend",
    "public": "public",
    "manual": "manual",
    "custom_data": "custom-data",
    "created_at": "creation_time",
    "started_at": "start_time",
    "ended_at": "end_time",
    "modified_at": "modification_time",
}


def says_job(job: Job, row: Mapping[str, Any]) -> None:
    """The job has every value of the row, and knows nothing of what the row leaves out."""
    for name, key in FIELDS.items():
        assert getattr(job, name) == row.get(key, UNKNOWN), key
    assert (job.id, job.owner) == (row["id"], row.get("owner", job.owner))
    assert job.tags == (tuple(row["tags"] or ()) if "tags" in row else UNKNOWN)
    assert job.build == ((row["build"] or "").strip() or None if "build" in row else UNKNOWN)


def without_secrets(kept: object, answer: object) -> bool:
    """Whether a document is the answer, but for values that were taken out."""
    if isinstance(kept, dict) and isinstance(answer, dict):
        return kept.keys() == answer.keys() and all(
            without_secrets(kept[key], answer[key]) for key in kept
        )
    return kept == answer or (kept == REMOVED and isinstance(answer, str))


def a_job(answer: dict[str, Any]) -> None:
    """Details, also of a test whose id is none: then with one that is."""
    row = answer if len(answer["id"]) == 32 else {**answer, "id": ANY}
    found = parse_details(row, Owner(row["owner"]), JobId(row["id"]))
    assert found is not None
    says_job(found.job, row)
    assert without_secrets(found.document, row)
    stored = json.loads(json.dumps(found.document))
    assert parse_details(stored, found.job.owner, found.job.id) == found, (
        "what is archived is read as the same job"
    )


def some_jobs(answer: Any) -> None:
    """A list of jobs."""
    rows = answer["jobs"] if isinstance(answer, dict) else answer
    owner = Owner(rows[0].get("owner", "jsmith") if rows else "jsmith")
    page = parse_rows(answer, owner)
    assert (page.rejected, page.ids) == ((), tuple(row["id"] for row in rows))
    for job, row in zip(page.jobs, rows, strict=True):
        says_job(job, row)


def some_assets(answer: dict[str, Any]) -> None:
    """A list of assets."""
    named = [
        name
        for value in answer.values()
        for name in (value if isinstance(value, list) else [value])
    ]
    assert set(parse_assets(answer, ANY).names) == {name for name in named if name is not None}


def one_build(answer: dict[str, Any]) -> None:
    """A build."""
    build, jobs = parse_build(answer), answer["jobs"]
    assert (build.id, build.name, build.status) == (
        answer["id"],
        answer["name"].strip(),
        answer["status"],
    )
    assert build.open_jobs == jobs["running"] + jobs["queued"]
    assert build.jobs == jobs["finished"] + jobs["running"] + jobs["queued"]
    record = parse_record(answer)
    assert record.counters == jobs
    assert (record.created_at, record.started_at) == (answer["creation_time"], answer["start_time"])
    assert (record.ended_at, record.modified_at) == (
        answer["end_time"],
        answer["modification_time"],
    )
    for key in ("passed", "public", "run", "owner_id", "team_id", "org_id", "group_id"):
        assert getattr(record, key) == answer[key], key
    assert (record.source, record.number, record.prefix) == (answer.get("source"), None, None)


def some_builds(answer: dict[str, Any]) -> None:
    """A list of builds."""
    assert [build.id for build in parse_builds(answer)] == [row["id"] for row in answer["builds"]]
    for row in answer["builds"]:
        one_build(row)


def jobs_of_a_build(answer: dict[str, Any]) -> None:
    """The jobs of a build."""
    members = parse_members(answer)
    assert [member.id for member in members] == [row["id"] for row in answer["jobs"]]
    assert all(
        row["state"][member.status] for member, row in zip(members, answer["jobs"], strict=True)
    )


def no_job(answer: Any) -> None:
    """Something of real devices, which no list of ours may take for jobs."""
    assert parse_rows(answer if isinstance(answer, list) else [answer], Owner("jsmith")).jobs == ()


def an_error(answer: Any) -> None:
    """An error: its words are shown."""
    said = error_text(
        answer.encode()
        if isinstance(answer, str) and "<" in answer
        else json.dumps(answer).encode()
    )
    assert set(re.findall("[A-Za-z]{4,}", said)) & set(
        re.findall("[A-Za-z]{4,}", json.dumps(answer))
    )


def says_item(item: InsightRow, row: Mapping[str, Any]) -> None:
    """An item of Insights has every text of its row."""
    texts = {
        key
        for key in row
        if key not in {"creation_time", "start_time", "end_time", "duration", "is_expired"}
    }
    assert {"ancestor", "details_url"} <= texts
    for key in texts:
        assert (item[key] or "") == row[key], key
    assert isinstance(item["ended_at"], int)


def insights_tests(answer: dict[str, Any]) -> None:
    """Get Test Results."""
    page = parse_items(answer)
    assert (page.rejected, page.has_more, page.rows) == ((), True, len(answer["items"]))
    for item, row in zip(page.items, answer["items"], strict=True):
        says_item(item, row)


def insights_metrics(answer: dict[str, Any]) -> None:
    """Get Summary of Test Metrics."""
    summary, aggs = parse_summary(answer), answer["aggs"]
    assert (summary["count"], dict(summary["statuses"])) == (aggs["count"], aggs["statuses"])
    times = summary["total_queue_time"], summary["total_run_time"]
    assert times == (aggs["totalQueueTime"], aggs["totalRunTime"])
    for item, key in ((summary["fastest"], "fastestRun"), (summary["slowest"], "slowestRun")):
        assert item is not None
        says_item(item, aggs[key])


def insights_trends(answer: dict[str, Any]) -> None:
    """Get Test Trends."""
    trends = parse_trends(answer)
    assert trends.rejected == ()
    assert {key: dict(counts) for key, counts in trends.totals.items()} == answer["metrics"]
    for bucket, row in zip(trends.buckets, answer["buckets"], strict=True):
        assert bucket["count"] == row["count"]
        assert {
            key: [{"name": name, "count": count} for name, count in pairs]
            for key, pairs in bucket["by"].items()
        } == row["aggs"]


def insights_builds(answer: dict[str, Any]) -> None:
    """Get Builds and Tests."""
    found, rows = parse_builds_and_tests(answer), answer["builds"]["items"]
    assert (found.rejected, found.has_more, found.without_build.items) == ((), True, ())
    for build, row in zip(found.builds, rows, strict=True):
        assert tuple(build.row[name] for name in ("name", "tests", "duration_s")) == (
            row["name"],
            row["tests_count"],
            row["duration"],
        )
        for item, test in zip(build.some.items, row["tests"], strict=True):
            says_item(item, test)


def insights_errors(answer: dict[str, Any]) -> None:
    """Get Error Trends."""
    for found, row in zip(parse_errors(answer).errors, answer["buckets"], strict=True):
        assert (found.row["error"], found.row["tests"]) == (row["name"], row["count"])
        says_item(found.some.items[0], row["items"][0])


def an_exchange(answer: dict[str, Any]) -> None:
    """One of sauce_whisk's, by what was asked."""
    body, asked = answer["body"], answer["url"].rpartition("/")[2]
    if answer["status"] >= 400:
        an_error(body)
    elif asked == "jobs":
        some_jobs(body)
    elif asked == "assets":
        some_assets(body)
    else:
        a_job(body)


EACH: dict[str, Callable[[Any], None]] = {
    "issues/saucerest-java-56_job_in_progress.json": a_job,
    "sauce-docs/error_samples.json*": an_error,
    "sauce-docs/builds_v2_samples.json#lookup_builds": some_builds,
    "sauce-docs/builds_v2_samples.json#get_build": one_build,
    "sauce-docs/builds_v2_samples.json#jobs_in_build": jobs_of_a_build,
    "sauce-docs/insights_samples.json#tests": insights_tests,
    "sauce-docs/insights_samples.json#test-metrics": insights_metrics,
    "sauce-docs/insights_samples.json#trends-tests": insights_trends,
    "sauce-docs/insights_samples.json#trends-builds_tests": insights_builds,
    "sauce-docs/insights_samples.json#trends-errors": insights_errors,
    "sauce-docs/rdc_samples.json*": no_job,
    "sauce_whisk/jobs_recorded.json*": an_exchange,
    "saucectl/rdcservice_test_responses.json*": no_job,
    "saucectl/resto_test_responses.json#/rest/v1.1/test/jobs/1": a_job,
    "saucectl/resto_test_responses.json#/rest/v1.1/test/jobs/2": a_job,
    "saucectl/resto_test_responses.json#/rest/v1/test/jobs/1/assets": some_assets,
    "saucectl/resto_test_responses.json#/rest/v1/test/jobs/1/stop": a_job,
    "saucectl/resto_test_responses.json#/rest/v1/test/jobs/2/stop": a_job,
    "saucerest-java/assets.json": some_assets,
    "saucerest-java/build_jobs.json": some_jobs,
    "saucerest-java/build_jobs_empty.json": some_jobs,
    "saucerest-java/build_jobs_full.json": some_jobs,
    "saucerest-java/buildsResponse.json": some_builds,
    "saucerest-java/buildsResponses.json": some_builds,
    "saucerest-java/job_info.json": a_job,
}
"""A file; `FILE#KEY` is one of the answers in it, `FILE*` each of them."""

NO_ANSWERS = {
    "SOURCES.txt": "where the others come from",
    "node-saucelabs/builds.json": "an OpenAPI file: tests/integration/conformance",
    "node-saucelabs/sauce.json": "an OpenAPI file",
    "node-saucelabs/sauce.2021-11-da447ef3-with-v1-builds.json": "an OpenAPI file",
    "node-saucelabs/teamManagement.json": "an OpenAPI file",
    "node-saucelabs/testcomposer.json": "an OpenAPI file of uploads, which nobody here makes",
    "sauce-docs/buildsv2.extract.json": "an OpenAPI file",
    "sauce-docs/insights-v1.extract.yml": "an OpenAPI file",
    "sauce-docs/vdc-jobs.extract.yml": "an OpenAPI file",
    "saucerest-java/activity.json": "how many jobs run now, which nobody here asks",
}


def answers(name: str) -> list[Any]:
    """What a line of `EACH` names."""
    path, hash_, key = name.partition("#")
    content = json.loads((SAMPLES / path.rstrip("*")).read_text(encoding="utf-8"))
    if hash_:
        return [content[key]]
    return (
        list(content.values() if isinstance(content, dict) else content)
        if name.endswith("*")
        else [content]
    )


@pytest.mark.parametrize("name", EACH)
def test_a_recorded_answer_is_read_and_says_the_same(name: str) -> None:
    for answer in answers(name):
        EACH[name](answer)


def test_every_sample_has_its_test() -> None:
    there = {str(path.relative_to(SAMPLES)) for path in SAMPLES.rglob("*") if path.is_file()}
    parts: dict[str, set[str]] = {}
    for name in EACH:
        path, hash_, key = name.rstrip("*").partition("#")
        parts.setdefault(path, set()).update({key} if hash_ else ())

    assert there == parts.keys() | NO_ANSWERS.keys()
    for path, keys in parts.items():
        assert (
            not keys or keys == json.loads((SAMPLES / path).read_text(encoding="utf-8")).keys()
        ), path
