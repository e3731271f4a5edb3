"""The sections "Keep rules" and "Builds" of docs/reference/policies.md, and some details: each test
quotes its sentence.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from sauce_janitor.model.jobs import (
    UNKNOWN,
    Action,
    AssetsStanding,
    BuildCounters,
    JobState,
    Owner,
    Record,
    Why,
)
from sauce_janitor.retention.fingerprint import decision_fields
from sauce_janitor.sauce.parse import parse_rows
from tests.fakes.execution import House
from tests.support.decisions import going, ids, whys
from tests.support.execution import ALL, run
from tests.support.jobs import BERLIN, DAY, HOUR, NOW, id_of, record, running
from tests.support.policies import faults, told

ARCHIVE, ASSETS, JOB = Action.ARCHIVE, Action.DELETE_ASSETS, Action.DELETE_JOB


def kept(
    rule: str, jobs: list[Record], *, more: str = "", zone: str = "UTC", as_of: int = NOW
) -> set[str]:
    """The jobs that stay under one keep rule; without it all of them would go."""
    policies = (
        f"[{{name: p, match: {{not: {{tags: other}}}}, keep: [{rule}], {more} then: {{archive:"
        " none, delete_job: 1h}}]"
    )
    rules = told(f"timezone: {zone}\npolicies: {policies}")
    everything: set[str] = {job.job.id for job in jobs}
    return everything - going(rules, jobs, as_of=as_of)


def days(*ages: int, **fields: Any) -> list[Record]:
    """j1 is a day old, j2 two, …"""
    return [record(f"j{age}", age * DAY, **fields) for age in ages]


def at(text: str, label: str, **fields: Any) -> Record:
    """A job that ended at that local time of Berlin."""
    return record(
        label, NOW - int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()), **fields
    )


# --- Keep rules -----------------------------------------------------------------------------------


def test_how_keep_rules_are_evaluated() -> None:
    """Keep rules: One rule is enough to keep a job. In each `group_by` group, rules count *all*
    jobs that certainly match the policy, due or not. The newest is the one with the
    smallest [age](#age); of equal ages, the id decides."""
    assert kept("{last: 1}, {within: 3d}", days(1, 2, 3, 4)) == ids("j1", "j2", "j3")
    young, foreign, maybe = (
        record("young", 1),
        record("foreign", 2, tags=("other",)),
        record("maybe", 3, tags=UNKNOWN),
    )
    assert kept("{last: 1}", [young, foreign, maybe, *days(1)]) == ids("young", "foreign", "maybe")
    firefox = [record(f"f{age}", age * DAY, browser="firefox") for age in (5, 6)]
    assert kept("{last: 1}", [*days(1, 2), *firefox], more="group_by: [browser],") == ids(
        "j1", "f5"
    )
    ties = [record(f"t{n}", DAY) for n in range(5)]
    assert kept("{last: 2}", ties) == set(sorted(job.job.id for job in ties)[:2])


def test_last() -> None:
    """Keep rules: | rule | keeps |
    |---|---|
    | `last: N` | the newest N |"""
    assert kept("{last: 2}", days(1, 2, 3)) == ids("j1", "j2")


def test_where() -> None:
    """Keep rules: `where:` restricts which jobs count. If it is unknown for a job, the job stays
    and takes no slot (it is not one of the N)."""
    red, unread = record("red", HOUR, status="failed"), record("unread", 2 * HOUR, status=UNKNOWN)
    assert kept("{last: 1, where: {status: passed}}", [red, unread, *days(1, 2)]) == ids(
        "unread", "j1"
    )


def test_since_last() -> None:
    """Keep rules: | `since_last: {…}` | all that are newer than the newest certain match; all, if
    none matches |"""
    rule = "{since_last: {status: passed}}"
    reds, maybe = days(1, 3, status="failed"), record("maybe", 2 * DAY, status=UNKNOWN)
    assert kept(rule, [*reds, maybe, record("green", 4 * DAY), *days(5, status="failed")]) == ids(
        "j1", "maybe", "j3"
    )
    assert kept(rule, reds) == ids("j1", "j3")


@pytest.mark.parametrize(
    ("kind", "inside", "outside"),
    [
        ("daily", ["2026-06-01T00:00", "2026-05-31T00:00"], "2026-05-30T23:59"),
        ("weekly", ["2026-06-01T00:00", "2026-05-25T00:00"], "2026-05-24T23:59"),
        ("monthly", ["2026-06-01T00:00", "2026-05-01T00:00"], "2026-04-30T23:59"),
        ("yearly", ["2026-01-01T00:00", "2025-01-01T00:00"], "2024-12-31T23:59"),
    ],
)
def test_calendar_rules(kind: str, inside: list[str], outside: str) -> None:
    """Keep rules: | `daily`, `weekly`, `monthly`, `yearly: N` | one job in each of the last N
    calendar periods in `timezone`, including the current one; ISO weeks |"""
    (first, second), third = inside, outside
    jobs = [at(first, "this"), at(second, "last"), at(third, "out")]
    assert kept(f"{{{kind}: 2}}", jobs, zone="Europe/Berlin") == ids("this", "last")
    crowded = [*jobs, at(first.replace("00:00", "00:30"), "newer")]
    assert kept(f"{{{kind}: 2}}", crowded, zone="Europe/Berlin") == ids("newer", "last")


@pytest.mark.parametrize(
    ("pick", "stays"),
    [
        ("", "late"),
        (", pick: newest", "late"),
        (", pick: oldest", "early"),
        (", pick: failed", "red"),
        (", pick: passed", "late"),
        (", pick: [error, failed, newest]", "red"),
        (", pick: [error, oldest]", "early"),
    ],
)
def test_pick(pick: str, stays: str) -> None:
    """Keep rules: `pick` chooses the job of a period: `newest` (default), `oldest`, `failed`,
    `passed`, or a list by preference; a job with an unknown status stays and takes no slot."""
    jobs = [record("early", DAY + 2), record("red", DAY + 1, status="failed"), record("late", DAY)]
    assert kept(f"{{daily: 3{pick}}}", jobs) == ids(stays)
    unread = record("unread", DAY - 1, status=UNKNOWN)
    if "failed" in pick:
        assert kept(f"{{daily: 3{pick}}}", [unread, *jobs]) == ids("unread", stays)


def test_nonempty() -> None:
    """Keep rules: `nonempty: true` counts only periods with jobs."""
    assert kept("{daily: 2}", days(1, 5, 9)) == ids("j1")
    assert kept("{daily: 2, nonempty: true}", days(1, 5, 9)) == ids("j1", "j5")


def test_within() -> None:
    """Keep rules: | `within: D` | all up to D before `as_of` |"""
    assert kept("{within: 5d}", days(1, 5, 6)) == ids("j1", "j5")


def test_within_of_newest() -> None:
    """Keep rules: | `within_of_newest: D` | all up to D before the newest |"""
    other = [record(f"f{age}", age * DAY, browser="firefox") for age in (50, 52, 54)]
    jobs = [*days(10, 12, 14), *other]
    assert kept("{within_of_newest: 2d}", jobs, more="group_by: [browser],") == ids(
        "j10", "j12", "f50", "f52"
    )


@pytest.mark.parametrize(
    "aside", [record("odd", 1, held=True), running("odd", 1), record("odd", 1, started_at=UNKNOWN)]
)
def test_jobs_set_aside(aside: Record) -> None:
    """Keep rules: Held and running jobs and jobs without an age stay anyway and take no slot."""
    assert kept("{last: 1}", [aside, *days(1, 2)]) == ids("odd", "j1")


def test_nulls_in_group_by() -> None:
    """Keep rules: A job with null in a `group_by` field stays, unless `null_group: shared` makes
    such jobs one group."""
    jobs = [*days(1, 2), *[record(f"n{age}", age * DAY, os=None) for age in (3, 4)]]
    assert kept("{last: 1}", jobs, more="group_by: [os],") == ids("j1", "n3", "n4")
    assert kept("{last: 1}", jobs, more="group_by: [os], null_group: shared,") == ids("j1", "n3")


def test_unknowns_in_group_by() -> None:
    """Keep rules: A job with an unknown field stays in any case."""
    jobs = [*days(1, 2), *[record(f"u{age}", age * DAY, os=UNKNOWN) for age in (3, 4)]]
    assert kept("{last: 1}", jobs, more="group_by: [os], null_group: shared,") == ids(
        "j1", "u3", "u4"
    )


def test_what_a_keep_protects() -> None:
    """Keep rules: A policy's `keep` protects record and assets, for the actions that it states; in
    `delete_assets: {after: 10d, keep: […]}` for that action only."""
    both = told(
        "[{name: p, match: all, keep: [{last: 1}], then: {archive: none, delete_assets: 1h,"
        " delete_job: 1h}}]"
    )
    for action in (ASSETS, JOB):
        assert going(both, days(1, 2), action) == ids("j2")
    only_assets = told("""
- {name: p, match: all, keep: [{last: 1}], then: {archive: none, delete_assets: 1h}}
- {name: q, match: all, then: {archive: none, delete_job: 1h}}
""")
    assert going(only_assets, days(1, assets=AssetsStanding.DELETED), JOB) == ids("j1")
    alone = told(
        "[{name: p, match: all, then: {archive: none, delete_assets: 1d, delete_job: {after: 1d,"
        " keep: [{last: 1}]}}}]"
    )
    assert going(alone, days(1, 2), ASSETS) == ids("j1", "j2")
    assert going(alone, days(1, 2), JOB) == ids("j2")


# --- Builds ---------------------------------------------------------------------------------------

WHOLE = (
    '[{name: rcs, unit: build, match: {build: "rc-*"}, keep: [{last: 1}], then: {archive: none,'
    " delete_job: 10d}}]"
)


def build(
    identity: str, *ages: int, counters: BuildCounters | None = None, **fields: Any
) -> list[Record]:
    """The jobs `identity-0`, `identity-1`, … of a build, with ages in days."""
    made = counters or BuildCounters(len(ages), 0)
    known = {
        "build": f"rc-{identity}",
        "build_id": identity,
        "build_status": "success",
        "build_counters": made,
    }
    return [record(f"{identity}-{n}", age * DAY, **(known | fields)) for n, age in enumerate(ages)]


NEWEST = build("new", 1)


def whole(*jobs: Record) -> set[str]:
    """What goes beside a younger build that takes the one slot."""
    return going(told(WHOLE), [*NEWEST, *jobs])


def test_units() -> None:
    """Builds: The default is `unit: job`:"""
    assert told("[{name: p, match: all, then: {stop: 1h}}]").policies[0].unit == "job"


def test_identity() -> None:
    """Builds: A build is known by its id of the builds API, where there is one: several builds can
    share a name."""
    twins = [
        *build("a", 11, build="rc-x"),
        *build("b", 12, build="rc-x"),
        *build("c", 13, build="rc-x"),
    ]
    assert going(told(WHOLE), twins) == ids("b-0", "c-0")


@pytest.mark.parametrize(
    ("policies", "asks"),
    [
        ('[{name: p, match: {build: "rc-*"}, then: {stop: 1h}}]', False),
        ("[{name: p, match: {build_status: failed}, then: {stop: 1h}}]", True),
        (WHOLE, True),
        (
            (
                "[{name: p, match: all, keep: [{last: 1, where: {build_status: failed}}], then:"
                " {archive: none, delete_job: 1d}}]"
            ),
            True,
        ),
    ],
)
def test_when_builds_are_asked_for(policies: str, asks: bool) -> None:
    """Builds: Builds are read only if a policy or hold needs them"""
    assert decision_fields(told(policies)).read_builds is asks
    held = told(f"holds: [{{match: {{build_status: error}}}}]\npolicies: {policies}")
    assert decision_fields(held).read_builds


@pytest.mark.parametrize("open_jobs", [0, 1, UNKNOWN])
def test_when_a_build_is_over(open_jobs: Any) -> None:
    """Builds: A build has finished when its counters show no open job."""
    assert bool(whole(*build("a", 20, 21, counters=BuildCounters(2, open_jobs)))) is (
        open_jobs == 0
    )


def test_a_kept_job_and_its_build() -> None:
    """Builds: a kept job does not keep the rest of its build,"""
    rules = told(
        '[{name: p, match: {build: "rc-*"}, keep: [{last: 1}], then: {archive: none, delete_job:'
        " 10d}}]"
    )
    assert going(rules, build("a", 20, 21)) == ids("a-1")


def test_holds_on_builds() -> None:
    """Builds: but a hold by `match` on build fields holds every job in it."""
    rules = told(f"holds: [{{match: {{build: rc-a, build_status: success}}}}]\npolicies: {WHOLE}")
    assert going(rules, [*NEWEST, *build("a", 20, 21), *build("b", 22)]) == ids("b-0")


@pytest.mark.parametrize(
    "odd",
    [
        {"held": True},
        {"state": JobState.RUNNING},
        {"ended_at": NOW - DAY, "started_at": NOW - DAY - 60},
        {"build": UNKNOWN},
        {"tags": ("pii",)},
    ],
    ids=["held", "running", "young", "undecided", "kept or vetoed by another"],
)
def test_whole_or_not_at_all(odd: dict[str, Any]) -> None:
    """Builds: A policy with `unit: build` ranks and ages a build by its newest end, and deletes it
    completely or not at all. One job that is kept, held, running, not yet due, undecided or blocked
    by another policy keeps the whole build."""
    assert whole(*build("a", 20, 21, 90)) == ids("a-0", "a-1", "a-2")
    assert whole(*build("a", 9, 21, 90)) == set()
    assert going(told(WHOLE), [*build("b", 11, 90), *build("a", 20)]) == ids("a-0")
    rules = told(
        WHOLE[:-1] + ", {name: pii, match: {tags: pii}, then: {archive: none, delete_job: never}}]"
    )
    (first,) = build("a", 20, counters=BuildCounters(2, 0), **odd)
    assert going(rules, [*NEWEST, first, *build("a", 20, 21)[1:]]) == set()
    keeping = told(
        WHOLE[:-1]
        + ", {name: q, match: {tags: pii}, keep: [{last: 1}], then: {archive: none, delete_job:"
        " 1h}}]"
    )
    assert going(keeping, [*NEWEST, first, *build("a", 20, 21)[1:]]) == set()


def test_fields_of_a_build_policy() -> None:
    """Builds: Such a policy may match on `build` and `build_status` only."""
    assert faults(WHOLE) == ""
    assert "os" in faults(WHOLE.replace("{build:", "{os: Linux, build:"))


@pytest.mark.parametrize(
    ("listed", "deleted", "total"), [(3, 0, 3), (3, 2, 5), (3, 0, 4), (3, 1, 3), (3, 0, UNKNOWN)]
)
def test_jobs_add_up(listed: int, deleted: int, total: Any) -> None:
    """Builds: The number of its listed jobs, plus those that sauce-janitor deleted, must equal the
    API's count (finished + running + queued + new). Otherwise it is undecided."""
    jobs = build("a", *range(20, 20 + listed), counters=BuildCounters(total, 0, deleted))
    assert bool(whole(*jobs)) is (listed + deleted == total)
    if listed + deleted != total:
        assert Why.UNDECIDED in whys(told(WHOLE), [*NEWEST, *jobs], "a-0")


def test_a_build_goes_with_its_jobs() -> None:
    """Builds: Sauce Labs has no call to delete a build: it disappears with its jobs."""
    house = House()
    jobs = [house.add(n) for n in (1, 2)]
    run(house, [house.planned(job, JOB) for job in jobs])
    assert house.sauce.writes() == [("DELETE-job", job) for job in jobs]


# --- Details --------------------------------------------------------------------------------------

PLAIN = "[{name: p, match: all, then: {archive: none, delete_job: 1d}}]"


def test_exactly_that_age() -> None:
    """Age: At exactly that age, `after` is due and `within` still keeps."""
    assert going(told(PLAIN), [record("at", DAY), record("before", DAY - 1)]) == ids("at")
    assert kept("{within: 1d}", [record("at", DAY), record("past", DAY + 1)]) == ids("at")


def test_both_deletes() -> None:
    """When something is deleted: If both deletes are due, one DELETE of the job does both."""
    house = House()
    job = house.add(1)
    run(house, [house.planned(job, JOB)])
    assert house.sauce.writes() == [("DELETE-job", job)]
    both = told("[{name: p, match: all, then: {archive: none, delete_assets: 1d, delete_job: 1d}}]")
    assert Why.WITH_THE_JOB in whys(both, days(2), "j2", ASSETS)


def test_slots_by_action() -> None:
    """Keep rules: Slots are counted per action, among jobs on which the policy
    [counts](commands.md#explain)."""
    rules = told("""
- {name: pii, match: {tags: pii}, then: {archive: none, delete_assets: 1h}}
- {name: rest, default: true, keep: [{last: 1}], then: {archive: none, delete_assets: 1h, delete_job: 1h}}
""")
    gone = {"assets": AssetsStanding.DELETED}
    assert going(rules, [record("pii", DAY, tags=("pii",)), *days(2, 3)], ASSETS) == ids(
        "pii", "j3"
    )
    assert going(
        rules, [record("pii", DAY, tags=("pii",), **gone), *days(2, 3, **gone)], JOB
    ) == ids("j2", "j3")


@pytest.mark.parametrize(
    "aside", [running("odd", 1, status="passed"), record("odd", 1, state=JobState.UNKNOWN)]
)
def test_unfinished_jobs(aside: Record) -> None:
    """Keep rules: Unfinished jobs never count as the last match of `since_last` or the newest of
    `within_of_newest`."""
    assert kept("{since_last: {status: passed}}", [aside, *days(9, status="failed")]) == ids(
        "odd", "j9"
    )
    assert kept("{within_of_newest: 1d}", [aside, *days(8, 9)]) == ids("odd", "j8", "j9")


def test_unclear_holds() -> None:
    """Holds: A hold whose `match` is unknown protects the job. A `tag_prefix` (`keep-until=`) holds
    through the date that follows it in the tag, and forever if no date can be read."""
    rules = told(
        f'holds: [{{match: {{os: Linux}}}}, {{tag_prefix: "keep-until="}}]\npolicies: {PLAIN}'
    )
    assert whys(rules, days(2, os=UNKNOWN), "j2") == {Why.HELD}
    for rest in ("soon", "", "2026-02-30", "31.12.2026"):
        assert whys(rules, days(2, tags=(f"keep-until={rest}",)), "j2") == {Why.HELD}
    assert going(rules, days(2, tags=("keep-until=2026-05-31",))) == ids("j2")


def row(**fields: object) -> Any:
    """A job as the listing gives it."""
    known: dict[str, object] = {
        "id": id_of("j"),
        "owner": "jane",
        "status": "complete",
        "passed": None,
        "end_time": NOW - DAY,
        "tags": [],
    }
    (job,) = parse_rows([known | fields], Owner("jane")).jobs
    return job


@pytest.mark.parametrize("blank", ["", "  "])
def test_blanks(blank: str) -> None:
    """Matching: Blank `build` and `error` are null."""
    assert (row(build=blank).build, row(error=blank).error, row(error=blank).status) == (
        None,
        None,
        "complete",
    )


def test_a_final_status_without_an_end() -> None:
    """Matching: A final status without `end_time` means `unknown`."""
    assert row(end_time=None).state is JobState.UNKNOWN


@pytest.mark.parametrize("standing", [AssetsStanding.DELETED, AssetsStanding.PURGED])
def test_when_assets_are_gone(standing: AssetsStanding) -> None:
    """When something is deleted: Assets are gone once sauce-janitor has deleted or Sauce Labs has
    purged them."""
    rules = told(
        "[{name: p, match: all, then: {archive: none, delete_assets: never, delete_job: 1d}}]"
    )
    assert going(rules, [*days(2, assets=standing), *days(3)]) == ids("j2")
    house = House()
    job = house.add(1)
    run(house, [house.planned(job, ARCHIVE, ASSETS, selection=ALL)])
    assert house.journal.assets_deleted(job)


def test_only_kept_of_a_job_not_kept() -> None:
    """Archiving: other jobs as with `none` |"""
    rules = told(
        "[{name: p, match: all, keep: [{last: 1}], then: {archive: {after: 1h, assets: [all], only:"
        " kept}, delete_job: 1d}}]"
    )
    assert going(rules, days(1, 2), ARCHIVE) == ids("j1")
    assert going(rules, days(1, 2), JOB) == ids("j2"), (
        "nothing is wanted of it, and that was said aloud"
    )


@pytest.mark.parametrize(
    ("odd", "counters"),
    [
        ({"held": True}, None),
        ({"state": JobState.RUNNING}, None),
        ({"started_at": UNKNOWN}, None),
        ({"build_status": UNKNOWN}, BuildCounters(1, UNKNOWN)),
        ({}, BuildCounters(2, 0)),
    ],
    ids=["held", "unfinished", "ageless", "unknown", "a count that differs"],
)
def test_builds_that_take_no_slot(odd: dict[str, Any], counters: BuildCounters | None) -> None:
    """Builds: A build stays and takes no slot if the count differs, or if one of its jobs is held,
    unfinished, unknown or without an age."""
    jobs = [*build("odd", 11, counters=counters, **odd), *build("a", 12), *build("b", 13)]
    assert going(told(WHOLE), jobs) == ids("b-0")
