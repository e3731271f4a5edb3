"""Prism, a mock server made from the vendor's OpenAPI files, takes our requests and answers our
client.

It judges each request by the files and refuses one that does not fit (422). The files know no
assets and no deletes.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from sauce_janitor.clock import CLOCK
from sauce_janitor.model.jobs import JobId, JobState, Owner
from sauce_janitor.model.permits import ManualStopPermit, UpdatePermit
from sauce_janitor.sauce.client import SauceReader
from sauce_janitor.sauce.gate import Gate
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.sauce.insights import Filter, Period
from tests.support.vendor_files import (
    EXAMPLE_BUILD,
    EXAMPLE_ID,
    EXAMPLE_OWNER,
    EXAMPLE_TIME,
    served_openapi,
    served_swagger,
)

ME, JOB = Owner(EXAMPLE_OWNER), JobId(EXAMPLE_ID)


@pytest.fixture(scope="module")
def serve(
    component: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., str]]:
    """Starts Prism on a document; where it listens."""
    with ExitStack() as stack:

        def serving(document: dict[str, Any]) -> str:
            file = tmp_path_factory.mktemp("openapi") / "api.json"
            file.write_text(json.dumps(document))
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            command = [str(component("prism")), "mock", "--port", str(port), "--errors", str(file)]
            process = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            )
            stack.callback(process.terminate)
            assert process.stdout is not None
            said = iter(process.stdout.readline, b"")
            assert any(b"is listening" in line for line in said), f"{file} cannot be served"
            drain = Thread(target=deque, args=(said, 0))
            drain.start()
            stack.callback(drain.join)
            stack.callback(process.terminate)
            return f"http://127.0.0.1:{port}"

        yield serving


@pytest.fixture(scope="module")
def swagger(serve: Callable[..., str]) -> Iterator[SauceReader]:
    """A client of node-saucelabs' files."""
    with SauceReader(connection(serve(served_swagger()))) as reader:
        yield reader


@pytest.fixture(scope="module")
def openapi(serve: Callable[..., str]) -> Iterator[SauceReader]:
    """A client of sauce-docs' files."""
    with SauceReader(connection(serve(served_openapi()))) as reader:
        yield reader


def connection(url: str) -> Connection:
    return Connection(url, EXAMPLE_OWNER, SecretStr("key"), timeout_s=20.0, attempts=1)


def test_jobs_are_looked_up_one_by_one_and_together(swagger: SauceReader) -> None:
    one, together = swagger.job(ME, JOB), swagger.jobs([JOB, JobId("f" * 32)])

    assert one is not None
    assert (one.job.id, one.job.owner, one.job.state) == (JOB, ME, JobState.FINISHED)
    assert (one.job.ended_at, one.document["video_secret"]) == (EXAMPLE_TIME, "[removed]")
    assert together is not None
    assert together.keys() == {JOB}


def test_jobs_are_listed_with_every_parameter(openapi: SauceReader) -> None:
    page = openapi.list_jobs(ME, limit=500, skip=499, since=EXAMPLE_TIME - 9, until=EXAMPLE_TIME)

    assert [job.id for job in page.jobs] == [JOB]
    assert page.jobs[0].created_at == EXAMPLE_TIME


def test_builds_and_their_jobs_are_listed(swagger: SauceReader) -> None:
    builds, build, members = (
        swagger.builds(ME),
        swagger.build(EXAMPLE_BUILD),
        swagger.build_records.members(EXAMPLE_BUILD),
    )

    assert builds is not None
    assert [each.id for each in builds] == [EXAMPLE_BUILD]
    assert build is not None
    assert members is not None
    assert [member.id for member in members] == [JOB]


def test_a_job_is_updated_and_stopped(swagger: SauceReader) -> None:
    body = json.dumps({"name": "n", "tags": ["a"], "public": "team", "passed": True, "build": "b"})
    with Gate(swagger._transport.connection, swagger.budget) as gate:
        updated = gate.update(UpdatePermit(JOB, ME, body, CLOCK.monotonic()))
        stopped = gate.stop(ManualStopPermit(JOB, ME, CLOCK.monotonic()))

    assert (updated.status, stopped.status) == (200, 200)


def test_the_organization_is_found_by_team_management(swagger: SauceReader) -> None:
    assert swagger.people.organization(now=EXAMPLE_TIME).owners == (ME,)


@pytest.mark.parametrize(
    "period",
    [Period(EXAMPLE_TIME - 86_400, EXAMPLE_TIME), Period(back="7d")],
    ids=["times", "back"],
)
def test_insights_are_asked_with_every_parameter(openapi: SauceReader, period: Period) -> None:
    ask = openapi.insights
    common = Filter(
        owners=("demo",), status="passed", os=("Linux", "Windows 11"), browser=("Chrome 128",)
    )
    search = Filter(
        scope="organization", status="failed", name="n", build="b", error="e", without_build=True
    )

    assert [item["id"] for page in ask.tests(period, search, most=1) for item in page.items] == [
        JOB
    ]
    assert ask.metrics(period, common, test="n")["fastest"] is not None
    assert ask.trends(period, common, interval="1d").buckets
    assert ask.builds(period, common).builds
    assert ask.errors(period, common).errors


def test_the_mock_server_does_refuse_what_the_files_do_not_allow(openapi: SauceReader) -> None:
    """Or the others would show nothing."""
    url = openapi._transport.connection.base_url
    with requests.Session() as session:
        session.trust_env = False
        codes = [
            session.get(url + target).status_code
            for target in (
                "/rest/v1/demo/jobs?limit=501",
                "/v1/analytics/tests?time_range=1d&scope=team",
                "/v1/analytics/insights/test-metrics",
                "/v1/analytics/else",
            )
        ]

    assert codes == [422, 422, 422, 404]
