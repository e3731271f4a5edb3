"""The policy digest names what decides, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from sauce_janitor.config.loader import from_bytes

ACCOUNT = "accounts: {eu: {region: eu, username: jane}}\n"
A = (
    "  - {name: a, match: {build: x}, keep: [{id: r, last: 2}], then: {archive: 2w, delete_job:"
    " 30d}}\n"
)
B = "  - {name: b, default: true, then: {archive: 5d}}\n"
HOLDS = "holds: [{tag: keep}, {match: {owner: bot}, reason: audit}]\n"
WHOLE = ACCOUNT + HOLDS + "policies:\n" + A + B


def digest(text: str) -> str:
    return from_bytes(text.encode(), Path("config.yaml"), environ={}).policy_digest("eu")


def test_it_is_a_sha256() -> None:
    assert digest(WHOLE).startswith("sha256:")
    assert len(digest(WHOLE)) == 7 + 64


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(ACCOUNT + HOLDS + "policies:\n" + B + A, id="the order of policies"),
        pytest.param(
            ACCOUNT + "holds: [{match: {owner: bot}}, {tag: keep}]\npolicies:\n" + A + B,
            id="the order and the reasons of holds",
        ),
        pytest.param(WHOLE.replace("2w", "14d"), id="how a duration is written"),
        pytest.param(
            "# hello\nworkers: 8\narchive: {path: /x}\nstate: {path: /y}\n" + WHOLE,
            id="where things are",
        ),
        pytest.param(
            WHOLE.replace("region: eu", "region: EU_CENTRAL"), id="how the region is written"
        ),
        pytest.param(
            WHOLE.replace("jane", "jane, access_key: {env: K}, timeout: 5s"), id="keys and patience"
        ),
    ],
)
def test_it_does_not_depend_on(same: str) -> None:
    assert digest(same) == digest(WHOLE)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param("timezone: Europe/Berlin\n" + WHOLE, id="time zone"),
        pytest.param(WHOLE.replace("region: eu", "region: us"), id="region"),
        pytest.param(WHOLE.replace("jane", "ann"), id="user"),
        pytest.param(WHOLE.replace("username: jane", "username: jane, users: [bob]"), id="users"),
        pytest.param(WHOLE.replace("tag: keep", "tag: kept"), id="holds"),
        pytest.param("defaults: {age_from: [end_time]}\n" + WHOLE, id="defaults"),
        pytest.param("limits: {max_jobs: 5}\n" + WHOLE, id="limits"),
        pytest.param(WHOLE.replace("build: x", "build: y"), id="match"),
        pytest.param(WHOLE.replace("build: x", "name: x"), id="field"),
        pytest.param(WHOLE.replace("build: x", "not: {build: x}"), id="not"),
        pytest.param(WHOLE.replace("build: x", "build: {regex: x}"), id="kind of pattern"),
        pytest.param(WHOLE.replace("last: 2", "last: 3"), id="keep"),
        pytest.param(WHOLE.replace("delete_job: 30d", "delete_job: 1mo"), id="calendar"),
        pytest.param(WHOLE.replace("delete_job", "delete_assets"), id="action"),
        pytest.param(
            "archive: {forbid: [{match: all, assets: video}]}\n" + WHOLE, id="archive selection"
        ),
    ],
)
def test_it_covers(other: str) -> None:
    assert digest(other) != digest(WHOLE)


EVERY_KIND = """
accounts: {eu: {region: eu, username: jane}}
lists: {suites: [a, b]}
limits: {max_percent: 50}
archive: {forbid: [{match: {name: "*secret*"}, assets: video}]}
holds:
  - {tag: keep}
  - {match: {any: [{owner: bot}, {not: {duration: {gt: 5min}}}]}}
policies:
  - name: a
    match: {all: [{build: "x-*"}, {name: {regex: "a.b"}}, {browser: null}, {os: {in: suites}}]}
    keep: [{id: r, last: 2}, {daily: 3}]
    then: {archive: 2w, delete_assets: {after: 30d, keep: [{within: 1mo}]}, delete_job: never, stop: 6h}
  - {name: b, default: true, then: {archive: 5d}}
"""


def test_it_is_the_same_in_every_version_so_that_approvals_stay_good() -> None:
    """Neither a renamed class nor a moved module changes it: plans, approvals and holds go by
    it.
    """
    config = from_bytes(EVERY_KIND.encode(), Path("config.yaml"), environ={})
    assert (
        config.policy_digest("eu")
        == "sha256:b44712f401ce76e9b1a1f8a6c6409f07bf8a0162520e78266020435ca71fa9c5"
    )
    assert [hold.id for hold in config.rules("eu").holds] == ["tag keep", "hold 68e19639"]
