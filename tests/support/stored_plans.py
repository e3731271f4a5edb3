"""Plans to store, of any size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from sauce_janitor.model.console.stored_plans import PlanFacts, PlanKind, PlannedAction
from sauce_janitor.model.jobs import Action, Owner

NOON = 1_780_315_200


def _does(action: Action, policy: str) -> PlannedAction:
    return PlannedAction(action, policy, (f"{policy}: due",))


KINDS = (
    PlanKind((_does(Action.ARCHIVE, "nightly"),)),
    PlanKind((_does(Action.DELETE_JOB, "noise"),), "nothing is archived"),
    PlanKind((_does(Action.ARCHIVE, "nightly"), _does(Action.DELETE_ASSETS, "late"))),
    PlanKind((_does(Action.DELETE_ASSETS, "noise"),), "nothing is archived"),
    PlanKind((_does(Action.STOP, "runaway"),)),
)
OWNERS = tuple(Owner(f"user-{number}") for number in range(7))


@dataclass
class APlan:
    """A plan of so many jobs. Every kind and owner has some; job n has the id of `id_of(n)`."""

    size: int
    account: str = "eu"
    kinds: tuple[PlanKind, ...] = KINDS
    without: frozenset[int] = field(default=frozenset())
    """These jobs are not in it."""
    other: frozenset[int] = field(default=frozenset())
    """These jobs have another kind than they would have."""

    @staticmethod
    def id_of(number: int) -> bytes:
        return hashlib.md5(b"%d" % number, usedforsecurity=False).digest()

    def kind_of(self, number: int) -> int:
        return (number + (number in self.other)) % len(self.kinds)

    def jobs(self) -> Iterator[tuple[bytes, int, int, int, int]]:
        for number in range(self.size):
            if number not in self.without:
                since = NOON - number
                owner = number // 3 % len(OWNERS)
                yield self.id_of(number), self.kind_of(number), owner, since, since + 1

    def facts(self) -> PlanFacts:
        counts = [0] * len(self.kinds)
        for _, kind, _, _, _ in self.jobs():
            counts[kind] += 1
        return PlanFacts(
            account=self.account,
            run_id="r1",
            mode="execute",
            as_of=NOON,
            policy_digest="sha256:a",
            jobs_known=2 * self.size,
            requests=3 * self.size,
            done_in_s=None,
            kinds=self.kinds,
            counts=tuple(counts),
            owners=OWNERS,
        )
