"""Fits the parts together: each adapter says what one part offers in the words that another asks
for. It decides nothing.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from pydantic import SecretStr

from sauce_janitor import archive, config, state
from sauce_janitor.clock import CLOCK
from sauce_janitor.errors import RefusedError
from sauce_janitor.execute.ports import Fetch
from sauce_janitor.inventory import presence
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import (
    UNKNOWN,
    AssetListing,
    Build,
    Job,
    JobDocument,
    JobId,
    Owner,
    Record,
    Text,
)
from sauce_janitor.model.stored_jobs import ReadBack, StoredJob, StoreReason
from sauce_janitor.operations.wiring.pauses import pause_if_new
from sauce_janitor.operations.wiring.read_backs import CheckedCopies
from sauce_janitor.operations.wiring.run_settings import RunContext
from sauce_janitor.retention.builds import has_only_lost_jobs
from sauce_janitor.retention.fingerprint import DecisionFields, fingerprint
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.budget.count_file import SharedCount
from sauce_janitor.sauce.client import SauceReader
from sauce_janitor.sauce.gate import Gate
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.sauce.http.request_events import OnRequest

_HOUR_S = 3600


def connection(account: config.Account) -> Connection:
    """The account's address, credential and patience. ConfigError when a secret cannot be had."""
    username, access_key = account.credentials()
    return Connection(
        base_url=account.base_url,
        username=username,
        access_key=access_key,
        timeout_s=account.timeout_s,
        timeout_total_s=account.timeout_total_s,
        attempts=account.attempts,
        max_wait_s=account.max_wait_s,
        ca_bundle=str(account.ca_bundle) if account.ca_bundle else None,
        proxy=account.proxy,
        per_second=account.budget.usual.per_second,
        per_hour=account.budget.usual.per_hour,
        burst=account.budget.usual.burst,
        windows=account.budget.windows,
        zone=account.budget.zone,
        read_again=account.credentials,
    )


class AccountClient:
    """The reader of one account, and the gate for who may write: both spend one budget. A context
    manager.
    """

    def __init__(
        self,
        to: Connection,
        on_request: OnRequest,
        stop: threading.Event,
        *,
        store: SharedCount | None = None,
    ) -> None:
        self.connection = to
        self._on_request = on_request
        self._stop = stop
        self._store = store
        self.budget = RequestBudget.of(to, store=store, stop=stop)
        self.reader = SauceReader(to, on_request, budget=self.budget, stop=stop)

    def as_(
        self,
        username: str,
        access_key: SecretStr,
        read_again: Callable[[], tuple[str, SecretStr]] | None = None,
    ) -> AccountClient:
        """A client for another credential at the same address, with a budget of its own. Close it,
        too.
        """
        other = replace(
            self.connection, username=username, access_key=access_key, read_again=read_again
        )
        return AccountClient(other, self._on_request, self._stop, store=self._store)

    def gate(self) -> Gate:
        """The one way to change anything. Close it."""
        return Gate(self.connection, self.budget, self._on_request, stop=self._stop)

    def close(self) -> None:
        """Close the reader's connections and let go of the budget."""
        self.reader.close()
        self.budget.close()


def shared_count(tools: RunContext, *, run_id: str, tell: Callable[[str], None]) -> SharedCount:
    """Where requests are counted, together with every other process on the same state; `tell` is
    told when that is lost.
    """
    runs, identity = tools.state.runs, tools.state.identity

    def made() -> bool:
        return identity.remember_budget() and runs.any_since(
            int(tools.clock()) - _HOUR_S, but=run_id
        )

    return SharedCount(tools.config.state, made, tell)


class LeaseNotes:
    """What a state remembers of its leases on archives (`archive.lease.Memory`)."""

    def __init__(self, notes: state.Notes) -> None:
        self._notes = notes

    def read(self, uuid: str, account: str, /) -> tuple[str, ...]:
        said = self._notes.read(f"archive lease {uuid} {account}")
        return () if said is None else tuple(said.split())

    def write(self, uuid: str, account: str, words: tuple[str, ...], /) -> None:
        self._notes.write(f"archive lease {uuid} {account}", " ".join(words))


def claimant(held: state.State, *, run_id: str = "", adopts: bool = False) -> archive.LeaseHolder:
    """Who this state is to an archive; with a run it takes the lease there."""
    return archive.LeaseHolder(held.identity.instance_id, LeaseNotes(held.notes), run_id, adopts)


def refuse_foreign(settings: config.ArchiveConfig, held: state.State) -> None:
    """RefusedError where the archive belongs to another state; for what asks for no lease, and yet
    lifts a protection.
    """
    known = held.identity.archive_uuid(str(settings.path))
    with archive.Catalogue.open(settings.path, known_uuid=known) as catalogue:
        owner = archive.read_owner(settings.path, catalogue.root.fd)
    if owner is not None and owner.instance != held.identity.instance_id:
        raise RefusedError(archive.foreign(settings.path, owner))


def open_archive(
    settings: config.ArchiveConfig, account: str, held: state.State, *, run_id: str = ""
) -> archive.Archive:
    """The account's archive, for a run with its lease there; the state learns its id when it is
    made.

    Raises ArchiveUnusableError when it cannot be used, RefusedError when it is another state's,
    LeaseError when another run works there.
    """
    path = str(settings.path)
    pause_if_new(held, settings.path)
    floor = archive.DiskReserve(
        percent=settings.min_free_percent or 0.0, bytes=settings.min_free_bytes or 0
    )
    opened = archive.Archive.open(
        settings.path,
        account=held.accounts.key(account),
        known_uuid=held.identity.archive_uuid(path),
        settings=archive.WriteSettings(
            verify=settings.verify, min_free=floor, compress=settings.compress
        ),
        claimant=claimant(held, run_id=run_id),
    )
    try:
        held.identity.remember_archive(path, opened.uuid)
    except BaseException:  # let go of the archive, whatever it was; raised again
        opened.close()
        raise
    return opened


class FittedArchive:
    """The archive as executing asks for it (`execute.parts.Archive`)."""

    def __init__(
        self, held: archive.Archive, copies: CheckedCopies, *, run_id: str, base_url: str
    ) -> None:
        self._held, self._copies, self._run_id, self._base_url = held, copies, run_id, base_url

    def archived(self, job: Job, /) -> StoredJob | None:
        return self._held.archived(job)

    def store(
        self,
        document: JobDocument,
        listing: AssetListing,
        selection: Selection,
        fetch: Fetch,
        /,
        *,
        why: StoreReason,
    ) -> StoredJob:
        origin = archive.StoreOrigin(
            why.policy,
            self._run_id,
            self._base_url,
            purged=why.purged,
            restores=why.deletes,
            emptied=why.emptied,
        )
        self._copies.check(document.job)
        stored = self._held.store(document, listing, selection, fetch, origin)
        if stored.read_back:
            self._copies.remember(document.job.id, stored.sha256)
        return stored

    def read_back(self, owner: Owner, job_id: JobId, /) -> ReadBack:
        return self._copies.read_back(owner, job_id)

    def check(self) -> None:
        self._held.check()


class FreshListings:
    """The job lists, asked again while a plan is carried out (`execute.parts.Listings`)."""

    def __init__(self, reader: SauceReader, known: state.Jobs, account: str) -> None:
        self._reader, self._known, self._account = reader, known, account

    def contradicted(self, owner: Owner, job_ids: Collection[JobId], /) -> Mapping[JobId, str]:
        return presence.contradicted(
            owner, self._reader, self._known.of(self._account, owner), job_ids
        )


class Fingerprints:
    """The fingerprint of a job as just answered, comparable with its plan's.

    Where the rules read builds, the job's build is asked for too; an answer serves the other jobs
    of that build as long as it is no older than theirs. A build that only lost jobs is the one that
    was decided on.
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
        if build is None:  # builds v2 is not offered, or there is none: the list says which
            listed = self._reader.builds(owner) or ()
            build = next((each for each in listed if each.id == build_id), None)
        if build is None:
            return UNKNOWN
        if (
            record.build_counters is not None
        ):  # our own deletes make it smaller, and perhaps its verdict milder
            counters = record.build_counters
            before = Build(
                build_id, None, None, record.build_status, counters.jobs, counters.open_jobs
            )
            if has_only_lost_jobs(before, build):
                return record.build_status
        return build.status
