"""`stop` and `tag`: what a person does to single jobs, asked first, on record, read back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import DRY_RUN, YES, who
from sauce_janitor.cli.jobs.field_changes import change_of
from sauce_janitor.cli.options import ACCOUNT, FORMAT, JOBS, OWNER, job_references
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

_NOT_DONE = 4
_ENDING = (CredentialsError, BudgetSpentError, RefusedError, StateError)
"""What is about all jobs of a command, not about one."""


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
    **given: str | None,
) -> int:
    """Stop running and queued jobs. A JOB is an id or its first digits, an address, or a name or
    build that no other job has; - reads ids from stdin. Jobs that have ended are not changed.
    """
    from sauce_janitor.cli import options as checked
    from sauce_janitor.cli.account_session import calling
    from sauce_janitor.cli.job_lookup import asked_ids
    from sauce_janitor.execute.manual import action
    from sauce_janitor.model.jobs import Action, JobState
    from sauce_janitor.report import status_of

    references = job_references(jobs)
    with calling(session, wanted) as call:
        owner = checked.owner(given["owner"])
        found, code = find_all(call, asked_ids(call, references, owner), owner)
        open_jobs = [each for each in found if each.job.state is not JobState.FINISHED]
        acts: list[ManualResult] = [
            over(each.job.id, each.job.owner, status_of(each.job))
            for each in found
            if each not in open_jobs
        ]
        lines = [
            f"stop {each.job.id} of {each.job.owner}, {each.job.state.value}: {each.job.name}"
            for each in open_jobs
        ]
        if not may_act(call, f"Stop {_jobs(len(open_jobs))}?", lines, yes=yes, dry_run=dry_run):
            return show(acts, code, form=form)

        def one(document: JobDocument) -> ManualResult:
            job = document.job
            with call.hand.acting(job.owner, by=who()) as parts:
                return action.stop(parts, job.owner, job.id)

        acts += do_all(call, open_jobs, one, told=lambda act: call.hand.told(Action.STOP, act))
    return show(acts, code, form=form)


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
    **given: Any,
) -> int:
    """Change tags and other fields of jobs. A JOB is an id or its first digits, an address, or a
    name or build that no other job has; - reads ids from stdin.

    Sauce Labs replaces whole lists, so the job is read first, the change is merged into it, and the
    result is read back. It is no error if there is nothing to change.
    """
    from sauce_janitor.cli import options as checked
    from sauce_janitor.cli.account_session import calling
    from sauce_janitor.cli.job_lookup import asked_ids

    change, references = change_of(given), job_references(jobs)
    with calling(session, wanted) as call:
        owner = checked.owner(given["owner"])
        found, code = find_all(call, asked_ids(call, references, owner), owner)
        return show(
            *change_all(call, found, change, yes=yes, dry_run=dry_run, code=code), form=form
        )


def change_all(
    call: AccountSession,
    found: Sequence[JobDocument],
    change: JobChange,
    *,
    yes: bool,
    dry_run: bool,
    code: int = 0,
) -> tuple[list[ManualResult], int]:
    """Change these jobs, after asking; what came of each, and the exit code so far."""
    from sauce_janitor.execute.manual.field_changes import update
    from sauce_janitor.model.permits import ManualAction

    acts: list[ManualResult] = []
    to_do: list[JobDocument] = []
    lines = []
    for each in found:
        try:
            fields = change.of(each)
        except ValueError as wrong:
            acts.append(not_done(each.job.id, each.job.owner, str(wrong)))
            continue
        if fields:
            to_do.append(each)
            lines += [f"change {each.job.id}: {line}" for line in _what(each, fields)]
        else:
            acts.append(over(each.job.id, each.job.owner, "so already"))
    if may_act(call, f"Change {_jobs(len(to_do))}?", lines, yes=yes, dry_run=dry_run):

        def one(document: JobDocument) -> ManualResult:
            with call.hand.acting(document.job.owner, by=who()) as parts:
                return update(parts, document, change)

        acts += do_all(call, to_do, one, told=lambda act: call.hand.told(ManualAction.UPDATE, act))
    return acts, code


def find_all(
    call: AccountSession, ids: Sequence[JobId], owner: Owner | None
) -> tuple[list[JobDocument], int]:
    """The jobs as they are now, and the exit code for those that cannot be had."""
    found, code = [], 0
    for job_id in ids:
        try:
            found.append(call.hand.find(job_id, owner))
        except _ENDING:
            raise
        except JanitorError as error:
            if len(ids) == 1:
                raise
            code = call.wrong(error)
    return found, code


def may_act(
    call: AccountSession, question: str, lines: Sequence[str], *, yes: bool, dry_run: bool
) -> bool:
    """Say what would happen, and ask. False when there is nothing to do, or it is a dry run."""
    from sauce_janitor import report

    if not lines:
        return False
    if dry_run or not yes:
        out = call.desk.session.console(error=True)
        for line in lines:
            report.say(out, f"{'would ' if dry_run else ''}{line}")
    if dry_run:
        return False
    call.ask(question, yes=yes)
    return True


def do_all(
    call: AccountSession,
    found: Sequence[JobDocument],
    one: Callable[[JobDocument], ManualResult],
    *,
    told: Callable[[ManualResult], None],
) -> list[ManualResult]:
    """Each by itself: one that fails does not stop the others, unless it is about all of them."""
    acts: list[ManualResult] = []
    for document in found:
        try:
            act = one(document)
        except _ENDING:
            for done in acts:
                terminal.echo(_line(done), err=True)
            raise
        except JanitorError as error:
            if call.desk.tools.stop.is_set():
                raise
            act = not_done(document.job.id, document.job.owner, str(error))
        told(act)
        acts.append(act)
    return acts


def over(job_id: JobId, owner: Owner, how: str) -> ManualResult:
    """Nothing was to be done."""
    from sauce_janitor.execute.manual.action import ManualResult

    return ManualResult(
        job_id,
        owner,
        "nothing",
        f"it is {how} already" if how != "so already" else "it is so already",
    )


def not_done(job_id: JobId, owner: Owner, why: str) -> ManualResult:
    """Nothing was done."""
    from sauce_janitor.execute.manual.action import ManualResult

    return ManualResult(job_id, owner, "failed", why)


def show(acts: Sequence[ManualResult], code: int = 0, *, form: str) -> int:
    """What came of each; the exit code."""
    from sauce_janitor import report

    if form == "json":
        terminal.echo(
            report.json_text(
                [
                    {
                        "job_id": act.job_id,
                        "owner": act.owner,
                        "outcome": act.outcome,
                        "detail": act.detail,
                        "changes": {
                            name: {"before": old, "after": new}
                            for name, (old, new) in act.changes.items()
                        },
                        "notes": list(act.notes),
                    }
                    for act in acts
                ]
            )
        )
    else:
        for act in acts:
            terminal.echo(_line(act), err=act.outcome in {"failed", "unknown"})
            for note in act.notes:
                terminal.echo(f"  {report.clean(note)}", err=True)
    return _NOT_DONE if any(act.outcome in {"failed", "unknown"} for act in acts) else code


def _line(act: ManualResult) -> str:
    from sauce_janitor import report

    words = {"done": "Done", "nothing": "Nothing to do", "failed": "Failed", "unknown": "In doubt"}[
        act.outcome
    ]
    told = "; ".join(_changed(name, old, new) for name, (old, new) in act.changes.items())
    return report.clean(
        f"{words}: {act.job_id} of {act.owner}: "
        f"{told if act.outcome == 'done' and told else act.detail}"
    )


def _what(document: JobDocument, fields: Mapping[Any, object]) -> list[str]:
    from sauce_janitor.model.job_changes import fields_of

    found = fields_of(document)
    return [_changed(name, found.get(name), value) for name, value in fields.items()]


def _changed(name: str, old: object, new: object) -> str:
    if isinstance(old, list) and isinstance(new, list):
        signs = [f"+{tag}" for tag in new if tag not in old] + [
            f"-{tag}" for tag in old if tag not in new
        ]
        return f"{name} {' '.join(signs)} (now {', '.join(map(str, new)) or 'none'})"
    return f"{name} {_text(old)} -> {_text(new)}"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _jobs(count: int) -> str:
    return f"{count:,} job" + ("" if count == 1 else "s")
