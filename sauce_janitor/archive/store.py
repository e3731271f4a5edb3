"""Stores a job: stage, prove, flush, read back, write the receipt, show.

When `store` returns, the copy is durable and proven. This is one module, although long: the order
of these steps is the promise of the archive, and it is read from top to bottom.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Self

from sauce_janitor import __version__
from sauce_janitor.archive.asset_choice import AssetChoice, UnavailableFiles, choose
from sauce_janitor.archive.asset_fetch import ByteAllowance, Fetch
from sauce_janitor.archive.catalogue import Catalogue
from sauce_janitor.archive.close_guard import CloseGuard
from sauce_janitor.archive.disk.folders import write_file
from sauce_janitor.archive.hold_mirror import HoldMirror
from sauce_janitor.archive.job_fetch import FetchedJob, FetchRequest, JobFetcher
from sauce_janitor.archive.ownership.lease import ArchiveLease, LeaseHolder
from sauce_janitor.archive.proofs import Proof
from sauce_janitor.archive.prune_records import gone_files
from sauce_janitor.archive.receipt_format import canonical, sha256_of, write_receipt
from sauce_janitor.archive.receipts import (
    ReceiptDocument,
    ReceiptFile,
    StoredFile,
    assets_name,
    job_name,
    receipt_name,
)
from sauce_janitor.archive.settings import (
    StoreOrigin,
    WriteSettings,
    base_address,
    origin_url,
    stored_by,
)
from sauce_janitor.archive.storage.names import folder_name, place_of
from sauce_janitor.archive.storage.ports import Place, ReceiptTakenError, Staging, Store
from sauce_janitor.archive.storage.sites import ArchiveLocation, site_of
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import AssetListing, Job, JobDocument, JobId, Owner
from sauce_janitor.model.stored_jobs import StoredJob

_TAKEN_MOST: Final = 2
"""How often a pass begins again because another one committed first."""


@dataclass(frozen=True, slots=True)
class _Task:
    """One pass over one job.

    `earlier` are its receipts so far, oldest first. `gone` are the paths of what was pruned,
    `damaged` those of files that do not match their receipt.
    """

    place: Place
    document: JobDocument
    origin: StoreOrigin
    choice: AssetChoice
    earlier: tuple[ReceiptFile, ...]
    gone: frozenset[str]
    damaged: frozenset[str] = frozenset()

    @property
    def number(self) -> int:
        return len(self.earlier) + 1

    def restored(self, fetched_job: FetchedJob) -> tuple[str, ...]:
        """Return the damaged files that this pass replaced. A file that no receipt lists is none of
        them.
        """
        if not self.earlier:
            return ()
        newest = self.earlier[-1].document
        missing = {each.name for each in fetched_job.missing}
        assets = tuple(file for file in newest.assets if file.name not in missing)
        return tuple(file.file for file in (newest.job, *assets) if file.file in self.damaged)


class Archive:
    """One account's part of an archive, open for writing. Several threads may store at once, each
    its own job.
    """

    def __init__(
        self,
        root: Store,
        account: str,
        settings: WriteSettings,
        now: Callable[[], float],
    ) -> None:
        self._root, self._account, self._settings, self._now = root, account, settings, now
        # A caller that only mirrors holds has no lease.
        self._lease: ArchiveLease | None = None
        self.catalogue = Catalogue(root)
        self._life = CloseGuard(root.close)
        self._fetcher = JobFetcher(
            lambda: ByteAllowance(settings.caps, self._check_room),
            self._clock,
            compress=settings.compress,
        )

    @classmethod
    def open(
        cls,
        location: ArchiveLocation,
        *,
        account: str,
        known_uuid: str | None,
        settings: WriteSettings | None = None,
        now: Callable[[], float] = time.time,
        claimant: LeaseHolder | None = None,
    ) -> Archive:
        """Open the archive; make it, with its sentinel durable, when no uuid is known yet.

        With a `claimant` that has a run, it holds the account's lease on the archive until it is
        closed; a caller that only mirrors holds needs none. An archive that is made belongs to the
        claimant. Raises ArchiveUnusableError where it is missing, another one, read-only, or has no
        room above the settings' floor; RefusedError when it belongs to another state; LeaseError
        when another run works there.
        """
        maker = claimant.instance if claimant else None
        root = site_of(location).open(known_uuid=known_uuid, make=True, maker=maker)
        lease = None
        try:
            # A caller without a run only mirrors holds, which is safe beside any run.
            if claimant is not None and claimant.run_id:
                lease = ArchiveLease(root, account, claimant)
                lease.acquire()
            # Found out now and not at the first file, after thousands of requests.
            root.check_writable(folder_name(account))
            archive = cls(root, account, settings or WriteSettings(), now)
            archive._lease = lease
            archive.check()
        # Whatever happened, release the lease and close the folders. The error is raised again.
        except BaseException:
            if lease is not None:
                lease.release()
            root.close()
            raise
        return archive

    @property
    def uuid(self) -> str:
        """Return the uuid in the archive's sentinel; the state remembers it."""
        return self._root.uuid

    @property
    def holds(self) -> HoldMirror:
        """Return the mirror of the account's local holds."""
        return HoldMirror(self._root, self._account)

    def close(self) -> None:
        """Close the archive. A thread that is still storing a job then commits nothing of it.

        It closes the descriptors that it uses itself.
        """
        self._life.cut(last=self._release_lease)

    def _release_lease(self) -> None:
        """Release the lease, after the last commit and before the archive's folder may be
        closed.
        """
        if self._lease is not None:
            self._lease.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def check(self) -> None:
        """Raise unless it still is the archive that was opened, with room above its floor.

        ArchiveUnusableError for another or a full one, LeaseError when another machine, or another
        copy of the state, works there by now.
        """
        with self._life.held():
            self._root.check()
            self._check_lease()
            self._check_room()

    def _check_lease(self) -> None:
        if self._lease is not None:
            self._lease.check()

    def _check_room(self) -> None:
        self._root.check_room(self._settings.min_free.percent, self._settings.min_free.bytes)

    def sweep(self) -> int:
        """Remove what crashed passes of this account left, and return how many. Only under the
        lease.

        What may be another machine's unfinished work stays (`ArchiveLease.is_dead`).
        """
        self._root.tidy()
        is_dead = self._lease.is_dead if self._lease else lambda _word: True
        return self._root.sweep(folder_name(self._account), is_dead)

    def archived(self, job: Job) -> StoredJob | None:
        """Return what is stored of the job, None for nothing.

        Each file exists with its length; `catalogue.prove` reads the bytes. Raises ArchiveError
        when a receipt cannot be trusted, or a file is missing or of another length.
        """
        place = place_of(self._account, job)
        with self._life.held():
            receipts = self.catalogue.receipts(place)
            # Nothing of the job was ever stored.
            if not receipts:
                return None
            # A receipt without its files proves nothing, so no delete may rest on it.
            if not self.catalogue.is_whole(place, receipts[-1]):
                raise ArchiveError(
                    f"files of {'/'.join(place)} in the archive are missing or changed: run "
                    "`sauce-janitor archive verify`"
                )
            return stored_by(place, receipts[-1], gone_files(self.catalogue.records(place)))

    @contextmanager
    def reading(self) -> Iterator[Catalogue]:
        """Yield the catalogue; the archive stays open while the block runs, even if it is closed
        meanwhile.
        """
        with self._life.held():
            yield self.catalogue

    def read_back(self, owner: Owner, job_id: JobId, *, ended_at: int | None) -> Proof | None:
        """Read every byte stored of a job from the disk and compare it with the receipts; None for
        nothing.

        `ended_at` (epoch seconds UTC) saves a search. Raises ArchiveError when a receipt cannot be
        trusted.
        """
        with self._life.held():
            return self.catalogue.proof(self._account, owner, job_id, ended_at=ended_at)

    def store(
        self,
        document: JobDocument,
        listing: AssetListing,
        selection: Selection,
        fetch: Fetch,
        origin: StoreOrigin,
    ) -> StoredJob:
        """Fetch what is wanted of the job and not stored yet; when this returns, it is proven and
        durable.

        A file that cannot be fetched does not hold back the others: `missing` of the result, and
        the receipt, name it. Nothing is rewritten: what is stored stays, a later pass adds. Raises
        ArchiveError (this job), ArchiveUnusableError (all jobs) or what `fetch` raises about more
        than one file; then nothing of this pass remains in the archive.
        """
        with self._life.held():
            for _ in range(_TAKEN_MOST):
                # Its receipt counts: what it stored is adopted, and only the rest is fetched.
                with suppress(ReceiptTakenError):
                    return self._store(document, listing, selection, fetch, origin)
            return self._store(document, listing, selection, fetch, origin)

    def _store(
        self,
        document: JobDocument,
        listing: AssetListing,
        selection: Selection,
        fetch: Fetch,
        origin: StoreOrigin,
    ) -> StoredJob:
        self.check()
        place = place_of(self._account, document.job)
        earlier = self.catalogue.receipts(place)
        damaged = self._damaged(place, earlier)
        gone = gone_files(self.catalogue.records(place)) if earlier else frozenset()
        newest = earlier[-1].document if earlier else None
        missing = UnavailableFiles(damaged, gone if origin.restores else frozenset())
        choice = choose(
            listing, selection, newest, missing, purged=origin.purged, emptied=origin.emptied
        )
        # A list of any length would make this job endless.
        if len(choice.wanted) > self._settings.caps.assets:
            raise ArchiveError(
                f"job {document.job.id} lists {len(choice.wanted):,} assets, over the cap of "
                f"{self._settings.caps.assets:,}"
            )
        task = _Task(place, document, origin, choice, earlier, gone, damaged)
        # Nothing is wanted that is not there, so no request is sent.
        if newest and not choice.wanted and not newest.missing and choice.changes_nothing(newest):
            return self._flush_again(task)
        return self._pass(task, fetch)

    def _damaged(self, place: Place, earlier: tuple[ReceiptFile, ...]) -> frozenset[str]:
        """Return the stored files that do not match their receipt: they are fetched again while
        they can be.
        """
        if not earlier:
            return frozenset()
        return frozenset(finding.file for finding in self.catalogue.prove(place).findings)

    def _flush_again(self, task: _Task) -> StoredJob:
        """Flush once more what is there and has just matched its receipt; return it.

        Whoever wrote it may have died before the flush.
        """
        newest = task.earlier[-1]
        files = [
            each
            for each in (newest.document.job, *newest.document.assets)
            if each.file not in task.gone
        ]
        with storage_errors(f"flush {'/'.join(task.place)}"):
            self._root.flush_again(
                task.place,
                [*(file.file for file in files), *(receipt.file for receipt in task.earlier)],
            )
        return replace(stored_by(task.place, newest, task.gone), read_back=True)

    def _pass(self, task: _Task, fetch: Fetch) -> StoredJob:
        word = self._lease.word if self._lease else ""
        with self._root.stage(task.place, task.number, word=word) as staging:
            job = self._write_job(task, staging)
            fetched_job = self._fetch(task, fetch, staging)
            # A receipt that repeats the one before would only make the chain longer.
            if _says_nothing_new(task, job, fetched_job):
                return self._flush_again(task)
            fetched = fetched_job.files
            fresh = fetched if job == task.choice.kept_job else (job, *fetched)
            with storage_errors(f"flush the files of job {task.place[-1]}"):
                staging.flush(fresh)
            if self._settings.verify == "reread":
                staging.read_back(fresh)
            receipt = self._receipt(task, job, fetched_job)
            data = write_receipt(receipt)
            with storage_errors(f"write the receipt of job {task.place[-1]}"):
                rereads = self._settings.verify == "reread"
                staging.write_receipt(receipt_name(task.number), data, rereads=rereads)
            with storage_errors(f"look at the files of job {task.place[-1]}"):
                stamps = staging.stamps([*(file.file for file in fresh), receipt_name(task.number)])
            # The commit. A close waits for it, and refuses it once closed.
            with self._life.committing():
                # As late as possible: another machine may have taken the archive over while this
                # pass fetched.
                self._check_lease()
                staging.show()
                staging.verify_shown(stamps, fresh)
        shown = stored_by(
            task.place, ReceiptFile(receipt_name(task.number), sha256_of(data), receipt), task.gone
        )
        sizes = [file.bytes for file in fetched]
        odd = (
            *fetched_job.remarks,
            *((file.name, file.odd) for file in fetched if file.odd is not None),
        )
        return replace(
            shown,
            fetched_assets=len(sizes),
            fetched_bytes=sum(sizes),
            added=True,
            odd=odd,
            read_back=self._settings.verify == "reread",
            restored=task.restored(fetched_job),
        )

    def _write_job(self, task: _Task, staging: Staging) -> StoredFile:
        """Write the job's document, unless it is stored already as it is now."""
        data = canonical(task.document.document)
        kept = task.choice.kept_job
        # The document has not changed since it was stored.
        if kept is not None and kept.sha256 == sha256_of(data):
            return kept
        name = job_name(task.number)
        with storage_errors(f"write {name} of job {task.place[-1]}"):
            write_file(staging.fd, name, data)
        return StoredFile(
            name,
            staging.take(name, len(data), sha256_of(data)),
            len(data),
            sha256_of(data),
            self._clock(),
            origin_url(task.origin, task.document.job),
            "application/json",
        )

    def _fetch(self, task: _Task, fetch: Fetch, staging: Staging) -> FetchedJob:
        def url_of(name: str) -> str:
            return origin_url(task.origin, task.document.job, name)

        missing = (
            {each.name: each for each in task.earlier[-1].document.missing} if task.earlier else {}
        )
        request = FetchRequest(task.choice.wanted, task.choice.listed, fetch, url_of, missing)
        try:
            fetched_job = self._fetcher.fetch(
                request, staging.fd, assets_name(task.number), take=staging.take
            )
        except ArchiveError as error:
            raise type(error)(f"job {task.place[-1]}: {error}") from error
        return replace(fetched_job, missing=(*fetched_job.missing, *task.choice.unlisted))

    def _receipt(self, task: _Task, job: StoredFile, fetched_job: FetchedJob) -> ReceiptDocument:
        ended_at = task.document.job.ended_at
        # `place_of` refuses a job without an end.
        assert isinstance(ended_at, int)
        choice, origin = task.choice, task.origin
        return ReceiptDocument(
            number=task.number,
            tool=f"sauce-janitor {__version__}",
            archive=self.uuid,
            account=self._account,
            base_url=base_address(origin),
            owner=task.document.job.owner,
            job_id=task.document.job.id,
            ended_at=ended_at,
            policy=origin.policy,
            run_id=origin.run_id,
            selection=choice.selection,
            made_at=self._clock(),
            job=job,
            listed=choice.listed,
            assets=(*choice.kept, *fetched_job.files),
            discarded=choice.discarded,
            absent=choice.absent,
            purged=choice.purged,
            previous=task.earlier[-1].sha256 if task.earlier else None,
            missing=fetched_job.missing,
        )

    def _clock(self) -> int:
        return int(self._now())


def _says_nothing_new(task: _Task, job: StoredFile, fetched_job: FetchedJob) -> bool:
    """Tell whether a receipt of this pass would equal the newest one: the same files are
    missing.
    """
    if not task.earlier or fetched_job.files or job != task.choice.kept_job:
        return False
    newest = task.earlier[-1].document
    before, now = (
        [(each.name, each.sha256, each.was_asked_for) for each in missing]
        for missing in (newest.missing, fetched_job.missing)
    )
    return before == now and task.choice.changes_nothing(newest)
