"""What a plan does is counted once a job, and what it destroys unstored is counted where nothing
has a copy.
"""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.model.assets import Selection
from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import Action, AssetsStanding, MissingFile, Record
from sauce_janitor.model.policies import Rules
from sauce_janitor.report.dangers import loss_lines
from sauce_janitor.retention.plan.costs import requests_for, requests_needed, work_of
from sauce_janitor.retention.plan.effects import (
    JobEffect,
    PlanEffects,
    PlannedLoss,
    Volume,
    Weights,
    effects_of,
    volume_of,
)
from sauce_janitor.retention.plan.planner import Plan, make_plan
from tests.support.jobs import DAY, NOW, record, running
from tests.support.policies import told

BY_RECEIPTS = Weights(
    {
        "command_log": 1e6,
        "server_log": 0.0,
        "video": 6e6,
        "screenshots": 2e6,
        "har": 0.0,
        "performance": 0.0,
        "console": 0.0,
    },
    receipts=40,
)
KNOWN = replace(BY_RECEIPTS, whole=10e6, deletes=30)
RULES = """
archive: {path: ./archive, forbid: [{match: {tags: pii}, assets: [video]}]}
policies:
  - {name: some, match: {os: Linux}, then: {archive: {after: 1h, assets: [logs, video], discard: rest}, delete_assets: 1d}}
  - {name: nothing, match: {os: "Windows*"}, then: {archive: none, delete_assets: 1d, delete_job: 9d}}
  - {name: all-of-it, match: {os: "macOS*"}, then: {archive: 1h, delete_job: 5d}}
  - {name: runaway, match: {os: Android}, then: {stop: 1h}}
"""


def planned(rules: Rules, *jobs: Record) -> Plan:
    ordered = newest_first(jobs, rules.age_from)
    return make_plan(rules, lambda: ordered, as_of=NOW, accepted_at=None)


def effects(*jobs: Record, weights: Weights = KNOWN) -> PlanEffects:
    return effects_of(planned(told(RULES), *jobs), weights)


def old(label: str, days: int = 2, **fields: object) -> Record:
    return record(label, days * DAY, **fields)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Linux", "Windows 11", "macOS 14", "Android", "BeOS"]),
            st.integers(0, 12),
        )
    )
)
def test_each_job_is_counted_once(jobs: list[tuple[str, int]]) -> None:
    found = effects(*(old(str(n), days, os=os) for n, (os, days) in enumerate(jobs)))
    assert sum(found.jobs.values()) == len(jobs)
    assert all(found.archived[effect] <= found.jobs[effect] for effect in JobEffect)


def test_a_job_counts_under_the_most_that_happens_to_it() -> None:
    found = effects(
        old("both", 10),
        old("assets"),
        old("archived", 2, os="macOS 14"),
        old("archived-then-deleted", 6, os="macOS 14"),
        running("stopped", 3 * DAY, os="Android"),
        old("kept", 0),
    )
    assert found.jobs == {
        JobEffect.DELETED: 2,
        JobEffect.ASSETS_DELETED: 1,
        JobEffect.STOPPED: 1,
        JobEffect.ARCHIVED: 1,
        JobEffect.KEPT: 1,
    }
    assert found.archived == {JobEffect.DELETED: 1, JobEffect.ARCHIVED: 1}


def test_the_volumes_of_its_actions_are_those_of_the_plan() -> None:
    plan = planned(
        told(RULES),
        *(old(f"some {days}", days, os="Linux") for days in (2, 3, 40)),
        old("nothing"),
        old("all", os="macOS 12"),
    )
    freed = stored = 0.0
    for template, jobs in plan.rows.templates():
        for action, _, _ in template.actions:
            volume = volume_of(template, action, jobs, KNOWN)
            assert volume is not None
            stored += volume.size_bytes if action is Action.ARCHIVE else 0
            freed += volume.size_bytes if action is not Action.ARCHIVE else 0
    whole = effects_of(plan, KNOWN)
    assert (freed, stored) == (whole.freed.size_bytes, whole.stores.size_bytes)
    assert freed > 0
    assert stored > 0


def test_the_columns_of_a_plan_are_its_jobs_in_their_order() -> None:
    plan = planned(
        told(RULES), *(old(f"some {days}", days, os="Linux") for days in (2, 3, 40)), old("nothing")
    )
    rows, jobs = list(plan.rows.columns()), list(plan.jobs())
    assert len(rows) == len(jobs) == 4
    for (job_id, number, owner, first, last), job in zip(rows, jobs, strict=True):
        assert (job_id.hex(), plan.rows.owners[owner]) == (job.job_id, job.owner)
        assert (first, last) == (job.actions[0].due_since, job.actions[-1].due_since)
        actions = plan.rows.template_list[number].actions
        assert [action for action, _, _ in actions] == [each.action for each in job.actions]


def test_the_requests_of_its_actions_are_those_of_the_plan() -> None:
    plan = planned(
        told(RULES),
        *(old(f"some {days}", days, os="Linux") for days in (2, 3, 40)),
        *(old(f"nothing {days}", days) for days in (5, 12)),
        old("all", 6, os="macOS 12"),
        running("runaway", 3 * DAY, os="Android"),
    )
    found = sum(
        jobs * requests_for(template, action)
        for template, jobs in plan.rows.templates()
        for action in [each[0] for each in template.actions]
    )
    assert math.ceil(round(found, 6)) == requests_needed(work_of(plan))


def test_what_no_receipt_has_or_will_have_is_a_loss() -> None:
    """Nothing is stored, part of it is, a class is forbidden, and the record alone is left."""
    found = effects(
        old("nothing"),
        old("part", os="Linux"),
        old("forbidden", 6, os="macOS 14", tags=("pii",)),
        old("record", 10, assets=AssetsStanding.DELETED),
    )
    part = Selection(frozenset({"logs", "video"}), discard_rest=True)
    assert found.losses == {
        PlannedLoss("nothing", None): 1,
        PlannedLoss("some", part): 1,
        PlannedLoss("all-of-it", Selection(frozenset({"all"}), frozenset({"video"}))): 1,
        PlannedLoss("nothing", None, has_assets=False): 1,
    }
    assert found.lost_jobs == 4


def test_what_a_receipt_has_is_no_loss() -> None:
    everything = frozenset({"all"})
    found = effects(
        old("stored-now", 6, os="macOS 14"),
        old("stored-once", archived=everything),
        old("stored-and-gone", 10, archived=everything, assets=AssetsStanding.DELETED),
        old("purged", 10, os="macOS 14", archived=everything, assets=AssetsStanding.PURGED),
        old("only-archived", 2, os="macOS 14"),
    )
    assert found.losses == {}
    assert found.unstored == Volume()


def test_a_copy_that_is_erased_with_the_job_saves_nothing() -> None:
    stored = (
        old("stored-once", archived=frozenset({"all"})),
        old("record", 10, archived=frozenset({"all"})),
    )
    plan = planned(told(RULES), *stored)
    assert effects_of(plan).lost_jobs == 0
    assert effects_of(plan, erases=True).losses == {PlannedLoss("nothing", None): 2}


def test_an_older_receipt_of_some_files_is_named() -> None:
    (loss,) = effects(old("once", archived=frozenset({"logs"}))).losses
    assert loss == PlannedLoss("nothing", None, frozenset({"logs"}))


def test_files_that_are_given_up_are_a_loss() -> None:
    given_up = RULES.replace(
        "{archive: 1h, delete_job: 5d}",
        """
        {archive: {after: 1h, if_unavailable: {proceed: 1d}}, delete_job: 5d}""",
    )
    lacks = MissingFile("video.mp4", "500", NOW - 3 * DAY)
    job = old("gap", 6, os="macOS 14", archived=frozenset({"all"}), missing=(lacks,))
    (loss,) = effects_of(planned(told(given_up), job)).losses
    assert loss.selection is not None
    assert loss.selection.gives_up == {"video.mp4"}


def test_bytes_are_those_that_deletes_and_receipts_told() -> None:
    found = effects(old("nothing"), old("part", os="Linux"), old("all", 6, os="macOS 14"))
    assert found.freed == Volume(30e6)
    assert found.unstored.size_bytes == 10e6 + 3e6
    assert found.stores.size_bytes == 7e6 + 9e6


def test_without_a_delete_on_record_the_receipts_tell_what_is_freed() -> None:
    found = effects(old("nothing"), old("part", os="Linux"), weights=BY_RECEIPTS)
    assert found.freed == Volume(18e6)
    assert found.unstored == Volume(9e6 + 2e6)


def test_nothing_is_invented_without_receipts_and_deletes() -> None:
    found = effects(old("nothing"), old("part", os="Linux"), weights=Weights())
    for volume in (found.freed, found.unstored, found.stores):
        assert volume.as_row()["bytes"] is None
        assert volume.unknown


def test_a_class_that_no_receipt_told_makes_it_at_least_so_much() -> None:
    found = effects(old("part", os="Linux"), weights=Weights({"video": 6e6}, receipts=3))
    assert found.stores == Volume(6e6, frozenset({"command_log", "server_log"}))


def test_the_rest_of_a_whole_is_not_told_from_parts_of_unknown_size() -> None:
    """What is stored is of unknown size: the whole less nothing would be too much, not at least."""
    found = effects(
        old("part", os="Linux"), weights=Weights({"har": 2e6}, receipts=3, whole=10e6, deletes=3)
    )
    assert found.unstored == Volume(2e6, frozenset({"screenshots", "performance", "console"}))


def test_what_sauce_labs_has_purged_by_now_frees_nothing() -> None:
    found = effects(old("ancient", 40))
    assert found.freed == found.unstored == Volume()
    assert found.lost_jobs == 1, "and is lost all the same"


def test_what_weighs_nothing_is_told_without_a_size() -> None:
    assert next(loss_lines(effects(old("ancient", 40)))) == "Destroyed without a copy: 1 job"


def test_the_row_has_every_effect_and_each_loss() -> None:
    row = effects(old("nothing"), old("part", os="Linux")).as_row()
    assert row["jobs"] == {
        "deleted": 0,
        "assets_deleted": 2,
        "stopped": 0,
        "archived": 0,
        "kept": 0,
    }
    assert row["unstored"] == {
        "jobs": 2,
        "bytes": 13_000_000,
        "unknown": [],
        "by": [
            {
                "policy": "nothing",
                "jobs": 1,
                "stored": [],
                "forbidden": [],
                "given_up": [],
                "only_records": False,
            },
            {
                "policy": "some",
                "jobs": 1,
                "stored": ["logs", "video"],
                "forbidden": [],
                "given_up": [],
                "only_records": False,
            },
        ],
    }
    assert row["estimated_by"] == {"receipts": 40, "deletes": 30}
