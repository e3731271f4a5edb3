"""Mutants: what tests notice, and what they do not."""

from __future__ import annotations

from sauce_janitor.model.jobs import Action
from sauce_janitor.model.match_text import phrase
from sauce_janitor.model.policies import (
    AllOf,
    AnyOf,
    Atom,
    Comparison,
    DeleteRule,
    Duration,
    Hold,
    Not,
    Regex,
    Rules,
)
from sauce_janitor.retention.what_if.mutants import Noticed, Tried, measure, mutants, uncovered
from sauce_janitor.retention.what_if.policy_tests import Expectation, MadeJob, PolicyTest
from tests.support.jobs import DAY, NOW, keep, policy, rules, where

RULES = rules(
    policy(
        "nightly",
        AllOf(
            (
                where(build="nightly-*"),
                Not(where(tags="flaky")),
                AnyOf((where(os="Windows*"), where(os="Mac*"))),
            )
        ),
        job="5d",
        keep=(
            keep("two", "last", count=2),
            keep("green", "last", count=1, where=where(status="passed")),
        ),
    ),
    policy(
        "assets",
        where(build="PR-*"),
        assets=DeleteRule(Duration("1d", DAY), (keep("young", "within", duration="3d"),)),
    ),
    policy("archiver", archive="1d"),
    holds=(Hold("tag keep", tag="keep"), Hold("hold audit", match=where(owner="bot"))),
)
ALL = [
    "policy nightly",
    "nightly: match part `build: nightly-*`",
    "nightly: match part `not tags: flaky`",
    "nightly: match part `os: Windows* or os: Mac*`",
    "nightly: match part `os: Windows*`",
    "nightly: match part `os: Mac*`",
    "nightly: keep rule two",
    "nightly: keep rule green",
    "nightly: `where` of keep rule green",
    "policy assets",
    "assets: match part `build: PR-*`",
    "assets: delete_assets: keep rule young",
    "hold tag keep",
    "hold audit",
]


def job(label: str, age_d: int, **given: object) -> MadeJob:
    return MadeJob(
        label, {"end_time": NOW - age_d * DAY, "build": "nightly-1", "os": "Windows 11"} | given
    )


def case(*jobs: MadeJob, goes: tuple[str, ...] = ()) -> PolicyTest:
    return PolicyTest(
        "t",
        NOW,
        jobs,
        tuple(Expectation(name, acts=((Action.DELETE_JOB, "nightly"),)) for name in goes),
    )


def tried(*tests: PolicyTest) -> tuple[Rules, list[Tried]]:
    return RULES, [Tried.of(test, RULES) for test in tests]


def left(*tests: PolicyTest) -> set[str]:
    """What the tests notice."""
    noticed = measure([tried(*tests)])
    assert noticed.mutants == len(ALL)
    return set(ALL) - set(noticed.unnoticed)


def test_every_rule_and_match_part_has_its_mutant_but_of_what_only_archives() -> None:
    assert [mutant.text for mutant in mutants(RULES)] == ALL
    assert all(mutant.rules != RULES for mutant in mutants(RULES))


def test_a_mutant_lacks_one_thing_alone() -> None:
    by_name = {mutant.text: mutant.rules for mutant in mutants(RULES)}
    assert [p.name for p in by_name["policy assets"].policies] == ["nightly", "archiver"]
    assert by_name["assets: match part `build: PR-*`"].policies[1].match == AllOf(())
    assert [rule.id for rule in by_name["nightly: keep rule two"].policies[0].keep] == ["green"]
    assert [hold.id for hold in by_name["hold tag keep"].holds] == ["hold audit"]


def test_without_tests_nothing_is_noticed() -> None:
    assert left() == set()


def test_a_keep_rule_is_missed_by_a_job_that_only_it_keeps() -> None:
    newer = [job(f"n{n}", 10 + n) for n in range(2)]
    # With the green ones alone counted, `green` would keep n0 in place of the green one.
    noticed = left(case(*newer, job("green", 30, status="passed"), job("old", 40), goes=("old",)))
    assert {
        "nightly: keep rule green",
        "nightly: keep rule two",
        "nightly: `where` of keep rule green",
    } <= noticed
    assert "policy nightly" in noticed


def test_a_match_part_is_missed_by_a_job_that_only_it_leaves_out() -> None:
    rest = [job("a", 20), job("b", 21)]
    flaky = job("flaky", 30, tags=("flaky",))
    also = {"nightly: keep rule two", "assets: match part `build: PR-*`"}
    assert left(case(*rest, flaky)) == {"nightly: match part `not tags: flaky`", *also}
    assert "nightly: match part `build: nightly-*`" in left(
        case(*rest, job("x", 30, build="main-1"))
    )
    assert "nightly: match part `os: Windows* or os: Mac*`" in left(
        case(*rest, job("x", 30, os="Linux"))
    )


def test_an_alternative_is_missed_by_a_job_that_only_it_lets_in() -> None:
    macs = [job(f"m{n}", 10 + n, os="Mac 14") for n in range(3)]
    noticed = left(case(*macs, goes=("m2",)))
    assert "nightly: match part `os: Mac*`" in noticed
    assert "nightly: match part `os: Windows*`" not in noticed


def test_a_hold_is_missed_by_a_job_that_only_it_holds() -> None:
    newer = [job("a", 20), job("b", 21)]
    assert "hold tag keep" in left(case(*newer, job("held", 30, tags=("keep",))))
    assert "hold tag keep" not in left(
        case(*newer, job("held", 30, tags=("keep",), build="main-1"))
    )


def test_a_test_that_fails_notices_nothing() -> None:
    assert left(case(job("a", 20), job("b", 21), job("c", 22))) == set()


def test_what_one_account_notices_is_noticed() -> None:
    held = case(job("a", 20), job("b", 21), job("held", 30, tags=("keep",)))
    assert "hold tag keep" not in measure([tried(), tried(held)]).unnoticed
    assert measure([]) == Noticed(0, ())


def test_uncovered_is_what_matches_keeps_or_holds_no_job_of_any_test() -> None:
    test = case(job("a", 20), job("b", 21, status="passed"), job("held", 30, tags=("keep",)))
    assert uncovered([tried(test)]) == ("policy assets", "hold audit")
    assert "nightly: keep rule green" in uncovered([tried(case(job("a", 20)))])


def test_matches_in_words() -> None:
    said = AllOf(
        (Atom("name", (Regex("a.*"),)), Not(AnyOf((where(error=None), where(manual=True)))))
    )
    assert phrase(said) == "name: {regex: a.*} and not (error: null or manual: true)"
    assert (
        phrase(Atom("duration", (Comparison((("gt", 60), ("lt", 90.5))),)))
        == "duration: {gt: 60, lt: 90.5}"
    )
    assert phrase(AllOf(())) == "all"
    assert len(phrase(where(name="x" * 200))) == 80
