"""Which rules can block a deadline, as far as the rules themselves show."""

from __future__ import annotations

from collections.abc import Iterator

from sauce_janitor.model.jobs import DELETES, Action
from sauce_janitor.model.policies import (
    AnyOf,
    Deadline,
    DeleteRule,
    Duration,
    KeepRule,
    Not,
    Policy,
    Rules,
)
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.retention.overlaps import may_overlap
from sauce_janitor.retention.precedence import actions_stated

ALWAYS_BLOCKING = (
    "an unfinished job; a job whose age, or a field that a policy reads, is unknown; a failed "
    "archive or delete; a spent request budget"
)
"""What can block any deadline, whatever the configuration says."""


def blocking_rules(deadline: Deadline, rules: Rules) -> tuple[str, ...]:
    """Return each rule that can keep a job past the deadline, as the configuration calls it: the
    holds, then by policy, then limits.
    """
    wanted = [
        (action, by)
        for action, by in zip(DELETES, (deadline.assets_gone_by, deadline.job_gone_by), strict=True)
        if by is not None
    ]
    found = [
        hold.id if hold.id.startswith("hold ") else f"hold {hold.id}"
        for hold in rules.holds
        # Any job can get a tag.
        if hold.match is None or may_overlap(hold.match, deadline.match)
    ]
    policies = [policy for policy in rules.policies if may_overlap(policy.match, deadline.match)]
    sure = [policy for policy in policies if not may_overlap(deadline.match, Not(policy.match))]
    for action, by in wanted:
        # While a job has assets, whatever keeps them keeps the job, too.
        actions = (action,) if action is Action.DELETE_ASSETS else DELETES
        for policy in policies:
            counting = frozenset(
                stated for stated in Action if not _is_overridden(policy, stated, sure, policies)
            )
            found += _of_policy(policy, [each for each in actions if each in counting], by)
            if Action.ARCHIVE in counting:
                found += _of_archive(policy, by)
        found += _uncovered(deadline, action, policies)
    if policies and (rules.grace.seconds or rules.grace.months):
        found.append(f"grace: {rules.grace.text}")
    limits = rules.limits
    found += [
        f"limits: {name}"
        for name in ("max_jobs", "max_percent", "max_growth")
        if getattr(limits, name) is not None
    ]
    return tuple(dict.fromkeys(found))


def _uncovered(deadline: Deadline, action: Action, policies: list[Policy]) -> Iterator[str]:
    """Yield the jobs of the deadline that no policy would ever delete; nothing where all are
    certainly covered.
    """
    stating = [
        policy
        for policy in policies
        if any(stated in dict(policy.deletes) for stated in (action, Action.DELETE_JOB))
    ]
    if not stating:
        yield f"no policy says {action.value} of such a job"
    elif may_overlap(deadline.match, Not(AnyOf(tuple(policy.match for policy in stating)))):
        names = " nor ".join(policy.name for policy in stating)
        unmatched = f"neither {names} matches" if len(stating) > 1 else f"{names} does not match"
        yield f"no policy says {action.value} of a job that {unmatched}"


def terms_of(deadline: Deadline) -> str:
    """Return what the deadline promises, such as `assets gone by 3d`."""
    parts = (("assets", deadline.assets_gone_by), ("job", deadline.job_gone_by))
    return ", ".join(f"{what} gone by {by.text}" for what, by in parts if by is not None)


def _is_overridden(
    policy: Policy, action: Action, sure: list[Policy], policies: list[Policy]
) -> bool:
    """Return whether another policy certainly takes this one's say on every job of the deadline.
    Those in `sure` match all these jobs.
    """
    for other in sure:
        if other is policy or action not in actions_stated(other):
            continue
        # A default has no say where another policy states the action.
        if policy.default and not other.default:
            return True
        if _names(other, policy) and not any(_names(third, other) for third in policies):
            return True
    return False


def _names(one: Policy, other: Policy) -> bool:
    return one is not other and (one.overrides == "all" or other.name in one.overrides)


def _of_policy(policy: Policy, actions: list[Action], by: Duration) -> Iterator[str]:
    stated = [(action, claim) for action, claim in policy.deletes if action in actions]
    for action, claim in stated:
        if claim.after is None:
            yield f"{policy.name}: {action.value}: never"
        elif _seconds(claim.after) > _seconds(by):
            yield f"{policy.name}: {action.value}: {claim.after.text}"
        yield from (
            f"{policy.name}: keep rule {rule.id}"
            for rule in _keeps(policy, claim)
            if _can_outlast(rule, by)
        )
    if stated and policy.unit == "build":
        yield f"{policy.name}: unit: build"


def _of_archive(policy: Policy, by: Duration) -> Iterator[str]:
    archive_rule = policy.archive
    if archive_rule is not None and not archive_rule.none:
        if _seconds(archive_rule.after) > _seconds(by):
            yield f"{policy.name}: archive: {archive_rule.after.text}"
        if archive_rule.if_purged == "keep":
            yield f"{policy.name}: if_purged: keep"
        if archive_rule.if_unavailable is None:
            yield f"{policy.name}: if_unavailable: keep"
        elif _seconds(archive_rule.if_unavailable) > _seconds(by):
            yield f"{policy.name}: if_unavailable: proceed after {archive_rule.if_unavailable.text}"


def _keeps(policy: Policy, claim: DeleteRule) -> tuple[KeepRule, ...]:
    return (*policy.keep, *claim.keep)


def _can_outlast(rule: KeepRule, by: Duration) -> bool:
    """Return whether the rule can keep a job of that age: `within` keeps no older ones."""
    if rule.kind != "within" or rule.duration is None:
        return True
    return _seconds(rule.duration) >= _seconds(by)


def _seconds(duration: Duration) -> int:
    """Return about how long it is, with the longest months: near enough to say what is possible."""
    return duration.seconds + duration.months * 31 * DAY_S
