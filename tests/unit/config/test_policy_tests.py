"""`tests` in the file: what they become, and every way in which they are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.config.loader import from_bytes
from sauce_janitor.errors import ConfigError
from sauce_janitor.model.jobs import Action
from sauce_janitor.retention.what_if.policy_tests import Expectation, PolicyTest, try_out

DAY = 86_400
AS_OF = 1_780_272_000  # 2026-06-01T00:00:00Z
HEAD = """\
timezone: Europe/Berlin
accounts: {eu: {region: eu}, us: {region: us}}
holds: [{tag: keep}, {match: {owner: bot}, reason: audit}]
policies:
  - {name: a, match: {build: "PR-*"}, keep: [{id: two, last: 2}, {last: 1, where: {status: passed}}],
     then: {archive: none, delete_assets: 3d, delete_job: {after: 9d, keep: [{within: 10d}]}}}
  - {name: b, match: {state: running}, then: {stop: 6h, delete_assets: never}}
tests:
"""


def read_tests(text: str, account: str = "eu") -> tuple[PolicyTest, ...]:
    return from_bytes((HEAD + text).encode(), Path("config.yaml"), environ={}).tests(account)


def given(job: str) -> list[dict[str, Any]]:
    (test,) = read_tests(f"  - {{name: t, as_of: 2026-06-01T00:00:00Z, jobs: [{job}]}}\n")
    return [dict(made.fields) for made in test.jobs]


def test_a_test_knows_where_it_stands() -> None:
    (test,) = read_tests("  - {name: t, jobs: [{id: x}]}\n")
    assert (test.name, test.place, test.as_of) == ("t", "config.yaml:9: tests[0]", 1_767_268_800)
    assert test.expected_of("x") == (Expectation("x"),)


def test_times_are_before_as_of_or_moments_or_null() -> None:
    assert given(
        "{id: x, end_time: -400d, start_time: 2026-05-01T00:00:00Z, modification_time: null}"
    ) == [{"end_time": AS_OF - 400 * DAY, "start_time": 1_777_593_600, "modification_time": None}]


def test_months_before_as_of_follow_the_calendar_of_the_time_zone() -> None:
    # Midnight UTC is 2 o'clock in Berlin's summer; three months before, in winter, 2 o'clock is 1
    # o'clock UTC.
    assert given("{id: x, end_time: -3mo}") == [{"end_time": 1_772_326_800}]


def test_repeated_jobs_are_each_older_and_numbered() -> None:
    job = (
        "{id: x, repeat: 3, every: 1d, build: 'b-{n}', tags: ['t{n}'], end_time: -1d,"
        " creation_time: -2d}"
    )
    assert given(job) == [
        {
            "build": f"b-{n}",
            "tags": (f"t{n}",),
            "end_time": AS_OF - n * DAY,
            "creation_time": AS_OF - (n + 1) * DAY,
        }
        for n in (1, 2, 3)
    ]


def test_repeated_jobs_are_called_by_their_number_or_where_the_id_says() -> None:
    (test,) = read_tests(
        "  - {name: t, jobs: [{id: x, repeat: 2}, {id: 'y{n}z', repeat: 2}, {id: 'w{n}'}]}\n"
    )
    assert [job.label for job in test.jobs] == ["x-1", "x-2", "y1z", "y2z", "w{n}"]


def test_a_brace_without_repeat_is_itself() -> None:
    assert given("{id: x, name: 'a{n}'}") == [{"name": "a{n}"}]


def test_fields_are_as_a_policy_reads_them() -> None:
    job = (
        "{id: x, status: errored, duration: 5min, manual: true, custom_data.team: web,"
        " custom_data.n: 3, tags: pii}"
    )
    assert given(job) == [
        {
            "status": "error",
            "duration": 300,
            "manual": True,
            "custom_data.team": "web",
            "custom_data.n": 3,
            "tags": ("pii",),
        }
    ]


def test_expectations_name_rules_holds_and_policies() -> None:
    (test,) = read_tests("""\
  - name: t
    jobs: [{id: x}, {id: y}]
    expect: {x: {keep: [two, "last 1 where status passed", tag keep, hold audit]}, "?": {delete_job: a, stop: b}}
""")
    assert test.expected == (
        Expectation("x", ("two", "last 1 where status passed", "tag keep", "hold audit")),
        Expectation("?", (), ((Action.DELETE_JOB, "a"), (Action.STOP, "b"))),
    )


def test_a_test_is_of_the_accounts_it_names() -> None:
    text = "  - {name: t, accounts: us, jobs: [{id: x}]}\n  - {name: u, jobs: [{id: x}]}\n"
    assert [test.name for test in read_tests(text)] == ["u"]
    assert [test.name for test in read_tests(text, "us")] == ["t", "u"]


def test_the_policy_digest_does_not_know_of_tests() -> None:
    def digest(text: str) -> str:
        return from_bytes((HEAD + text).encode(), Path("config.yaml"), environ={}).policy_digest(
            "eu"
        )

    assert digest("  - {name: t, jobs: [{id: x}]}\n") == digest("  []\n")


def test_the_example_of_the_language_passes() -> None:
    text = """\
accounts: {eu: {region: eu}}
policies:
  - name: nightly
    match: {all: [{build: "nightly-*"}, {not: {tags: flaky-hunt}}, {status: [passed, failed, error]}]}
    group_by: [name, os, browser]
    keep:
      - {id: recent, last: 20}
      - {id: last-green, last: 1, where: {status: passed}}
      - {id: red-streak, since_last: {status: passed}}
    then: {archive: 2h, delete_assets: 10d, delete_job: 180d}
tests:
  - name: the last green job stays
    as_of: 2026-06-01T00:00:00Z
    jobs:
      - {id: green, name: checkout, build: nightly-1, status: passed, end_time: -400d}
      - {id: red, repeat: 30, every: 1d, name: checkout, build: "nightly-{n}", status: failed, end_time: -1d}
    expect: {green: {keep: [last-green]}, "red-*": {keep: [red-streak]}}
"""
    config = from_bytes(text.encode(), Path("config.yaml"), environ={})
    (test,) = config.tests("eu")
    assert try_out(test, config.rules("eu")).failures == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{name: t}", "tests[0].jobs: is missing"),
        ("{name: t, jobs: []}", "tests[0].jobs: is an empty list: write at least one"),
        ("{name: t, jobs: [{name: x}]}", "tests[0].jobs[0].id: is missing"),
        (
            "{name: t, jobs: [{id: a b}]}",
            "tests[0].jobs[0].id: `a b` is not a valid job id: use up to 100 letters, digits, `_`, `.`, `-`",
        ),
        (
            "{name: t, jobs: [{id: x, nmae: y}]}",
            "tests[0].jobs[0].nmae: unknown key `nmae`; did you mean `name`?",
        ),
        ("{name: t, jobs: [{id: x, every: 1d}]}", "tests[0].jobs[0]: `every` needs `repeat`"),
        (
            "{name: t, jobs: [{id: x, repeat: 0}]}",
            "tests[0].jobs[0].repeat: 0 is too small: at least 1",
        ),
        (
            "{name: t, jobs: [{id: x, repeat: 1001}]}",
            "tests[0].jobs[0].repeat: 1001 is too large: at most 1000",
        ),
        (
            "{name: t, jobs: [{id: x, end_time: 400d}]}",
            "tests[0].jobs[0].end_time: `400d` is not a time: write -400d for that long before as_of, or a moment",
        ),
        (
            "{name: t, jobs: [{id: x, end_time: -400}]}",
            "tests[0].jobs[0].end_time: must be a time such as -400d, not the number -400",
        ),
        (
            "{name: t, jobs: [{id: x, end_time: -3m}]}",
            "tests[0].jobs[0].end_time: 3m is ambiguous: write 3min for minutes or 3mo for months",
        ),
        (
            "{name: t, as_of: 2026-06-01T00:00:00, jobs: [{id: x}]}",
            "tests[0].as_of: `2026-06-01T00:00:00` has no time zone: write it as 2026-01-01T12:00:00Z",
        ),
        (
            "{name: t, as_of: soon, jobs: [{id: x}]}",
            "tests[0].as_of: `soon` is not a moment: write it as 2026-01-01T12:00:00Z",
        ),
        (
            "{name: t, jobs: [{id: x, duration: 5min, start_time: -1d}]}",
            "tests[0].jobs[0]: has both start_time and duration: remove one of them",
        ),
        (
            "{name: t, jobs: [{id: x, owner: null}]}",
            "tests[0].jobs[0]: owner: is null: write a value, or remove the key",
        ),
        (
            "{name: t, jobs: [{id: x, owner: a/b}]}",
            "tests[0].jobs[0].owner: not a user name: 'a/b'",
        ),
        (
            "{name: t, jobs: [{id: x, status: green}]}",
            "tests[0].jobs[0].status: `green` is not valid here: use passed, failed, error, errored or complete",
        ),
        (
            "{name: t, jobs: [{id: x, custom_data.a: [1]}]}",
            "tests[0].jobs[0].custom_data.a: must be text, a number, true, false or null, not a list",
        ),
        (
            "{name: t, jobs: [{id: x}, {id: x}]}",
            "tests[0].jobs[1].id: `x` is the id of another job of this test",
        ),
        (
            "{name: t, jobs: [{id: x, repeat: 2}, {id: x-2}]}",
            "tests[0].jobs[1].id: `x-2` is the id of another job of this test",
        ),
        (
            "{name: t, jobs: ["
            + ", ".join(f"{{id: x{n}, repeat: 1000}}" for n in range(11))
            + "]}",
            "tests[0].jobs: has more than 10000 jobs",
        ),
        (
            "{name: t, jobs: [{id: green}], expect: {gren: {keep: []}}}",
            "tests[0].expect.gren: `gren` is not a job of this test; did you mean `green`?",
        ),
        (
            "{name: t, jobs: [{id: x}], expect: {x: {}}}",
            "tests[0].expect.x: is empty: add keep, delete_assets, delete_job or stop; `keep: []` means for any reason",
        ),
        (
            "{name: t, jobs: [{id: x}], expect: {x: {keep: [tow]}}}",
            "tests[0].expect.x.keep[0]: `tow` is not a keep rule or hold; did you mean `two`?",
        ),
        (
            "{name: t, jobs: [{id: x}], expect: {x: {delete_job: c}}}",
            "tests[0].expect.x.delete_job: `c` is not a policy",
        ),
        (
            "{name: t, jobs: [{id: x}], expect: {x: {delete_assets: b}}}",
            "tests[0].expect.x.delete_assets: policy `b` has no delete_assets, or `never`",
        ),
        (
            "{name: t, jobs: [{id: x}], accounts: uss}",
            "tests[0].accounts: `uss` is not an account of this file; did you mean `us`?",
        ),
    ],
)
def test_a_wrong_test_is_told_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_tests(f"  - {text}\n")
    assert str(caught.value) == f"config.yaml:9: {said}"


def test_names_are_unique() -> None:
    with pytest.raises(ConfigError) as caught:
        read_tests("  - {name: t, jobs: [{id: x}]}\n  - {name: t, jobs: [{id: x}]}\n")
    assert (
        str(caught.value)
        == "config.yaml:10: tests[1].name: `t` is the name of another test (line 9): names must be"
        " unique"
    )
