"""Fits the parts together: each adapter says what one part offers in the words that another asks
for. It decides nothing.
"""

from __future__ import annotations

from sauce_janitor import archive, config, state
from sauce_janitor.errors import RefusedError
from sauce_janitor.execute.ports import Fetch
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import (
    AssetListing,
    Job,
    JobDocument,
    JobId,
    Owner,
)
from sauce_janitor.model.stored_jobs import ReadBack, StoredJob, StoreReason
from sauce_janitor.operations.wiring.pauses import pause_if_new
from sauce_janitor.operations.wiring.read_backs import CheckedCopies


class LeaseNotes:
    """What a state remembers of its leases on archives (`archive.lease.Memory`)."""

    def __init__(self, notes: state.Notes) -> None:
        self._notes = notes

    def read(self, uuid: str, account: str, /) -> tuple[str, ...]:
        note = self._notes.read(f"archive lease {uuid} {account}")
        return () if note is None else tuple(note.split())

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
