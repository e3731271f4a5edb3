"""`check`, `schema` and `config show`. They use no network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.errors import ConfigError

if TYPE_CHECKING:
    from sauce_janitor.config import Account, Config

_MOST_COSTLY = 3


@click.command()
@click.option(
    "--mutants",
    is_flag=True,
    help="Name every rule that could be removed without failing a test.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "junit"]),
    default="text",
    show_default=True,
    help="json and junit: errors, warnings and tests on stdout; same exit codes.",
)
@click.pass_context
def check(context: click.Context, /, *, mutants: bool, form: str) -> None:
    """Validate the configuration, run its `tests`, and warn of likely mistakes. Uses no network.

    Exits with 2 if there are errors; all are printed, with line and path. Exits with 6 if a test
    fails.
    """
    from sauce_janitor.cli.what_if.policy_tests import run_tests

    session: Session = context.obj
    if form != "text":
        # The documents have no place for mutants: refuse rather than leave them out.
        if mutants:
            raise click.UsageError("--mutants has no other format than text: leave --format out")
        context.exit(_report(session.config_path, form))

    config = _with_users(session.load())
    terminal.echo(f"{session.config_path}: valid")
    for account in config.accounts:
        count = len(config.rules(account.name).policies)
        policies = "1 policy" if count == 1 else f"{count} policies"
        # `me` is the user whose name the line begins with.
        whose = "its own jobs" if account.whose == "me" else f"users: {account.whose}"
        terminal.echo(
            f"{account.identity()}, {whose}, {policies}, {config.policy_digest(account.name)}"
        )
    for account in config.accounts:
        terminal.echo(_budget_of(config, account))
    _print_blocking_rules(config)
    # Whether these happen depends on the jobs, so they are no warnings.
    for line in _possible_interactions(config):
        terminal.echo(f"possible: {line}")
    for warning in config.warnings:
        terminal.echo(f"warning: {warning}")
    _warn_of_credentials(config)
    context.exit(run_tests(config, name_mutants=mutants))


def _with_users(config: Config) -> Config:
    """Return the configuration, with the warnings about its file of users.

    Raise ConfigError for one that `serve` would refuse.
    """
    from sauce_janitor.config.web_users import warnings_of

    if config.web.users is None:
        return config
    return replace(config, warnings=(*config.warnings, *warnings_of(config.web.users)))


def _report(path: Path, form: str) -> int:
    """Print all findings as one document and return the exit code."""
    from sauce_janitor.cli.setup.findings import FINDINGS, Findings, findings_of
    from sauce_janitor.config import load

    try:
        found = findings_of(_with_users(load(path)))
    # A pipeline reads one document, whatever is wrong with the file.
    except ConfigError as error:
        found = Findings(path, faults=error.problems)
    if form == "json":
        json_output.write(found, FINDINGS)
    else:
        terminal.write(found.junit())
    return found.code


def _budget_of(config: Config, account: Account) -> str:
    """Return the requests of a day, and how many jobs of the most costly policies that allows."""
    from sauce_janitor.retention.what_if.inflow import requests_a_job

    timetable = account.budget
    also = ", at some hours another number" if timetable.windows else ""
    rate, per_day = f"budget of {account.name}: {timetable.usual}{also}", timetable.per_day()
    # Without a limit for the day, no number of jobs is too many.
    if per_day is None:
        return rate
    costs = {policy.name: requests_a_job(policy) for policy in config.rules(account.name).policies}
    most_costly = sorted(
        (name for name, cost in costs.items() if cost), key=lambda name: (-costs[name], name)
    )[:_MOST_COSTLY]
    each = [
        f"{per_day / costs[name]:,.0f} jobs of {name} ({costs[name]:.0f} requests each)"
        for name in most_costly
    ]
    enough = f", enough for about {' or '.join(each)}" if each else ""
    return f"{rate}: {per_day:,.0f} requests a day{enough}"


def _possible_interactions(config: Config) -> list[str]:
    """Return which times other policies may make longer. What is certain is a warning."""
    from sauce_janitor.retention.interactions import foreseen, possible_lines

    found: dict[str, None] = {}
    for account in config.accounts:
        found |= dict.fromkeys(possible_lines(foreseen(config.rules(account.name))))
    return list(found)


def _print_blocking_rules(config: Config) -> None:
    """Print the rules that can keep a job past a deadline."""
    from sauce_janitor.retention.plan.blockers import ALWAYS_BLOCKING, blocking_rules, terms_of

    printed = set()
    for account in config.accounts:
        rules = config.rules(account.name)
        for deadline in rules.deadlines:
            blocking = "; ".join(blocking_rules(deadline, rules)) or "no rule"
            line = f"deadline {deadline.name} ({terms_of(deadline)}) can be blocked by: {blocking}"
            # Accounts often share their policies: each line is printed once.
            if line not in printed:
                printed.add(line)
                terminal.echo(line)
    if printed:
        terminal.echo(f"any deadline can also be blocked by: {ALWAYS_BLOCKING}")


def _warn_of_credentials(config: Config) -> None:
    """Warn of missing credentials. No error: a pipeline checks the file without secrets."""
    for account in config.accounts:
        for problem in account.missing():
            terminal.echo(f"warning: {problem}")


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "markdown"]),
    default="json",
    show_default=True,
    help="json: JSON Schema, draft 2020-12. markdown: the reference of every key.",
)
def schema(form: str) -> None:
    """Print the configuration's JSON Schema, for editors and pipelines."""
    from sauce_janitor.config.output.json_schema import json_schema_text
    from sauce_janitor.config.output.reference import markdown

    terminal.echo(json_schema_text() if form == "json" else markdown(), nl=False)


@click.group()
def config() -> None:
    """Show the configuration."""


@config.command()
@click.pass_obj
def show(session: Session) -> None:
    """Print the effective configuration as YAML: defaults filled in, paths absolute, secrets
    hidden.
    """
    from sauce_janitor.config.output.effective import effective_yaml
    from sauce_janitor.config.source.files import file_bytes

    terminal.echo(effective_yaml(file_bytes(session.config_path), session.config_path), nl=False)
