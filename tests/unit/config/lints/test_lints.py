"""Warnings: allowed, and hardly meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from sauce_janitor.config.loader import from_bytes

HEAD = "accounts: {eu: {region: eu}}\n"
POLICIES = HEAD + "policies:\n"
TOO_LATE = "Sauce Labs purges assets after 30 days; archive at 25d or earlier"
RULE = POLICIES + "  - {name: a, match: all, "


def warnings(text: str) -> list[str]:
    return [
        str(warning)
        for warning in from_bytes(text.encode(), Path("config.yaml"), environ={}).warnings
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEAD,
            (
                "config.yaml:1: has no policies: everything is kept and nothing is archived; "
                "`sauce-janitor init` writes examples"
            ),
        ),
        (
            RULE + "then: {archive: 5d, delete_assets: 30d}}\n",
            "HERE.then.delete_assets: 30d: Sauce Labs purges assets after 30 days, so this deletes nothing",
        ),
        (
            RULE + "then: {archive: 26d}}\n",
            "HERE.then.archive: 26d: Sauce Labs purges assets after 30 days; archive at 25d or earlier",
        ),
        (
            RULE + "then: {archive: 1d, delete_assets: 10d, delete_job: 5d}}\n",
            "HERE.then.delete_job: 5d: a job with assets stays until delete_assets (10d), because the longer time wins",
        ),
        (
            RULE + "then: {archive: 1y}}\n",
            f"HERE.then.archive: 1y: {TOO_LATE}; to keep archived files for 1y, write {{after: 5d, keep_for: 1y}}",
        ),
        (
            RULE + "then: {archive: {after: 1y, keep_for: 2y}}}\n",
            f"HERE.then.archive: 1y: {TOO_LATE}",
        ),
        (
            RULE + "then: {archive: 6d, delete_assets: 5d}}\n",
            "HERE.then.archive: 6d is later than the delete, which waits for it",
        ),
        (
            RULE
            + "then: {archive: {after: 1d, keep_for: {video: 8d, all: 9d}}, delete_assets: 10d}}\n",
            "HERE.then.archive.keep_for: 8d ends before delete_assets (10d): the copy is removed before the original",
        ),
        (
            RULE + "keep: [{last: 3}], then: {archive: 6d}}\n",
            "HERE.keep: protects nothing: keep rules only prevent deletes of their own policy, which has none",
        ),
        (
            RULE + "group_by: name, then: {archive: 6d}}\n",
            "HERE.group_by: has no effect: there are no keep rules",
        ),
        (
            RULE
            + "keep: [{id: few, last: 3}, {id: many, last: 9}], then: {archive: none, delete_job: 9d}}",
            "HERE.keep[0]: keeps nothing that `many` does not keep: remove it",
        ),
        (
            RULE + "keep: [{id: w, within: 7d}, {within: 2d, where: {status: passed}}],"
            " then: {archive: none, delete_job: 9d}}",
            "HERE.keep[1]: keeps nothing that `w` does not keep: remove it",
        ),
        (
            RULE
            + "keep: [{id: x, last: 3}, {id: y, last: 3}], then: {archive: none, delete_job: 9d}}",
            "HERE.keep[1]: keeps nothing that `x` does not keep: remove it",
        ),
        (
            RULE + "keep: [{within: 90d}], then: {archive: none, delete_job: 9d}}",
            "HERE.keep[0]: keeps for 90d, but nothing is archived: after 30 days only the record is left",
        ),
        (
            RULE + "keep: [{monthly: 12}], then: {archive: none, delete_job: 9d}}",
            "HERE.keep[0]: keeps for 12 months, but nothing is archived: after 30 days only the record is left",
        ),
        (
            "lists: {x: [a]}\n"
            + POLICIES
            + "  - {name: a, match: {name: {in: y}}, then: {archive: 1d}}\nholds: []\n",
            "config.yaml:1: lists.x: is not used by any policy or hold",
        ),
    ],
)
def test_what_is_hardly_meant_is_warned_of(text: str, said: str) -> None:
    if "{in: y}" in text:
        text = text.replace("lists: {x: [a]}", "lists: {x: [a], y: [b]}")
    assert warnings(text) == [said.replace("HERE", "config.yaml:3: policies[0]")]


@pytest.mark.parametrize(
    ("archive", "is_warned"),
    [("{path: ./archive}", True), ("{}", True), ("{url: 's3://bucket/prefix'}", False)],
)
def test_a_folder_beside_a_state_that_others_use_is_warned_of(
    archive: str, is_warned: bool
) -> None:
    text = RULE + "then: {archive: 5d}}\n" + f"archive: {archive}\n"
    assert warnings(text) == []
    said = (
        "config.yaml:4: archive: is a folder, but several machines can share the state of state.url."
        " If they do, set archive.url, or mount one disk at this folder on all of them"
    )
    assert warnings(text + "state: {url: {env: STATE_URL}}\n") == [said] * is_warned


ONE = (
    '  - {name: a, match: {build: "PR-*"}, overrides: OTHER, then: {archive: none, delete_job:'
    " 9d}}\n"
)


@pytest.mark.parametrize(
    ("other", "overrides", "said"),
    [
        (
            "match: {build: main}, then: {delete_job: never}",
            "[b]",
            ".overrides[0]: overrides nothing of `b`: no job can match both",
        ),
        (
            "match: {build: PR-1}, then: {stop: 6h}",
            "[b]",
            ".overrides[0]: overrides nothing of `b`: they have no action in common",
        ),
        (
            "match: all, accounts: us, then: {delete_job: never}",
            "[b]",
            ".overrides[0]: overrides nothing of `b`: they have no account in common",
        ),
        (
            "match: {build: main}, then: {delete_job: never}",
            "all",
            ".overrides: overrides nothing: no job can match both this policy and another one with the same action",
        ),
        ("match: {build: PR-1}, then: {delete_job: never}", "[b]", None),
        ("match: {build: PR-1}, then: {delete_job: never}", "all", None),
    ],
)
def test_an_override_that_overlaps_nothing_is_warned_of_where_it_can_be_told(
    other: str, overrides: str, said: str | None
) -> None:
    """Configuration checks: an override that overlaps nothing,"""
    head = "accounts: {eu: {region: eu}, us: {region: us}}\npolicies:\n"
    one = ONE.replace("OTHER", overrides).replace("{name: a,", "{name: a, accounts: eu,")
    found = warnings(f"{head}{one}  - {{name: b, {other}}}\n")
    assert found == ([] if said is None else [f"config.yaml:3: policies[0]{said}"])


SHORT = "  - {name: passed, match: {build: PR-1}, then: {archive: none, delete_assets: 3d}}\n"
NEVER = (
    "policies[0].then.delete_assets: 3d: never applies{}, because {} matches all of its jobs and"
    " says {}, and "
)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("match: all, then: {archive: none, delete_assets: 10d}", NEVER.format("", "b", "10d")),
        (
            'match: {build: "PR-*"}, then: {archive: none, delete_assets: never}',
            NEVER.format("", "b", "never"),
        ),
        (
            "accounts: eu, match: all, then: {archive: none, delete_assets: 10d}",
            NEVER.format(" in account eu", "b", "10d"),
        ),
        ("match: {os: Linux}, then: {archive: none, delete_assets: 10d}", None),
        ("match: {build: PR-2}, then: {archive: none, delete_assets: 10d}", None),
        ("match: all, keep: [{last: 9}], then: {archive: none, delete_assets: 3d}", None),
        ("default: true, then: {archive: none, delete_assets: 10d}", None),
        ("match: all, overrides: all, then: {archive: none, delete_assets: 10d}", None),
    ],
)
def test_a_time_that_never_comes_true_is_warned_of_where_that_is_certain(
    other: str, said: str | None
) -> None:
    """Configuration checks: a time that another policy makes longer for each job,"""
    head = "accounts: {eu: {region: eu}, us: {region: us}}\npolicies:\n"
    found = warnings(f"{head}{SHORT}  - {{name: b, {other}}}\n")
    if said is None:
        assert found == []
        return
    (warning,) = found
    assert said in warning
    assert warning.endswith("`overrides: [b]` lets 3d count")
    overriding = SHORT.replace("match:", "overrides: [b], match:")
    advised = warnings(f"{head}{overriding}  - {{name: b, {other}}}\n")
    assert not any("never applies" in each for each in advised)


def test_restricting_what_counts_is_not_subsumed_by_a_smaller_window() -> None:
    text = (
        POLICIES
        + "  - {name: a, match: all, keep: [{last: 3}, {last: 9, where: {status: passed}}, {last:"
        " 1, where: {status: failed}}], then: {archive: none, delete_job: 9d}}"
    )
    assert warnings(text) == []


UNKNOWN = "`{}` is not a known name of {} at Sauce Labs, and may match no job{}"


def of_match(match: str) -> list[str]:
    """What `check` says of a policy's match, without its place."""
    lists = "lists: {l: [edge]}\n" if "{in: l}" in match else ""
    found = warnings(
        f"{lists}{POLICIES}  - {{name: a, match: {{{match}}}, then: {{archive: 1d}}}}\n"
    )
    return [said.split("match.", 1)[1] for said in found]


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("edge", "microsoftedge"),
        ("ie", "iexplore"),
        ("Chrome", "googlechrome"),
        ("fire fox", "firefox"),
        ("netscape", ""),
        ("Safari", "safari"),
        ("edge*", "microsoftedge"),
    ],
)
def test_a_browser_that_sauce_labs_never_writes_is_warned_of_with_the_nearest(
    pattern: str, meant: str
) -> None:
    near = f"; did you mean `{meant}`?" if meant else ""
    assert of_match(f"browser: '{pattern}'") == [
        f"browser: {UNKNOWN.format(pattern, 'a browser', near)}"
    ]


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("macOS 13", "Mac 13"),
        ("OS X 10.11", "Mac 10.11"),
        ("windows 11", "Windows 11"),
        ("Win10", "Windows 10"),
        ("macOS Ventura", "Mac *"),
        ("ubuntu", "Linux"),
        ("macOS*", "Mac *"),
        ("BeOS", ""),
    ],
)
def test_a_system_that_sauce_labs_never_writes_is_warned_of_with_the_nearest(
    pattern: str, meant: str
) -> None:
    near = f"; did you mean `{meant}`?" if meant else ""
    assert of_match(f"os: '{pattern}'") == [f"os: {UNKNOWN.format(pattern, 'a system', near)}"]


@pytest.mark.parametrize(
    "match",
    [
        "browser: googlechrome",
        "browser: [chrome, googlechrome]",
        "browser: '*'",
        "browser: 'google*'",
        "browser: null",
        "browser: {regex: edge}",
        "os: Windows 2012 R2",
        "os: [Linux, Mac 13, iOS, ANDROID]",
        "os: 'Win*'",
        "os: saucelabs/stt-cypress-mocha-node:v6.0.2",
        "status: 'pass*'",
        "status: {regex: '(pass|fail)ed'}",
        "custom_data.os: macOS 13",
    ],
)
def test_the_words_that_sauce_labs_writes_are_not_warned_of(match: str) -> None:
    assert of_match(match) == []


def test_words_are_looked_at_wherever_jobs_are_matched() -> None:
    edge = UNKNOWN.format("edge", "a browser", "; did you mean `microsoftedge`?")
    assert of_match("browser: {in: l}") == [f"browser: {edge}"]
    assert of_match("any: [{name: x}, {not: {browser: {glob: edge}}}]") == [
        f"any[1].not.browser: {edge}"
    ]
    text = (
        f"{HEAD}holds: [{{match: {{browser: edge}}}}]\npolicies:\n  - {{name: a, match: all, "
        "keep: [{last: 1, where: {browser: edge}}], then: {archive: none, delete_job: 9d}}\n"
    )
    assert warnings(text) == [
        f"config.yaml:2: holds[0].match.browser: {edge}",
        f"config.yaml:4: policies[0].keep[0].where.browser: {edge}",
    ]


def test_a_pattern_for_a_status_that_is_never_the_case_is_warned_of() -> None:
    statuses = "never matches: use passed, failed, error, errored or complete"
    assert of_match("status: 'succ*'") == [f"status: `succ*` {statuses}"]
    assert of_match("status: {regex: fail}") == [f"status: `fail` {statuses}"]


def test_chrome_is_said_to_mean_containers_only() -> None:
    (said,) = of_match("browser: chrome")
    assert said.startswith(
        "browser: `chrome` is the browser of jobs in containers; on virtual machines it is"
        " `googlechrome`: "
    )
