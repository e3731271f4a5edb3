"""Whatever jobs are called, the policies that are proposed for them load without a warning and mean
just them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sauce_janitor.config.loader import from_bytes
from sauce_janitor.config.output.proposals import JobSample, proposals
from sauce_janitor.config.output.starter import StarterOptions, proposing, starter
from sauce_janitor.model.globs import compile_glob
from sauce_janitor.model.jobs import UNKNOWN, Job
from tests.fakes.job_list import a_job

START = StarterOptions("eu", "eu-central-1", None, None, None, "UTC", "./config.schema.json")
PATH = Path("config.yaml")


def jobs(count: int, **fields: Any) -> list[Job]:
    return [
        replace(a_job(number), **{"name": None, "build": None, "tags": ()} | fields)
        for number in range(count)
    ]


def job_of(build: str) -> Job:
    return jobs(1, build=build)[0]


def proposed(found: Iterable[Job]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each policy by its name: the comment before it, and what YAML reads."""
    seen = JobSample("ann at x", 90, tuple(found))
    text, count = proposing(START, seen, PATH, secrets=[])
    assert from_bytes(text.encode(), PATH, environ={}).warnings == ()
    comments = dict(re.findall(r"  # (.*)\n  - name: (.*)\n", text.partition("Proposed from")[2]))
    by_name = {name: comment for comment, name in comments.items()}
    read = {
        each["name"]: each
        for each in yaml.safe_load(text)["policies"]
        if each["name"] != "everything-else"
    }
    assert not count or len(read) == len(by_name) == count
    return {name: (by_name[name], read[name]) for name in read} if count else {}


def value(job: Job, field: str) -> list[str]:
    found = getattr(job, field)
    return list(found) if isinstance(found, tuple) else [found] if isinstance(found, str) else []


NAMES = st.one_of(
    st.text(min_size=1, max_size=30),
    st.text(st.sampled_from("ab1- _./:#*?[]{}()!,'\"\\|&@%`~=+<>\n"), min_size=1, max_size=12),
    st.sampled_from(
        [
            "yes",
            "null",
            "1e3",
            "2026-01-01",
            "all",
            "none",
            "PR-1",
            "v1.2",
            "release 7",
            "a -- b",
            "a: b",
            "x #y",
        ]
    ),
)


@settings(suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=3))
def test_every_proposal_loads_without_a_warning_and_its_count_is_that_of_the_jobs_it_matches(
    names: list[tuple[str, str, str]],
) -> None:
    found = [
        job
        for name, build, tag in names
        for job in jobs(12, name=name, build=build.strip() or None, tags=(tag,))
    ]
    for comment, policy in proposed(found).values():
        [(field, pattern)] = policy["match"].items()
        test = compile_glob(pattern)
        matching = sum(any(test(text) for text in value(job, field)) for job in found)
        assert comment.startswith(f"{matching} of {len(found)} jobs in 90 days "), (comment, policy)
        assert matching >= 10


def test_numbered_builds_are_one_proposal_and_what_is_no_word_is_none() -> None:
    numbered = [
        *jobs(6, build="PR-1"),
        *jobs(6, build="PR-22"),
        job_of("PR-x"),
        job_of("PR-\u00e9"),
    ]
    found = [*numbered, *jobs(12, build="main"), *jobs(6, build="ab12cd3"),
             *jobs(6, build="ab99ff0")]  # fmt: skip
    said = proposed(found)
    assert {name: policy["match"] for name, (_, policy) in said.items()} == {
        "build-main": {"build": "main"},
        "build-pr": {"build": "PR-*"},
    }
    assert said["build-pr"][0] == '14 of 38 jobs in 90 days are of 4 builds that begin with "PR-".'


def test_few_jobs_tags_of_holds_and_of_personal_data_and_unknown_fields_suggest_nothing() -> None:
    found = [
        *jobs(9, name="few", build="few-1", tags=("few",)),
        *jobs(20, tags=("keep", "keep-until=2027-01-01", "pii", "gdpr:customer")),
        *jobs(20, name=UNKNOWN, build=UNKNOWN, tags=UNKNOWN),
    ]
    assert proposed(found) == {}
    seen = JobSample("ann at x", 90, tuple(found))
    assert proposing(START, seen, PATH, secrets=[]) == (starter(START), 0)


def test_of_each_kind_the_three_with_the_most_jobs_are_proposed_under_names_of_their_own() -> None:
    found = [job for number in range(5) for job in jobs(10 + number, name=f"a {'!?+/_'[number]}x")]
    found += jobs(30, name="a x") + jobs(29, name="a-x")
    assert list(proposed(found)) == ["suite-a-x", "suite-a-x-2", "suite-a-x-3"]


def test_a_proposal_with_a_secret_in_it_is_left_out() -> None:
    seen = JobSample("ann at x", 90, tuple(jobs(20, build="other", name="with hunter2hunter2")))
    assert sum("hunter2" in each.text for each in proposals(seen)) == 1
    text, count = proposing(START, seen, PATH, secrets=["", "hunter2hunter2"])
    assert (count, "hunter2" in text) == (1, False)
