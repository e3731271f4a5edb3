"""Matching, sentence by sentence of docs/reference/policies.md."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sauce_janitor.model.jobs import UNKNOWN, JobState, Record
from sauce_janitor.model.policies import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Atom,
    Comparison,
    Glob,
    Literally,
    Match,
    Not,
    Pattern,
    Regex,
)
from sauce_janitor.retention.field_tests import FieldTests
from sauce_janitor.retention.matching import Truth, compile_match, fields_read
from tests.support.jobs import record, running


def truth(match: Match, item: Record) -> Truth:
    """Asked both ways: directly, and through the table that the deciding uses."""
    facts = FieldTests()
    through_table = facts.compile(match)
    direct = compile_match(match)(item)
    assert through_table(facts.of(item)) is direct
    assert through_table(facts.of(item)) is direct  # from memory, the second time
    return direct


def atom(field: str, *patterns: str | Pattern) -> Atom:
    return Atom(field, tuple(Glob(p) if isinstance(p, str) else p for p in patterns))


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("nightly-*", "nightly-1", True),
        ("nightly-*", "a nightly-1", False),
        ("nightly-*", "Nightly-1", False),
        ("*-1", "nightly-1", True),
        ("n*-?", "nightly-1", True),
        ("n[ia]ghtly*", "nightly-1", True),
        ("nightly-1", "nightly-1", True),
        ("nightly", "nightly-1", False),
        ("*", "", True),
        ("[", "[", True),
        ("a*b*c*", "a\nb\nc", True),
    ],
)
def test_a_value_is_an_anchored_case_sensitive_glob(
    pattern: str, value: str, expected: bool
) -> None:
    assert truth(atom("build", pattern), record("j", build=value)) is expected


def test_a_list_is_any_of() -> None:
    assert truth(atom("status", "failed", "passed"), record("j")) is True
    assert truth(atom("status", "failed", "err*"), record("j")) is False


def test_a_regex_matches_fully() -> None:
    assert truth(atom("build", Regex(r"rc-\d+\.\d+.*")), record("j", build="rc-1.2-x")) is True
    assert truth(atom("build", Regex(r"rc-\d+")), record("j", build="rc-1.2")) is False
    assert truth(atom("build", Regex(r".*")), record("j", build="half a pair \ud800")) is None


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [((("ge", 60),), True), ((("gt", 60),), False), ((("gt", 1), ("lt", 99)), True)],
)
def test_numbers_and_durations_are_compared(
    bounds: tuple[tuple[str, float], ...], expected: bool
) -> None:
    assert truth(atom("duration", Comparison(bounds)), record("j")) is expected  # type: ignore[arg-type]  # words as drawn


def test_a_comparison_reads_numbers_in_text_and_knows_no_other() -> None:
    over_100 = atom("browser_version", Comparison((("ge", 100.0),)))
    assert truth(over_100, record("j", browser_version="120")) is True
    assert truth(over_100, record("j", browser_version="99.5")) is False
    assert truth(over_100, record("j", browser_version="latest")) is None
    assert truth(over_100, record("j", browser_version=None)) is False


def test_null_is_a_value_it_matches_no_pattern_and_not_of_it_is_true() -> None:
    nameless = record("j", name=None)
    assert truth(atom("name", "*"), nameless) is False
    assert truth(Not(atom("name", "*")), nameless) is True
    assert truth(atom("name", Literally(None)), nameless) is True
    assert truth(atom("name", Literally(None)), record("j")) is False


def test_unknown_is_neither_and_not_of_it_is_unknown() -> None:
    unread = record("j", name=UNKNOWN)
    for match in (atom("name", "*"), Not(atom("name", "*")), atom("name", Literally(None))):
        assert truth(match, unread) is None


@pytest.mark.parametrize(
    ("first", "second", "both", "either"),
    [
        (True, True, True, True),
        (True, False, False, True),
        (False, False, False, False),
        (True, None, None, True),
        (False, None, False, None),
        (None, None, None, None),
    ],
)
def test_truth_is_three_valued(first: Truth, second: Truth, both: Truth, either: Truth) -> None:
    said = {True: atom("name", "checkout"), False: atom("name", "other"), None: atom("os", "x")}
    item = record("j", os=UNKNOWN)
    for one, other in ((first, second), (second, first)):
        assert truth(AllOf((said[one], said[other])), item) is both
        assert truth(AnyOf((said[one], said[other])), item) is either


def test_match_all_is_true_and_any_of_nothing_false() -> None:
    assert truth(EVERYTHING, record("j")) is True
    assert truth(AnyOf(()), record("j")) is False


def test_tags_match_when_any_tag_does_and_no_tags_match_nothing() -> None:
    assert truth(atom("tags", "p*"), record("j", tags=("a", "pii"))) is True
    assert truth(atom("tags", "pii"), record("j", tags=("a", "b"))) is False
    assert truth(atom("tags", "*"), record("j", tags=())) is False
    assert truth(atom("tags", Literally(None)), record("j", tags=())) is False
    assert truth(atom("tags", "*"), record("j", tags=UNKNOWN)) is None


def test_errored_is_the_same_word_as_error() -> None:
    assert truth(atom("status", "errored"), record("j", status="error")) is True


def test_state_is_a_value_even_where_it_is_called_unknown() -> None:
    assert truth(atom("state", "unknown"), record("j", state=JobState.UNKNOWN)) is True
    assert truth(atom("state", "running"), running("j")) is True


def test_manual_and_public_match_literally() -> None:
    assert truth(atom("manual", Literally(value=True)), record("j", manual=True)) is True
    assert truth(atom("manual", Literally(value=True)), record("j", manual=False)) is False
    assert truth(atom("manual", "true"), record("j", manual=True)) is True
    assert truth(atom("public", "private"), record("j")) is True


def test_any_of_several_roles_may_match() -> None:
    """Matching: `public` with several roles (`team,share`) matches by any one, or as a whole."""
    job = record("j", public="team, share")
    assert truth(atom("public", "share"), job) is True
    assert truth(atom("public", "team"), job) is True
    assert truth(atom("public", Glob("team, s*")), job) is True
    assert truth(Not(atom("public", "public")), job) is True
    assert truth(Not(atom("public", "share")), job) is False
    assert truth(atom("public", Literally(None)), job) is False
    assert truth(atom("public", "share"), record("j", public=UNKNOWN)) is None
    assert truth(atom("public", Literally(None)), record("j", public=None)) is True


def test_a_job_whose_team_is_not_told_matches_no_rule_on_it() -> None:
    """Matching: `team_id` is the owner's team when the job ran, or unknown."""
    assert truth(atom("team_id", "web"), record("j", team_id="web")) is True
    assert truth(atom("team_id", "web"), record("j", team_id="ios")) is False
    for match in (
        atom("team_id", "web"),
        Not(atom("team_id", "web")),
        atom("team_id", Literally(None)),
    ):
        assert truth(match, record("j", team_id=UNKNOWN)) is None
    assert truth(Not(atom("team_id", "web")), record("j", team_id=None)) is True


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"team": "web"}, True),
        ({"team": "ios"}, False),
        ({"team": None}, False),
        ({}, False),
        (None, False),
        (UNKNOWN, None),
        ({"team": ["web"]}, None),
        ({"team": 7}, True),
        ({"team": 7.5}, False),
        ({"team": True}, False),
    ],
)
def test_custom_data_is_matched_by_key(data: object, expected: Truth) -> None:
    assert truth(atom("custom_data.team", "web", "7"), record("j", custom_data=data)) is expected


def test_custom_data_true_and_1_are_different_values() -> None:
    facts = FieldTests()
    is_true = facts.compile(atom("custom_data.x", Literally(value=True)))
    assert is_true(facts.of(record("j", custom_data={"x": 1}))) is False
    assert is_true(facts.of(record("j", custom_data={"x": True}))) is True
    assert is_true(facts.of(record("j", custom_data={"x": 1.0}))) is False


def test_a_duration_without_both_times_is_null_or_unknown() -> None:
    long = atom("duration", Comparison((("ge", 1.0),)))
    assert truth(long, running("j")) is False
    item = record("j")
    assert truth(long, replace(item, job=replace(item.job, started_at=UNKNOWN))) is None


def test_build_status_is_of_the_jobs_build() -> None:
    assert truth(atom("build_status", "failed"), record("j", build_status="failed")) is True
    assert truth(atom("build_status", "failed"), record("j", build_status=UNKNOWN)) is None
    assert truth(atom("build_status", Literally(None)), record("j", build_status=None)) is True


def test_fields_read_names_every_field_once() -> None:
    match = AllOf((atom("name", "a"), Not(AnyOf((atom("os", "b"), atom("name", "c"))))))
    assert fields_read(match) == {"name", "os"}


def test_more_distinct_values_than_are_remembered_change_nothing() -> None:
    facts = FieldTests()
    test = facts.compile(atom("name", "*7"))
    said = [test(facts.of(record("j", name=f"n{n}"))) for n in range(20_000)]
    assert said == [n % 10 == 7 for n in range(20_000)]
