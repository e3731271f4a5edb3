"""What the sandbox answers is what the vendor's own OpenAPI files say, but for contradictions that
are known by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
import requests
from jsonschema import Draft4Validator, FormatChecker  # type: ignore[import-untyped]  # ships no types

from sauce_janitor.sandbox import Sandbox, SandboxOptions
from tests.support.vendor_files import operations, reference, schema_of

Call: TypeAlias = tuple[str, str, str, str]
JOB_TIMES = r"(creation|start|end|modification|deletion)_time$"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Where a file says otherwise than what was recorded of the real API (or than another of the
    vendor's own pages).

    `file` and `where` (the place in the answer, indexes as 0) are patterns, `keyword` is JSON
    Schema's, or `null`.
    """

    name: str
    file: str
    where: str
    keyword: str
    because: str

    def fits(self, file: str, where: str, keyword: str) -> bool:
        """Whether an error is this one."""
        return (
            bool(re.fullmatch(self.file, file) and re.search(self.where, where))
            and keyword == self.keyword
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """Where an answer does not fit its schema, and the contradiction that explains it, if any
    does.
    """

    text: str
    known: Contradiction | None


CONTRADICTIONS = (
    Contradiction(
        "null",
        r".*",
        r".*",
        "null",
        "Swagger 2 has no word for it; recorded answers are full of nulls",
    ),
    Contradiction(
        "times",
        r"(older )?jobs|builds",
        JOB_TIMES,
        "type",
        "every recorded answer has whole numbers, not strings",
    ),
    Contradiction(
        "custom data",
        r"(older )?jobs",
        r"custom-data$",
        "type",
        "an object in saucerest-java's job_info.json",
    ),
    Contradiction(
        "unfinished",
        r"(older )?jobs",
        r"consolidated_status$",
        "enum",
        "saucectl recorded `in progress`",
    ),
    Contradiction(
        "private jobs",
        r"(older )?jobs",
        r"public$",
        "enum",
        "Jobs API Methods, Update a Job, has `private`",
    ),
    Contradiction(
        "versions",
        r"(older )?jobs",
        r"base_config/version$",
        "type",
        "a string in the sample of Get Jobs",
    ),
    Contradiction(
        "pages of people",
        r"people",
        r"^$",
        "type",
        "Accounts API Methods: links, count and results",
    ),
    Contradiction(
        "states of jobs",
        r"builds",
        r"jobs/0/state/\w+$",
        "type",
        "Builds API Methods: true or false, no counters",
    ),
    Contradiction(
        "jobs of a build",
        r"older jobs",
        r"^$",
        "type",
        "saucerest-java's build_jobs.json is an object",
    ),
    Contradiction(
        "source",
        r"newer builds",
        r"(builds/0)?$",
        "additionalProperties",
        "saucerest-java's buildsResponse.json",
    ),
    Contradiction(
        "activity",
        r"jobs",
        r"^$",
        "required",
        "saucerest-java's activity.json, and the file's own description",
    ),
    Contradiction(
        "asset",
        r"jobs",
        r"^$",
        "type",
        "Get a Job Asset File answers with the file, not with what is known of it",
    ),
)

CALLS = (
    ("jobs", "GET", "/v1.1/{username}/jobs", "/rest/v1.1/demo/jobs?limit=200&full=true"),
    ("jobs", "GET", "/v1.1/{username}/jobs", "/rest/v1.1/demo/jobs?limit=200"),
    ("jobs", "GET", "/v1.1/jobs", "/rest/v1.1/jobs?id={job}&full=true"),
    ("jobs", "GET", "/v1.1/jobs/{id}", "/rest/v1.1/jobs/{job}"),
    ("jobs", "GET", "/v1/{username}/jobs/{id}", "/rest/v1/demo/jobs/{job}"),
    ("jobs", "PUT", "/v1/{username}/jobs/{id}", "/rest/v1/demo/jobs/{job}"),
    ("jobs", "PUT", "/v1/{username}/jobs/{id}/stop", "/rest/v1/demo/jobs/{job}/stop"),
    ("jobs", "GET", "/v1/jobs/{id}/{assetName}", "/rest/v1/jobs/{job}/log.json"),
    ("jobs", "GET", "/v1/info/status", "/rest/v1/info/status"),
    ("jobs", "GET", "/v1/users/{username}", "/rest/v1/users/demo"),
    ("jobs", "GET", "/v1/users/{username}/activity", "/rest/v1/users/demo/activity"),
    ("jobs", "GET", "/v1.1/users/{username}/organization", "/rest/v1.1/users/demo/organization"),
    ("older jobs", "GET", "/v1.1/{username}/builds", "/rest/v1.1/demo/builds?limit=50"),
    ("older jobs", "GET", "/v1/builds/{id}/jobs", "/rest/v1/builds/{build}/jobs?full=true"),
    (
        "older jobs",
        "GET",
        "/v1/{username}/builds/{id}/failed-jobs",
        "/rest/v1/demo/builds/{failed}/failed-jobs",
    ),
    ("builds", "GET", "/{build_source}/", "/v2/builds/vdc/?limit=100"),
    ("builds", "GET", "/{build_source}/{build_id}/", "/v2/builds/vdc/{build}/"),
    ("builds", "GET", "/{build_source}/jobs/{job_id}/build/", "/v2/builds/vdc/jobs/{job}/build/"),
    ("builds", "GET", "/{build_source}/{build_id}/jobs/", "/v2/builds/vdc/{build}/jobs/"),
    ("newer builds", "GET", "/v2/builds/{build_source}/", "/v2/builds/vdc/?limit=100"),
    ("newer builds", "GET", "/v2/builds/{build_source}/{build_id}/", "/v2/builds/vdc/{build}/"),
    (
        "newer builds",
        "GET",
        "/v2/builds/{build_source}/jobs/{job_id}/build/",
        "/v2/builds/vdc/jobs/{job}/build/",
    ),
    (
        "newer builds",
        "GET",
        "/v2/builds/{build_source}/{build_id}/jobs/",
        "/v2/builds/vdc/{build}/jobs/",
    ),
    ("people", "GET", "/users", "/team-management/v1/users"),
    ("people", "GET", "/teams", "/team-management/v1/teams"),
    (
        "insights",
        "GET",
        "/v1/analytics/tests",
        "/v1/analytics/tests?time_range=60d&size=500&scope=organization",
    ),
    (
        "insights",
        "GET",
        "/v1/analytics/insights/test-metrics",
        "/v1/analytics/insights/test-metrics?time_range=60d&query=search: by name",
    ),
    (
        "insights",
        "GET",
        "/v1/analytics/trends/tests",
        "/v1/analytics/trends/tests?time_range=60d&interval=1d",
    ),
    (
        "insights",
        "GET",
        "/v1/analytics/trends/builds_tests",
        "/v1/analytics/trends/builds_tests?time_range=60d",
    ),
    (
        "insights",
        "GET",
        "/v1/analytics/trends/errors",
        "/v1/analytics/trends/errors?time_range=60d",
    ),
)
"""File, method and path as the file names them, and what is asked of the sandbox."""

INSIDE = {
    ("people", "/users"): ("results", "UserV1"),
    ("people", "/teams"): ("results", "TeamV1"),
    ("builds", "/{build_source}/{build_id}/jobs/"): ("jobs", "BuildV2Job"),
    ("older jobs", "/v1/builds/{id}/jobs"): ("jobs", "Job"),
    ("older jobs", "/v1/{username}/builds/{id}/failed-jobs"): ("jobs", "Job"),
}
"""Where the answer is a list inside an object although the file names the row or the bare list: the
key, and what a row is.
"""

NOT_OFFERED = re.compile(
    "tunnel|concurrency|dashboard|platforms|/v1/me$|whoami|subaccounts|monthly-minutes|users_activity|users_last_job|manual|tasks"
)
"""Running tests, tunnels and contracts, which nobody needs who keeps and deletes jobs."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(jobs=400, now=1_760_000_000)) as running:
        yield running


@pytest.fixture(scope="module")
def found(sandbox: Sandbox) -> dict[Call, list[Finding]]:
    """All calls, and where each answer does not fit its schema."""
    with requests.Session() as session:
        session.trust_env = False
        session.auth = (sandbox.user, sandbox.access_key)
        rows = session.get(f"{sandbox.base_url}/rest/v1/demo/jobs?full=true").json()
        job = next(
            row["id"]
            for row in rows
            if row["build"] and row["end_time"] and row["passed"] is not None
        )
        build = session.get(f"{sandbox.base_url}/v2/builds/vdc/jobs/{job}/build/").json()["id"]
        failed = session.get(f"{sandbox.base_url}/v2/builds/vdc/?status=failed&limit=1").json()[
            "builds"
        ][0]["id"]
        names = {"{job}": job, "{build}": build, "{failed}": failed}
        return {call: list(findings(session, sandbox.base_url, call, names)) for call in CALLS}


def findings(
    session: requests.Session, base_url: str, call: Call, names: dict[str, str]
) -> Iterator[Finding]:
    """Where one answer does not fit."""
    file, method, path, target = call
    for word, name in names.items():
        target = target.replace(word, name)
    answer = session.request(
        method, base_url + target, json={"name": "renamed"} if method == "PUT" else None
    )
    assert answer.status_code == 200, answer.text
    for schema in schemas(file, method, path):
        for error in Draft4Validator(schema, format_checker=FormatChecker()).iter_errors(
            answer.json()
        ):
            where = "/".join(
                "0" if isinstance(part, int) else str(part) for part in error.absolute_path
            )
            keyword = "null" if error.instance is None else error.validator
            known = (one for one in CONTRADICTIONS if one.fits(file, where, str(keyword)))
            yield Finding(f"{where}: {error.message:.200}", next(known, None))


def schemas(file: str, method: str, path: str) -> Iterator[dict[str, Any]]:
    """What the whole answer has to fit, and what the rows of the list inside it have to."""
    whole = schema_of(file, method, path)
    if whole is not None:
        yield whole
    if (file, path) in INSIDE:
        key, row = INSIDE[file, path]
        rows = reference(file, row)
        inside = {"type": "array", "minItems": 1, "items": {"$ref": rows.pop("$ref")}}
        yield {**rows, "type": "object", "required": [key], "properties": {key: inside}}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[0]} {call[1]} {call[2]}")
def test_an_answer_fits_its_schema(found: dict[Call, list[Finding]], call: Call) -> None:
    assert [finding.text for finding in found[call] if finding.known is None] == []


def test_every_contradiction_is_met(found: dict[Call, list[Finding]]) -> None:
    """Otherwise it is one no more, and goes."""
    met = {
        finding.known.name
        for findings in found.values()
        for finding in findings
        if finding.known is not None
    }
    assert met == {known.name for known in CONTRADICTIONS}


def test_every_operation_of_the_files_is_asked_or_not_offered() -> None:
    asked = {(file, method, path) for file, method, path, _ in CALLS}
    newest = {path for _, path in operations("jobs")}
    for file in ("jobs", "older jobs", "builds", "newer builds", "people", "insights"):
        for method, path in operations(file):
            is_repeated = file == "older jobs" and path in newest
            assert (file, method, path) in asked or NOT_OFFERED.search(path) or is_repeated, (
                file,
                method,
                path,
            )
