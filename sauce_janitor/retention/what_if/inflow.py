"""How many requests new jobs need a day, and how many of them are purged unarchived when the
request budget is too small.

The newest jobs stand for those to come: a plan is made for them at a time at which everything that
the policies want of them is due. Jobs that were deleted since are missing, and so are those that
keep rules keep until newer ones come: the result is a lower bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from sauce_janitor.model.assets import Selection
from sauce_janitor.model.job_age import age_times, is_finished
from sauce_janitor.model.jobs import DELETES, Action, AssetsStanding, Record
from sauce_janitor.model.policies import Policy, Rules
from sauce_janitor.model.safety_numbers import DAY_S, KEPT_FOR_DELETES
from sauce_janitor.retention.decide import Records
from sauce_janitor.retention.plan.costs import WorkCounts, files_wanted, requests_needed, work_of
from sauce_janitor.retention.plan.planner import make_plan

_NEWEST_DAYS: Final = 7
_MANY: Final = 1000
_MOST_JOBS: Final = 50_000
"""Enough for an estimate, however many come in a day."""
_SHORTEST_DAYS: Final = 1 / 24
_FEWEST_JOBS: Final = 20
"""With fewer there is no estimate."""
_ALL_DUE_DAYS: Final = 11 * 366
"""An age at which every `after` has passed: it is at most 10 years."""
_LONG_AGO: Final = dict.fromkeys(DELETES, 0)


@dataclass(frozen=True, slots=True)
class Inflow:
    """A day's new jobs: how many there are, how many of them are archived, the requests for that,
    and the requests for everything else.
    """

    jobs: float
    archives: float
    archiving: float
    rest: float

    @property
    def requests(self) -> float:
        """How many requests a day's jobs need, sooner or later."""
        return self.archiving + self.rest

    def purged(self, per_day: float | None) -> float:
        """Return how many jobs a day lose their assets to Sauce Labs unarchived when a day allows
        so many requests.
        """
        # The budget is enough.
        if per_day is None or self.requests <= per_day or not self.archives:
            return 0.0
        for_archives = per_day - min(self.rest, per_day * KEPT_FOR_DELETES)
        return max(0.0, self.archives * (1 - for_archives / self.archiving))


def inflow(rules: Rules, records: Records, *, as_of: int) -> Inflow | None:
    """Return the inflow by the jobs that ended in the last week; None when there are too few.
    `records` are in the order that `decide.decide` needs.
    """
    newest = _Newest(rules, records, as_of)
    plan = make_plan(rules, newest, as_of=as_of + _ALL_DUE_DAYS * DAY_S, accepted_at=None)
    # A handful of jobs says nothing about a day.
    if plan.inventory < _FEWEST_JOBS:
        return None
    work, days = work_of(plan), newest.days
    everything = requests_needed(work)
    rest = requests_needed(replace(work, archived=0, files=0))
    return Inflow(
        plan.inventory / days, work.archived / days, (everything - rest) / days, rest / days
    )


class _Newest:
    """The newest finished jobs as if nothing had been done about them yet, and over how many `days`
    they came.
    """

    def __init__(self, rules: Rules, records: Records, as_of: int) -> None:
        self._age_of, self._records, self._as_of = age_times(rules.age_from), records, as_of
        self.days = float(_NEWEST_DAYS)

    def __call__(self) -> Iterator[Record]:
        since = oldest = self._as_of - _NEWEST_DAYS * DAY_S
        seen = 0
        for record in self._records():
            time = self._age_of(record.job)
            # A running job's age is not final, so it would not be deleted yet.
            if time is None or time > self._as_of or not is_finished(record.job):
                continue
            if time < since:
                self.days = float(_NEWEST_DAYS)
                return
            oldest, seen = time, seen + 1
            yield replace(
                record,
                assets=AssetsStanding.PRESENT,
                archived=None,
                announced=_LONG_AGO,
                accepted_for=None,
                changed_at=0,
            )
            if seen == _MOST_JOBS:
                break
        self.days = max(
            _SHORTEST_DAYS if seen == _MOST_JOBS else 1.0, (self._as_of - oldest) / DAY_S
        )


def requests_a_job(policy: Policy) -> float:
    """Return how many requests one job with typical assets needs until everything that the policy
    wants of it is done.
    """
    archive_rule = policy.archive
    archived = _MANY if archive_rule is not None and not archive_rule.none else 0
    files = 0 if archive_rule is None else files_wanted(Selection(frozenset(archive_rule.assets)))
    deletes = {action for action, claim in policy.deletes if claim.after is not None}
    work = WorkCounts(
        archived=archived,
        files=archived * files,
        archived_and_deleted=len(deletes) * archived,
        only_deleted=len(deletes) * (_MANY - archived),
        jobs_gone=_MANY * (Action.DELETE_JOB in deletes),
    )
    return requests_needed(work) / _MANY
