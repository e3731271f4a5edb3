"""A plan as a value: what is counted, and the jobs that act, compactly, in the order of
execution.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import Action, Decision, JobId, Owner, Reason, Record, Verdict
from sauce_janitor.model.retries import Retry
from sauce_janitor.retention.interactions import Postponement
from sauce_janitor.retention.plan.deadlines import Late
from sauce_janitor.retention.plan.limits import ActingJobs, Approval, BrokenLimit
from sauce_janitor.retention.plan.vendor_purge import PurgeCandidate
from sauce_janitor.retention.verdicts import JobVerdict

_INDEX_BITS: Final = 32
TIME_BITS: Final = 48
_PRIORITIES: Final = 4


@dataclass(frozen=True, slots=True)
class JobPlan:
    """One job that something is due for. `actions` in the order of `Action`, at most one of them a
    delete.

    `selection` is what is wanted of the job; None: nothing, says the policy `nothing_wanted_by`.
    `held`: archived for a hold.
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

    `has_assets`: for all we know, Sauce Labs has their assets still. `is_past_purge`: they ended so
    long ago that it has probably purged them. `stored` are the selections that receipts cover
    already.
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
        return self.actions[0][0] is Action.ARCHIVE

    @property
    def changes(self) -> str | None:
        """The policy of the delete or stop, None when it only archives."""
        action, _, policy = self.actions[-1]
        return None if action is Action.ARCHIVE else policy


class Rows:
    """The acting jobs as columns: some 52 bytes a job."""

    def __init__(self) -> None:
        self._ids, self._fingerprints = bytearray(), bytearray()
        self._owners, self._templates, self._order = array("I"), array("I"), array("I")
        self._since = (array("q"), array("q"))
        self._owner_names: dict[Owner, int] = {}
        self.template_list: list[Template] = []
        self._template_numbers: dict[tuple[JobVerdict, tuple[str | None, ...], bool], int] = {}
        # Sort keys by kind of work, packed into one integer each: priority, time, row. Gone once
        # sorted.
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
        """The number of the template of jobs with this ruling and these permitting policies."""
        key = verdict, tuple([decision.policy for decision in due]), is_past_purge
        number = self._template_numbers.get(key)
        if number is None:
            actions = tuple((d.action, d.reasons, d.policy) for d in due)
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
        """Every template with the number of its jobs, or of those of these owners."""
        rows: Iterable[int] = self._order
        if owners is not None:
            theirs = {number for name, number in self._owner_names.items() if name in owners}
            rows = (row for row in self._order if self._owners[row] in theirs)
        for number, jobs in Counter(self._templates[row] for row in rows).items():
            yield self.template_list[number], jobs

    def only(self, policies: Collection[str]) -> None:
        """Take out the actions of all other policies, once sorted; a delete still rests on all that
        is wanted of the job.
        """
        for number, template in enumerate(self.template_list):
            left = tuple(action for action in template.actions if action[2] in policies)
            self.template_list[number] = replace(template, actions=left)
            if left and left[0] != template.actions[0]:
                for row, of in enumerate(self._templates):
                    if of == number:
                        self._since[0][row] = self._since[1][row]
        self._order = array(
            "I", (row for row in self._order if self.template_list[self._templates[row]].actions)
        )

    def narrow(self, only: Callable[[JobPlan], JobPlan | None]) -> None:
        """Leave of each job what `only` leaves of it, once sorted; None leaves nothing."""
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
        """Add a job. `order` is how far it goes behind others, whatever their priority, and its
        urgency: it orders it among those of its kind and priority. The lowest goes first in both.
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
            ((_PRIORITIES * behind + template.priority) << TIME_BITS | urgency) << _INDEX_BITS | row
        )

    def sort(self) -> None:
        """Bring the jobs into the order of execution; nothing can be added after."""
        keys = (self._archiving, self._changing)
        for own in keys:
            own.sort()
        self._order = array("I", _alternating(*keys))
        for own in keys:
            own.clear()
        self._template_numbers.clear()

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
    """Rows by priority; within one, an archiving job and a changing one in turn, while there are
    both.

    An archive costs more requests than a delete, so that deletes have a fifth of a budget at least,
    wherever it ends.
    """
    row, priority = (1 << _INDEX_BITS) - 1, _INDEX_BITS + TIME_BITS
    lists, at, turn, last = (archiving, changing), [0, 0], 0, 1 << priority
    while at[0] < len(archiving) or at[1] < len(changing):
        mine, other = (
            lists[n][at[n]] >> priority if at[n] < len(lists[n]) else last for n in (turn, 1 - turn)
        )
        if other < mine:
            turn = 1 - turn
        yield lists[turn][at[turn]] & row
        at[turn] += 1
        turn = 1 - turn


@dataclass(slots=True)
class Waiting:
    """Announced deletes in their grace: so many, `fresh` of them not on record yet, and when the
    first and the last one go.

    The times are epoch seconds, for jobs that only time stands against.
    """

    jobs: int
    fresh: int
    first_at: int
    last_at: int


@dataclass(slots=True)
class Plan:
    """All decisions of a run, counted. Counts by policy have None for what a hold wants archived.

    `inventory` jobs were seen, `held` of them are held. `counts` and `totals` are of actions that
    will be carried out: where both deletes are due, that is one delete_job. `kept` counts, by
    action, the jobs that stay by each of their reasons (a job with two is counted twice);
    `undecided` the jobs kept because a policy could not tell a field. `matched` are each policy's
    sure matches. `acting` are the distinct jobs with a delete or stop, also by the policy that
    permits it; `broken` the limits they break: then nothing may be done; `lifted` the limits that
    only `approvals` (all that are in force) keep from being broken. `waiting` are the deletes that
    are announced and not due yet; `late` the jobs past a deadline, by its name; `lints` what the
    inventory shows to be hardly meant; `postponed` the times that other policies make longer, with
    jobs. `rows` and `announcements` hold what `jobs()` and `announced()` give. `retries` are those
    of `jobs()` that failed before: what was not tried goes before them. `suspects` are jobs to be
    looked at: Sauce may have purged their assets, and knowing it would change something.
    `incomplete` jobs are stored but for files that could not be had; of `giving_up` of them the
    policies wait no longer. `expiring_24h_jobs`, `expiring_72h_jobs`: assets wanted and not
    archived that Sauce Labs purges within that time; `expiring` are these jobs, and whether it is
    within 24 h.
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
    expiring: dict[bytes, bool] = field(default_factory=dict)
    waiting: dict[Action, Waiting] = field(default_factory=dict)
    late: dict[str, Late] = field(default_factory=dict)
    lints: tuple[str, ...] = ()
    postponed: dict[Postponement, int] = field(default_factory=dict)
    rows: Rows = field(default_factory=Rows)
    announcements: dict[tuple[Action, ...], bytearray] = field(default_factory=dict)
    suspects: tuple[PurgeCandidate, ...] = ()
    retries: dict[JobId, Retry] = field(default_factory=dict)

    @property
    def expected(self) -> int:
        """The acting jobs that an accepted run knew already, and only time has passed since."""
        return self.acting.expected

    @property
    def unexpected(self) -> int:
        """The other acting jobs."""
        return self.acting.unexpected

    @property
    def job_count(self) -> int:
        """How many jobs `jobs` gives."""
        return len(self.rows)

    def jobs(self) -> Iterator[JobPlan]:
        """The jobs that something is due for, in the order of execution: by priority, holds first;
        archives by the nearest purge and deletes by the longest overdue, in turn. What failed in an
        earlier run comes after all that did not, in the same order, unless its purge is near.
        """
        return iter(self.rows)

    def saved(self, job_id: JobId) -> None:
        """This job was archived, or is gone, while the plan was carried out: nothing of it expires
        any more.
        """
        within_24h = self.expiring.pop(bytes.fromhex(job_id), None)
        if within_24h is not None:
            self.expiring_72h_jobs -= 1
            self.expiring_24h_jobs -= within_24h

    def only(self, policies: Collection[str]) -> None:
        """Take every action of other policies out, also of `counts` and `totals`; what was measured
        stays as it was.
        """
        self.rows.only(policies)
        self.counts = {key: number for key, number in self.counts.items() if key[0] in policies}
        for action in self.totals:
            self.totals[action] = sum(
                number for (_, of), number in self.counts.items() if of is action
            )

    def narrow(self, only: Callable[[JobPlan], JobPlan | None]) -> None:
        """Leave of each job what `only` leaves of it, also in `counts` and `totals`; what was
        measured stays as it was.
        """
        self.rows.narrow(only)
        self.counts, self.totals = {}, dict.fromkeys(Action, 0)
        for template, jobs in self.rows.templates():
            for action, _, policy in template.actions:
                self.counts[policy, action] = self.counts.get((policy, action), 0) + jobs
                self.totals[action] += jobs

    def announced(self) -> Iterator[tuple[JobId, tuple[Action, ...]]]:
        """The jobs whose deletes are announced now, or stay so: what is not among them has to be
        announced anew.
        """
        for actions, ids in self.announcements.items():
            for at in range(0, len(ids), 16):
                yield JobId(ids[at : at + 16].hex()), actions
