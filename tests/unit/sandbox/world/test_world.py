"""What two requests that race for one job may do."""

from __future__ import annotations

from sauce_janitor.sandbox.api.assets import delete_assets
from sauce_janitor.sandbox.api.jobs import delete
from sauce_janitor.sandbox.core.messages import SandboxRequest
from sauce_janitor.sandbox.core.options import SandboxOptions
from sauce_janitor.sandbox.world.world import JobRef, World

NOW = 1_760_000_000


def deleting() -> tuple[World, SandboxRequest, JobRef]:
    """A world, a request of its main user, and a finished job with assets that both requests have
    already found.
    """
    world = World(SandboxOptions(jobs=300), now=NOW)
    person = world.organisation.main
    job = next(
        job
        for job in (world.ref(person, index) for index in range(250, 0, -1))
        if world.assets(job)
    )
    return world, SandboxRequest("DELETE", "/", "/", {}, {}, b"", person, "http://127.0.0.1:1"), job


def test_of_two_deletes_that_found_the_job_only_the_first_deletes_it() -> None:
    world, request, job = deleting()
    answers = [delete(world, request, job, version="v1.1") for _ in range(2)]

    assert [answer.status for answer in answers] == [204, 404]
    assert [answer.effect.jobs_deleted for answer in answers] == [1, 0]


def test_of_two_deletes_of_assets_only_the_first_destroys_any() -> None:
    world, request, job = deleting()
    answers = [delete_assets(world, request, job) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 400]
    assert [bool(answer.effect.assets) for answer in answers] == [True, False]
