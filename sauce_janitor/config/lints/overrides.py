"""Warnings about overrides that override nothing, as far as the policies themselves show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sauce_janitor.config.grammar.document import ConfigFile
from sauce_janitor.config.source.problems import Path, shown
from sauce_janitor.model.policies import Policy, Rules
from sauce_janitor.retention.overlaps import may_overlap
from sauce_janitor.retention.precedence import actions_stated


def idle_overrides(file: ConfigFile, rules: Mapping[str, Rules]) -> Iterator[tuple[Path, str]]:
    """Yield the overrides that can never have an effect, and why. `rules` are by account."""
    accounts = [{policy.name: policy for policy in account.policies} for account in rules.values()]
    for index, term in enumerate(file.policies):
        path: Path = ("policies", index, "overrides")
        if term.overrides == "all":
            others = [other.name for other in file.policies if other.name != term.name]
            # `all` is a shorthand: it is idle only if it replaces no policy at all.
            if all(_why_idle(term.name, other, accounts) for other in others):
                yield (
                    path,
                    (
                        "overrides nothing: no job can match both this policy and another one with"
                        " the same action"
                    ),
                )
        else:
            for at, other in enumerate(term.overrides or ()):
                if why := _why_idle(term.name, other, accounts):
                    yield (*path, at), f"overrides nothing of {shown(other)}: {why}"


def _why_idle(name: str, other: str, accounts: Iterable[Mapping[str, Policy]]) -> str | None:
    """Return why the one policy never overrides the other; None if it may."""
    # The rules of any common account do: a policy has the same match in each.
    both = next((by_name for by_name in accounts if name in by_name and other in by_name), None)
    if both is None:
        return "they have no account in common"
    mine, its = both[name], both[other]
    if not actions_stated(mine) & actions_stated(its):
        return "they have no action in common"
    return None if may_overlap(mine.match, its.match) else "no job can match both"
