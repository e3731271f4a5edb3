"""`stop` and `tag`: changes of single jobs by a person, with a question, a journal and a check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import DRY_RUN, YES, current_user
from sauce_janitor.cli.jobs.change_results import (
    change_lines,
    failed,
    result_line,
    show_results,
    unchanged,
)
from sauce_janitor.cli.jobs.field_changes import change_of
from sauce_janitor.cli.options import ACCOUNT, FORMAT, JOBS, OWNER, parse_jobs, parse_owner
from sauce_janitor.errors import (
    BudgetSpentError,
    CredentialsError,
    JanitorError,
    RefusedError,
    StateError,
)

if TYPE_CHECKING:
    from sauce_janitor.cli.account_session import AccountSession
    from sauce_janitor.execute.manual.action import ManualResult
    from sauce_janitor.model.job_changes import JobChange
    from sauce_janitor.model.jobs import JobDocument, JobId, Owner

_ENDING = (CredentialsError, BudgetSpentError, RefusedError, StateError)
"""Errors that concern all jobs of a command: it does not go on with the next job."""


@click.command()
@JOBS
@OWNER
@ACCOUNT
@FORMAT
@YES
@DRY_RUN
@click.pass_obj
def stop(
    session: Session,
    /,
    jobs: tuple[str, ...],
    *,
    wanted: str | None,
    form: str,
    yes: bool,
    dry_run: bool,
    **options: str | None,
) -> int:
    """Stop running and queued jobs. A JOB is an id or its first digits, a URL, or a name or
    build that no other job has; - reads ids from stdin. Jobs that have ended are not changed.
    """
    from sauce_janitor.cli.account_session import open_account_session
    from sauce_janitor.cli.job_lookup import find_asked_ids
    from sauce_janitor.execute.manual import action
    from sauce_janitor.model.jobs import Action, JobState
    from sauce_janitor.report import counted, status_of

    references = parse_jobs(jobs)
    with open_account_session(session, wanted) as opened:
        owner = parse_owner(options["owner"])
        found, code = find_all(opened, find_asked_ids(opened, references, owner), owner)
        open_jobs = [each for each in found if each.job.state is not JobState.FINISHED]
        # Sauce Labs cannot stop a job that has ended; for scripts that is no error.
        results: list[ManualResult] = [
            unchanged(each.job.id, each.job.owner, f"it has already ended: {status_of(each.job)}")
            for each in found
            if each not in open_jobs
        ]
        lines = [
            f"stop {each.job.id} of {each.job.owner}, {each.job.state.value}: {each.job.name}"
            for each in open_jobs
        ]
        if not may_act(
            opened, f"Stop {counted(len(open_jobs), 'job')}?", lines, yes=yes, dry_run=dry_run
        ):
            return show_results(results, code, form=form)

        def stop_one(document: JobDocument) -> ManualResult:
            job = document.job
            with opened.manual.acting(job.owner, by=current_user()) as parts:
                return action.stop(parts, job.owner, job.id)

        def count(result: ManualResult) -> None:
            opened.manual.told(Action.STOP, result)

        results += change_each(opened, open_jobs, stop_one, count=count)
    return show_results(results, code, form=form)


@click.command()
@JOBS
@click.option("--add", multiple=True, metavar="TAG", help="Add this tag. Repeatable.")
@click.option("--remove", multiple=True, metavar="TAG", help="Remove this tag. Repeatable.")
@click.option(
    "--set",
    "tags",
    multiple=True,
    metavar="TAG",
    help="Replace all tags by this one. Repeatable.",
)
@click.option("--clear", is_flag=True, help="Remove all tags before --add.")
@click.option("--name", metavar="TEXT", help="Set the name.")
@click.option("--build", metavar="TEXT", help="Set the build.")
@click.option(
    "--public",
    metavar="WHO",
    help=(
        "Who may see it: public, public restricted, share, team, private, or several (team,share)."
    ),
)
@click.option("--passed/--failed", "passed", default=None, help="Set the result.")
@click.option(
    "--custom-data",
    "custom",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set this key of the custom data to a text, and keep other keys. Repeatable.",
)
@click.option(
    "--custom-data-json",
    "custom_json",
    multiple=True,
    metavar="KEY=JSON",
    help="Set this key to any JSON: 7, true, null, [1, 2]. Repeatable.",
)
@click.option(
    "--remove-custom-data",
    "drop",
    multiple=True,
    metavar="KEY",
    help="Remove this key. Repeatable.",
)
@OWNER
@ACCOUNT
@FORMAT
@YES
@DRY_RUN
@click.pass_obj
def tag(
    session: Session,
    /,
    jobs: tuple[str, ...],
    *,
    wanted: str | None,
    form: str,
    yes: bool,
    dry_run: bool,
    **options: Any,
) -> int:
    """Change tags and other fields of jobs. A JOB is an id or its first digits, a URL, or a
    name or build that no other job has; - reads ids from stdin.

    Sauce Labs replaces whole lists, so the job is read first, the change is merged into it, and the
    result is read back. It is no error if there is nothing to change.
    """
    from sauce_janitor.cli.account_session import open_account_session
    from sauce_janitor.cli.job_lookup import find_asked_ids

    change, references = change_of(options), parse_jobs(jobs)
    with open_account_session(session, wanted) as opened:
        owner = parse_owner(options["owner"])
        found, code = find_all(opened, find_asked_ids(opened, references, owner), owner)
        return show_results(
            *change_all(opened, found, change, yes=yes, dry_run=dry_run, code=code), form=form
        )


def change_all(
    opened: AccountSession,
    found: Sequence[JobDocument],
    change: JobChange,
    *,
    yes: bool,
    dry_run: bool,
    code: int = 0,
) -> tuple[list[ManualResult], int]:
    """Ask, and change these jobs. Return the results and the exit code so far."""
    from sauce_janitor.execute.manual.field_changes import update
    from sauce_janitor.model.permits import ManualAction
    from sauce_janitor.report import counted

    results: list[ManualResult] = []
    to_do: list[JobDocument] = []
    lines = []
    for each in found:
        try:
            fields = change.of(each)
        # The job's own fields do not allow the change, such as too many tags.
        except ValueError as error:
            results.append(failed(each.job.id, each.job.owner, str(error)))
            continue
        if fields:
            to_do.append(each)
            lines += [f"change {each.job.id}: {line}" for line in change_lines(each, fields)]
        else:
            results.append(unchanged(each.job.id, each.job.owner, "it has these values already"))
    if may_act(opened, f"Change {counted(len(to_do), 'job')}?", lines, yes=yes, dry_run=dry_run):

        def update_one(document: JobDocument) -> ManualResult:
            with opened.manual.acting(document.job.owner, by=current_user()) as parts:
                return update(parts, document, change)

        def count(result: ManualResult) -> None:
            opened.manual.told(ManualAction.UPDATE, result)

        results += change_each(opened, to_do, update_one, count=count)
    return results, code


def find_all(
    opened: AccountSession, ids: Sequence[JobId], owner: Owner | None
) -> tuple[list[JobDocument], int]:
    """Return the jobs as Sauce Labs has them now, and the exit code for those that it has not.

    Raises the error if there is only one job.
    """
    found, code = [], 0
    for job_id in ids:
        try:
            found.append(opened.manual.find(job_id, owner))
        except _ENDING:
            raise
        except JanitorError as error:
            # The error of the only job is the command's: its exit code counts.
            if len(ids) == 1:
                raise
            code = opened.report_error(error)
    return found, code


def may_act(
    opened: AccountSession, question: str, lines: Sequence[str], *, yes: bool, dry_run: bool
) -> bool:
    """Print the changes and ask. Return False if there is nothing to do, or for a dry run."""
    from sauce_janitor import report

    if not lines:
        return False
    if dry_run or not yes:
        # stdout has the results only, for scripts that read --format json.
        out = opened.command.session.console(error=True)
        would = "would " if dry_run else ""
        for line in lines:
            report.say(out, f"{would}{line}")
    if dry_run:
        return False
    opened.ask(question, yes=yes)
    return True


def change_each(
    opened: AccountSession,
    found: Sequence[JobDocument],
    change: Callable[[JobDocument], ManualResult],
    *,
    count: Callable[[ManualResult], None],
) -> list[ManualResult]:
    """Change the jobs one by one, count each result in the metrics, and return the results.

    A job that fails does not stop the others, unless the error concerns all of them.
    """
    results: list[ManualResult] = []
    for document in found:
        try:
            result = change(document)
        except _ENDING:
            # The error ends the command, which must still tell what is done.
            for done in results:
                terminal.echo(result_line(done), err=True)
            raise
        except JanitorError as error:
            # After Ctrl-C every further job would fail with the same error.
            if opened.command.context.stop.is_set():
                raise
            result = failed(document.job.id, document.job.owner, str(error))
        count(result)
        results.append(result)
    return results
