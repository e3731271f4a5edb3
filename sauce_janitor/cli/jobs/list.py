"""`jobs` and `job`: show the jobs that Sauce Labs has now. They send only GETs."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.options import (
    ACCOUNT,
    FORMAT,
    IN_BUILD,
    JOB,
    LIMIT,
    NAMED,
    OWNER,
    ROWS,
    SINCE,
    UNTIL,
    parse_job,
    parse_owner,
    parse_time,
    statuses_option,
    warn_of_odd_globs,
)

if TYPE_CHECKING:
    from sauce_janitor.cli.account_session import AccountSession
    from sauce_janitor.model.jobs import Job, Owner

_STATUSES = ("passed", "failed", "error", "complete", "queued", "running", "unknown")
_FEWEST_ROWS = 20


@dataclass(frozen=True, slots=True)
class _JobFilter:
    """Which jobs to show. Times are epoch seconds, both included; `since` None: from the first.

    `limit` 0 means all.
    """

    owners: tuple[Owner, ...]
    since: int | None
    until: int
    tests: tuple[Callable[[Job], bool], ...]
    limit: int

    def matches(self, job: Job) -> bool:
        """Return whether the job passes all tests."""
        return all(test(job) for test in self.tests)


@click.command()
@click.option(
    "--owner",
    "owners",
    multiple=True,
    metavar="USER",
    help="Jobs of this user. Default: the account's users. Repeatable.",
)
@IN_BUILD
@NAMED
@statuses_option(_STATUSES)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="GLOB",
    help="Only jobs with any of these tags. Repeatable.",
)
@SINCE
@UNTIL
@LIMIT
@ACCOUNT
@ROWS
@click.pass_obj
def jobs(session: Session, /, *, wanted: str | None, form: str, limit: int, **options: Any) -> int:
    """List jobs, newest first, as Sauce Labs has them now."""
    from sauce_janitor import report
    from sauce_janitor.cli.account_session import open_account_session

    with open_account_session(session, wanted, accounts_only=True) as opened:
        job_filter = _read_filter(opened, options, limit)
        found = _FoundJobs(opened, job_filter)
        rows = ((opened.name, job) for job in itertools.islice(found, limit or None))
        if form == "csv":
            terminal.write(
                report.csv_lines((report.job_row(*row) for row in rows), report.JOB_COLUMNS)
            )
        elif form == "json":
            json_output.write_rows(report.job_row(*row) for row in rows)
        else:
            # With one owner, the column would say the same in each row.
            several = len(job_filter.owners) > 1
            shown = list(rows)
            if shown:
                report.show_jobs(session.console(), [each for _, each in shown], with_owner=several)
            else:
                terminal.echo("No job matches.", err=True)
        found.print_notes()
        return found.code


def _read_filter(opened: AccountSession, options: Mapping[str, Any], limit: int) -> _JobFilter:
    from sauce_janitor.model.globs import compile_glob

    now, zone = int(time.time()), opened.command.config.timezone
    since = parse_time("--since", options["since"], zone, now=now)
    until = parse_time("--until", options["until"], zone, now=now, end=True)
    warn_of_odd_globs(
        {"--build": options["build"], "--name": options["name"], "--tag": options["tags"]}
    )
    texts = [(field, options[field]) for field in ("build", "name") if options[field] is not None]
    tests = [_text_test(field, compile_glob(glob)) for field, glob in texts]
    if options["statuses"]:
        from sauce_janitor.report import status_of

        # A job without a status counts by its state, as it is shown.
        tests.append(lambda job: status_of(job) in options["statuses"])
    if options["tags"]:
        tests.append(_tag_test([compile_glob(glob) for glob in options["tags"]]))
    named = tuple(owner for text in options["owners"] if (owner := parse_owner(text)) is not None)
    # Newer jobs would move the list while it is read.
    end = now if until is None else until
    return _JobFilter(named or opened.manual.owners, since, end, tuple(tests), limit)


def _text_test(field: str, glob: Callable[[str], bool]) -> Callable[[Job], bool]:
    def test(job: Job) -> bool:
        value = getattr(job, field)
        return isinstance(value, str) and glob(value)

    return test


def _tag_test(globs: Sequence[Callable[[str], bool]]) -> Callable[[Job], bool]:
    def test(job: Job) -> bool:
        # Tags that could not be read match nothing.
        tags = job.tags if isinstance(job.tags, tuple) else ()
        return any(any(map(glob, tags)) for glob in globs)

    return test


class _FoundJobs:
    """The jobs that match, newest first over all owners.

    If one of several owners cannot be listed, the others still are, and `code` is not 0.
    """

    def __init__(self, opened: AccountSession, job_filter: _JobFilter) -> None:
        self._opened, self._filter = opened, job_filter
        self._rejected = 0
        self._short = 0
        self.code = 0
        # Merged while they are listed: pages beyond the limit are never requested.
        self._all = heapq.merge(*map(self._of, job_filter.owners), key=_newest_first)

    def __iter__(self) -> Iterator[Job]:
        return self._all

    def print_notes(self) -> None:
        """Print on stderr what is missing in the list, and why."""
        from sauce_janitor.report import counted

        limit = self._filter.limit
        if limit and next(self._all, None) is not None:
            terminal.echo(f"There are more than {limit:,}: --limit 0 shows all.", err=True)
        if self._short:
            terminal.echo(
                f"Listed without details: {counted(self._short, 'row')}. Such a row shows the name "
                "at the start of the job, and complete may mean passed or failed. `sauce-janitor "
                "job ID` shows the rest.",
                err=True,
            )
        if self._rejected:
            terminal.echo(
                f"Left out because it cannot be read: {counted(self._rejected, 'row')}.",
                err=True,
            )

    def _of(self, owner: Owner) -> Iterator[Job]:
        from sauce_janitor.errors import BudgetSpentError, CredentialsError, SourceError
        from sauce_janitor.inventory.pager import ROWS, PagePosition, Pager

        since, until, limit = self._filter.since, self._filter.until, self._filter.limit
        rows = ROWS
        # Without tests each row counts, so a small page is enough. One row more than the limit says
        # whether there are more.
        if limit and not self._filter.tests:
            rows = max(_FEWEST_ROWS, min(ROWS, limit + 1))
        reader = self._opened.manual.reader(owner)
        pager = Pager(reader, owner, since=since, longest_page=0, rows=rows)
        seen: set[str] = set()
        try:
            for page, _ in pager.pages(PagePosition(until)):
                self._rejected += len(page.rejected)
                # A glimpse is a row without details, which is good enough to show.
                glimpses = page.glimpses
                fresh = [glimpses.get(job.id, job) for job in page.jobs if job.id not in seen]
                self._short += len(glimpses)
                seen.update(job.id for job in fresh)
                yield from (job for job in fresh if self._filter.matches(job))
                self._opened.command.progress.step(len(fresh))
        # These errors concern every owner.
        except (CredentialsError, BudgetSpentError):
            raise
        except SourceError as error:
            if len(self._filter.owners) == 1:
                raise
            self.code = self._opened.report_error(error)


def _newest_first(job: Job) -> int:
    # Without a time, after all others.
    return -job.created_at if isinstance(job.created_at, int) else 0


@click.command()
@JOB
@OWNER
@ACCOUNT
@FORMAT
@click.pass_obj
def job(
    session: Session, /, job_id: str, *, owner: str | None, wanted: str | None, form: str
) -> None:
    """Show one job as Sauce Labs has it now, without credentials. --format json prints the whole
    document.
    """
    from sauce_janitor import report
    from sauce_janitor.cli.account_session import open_account_session
    from sauce_janitor.cli.job_lookup import find_asked_ids

    reference = parse_job(job_id)
    with open_account_session(session, wanted, accounts_only=True) as opened:
        (found_id,) = find_asked_ids(opened, (reference,), parse_owner(owner))
        found = opened.manual.find(found_id, parse_owner(owner))
    if form == "json":
        json_output.write(found.document)
    else:
        report.show_document(session.console(), found.job, found.document)
