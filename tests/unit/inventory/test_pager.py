"""Properties of a listing over random lists, servers, arrivals and deletions."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.inventory.pager import ContradictionError, PagePosition, Pager
from sauce_janitor.model.jobs import Job
from tests.fakes.job_list import NOW, OWNER, JobList, ListedBy, TimeName, a_job, an_id

TIMES: tuple[TimeName | None, ...] = ("created_at", "started_at", "ended_at", "modified_at", None)


@st.composite
def lists(draw: st.DrawFn) -> JobList:
    """Lists of up to some pages, with ties, waits before the start, several orders and filters, and
    lower limits.
    """
    count = draw(st.integers(0, 60))
    gaps = draw(st.lists(st.sampled_from([0, 0, 1, 60]), min_size=count, max_size=count))
    waits = draw(st.lists(st.sampled_from([0, 0, 1, 130]), min_size=count, max_size=count))
    jobs = JobList(
        compares=draw(st.sampled_from(TIMES)),
        orders_by=draw(st.sampled_from(["created_at", "created_at", "started_at", "modified_at"])),
        most_rows=draw(st.sampled_from([10, 10, 7])),
        counts_doubles=draw(st.booleans()),
    )
    doubled = draw(st.sampled_from([0, 0, 1, 3]))  # every so many-th job has two rows
    jobs.doubles = lambda identity: bool(doubled) and int(identity, 16) % doubled == 0
    time = NOW - 1000
    for number, (gap, wait) in enumerate(zip(gaps, waits, strict=True)):
        time -= gap
        job: Job = a_job(number, created_at=time)
        jobs.add(
            replace(
                job,
                started_at=time + wait,
                ended_at=time + wait + gap,
                modified_at=time + wait + gap,
            )
        )
    return jobs


@given(lists())
def test_a_list_at_rest_is_read_whole_whatever_its_order_and_filter(jobs: JobList) -> None:
    assert _read(jobs) == set(jobs.jobs)
    if jobs.most_rows == 10 and not any(map(jobs.doubles, jobs.jobs)):
        assert len(jobs.requests) <= math.ceil(len(jobs.jobs) / 9) + 1


@given(lists(), st.data())
def test_a_list_that_moves_is_read_whole_or_not_believed(
    jobs: JobList, data: st.DataObject
) -> None:
    moves = data.draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=40))
    arriving = iter(range(1000, 2000))
    plan = iter(moves)

    def move() -> None:
        new, lost = next(plan, (0, 0))
        jobs.add(*(a_job(next(arriving), created_at=NOW - 500) for _ in range(new)))
        if jobs.jobs:
            jobs.drop(
                *{
                    data.draw(st.sampled_from(sorted(jobs.jobs)))
                    for _ in range(min(lost, len(jobs.jobs)))
                }
            )

    jobs.before_list = move
    before = {an_id(number) for number in range(1000)} & set(jobs.jobs)
    try:
        found = _read(jobs)
    except ContradictionError:
        return
    assert before & set(jobs.jobs) <= found


@st.composite
def strained(draw: st.DrawFn) -> JobList:
    """Such lists from a server that answers small pages only, with rows that no answer can carry in
    full.
    """
    jobs = draw(lists())
    jobs.strained_above = draw(st.sampled_from([None, 1, 2, 3, 7]))
    jobs.most_weight = draw(st.sampled_from([3, 5, 10]))
    heavy = draw(st.sets(st.sampled_from(sorted(jobs.jobs)), max_size=8)) if jobs.jobs else ()
    jobs.weights = {one: draw(st.sampled_from([2, 3, 99])) for one in heavy}
    return jobs


@given(strained())
def test_a_list_that_answers_only_small_pages_is_read_whole(jobs: JobList) -> None:
    assert _read(jobs) == set(jobs.jobs)


@given(strained(), st.data())
def test_a_list_read_in_small_pages_that_moves_is_read_whole_or_not_believed(
    jobs: JobList, data: st.DataObject
) -> None:
    losses = iter(data.draw(st.lists(st.integers(0, 3), max_size=20)))

    def move() -> None:
        if jobs.jobs:
            jobs.drop(
                *{data.draw(st.sampled_from(sorted(jobs.jobs))) for _ in range(next(losses, 0))}
            )

    jobs.before_list = move
    before = set(jobs.jobs)
    try:
        found = _read(jobs)
    except ContradictionError:
        return
    assert before & set(jobs.jobs) <= found


def _read(jobs: JobList) -> set[str]:
    pager = Pager(ListedBy(jobs), OWNER, since=None, longest_page=0, rows=10)
    return {identity for page, _ in pager.pages(PagePosition(NOW)) for identity in page.ids}
