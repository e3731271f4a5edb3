"""The ten laws of the retention language, over random worlds.

Each was seen to fail with the rule it guards knocked out; the comment at each law says how. Broad
random worlds meet some rules too rarely (4,000 of them did not notice): these were knocked out
against the directed tests, which the comment then names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given, settings

from sauce_janitor.model.jobs import (
    DELETES,
    Action,
    AssetsStanding,
    Decision,
    JobState,
    Record,
    Verdict,
    Why,
)
from sauce_janitor.model.policies import KeepRule, Policy, Rules
from sauce_janitor.retention.matching import compile_match
from tests.support import worlds
from tests.support.decisions import decisions
from tests.support.jobs import DAY, HOUR, NOW, where
from tests.support.laws import examples

BY_POLICIES = {
    Why.NO_POLICY,
    Why.NOT_YET,
    Why.NEVER,
    Why.KEPT,
    Why.UNDECIDED,
    Why.ASSETS_PROTECTED,
    Why.BUILD,
}
"""Reasons by the rules 2 and 3 of "When something is deleted"."""
ASIDE = {Why.HELD, Why.UNFINISHED, Why.NO_AGE}


def destroyed(rules: Rules, records: Iterable[Record], *, as_of: int = NOW) -> set[tuple[str, str]]:
    """What is gone after the plan: records, and assets (also with their record)."""
    gone = set()
    for identity, decided in decisions(rules, records, as_of=as_of).items():
        if decided[Action.DELETE_JOB].verdict is Verdict.DUE:
            gone |= {(identity, "record"), (identity, "assets")}
        if decided[Action.DELETE_ASSETS].verdict is Verdict.DUE:
            gone.add((identity, "assets"))
    return gone


def may_by_policies(decision: Decision) -> bool:
    """Whether the rules 2 and 3 let it go, whatever else keeps it."""
    return not {reason.why for reason in decision.reasons} & (BY_POLICIES | ASIDE)


# Seen to fail: ties not broken by id (ages.newest_first sorting by time alone); reasons left in the
# order in which policies
# spoke (rulings._in_order without sorting).
@given(worlds.worlds)
def test_1_the_order_of_jobs_builds_and_policies_changes_nothing(
    world: worlds.World,
) -> None:
    rules, records, rng = world
    before = decisions(rules, records)
    shuffled = list(records)
    rng.shuffle(shuffled)
    policies = list(rules.policies)
    rng.shuffle(policies)
    assert decisions(replace(rules, policies=tuple(policies)), shuffled) == before


# Seen to fail: holds left out of what sets a job aside (rulings._set_aside). That a held job takes
# no slot is beyond this law:
# see test_a_job_held_by_a_tag_takes_no_slot.
@given(worlds.worlds)
def test_2_adding_a_hold_deletes_nothing_more(world: worlds.World) -> None:
    rules, records, rng = world
    before = destroyed(rules, records)
    assert destroyed(replace(rules, holds=(*rules.holds, worlds.hold(rng))), records) <= before
    one = rng.randrange(len(records))
    held = [replace(record, held=True) if n == one else record for n, record in enumerate(records)]
    after = destroyed(rules, held)
    assert after <= before
    assert not {identity for identity, _ in after} & {records[one].job.id}


# Seen to fail: keep rules AND-ed (rulings._blockers asking for all bits of a claim). A claim that
# forgets its own keep rules is
# caught by test_a_keep_of_one_action_protects_from_that_action_alone.
@given(worlds.worlds)
def test_3_adding_a_keep_rule_deletes_nothing_more(world: worlds.World) -> None:
    rules, records, rng = world
    before = destroyed(rules, records)
    policies = list(rules.policies)
    n = rng.randrange(len(policies))
    new = worlds.keep_rule(rng, whole=policies[n].unit == "build", label="new")
    policies[n] = _with_keep(policies[n], new, for_one=rng.randrange(2) == 0)
    assert destroyed(replace(rules, policies=tuple(policies)), records) <= before


def _with_keep(policy: Policy, rule: KeepRule, *, for_one: bool) -> Policy:
    if not for_one or not policy.deletes:
        return replace(policy, keep=(*policy.keep, rule))
    (action, claim), *others = policy.deletes
    return replace(policy, deletes=((action, replace(claim, keep=(*claim.keep, rule))), *others))


# Seen to fail: a time that has not come blocking only where one policy speaks (rulings._blockers).
@given(worlds.worlds)
def test_4_adding_a_policy_makes_no_delete_due_earlier(world: worlds.World) -> None:
    rules, records, rng = world
    before = decisions(rules, records)
    after = decisions(
        replace(rules, policies=(*rules.policies, worlds.policy(rng, "new"))), records
    )
    for record in records:
        stated = {
            action
            for policy in rules.policies
            if not policy.default and compile_match(policy.match)(record)
            for action, _ in policy.deletes
        }
        for action in DELETES:
            needed = {action} if action is Action.DELETE_ASSETS else set(DELETES)
            if stated >= needed and may_by_policies(after[record.job.id][action]):
                old, now = before[record.job.id][action], after[record.job.id][action]
                assert may_by_policies(old)
                if old.due_since is not None and now.due_since is not None:
                    assert now.due_since >= old.due_since


# Seen to fail: unknown taken for false (matching._truth_at); a hold whose match is unknown not
# holding (cases.open); `pick` not
# sparing an unknown status; `where` unknown not keeping; an unknown anchor closing a since_last; an
# unknown in group_by ranked
# as a group of its own. By directed tests: a policy that may be overridden overriding others, or
# ranking the job (both in
# standings.of), and a start that cannot be had giving an age (ages.age_times).
@settings(max_examples=examples(2.5))
@given(worlds.worlds)
def test_5_making_any_field_of_any_job_unobtainable_deletes_nothing_more(
    world: worlds.World,
) -> None:
    rules, records, rng = world
    n = rng.randrange(len(records))
    field = rng.choice(worlds.JOB_FIELDS + worlds.RECORD_FIELDS)
    lost = [
        worlds.unobtainable(record, field) if m == n else record for m, record in enumerate(records)
    ]
    assert destroyed(rules, lost) <= destroyed(rules, records)


# Seen to fail: a build going although its jobs do not add up (builds._trouble_of_counters).
@given(worlds.worlds)
def test_6_losing_a_job_from_the_listing_deletes_nothing_more(world: worlds.World) -> None:
    rules, records, rng = world
    n = rng.randrange(len(records))
    assert destroyed(rules, records[:n] + records[n + 1 :]) <= destroyed(rules, records)


# Seen to fail: an unfinished job not flagged (deciding.Judge._rule without UNFINISHED).
@given(worlds.worlds)
def test_7_no_running_job_is_ever_deleted(world: worlds.World) -> None:
    rules, records, _ = world
    # A running job may carry an end from its last life, and match any policy.
    records = [
        replace(record, job=replace(record.job, state=JobState.RUNNING)) if n % 2 else record
        for n, record in enumerate(records)
    ]
    gone = {identity for identity, _ in destroyed(rules, records)}
    assert not gone & {record.job.id for record in records if record.job.state is JobState.RUNNING}


# Seen to fail: due at exactly that age and never after (durations.at_least with == for <=).
@given(worlds.worlds)
def test_8_a_job_due_by_rule_2_and_untouched_stays_due(world: worlds.World) -> None:
    rules, records, rng = world
    later = rng.choice([1, HOUR, DAY, 31 * DAY, 800 * DAY])
    before, after = decisions(rules, records), decisions(rules, records, as_of=NOW + later)
    waiting = {Why.NO_POLICY, Why.NOT_YET, Why.NEVER} | ASIDE
    for identity, decided in before.items():
        for action in DELETES:
            if not {reason.why for reason in decided[action].reasons} & waiting:
                assert not {reason.why for reason in after[identity][action].reasons} & (
                    waiting - {Why.HELD}
                )


# Seen to fail: the decision on assets that go with their job losing its reasons
# (rulings.Bench.rule).
@given(worlds.worlds)
def test_9_every_job_has_exactly_one_decision_per_action_with_a_reason(world: worlds.World) -> None:
    rules, records, _ = world
    found = decisions(rules, records)
    assert set(found) == {record.job.id for record in records}
    for decided in found.values():
        assert list(decided) == list(Action)
        for decision in decided.values():
            assert decision.reasons
            assert len(set(decision.reasons)) == len(decision.reasons)
            is_due = decision.verdict is Verdict.DUE
            assert (decision.due_since is not None) == is_due
            assert is_due or decision.policy is None
            assert not is_due or decision.due_since is None or decision.due_since <= NOW


# Seen to fail: what protects assets not carried over to the job (rulings.Bench.rule without
# _protected). That one job keeps its
# whole build is caught by test_builds.
@given(worlds.worlds)
def test_10_delete_job_never_destroys_assets_that_delete_assets_would_have_kept(
    world: worlds.World,
) -> None:
    rules, records, _ = world
    for decided in decisions(rules, records).values():
        if decided[Action.DELETE_JOB].verdict is Verdict.DUE:
            why = {reason.why for reason in decided[Action.DELETE_ASSETS].reasons}
            assert not why & (BY_POLICIES - {Why.NO_POLICY})


@given(worlds.worlds)
def test_raising_an_after_never_deletes_more(world: worlds.World) -> None:
    rules, records, rng = world
    n = rng.randrange(len(rules.policies))
    policies = list(rules.policies)
    if not policies[n].deletes:
        return
    (action, claim), *others = policies[n].deletes
    policies[n] = replace(policies[n], deletes=((action, replace(claim, after=None)), *others))
    assert destroyed(replace(rules, policies=tuple(policies)), records) <= destroyed(rules, records)


@given(worlds.worlds)
def test_assets_that_are_gone_are_not_deleted_again(world: worlds.World) -> None:
    rules, records, _ = world
    gone = [replace(record, assets=AssetsStanding.DELETED) for record in records]
    for decided in decisions(rules, gone).values():
        assert decided[Action.DELETE_ASSETS].verdict is Verdict.KEEP


def test_the_worlds_are_not_empty() -> None:
    """Guards the laws against becoming hollow: enough of the random worlds delete something."""
    acting = []

    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    @given(worlds.worlds)
    def look(world: worlds.World) -> None:
        rules, records, _ = world
        acting.append(bool(destroyed(rules, records)))

    look()
    assert sum(acting) > len(acting) / 10


def test_match_helpers_agree() -> None:
    assert where(name="login") == where(name=("login",))
