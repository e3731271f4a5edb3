"""Plans, limits and fingerprints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import DELETES, UNKNOWN, Action, Owner, Reason, Record, Verdict, Why
from sauce_janitor.model.policies import Approval, Forbid, Hold, Limits, Rules
from sauce_janitor.retention.fingerprint import decision_fields, fingerprint
from sauce_janitor.retention.plan.limits import NO_LEEWAY, ActingJobs, Leeway
from sauce_janitor.retention.plan.planner import Plan, Waiting, make_plan
from tests.support.jobs import DAY, HOUR, NOW, id_of, keep, policy, record, rules, running, where

ALL = frozenset({"all"})


def plan(
    made: Rules, jobs: list[Record], *, accepted_at: int | None = None, leeway: Leeway = NO_LEEWAY
) -> Plan:
    ordered = newest_first(jobs, made.age_from)
    return make_plan(made, lambda: ordered, as_of=NOW, accepted_at=accepted_at, leeway=leeway)


def old(count: int, **fields: Any) -> list[Record]:
    return [record(f"j{n}", 2 * DAY + n, **fields) for n in range(count)]


def order(made: Plan) -> list[str]:
    return [job.job_id for job in made.jobs()]


def test_a_plan_counts_what_will_be_carried_out_by_policy_and_action() -> None:
    made = plan(
        rules(policy("p", assets="1d", job="3d"), holds=(Hold("h", tag="keep"),)),
        [
            record("assets", DAY),
            record("both", 4 * DAY),
            record("young", HOUR),
            record("held", DAY, tags=("keep",)),
        ],
    )
    assert made.counts == {
        ("p", Action.DELETE_ASSETS): 1,
        ("p", Action.DELETE_JOB): 1,
        (None, Action.ARCHIVE): 1,
    }
    assert made.totals == {
        Action.ARCHIVE: 1,
        Action.DELETE_ASSETS: 1,
        Action.DELETE_JOB: 1,
        Action.STOP: 0,
    }
    assert (made.inventory, made.held, made.unexpected, made.job_count) == (4, 1, 2, 3)
    assert made.matched == {"p": 4}


def test_a_job_plan_has_one_delete_at_most_and_what_it_rests_on() -> None:
    made = rules(
        policy("p", assets="1d", job="1d", archive="2h"),
        forbid=(Forbid(where(owner="jane"), ("video",)),),
    )
    item = record("j", 2 * DAY)
    (job,) = plan(made, [item]).jobs()
    assert [d.action for d in job.actions] == [Action.ARCHIVE, Action.DELETE_JOB]
    assert all(d.verdict is Verdict.DUE and d.policy == "p" and d.reasons for d in job.actions)
    assert [d.due_since for d in job.actions] == [NOW - 2 * DAY + 2 * HOUR, NOW - DAY]
    assert (job.job_id, job.owner, job.held) == (item.job.id, Owner("jane"), False)
    assert job.selection is not None
    assert job.selection.key == "all!video"
    assert job.fingerprint == fingerprint(item.job, item.build_status, decision_fields(made))


def test_a_delete_without_a_selection_names_who_says_none() -> None:
    (job,) = plan(
        rules(policy("p", job="1d"), policy("a", job="1h")), [record("j", 2 * DAY)]
    ).jobs()
    assert (job.selection, job.nothing_wanted_by) == (None, "a")


def test_kept_jobs_are_counted_by_reason_and_undecided_ones_by_policy_and_field() -> None:
    made = plan(
        rules(policy("p", where(os="Win*"), job="1d", keep=(keep("l", "last", count=1),))),
        [
            record("kept", 2 * DAY),
            record("u", 2 * DAY, os=UNKNOWN),
            record("u2", 2 * DAY, os=UNKNOWN),
        ],
    )
    assert made.undecided == {("p", "os"): 2}
    assert made.kept[Action.DELETE_JOB, Reason(Why.KEPT, "p", "l")] == 1


def test_deletes_are_executed_by_priority_then_longest_overdue() -> None:
    made = rules(
        policy("low", where(build="low"), job="1d", priority="low"),
        policy("high", where(build="high"), job="1d", priority="high"),
        policy("slow", where(build="slow"), job="5d"),
        policy("quick", where(build="quick"), job="1d"),
    )
    jobs = [
        record("low", 90 * DAY, build="low"),
        record("high", 2 * DAY, build="high"),
        record("slow", 6 * DAY, build="slow"),
        record("quick", 3 * DAY, build="quick"),
    ]
    assert order(plan(made, jobs)) == [id_of("high"), id_of("quick"), id_of("slow"), id_of("low")]


def test_archives_are_executed_holds_first_then_nearest_purge_and_purged_ones_last() -> None:
    made = rules(policy("p", archive="1d", priority="high"), holds=(Hold("h", tag="keep"),))
    ages = {"a29": 29 * DAY, "a2": 2 * DAY, "a31": 31 * DAY, "a15": 15 * DAY}
    jobs = [
        *[record(label, age) for label, age in ages.items()],
        record("held", HOUR, tags=("keep",)),
    ]
    assert order(plan(made, jobs)) == [
        id_of(label) for label in ("held", "a29", "a15", "a2", "a31")
    ]


def test_archives_and_deletes_take_turns_so_that_neither_starves_the_other() -> None:
    made = rules(
        policy("a", where(build="a"), archive="1d"), policy("d", where(build="d"), job="1d")
    )
    jobs = [
        *[record(f"a{n}", 2 * DAY, build="a") for n in range(6)],
        *[record(f"d{n}", 2 * DAY, build="d") for n in range(3)],
    ]
    kinds = [
        "".join(decision.action.value[0] for decision in job.actions)
        for job in plan(made, jobs).jobs()
    ]
    assert kinds == ["a", "d", "a", "d", "a", "d", "a", "a", "a"]


def test_a_stop_acts_and_counts() -> None:
    made = plan(rules(policy("p", stop="1h")), [running("j", DAY)])
    assert made.totals[Action.STOP] == 1
    assert made.acting == ActingJobs(0, 1)
    (job,) = made.jobs()
    assert job.actions[0].due_since == NOW - DAY + HOUR


def test_announcements_are_the_deletes_that_wait_for_grace_or_go() -> None:
    graceful = rules(policy("p", job="10d"), grace=parse_duration("3d"))
    jobs = [
        record("soon", 8 * DAY),
        record("young", DAY),
        record("due", 11 * DAY, announced={Action.DELETE_JOB: NOW - 4 * DAY}),
    ]
    assert dict(plan(graceful, jobs).announced()) == {
        id_of("soon"): (Action.DELETE_JOB,),
        id_of("due"): (Action.DELETE_JOB,),
    }


def test_a_plan_says_how_many_are_announced_since_when_not_and_when_they_go() -> None:
    graceful = rules(
        policy("p", job="10d"),
        policy("q", where(name="slow"), job="12d"),
        grace=parse_duration("3d"),
    )
    jobs = [
        record("new", 8 * DAY),
        record("known", 9 * DAY, announced={Action.DELETE_JOB: NOW - DAY}),
        record("slow", 10 * DAY, name="slow", announced={Action.DELETE_JOB: NOW - 2 * DAY}),
        record("due", 11 * DAY, announced={Action.DELETE_JOB: NOW - 4 * DAY}),
    ]
    assert plan(graceful, jobs).waiting == {
        Action.DELETE_JOB: Waiting(3, 1, NOW + 2 * DAY, NOW + 3 * DAY)
    }
    both = rules(policy("p", job="10d", assets="14d"), grace=parse_duration("5d"))
    assert plan(both, [record("j", 9 * DAY)]).waiting[Action.DELETE_JOB].first_at == NOW + 5 * DAY
    both = rules(policy("p", job="10d", assets="14d"), grace=parse_duration("4d"))
    found = plan(both, [record("j", 10 * DAY, announced=dict.fromkeys(DELETES, NOW - DAY))]).waiting
    assert found[Action.DELETE_JOB].first_at == NOW + 4 * DAY, "its assets go at 14d"


def test_assets_about_to_be_purged_unarchived_are_counted() -> None:
    made = rules(policy("p", archive="40d"))
    ages = (29 * DAY, 29 * DAY - 1, 27 * DAY, 27 * DAY - 1, 23 * DAY, 23 * DAY - 1, 30 * DAY)
    jobs = [record(f"j{age}", age) for age in ages]
    found = plan(made, jobs)
    assert (found.expiring_24h_jobs, found.expiring_72h_jobs, found.expiring_7d_jobs) == (1, 3, 5)
    found.saved(jobs[3].job.id)
    assert (found.expiring_24h_jobs, found.expiring_72h_jobs, found.expiring_7d_jobs) == (1, 3, 4)
    found.saved(jobs[0].job.id)
    assert (found.expiring_24h_jobs, found.expiring_72h_jobs, found.expiring_7d_jobs) == (0, 2, 3)
    safe = plan(made, [replace(job, archived=ALL) for job in jobs])
    assert (safe.expiring_24h_jobs, safe.expiring_72h_jobs, safe.expiring_7d_jobs) == (0, 0, 0)


def test_the_same_input_gives_the_same_plan() -> None:
    made, jobs = rules(policy("p", job="1d"), policy("q", job="1h", archive="1h")), old(30)
    first, second = plan(made, jobs), plan(replace(made, policies=made.policies[::-1]), jobs[::-1])
    assert list(first.jobs()) == list(second.jobs())


# --- limits ---------------------------------------------------------------------------------------


def limited(**limits: float) -> Rules:
    return rules(policy("p", job="1d"), limits=Limits(**limits))  # type: ignore[arg-type]  # as given


def broken(made: Plan) -> list[tuple[str, str | None, float, float]]:
    return [(limit.limit, limit.policy, limit.measured, limit.allowed) for limit in made.broken]


def young(count: int) -> list[Record]:
    return [record(f"y{n}", n) for n in range(count)]


def test_max_percent_is_of_the_inventory() -> None:
    assert broken(plan(limited(max_percent=25), [*old(25), *young(75)])) == []
    made = plan(limited(max_percent=25), [*old(26), *young(74)])
    assert broken(made) == [("max_percent", None, 26.0, 25)]
    (limit,) = made.broken
    assert "26 unexpected jobs, 26.0 % of the 100 known jobs" in limit.text
    assert "policy p: 26" in limit.text
    assert "apply" in limit.text


def test_max_percent_is_not_applied_to_plans_of_under_20_jobs() -> None:
    assert broken(plan(limited(max_percent=25), old(19))) == []
    assert broken(plan(limited(max_percent=25), old(20))) == [("max_percent", None, 100.0, 25)]


def test_max_percent_counts_the_unexpected_only() -> None:
    jobs = [*old(50, changed_at=5), *[record(f"n{n}", 2 * DAY, changed_at=7) for n in range(10)]]
    made = plan(limited(max_percent=17), jobs, accepted_at=5)
    assert (made.expected, made.unexpected) == (50, 10)
    assert made.broken == ()
    assert plan(limited(max_percent=17), jobs, accepted_at=4).unexpected == 60
    assert plan(limited(max_percent=17), jobs, accepted_at=None).unexpected == 60


def test_a_refused_or_dry_run_makes_nothing_expected() -> None:
    assert plan(limited(max_percent=17), old(30, changed_at=0), accepted_at=None).expected == 0


def test_max_jobs_counts_expected_ones_too() -> None:
    made = plan(limited(max_jobs=9), old(10), accepted_at=NOW)
    assert broken(made) == [("max_jobs", None, 10, 9)]
    assert broken(plan(limited(max_jobs=10), old(10))) == []


def test_limits_count_distinct_jobs_and_no_archives() -> None:
    both = rules(policy("p", assets="1d", job="1d", archive="1h"), limits=Limits(max_jobs=10))
    assert broken(plan(both, old(10))) == []
    archiving = rules(policy("p", archive="1h"), limits=Limits(max_jobs=1))
    assert broken(plan(archiving, old(10))) == []


def test_what_an_accepted_plan_left_to_do_does_not_count_again() -> None:
    left = old(10, accepted_for=Action.DELETE_JOB)
    made = plan(
        limited(max_jobs=2),
        [*left, record("new", 3 * DAY), record("more", 3 * DAY)],
        accepted_at=NOW,
    )
    assert made.acting == ActingJobs(12, 0, left=10)
    assert broken(made) == []
    once_more = plan(
        limited(max_jobs=1),
        [*left, record("new", 3 * DAY), record("more", 3 * DAY)],
        accepted_at=NOW,
    )
    assert broken(once_more) == [("max_jobs", None, 2, 1)]
    assert "besides the 10 that an accepted plan has left to do" in once_more.broken[0].text


def test_what_was_accepted_for_another_action_or_changed_since_counts() -> None:
    for jobs in (
        old(10, accepted_for=Action.DELETE_ASSETS),
        old(10, accepted_for=Action.DELETE_JOB, changed_at=NOW + 1),
    ):
        assert broken(plan(limited(max_jobs=9), jobs, accepted_at=NOW)) == [
            ("max_jobs", None, 10, 9)
        ]
    assert (
        broken(plan(limited(max_jobs=9), old(10, accepted_for=Action.DELETE_JOB), accepted_at=None))
        != []
    )


def approval(max_jobs: int | None = None, *lift: str) -> Approval:
    return Approval("sha256:a", NOW + 1, frozenset(lift), max_jobs, "jane", "first clean-up")  # type: ignore[arg-type]


def test_an_approval_lifts_the_limits_it_names_and_no_other() -> None:
    made = limited(max_percent=25, max_jobs=10)
    found = plan(made, old(30), leeway=Leeway(approvals=(approval(None, "max_percent"),)))
    assert broken(found) == [("max_jobs", None, 30, 10)]
    assert [(lifted.limit, lifted.measured) for lifted in found.lifted] == [("max_percent", 100)]


@pytest.mark.parametrize(
    ("most", "still"),
    [(30, ["max_percent"]), (29, ["max_percent", "max_jobs"]), (31, ["max_percent"])],
)
def test_an_approval_of_so_many_jobs_lifts_max_jobs_up_to_there(
    most: int, still: list[str]
) -> None:
    found = plan(
        limited(max_percent=25, max_jobs=10), old(30), leeway=Leeway(approvals=(approval(most),))
    )
    assert [limit.limit for limit in found.broken] == still


def test_an_approval_for_fewer_jobs_lifts_nothing_at_all() -> None:
    leeway = Leeway(approvals=(approval(29, "max_percent"),))
    assert len(plan(limited(max_percent=25, max_jobs=10), old(30), leeway=leeway).broken) == 2


def test_an_approval_is_in_force_for_its_digest_and_until_its_end() -> None:
    assert approval(1).is_in_force("sha256:a", at=NOW)
    assert not approval(1).is_in_force("sha256:a", at=NOW + 1)
    assert not approval(1).is_in_force("sha256:b", at=NOW)


def test_max_growth_is_times_the_median_of_the_last_plans() -> None:
    made = limited(max_growth=2)
    ordered = newest_first(old(10), made.age_from)

    def with_medians(
        medians: dict[str | None, float] | None,
    ) -> list[tuple[str, str | None, float, float]]:
        return broken(
            make_plan(
                made,
                lambda: ordered,
                as_of=NOW,
                accepted_at=None,
                leeway=Leeway(medians=medians or {}),
            )
        )

    assert with_medians(None) == []
    assert with_medians({None: 5}) == []
    assert with_medians({None: 4.5}) == [("max_growth", None, 10, 9)]


def test_a_policys_limits_are_of_its_own_deletes_and_sure_matches() -> None:
    strict = policy(
        "strict", where(build="a"), job="1d", limits=Limits(max_percent=50, max_jobs=14)
    )
    made = rules(strict, policy("other", where(build="b"), job="1d"))
    jobs = [
        *[record(f"a{n}", 2 * DAY, build="a") for n in range(15)],
        *[record(f"y{n}", 1, build="a") for n in range(14)],
    ]
    jobs += [record(f"b{n}", 2 * DAY, build="b") for n in range(15)]
    found = broken(plan(made, jobs))
    assert [(limit, whose) for limit, whose, _, _ in found] == [
        ("max_percent", "strict"),
        ("max_jobs", "strict"),
    ]


def test_a_lifted_limit_is_not_measured() -> None:
    made = limited(max_percent=25, max_jobs=10)
    assert broken(plan(made, old(30), leeway=Leeway(frozenset({"max_percent"})))) == [
        ("max_jobs", None, 30, 10)
    ]
    assert broken(plan(made, old(30), leeway=Leeway(frozenset({"max_percent", "max_jobs"})))) == []


def test_a_broken_limit_trims_nothing() -> None:
    assert plan(limited(max_jobs=1), old(30)).job_count == 30


# --- fingerprints ---------------------------------------------------------------------------------


READING = rules(
    policy(
        "p", where(name="*"), group_by=("os",), keep=(keep("l", "last", where=where(browser="x")),)
    )
)


@pytest.mark.parametrize(
    "change",
    [
        lambda job: replace(job, owner=Owner("joe")),
        lambda job: replace(job, status="failed"),
        lambda job: replace(job, tags=("x",)),
        lambda job: replace(job, ended_at=NOW - 1),
        lambda job: replace(job, started_at=NOW - 99),
        lambda job: replace(job, name="other"),
        lambda job: replace(job, os="x"),
        lambda job: replace(job, browser="y"),
        lambda job: replace(job, name=UNKNOWN),
        lambda job: replace(job, name=None),
    ],
)
def test_a_fingerprint_changes_with_anything_a_decision_read(change: Callable[..., object]) -> None:
    fields, item = decision_fields(READING), record("j")
    assert fingerprint(item.job, None, fields) != fingerprint(change(item.job), None, fields)  # type: ignore[arg-type]  # a job


def test_a_fingerprint_does_not_change_with_what_no_decision_reads() -> None:
    fields, item = decision_fields(READING), record("j", tags=("a", "b"))
    same = replace(item.job, build="other", modified_at=NOW + 5, tags=("b", "a"), created_at=1)
    assert fingerprint(same, "failed", fields) == fingerprint(item.job, None, fields)


def test_text_that_looks_like_unknown_or_null_is_not_it() -> None:
    fields, item = decision_fields(READING), record("j")
    prints = {
        fingerprint(replace(item.job, name=n), None, fields)
        for n in ("?", "None", "UNKNOWN", None, UNKNOWN)
    }
    assert len(prints) == 5


def test_decision_fields_say_whether_builds_are_read() -> None:
    assert not decision_fields(READING).read_builds
    assert decision_fields(rules(policy("p", where(build_status="x")))).read_builds
    assert decision_fields(rules(policy("p", where(build="x"), unit="build"))).read_builds
    assert decision_fields(
        rules(policy("p"), holds=(Hold("h", match=where(build_status="x")),))
    ).read_builds
