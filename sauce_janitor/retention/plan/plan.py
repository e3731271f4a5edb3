"""A plan as a value: the counts, and the acting jobs in the order of execution, stored compactly.
It is one module: only the plan knows how its rows are packed.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from sauce_janitor.model.assets import Selection
from sauce_janitor.model.job_retries import Retry
from sauce_janitor.model.jobs import Action, Decision, JobId, Owner, Reason, Record, Verdict
from sauce_janitor.model.policies import Approval
from sauce_janitor.retention.interactions import Postponement
from sauce_janitor.retention.job_verdict import JobVerdict
from sauce_janitor.retention.plan.deadlines import Late
from sauce_janitor.retention.plan.limits import ActingJobs, BrokenLimit
from sauce_janitor.retention.plan.vendor_purge import PurgeCandidate

_INDEX_BITS: Final = 32
TIME_BITS: Final = 48
_PRIORITIES: Final = 4


@dataclass(frozen=True, slots=True)
class JobPlan:
    """One job for which something is due. `actions` are in the order of `Action`, at most one of
    them a delete.

    `selection` is what must be stored of the job; None is nothing, according to the policy
    `nothing_wanted_by`. `held`: it is archived because of a hold.
    """

    job_id: JobId
    owner: Owner
    fingerprint: str
    actions: tuple[Decision, ...]
    selection: Selection | None
    held: bool
    nothing_wanted_by: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """What many jobs of a plan have in common.

    `has_assets`: as far as is known, Sauce Labs still has their assets. `is_past_purge`: they ended
    so long ago that it has probably purged them. `stored` are the selections that receipts already
    cover.
    """

    actions: tuple[tuple[Action, tuple[Reason, ...], str | None], ...]
    selection: Selection | None
    held: bool
    nothing_wanted_by: str | None
    priority: int
    has_assets: bool = True
    stored: frozenset[str] = frozenset()
    is_past_purge: bool = False

    @property
    def archives(self) -> bool:
        """Whether they are archived."""
        return self.actions[0][0] is Action.ARCHIVE

    @property
    def changes(self) -> str | None:
        """The policy of the delete or stop, None when the job is only archived."""
        action, _, policy = self.actions[-1]
        return None if action is Action.ARCHIVE else policy


class Rows:
    """The acting jobs as columns: about 52 bytes a job."""

    def __init__(self) -> None:
        self._ids, self._fingerprints = bytearray(), bytearray()
        self._owners, self._templates, self._order = array("I"), array("I"), array("I")
        self._since = (array("q"), array("q"))
        self._owner_names: dict[Owner, int] = {}
        self.template_list: list[Template] = []
        self._template_numbers: dict[tuple[JobVerdict, tuple[str | None, ...], bool], int] = {}
        # Sort keys by kind of work, one integer each: priority, time, row. `sort` empties them.
        self._archiving: list[int] = []
        self._changing: list[int] = []

    def __len__(self) -> int:
        return len(self._order)

    def template(
        self,
        verdict: JobVerdict,
        due: tuple[Decision, ...],
        priorities: Mapping[str | None, int],
        *,
        is_past_purge: bool,
    ) -> int:
        """Return the number of the template of jobs with this verdict and these permitting
        policies.
        """
        key = verdict, tuple([decision.policy for decision in due]), is_past_purge
        number = self._template_numbers.get(key)
        if number is None:
            actions = tuple((d.action, d.reasons, d.policy) for d in due)
            # Of several policies the most urgent one counts; lower numbers come first.
            priority = min(priorities[policy] for _, _, policy in actions)
            nothing = verdict.nothing_wanted_by
            number = self._template_numbers[key] = len(self.template_list)
            self.template_list.append(
                Template(
                    actions,
                    verdict.selection,
                    verdict.held,
                    nothing,
                    priority,
                    verdict.has_assets,
                    verdict.stored,
                    is_past_purge,
                )
            )
        return number

    def templates(self, owners: Collection[Owner] | None = None) -> Iterator[tuple[Template, int]]:
        """Yield every template with the number of its jobs, or of its jobs of these owners."""
        rows: Iterable[int] = self._order
        if owners is not None:
            theirs = {number for name, number in self._owner_names.items() if name in owners}
            rows = (row for row in self._order if self._owners[row] in theirs)
        for number, jobs in self._counted(rows).items():
            yield self.template_list[number], jobs

    def template_counts(self) -> Mapping[int, int]:
        """Return how many jobs each template has, by its number in `template_list`."""
        return self._counted(self._order)

    def _counted(self, rows: Iterable[int]) -> Mapping[int, int]:
        return Counter(self._templates[row] for row in rows)

    def only(self, policies: Collection[str]) -> None:
        """Remove the actions of all other policies; call it after `sort`. A delete still depends on
        everything that must be stored.
        """
        for number, template in enumerate(self.template_list):
            left = tuple(action for action in template.actions if action[2] in policies)
            self.template_list[number] = replace(template, actions=left)
            # The first action is gone, so the time of the other one is now the first.
            if left and left[0] != template.actions[0]:
                for row, of in enumerate(self._templates):
                    if of == number:
                        self._since[0][row] = self._since[1][row]
        self._order = array(
            "I", (row for row in self._order if self.template_list[self._templates[row]].actions)
        )

    def narrow(self, only: Callable[[JobPlan], JobPlan | None]) -> None:
        """Leave of each job what `only` returns, None for nothing; call it after `sort`."""
        narrower: dict[tuple[int, tuple[Action, ...]], int] = {}
        order = array("I")
        for row, job in zip(self._order, self, strict=True):
            left = only(job)
            if left is None:
                continue
            order.append(row)
            if len(left.actions) < len(job.actions):
                number, kinds = (
                    self._templates[row],
                    tuple(decision.action for decision in left.actions),
                )
                if (number, kinds) not in narrower:
                    template = self.template_list[number]
                    actions = tuple(action for action in template.actions if action[0] in kinds)
                    narrower[number, kinds] = len(self.template_list)
                    self.template_list.append(replace(template, actions=actions))
                self._templates[row] = narrower[number, kinds]
                self._since[0][row] = left.actions[0].due_since or 0
        self._order = order

    def add(
        self,
        record: Record,
        number: int,
        due: tuple[Decision, ...],
        *,
        print_: str,
        order: tuple[int, int],
    ) -> None:
        """Add a job. `order` has two numbers, the lowest first: how far it is behind all others,
        whatever their priority, and its urgency among those of its kind and priority.
        """
        behind, urgency = order
        template, row = self.template_list[number], len(self._templates)
        self._ids += bytes.fromhex(record.job.id)
        self._fingerprints += bytes.fromhex(print_)
        self._owners.append(self._owner_names.setdefault(record.job.owner, len(self._owner_names)))
        self._templates.append(number)
        self._since[0].append(due[0].due_since or 0)
        self._since[1].append(due[-1].due_since or 0)
        keys = self._archiving if template.archives else self._changing
        keys.append(
            # One integer instead of a tuple: a million of them sort faster and need less memory.
            ((_PRIORITIES * behind + template.priority) << TIME_BITS | urgency) << _INDEX_BITS | row
        )

    def sort(self) -> None:
        """Put the jobs into the order of execution; nothing can be added afterwards."""
        keys = (self._archiving, self._changing)
        for own in keys:
            own.sort()
        self._order = array("I", _alternating(*keys))
        for own in keys:
            own.clear()
        self._template_numbers.clear()

    @property
    def owners(self) -> tuple[Owner, ...]:
        """The owners of the jobs; `columns` has the position of each in it."""
        return tuple(self._owner_names)

    def columns(self) -> Iterator[tuple[bytes, int, int, int, int]]:
        """Yield each job as its id, the numbers of its template and its owner, and since when its
        first and its last action are due (epoch seconds), in the order of execution.

        For all jobs at once this takes a tenth of the time of making each a `JobPlan`.
        """
        ids, templates, owners, (first, last) = (
            self._ids,
            self._templates,
            self._owners,
            self._since,
        )
        for row in self._order:
            yield (
                bytes(ids[16 * row : 16 * row + 16]),
                templates[row],
                owners[row],
                first[row],
                last[row],
            )

    def __iter__(self) -> Iterator[JobPlan]:
        owners = list(self._owner_names)
        for row in self._order:
            template = self.template_list[self._templates[row]]
            dates = (self._since[0][row], self._since[1][row])
            yield JobPlan(
                JobId(self._ids[16 * row : 16 * row + 16].hex()),
                owners[self._owners[row]],
                self._fingerprints[8 * row : 8 * row + 8].hex(),
                tuple(
                    Decision(action, Verdict.DUE, reasons, policy, since)
                    for (action, reasons, policy), since in zip(
                        template.actions, dates, strict=False
                    )
                ),
                template.selection,
                template.held,
                template.nothing_wanted_by,
            )


def _alternating(archiving: list[int], changing: list[int]) -> Iterator[int]:
    """Yield rows by priority; within a priority an archiving job and a changing one in turn, while
    there are both.

    An archive costs more requests than a delete, so deletes get at least a fifth of a budget,
    wherever it ends.
    """
    # A mask for the row's number, and the shift that leaves only the priority of a sort key.
    row, priority = (1 << _INDEX_BITS) - 1, _INDEX_BITS + TIME_BITS
    lists, at, turn, last = (archiving, changing), [0, 0], 0, 1 << priority
    while at[0] < len(archiving) or at[1] < len(changing):
        mine, other = (
            lists[n][at[n]] >> priority if at[n] < len(lists[n]) else last for n in (turn, 1 - turn)
        )
        # The other kind has a job of higher priority (a lower number).
        if other < mine:
            turn = 1 - turn
        yield lists[turn][at[turn]] & row
        at[turn] += 1
        turn = 1 - turn


@dataclass(slots=True)
class Waiting:
    """Announced deletes in their grace period: how many, how many of them are `fresh` (not yet on
    record), and when the first and the last one are due.

    The times are epoch seconds, for jobs that only time blocks.
    """

    jobs: int
    fresh: int
    first_at: int
    last_at: int


@dataclass(slots=True)
class Plan:
    """All decisions of a run, counted. In counts by policy, None is what a hold archives.

    `inventory` jobs were seen, `held` of them are held. `counts` and `totals` are of actions that
    will be carried out: where both deletes are due, that is one delete_job. `kept` counts, by
    action, the jobs that stay, by each of their reasons (a job with two is counted twice).
    `undecided` are the jobs kept because a policy could not read a field. `matched` are each
    policy's certain matches.

    `acting` are the distinct jobs with a delete or stop, also by the policy that permits it.
    `broken` are the limits that they break: then nothing may be done. `lifted` are the limits that
    they would break without `approvals` (all that are in force). `waiting` are the deletes that are
    announced and not due yet. `late` are the jobs past a deadline, by its name. `lints` are rules
    that the inventory shows to be probably wrong. `postponed` are the times that other policies
    make longer, with the number of jobs.

    `rows` and `announcements` have what `jobs()` and `announced()` yield. `retries` are those of
    `jobs()` that failed before: jobs that were not tried come first. `purge_candidates` are jobs to
    ask Sauce Labs about: it may have purged their assets, and that would change something.
    `incomplete` jobs are stored without files that cannot be fetched; for `giving_up` of them the
    policies no longer wait. `expiring_24h_jobs`, `expiring_72h_jobs` and `expiring_7d_jobs` have
    wanted assets without a copy that Sauce Labs purges within that time; `expiring` are these jobs,
    and within how many days it is.
    """

    as_of: int
    inventory: int = 0
    held: int = 0
    incomplete: int = 0
    giving_up: int = 0
    counts: dict[tuple[str | None, Action], int] = field(default_factory=dict)
    totals: dict[Action, int] = field(default_factory=lambda: dict.fromkeys(Action, 0))
    kept: dict[tuple[Action, Reason], int] = field(default_factory=dict)
    undecided: dict[tuple[str, str], int] = field(default_factory=dict)
    matched: dict[str, int] = field(default_factory=dict)
    acting: ActingJobs = field(default_factory=ActingJobs)
    acting_by_policy: dict[str, ActingJobs] = field(default_factory=dict)
    broken: tuple[BrokenLimit, ...] = ()
    lifted: tuple[BrokenLimit, ...] = ()
    approvals: tuple[Approval, ...] = ()
    expiring_24h_jobs: int = 0
    expiring_72h_jobs: int = 0
    expiring_7d_jobs: int = 0
    expiring: dict[bytes, int] = field(default_factory=dict)
    waiting: dict[Action, Waiting] = field(default_factory=dict)
    late: dict[str, Late] = field(default_factory=dict)
    lints: tuple[str, ...] = ()
    postponed: dict[Postponement, int] = field(default_factory=dict)
    rows: Rows = field(default_factory=Rows)
    announcements: dict[tuple[Action, ...], bytearray] = field(default_factory=dict)
    purge_candidates: tuple[PurgeCandidate, ...] = ()
    retries: dict[JobId, Retry] = field(default_factory=dict)

    @property
    def expected(self) -> int:
        """The acting jobs that an accepted run already knew; only time has passed since."""
        return self.acting.expected

    @property
    def unexpected(self) -> int:
        """The other acting jobs."""
        return self.acting.unexpected

    @property
    def job_count(self) -> int:
        """How many jobs `jobs` yields."""
        return len(self.rows)

    def jobs(self) -> Iterator[JobPlan]:
        """Yield the jobs for which something is due, in the order of execution: by priority, holds
        first; archives by the nearest purge and deletes by the longest overdue, in turn. Jobs that
        failed in an earlier run come after all others, in the same order, unless their purge is
        near.
        """
        return iter(self.rows)

    def saved(self, job_id: JobId) -> None:
        """Note that this job was archived, or is gone, while the plan was carried out: it no longer
        expires.
        """
        days = self.expiring.pop(bytes.fromhex(job_id), None)
        if days is not None:
            self.expiring_7d_jobs -= 1
            self.expiring_72h_jobs -= days <= 3
            self.expiring_24h_jobs -= days <= 1

    def only(self, policies: Collection[str]) -> None:
        """Remove the actions of all other policies, also from `counts` and `totals`; what was
        measured stays.
        """
        self.rows.only(policies)
        self.counts = {key: number for key, number in self.counts.items() if key[0] in policies}
        for action in self.totals:
            self.totals[action] = sum(
                number for (_, of), number in self.counts.items() if of is action
            )

    def narrow(self, only: Callable[[JobPlan], JobPlan | None]) -> None:
        """Leave of each job what `only` returns, also in `counts` and `totals`; what was measured
        stays.
        """
        self.rows.narrow(only)
        self.counts, self.totals = {}, dict.fromkeys(Action, 0)
        for template, jobs in self.rows.templates():
            for action, _, policy in template.actions:
                self.counts[policy, action] = self.counts.get((policy, action), 0) + jobs
                self.totals[action] += jobs

    def announced(self) -> Iterator[tuple[JobId, tuple[Action, ...]]]:
        """Yield the jobs with deletes that are, or stay, announced. A job that is not among them
        must be announced anew.
        """
        for actions, ids in self.announcements.items():
            for at in range(0, len(ids), 16):
                yield JobId(ids[at : at + 16].hex()), actions
