"""A time that another policy makes longer is named: with counts by a plan, and by the rules alone
as certain or possible.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import AssetsStanding, Record, Verdict
from sauce_janitor.model.policies import Rules
from sauce_janitor.retention.decide import Decider
from sauce_janitor.retention.interactions import by_weight, foreseen, possible_lines
from sauce_janitor.retention.plan.planner import make_plan
from tests.support import worlds
from tests.support.jobs import DAY, HOUR, NOW, record, running
from tests.support.policies import told


def rules_of(one: str, other: str, more: str = "") -> Rules:
    """`passed` matches some of the jobs that `suites` matches."""
    return told(f"""
policies:
  - {{name: passed, match: {{status: passed}}, {one}}}
  - {{name: suites, match: {{name: "*"}}, {other}}}
{more}
""")


def planned(rules: Rules, *jobs: Record) -> list[str]:
    ordered = newest_first(jobs, rules.age_from)
    plan = make_plan(rules, lambda: ordered, as_of=NOW, accepted_at=None)
    return [found.text(count) for found, count in by_weight(plan.postponed)]


def certain(rules: Rules) -> list[str]:
    return [each.postponement.text(0) for each in foreseen(rules) if each.is_certain]


def possible(rules: Rules) -> list[str]:
    return list(possible_lines(foreseen(rules)))


SHORT = "then: {archive: none, delete_assets: 3d}"
LONG = "then: {archive: none, delete_assets: 10d}"
JOBS = [
    record("green", 2 * DAY),
    record("old-green", 20 * DAY),
    record("red", 5 * DAY, status="failed"),
]


def test_a_longer_time_of_another_policy_is_told_with_its_jobs() -> None:
    rules = rules_of(SHORT, LONG)
    assert planned(rules, *JOBS) == ["passed: delete_assets 3d is 10d for 2 jobs (suites)"]


def test_never_is_told_before_keep_rules_and_those_before_times() -> None:
    keeping = f"keep: [{{last: 1}}], {LONG}"
    never = "- {name: audit, match: {os: Linux}, then: {archive: none, delete_assets: never}}"
    rules = rules_of(SHORT, keeping, f"  {never}")
    jobs = [record("newest", DAY), record("older", 2 * DAY), record("audited", 3 * DAY, os="Linux")]
    assert planned(rules, *jobs) == [
        "passed: delete_assets 3d is never for 1 job (audit)",
        "passed: delete_assets 3d does not apply to 1 job: suites keeps it (last 1)",
        "passed: delete_assets 3d is 10d for 1 job (suites)",
        "suites: delete_assets 10d is never for 1 job (audit)",
    ]


def test_the_delete_of_a_job_waits_for_the_assets_that_another_policy_protects() -> None:
    rules = rules_of("then: {archive: none, delete_job: 3d}", LONG)
    assert planned(rules, JOBS[0]) == [
        "passed: delete_job 3d is 10d for 1 job (suites: delete_assets)"
    ]
    assert planned(rules, replace(JOBS[0], assets=AssetsStanding.DELETED)) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SHORT, SHORT),
        (LONG, SHORT),
        (f"keep: [{{last: 5}}], {SHORT}", LONG),
        (f"overrides: [suites], {SHORT}", LONG),
        (
            "then: {archive: none, delete_assets: 10d, delete_job: 3d}",
            "then: {archive: none, delete_job: 9d}",
        ),
        ("then: {archive: none, delete_assets: 30d}", "then: {archive: none, delete_assets: 1mo}"),
        ("then: {archive: none, delete_assets: 1mo}", "then: {archive: none, delete_assets: 30d}"),
        (SHORT, "then: {archive: none, delete_job: 10d}"),
        (SHORT, "then: {archive: 1h}"),
    ],
)
def test_what_another_policy_does_not_make_longer_is_not_told(one: str, other: str) -> None:
    """Not shorter, kept by itself, explicitly shorter, not surely longer, or another action."""
    rules = rules_of(one, other)
    said = planned(rules, *JOBS[:2])
    assert [line for line in said if line.startswith("passed")] == []
    assert certain(rules) == []


def test_jobs_that_no_time_lets_go_do_not_count() -> None:
    rules = rules_of(SHORT, LONG)
    held, unfinished = record("held", 2 * DAY, held=True), running("running", HOUR, status="passed")
    assert (
        planned(rules, held, unfinished, record("gone", 2 * DAY, assets=AssetsStanding.DELETED))
        == []
    )


def test_a_default_steps_back_and_is_no_interaction() -> None:
    rules = told(f"""
policies:
  - {{name: passed, match: {{status: passed}}, {SHORT}}}
  - {{name: rest, default: true, {LONG}}}
""")
    assert planned(rules, *JOBS) == []
    assert list(foreseen(rules)) == []


def test_the_rules_alone_tell_what_is_certain_from_what_is_possible() -> None:
    every = told(
        f"policies: [{{name: passed, match: {{status: passed}}, {SHORT}}}, {{name: every, match:"
        f" all, {LONG}}}]"
    )
    assert certain(every) == ["passed: delete_assets 3d is 10d for 0 jobs (every)"]
    assert possible(every) == []
    some = rules_of(
        SHORT,
        f"keep: [{{id: recent, last: 5}}], {LONG}",
        f"  - {{name: red, match: {{status: failed}}, {LONG}}}",
    )
    assert certain(some) == []
    assert possible(some) == [
        "passed: delete_assets 3d takes longer for jobs that also match suites (10d)",
        ("red: delete_assets 10d takes longer for jobs that also match suites (keeps recent)"),
    ]


def test_a_third_policy_that_overrides_makes_it_possible_only() -> None:
    rules = told(f"""
policies:
  - {{name: passed, match: {{status: passed}}, {SHORT}}}
  - {{name: every, match: all, {LONG}}}
  - {{name: sprint, match: {{build: "sprint-*"}}, overrides: [every], {SHORT}}}
""")
    assert certain(rules) == []
    assert possible(rules) == [
        "passed: delete_assets 3d takes longer for jobs that also match every (10d)"
    ]


def test_a_policy_that_may_be_overridden_silences_nobody() -> None:
    """Where `short` is overridden for one action, it overrides nothing, and `long` counts for the
    other.
    """
    rules = told("""
policies:
  - {name: short, match: all, overrides: [long], then: {archive: none, delete_assets: 3d, delete_job: 3d}}
  - {name: long, match: all, then: {archive: none, delete_assets: 9d, delete_job: 9d}}
  - {name: third, match: {os: Linux}, overrides: [short], then: {archive: none, delete_job: 3d}}
""")
    assert "short: delete_assets 3d is 9d for 1 job (long)" in planned(
        rules, record("j", 2 * DAY, os="Linux")
    )
    assert possible(rules) != []


def test_an_override_that_may_itself_be_overridden_is_never_certain() -> None:
    rules = told("""
policies:
  - {name: short, match: all, overrides: [long], then: {archive: none, delete_assets: 3d}}
  - {name: long, match: all, then: {archive: none, delete_assets: 9d}}
  - {name: third, match: {os: Linux}, overrides: [short], then: {archive: none, delete_job: 30d}}
""")
    assert certain(rules) == []


def test_a_time_that_only_its_own_assets_make_longer_is_possible_where_they_are_gone() -> None:
    own = "then: {archive: none, delete_assets: 10d, delete_job: 3d}"
    rules = rules_of(own, "then: {archive: none, delete_job: 9d}")
    gone = record("gone", 2 * DAY, assets=AssetsStanding.DELETED)
    assert planned(rules, gone) == ["passed: delete_job 3d is 9d for 1 job (suites)"]
    assert possible(rules) == [
        "passed: delete_job 3d takes longer for jobs that also match suites (9d)",
        ("suites: delete_job 9d takes longer for jobs that also match passed (delete_assets 10d)"),
    ]


@given(worlds.worlds)
def test_what_a_plan_counts_is_foreseen_by_the_rules(world: worlds.World) -> None:
    rules, records, _ = world
    ordered = newest_first(records, rules.age_from)
    plan = make_plan(rules, lambda: ordered, as_of=NOW, accepted_at=None)
    seen = {(said.policy, said.action) for each in foreseen(rules) for said in [each.postponement]}
    assert {(found.policy, found.action) for found in plan.postponed} <= seen


@given(worlds.worlds)
def test_no_job_goes_by_the_shorter_time(world: worlds.World) -> None:
    """What is told as never or kept does not go, and what goes all the same is as old as the longer
    time.
    """
    rules, records, _ = world
    ordered = newest_first(records, rules.age_from)
    for found, time, ruling in Decider(rules, as_of=NOW).verdicts(lambda: ordered):
        decided = {
            decision.action: decision for decision in ruling.decided(found, time, rules.timezone)
        }
        for each in ruling.postponed:
            decision = decided[each.action]
            if decision.verdict is Verdict.DUE:
                assert each.until not in {None, "never"}
                # A job that waited for another's delete_assets goes by its own policy in the end.
                assert each.by_assets or decision.policy != each.policy


@given(worlds.worlds)
def test_what_is_certain_is_so_for_every_job(world: worlds.World) -> None:
    rules, records, _ = world
    sure = {
        (said.policy, said.action)
        for each in foreseen(rules)
        if each.is_certain
        for said in [each.postponement]
    }
    ordered = newest_first(records, rules.age_from)
    for found, time, ruling in Decider(rules, as_of=NOW).verdicts(lambda: ordered):
        for decision in ruling.decided(found, time, rules.timezone):
            due = decision.verdict is Verdict.DUE
            assert not (due and (decision.policy, decision.action) in sure), (
                "it went by the shorter time"
            )
