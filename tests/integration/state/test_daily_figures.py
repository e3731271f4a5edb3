"""The sums of each day: every line of the journal counts once, however often they are added up."""

from __future__ import annotations

import pytest

from sauce_janitor.model.archive.entries import ArchiveEntry
from sauce_janitor.model.jobs import JobId
from sauce_janitor.model.permits import DeleteAssetsPermit, DeleteJobPermit, Receipt
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.state import DayFigures, RunJournal, State
from sauce_janitor.state.journal.daily_figures import KEPT_DAYS
from sauce_janitor.state.journal.run_journal import SeenReceipt
from tests.fakes.job_list import OWNER, a_job, an_id

TODAY = 20_000
NOW = TODAY * DAY_S + 100


def known(state: State) -> None:
    jobs = [a_job(number) for number in range(20)]
    state.jobs.of("eu", OWNER).put(jobs, unreadable=(), mark=1, now=1, bookmark=None)


def on(state: State, day: int) -> RunJournal:
    return state.journal.during("eu", "run-1", lambda: day * DAY_S + 50)


def delete(state: State, job: JobId, day: int, *, freed: int | None = None) -> None:
    """Delete the assets where it is known how large they are, else the job."""
    kind = DeleteJobPermit if freed is None else DeleteAssetsPermit
    with state.lease("eu", "run-1", now=1) as lease:
        permit = kind(job, OWNER, Receipt("ab" * 32), "fp", 1.0, lease.fence)
        seq = on(state, day).intent(permit, policy="p")
        on(state, day).outcome(seq, "confirmed", detail="", bytes_reclaimed=freed)


def archive(state: State, job: JobId, day: int, size: int) -> None:
    """A copy in the journal and in the index."""
    on(state, day).archived(job, OWNER, receipt="ab" * 32, selection="all", policy="p")
    entry = ArchiveEntry(
        account="eu",
        job_id=job,
        owner=OWNER,
        place=f"eu/{job}",
        ended_at=1,
        stored_at=day * DAY_S + 50,
        policy="p",
        assets=1,
        size_bytes=size,
        pruned=0,
        has_video=False,
    )
    state.archived.put([entry])
    state.archived.mark("an-archive", state.journal.ends())


def test_what_happened_is_counted_on_its_day(state: State) -> None:
    known(state)
    archive(state, an_id(1), TODAY - 1, 1000)
    archive(state, an_id(2), TODAY, 500)
    delete(state, an_id(1), TODAY, freed=900)
    delete(state, an_id(1), TODAY)
    delete(state, an_id(3), TODAY - 1)
    on(state, TODAY).purged(an_id(4), OWNER, policy="p", lost=True)
    on(state, TODAY).purged(an_id(5), OWNER, policy="p", lost=False)
    state.figures.add_up("eu", now=NOW)
    assert state.figures.of("eu") == (
        DayFigures(TODAY - 1, archived_jobs=1, archived_bytes=1000, deleted_jobs=1),
        DayFigures(
            TODAY,
            archived_jobs=1,
            archived_bytes=500,
            deleted_jobs=1,
            deleted_assets=1,
            freed_bytes=900,
            lost_jobs=1,
            archive_jobs=2,
            archive_bytes=1500,
        ),
    )


def test_adding_up_again_counts_only_what_is_new(state: State) -> None:
    known(state)
    delete(state, an_id(1), TODAY)
    for _ in range(3):
        state.figures.add_up("eu", now=NOW)
    delete(state, an_id(2), TODAY)
    state.figures.add_up("eu", now=NOW)
    assert [day.deleted_jobs for day in state.figures.of("eu")] == [2]


def test_copies_that_were_only_found_again_are_not_of_that_day(state: State) -> None:
    known(state)
    on(state, TODAY).reindexed(an_id(1), OWNER, [SeenReceipt("ab" * 32, "all", "p")])
    state.figures.add_up("eu", now=NOW)
    assert sum(day.archived_jobs for day in state.figures.of("eu")) == 0


def test_what_was_pruned_was_archived_nevertheless_and_an_idle_day_keeps_the_size(
    state: State,
) -> None:
    known(state)
    archive(state, an_id(1), TODAY - 1, 1000)
    archive(state, an_id(2), TODAY - 1, 500)
    state.figures.add_up("eu", now=NOW - DAY_S)
    state.archived.forget()
    archive(state, an_id(2), TODAY - 1, 500)
    state.figures.add_up("eu", now=NOW)
    state.figures.add_up("eu", now=NOW + DAY_S)
    found = state.figures.of("eu")
    assert [day.archived_bytes for day in found] == [1500, 0, 0]
    assert [day.archive_bytes for day in found] == [1500, 500, 500]


def test_without_an_index_the_size_of_the_archive_is_not_known(state: State) -> None:
    known(state)
    on(state, TODAY).archived(an_id(1), OWNER, receipt="ab" * 32, selection="all", policy="p")
    state.figures.add_up("eu", now=NOW)
    assert [day.archive_bytes for day in state.figures.of("eu")] == [None]


def test_old_days_are_forgotten(state: State) -> None:
    known(state)
    delete(state, an_id(1), TODAY)
    state.figures.add_up("eu", now=NOW)
    delete(state, an_id(2), TODAY + KEPT_DAYS - 1)
    state.figures.add_up("eu", now=NOW + (KEPT_DAYS - 1) * DAY_S)
    assert [day.deleted_jobs for day in state.figures.of("eu")] == [1, 1]
    state.figures.add_up("eu", now=NOW + KEPT_DAYS * DAY_S)
    assert next(day.day for day in state.figures.of("eu")) == TODAY + KEPT_DAYS - 1


def test_of_a_state_from_a_backup_they_are_made_anew(state: State) -> None:
    known(state)
    delete(state, an_id(1), TODAY)
    state.figures.add_up("eu", now=NOW)
    (key,) = state.notes.starting("daily figures ")
    text = state.notes.read(key)
    assert text is not None
    state.notes.write(key, text.replace('"through": 2', '"through": 9').replace("1}", "7}"))
    state.figures.add_up("eu", now=NOW)
    assert [day.deleted_jobs for day in state.figures.of("eu")] == [1]


def test_they_stay_with_an_account_that_is_renamed(state: State) -> None:
    known(state)
    delete(state, an_id(1), TODAY)
    state.figures.add_up("eu", now=NOW)
    state.accounts.rename("eu", "europe")
    state.figures.add_up("europe", now=NOW)
    assert [day.deleted_jobs for day in state.figures.of("europe")] == [1]
    assert state.figures.of("eu") == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        '{"days": 3}',
        '{"days": {"x": {}}, "through": 2}',
        '{"days": {"1": [2]}}',
    ],
)
def test_a_damaged_note_is_made_anew(state: State, text: str) -> None:
    known(state)
    delete(state, an_id(1), TODAY)
    state.notes.write("daily figures eu", text)
    assert state.figures.of("eu") == ()
    state.figures.add_up("eu", now=NOW)
    assert [day.deleted_jobs for day in state.figures.of("eu")] == [1]


def test_what_a_newer_version_has_noted_besides_does_no_harm(state: State) -> None:
    known(state)
    delete(state, an_id(1), TODAY)
    state.figures.add_up("eu", now=NOW)
    text = state.notes.read("daily figures eu")
    assert text is not None
    newer = text.replace('"through"', '"more": [1], "through"').replace("1}", '1, "restored": 5}')
    state.notes.write("daily figures eu", newer)
    delete(state, an_id(2), TODAY)
    state.figures.add_up("eu", now=NOW)
    assert [day.deleted_jobs for day in state.figures.of("eu")] == [2]
