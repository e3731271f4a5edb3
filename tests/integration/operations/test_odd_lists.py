"""What a list does not say, or says oddly, is seen by who runs the program, and never adds a job to
what is deleted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from sauce_janitor.errors import SourceError
from sauce_janitor.inventory import CONFIRMED_AFTER_S
from sauce_janitor.metrics import Metrics
from sauce_janitor.model.jobs import Action
from tests.support.commands import DAY, Commands

KEPT = """
limits: {max_percent: null}
policies: [{name: newest, match: all, keep: [{id: one, last: 1}], then: {archive: none, delete_job: 3d}}]
"""
OLD = """
limits: {max_percent: null}
policies: [{name: old, match: all, then: {archive: none, delete_job: 3d}}]
"""


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    return open_desk(jobs=0)


def arrive(desk: Commands, count: int = 4, *, days: int = 10) -> list[str]:
    """Jobs of one name, the newest first."""
    begun = int(time.time()) - days * DAY
    jobs = [
        desk.sandbox.arrive(created_at=begun + number * 60, name="checkout", tags=[])
        for number in range(count)
    ]
    return jobs[::-1]


def spoil(desk: Commands, job: str) -> None:
    for endpoint in ("jobs.*", "job.get"):
        desk.sandbox.inject("bad_row", endpoint=endpoint, only=job, kind="exponent")


@pytest.mark.parametrize("is_known", [True, False])
def test_a_job_that_cannot_be_read_takes_no_slot_of_a_keep_rule(
    desk: Commands, *, is_known: bool
) -> None:
    newest, second, *rest = arrive(desk)
    desk.configure(KEPT, budget=", listing: {full_every: 1min}")
    if is_known:
        assert desk.run().plan.totals[Action.DELETE_JOB] == 3
    spoil(desk, newest)
    desk.run()
    desk.later_s = CONFIRMED_AFTER_S + 1
    desk.run(execute=True)
    assert desk.deleted() == set(rest), "the second is the newest of which that is known"
    assert desk.sandbox.truth(newest) is not None
    assert second not in desk.deleted()


def test_rows_set_aside_are_shown_until_they_can_be_read(desk: Commands) -> None:
    jobs = arrive(desk)
    desk.configure(OLD)
    desk.metrics = Metrics()
    spoil(desk, jobs[1])
    result = desk.run()
    assert [str(row.id) for row in result.listings[0].asides] == [jobs[1]]
    assert b'sauce_janitor_rows_set_aside{account="box"} 1.0' in desk.metrics.page()
    said = desk.say("status").output
    assert f"job {jobs[1]}" in said
    assert "a number too large" in said
    (told,) = json.loads(desk.say("status", "--format", "json").output)
    assert told["set_aside"][0]["rows"][0]["job_id"] == jobs[1]
    plan = desk.say("plan").output
    assert "Set aside: 1 row of the job list of demo cannot be read" in " ".join(plan.split())
    desk.sandbox.faults.disarm()
    desk.later_s = 5  # in the same second there is no news to list
    desk.run(execute=True)
    assert desk.deleted() == set(jobs)
    assert "set aside" not in desk.say("status").output
    assert b'sauce_janitor_rows_set_aside{account="box"} 0.0' in desk.metrics.page()


def test_nothing_is_deleted_by_a_first_listing_that_could_not_all_be_read(desk: Commands) -> None:
    jobs = arrive(desk)
    desk.configure(OLD)
    spoil(desk, jobs[1])
    first = desk.run(execute=True)
    assert (desk.writes(), first.complete, first.withheld) == ([], False, 3)
    assert "first listing of demo" in desk.say("status").output
    again = desk.run(execute=True)
    assert (desk.writes(), again.withheld) == (
        [],
        3,
    ), "a second listing right after it may be the same lie"
    desk.later_s = CONFIRMED_AFTER_S + 1
    assert desk.run(execute=True).complete
    assert desk.deleted() == {jobs[0], *jobs[2:]}


def test_a_list_that_is_empty_once_at_first_is_put_right_by_the_next_run(desk: Commands) -> None:
    jobs = arrive(desk)
    desk.configure(OLD)
    desk.sandbox.inject("empty_list", endpoint="jobs.list", times=1)
    assert desk.run(execute=True).complete
    assert desk.run(execute=True).complete
    assert desk.deleted() == set(jobs)


def test_ids_of_another_shape_conclude_nothing_and_are_shown_by_an_example(desk: Commands) -> None:
    arrive(desk)
    desk.configure(OLD, budget=", listing: {full_every: 1min}")
    desk.run()
    desk.later_s = 65
    desk.sandbox.inject("wrong_id", endpoint="jobs.*", id="0190c3f4-7d2e-7b44-9b1f-3f0a6f1d2c3b")
    for _ in range(2):
        with pytest.raises(SourceError, match=r"no row .* for example .*0190c3f4-7d2e"):
            desk.run(execute=True)
    assert desk.writes() == []
    assert desk.state.jobs.count("box") == 4


@pytest.mark.parametrize(
    "users", ["", ", users: [DEMO]", ", users: [DEMO, demo]", ", users: [organization]"]
)
def test_one_user_in_two_spellings_is_one_owner_by_the_vendors_spelling(
    desk: Commands, users: str
) -> None:
    for owner in desk.sandbox.owners.keys() - {"demo"}:
        for job in tuple(desk.sandbox.job_ids(owner)):
            desk.sandbox.remove(job)
    jobs = arrive(desk)
    desk.configure(OLD, budget=users)
    path = desk.folder / "config.yaml"
    path.write_text(path.read_text().replace("username: demo", "username: Demo"))
    for execute in (False, True):
        result = desk.run(execute=execute)
        assert [owner for owner in result.scope.owners if owner.lower() == "demo"] == ["demo"]
    assert desk.deleted() == set(jobs)
    assert [owner for owner in desk.state.jobs.owners("box") if owner.lower() == "demo"] == ["demo"]
