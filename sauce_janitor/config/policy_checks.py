"""Checks of policies: overrides, default policies, matches, archiving and ids of keep rules.

They work on the values as read from YAML, so they find problems also in a file that has others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

import re2

from sauce_janitor.config.grammar.patterns import CUSTOM_DATA, compiled
from sauce_janitor.config.source.problems import ConfigProblems, Path, did_you_mean, listed, shown
from sauce_janitor.config.source.yaml import Table, Value
from sauce_janitor.model.policies import BUILD_FIELDS, FIELDS

PolicyTables: TypeAlias = list[tuple[Path, Table]]
_DELETES: Final = ("delete_assets", "delete_job")
_PROBES: Final = ("x", "PR-1", "A b/c_9", "0", "release/2.1 (eu)", "-")
"""Texts with nothing in common: a pattern that matches all of them probably matches every text."""


def check_policies(
    policies: PolicyTables, accounts: tuple[str, ...], problems: ConfigProblems
) -> None:
    """Add every problem of the policies that is not visible in a single value."""
    _check_overrides(policies, problems)
    _check_defaults(policies, accounts, problems)
    for path, policy in policies:
        _check_match(path, policy, problems)
        _check_archive(path, policy, problems)
        _check_keep_ids(path, policy, problems)


def _check_overrides(policies: PolicyTables, problems: ConfigProblems) -> None:
    by_name = {
        name: policy for _, policy in policies if isinstance(name := policy.get("name"), str)
    }
    graph: dict[str, list[str]] = {}
    for path, policy in policies:
        name, overrides = policy.get("name"), policy.get("overrides")
        if overrides in (None, []):
            continue
        # A default policy decides only what no other policy does, so it would override nothing
        # anyway.
        if policy.get("default") is True:
            problems.add(
                (*path, "overrides"),
                "a default policy cannot override others: remove `overrides` or `default`",
            )
            continue
        targets = overrides if isinstance(overrides, list) else []
        for index, target in enumerate(targets):
            if target == name:
                problems.add((*path, "overrides", index), f"{shown(target)} is this policy itself")
            elif isinstance(target, str) and target not in by_name:
                near = did_you_mean(target, by_name)
                problems.add((*path, "overrides", index), f"{shown(target)} is not a policy{near}")
        if isinstance(name, str):
            graph[name] = [target for target in targets if isinstance(target, str)]
            # `all` never means the policy itself, or each such policy would be a cycle.
            if overrides == "all":
                graph[name] = [other for other in by_name if other != name]
    for name in graph:
        cycle = _cycle_from(name, graph)
        # Each policy of a cycle finds it: report it once, at the first name.
        if cycle and name == min(cycle):
            place = next(path for path, policy in policies if policy.get("name") == name)
            problems.add(
                (*place, "overrides"),
                f"{' overrides '.join((*cycle, name))}: a cycle; remove one of them",
            )


def _cycle_from(start: str, graph: dict[str, list[str]]) -> list[str]:
    """Return the shortest cycle of overrides from `start` back to it, empty if there is none."""
    ways = [[start]]
    seen = {start}
    for way in ways:
        for target in graph.get(way[-1], ()):
            if target == start and len(way) > 1:
                return way
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return []


def _check_defaults(
    policies: PolicyTables, accounts: tuple[str, ...], problems: ConfigProblems
) -> None:
    first: dict[str, Path] = {}
    for path, policy in policies:
        if policy.get("default") is not True:
            continue
        if policy.get("unit") == "build":
            problems.add(
                (*path, "unit"),
                "a default policy cannot be for builds: remove `unit: build` or `default`",
            )
        named = policy.get("accounts")
        # Without `accounts` the policy is for all of them.
        chosen: list[Value] = list(accounts)
        if isinstance(named, list):
            chosen = named
        elif isinstance(named, str):
            chosen = [named]
        for account in chosen:
            if isinstance(account, str) and first.setdefault(account, path) != path:
                line = problems.line_of(first[account], seen_from=path)
                problems.add(
                    (*path, "default"),
                    f"account {shown(account)} already has a default policy ({line}): remove one",
                )


def _check_match(path: Path, policy: Table, problems: ConfigProblems) -> None:
    match = policy.get("match")
    # A forgotten match must not mean every job.
    if match is None and policy.get("default") is not True:
        problems.add(
            (*path, "match"),
            "is missing: name a field such as `build`, write `match: all` for every job, or add"
            " `default: true`",
        )
    # Only these fields belong to the build as a whole; its jobs differ in all others.
    if policy.get("unit") == "build":
        for place, node in mappings(match, (*path, "match")):
            for key in node:
                if (key in FIELDS and key not in BUILD_FIELDS) or key.startswith(CUSTOM_DATA):
                    problems.add(
                        (*place, key),
                        f"`{key}` is not a field of builds: `unit: build` can only match on"
                        f" {listed(BUILD_FIELDS)}",
                    )
    if _deletes(policy):
        for place, node in mappings(match, (*path, "match")):
            pattern = node.get("regex")
            if isinstance(pattern, str) and len(node) == 1 and _matches_everything(pattern):
                # Probably a mistake; whoever means every job must write it in a way that reviewers
                # cannot overlook.
                message = (
                    f"{shown(pattern)} matches everything, and this policy deletes: if you want"
                    " that, write `match: all`"
                )
                problems.add((*place, "regex"), message)


def _matches_everything(pattern: str) -> bool:
    try:
        return all(compiled(pattern).fullmatch(probe) for probe in _PROBES)
    except re2.error:
        # The grammar reports a pattern that does not compile.
        return False


def _deletes(policy: Table) -> list[str]:
    """Return the deletes that the policy permits: those that it states, except for `never`."""
    then = as_table(policy.get("then"))
    stated = {action: then.get(action) for action in _DELETES}
    after = {
        action: as_table(value).get("after") if isinstance(value, Table) else value
        for action, value in stated.items()
    }
    return [action for action, age in after.items() if age not in (None, "never")]


def _check_archive(path: Path, policy: Table, problems: ConfigProblems) -> None:
    then = policy.get("then")
    if not isinstance(then, Table):
        return
    if not then:
        problems.add(
            (*path, "then"), "is empty: say what happens, such as {archive: 5d, delete_assets: 21d}"
        )
    deletes = _deletes(policy)
    archive = then.get("archive")
    # A forgotten `archive` would destroy what nobody has a copy of. Whoever means that writes
    # `none`.
    if deletes and archive is None:
        message = (
            "is missing: a policy that deletes must say what it archives: add `archive: 5d`, or"
            " `archive: none`"
        )
        problems.add((*path, "then", "archive"), message)
    if not isinstance(archive, Table):
        return
    assets = archive.get("assets", ["all"])
    names = assets if isinstance(assets, list) else [assets]
    if (
        deletes
        and names
        and "all" not in names
        and "*" not in names
        and archive.get("discard") != "rest"
    ):
        message = (
            "stores only some assets, but a delete destroys all: confirm it with `discard: rest`,"
            " or archive `all`"
        )
        problems.add((*path, "then", "archive", "assets"), message)
    keeps = policy.get("keep")
    # Without keep rules it would archive nothing, and deletes would not wait for a copy.
    if archive.get("only") == "kept" and not keeps:
        problems.add(
            (*path, "then", "archive", "only"), "`only: kept` needs keep rules in this policy"
        )


def _check_keep_ids(path: Path, policy: Table, problems: ConfigProblems) -> None:
    seen: set[str] = set()
    then = as_table(policy.get("then"))
    places = [((*path, "keep"), policy.get("keep"))]
    places += [
        ((*path, "then", action, "keep"), as_table(then.get(action)).get("keep"))
        for action in _DELETES
    ]
    # Ids are unique in the whole policy, because plans and `explain` name a rule by its policy and
    # id.
    for place, rules in places:
        for index, rule in enumerate(as_list(rules)):
            name = as_table(rule).get("id")
            if isinstance(name, str):
                if name in seen:
                    problems.add(
                        (*place, index, "id"),
                        f"{shown(name)} is the id of another keep rule of this policy",
                    )
                seen.add(name)


def mappings(value: Value, path: Path) -> Iterator[tuple[Path, Table]]:
    """Yield every mapping in the value, the value itself included, with its path."""
    if isinstance(value, Table):
        yield path, value
        for key, below in value.items():
            yield from mappings(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from mappings(below, (*path, index))


def as_table(value: Value) -> Table:
    """Return the value if it is a mapping, otherwise an empty one."""
    return value if isinstance(value, Table) else Table(())


def as_list(value: Value) -> list[Value]:
    """Return the value if it is a list, otherwise an empty one."""
    return value if isinstance(value, list) else []
