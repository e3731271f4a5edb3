"""A row that cannot be read stops nothing but itself: it is named, kept out of no rule, and asked
for again.
"""

from __future__ import annotations

import pytest

from sauce_janitor.errors import SourceError
from sauce_janitor.inventory import CONFIRMED_AFTER_S, SpellingError
from sauce_janitor.model.jobs import UNKNOWN, JobState, Oddness, Owner
from tests.fakes.job_list import NOW, a_job, an_id
from tests.fakes.job_store import MemoryStore
from tests.support.listing import DAY, listed, some, there

HOUR = 3600


def test_a_row_that_cannot_be_read_is_known_by_its_id_and_by_nothing_that_rules_read() -> None:
    jobs, store = some(20, odd={an_id(5): Oddness.UNREADABLE}), MemoryStore()
    report = listed(jobs, store)
    assert [str(aside) for aside in report.asides] == [f"job {an_id(5)}: it is odd"]
    assert there(store) == set(jobs.jobs)
    job = store.known[an_id(5)].job
    assert (job.state, job.name, job.tags, job.ended_at) == (
        JobState.UNKNOWN,
        UNKNOWN,
        UNKNOWN,
        UNKNOWN,
    )


def test_what_was_known_of_a_job_is_unknown_once_its_row_cannot_be_read() -> None:
    jobs, store = some(20), MemoryStore()
    listed(jobs, store)
    ended = store.known[an_id(5)].job.ended_at
    jobs.odd[an_id(5)] = Oddness.UNREADABLE
    listed(jobs, store, NOW + HOUR)
    job = store.known[an_id(5)].job
    assert (job.state, job.build, job.status) == (JobState.UNKNOWN, UNKNOWN, UNKNOWN)
    assert job.ended_at == ended, "it is still purged 30 days after that"


def test_a_row_set_aside_that_is_too_old_for_the_news_is_asked_for_too() -> None:
    jobs, store = some(20), MemoryStore()
    jobs.add(a_job(500, created_at=NOW - 30 * DAY))
    jobs.odd[an_id(500)] = Oddness.UNREADABLE
    listed(jobs, store)
    listed(jobs, store, NOW + CONFIRMED_AFTER_S)
    jobs.odd.clear()
    report = listed(jobs, store, NOW + HOUR)
    assert not report.full
    assert (report.asides, report.aside_count) == ((), 0)


@pytest.mark.parametrize("later", [HOUR, 3 * DAY])
def test_a_row_set_aside_is_asked_for_again_and_read_when_it_can_be(later: int) -> None:
    jobs, store = some(2000, odd={an_id(5): Oddness.UNREADABLE}), MemoryStore()
    listed(jobs, store)
    listed(jobs, store, NOW + CONFIRMED_AFTER_S)
    jobs.odd.clear()
    report = listed(jobs, store, NOW + CONFIRMED_AFTER_S + later, full_every_s=30 * DAY)
    assert not report.full
    assert (report.asides, report.aside_count) == ((), 0)
    assert store.known[an_id(5)].job == jobs.jobs[an_id(5)]


def test_a_row_without_an_id_is_asked_for_by_its_place() -> None:
    jobs, store = some(2000), MemoryStore()
    listed(jobs, store)
    jobs.without_id = {an_id(1500)}
    listed(jobs, store, NOW + 60, deep=True)
    jobs.requests.clear()
    report = listed(jobs, store, NOW + HOUR, full_every_s=30 * DAY)
    assert {aside.id for aside in report.asides} == {""}
    assert [
        asked["skip"] for kind, asked in jobs.requests if kind == "list" and asked["limit"] == 2
    ]
    jobs.without_id = set()
    assert listed(jobs, store, NOW + 2 * HOUR, full_every_s=30 * DAY).asides == ()


@pytest.mark.parametrize("readable", [True, False])
def test_a_known_job_whose_row_lost_its_id_is_not_gone(*, readable: bool) -> None:
    jobs, store = some(50), MemoryStore()
    listed(jobs, store)
    jobs.without_id = {an_id(7)}
    jobs.untrusted = set() if readable else {an_id(7)}
    jobs.drop(an_id(8))
    listed(jobs, store, NOW + HOUR, deep=True)
    assert an_id(7) in there(store)
    assert an_id(8) not in there(store)
    assert (store.known[an_id(7)].job.state is JobState.UNKNOWN) != readable


def test_many_rows_set_aside_have_their_turns() -> None:
    bad = {an_id(number): Oddness.UNREADABLE for number in range(300)}
    jobs, store = some(3000, odd=bad, offers_batch=False), MemoryStore()
    jobs.add(*(a_job(number, created_at=NOW - 30 * DAY - number) for number in range(300)))
    listed(jobs, store)
    listed(jobs, store, NOW + CONFIRMED_AFTER_S)
    jobs.odd = {}
    jobs.untrusted = {an_id(number) for number in range(40)}
    for hours in range(30):
        listed(jobs, store, NOW + 5 * DAY + hours * HOUR, full_every_s=90 * DAY)
    assert store.count_set_aside() == 40


def test_a_list_of_which_no_row_can_be_used_concludes_nothing() -> None:
    jobs, store = some(40), MemoryStore()
    listed(jobs, store)
    before = {one: known.job for one, known in store.known.items()}
    for kind in (Oddness.FOREIGN, Oddness.UNREADABLE):
        jobs.odd = dict.fromkeys(jobs.jobs, kind)
        with pytest.raises(SourceError, match=r"no row .* for example job 0{32}: it is odd"):
            listed(jobs, store, NOW + HOUR)
    assert {one: known.job for one, known in store.known.items()} == before
    assert store.listed().watermark == NOW
    assert store.listed().full_at == NOW


def test_the_only_new_row_being_bad_is_no_reason_to_stop() -> None:
    jobs, store = some(600), MemoryStore()
    old = {one: a_job(int(one, 16), created_at=NOW - 30 * DAY - int(one, 16)) for one in jobs.jobs}
    jobs.jobs = dict(old)
    listed(jobs, store)
    jobs.add(a_job(9000, created_at=NOW + 60))
    jobs.odd[an_id(9000)] = Oddness.UNREADABLE
    for hours in (1, 2, 3):
        jobs.requests.clear()
        report = listed(jobs, store, NOW + hours * HOUR, full_every_s=30 * DAY)
        assert an_id(9000) in there(store)
        assert report.full == (hours == 1), (
            "the whole list tells once whether it is the row or the answer"
        )


def test_a_foreign_job_is_not_taken_in() -> None:
    jobs, store = some(20, odd={an_id(5): Oddness.FOREIGN}), MemoryStore()
    assert listed(jobs, store).aside_count == 1
    assert an_id(5) not in there(store)


def test_a_name_in_other_letters_case_is_told_before_anything_is_stored() -> None:
    jobs, store = some(20, spelling=Owner("DEMO")), MemoryStore()
    with pytest.raises(SpellingError) as told:
        listed(jobs, store)
    assert told.value.spelling == "DEMO"
    assert there(store) == set()


def test_jobs_that_are_known_keep_the_name_they_are_known_by() -> None:
    jobs, store = some(20), MemoryStore()
    listed(jobs, store)
    jobs.spelling = Owner("DEMO")
    assert listed(jobs, store, NOW + HOUR).known == 20
