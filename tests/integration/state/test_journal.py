"""The line before and the line after: durable, chained, refused when the right to write is gone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from sauce_janitor.errors import LeaseError, PermitError, RefusedError, StateError
from sauce_janitor.model.jobs import Action, AssetsStanding, JobId
from sauce_janitor.model.permits import (
    DeleteAssetsPermit,
    DeleteJobPermit,
    DeletePermit,
    NothingWanted,
    Receipt,
    StopPermit,
)
from sauce_janitor.state import RunJournal, State
from tests.fakes.job_list import OWNER, a_job, an_id
from tests.support.state import Place, Python

RECEIPT = Receipt("ab" * 32)


def permit(
    job: JobId, fence: int, kind: type[DeleteJobPermit | DeleteAssetsPermit] = DeleteJobPermit
) -> DeleteJobPermit | DeleteAssetsPermit:
    return kind(job, OWNER, RECEIPT, "fp", 1.0, fence)


def journal(state: State, run: str = "run-1") -> RunJournal:
    return state.journal.during("eu", run, lambda: 77)


def standing(state: State, job: JobId) -> AssetsStanding:
    record = state.jobs.record("eu", job, as_of=0)
    assert record is not None
    return record.assets


@pytest.fixture
def known(state: State) -> State:
    jobs = [a_job(number) for number in range(10)]
    state.jobs.of("eu", OWNER).put(jobs, unreadable=(), mark=1, now=1, bookmark=None)
    return state


# --- what is on record ----------------------------------------------------------------------------


def test_an_intent_is_unresolved_until_its_final_outcome(known: State) -> None:
    with known.lease("eu", "run-1", now=1) as lease:
        seq = journal(known).intent(permit(an_id(1), lease.fence), policy="nightly")
        (waiting,) = known.journal.unresolved("eu")
        assert (waiting.intent, waiting.action, waiting.job_id) == (
            seq,
            Action.DELETE_JOB,
            an_id(1),
        )
        assert (waiting.policy, waiting.sent_at, waiting.detail) == ("nightly", 77, None)
        journal(known).outcome(seq, "unknown", detail="accepted; not looked up")
        assert [intent.detail for intent in journal(known).unresolved()] == [
            "accepted; not looked up"
        ]
        journal(known).outcome(seq, "confirmed", detail="404 twice")
        assert known.journal.unresolved("eu") == ()


@pytest.mark.parametrize("kind", [DeleteJobPermit, DeleteAssetsPermit])
def test_what_is_found_gone_after_an_intent_of_ours_is_its_confirmed_outcome(
    known: State, kind: type[DeleteJobPermit | DeleteAssetsPermit]
) -> None:
    with known.lease("eu", "run-1", now=1) as lease:
        seq = journal(known).intent(permit(an_id(1), lease.fence, kind), policy="nightly")
        action = permit(an_id(1), lease.fence, kind).action
        assert journal(known).found_gone(
            action, OWNER, an_id(1), policy="nightly", detail="404 twice"
        )
        assert not journal(known).found_gone(
            action, OWNER, an_id(2), policy="nightly", detail="404 twice"
        )
    lines = known.journal.of(an_id(1))
    assert [(line.kind, line.outcome) for line in lines] == [
        ("intent", None),
        ("outcome", "confirmed"),
    ]
    assert (lines[1].intent, lines[1].detail["text"]) == (seq, "404 twice")
    assert known.journal.unresolved("eu") == ()
    record = known.jobs.record("eu", an_id(1), as_of=0)
    assert record is None or record.assets is AssetsStanding.DELETED


def test_everything_of_a_job_is_told_in_order(known: State) -> None:
    with known.lease("eu", "run-1", now=1) as lease:
        journal(known).archived(
            an_id(1), OWNER, receipt="cd" * 32, selection="all", policy="nightly"
        )
        seq = journal(known).intent(
            permit(an_id(1), lease.fence, DeleteAssetsPermit), policy="nightly"
        )
        journal(known).outcome(seq, "confirmed", detail="done", bytes_reclaimed=123)
        journal(known).found_gone(
            Action.DELETE_JOB, OWNER, an_id(1), policy="nightly", detail="404 twice"
        )
    lines = known.journal.of(an_id(1))
    assert [line.kind for line in lines] == ["archived", "intent", "outcome", "found_gone"]
    assert [line.seq for line in lines] == [1, 2, 3, 4]
    assert lines[0].receipt == "cd" * 32
    assert (lines[1].receipt, lines[1].fence, lines[1].run_id) == (RECEIPT.sha256, 1, "run-1")
    assert (lines[2].intent, lines[2].outcome, lines[2].detail["bytes_reclaimed"]) == (
        2,
        "confirmed",
        123,
    )
    assert lines[3].outcome == "already_gone"
    assert known.journal.of(an_id(2)) == ()
    assert known.journal.of(an_id(1), "us") == ()


def test_what_the_journal_proves_enters_the_inventory_with_it(known: State) -> None:
    with known.lease("eu", "run-1", now=1) as lease:
        writer = journal(known)
        writer.archived(an_id(1), OWNER, receipt="cd" * 32, selection="logs", policy="p")
        writer.archived(an_id(1), OWNER, receipt="ef" * 32, selection="all", policy="p")
        writer.archived(an_id(2), OWNER, receipt="ef" * 32, selection=None, policy="p")
        writer.outcome(
            writer.intent(permit(an_id(1), lease.fence, DeleteAssetsPermit), policy="p"),
            "confirmed",
            detail="",
        )
        writer.outcome(
            writer.intent(permit(an_id(3), lease.fence), policy="p"), "confirmed", detail=""
        )
        writer.outcome(
            writer.intent(permit(an_id(4), lease.fence), policy="p"), "failed", detail=""
        )
        writer.found_gone(Action.DELETE_JOB, OWNER, an_id(5), policy="p", detail="")
    records = {record.job.id: record for record in known.jobs.records("eu", as_of=0)}
    assert records[an_id(1)].archived == frozenset({"logs", "all"})
    assert records[an_id(1)].assets is AssetsStanding.DELETED
    assert records[an_id(2)].archived is None
    assert an_id(3) not in records
    assert an_id(4) in records
    assert an_id(5) not in records
    assert writer.assets_deleted(an_id(1))
    assert not writer.assets_deleted(an_id(2))


def test_a_delete_without_an_archive_says_who_wanted_none(known: State) -> None:
    with known.lease("eu", "run-1", now=1) as lease:
        one = DeleteJobPermit(
            an_id(1), OWNER, NothingWanted("pull-requests"), "fp", 1.0, lease.fence
        )
        journal(known).intent(one, policy="pull-requests")
    (line,) = known.journal.of(an_id(1))
    assert (line.receipt, line.detail["archive_none"]) == (None, "pull-requests")


def test_a_job_that_is_not_in_the_inventory_can_be_journaled(state: State) -> None:
    with state.lease("eu", "run-1", now=1) as lease:
        seq = journal(state).intent(
            StopPermit(an_id(1), OWNER, "fp", 1.0, lease.fence), policy="runaways"
        )
        journal(state).outcome(seq, "confirmed", detail="")
    assert state.journal.verify() == 2


# --- when a write is refused ----------------------------------------------------------------------


def test_no_intent_without_the_lease(known: State) -> None:
    with pytest.raises(LeaseError):
        journal(known).intent(permit(an_id(1), 1), policy="p")
    lease = known.lease("eu", "run-1", now=1)
    with lease:
        fence = lease.fence
    with pytest.raises(LeaseError):
        journal(known).intent(permit(an_id(1), fence), policy="p")
    with known.lease("eu", "run-2", now=1) as newer:
        with pytest.raises(LeaseError) as lost:
            journal(known).intent(permit(an_id(1), fence), policy="p")
        assert lost.value.exit_code == 5
        journal(known).intent(permit(an_id(1), newer.fence), policy="p")


def test_no_intent_while_paused(known: State) -> None:
    with known.lease("eu", "run-1", now=1) as lease:
        known.switch.pause(by="jane", reason="audit", at=5)
        with pytest.raises(RefusedError, match="resume") as paused:
            journal(known).intent(permit(an_id(1), lease.fence), policy="p")
        assert paused.value.exit_code == 3
        known.switch.resume(by="jane", at=6)
        journal(known).intent(permit(an_id(1), lease.fence), policy="p")


def test_what_is_done_or_under_way_is_not_begun_again(known: State) -> None:
    with known.lease("eu", "run-1", now=1) as lease:
        writer = journal(known)
        seq = writer.intent(permit(an_id(1), lease.fence), policy="p")
        with pytest.raises(PermitError, match="not known yet"):
            writer.intent(permit(an_id(1), lease.fence), policy="p")
        writer.outcome(seq, "unknown", detail="")
        with pytest.raises(PermitError, match="not known yet"):
            writer.intent(permit(an_id(1), lease.fence), policy="p")
        writer.intent(permit(an_id(1), lease.fence, DeleteAssetsPermit), policy="p")
        writer.outcome(seq, "confirmed", detail="")
        with pytest.raises(PermitError, match="on record as done"):
            writer.intent(permit(an_id(1), lease.fence), policy="p")


def test_what_failed_may_be_tried_again(known: State) -> None:
    with known.lease("eu", "run-1", now=1) as lease:
        writer = journal(known)
        for outcome in ("failed", "failed", "confirmed"):
            writer.outcome(
                writer.intent(permit(an_id(1), lease.fence), policy="p"), outcome, detail=""
            )
    assert known.journal.verify() == 6


def test_a_final_outcome_is_final(known: State) -> None:
    with known.lease("eu", "run-1", now=1) as lease:
        writer = journal(known)
        seq = writer.intent(permit(an_id(1), lease.fence), policy="p")
        writer.outcome(seq, "confirmed", detail="")
        for again in ("confirmed", "failed", "unknown"):
            with pytest.raises(StateError, match="not an intent that waits"):
                writer.outcome(seq, again, detail="")
        with pytest.raises(StateError, match="not an intent that waits"):
            writer.outcome(999, "confirmed", detail="")
        with pytest.raises(ValueError, match="no such outcome"):
            writer.outcome(seq, "done", detail="")


def test_another_account_s_intent_cannot_be_ended(known: State) -> None:
    known.accounts.admit("us", base_url="v", username="demo")
    with known.lease("eu", "run-1", now=1) as lease:
        seq = journal(known).intent(permit(an_id(1), lease.fence), policy="p")
        with pytest.raises(StateError):
            known.journal.during("us", "run-1", lambda: 1).outcome(seq, "confirmed", detail="")


def test_the_database_itself_holds_one_confirmed_line_per_job_and_action(
    known: State, place: Place
) -> None:
    with known.lease("eu", "run-1", now=1) as lease:
        writer = journal(known)
        writer.outcome(
            writer.intent(permit(an_id(1), lease.fence), policy="p"), "confirmed", detail=""
        )
    columns = (
        "at, account, kind, job_id, owner, action, policy, run_id, intent, outcome, receipt, fence,"
        " detail, hash"
    )
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)):
        place.execute(
            f"INSERT INTO journal SELECT 99, {columns}, 99 FROM journal WHERE outcome = 'confirmed'"
        )


def test_an_account_nobody_claimed_cannot_be_written_to(state: State) -> None:
    store = state.jobs.of("unclaimed", OWNER)
    acts: tuple[Callable[[], object], ...] = (
        lambda: store.put([a_job(1)], unreadable=(), mark=1, now=1, bookmark=None),
        lambda: state.holds.add("unclaimed", [an_id(1)], by="me", reason="", at=1, until=None),
        lambda: state.runs.begin("r", "unclaimed", mode="execute", at=1),
    )
    for act in acts:
        with pytest.raises(StateError, match=r"refuses what contradicts.*for example renamed"):
            act()
    assert list(state.accounts.all()) == ["eu"]


# --- the chain ------------------------------------------------------------------------------------


@pytest.fixture
def written(place: Place) -> Place:
    with place.open() as state:
        state.accounts.admit("eu", base_url="u", username="demo")
        with state.lease("eu", "run-1", now=1) as lease:
            for number in range(4):
                writer = journal(state)
                writer.outcome(
                    writer.intent(permit(an_id(number), lease.fence), policy="p"),
                    "confirmed",
                    detail="gone",
                )
    return place


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("UPDATE journal SET outcome = 'failed' WHERE seq = 4", "line 4"),
        ("UPDATE journal SET at = 78 WHERE seq = 1", "line 1"),
        ("UPDATE journal SET detail = '{}' WHERE seq = 6", "line 6"),
        ("UPDATE journal SET job_id = zeroblob(16) WHERE seq = 5", "line 5"),
        ("DELETE FROM journal WHERE seq = 4", "line 4"),
        ("DELETE FROM journal WHERE seq = 8", "ends at line 7"),
        ("DELETE FROM journal", "ends at line 0"),
        ("UPDATE journal SET hash = zeroblob(32) WHERE seq = 3", "line 3"),
        (
            (
                "UPDATE meta SET value = '00000000-0000-4000-8000-000000000000' WHERE key ="
                " 'instance_id'"
            ),
            "another state",
        ),
    ],
)
def test_a_journal_that_was_altered_is_found_out(written: Place, change: str, line: str) -> None:
    # No foreign key keeps whoever can write to the database from it.
    if not isinstance(written.where, Path):
        change = change.replace("zeroblob(16)", "decode(repeat('00', 16), 'hex')")
        change = change.replace("zeroblob(32)", "decode(repeat('00', 32), 'hex')")
        change = f"SET session_replication_role = replica; {change}"
    written.execute(change)
    with written.open() as state, pytest.raises(StateError, match=line):
        state.journal.verify()


def _other(state: State) -> None:
    """Two lines about a second account."""
    state.accounts.admit("us", base_url="u", username="other")
    for job in (1, 2):
        state.journal.during("us", "run-1", lambda: 77).archived(
            an_id(job), OWNER, receipt="a" * 64, selection="all", policy="p"
        )


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE journal SET at = 78 WHERE seq = 9", "line 1 of the journal of account us"),
        ("DELETE FROM journal WHERE seq = 9", "line 1 of the journal of account us"),
        ("DELETE FROM journal WHERE seq = 10", "account us ends at line 1 and should at 2"),
        ("UPDATE journal_chains SET number = 1 WHERE account = 'us'", "should at 1"),
        ("DELETE FROM journal_chains WHERE account = 'us'", "ends at line 2 and should at 0"),
        ("UPDATE journal SET number = NULL WHERE seq = 9", "of the journal was altered"),
        ("UPDATE journal SET account = 'eu', number = 9 WHERE seq = 9", "line 9 of the journal of"),
    ],
)
def test_each_account_has_a_chain_of_its_own_that_is_proven(
    written: Place, change: str, found: str
) -> None:
    with written.open() as state:
        _other(state)
        assert state.journal.ends() == {"": 0, "eu": 8, "us": 2}
        assert [line.number for line in state.journal.lines("us")] == [1, 2]
        assert [line.seq for line in state.journal.lines("us")] == [9, 10]
        assert state.journal.verify() == 10
    written.execute(change)
    with written.open() as state, pytest.raises(StateError, match=found):
        state.journal.verify()


def test_the_head_shows_that_a_whole_account_is_gone(written: Place) -> None:
    """What is left are whole chains: only a head that was written down before tells."""
    with written.open() as state:
        _other(state)
        head = state.journal.head()
    written.execute(
        "DELETE FROM journal WHERE account = 'us'",
        "DELETE FROM journal_chains WHERE account = 'us'",
    )
    with written.open() as state:
        assert state.journal.verify() == 8
        assert state.journal.head() != head


def test_an_unaltered_journal_verifies_and_its_head_grows(written: Place) -> None:
    with written.open() as state:
        assert state.journal.verify() == 8
        assert state.journal.head()[0] == 8
        assert [line.seq for line in state.journal.lines("eu")] == list(range(1, 9))
        assert list(state.journal.lines("us")) == []


def test_threads_write_one_unbroken_chain(known: State) -> None:
    with known.lease("eu", "run-1", now=1) as lease:

        def work(number: int) -> None:
            writer = journal(known)
            writer.outcome(
                writer.intent(permit(an_id(number), lease.fence), policy="p"),
                "confirmed",
                detail="",
            )

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(40)))
    assert known.journal.verify() == 80


def test_writers_of_several_accounts_at_once_write_one_chain_each(known: State) -> None:
    names = [f"a{number}" for number in range(6)]
    for name in names:
        known.accounts.admit(name, base_url="u", username=name)

    def work(name: str) -> None:
        writer = known.journal.during(name, "run-1", lambda: 77)
        for number in range(1, 11):
            writer.archived(an_id(number), OWNER, receipt="a" * 64, selection=None, policy="p")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, names))
    assert known.journal.verify() == 60
    lines = list(known.journal.lines())
    assert len({line.seq for line in lines}) == 60
    for name in names:
        assert [line.number for line in lines if line.account == name] == list(range(1, 11))


# --- crashes --------------------------------------------------------------------------------------

PRELUDE = """
    import os
    from sauce_janitor.model.permits import DeleteJobPermit, Receipt
    from tests.fakes.job_list import OWNER, an_id
    state = opened()
    state.accounts.admit("eu", base_url="https://api.example", username="demo")
    lease = state.lease("eu", "run-1", now=1)
    lease.acquire()
    journal = state.journal.during("eu", "run-1", lambda: 77)
    seq = journal.intent(DeleteJobPermit(an_id(1), OWNER, Receipt("ab"), "fp", 1.0, lease.fence), policy="p")
"""


def test_an_intent_survives_the_crash_that_follows_it(place: Place, python: Python) -> None:
    code, said = python.run(PRELUDE + "    os._exit(9)")
    assert code == 9, said
    with place.open() as state:
        assert [intent.job_id for intent in state.journal.unresolved("eu")] == [an_id(1)]
        assert state.journal.verify() == 1
        place.free_leases()
        with state.lease("eu", "run-2", now=2) as lease:
            assert lease.fence == 2
            journal(state, "run-2").outcome(1, "confirmed", detail="404 twice")
        assert state.journal.unresolved("eu") == ()


def test_a_line_that_was_not_committed_never_was(place: Place, python: Python) -> None:
    code, said = python.run(
        PRELUDE
        + """
    from sauce_janitor.state.journal import run_journal as module
    module._apply_to_inventory = lambda *_: os._exit(9)
    journal.outcome(seq, "confirmed", detail="")
    """
    )
    assert code == 9, said
    with place.open() as state:
        assert state.journal.verify() == 1
        assert len(state.journal.unresolved("eu")) == 1


def test_no_line_is_half_written_when_the_disk_is_full(path: Path, file_python: Python) -> None:
    code, said = file_python.run(
        PRELUDE
        + """
    import resource
    from sauce_janitor.errors import StateError
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, -1))
    try:
        for number in range(2, 2000):
            seq = journal.intent(DeleteJobPermit(an_id(number), OWNER, Receipt("ab"), "fp", 1.0, lease.fence), policy="p")
            journal.outcome(seq, "confirmed", detail="")
    except StateError as error:
        print("told:", error)
    state.close()
    """
    )
    assert code == 0, said
    assert "told:" in said
    with State.open(path) as state:
        lines = state.journal.verify()
        assert lines > 2
        assert len(state.journal.unresolved("eu")) == 1 + (lines - 1) % 2


def test_permits_are_of_the_kinds_the_journal_knows() -> None:
    assert {kind.action for kind in DeletePermit.__subclasses__()} == {
        Action.DELETE_ASSETS,
        Action.DELETE_JOB,
    }


def test_many_intents_are_on_record_together_or_not_at_all(known: State) -> None:
    with known.lease("eu", "run-1", now=1) as lease:
        many = [permit(an_id(number), lease.fence) for number in range(1, 4)]
        assert journal(known).intents(many, policy="(offboard)") == [1, 2, 3]
        assert {line.detail["together_with"] for line in known.journal.lines()} == {2}
        journal(known).outcome(1, "confirmed", detail="404 twice")
        others = [permit(an_id(number), lease.fence) for number in (5, 6, 1)]
        with pytest.raises(PermitError, match="on record as done"):
            journal(known).intents(others, policy="(offboard)")
        known.switch.pause(by="jane", reason="", at=1)
        with pytest.raises(RefusedError):
            journal(known).intents(others[:2], policy="(offboard)")
    assert known.journal.verify() == 4
    assert [one.job_id for one in known.journal.unresolved("eu")] == [an_id(2), an_id(3)]
