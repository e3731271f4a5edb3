"""`diff`: what an edit of the policies changes for the known jobs.

It sends nothing to Sauce Labs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.options import ACCOUNTS
from sauce_janitor.errors import ConfigError, Problem
from sauce_janitor.model.jobs import Owner

if TYPE_CHECKING:
    from sauce_janitor.cli.what_if.diff_text import AccountDiff
    from sauce_janitor.config import Config
    from sauce_janitor.retention.decide import Records
    from sauce_janitor.retention.what_if.diff import DiffSide
    from sauce_janitor.state import Query, Snapshot, State

SOMETHING_CHANGES = 7
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@ACCOUNTS
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "markdown"]),
    default="table",
    show_default=True,
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 7 if something changes.")
@click.pass_obj
def diff(
    session: Session,
    /,
    old: Path,
    new: Path,
    *,
    accounts: tuple[str, ...],
    form: str,
    detailed_exitcode: bool,
) -> int:
    """Show what changes for the known jobs if configuration OLD becomes NEW. Sends nothing to Sauce
    Labs.

    The jobs are those in the state of NEW, or of OLD if NEW has no state.
    """
    from sauce_janitor.cli import known_jobs
    from sauce_janitor.cli.what_if import diff_text

    before, after = _load_both(old, new)
    session.show_times_as_in(after)
    # A copy of the configuration in another folder may name a state that does not exist.
    config = after if after.state.exists() else before
    with known_jobs.open_to_read(config, known_jobs.existing_state(config.state)) as state:
        found = list(_compare_accounts(before, after, state, accounts, now=int(time.time())))
    if form == "json":
        json_output.write(diff_text.FileDiff(old, new, found), diff_text.DIFF)
    elif form == "markdown":
        terminal.write(diff_text.markdown(old, new, found))
    else:
        out = session.console()
        for each in found:
            diff_text.show(out, each)
    return (
        SOMETHING_CHANGES
        if detailed_exitcode and any(each.comparison.changes for each in found)
        else 0
    )


def _load_both(old: Path, new: Path) -> tuple[Config, Config]:
    """Load both configurations. Raises ConfigError with the errors of both."""
    from sauce_janitor.config import load

    problems: list[Problem] = []
    loaded = []
    for path in (old, new):
        try:
            loaded.append(load(path))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return loaded[0], loaded[1]


def _compare_accounts(
    old: Config, new: Config, state: State, wanted: tuple[str, ...], *, now: int
) -> Iterator[AccountDiff]:
    names = tuple(dict.fromkeys(account.name for account in (*new.accounts, *old.accounts)))
    for name in wanted:
        if name not in names:
            raise ConfigError(
                f"there is no account {name!r} in {old.file} or {new.file}; there are: "
                f"{', '.join(sorted(names))}"
            )
    selected = [name for name in names if not wanted or name in wanted]
    known = state.accounts.all().keys()
    # Nothing to compare at all is an error; one unknown account of several is left out.
    if not known & set(selected):
        raise ConfigError("no job is known yet: run `sauce-janitor plan` first")
    for name in selected:
        if name in known:
            yield _compare_account(name, old, new, state, now)
        else:
            terminal.echo(
                f"sauce-janitor: no job of account {name} is known yet: it is left out", err=True
            )


def _compare_account(name: str, old: Config, new: Config, state: State, now: int) -> AccountDiff:
    from sauce_janitor.cli import known_jobs
    from sauce_janitor.cli.what_if.diff_text import AccountDiff
    from sauce_janitor.operations.steps import acceptance
    from sauce_janitor.retention.what_if.diff import compare
    from sauce_janitor.retention.what_if.simulate import Setting, simulate

    with ExitStack() as stack:
        before, after = _sides(name, old, new, state, now, stack)
        comparison = compare(before, after, as_of=now)
        limits: tuple[str, ...] = ()
        # Without a change, the next plan breaks no other limit. A removed account has no next plan.
        if comparison.changes and known_jobs.find_account(new, name):
            setting = Setting(
                now, 1,
                accepted_at=state.acceptances.accepted_at(name, new.policy_digest(name)),
                plan_sizes=acceptance.plan_sizes(new.rules(name), state, name),
                approvals=acceptance.leeway(new, state, name, now=now, reviewed=False).approvals,
            )  # fmt: skip
            today = simulate(after.rules, after.records, setting).days[0]
            # The rest of the sentence is about a run, and here nothing runs.
            limits = tuple(
                limit.text.partition(". Nothing was changed")[0] for limit in today.broken
            )
    return AccountDiff(name, now, comparison, limits)


def _sides(
    name: str, old: Config, new: Config, state: State, now: int, stack: ExitStack
) -> tuple[DiffSide, DiffSide]:
    """Return the account's rules and jobs for both configurations.

    If both order the jobs alike, the state is read once for both.
    """
    from sauce_janitor.cli import known_jobs
    from sauce_janitor.retention.what_if.diff import DiffSide

    queries: list[Query | None] = []
    for config in (old, new):
        account = known_jobs.find_account(config, name)
        queries.append(known_jobs.query(config, state, account, as_of=now) if account else None)
    owners = [frozenset(query.owners or ()) if query else frozenset[Owner]() for query in queries]
    rules = [config.rules(name) for config, query in zip((old, new), queries, strict=True) if query]
    first, second = queries
    if first and second and tuple(first.age_from) == tuple(second.age_from):
        both = replace(second, owners=tuple(owners[0] | owners[1]), held=first.held | second.held)
        snapshot = stack.enter_context(state.jobs.snapshot(both))
        seen = [_only(snapshot, own) for own in owners]
    else:
        seen = [
            _only(stack.enter_context(state.jobs.snapshot(query)), own) if query else (lambda: ())
            for query, own in zip(queries, owners, strict=True)
        ]
    # If one file lacks the account, its side has no jobs, and the other file's rules stand in.
    return DiffSide(rules[0], seen[0], owners[0]), DiffSide(rules[-1], seen[1], owners[1])


def _only(snapshot: Snapshot, owners: frozenset[Owner]) -> Records:
    return lambda: (record for record in snapshot.records() if record.job.owner in owners)
