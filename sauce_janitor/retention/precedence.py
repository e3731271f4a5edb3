"""Whose word counts on a job: overrides and defaults, worked out from which policies match, may
match, or do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sauce_janitor.model.jobs import Action
from sauce_janitor.model.policies import Policy
from sauce_janitor.retention.matching import Truth


def actions_stated(policy: Policy) -> frozenset[Action]:
    """The actions a policy says anything of; of all others it has no opinion."""
    stated = {action for action, _ in policy.deletes}
    if policy.archive is not None:
        stated.add(Action.ARCHIVE)
    if policy.stop is not None:
        stated.add(Action.STOP)
    return frozenset(stated)


@dataclass(frozen=True, slots=True)
class Precedence:
    """One policy's word on one action of a job: `sure` when it matches, else it may match; `seated`
    when it ranks the job.
    """

    index: int
    sure: bool
    takes_slots: bool


class Precedences:
    """Works out the standings of all policies, by position in `policies`."""

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
        """Whether the jobs that take slots in a policy can differ by action: a default, or one that
        others override.
        """
        return self._policies[index].default or bool(self._overriders[index])

    def of(self, action: Action, truths: Sequence[Truth]) -> tuple[Precedence, ...]:
        """The policies whose claims on `action` are in force for a job that they match as `truths`
        say.
        """
        found = []
        for index, truth in enumerate(truths):
            if truth is False or action not in self.stated[index]:
                continue
            if self._policies[index].default and self._another_states(action, index, truths):
                continue
            rivals = [
                n
                for n in self._overriders[index]
                if action in self.stated[n] and truths[n] is not False
            ]
            if any(truths[n] and not self._may_be_overridden(n, truths) for n in rivals):
                continue
            takes_slots = truth is True and all(self._is_overridden(n, truths) for n in rivals)
            found.append(Precedence(index, truth is True, takes_slots))
        return tuple(found)

    def overridden_by(self, action: Action, index: int, truths: Sequence[Truth]) -> tuple[int, ...]:
        """The policies that take this policy's claim on the action from it, for explaining."""
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

    # The graph of overrides has no cycle (the configuration refuses one), so these two end.

    def _may_be_overridden(self, index: int, truths: Sequence[Truth]) -> bool:
        return any(
            truths[n] is not False and not self._is_overridden(n, truths)
            for n in self._overriders[index]
        )

    def _is_overridden(self, index: int, truths: Sequence[Truth]) -> bool:
        return any(
            truths[n] and not self._may_be_overridden(n, truths) for n in self._overriders[index]
        )
