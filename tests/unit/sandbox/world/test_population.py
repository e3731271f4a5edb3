"""The population looks like a test organisation's, and is the same each time."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.sandbox.world.population import Population

NOW = 1_760_000_000
DAY = 86_400


def population(count: int = 2000, *, seed: int = 1) -> Population:
    return Population(seed, "demo", count, now=NOW, days=45)


@given(count=st.integers(1, 3000), days=st.integers(1, 400))
def test_a_later_job_was_never_created_earlier(count: int, days: int) -> None:
    jobs = Population(1, "demo", count, now=NOW, days=days)
    times = [jobs.created_at(index) for index in range(count)]

    assert times == sorted(times)
    assert times[-1] <= NOW
    assert times[0] >= NOW - (days + 1) * DAY


@given(time=st.integers(NOW - 50 * DAY, NOW + DAY))
def test_the_first_job_from_a_time_on_is_found_by_halving(time: int) -> None:
    jobs = population(500)
    found = jobs.first_from(time)

    assert found == sum(jobs.created_at(index) < time for index in range(500))


def test_the_same_seed_gives_the_same_jobs_and_another_gives_others() -> None:
    def told(seed: int) -> list[tuple[object, ...]]:
        jobs = population(300, seed=seed)
        facts = (jobs.facts(index) for index in range(300))
        return [
            (each.name, each.status, each.passed, each.ended_at, each.tags, each.build)
            for each in facts
        ]

    assert told(1) == told(1)
    assert told(1) != told(2)


@pytest.fixture(scope="module")
def everyone() -> list[dict[str, object]]:
    jobs = population()
    facts = [jobs.facts(index) for index in range(jobs.count)]
    return [{name: getattr(each, name) for name in each.__slots__} for each in facts]


def test_there_are_oddities_of_every_kind(everyone: list[dict[str, object]]) -> None:
    running = [job for job in everyone if job["status"] == "in progress"]
    started = [job["started_at"] for job in running if isinstance(job["started_at"], int)]

    assert {"queued", "new", "in progress", "complete", "error"} == {
        job["status"] for job in everyone
    }
    assert sum(NOW - time > DAY for time in started) >= 3, "runaways"
    assert any(job["passed"] is True for job in running), "says it passed and still runs"
    assert any(job["name"] is None for job in everyone)
    assert any(job["build_text"] is None for job in everyone)
    assert any(str(job["build_text"]).endswith(" ") for job in everyone)
    assert any(job["custom_data"] for job in everyone)
    assert any(not job["has_video"] for job in everyone)
    assert {job["kind"] for job in everyone} == {"webdriver", "cypress", "appium", "manual"}


def test_tags_of_every_kind_are_worn(everyone: list[dict[str, object]]) -> None:
    worn = Counter(tag for job in everyone for tag in job["tags"])  # type: ignore[attr-defined]

    assert all(
        worn[tag] for tag in ("smoke", "pii", "keep", "flaky-hunt", "release", "keep-until=audit")
    )
    assert any(tag.startswith("keep-until=20") for tag in worn)


def test_only_a_finished_job_has_a_verdict_or_an_error(everyone: list[dict[str, object]]) -> None:
    for job in everyone:
        assert (job["ended_at"] is None) == (job["status"] not in {"complete", "error"})
        assert job["error"] is None or job["status"] == "error"


def test_a_build_finds_its_jobs_and_a_job_its_build() -> None:
    jobs = population(500)
    for build in range(jobs.builds):
        name = jobs.build_name(build)
        assert jobs.build_named(name) == build
        assert all(jobs.facts(index).build == build for index in jobs.members(build))
    built = sum(jobs.facts(index).build is not None for index in range(500))
    assert sum(len(jobs.members(build)) for build in range(jobs.builds)) == built


@pytest.mark.parametrize(
    "name", ["", "nightly-", "nightly-99", "PR-x", "rc-1", "rc-1.x", "hotfix", "PR-999999999"]
)
def test_a_build_that_is_not_there_has_no_number(name: str) -> None:
    assert population(500).build_named(name) is None
