"""The journal's lines on pruning: begun once, ended once, in the one chain, and never taken for a
write at Sauce Labs.
"""

from __future__ import annotations

import pytest

from sauce_janitor.errors import LeaseError, PermitError, RefusedError, StateError
from sauce_janitor.model.jobs import Action
from sauce_janitor.model.permits import PrunePermit
from sauce_janitor.state import PruneJournal, State
from tests.fakes.job_list import OWNER, an_id

RECORD = "cd" * 32


def permit(fence: int, number: int = 1) -> PrunePermit:
    return PrunePermit(
        an_id(number), OWNER, frozenset({"assets/video.mp4"}), "nightly: keep_for 90d", fence
    )


def journal(state: State) -> PruneJournal:
    return state.prunings.during("eu", "run-1", lambda: 77)


def test_a_pruning_is_open_until_its_outcome_and_both_lines_are_in_the_chain(state: State) -> None:
    with state.lease("eu", "prune", now=1) as lease:
        seq = journal(state).begin(permit(lease.fence), record=RECORD, size_bytes=212)
        (waiting,) = state.prunings.open("eu")
        assert (waiting.intent, waiting.job_id, waiting.owner, waiting.record) == (
            seq,
            an_id(1),
            OWNER,
            RECORD,
        )
        assert state.prunings.open("us") == ()
        journal(state).end(seq, "pruned", detail="1 file")
    assert state.prunings.open("eu") == ()
    assert state.journal.verify() == 2
    begun, ended = state.journal.of(an_id(1))
    assert (begun.kind, begun.receipt, begun.detail["bytes"]) == ("pruning", RECORD, 212)
    assert (ended.kind, ended.outcome, ended.intent, ended.action) == (
        "pruned",
        "pruned",
        seq,
        Action.ARCHIVE,
    )


def test_no_recovery_at_sauce_labs_is_asked_about_a_pruning(state: State) -> None:
    with state.lease("eu", "prune", now=1) as lease:
        journal(state).begin(permit(lease.fence), record=RECORD, size_bytes=1)
        assert state.journal.unresolved("eu") == ()


def test_a_job_may_be_pruned_many_times_but_not_twice_at_once(state: State) -> None:
    with state.lease("eu", "prune", now=1) as lease:
        first = journal(state).begin(permit(lease.fence), record=RECORD, size_bytes=1)
        with pytest.raises(PermitError, match="was begun before"):
            journal(state).begin(permit(lease.fence), record=RECORD, size_bytes=1)
        journal(state).end(first, "pruned", detail="")
        second = journal(state).begin(permit(lease.fence), record="ee" * 32, size_bytes=1)
        journal(state).end(second, "pruned", detail="")
        with pytest.raises(StateError, match="waits for an outcome"):
            journal(state).end(second, "pruned", detail="")


def test_nothing_is_pruned_while_paused_or_without_the_lease(state: State) -> None:
    with state.lease("eu", "prune", now=1) as lease:
        with pytest.raises(LeaseError):
            journal(state).begin(permit(lease.fence + 1), record=RECORD, size_bytes=1)
        state.switch.pause(by="jane", reason="stop", at=1)
        with pytest.raises(RefusedError, match="paused"):
            journal(state).begin(permit(lease.fence), record=RECORD, size_bytes=1)
    assert list(state.journal.lines()) == []
