"""Lints that need the inventory."""

from __future__ import annotations

from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import UNKNOWN, Record
from sauce_janitor.model.policies import Atom, DeleteRule, Duration, Forbid, Hold, Not, Regex, Rules
from sauce_janitor.retention.plan.planner import make_plan
from tests.support.jobs import DAY, keep, policy, record, rules, where
from tests.support.jobs import NOW as AS_OF


def lints(these: Rules, *records: Record) -> list[str]:
    ordered = newest_first(records, these.age_from)
    return list(make_plan(these, lambda: ordered, as_of=AS_OF, accepted_at=None).lints)


def test_a_pattern_that_matched_nothing_in_the_inventory_is_named_with_its_rule() -> None:
    """Configuration checks: `plan` warns of a glob that matches nothing in the inventory."""
    green = keep("green", "last", count=1, where=where(name="logni"))
    these = rules(
        policy(
            "p",
            where(build=("nightly-*", "nigthly-*")),
            job=DeleteRule(Duration("9d", 9 * DAY), (green,)),
        ),
        policy("q", Not(where(tags=("flaky", "flakey"))), job="9d"),
        policy("r", Atom("custom_data.team", (Regex("we.+"),)), job="9d"),
        holds=(Hold("hold audit", match=where(owner="bot")), Hold("tag kept", tag="kept")),
        forbid=(Forbid(where(os="Windoze*"), ("video",)),),
    )
    jobs = [
        record("a", tags=("x", "flaky")),
        record("b", custom_data={"team": "web"}),
        record("c", DAY, name=None),
    ]
    assert set(lints(these, *jobs)) == {
        "policy p: `build: nigthly-*` matched nothing in the inventory",
        "p: keep rule green: `name: logni` matched nothing in the inventory",
        "policy q: `tags: flakey` matched nothing in the inventory",
        "hold audit: `owner: bot` matched nothing in the inventory",
        "archive.forbid: `os: Windoze*` matched nothing in the inventory",
    }


def test_a_word_of_a_closed_set_that_no_job_has_today_is_no_mistake() -> None:
    these = rules(
        policy(
            "p", where(status=("passed", "error"), state="queued", build_status="failed"), job="9d"
        )
    )
    assert lints(these, record("a")) == []


def test_an_empty_inventory_shows_nothing() -> None:
    assert lints(rules(policy("p", where(build="x"), job="9d"))) == []


def test_a_policy_that_leaves_more_than_a_hundredth_undecided_is_named() -> None:
    these = rules(policy("p", where(name="checkout", os="Windows 11"), job="1d"))
    known = [record(f"k{n}", n) for n in range(198)]
    unknown = [record(f"u{n}", 200 + n, name=UNKNOWN, os=UNKNOWN) for n in range(3)]
    assert lints(these, *known, *unknown[:2]) == []
    assert lints(these, *known, *unknown) == [
        "policy p leaves 3 of 201 jobs undecided (1.5 %): what is undecided is kept"
    ]
