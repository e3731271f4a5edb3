"""The values of the overview: numbers, epoch seconds and sentences. The page escapes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run: when it began, its mode, its result, and a summary. `run_id` is None where it has no
    page.
    """

    started_at: int
    mode: str
    result: str
    took_s: int | None
    words: str
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """The number of planned actions for one policy in the newest plan, by action."""

    policy: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LabeledFact:
    """A name and a fact. `bad` marks one that needs attention."""

    name: str
    text: str
    bad: bool = False


@dataclass(frozen=True, slots=True)
class PurgeClock:
    """How many jobs have wanted assets without a copy that Sauce Labs purges within this time.
    `within_7d` is None in records of older versions.
    """

    within_24h: int
    within_72h: int
    within_7d: int | None


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """An account's request budget: its `usual` limits in words, what is allowed and `left` in this
    hour (None: no hourly limit), and in how many seconds requests go on (0: now).
    """

    usual: str
    per_hour: int | None
    left: int | None
    goes_on_in_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LatePromise:
    """Jobs past a deadline: its name, and what blocks how many of them (`kept by a rule`), the most
    first.
    """

    deadline: str
    blockers: tuple[tuple[str, int], ...]

    @property
    def jobs(self) -> int:
        """How many jobs are late."""
        return sum(jobs for _, jobs in self.blockers)


@dataclass(frozen=True, slots=True)
class NamedSeries:
    """Several numbers under each key, in the order of `names`. None stands for not known."""

    names: tuple[str, ...]
    values: tuple[tuple[int | None, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class DaySeries:
    """Several numbers for each of a stretch of days (days since 1970 in UTC). None stands for not
    known.
    """

    names: tuple[str, ...]
    first_day: int = 0
    values: tuple[tuple[int | None, ...], ...] = ()

    @property
    def days(self) -> range:
        """The days, oldest first."""
        return range(self.first_day, self.first_day + len(self.values))

    def of(self, name: str) -> tuple[int | None, ...]:
        """Return the numbers of that name."""
        at = self.names.index(name)
        return tuple(row[at] for row in self.values)


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """What the charts of an account are made from.

    `created`: the known jobs by day of creation and status; `ages`: by class of age (named by
    `age_names`) and status. `done`: what each day did. `forecast` was made at `forecast_at` (epoch
    seconds, None: not yet); where it has no days, `forecast_missing` says why.
    """

    created: DaySeries
    age_names: tuple[str, ...]
    ages: NamedSeries
    done: DaySeries
    archive: DaySeries
    forecast: DaySeries
    forecast_at: int | None = None
    forecast_missing: str = ""


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account. `now` says what it does now, None for nothing; `dark` is the black-out. `late`
    are the promises that are not kept. `figures` are None where none were kept yet.
    """

    name: str
    identity: str
    now: str | None
    next_run_at: int | None
    dark: str | None
    facts: tuple[LabeledFact, ...]
    plan_as_of: int | None
    actions: tuple[str, ...]
    policies: tuple[PolicyLine, ...]
    runs: tuple[RunLine, ...]
    purge: PurgeClock | None = None
    budget: BudgetLeft | None = None
    late: tuple[LatePromise, ...] = ()
    figures: AccountFigures | None = None


@dataclass(frozen=True, slots=True)
class WorkerLine:
    """A worker of a shared state: where it runs, its mode and version, and what it works on."""

    name: str
    mode: str
    version: str
    works_on: str


@dataclass(frozen=True, slots=True)
class LeaseLine:
    """An account's lease: its number, who holds it, and when it was renewed last."""

    account: str
    fence: int
    holder: str
    renewed: str


@dataclass(frozen=True, slots=True)
class SharedWork:
    """What the page shows of a state that several workers share."""

    queue: str
    workers: tuple[WorkerLine, ...]
    leases: tuple[LeaseLine, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the page shows at one moment.

    `troubles` are the reasons why the daemon is not ready, `faults` the problems of the newest
    configuration.
    """

    at: int
    version: str
    executes: bool
    paused: str | None
    troubles: tuple[str, ...]
    faults: tuple[str, ...]
    warnings: tuple[str, ...]
    accounts: tuple[AccountView, ...]
    upkeep: tuple[LabeledFact, ...] = ()
    sharing: SharedWork | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the daemon can work, and the reasons why it cannot."""

    reasons: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether there is no reason against it."""
        return not self.reasons
