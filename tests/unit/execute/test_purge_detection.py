"""What is purged is believed after two reads, told once, and protects nothing any more, while it
stays away.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from sauce_janitor.errors import LeaseError, SourceUnavailableError, StoppedError
from sauce_janitor.execute.events import AssetsPurged, Event, Skip
from sauce_janitor.execute.purge_detection import look_for_purged
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import AssetListing, JobId
from sauce_janitor.retention.plan.vendor_purge import PurgeCandidate
from tests.fakes.execution import ME, NOW, House
from tests.support.execution import ALL, ARCHIVE, DELETE_ASSETS, DELETE_JOB, LOGS, run

KEEP_PURGED = replace(ALL, if_purged="keep")


def _silent(_sauce: object, _job: object) -> object:
    raise SourceUnavailableError("no answer")


LONG_AGO = NOW - 40 * 86_400


def purges(house: House) -> list[tuple[JobId, bool]]:
    return [(event.job_id, event.lost) for event in house.events if isinstance(event, AssetsPurged)]


def test_what_was_lost_to_the_purge_is_told_once_a_job() -> None:
    house = House()
    job = house.add(1, age_days=31, assets={})

    execution = run(house, [house.planned(job, ARCHIVE, selection=ALL)])
    again = run(house, [house.planned(job, ARCHIVE, selection=ALL)])

    assert purges(house) == [(job, True)]
    assert (execution.lost, again.lost) == (1, 0)
    assert house.journal.assets_purged(job)


@pytest.mark.parametrize(("age_days", "missed"), [(29.9, 1), (30.1, 0)])
def test_a_loss_is_laid_to_an_earlier_failure_only_while_the_assets_were_surely_there(
    age_days: float, missed: int
) -> None:
    house = House()
    job = house.add(1, age_days=age_days)
    house.sauce.lie("assets", _silent, times=9)
    assert not run(house, [house.planned(job, ARCHIVE, selection=ALL)]).complete
    house.sauce.be_honest()
    house.sauce.world[job].assets = {}
    house.retries.later(hours=12)

    execution = run(house, [house.planned(job, ARCHIVE, selection=ALL)])

    assert (execution.lost, execution.missed) == (1, missed)


def test_what_was_archived_in_time_is_purged_and_not_lost() -> None:
    house = House()
    job = house.add(1, age_days=31)
    house.store(job, ALL)
    house.sauce.world[job].assets = {}

    run(house, [house.planned(job, ARCHIVE, selection=ALL)])

    assert purges(house) == [(job, False)]


def test_what_was_discarded_and_is_wanted_too_late_is_lost() -> None:
    house = House()
    job = house.add(1, age_days=31)
    house.store(job, LOGS)
    house.sauce.world[job].assets = {}

    run(house, [house.planned(job, ARCHIVE, selection=ALL)])

    assert purges(house) == [(job, True)]


def test_one_empty_list_purges_nothing() -> None:
    house = House()
    job = house.add(1, age_days=31)
    house.sauce.lie("assets", lambda _sauce, _job: AssetListing(()))

    run(house, [house.planned(job, ARCHIVE, selection=ALL)])

    assert (purges(house), house.journal.assets_purged(job)) == ([], False)


def test_a_young_job_without_assets_is_not_purged() -> None:
    house = House()
    job = house.add(1, age_days=29, assets={})

    run(house, [house.planned(job, ARCHIVE, selection=ALL)])

    assert purges(house) == []


def test_a_job_kept_because_it_was_purged_is_on_record_as_such() -> None:
    """So that the next plan says what keeps it, and asks for nothing."""
    house = House()
    job = house.add(1, age_days=31, assets={})

    execution = run(house, [house.planned(job, ARCHIVE, DELETE_JOB, selection=KEEP_PURGED)])

    assert execution.skips == {Skip.PURGED: 2}
    assert purges(house) == [(job, True)]


def test_what_we_deleted_is_never_called_purged() -> None:
    house = House()
    job = house.add(1, age_days=31)
    run(house, [house.planned(job, DELETE_ASSETS)])
    run(house, [house.planned(job, ARCHIVE, DELETE_JOB, selection=KEEP_PURGED)])

    assert purges(house) == []


@pytest.mark.parametrize("selection", [None, ALL, LOGS], ids=["nothing wanted", "all", "logs"])
def test_a_job_whose_purged_assets_are_listed_again_stays(selection: Selection | None) -> None:
    """It was decided on as if there were none: what protects them was left out."""
    house = House()
    job = house.add(1, age_days=40)
    if selection is not None:
        house.store(job, selection)
    house.journal.purged(job, ME, policy="p", lost=False)

    execution = run(house, [house.planned(job, DELETE_JOB, selection=selection)])

    assert house.sauce.writes() == []
    assert execution.skips == {Skip.CHANGED: 1}
    assert not house.journal.assets_purged(job)


@pytest.mark.parametrize("selection", [None, ALL], ids=["nothing wanted", "all"])
def test_a_purged_job_is_deleted_after_one_more_look_right_before(
    selection: Selection | None,
) -> None:
    house = House()
    job = house.add(1, age_days=40, assets={})
    if selection is not None:
        house.store(job, selection)
    house.journal.purged(job, ME, policy="p", lost=False)

    run(house, [house.planned(job, DELETE_JOB, selection=selection)])

    assert house.journal.outcomes(job) == ["confirmed"]
    kinds = house.effects.kinds()
    assert kinds.index("assets") < kinds.index("DELETE-job")
    assert kinds.count("assets") == 2


def look(house: House, *suspects: PurgeCandidate, stop: bool = False) -> tuple[int, list[Event]]:
    event, told = threading.Event(), list[Event]()
    if stop:
        event.set()
    return look_for_purged(suspects, house.parts(), stop=event, tell=told.append), told


def test_looking_finds_the_purged_and_believes_them_after_two_reads() -> None:
    house = House()
    purged, missing, there = (house.add(n, age_days=40, assets={}) for n in (1, 2, 3))
    house.sauce.world[missing].listed_as_missing = True
    house.sauce.world[there].assets = {"video.mp4": b"film"}

    found, told = look(
        house,
        *(
            PurgeCandidate(job, ME, "p", job == missing, LONG_AGO)
            for job in (purged, missing, there)
        ),
    )

    assert found == 2
    assert [(event.job_id, event.lost) for event in told if isinstance(event, AssetsPurged)] == [
        (purged, False), (missing, True)
    ]  # fmt: skip
    assert house.effects.kinds().count("assets") == 5
    assert look(house, PurgeCandidate(purged, ME, "p", lost=False, ended_at=LONG_AGO)) == (0, [])


def test_looking_leaves_half_of_the_budget() -> None:
    house = House()
    jobs = [house.add(n, age_days=40, assets={}) for n in range(1, 11)]
    house.sauce.budget = 12

    found, _ = look(
        house, *(PurgeCandidate(job, ME, "p", lost=False, ended_at=LONG_AGO) for job in jobs)
    )

    assert (found, house.sauce.budget) == (3, 6)


def test_looking_ends_when_it_is_stopped_or_paused_or_gets_no_answer() -> None:
    house = House()
    suspect = PurgeCandidate(
        house.add(1, age_days=40, assets={}), ME, "p", lost=False, ended_at=LONG_AGO
    )
    assert look(house, suspect, stop=True)[0] == 0

    def stopped(_sauce: object, _job: object) -> object:
        raise StoppedError("asked to stop while waiting")

    for unanswered in (_silent, stopped):
        house.sauce.lie("assets", unanswered)
        assert look(house, suspect, suspect)[0] == 0
    house.switch.paused = True
    assert look(house, suspect)[0] == 0


def test_who_has_lost_the_lease_records_nothing() -> None:
    house = House()
    suspect = PurgeCandidate(
        house.add(1, age_days=40, assets={}), ME, "p", lost=False, ended_at=LONG_AGO
    )
    house.lease.lost = True

    with pytest.raises(LeaseError):
        look(house, suspect)
    assert house.journal.rows == []


@pytest.mark.parametrize("selection", [None, ALL], ids=["nothing wanted", "all wanted"])
@pytest.mark.parametrize("age_days", [31, 20], ids=["purgeable", "too young"])
def test_a_job_whose_assets_are_listed_again_stays_however_young_it_is(
    age_days: int, selection: Selection | None
) -> None:
    """Its end may have been corrected since, or the purge was early: what was decided rests on
    it.
    """
    house = House()
    job = house.add(1, age_days=age_days)
    house.store(job, ALL)
    house.journal.purged(job, ME, policy="p", lost=False)
    execution = run(house, [house.planned(job, DELETE_JOB, selection=selection)])
    assert house.sauce.writes() == []
    assert execution.skips == {Skip.CHANGED: 1}
    assert not house.journal.assets_purged(job), "it is on record"


def test_a_job_too_young_to_be_purged_that_is_archived_again_is_on_record_as_listed_again() -> None:
    house = House()
    job = house.add(1, age_days=20)
    house.journal.purged(job, ME, policy="p", lost=False)
    run(house, [house.planned(job, ARCHIVE, selection=ALL)])
    assert not house.journal.assets_purged(job)
