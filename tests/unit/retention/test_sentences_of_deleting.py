"""The sections of docs/reference/policies.md on what is deleted, archived and stopped: each test
quotes its sentence.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any, Literal

import pytest
from rich.console import Console

from sauce_janitor import report
from sauce_janitor.execute import Outcome
from sauce_janitor.execute.events import AssetsDeleted, Skip
from sauce_janitor.model.assets import Selection, asset_classes
from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import (
    UNKNOWN,
    Action,
    AssetListing,
    AssetsStanding,
    JobId,
    MissingFile,
    Owner,
    Record,
    Why,
)
from sauce_janitor.model.policies import Rules
from sauce_janitor.retention.plan.archive_pruning import times_of
from sauce_janitor.retention.plan.limits import SMALL_PLAN
from sauce_janitor.retention.plan.planner import Plan, make_plan
from sauce_janitor.sauce.parse import parse_rows
from tests.fakes.execution import House
from tests.support.decisions import decisions, going, ids, whys
from tests.support.execution import ALL, run
from tests.support.jobs import DAY, HOUR, NOW, id_of, record, running
from tests.support.policies import faults, told

ARCHIVE, ASSETS, JOB, STOP = Action.ARCHIVE, Action.DELETE_ASSETS, Action.DELETE_JOB, Action.STOP
SIMPLE = "[{name: p, match: all, then: {archive: none, delete_job: 1d}}]"
BOTH = "[{name: p, match: all, then: {archive: none, delete_assets: 1d, delete_job: 1d}}]"
EVERYTHING = frozenset({"all"})


def old(label: str = "j", age: int = 2 * DAY, **fields: Any) -> Record:
    return record(label, age, **fields)


def planned(rules: Rules, *jobs: Record) -> Plan:
    ordered = newest_first(jobs, rules.age_from)
    return make_plan(rules, lambda: ordered, as_of=NOW, accepted_at=None)


# --- When something is deleted --------------------------------------------------------------------


@pytest.mark.parametrize("action", [ASSETS, JOB])
@pytest.mark.parametrize(
    "aside", [{"held": True}, {"ended_at": None, "state": "unknown"}, {"started_at": UNKNOWN}]
)
def test_all_of_this_must_hold(action: Action, aside: dict[str, Any]) -> None:
    """When something is deleted: `delete_assets` and `delete_job` act on a job only if all of this
    is true:"""
    assert going(told(BOTH), [old()], action) == ids("j")
    assert going(told(BOTH), [old(**aside)], action) == set()


def test_not_held() -> None:
    """When something is deleted: It is not held."""
    rules = told(f"holds: [{{tag: keep}}]\npolicies: {SIMPLE}")
    assert going(rules, [old("held", tags=("keep",)), old("free")]) == ids("free")


@pytest.mark.parametrize(
    "raw",
    [
        "complete",
        "error",
        "errored",
        "passed",
        "failed",
        "finished",
        "in progress",
        "queued",
        "gone",
    ],
)
def test_finished(raw: str) -> None:
    """When something is deleted: It has finished: its raw `status` is final **and** `end_time` is
    set (`consolidated_status` proves nothing)."""
    final = raw in {"complete", "error", "errored", "passed", "failed", "finished"}
    for end in (NOW - 2 * DAY, None):
        row = {
            "id": id_of("j"),
            "owner": "jane",
            "status": raw,
            "consolidated_status": "passed",
            "passed": True,
            "tags": [],
        }
        times = {"start_time": NOW - 2 * DAY, "end_time": end, "modification_time": NOW - 2 * DAY}
        (job,) = parse_rows([row | times], Owner("jane")).jobs
        assert (going(told(SIMPLE), [Record(job)]) == ids("j")) is (final and end is not None)


def test_an_age() -> None:
    """When something is deleted: It has an [age](#age)."""
    assert whys(told(SIMPLE), [old(ended_at=NOW + HOUR)], "j") == {Why.NO_AGE}


def test_a_policy_permits() -> None:
    """When something is deleted: A policy permits the action, and the time that it states has
    passed."""
    rules = told("[{name: p, match: {os: Linux}, then: {archive: none, delete_job: 1d}}]")
    assert going(
        rules, [old("covered", os="Linux"), old("other"), old("young", DAY - 1, os="Linux")]
    ) == ids("covered")


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ("{match: all, then: {archive: none, delete_job: 3d}}", Why.NOT_YET),
        ("{match: all, keep: [{last: 1}], then: {archive: none, delete_job: 1h}}", Why.KEPT),
        ("{match: {os: Linux}, then: {archive: none, delete_job: 1h}}", Why.UNDECIDED),
        ("{match: all, then: {archive: none, delete_job: never}}", Why.NEVER),
    ],
)
def test_no_policy_says_otherwise(other: str, why: Why) -> None:
    """When something is deleted: No policy that matches, or may match, blocks it: not yet due
    there, kept by a keep rule, undecided, or `never`."""
    rules = told(SIMPLE[:-1] + f", {{name: other, {other[1:]}]")
    assert whys(rules, [old(os=UNKNOWN)], "j") == {why}


@pytest.mark.parametrize(
    "assets",
    ["3d", "never", "{after: 1d, keep: [{last: 1}]}"],
    ids=["not yet due", "never", "kept"],
)
def test_deleting_a_job_deletes_its_assets(assets: str) -> None:
    """When something is deleted: **Deleting a job deletes its assets**: while it has any, whatever
    blocks `delete_assets` blocks `delete_job`."""
    rules = told(
        f"[{{name: p, match: all, then: {{archive: none, delete_assets: {assets}, delete_job:"
        " 1d}}]"
    )
    assert whys(rules, [old()], "j", JOB) == {Why.ASSETS_PROTECTED}
    assert going(rules, [old(assets=AssetsStanding.DELETED)], JOB) == ids("j")


def test_receipts() -> None:
    """When something is deleted: Every asset that a matching policy wants archived has a verified
    receipt. If no matching policy wants any, one of them must say `archive: none`."""
    wishing = told("[{name: p, match: all, then: {archive: 5d, delete_job: 1d}}]")
    assert whys(wishing, [old()], "j") == {Why.NOT_ARCHIVED}
    assert whys(wishing, [old(archived=frozenset({"logs"}))], "j") == {Why.NOT_ARCHIVED}
    assert going(wishing, [old(archived=EVERYTHING)]) == ids("j")
    assert going(told(SIMPLE), [old()]) == ids("j")
    house = House()
    job = house.add(1)
    run(house, [replace(house.planned(job, JOB), nothing_wanted_by=None)])
    assert house.sauce.writes() == []


def test_a_wish_that_may_apply() -> None:
    """When something is deleted: If a policy that may match wants any, the job is undecided."""
    rules = told(SIMPLE[:-1] + ", {name: q, match: {os: Linux}, then: {archive: 1h}}]")
    assert whys(rules, [old(os=UNKNOWN)], "j") == {Why.UNDECIDED}


def test_what_is_archived_is_said_aloud() -> None:
    """When something is deleted: A policy that deletes must state `archive`."""
    assert "archive" in faults("[{name: p, match: all, then: {delete_job: 1d}}]")


def test_grace() -> None:
    """When something is deleted: The delete was announced, that is, recorded by a run, at least
    `grace` ago (default `0s`: no announcement). Announcements begin at the age `after - grace`.
    They start over if the job stops being due for any reason but time."""
    assert told(SIMPLE).grace.seconds == 0
    text = """
defaults: {grace: 3d}
policies: [{name: p, match: all, keep: [{last: 1, where: {tags: x}}], then: {archive: none, delete_job: 10d}}]
"""
    rules = told(text)

    def announced(*jobs: Record) -> set[JobId]:
        return {job_id for job_id, _ in planned(rules, *jobs).announced()}

    assert announced(old("early", 7 * DAY - 1), old("from", 7 * DAY)) == ids("from")
    waiting = old(age=11 * DAY, announced={JOB: NOW - 3 * DAY + 1})
    assert whys(rules, [waiting], "j") == {Why.GRACE}
    assert going(rules, [replace(waiting, announced={JOB: NOW - 3 * DAY})]) == ids("j")
    assert announced(old(age=11 * DAY, tags=("x",), announced={JOB: NOW - 9 * DAY})) == set(), (
        "kept: it starts again"
    )


def test_limits() -> None:
    """When something is deleted: No limit is broken."""
    rules = told(f"limits: {{max_jobs: 1}}\npolicies: {SIMPLE}")
    assert planned(rules, old("a")).broken == ()
    assert [limit.limit for limit in planned(rules, old("a"), old("b")).broken] == ["max_jobs"]


@pytest.mark.parametrize(
    "change",
    [
        {"tags": ("x",)},
        {"name": "other"},
        {"owner": Owner("joe")},
        {"status": "failed"},
        {"ended_at": None},
    ],
    ids=str,
)
def test_asked_again(change: dict[str, Any]) -> None:
    """When something is deleted: Right before the delete, Sauce Labs shows the same job: its owner,
    state and every field that a policy or hold reads are unchanged."""
    house = House()
    job = house.add(1)
    plan = [house.planned(job, JOB)]
    house.sauce.change(job, **change)
    run(house, plan)
    assert house.sauce.writes() == []


def test_drift() -> None:
    """When something is deleted: A change can only take a job out of the plan."""
    house = House()
    planned_one, other = house.add(1), house.add(2)
    plan = [house.planned(planned_one, JOB)]
    house.sauce.change(planned_one, name="drifted")
    house.sauce.change(other, name="drifted")
    execution = run(house, plan)
    assert execution.skips == {Skip.CHANGED: 1}
    assert set(house.sauce.world) == {planned_one, other}


# --- Archiving ------------------------------------------------------------------------------------


def wanted(rules: Rules, item: Record) -> Selection | None:
    """What the plan has of a job that is due for archiving."""
    (job,) = planned(rules, item).jobs()
    return job.selection


def test_archive_in_short() -> None:
    """Archiving: | `archive` | meaning |
    |---|---|
    | `5d` | short for `{after: 5d, assets: [all]}` |"""
    short = told("[{name: p, match: all, then: {archive: 2h}}]")
    assert short == told("[{name: p, match: all, then: {archive: {after: 2h, assets: [all]}}}]")


def test_earliest_and_union() -> None:
    """Archiving: Of several policies, the earliest `after` and the assets of all count."""
    rules = told("""
- {name: late, match: all, then: {archive: {after: 5d, assets: [video], discard: rest}}}
- {name: early, match: all, then: {archive: {after: 1d, assets: [logs], discard: rest}}}
""")
    assert decisions(rules, [old()])[id_of("j")][ARCHIVE].policy == "early"
    selection = wanted(rules, old())
    assert selection is not None
    assert selection.key == "logs,video"


def test_none() -> None:
    """Archiving: | `none` | this policy wants no assets |"""
    rules = told(SIMPLE[:-1] + ", {name: q, match: all, then: {archive: 5d}}]")
    assert whys(rules, [old()], "j") == {Why.NOT_ARCHIVED}


def test_forbid() -> None:
    """Archiving: `archive.forbid` beats them all; where its match is unknown, the job is neither
    archived nor deleted."""
    rules = told("""
archive: {path: ./archive, forbid: [{match: {tags: pii}, assets: [video]}]}
holds: [{tag: keep}]
policies: [{name: p, match: all, then: {archive: 1h, delete_job: 1d}}]
""")
    for tags in (("pii",), ("pii", "keep")):
        selection = wanted(rules, old(tags=tags))
        assert selection is not None
        assert not selection.wants("video.mp4")
        assert selection.wants("log.json")
    unsure = told("""
archive: {path: ./archive, forbid: [{match: {os: Linux}, assets: [video]}]}
policies: [{name: p, match: all, then: {archive: 1h, delete_job: 1d}}]
""")
    assert planned(unsure, old(os=UNKNOWN)).job_count == 0


def test_classes() -> None:
    """Archiving: Asset classes: `command_log` (log.json), `server_log`, `device_log`, `logs` (these
    three), `video`, `screenshots`, `har`, `performance`, `console`, `report` (JUnit and other
    uploads), `all`; or globs."""
    for name, its_class in {
        "log.json": "command_log",
        "selenium-server.log": "server_log",
        "logcat.log": "device_log",
        "video.mp4": "video",
        "0001screenshot.png": "screenshots",
        "network.har": "har",
        "performance.json": "performance",
        "console.log": "console",
        "junit.xml": "report",
    }.items():
        assert its_class in asset_classes(name)
        assert ("logs" in asset_classes(name)) is its_class.endswith("_log")
        assert Selection(frozenset({"all"})).wants(name)
        assert (
            faults(
                f"[{{name: p, match: all, then: {{archive: {{after: 1h, assets: [{its_class}],"
                " discard: rest}}}]"
            )
            == ""
        )
    assert Selection(frozenset({"*.xml"})).wants("junit.xml")


def test_the_document_is_stored() -> None:
    """Archiving: `job.json` is always archived."""
    house = House()
    job = house.add(1, assets={})
    run(
        house,
        [house.planned(job, ARCHIVE, selection=Selection(frozenset({"video"}), discard_rest=True))],
    )
    assert list(house.archive.documents) == [job]


def test_sauce_deletes_all_files() -> None:
    """Archiving: Sauce Labs cannot delete a single file: `delete_assets` destroys all, even
    unlisted ones (`_tracelog_*`)."""
    house = House()
    job = house.add(1, hidden={"_tracelog_1.json.gz": b"trace"})
    run(house, [house.planned(job, ARCHIVE, ASSETS, selection=ALL)])
    assert (house.sauce.world[job].assets, house.sauce.world[job].hidden) == ({}, {})
    (told_of,) = [event for event in house.events if isinstance(event, AssetsDeleted)]
    assert told_of.unlisted == ("_tracelog_1.json.gz",)


def test_discard_rest() -> None:
    """Archiving: | `discard: rest` | required with a list of assets shorter than `all`: a delete
    also destroys the others |"""
    text = (
        "[{name: p, match: all, then: {archive: {after: 1h, assets: [logs]REST}, delete_assets:"
        " 1d}}]"
    )
    assert "discard: rest" in faults(text.replace("REST", ""))
    assert faults(text.replace("REST", ", discard: rest")) == ""


def test_what_is_stored_is_printed() -> None:
    """Archiving: So plans show what is destroyed without a copy."""
    rules = told("""
archive: {path: ./archive, forbid: [{match: {tags: pii}, assets: [video]}]}
policies:
  - {name: some, match: {os: Linux}, then: {archive: {after: 1h, assets: [logs, har], discard: rest}, delete_assets: 1d}}
  - {name: nothing, match: {os: "Windows*"}, then: {archive: none, delete_assets: 1d}}
  - {name: all-of-it, match: {os: "macOS*"}, then: {archive: 1h, delete_job: 1d}}
  - {name: later, match: {os: "macOS*"}, then: {archive: 1h, delete_assets: 30d}}
""")
    jobs = [
        old("a", os="Linux"),
        old("b", os="Linux"),
        old("c"),
        old("d", os="macOS 14", assets=AssetsStanding.DELETED),
    ]
    jobs += [old("e", os="Linux", tags=("pii",)), old("f", os="macOS 14")]
    page = io.StringIO()
    report.show_plan(Console(file=page, width=180), planned(rules, *jobs), report.About("eu", ""))
    lines = page.getvalue().splitlines()
    at = lines.index("Destroyed without a copy: 4 jobs, size unknown")
    assert lines[at + 1 : at + 4] == [
        "  1 job of nothing: nothing is archived",
        "  2 jobs of some: archived: har, logs; destroyed: the rest",
        "  1 job of some: archived: har, logs; destroyed: the rest and video (forbidden)",
    ]


def test_the_archive_holds() -> None:
    """Archiving: | `keep_for: 2y` | how long the archive keeps the files; default: forever |"""
    wish = (
        told("[{name: p, match: all, then: {archive: {after: 1h, keep_for: 2y}}}]")
        .policies[0]
        .archive
    )
    assert wish is not None
    assert times_of(wish, "video.mp4") == (parse_duration("2y"),)
    wish = told("[{name: p, match: all, then: {archive: 1h}}]").policies[0].archive
    assert wish is not None
    assert times_of(wish, "video.mp4") is None


def test_only_kept() -> None:
    """Archiving: | `only: kept` | archives only jobs that this policy's keep rules keep;"""
    rules = told("""
- name: p
  match: all
  keep: [{last: 1}]
  then: {archive: {after: 1h, assets: [all], only: kept}, delete_job: 1d}
- {name: other, match: all, keep: [{last: 2}], then: {archive: none, delete_job: 1d}}
""")
    assert going(rules, [old("new"), old("older", 3 * DAY)], ARCHIVE) == ids("new")


def test_purged() -> None:
    """Archiving: Assets are *purged* if the job ended at least 30 days ago and two reads of their
    list, the second right before the delete, gave 404 or nothing. Then `if_purged: proceed`
    (default) deletes the job with only `job.json` archived; `keep` keeps it."""
    assert (
        told("[{name: p, match: all, then: {archive: 1h}}]").policies[0].archive.if_purged  # type: ignore[union-attr]
        == "proceed"
    )  # it has one
    for missing in (True, False):
        house = House()
        job = house.add(1, age_days=30, assets={})
        house.sauce.world[job].listed_as_missing = missing
        run(house, [house.planned(job, ARCHIVE, JOB, selection=ALL)])
        assert job not in house.sauce.world
        kinds = house.effects.kinds()
        assert kinds.count("assets") >= 2
        assert kinds[kinds.index("journal.intent") - 1] == "assets"
    house = House()
    job = house.add(1, age_days=30, assets={})
    run(house, [house.planned(job, ARCHIVE, JOB, selection=replace(ALL, if_purged="keep"))])
    assert job in house.sauce.world


def test_an_empty_list() -> None:
    """Archiving: If a younger job's list is empty, its receipt is empty, too. Its deletes wait
    until that receipt is a day old. Right before, the list is read twice, and must still be
    empty."""
    house = House()
    job = house.add(1, age_days=12, assets={})
    run(house, [house.planned(job, ARCHIVE, JOB, selection=ALL)])
    assert house.archive.files[job] == {}
    assert job in house.sauce.world
    house.clock.passed += DAY
    run(house, [house.planned(job, JOB, selection=ALL)])
    assert job not in house.sauce.world
    kinds = house.effects.kinds()
    assert kinds[kinds.index("journal.intent") - 1] == "assets"


def test_an_empty_list_after_files() -> None:
    """Archiving: If a receipt lists files that sauce-janitor did not delete, the day starts when a
    delete first finds the list empty, and starts over if the list names files in between."""
    house = House()
    job, emptied = house.add(1, age_days=12), house.add(2, age_days=12)
    run(house, [house.planned(job, ARCHIVE, selection=ALL)])
    run(house, [house.planned(emptied, ARCHIVE, Action.DELETE_ASSETS, selection=ALL)])
    house.clock.passed += 2 * DAY
    files = dict(house.sauce.world[job].assets)
    plan = [house.planned(each, JOB, selection=ALL) for each in (job, emptied)]

    house.sauce.world[job].assets = {}
    run(house, plan)
    assert set(house.sauce.world) == {job}

    house.clock.passed += DAY - 60
    house.sauce.world[job].assets = dict(files)
    run(house, [house.planned(job, ARCHIVE, selection=ALL)])
    house.sauce.world[job].assets = {}
    for wait in (60, DAY - 60):
        house.clock.passed += wait
        run(house, plan[:1])
        assert job in house.sauce.world
    house.clock.passed += 60
    run(house, plan[:1])
    assert job not in house.sauce.world


def test_a_missing_list() -> None:
    """Archiving: If a younger job's list answers 404, archiving fails and the job stays."""
    house = House()
    listless = house.add(1, age_days=29)
    house.sauce.lie("assets", lambda _sauce, _job: None, times=99)
    execution = run(house, [house.planned(listless, ARCHIVE, JOB, selection=ALL)])
    assert execution.count(JOB, Outcome.FAILED) == 1
    assert house.sauce.writes() == []


def test_a_missing_file() -> None:
    """Archiving: If a listed file cannot be fetched, the others are archived at once. The receipt
    says what is missing and why, and later runs retry it."""
    house = House()
    job = house.add(1, age_days=12, assets={"log.json": b"[]"})
    honest = AssetListing(("log.json", "gone.log"))
    house.sauce.lie("assets", lambda _sauce, _job: honest, times=99)
    execution = run(house, [house.planned(job, ARCHIVE, JOB, selection=ALL)])
    assert (execution.complete, execution.incomplete, execution.count(JOB, Outcome.FAILED)) == (
        False,
        1,
        1,
    )
    assert house.archive.files[job] == {"log.json": b"[]"}
    assert [each.name for each in house.archive.missing[job]] == ["gone.log"]
    assert house.sauce.writes() == []

    house.sauce.world[job].assets["gone.log"] = b"late"
    assert run(house, [house.planned(job, ARCHIVE, JOB, selection=ALL)]).complete
    assert set(house.archive.files[job]) == {"log.json", "gone.log"}
    assert job not in house.sauce.world


WAITING = (
    "[{name: p, match: all, then: {archive: {after: 1h%s}, delete_assets: 1d, delete_job: 1d}}]"
)
LACKING: dict[str, Any] = {
    "archived": frozenset[str](),
    "missing": (MissingFile("video.mp4", "404", NOW - 14 * DAY),),
}


@pytest.mark.parametrize("said", ["", ", if_unavailable: keep"])
def test_deletes_wait(said: str) -> None:
    """Archiving: Deletes wait for it (`if_unavailable: keep`, the default)"""
    rules, jobs = told(WAITING % said), [old("lacks", **LACKING), old("whole", archived=EVERYTHING)]
    assert whys(rules, jobs, "lacks", ASSETS) == {Why.MISSING, Why.DUE, Why.WITH_THE_JOB}
    assert whys(rules, jobs, "whole") == {Why.DUE}
    assert going(rules, jobs, ARCHIVE) == ids("lacks"), "it is asked for again"
    assert whys(told(WAITING % ", assets: [logs], discard: rest"), jobs, "lacks") == {Why.DUE}, (
        "nobody wants it"
    )


def test_deletes_wait_no_longer() -> None:
    """Archiving: or go ahead once it has been missing for 14 days (`if_unavailable: {proceed:
    14d}`)."""
    for days, why in ((14, Why.GIVEN_UP), (15, Why.MISSING)):
        rules = told(WAITING % f", if_unavailable: {{proceed: {days}d}}")
        assert whys(rules, [old("lacks", **LACKING)], "lacks") == {why, Why.DUE}
    held = replace(old("lacks", **LACKING), held=True)
    assert going(told(WAITING % ", if_unavailable: {proceed: 14d}"), [held], JOB) == set()
    assert "too short" in faults(WAITING % ", if_unavailable: {proceed: 1min}")
    for wrong in ("proceed", "14d", "[keep]"):
        assert "such as {proceed: 14d}" in faults(WAITING % f", if_unavailable: {wrong}")

    house = House()
    job = house.add(1, age_days=12, assets={"log.json": b"[]"})
    house.sauce.lie("assets", lambda _sauce, _job: AssetListing(("log.json", "gone.log")), times=99)
    run(
        house,
        [
            house.planned(
                job, ARCHIVE, JOB, selection=replace(ALL, gives_up=frozenset({"gone.log"}))
            )
        ],
    )
    assert job not in house.sauce.world
    assert set(house.archive.files[job]) == {"log.json"}

    house = House()
    job = house.add(1, age_days=12, assets={"log.json": b"[]"})
    house.sauce.lie(
        "assets", lambda _sauce, _job: AssetListing(("log.json", "gone.log", "new.log")), times=99
    )
    run(
        house,
        [
            house.planned(
                job, ARCHIVE, JOB, selection=replace(ALL, gives_up=frozenset({"gone.log"}))
            )
        ],
    )
    assert job in house.sauce.world, "another file is missing, and not for so long"


def test_the_one_that_waits_longest() -> None:
    """Archiving: Of several policies that archive anything, the longest wait counts."""
    waits = (
        "[{name: a, match: all, then: {archive: {after: 1h, if_unavailable: {proceed: 14d}},"
        " delete_job: 1d}}, %s]"
    )
    other = "{name: b, match: all, then: {archive: {after: 2h, if_unavailable: %s}}}"
    lacks = [old("lacks", **LACKING)]
    for said, why in (
        ("keep", Why.MISSING),
        ("{proceed: 15d}", Why.MISSING),
        ("{proceed: 2d}", Why.GIVEN_UP),
    ):
        assert whys(told(waits % (other % said)), lacks, "lacks") == {why, Why.DUE}
    rules = told(waits % "{name: b, match: all, then: {archive: none}}")
    assert whys(rules, lacks, "lacks") == {Why.GIVEN_UP, Why.DUE}


@pytest.mark.parametrize("if_purged", ["proceed", "keep"])
def test_a_missing_file_that_is_purged(if_purged: Literal["proceed", "keep"]) -> None:
    """Archiving: A missing file that is purged is lost; `if_purged` decides about the job."""
    house = House()
    job = house.add(1, age_days=31, assets={})
    house.archive.files[job] = {"log.json": b"[]"}
    house.archive.discarded[job] = frozenset()
    house.archive.missing[job] = (MissingFile("video.mp4", "404", NOW - 9 * DAY),)
    execution = run(house, [house.planned(job, JOB, selection=replace(ALL, if_purged=if_purged))])
    assert (execution.lost, execution.complete) == (1, False)
    assert (job in house.sauce.world) == (if_purged == "keep")


def test_keeping_and_archiving() -> None:
    """Archiving: Keep rules do **not** stop archiving: Sauce Labs purges assets after 30 days
    anyway."""
    rules = told("[{name: p, match: all, keep: [{last: 9}], then: {archive: 1d, delete_job: 1d}}]")
    assert going(rules, [old()], ARCHIVE) == ids("j")
    assert whys(rules, [old()], "j") == {Why.KEPT}


def test_held_jobs() -> None:
    """Holds: A held job is archived completely, at once and before all others, unless the hold says
    `archive: none`."""
    text = """
holds: [{tag: keep}, {tag: quiet, archive: none}]
policies: [{name: p, match: all, priority: high, then: {archive: {after: 1d, assets: [logs], discard: rest}}}]
"""
    rules = told(text)
    young = HOUR
    jobs = [
        old("soon purged", 29 * DAY),
        old("held", young, tags=("keep",)),
        old("quiet", young, tags=("quiet",)),
    ]
    first, *others = planned(rules, *jobs).jobs()
    assert (first.job_id, first.selection) == (id_of("held"), Selection(EVERYTHING))
    assert {job.job_id for job in others} == ids("soon purged")


# --- Several policies on one job ------------------------------------------------------------------


def test_keep_beats_delete() -> None:
    """Several policies on one job: Keep beats delete."""
    rules = told(
        SIMPLE[:-1]
        + ", {name: q, match: all, keep: [{last: 1}], then: {archive: none, delete_job: 1h}}]"
    )
    assert going(rules, [old("new"), old("older", 3 * DAY)]) == ids("older")


@pytest.mark.parametrize("said", ["9d", "never", "{after: 1h, keep: [{last: 1}]}"])
def test_the_longest(said: str) -> None:
    """Several policies on one job: For each delete action, the longest `after` of all matching
    policies wins (keep and `never` are infinite)."""
    rules = told(
        SIMPLE[:-1] + f", {{name: q, match: all, then: {{archive: none, delete_job: {said}}}}}]"
    )
    assert going(rules, [old(age=9 * DAY - 1)]) == set()
    assert (going(rules, [old(age=9 * DAY)]) == ids("j")) is (said == "9d")


def test_order() -> None:
    """Several policies on one job: The order of policies, file names and includes never matters."""
    policies = [
        "{name: z, match: all, then: {archive: none, delete_job: 5d}}",
        "{name: a, match: all, then: {archive: 1h, delete_job: 5d}}",
    ]
    jobs = [old(f"j{n}", n * DAY) for n in range(9)]
    forth, back = (told(f"[{', '.join(order)}]") for order in (policies, policies[::-1]))
    assert decisions(forth, jobs) == decisions(back, jobs)


def test_no_opinion() -> None:
    """Several policies on one job: A policy says nothing about actions that it does not state."""
    rules = told(BOTH[:-1] + ", {name: q, match: all, then: {archive: none, delete_job: never}}]")
    assert going(rules, [old()], ASSETS) == ids("j")


OVERRIDING = """
- {name: base, match: all, keep: [{last: 1}], then: {archive: 9d, delete_assets: 9d, delete_job: 9d}}
- {name: nay, match: all, then: {archive: none, delete_assets: never}}
- {name: maybe, match: {os: Linux}, then: {archive: none, delete_assets: 9d}}
- {name: short, match: {tags: pii}, overrides: OTHERS, then: {archive: none, delete_assets: 1d}}
"""


@pytest.mark.parametrize("others", ["[base, nay, maybe]", "all"])
def test_overrides(others: str) -> None:
    """Several policies on one job: Only `overrides: [other]` or `overrides: all` makes a time
    shorter: where this policy's match is certainly true, it replaces what the named policies say
    (after, keep, never, undecided, archive) about the actions that it states itself."""
    rules = told(OVERRIDING.replace("OTHERS", others))
    surely, plain, maybe = (
        old("surely", tags=("pii",), os=UNKNOWN),
        old("plain"),
        old("maybe", tags=UNKNOWN),
    )
    assert going(rules, [surely, plain, maybe], ASSETS) == ids("surely")
    assert whys(rules, [surely], "surely", JOB) == {
        Why.NOT_YET,
        Why.KEPT,
    }, "of what it does not state it takes nothing"


@pytest.mark.parametrize("tags", [("pii",), UNKNOWN], ids=["overridden", "may be"])
def test_slots_of_overridden_policies(tags: Any) -> None:
    """Several policies on one job: A job that is or may be overridden takes no slot in the
    overridden policy."""
    rules = told("""
- {name: base, match: all, keep: [{last: 1}], then: {archive: none, delete_job: 1d}}
- {name: short, match: {tags: pii}, overrides: [base], then: {archive: none, delete_job: 10y}}
""")
    jobs = [old("odd", 2 * DAY, tags=tags), old("j1", 3 * DAY), old("j2", 4 * DAY)]
    assert going(rules, jobs) == ids("j2")


@pytest.mark.parametrize("tags", [("top",), UNKNOWN], ids=["is", "may be"])
def test_overridden_overriders(tags: Any) -> None:
    """Several policies on one job: A policy that is or may be overridden on a job overrides nothing
    on it."""
    rules = told("""
- {name: base, match: all, then: {archive: none, delete_job: never}}
- {name: middle, match: all, overrides: [base], then: {archive: none, delete_job: 1d}}
- {name: top, match: {tags: top}, overrides: [middle], then: {archive: none, delete_job: 1d}}
""")
    assert going(rules, [old("odd", tags=tags), old("plain")]) == ids("plain")


def test_cycles() -> None:
    """Several policies on one job: Cycles are an error."""
    then = "match: all, then: {archive: none, delete_job: 1d}"
    assert "overrides" in faults(
        f"[{{name: a, overrides: [b], {then}}}, {{name: b, overrides: [a], {then}}}]"
    )


def test_the_default() -> None:
    """Several policies on one job: `default: true` (at most one per account, without `unit: build`
    and `overrides`) covers, for each action, the jobs for which no other policy that matches, or
    may match, states that action."""
    default = "default: true, then: {archive: none, delete_assets: 1d, delete_job: 1d}"
    assert "default" in faults(f"[{{name: a, {default}}}, {{name: b, {default}}}]")
    assert (
        faults(f"[{{name: a, accounts: [eu], {default}}}, {{name: b, accounts: [us], {default}}}]")
        == ""
    )
    assert faults(f"[{{name: a, unit: build, {default}}}]")
    assert faults(f"[{{name: a, overrides: all, {default}}}]")
    rules = told(
        f"[{{name: a, {default}}}, {{name: b, match: {{os: Linux}}, then: {{archive: none,"
        " delete_assets: 9d}}]"
    )
    jobs = [old("other"), old("stated", os="Linux"), old("maybe", os=UNKNOWN)]
    assert going(rules, jobs, ASSETS) == ids("other")
    gone = [replace(job, assets=AssetsStanding.DELETED) for job in jobs[:2]]
    assert going(rules, gone, JOB) == ids("other", "stated")


def test_no_policy() -> None:
    """Several policies on one job: A job that no policy covers stays."""
    assert going(told("[]"), [old(age=999 * DAY)]) == set()


# --- Stopping jobs --------------------------------------------------------------------------------

STOPPING = "[{name: p, match: all, then: {stop: 6h}}]"


def test_stop() -> None:
    """Stopping jobs: `then: {stop: 6h}` stops a job that still runs 6 hours after its start,"""
    jobs = [
        running("long", 6 * HOUR + 1),
        running("short", 5 * HOUR),
        running("queued", DAY, state="queued"),
        old("over"),
    ]
    assert going(told(STOPPING), jobs, STOP) == ids("long")


def test_a_hold_prevents_it() -> None:
    """Stopping jobs: unless it is held."""
    rules = told(f"holds: [{{tag: keep}}]\npolicies: {STOPPING}")
    assert whys(rules, [running("j", DAY, tags=("keep",))], "j", STOP) == {Why.HELD}


def test_stops_are_limited_and_journaled() -> None:
    """Stopping jobs: Like a delete, a stop is planned, limited and journaled;"""
    limited = told(f"limits: {{max_percent: 50}}\npolicies: {STOPPING}")
    made = planned(limited, *[running(f"r{n}", DAY) for n in range(SMALL_PLAN)])
    assert made.totals[STOP] == SMALL_PLAN
    assert [broken.limit for broken in made.broken] == ["max_percent"]
    house = House()
    job = house.add(1, state=running("r").job.state)
    run(house, [house.planned(job, STOP)])
    assert house.journal.outcomes(job) == ["confirmed"]
