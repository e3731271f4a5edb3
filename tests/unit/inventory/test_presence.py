"""Details that say there is no such job prove nothing alone: the list is asked again, and it has to
be worth believing.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from sauce_janitor.errors import SourceUnavailableError
from sauce_janitor.inventory.presence import contradicted
from sauce_janitor.model.jobs import UNKNOWN, JobId
from tests.fakes.job_list import NOW, OWNER, JobList, ListedBy, TimeName, a_job, an_id
from tests.fakes.job_store import MemoryStore
from tests.support.listing import DAY, listed, some, there


def ask(jobs: JobList, store: MemoryStore, *numbers: int) -> dict[JobId, str]:
    return dict(contradicted(OWNER, ListedBy(jobs), store, [an_id(number) for number in numbers]))


@pytest.mark.parametrize("compares", ["created_at", "started_at", "ended_at", "modified_at", None])
def test_a_job_that_a_fresh_listing_does_not_show_is_gone_whichever_time_it_compares(
    compares: TimeName | None,
) -> None:
    jobs, store = some(2000, compares=compares), MemoryStore()
    listed(jobs, store)
    jobs.drop(an_id(1500), an_id(3))
    assert ask(jobs, store, 1500, 3) == {}
    assert an_id(1500) not in there(store)
    assert an_id(3) not in there(store)
    assert len(there(store)) == 1998


@pytest.mark.parametrize("compares", ["created_at", "started_at", "ended_at", "modified_at", None])
def test_a_job_that_is_still_listed_is_not_gone(compares: TimeName | None) -> None:
    jobs, store = some(2000, compares=compares), MemoryStore()
    listed(jobs, store)
    jobs.drop(an_id(3))
    assert ask(jobs, store, 1500, 3) == {an_id(1500): "a fresh listing still shows it"}
    assert an_id(1500) in there(store)


def test_a_listing_that_shows_none_of_the_neighbours_proves_nothing() -> None:
    jobs, store = some(200), MemoryStore()
    listed(jobs, store)
    jobs.jobs = {}
    assert "none of the" in ask(jobs, store, 50)[an_id(50)]
    assert len(there(store)) == 200


def test_the_only_job_of_its_time_is_gone_when_two_listings_are_empty() -> None:
    jobs, store = JobList(), MemoryStore()
    jobs.add(a_job(1), a_job(2, created_at=NOW - 30 * DAY))
    listed(jobs, store)
    hidden = jobs.jobs.pop(an_id(2))
    empty = iter([True, False])
    jobs.before_list = lambda: jobs.add(*(() if next(empty, False) else (hidden,)))
    assert ask(jobs, store, 2) == {an_id(2): "a fresh listing still shows it"}, (
        "one empty answer was a lie"
    )
    jobs.before_list = lambda: None
    jobs.drop(an_id(2))
    jobs.requests.clear()
    assert ask(jobs, store, 2) == {}
    assert jobs.count("list") == 2


def test_a_row_without_an_id_may_be_the_job() -> None:
    jobs, store = some(200), MemoryStore()
    listed(jobs, store)
    jobs.without_id = {an_id(50)}
    assert "cannot be read" in ask(jobs, store, 50)[an_id(50)]


def test_many_jobs_are_listed_in_few_requests() -> None:
    jobs, store = some(3000), MemoryStore()
    listed(jobs, store)
    jobs.drop(*(an_id(number) for number in range(100, 160)))
    jobs.requests.clear()
    assert ask(jobs, store, *range(100, 160)) == {}
    assert len(jobs.requests) <= 2


def test_far_too_many_jobs_wait_for_the_next_full_listing() -> None:
    jobs, store = JobList(), MemoryStore()
    jobs.add(*(a_job(number, created_at=NOW - number * DAY) for number in range(1, 100)))
    listed(jobs, store)
    jobs.requests.clear()
    gone = [an_id(number) for number in range(1, 60)]
    jobs.drop(*gone)
    told = ask(jobs, store, *range(1, 60))
    assert told
    assert all("next full listing" in why for why in told.values())
    assert len(jobs.requests) <= 25


def test_a_job_of_unknown_times_waits_for_the_next_full_listing() -> None:
    jobs, store = some(20), MemoryStore()
    jobs.add(
        replace(a_job(50), created_at=UNKNOWN, started_at=None, ended_at=None, modified_at=UNKNOWN)
    )
    jobs.compares = None
    listed(jobs, store)
    assert "next full listing" in ask(jobs, store, 50)[an_id(50)]


def test_a_list_that_does_not_answer_is_an_error() -> None:
    jobs, store = some(20), MemoryStore()
    listed(jobs, store)

    def fail() -> None:
        raise SourceUnavailableError("503")

    jobs.before_list = fail
    with pytest.raises(SourceUnavailableError):
        ask(jobs, store, 5)
