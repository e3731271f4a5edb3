"""The endpoints of the API: each with its HTTP method, its path and its handler."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sauce_janitor.sandbox.api import assets, builds, insights, job_lists, jobs, people
from sauce_janitor.sandbox.core.messages import (
    SandboxAnswer,
    SandboxRequest,
    as_json,
    not_found,
    unauthorised,
)
from sauce_janitor.sandbox.core.people import Person
from sauce_janitor.sandbox.world.world import BuildRef, JobRef, World


@dataclass(frozen=True, slots=True)
class RoutedRequest:
    """A request with its endpoint. `parts` are the decoded variables of the path."""

    world: World
    request: SandboxRequest
    parts: Mapping[str, str]

    @property
    def version(self) -> str:
        """Return `v1` or `v1.1`."""
        return self.parts.get("version", "v1")

    def person(self) -> Person | None:
        """Return the user in the path."""
        return self.world.organisation.named(self.parts["user"])

    def job(self) -> JobRef | None:
        """Return the job in the path. If the path has a user, that user must own the job."""
        job = self.world.job(self.parts["job"])
        # Without this check, a request with another user in the path could delete a job that the
        # user does not own.
        if job is None or ("user" in self.parts and job.person is not self.person()):
            return None
        return job

    def build(self) -> BuildRef | None:
        """Return the build in the path. If the path has a user, that user must own the build."""
        build = self.world.build(self.parts["build"])
        if build is None or ("user" in self.parts and build.person is not self.person()):
            return None
        return build


Handler = Callable[[RoutedRequest], SandboxAnswer]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of the API. `name` is used in faults and in the request log."""

    name: str
    methods: tuple[str, ...]
    pattern: re.Pattern[str]
    handle: Handler
    is_public: bool = False


_NAMES = {
    "{version}": r"(?P<version>v1|v1\.1)",
    "{newer}": r"(?P<version>v1\.1)",
    "{analytics}": r"(?:/rest)?/v1/analytics",
    **{f"{{{name}}}": f"(?P<{name}>[^/]+)" for name in ("user", "job", "build", "file", "id")},
}


def _endpoint(
    name: str, methods: str, path: str, handle: Handler, *, is_public: bool = False
) -> Endpoint:
    # Dots in `v1.1` must match only dots. `re.escape` also escapes the braces of the variables.
    pattern = re.escape(path).replace(r"\{", "{").replace(r"\}", "}")
    for written, meant in _NAMES.items():
        pattern = pattern.replace(written, meant)
    return Endpoint(name, tuple(methods.split()), re.compile(f"{pattern}/?"), handle, is_public)


def _of_person(act: Callable[[RoutedRequest, Person], SandboxAnswer]) -> Handler:
    def handle(call: RoutedRequest) -> SandboxAnswer:
        person = call.person()
        return not_found() if person is None else act(call, person)

    return handle


def _of_job(act: Callable[[RoutedRequest, JobRef], SandboxAnswer]) -> Handler:
    def handle(call: RoutedRequest) -> SandboxAnswer:
        job = call.job()
        return not_found() if job is None else act(call, job)

    return handle


def _of_build(act: Callable[[RoutedRequest, BuildRef], SandboxAnswer]) -> Handler:
    def handle(call: RoutedRequest) -> SandboxAnswer:
        build = call.build()
        # The Builds API has another body for 404 than the Jobs API.
        return as_json({"detail": "Not found."}, 404) if build is None else act(call, build)

    return handle


def _me(call: RoutedRequest) -> SandboxAnswer:
    return unauthorised() if call.request.user is None else people.me(call.world, call.request.user)


def _jobs_of_named_build(call: RoutedRequest, person: Person) -> SandboxAnswer:
    return builds.jobs_v1(
        call.world, call.request, call.world.build_called(person, call.parts["build"])
    )


def _no_real_device(_: RoutedRequest) -> SandboxAnswer:
    """Answer 404: the sandbox has no real devices. A fault can give another body."""
    return as_json({"detail": "Not found."}, 404)


def _on_insights(act: Callable[[World, SandboxRequest], SandboxAnswer]) -> Handler:
    return lambda call: act(call.world, call.request)


def _siblings(call: RoutedRequest) -> SandboxAnswer:
    return people.legacy_organisation(call.world)


_details = _of_job(lambda call, job: jobs.details(call.world, call.request, job))
_update = _of_job(lambda call, job: jobs.update(call.world, call.request, job))
_stop = _of_job(lambda call, job: jobs.stop(call.world, call.request, job))
_delete = _of_job(
    lambda call, job: jobs.delete(call.world, call.request, job, version=call.version)
)
_list_assets = _of_job(lambda call, job: assets.list_assets(call.world, call.request, job))
_delete_assets = _of_job(lambda call, job: assets.delete_assets(call.world, call.request, job))
_get_asset = _of_job(
    lambda call, job: assets.get_asset(call.world, call.request, job, call.parts["file"])
)
_by_link = _of_job(
    lambda call, job: assets.get_by_link(call.world, call.request, job, call.parts["file"])
)
_list_jobs = _of_person(
    lambda call, who: job_lists.list_jobs(call.world, call.request, who, version=call.version)
)
_delete_all = _of_person(
    lambda call, who: jobs.delete_all(call.world, call.request, who, version=call.version)
)
_builds_v1 = _of_person(lambda call, who: builds.list_v1(call.world, call.request, who))
_build_v1 = _of_build(lambda call, build: builds.one_v1(call.world, call.request, build))
_build_jobs_v1 = _of_build(lambda call, build: builds.jobs_v1(call.world, call.request, build))
_failed_jobs = _of_build(
    lambda call, build: builds.jobs_v1(call.world, call.request, build, only_failed=True)
)
_build_v2 = _of_build(lambda call, build: builds.one_v2(call.world, call.request, build))
_build_jobs_v2 = _of_build(lambda call, build: builds.jobs_v2(call.world, call.request, build))
_build_of_job = _of_job(lambda call, job: builds.build_of_job(call.world, call.request, job))

# Fixed paths come before those with a variable in the same place: `users` is otherwise a user's
# name.
ENDPOINTS = (
    _endpoint("status", "GET", "/rest/v1/info/status", lambda _: people.status(), is_public=True),
    _endpoint(
        "jobs.lookup",
        "GET",
        "/rest/{version}/jobs",
        lambda c: job_lists.look_up(c.world, c.request, version=c.version),
    ),
    _endpoint("job.get", "GET", "/rest/{version}/jobs/{job}", _details),
    _endpoint("job.delete", "DELETE", "/rest/{newer}/jobs/{job}", _delete),
    _endpoint("assets.list", "GET", "/rest/v1/jobs/{job}/assets", _list_assets),
    _endpoint("asset.get", "GET", "/rest/v1/jobs/{job}/assets/{file}", _get_asset),
    _endpoint("asset.get", "GET", "/rest/v1/jobs/{job}/{file}", _get_asset),
    _endpoint("builds.jobs", "GET", "/rest/v1/builds/{build}/jobs", _build_jobs_v1),
    _endpoint(
        "user.get",
        "GET",
        "/rest/v1/users/{user}",
        _of_person(lambda c, who: people.legacy_user(c.world, who)),
    ),
    _endpoint("user.siblings", "GET", "/rest/v1.1/users/{user}/organization", _siblings),
    _endpoint("user.siblings", "GET", "/rest/v1.1/users/{user}/siblings", _siblings),
    _endpoint(
        "user.activity",
        "GET",
        "/rest/v1/{user}/activity",
        _of_person(lambda c, who: people.activity(c.world, who)),
    ),
    _endpoint(
        "user.activity",
        "GET",
        "/rest/v1/users/{user}/activity",
        _of_person(lambda c, who: people.activity(c.world, who)),
    ),
    _endpoint("jobs.list", "GET", "/rest/{version}/{user}/jobs", _list_jobs),
    _endpoint("jobs.delete_all", "DELETE", "/rest/{version}/{user}/jobs", _delete_all),
    _endpoint("job.get", "GET", "/rest/{version}/{user}/jobs/{job}", _details),
    _endpoint("job.update", "PUT", "/rest/{version}/{user}/jobs/{job}", _update),
    _endpoint("job.delete", "DELETE", "/rest/{version}/{user}/jobs/{job}", _delete),
    _endpoint("job.stop", "PUT", "/rest/{version}/{user}/jobs/{job}/stop", _stop),
    _endpoint("assets.list", "GET", "/rest/{version}/{user}/jobs/{job}/assets", _list_assets),
    _endpoint(
        "assets.delete", "DELETE", "/rest/{version}/{user}/jobs/{job}/assets", _delete_assets
    ),
    _endpoint("asset.get", "GET", "/rest/{version}/{user}/jobs/{job}/assets/{file}", _get_asset),
    _endpoint("builds.list_v1", "GET", "/rest/{version}/{user}/builds", _builds_v1),
    _endpoint("builds.get_v1", "GET", "/rest/{version}/{user}/builds/{build}", _build_v1),
    _endpoint(
        "builds.jobs", "GET", "/rest/{version}/{user}/builds/{build}/failed-jobs", _failed_jobs
    ),
    _endpoint(
        "builds.jobs",
        "GET",
        "/rest/{version}/{user}/build/{build}/jobs",
        _of_person(_jobs_of_named_build),
    ),
    _endpoint("builds.list", "GET", "/v2/builds/vdc", lambda c: builds.list_v2(c.world, c.request)),
    _endpoint("builds.list", "GET", "/v2/builds/rdc", lambda _: as_json({"builds": []})),
    _endpoint("builds.of_job", "GET", "/v2/builds/rdc/jobs/{job}/build", _no_real_device),
    _endpoint("builds.jobs_v2", "GET", "/v2/builds/rdc/{build}/jobs", _no_real_device),
    _endpoint("builds.get", "GET", "/v2/builds/rdc/{build}", _no_real_device),
    _endpoint("builds.of_job", "GET", "/v2/builds/vdc/jobs/{job}/build", _build_of_job),
    _endpoint("builds.jobs_v2", "GET", "/v2/builds/vdc/{build}/jobs", _build_jobs_v2),
    _endpoint("builds.get", "GET", "/v2/builds/vdc/{build}", _build_v2),
    _endpoint("users.me", "GET", "/team-management/v1/users/me", _me),
    _endpoint(
        "users.list", "GET", "/team-management/v1/users", lambda c: people.users(c.world, c.request)
    ),
    _endpoint(
        "users.get",
        "GET",
        "/team-management/v1/users/{id}",
        lambda c: people.user(c.world, c.request, c.parts["id"]),
    ),
    _endpoint(
        "teams.list", "GET", "/team-management/v1/teams", lambda c: people.teams(c.world, c.request)
    ),
    _endpoint(
        "teams.members",
        "GET",
        "/team-management/v1/teams/{id}/members",
        lambda c: people.members(c.world, c.request, c.parts["id"]),
    ),
    _endpoint(
        "service_accounts.list",
        "GET",
        "/team-management/v1/service-accounts",
        lambda c: people.service_accounts(c.world, c.request),
    ),
    _endpoint("insights.tests", "GET", "{analytics}/tests", _on_insights(insights.tests)),
    _endpoint(
        "insights.metrics",
        "GET",
        "{analytics}/insights/test-metrics",
        _on_insights(insights.metrics),
    ),
    _endpoint("insights.trends", "GET", "{analytics}/trends/tests", _on_insights(insights.trends)),
    _endpoint(
        "insights.builds",
        "GET",
        "{analytics}/trends/builds_tests",
        _on_insights(insights.builds_and_tests),
    ),
    _endpoint("insights.errors", "GET", "{analytics}/trends/errors", _on_insights(insights.errors)),
    _endpoint("asset.link", "GET", "/jobs/{job}/{file}", _by_link, is_public=True),
)
"""All endpoints; the first match counts.

A slash at the end is ignored. That is how a DELETE with an empty job id deletes all jobs.
"""
