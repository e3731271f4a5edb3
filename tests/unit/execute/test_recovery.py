"""What an earlier run left open is asked about and put on record once."""

from __future__ import annotations

import pytest

from sauce_janitor.errors import CredentialsError, SourceError
from sauce_janitor.execute import Recovery, recover
from sauce_janitor.execute.events import AssetsDeleted, Event, JobDeleted, JobStopped
from sauce_janitor.execute.recovery import ready_in_s
from sauce_janitor.model import open_intents
from sauce_janitor.model.failed_actions import ActionFailed
from sauce_janitor.model.jobs import Action, JobId, JobState
from sauce_janitor.model.open_intents import OpenIntent
from sauce_janitor.model.permits import (
    DeleteAssetsPermit,
    DeleteJobPermit,
    NothingWanted,
    StopPermit,
)
from sauce_janitor.model.safety_numbers import IN_FLIGHT_S
from tests.fakes.execution import ME, NOW, FakeSauce, House
from tests.support.execution import DELETE_ASSETS, DELETE_JOB, STOP


def _intent(house: House, job: JobId, action: Action, *, accepted: bool = False) -> int:
    if action is STOP:
        number = house.journal.intent(StopPermit(job, ME, "f", 0.0, 7), policy="p")
    else:
        permit = DeleteJobPermit if action is DELETE_JOB else DeleteAssetsPermit
        number = house.journal.intent(permit(job, ME, NothingWanted("p"), "f", 0.0, 7), policy="p")
    if accepted:
        house.journal.outcome(number, "unknown", detail="accepted; to be confirmed")
    house.effects.revive()
    return number


def _recover(house: House) -> tuple[Recovery, list[Event]]:
    events: list[Event] = []
    return recover(house.sauce, house.journal, events=events.append), events


def test_nothing_open_asks_nothing() -> None:
    house = House()
    assert recover(house.sauce, house.journal) == Recovery()
    assert house.sauce.requests() == 0


@pytest.mark.parametrize("action", [DELETE_JOB, DELETE_ASSETS, STOP])
@pytest.mark.parametrize("done", [True, False])
def test_an_intent_is_confirmed_if_it_was_done_and_failed_if_not(
    action: Action, done: bool
) -> None:
    house = House()
    job = house.add(1, state=JobState.RUNNING if action is STOP else JobState.FINISHED)
    _intent(house, job, action)
    if done:
        {
            DELETE_JOB: house.sauce.do_delete_job,
            DELETE_ASSETS: house.sauce.do_delete_assets,
            STOP: house.sauce.do_stop,
        }[action](job)
    recovery, events = _recover(house)
    assert recovery == (Recovery(confirmed=1) if done else Recovery(failed=1))
    assert house.journal.outcomes(job) == ["confirmed" if done else "failed"]
    kind = (
        {DELETE_JOB: JobDeleted, DELETE_ASSETS: AssetsDeleted, STOP: JobStopped}[action]
        if done
        else ActionFailed
    )
    assert [type(event) for event in events] == [kind]
    assert house.sauce.writes() == []


def test_one_404_proves_nothing() -> None:
    house = House()
    house.sauce.batches = False
    job = house.add(1)
    _intent(house, job, DELETE_JOB)
    house.sauce.lie("job", lambda _sauce, _job: None)
    _recover(house)
    assert house.journal.outcomes(job) == ["failed"]


def test_absence_from_one_look_up_alone_proves_nothing_of_a_delete_nobody_accepted() -> None:
    house = House()
    job = house.add(1)
    _intent(house, job, DELETE_JOB)
    house.sauce.lie("jobs", lambda _sauce, _job: {})
    _recover(house)
    assert house.journal.outcomes(job) == ["failed"]


def test_accepted_deletes_are_looked_up_a_hundred_at_a_time() -> None:
    house = House()
    for n in range(250):
        job = house.add(n)
        _intent(house, job, DELETE_JOB, accepted=True)
        house.sauce.do_delete_job(job)
    recovery, _ = _recover(house)
    assert recovery == Recovery(confirmed=250)
    assert house.sauce.requests() == 3


@pytest.mark.parametrize(
    ("listed_absent", "outcomes"),
    [(True, ["unknown", "confirmed"]), (False, ["unknown", "failed"]), (None, ["unknown"])],
)
def test_without_a_look_up_the_full_listing_says_what_became_of_an_accepted_delete(
    listed_absent: bool | None, outcomes: list[str]
) -> None:
    house = House()
    house.sauce.batches = False
    job = house.add(1)
    _intent(house, job, DELETE_JOB, accepted=True)
    recovery = recover(house.sauce, house.journal, absent=lambda _one: listed_absent)
    assert house.journal.outcomes(job) == outcomes
    assert recovery.open == (listed_absent is None)
    assert house.effects.kinds().count("job") == 0


def test_one_intent_that_cannot_be_asked_about_stays_open_and_stops_no_other() -> None:
    house = House()
    first, second = house.add(1), house.add(2)
    _intent(house, first, DELETE_ASSETS)
    _intent(house, second, DELETE_ASSETS)

    def broken(_sauce: FakeSauce, _job: JobId) -> object:
        raise SourceError("not JSON")

    house.sauce.lie("assets", broken)
    recovery, _ = _recover(house)
    assert recovery == Recovery(failed=1, open=1)
    assert [one.job_id for one in house.journal.unresolved()] == [first]


DAY = 86_400


@pytest.mark.parametrize(
    ("age_s", "idle_s", "detail", "waits_s"),
    [
        (10, None, None, 36),
        (-3600, None, None, 46),  # the clock was set back
        (46, None, None, 0),
        (0, None, "accepted; not looked up", 0),
        (0, None, "no answer (reset)", 46),
        # Another machine wrote it: its clock is not believed, but for a day.
        (200, 10.0, None, 36),
        (-200, 10.0, None, 36),
        (DAY, 10.0, None, 0),
        (0, 60.0, None, 0),
        (0, 10.0, "accepted; not looked up", 0),
    ],
)
def test_recovery_waits_until_a_write_cannot_be_under_way(
    monkeypatch: pytest.MonkeyPatch,
    age_s: int,
    idle_s: float | None,
    detail: str | None,
    waits_s: float,
) -> None:
    monkeypatch.setattr(open_intents, "IN_FLIGHT_S", IN_FLIGHT_S)
    one = OpenIntent(1, DELETE_JOB, JobId("ab" * 16), ME, "p", NOW - age_s, detail)
    assert ready_in_s(one, NOW, idle_s) == waits_s


def test_wrong_credentials_end_the_recovery() -> None:
    house = House()
    _intent(house, house.add(1), DELETE_JOB)

    def refused(_sauce: FakeSauce, _job: JobId) -> object:
        raise CredentialsError("401")

    house.sauce.lie("jobs", refused)
    with pytest.raises(CredentialsError):
        _recover(house)
