"""A first listing that is empty or could not all be read may be a lie: a second has to agree with
it.
"""

from __future__ import annotations

import pytest

from sauce_janitor.inventory import CONFIRMED_AFTER_S
from sauce_janitor.model.jobs import Oddness
from tests.fakes.job_list import NOW, an_id
from tests.fakes.job_store import MemoryStore
from tests.support.listing import listed, some, there

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


@pytest.mark.parametrize("lie", ["empty", "incomplete"])
def test_listings_seconds_apart_do_not_confirm_each_other(lie: str) -> None:
    jobs, store = (
        some(50 if lie == "incomplete" else 0, odd={an_id(7): Oddness.UNREADABLE}),
        MemoryStore(),
    )
    for seconds in (0, 5, 300, CONFIRMED_AFTER_S - 1):
        assert not listed(jobs, store, NOW + seconds).confirmed
        assert store.listed().full_at is None
    assert listed(jobs, store, NOW + CONFIRMED_AFTER_S).confirmed, (
        "the first doubt counts, not the last"
    )


def test_a_whole_list_counts_at_once_after_a_doubtful_one() -> None:
    jobs, store = some(50, odd={an_id(7): Oddness.UNREADABLE}), MemoryStore()
    assert not listed(jobs, store).confirmed
    jobs.odd.clear()
    assert listed(jobs, store, NOW + 5).full


def test_a_first_listing_noted_by_a_clock_that_was_ahead_confirms_nothing() -> None:
    jobs, store = some(0), MemoryStore()
    listed(jobs, store, NOW + 24 * HOUR)
    assert not listed(jobs, store, NOW).confirmed
    assert not listed(jobs, store, NOW + 60).confirmed
    assert listed(jobs, store, NOW + CONFIRMED_AFTER_S).confirmed


def test_a_later_full_listing_needs_no_second() -> None:
    jobs, store = some(50), MemoryStore()
    assert listed(jobs, store).full
    jobs.odd[an_id(7)] = Oddness.UNREADABLE
    assert listed(jobs, store, NOW + HOUR, deep=True).full
