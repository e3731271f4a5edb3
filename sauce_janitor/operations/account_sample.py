"""Reads the newest jobs of an account, as a basis for a first configuration: a few GETs, nothing
stored, nothing changed.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Final

from sauce_janitor.config import Account
from sauce_janitor.config.output.proposals import JobSample
from sauce_janitor.errors import SourceError
from sauce_janitor.inventory.pager import PagePosition, Pager
from sauce_janitor.model.jobs import Job, JobId, owner_name
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.operations.wiring.account_client import AccountClient, connection
from sauce_janitor.sauce.http.connection import Connection

DAYS: Final = 90
MOST_JOBS: Final = 5_000
"""Ten requests: enough to see what an account runs, for little of its budget."""
_MOST_S: Final = 30.0
_TIMEOUT_S: Final = 10.0
_ATTEMPTS: Final = 2


def newest_jobs(account: Account, *, now: int) -> JobSample:
    """Return the account's own jobs of the last 90 days, at most the newest 5,000; `now` is epoch
    seconds.

    Stops after 30 s with the jobs read so far. Raise ConfigError without credentials, SourceError
    where nothing can be read.
    """
    # Short timeouts: a person waits for the first configuration.
    to = replace(
        connection(account), timeout_s=_TIMEOUT_S, attempts=_ATTEMPTS, max_wait_s=_TIMEOUT_S
    )
    client = AccountClient(to, lambda _request: None, threading.Event())
    try:
        jobs, is_whole = _listed(client, to, now)
    finally:
        client.close()
    oldest = min((job.created_at for job in jobs if isinstance(job.created_at, int)), default=now)
    days = DAYS if is_whole else max(1, (now - oldest) // DAY_S)
    return JobSample(f"{_shown(to.username)} at {to.base_url}", days, jobs, is_whole)


def _listed(client: AccountClient, to: Connection, now: int) -> tuple[tuple[Job, ...], bool]:
    """Return the jobs, each once, and whether they are all jobs of those days."""
    found: dict[JobId, Job] = {}
    began = time.monotonic()
    pager = Pager(client.reader, owner_name(to.username), since=now - DAYS * DAY_S, longest_page=0)
    try:
        for page, following in pager.pages(PagePosition(now)):
            found.update((job.id, job) for job in page.jobs)
            if following is not None and (
                len(found) >= MOST_JOBS or time.monotonic() - began > _MOST_S
            ):
                return tuple(found.values()), False
    except SourceError:
        if not found:
            raise
        return tuple(found.values()), False
    return tuple(found.values()), True


def _shown(username: str) -> str:
    return username if username.isascii() and username.isprintable() else "this user"
