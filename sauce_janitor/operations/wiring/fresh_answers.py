"""Answers that Sauce Labs gives while a plan is carried out: job lists, and fingerprints of
jobs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from sauce_janitor import state
from sauce_janitor.clock import CLOCK
from sauce_janitor.inventory import presence
from sauce_janitor.model.jobs import (
    UNKNOWN,
    Build,
    Job,
    JobId,
    Owner,
    Record,
    Text,
)
from sauce_janitor.retention.builds import has_only_lost_jobs
from sauce_janitor.retention.fingerprint import DecisionFields, fingerprint
from sauce_janitor.sauce.client import SauceReader


class FreshListings:
    """Asks for the job lists again while a plan is carried out (`execute.ports.Listings`)."""

    def __init__(self, reader: SauceReader, known: state.Jobs, account: str) -> None:
        self._reader, self._known, self._account = reader, known, account

    def contradicted(self, owner: Owner, job_ids: Collection[JobId], /) -> Mapping[JobId, str]:
        return presence.contradicted(
            owner, self._reader, self._known.of(self._account, owner), job_ids
        )


class Fingerprints:
    """Returns the fingerprint of a job as Sauce Labs just returned it, comparable with its plan's.

    Where the rules read builds, the job's build is asked for, too. An answer serves the other jobs
    of that build as long as it is no older than theirs. A build that only lost jobs counts as the
    one that was decided on.
    """

    def __init__(
        self, reader: SauceReader, known: state.Jobs, query: state.Query, fields: DecisionFields
    ) -> None:
        self._reader, self._known, self._query, self._fields = reader, known, query, fields
        self._builds: dict[tuple[Owner, str], tuple[float, Text]] = {}

    def __call__(self, job: Job, asked_at: float) -> str:
        build_status = self._build_status(job, asked_at) if self._fields.read_builds else None
        return fingerprint(job, build_status, self._fields)

    def _build_status(self, job: Job, asked_at: float) -> Text:
        record = self._known.record(self._query.account, job.id, as_of=self._query.as_of)
        if record is None or not isinstance(record.build_id, str):
            return UNKNOWN if record is None else record.build_id
        known_at, status = self._builds.get((job.owner, record.build_id), (-math.inf, None))
        # A permit says how old the job's own answer is: an older one of its build is asked again.
        if known_at < asked_at:
            now = CLOCK.monotonic()
            status = self._ask(job.owner, record.build_id, record)
            self._builds[job.owner, record.build_id] = now, status
        return status

    def _ask(self, owner: Owner, build_id: str, record: Record) -> Text:
        build = self._reader.build(build_id)
        # Builds v2 is not offered here, or the build does not exist: the list shows which.
        if build is None:
            listed = self._reader.builds(owner) or ()
            build = next((each for each in listed if each.id == build_id), None)
        if build is None:
            return UNKNOWN
        # Deletes by this program make the build smaller, and may improve its verdict.
        if record.build_counters is not None:
            counters = record.build_counters
            before = Build(
                build_id, None, None, record.build_status, counters.jobs, counters.open_jobs
            )
            if has_only_lost_jobs(before, build):
                return record.build_status
        return build.status
