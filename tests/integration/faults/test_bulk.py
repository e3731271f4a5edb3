"""One call that deletes all of a user's jobs rests on no list that may be failing."""

from __future__ import annotations

import time

import pytest

from tests.support.commands import DAY
from tests.support.faulted_account import Account


@pytest.mark.parametrize("failing", ["all", "one", "none"])
def test_while_lists_fail_no_user_is_emptied_by_one_call(account: Account, failing: str) -> None:
    desk = account.desk
    ended = int(time.time()) - 10 * DAY
    times = {f"{word}_time": ended for word in ("creation", "start", "end", "modification")}
    jobs = list(desk.sandbox.job_ids("bob"))
    for job in jobs:
        desk.sandbox.edit(job, build="b", tags=[], status="complete", **times)
    assets = {job: desk.sandbox.truth(job).assets for job in jobs}  # type: ignore[union-attr]  # they are its own
    assert all(assets.values())
    lists_fail = failing != "none"
    if lists_fail:
        path = "*" if failing == "all" else f"*{jobs[0]}*"
        desk.sandbox.inject("empty_list", endpoint="assets.list", path=path)
    bulk = ("offboard", "bob", "--archive", "keep", "--bulk", "--confirm", "bob", "--yes")
    said = desk.say(*bulk, code=4 if lists_fail else 0)

    assert list(desk.sandbox.job_ids("bob")) == (jobs if lists_fail else [])
    assert ("as when Sauce Labs' lists fail" in said.stdout) is lists_fail

    if failing != "one":
        return
    # The others' receipts list files: these do not explain an empty list either.
    desk.sandbox.inject("empty_list", endpoint="assets.list", path=f"*{jobs[1]}*")
    said = desk.say(*bulk, code=4)
    assert "the asset lists of 2 jobs are empty" in said.stdout
    assert list(desk.sandbox.job_ids("bob")) == jobs
