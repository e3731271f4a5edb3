"""The retention language as values: what the policies, holds and limits of a configuration become
before they decide anything.

docs/reference/policies.md says what each means. Everything here was checked when the configuration
was read: patterns compile, durations are positive, names are unique, overrides name policies and
have no cycle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from sauce_janitor.model.calendar_periods import CalendarPeriod
from sauce_janitor.model.jobs import Action


@dataclass(frozen=True, slots=True)
class Duration:
    """A duration in `seconds` (s min h d w) or calendar `months` (mo y); exactly one of them is
    above zero. `text` is as written.
    """

    text: str
    seconds: int = 0
    months: int = 0


# --- match ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Glob:
    """An anchored, case-sensitive glob (`*`, `?`, `[…]`, `{a,b}`), or just the text itself."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Regex:
    """A full match in RE2's syntax."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Literally:
    """Exactly this value: null, true or false."""

    value: bool | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of `bounds` hold. For `duration` the numbers are seconds."""

    bounds: tuple[tuple[Literal["lt", "le", "gt", "ge"], float], ...]


Pattern: TypeAlias = Glob | Regex | Literally | Comparison


@dataclass(frozen=True, slots=True)
class Atom:
    """A test whether `field` matches any of `patterns`. `{in: LIST}` became the list's patterns
    when the configuration was read.
    """

    field: str
    patterns: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Kleene "and"; without parts it is true (`match: all`)."""

    parts: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Kleene "or"; without parts it is false."""

    parts: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Kleene "not"."""

    part: Match


Match: TypeAlias = Atom | AllOf | AnyOf | Not
EVERYTHING = AllOf(())

FIELDS = (
    "name", "build", "owner", "tags", "status", "state", "os", "browser", "browser_version",
    "automation_backend", "public", "error", "manual", "duration", "build_status", "team_id",
)  # fmt: skip
"""The fields that `match`, `where` and `group_by` can name, besides `custom_data.<key>`."""
BUILD_FIELDS = ("build", "build_status")

# --- policies -------------------------------------------------------------------------------------

KeepKind: TypeAlias = Literal["last", "since_last", "within", "within_of_newest"] | CalendarPeriod
KEEP_KINDS: Final[tuple[KeepKind, ...]] = (
    "last",
    "since_last",
    *CalendarPeriod,
    "within",
    "within_of_newest",
)
"""The keys of keep rules. A calendar kind is one row of `CalendarPeriod`; for another kind, mypy
names each `match` that does not know it yet.
"""


@dataclass(frozen=True, slots=True)
class KeepRule:
    """One keep rule; its `kind` says which fields count.

    `count`: `last` and the calendar kinds. `duration`: `within` and `within_of_newest`. `since`:
    `since_last`. `where` restricts which jobs count. `pick` is the order of preference within a
    period: newest, oldest, passed, failed, error, complete.
    """

    id: str
    kind: KeepKind
    count: int = 0
    duration: Duration | None = None
    since: Match | None = None
    where: Match | None = None
    pick: tuple[str, ...] = ("newest",)
    nonempty: bool = False


@dataclass(frozen=True, slots=True)
class DeleteRule:
    """When a policy deletes; `after` is None for `never`. `keep` protects from this action only."""

    after: Duration | None
    keep: tuple[KeepRule, ...] = ()


OTHER_FILES: Final = "all"
"""The key of `keep_for` for files that no other key names."""


@dataclass(frozen=True, slots=True)
class ArchiveRule:
    """What a policy archives. `none` says explicitly that it archives nothing; then no other field
    counts.

    `if_unavailable` is how long a delete waits for a file that cannot be fetched, None forever.
    `assets` are classes or globs, `("all",)` is everything. `keep_for` is how long the archive
    keeps a file, by class or glob, None forever. `all` is for files that no other key names;
    without it they stay forever.
    """

    none: bool = False
    after: Duration = Duration("0s")
    assets: tuple[str, ...] = ("all",)
    discard_rest: bool = False
    only_kept: bool = False
    if_purged: Literal["proceed", "keep"] = "proceed"
    if_unavailable: Duration | None = None
    keep_for: tuple[tuple[str, Duration | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits on a plan; None is off. Those of a policy count its own deletes, those of the
    account all of them.
    """

    max_jobs: int | None = None
    max_percent: float | None = None
    max_growth: float | None = None


LimitName: TypeAlias = Literal["max_percent", "max_jobs", "max_growth"]
ALL_LIMITS: Final[frozenset[LimitName]] = frozenset({"max_percent", "max_jobs", "max_growth"})


@dataclass(frozen=True, slots=True)
class Approval:
    """Lifts limits for plans under a policy digest; `until` is the first second after it.

    The limits in `lift` are not measured. With `max_jobs` the approval lifts max_jobs too, and
    allows only plans with at most so many jobs that no accepted plan had.
    """

    policy_digest: str
    until: int
    lift: frozenset[LimitName]
    max_jobs: int | None
    by: str
    reason: str

    def is_in_force(self, policy_digest: str, *, at: int) -> bool:
        """Return whether it is for this policy digest, and not over at that time."""
        return self.policy_digest == policy_digest and at < self.until

    def allows(self, jobs: int) -> bool:
        """Return whether it covers a plan with so many newly acting jobs."""
        return self.max_jobs is None or jobs <= self.max_jobs

    @property
    def lifts(self) -> frozenset[LimitName]:
        """The limits that are not measured for a plan that it allows."""
        return self.lift if self.max_jobs is None else self.lift | {"max_jobs"}


Overrides: TypeAlias = tuple[str, ...] | Literal["all"]


@dataclass(frozen=True, slots=True)
class Policy:
    """One retention policy. `archive`, `deletes` and `stop` have only what `then` states; the
    policy has no say on other actions.
    """

    name: str
    match: Match
    unit: Literal["job", "build"] = "job"
    group_by: tuple[str, ...] = ()
    null_group: Literal["keep", "shared"] = "keep"
    keep: tuple[KeepRule, ...] = ()
    archive: ArchiveRule | None = None
    deletes: tuple[tuple[Action, DeleteRule], ...] = ()
    stop: Duration | None = None
    default: bool = False
    overrides: Overrides = ()
    priority: Literal["high", "normal", "low"] = "normal"
    limits: Limits = Limits()

    @property
    def all_keep_rules(self) -> tuple[KeepRule, ...]:
        """The keep rules of the policy and of its deletes, each once."""
        rules = list(self.keep)
        for _, delete in self.deletes:
            # The same rule may be in several places; it counts jobs once.
            rules += [rule for rule in delete.keep if rule not in rules]
        return tuple(rules)


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold with exactly one of `tag`, `tag_prefix`, `match`. `until` is the first second after
    it, None for no end.
    """

    id: str
    tag: str | None = None
    tag_prefix: str | None = None
    match: Match | None = None
    until: int | None = None
    reason: str = ""
    by: str = ""
    archive: bool = True


@dataclass(frozen=True, slots=True)
class Forbid:
    """Assets that are never stored, for jobs that match."""

    match: Match
    assets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A promise that is watched but triggers no action."""

    name: str
    match: Match
    assets_gone_by: Duration | None = None
    job_gone_by: Duration | None = None
    warn: Duration | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that decides for one account; `accounts:` selections are already applied."""

    timezone: ZoneInfo
    policies: tuple[Policy, ...]
    holds: tuple[Hold, ...] = ()
    forbid: tuple[Forbid, ...] = ()
    age_from: tuple[
        Literal["end_time", "modification_time", "start_time", "creation_time"], ...
    ] = (
        "end_time",
        "modification_time",
    )
    grace: Duration = Duration("0s")
    limits: Limits = field(default_factory=lambda: Limits(max_percent=25.0))
    deadlines: tuple[Deadline, ...] = ()
