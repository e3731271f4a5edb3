"""Several parts of one plan, carried out by themselves, told as one."""

from __future__ import annotations

from sauce_janitor.errors import CredentialsError, SourceError
from sauce_janitor.execute import Execution
from sauce_janitor.execute.events import Halt, Halted, Skip
from sauce_janitor.execute.outcomes import Outcome, together
from sauce_janitor.model.failed_actions import ActionFailed
from sauce_janitor.model.jobs import Action, Owner, job_id

FAILED = ActionFailed(job_id("0" * 32), Owner("alice"), "p", Action.DELETE_JOB, "no")


def _done(jobs: int, **more: object) -> Execution:
    counts = {("p", Action.DELETE_JOB, Outcome.DONE): jobs}
    return Execution(counts=counts, jobs=jobs, skips={Skip.HELD: 1}, **more)  # type: ignore[arg-type]


def test_numbers_add_up_and_failures_stand_together() -> None:
    whole = together(
        [_done(3, archived_bytes=10), _done(4, failures=(FAILED,), left=2, archived_bytes=5)]
    )
    assert whole.count(Action.DELETE_JOB, Outcome.DONE) == 7
    assert (whole.jobs, whole.left, whole.archived_bytes, whole.skips) == (7, 2, 15, {Skip.HELD: 2})
    assert whole.failures == (FAILED,)
    assert not whole.complete


def test_nothing_together_is_nothing() -> None:
    assert together([]) == Execution()
    assert together([]).complete


def test_a_spent_budget_of_one_is_a_pause_and_does_not_hide_what_cut_another_short() -> None:
    spent = _done(1, halted=Halted(Halt.BUDGET, "spent"))
    cut = _done(1, halted=Halted(Halt.SOURCE, "no answer"), error=SourceError("no answer"))
    assert together([spent, _done(1)]).complete
    whole = together([spent, cut])
    assert whole.cut_short
    assert whole.halted == Halted(Halt.SOURCE, "no answer; spent")
    assert isinstance(whole.error, SourceError)
    assert not isinstance(whole.error, CredentialsError)
