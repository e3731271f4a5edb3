"""`plan`, `run` and `apply`: one run for each account, as a dry run or executed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import NO_CHANGE
from sauce_janitor.cli.options import ACCOUNTS, policies_option

_Command = TypeVar("_Command", bound=Callable[..., Any])

_POLICY = policies_option("permits")
_RETRY_NOW = click.option(
    "--retry-now", is_flag=True, help="Retry failed jobs now instead of after their pause."
)


def _plan_options(command: _Command) -> _Command:
    """Add the options of a command that shows a plan."""
    options = (
        ACCOUNTS,
        _POLICY,
        click.option(
            "--out",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Write a plan file for `apply`.",
        ),
        click.option(
            "--all", "everything", is_flag=True, help="Include jobs that stay, with the reasons."
        ),
        click.option(
            "--format",
            "form",
            type=click.Choice(["table", "json", "csv", "markdown"]),
            default="table",
            show_default=True,
        ),
        click.option(
            "--as-of",
            metavar="TIME",
            help="Plan for another time: 2026-06-01T00:00:00Z or 1780272000. Cannot be applied.",
        ),
        click.option(
            "--offline", is_flag=True, help="Use what is known; send nothing to Sauce Labs."
        ),
        click.option(
            "--accept-loss",
            is_flag=True,
            help="Accept a listing in which most known jobs are missing.",
        ),
        click.option(
            "--detailed-exitcode",
            is_flag=True,
            help="Exit with 7 if there is something to do, with 3 if a limit is broken.",
        ),
    )
    return functools.reduce(lambda made, option: option(made), reversed(options), command)


@click.command()
@_plan_options
@click.pass_obj
def plan(session: Session, /, **options: Any) -> int:
    """Show what would be archived, deleted and stopped, and why. Sends only GETs."""
    from sauce_janitor.cli.run.plan_view import show_plans

    return show_plans(session, options)


@click.command()
@click.option(
    "--execute",
    is_flag=True,
    help="Carry the plan out. Without it, this is a dry run, the same as `plan`.",
)
@_RETRY_NOW
@NO_CHANGE
@_plan_options
@click.pass_obj
def run(session: Session, /, *, execute: bool, dry_run: bool, **options: Any) -> int:
    """Run once: list, plan and, with --execute, carry out the plan. For cron."""
    from sauce_janitor.cli.run.execution import carry_out
    from sauce_janitor.cli.run.plan_view import show_plans

    # --dry-run beats --execute, so that a wrapper script can always add it.
    if not execute or dry_run:
        return show_plans(session, {**options, "is_run": True})
    # They are for a plan that somebody reads: executed, --as-of would even act for another time.
    _refuse(options, "as_of", "offline", "out", "everything")
    return carry_out(session, options)


@click.command(name="apply")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_RETRY_NOW
@NO_CHANGE
@ACCOUNTS
@click.pass_obj
def apply(
    session: Session, /, file: Path, *, dry_run: bool, accounts: tuple[str, ...], retry_now: bool
) -> int:
    """Carry out a reviewed plan FILE, written by `plan --out`. Only what is in it and still due is
    done.
    """
    from sauce_janitor.cli.run.execution import carry_out
    from sauce_janitor.cli.run.plan_view import show_plans

    options: dict[str, Any] = {
        "accounts": accounts,
        "policies": (),
        "reviewed": file,
        "form": "table",
    }
    options["retry_now"] = retry_now
    return show_plans(session, options) if dry_run else carry_out(session, options)


def _refuse(options: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if options[name]:
            flag = {"everything": "--all"}.get(name, f"--{name.replace('_', '-')}")
            raise click.UsageError(f"{flag} is for a dry run: it cannot be used with --execute")
