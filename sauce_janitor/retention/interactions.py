"""Where a policy's time does not apply, because another policy that matches the same jobs has a
longer one. It is one module, although long: a job's and the rules' view must say the same.

`postponements` finds them for one job as decided. `foreseen` finds them in the rules alone, and
says how certain it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sauce_janitor.counts import counted
from sauce_janitor.model.jobs import DELETES, Action, Why
from sauce_janitor.model.policies import DeleteRule, Duration, Not, Policy, Rules
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.retention.builds import BuildKeeper
from sauce_janitor.retention.match_cases import AppliedRule, MatchCase
from sauce_janitor.retention.overlaps import may_overlap
from sauce_janitor.retention.precedence import actions_stated

_SHORTEST_MONTH_S: Final = 28 * DAY_S
_LONGEST_MONTH_S: Final = 31 * DAY_S
_YEAR_MONTHS: Final = 12
_SHORTEST_YEAR_S: Final = 365 * DAY_S
_KEEPING: Final = frozenset({Why.KEPT, Why.BUILD})


@dataclass(frozen=True, slots=True)
class Postponement:
    """A policy states `after` for an action, and for some jobs another one, `by`, makes that
    longer.

    `until` is the longer time as written, or `never`; None where keep rules (`kept_by`) keep the
    job. `by_assets`: deleting the job waits for the other policy's delete_assets.
    """

    policy: str
    action: Action
    after: str
    by: str
    until: str | None = None
    kept_by: tuple[str, ...] = ()
    by_assets: bool = False

    def text(self, jobs: int) -> str:
        """Return it in words, for so many jobs."""
        count = counted(jobs, "job")
        rule = f"{self.by}: delete_assets" if self.by_assets else self.by
        if self.until is None:
            kept = f" ({', '.join(self.kept_by)})"
            kept_jobs = "it" if jobs == 1 else "them"
            return (
                f"{self.policy}: {self.action.value} {self.after} does not apply to {count}: "
                f"{self.by} keeps {kept_jobs}{kept}"
            )
        return (
            f"{self.policy}: {self.action.value} {self.after} is {self.until} for {count} ({rule})"
        )

    def as_row(self, jobs: int) -> dict[str, Any]:
        """Return its JSON object."""
        return {
            "policy": self.policy,
            "action": self.action.value,
            "after": self.after,
            "becomes": self.until,
            "jobs": jobs,
            "by": self.by,
            "by_action": (Action.DELETE_ASSETS if self.by_assets else self.action).value,
            "kept_by": list(self.kept_by),
        }


@dataclass(frozen=True, slots=True)
class ForeseenPostponement:
    """A postponement in the rules alone. `is_certain`: the other policy matches every job of this
    one, and counts.
    """

    postponement: Postponement
    is_certain: bool

    def as_row(self) -> dict[str, Any]:
        """Return its JSON object."""
        row = self.postponement.as_row(0)
        # The rules alone count no jobs.
        del row["jobs"]
        return {**row, "certain": self.is_certain}


def by_weight(postponed: dict[Postponement, int]) -> list[tuple[Postponement, int]]:
    """Return them, those with the most jobs first."""
    return sorted(
        postponed.items(),
        key=lambda item: (
            -item[1],
            item[0].policy,
            item[0].action,
            item[0].by,
            item[0].until or "",
            item[0].kept_by,
        ),
    )


# --- of one job -----------------------------------------------------------------------------------


def postponements(case: MatchCase, flags: int, *, assets_gone: bool) -> Iterator[Postponement]:
    """Yield what others postpone of each policy's deletes, for jobs of a case with these flags; at
    most one an action and policy.

    Do not call it for held, unfinished or ageless jobs: no policy's time counts for them. A
    policy's own keep rules and its own longer delete_assets are no interaction.
    """
    for action in DELETES:
        if action is Action.DELETE_ASSETS and assets_gone:
            continue
        claims = [claim for claim in case.claims[action] if not claim.undecided]
        rivals = [(claim, False) for claim in claims]
        if action is Action.DELETE_JOB and not assets_gone:
            of_assets = case.claims[Action.DELETE_ASSETS]
            rivals += [(claim, True) for claim in of_assets if not claim.undecided]
        for claim in claims:
            own = [each for each, _ in rivals if each.policy is claim.policy]
            if any(each.after is None or _keeps(each, flags) for each in own):
                # The policy itself keeps the job.
                continue
            others = [(each, assets) for each, assets in rivals if each.policy is not claim.policy]
            found = _heaviest(action, own, others, flags)
            if found is not None:
                yield found


def _heaviest(
    action: Action,
    own: Sequence[AppliedRule],
    others: Sequence[tuple[AppliedRule, bool]],
    flags: int,
) -> Postponement | None:
    """Return the strongest that others have against a rule (the first of `own`): never, then a keep
    rule, then the longest time.
    """
    mine = own[0]
    assert mine.after is not None
    name, after = mine.policy.name, mine.after.text
    for other, assets in sorted(others, key=lambda each: each[0].policy.name):
        if other.after is None:
            return Postponement(name, action, after, other.policy.name, "never", by_assets=assets)
    for other, assets in others:
        if rules := _keeps(other, flags):
            return Postponement(
                name, action, after, other.policy.name, kept_by=rules, by_assets=assets
            )
    longer = [
        (other, assets)
        for other, assets in others
        if all(
            _is_longer(other.after, each.after) and not _counts_later(each, other) for each in own
        )
    ]
    if not longer:
        return None
    other, assets = max(
        longer, key=lambda each: (_seconds(each[0].after)[0], not each[1], each[0].policy.name)
    )
    assert other.after is not None
    return Postponement(name, action, after, other.policy.name, other.after.text, by_assets=assets)


def _keeps(claim: AppliedRule, flags: int) -> tuple[str, ...]:
    """Return the keep rules of the policy that keep the job."""
    if claim.slot is None or not flags & claim.kept:
        return ()
    reasons = claim.slot.keeper.reasons((flags & claim.kept) >> claim.slot.shift)
    return tuple(sorted({reason.rule or "" for reason in reasons if reason.why in _KEEPING}))


def _counts_later(mine: AppliedRule, other: AppliedRule) -> bool:
    """Return whether mine counts from a build's newest end, and the other from the job's own end:
    then the other may be over first.
    """
    return _is_of_build(mine) and not _is_of_build(other)


def _is_of_build(claim: AppliedRule) -> bool:
    return claim.slot is not None and isinstance(claim.slot.keeper, BuildKeeper)


def _is_longer(one: Duration | None, other: Duration | None) -> bool:
    """Return whether one is certainly longer, whatever the lengths of the months."""
    return one is not None and other is not None and _seconds(one)[0] > _seconds(other)[1]


def _seconds(duration: Duration | None) -> tuple[int, int]:
    """Return its shortest and its longest possible length."""
    assert duration is not None
    years, months = divmod(duration.months, _YEAR_MONTHS)
    shortest = duration.seconds + years * _SHORTEST_YEAR_S + months * _SHORTEST_MONTH_S
    return (
        shortest,
        duration.seconds + years * (_SHORTEST_YEAR_S + DAY_S) + months * _LONGEST_MONTH_S,
    )


# --- of the rules alone ---------------------------------------------------------------------------


def foreseen(rules: Rules) -> Iterator[ForeseenPostponement]:
    """Yield each delete that another policy may postpone, in the order of the policies."""
    for policy in rules.policies:
        for action, claim in policy.deletes:
            if claim.after is None:
                continue
            for other in rules.policies:
                if other is not policy and may_overlap(policy.match, other.match):
                    yield from _between(rules, (policy, action, claim), other)


def _between(
    rules: Rules, mine: tuple[Policy, Action, DeleteRule], other: Policy
) -> Iterator[ForeseenPostponement]:
    policy, action, claim = mine
    assert claim.after is not None
    own = dict(policy.deletes)
    # Whatever keeps a job's assets keeps the job, including the policy's own time for them.
    actions = (action,) if action is Action.DELETE_ASSETS else DELETES[::-1]
    times = [own[each].after for each in actions if each in own]
    stated = dict(other.deletes)
    for by_action in actions:
        theirs = stated.get(by_action)
        if theirs is None or _is_silent(rules, (policy, action), (other, by_action)):
            continue
        head = policy.name, action, claim.after.text, other.name
        assets = by_action is not action
        # Where the assets are gone, delete_assets does not count, and then it is not the longer
        # one.
        is_longer = _is_longer(theirs.after, claim.after)
        if theirs.after is None or (
            is_longer and not (policy.unit == "build" and other.unit != "build")
        ):
            until = theirs.after.text if theirs.after else "never"
            own_is_shorter = all(
                each and (theirs.after is None or _is_longer(theirs.after, each)) for each in times
            )
            certain = (
                own_is_shorter and not assets and _always_counts(rules, policy, other, by_action)
            )
            yield ForeseenPostponement(Postponement(*head, until, by_assets=assets), certain)
            return
        kept_by = tuple(rule.id for rule in (*other.keep, *theirs.keep))
        if kept_by or other.unit == "build":
            kept = kept_by or ("unit: build",)
            yield ForeseenPostponement(
                Postponement(*head, kept_by=kept, by_assets=assets), is_certain=False
            )
            return


def _is_silent(rules: Rules, mine: tuple[Policy, Action], theirs: tuple[Policy, Action]) -> bool:
    """Return whether one of the two policies certainly does not count where both match: because of
    overrides or a default.
    """
    (policy, action), (other, by_action) = mine, theirs
    if _takes_from(rules, policy, other) and by_action in actions_stated(policy):
        return True
    if action in actions_stated(other) and (policy.default or _takes_from(rules, other, policy)):
        return True
    return other.default and by_action in actions_stated(policy)


def _takes_from(rules: Rules, one: Policy, other: Policy) -> bool:
    """Return whether one certainly overrides the other where it matches. A policy that others may
    override overrides nothing.
    """
    return _names(one, other) and not any(_names(third, one) for third in rules.policies)


def _always_counts(rules: Rules, policy: Policy, other: Policy, action: Action) -> bool:
    """Return whether the other matches every job of the policy, and no third policy overrides
    either of them.
    """
    if policy.default or other.default or _names(policy, other) or _names(other, policy):
        return False
    # A job of the policy that the other does not match is not postponed.
    if may_overlap(policy.match, Not(other.match)):
        return False
    thirds = [each for each in rules.policies if each is not policy and each is not other]
    return not any(
        action in actions_stated(third) and (_names(third, policy) or _names(third, other))
        for third in thirds
    )


def _names(one: Policy, other: Policy) -> bool:
    return one is not other and (one.overrides == "all" or other.name in one.overrides)


def possible_lines(found: Iterable[ForeseenPostponement]) -> Iterator[str]:
    """Yield a line for each delete that others may postpone, without those that are certain."""
    lines: dict[str, list[str]] = {}
    for each in found:
        postponement = each.postponement
        if not each.is_certain:
            kept = f"keeps {', '.join(postponement.kept_by)}"
            how = kept if postponement.until is None else postponement.until
            how = f"delete_assets {how}" if postponement.by_assets else how
            head = f"{postponement.policy}: {postponement.action.value} {postponement.after}"
            lines.setdefault(head, []).append(f"{postponement.by} ({how})")
    for head, others in lines.items():
        yield f"{head} takes longer for jobs that also match {', '.join(others)}"
