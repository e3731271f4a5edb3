"""A first listing that is empty or could not all be read may be a lie: a second has to agree with it."""

from __future__ import annotations

from sauce_janitor.retention.model import Oddness
from tests.fakes.job_list import NOW, an_id
from tests.fakes.job_store import MemoryStore
from tests.unit.inventory.test_syncing import listed, some, there

HOUR = 3600


def test_an_empty_first_listing_is_asked_again_and_then_believed() -> None:
    jobs, store = some(0), MemoryStore()
    first, second, third = (listed(jobs, store, NOW + hours * HOUR) for hours in range(3))
    assert (first.confirmed, first.full) == (False, False)
    assert (second.confirmed, second.full) == (True, True)
    assert not third.full
    assert store.listed().full_at == NOW + HOUR


def test_a_first_listing_that_was_empty_by_a_lie_is_put_right_in_the_next_run() -> None:
    jobs, store = some(50), MemoryStore()
    hidden, jobs.jobs = jobs.jobs, {}
    listed(jobs, store)
    jobs.jobs = hidden
    assert listed(jobs, store, NOW + HOUR).full
    assert there(store) == set(hidden)


def test_a_first_listing_with_rows_that_cannot_be_read_is_not_full_until_a_second_agrees() -> None:
    jobs, store = some(50, odd={an_id(7): Oddness.UNREADABLE}), MemoryStore()
    first = listed(jobs, store)
    assert first.is_half_read
    assert first.known == 50, "what could be read is known"
    assert store.listed().full_at is None
    second = listed(jobs, store, NOW + HOUR)
    assert second.confirmed
    assert store.listed().full_at == NOW + HOUR


def test_a_later_full_listing_needs_no_second() -> None:
    jobs, store = some(50), MemoryStore()
    assert listed(jobs, store).full
    jobs.odd[an_id(7)] = Oddness.UNREADABLE
    assert listed(jobs, store, NOW + HOUR, deep=True).full
