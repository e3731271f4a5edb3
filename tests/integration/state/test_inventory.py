"""The inventory as the database keeps it: the same as the plain one in memory, streamed in order,
of one moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sauce_janitor.inventory import SyncRequest, sync
from sauce_janitor.model.jobs import (
    UNKNOWN,
    Action,
    AssetsStanding,
    Build,
    BuildCounters,
    Job,
    JobState,
    Owner,
)
from sauce_janitor.model.permits import DeleteJobPermit, Receipt
from sauce_janitor.state import Query, State
from tests.fakes.job_list import NOW, OWNER, JobList, ListedBy, a_job, an_id
from tests.fakes.job_store import MemoryStore
from tests.support.laws import examples_on_a_change

texts = st.one_of(
    st.none(), st.just(UNKNOWN), st.text(st.characters(exclude_categories=()), max_size=6)
)
times = st.one_of(st.none(), st.just(UNKNOWN), st.integers(0, 2**40))


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    return Job(
        an_id(draw(st.integers(0, 5))),
        OWNER,
        draw(st.sampled_from(JobState)),
        name=draw(texts),
        build=draw(texts),
        tags=draw(
            st.one_of(st.just(UNKNOWN), st.lists(st.text(max_size=3), max_size=2).map(tuple))
        ),
        status=draw(st.sampled_from([None, "passed", UNKNOWN])),
        manual=draw(st.sampled_from([None, True, False, UNKNOWN])),
        custom_data=draw(
            st.one_of(
                st.none(),
                st.just(UNKNOWN),
                st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
            )
        ),
        created_at=draw(times),
        ended_at=draw(times),
    )


Step = tuple[str, Sequence[Job], int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["put", "details", "conclude", "aside", "off"]),
        st.lists(jobs(), max_size=4),
        st.integers(0, 5),
    )
)


# Each example commits to a real disk some dozen times, on both databases.
@settings(
    max_examples=examples_on_a_change(0.4),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps)
def test_the_database_keeps_what_the_plain_store_keeps(state: State, steps: list[Step]) -> None:
    account = f"account {len(state.accounts.all())}"
    state.accounts.admit(account, base_url="u", username="demo")
    real, plain = state.jobs.of(account, OWNER), MemoryStore()
    for number, (kind, some, bit) in enumerate(steps, start=1):
        now = 100 * number
        unlike = list({job.id: job for job in some}.values())
        for store in (real, plain):
            if kind == "put":
                store.put(unlike, unreadable=(an_id(bit),), mark=now, now=now, bookmark=str(bit))
            elif kind == "details":
                asked = [one for one in (an_id(each) for each in range(bit)) if one in plain.known]
                store.put_details([job for job in unlike if job.id in asked], asked=asked, now=now)
            elif kind == "aside":
                store.set_aside(
                    [job.id for job in unlike], mark=now, now=now, known_only=bit % 2 == 0
                )
            elif kind == "off":
                store.put_off([an_id(each) for each in range(bit)], now=now)
            else:
                full_at = now if bit % 2 else None
                store.conclude(
                    mark=now - 100 * bit, watermark=None, full_at=full_at, longest_page=bit
                )
        _same(state, account, plain, now)


def _same(state: State, account: str, plain: MemoryStore, now: int) -> None:
    real = state.jobs.of(account, OWNER)
    there = [known for known in plain.known.values() if not known.gone]
    found = {record.job.id: record for record in state.jobs.records(account, as_of=0)}
    assert {one: record.job for one, record in found.items()} == {
        known.job.id: known.job for known in there
    }
    assert {one: record.changed_at for one, record in found.items()} == {
        k.job.id: k.changed_at for k in there
    }
    assert real.listed() == plain.listed()
    for mark in (now - 150, now):
        assert real.missing(mark) == plain.missing(mark)
        assert set(real.missing_ids(mark, 9)) == set(plain.missing_ids(mark, 9))
        assert set(real.unfinished(mark, 9)) == set(plain.unfinished(mark, 9))
    assert real.count() == plain.count()
    assert real.count_set_aside() == plain.count_set_aside()
    assert real.oldest_unfinished() == plain.oldest_unfinished()
    assert real.oldest_ended_since(5) == plain.oldest_ended_since(5)
    assert real.count_created_since(5) == plain.count_created_since(5)
    assert real.missing_within(3, 2**39, now) == plain.missing_within(3, 2**39, now)
    for fields in (["tags"], ["name", "custom_data"], ["state"], ["owner"]):
        assert set(real.lacking(fields, 9)) == set(plain.lacking(fields, 9))


def test_what_a_listing_wrote_down_is_read_by_the_next(state: State) -> None:
    store = state.jobs.of("eu", OWNER)
    assert store.memo() is None
    store.keep_memo("first")
    store.keep_memo("second")
    assert state.jobs.of("eu", OWNER).memo() == "second"
    assert state.jobs.of("eu", Owner("other")).memo() is None


def test_a_whole_listing_goes_through_the_database(state: State) -> None:
    jobs = JobList(offered_builds=[Build("b1", "nightly", None, "success", 3, 0)])
    jobs.add(*(a_job(number, build="nightly" if number < 3 else None) for number in range(1200)))
    store = state.jobs.of("eu", OWNER)
    report = sync(OWNER, ListedBy(jobs), store, SyncRequest(NOW, 86_400, with_builds=True))
    assert (report.known, report.builds, report.full) == (1200, 1, True)
    assert {record.job for record in state.jobs.records("eu", as_of=NOW)} == set(jobs.jobs.values())
    assert state.jobs.full_at("eu") == NOW
    assert state.jobs.owners("eu") == (OWNER,)


def put(state: State, *some: Job, now: int = 1, owner: Owner = OWNER) -> None:
    state.jobs.of("eu", owner).put(some, unreadable=(), mark=now, now=now, bookmark=None)


# --- streaming ------------------------------------------------------------------------------------


def test_records_come_newest_first_by_the_time_of_the_age_then_by_id(state: State) -> None:
    put(
        state,
        a_job(1, ended_at=50, modified_at=500),
        a_job(4, ended_at=90, modified_at=1),
        a_job(2, ended_at=None, modified_at=70),
        a_job(3, ended_at=90, modified_at=2),
        a_job(5, ended_at=None, modified_at=None),
    )
    by_end = [record.job.id for record in state.jobs.records("eu", as_of=0)]
    assert by_end == [an_id(number) for number in (3, 4, 2, 1, 5)]
    by_change = state.jobs.records("eu", None, ("modification_time",), as_of=0)
    assert [record.job.id for record in by_change][:2] == [an_id(1), an_id(2)]


def test_records_are_of_the_account_and_the_owners_asked_for(state: State) -> None:
    state.accounts.admit("us", base_url="v", username="demo")
    put(state, a_job(1))
    put(state, replace(a_job(2), owner=Owner("alice")), owner=Owner("alice"))
    state.jobs.of("us", OWNER).put([a_job(3)], unreadable=(), mark=1, now=1, bookmark=None)
    assert {record.job.id for record in state.jobs.records("eu", as_of=0)} == {an_id(1), an_id(2)}
    assert [record.job.id for record in state.jobs.records("eu", [Owner("alice")], as_of=0)] == [
        an_id(2)
    ]
    assert list(state.jobs.records("eu", [], as_of=0)) == []
    assert state.jobs.count("eu") == 2
    assert state.jobs.count("us", [OWNER]) == 1
    assert state.jobs.record("us", an_id(1), as_of=0) is None


def test_a_snapshot_says_the_same_however_often_it_is_read(state: State) -> None:
    put(state, *(a_job(number) for number in range(10)))
    with state.jobs.snapshot(Query("eu")) as snapshot:
        first = list(snapshot.records())
        put(state, a_job(0, name="other"), a_job(99), now=5)
        state.holds.add("eu", [an_id(1)], by="me", reason="", at=1, until=None)
        assert list(snapshot.records()) == first
        found = snapshot.record(an_id(0))
        assert found is not None
        assert found.job == a_job(0)
    assert len(list(state.jobs.records("eu", as_of=0))) == 11


def test_a_snapshot_is_of_all_jobs_and_builds_of_the_account(state: State) -> None:
    """Terms: The **inventory** is all jobs and builds known for an account at one instant,
    `as_of`."""
    put(state, *(a_job(number, build="one") for number in range(5)))
    put(state, replace(a_job(5), owner=Owner("alice")), owner=Owner("alice"))
    state.accounts.admit("us", base_url="v", username="demo")
    state.jobs.of("us", OWNER).put([a_job(6)], unreadable=(), mark=1, now=1, bookmark=None)
    store = state.jobs.of("eu", OWNER)
    store.put_builds([Build("1", "one", None, "failed", 5, 0)], now=5)
    state.holds.add("eu", [an_id(1), an_id(2)], by="me", reason="", at=1, until=100)
    for as_of, held in ((99, {an_id(1), an_id(2)}), (100, set())):
        with state.jobs.snapshot(Query("eu", as_of=as_of)) as snapshot:
            store.put_builds([Build("1", "one", None, "success" if held else "error", 5, 0)], now=6)
            put(state, a_job(0, name=f"later than {as_of}", build="one"), now=7)
            records = {record.job.id: record for record in snapshot.records()}
        assert set(records) == {an_id(number) for number in range(6)}
        assert {identity for identity, record in records.items() if record.held} == held
        assert records[an_id(1)].build_status == ("failed" if held else "success")
        assert records[an_id(0)].job.name != f"later than {as_of}"


def test_a_stream_left_early_keeps_nothing_locked(file_state: State, path: Path) -> None:
    put(file_state, *(a_job(number) for number in range(3000)))
    records = file_state.jobs.records("eu", as_of=0)
    next(records)
    records.close()  # type: ignore[attr-defined]  # it is a generator
    put(file_state, a_job(0, name="other"), now=5)
    file_state.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["state.db"]


# --- what is ours in a record ---------------------------------------------------------------------


def test_holds_protect_until_they_are_over_or_released(state: State) -> None:
    put(state, a_job(1), a_job(2), a_job(3))
    state.holds.add("eu", [an_id(1), an_id(2)], by="jane", reason="audit", at=10, until=100)
    state.holds.add("eu", [an_id(2)], by="joe", reason="bug 7", at=11, until=None)

    def held(as_of: int) -> set[str]:
        return {record.job.id for record in state.jobs.records("eu", as_of=as_of) if record.held}

    assert held(99) == {an_id(1), an_id(2)}
    assert held(100) == {an_id(2)}
    assert state.holds.protects("eu", an_id(1), at=99)
    assert not state.holds.protects("eu", an_id(1), at=100)
    assert not state.holds.protects("us", an_id(1), at=99)
    assert [hold.reason for hold in state.holds.list("eu", at=100)] == ["bug 7"]
    assert state.holds.release("eu", [an_id(2)], by="joe", at=50) == 2
    assert held(60) == {an_id(1)}
    assert [hold.released_by for hold in state.holds.list()] == [None, "joe", "joe"]


def test_an_announcement_lasts_as_long_as_it_is_repeated(state: State) -> None:
    put(state, *(a_job(number) for number in range(3)))

    def announced() -> dict[str, Any]:
        return {
            record.job.id: record.announced
            for record in state.jobs.records("eu", as_of=0)
            if record.announced
        }

    notices = state.notices
    notices.announce("eu", Action.DELETE_JOB, [an_id(0), an_id(1), an_id(1), an_id(77)], at=10)
    notices.announce("eu", Action.DELETE_ASSETS, [an_id(0)], at=11)
    assert announced() == {
        an_id(0): {Action.DELETE_JOB: 10, Action.DELETE_ASSETS: 11},
        an_id(1): {Action.DELETE_JOB: 10},
    }
    notices.announce("eu", Action.DELETE_JOB, [an_id(1), an_id(2)], at=20)
    assert announced() == {
        an_id(0): {Action.DELETE_ASSETS: 11},
        an_id(1): {Action.DELETE_JOB: 10},
        an_id(2): {Action.DELETE_JOB: 20},
    }
    notices.announce("eu", Action.DELETE_JOB, [], at=30)
    notices.announce("eu", Action.DELETE_JOB, (an_id(number) for number in range(3)), at=40)
    assert announced()[an_id(1)] == {Action.DELETE_JOB: 40}
    with pytest.raises(ValueError, match="not announced"):
        notices.announce("eu", Action.STOP, [], at=1)


def test_the_fate_of_assets_is_remembered(state: State) -> None:
    put(state, a_job(1))
    journal = state.journal.during("eu", "run", lambda: 5)
    assert journal.purged(an_id(1), OWNER, policy="p", lost=True)
    put(state, a_job(1, name="other"), now=9)
    record = state.jobs.record("eu", an_id(1), as_of=0)
    assert record is not None
    assert record.assets is AssetsStanding.PURGED
    assert (journal.assets_purged(an_id(1)), journal.assets_purged(an_id(2))) == (True, False)


def test_a_purge_is_news_once_until_assets_are_listed_again(state: State) -> None:
    put(state, a_job(1))
    journal = state.journal.during("eu", "run", lambda: 5)
    assert [journal.purged(an_id(1), OWNER, policy="p", lost=True) for _ in range(2)] == [
        True,
        False,
    ]
    journal.listed_again(an_id(1), OWNER)
    journal.listed_again(an_id(1), OWNER)
    assert not journal.assets_purged(an_id(1))
    assert journal.purged(an_id(1), OWNER, policy="p", lost=False)
    assert [(line.kind, line.detail) for line in state.journal.of(an_id(1))] == [
        ("purged", {"lost": True}), ("listed_again", {}), ("purged", {"lost": False}),
    ]  # fmt: skip
    assert state.journal.verify() == 3


def test_nothing_is_called_purged_that_we_deleted_or_do_not_know(state: State) -> None:
    assert not state.journal.during("eu", "run", lambda: 5).purged(
        an_id(9), OWNER, policy="p", lost=True
    )
    assert state.journal.of(an_id(9)) == ()


def test_a_job_s_build_is_the_only_one_of_its_name(state: State) -> None:
    """Builds: With API v1, a job's build is its owner's only build of that name, else unknown."""
    store = state.jobs.of("eu", OWNER)
    put(
        state,
        *(
            a_job(number, build=build)
            for number, build in enumerate(["one", "two", "none", UNKNOWN, None, "null\x00"])
        ),
    )
    builds = [
        Build("1", "one", None, "failed", 3, 1),
        Build("2", "two", None, "success", 1, 0),
        Build("3", "two", None, "success", 1, 0),
        Build("4", None, None, UNKNOWN, UNKNOWN, UNKNOWN),
        Build("5", "null\x00", None, "error", 1, 0),
    ]
    assert store.put_builds(builds, now=50) == 5

    def seen(number: int) -> tuple[object, object, object, int]:
        streamed = {record.job.id: record for record in state.jobs.records("eu", as_of=0)}[
            an_id(number)
        ]
        assert state.jobs.record("eu", an_id(number), as_of=0) == streamed
        return (
            streamed.build_id,
            streamed.build_status,
            streamed.build_counters,
            streamed.changed_at,
        )

    assert seen(0) == ("1", "failed", BuildCounters(3, 1), 50)
    assert seen(1)[:3] == (UNKNOWN, UNKNOWN, None)
    assert seen(2)[:2] == (UNKNOWN, UNKNOWN)
    assert seen(3)[:2] == (UNKNOWN, UNKNOWN)
    assert seen(4) == (None, None, None, 1)
    assert seen(5)[:2] == ("5", "error")
    store.put_builds([*builds, Build("6", UNKNOWN, None, "error", 1, 0)], now=60)
    assert seen(0)[0] is UNKNOWN
    store.put_builds(None, now=70)
    assert seen(0)[0] is UNKNOWN


def test_a_build_that_only_lost_jobs_has_not_changed_and_counts_what_we_deleted(
    state: State,
) -> None:
    store = state.jobs.of("eu", OWNER)
    put(state, a_job(1, build="one"), a_job(2, build="one"))
    store.put_builds([Build("1", "one", None, "failed", 2, 0)], now=50)
    with state.lease("eu", "run", now=1) as lease:
        journal = state.journal.during("eu", "run", lambda: 1)
        permit = DeleteJobPermit(an_id(1), OWNER, Receipt("ab"), "fp", 1.0, lease.fence)
        journal.outcome(journal.intent(permit, policy="p"), "confirmed", detail="")
    for now, status in (
        (60, "failed"),
        (65, "success"),
    ):  # the failed one was ours: what is left of the build looks milder
        store.put_builds([Build("1", "one", None, status, 1, 0)], now=now)
        for record in (
            state.jobs.record("eu", an_id(2), as_of=0),
            *state.jobs.records("eu", as_of=0),
        ):
            assert record is not None
            assert (record.changed_at, record.build_status) == (50, "failed")
            assert record.build_counters == BuildCounters(2, 0, deleted=1)
    store.put_builds([Build("1", "one", None, "error", 1, 0)], now=70)
    assert [record.changed_at for record in state.jobs.records("eu", as_of=0)] == [70]
