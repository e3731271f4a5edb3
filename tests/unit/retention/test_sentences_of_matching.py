"""The sections "Matching" and "Age" of docs/reference/policies.md, a test a sentence: each
docstring quotes what it shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
import structlog

from sauce_janitor.metrics import Metrics
from sauce_janitor.model.job_age import age_time, newest_first
from sauce_janitor.model.jobs import UNKNOWN, Job, Owner, Record, Why
from sauce_janitor.model.policies import FIELDS
from sauce_janitor.operations.records.telemetry import Telemetry
from sauce_janitor.retention.plan.planner import make_plan
from sauce_janitor.sauce.parse import parse_rows
from tests.support.decisions import going, ids, reasons, whys
from tests.support.jobs import BERLIN, DAY, NOW, id_of, record
from tests.support.policies import configured, faults, told

DELETE = "then: {archive: none, delete_job: 1d}"


def matches(match: str, item: Record) -> bool | None:
    """Whether a policy with this match permits the job to go, in the words of the language: true,
    false or unknown.
    """
    rules = told(f"[{{name: p, match: {match}, {DELETE}}}]")
    said = whys(rules, [item], "j")
    return {Why.DUE: True, Why.NO_POLICY: False, Why.UNDECIDED: None}[next(iter(said))]


def job(**fields: Any) -> Record:
    return record("j", 2 * DAY, **fields)


def test_a_match_is_a_tree() -> None:
    """Matching: `match` is a tree of `all`, `any` and `not` over conditions `field: value`, or the
    word `all`."""
    tree = "{all: [{any: [{name: login}, {name: checkout}]}, {not: {os: Linux}}]}"
    assert matches(tree, job(name="login"))
    assert matches(tree, job(name="login", os="Linux")) is False
    assert matches(tree, job(name="search")) is False
    assert matches("all", job(name=None, build=None))


def test_several_atoms_in_a_mapping() -> None:
    """Matching: Several conditions in one mapping mean *all*."""
    assert matches("{name: login, os: Linux}", job(name="login", os="Linux"))
    assert matches("{name: login, os: Linux}", job(name="login", os="macOS 14")) is False


@pytest.mark.parametrize(
    ("value", "build", "expected"),
    [
        ('"rc-*"', "rc-1", True),
        ('"rc-*"', "my rc-1", False),
        ('"rc-*"', "RC-1", False),
        ('["rc-*", "nightly-?"]', "nightly-7", True),
        ("{regex: 'rc-[0-9]+'}", "rc-12", True),
        ("{regex: 'rc-[0-9]+'}", "rc-12b", False),
        ("{regex: '(a+)+b'}", "a" * 200, False),
        ("{in: trunk}", "main-1", True),
        ("null", None, True),
        ("null", "rc-1", False),
    ],
)
def test_a_value(value: str, build: str | None, expected: bool) -> None:
    """Matching: | value | matches |
    |---|---|
    | `rc-*` | a glob: the whole text, case-sensitive |
    | `[a, "b*"]` | any of these |
    | `{regex: …}` | a regular expression on the whole text, in linear time |
    | `{in: LIST}` | any of a list that is named under `lists:` |
    | `{lt: 3}`, `le`, `gt`, `ge` | numbers and durations |
    | `null` | no value |"""
    lists = 'lists: {trunk: ["main-*"]}\n' if "trunk" in value else ""
    rules = told(f"{lists}policies: [{{name: p, match: {{build: {value}}}, {DELETE}}}]")
    assert (going(rules, [job(build=build)]) == ids("j")) is expected
    numbers = "{custom_data.shard: {ge: 100, lt: 121}, duration: {gt: 30s, le: 1min}}"
    assert matches(numbers, job(custom_data={"shard": 120}))
    assert matches(numbers, job(custom_data={"shard": 121})) is False


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("r*-?", "rc-1", "rc-12"),
        ("rc-[12a-c]", "rc-b", "rc-d"),
        ("[!m]*", "rc", "main"),
        ("[^m]*", "rc", "main"),
        ("{main,release/*}", "release/7", "mainline"),
        ("[*]rc", "*rc", "xrc"),
    ],
)
def test_a_glob(glob: str, matching: str, other: str) -> None:
    """Matching: | in a glob | means |
    |---|---|
    | `*`, `?` | any text; one character |
    | `[abc]`, `[a-z]` | one of these characters |
    | `[!m]`, `[^m]` | one other character |
    | `{main,release/*}` | either; at most 64 alternatives |
    | `[*]` | a literal `*`; a backslash escapes nothing |"""
    assert matches(f'{{build: "{glob}"}}', job(build=matching))
    assert matches(f'{{build: "{glob}"}}', job(build=other)) is False
    many = ",".join(map(str, range(65)))
    assert "64" in faults(f'[{{name: p, match: {{build: "{{{many}}}"}}, {DELETE}}}]')


@pytest.mark.parametrize("text", ["!x", "^x.*", "a|b", "a, b", "release%", "[release] *"])
def test_text_of_another_language(text: str) -> None:
    """Matching: Text that looks like a pattern of another tool (`!x`, `^x.*`, `a|b`, `a, b`,
    `release%`, `[release] *`) is an error that shows the right spelling: a hold with it would
    protect nothing."""
    for match in (
        f'{{build: "{text}"}}',
        f'{{not: {{build: "{text}"}}}}',
        f'{{build: ["{text}", main]}}',
    ):
        assert "write" in faults(f"[{{name: p, match: {match}, {DELETE}}}]"), match
    hold = f'holds: [{{match: {{build: "{text}"}}}}]\npolicies: [{{name: p, match: all, {DELETE}}}]'
    assert "write" in faults(hold)


def test_a_literal_glob() -> None:
    """Matching: To match it literally, write `{glob: "a|b*", literal: true}`: then only `*`, `?`
    and `[…]` are special."""
    match = '{build: {glob: "a|b*", literal: true}}'
    assert matches(match, job(build="a|b 7"))
    assert matches(match, job(build="b 7")) is False


def test_globs_of_errors() -> None:
    """Matching: In `error`, commas, `|` and `%` are allowed."""
    assert matches('{error: "*a, b | 7%*"}', job(error="at a, b | 7% done"))


def test_a_hold_s_tag() -> None:
    """Holds: `tag: "keep*"` matches as a glob, and also the literal tag `keep*`."""
    rules = told(f'holds: [{{tag: "keep*"}}]\npolicies: [{{name: p, match: all, {DELETE}}}]')
    for tags, goes in ((("keeper",), False), (("keep*",), False), (("upkeep",), True)):
        assert (going(rules, [job(tags=tags)]) == ids("j")) is goes


def test_an_empty_match() -> None:
    """Matching: A missing or empty `match` is an error unless the policy has `default: true`."""
    assert "match" in faults(f"[{{name: p, {DELETE}}}]")
    assert "match" in faults(f"[{{name: p, match: {{}}, {DELETE}}}]")
    assert faults(f"[{{name: p, default: true, {DELETE}}}]") == ""


def test_policies_names() -> None:
    """Matching: Policy names are unique."""
    assert "config.yaml" in faults(
        f"[{{name: p, match: all, {DELETE}}}, {{name: p, match: {{os: Linux}}, {DELETE}}}]"
    )


@pytest.mark.parametrize("field", [*FIELDS, "custom_data.team"])
def test_fields(field: str) -> None:
    """Matching: Fields: `name build owner tags status state os browser browser_version
    automation_backend public error manual duration team_id custom_data.<key>`, and the build's
    `build_status`."""
    as_built = {"duration": "{ge: 1s}", "manual": "false", "status": "passed", "state": "finished"}
    of_this: dict[str, dict[str, Any]] = {
        "tags": {"tags": ("this",)},
        "custom_data.team": {"custom_data": {"team": "this"}},
        "build_status": {"build_status": "failed"},
    }
    value = as_built.get(field, "failed" if field == "build_status" else "this")
    fields = {} if field in as_built else of_this.get(field, {field: "this"})
    assert matches(f"{{{field}: {value}}}", job(**fields))
    assert "unknown" in faults(f"[{{name: p, match: {{any_{field}: x}}, {DELETE}}}]")


def row(**fields: object) -> Job:
    """A job as the listing gives it."""
    known: Mapping[str, object] = {
        "id": id_of("j"),
        "owner": "jane",
        "status": "complete",
        "passed": True,
        "error": None,
        "build": "b",
        "tags": [],
        "start_time": NOW - DAY - 60,
        "end_time": NOW - DAY,
        "creation_time": NOW - DAY - 60,
        "modification_time": NOW - DAY,
    }
    (parsed,) = parse_rows([dict(known) | fields], Owner("jane")).jobs
    return parsed


def test_the_builds_name() -> None:
    """Matching: `build` is the trimmed name of the job's build."""
    assert row(build="  rc-1 ").build == "rc-1"
    assert (
        faults(
            f'[{{name: p, unit: build, match: {{build: "rc-*", build_status: failed}}, {DELETE}}}]'
        )
        == ""
    )


@pytest.mark.parametrize(
    ("raw", "ended", "state"),
    [
        ("new", None, "queued"),
        ("in progress", None, "running"),
        ("complete", NOW, "finished"),
        ("what", None, "unknown"),
    ],
)
def test_state(raw: str, ended: int | None, state: str) -> None:
    """Matching: `state` is `queued`, `running`, `finished` or `unknown`."""
    assert row(status=raw, end_time=ended).state == state


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"status": "in progress", "end_time": None}, None),
        ({"passed": True}, "passed"),
        ({"passed": False}, "failed"),
        ({"passed": None, "status": "error"}, "error"),
        ({"passed": None, "status": "errored"}, "error"),
        ({"passed": None, "error": "no driver"}, "error"),
        ({"passed": None}, "complete"),
    ],
)
def test_status(fields: dict[str, object], status: str | None) -> None:
    """Matching: `status` is null until the job has finished. Then it is `passed` or `failed` if the
    job's `passed` is true or false, else `error` (or `errored`) if the job errored, else
    `complete`."""
    assert row(**fields).status == status
    if status == "error":
        assert matches("{status: errored}", job(status=status))


def test_tags() -> None:
    """Matching: `tags` match if any tag does; without tags nothing matches."""
    assert matches('{tags: "p*"}', job(tags=("a", "pii")))
    assert matches('{tags: "*"}', job(tags=())) is False
    assert matches('{not: {tags: "*"}}', job(tags=()))


def test_truth() -> None:
    """Matching: A match is true, false or **unknown** (three-valued logic)."""
    unread = job(os=UNKNOWN)
    assert matches("{os: Linux}", unread) is None
    assert matches("{any: [{os: Linux}, {name: checkout}]}", unread) is True
    assert matches("{all: [{os: Linux}, {name: login}]}", unread) is False
    assert matches("{not: {os: Linux}}", unread) is None


def test_null() -> None:
    """Matching: Null is a value: no pattern matches it, and `not` of that is true."""
    assert matches('{name: "*"}', job(name=None)) is False
    assert matches('{not: {name: "*"}}', job(name=None)) is True


def test_unknown() -> None:
    """Matching: Unknown is what cannot be read: a key missing even in the details, an unreadable
    value, an endpoint not offered."""
    absent = row()
    assert absent.os is UNKNOWN
    assert row(name=7).name is UNKNOWN
    assert matches("{build_status: failed}", job(build_status=UNKNOWN)) is None


def test_a_match_that_is_unknown() -> None:
    """Matching: A policy permits an action only if its match is true. If its match is unknown, it
    vetoes every action that it states: the job is *undecided* and stays."""
    rules = told(
        f"[{{name: sure, match: all, {DELETE}}}, {{name: unsure, match: {{os: Linux}}, {DELETE}}}]"
    )
    assert whys(rules, [job(os=UNKNOWN)], "j") == {Why.UNDECIDED}
    silent = told(
        f"[{{name: sure, match: all, {DELETE}}}, {{name: unsure, match: {{os: Linux}}, then:"
        " {stop: 1h}}]"
    )
    assert going(silent, [job(os=UNKNOWN)]) == ids("j")


# --- Age ------------------------------------------------------------------------------------------


def test_what_an_age_is_of() -> None:
    """Age: The age is `as_of` minus the first time of `defaults.age_from` that is not null (default
    `[end_time, modification_time]`)."""
    by_end = told(f"[{{name: p, match: all, {DELETE}}}]")
    assert by_end.age_from == ("end_time", "modification_time")
    by_start = told(
        f"defaults: {{age_from: [start_time]}}\npolicies: [{{name: p, match: all, {DELETE}}}]"
    )
    item = record("j", DAY - 30)  # ended a little less than a day ago, began a little more
    assert going(by_end, [item]) == set()
    assert going(by_start, [item]) == ids("j")
    never_ended = record("j", 2 * DAY, ended_at=None).job
    assert age_time(never_ended, by_end.age_from) == never_ended.modified_at


@pytest.mark.parametrize(
    "fields",
    [
        {"ended_at": None, "modified_at": None},
        {"ended_at": UNKNOWN},
        {"ended_at": NOW + 1},
        {"ended_at": NOW // 1000, "started_at": None},
        {"started_at": NOW - DAY},
        {"started_at": UNKNOWN},
    ],
    ids=[
        "absent",
        "unreadable",
        "in the future",
        "before 2008",
        "an end before the start",
        "no start to be had",
    ],
)
def test_no_age(fields: dict[str, object]) -> None:
    """Age: A job has no age, and stays, if that time is absent, unreadable, in the future or before
    2008, or if the start cannot be read or is after the end."""
    rules = told(f"[{{name: p, match: all, {DELETE}}}]")
    assert whys(rules, [job(**fields)], "j") <= {Why.NO_AGE, Why.UNFINISHED}


def test_durations() -> None:
    """Age: Durations are `s min h d w` (elapsed) and `mo y` (calendar, clamped to the month's
    end)."""
    for text, seconds in (
        ("7200s", 7200),
        ("90min", 5400),
        ("2h", 7200),
        ("3d", 3 * DAY),
        ("1w", 7 * DAY),
    ):
        rules = told(f"[{{name: p, match: all, then: {{archive: none, delete_job: {text}}}}}]")
        assert going(rules, [record("old", seconds), record("young", seconds - 1)]) == ids("old")
    ended = int(datetime(2026, 1, 31, 12, tzinfo=BERLIN).timestamp())
    due = int(datetime(2026, 2, 28, 12, tzinfo=BERLIN).timestamp())
    rules = told(
        "timezone: Europe/Berlin\npolicies: [{name: p, match: all, then: {archive: none,"
        " delete_job: 1mo}}]"
    )
    item = record("j", NOW - ended)
    assert going(rules, [item], as_of=due) == ids("j")
    assert going(rules, [item], as_of=due - 1) == set()


@pytest.mark.parametrize("text", ["5m", "5"])
def test_an_ambiguous_duration(text: str) -> None:
    """Age: `m` and bare numbers are refused as ambiguous."""
    assert "delete_job" in faults(
        f"[{{name: p, match: all, then: {{archive: none, delete_job: {text}}}}}]"
    )


@pytest.mark.parametrize(
    ("text", "fine"), [("1h", True), ("59min", False), ("10y", True), ("11y", False)]
)
def test_the_bounds_of_an_after(text: str, fine: bool) -> None:
    """Age: The `after` of a delete is 1 h to 10 y."""
    said = faults(f"[{{name: p, match: all, then: {{archive: none, delete_job: {text}}}}}]")
    assert (said == "") is fine


def test_for_which_accounts() -> None:
    """Matching: `accounts: [eu]` restricts a policy, hold, deadline or test."""
    text = f"""
holds: [{{tag: keep, accounts: [us]}}]
deadlines: [{{name: soon, accounts: [us], match: all, assets_gone_by: 3d}}]
tests: [{{name: t, accounts: [us], jobs: [{{id: x}}]}}]
policies: [{{name: mine, accounts: [eu], match: all, {DELETE}}}, {{name: theirs, accounts: [us], match: all, {DELETE}}}]
"""
    tagged = [job(tags=("keep",))]
    assert going(told(text, "eu"), tagged) == ids("j")
    assert whys(told(text, "us"), tagged, "j") == {Why.HELD}
    assert [policy.name for policy in told(text, "us").policies] == ["theirs"]
    assert [len(told(text, account).deadlines) for account in ("eu", "us")] == [0, 1]
    assert [len(configured(text).tests(account)) for account in ("eu", "us")] == [0, 1]


def test_who_is_undecided() -> None:
    """Matching: Plans list these jobs, with what to write instead,"""
    rules = told(f"[{{name: p, match: {{os: Linux}}, {DELETE}}}]")
    assert [reason.text for reason in reasons(rules, [job(os=UNKNOWN)], "j")] == [
        "p: undecided (os is unknown)"
    ]


def test_who_is_undecided_often() -> None:
    """Matching: and warn if a policy leaves over 1 % undecided."""

    def warnings(unread: int) -> list[str]:
        jobs = [record(f"j{n}", 2 * DAY, os=UNKNOWN if n < unread else "Linux") for n in range(100)]
        rules = told(f"[{{name: p, match: {{os: Linux}}, {DELETE}}}]")
        ordered = newest_first(jobs, rules.age_from)
        teller, told_of = Telemetry("eu", "run", Metrics()), structlog.testing.CapturingLogger()
        teller.log = told_of
        teller.planned(make_plan(rules, lambda: ordered, as_of=NOW, accepted_at=None))
        return [call.kwargs["policy"] for call in told_of.calls if call.method_name == "warning"]

    assert warnings(1) == []
    assert warnings(2) == ["p"]
