"""Checks between the parts of a configuration, and keys that are not supported yet.

They work on the values as read from YAML, so they find problems also in a file that has others.
"""

from __future__ import annotations

from sauce_janitor.config.policy_checks import (
    PolicyTables,
    as_list,
    as_table,
    check_policies,
    mappings,
)
from sauce_janitor.config.source.problems import ConfigProblems, did_you_mean, listed, shown
from sauce_janitor.config.source.yaml import Table


def check(root: Table, problems: ConfigProblems) -> None:
    """Add every problem that is not visible in a single value."""
    policies: PolicyTables = [
        (("policies", index), policy)
        for index, policy in enumerate(as_list(root.get("policies")))
        if isinstance(policy, Table)
    ]
    accounts = tuple(as_table(root.get("accounts")))
    _check_names("policies", "policy", root, problems)
    _check_names("deadlines", "deadline", root, problems)
    _check_names("tests", "test", root, problems)
    _check_accounts(root, accounts, problems)
    _check_replaced(root, accounts, problems)
    _check_approvals(root, accounts, problems)
    _check_lists(root, problems)
    check_policies(policies, accounts, problems)
    for index, hold in enumerate(as_list(root.get("holds"))):
        if isinstance(hold, Table) and "match" in hold and hold["match"] is None:
            problems.add(("holds", index, "match"), "is null: name a field, or write `match: all`")


def _check_names(section: str, what: str, root: Table, problems: ConfigProblems) -> None:
    seen: dict[str, int] = {}
    for index, each in enumerate(as_list(root.get(section))):
        name = as_table(each).get("name")
        if isinstance(name, str):
            # Included files come from other teams, so two rules of one name can stand far apart:
            # the message names the other's place.
            if name in seen:
                here = (section, index, "name")
                first = problems.line_of((section, seen[name], "name"), seen_from=here)
                problems.add(
                    here,
                    f"{shown(name)} is the name of another {what} ({first}): names must be unique",
                )
            # Plans, journal and metrics know a rule by its name. A third rule of one name is
            # reported against the first, too.
            seen.setdefault(name, index)


def _check_accounts(root: Table, accounts: tuple[str, ...], problems: ConfigProblems) -> None:
    for section in ("policies", "holds", "deadlines", "tests"):
        for index, rule in enumerate(as_list(root.get(section))):
            named = as_table(rule).get("accounts")
            # Read before the grammar has made a list of a single name.
            for account in named if isinstance(named, list) else [named]:
                if isinstance(account, str) and account not in accounts:
                    near = did_you_mean(account, accounts)
                    problems.add(
                        (section, index, "accounts"),
                        f"{shown(account)} is not an account of this file{near}",
                    )


def _check_replaced(root: Table, accounts: tuple[str, ...], problems: ConfigProblems) -> None:
    for name, account in as_table(root.get("accounts")).items():
        named = as_table(account).get("replaces")
        for replaced in named if isinstance(named, list) else [named]:
            # Its jobs would belong to two accounts at once: to itself and to the one that replaces
            # it.
            if replaced in accounts:
                problems.add(
                    ("accounts", name, "replaces"),
                    f"{shown(replaced)} is an account of this file, so it cannot be replaced",
                )


def _check_approvals(root: Table, accounts: tuple[str, ...], problems: ConfigProblems) -> None:
    for index, approval in enumerate(as_list(root.get("approvals"))):
        account = as_table(approval).get("account")
        if isinstance(account, str) and account not in accounts:
            near = did_you_mean(account, accounts)
            problems.add(
                ("approvals", index, "account"),
                f"{shown(account)} is not an account of this file{near}",
            )


def _check_lists(root: Table, problems: ConfigProblems) -> None:
    lists = as_table(root.get("lists"))
    for path, node in mappings(root, ()):
        name = node.get("in")
        # A list cannot refer to another; the grammar says so.
        if isinstance(name, str) and len(node) == 1 and name not in lists and path[0] != "lists":
            hint = did_you_mean(name, lists)
            if not lists:
                hint = "; `lists` has no entries"
            elif not hint:
                hint = f"; use {listed(shown(known) for known in lists)}"
            problems.add((*path, "in"), f"{shown(name)} is not a list under `lists`{hint}")
