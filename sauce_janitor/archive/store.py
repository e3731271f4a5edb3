"""Storing a job: fetch aside, prove, flush, read back, receipt, show. When `store` returns, the
copy is durable and proven.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from sauce_janitor import __version__
from sauce_janitor.archive.asset_choice import AssetChoice, UnavailableFiles, choose
from sauce_janitor.archive.asset_fetch import ByteAllowance, Fetch
from sauce_janitor.archive.catalogue import Catalogue, Proof
from sauce_janitor.archive.close_guard import CloseGuard
from sauce_janitor.archive.content.read_back import read_back, read_back_receipt
from sauce_janitor.archive.disk.durable import make_durable
from sauce_janitor.archive.disk.folders import disk_errors, reach, shut, write_file
from sauce_janitor.archive.disk.names import folder_name, place_of
from sauce_janitor.archive.disk.root import PARTIAL, ArchiveRoot, check_room, check_writable, tidy
from sauce_janitor.archive.disk.walk import Place
from sauce_janitor.archive.hold_mirror import HoldMirror
from sauce_janitor.archive.job_fetch import FetchedJob, FetchRequest, JobFetcher
from sauce_janitor.archive.ownership.lease import ArchiveLease, LeaseHolder
from sauce_janitor.archive.prune_records import gone_files
from sauce_janitor.archive.receipts import (
    ReceiptDocument,
    ReceiptFile,
    StoredFile,
    assets_name,
    canonical,
    job_name,
    receipt_name,
    sha256_of,
    write_receipt,
)
from sauce_janitor.archive.settings import (
    StoreOrigin,
    WriteSettings,
    base_address,
    origin_url,
    stored_by,
)
from sauce_janitor.archive.staging import StagingFolder, partial_folder, sweep
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import AssetListing, Job, JobDocument, JobId, Owner
from sauce_janitor.model.stored_jobs import StoredJob


@dataclass(frozen=True, slots=True)
class _Task:
    """One pass over one job. `earlier` are its receipts so far, oldest first; `gone` the paths of
    what was pruned, `damaged` those of what does not match its receipt.
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

    def restored(self, gathered: FetchedJob) -> tuple[str, ...]:
        """The damaged files that this pass has in new ones; what stands in no receipt is none of
        them.
        """
        if not self.earlier:
            return ()
        newest = self.earlier[-1].document
        missing = {each.name for each in gathered.missing}
        assets = tuple(file for file in newest.assets if file.name not in missing)
        return tuple(file.file for file in (newest.job, *assets) if file.file in self.damaged)


class Archive:
    """One account's part of an archive, open for writing. Several threads may store at once, each
    its own job.
    """

    def __init__(
        self,
        root: ArchiveRoot,
        partial: int,
        account: str,
        settings: WriteSettings,
        now: Callable[[], float],
    ) -> None:
        self._root, self._partial, self._account, self._settings, self._now = (
            root,
            partial,
            account,
            settings,
            now,
        )
        self._lease: ArchiveLease | None = None  # who only mirrors holds has none
        self.catalogue = Catalogue(root)
        self._life = CloseGuard(self._let_go)
        self._gatherer = JobFetcher(
            lambda: ByteAllowance(settings.caps, self._check_room),
            self._clock,
            compress=settings.compress,
        )

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        account: str,
        known_uuid: str | None,
        settings: WriteSettings | None = None,
        now: Callable[[], float] = time.time,
        claimant: LeaseHolder | None = None,
    ) -> Archive:
        """Open the archive at `path`, made (with its sentinel durable) when no uuid is known yet.

        For the run of a `claimant` it holds the account's lease on the archive until it is closed;
        who only mirrors holds needs none. An archive that is made is the claimant's. Raises
        ArchiveUnusableError: missing, another one, read-only, or no room above the settings' floor;
        RefusedError when it is another state's, LeaseError when another run works there.
        """
        root = ArchiveRoot.open(
            path, known_uuid=known_uuid, make=True, maker=claimant.instance if claimant else None
        )
        partial, lease = -1, None
        try:
            if claimant is not None and claimant.run_id:
                lease = ArchiveLease(root, account, claimant)
                lease.acquire()
            partial = partial_folder(root.fd, PARTIAL, folder_name(account))
            check_writable(root.path, partial)
            archive = cls(root, partial, account, settings or WriteSettings(), now)
            archive._lease = lease
            archive.check()
        except BaseException:  # let go of the folders, whatever it was; raised again
            if lease is not None:
                lease.release()
            if partial >= 0:
                shut(partial)
            root.close()
            raise
        return archive

    @property
    def uuid(self) -> str:
        """The uuid in the archive's sentinel; the state remembers it."""
        return self._root.uuid

    @property
    def holds(self) -> HoldMirror:
        """The account's local holds, as they are mirrored here."""
        return HoldMirror(self._root, self._account)

    def close(self) -> None:
        """Let go of the archive. A thread that is still storing a job then shows nothing of it, and
        closes what it uses.
        """
        self._life.cut(last=self._give_back)

    def _give_back(self) -> None:
        """Release the lease, once nothing is shown any more and before the archive's folder may be
        closed.
        """
        if self._lease is not None:
            self._lease.release()

    def _let_go(self) -> None:
        shut(self._partial)
        self._root.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        wrong: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def check(self) -> None:
        """ArchiveUnusableError unless it is still the archive that was opened, and has room above
        its floor.

        LeaseError when another machine, or another copy of the state, works there by now.
        """
        with self._life.held():
            self._root.check()
            self._check_lease()
            self._check_room()

    def _check_lease(self) -> None:
        if self._lease is not None:
            self._lease.check()

    def _check_room(self) -> None:
        check_room(self._root.path, self._root.fd, self._settings.min_free)

    def sweep(self) -> int:
        """Remove what crashed passes of this account left aside, and say how many. Only while the
        account's lease is held.

        What may be another machine's work in hand stays (`ArchiveLease.is_dead`).
        """
        tidy(self._root.path, self._root.fd)
        return sweep(self._root.fd, self._partial, *([self._lease.is_dead] if self._lease else []))

    def archived(self, job: Job) -> StoredJob | None:
        """What is stored of the job, None for nothing; each file is there with its length
        (`catalogue.prove` reads the bytes).

        Raises ArchiveError when a receipt cannot be trusted or a file is missing or of another
        length.
        """
        place = place_of(self._account, job)
        with self._life.held():
            receipts = self.catalogue.receipts(place)
            if not receipts:
                return None
            if not self.catalogue.is_whole(place, receipts[-1]):
                raise ArchiveError(
                    f"files of {'/'.join(place)} in the archive are missing or changed: see "
                    "archive verify"
                )
            return stored_by(place, receipts[-1], gone_files(self.catalogue.records(place)))

    @contextmanager
    def reading(self) -> Iterator[Catalogue]:
        """Lend the archive to read in: it stays open while the block runs, whoever closes it
        meanwhile.
        """
        with self._life.held():
            yield self.catalogue

    def read_back(self, owner: Owner, job_id: JobId, *, ended_at: int | None) -> Proof | None:
        """Read every byte stored of a job from the disk, and hold it against the receipts; None for
        nothing.

        `ended_at` (epoch seconds) spares a search. Raises ArchiveError when a receipt cannot be
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
        """Fetch what is wanted of the job and not yet stored; when this returns, it is proven and
        durable.

        A file that cannot be had does not hold back the others: `missing` of the result, and the
        receipt, name it. Never rewrites: what is stored stays, a later pass adds. Raises
        ArchiveError (this job), ArchiveUnusableError (all jobs) or what `fetch` raises about more
        than one file, and then nothing of this pass remains in the archive.
        """
        with self._life.held():
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
        if len(choice.wanted) > self._settings.caps.assets:
            raise ArchiveError(
                f"job {document.job.id} lists {len(choice.wanted):,} assets, over the cap of "
                f"{self._settings.caps.assets:,}"
            )
        task = _Task(place, document, origin, choice, earlier, gone, damaged)
        if newest and not choice.wanted and not newest.missing and choice.changes_nothing(newest):
            return self._vouch_again(task)
        return self._pass(task, fetch)

    def _damaged(self, place: Place, earlier: tuple[ReceiptFile, ...]) -> frozenset[str]:
        """The stored files that do not match their receipt: to be fetched again, while there still
        is something to fetch.
        """
        if not earlier:
            return frozenset()
        return frozenset(finding.file for finding in self.catalogue.prove(place).findings)

    def _vouch_again(self, task: _Task) -> StoredJob:
        """All is there and matched its receipt just now; flush it once more: whoever wrote it may
        have died before that.
        """
        newest = task.earlier[-1]
        files = [
            each
            for each in (newest.document.job, *newest.document.assets)
            if each.file not in task.gone
        ]
        with disk_errors(f"flush {'/'.join(task.place)}"):
            with reach(self._root.fd, task.place) as folder:
                make_durable(
                    folder,
                    [*(file.file for file in files), *(receipt.file for receipt in task.earlier)],
                )
            with reach(self._root.fd, task.place[:-1]) as day:
                os.fsync(day)
        return replace(stored_by(task.place, newest, task.gone), read_back=True)

    def _pass(self, task: _Task, fetch: Fetch) -> StoredJob:
        word = self._lease.word if self._lease else ""
        with StagingFolder(
            self._root.fd, self._partial, task.place, task.number, word=word
        ) as aside:
            job = self._write_job(task, aside.fd)
            gathered = self._fetch(task, fetch, aside.fd)
            if _says_nothing_new(task, job, gathered):
                return self._vouch_again(task)
            fetched = gathered.files
            fresh = fetched if job == task.choice.kept_job else (job, *fetched)
            with disk_errors(f"flush the files of job {task.place[-1]}"):
                make_durable(aside.fd, [file.file for file in fresh])
            if self._settings.verify == "reread":
                read_back(aside.fd, fresh)
            receipt = self._receipt(task, job, gathered)
            data = write_receipt(receipt)
            with disk_errors(f"write the receipt of job {task.place[-1]}"):
                write_file(aside.fd, receipt_name(task.number), data)
                make_durable(aside.fd, [receipt_name(task.number)])
                if self._settings.verify == "reread":
                    read_back_receipt(aside.fd, receipt_name(task.number), data)
            with disk_errors(f"look at the files of job {task.place[-1]}"):
                stamps = aside.stamps([*(file.file for file in fresh), receipt_name(task.number)])
            with self._life.committing():
                self._check_lease()
                aside.show()
                aside.verify_shown(stamps, fresh)
        shown = stored_by(
            task.place, ReceiptFile(receipt_name(task.number), sha256_of(data), receipt), task.gone
        )
        sizes = [file.bytes for file in fetched]
        odd = (
            *gathered.remarks,
            *((file.name, file.odd) for file in fetched if file.odd is not None),
        )
        return replace(
            shown,
            fetched_assets=len(sizes),
            fetched_bytes=sum(sizes),
            added=True,
            odd=odd,
            read_back=self._settings.verify == "reread",
            restored=task.restored(gathered),
        )

    def _write_job(self, task: _Task, folder: int) -> StoredFile:
        """The job's document, unless it is stored already as it is now."""
        data = canonical(task.document.document)
        kept = task.choice.kept_job
        if kept is not None and kept.sha256 == sha256_of(data):
            return kept
        name = job_name(task.number)
        with disk_errors(f"write {name} of job {task.place[-1]}"):
            write_file(folder, name, data)
        return StoredFile(
            name,
            name,
            len(data),
            sha256_of(data),
            self._clock(),
            origin_url(task.origin, task.document.job),
            "application/json",
        )

    def _fetch(self, task: _Task, fetch: Fetch, folder: int) -> FetchedJob:
        def url_of(name: str) -> str:
            return origin_url(task.origin, task.document.job, name)

        missing = (
            {each.name: each for each in task.earlier[-1].document.missing} if task.earlier else {}
        )
        errand = FetchRequest(task.choice.wanted, task.choice.listed, fetch, url_of, missing)
        try:
            gathered = self._gatherer.gather(errand, folder, assets_name(task.number))
        except ArchiveError as wrong:
            raise type(wrong)(f"job {task.place[-1]}: {wrong}") from wrong
        return replace(gathered, missing=(*gathered.missing, *task.choice.unlisted))

    def _receipt(self, task: _Task, job: StoredFile, gathered: FetchedJob) -> ReceiptDocument:
        ended_at = task.document.job.ended_at
        assert isinstance(ended_at, int)  # place_of saw to it
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
            assets=(*choice.kept, *gathered.files),
            discarded=choice.discarded,
            absent=choice.absent,
            purged=choice.purged,
            previous=task.earlier[-1].sha256 if task.earlier else None,
            missing=gathered.missing,
        )

    def _clock(self) -> int:
        return int(self._now())


def _says_nothing_new(task: _Task, job: StoredFile, gathered: FetchedJob) -> bool:
    """Whether a receipt of this pass would say what the newest one says: the same files are missing
    as before.
    """
    if not task.earlier or gathered.files or job != task.choice.kept_job:
        return False
    newest = task.earlier[-1].document
    before, now = (
        [(each.name, each.sha256, each.was_asked_for) for each in missing]
        for missing in (newest.missing, gathered.missing)
    )
    return before == now and task.choice.changes_nothing(newest)
