"""What an edit of the policies changes for the known jobs of an account, and in words; for `diff`
and for the playground. It sends nothing to Sauce Labs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from sauce_janitor import report
from sauce_janitor.config import Account, Config
from sauce_janitor.console.known_query import known_query
from sauce_janitor.errors import RefusedError
from sauce_janitor.model.jobs import HOLD, Action, Job, Owner, Record
from sauce_janitor.operations.steps import acceptance
from sauce_janitor.retention.decide import Records
from sauce_janitor.retention.what_if.diff import (
    ChangeKind,
    DecisionChange,
    DecisionDiff,
    DiffSide,
    compare,
)
from sauce_janitor.retention.what_if.forecast import Forecast
from sauce_janitor.retention.what_if.simulate import Setting, simulate
from sauce_janitor.state import Query, Snapshot, State

WORDS: Final = {
    (ChangeKind.NEW, Action.ARCHIVE): "newly archived",
    (ChangeKind.DROPPED, Action.ARCHIVE): "no longer archived",
    (ChangeKind.EARLIER, Action.ARCHIVE): "archived earlier",
    (ChangeKind.LATER, Action.ARCHIVE): "archived later",
    (ChangeKind.OTHER_FILES, Action.ARCHIVE): "archived, other files of it",
    (ChangeKind.NEW, Action.DELETE_ASSETS): "assets newly deleted",
    (ChangeKind.DROPPED, Action.DELETE_ASSETS): "assets newly kept",
    (ChangeKind.EARLIER, Action.DELETE_ASSETS): "assets deleted earlier",
    (ChangeKind.LATER, Action.DELETE_ASSETS): "assets deleted later",
    (ChangeKind.NEW, Action.DELETE_JOB): "job newly deleted",
    (ChangeKind.DROPPED, Action.DELETE_JOB): "job newly kept",
    (ChangeKind.EARLIER, Action.DELETE_JOB): "job deleted earlier",
    (ChangeKind.LATER, Action.DELETE_JOB): "job deleted later",
    (ChangeKind.NEW, Action.STOP): "newly stopped",
    (ChangeKind.DROPPED, Action.STOP): "no longer stopped",
    (ChangeKind.EARLIER, Action.STOP): "stopped earlier",
    (ChangeKind.LATER, Action.STOP): "stopped later",
}
"""Each change in words. `change_rows` puts first what loses data."""
_ORDER: Final = (Action.DELETE_JOB, Action.DELETE_ASSETS, Action.ARCHIVE, Action.STOP)
_LONGEST: Final = 80


@dataclass(frozen=True, slots=True)
class AccountDiff:
    """What changes for an account at `as_of`, and the limits that the next plan will break."""

    account: str
    as_of: int
    comparison: DecisionDiff
    limits: tuple[str, ...]

    def changes(self) -> Iterator[ChangeOfPolicy]:
        """Yield the changes by kind, action and policy."""
        found = self.comparison.changes
        for kind, action, policy in sorted(found, key=lambda by: (by[0], by[1], by[2] or "")):
            yield ChangeOfPolicy(kind, action, policy, found[kind, action, policy])


@dataclass(frozen=True, slots=True)
class ChangeOfPolicy:
    """What an edit changes in one way by one policy; None is a hold."""

    kind: ChangeKind
    action: Action
    policy: str | None
    change: DecisionChange


def compare_account(
    name: str, old: Config, new: Config, state: State, *, as_of: int, within_s: float | None = None
) -> AccountDiff:
    """Return what changes for an account that the state knows, at that time (epoch seconds).

    Raise RefusedError if it takes longer than `within_s`.
    """
    end = None if within_s is None else time.monotonic() + within_s
    with ExitStack() as stack:
        before, after = _sides(name, old, new, state, as_of, stack)
        before = replace(before, records=_until(before.records, end))
        after = replace(after, records=_until(after.records, end))
        comparison = compare(before, after, as_of=as_of)
        limits: tuple[str, ...] = ()
        # Without a change, the next plan breaks no other limit. A removed account has no next plan.
        if comparison.changes and _account(new, name):
            setting = Setting(
                as_of, 1,
                accepted_at=state.acceptances.accepted_at(name, new.policy_digest(name)),
                plan_sizes=acceptance.plan_sizes(new.rules(name), state, name),
                approvals=acceptance.leeway(new, state, name, now=as_of, reviewed=False).approvals,
            )  # fmt: skip
            today = simulate(after.rules, after.records, setting).days[0]
            # The rest of the sentence is about a run, and here nothing runs.
            limits = tuple(
                limit.text.partition(". Nothing was changed")[0] for limit in today.broken
            )
    return AccountDiff(name, as_of, comparison, limits)


def _account(config: Config, name: str) -> Account | None:
    return next((each for each in config.accounts if each.name == name), None)


def _until(records: Records, end: float | None) -> Records:
    """Return the records, which raise RefusedError after `end` (monotonic seconds)."""
    if end is None:
        return records

    def watched() -> Iterator[Record]:
        for record in records():
            if time.monotonic() > end:
                raise RefusedError(
                    "comparing takes too long for a page", "compare files with `sauce-janitor diff`"
                )
            yield record

    return watched


def _sides(
    name: str, old: Config, new: Config, state: State, now: int, stack: ExitStack
) -> tuple[DiffSide, DiffSide]:
    """Return the account's rules and jobs for both configurations.

    If both order the jobs alike, the state is read once for both.
    """
    queries: list[Query | None] = []
    for config in (old, new):
        account = _account(config, name)
        queries.append(known_query(config, state, account, as_of=now) if account else None)
    owners = [frozenset(query.owners or ()) if query else frozenset[Owner]() for query in queries]
    rules = [config.rules(name) for config, query in zip((old, new), queries, strict=True) if query]
    first, second = queries
    if first and second and tuple(first.age_from) == tuple(second.age_from):
        both = replace(second, owners=tuple(owners[0] | owners[1]), held=first.held | second.held)
        snapshot = stack.enter_context(state.jobs.snapshot(both))
        seen = [_only(snapshot, own) for own in owners]
    else:
        seen = [
            _only(stack.enter_context(state.jobs.snapshot(query)), own) if query else (lambda: ())
            for query, own in zip(queries, owners, strict=True)
        ]
    # If one file lacks the account, its side has no jobs, and the other file's rules stand in.
    return DiffSide(rules[0], seen[0], owners[0]), DiffSide(rules[-1], seen[1], owners[1])


def _only(snapshot: Snapshot, owners: frozenset[Owner]) -> Records:
    return lambda: (record for record in snapshot.records() if record.job.owner in owners)


# --- in words -------------------------------------------------------------------------------------


def change_rows(account_diff: AccountDiff) -> list[tuple[str, str, DecisionChange]]:
    """Return each change in words, its policy and its jobs; what is newly deleted comes first."""
    kinds, found = list(ChangeKind), account_diff.comparison.changes
    order = sorted(found, key=lambda key: (kinds.index(key[0]), _ORDER.index(key[1]), key[2] or ""))
    return [
        (WORDS[kind, action], policy or HOLD, found[kind, action, policy])
        for kind, action, policy in order
    ]


def summary_text(account_diff: AccountDiff) -> str:
    """Return how many known jobs the edit changes, in words."""
    comparison = account_diff.comparison
    known = report.counted(comparison.jobs, "known job")
    if not comparison.changes:
        return f"nothing changes for {known}"
    return f"the edit changes {comparison.changed:,} of {known}"


def job_text(job: Job) -> str:
    """Return the name and the build of a job in one short line."""
    words = [text for text in (job.name, job.build) if isinstance(text, str)]
    return _cut(" in ".join(words)) or "(no name)"


def _cut(text: str) -> str:
    text = report.clean(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def forecast_text(forecast: Forecast) -> str:
    """Return when an action happens, and why."""
    files = f", stores {forecast.files}" if forecast.files else ""
    if forecast.at is None:
        when = "never"
    elif forecast.is_due:
        when = f"now, due since {report.when(forecast.at)}"
    else:
        when = report.when(forecast.at)
    return f"{when}{report.clean(files)}; {report.clean('; '.join(forecast.reasons))}"
