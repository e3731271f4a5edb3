"""Pages that are too large or too slow become smaller until they are answered, and larger again
with care.
"""

from __future__ import annotations

from contextlib import suppress

import pytest

from sauce_janitor.errors import SourceError, SourceUnavailableError, StrainedError
from sauce_janitor.inventory import page_sizes
from sauce_janitor.inventory.listing_memory import ListingMemory
from sauce_janitor.inventory.page_sizes import PageSize
from tests.fakes.job_list import NOW, JobList, an_id
from tests.fakes.job_store import MemoryStore
from tests.support.listing import DAY, listed, some, there

HOUR = 3600


def limits(jobs: JobList) -> list[object]:
    return [asked["limit"] for kind, asked in jobs.requests if kind == "list"]


def test_pages_that_are_too_large_are_halved_and_the_list_is_read_whole() -> None:
    jobs, store = some(600, most_weight=400), MemoryStore()
    assert listed(jobs, store).full
    assert there(store) == set(jobs.jobs)
    assert limits(jobs) == [500, 250, 250, 250]


def test_the_size_that_works_is_where_the_next_listing_begins() -> None:
    jobs, store = some(600, strained_above=200), MemoryStore()
    listed(jobs, store)
    jobs.requests.clear()
    listed(jobs, store, NOW + HOUR, deep=True)
    assert set(limits(jobs)) == {125}


def test_a_size_grows_again_after_pages_that_worked_and_waits_longer_each_time_that_fails() -> None:
    jobs, store = some(3000, strained_above=200), MemoryStore()
    listed(jobs, store)
    failed = sum(isinstance(limit, int) and limit > 200 for limit in limits(jobs))
    assert 2 < failed <= 4, (
        "500, 250, then once after some pages that worked, once more after twice as many"
    )
    size = ListingMemory.of(store.memo()).size
    pages = 0
    while size.rows < size.most:
        size.succeed()
        pages += 1
    assert pages <= 3 * 64


@pytest.mark.parametrize("place", [0, 1, 300, 599])
def test_one_row_that_no_answer_can_carry_is_set_aside_and_the_rest_is_listed(place: int) -> None:
    jobs, store = some(600, most_weight=400, weights={an_id(place): 999}), MemoryStore()
    report = listed(jobs, store)
    assert there(store) == set(jobs.jobs)
    assert [aside.id for aside in report.asides] == [an_id(place)]
    assert "too large" in report.asides[0].why
    listed(jobs, store, NOW + 60)
    assert listed(jobs, store, NOW + HOUR, full_every_s=DAY).known == 600


def test_a_long_list_of_small_pages_goes_on_in_the_next_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page_sizes, "MOST_PAGES", 20)
    jobs, store = some(200, strained_above=9), MemoryStore()
    for hour in range(3):
        with suppress(SourceError):
            assert listed(jobs, store, NOW + hour * HOUR).full
            break
        assert there(store), "what was read so far is kept"
    assert there(store) == set(jobs.jobs)


def test_an_outage_is_told_as_one_and_forgotten_when_it_is_over() -> None:
    jobs, store = some(600, strained_above=0), MemoryStore()

    def list_ids(*_: object, **__: object) -> tuple[str, ...]:
        raise StrainedError("503")

    jobs.list_ids = list_ids  # type: ignore[method-assign]
    with pytest.raises(SourceUnavailableError):
        listed(jobs, store)
    assert len(jobs.requests) < 15
    jobs.strained_above = None
    jobs.requests.clear()
    listed(jobs, store, NOW + HOUR)
    assert set(limits(jobs)) == {250}


def test_a_size_never_leaves_its_bounds() -> None:
    size = PageSize()
    for _ in range(20):
        size.shrink()
    assert size.rows == 1
    for _ in range(2000):
        size.succeed()
    assert size.rows == size.most


@pytest.mark.parametrize("has_short_list", [True, False])
@pytest.mark.parametrize(("at", "which"), [(10, 0), (11, 0), (11, 1), (12, 1), (13, 2), (13, 0)])
def test_a_row_deleted_between_rows_asked_for_one_by_one_hides_none_of_the_others(
    at: int, which: int, *, has_short_list: bool
) -> None:
    jobs, store = some(12, strained_above=1), MemoryStore()

    def drop() -> None:
        if jobs.count("list") == at:
            jobs.drop(an_id(which))

    def list_ids(*_: object, **__: object) -> tuple[str, ...]:
        raise StrainedError("503")

    jobs.before_list = drop
    if not has_short_list:
        jobs.list_ids = list_ids  # type: ignore[method-assign]
    listed(jobs, store)
    assert set(jobs.jobs) <= there(store)
