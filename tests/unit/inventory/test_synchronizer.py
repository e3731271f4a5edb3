"""Whatever the list does, what is known afterwards is true, or nothing is concluded; and few
requests are spent on it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from sauce_janitor.errors import SourceError, SourceUnavailableError
from sauce_janitor.inventory import ContradictionError
from sauce_janitor.model.jobs import UNKNOWN, Build, JobState
from tests.fakes.job_list import NOW, JobList, TimeName, a_job, an_id
from tests.fakes.job_store import MemoryStore
from tests.support.listing import DAY, listed, some, there

# --- whole, in few requests -----------------------------------------------------------------------


@pytest.mark.parametrize("compares", ["created_at", "started_at", "ended_at", "modified_at", None])
@pytest.mark.parametrize("count", [0, 1, 2, 100, 499, 500, 501, 998, 999, 1000, 1498, 2600])
def test_a_full_listing_finds_every_job_with_a_request_per_499_and_one_more(
    count: int, compares: TimeName | None
) -> None:
    jobs, store = some(count, compares=compares), MemoryStore()
    report = listed(jobs, store)
    assert there(store) == set(jobs.jobs)
    assert report.full == bool(count)  # an empty one has to be confirmed by the next
    assert report.known == count
    assert len(jobs.requests) <= math.ceil(count / 499) + 1


def test_pages_are_cut_by_time_once_that_is_proven_to_lose_nothing() -> None:
    jobs, store = some(5000), MemoryStore()
    listed(jobs, store)
    assert max(int(str(asked["skip"])) for _, asked in jobs.requests) < 500


@pytest.mark.parametrize("orders_by", ["started_at", "modified_at"])
def test_pages_are_skipped_through_while_rows_may_be_in_another_order(orders_by: TimeName) -> None:
    jobs, store = some(3000, orders_by=orders_by), MemoryStore()
    times = {one: NOW - 1000 - 60 * number for number, one in enumerate(jobs.jobs)}
    jobs.jobs = {
        one: replace(
            job,
            created_at=times[one],
            started_at=times[one] + 9,
            modified_at=times[one] + 99,
            ended_at=times[one] + 99,
        )
        for one, job in jobs.jobs.items()
    }
    # One of the oldest pages was made late and had no wait: by its start it stands far below where
    # it was created.
    for number in range(2400, 2405):
        jobs.add(replace(jobs.jobs[an_id(number)], created_at=NOW - 1000 - 60 * 300))
    listed(jobs, store)
    assert there(store) == set(jobs.jobs)


def test_pages_are_skipped_through_when_to_compares_another_time() -> None:
    jobs, store = some(5000, compares="ended_at"), MemoryStore()
    listed(jobs, store)
    assert there(store) == set(jobs.jobs)
    assert max(int(str(asked["skip"])) for _, asked in jobs.requests) > 4000


def test_a_job_that_waited_long_before_it_started_is_not_lost_between_two_windows() -> None:
    jobs, store = JobList(compares="started_at"), MemoryStore()
    for number in range(1500):
        job = a_job(number)
        waits = 5000 if number % 250 == 3 else 0
        created = job.created_at if isinstance(job.created_at, int) else 0
        jobs.add(replace(job, started_at=created + waits, ended_at=created + waits + 90))
    listed(jobs, store)
    assert there(store) == {
        one for one, job in jobs.jobs.items() if int(str(job.started_at)) <= NOW
    }


def test_many_jobs_of_one_second_are_all_found() -> None:
    jobs, store = JobList(), MemoryStore()
    jobs.add(*(a_job(number, created_at=NOW - 1000 - number // 300) for number in range(2000)))
    jobs.add(*(a_job(number, created_at=NOW - 5000) for number in range(3000, 4200)))
    listed(jobs, store)
    assert there(store) == set(jobs.jobs)
    assert len(jobs.requests) <= math.ceil(3200 / 499) + 1


def test_a_lower_limit_of_the_server_is_noticed() -> None:
    jobs, store = some(350, most_rows=100), MemoryStore()
    listed(jobs, store)
    assert there(store) == set(jobs.jobs)


def test_jobs_that_arrive_while_it_is_listed_move_nothing_out() -> None:
    jobs, store = some(2600, compares=None), MemoryStore()
    arriving = iter(range(10_000, 20_000))
    jobs.before_list = lambda: jobs.add(
        *(a_job(next(arriving), created_at=NOW + 1) for _ in range(7))
    )
    before = set(jobs.jobs)
    listed(jobs, store)
    assert before <= there(store)


@pytest.mark.parametrize("compares", ["created_at", "ended_at"])
def test_jobs_deleted_by_others_while_it_is_listed_hide_none_of_the_rest(
    compares: TimeName,
) -> None:
    jobs, store = some(2600, compares=compares), MemoryStore()
    doomed = iter([an_id(number) for number in range(900)])
    jobs.before_list = lambda: jobs.drop(*(next(doomed) for _ in range(60)))
    listed(jobs, store)
    assert set(jobs.jobs) <= there(store)


def test_a_last_row_deleted_between_two_pages_is_no_reason_to_stop() -> None:
    jobs, store = some(1200), MemoryStore()

    def drop_the_last() -> None:
        if jobs.count("list") == 2:
            jobs.drop(an_id(499))

    jobs.before_list = drop_the_last
    listed(jobs, store)
    assert set(jobs.jobs) <= there(store)


# --- lists that cannot be read whole --------------------------------------------------------------


def test_the_same_page_again_and_again_ends_the_listing_with_an_error() -> None:
    jobs, store = some(1200, ignores_skip=True, compares=None), MemoryStore()
    with pytest.raises(ContradictionError, match="same page"):
        listed(jobs, store)
    assert store.listed().full_at is None


@pytest.mark.parametrize("counts_doubles", [True, False])
@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize("count", [1, 14, 499, 500, 1300])
def test_a_job_with_two_rows_is_one_job(count: int, every: int, *, counts_doubles: bool) -> None:
    jobs, store = (
        some(count, counts_doubles=counts_doubles, doubles=lambda one: int(one, 16) % every == 0),
        MemoryStore(),
    )
    report = listed(jobs, store)
    assert there(store) == set(jobs.jobs)
    assert report.known == count


def test_a_list_that_changes_faster_than_it_is_read_is_not_believed() -> None:
    jobs, store = some(9000, compares=None), MemoryStore()
    doomed = iter(range(9000))
    jobs.before_list = lambda: jobs.drop(*(an_id(next(doomed)) for _ in range(600)))
    with pytest.raises(ContradictionError, match="faster"):
        listed(jobs, store)


def test_a_list_without_ids_is_not_believed() -> None:
    jobs, store = JobList(nameless=3), MemoryStore()
    with pytest.raises(ContradictionError, match="no row"):
        listed(jobs, store)


# --- broken off -----------------------------------------------------------------------------------


def breaking(jobs: JobList, at: int) -> None:
    countdown = iter(range(at - 1, -1, -1))

    def fail() -> None:
        if next(countdown, None) == 0:
            raise SourceUnavailableError("no answer")

    jobs.before_list = fail


@pytest.mark.parametrize("compares", ["created_at", "ended_at"])
@pytest.mark.parametrize("at", [1, 2, 3, 5])
def test_a_listing_that_broke_off_goes_on_where_it_was(at: int, compares: TimeName) -> None:
    jobs, store = some(2600, compares=compares), MemoryStore()
    breaking(jobs, at)
    with pytest.raises(SourceUnavailableError):
        listed(jobs, store)
    assert store.listed().full_at is None
    jobs.requests.clear()
    report = listed(jobs, store, NOW + 600)
    assert there(store) == set(jobs.jobs)
    assert report.full
    of_all = [asked for kind, asked in jobs.requests if kind == "list" and asked["since"] is None]
    assert (
        len(of_all) <= 6 - (at - 1) + 2
    )  # the rest, the overlap, and the proof of a window once more


def test_after_an_old_break_the_listing_begins_anew() -> None:
    jobs, store = some(2600), MemoryStore()
    breaking(jobs, 3)
    with pytest.raises(SourceUnavailableError):
        listed(jobs, store)
    jobs.requests.clear()
    listed(jobs, store, NOW + 2 * DAY)
    assert jobs.requests[0][1]["until"] == NOW + 2 * DAY


def test_what_is_new_since_a_listing_broke_off_is_listed_too() -> None:
    jobs, store = some(2600), MemoryStore()
    breaking(jobs, 4)
    with pytest.raises(SourceUnavailableError):
        listed(jobs, store)
    jobs.add(a_job(9000, created_at=NOW + 300))
    listed(jobs, store, NOW + 600)
    assert an_id(9000) in there(store)


def test_a_list_that_moved_while_broken_off_is_listed_anew() -> None:
    jobs, store = some(2600), MemoryStore()
    breaking(jobs, 3)
    with pytest.raises(SourceUnavailableError):
        listed(jobs, store)
    jobs.drop(*(an_id(number) for number in range(600, 1600)))
    listed(jobs, store, NOW + 60)
    assert set(jobs.jobs) <= there(store)
    assert store.listed().full_at is not None


# --- what is new ----------------------------------------------------------------------------------


def test_an_idle_second_run_within_the_hour_costs_at_most_two_requests() -> None:
    for count in (0, 1, 40, 250, 499, 500, 3000):
        jobs, store = some(count), MemoryStore()
        # Two thirds of them in the past, as in a month of jobs.
        jobs.jobs = {
            one: replace(job, **_older(number))
            for number, (one, job) in enumerate(jobs.jobs.items())
        }
        if count > 100:
            jobs.add(
                a_job(
                    9001,
                    state=JobState.RUNNING,
                    ended_at=None,
                    status=None,
                    created_at=NOW - 40 * DAY,
                )
            )
        listed(jobs, store)
        jobs.requests.clear()
        listed(jobs, store, NOW + 1800)
        assert len(jobs.requests) <= 2, count


def _older(number: int) -> dict[str, Any]:
    time = NOW - 100 - number * 900
    return {
        "created_at": time,
        "started_at": time + 2,
        "ended_at": time + 90,
        "modified_at": time + 90,
    }


def test_a_later_run_learns_of_new_jobs_and_of_changes_to_recent_ones() -> None:
    jobs, store = some(50), MemoryStore()
    listed(jobs, store)
    jobs.add(a_job(900, created_at=NOW + 60), replace(jobs.jobs[an_id(3)], tags=("keep",)))
    report = listed(jobs, store, NOW + 3600)
    assert not report.full
    assert an_id(900) in there(store)
    assert store.known[an_id(3)].job.tags == ("keep",)
    assert store.known[an_id(3)].changed_at == NOW + 3600
    assert store.known[an_id(4)].changed_at == NOW


def test_a_job_unfinished_for_long_is_asked_for_until_it_ends() -> None:
    jobs, store = some(1000), MemoryStore()
    jobs.add(
        a_job(5000, created_at=NOW - 30 * DAY, state=JobState.RUNNING, ended_at=None, status=None)
    )
    listed(jobs, store)
    jobs.add(a_job(5000, created_at=NOW - 30 * DAY, lasts_s=30 * DAY + 60))
    listed(jobs, store, NOW + 3600)
    assert store.known[an_id(5000)].job.state is JobState.FINISHED


def test_old_unfinished_jobs_cost_a_few_requests_where_there_is_no_batch_look_up() -> None:
    jobs, store = some(1000, offers_batch=False), MemoryStore()
    jobs.add(
        *(
            a_job(n, created_at=NOW - 30 * DAY - n, state=JobState.RUNNING, ended_at=None)
            for n in range(5000, 5600)
        )
    )
    listed(jobs, store)
    jobs.requests.clear()
    listed(jobs, store, NOW + 3600)
    assert jobs.count("job") <= 20


def test_a_full_listing_is_repeated_when_it_is_old_or_wanted() -> None:
    jobs, store = some(50), MemoryStore()
    listed(jobs, store)
    assert not listed(jobs, store, NOW + DAY).full
    assert listed(jobs, store, NOW + DAY + 1).full
    assert listed(jobs, store, NOW + DAY + 2, deep=True).full


def test_a_watermark_ahead_of_the_clock_is_not_trusted() -> None:
    jobs, store = some(50), MemoryStore()
    listed(jobs, store, NOW + 10 * DAY)
    assert listed(jobs, store, NOW).full


def test_a_job_missing_in_a_complete_full_listing_is_gone_and_comes_back_when_it_is_there_again() -> (
    None
):
    jobs, store = some(50), MemoryStore()
    listed(jobs, store)
    lost = jobs.jobs.pop(an_id(7))
    assert listed(jobs, store, NOW + 60).gone == 0
    assert listed(jobs, store, NOW + 120, deep=True).gone == 1
    assert an_id(7) not in there(store)
    jobs.add(lost)
    listed(jobs, store, NOW + 180)
    assert an_id(7) in there(store)


# --- lists that are not to be believed ------------------------------------------------------------


def test_an_empty_list_where_jobs_were_known_concludes_nothing() -> None:
    jobs, store = some(50), MemoryStore()
    listed(jobs, store)
    hidden, jobs.jobs = jobs.jobs, {}
    for again in range(2):
        with pytest.raises(SourceError, match="nothing is concluded"):
            listed(jobs, store, NOW + 600 + again)
    assert there(store) == set(hidden)


def test_a_list_that_lost_more_than_half_concludes_nothing() -> None:
    jobs, store = some(100), MemoryStore()
    listed(jobs, store)
    jobs.drop(*(an_id(number) for number in range(51)))
    with pytest.raises(SourceError, match="51 of 100"):
        listed(jobs, store, NOW + 600, deep=True)
    assert len(there(store)) == 100
    assert listed(jobs, store, NOW + 700, deep=True, accept_loss=True).gone == 51


def test_what_we_deleted_ourselves_is_no_loss() -> None:
    jobs, store = some(100), MemoryStore()
    listed(jobs, store)
    ours = [an_id(number) for number in range(90)]
    jobs.drop(*ours)
    store.mark_gone(ours)
    assert listed(jobs, store, NOW + 600, deep=True).known == 10


def test_a_few_lost_jobs_are_asked_for_one_by_one_and_believed_when_all_are_gone() -> None:
    jobs, store = some(3), MemoryStore()
    listed(jobs, store)
    jobs.drop(an_id(0), an_id(1), an_id(2))
    assert listed(jobs, store, NOW + 600).gone == 3
    assert there(store) == set()


def test_one_lost_job_that_is_there_after_all_makes_the_list_unbelievable() -> None:
    jobs, store = some(3), MemoryStore()
    listed(jobs, store)
    jobs.compares, jobs.orders_by = "modified_at", "modified_at"
    jobs.jobs = {one: replace(job, modified_at=NOW + DAY) for one, job in jobs.jobs.items()}
    with pytest.raises(SourceError, match="is there"):
        listed(jobs, store, NOW + 600, deep=True)


def test_half_the_news_missing_makes_it_list_all() -> None:
    jobs, store = some(1000), MemoryStore()
    listed(jobs, store)
    jobs.drop(*(an_id(number) for number in range(400)))
    jobs.add(*(a_job(number, created_at=NOW - 60 * DAY - number) for number in range(2000, 2010)))
    report = listed(jobs, store, NOW + 60)
    assert not report.full  # 400 of 1000 are not half
    jobs.drop(*(an_id(number) for number in range(400, 501)))
    with pytest.raises(SourceError, match="nothing is concluded"):
        listed(jobs, store, NOW + 120)


# --- rows that are not understood -----------------------------------------------------------------


def test_an_unreadable_row_is_asked_again_by_itself() -> None:
    jobs, store = some(20, unreadable={an_id(5)}), MemoryStore()
    report = listed(jobs, store)
    assert report.aside_count == 0
    assert an_id(5) in there(store)
    assert store.listed().watermark == NOW


def test_a_row_that_stays_unreadable_stops_the_watermark_but_is_not_gone() -> None:
    jobs, store = some(20), MemoryStore()
    listed(jobs, store)
    jobs.unreadable, jobs.untrusted = {an_id(5)}, {an_id(5)}
    report = listed(jobs, store, NOW + 600, deep=True)
    assert report.aside_count == 1
    assert [aside.id for aside in report.asides] == [an_id(5)]
    assert store.listed().watermark == NOW
    assert store.listed().full_at == NOW + 600
    assert an_id(5) in there(store)


def test_a_row_without_an_id_stops_the_watermark() -> None:
    jobs, store = some(20, nameless=1), MemoryStore()
    assert listed(jobs, store).aside_count > 0
    assert store.listed().watermark is None
    assert there(store) == set(jobs.jobs)


def test_many_unreadable_rows_do_not_cost_a_request_each() -> None:
    jobs, store = some(400), MemoryStore()
    jobs.unreadable = {str(one) for one in jobs.jobs} - {an_id(0)}
    jobs.untrusted = jobs.unreadable
    listed(jobs, store)
    assert jobs.count("job") <= 20


# --- details --------------------------------------------------------------------------------------


@pytest.mark.parametrize("offers_batch", [True, False])
def test_details_are_asked_only_for_rows_that_lack_a_needed_field(*, offers_batch: bool) -> None:
    jobs, store = (
        some(150, left_out=frozenset({"tags", "build"}), offers_batch=offers_batch),
        MemoryStore(),
    )
    jobs.jobs = {one: replace(job, tags=("a",)) for one, job in jobs.jobs.items()}
    assert listed(jobs, store, needed_fields=frozenset({"name"})).detailed == 0
    assert listed(jobs, store, NOW + 60, needed_fields=frozenset({"tags"})).detailed == 150
    assert all(known.job.tags == ("a",) for known in store.known.values())
    jobs.requests.clear()
    assert listed(jobs, store, NOW + 120, needed_fields=frozenset({"tags"})).detailed == 0
    assert all(known.changed_at <= NOW + 60 for known in store.known.values())


def test_one_bad_answer_spoils_only_its_own_job() -> None:
    jobs, store = some(120, left_out=frozenset({"tags"})), MemoryStore()
    jobs.jobs = {one: replace(job, tags=("a",)) for one, job in jobs.jobs.items()}
    jobs.untrusted = {an_id(7)}
    assert listed(jobs, store, needed_fields=frozenset({"tags"})).detailed == 120
    assert {one for one, known in store.known.items() if known.job.tags is UNKNOWN} == {an_id(7)}


def test_details_are_asked_again_when_the_row_changed() -> None:
    jobs, store = some(10, left_out=frozenset({"tags"})), MemoryStore()
    listed(jobs, store, needed_fields=frozenset({"tags"}))
    jobs.add(replace(jobs.jobs[an_id(1)], name="renamed", tags=("keep",)))
    assert listed(jobs, store, NOW + 60, needed_fields=frozenset({"tags"})).detailed == 1
    assert store.known[an_id(1)].job.tags == ("keep",)


def test_a_field_that_even_the_details_leave_out_is_asked_for_once() -> None:
    jobs, store = some(10), MemoryStore()
    jobs.jobs = {one: replace(job, tags=UNKNOWN) for one, job in jobs.jobs.items()}
    listed(jobs, store, needed_fields=frozenset({"tags"}))
    assert listed(jobs, store, NOW + 60, needed_fields=frozenset({"tags"})).detailed == 0


def test_the_rules_words_for_fields_are_understood() -> None:
    jobs, store = some(10, left_out=frozenset({"started_at", "custom_data"})), MemoryStore()
    assert listed(jobs, store, needed_fields=frozenset({"duration"})).detailed == 10
    jobs, store = some(10, left_out=frozenset({"custom_data"})), MemoryStore()
    assert (
        listed(jobs, store, needed_fields=frozenset({"custom_data.team", "owner"})).detailed == 10
    )


# --- builds ---------------------------------------------------------------------------------------


def test_builds_are_asked_for_only_when_wanted() -> None:
    jobs, store = (
        some(3, offered_builds=[Build("1", "nightly", None, "success", 3, 0)]),
        MemoryStore(),
    )
    assert listed(jobs, store).builds is None
    assert jobs.count("builds") == 0
    assert listed(jobs, store, NOW + 1, with_builds=True).builds == 1
    jobs.offered_builds = None
    assert listed(jobs, store, NOW + 2, with_builds=True).builds is None
    assert store.builds is None
