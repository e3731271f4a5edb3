"""Whole runs over young jobs of which nothing is listed: they wait for a day, and every command
says so.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from sauce_janitor.execute import asset_lists
from sauce_janitor.execute.events import Skip
from sauce_janitor.model.jobs import JobId
from tests.support.commands import DAY, Commands

POLICY = """
limits: {max_percent: null}
policies:
  - {name: copied, match: all, then: {archive: {after: 1h}, delete_job: 3d}}
deadlines: [{name: privacy, match: all, job_gone_by: 4d}]
"""


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    """Two old jobs; nothing is listed of the older one."""
    desk = open_desk(jobs=0)
    desk.configure(POLICY)
    ended = int(time.time()) - 10 * DAY
    jobs = [
        desk.sandbox.arrive(created_at=ended + n, name="checkout", build="nightly-1", tags=[])
        for n in range(2)
    ]
    desk.sandbox.inject("empty_list", endpoint="assets.list", job=jobs[0])
    return desk


def test_a_waiting_job_is_explained_and_is_neither_a_failure_nor_overdue(desk: Commands) -> None:
    sound, bare = desk.sandbox.job_ids()
    began = int(time.time())
    said = desk.say("run", "--execute").stdout
    assert (
        "Skipped 1 action: Sauce Labs lists no assets, as it also does when its lists fail" in said
    )
    assert desk.deleted() == {sound}

    [told] = json.loads(desk.say("explain", bare, "--format", "json").stdout)
    waits_until = datetime.fromisoformat(told["waits_until"]).astimezone(UTC).timestamp()
    assert began + DAY <= waits_until <= time.time() + DAY
    assert (
        "Sauce Labs lists no assets of it, as it does when its lists fail"
        in desk.say("explain", bare).stdout
    )

    result = desk.run(execute=True)
    assert result.execution is not None
    assert result.execution.skips == {Skip.NOTHING_LISTED: 1}
    assert result.complete
    assert result.plan.late["privacy"].total == 0


def test_a_job_that_lists_nothing_a_day_later_either_goes(
    desk: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert desk.run(execute=True).complete
    [bare] = desk.sandbox.job_ids()
    desk.later_s = 60
    # Executing goes by the machine's clock, which no test sets on: the day is shorter instead.
    monkeypatch.setattr(asset_lists, "PATIENCE_S", 0)
    assert desk.run(execute=True).complete
    assert bare in desk.deleted()


def test_only_a_due_job_with_an_empty_receipt_waits(desk: Commands) -> None:
    desk.configure(POLICY.replace("3d", "300d").replace("4d", "400d"))
    assert desk.run(execute=True).complete
    sound, bare = desk.sandbox.job_ids()
    assert (
        json.loads(desk.say("explain", bare, "--format", "json").stdout)[0]["waits_until"] is None
    )
    desk.configure(POLICY)
    found = [
        json.loads(desk.say("explain", job, "--format", "json").stdout)[0]["waits_until"]
        for job in (bare, sound)
    ]
    assert found[0] is not None
    assert found[1] is None


@pytest.mark.parametrize("action", ["delete_job", "delete_assets"])
def test_a_list_that_is_empty_after_a_receipt_with_files_is_doubted_for_a_day(
    desk: Commands, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    due = POLICY.replace("delete_job: 3d", f"{action}: 3d")
    desk.configure(due.replace(f"{action}: 3d", f"{action}: 300d").replace("4d", "400d"))
    assert desk.run(execute=True).complete
    job, bare = desk.sandbox.job_ids()
    desk.sandbox.remove(bare)
    desk.sandbox.upload(job, "late.log", b"uploaded after the archiving")
    desk.configure(due)
    lists = desk.sandbox.inject("empty_list", endpoint="assets.list", job=job)

    def told() -> str | None:
        [explained] = json.loads(desk.say("explain", job, "--format", "json").stdout)
        until = explained["waits_until"]
        assert until is None or isinstance(until, str)
        return until

    assert told() is None, "no empty list was seen yet"
    began = int(time.time())
    for _ in range(2):
        result = desk.run(execute=True)
        assert result.execution is not None
        assert result.execution.skips == {Skip.NOTHING_LISTED: 1}
        assert result.complete
    assert lists.fired >= 4
    until = told()
    assert until is not None
    assert began + DAY <= datetime.fromisoformat(until).timestamp() <= time.time() + DAY
    assert desk.writes() == []
    assert not desk.state.journal.of(JobId(job))[1:], "nothing but the archiving is journaled"

    desk.sandbox.faults.disarm()
    monkeypatch.setattr(asset_lists, "PATIENCE_S", 0)
    assert desk.run(execute=True).complete
    assert len(desk.writes()) == 1
    assert desk.state.notes.starting("no asset list box ") == ()
    assert list((desk.folder / "archive").rglob("*late.log*"))
