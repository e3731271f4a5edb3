"""Which policies count for a job: overrides and defaults, by which policies match, may match, or do
not match.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sauce_janitor.model.jobs import Action
from sauce_janitor.model.policies import Policy
from sauce_janitor.retention.matching import Truth


def actions_stated(policy: Policy) -> frozenset[Action]:
    """Return the actions that a policy states; it has no say on the others."""
    stated = {action for action, _ in policy.deletes}
    if policy.archive is not None:
        stated.add(Action.ARCHIVE)
    if policy.stop is not None:
        stated.add(Action.STOP)
    return frozenset(stated)


@dataclass(frozen=True, slots=True)
class Precedence:
    """One policy that counts for one action of a job: `sure` when it matches, otherwise it may
    match. `takes_slots` when its keep rules rank the job.
    """

    index: int
    sure: bool
    takes_slots: bool


class Precedences:
    """Finds the policies that count, by position in `policies`."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        self._policies = tuple(policies)
        self.stated = tuple(actions_stated(policy) for policy in policies)
        self._overriders = tuple(
            tuple(
                n
                for n in range(len(policies))
                if self._names(n, m) and self.stated[n] & self.stated[m]
            )
            for m in range(len(policies))
        )

    def ranks_by_action(self, index: int) -> bool:
        """Return whether the jobs that take slots in a policy can differ by action: in a default,
        or a policy that others override.
        """
        return self._policies[index].default or bool(self._overriders[index])

    def of(self, action: Action, truths: Sequence[Truth]) -> tuple[Precedence, ...]:
        """Return the policies that count for `action` and a job of which their matches say
        `truths`.
        """
        found = []
        for index, truth in enumerate(truths):
            # A policy that may match counts: it cannot permit, but it blocks.
            if truth is False or action not in self.stated[index]:
                continue
            # Also one that only may match: the default must not delete what another policy may
            # keep.
            if self._policies[index].default and self._another_states(action, index, truths):
                continue
            rivals = [
                n
                for n in self._overriders[index]
                if action in self.stated[n] and truths[n] is not False
            ]
            # Only a policy that certainly counts takes the say from another one.
            if any(truths[n] and not self._may_be_overridden(n, truths) for n in rivals):
                continue
            takes_slots = truth is True and all(self._is_overridden(n, truths) for n in rivals)
            found.append(Precedence(index, truth is True, takes_slots))
        return tuple(found)

    def overridden_by(self, action: Action, index: int, truths: Sequence[Truth]) -> tuple[int, ...]:
        """Return the policies that override this one for the action, to explain it."""
        return tuple(
            n
            for n in self._overriders[index]
            if action in self.stated[n] and truths[n] and not self._may_be_overridden(n, truths)
        )

    def _names(self, overrider: int, other: int) -> bool:
        overrides = self._policies[overrider].overrides
        if overrides == "all":
            return overrider != other
        return self._policies[other].name in overrides

    def _another_states(self, action: Action, index: int, truths: Sequence[Truth]) -> bool:
        return any(
            n != index
            and truth is not False
            and not self._policies[n].default
            and action in self.stated[n]
            for n, truth in enumerate(truths)
        )

    # These two call each other and still end: the configuration refuses cycles of overrides.

    def _may_be_overridden(self, index: int, truths: Sequence[Truth]) -> bool:
        return any(
            truths[n] is not False and not self._is_overridden(n, truths)
            for n in self._overriders[index]
        )

    def _is_overridden(self, index: int, truths: Sequence[Truth]) -> bool:
        return any(
            truths[n] and not self._may_be_overridden(n, truths) for n in self._overriders[index]
        )
