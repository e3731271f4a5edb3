"""Deadlines: who is late, and what blocks each."""

from __future__ import annotations

from typing import Any

import pytest

from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import (
    UNKNOWN,
    AssetsStanding,
    BuildCounters,
    JobState,
    MissingFile,
    Record,
)
from sauce_janitor.model.policies import (
    EVERYTHING,
    ArchiveRule,
    Deadline,
    DeleteRule,
    Duration,
    Forbid,
    Hold,
    Limits,
    Match,
    Policy,
)  # fmt: skip
from sauce_janitor.retention.fingerprint import decision_fields
from sauce_janitor.retention.plan.blockers import blocking_rules, terms_of
from sauce_janitor.retention.plan.deadlines import (
    Blocker,
    Late,
    block_what_goes,
    late_lines,
    overdue_counts,
    settle,
    watched_fields,
)
from sauce_janitor.retention.plan.planner import Plan, make_plan
from tests.support.jobs import DAY, NOW, id_of, keep, policy, record, rules, running, where
from tests.support.policies import told

PII = where(tags="pii")


def deadline(
    assets: str | None = "3d", job: str | None = None, warn: str | None = None, match: Match = PII
) -> Deadline:
    by = [None if text is None else parse_duration(text) for text in (assets, job, warn)]
    return Deadline("privacy", match, *by)


def pii(label: str, age_d: float, **fields: Any) -> Record:
    return record(label, int(age_d * DAY), **({"tags": ("pii",)} | fields))


def planned(
    *records: Record, by: Deadline | None = None, policies: tuple[Policy, ...] = (), **fields: Any
) -> Plan:
    these = rules(*policies, deadlines=(by or deadline(),), **fields)
    ordered = newest_first(records, these.age_from)
    return make_plan(these, lambda: ordered, as_of=NOW, accepted_at=None)


def late(*records: Record, **fields: Any) -> dict[str, int]:
    return overdue_counts(planned(*records, **fields).late)["privacy"]


def test_a_job_is_late_at_exactly_the_time_given_and_only_while_its_assets_are_there() -> None:
    """The time of a deadline is the job's age."""
    assert late(pii("a", 3)) == {"no_policy": 1}
    assert late(record("b", 3 * DAY - 1, tags=("pii",))) == {}
    assert late(record("c", 9 * DAY)) == {}
    assert (
        late(pii("d", 9, assets=AssetsStanding.DELETED), pii("e", 9, assets=AssetsStanding.PURGED))
        == {}
    )


def test_a_record_is_late_whatever_became_of_its_assets() -> None:
    assert late(pii("a", 9, assets=AssetsStanding.DELETED), by=deadline(None, "5d")) == {
        "no_policy": 1
    }


def test_a_job_that_is_late_twice_counts_once() -> None:
    assert late(pii("a", 9), by=deadline("3d", "5d")) == {"no_policy": 1}


def test_jobs_within_the_warning_are_counted_apart() -> None:
    """Deadlines: `warn: 12h` reports jobs that will be late within that time."""
    plan = planned(pii("a", 2.5), pii("b", 2.4), pii("c", 4), by=deadline(warn="12h"))
    assert (plan.late["privacy"].soon, plan.late["privacy"].total) == (1, 1)


def test_a_job_that_may_match_counts() -> None:
    """Deadlines: Jobs that may match count."""
    assert late(pii("a", 9, tags=UNKNOWN)) == {"no_policy": 1}


def test_a_job_without_an_age_is_late_by_the_times_it_has() -> None:
    """Deadlines: For a job without an age, the first known of its end, start and creation
    counts."""
    assert late(running("r", 9 * DAY, tags=("pii",), created_at=NOW - DAY)) == {"unfinished": 1}
    assert late(running("r", 9 * DAY, tags=("pii",))) == {"unfinished": 1}
    assert late(running("r", 9 * DAY, tags=("pii",), started_at=None, created_at=None)) == {}
    assert late(pii("a", 9, started_at=NOW)) == {"no_age": 1}


ASSETS = policy("p", assets="1d")


@pytest.mark.parametrize(
    ("fields", "own", "blocker"),
    [
        ({"policies": (ASSETS,)}, {}, "nothing"),
        ({"policies": (policy("p", job="1d"),)}, {}, "nothing"),
        ({"policies": (ASSETS,), "holds": (Hold("tag pii", tag="pii"),)}, {}, "hold"),
        ({"policies": (ASSETS,)}, {"held": True}, "hold"),
        ({"policies": (ASSETS,)}, {"state": JobState.UNKNOWN}, "unfinished"),
        (
            {"policies": (policy("p", assets="1d", keep=(keep("one", "last", count=1),)),)},
            {},
            "keep",
        ),
        ({"policies": (ASSETS, policy("q", assets="never"))}, {}, "keep"),
        (
            {"policies": (ASSETS, policy("q", where(name="x"), assets="9d"))},
            {"name": UNKNOWN},
            "undecided",
        ),
        ({"policies": (ASSETS, policy("q", assets="9d"))}, {}, "not_yet"),
        ({"policies": (policy("p", assets="1d", archive="5d"),)}, {}, "no_receipt"),
        ({"policies": (policy("p", assets="1d", archive="1h"),)}, {}, "nothing"),
        ({"policies": (ASSETS,), "grace": Duration("9d", 9 * DAY)}, {}, "grace"),
        (
            {
                "policies": (policy("p", assets="1d", archive="1h"),),
                "forbid": (Forbid(where(name="x"), ("video",)),),
            },
            {"name": UNKNOWN},
            "undecided",
        ),
        ({"policies": (policy("p", job="9d"),)}, {}, "not_yet"),
    ],
)
def test_what_blocks_a_late_job(fields: dict[str, Any], own: dict[str, Any], blocker: str) -> None:
    assert late(pii("a", 4, **own), **fields) == {blocker: 1}


def test_a_record_waits_for_what_protects_its_assets() -> None:
    protects = policy("q", assets=DeleteRule(Duration("1d", DAY), (keep("one", "last", count=1),)))
    assert late(
        pii("a", 9), by=deadline(None, "5d"), policies=(policy("p", job="1d"), protects)
    ) == {"keep": 1}


def test_of_several_blockers_the_one_that_is_hardest_to_remove_counts() -> None:
    policies = (
        policy("p", assets="9d"),
        policy("q", assets="1d", keep=(keep("one", "last", count=1),)),
    )
    assert late(pii("a", 4), policies=policies) == {"keep": 1}


def test_what_is_said_aloud() -> None:
    """Deadlines: They report jobs that still have assets (`assets_gone_by`) or a record
    (`job_gone_by`) at that age, and what blocks each."""
    these = told("""
holds: [{tag: keep}]
policies: [{name: p, match: all, then: {archive: none, delete_assets: 4d}}]
deadlines:
  - {name: privacy, match: {tags: pii}, assets_gone_by: 3d, warn: 1d}
  - {name: records, match: {tags: pii}, job_gone_by: 5d}
""")
    records = [
        pii("held", 6, tags=("pii", "keep")),
        pii("young", 3),
        pii("soon", 2),
        pii("gone", 5, assets=AssetsStanding.DELETED),
    ]
    ordered = newest_first(records, these.age_from)
    assert list(
        late_lines(make_plan(these, lambda: ordered, as_of=NOW, accepted_at=None).late)
    ) == [
        "Deadline privacy: 2 jobs are past it (1 held, 1 due later by a policy); 1 will be soon",
        "Deadline records: 2 jobs are past it (1 held, 1 covered by no policy)",
    ]


NEVER, LATER = policy("never", assets="never"), policy("later", assets="9d")
MAYBE = policy("maybe", where(name="x"), assets="9d")


@pytest.mark.parametrize(
    ("policies", "own", "blocker"),
    [
        ((NEVER,), {"tags": ("pii", "keep"), "state": JobState.UNKNOWN}, "hold"),
        ((NEVER,), {"state": JobState.UNKNOWN}, "unfinished"),
        ((NEVER, MAYBE, LATER), {"name": UNKNOWN}, "keep"),
        ((MAYBE, LATER), {"name": UNKNOWN}, "undecided"),
        ((), {"started_at": UNKNOWN}, "no_age"),
        ((LATER, policy("p", assets="1d", archive="5d")), {}, "not_yet"),
    ],
)
def test_what_is_hardest_to_remove(
    policies: tuple[Policy, ...], own: dict[str, Any], blocker: str
) -> None:
    """Deadlines: under what is hardest to remove: `hold`, `unfinished`, `keep` (a keep rule,
    `never`, its build), `undecided`, `no_age`, `no_policy`, `not_yet` (a policy is due later),
    `grace`, `no_receipt`, `missing_files`, `failed`, `limit`, `budget`, or `nothing` (this plan
    deletes it)."""
    words = (
        "hold unfinished keep undecided no_age no_policy not_yet grace no_receipt missing_files"
        " failed limit budget"
    )
    assert [each.value for each in Blocker] == [*words.split(), "nothing"]
    assert late(pii("a", 4, **own), policies=policies, holds=(Hold("tag keep", tag="keep"),)) == {
        blocker: 1
    }
    whole = policy("p", where(build="*"), assets="1d", unit="build")
    members = {"build_id": "b", "build_status": "passed", "build_counters": BuildCounters(2, 0)}
    kept_with_its_build = [pii("a", 4, **members), record("other", 4 * DAY, held=True, **members)]
    assert late(*kept_with_its_build, policies=(whole,)) == {"keep": 1}
    going = planned(pii("a", 4), policies=(ASSETS,))
    assert overdue_counts(going.late) == {"privacy": {"nothing": 1}}
    assert [job.job_id for job in going.jobs()] == [id_of("a")]


def test_a_file_that_cannot_be_had_is_named_as_the_blocker() -> None:
    missing = (MissingFile("video.mp4", "404", NOW - 5 * DAY),)
    lacking = pii("a", 4, archived=frozenset(), missing=missing)
    assert late(lacking, policies=(policy("p", assets="1d", archive="1h"),)) == {"missing_files": 1}
    wish = ArchiveRule(after=parse_duration("1h"), if_unavailable=parse_duration("4d"))
    patient = policy("p", assets="1d", archive=wish)
    assert late(lacking, policies=(patient,)) == {"nothing": 1}
    assert "p: if_unavailable: proceed after 4d" in blocking_rules(deadline(), rules(patient))


def test_a_broken_limit_blocks_what_would_go() -> None:
    jobs = [pii(f"j{n}", 4 + n) for n in range(3)]
    assert late(*jobs, policies=(ASSETS,), limits=Limits(max_jobs=2)) == {"limit": 3}


def test_the_budget_blocks_what_would_go_and_nothing_else() -> None:
    plan = planned(pii("a", 4), pii("b", 4, held=True), policies=(ASSETS,))
    block_what_goes(plan.late, Blocker.BUDGET)
    assert overdue_counts(plan.late) == {"privacy": {"budget": 1, "hold": 1}}


def test_a_plan_that_was_carried_out_leaves_only_what_failed_or_was_left() -> None:
    """Deadlines: what failed, and what was left."""

    def carried_out(failed: set[str], *, finished: bool) -> dict[str, int]:
        plan = planned(pii("a", 4), pii("b", 5), pii("c", 6, held=True), policies=(ASSETS,))
        settle(plan.late, failed, finished=finished)
        return overdue_counts(plan.late)["privacy"]

    assert carried_out(set(), finished=True) == {"hold": 1}
    assert carried_out({id_of("a"), id_of("c")}, finished=True) == {"failed": 1, "hold": 1}
    assert carried_out({id_of("a")}, finished=False) == {"budget": 1, "failed": 1, "hold": 1}


def test_a_deadline_decides_nothing() -> None:
    """Deadlines: `deadlines` change nothing."""
    jobs = [pii(f"j{n}", n) for n in range(9)]
    plain = make_plan(
        rules(ASSETS), lambda: newest_first(jobs, ("end_time",)), as_of=NOW, accepted_at=None
    )
    watched = planned(*jobs, policies=(ASSETS,))
    assert list(plain.jobs()) == list(watched.jobs())
    these = rules(ASSETS, deadlines=(deadline(match=where(custom_data__team="x")),))
    assert decision_fields(these) == decision_fields(rules(ASSETS))
    assert watched_fields(these) == {"custom_data.team"}


def test_a_plan_says_who_is_late_and_why() -> None:
    tally = Late({Blocker.HOLD: 1200, Blocker.NO_RECEIPT: 3, Blocker.NOTHING: 1}, soon=7)
    assert list(late_lines({"b": tally, "a": Late(soon=2), "c": Late()})) == [
        "Deadline a: no job is past it; 2 will be soon",
        (
            "Deadline b: 1,204 jobs are past it (1,200 held, 3 without a receipt, 1 gone with this"
            " plan); 7 will be soon"
        ),
    ]


# --- what can block one ---------------------------------------------------------------------------


def test_each_rule_that_can_block_a_deadline_is_named() -> None:
    rich = policy(
        "rich",
        assets="10d",
        job="20d",
        archive=ArchiveRule(after=parse_duration("4d"), if_purged="keep"),
        unit="build",
        keep=(
            keep("recent", "last", count=5),
            keep("short", "within", duration="2d"),
            keep("long", "within", duration="3d"),
        ),
    )
    these = rules(
        rich,
        policy("forever", job="never"),
        policy("elsewhere", where(tags="x", build="a"), assets="never"),
        policy("prs", where(build="PR-*"), assets="1d"),
        holds=(Hold("tag keep", tag="keep"), Hold("hold audit", match=where(build="main"))),
        limits=Limits(max_jobs=5),
    )
    promise = deadline("3d", match=where(build="PR-*"))
    assert blocking_rules(promise, these) == (
        "hold tag keep",
        "rich: delete_assets: 10d",
        "rich: keep rule recent",
        "rich: keep rule long",
        "rich: unit: build",
        "rich: archive: 4d",
        "rich: if_purged: keep",
        "rich: if_unavailable: keep",
        "limits: max_jobs",
    )
    whole = blocking_rules(deadline(None, "15d", match=where(build="PR-*")), these)
    assert "rich: delete_job: 20d" in whole
    assert "forever: delete_job: never" in whole
    assert "rich: delete_assets: 10d" not in whole


def test_a_rule_that_is_surely_overridden_on_every_job_of_a_deadline_blocks_none() -> None:
    never, default = (
        policy("never", assets="never", archive="9d"),
        policy("rest", assets="9d", default=True),
    )
    exception = policy("exception", PII, assets="1d", overrides=("never",))
    assert blocking_rules(deadline(), rules(never, default, exception)) == ()
    narrower = policy("exception", where(tags="pii", build="x"), assets="1d", overrides=("never",))
    assert "never: delete_assets: never" in blocking_rules(
        deadline(), rules(never, default, narrower)
    )
    above = policy("above", where(build="x"), stop="1d", overrides="all")
    assert "never: delete_assets: never" in blocking_rules(
        deadline(), rules(never, default, exception, above)
    )


def test_grace_is_named_among_what_can_block_a_deadline() -> None:
    patient = rules(policy("p", assets="1d"), grace=parse_duration("12h"))
    assert blocking_rules(deadline(), patient) == ("grace: 12h",)


def test_a_deadline_that_no_policy_serves_is_told_so() -> None:
    promise = Deadline("d", PII, parse_duration("3d"), None, None)
    stored = rules(policy("p", archive="1d"))
    unserved = "no policy says delete_assets of such a job"
    assert blocking_rules(promise, stored) == ("p: if_unavailable: keep", unserved)
    assert blocking_rules(promise, rules(policy("p", job="1d"))) == ()
    assert blocking_rules(promise, rules(policy("p", PII, assets="1d"))) == ()
    part = rules(policy("p", where(name="x"), assets="1d"), policy("q", where(name="y"), job="1d"))
    assert blocking_rules(promise, part) == (
        "no policy says delete_assets of a job that neither p nor q matches",
    )
    assert terms_of(deadline("3d", "2y", match=EVERYTHING)) == "assets gone by 3d, job gone by 2y"
