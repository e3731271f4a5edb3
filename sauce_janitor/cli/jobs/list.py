"""`jobs` and `job`: what Sauce Labs has, asked now, as it is. They send only GETs."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.options import (
    ACCOUNT,
    FORMAT,
    JOB,
    OWNER,
    ROWS,
    TIMES,
    job_reference_of,
    moment,
    owner,
    told_of_globs,
)

if TYPE_CHECKING:
    from sauce_janitor.cli.account_session import AccountSession
    from sauce_janitor.model.jobs import Job, Owner

_STATUSES = ("passed", "failed", "error", "complete", "queued", "running", "unknown")
_FEWEST_ROWS = 20


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which jobs; None or () are all. Times are epoch seconds, both included."""

    owners: tuple[Owner, ...]
    since: int | None
    until: int
    tests: tuple[Callable[[Job], bool], ...]
    limit: int


@click.command()
@click.option(
    "--owner",
    "owners",
    multiple=True,
    metavar="USER",
    help="Jobs of this user. Default: the account's users. Repeatable.",
)
@click.option("--build", metavar="GLOB", help="Only jobs in builds with this name.")
@click.option("--name", metavar="GLOB", help="Only those with this name.")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(_STATUSES),
    help="Only those with this status. Repeatable.",
)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="GLOB",
    help="Only jobs with any of these tags. Repeatable.",
)
@click.option("--since", metavar="TIME", help=f"Created at or after this time: {TIMES}.")
@click.option(
    "--until", metavar="TIME", help="Created at or before this time; a day counts until its end."
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    metavar="N",
    default=100,
    show_default=True,
    help="Show at most N; 0 for all.",
)
@ACCOUNT
@ROWS
@click.pass_obj
def jobs(session: Session, /, *, wanted: str | None, form: str, limit: int, **given: Any) -> int:
    """List jobs, newest first, as Sauce Labs has them now."""
    from sauce_janitor import report
    from sauce_janitor.cli.account_session import calling

    with calling(session, wanted, looks=True) as call:
        chosen = _chosen(call, given, limit)
        found = _Found(call, chosen)
        rows = ((call.name, job) for job in itertools.islice(found, limit or None))
        if form == "csv":
            terminal.write(
                report.csv_lines((report.job_row(*row) for row in rows), report.JOB_COLUMNS)
            )
        elif form == "json":
            terminal.write(json_pieces(report.job_row(*row) for row in rows))
        else:
            several = len(chosen.owners) > 1
            shown = list(rows)
            if shown:
                report.show_jobs(session.console(), [each for _, each in shown], with_owner=several)
            else:
                terminal.echo("No such jobs.", err=True)
        found.tell_the_rest()
        return found.code


def _chosen(call: AccountSession, given: Mapping[str, Any], limit: int) -> _Wanted:
    from sauce_janitor.model.globs import compile_glob

    now, zone = int(time.time()), call.desk.config.timezone
    since = moment("--since", given["since"], zone, now=now)
    until = moment("--until", given["until"], zone, now=now, end=True)
    told_of_globs({"--build": given["build"], "--name": given["name"], "--tag": given["tags"]})
    texts = [(field, given[field]) for field in ("build", "name") if given[field] is not None]
    tests = [_text_test(field, compile_glob(glob)) for field, glob in texts]
    if given["statuses"]:
        from sauce_janitor.report import status_of

        tests.append(lambda job: status_of(job) in given["statuses"])
    if given["tags"]:
        globs = [compile_glob(glob) for glob in given["tags"]]
        tests.append(
            lambda job: (
                isinstance(job.tags, tuple) and any(g(tag) for g in globs for tag in job.tags)
            )
        )
    named = tuple(whose for text in given["owners"] if (whose := owner(text)) is not None)
    return _Wanted(
        named or call.hand.owners, since, now if until is None else until, tuple(tests), limit
    )


def _text_test(field: str, glob: Callable[[str], bool]) -> Callable[[Job], bool]:
    def test(job: Job) -> bool:
        value = getattr(job, field)
        return isinstance(value, str) and glob(value)

    return test


class _Found:
    """The jobs that are wanted, newest first over all owners. One owner that cannot be listed does
    not stop the others.
    """

    def __init__(self, call: AccountSession, wanted: _Wanted) -> None:
        self._call, self._wanted = call, wanted
        self._rejected = 0
        self._short = 0
        self.code = 0
        self._all = heapq.merge(*map(self._of, wanted.owners), key=_newest_first)

    def __iter__(self) -> Iterator[Job]:
        return self._all

    def tell_the_rest(self) -> None:
        """What is not in the list, on stderr."""
        if self._wanted.limit and next(self._all, None) is not None:
            terminal.echo(
                f"There are more; these are the first {self._wanted.limit:,}: --limit 0 for all.",
                err=True,
            )
        if self._short:
            terminal.echo(
                f"Sauce Labs listed {self._short:,} rows without their details: they show the name "
                "at the start of the job, and complete may mean passed or failed. `sauce-janitor "
                "job ID` shows the rest.",
                err=True,
            )
        if self._rejected:
            terminal.echo(f"{self._rejected:,} rows could not be read and are left out.", err=True)

    def _of(self, owner: Owner) -> Iterator[Job]:
        from sauce_janitor.errors import BudgetSpentError, CredentialsError, SourceError
        from sauce_janitor.inventory.pager import ROWS, PagePosition, Pager

        wanted = self._wanted
        rows = (
            ROWS
            if wanted.tests or not wanted.limit
            else max(_FEWEST_ROWS, min(ROWS, wanted.limit + 1))
        )
        pager = Pager(
            self._call.hand.reader(owner), owner, since=wanted.since, longest_page=0, rows=rows
        )
        seen: set[str] = set()
        try:
            for page, _ in pager.pages(PagePosition(wanted.until)):
                self._rejected += len(page.rejected)
                glimpses = page.glimpses
                fresh = [glimpses.get(job.id, job) for job in page.jobs if job.id not in seen]
                self._short += len(glimpses)
                seen.update(job.id for job in fresh)
                yield from (job for job in fresh if self._is_wanted(job))
                self._call.desk.shown.step(len(fresh))
        except (CredentialsError, BudgetSpentError):
            raise
        except SourceError as error:
            if len(wanted.owners) == 1:
                raise
            self.code = self._call.wrong(error)

    def _is_wanted(self, job: Job) -> bool:
        return all(test(job) for test in self._wanted.tests)


def _newest_first(job: Job) -> int:
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
    from sauce_janitor.cli import options as given
    from sauce_janitor.cli.account_session import calling
    from sauce_janitor.cli.job_lookup import asked_ids

    reference = job_reference_of(job_id)
    with calling(session, wanted, looks=True) as call:
        (wanted_id,) = asked_ids(call, (reference,), given.owner(owner))
        found = call.hand.find(wanted_id, given.owner(owner))
    if form == "json":
        terminal.write_json(found.document)
    else:
        report.show_document(session.console(), found.job, found.document)


def json_pieces(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A JSON list, piece by piece as its items come: there may be a million."""
    between = "[\n"
    for row in rows:
        yield between + terminal.json_text(row)
        between = ",\n"
    yield "[]\n" if between == "[\n" else "\n]\n"
