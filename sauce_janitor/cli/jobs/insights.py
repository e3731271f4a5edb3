"""`insights`: show the tests that ran, by Sauce Labs' Insights. It sends only GETs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.options import ACCOUNT, ROWS, TIMES, parse_time
from sauce_janitor.errors import JanitorError
from sauce_janitor.json_output import Shape, key, spread

if TYPE_CHECKING:
    from sauce_janitor.cli.account_session import AccountSession
    from sauce_janitor.cli.jobs.insight_tables import InsightOutput
    from sauce_janitor.sauce.insights import Filter, Insights, Period

_F = TypeVar("_F", bound=Callable[..., Any])
_DEFAULT_BACK = "7d"
_BACK = re.compile(r"[1-9][0-9]{0,8}[dhms]")
_STATUSES = ("passed", "failed", "errored", "complete")
# It takes 100 requests, of 100 tests each.
_MOST = 10_000
_PERIOD: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--time-range",
        metavar="RANGE",
        help=f"How far back from now: 7d, 12h, 30m, 90s. Default: {_DEFAULT_BACK}.",
    ),
    click.option("--start", metavar="TIME", help=f"Start: {TIMES}."),
    click.option("--end", metavar="TIME", help="End; a day counts until its end. Default: now."),
)
_FILTERS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--scope",
        type=click.Choice(["me", "organization", "single"]),
        help="Whose tests. Default: Sauce Labs' default.",
    ),
    click.option(
        "--owner", "owners", multiple=True, metavar="USER", help="Tests of this user. Repeatable."
    ),
    click.option("--status", type=click.Choice(_STATUSES), help="Only tests with this result."),
)
_PLATFORM_FILTERS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--os",
        multiple=True,
        metavar="NAME",
        help="Only tests on this operating system, by its name in Insights. Repeatable.",
    ),
    click.option(
        "--browser",
        multiple=True,
        metavar="NAME",
        help="Only tests in this browser, by its name in Insights. Repeatable.",
    ),
)


def _options(*groups: tuple[Callable[[Any], Any], ...]) -> Callable[[_F], _F]:
    def decorate(command: _F) -> _F:
        for option in reversed(list(chain.from_iterable(groups))):
            command = option(command)
        return command

    return decorate


@click.group()
def insights() -> None:
    """Show what ran, by Sauce Labs' Insights: tests, their metrics and trends, builds, errors.

    Insights keeps its items longer than Sauce Labs keeps jobs, so no decision uses them. Sends only
    GETs.
    """


@insights.command()
@_options(_PERIOD, _FILTERS)
@click.option("--name", metavar="NAME", help="Only tests with this name.")
@click.option("--build", metavar="NAME", help="Only tests in this build.")
@click.option("--missing-build", is_flag=True, help="Only tests without a build.")
@click.option("--error", metavar="TEXT", help="Only tests with this error.")
@click.option("--oldest-first", is_flag=True, help="List the oldest first.")
@click.option(
    "--limit",
    type=click.IntRange(1, _MOST),
    metavar="N",
    default=100,
    show_default=True,
    help="Show at most N.",
)
@ACCOUNT
@ROWS
@click.pass_obj
def tests(session: Session, /, *, wanted: str | None, form: str, limit: int, **options: Any) -> int:
    """List the tests that ran, newest first."""
    from dataclasses import replace

    from sauce_janitor.cli.jobs.insight_tables import shown_tests

    if options["build"] is not None and options["missing_build"]:
        raise click.UsageError("--build and --missing-build exclude each other: use one of them")

    def ask(api: Insights, period: Period, which: Filter) -> InsightOutput:
        searched = replace(
            which,
            name=options["name"],
            build=options["build"],
            error=options["error"],
            without_build=options["missing_build"],
            newest_first=not options["oldest_first"],
        )
        # With a period that ends now, each page would have another end: fix it for all pages.
        return shown_tests(
            list(api.tests(period.fixed(int(time.time())), searched, most=limit)), limit
        )

    return _ask_and_print(session, wanted, form, options, ask)


@insights.command()
@click.argument("name")
@_options(_PERIOD, _FILTERS, _PLATFORM_FILTERS)
@ACCOUNT
@ROWS
@click.pass_obj
def metrics(
    session: Session, /, name: str, *, wanted: str | None, form: str, **options: Any
) -> int:
    """Summarize the runs of the test NAME: count, results, the fastest and the slowest."""
    from sauce_janitor.cli.jobs.insight_tables import shown_metrics

    return _ask_and_print(
        session,
        wanted,
        form,
        options,
        lambda api, *asked: shown_metrics(api.metrics(*asked, test=name), name),
    )


@insights.command()
@_options(_PERIOD, _FILTERS, _PLATFORM_FILTERS)
@click.option(
    "--interval",
    default="1d",
    show_default=True,
    metavar="RANGE",
    help="Length of an interval: 1m, 15m, 1h, 6h, 12h, 1d, 7d, 30d.",
)
@ACCOUNT
@ROWS
@click.pass_obj
def trends(
    session: Session, /, *, wanted: str | None, form: str, interval: str, **options: Any
) -> int:
    """Count the tests by time, and by owner, operating system and status."""
    from sauce_janitor.cli.jobs.insight_tables import shown_trends

    _check_range("--interval", interval)
    return _ask_and_print(
        session,
        wanted,
        form,
        options,
        lambda api, *asked: shown_trends(api.trends(*asked, interval=interval)),
    )


@insights.command()
@_options(_PERIOD, _FILTERS, _PLATFORM_FILTERS)
@ACCOUNT
@ROWS
@click.pass_obj
def builds(session: Session, /, *, wanted: str | None, form: str, **options: Any) -> int:
    """List builds with the results of their tests, and tests without a build; at most what Insights
    returns at once.
    """
    from sauce_janitor.cli.jobs.insight_tables import shown_builds

    return _ask_and_print(
        session, wanted, form, options, lambda api, *asked: shown_builds(api.builds(*asked))
    )


@insights.command()
@_options(_PERIOD, _FILTERS, _PLATFORM_FILTERS)
@ACCOUNT
@ROWS
@click.pass_obj
def errors(session: Session, /, *, wanted: str | None, form: str, **options: Any) -> int:
    """List the errors of tests, and how often each occurred."""
    from sauce_janitor.cli.jobs.insight_tables import shown_errors

    return _ask_and_print(
        session, wanted, form, options, lambda api, *asked: shown_errors(api.errors(*asked))
    )


def _ask_and_print(
    session: Session,
    wanted: str | None,
    form: str,
    options: Mapping[str, Any],
    ask: Callable[[Insights, Period, Filter], InsightOutput],
) -> int:
    """Ask Insights and print the answer. Return 4 if a part of it could not be read."""
    from sauce_janitor import report
    from sauce_janitor.cli.account_session import open_account_session

    # In Insights, owners belong to the scope `single`, and to no other.
    if options["scope"] == "single" and not options["owners"]:
        raise click.UsageError("--scope single needs an --owner")
    if options["owners"] and options["scope"] in {"me", "organization"}:
        raise click.UsageError(f"--owner names single users: leave out --scope {options['scope']}")
    with open_account_session(session, wanted, accounts_only=True) as opened:
        shown = ask(
            opened.manual.reader().insights, _read_period(opened, options), _read_filter(options)
        )
    if form == "json":
        answer = Shape(key("account", lambda _: opened.name), spread("document"))
        json_output.write(shown, answer)
    elif form == "csv":
        terminal.write(report.csv_lines(shown.rows, shown.columns))
    else:
        shown.show(session.console())
    # Not among the rows: stdout may be read by a program.
    for note in shown.notes:
        terminal.echo(report.clean(note), err=True)
    if shown.rejected:
        rows = report.counted(len(shown.rejected), "row")
        terminal.echo(
            report.clean(f"Left out because it cannot be read: {rows}: {shown.rejected[0]}"),
            err=True,
        )
    return JanitorError.exit_code if shown.rejected else 0


def _read_period(opened: AccountSession, options: Mapping[str, Any]) -> Period:
    from sauce_janitor.sauce.insights import Period

    back, now, zone = options["time_range"], int(time.time()), opened.command.config.timezone
    if back is not None and (options["start"] or options["end"]):
        raise click.UsageError("--time-range counts back from now: leave out --start and --end")
    # Insights knows periods with both only.
    if options["start"] is None and options["end"] is not None:
        raise click.UsageError("--end needs a --start")
    if options["start"] is None:
        return Period(back=_check_range("--time-range", back or _DEFAULT_BACK))
    start = parse_time("--start", options["start"], zone, now=now)
    end = parse_time("--end", options["end"], zone, now=now, end=True)
    end = now if end is None else end
    assert start is not None
    if start >= end:
        raise click.UsageError(f"--start {options['start']} is not before the end")
    return Period(start, end)


def _check_range(flag: str, text: str) -> str:
    if _BACK.fullmatch(text) is None:
        raise click.UsageError(
            f"{flag} {text!r:.40} is not a range: write a number and d, h, m or s, such as 7d or "
            "30m"
        )
    return text


def _read_filter(options: Mapping[str, Any]) -> Filter:
    from sauce_janitor.sauce.insights import Filter

    return Filter(
        scope=options["scope"],
        owners=tuple(options["owners"]),
        status=options["status"],
        os=tuple(options.get("os", ())),
        browser=tuple(options.get("browser", ())),
    )
