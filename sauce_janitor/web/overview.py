"""The values of the status page: numbers, epoch seconds and sentences. The page escapes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run: when it began, its mode, its result, and a summary."""

    started_at: int
    mode: str
    result: str
    took_s: int | None
    words: str


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
class AccountView:
    """One account. `now` says what it does now, None for nothing; `dark` is the black-out."""

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
