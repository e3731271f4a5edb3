"""Deletions are sparse, and `skip` counts only what is left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.sandbox.world.ledger import DeletedIndexes, OwnerLedger
from sauce_janitor.sandbox.world.population import Population

NOW = 1_760_000_000


def ledger(count: int) -> OwnerLedger:
    return OwnerLedger(Population(1, "demo", count, now=NOW, days=45))


@given(
    count=st.integers(0, 60),
    deleted=st.sets(st.integers(0, 59)),
    window=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    skip=st.integers(0, 60),
    all_below=st.integers(0, 30),
)
def test_what_is_left_is_what_a_plain_list_would_leave(
    count: int, deleted: set[int], window: tuple[int, int], skip: int, all_below: int
) -> None:
    gone = DeletedIndexes()
    gone.add_all_below(min(all_below, count))
    for index in deleted:
        if index < count:
            gone.add(index)
    low, high = min(window[0], count), min(window[1], count)
    expected = [
        i for i in range(high - 1, low - 1, -1) if i not in deleted and i >= min(all_below, count)
    ]

    assert list(gone.newest_first(low, high, skip)) == expected[skip:]
    assert gone.left(low, high) == len(expected)


def test_a_job_that_came_back_is_there_again() -> None:
    gone = DeletedIndexes()
    gone.add(3)
    gone.add(3)
    gone.discard(3)
    gone.discard(3)

    assert 3 not in gone
    assert gone.left(0, 5) == 5


def test_jobs_that_arrive_are_the_newest_and_in_the_window() -> None:
    jobs = ledger(200)
    index = jobs.arrive(NOW + 50)

    assert index == 200
    assert jobs.window(NOW + 1, None) == (200, 201)
    assert jobs.window(None, NOW + 50) == (0, 200)
    assert jobs.facts(index).ended_at == NOW + 110


def test_an_arrival_never_breaks_the_order_of_creation() -> None:
    jobs = ledger(200)
    jobs.arrive(NOW + 50)

    assert jobs.created_at(jobs.arrive(NOW - 10_000)) == NOW + 50


def test_an_empty_population_can_still_get_jobs() -> None:
    jobs = ledger(0)

    assert jobs.live == 0
    assert jobs.arrive(NOW) == 0
    assert jobs.live == 1


def test_a_moved_job_leaves_its_build_and_joins_the_other() -> None:
    jobs = ledger(400)
    index = next(i for i in range(400) if jobs.build_name(i) is not None)
    old = jobs.build_name(index)
    assert old is not None
    jobs.patch(index, {"build": "hotfix "})

    assert index not in jobs.members(old)
    assert jobs.members("hotfix") == [index]
    assert jobs.build_name(index) == "hotfix"
