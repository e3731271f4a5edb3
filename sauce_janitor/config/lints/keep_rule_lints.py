"""Warnings about keep rules: those that protect nothing, are redundant, or outlive the assets."""

from __future__ import annotations

from collections.abc import Iterator

from sauce_janitor.config.grammar.actions import ArchiveTerm, DeleteTerm
from sauce_janitor.config.grammar.keep import KeepRuleTerm
from sauce_janitor.config.grammar.policies import PolicyTerm
from sauce_janitor.config.source.problems import Path, shown
from sauce_janitor.model.calendar_periods import CalendarPeriod
from sauce_janitor.model.durations import approximately
from sauce_janitor.model.safety_numbers import PURGED_AFTER_S


def keep_rule_warnings(policy: PolicyTerm, *, archives: bool) -> Iterator[tuple[Path, str]]:
    """Yield the warnings about a policy's keep rules. `archives`: the policy archives something."""
    then = policy.then
    only_kept = isinstance(then.archive, ArchiveTerm) and then.archive.only == "kept"
    # With `only: kept` the rules choose what is archived, so they have an effect.
    if policy.keep and then.delete_assets is None and then.delete_job is None and not only_kept:
        yield (
            ("keep",),
            "protects nothing: keep rules only prevent deletes of their own policy, which has none",
        )
    if policy.group_by and not _all_keep_rules(policy):
        yield ("group_by",), "has no effect: there are no keep rules"
    yield from _redundant_rules(policy)
    if not archives:
        for path, rule in _all_keep_rules(policy):
            if (kept_for := _certainly_kept_for(rule)) is not None:
                yield (
                    path,
                    (
                        f"keeps for {kept_for}, but nothing is archived: after 30 days only the"
                        " record is left"
                    ),
                )


def _redundant_rules(policy: PolicyTerm) -> Iterator[tuple[Path, str]]:
    """Yield keep rules that are redundant: another one of the same list keeps all of their jobs."""
    then = policy.then
    places: list[tuple[Path, list[KeepRuleTerm]]] = [(("keep",), policy.keep)]
    for action in ("delete_assets", "delete_job"):
        term = getattr(then, action)
        if isinstance(term, DeleteTerm):
            places.append((("then", action, "keep"), term.keep))
    for path, rules in places:
        for index in range(len(rules)):
            wider = _wider_rule(rules, index)
            if wider is not None:
                other = rules[wider].id or f"keep[{wider}]"
                message = f"keeps nothing that {shown(other)} does not keep: remove it"
                yield (*path, index), message


def _wider_rule(rules: list[KeepRuleTerm], index: int) -> int | None:
    """Return the first other rule of the list that certainly keeps all jobs of this one."""
    rule = rules[index]
    for at, other in enumerate(rules):
        if at == index or not _keeps_more(other, rule):
            continue
        # Of two equal rules only the second one is redundant.
        if index < at and _keeps_more(rule, other):
            continue
        return at
    return None


def _keeps_more(wide: KeepRuleTerm, narrow: KeepRuleTerm) -> bool:
    """Return whether `wide` certainly keeps all jobs that `narrow` keeps."""
    # A rule without `where` also keeps the jobs of a rule with one; two different ones may not
    # overlap at all.
    if wide.where != narrow.where and wide.where is not None:
        return False
    for kind in ("within", "within_of_newest"):
        long, short = getattr(wide, kind), getattr(narrow, kind)
        if long is not None and short is not None:
            # Months and days cannot be compared for certain: a month has 28 to 31 days.
            is_longer = approximately(long) >= approximately(short)
            return is_longer and bool(long.months) == bool(short.months)
    # The newest 20 of all jobs need not contain any of the newest 5 passed ones.
    if wide.where != narrow.where or wide.pick != narrow.pick or wide.nonempty != narrow.nonempty:
        return False
    for kind in ("last", *CalendarPeriod):
        many, few = getattr(wide, kind), getattr(narrow, kind)
        if many is not None and few is not None:
            return bool(many >= few)
    return wide.since_last is not None and wide.since_last == narrow.since_last


def _all_keep_rules(policy: PolicyTerm) -> list[tuple[Path, KeepRuleTerm]]:
    found: list[tuple[Path, KeepRuleTerm]] = [
        (("keep", index), rule) for index, rule in enumerate(policy.keep)
    ]
    for action in ("delete_assets", "delete_job"):
        term = getattr(policy.then, action)
        if isinstance(term, DeleteTerm):
            found += [
                (("then", action, "keep", index), rule) for index, rule in enumerate(term.keep)
            ]
    return found


def _certainly_kept_for(rule: KeepRuleTerm) -> str | None:
    """Return how long a rule keeps jobs, if that is certainly longer than Sauce Labs keeps assets;
    otherwise None.
    """
    if rule.within is not None and approximately(rule.within) > PURGED_AFTER_S:
        return rule.within.text
    for period in CalendarPeriod:
        count = getattr(rule, period)
        # With `nonempty` a rule counts only periods with jobs, so its span is not known.
        if count is None or rule.nonempty:
            continue
        if count * period.facts.shortest_s > PURGED_AFTER_S:
            return f"{count} {period.facts.noun}s"
    return None
