"""Acts by hand on record: no lease asked, a pause obeyed, never two on one job, and what was cut
short stays open.
"""

from __future__ import annotations

import threading
import time

import pytest

from sauce_janitor.errors import LeaseError, PermitError, RefusedError, StateError, StoppedError
from sauce_janitor.model.job_changes import BY_HAND
from sauce_janitor.model.jobs import Action, JobId
from sauce_janitor.model.permits import ManualAction, ManualStopPermit, UpdatePermit
from sauce_janitor.state import ManualJournal, State
from tests.fakes.job_list import OWNER, an_id
from tests.support.state import Python

WANTED = {"tags": ["keep"]}


def journal(state: State) -> ManualJournal:
    return state.manual_actions.during("eu", "hand-1", lambda: 77)


def update(job: JobId) -> UpdatePermit:
    return UpdatePermit(job, OWNER, '{"tags": ["keep"]}', 1.0)


def test_an_act_is_open_until_its_final_outcome_and_no_run_takes_it_for_its_own(
    state: State,
) -> None:
    seq = journal(state).begin(update(an_id(1)), by="jane", wanted=WANTED)
    journal(state).begin(ManualStopPermit(an_id(1), OWNER, 1.0), by="jane", wanted={})
    assert [act.action for act in state.manual_actions.open("eu")] == [
        ManualAction.UPDATE,
        Action.STOP,
    ]
    assert state.manual_actions.open("eu")[0].wanted == WANTED
    assert state.journal.unresolved("eu") == ()
    journal(state).end(seq, "unknown", detail="no answer")
    assert len(state.manual_actions.open("eu")) == 2
    journal(state).end(seq, "done", detail="read back")
    assert [act.action for act in state.manual_actions.open("eu")] == [Action.STOP]
    with pytest.raises(StateError, match="not a manual change"):
        journal(state).end(seq, "done", detail="again")
    assert state.journal.verify() == 4
    lines = state.journal.of(an_id(1))
    assert [(line.kind, line.action, line.policy) for line in lines[:2]] == [
        ("by_hand", ManualAction.UPDATE, BY_HAND), ("by_hand", Action.STOP, BY_HAND)
    ]  # fmt: skip
    assert lines[0].detail == {"by": "jane", "wanted": WANTED}


def test_it_asks_for_no_lease_and_obeys_a_pause(state: State) -> None:
    with state.lease("eu", "a run of an hour", now=1):
        seq = journal(state).begin(update(an_id(1)), by="jane", wanted=WANTED)
        journal(state).end(seq, "done", detail="")
    state.switch.pause(by="bob", reason="audit", at=1)
    with pytest.raises(RefusedError, match="paused"):
        journal(state).begin(update(an_id(1)), by="jane", wanted=WANTED)
    assert state.journal.verify() == 2


def test_the_same_job_can_be_changed_again_but_not_twice_at_once(state: State) -> None:
    for _ in range(2):
        seq = journal(state).begin(update(an_id(1)), by="jane", wanted=WANTED)
        journal(state).end(seq, "done", detail="")
    journal(state).begin(update(an_id(1)), by="jane", wanted=WANTED)
    with pytest.raises(PermitError, match="begun before"):
        journal(state).begin(update(an_id(1)), by="jane", wanted=WANTED)
    journal(state).begin(update(an_id(2)), by="jane", wanted=WANTED)


def test_a_half_surrogate_in_a_persons_words_is_no_reason_to_fail(state: State) -> None:
    seq = journal(state).begin(update(an_id(1)), by="j\ud800", wanted={"name": "x\ud800\x00"})
    journal(state).end(seq, "failed", detail="\ud800")
    assert state.journal.verify() == 2


HOLDING = """
import time
with opened() as state, state.manual_actions.lock("eu", wait_s=0):
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_lock_per_account_is_free_when_its_holder_dies(state: State, python: Python) -> None:
    other = python.start(HOLDING)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with (
        pytest.raises(LeaseError, match="another command"),
        state.manual_actions.lock("eu", wait_s=0),
    ):
        pass
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError), state.manual_actions.lock("eu", wait_s=600, stop=stop):
        pass
    with (
        state.manual_actions.lock("us", wait_s=0),
        state.lease("eu", "a run", now=int(time.time())),
    ):
        pass
    other.kill()
    other.communicate()
    with state.manual_actions.lock("eu", wait_s=30):
        pass
