"""Finds the one job that a person means by an id, its first digits, a URL, a name or a build.

A text that means several jobs, or none, is an error: a command never guesses.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from sauce_janitor import terminal
from sauce_janitor.cli.options import parse_job
from sauce_janitor.errors import ConfigError
from sauce_janitor.model.job_references import Candidate, JobReference, only
from sauce_janitor.model.jobs import JobId, is_same_user
from sauce_janitor.model.safety_numbers import DAY_S

if TYPE_CHECKING:
    from sauce_janitor.cli.account_session import AccountSession
    from sauce_janitor.cli.app import Session
    from sauce_janitor.cli.archive.view import ArchiveView
    from sauce_janitor.config import Config
    from sauce_janitor.model.jobs import Job, Owner
    from sauce_janitor.state import State

_ID: Final = re.compile("[0-9a-f]{32}")
_MOST_ROWS: Final = 20_000
"""How many rows of a job list are searched for a job that the state does not know."""
_BEFORE_S: Final = DAY_S
"""How long before the last listing the search begins: that listing may have missed new jobs."""


def find_known_ids(
    config: Config, references: Sequence[JobReference], accounts: Collection[str]
) -> tuple[JobId, ...]:
    """Return the jobs of these accounts that the references mean. Sends nothing to Sauce Labs.

    The state's inventory and archive index are searched. A whole id stands for itself, even if the
    job is unknown. Raises ConfigError for a reference that means no job, or several.
    """
    from sauce_janitor.cli import known_jobs

    # A whole id needs no state: a hold can be placed before the first listing.
    if all(each.id is not None for each in references):
        return _whole_ids(references)
    with ExitStack() as stack:
        state = stack.enter_context(
            known_jobs.open_to_read(config, known_jobs.existing_state(config.state))
        )
        return _resolve_each(
            references,
            lambda each: _in_state(state, each, accounts),
            lambda each: state.lookups.near(each, accounts),
        )


def find_asked_ids(
    opened: AccountSession, references: Sequence[JobReference], owner: Owner | None
) -> tuple[JobId, ...]:
    """Return the jobs of the account that the references mean.

    The state is searched, and the jobs that were created after its last listing: a newer job with
    the same name would make the reference ambiguous. Raises ConfigError as `find_known_ids` does,
    for a job that has another name now, and for a job of a user who is not one of the account.
    """
    # A whole id needs no search, which would cost requests.
    if all(each.id is not None for each in references):
        return _whole_ids(references)
    state, accounts = opened.command.context.state, (opened.name,)
    owners = (owner,) if owner is not None else opened.manual.owners
    unlisted: list[Candidate] = []
    for each in owners:
        unlisted += _unlisted_jobs(opened, each)

    def found(reference: JobReference) -> Iterator[Candidate]:
        # A job that is gone cannot be shown or changed, so it makes no name ambiguous.
        yield from state.lookups.listed(reference, accounts, gone=False)
        yield from (each for each in unlisted if _is_meant(each, reference))

    def check(job: Candidate, reference: JobReference) -> None:
        if not any(is_same_user(job.owner, each) for each in owners):
            raise ConfigError(
                f"{reference.text!r:.80} is job {job}, and its user is not one of account "
                f"{opened.name} now: give the whole id"
            )
        # An id never changes. A name may have changed since the job was listed.
        if reference.prefix is None or not job.id.startswith(reference.prefix):
            _check_name(opened, job, reference)

    return _resolve_each(references, found, lambda each: state.lookups.near(each, accounts), check)


def _check_name(opened: AccountSession, job: Candidate, reference: JobReference) -> None:
    """Ask Sauce Labs for the job, and raise ConfigError if it has another name or build now."""
    now = opened.manual.find(job.id, job.owner).job
    if reference.name not in (now.name, now.build):
        raise ConfigError(
            f"job {job.id} is no longer called {reference.text!r:.80}: it is now "
            f"{now.name!r:.80} in build {now.build!r:.80}. Run `sauce-janitor plan` to list the "
            "jobs again, or give the whole id"
        )


def find_stored_id(session: Session, text: str, account: str | None) -> JobId:
    """Return the job of the archive that the text means.

    Raises UsageError for a text that cannot be a job, ConfigError as `find_known_ids` does.
    """
    from sauce_janitor.cli.archive.view import open_archive_view

    reference = parse_job(text)
    if reference.id is not None:
        return reference.id
    with open_archive_view(session) as view:
        return find_archived_id(view, reference, account)


def find_archived_id(view: ArchiveView, reference: JobReference, account: str | None) -> JobId:
    """Return the job of the archive that is meant. Raises ConfigError as `find_known_ids` does."""
    accounts = None if account is None else (account,)
    (found,) = _resolve_each(
        (reference,), lambda each: view.lookups.archived(each, accounts), lambda _: ()
    )
    return found


def _whole_ids(references: Iterable[JobReference]) -> tuple[JobId, ...]:
    return tuple(dict.fromkeys(each.id for each in references if each.id is not None))


def _resolve_each(
    references: Iterable[JobReference],
    found: Callable[[JobReference], Iterable[Candidate]],
    near: Callable[[JobReference], Sequence[Candidate]],
    check: Callable[[Candidate, JobReference], None] = lambda _job, _reference: None,
) -> tuple[JobId, ...]:
    """Return one job for each reference, in order and without repetition.

    One wrong reference is an error for all: the command must not begin with the others.
    """
    from sauce_janitor import report

    ids: dict[JobId, None] = {}
    for each in references:
        if each.id is not None:
            ids[each.id] = None
            continue
        # Every candidate is needed: two of them are an error, which names both.
        candidates = tuple(found(each))
        try:
            job = only(each, candidates, () if candidates else near(each))
        except ValueError as error:
            raise ConfigError(str(error)) from error
        check(job, each)
        # A person sees which job is meant before anything happens to it.
        terminal.echo(report.clean(f"{each.text} is job {job}"), err=True)
        ids[job.id] = None
    return tuple(ids)


def _in_state(
    state: State, reference: JobReference, accounts: Collection[str]
) -> Iterator[Candidate]:
    yield from state.lookups.listed(reference, accounts, gone=True)
    yield from state.lookups.archived(reference, accounts)


def _unlisted_jobs(opened: AccountSession, owner: Owner) -> Iterator[Candidate]:
    """Yield the owner's jobs that the last listing cannot have shown, or all if there was none."""
    from sauce_janitor.inventory.pager import PagePosition, Pager

    listed = opened.command.context.state.jobs.of(opened.name, owner).listed()
    # A listing with unreadable rows leaves no watermark. Then every job may be unlisted.
    since = None if listed.watermark is None else max(0, listed.watermark - _BEFORE_S)
    pager = Pager(opened.manual.reader(owner), owner, since=since, longest_page=0)
    rows = 0
    for page, _ in pager.pages(PagePosition(int(time.time()))):
        rows += len(page.ids)
        yield from map(_candidate, page.jobs)
        # An unreadable row is still a job: its id may have the same first digits as another.
        unread = filter(_ID.fullmatch, set(page.ids).difference(job.id for job in page.jobs))
        yield from (Candidate(JobId(each), owner) for each in unread)
        opened.command.progress.step(len(page.jobs))
        if rows > _MOST_ROWS:
            raise ConfigError(
                f"{owner} has more than {_MOST_ROWS:,} jobs that are not listed yet: run "
                "`sauce-janitor plan` first, or give the whole id"
            )


def _is_meant(job: Candidate, reference: JobReference) -> bool:
    # The same rules as for the jobs in the state.
    if reference.prefix is not None and job.id.startswith(reference.prefix):
        return True
    return reference.name is not None and reference.name in (job.name, job.build)


def _candidate(job: Job) -> Candidate:
    name, build, created_at = (
        value if isinstance(value, kind) else None
        for value, kind in ((job.name, str), (job.build, str), (job.created_at, int))
    )
    # mypy takes the types of all three together and cannot tell them apart.
    return Candidate(job.id, job.owner, name, build, created_at)  # type: ignore[arg-type]
