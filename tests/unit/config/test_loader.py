"""The configuration as values: what a good file becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sauce_janitor.config import Config
from sauce_janitor.config.loader import from_bytes
from sauce_janitor.model.jobs import Action
from sauce_janitor.model.policies import AllOf, Atom, Duration, Glob, Literally, Not, Regex

FOLDER = Path("/srv/janitor")
MINIMAL = "accounts: {eu: {region: eu-central-1}}\n"


def loaded(text: str) -> Config:
    return from_bytes(text.encode(), FOLDER / "config.yaml", environ={})


def test_what_is_not_written_has_the_documented_default() -> None:
    config = loaded(MINIMAL)
    account = config.accounts[0]
    assert (account.name, account.region, account.base_url) == (
        "eu",
        "eu-central-1",
        "https://api.eu-central-1.saucelabs.com",
    )
    assert (account.users, account.full_every_s, account.timeout_s, account.timeout_total_s) == (
        ("me",),
        86400,
        30,
        1800,
    )
    assert (account.attempts, account.max_wait_s, account.delete_job_path) == (4, 60, "auto")
    assert (account.ca_bundle, account.proxy) == (None, None)
    assert str(config.archive.location) == "/var/lib/sauce-janitor/archive"
    assert (
        config.archive.settle_s,
        config.archive.min_free_percent,
        config.archive.min_free_bytes,
    ) == (600, 5.0, None)
    assert str(config.state) == "/var/lib/sauce-janitor/state.db"
    assert (config.workers, config.timezone) == (4, "UTC")
    rules = config.rules("eu")
    assert rules.age_from == ("end_time", "modification_time")
    assert rules.limits.max_percent == 25.0
    assert rules.policies == ()


def test_relative_paths_start_from_the_folder_of_the_file() -> None:
    text = MINIMAL + "archive: {path: ./archive}\nstate: {path: data/state.db}\n"
    config = loaded(text)
    assert config.archive.location == FOLDER / "archive"
    assert config.state == FOLDER / "data/state.db"


@pytest.mark.parametrize(
    ("spelling", "region"),
    [
        ("us", "us-west-1"),
        ("US_WEST", "us-west-1"),
        ("us-west-1", "us-west-1"),
        ("US-West-1", "us-west-1"),
        ("eu", "eu-central-1"),
        ("EU_CENTRAL", "eu-central-1"),
        ("EU_VDC", "eu-central-1"),
        ("us-east-4", "us-east-4"),
        ("US_EAST", "us-east-4"),
    ],
)
def test_a_region_may_be_written_as_any_tool_of_sauce_labs_does(spelling: str, region: str) -> None:
    config = loaded(f"accounts: {{eu: {{region: {spelling}}}}}")
    assert config.accounts[0].region == region


def test_policies_become_the_values_that_decide() -> None:
    text = (
        MINIMAL
        + """
lists: {slow: ["cart*", {regex: 'login-\\d+'}]}
policies:
  - name: nightly
    match: {all: [{build: "nightly-*"}, {not: {tags: flaky}}], status: [passed, errored], name: {in: slow}, error: null}
    group_by: [name, os]
    keep: [{id: recent, last: 20}, {last: 1, where: {status: passed}}, {within: 7d}]
    then:
      archive: {after: 2h, assets: [logs, video], discard: rest}
      delete_assets: 10d
      delete_job: {after: 6mo, keep: [{daily: 3, pick: failed}]}
  - name: rest
    default: true
    then: {archive: 5d, delete_assets: never}
"""
    )
    nightly, rest = loaded(text).rules("eu").policies
    assert nightly.match == AllOf(
        (
            AllOf((Atom("build", (Glob("nightly-*"),)), Not(Atom("tags", (Glob("flaky"),))))),
            Atom("name", (Glob("cart*"), Regex(r"login-\d+"))),
            Atom("status", (Glob("passed"), Glob("error"))),
            Atom("error", (Literally(None),)),
        )
    )
    assert [rule.id for rule in nightly.keep] == [
        "recent",
        "last 1 where status passed",
        "within 7d",
    ]
    assert nightly.keep[1].where == Atom("status", (Glob("passed"),))
    assert nightly.archive is not None
    assert (nightly.archive.assets, nightly.archive.discard_rest) == (("logs", "video"), True)
    claims = dict(nightly.deletes)
    assert claims[Action.DELETE_ASSETS].after == Duration("10d", seconds=864000)
    assert claims[Action.DELETE_JOB].after == Duration("6mo", months=6)
    assert claims[Action.DELETE_JOB].keep[0].pick == ("failed",)
    assert rest.default
    assert rest.match == AllOf(())
    assert dict(rest.deletes)[Action.DELETE_ASSETS].after is None


def test_rules_name_the_accounts_they_are_for() -> None:
    text = """
accounts: {eu: {region: eu}, us: {region: us}}
holds: [{tag: keep, accounts: us}]
policies:
  - {name: a, accounts: [eu], match: all, then: {archive: 1d}}
  - {name: b, match: all, then: {archive: 2d}}
"""
    config = loaded(text)
    assert [policy.name for policy in config.rules("eu").policies] == ["a", "b"]
    assert [policy.name for policy in config.rules("us").policies] == ["b"]
    assert (len(config.rules("eu").holds), len(config.rules("us").holds)) == (0, 1)


def test_a_hold_lasts_through_its_last_day_in_the_time_zone() -> None:
    text = (
        MINIMAL + "timezone: Europe/Berlin\nholds: [{tag: a, until: 2027-01-31}, {tag: b, until:"
        " 2027-01-31T18:00:00Z}]\n"
    )
    day, moment = loaded(text).rules("eu").holds
    assert day.until == 1801436400  # 2027-02-01 00:00 in Berlin
    assert moment.until == 1801418400
