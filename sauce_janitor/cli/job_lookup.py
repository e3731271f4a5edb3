"""The jobs that people mean by an id, the beginning of one, an address, a name or a build: exactly
one each, or none.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from sauce_janitor import terminal
from sauce_janitor.cli.options import job_reference_of
from sauce_janitor.errors import ConfigError
from sauce_janitor.model.job_references import Candidate, JobReference, only
from sauce_janitor.model.jobs import JobId, is_same_user

if TYPE_CHECKING:
    from sauce_janitor.cli.account_session import AccountSession
    from sauce_janitor.cli.app import Session
    from sauce_janitor.cli.archive.view import ArchiveView
    from sauce_janitor.config import Config
    from sauce_janitor.model.jobs import Job, Owner
    from sauce_janitor.state import State

_ID: Final = re.compile("[0-9a-f]{32}")
_MOST_ROWS: Final = 20_000
"""So many rows of a job list are looked through for a job that the state does not know."""
_BEFORE_S: Final = 86_400
"""News are looked for from this long before the last listing: what was created then may have been
missing in it.
"""


def known_ids(
    config: Config, references: Sequence[JobReference], accounts: Collection[str]
) -> tuple[JobId, ...]:
    """Return the jobs of these accounts, by what the state knows of the inventory and the archive;
    asks Sauce Labs nothing.

    A whole id stands for itself, known or not. ConfigError for a reference that means no job, or
    several.
    """
    from sauce_janitor.cli import known_jobs

    if all(each.id is not None for each in references):
        return _whole(references)
    with ExitStack() as stack:
        state = stack.enter_context(known_jobs.look(config, known_jobs.existing(config.state)))
        return _each(
            references,
            lambda each: _in_state(state, each, accounts),
            lambda each: state.lookups.near(each, accounts),
        )


def asked_ids(
    call: AccountSession, references: Sequence[JobReference], owner: Owner | None
) -> tuple[JobId, ...]:
    """Return the jobs of the account in hand, by what the state knows and by the jobs that were
    created since, asked for now.

    So that no job which is newer than the last listing makes an answer wrong. ConfigError as
    `known_ids`, and for a job that is called otherwise by now, or is of a user whom the account is
    not about.
    """
    if all(each.id is not None for each in references):
        return _whole(references)
    state, accounts = call.desk.tools.state, (call.name,)
    owners = (owner,) if owner is not None else call.hand.owners
    news = [candidate for each in owners for candidate in _news(call, each)]

    def found(reference: JobReference) -> Iterator[Candidate]:
        yield from state.lookups.listed(reference, accounts, gone=False)
        yield from (each for each in news if _is_meant(each, reference))

    def is_certain(job: Candidate, reference: JobReference) -> None:
        if not any(is_same_user(job.owner, each) for each in owners):
            raise ConfigError(
                f"{reference.text!r:.80} is job {job}, and its user is not one of account "
                f"{call.name} now: give the whole id"
            )
        if reference.prefix is None or not job.id.startswith(reference.prefix):
            _check_name(call, job, reference)

    return _each(references, found, lambda each: state.lookups.near(each, accounts), is_certain)


def _check_name(call: AccountSession, job: Candidate, reference: JobReference) -> None:
    """Ask for the job: names and builds change, and the state knows them as they were when the job
    was listed.
    """
    now = call.hand.find(job.id, job.owner).job
    if reference.name not in (now.name, now.build):
        raise ConfigError(
            f"job {job.id} is not called {reference.text!r:.80} any more: it is now "
            f"{now.name!r:.80} in build {now.build!r:.80}. Run `sauce-janitor plan` to list the "
            "jobs again, or give the whole id"
        )


def stored_id(session: Session, text: str, account: str | None) -> JobId:
    """Return the job of the archive that the text means. UsageError for what can be no job,
    ConfigError as `known_ids`.
    """
    from sauce_janitor.cli.archive.view import open_shelf

    reference = job_reference_of(text)
    if reference.id is not None:
        return reference.id
    with open_shelf(session) as shelf:
        return archived_id(shelf, reference, account)


def archived_id(shelf: ArchiveView, reference: JobReference, account: str | None) -> JobId:
    """Return the job of the archive that is meant. ConfigError as `known_ids`."""
    accounts = None if account is None else (account,)
    (found,) = _each(
        (reference,), lambda each: shelf.lookups.archived(each, accounts), lambda _: ()
    )
    return found


def _whole(references: Iterable[JobReference]) -> tuple[JobId, ...]:
    return tuple(dict.fromkeys(each.id for each in references if each.id is not None))


def _each(
    references: Iterable[JobReference],
    found: Callable[[JobReference], Iterable[Candidate]],
    near: Callable[[JobReference], Sequence[Candidate]],
    check: Callable[[Candidate, JobReference], None] = lambda _job, _reference: None,
) -> tuple[JobId, ...]:
    """Return one job for each reference, or none at all: a mistake in one of them must not let the
    others go ahead.
    """
    from sauce_janitor import report

    ids: dict[JobId, None] = {}
    for each in references:
        if each.id is not None:
            ids[each.id] = None
            continue
        candidates = tuple(found(each))
        try:
            job = only(each, candidates, () if candidates else near(each))
        except ValueError as wrong:
            raise ConfigError(str(wrong)) from wrong
        check(job, each)
        terminal.echo(report.clean(f"{each.text} is job {job}"), err=True)
        ids[job.id] = None
    return tuple(ids)


def _in_state(
    state: State, reference: JobReference, accounts: Collection[str]
) -> Iterator[Candidate]:
    yield from state.lookups.listed(reference, accounts, gone=True)
    yield from state.lookups.archived(reference, accounts)


def _news(call: AccountSession, owner: Owner) -> Iterator[Candidate]:
    """Yield the owner's jobs that the last listing cannot have shown; all of them where there was
    none.
    """
    from sauce_janitor.inventory.pager import PagePosition, Pager

    listed = call.desk.tools.state.jobs.of(call.name, owner).listed()
    # A list with rows that could not be read leaves no watermark; then all jobs are news.
    since = None if listed.watermark is None else max(0, listed.watermark - _BEFORE_S)
    pager = Pager(call.hand.reader(owner), owner, since=since, longest_page=0)
    rows = 0
    for page, _ in pager.pages(PagePosition(int(time.time()))):
        rows += len(page.ids)
        yield from map(_candidate, page.jobs)
        # A row that cannot be read is a job all the same: its id may begin as another one's.
        unread = filter(_ID.fullmatch, set(page.ids).difference(job.id for job in page.jobs))
        yield from (Candidate(JobId(each), owner) for each in unread)
        call.desk.shown.step(len(page.jobs))
        if rows > _MOST_ROWS:
            raise ConfigError(
                f"{owner} has more than {_MOST_ROWS:,} jobs that no listing has shown yet: "
                "`sauce-janitor plan` lists them first, or give the whole id"
            )


def _is_meant(job: Candidate, reference: JobReference) -> bool:
    if reference.prefix is not None and job.id.startswith(reference.prefix):
        return True
    return reference.name is not None and reference.name in (job.name, job.build)


def _candidate(job: Job) -> Candidate:
    name, build, created_at = (
        value if isinstance(value, kind) else None
        for value, kind in ((job.name, str), (job.build, str), (job.created_at, int))
    )
    return Candidate(job.id, job.owner, name, build, created_at)  # type: ignore[arg-type]
