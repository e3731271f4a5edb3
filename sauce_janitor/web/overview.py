"""What the status page shows, as plain values: numbers, epoch seconds, sentences. Nothing is
escaped yet, the page does it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run: when it began, whether it changed anything, and what came of it."""

    started_at: int
    mode: str
    result: str
    took_s: int | None
    words: str


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """What the newest plan has for one policy, by action."""

    policy: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LabeledFact:
    """A word and what there is to say of it; `bad` marks what somebody should look at."""

    name: str
    text: str
    bad: bool = False


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account. `now` says what it is doing, None when nothing; `dark` the black-out in
    force.
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


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything at one moment. `troubles` are what keeps the daemon from being ready, `faults` of
    the newest configuration.
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


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the daemon can do its work, and what keeps it from it."""

    reasons: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Nothing keeps it from it."""
        return not self.reasons
