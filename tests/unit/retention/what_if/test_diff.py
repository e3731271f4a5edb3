"""Comparing two sets of rules on the same jobs: nothing but what differs, by policy and action,
with both reasons.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given

from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import DELETES, Action, AssetsStanding, Owner, Record, Verdict
from sauce_janitor.model.policies import ArchiveRule, Hold, Rules
from sauce_janitor.retention.decide import Decider
from sauce_janitor.retention.what_if.diff import ChangeKind, DecisionDiff, DiffSide, compare
from sauce_janitor.retention.what_if.forecast import Forecast, ForecastMaker
from tests.support import worlds
from tests.support.decisions import decisions, going
from tests.support.jobs import DAY, NOW, id_of, keep, policy, record, rules, running, where
from tests.support.odd_jobs import odd

JANE, BOB = Owner("jane"), Owner("bob")


def side(made: Rules, jobs: Iterable[Record], *owners: Owner) -> DiffSide:
    whose = frozenset(owners or (JANE,))
    ordered = [job for job in newest_first(jobs, made.age_from) if job.job.owner in whose]
    return DiffSide(made, lambda: ordered, whose)


def compared(old: Rules, new: Rules, jobs: list[Record]) -> DecisionDiff:
    return compare(side(old, jobs), side(new, jobs), as_of=NOW)


def numbers(found: DecisionDiff) -> dict[tuple[str, str, str | None], tuple[int, int]]:
    return {
        (kind.value, action.value, whose): (change.jobs, change.due_now)
        for (kind, action, whose), change in found.changes.items()
    }


def total(found: DecisionDiff, kind: ChangeKind, action: Action) -> int:
    return sum(
        change.jobs for (k, a, _), change in found.changes.items() if (k, a) == (kind, action)
    )


def fates(
    made: Rules, jobs: list[Record], action: Action, *, as_of: int = NOW
) -> dict[str, Forecast]:
    ordered, teller = newest_first(jobs, made.age_from), ForecastMaker(made, as_of)
    return {
        ruled[0].job.id: teller.forecast(action, ruled)
        for ruled in Decider(made, as_of=as_of).verdicts(lambda: ordered)
    }


# --- laws -----------------------------------------------------------------------------------------


@given(worlds.worlds)
def test_nothing_differs_from_itself(world: worlds.World) -> None:
    made, jobs = odd(world)
    found = compared(made, made, jobs)
    assert (found.jobs, found.changed, found.changes) == (len(jobs), 0, {})


# Seen to fail: forms that leave out what an archive is waited for (fates.Teller.form).
@given(worlds.worlds)
def test_what_shortcuts_leave_out_is_what_is_equal(world: worlds.World) -> None:
    """The comparison asks for fates only where rulings differ: told for every job, they give the
    same.
    """
    old, jobs = odd(world)
    new = odd((worlds.rules(world[2]), jobs, world[2]))[0]
    if world[2].randrange(2):
        new = replace(new, timezone=old.timezone, grace=old.grace, age_from=old.age_from)
    found = compared(old, new, jobs)
    for action in Action:
        before, after = fates(old, jobs, action), fates(new, jobs, action)
        told = {
            identity for identity in before if plain(before[identity]) != plain(after[identity])
        }
        assert sum(
            change.jobs for (_, of, _), change in found.changes.items() if of is action
        ) == len(told), action
        assert total(found, ChangeKind.NEW, action) == sum(before[i].at is None for i in told)
        assert total(found, ChangeKind.DROPPED, action) == sum(after[i].at is None for i in told)


@given(worlds.worlds)
def test_the_other_way_round_everything_turns(world: worlds.World) -> None:
    old, jobs = odd(world)
    new = odd((worlds.rules(world[2]), jobs, world[2]))[0]
    there, back = compared(old, new, jobs), compared(new, old, jobs)
    turned = {
        ChangeKind.NEW: ChangeKind.DROPPED,
        ChangeKind.EARLIER: ChangeKind.LATER,
        ChangeKind.OTHER_FILES: ChangeKind.OTHER_FILES,
    }
    assert there.changed == back.changed
    for action in Action:
        for one, other in turned.items():
            assert total(there, one, action) == total(back, other, action)
            assert total(there, other, action) == total(back, one, action)


@given(worlds.worlds)
def test_what_is_due_now_is_what_a_plan_would_do(world: worlds.World) -> None:
    made, jobs = odd(world)
    for action in Action:
        assert {i for i, fate in fates(made, jobs, action).items() if fate.is_due} == going(
            made, jobs, action
        )


# Seen to fail: grace, and the archive that a delete waits for, left out of a fate's time.
@given(worlds.worlds)
def test_a_fate_comes_true_when_its_time_has_come(world: worlds.World) -> None:
    """If nothing but time changes, the delete is due at that time, with its archive in the same
    pass, and not before.
    """
    made, jobs = odd(world)
    for action in DELETES:
        for identity, fate in fates(made, jobs, action).items():
            if fate.at is None or fate.at <= NOW:
                continue
            announced = [
                replace(job, announced=dict.fromkeys(DELETES, NOW) | dict(job.announced or {}))
                for job in jobs
            ]
            then = decisions(made, announced, as_of=fate.at)[identity][action]
            assert then.verdict is Verdict.DUE, then.reasons
            wishes = [each.archive for each in made.policies if each.archive]
            if not any(wish.only_kept for wish in wishes):
                before = decisions(made, announced, as_of=fate.at - 1)[identity][action]
                assert before.verdict is Verdict.KEEP


def plain(fate: Forecast) -> tuple[int | None, str | None]:
    return (None, None) if fate.at is None else (max(fate.at, NOW), fate.files)


# --- by hand --------------------------------------------------------------------------------------


def test_a_shorter_time_deletes_earlier_all_but_what_is_due_already() -> None:
    jobs = [record(str(n), n * DAY) for n in range(20)]
    found = compared(rules(policy("p", job="14d")), rules(policy("p", job="7d")), jobs)
    assert numbers(found) == {("earlier", "delete_job", "p"): (14, 7)}
    assert (found.jobs, found.changed) == (20, 14)


def test_a_new_keep_rule_keeps_what_would_go() -> None:
    jobs = [record(str(n), n * DAY) for n in range(5)]
    new = rules(policy("p", job="2d", keep=(keep("recent", "last", count=3),)))
    found = compared(rules(policy("p", job="2d")), new, jobs)
    assert numbers(found) == {("dropped", "delete_job", "p"): (3, 1)}
    example = found.changes[ChangeKind.DROPPED, Action.DELETE_JOB, "p"].examples[-1]
    assert example.job.id == id_of("2")
    assert example.before.reasons == ("p: due",)
    assert example.after.reasons == ("p: kept by recent",)


def test_a_policy_that_matches_more_deletes_what_was_no_ones() -> None:
    jobs = [record("a", 5 * DAY, name="a"), record("b", 5 * DAY, name="b")]
    found = compared(
        rules(policy("p", where(name="a"), job="2d")), rules(policy("p", job="2d")), jobs
    )
    assert numbers(found) == {("new", "delete_job", "p"): (1, 1)}


def test_another_name_or_order_of_policies_changes_nothing() -> None:
    a, b = policy("a", where(name="x"), job="2d"), policy("b", job="3d")
    assert not compared(rules(a, b), rules(replace(b, name="c"), a), [record("j", 9 * DAY)]).changes


def test_other_files_are_a_change() -> None:
    logs = policy(
        "p", archive=ArchiveRule(after=parse_duration("1d"), assets=("logs",), discard_rest=True)
    )
    found = compared(rules(policy("p", archive="1d")), rules(logs), [record("j", 9 * DAY)])
    assert numbers(found) == {("other_files", "archive", "p"): (1, 1)}
    [example] = found.changes[ChangeKind.OTHER_FILES, Action.ARCHIVE, "p"].examples
    assert (example.before.files, example.after.files) == ("all", "logs")


def test_a_later_archive_puts_off_the_delete_that_waits_for_it() -> None:
    old, new = (rules(policy("p", archive=after, job="2d")) for after in ("1d", "5d"))
    found = compared(old, new, [record("j", 0)])
    assert numbers(found) == {
        ("later", "archive", "p"): (1, 0),
        ("later", "delete_job", "p"): (1, 0),
    }


def test_a_hold_keeps_and_archives_whole() -> None:
    old = rules(policy("p", job="2d"))
    found = compared(
        old, replace(old, holds=(Hold("h", tag="x"),)), [record("j", 9 * DAY, tags=("x",))]
    )
    assert numbers(found) == {
        ("dropped", "delete_job", "p"): (1, 1),
        ("new", "archive", None): (1, 1),
    }


def test_the_longest_time_is_whose_change_it_is() -> None:
    old = rules(policy("a", job="2d"), policy("b", job="4d"))
    new = rules(policy("a", job="9d"), policy("b", job="4d"))
    assert numbers(compared(old, new, [record("j", DAY)])) == {("later", "delete_job", "a"): (1, 0)}


def test_grace_puts_off() -> None:
    old = rules(policy("p", job="2d"))
    found = compared(old, replace(old, grace=parse_duration("3d")), [record("j", 9 * DAY)])
    assert numbers(found) == {("later", "delete_job", "p"): (1, 1)}


def test_a_job_waits_for_the_grace_of_its_assets_too() -> None:
    made = rules(policy("p", job="2d", assets="2d"), grace=parse_duration("3d"))
    jobs = [record("j", 9 * DAY, announced={Action.DELETE_JOB: NOW - 2 * DAY})]
    assert fates(made, jobs, Action.DELETE_JOB)[id_of("j")].at == NOW + 3 * DAY


def test_a_runaway_without_a_readable_start_is_never_stopped() -> None:
    jobs = [running("j", 9 * DAY), running("k", 9 * DAY, started_at=None)]
    found = compared(rules(policy("p")), rules(policy("p", stop="6h")), jobs)
    assert numbers(found) == {("new", "stop", "p"): (1, 1)}


def test_jobs_of_an_owner_who_is_in_one_file_alone_are_compared_with_nothing() -> None:
    jobs = [record("a", 5 * DAY), record("b", 6 * DAY, owner=BOB), record("c", 7 * DAY)]
    made = rules(policy("p", job="2d"))
    more = compare(side(made, jobs), side(made, jobs, JANE, BOB), as_of=NOW)
    assert (more.jobs, numbers(more)) == (3, {("new", "delete_job", "p"): (1, 1)})
    less = compare(side(made, jobs, JANE, BOB), side(made, jobs), as_of=NOW)
    assert numbers(less) == {("dropped", "delete_job", "p"): (1, 1)}
    [example] = less.changes[ChangeKind.DROPPED, Action.DELETE_JOB, "p"].examples
    assert example.after.reasons == ("the configuration is not about its owner",)


def test_ages_from_other_times_are_compared_too() -> None:
    jobs = [record(str(n), n * DAY, modified_at=NOW - (9 - n) * DAY) for n in range(6)]
    jobs += [record("b", 3 * DAY, owner=BOB)]
    old = rules(policy("p", job="7d"))
    new = replace(old, age_from=("modification_time",))
    found = compare(side(old, jobs, JANE, BOB), side(new, jobs), as_of=NOW)
    assert (found.jobs, found.changed) == (7, 7)
    assert total(found, ChangeKind.DROPPED, Action.DELETE_JOB) == 1
    assert total(found, ChangeKind.EARLIER, Action.DELETE_JOB) == 5


def test_assets_that_are_gone_hold_nothing_up() -> None:
    old = rules(policy("p", job="2d", assets="9d"))
    jobs = [record("a", DAY), record("b", DAY, assets=AssetsStanding.DELETED)]
    found = compared(old, rules(policy("p", job="2d", assets="8d")), jobs)
    assert numbers(found) == {
        ("earlier", "delete_assets", "p"): (1, 0),
        ("earlier", "delete_job", "p"): (1, 0),
    }
