"""A job that ended before it started, on the sandbox: it fails for a day, and then goes as its
policy says.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from sauce_janitor.execute import asset_lists
from tests.support.commands import DAY, Commands

POLICY = """
limits: {max_percent: null}
policies: [{name: copied, match: all, then: {archive: 1h, delete_assets: 3d, delete_job: 3d}}]
"""


@pytest.mark.parametrize("status", [404, 400])
def test_a_job_that_never_started_is_archived_bare_and_goes(
    open_desk: Callable[..., Commands], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    desk = open_desk(jobs=0)
    desk.configure(POLICY)
    job = desk.sandbox.arrive(
        created_at=int(time.time()) - 9 * DAY, name="checkout", build="b", tags=[]
    )
    desk.sandbox.edit(job, status="error", passed=None, error="Test did not start", start_time=None)
    desk.sandbox.inject("status", endpoint="assets.list", job=job, status=status)
    desk.run(execute=True)
    desk.run(execute=True, retry_now=True)
    assert desk.deleted() == set()
    monkeypatch.setattr(asset_lists, "BELIEVED_AFTER_S", 0)  # as if a day had passed
    done = desk.run(execute=True, retry_now=True)
    assert done.complete
    assert desk.deleted() == {job}
    [receipt] = (desk.folder / "archive").rglob("receipt.json")
    assert '"listed": []' in receipt.read_text()
    assert desk.say("prove").exit_code == 0


def test_nothing_is_noted_any_more_of_a_job_that_is_gone(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(jobs=0)
    desk.configure(POLICY, budget=", listing: {full_every: 1s}")
    begun = int(time.time()) - 9 * DAY
    jobs = [
        desk.sandbox.arrive(created_at=begun + n, name="checkout", build="b", tags=[])
        for n in range(3)
    ]
    for job in jobs:
        desk.sandbox.edit(
            job, status="error", passed=None, error="Test did not start", start_time=None
        )
        desk.sandbox.inject("status", endpoint="assets.list", job=job, status=404)
    desk.run(execute=True)
    assert len(desk.state.notes.starting("no asset list box ")) == 3
    assert len(desk.state.retries.of("box")) == 3
    desk.sandbox.remove(jobs[0])
    desk.later_s = 2
    desk.run(execute=True)
    assert desk.state.notes.starting("no asset list box ") == tuple(
        f"no asset list box {job}" for job in sorted(jobs[1:])
    )
    assert set(desk.state.retries.of("box")) == set(jobs[1:])
