"""What most tests of the deciding ask: which jobs may go, and why the others stay."""

from __future__ import annotations

from collections.abc import Iterable

from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import Action, Decision, Reason, Record, Verdict, Why
from sauce_janitor.model.policies import Rules
from sauce_janitor.retention.decide import decide
from tests.support.jobs import NOW, id_of

Decisions = dict[Action, Decision]


def decisions(rules: Rules, records: Iterable[Record], *, as_of: int = NOW) -> dict[str, Decisions]:
    """All decisions by job id."""
    ordered = newest_first(records, rules.age_from)
    return {
        record.job.id: {decision.action: decision for decision in decided}
        for record, decided in decide(rules, lambda: ordered, as_of=as_of)
    }


def going(
    rules: Rules, records: Iterable[Record], action: Action = Action.DELETE_JOB, *, as_of: int = NOW
) -> set[str]:
    """The ids of the jobs for which the action is due."""
    found = decisions(rules, records, as_of=as_of)
    return {
        identity for identity, decided in found.items() if decided[action].verdict is Verdict.DUE
    }


def ids(*labels: str) -> set[str]:
    """The ids behind labels."""
    return {id_of(label) for label in labels}


def reasons(
    rules: Rules,
    records: Iterable[Record],
    label: str,
    action: Action = Action.DELETE_JOB,
    *,
    as_of: int = NOW,
) -> tuple[Reason, ...]:
    """Why one job stays or goes."""
    return decisions(rules, records, as_of=as_of)[id_of(label)][action].reasons


def whys(
    rules: Rules,
    records: Iterable[Record],
    label: str,
    action: Action = Action.DELETE_JOB,
    *,
    as_of: int = NOW,
) -> set[Why]:
    """The kinds of reasons why one job stays or goes."""
    return {reason.why for reason in reasons(rules, records, label, action, as_of=as_of)}
