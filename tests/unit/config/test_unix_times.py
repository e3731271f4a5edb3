"""Unix timestamps, as Sauce Labs writes times, wherever the configuration or a command takes a
time.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click
import jsonschema  # type: ignore[import-untyped]  # ships no types
import pytest

from sauce_janitor.cli.archive.view import query_of
from sauce_janitor.cli.options import parse_end, parse_time
from sauce_janitor.cli.session import _as_of
from sauce_janitor.config import Config
from sauce_janitor.config.grammar.scalars import unix_time
from sauce_janitor.config.loader import from_bytes
from sauce_janitor.config.output.json_schema import json_schema
from sauce_janitor.config.source.yaml import read
from sauce_janitor.errors import ConfigError
from sauce_janitor.retention.what_if.policy_tests import try_out

NOW = 1_780_315_200  # 2026-06-01T12:00:00Z
EARLIER = 1_780_272_000  # 2026-06-01T00:00:00Z
CONFIG = """
version: 1
accounts: {eu: {region: eu-central-1, username: jo, access_key: {env: KEY}}}
archive: {path: ./archive}
holds: [{id: audit, match: {owner: jo}, until: 1801418400}]
approvals: [{account: eu, policy_digest: "sha256:%s", until: "1801418400", reason: r, by: b, lift: [max_jobs]}]
schedule: {blackouts: [{from: 1798135200, to: 1798221600}]}
policies: [{name: p, match: all, then: {archive: none, delete_job: 30d}}]
tests:
  - name: t
    as_of: 1780315200
    jobs: [{id: old, end_time: 1777636800}, {id: young, end_time: 1780272000, creation_time: "1780270000"}]
    expect: {old: {delete_job: p}, young: {keep: []}}
"""


def config_of(text: str) -> Config:
    return from_bytes(text.encode(), Path("config.yaml"), environ={})


def whole() -> str:
    return CONFIG % ("0" * 64)


@pytest.mark.parametrize("value", [EARLIER, str(EARLIER)])
def test_a_unix_timestamp_is_a_number_or_its_digits(value: object) -> None:
    assert unix_time(value) == EARLIER


@pytest.mark.parametrize(
    "value", [None, True, 20260601, "20260601", "178027200x", "3d", 1.5, -EARLIER, []]
)
def test_what_is_no_unix_timestamp_is_left_to_the_other_spellings(value: object) -> None:
    assert unix_time(value) is None


def test_the_file_takes_unix_timestamps_wherever_it_takes_a_moment() -> None:
    config = config_of(whole())
    (hold,) = config.rules("eu").holds
    assert hold.until == 1_801_418_400
    (test,) = config.tests("eu")
    assert try_out(test, config.rules("eu")).failures == ()


def test_editors_are_told_that_the_file_takes_unix_timestamps() -> None:
    document = read(whole().encode(), "config.yaml")
    assert list(jsonschema.Draft202012Validator(json_schema()).iter_errors(document.root)) == []


@pytest.mark.parametrize("text", ["1801418400000", "9999999999"])
def test_milliseconds_and_times_after_2099_are_faults_with_their_place(text: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"holds\[0\].until: {text} (has milliseconds|is a time after 2099)"
    ):
        config_of(whole().replace("until: 1801418400", f"until: {text}"))


def test_commands_take_unix_timestamps_wherever_they_take_a_time() -> None:
    text = str(EARLIER)
    assert parse_time("--since", text, "Europe/Berlin", now=NOW) == EARLIER
    assert parse_time("--until", text, "Europe/Berlin", now=NOW, end=True) == EARLIER
    assert parse_end("--until", text, "Europe/Berlin", now=NOW) == EARLIER
    assert _as_of(text) == EARLIER
    given = dict.fromkeys(("account", "owner", "build", "name", "text"))
    query = query_of("Europe/Berlin", {**given, "status": (), "since": text, "until": text})
    assert (query.since, query.until) == (EARLIER, EARLIER)


@pytest.mark.parametrize("text", ["1780272000000", "9999999999"])
def test_a_command_refuses_milliseconds_in_a_sentence_that_names_the_option(text: str) -> None:
    for asked in (parse_time, parse_end):
        with pytest.raises(
            click.UsageError, match=rf"^--until {text} (has milliseconds|is a time after 2099)"
        ):
            asked("--until", text, "UTC", now=NOW)


def test_until_a_day_means_through_that_day() -> None:
    """In the configured zone, as a hold does."""
    last = dt.datetime(2026, 6, 1, 21, 59, 59, tzinfo=dt.UTC)
    assert parse_time("--until", "2026-06-01", "Europe/Berlin", now=NOW, end=True) == int(
        last.timestamp()
    )
