"""A plan as the state keeps it for pages: what it says as a whole, and its jobs page by page.

Times are epoch seconds in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sauce_janitor.model.jobs import Action, Job, JobId, Owner


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """What happens to a job, by which policy (`jobs.HOLD` for a hold), and why: the reasons in the
    words of `plan` and `explain`.
    """

    action: Action
    policy: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlanKind:
    """What many jobs of a plan have in common. `loss` says what is destroyed without a copy; None
    for nothing.
    """

    actions: tuple[PlannedAction, ...]
    loss: str | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class PlanTotal:
    """One action of one policy (`jobs.HOLD` for holds): so many jobs, `unstored` of them destroyed
    without a copy, and the requests that it takes.

    `size_bytes` is what it stores in the archive or frees at Sauce Labs, without the asset classes
    in `unknown`; None for a stop.
    """

    policy: str
    action: Action
    jobs: int
    unstored: int
    requests: float
    size_bytes: float | None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What a plan says as a whole. `jobs_known` is the inventory; `gaps` are sentences about the
    jobs that may be missing.

    `done_in_s` is how long the request budget takes for the plan, None where there is no limit.
    `kinds`, `owners` and `counts` (the jobs of each kind) are by the numbers that its jobs have.
    """

    account: str
    run_id: str
    mode: str
    as_of: int
    policy_digest: str
    jobs_known: int
    requests: int
    done_in_s: float | None
    limits_broken: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    totals: tuple[PlanTotal, ...] = ()
    kinds: tuple[PlanKind, ...] = ()
    counts: tuple[int, ...] = ()
    owners: tuple[Owner, ...] = ()

    @property
    def jobs(self) -> int:
        """How many jobs something is due for."""
        return sum(self.counts)

    @property
    def unstored(self) -> int:
        """How many jobs lose something without a copy."""
        return sum(
            jobs
            for kind, jobs in zip(self.kinds, self.counts, strict=True)
            if kind.loss is not None
        )


@dataclass(frozen=True, slots=True)
class PlanDifference:
    """How a plan differs from the one before, made as of `former_as_of`: jobs that are new in it,
    that `left` it, and that have other actions.

    The tuples have the first few: positions in the plan, and for those that left their ids.
    """

    former_as_of: int
    added: int = 0
    left: int = 0
    changed: int = 0
    first_added: tuple[int, ...] = ()
    first_left: tuple[JobId, ...] = ()
    first_changed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """The newest plan of an account. `difference` is None for the first one."""

    number: int
    made_at: int
    facts: PlanFacts
    difference: PlanDifference | None = None


@dataclass(frozen=True, slots=True)
class PlanFilter:
    """Which jobs of a plan: with an action of this policy, with this action (of that policy), of
    this owner, with an id that begins so; `unstored` ones only. None and "" stand for all.
    """

    policy: str | None = None
    action: Action | None = None
    owner: str | None = None
    prefix: str = ""
    unstored: bool = False

    def takes(self, kind: PlanKind) -> bool:
        """Return whether it shows jobs of this kind."""
        if self.unstored and kind.loss is None:
            return False
        return any(
            self.policy in (None, each.policy) and self.action in (None, each.action)
            for each in kind.actions
        )


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One job of a plan. `due_since` has a time for each action.

    `job` is what the inventory knows of it now, None where it knows nothing; `gone` says that it is
    no longer at Sauce Labs. A job that left the plan has no position (-1) and no actions.
    """

    position: int
    job_id: JobId
    owner: Owner | None
    kind: PlanKind
    due_since: tuple[int, ...]
    job: Job | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class PlanPage:
    """Some jobs of a plan, in its order. `after` is the position that the next page begins after;
    None at the end.
    """

    rows: tuple[PlannedRow, ...] = field(default=())
    after: int | None = None
